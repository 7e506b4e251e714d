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
}
