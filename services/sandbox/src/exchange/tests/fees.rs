//! Volumes and fees, and what an account without margin and credit is told.

use super::*;

const DAY_US: u64 = 86_400_000_000;

fn volume(floor: &mut Floor, label: &str) -> Value {
    floor.result(label, "TradeVolume", "")["volume"].clone()
}

#[test]
fn volume_is_what_was_filled_in_thirty_days() {
    let mut floor = floor();
    let none = floor.result("sandbox-read", "TradeVolume", "");
    assert_eq!((&none["currency"], &none["volume"]), (&json!("ZUSD"), &json!("0.0000")));
    assert_eq!(
        (&none["fees"], &none["fees_maker"], none.get("schedules")),
        (&Value::Null, &Value::Null, None)
    );
    assert_eq!(none["inputs"]["domain_assets_on_platform"], "11090909.0909");

    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=buy&ordertype=market&volume=0.1");
    assert_eq!(volume(&mut floor, "sandbox-read"), "6000.0500");
    // An order that waits is no volume, and nobody's volume is another's.
    floor.result("sandbox-trade", "AddOrder", ORDER);
    assert_eq!(volume(&mut floor, "sandbox-read"), "6000.0500");
    assert_eq!(volume(&mut floor, "sandbox-second-read"), "0.0000");

    floor.now_us += 29 * DAY_US;
    // 54999.5 EUR are at today's prices 60000.5 / 54999.5 times as many dollars.
    floor.result("sandbox-trade", "AddOrder", "pair=XBTEUR&type=sell&ordertype=market&volume=0.1");
    assert_eq!(volume(&mut floor, "sandbox-read"), "12000.1000");
    floor.now_us += DAY_US;
    assert_eq!(volume(&mut floor, "sandbox-read"), "6000.0500");
    floor.now_us += 29 * DAY_US;
    assert_eq!(volume(&mut floor, "sandbox-read"), "0.0000");
}

#[test]
fn fees_are_told_for_the_pairs_that_are_asked_about() {
    let mut floor = floor();
    let told = floor.result("sandbox-read", "TradeVolume", "pair=XBTUSD,ETH/USD&fee_schedule=true");
    let names: Vec<_> = told["fees"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["XETHZUSD", "XXBTZUSD"]);
    let one = json!({"fee": "0.4000", "minfee": "0.4000", "maxfee": "0.4000", "nextfee": null, "nextvolume": null,
        "tiervolume": "0.0000"});
    assert_eq!((&told["fees"]["XXBTZUSD"], &told["fees_maker"]["XXBTZUSD"]["fee"]), (&one, &json!("0.2500")));
    let schedule = json!({"taker": [["0", "0.4000"]], "maker": [["0", "0.2500"]]});
    assert_eq!(told["schedules"]["XETHZUSD"], schedule);
    assert_eq!(
        floor.refusal("sandbox-read", "TradeVolume", "pair=XBTUSD,DOGEUSD"),
        "EQuery:Unknown asset pair"
    );
    assert_eq!(floor.refusal("sandbox-trade", "TradeVolume", ""), "EGeneral:Permission denied");
}

#[test]
fn pairs_may_come_with_their_classes() {
    let mut floor = floor();
    let mut ask = |class: &str| {
        floor.nonce += 1;
        let nonce = floor.nonce.to_string();
        let body = json!({"nonce": nonce, "pair": [{"asset": "BTC/USD", "aclass": class}]}).to_string();
        floor.send(signed("sandbox-read", "TradeVolume", &nonce, body, "application/json"))
    };
    assert_eq!(ask("currency")["result"]["fees"]["XXBTZUSD"]["fee"], "0.4000");
    assert_eq!(error(&ask("equity_pair")), "EQuery:Unknown asset pair");
    assert_eq!(error(&ask("")), "EGeneral:Invalid arguments:pair");
}

#[test]
fn an_account_without_margin_and_credit_is_told_so() {
    let mut floor = floor();
    floor.result("sandbox-trade", "AddOrder", "pair=XBTUSD&type=buy&ordertype=market&volume=0.1");
    for more in ["", "docalcs=true", "txid=TVZL3T-NBZOC-7EOGDV"] {
        assert_eq!(floor.result("sandbox-read", "OpenPositions", more), json!({}));
    }
    assert_eq!(floor.result("sandbox-read", "OpenPositions", "consolidation=market"), json!([]));
    for (more, name) in
        [("txid=x", "txid"), ("consolidation=pair", "consolidation"), ("docalcs=perhaps", "docalcs")]
    {
        let refusal = format!("EGeneral:Invalid arguments:{name}");
        assert_eq!(floor.refusal("sandbox-read", "OpenPositions", more), refusal);
    }
    let envelope = floor.ask("sandbox-read", "CreditLines", "");
    assert_eq!(envelope, json!({"error": [], "result": null}));
}
