//! What the exchange takes under each of its statuses, and of those of its pairs.

use super::*;

const UNAVAILABLE: &str = "EService:Unavailable";
const CANCEL_ONLY: &str = "EService:Market in cancel_only mode";
const POST_ONLY: &str = "EService:Market in post_only mode";
const LIMIT_ONLY: &str = "EService:Market in limit_only mode";

const MARKET: &str = "pair=XBTUSD&type=buy&ordertype=market&volume=0.1";
const POST: &str = "pair=XBTUSD&type=buy&ordertype=limit&price=50000&volume=0.1&oflags=post";

impl Floor {
    fn switch(&mut self, change: &Value) {
        self.exchange.pass(self.now_us);
        self.exchange.change(change.to_string().as_bytes()).unwrap();
    }

    fn system(&mut self, status: &str) {
        self.switch(&json!({"system_status": status}));
        let shown = self.send(request("/0/public/SystemStatus"));
        assert_eq!(shown["result"]["status"], status);
    }

    /// The error, or `ok`.
    fn said(&mut self, endpoint: &str, more: &str) -> String {
        let envelope = self.ask("sandbox-all", endpoint, more);
        envelope["error"][0].as_str().unwrap_or("ok").to_owned()
    }

    /// What the exchange says to every call that a status may forbid, each about an order of its own.
    fn all_said(&mut self) -> Vec<(&'static str, String)> {
        let calls = [
            ("AddOrder", ORDER.to_owned()),
            ("AddOrder", POST.to_owned()),
            ("AddOrder", MARKET.to_owned()),
            ("AddOrder", format!("{POST}&validate=true")),
            ("AmendOrder", "cl_ord_id=a&order_qty=0.2".to_owned()),
            ("AmendOrder", "cl_ord_id=b&limit_price=50001".to_owned()),
            ("AmendOrder", "cl_ord_id=c&limit_price=50001&post_only=true".to_owned()),
            ("EditOrder", "pair=XBTUSD&txid=7&volume=0.2".to_owned()),
            ("EditOrder", "pair=XBTUSD&txid=8&volume=0.2&oflags=post".to_owned()),
            ("CancelOrder", "cl_ord_id=a".to_owned()),
            ("CancelOrderBatch", "orders[0]=b".to_owned()),
            ("CancelAllOrdersAfter", "timeout=60".to_owned()),
            ("CancelAll", String::new()),
        ];
        calls.into_iter().map(|(endpoint, more)| (endpoint, self.said(endpoint, &more))).collect()
    }
}

/// With open orders that `all_said` may name.
fn with_orders() -> Floor {
    let mut floor = floor();
    for more in ["cl_ord_id=a", "cl_ord_id=b", "cl_ord_id=c", "userref=7", "userref=8"] {
        floor.result("sandbox-all", "AddOrder", &format!("{ORDER}&{more}"));
    }
    floor
}

#[test]
fn each_status_forbids_what_kraken_says_it_does() {
    let expected = |places: [&str; 9], cancels: &str| -> Vec<String> {
        places.into_iter().chain([cancels; 4]).map(str::to_owned).collect()
    };
    for (status, expected) in [
        ("online", expected(["ok"; 9], "ok")),
        ("maintenance", expected([UNAVAILABLE; 9], UNAVAILABLE)),
        ("cancel_only", expected([CANCEL_ONLY; 9], "ok")),
        (
            "post_only",
            expected([POST_ONLY, "ok", POST_ONLY, "ok", "ok", POST_ONLY, "ok", POST_ONLY, "ok"], "ok"),
        ),
    ] {
        let mut floor = with_orders();
        let open = |floor: &Floor| floor.exchange.engine.open_orders(0).count();
        floor.system(status);
        let (calls, said): (Vec<_>, Vec<_>) = floor.all_said().into_iter().unzip();
        assert_eq!(said, expected, "{status}: {calls:?}");
        assert_eq!(open(&floor), if status == "maintenance" { 5 } else { 0 }, "{status}");
        // Nothing that was refused did anything, and everything goes on afterwards.
        let entries = floor.log();
        let did = |entry: &&Value| entry["executed"] == true && entry["verdict"] != "ok";
        assert_eq!(entries.iter().find(did), None);
        floor.system("online");
        for call in [ORDER, POST, MARKET] {
            assert_eq!(floor.said("AddOrder", call), "ok", "after {status}");
        }
    }
}

