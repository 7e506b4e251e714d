use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::sign::Signer;
use super::*;

const NOW_US: u64 = 1_781_000_000_000_000;
const ORDER: &str = "pair=XBTUSD&type=buy&ordertype=limit&price=50000&volume=0.1";

fn request(path: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request {
        peer_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        verb: "GET".to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        api_key: None,
        api_sign: None,
        api_nonce: None,
        api_otp: None,
        content_type: None,
        body: Bytes::new(),
    }
}

/// A request signed by hand. `body` is sent as it is.
fn signed(label: &str, endpoint: &str, nonce: &str, body: String, content_type: &str) -> Request {
    let key = keys().iter().find(|key| key.label == label).unwrap();
    let path = format!("/0/private/{endpoint}");
    let signer = Signer::new(&STANDARD.decode(&key.secret).unwrap()).unwrap();
    Request {
        verb: "POST".to_owned(),
        api_key: Some(key.api_key.clone()),
        api_sign: Some(signer.sign(&path, "", nonce, body.as_bytes())),
        content_type: Some(content_type.to_owned()),
        body: body.into(),
        ..request(&path)
    }
}

fn form(label: &str, endpoint: &str, nonce: u64, more: &str) -> Request {
    let body = format!("nonce={nonce}&{more}");
    signed(label, endpoint, &nonce.to_string(), body, "application/x-www-form-urlencoded; charset=utf-8")
}

struct Floor {
    exchange: Exchange,
    now_us: u64,
    nonce: u64,
}

impl Floor {
    fn new(options: &Options) -> Self {
        Self { exchange: Exchange::new(options), now_us: NOW_US, nonce: NOW_US }
    }

    fn send(&mut self, request: Request) -> Value {
        let reply = self.exchange.handle(self.now_us, request);
        assert_eq!((reply.http_status, reply.delivery), (200, Delivery::Whole));
        serde_json::from_slice(&reply.body).unwrap()
    }

    /// Sends a form under a fresh nonce.
    fn ask(&mut self, label: &str, endpoint: &str, more: &str) -> Value {
        self.nonce += 1;
        self.send(form(label, endpoint, self.nonce, more))
    }

    fn result(&mut self, label: &str, endpoint: &str, more: &str) -> Value {
        let envelope = self.ask(label, endpoint, more);
        assert_eq!(envelope["error"], json!([]), "{endpoint} {more}");
        envelope["result"].clone()
    }

    fn refusal(&mut self, label: &str, endpoint: &str, more: &str) -> String {
        error(&self.ask(label, endpoint, more))
    }

    fn log(&self) -> Vec<Value> {
        let page: Value = serde_json::from_str(&self.exchange.log_json(0, usize::MAX)).unwrap();
        page["entries"].as_array().unwrap().clone()
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&self.exchange.stats_json()).unwrap()
    }
}

/// The one error of an envelope that has no result.
fn error(envelope: &Value) -> String {
    assert_eq!(envelope.get("result"), None);
    envelope["error"][0].as_str().unwrap().to_owned()
}

fn floor() -> Floor {
    Floor::new(&Options::default())
}

#[test]
fn public_pages_have_krakens_shapes() {
    let mut floor = floor();
    let mut get = |path: &str| floor.send(request(path));
    let time = get("/0/public/Time");
    assert_eq!(time["result"], json!({"unixtime": 1_781_000_000, "rfc1123": "Tue,  9 Jun 26 10:13:20 +0000"}));
    assert_eq!(get("/0/public/SystemStatus")["result"]["timestamp"], "2026-06-09T10:13:20Z");
    let pair = &get("/0/public/AssetPairs?pair=BTC/USD")["result"]["XXBTZUSD"];
    assert_eq!((&pair["ordermin"], &pair["costmin"], &pair["tick_size"]), (&json!("0.00005"), &json!("0.5"), &json!("0.1")));
    assert_eq!(get("/0/public/AssetPairs?assetVersion=1")["result"]["BTC/EUR"]["base"], "BTC");
    assert_eq!(get("/0/public/Assets")["result"]["ZUSD"]["decimals"], 4);
    let ticker = &get("/0/public/Ticker?pair=XBTUSD")["result"]["XXBTZUSD"];
    assert_eq!((&ticker["a"][0], &ticker["b"][0], &ticker["c"][0]), (&json!("60000.50000"), &json!("59999.50000"), &json!("60000.00000")));
    let depth = &get("/0/public/Depth?pair=XBTUSD&count=2")["result"]["XXBTZUSD"];
    assert_eq!(depth["bids"], json!([["59999.50000", "5.000", 1_781_000_000], ["59999.00000", "5.000", 1_781_000_000]]));
    assert_eq!(error(&get("/0/public/Ticker?pair=NOPE")), "EQuery:Unknown asset pair");
    assert_eq!(error(&get("/0/public/Nonsense")), "EGeneral:Unknown method");
    assert_eq!(error(&get("/0/public/OHLC?pair=XBTUSD")), "EAPI:Feature disabled");
    assert_eq!(error(&get("/0/private/Balance")), "EGeneral:Unknown method");
}

