use serde_json::value::RawValue;
use tidegate_kraken::wire::{Wire, read};

use super::*;

fn wire<T: Wire>(json: &str) -> T {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw)).expect("fits")
}

fn fields(error: &Error) -> Vec<&str> {
    error.fields.iter().map(|wrong| wrong.field.as_str()).collect()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[test]
fn what_is_not_asked_for_is_not_sent() {
    let asset = || "XBT".to_owned();
    let methods = v1::GetDepositMethodsRequest { asset: asset(), ..Default::default() };
    assert_eq!(deposit_methods_of(&methods).expect("good").query(), "asset=XBT");
    let known =
        v1::GetDepositAddressesRequest { asset: asset(), method: "Ether (Hex)".into(), ..Default::default() };
    assert_eq!(deposit_addresses_of(&known).expect("good").query(), "asset=XBT&method=Ether%20%28Hex%29");
    // Pages are always asked for.
    assert_eq!(
        deposit_status_of(&v1::GetDepositStatusRequest::default()).expect("good").query(),
        "cursor=true"
    );
    assert_eq!(
        withdraw_status_of(&v1::GetWithdrawStatusRequest::default()).expect("good").query(),
        "cursor=true"
    );
    assert_eq!(withdraw_methods_of(&v1::GetWithdrawMethodsRequest::default()).expect("good").query(), "");
    assert_eq!(withdraw_addresses_of(&v1::GetWithdrawAddressesRequest::default()).expect("good").query(), "");
    let withdraw = v1::WithdrawRequest {
        asset: asset(),
        key: "cold wallet".into(),
        amount: "0.50".into(),
        ..Default::default()
    };
    assert_eq!(withdraw_of(&withdraw).expect("good").query(), "asset=XBT&key=cold%20wallet&amount=0.50");
}

#[test]
fn every_field_of_a_request_has_its_parameter() {
    let address = v1::GetDepositAddressesRequest {
        context: None,
        asset: "XBT".into(),
        method: "Bitcoin Lightning".into(),
        new_address: true,
        amount: "0.01".into(),
        asset_class: "currency".into(),
    };
    assert_eq!(
        deposit_addresses_of(&address).expect("good").query(),
        "asset=XBT&method=Bitcoin%20Lightning&new=true&amount=0.01&aclass=currency"
    );
    let deposits = v1::GetDepositStatusRequest {
        context: None,
        asset: "XBT".into(),
        asset_class: "currency".into(),
        method: "Bitcoin".into(),
        start_time: at(5),
        end_time: at(6),
        page_size: 7,
        page_token: "c2Vjb25k=".into(),
        rebase_multiplier: v1::RebaseMultiplier::Base.into(),
    };
    let expected = "asset=XBT&aclass=currency&method=Bitcoin&start=5&end=6&cursor=c2Vjb25k%3D&limit=7\
                    &rebase_multiplier=base";
    assert_eq!(deposit_status_of(&deposits).expect("good").query(), expected);
    let withdrawals = v1::GetWithdrawStatusRequest {
        context: None,
        asset: "XBT".into(),
        asset_class: "currency".into(),
        method: "Bitcoin".into(),
        start_time: at(5),
        end_time: at(6),
        page_size: 7,
        page_token: "c2Vjb25k=".into(),
        rebase_multiplier: v1::RebaseMultiplier::Base.into(),
    };
    assert_eq!(withdraw_status_of(&withdrawals).expect("good").query(), expected);
    let methods = v1::GetWithdrawMethodsRequest {
        context: None,
        asset: "XBT".into(),
        asset_class: "currency".into(),
        network: "Arbitrum One".into(),
        rebase_multiplier: v1::RebaseMultiplier::Rebased.into(),
    };
    assert_eq!(
        withdraw_methods_of(&methods).expect("good").query(),
        "asset=XBT&aclass=currency&network=Arbitrum%20One&rebase_multiplier=rebased"
    );
    let addresses = v1::GetWithdrawAddressesRequest {
        context: None,
        asset: "XBT".into(),
        asset_class: "currency".into(),
        method: "Bitcoin".into(),
        key: "Tür".into(),
        verified: Some(false),
    };
    assert_eq!(
        withdraw_addresses_of(&addresses).expect("good").query(),
        "asset=XBT&aclass=currency&method=Bitcoin&key=T%C3%BCr&verified=false"
    );
    let info = v1::GetWithdrawInfoRequest {
        context: None,
        asset: "XBT".into(),
        key: "a".into(),
        amount: "1".into(),
    };
    assert_eq!(withdraw_info_of(&info).expect("good").query(), "asset=XBT&key=a&amount=1");
    let withdraw = v1::WithdrawRequest {
        context: None,
        asset: "XBT".into(),
        key: "a".into(),
        amount: "1".into(),
        asset_class: "currency".into(),
        address: "bc1q".into(),
        max_fee: "0".into(),
        rebase_multiplier: v1::RebaseMultiplier::Base.into(),
    };
    assert_eq!(
        withdraw_of(&withdraw).expect("good").query(),
        "asset=XBT&key=a&amount=1&aclass=currency&address=bc1q&max_fee=0&rebase_multiplier=base"
    );
    let cancel =
        v1::WithdrawCancelRequest { context: None, asset: "XBT".into(), reference_id: "FT-1".into() };
    assert_eq!(withdraw_cancel_of(&cancel).expect("good").query(), "asset=XBT&refid=FT-1");
    let transfer = v1::WalletTransferRequest {
        context: None,
        asset: "XBT".into(),
        from_wallet: v1::Wallet::Spot.into(),
        to_wallet: v1::Wallet::Futures.into(),
        amount: "1".into(),
    };
    assert_eq!(
        wallet_transfer_of(&transfer).expect("good").query(),
        "asset=XBT&from=Spot%20Wallet&to=Futures%20Wallet&amount=1"
    );
}

#[test]
fn all_mistakes_are_named_at_once() {
    let withdraw = v1::WithdrawRequest {
        amount: "0.0".into(),
        address: " bc1q".into(),
        max_fee: "-1".into(),
        rebase_multiplier: 9,
        ..Default::default()
    };
    let error = withdraw_of(&withdraw).expect_err("nothing is right");
    assert_eq!(fields(&error), ["asset", "key", "amount", "address", "max_fee", "rebase_multiplier"]);
    let transfer = v1::WalletTransferRequest {
        asset: "XBT".into(),
        from_wallet: v1::Wallet::Futures.into(),
        amount: "1e3".into(),
        ..Default::default()
    };
    let error = wallet_transfer_of(&transfer).expect_err("the wrong way round");
    assert_eq!(fields(&error), ["from_wallet", "to_wallet", "amount"]);
    let addresses = v1::GetDepositAddressesRequest {
        asset: "XBT".into(),
        method: "two\nlines".into(),
        amount: "1".into(),
        ..Default::default()
    };
    assert_eq!(fields(&deposit_addresses_of(&addresses).expect_err("two mistakes")), ["method", "amount"]);
    let status = v1::GetWithdrawStatusRequest {
        start_time: at(-1),
        page_size: 501,
        page_token: "a b".into(),
        ..Default::default()
    };
    let error = withdraw_status_of(&status).expect_err("three mistakes");
    assert_eq!(fields(&error), ["start_time", "page_token", "page_size"]);
    let error = withdraw_cancel_of(&v1::WithdrawCancelRequest::default()).expect_err("nothing is named");
    assert_eq!(fields(&error), ["asset", "reference_id"]);
    let error = withdraw_info_of(&v1::GetWithdrawInfoRequest::default()).expect_err("nothing is named");
    assert_eq!(fields(&error), ["asset", "key", "amount"]);
}

#[test]
fn figures_reach_the_field_that_is_meant() {
    let methods = deposit_methods(wire(
        r#"[{"method":"Bitcoin","limit":false,"fee":"1","address-setup-fee":"2","gen-address":true,"minimum":"3","x":1},
            {"method":"Bitcoin Lightning","limit":"0.5"}]"#,
    ));
    let expected = v1::DepositMethod {
        method: "Bitcoin".into(),
        limit: String::new(),
        fee: "1".into(),
        address_setup_fee: "2".into(),
        makes_addresses: Some(true),
        minimum: "3".into(),
        extra: [("x".to_owned(), "1".to_owned())].into(),
    };
    assert_eq!((&methods.methods[0], methods.methods[1].limit.as_str()), (&expected, "0.5"));

    let reply = deposit_addresses(
        wire(
            r#"[{"address":"a","expiretm":"5","new":true,"tag":"t","memo":"m","x":1},{"address":"b","expiretm":"0"}]"#,
        ),
        vec!["W".into()],
    );
    let Some(addresses::Outcome::Accepted(addresses::Accepted { addresses })) = &reply.outcome else {
        panic!("{reply:?}")
    };
    let expected = v1::DepositAddress {
        address: "a".into(),
        expire_time: at(5),
        unused: true,
        tag: "t".into(),
        memo: "m".into(),
        extra: [("x".to_owned(), "1".to_owned())].into(),
    };
    assert_eq!((&addresses[0], addresses[1].expire_time, addresses[1].unused), (&expected, None, false));
    assert_eq!(reply.warnings, ["W"]);

    let methods = withdraw_methods(wire(
        r#"[{"asset":"XXBT","method":"M","method_id":"i","network":"N","network_id":"j","minimum":"1",
            "fee":{"aclass":"currency","asset":"XXBT","fee":"2","fee_percentage":null,"y":0},"x":1}]"#,
    ));
    let one = &methods.methods[0];
    assert_eq!([&one.asset, &one.method, &one.method_id], ["XXBT", "M", "i"]);
    assert_eq!([&one.network, &one.network_id, &one.minimum], ["N", "j", "1"]);
    let fee = one.fee.as_ref().expect("a fee");
    assert_eq!([&fee.asset_class, &fee.asset, &fee.fee, &fee.fee_percentage], ["currency", "XXBT", "2", ""]);
    assert_eq!((fee.extra.len(), one.extra.len()), (1, 1));

    let saved = withdraw_addresses(wire(
        r#"[{"address":"a","asset":"XBT","method":"M","key":"k","tag":"t","memo":"m","verified":false,"x":1}]"#,
    ));
    let one = &saved.addresses[0];
    assert_eq!([&one.key, &one.address, &one.asset, &one.method], ["k", "a", "XBT", "M"]);
    assert_eq!((one.tag.as_str(), one.memo.as_str(), one.verified), ("t", "m", Some(false)));

    let info = withdraw_info(wire(r#"{"method":"M","limit":"1","amount":"2","fee":"3","x":4}"#));
    assert_eq!([&info.method, &info.limit, &info.amount, &info.fee], ["M", "1", "2", "3"]);
}

#[test]
fn movements_reach_the_fields_that_are_meant() {
    let page = deposit_status(wire(
        r#"{"deposits":[{"method":"M","network":"N","aclass":"currency","asset":"XXBT","refid":"r","txid":"t","info":"i",
            "amount":"1","fee":"2","time":5,"status":"Settled","status-prop":"onhold","originators":["o"],"x":1}],
            "next_cursor":"c","y":2}"#,
    ));
    let expected = v1::Deposit {
        reference_id: "r".into(),
        method: "M".into(),
        network: "N".into(),
        asset_class: "currency".into(),
        asset: "XXBT".into(),
        transaction_id: "t".into(),
        info: "i".into(),
        amount: "1".into(),
        fee: "2".into(),
        time: at(5),
        status: v1::FundingStatus::Settled.into(),
        remark: v1::FundingRemark::OnHold.into(),
        originators: vec!["o".into()],
        extra: [("x".to_owned(), "1".to_owned())].into(),
    };
    assert_eq!(
        (&page.deposits[0], page.next_page_token.as_str(), page.extra["y"].as_str()),
        (&expected, "c", "2")
    );

    let page = withdraw_status(wire(
        r#"[{"method":"M","network":"N","aclass":"currency","asset":"XXBT","refid":"r","txid":null,"info":"i","amount":"1",
            "fee":"2","time":5,"status":"Failure","status-prop":"canceled","key":"k","x":1}]"#,
    ));
    let expected = v1::Withdrawal {
        reference_id: "r".into(),
        method: "M".into(),
        network: "N".into(),
        asset_class: "currency".into(),
        asset: "XXBT".into(),
        transaction_id: String::new(),
        info: "i".into(),
        amount: "1".into(),
        fee: "2".into(),
        time: at(5),
        status: v1::FundingStatus::Failure.into(),
        remark: v1::FundingRemark::Canceled.into(),
        key: "k".into(),
        extra: [("x".to_owned(), "1".to_owned())].into(),
    };
    assert_eq!((&page.withdrawals[0], page.next_page_token.as_str()), (&expected, ""));
}

