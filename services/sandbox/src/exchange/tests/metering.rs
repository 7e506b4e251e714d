//! What trading costs on the counter of an account in a pair, and what is refused there.

use super::*;

const FULL: &str = "EOrder:Rate limit exceeded";
const ETH: &str = "pair=ETHUSD&type=buy&ordertype=limit&price=2000&volume=0.1";

fn starter() -> Floor {
    Floor::new(&Options { trading_tier: Some(Tier::Starter), ..Options::default() })
}

fn place(floor: &mut Floor, order: &str) -> String {
    floor.result("sandbox-all", "AddOrder", order)["txid"][0].as_str().unwrap().to_owned()
}

/// What the last request did to the counters: pair, points and the level in thousandths.
fn last(floor: &Floor) -> Vec<(String, u64, u64)> {
    let entry = floor.log().pop().unwrap();
    let number = |charge: &Value, name: &str| charge[name].as_u64().unwrap();
    let charge = |charge: &Value| {
        let points = number(charge, "cost_milli") / 1_000;
        (charge["pair"].as_str().unwrap().to_owned(), points, number(charge, "level_milli"))
    };
    entry.get("trading").map_or(Vec::new(), |list| list.as_array().unwrap().iter().map(charge).collect())
}

fn in_bitcoin(points: u64, level_milli: u64) -> Vec<(String, u64, u64)> {
    vec![("XXBTZUSD".to_owned(), points, level_milli)]
}

/// Fills the counter of BTC/USD to so many points by orders that fail.
fn fill(floor: &mut Floor, points: u64) {
    let too_much = ORDER.replace("volume=0.1", "volume=900");
    for _ in 0..points {
        assert_eq!(floor.refusal("sandbox-all", "AddOrder", &too_much), "EOrder:Insufficient funds");
    }
}

#[test]
fn the_fixed_part_is_charged_for_what_the_engine_refuses_and_nothing_for_what_cannot_be_read() {
    let mut floor = starter();
    place(&mut floor, ORDER);
    assert_eq!(last(&floor), in_bitcoin(1, 1_000));
    fill(&mut floor, 1);
    assert_eq!(last(&floor), in_bitcoin(1, 2_000));
    let off_tick = ORDER.replace("price=50000", "price=50000.01");
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", &off_tick), "EOrder:Invalid price");
    assert_eq!(last(&floor), in_bitcoin(1, 3_000));
    let unread = ORDER.replace("type=buy", "type=both");
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", &unread), "EGeneral:Invalid arguments:type");
    assert_eq!(last(&floor), []);
    floor.result("sandbox-all", "AddOrder", &format!("{ORDER}&validate=true"));
    assert_eq!(last(&floor), []);
    floor.result("sandbox-all", "OpenOrders", "");
    assert_eq!(last(&floor), []);
    let gone = "txid=OAAAAA-BBBBB-CCCCCC";
    assert_eq!(floor.refusal("sandbox-all", "CancelOrder", gone), "EOrder:Unknown order");
    assert_eq!(last(&floor), []);
    place(&mut floor, ORDER);
    assert_eq!(last(&floor), in_bitcoin(1, 4_000), "what was not charged is not in the level");
}

#[test]
fn an_order_that_comes_to_the_engine_too_late_is_charged_as_it_is_the_engine_that_refuses() {
    let mut floor = starter();
    let order = format!("{ORDER}&deadline=2026-06-09T10:13:22Z");
    let arrived = floor.exchange.receive(NOW_US, form("sandbox-all", "AddOrder", NOW_US, &order));
    let admitted = floor.exchange.authenticate(NOW_US, arrived).unwrap();
    let reply = floor.exchange.execute(NOW_US + 2_000_001, admitted);
    assert_eq!(error(&serde_json::from_slice(&reply.body).unwrap()), "EService:Deadline elapsed");
    assert_eq!(last(&floor), in_bitcoin(1, 1_000));
}