#[test]
fn checks_come_in_their_order() {
    let mut floor = floor();
    let mut unknown = form("sandbox-read", "Balance", NOW_US, "");
    unknown.api_key = Some("nobody".to_owned());
    assert_eq!(error(&floor.send(unknown)), "EAPI:Invalid key");
    assert_eq!(floor.refusal("sandbox-elsewhere", "Balance", ""), "EAPI:Invalid key");
    assert_eq!(floor.refusal("sandbox-expired", "Balance", ""), "EAPI:Invalid key");
    let mut forged = form("sandbox-read", "Balance", NOW_US, "");
    forged.body = Bytes::from(format!("nonce={NOW_US}&x"));
    assert_eq!(error(&floor.send(forged)), "EAPI:Invalid signature");
    assert_eq!(floor.refusal("sandbox-otp", "Balance", ""), "EGeneral:Permission denied");
    assert_eq!(floor.refusal("sandbox-otp", "Balance", "otp=wrong"), "EGeneral:Permission denied");
    assert_eq!(floor.refusal("sandbox-read", "Balance", "otp=1"), "EAPI:Invalid key");
    floor.result("sandbox-otp", "Balance", "otp=correct%20horse");
    assert_eq!(floor.refusal("sandbox-none", "Balance", ""), "EGeneral:Permission denied");
    let again = form("sandbox-none", "Balance", floor.nonce, "");
    assert_eq!(error(&floor.send(again)), "EAPI:Invalid nonce", "consumed though the permission was missing");
    assert_eq!(floor.refusal("sandbox-all", "Withdraw", ""), "EAPI:Feature disabled");
}

#[test]
fn the_elsewhere_key_works_elsewhere() {
    let mut floor = floor();
    let mut request = form("sandbox-elsewhere", "Balance", 1_000_000_000, "");
    request.peer_ip = "::ffff:203.0.113.7".parse().unwrap();
    assert_eq!(floor.send(request)["error"], json!([]));
}

#[test]
fn nonces_of_any_length_as_text_or_number() {
    let mut floor = floor();
    for nonce in ["1700000000", "1700000000000", "1700000000000000", "1700000000000000000", "9999999999999999999"] {
        let body = format!("{{\"nonce\":{nonce}}}");
        let number = signed("sandbox-all", "GetApiKeyInfo", nonce, body, "application/json");
        let info = floor.send(number);
        assert_eq!((&info["error"], &info["result"]["nonce"]), (&json!([]), &json!(nonce)));
        let text = signed("sandbox-all-2", "Balance", nonce, format!("{{ \"nonce\" : \"{nonce}\" }}"), "application/json");
        assert_eq!(floor.send(text)["error"], json!([]));
    }
    for bad in ["", "abc", "-5", "1.5", "18446744073709551616"] {
        let request = signed("sandbox-all-3", "Balance", bad, format!("nonce={bad}"), "application/x-www-form-urlencoded");
        assert_eq!(error(&floor.send(request)), "EAPI:Invalid nonce", "{bad}");
    }
}

