//! What the public sees of the market while somebody trades.

use super::*;

impl Floor {
    fn get(&mut self, path: &str) -> Value {
        let envelope = self.send(request(path));
        assert_eq!(envelope["error"], json!([]), "{path}");
        envelope["result"].clone()
    }

    /// Buys at the market, in the second after.
    fn buys(&mut self, volume: &str) {
        self.now_us += 1_000_000;
        self.result(
            "sandbox-trade",
            "AddOrder",
            &format!("pair=XBTUSD&type=buy&ordertype=market&volume={volume}"),
        );
    }
}

#[test]
fn the_spread_tells_what_changed_and_goes_on_from_there() {
    let mut floor = floor();
    let page = floor.get("/0/public/Spread?pair=XBTUSD");
    assert_eq!(page["XXBTZUSD"], json!([[1_781_000_000, "59999.50000", "60000.50000"]]));
    floor.now_us += 5_000_000;
    let order = "pair=XBTUSD&type=buy&ordertype=limit&price=60000&volume=0.1";
    let placed = floor.result("sandbox-trade", "AddOrder", order);
    let since = page["last"].as_u64().unwrap();
    let page = floor.get(&format!("/0/public/Spread?pair=XBTUSD&since={}", since + 1));
    assert_eq!(page["XXBTZUSD"], json!([[1_781_000_005, "60000.00000", "60000.50000"]]));
    floor.result("sandbox-trade", "CancelOrder", &format!("txid={}", placed["txid"][0].as_str().unwrap()));
    let page = floor.get("/0/public/Spread?pair=XBTUSD&since=1781000005");
    assert_eq!(page["XXBTZUSD"].as_array().unwrap().len(), 2, "both of the same second");
    assert_eq!(page["last"], 1_781_000_005);
    assert_eq!(
        error(&floor.send(request("/0/public/Spread?pair=XBTUSD&since=soon"))),
        "EGeneral:Invalid arguments:since"
    );
    assert_eq!(error(&floor.send(request("/0/public/Spread"))), "EGeneral:Invalid arguments:pair");
}

#[test]
fn candles_hold_what_was_traded() {
    let mut floor = floor();
    let quiet = floor.get("/0/public/OHLC?pair=XBTUSD");
    let row = json!([1_780_999_980, "60000.0", "60000.0", "60000.0", "60000.0", "0.0", "0.00000000", 0]);
    assert_eq!(quiet, json!({"XXBTZUSD": [row], "last": 1_780_999_920}));
    floor.buys("0.5");
    floor.now_us += 60_000_000;
    floor.buys("6");
    let page = floor.get("/0/public/OHLC?pair=BTC/USD&interval=1&since=1780999979");
    assert_eq!(page["last"], 1_780_999_980);
    assert_eq!(
        page["XXBTZUSD"],
        json!([
            [1_780_999_980, "60000.5", "60000.5", "60000.5", "60000.5", "60000.5", "0.50000000", 1],
            [1_781_000_040, "60000.5", "60001.0", "60000.5", "60001.0", "60000.5", "6.00000000", 2],
        ])
    );
    let later = floor.get("/0/public/OHLC?pair=XBTUSD&since=1780999980");
    assert_eq!(later["XXBTZUSD"].as_array().unwrap().len(), 1, "the open one again");
    assert_eq!(floor.get("/0/public/OHLC?pair=XBTUSD&interval=21600")["XXBTZUSD"][0][7], 3);
    let wrong = floor.send(request("/0/public/OHLC?pair=XBTUSD&interval=7"));
    assert_eq!(error(&wrong), "EGeneral:Invalid arguments:interval");
}

#[test]
fn pages_of_trades_lose_nothing_that_happened_at_once() {
    let mut floor = floor();
    floor.buys("12");
    let mut seen = Vec::new();
    let mut since = "0".to_owned();
    loop {
        let page = floor.get(&format!("/0/public/Trades?pair=XBTUSD&count=1&since={since}"));
        let rows = page["XXBTZUSD"].as_array().unwrap();
        let Some(row) = rows.first() else { break };
        assert_eq!(rows.len(), 1);
        seen.push((row[0].as_str().unwrap().to_owned(), row[1].as_str().unwrap().to_owned()));
        since = page["last"].as_str().unwrap().to_owned();
    }
    let prices: Vec<_> = seen.iter().map(|(price, _)| price.as_str()).collect();
    assert_eq!(prices, ["60000.50000", "60001.00000", "60001.50000"]);
    let latest = floor.get("/0/public/Trades?pair=XBTUSD&count=2");
    assert_eq!((&latest["XXBTZUSD"][0][0], &latest["last"]), (&json!("60001.00000"), &json!(since)));
}