#[test]
fn every_word_of_krakens_is_known_and_those_of_tomorrow_are_kept() {
    use v1::{FundingRemark as R, FundingStatus as S};
    let said = |status: &str, remark: &str| {
        let json = format!(
            r#"[{{"asset":"A","refid":"r","amount":"1","status":"{status}","status-prop":"{remark}"}}]"#
        );
        withdraw_status(wire(&json)).withdrawals.remove(0)
    };
    for (word, known) in [
        ("Initial", S::Initial),
        ("Pending", S::Pending),
        ("Settled", S::Settled),
        ("Success", S::Success),
        ("Failure", S::Failure),
    ] {
        assert_eq!(said(word, "").status(), known);
    }
    for (word, known) in [
        ("", R::Unspecified),
        ("return", R::Return),
        ("onhold", R::OnHold),
        ("on-hold", R::OnHold),
        ("cancel-pending", R::CancelPending),
        ("canceled", R::Canceled),
        ("cancel-denied", R::CancelDenied),
    ] {
        let one = said("Success", word);
        assert_eq!((one.remark(), one.extra.len()), (known, 0), "{word}");
    }
    let strange = said("Partial", "lent");
    assert_eq!((strange.status(), strange.remark()), (S::Unspecified, R::Unspecified));
    let kept = |name: &str| strange.extra.get(name).map(String::as_str);
    assert_eq!((kept("status"), kept("status-prop")), (Some("\"Partial\""), Some("\"lent\"")));
}