#[test]
fn an_amend_costs_by_age_and_makes_the_order_young_again() {
    let mut floor = starter();
    let order = place(&mut floor, ORDER);
    let amend = |floor: &mut Floor, quantity: &str| {
        floor.ask("sandbox-all", "AmendOrder", &format!("txid={order}&order_qty={quantity}"))
    };
    floor.now_us += 7_000_000;
    assert_eq!(error(&amend(&mut floor, "900")), "EOrder:Insufficient funds");
    assert_eq!(last(&floor), in_bitcoin(1, 1_000), "without the part for its age");
    assert_eq!(amend(&mut floor, "0.2")["error"], json!([]));
    assert_eq!(last(&floor), in_bitcoin(3, 4_000));
    floor.now_us += 4_000_000;
    assert_eq!(amend(&mut floor, "0.1")["error"], json!([]));
    assert_eq!(last(&floor), in_bitcoin(4, 4_000), "four seconds after the amend, eleven after its birth");
    floor.now_us += 5_000_000;
    floor.result("sandbox-all", "CancelOrder", &format!("txid={order}"));
    assert_eq!(last(&floor), in_bitcoin(6, 6_000));
}

#[test]
fn an_edit_costs_by_the_age_of_the_old_order_and_makes_a_new_one() {
    let mut floor = starter();
    let old = place(&mut floor, ORDER);
    let edit = |floor: &mut Floor, txid: &str, volume: &str| {
        floor.ask("sandbox-all", "EditOrder", &format!("pair=XBTUSD&txid={txid}&volume={volume}"))
    };
    floor.now_us += 90_000_000;
    let new = edit(&mut floor, &old, "0.2")["result"]["txid"].as_str().unwrap().to_owned();
    assert_eq!(last(&floor), in_bitcoin(1, 1_000));
    assert_eq!(edit(&mut floor, &new, "900")["result"]["status"], "err");
    assert_eq!(last(&floor), in_bitcoin(7, 8_000), "half done is done");
    assert_eq!(error(&edit(&mut floor, &new, "0.2")), "EOrder:Unknown order");
    assert_eq!(last(&floor), in_bitcoin(1, 9_000));
}

#[test]
fn a_full_counter_refuses_and_nothing_happens() {
    let mut floor = starter();
    let order = place(&mut floor, ORDER);
    fill(&mut floor, 52);
    assert_eq!(floor.refusal("sandbox-all", "CancelOrder", &format!("txid={order}")), FULL);
    assert_eq!(last(&floor), in_bitcoin(0, 53_000));
    fill(&mut floor, 4);
    let amend = format!("txid={order}&order_qty=0.2");
    assert_eq!(floor.refusal("sandbox-all", "AmendOrder", &amend), FULL, "57 and 4");
    fill(&mut floor, 3);
    for (endpoint, more) in [
        ("AddOrder", ORDER.to_owned()),
        ("AmendOrder", amend),
        ("EditOrder", format!("pair=XBTUSD&txid={order}&volume=0.2")),
        ("CancelOrder", format!("txid={order}")),
    ] {
        assert_eq!(floor.refusal("sandbox-all", endpoint, &more), FULL, "{endpoint}");
        assert_eq!(last(&floor), in_bitcoin(0, 60_000), "{endpoint}");
        assert_eq!(floor.log().pop().unwrap()["executed"], false, "{endpoint}");
    }
    assert_eq!(floor.stats()["refusals"][FULL], 6);
    let open = floor.result("sandbox-read", "OpenOrders", "")["open"].clone();
    assert_eq!((open.as_object().unwrap().len(), &open[&order]["vol"]), (1, &json!("0.10000000")));
    place(&mut floor, ETH);
    assert_eq!(last(&floor), [("XETHZUSD".to_owned(), 1, 1_000)], "another pair has its own");
    floor.result("sandbox-second-trade", "AddOrder", ORDER);
    assert_eq!(last(&floor), in_bitcoin(1, 1_000), "another account has its own");
    floor.now_us += 8_000_000;
    floor.result("sandbox-all", "CancelOrder", &format!("txid={order}"));
    assert_eq!(last(&floor), in_bitcoin(6, 58_000));
}