#[test]
fn a_grouped_book_adds_up_and_rounds_against_the_taker() {
    let mut floor = floor();
    let fine = floor.get("/0/public/GroupedBook?pair=BTC/USD");
    assert_eq!((&fine["pair"], &fine["grouping"]), (&json!("BTC/USD"), &json!(1)));
    assert_eq!(fine["bids"].as_array().unwrap().len(), 10);
    assert_eq!(fine["bids"][0], json!({"price": "59999.50000", "qty": "5.00000000"}));
    // A tick is 0.1 and the house quotes every 0.5: two quotes to a level of ten ticks.
    let coarse = floor.get("/0/public/GroupedBook?pair=XBTUSD&grouping=10&depth=25");
    assert_eq!(coarse["bids"].as_array().unwrap().len(), 20);
    assert_eq!(coarse["bids"][0], json!({"price": "59999.00000", "qty": "10.00000000"}));
    assert_eq!(coarse["asks"][0], json!({"price": "60001.00000", "qty": "10.00000000"}));
    for wrong in ["grouping=2", "depth=11", "depth=0"] {
        let path = format!("/0/public/GroupedBook?pair=XBTUSD&{wrong}");
        let name = wrong.split('=').next().unwrap();
        assert_eq!(error(&floor.send(request(&path))), format!("EGeneral:Invalid arguments:{name}"));
    }
}

#[test]
fn every_order_of_the_book_is_shown_under_its_id() {
    let mut floor = floor();
    let placed = floor.result(
        "sandbox-trade",
        "AddOrder",
        "pair=XBTUSD&type=buy&ordertype=limit&price=59999.5&volume=0.1",
    );
    let book = floor.result("sandbox-read", "Level3", "pair=BTC/USD&depth=10");
    assert_eq!((&book["pair"], book["asks"].as_array().unwrap().len()), (&json!("BTC/USD"), 10));
    let bids = book["bids"].as_array().unwrap();
    assert_eq!(bids.len(), 11, "two at the best price");
    assert_eq!((&bids[0]["price"], &bids[0]["qty"]), (&json!("59999.50000"), &json!("5.00000000")));
    assert_eq!(
        bids[1],
        json!({"price": "59999.50000", "qty": "0.10000000", "order_id": placed["txid"][0],
            "timestamp": 1_781_000_000_000_000_000_u64})
    );
    let whole = floor.result("sandbox-read", "Level3", "pair=XBTUSD&depth=0");
    assert_eq!(whole["bids"].as_array().unwrap().len(), 41);
    assert_eq!(whole["bids"][0]["order_id"], bids[0]["order_id"], "the house's quotes keep their ids");
    let ids: std::collections::HashSet<_> =
        whole["bids"].as_array().unwrap().iter().map(|bid| bid["order_id"].as_str()).collect();
    assert_eq!(ids.len(), 41);
    assert_eq!(
        floor.refusal("sandbox-read", "Level3", "pair=XBTUSD&depth=5"),
        "EGeneral:Invalid arguments:depth"
    );
    assert_eq!(floor.refusal("sandbox-fund", "Level3", "pair=NOPE"), "EGeneral:Permission denied");
}

#[test]
fn quotes_and_trades_are_published() {
    let mut floor = floor();
    let before = floor.get("/0/public/PreTrade?symbol=BTC/USD");
    assert_eq!(before["description"], "Bitcoin / US Dollars");
    assert_eq!(
        (before["bids"].as_array().unwrap().len(), before["asks"].as_array().unwrap().len()),
        (10, 10)
    );
    assert_eq!(
        before["asks"][0],
        json!({"side": "SELL", "price": "60000.5", "qty": "5", "count": 1,
            "submission_ts": "2026-06-09T10:13:20Z", "publication_ts": "2026-06-09T10:13:20Z"})
    );
    assert_eq!(error(&floor.send(request("/0/public/PreTrade"))), "EGeneral:Invalid arguments:symbol");

    assert_eq!(floor.get("/0/public/PostTrade"), json!({"last_ts": null, "count": 0, "trades": []}));
    floor.buys("6");
    floor.buys("0.5");
    let all = floor.get("/0/public/PostTrade");
    assert_eq!((&all["count"], all["trades"].as_array().unwrap().len()), (&json!(3), 3));
    assert_eq!(floor.get("/0/public/PostTrade?count=1")["trades"][0], all["trades"][2], "the latest");
    assert_eq!(floor.get("/0/public/PostTrade?symbol=ETH/USD")["count"], 0);
    let mut seen = Vec::new();
    let mut from = "2020-01-01T00:00:00Z".to_owned();
    for _ in 0..3 {
        let page = floor.get(&format!("/0/public/PostTrade?count=1&from_ts={from}"));
        seen.extend(page["trades"].as_array().unwrap().iter().cloned());
        from = page["last_ts"].as_str().unwrap().to_owned();
    }
    assert_eq!(Value::from(seen), all["trades"], "page by page the same");
    assert_eq!(floor.get(&format!("/0/public/PostTrade?from_ts={from}"))["last_ts"], json!(from));
    assert_eq!(
        floor.get("/0/public/PostTrade?to_ts=2026-06-09T10:13:21.000000001Z")["count"],
        2,
        "inclusive"
    );
    let trade = &all["trades"][1];
    assert_eq!((&trade["price"], &trade["quantity"]), (&json!("60001.0"), &json!("1")));
    assert_eq!(trade["trade_ts"], "2026-06-09T10:13:21.000000001Z");
    assert_eq!(
        error(&floor.send(request("/0/public/PostTrade?from_ts=soon"))),
        "EGeneral:Invalid arguments:from_ts"
    );
}
