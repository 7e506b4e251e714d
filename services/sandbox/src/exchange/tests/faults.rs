//! Switches and faults.

use super::*;

#[test]
fn faults_spoil_answers_and_the_log_knows_the_truth() {
    let mut floor = floor();
    let mut strike = |fault: &str| {
        floor
            .exchange
            .change(format!("{{\"faults\":[{{\"endpoint\":\"AddOrder\",{fault}}}]}}").as_bytes())
            .unwrap();
        floor.nonce += 1;
        let reply = floor.exchange.handle(NOW_US, form("sandbox-trade", "AddOrder", floor.nonce, ORDER));
        let entry = floor.log().pop().unwrap();
        (reply, entry)
    };
    let busy = br#"{"error":["EService:Busy"]}"#;
    let (reply, entry) = strike("\"error\":\"EService:Busy\"");
    assert_eq!(
        (&reply.body[..], &entry["executed"], &entry["fault"]),
        (&busy[..], &json!(false), &json!("error"))
    );
    let (reply, entry) = strike("\"execute_then_error\":\"EService:Busy\"");
    assert_eq!(
        (&reply.body[..], &entry["executed"], &entry["verdict"]),
        (&busy[..], &json!(true), &json!("ok"))
    );
    assert!(entry["txid"].is_string());
    let (reply, entry) = strike("\"http_status\":502");
    assert_eq!(
        (reply.http_status, &entry["executed"], &entry["verdict"]),
        (502, &json!(false), &json!("HTTP 502"))
    );
    let (reply, entry) = strike("\"execute_then_http_status\":520");
    assert_eq!((reply.http_status, &entry["executed"]), (520, &json!(true)));
    let (reply, _) = strike("\"truncate_after_bytes\":7");
    assert_eq!(reply.delivery, Delivery::Cut(7));
    let (reply, _) = strike("\"not_json\":true");
    assert_eq!(
        (reply.http_status, reply.content_type, reply.body[0]),
        (200, "text/html; charset=UTF-8", b'<')
    );
    let (reply, _) = strike("\"oversize_bytes\":5000");
    assert_eq!(reply.body.len(), 5_000);
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap()["error"], json!([]));
    let (reply, entry) = strike("\"reset\":true");
    assert_eq!((reply.delivery, &entry["executed"]), (Delivery::Reset, &json!(true)));
    assert_eq!(floor.exchange.engine.open_orders(0).count(), 6);
    assert_eq!((&floor.stats()["faults"]["reset"], &floor.stats()["refusals"]), (&json!(1), &json!({})));
}

#[test]
fn faults_of_time_and_delivery() {
    let mut floor = floor();
    let mut strike = |fault: &str| {
        let fault = format!("{{\"endpoint\":\"AddOrder\",{fault}}}");
        floor.exchange.add_faults(fault.as_bytes()).unwrap();
        floor.nonce += 1;
        let reply = floor.exchange.handle(NOW_US, form("sandbox-trade", "AddOrder", floor.nonce, ORDER));
        (reply, floor.log())
    };
    let body = |reply: &Reply| serde_json::from_slice::<Value>(&reply.body).unwrap();
    let (reply, log) = strike("\"throttle_ms\":1500");
    assert_eq!(body(&reply), json!({"error": ["EService:Throttled: 1781000002"]}));
    assert_eq!(log.last().unwrap()["executed"], false);
    let (reply, log) = strike("\"hang_without_execute_ms\":5");
    assert_eq!((reply.delivery, &log.last().unwrap()["executed"]), (Delivery::Reset, &json!(false)));
    let (reply, log) = strike("\"execute_late_ms\":5");
    assert_eq!((reply.http_status, &log.last().unwrap()["executed"]), (502, &json!(true)));
    let (reply, log) = strike("\"duplicate\":true");
    assert_eq!(body(&reply), json!({"error": ["EAPI:Invalid nonce"]}));
    let copies: Vec<_> = log.iter().rev().take(2).map(|entry| entry["executed"].clone()).collect();
    assert_eq!(copies, [json!(false), json!(true)]);
    let (reply, _) = strike("\"hide_ms\":2000");
    let txid = body(&reply)["result"]["txid"][0].as_str().unwrap().to_owned();
    let mut shown = |now_us| {
        floor.now_us = now_us;
        floor.result("sandbox-read", "OpenOrders", "")["open"].get(&txid).is_some()
    };
    assert_eq!([shown(NOW_US + 1_999_999), shown(NOW_US + 2_000_000)], [false, true]);
    let wrong = floor.exchange.add_faults(br#"[{"hang_ms":1},{"weather":"rain"}]"#);
    assert!(wrong.is_err() && floor.exchange.faults_json().unwrap() == "[]");
    floor.exchange.add_faults(br#"[{"hang_ms":1},{"hang_ms":2}]"#).unwrap();
    floor.exchange.clear_faults();
    assert_eq!(floor.exchange.faults_json().unwrap(), "[]");
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
    let random: std::collections::HashSet<_> = (0..1_000)
        .map(|_| pauses("sandbox-read", "Balance", r#"{"random_delay_ms":50}"#).before_auth_ms)
        .collect();
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
    assert_eq!(
        (&shown["tier"], &shown["faults"]),
        (&json!("pro"), &json!([{"count": 2, "fault": {"hang_ms": 5}}]))
    );
    floor.exchange.change(br#"{"clear_faults":true}"#).unwrap();
    let shown: Value = serde_json::from_str(&floor.exchange.switches_json().unwrap()).unwrap();
    assert_eq!(shown["faults"], json!([]));
}