#[test]
fn what_no_status_speaks_of_goes_on() {
    let mut floor = with_orders();
    for status in ["maintenance", "cancel_only", "post_only"] {
        floor.system(status);
        for (endpoint, more) in [
            ("OpenOrders", ""),
            ("QueryOrders", "txid=OAAAAA-BBBBB-CCCCCC"),
            ("Balance", ""),
            ("WithdrawStatus", ""),
            ("Withdraw", "asset=XBT&key=cold-wallet-1&amount=0.01"),
        ] {
            assert_eq!(floor.said(endpoint, more), "ok", "{status}: {endpoint}");
        }
        for page in ["Time", "Ticker?pair=XBTUSD", "Depth?pair=XBTUSD", "AssetPairs"] {
            assert_eq!(floor.send(request(&format!("/0/public/{page}")))["error"], json!([]), "{status}");
        }
    }
}

#[test]
fn a_mode_refuses_before_it_reads_and_costs_no_points() {
    let mut floor = with_orders();
    floor.switch(&json!({"trading_tier": "starter", "tier": "wide"}));
    floor.system("cancel_only");
    for _ in 0..100 {
        assert_eq!(floor.said("AddOrder", "pair=XBTUSD&type=sideways"), CANCEL_ONLY);
        assert_eq!(floor.said("AmendOrder", "cl_ord_id=a&order_qty=0.2"), CANCEL_ONLY);
    }
    floor.system("post_only");
    for _ in 0..100 {
        assert_eq!(floor.said("AddOrder", MARKET), POST_ONLY);
        assert_eq!(floor.said("AmendOrder", "cl_ord_id=a&limit_price=50001"), POST_ONLY);
    }
    assert_eq!(floor.said("AddOrder", POST), "ok");
    // Post-only as ever: it is not taken where it would trade.
    let crossing = "pair=XBTUSD&type=buy&ordertype=limit&price=60001&volume=0.1&oflags=post";
    assert_eq!(floor.said("AddOrder", crossing), "EOrder:Post only order");
}

#[test]
fn an_edit_that_no_mode_takes_leaves_its_order_alone() {
    let mut floor = with_orders();
    floor.system("post_only");
    assert_eq!(floor.said("EditOrder", "pair=XBTUSD&txid=7&volume=0.2"), POST_ONLY);
    assert_eq!(floor.exchange.engine.open_orders(0).count(), 5);
    let edited =
        floor.result("sandbox-all", "EditOrder", "pair=XBTUSD&txid=7&volume=0.2&userref=7&oflags=post");
    assert_eq!((&edited["status"], &edited["orders_cancelled"]), (&json!("ok"), &json!(1)));
}

