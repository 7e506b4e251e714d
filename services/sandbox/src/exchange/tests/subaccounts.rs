//! A master, its subaccounts, and money between them.

use super::*;

const BY: &str = "sandbox-fund";

fn ibans() -> (String, String) {
    (account_iban("main").unwrap(), account_iban("second").unwrap())
}

fn more(asset: &str, amount: &str, from: &str, to: &str) -> String {
    let plus = |iban: &str| iban.replace(' ', "+");
    format!("asset={asset}&amount={amount}&from={}&to={}", plus(from), plus(to))
}

fn balance(floor: &mut Floor, label: &str) -> Value {
    floor.result(label, "Balance", "")["XXBT"].clone()
}

fn rename_permissions(floor: &mut Floor, label: &str, tokens: &[&str]) {
    let key = keys().iter().find(|key| key.label == label).unwrap();
    let change = json!({"keys": [{"key": key.api_key, "permission_tokens": tokens}]});
    floor.exchange.change(change.to_string().as_bytes()).unwrap();
}

#[test]
fn a_transfer_moves_money_inside_the_family_and_is_in_both_ledgers() {
    let mut floor = floor();
    let (main, second) = ibans();
    let before = floor.exchange.engine.accounts.total();
    let told = floor.result(BY, "AccountTransfer", &more("XBT", "1.25", &main, &second));
    assert_eq!(told["status"], "complete");
    assert_eq!(balance(&mut floor, "sandbox-read"), "98.7500000000");
    assert_eq!(balance(&mut floor, "sandbox-second-read"), "101.2500000000");
    floor.result(BY, "AccountTransfer", &more("XBT", "101.25", &second, &main));
    assert_eq!(balance(&mut floor, "sandbox-second-read"), "0.0000000000");
    assert_eq!(balance(&mut floor, "sandbox-read"), "200.0000000000");
    assert_eq!(floor.exchange.engine.accounts.total(), before, "nothing is made or lost");

    rename_permissions(&mut floor, "sandbox-second-read", &["query-ledger"]);
    for (label, amount, balance) in [
        ("sandbox-ledger", "-1.2500000000", "98.7500000000"),
        ("sandbox-second-read", "1.2500000000", "101.2500000000"),
    ] {
        let page = floor.result(label, "Ledgers", "type=transfer");
        assert_eq!(page["count"], 2, "{label}");
        let entries = page["ledger"].as_object().unwrap();
        let entry = entries.values().find(|entry| entry["refid"] == told["transfer_id"]).unwrap();
        assert_eq!((&entry["amount"], &entry["balance"]), (&json!(amount), &json!(balance)), "{label}");
        assert_eq!((&entry["type"], &entry["asset"]), (&json!("transfer"), &json!("XXBT")));
        assert_eq!(floor.result(label, "Ledgers", "type=trade")["count"], 0);
    }
}

#[test]
fn what_is_held_or_not_there_does_not_move() {
    let mut floor = floor();
    let (main, second) = ibans();
    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=sell&ordertype=limit&price=90000&volume=99");
    let before = floor.exchange.engine.accounts.total();
    for amount in ["1.0000000001", "100", "101"] {
        let refusal = floor.refusal(BY, "AccountTransfer", &more("XBT", amount, &main, &second));
        assert_eq!(refusal, "EFunding:Insufficient funds", "{amount}");
    }
    let stranger = "AA00 SAND 0000 0000";
    for (more, words) in [
        (more("XBT", "0", &main, &second), "EGeneral:Invalid arguments:amount"),
        (more("XBT", "-1", &main, &second), "EGeneral:Invalid arguments:amount"),
        (more("XBT", "0.00000000001", &main, &second), "EGeneral:Invalid arguments:amount"),
        (more("DOGE", "1", &main, &second), "EQuery:Unknown asset"),
        (more("XBT", "1", stranger, &second), "EGeneral:Invalid arguments:from"),
        (more("XBT", "1", &main, stranger), "EGeneral:Invalid arguments:to"),
        (more("XBT", "1", &main, &main), "EGeneral:Invalid arguments:to"),
        (
            more("XBT", "1", &main, &second) + "&asset_class=tokenized_asset",
            "EGeneral:Invalid arguments:asset_class",
        ),
        (String::new(), "EGeneral:Invalid arguments:asset"),
    ] {
        assert_eq!(floor.refusal(BY, "AccountTransfer", &more), words, "{more}");
    }
    assert_eq!(floor.exchange.engine.accounts.total(), before);
    assert_eq!(balance(&mut floor, "sandbox-second-read"), "100.0000000000");
    floor.result(BY, "AccountTransfer", &more("XBT", "0.5", &main, &second));
}

#[test]
fn only_a_master_makes_subaccounts_and_each_name_once() {
    let mut floor = floor();
    let (main, _) = ibans();
    let before = floor.exchange.engine.accounts.total();
    assert_eq!(floor.result(BY, "CreateSubaccount", "username=desk&email=desk@example.com"), json!(true));
    assert_eq!(floor.exchange.engine.accounts.total(), before, "it begins with nothing");
    for (more, name) in [
        ("username=desk&email=other@example.com", "username"),
        ("username=main&email=other@example.com", "username"),
        ("email=other@example.com", "username"),
        ("username=other", "email"),
        ("username=other&email=example.com", "email"),
    ] {
        let refusal = format!("EGeneral:Invalid arguments:{name}");
        assert_eq!(floor.refusal(BY, "CreateSubaccount", more), refusal, "{more}");
    }
    let desk = keys::iban("desk");
    floor.result(BY, "AccountTransfer", &more("USD", "10", &main, &desk));
    let refusal = floor.refusal(BY, "AccountTransfer", &more("USD", "10.0001", &desk, &main));
    assert_eq!(refusal, "EFunding:Insufficient funds");
    floor.result(BY, "AccountTransfer", &more("USD", "10", &desk, &main));

    assert_eq!(floor.refusal("sandbox-trade", "CreateSubaccount", ""), "EGeneral:Permission denied");
    rename_permissions(&mut floor, "sandbox-second-trade", &["withdraw-funds"]);
    for (endpoint, more) in [
        ("CreateSubaccount", "username=other&email=other@example.com".to_owned()),
        ("AccountTransfer", more("XBT", "1", &account_iban("second").unwrap(), &main)),
    ] {
        let refusal = floor.refusal("sandbox-second-trade", endpoint, &more);
        assert_eq!(refusal, "EGeneral:Permission denied", "{endpoint}: a subaccount moves nothing");
    }
}