#[test]
fn a_window_lets_late_ones_in_and_repeated_ones_unless_told_otherwise() {
    let mut floor = floor();
    let mut send = |floor: &mut Floor, nonce| floor.send(form("sandbox-window", "Balance", nonce, ""))["error"] == json!([]);
    assert!(send(&mut floor, NOW_US));
    assert!(send(&mut floor, NOW_US - 9_999_999));
    assert!(!send(&mut floor, NOW_US - 10_000_000));
    assert!(send(&mut floor, NOW_US));
    floor.exchange.change(br#"{"replayed_nonce_in_window":"refuse"}"#).unwrap();
    assert!(!send(&mut floor, NOW_US));
    assert!(send(&mut floor, NOW_US - 1));
}

#[test]
fn the_counter_charges_by_profile_and_tier() {
    let mut floor = Floor::new(&Options { tier: Tier::Starter, ..Options::default() });
    (0..15).for_each(|_| drop(floor.result("sandbox-all", "Balance", "")));
    assert_eq!(floor.refusal("sandbox-all", "Balance", ""), "EAPI:Rate limit exceeded");
    floor.result("sandbox-all-2", "Balance", "");
    floor.result("sandbox-all", "AddOrder", ORDER);
    floor.exchange.change(br#"{"cost_profile":"conservative"}"#).unwrap();
    (0..3).for_each(|_| drop(floor.result("sandbox-all-3", "Ledgers", "")));
    assert_eq!(floor.refusal("sandbox-all-3", "Ledgers", ""), "EAPI:Rate limit exceeded");
    floor.exchange.change(br#"{"tier":"wide"}"#).unwrap();
    (0..100).for_each(|_| drop(floor.result("sandbox-all-3", "Ledgers", "")));
}

#[test]
fn an_order_lives_and_dies() {
    let mut floor = floor();
    let placed = floor.result("sandbox-trade", "AddOrder", &format!("{ORDER}&cl_ord_id=mine"));
    assert_eq!(placed["descr"], json!({"order": "buy 0.10000000 XBTUSD @ limit 50000.0"}));
    let txid = placed["txid"][0].as_str().unwrap().to_owned();
    let open = floor.result("sandbox-read", "OpenOrders", "cl_ord_id=mine&trades=True");
    let shown = &open["open"][&txid];
    assert_eq!((&shown["status"], &shown["cl_ord_id"], &shown["userref"]), (&json!("open"), &json!("mine"), &Value::Null));
    assert!(serde_json::to_string(&open).unwrap().contains("\"opentm\":1781000000.0"));
    let balance = floor.result("sandbox-read", "BalanceEx", "");
    assert_eq!(balance["ZUSD"], json!({"balance": "1000000.0000", "hold_trade": "5020.0000"}));
    assert_eq!(floor.result("sandbox-second-read", "OpenOrders", ""), json!({"open": {}}));
    assert_eq!(floor.refusal("sandbox-second-trade", "CancelOrder", &format!("txid={txid}")), "EOrder:Unknown order");
    let canceled = floor.result("sandbox-cancel", "CancelOrder", "cl_ord_id=mine");
    assert_eq!(canceled, json!({"count": 1}));
    assert_eq!(floor.refusal("sandbox-cancel", "CancelOrder", &format!("txid={txid}")), "EOrder:Unknown order");
    let closed = floor.result("sandbox-read-2", "ClosedOrders", "cl_ord_id=mine");
    assert_eq!((&closed["count"], &closed["closed"][&txid]["status"]), (&json!(1), &json!("canceled")));
    assert_eq!(floor.result("sandbox-read", "QueryOrders", &format!("txid={txid}"))[&txid]["status"], "canceled");
    let executed: Vec<_> = floor.log().iter().filter(|entry| entry["txid"] == txid).map(|entry| entry["endpoint"].clone()).collect();
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
        let arrived = floor.exchange.receive(NOW_US, form("sandbox-trade", "AddOrder", floor.nonce, &format!("{ORDER}&{deadline}")));
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
    assert_eq!(floor.refusal("sandbox-trade", "AddOrder", &format!("{too_much}&validate=true")), "EOrder:Insufficient funds");
    assert_eq!(floor.result("sandbox-read", "OpenOrders", ""), json!({"open": {}}));
    assert!(floor.log().iter().take(2).all(|entry| entry["executed"] == false));
}

#[test]
fn new_orders_can_be_invisible_for_a_while() {
    let mut floor = Floor::new(&Options { visibility_lag_ms: 300, ..Options::default() });
    floor.result("sandbox-trade", "AddOrder", ORDER);
    let count = |floor: &mut Floor| floor.result("sandbox-read", "OpenOrders", "")["open"].as_object().unwrap().len();
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
    assert_eq!((&entry["amount"], &entry["fee"], &entry["balance"]), (&json!("-60.0005"), &json!("0.2400"), &json!("999939.7595")));
    assert_eq!(&floor.result("sandbox-ledger", "QueryLedgers", &format!("id={id}"))[id], entry);
    let trade = entry["refid"].as_str().unwrap();
    assert_eq!(floor.result("sandbox-read", "QueryTrades", &format!("txid={trade}"))[trade]["ordertxid"], txids[0]);
    assert_eq!(floor.result("sandbox-second-read", "QueryTrades", &format!("txid={trade}")), json!({}));
    // A key that sees 2026 only.
    assert_eq!(floor.result("sandbox-dated", "Ledgers", "")["count"], 120);
    assert_eq!(floor.refusal("sandbox-dated", "Ledgers", "start=1700000000"), "EGeneral:Invalid arguments");
    assert_eq!(floor.refusal("sandbox-dated", "Ledgers", "end=1800000000"), "EGeneral:Invalid arguments");
}

#[test]
fn a_key_describes_itself_in_both_spellings() {
    let mut floor = floor();
    let info = floor.result("sandbox-window", "GetApiKeyInfo", "");
    assert_eq!(info["nonceWindow"], 10_000_000);
    assert_eq!(info["nonce"], floor.nonce.to_string());
    assert_eq!(info["permissions"], json!(["query-funds", "query-open-trades", "query-closed-trades"]));
    assert_eq!(info["iban"], account_iban("main").unwrap());
    assert_eq!((&info["validUntil"], &info["lastUsed"]), (&json!("0"), &json!("1781000000")));
    floor.exchange.change(br#"{"key_info_casing":"snake"}"#).unwrap();
    let info = floor.result("sandbox-window", "GetApiKeyInfo", "");
    assert_eq!((&info["nonce_window"], &info["api_key"]), (&json!("10000000"), &json!("sandbox-window")));
    let second = floor.result("sandbox-second-read", "GetApiKeyInfo", "");
    assert_ne!(second["iban"], info["iban"]);
}

#[test]
fn balances_and_tokens() {
    let mut floor = floor();
    let start = json!({"XXBT": "100.0000000000", "XETH": "1000.0000000000", "ZUSD": "1000000.0000", "ZEUR": "1000000.0000"});
    assert_eq!(floor.result("sandbox-read", "Balance", ""), start);
    // 100 x 60000 + 1000 x 3000 + 1000000 + 1000000 x 60000 / 55000.
    let sum = floor.result("sandbox-read", "TradeBalance", "asset=usd");
    assert_eq!((&sum["eb"], &sum["mf"]), (&json!("11090909.0908"), &json!("11090909.0908")));
    let token = floor.result("sandbox-stream", "GetWebSocketsToken", "");
    assert_eq!((token["token"].as_str().unwrap().len(), &token["expires"]), (43, &json!(900)));
    assert_ne!(floor.result("sandbox-stream", "GetWebSocketsToken", "")["token"], token["token"]);
}

#[test]
fn faults_spoil_answers_and_the_log_knows_the_truth() {
    let mut floor = floor();
    let mut strike = |fault: &str| {
        floor.exchange.change(format!("{{\"faults\":[{{\"endpoint\":\"AddOrder\",{fault}}}]}}").as_bytes()).unwrap();
        floor.nonce += 1;
        let reply = floor.exchange.handle(NOW_US, form("sandbox-trade", "AddOrder", floor.nonce, ORDER));
        let entry = floor.log().pop().unwrap();
        (reply, entry)
    };
    let busy = br#"{"error":["EService:Busy"]}"#;
    let (reply, entry) = strike("\"error\":\"EService:Busy\"");
    assert_eq!((&reply.body[..], &entry["executed"], &entry["fault"]), (&busy[..], &json!(false), &json!("error")));
    let (reply, entry) = strike("\"execute_then_error\":\"EService:Busy\"");
    assert_eq!((&reply.body[..], &entry["executed"], &entry["verdict"]), (&busy[..], &json!(true), &json!("ok")));
    assert!(entry["txid"].is_string());
    let (reply, entry) = strike("\"http_status\":502");
    assert_eq!((reply.http_status, &entry["executed"], &entry["verdict"]), (502, &json!(false), &json!("HTTP 502")));
    let (reply, entry) = strike("\"execute_then_http_status\":520");
    assert_eq!((reply.http_status, &entry["executed"]), (520, &json!(true)));
    let (reply, _) = strike("\"truncate_after_bytes\":7");
    assert_eq!(reply.delivery, Delivery::Cut(7));
    let (reply, _) = strike("\"not_json\":true");
    assert_eq!((reply.http_status, reply.content_type, reply.body[0]), (200, "text/html; charset=UTF-8", b'<'));
    let (reply, _) = strike("\"oversize_bytes\":5000");
    assert_eq!(reply.body.len(), 5_000);
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap()["error"], json!([]));
    let (reply, entry) = strike("\"reset\":true");
    assert_eq!((reply.delivery, &entry["executed"]), (Delivery::Reset, &json!(true)));
    assert_eq!(floor.exchange.engine.open_orders(0).count(), 6);
    assert_eq!((&floor.stats()["faults"]["reset"], &floor.stats()["refusals"]), (&json!(1), &json!({})));
}

#[test]
fn hangs_stand_between_the_steps() {
    let mut floor = floor();
    let mut pauses = |label: &str, endpoint: &str, change: &str| {
        floor.exchange.change(change.as_bytes()).unwrap();
        floor.nonce += 1;
        floor.exchange.receive(NOW_US, form(label, endpoint, floor.nonce, "")).pauses
    };
    let all = r#"{"auth_delay_ms":1,"engine_delay_ms":2,"reply_delay_ms":3}"#;
    let expected = Pauses { before_auth_ms: 1, before_engine_ms: 2, before_reply_ms: 3 };
    assert_eq!(pauses("sandbox-read", "Balance", all), expected);
    let hang = |fault: &str| format!("{{\"faults\":[{{\"key\":\"sandbox-read\",\"{fault}\":100}}]}}");
    assert_eq!(pauses("sandbox-read", "Balance", &hang("hang_ms")).before_auth_ms, 101);
    assert_eq!(pauses("sandbox-read", "Balance", &hang("hang_after_auth_ms")).before_engine_ms, 102);
    assert_eq!(pauses("sandbox-read", "Balance", &hang("hang_after_execute_ms")).before_reply_ms, 103);
    assert_eq!(pauses("sandbox-read", "Balance", "{}"), expected);
    let random: std::collections::HashSet<_> =
        (0..300).map(|_| pauses("sandbox-read", "Balance", r#"{"random_delay_ms":50}"#).before_auth_ms).collect();
    assert!(random.len() == 51 && random.iter().all(|ms| (1..=51).contains(ms)), "{random:?}");
}

#[test]
fn switches_are_shown_and_nonsense_is_refused_whole() {
    let mut floor = floor();
    let wrong = floor.exchange.change(br#"{"tier":"starter","weather":"rain"}"#).unwrap_err();
    assert!(wrong.contains("weather"), "{wrong}");
    assert!(floor.exchange.change(br#"{"tier":"starter","engine_delay_ms":600001}"#).is_err());
    floor.exchange.change(br#"{"faults":[{"hang_ms":5,"count":2}]}"#).unwrap();
    let shown: Value = serde_json::from_str(&floor.exchange.switches_json().unwrap()).unwrap();
    assert_eq!((&shown["tier"], &shown["faults"]), (&json!("pro"), &json!([{"count": 2, "fault": {"hang_ms": 5}}])));
    floor.exchange.change(br#"{"clear_faults":true}"#).unwrap();
    let shown: Value = serde_json::from_str(&floor.exchange.switches_json().unwrap()).unwrap();
    assert_eq!(shown["faults"], json!([]));
}

#[test]
fn requests_under_way_are_in_the_log_and_counted() {
    let mut floor = floor();
    let first = floor.exchange.receive(NOW_US, form("sandbox-read", "Balance", NOW_US, ""));
    let second = floor.exchange.receive(NOW_US, form("sandbox-read", "Balance", NOW_US + 1, ""));
    let (one, two) = (first.ticket, second.ticket);
    assert_eq!(floor.log()[0]["verdict"], Value::Null);
    // The second overtakes the first.
    let admitted = floor.exchange.authenticate(NOW_US + 5, second).unwrap();
    assert!(floor.exchange.authenticate(NOW_US + 6, first).is_err());
    floor.exchange.execute(NOW_US + 7, admitted);
    floor.exchange.answered(one);
    floor.exchange.answered(two);
    let log = floor.log();
    assert_eq!((&log[0]["verdict"], &log[1]["verdict"]), (&json!("EAPI:Invalid nonce"), &json!("ok")));
    assert_eq!((&log[1]["received_us"], &log[1]["auth_us"], &log[1]["executed_us"]), (&json!(NOW_US), &json!(NOW_US + 5), &json!(NOW_US + 7)));
    let counts = &floor.stats()["by_key"]["sandbox-read"];
    assert_eq!((&counts["requests"], &counts["in_flight"], &counts["max_in_flight"]), (&json!(2), &json!(0), &json!(2)));
    assert_eq!((&counts["refusals"], &counts["last_nonce"]), (&json!({"EAPI:Invalid nonce": 1}), &json!((NOW_US + 1).to_string())));
}

#[test]
fn a_lockout_keeps_even_the_good_out() {
    let lockout = Lockout { failures: 2, within_ms: 1_000, for_ms: 5_000 };
    let mut floor = Floor::new(&Options { lockout, ..Options::default() });
    for _ in 0..2 {
        let old = form("sandbox-read", "Balance", 1_000_000_000, "");
        floor.send(old);
    }
    let stale = form("sandbox-read", "Balance", 1_000_000_000, "");
    assert_eq!(error(&floor.send(stale)), "EAPI:Invalid nonce");
    assert_eq!(floor.refusal("sandbox-read", "Balance", ""), "EGeneral:Temporary lockout");
    floor.now_us += 5_000_000;
    floor.result("sandbox-read", "Balance", "");
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