#[test]
fn a_batch_is_refused_whole_by_a_closed_market_and_by_the_row_for_its_terms() {
    let mut floor = floor();
    let mut batch = |status: &str| {
        floor.system(status);
        floor.nonce += 1;
        let nonce = floor.nonce.to_string();
        let row = |more: &str| format!(r#"{{"type":"buy","price":"50000","volume":"0.1"{more}}}"#);
        let rows = [
            row(r#","ordertype":"limit","oflags":"post""#),
            row(r#","ordertype":"limit""#),
            r#"{"type":"buy","ordertype":"market","volume":"0.1"}"#.to_owned(),
        ];
        let body = format!(r#"{{"nonce":"{nonce}","pair":"XBTUSD","orders":[{}]}}"#, rows.join(","));
        floor.send(signed("sandbox-all", "AddOrderBatch", &nonce, body, "application/json"))
    };
    assert_eq!(error(&batch("maintenance")), UNAVAILABLE);
    assert_eq!(error(&batch("cancel_only")), CANCEL_ONLY);
    let told = batch("post_only");
    let rows = &told["result"]["orders"];
    assert!(rows[0]["txid"].is_string(), "{told}");
    assert_eq!((&rows[1], &rows[2]), (&json!({"error": POST_ONLY}), &json!({"error": POST_ONLY})));
    assert_eq!(floor.exchange.engine.open_orders(0).count(), 1);
}

#[test]
fn a_pair_has_a_status_of_its_own() {
    let mut floor = with_orders();
    let shown = |floor: &mut Floor| {
        let pairs = floor.send(request("/0/public/AssetPairs"));
        ["XXBTZUSD", "XETHZUSD", "XXBTZEUR"]
            .map(|pair| pairs["result"][pair]["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(shown(&mut floor), ["online"; 3]);
    floor.switch(&json!({"pair_status": {"BTC/USD": "cancel_only", "ETHUSD": "limit_only"}}));
    assert_eq!(shown(&mut floor), ["cancel_only", "limit_only", "online"]);
    let of = |order: &str, pair: &str| order.replace("XBTUSD", pair).replace("price=50000", "price=2000");
    assert_eq!(floor.said("AddOrder", ORDER), CANCEL_ONLY);
    assert_eq!(floor.said("AmendOrder", "cl_ord_id=a&order_qty=0.2"), CANCEL_ONLY);
    assert_eq!(floor.said("CancelOrder", "cl_ord_id=a"), "ok");
    assert_eq!(floor.said("AddOrder", &of(MARKET, "ETHUSD")), LIMIT_ONLY);
    assert_eq!(floor.said("AddOrder", &of(ORDER, "ETHUSD")), "ok");
    assert_eq!(floor.said("AddOrder", &of(MARKET, "XBTEUR")), "ok");
    // What is not named stays as it is; the stricter of system and pair holds.
    floor.switch(&json!({"pair_status": {"XXBTZUSD": "post_only"}}));
    assert_eq!(shown(&mut floor), ["post_only", "limit_only", "online"]);
    assert_eq!(floor.said("AddOrder", ORDER), POST_ONLY);
    assert_eq!(floor.said("AmendOrder", "cl_ord_id=b&limit_price=50001"), POST_ONLY);
    assert_eq!(floor.said("AddOrder", POST), "ok");
    floor.system("post_only");
    assert_eq!(floor.said("AddOrder", &of(ORDER, "XBTEUR")), POST_ONLY);
    floor.system("cancel_only");
    assert_eq!(floor.said("AddOrder", POST), CANCEL_ONLY);

    for wrong in [
        json!({"pair_status": {"NOPE": "online"}}),
        json!({"pair_status": {"XBTUSD": "online", "BTC/USD": "online"}}),
        json!({"pair_status": {"XBTUSD": "maintenance"}}),
        json!({"system_status": "limit_only"}),
    ] {
        assert!(floor.exchange.change(wrong.to_string().as_bytes()).is_err(), "{wrong}");
    }
    let switches: Value = serde_json::from_str(&floor.exchange.switches_json().unwrap()).unwrap();
    assert_eq!(switches["system_status"], "cancel_only");
    let pairs = json!({"XXBTZUSD": "post_only", "XETHZUSD": "limit_only", "XXBTZEUR": "online"});
    assert_eq!(switches["pair_status"], pairs);
}

#[test]
fn a_status_can_be_chosen_before_the_start() {
    let options = json!({"system_status": "maintenance", "pair_status": {"XBTEUR": "post_only"}});
    let mut floor = Floor::new(&serde_json::from_value(options).unwrap());
    assert_eq!(floor.said("AddOrder", ORDER), UNAVAILABLE);
    floor.system("online");
    assert_eq!(floor.said("AddOrder", &ORDER.replace("XBTUSD", "XBTEUR")), POST_ONLY);
}

#[test]
fn while_the_exchange_is_down_nothing_ends_and_all_that_was_due_ends_when_it_is_back() {
    let mut floor = floor();
    let order = |floor: &mut Floor, label: &str, more: &str| {
        let placed = floor.result(label, "AddOrder", &format!("{ORDER}&{more}"));
        placed["txid"][0].as_str().unwrap().to_owned()
    };
    let before = order(&mut floor, "sandbox-all", "expiretm=%2B5");
    let expires = order(&mut floor, "sandbox-all", "expiretm=%2B20");
    let timed = order(&mut floor, "sandbox-all", "");
    floor.result("sandbox-all", "CancelAllOrdersAfter", "timeout=30");
    // What is due before the switch is thrown ends before it, though nobody asked meanwhile.
    floor.now_us += 10_000_000;
    floor.system("maintenance");
    floor.now_us += 90_000_000;
    // The status, and when it ended in whole seconds after the beginning.
    let seen = |floor: &mut Floor, id: &str| {
        let order = floor.result("sandbox-all", "QueryOrders", &format!("txid={id}"))[id].clone();
        let ended = order.get("closetm").map(Value::to_string);
        let second = |at: &str| at.split('.').next().and_then(|s| s.parse::<u64>().ok()).unwrap();
        (order["status"].as_str().unwrap().to_owned(), ended.map(|at| second(&at) - NOW_US / 1_000_000))
    };
    assert_eq!(seen(&mut floor, &before), ("expired".to_owned(), Some(5)));
    assert_eq!(seen(&mut floor, &expires), ("open".to_owned(), None));
    assert_eq!(seen(&mut floor, &timed), ("open".to_owned(), None));
    floor.system("cancel_only");
    floor.now_us += 1_000_000;
    assert_eq!(seen(&mut floor, &expires), ("expired".to_owned(), Some(100)));
    assert_eq!(seen(&mut floor, &timed), ("canceled".to_owned(), Some(100)));
    floor.system("online");
    order(&mut floor, "sandbox-all", "");
    floor.now_us += 90_000_000;
    assert_eq!(
        floor.result("sandbox-all", "OpenOrders", "")["open"].as_object().unwrap().len(),
        1,
        "disarmed"
    );
}

#[test]
fn an_order_runs_out_in_a_market_that_takes_only_cancels() {
    let mut floor = floor();
    floor.result("sandbox-all", "AddOrder", &format!("{ORDER}&expiretm=%2B20"));
    floor.system("cancel_only");
    floor.now_us += 20_000_000;
    assert_eq!(floor.result("sandbox-all", "OpenOrders", "")["open"], json!({}));
}

#[test]
fn what_waits_for_its_time_or_its_price_goes_on_waiting_where_nothing_is_matched() {
    let mut floor = floor();
    let place = |floor: &mut Floor, more: &str| {
        let order = format!("pair=XBTUSD&type=buy&volume=0.1&{more}");
        let placed = floor.result("sandbox-all", "AddOrder", &order);
        placed["txid"][0].as_str().unwrap().to_owned()
    };
    let later = place(&mut floor, "ordertype=limit&price=60001&starttm=%2B10");
    // By the middle of the best prices, which a post-only order can move.
    let stop = place(&mut floor, "ordertype=stop-loss&price=60000.2&trigger=index");
    let seen = |floor: &mut Floor, id: &str| {
        let order = floor.result("sandbox-all", "QueryOrders", &format!("txid={id}"))[id].clone();
        (order["status"].as_str().unwrap().to_owned(), order["vol_exec"].as_str().unwrap().to_owned())
    };
    floor.system("post_only");
    place(&mut floor, "ordertype=limit&price=60000.4&oflags=post");
    floor.now_us += 60_000_000;
    assert_eq!(seen(&mut floor, &later), ("pending".to_owned(), "0.00000000".to_owned()));
    assert_eq!(seen(&mut floor, &stop), ("open".to_owned(), "0.00000000".to_owned()));
    floor.system("online");
    floor.now_us += 1_000_000;
    let done = ("closed".to_owned(), "0.10000000".to_owned());
    assert_eq!(seen(&mut floor, &later), done);
    assert_eq!(seen(&mut floor, &stop), done);
    let trades = floor.result("sandbox-all", "TradesHistory", "");
    for trade in trades["trades"].as_object().unwrap().values() {
        let at_s: u64 = trade["time"].to_string().split('.').next().unwrap().parse().unwrap();
        assert!(at_s >= NOW_US / 1_000_000 + 60, "not while nothing was matched: {trade}");
    }
}
