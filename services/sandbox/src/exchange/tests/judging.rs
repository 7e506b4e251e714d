//! Who may pass, and what is written down of it.

use super::*;

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
    assert_eq!(floor.refusal("sandbox-all", "Withdraw", ""), "EGeneral:Invalid arguments:asset");
}

#[test]
fn a_code_is_taken_once_and_in_its_time() {
    let mut floor = floor();
    let codes = keys().iter().find(|key| key.label == "sandbox-otp").unwrap().clone();
    let seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    let key = SandboxKey {
        label: "codes".into(),
        api_key: "codes".into(),
        otp: Some(Otp::Totp(seed.into())),
        ..codes
    };
    floor.exchange.add_key(key).unwrap();
    // RFC 6238, appendix B: the codes of 1111111109 and 1111111111 are those of two steps, one behind the other.
    floor.now_us = 1_111_111_109_000_000;
    let ask = |floor: &mut Floor, otp: &str| {
        floor.nonce += 1;
        let mut request = form("sandbox-otp", "Balance", floor.nonce, &format!("otp={otp}"));
        request.api_key = Some("codes".to_owned());
        floor.send(request)["error"].clone()
    };
    let (taken, denied) = (json!([]), json!(["EGeneral:Permission denied"]));
    assert_eq!(ask(&mut floor, "000000"), denied);
    assert_eq!(ask(&mut floor, "081804"), taken);
    assert_eq!(ask(&mut floor, "081804"), denied, "a code is taken once");
    floor.now_us = 1_111_111_111_000_000;
    assert_eq!(ask(&mut floor, "050471"), taken);
    assert_eq!(ask(&mut floor, "081804"), denied, "and none that is older than one that was taken");
    // A clock may be one step off, and no more.
    floor.now_us = 1_234_567_890_000_000 + 30_000_000;
    assert_eq!(ask(&mut floor, "005924"), taken);
    floor.now_us = 2_000_000_000_000_000 + 60_000_000;
    assert_eq!(ask(&mut floor, "279037"), denied);
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
    for nonce in
        ["1700000000", "1700000000000", "1700000000000000", "1700000000000000000", "9999999999999999999"]
    {
        let body = format!("{{\"nonce\":{nonce}}}");
        let number = signed("sandbox-all", "GetApiKeyInfo", nonce, body, "application/json");
        let info = floor.send(number);
        assert_eq!((&info["error"], &info["result"]["nonce"]), (&json!([]), &json!(nonce)));
        let text = signed(
            "sandbox-all-2",
            "Balance",
            nonce,
            format!("{{ \"nonce\" : \"{nonce}\" }}"),
            "application/json",
        );
        assert_eq!(floor.send(text)["error"], json!([]));
    }
    for bad in ["", "abc", "-5", "1.5", "18446744073709551616"] {
        let request = signed(
            "sandbox-all-3",
            "Balance",
            bad,
            format!("nonce={bad}"),
            "application/x-www-form-urlencoded",
        );
        assert_eq!(error(&floor.send(request)), "EAPI:Invalid nonce", "{bad}");
    }
}

#[test]
fn a_window_lets_late_ones_in_and_repeated_ones_unless_told_otherwise() {
    let mut floor = floor();
    let send = |floor: &mut Floor, nonce| {
        floor.send(form("sandbox-window", "Balance", nonce, ""))["error"] == json!([])
    };
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
    assert_eq!(
        (&log[1]["received_us"], &log[1]["auth_us"], &log[1]["executed_us"]),
        (&json!(NOW_US), &json!(NOW_US + 5), &json!(NOW_US + 7))
    );
    let counts = &floor.stats()["by_key"]["sandbox-read"];
    assert_eq!(
        (&counts["requests"], &counts["in_flight"], &counts["max_in_flight"]),
        (&json!(2), &json!(0), &json!(2))
    );
    assert_eq!(
        (&counts["refusals"], &counts["last_nonce"]),
        (&json!({"EAPI:Invalid nonce": 1}), &json!((NOW_US + 1).to_string()))
    );
}

#[test]
fn settings_of_keys_change_while_the_exchange_runs_all_or_none() {
    let mut floor = floor();
    floor.result("sandbox-read", "Balance", "");
    let change = json!({ "keys": [
        { "key": "sandbox-read", "permission_tokens": ["query-ledger"], "nonce_window": 1_000 },
        { "key": "sandbox-read-2", "valid_until": 1 },
    ]});
    floor.exchange.change(change.to_string().as_bytes()).unwrap();
    assert_eq!(floor.refusal("sandbox-read", "Balance", ""), "EGeneral:Permission denied");
    assert_eq!(floor.refusal("sandbox-read-2", "Balance", ""), "EAPI:Invalid key");
    let late = form("sandbox-read", "GetApiKeyInfo", floor.nonce - 900, "");
    let info = floor.send(late)["result"].clone();
    assert_eq!((&info["nonceWindow"], &info["permissions"]), (&json!(1_000), &json!(["query-ledger"])));
    let back = json!({ "keys": [{ "key": "sandbox-read-2", "valid_until": 0 }] });
    floor.exchange.change(back.to_string().as_bytes()).unwrap();
    floor.result("sandbox-read-2", "Balance", "");
    for wrong in [
        json!({ "keys": [{ "key": "sandbox-read", "nonce_window": 0 }, { "key": "nobody" }] }),
        json!({ "keys": [{ "key": "sandbox-read", "nonce_window": 0, "permission_tokens": ["fly"] }] }),
        json!({ "keys": [{ "key": "sandbox-read", "nonce_window": 0, "ip_allowlist": ["home"] }] }),
    ] {
        assert!(floor.exchange.change(wrong.to_string().as_bytes()).is_err(), "{wrong}");
    }
    assert_eq!(floor.result("sandbox-read", "GetApiKeyInfo", "")["nonceWindow"], json!(1_000));
}
