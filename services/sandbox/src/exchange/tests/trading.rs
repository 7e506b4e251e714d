//! What the endpoints say and do.

use super::*;

#[test]
fn public_pages_have_krakens_shapes() {
    let mut floor = floor();
    let mut get = |path: &str| floor.send(request(path));
    let time = get("/0/public/Time");
    assert_eq!(
        time["result"],
        json!({"unixtime": 1_781_000_000, "rfc1123": "Tue,  9 Jun 26 10:13:20 +0000"})
    );
    assert_eq!(get("/0/public/SystemStatus")["result"]["timestamp"], "2026-06-09T10:13:20Z");
    let pair = &get("/0/public/AssetPairs?pair=BTC/USD")["result"]["XXBTZUSD"];
    assert_eq!(
        (&pair["ordermin"], &pair["costmin"], &pair["tick_size"]),
        (&json!("0.00005"), &json!("0.5"), &json!("0.1"))
    );
    assert_eq!(get("/0/public/AssetPairs?assetVersion=1")["result"]["BTC/EUR"]["base"], "BTC");
    assert_eq!(get("/0/public/Assets")["result"]["ZUSD"]["decimals"], 4);
    let ticker = &get("/0/public/Ticker?pair=XBTUSD")["result"]["XXBTZUSD"];
    assert_eq!(
        (&ticker["a"][0], &ticker["b"][0], &ticker["c"][0]),
        (&json!("60000.50000"), &json!("59999.50000"), &json!("60000.00000"))
    );
    let depth = &get("/0/public/Depth?pair=XBTUSD&count=2")["result"]["XXBTZUSD"];
    assert_eq!(
        depth["bids"],
        json!([["59999.50000", "5.000", 1_781_000_000], ["59999.00000", "5.000", 1_781_000_000]])
    );
    assert_eq!(error(&get("/0/public/Ticker?pair=NOPE")), "EQuery:Unknown asset pair");
    assert_eq!(error(&get("/0/public/Nonsense")), "EGeneral:Unknown method");
    assert_eq!(error(&get("/0/private/Balance")), "EGeneral:Unknown method");
}

#[test]
fn an_order_lives_and_dies() {
    let mut floor = floor();
    let placed = floor.result("sandbox-trade", "AddOrder", &format!("{ORDER}&cl_ord_id=mine"));
    assert_eq!(placed["descr"], json!({"order": "buy 0.10000000 XBTUSD @ limit 50000.0"}));
    let txid = placed["txid"][0].as_str().unwrap().to_owned();
    let open = floor.result("sandbox-read", "OpenOrders", "cl_ord_id=mine&trades=True");
    let shown = &open["open"][&txid];
    assert_eq!(
        (&shown["status"], &shown["cl_ord_id"], &shown["userref"]),
        (&json!("open"), &json!("mine"), &Value::Null)
    );
    assert!(serde_json::to_string(&open).unwrap().contains("\"opentm\":1781000000.0"));
    let balance = floor.result("sandbox-read", "BalanceEx", "");
    assert_eq!(balance["ZUSD"], json!({"balance": "1000000.0000", "hold_trade": "5020.0000"}));
    assert_eq!(floor.result("sandbox-second-read", "OpenOrders", ""), json!({"open": {}}));
    assert_eq!(
        floor.refusal("sandbox-second-trade", "CancelOrder", &format!("txid={txid}")),
        "EOrder:Unknown order"
    );
    let canceled = floor.result("sandbox-cancel", "CancelOrder", "cl_ord_id=mine");
    assert_eq!(canceled, json!({"count": 1}));
    assert_eq!(
        floor.refusal("sandbox-cancel", "CancelOrder", &format!("txid={txid}")),
        "EOrder:Unknown order"
    );
    let closed = floor.result("sandbox-read-2", "ClosedOrders", "cl_ord_id=mine");
    assert_eq!((&closed["count"], &closed["closed"][&txid]["status"]), (&json!(1), &json!("canceled")));
    assert_eq!(
        floor.result("sandbox-read", "QueryOrders", &format!("txid={txid}"))[&txid]["status"],
        "canceled"
    );
    let executed: Vec<_> = floor
        .log()
        .iter()
        .filter(|entry| entry["txid"] == txid)
        .map(|entry| entry["endpoint"].clone())
        .collect();
    assert_eq!(executed, ["AddOrder", "CancelOrder"]);
}

#[test]
fn orders_are_cancelled_by_group_and_all_at_once() {
    let mut floor = floor();
    for userref in [7, 7, 8] {
        floor.result("sandbox-trade", "AddOrder", &format!("{ORDER}&userref={userref}"));
    }
    assert_eq!(floor.result("sandbox-trade", "CancelOrder", "txid=7")["count"], 2);
    floor.result("sandbox-trade", "AddOrder", ORDER);
    assert_eq!(floor.result("sandbox-trade", "CancelAll", "")["count"], 2);
    assert_eq!(floor.result("sandbox-trade", "CancelAll", "")["count"], 0);
}

#[test]
fn a_deadline_is_enforced_at_the_engine() {
    let mut floor = floor();
    let deadline = "deadline=2026-06-09T10:13:25Z";
    let mut late_by = |engine_us: u64| {
        floor.nonce += 1;
        let arrived = floor
            .exchange
            .receive(NOW_US, form("sandbox-trade", "AddOrder", floor.nonce, &format!("{ORDER}&{deadline}")));
        let admitted = floor.exchange.authenticate(NOW_US + 1_000_000, arrived).unwrap();
        let reply = floor.exchange.execute(engine_us, admitted);
        serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone()
    };
    assert_eq!(late_by(NOW_US + 5_000_000), json!([]));
    assert_eq!(late_by(NOW_US + 5_000_001), json!(["EService:Deadline elapsed"]));
    let log = floor.log();
    assert_eq!([&log[0]["executed"], &log[1]["executed"]], [&json!(true), &json!(false)]);
    assert_eq!(log[1]["txid"], Value::Null);
    let soon = format!("{ORDER}&deadline=2026-06-09T10:13:21Z");
    assert_eq!(floor.refusal("sandbox-trade", "AddOrder", &soon), "EGeneral:Invalid arguments:deadline");
}

