use serde_json::value::to_raw_value;
use serde_json::{Value as Json, json};

use super::*;
use crate::convert::{funding, funding_beta as beta, subaccounts};
use tidegate_proto::v1;

const NOW_US: u64 = 1_781_000_100_000_000;

fn sought(amount: &str) -> Sought {
    Sought {
        asset: "XBT".into(),
        asset_class: None,
        amount: amount.into(),
        key: Some("cold-wallet-1".into()),
    }
}

fn window() -> Window {
    Window::between(1_781_000_000_000_000, 1_781_000_070_000_000)
}

fn found(list: List, sought: &Sought, result: &Json) -> String {
    let raw = to_raw_value(result).expect("JSON");
    evidence(list, sought, &raw, NOW_US).expect("a list").text(sought, window())
}

fn line(refid: &str, amount: &str, fee: &str, key: &str) -> Json {
    json!({"asset": "XXBT", "refid": refid, "amount": amount, "fee": fee, "time": 1_781_000_003, "status": "Success", "key": key})
}

#[test]
fn a_withdrawal_is_like_another_by_amount_and_address() {
    let list = json!([
        line("FTgross", "0.72498000", "0.00002000", "cold-wallet-1"),
        line("FTnet", "0.725", "0.00002", "cold-wallet-1"),
        line("FTother", "0.72499", "0.00002", "cold-wallet-1"),
        line("FTelsewhere", "0.72498", "0.00002", "desk"),
    ]);
    let text = found(List::Withdrawals, &sought("0.725"), &list);
    assert!(
        text.contains("FTgross (at 2026-06-09T10:13:23Z, amount 0.72498000, fee 0.00002000, Success), FTnet"),
        "{text}"
    );
    assert!(!text.contains("FTother") && !text.contains("FTelsewhere"), "{text}");
    assert!(
        text.contains("of 0.725 XBT to cold-wallet-1 between 2026-06-09T10:13:15Z and 2026-06-09T10:14:35Z"),
        "{text}"
    );
    assert!(text.contains("looked at 2026-06-09T10:15:00Z") && text.contains("looks the same"), "{text}");
}

#[test]
fn nothing_is_told_with_the_time_until_when_it_was_looked_for() {
    for none in [json!([]), json!([line("FT", "1", "0", "cold-wallet-1")])] {
        let text = found(List::Withdrawals, &sought("0.725"), &none);
        assert!(text.starts_with("WithdrawStatus shows none of 0.725 XBT to cold-wallet-1"), "{text}");
        assert!(text.contains("looked at 2026-06-09T10:15:00Z") && text.contains("late"), "{text}");
    }
    assert!(evidence(List::Withdrawals, &sought("1"), &to_raw_value(&json!({})).expect("JSON"), 0).is_err());
}

#[test]
fn a_transfer_is_looked_for_in_the_ledger_whatever_its_sign() {
    let entry = |amount: &str| {
        json!({"refid": "TRef", "time": 1_781_000_003.5, "type": "transfer", "subtype": "spottofutures",
        "asset": "XXBT", "amount": amount, "fee": "0.0000"})
    };
    let ledger = json!({"ledger": {"L1": entry("-2.0000"), "L2": entry("3")}});
    let transfer = Sought { key: None, ..sought("2") };
    let text = found(List::Ledger("transfer"), &transfer, &ledger);
    assert!(text.starts_with("Ledgers shows TRef (at 2026-06-09T10:13:23Z, amount -2.0000"), "{text}");
    assert!(text.contains("of 2 XBT between"), "{text}");
}

#[test]
fn a_note_stays_within_its_bounds() {
    let strange = "\u{7}ü".repeat(300);
    let lines: Vec<_> = (0..500).map(|_| line(&strange, "0.725", "0", "cold-wallet-1")).collect();
    let text = found(List::Withdrawals, &sought("0.725"), &Json::Array(lines));
    assert!(text.contains("and 497 more") && text.contains("more lines than one answer holds"), "{text}");
    assert!(text.len() < tidegate_lanes::NOTE_BYTES_MAX - 200 && !text.contains('\u{7}'), "{}", text.len());
}

#[test]
fn what_is_sought_is_what_was_asked_for() {
    let withdrawal = v1::WithdrawRequest {
        asset: "XBT".into(),
        key: "cold-wallet-1".into(),
        amount: "0.725".into(),
        ..Default::default()
    };
    let params = funding::withdraw_of(&withdrawal).expect("good");
    assert_eq!(Sought::of("Withdraw", &params), Some(sought("0.725")));
    let wallets = v1::WalletTransferRequest {
        asset: "XBT".into(),
        amount: "2".into(),
        from_wallet: v1::Wallet::Spot.into(),
        to_wallet: v1::Wallet::Futures.into(),
        ..Default::default()
    };
    let params = funding::wallet_transfer_of(&wallets).expect("good");
    let transfer = Sought { key: None, ..sought("2") };
    assert_eq!(Sought::of("WalletTransfer", &params), Some(transfer.clone()));
    let accounts = v1::AccountTransferRequest {
        asset: "XBT".into(),
        amount: "2".into(),
        from_iiban: "AA11 N22G TEST 0001".into(),
        to_iiban: "AA11 N22G TEST 0002".into(),
        ..Default::default()
    };
    let params = subaccounts::account_transfer_of(&accounts).expect("good");
    assert_eq!(Sought::of("AccountTransfer", &params), Some(transfer));
    let asset = v1::BetaAsset { name: "XBT".into(), ..Default::default() };
    let amount = v1::BetaAmount { asset: Some(asset), amount: "2".into(), ..Default::default() };
    let out = v1::CreateWithdrawalRequest {
        scope: Some(v1::BetaScope {
            of: Some(v1::beta_scope::Of::MethodId("m".into())),
            ..Default::default()
        }),
        address_id: "AB".into(),
        amount: Some(amount),
        ..Default::default()
    };
    let params = beta::create_withdrawal_params(&out).expect("good");
    let sought = Sought::of("FundingBeta/CreateWithdrawal", &params).expect("there");
    assert_eq!((sought.asset.as_str(), sought.amount.as_str()), ("XBT", "2"));
    assert_eq!(Sought::of("Earn/Allocate", &params), None);
}

#[test]
fn a_question_names_asset_time_and_kind() {
    let asked = |list: List| list.question(&sought("1"), window()).query();
    let time = "start=1780999995&end=1781000075";
    assert_eq!(asked(List::Withdrawals), format!("asset=XBT&{time}"));
    assert_eq!(asked(List::Ledger("transfer")), format!("asset=XBT&type=transfer&without_count=true&{time}"));
}