#[test]
fn some_cancels_pass_a_full_counter() {
    let mut floor = starter();
    let old = place(&mut floor, ORDER);
    floor.now_us += 300_000_000;
    let (young, other) = (place(&mut floor, ORDER), place(&mut floor, ETH));
    place(&mut floor, ETH);
    fill(&mut floor, 59);
    floor.result("sandbox-all", "CancelOrder", &format!("txid={old}"));
    assert_eq!(last(&floor), in_bitcoin(0, 60_000), "five minutes old: free");
    let both = format!("orders[0]={young}&orders[1]={other}&orders[2]={old}");
    assert_eq!(floor.result("sandbox-all", "CancelOrderBatch", &both)["count"], 2);
    let charged = [("XXBTZUSD".to_owned(), 8, 68_000), ("XETHZUSD".to_owned(), 8, 10_000)];
    assert_eq!(last(&floor), charged, "above the maximum");
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", ORDER), FULL);
    floor.now_us += 9_000_000;
    place(&mut floor, ORDER);
    floor.result("sandbox-all", "CancelAll", "");
    let charged = [("XETHZUSD".to_owned(), 1, 2_000), ("XXBTZUSD".to_owned(), 1, 61_000)];
    assert_eq!(last(&floor), charged, "one point in each pair that has orders");
    floor.result("sandbox-all", "CancelAllOrdersAfter", "timeout=60");
    assert_eq!(last(&floor), []);
}

#[test]
fn a_batch_costs_half_its_rows_and_open_orders_are_counted_row_by_row() {
    let mut floor = starter();
    let row = r#"{"type":"buy","ordertype":"limit","price":"50000","volume":"0.001"}"#;
    let batch = |floor: &mut Floor, rows: usize| {
        floor.nonce += 1;
        let (nonce, rows) = (floor.nonce.to_string(), vec![row; rows].join(","));
        let body = format!(r#"{{"nonce":"{nonce}","pair":"XBTUSD","orders":[{rows}]}}"#);
        floor.send(signed("sandbox-all", "AddOrderBatch", &nonce, body, "application/json"))
    };
    batch(&mut floor, 3);
    assert_eq!(last(&floor), in_bitcoin(2, 2_000));
    for _ in 0..3 {
        batch(&mut floor, 15);
    }
    assert_eq!(last(&floor), in_bitcoin(8, 26_000));
    let rows = batch(&mut floor, 15)["result"]["orders"].clone();
    assert!(rows[11]["txid"].is_string(), "the sixtieth");
    assert_eq!(rows[12], json!({"error": "EOrder:Orders limit exceeded"}));
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", ORDER), "EOrder:Orders limit exceeded");
    assert_eq!(last(&floor), in_bitcoin(1, 35_000));
    place(&mut floor, ETH);
    floor.now_us += 1_000_000;
    fill_orders_limit(&mut floor, 26);
    assert_eq!(error(&batch(&mut floor, 2)), FULL, "the whole batch");
    assert_eq!(floor.exchange.engine.open_orders(0).count(), 61);
}

/// One point each, by orders that would be too many.
fn fill_orders_limit(floor: &mut Floor, points: u64) {
    for _ in 0..points {
        assert_eq!(floor.refusal("sandbox-all", "AddOrder", ORDER), "EOrder:Orders limit exceeded");
    }
}

#[test]
fn the_tier_of_the_counters_follows_the_other_until_it_is_set() {
    let mut floor = floor();
    let shown = |floor: &Floor| {
        let page: Value = serde_json::from_str(&floor.exchange.switches_json().unwrap()).unwrap();
        [page["tier"].clone(), page["trading_tier"].clone()]
    };
    assert_eq!(shown(&floor), ["pro", "pro"]);
    floor.exchange.change(br#"{"tier":"wide"}"#).unwrap();
    assert_eq!(shown(&floor), ["wide", "wide"]);
    let small = ORDER.replace("volume=0.1", "volume=0.001");
    (0..300).for_each(|_| drop(place(&mut floor, &small)));
    floor.exchange.change(br#"{"trading_tier":"starter"}"#).unwrap();
    floor.exchange.change(br#"{"tier":"intermediate"}"#).unwrap();
    // What came while it was wide has gone at that tier's pace.
    floor.now_us += 1_000;
    assert_eq!(shown(&floor), ["intermediate", "starter"]);
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", ORDER), "EOrder:Orders limit exceeded");
    fill_orders_limit(&mut floor, 59);
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", ORDER), FULL);
    floor.exchange.change(br#"{"trading_tier":"wide"}"#).unwrap();
    place(&mut floor, ORDER);
}