#[test]
fn validating_places_nothing() {
    let mut floor = floor();
    let result = floor.result("sandbox-trade", "AddOrder", &format!("{ORDER}&validate=true"));
    assert_eq!(result, json!({"descr": {"order": "buy 0.10000000 XBTUSD @ limit 50000.0"}}));
    let too_much = ORDER.replace("volume=0.1", "volume=100");
    assert_eq!(
        floor.refusal("sandbox-trade", "AddOrder", &format!("{too_much}&validate=true")),
        "EOrder:Insufficient funds"
    );
    assert_eq!(floor.result("sandbox-read", "OpenOrders", ""), json!({"open": {}}));
    assert!(floor.log().iter().take(2).all(|entry| entry["executed"] == false));
}

#[test]
fn new_orders_can_be_invisible_for_a_while() {
    let mut floor = Floor::new(&Options { visibility_lag_ms: 300, ..Options::default() });
    floor.result("sandbox-trade", "AddOrder", ORDER);
    let count =
        |floor: &mut Floor| floor.result("sandbox-read", "OpenOrders", "")["open"].as_object().unwrap().len();
    assert_eq!(count(&mut floor), 0);
    floor.now_us += 300_000;
    assert_eq!(count(&mut floor), 1);
}

#[test]
fn history_is_paged_newest_first_and_bounded_by_time() {
    let mut floor = Floor::new(&Options { tier: Tier::Wide, ..Options::default() });
    let market = "pair=XBTUSD&type=buy&ordertype=market&volume=0.001";
    let mut txids = Vec::new();
    for _ in 0..60 {
        floor.now_us += 1_000_000;
        txids.push(floor.result("sandbox-trade", "AddOrder", market)["txid"][0].as_str().unwrap().to_owned());
    }
    let page = floor.result("sandbox-read", "ClosedOrders", "ofs=50");
    let on_page: Vec<_> = page["closed"].as_object().unwrap().keys().cloned().collect();
    let mut oldest = txids[..10].to_vec();
    oldest.sort();
    assert_eq!((on_page, &page["count"]), (oldest, &json!(60)));
    let between = format!("start={}&end={}&without_count=true", txids[9], NOW_US / 1_000_000 + 13);
    let few = floor.result("sandbox-read", "ClosedOrders", &between);
    assert_eq!((few["closed"].as_object().unwrap().len(), few.get("count")), (3, None));
    assert_eq!(floor.result("sandbox-read", "TradesHistory", "")["count"], 60);
    assert_eq!(floor.result("sandbox-ledger", "Ledgers", "")["count"], 120);
    let dollars = floor.result("sandbox-ledger", "Ledgers", "asset=USD&ofs=59");
    let (id, entry) = dollars["ledger"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(
        (&entry["amount"], &entry["fee"], &entry["balance"]),
        (&json!("-60.0005"), &json!("0.2400"), &json!("999939.7595"))
    );
    assert_eq!(&floor.result("sandbox-ledger", "QueryLedgers", &format!("id={id}"))[id], entry);
    let trade = entry["refid"].as_str().unwrap();
    assert_eq!(
        floor.result("sandbox-read", "QueryTrades", &format!("txid={trade}"))[trade]["ordertxid"],
        txids[0]
    );
    assert_eq!(floor.result("sandbox-second-read", "QueryTrades", &format!("txid={trade}")), json!({}));
    // A key that sees 2026 only.
    assert_eq!(floor.result("sandbox-dated", "Ledgers", "")["count"], 120);
    assert_eq!(floor.refusal("sandbox-dated", "Ledgers", "start=1700000000"), "EGeneral:Invalid arguments");
    assert_eq!(floor.refusal("sandbox-dated", "Ledgers", "end=1800000000"), "EGeneral:Invalid arguments");
}

#[test]
fn balances_and_tokens() {
    let mut floor = floor();
    let start = json!({"XXBT": "100.0000000000", "XETH": "1000.0000000000", "ZUSD": "1000000.0000", "ZEUR": "1000000.0000"});
    assert_eq!(floor.result("sandbox-read", "Balance", ""), start);
    // 100 x 60000 + 1000 x 3000 + 1000000 + 1000000 x 60000 / 55000.
    let sum = floor.result("sandbox-read", "TradeBalance", "asset=usd");
    assert_eq!((&sum["eb"], &sum["mf"]), (&json!("11090909.0909"), &json!("11090909.0909")));
    let token = floor.result("sandbox-stream", "GetWebSocketsToken", "");
    assert_eq!((token["token"].as_str().unwrap().len(), &token["expires"]), (43, &json!(900)));
    assert_ne!(floor.result("sandbox-stream", "GetWebSocketsToken", "")["token"], token["token"]);
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let first_id = |seed| {
        let mut floor = Floor::new(&Options { seed, ..Options::default() });
        floor.result("sandbox-trade", "AddOrder", ORDER)["txid"][0].clone()
    };
    assert_eq!(first_id(1), first_id(1));
    assert_ne!(first_id(1), first_id(2));
}
