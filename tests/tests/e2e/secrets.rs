//! No secret in any output: the whole path at the most verbose log level, searched for what must not be there.
//!
//! The secrets are made by the test, so that nothing can be excused as a known sample, and searched for as they are, in
//! base64, in hex and url-encoded.

use std::fmt::Write as _;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tidegate_proto::v1::stream_service_client::StreamServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::house::{House, Plan, channel, settled};
use tidegate_tests::process::Process;
use tidegate_tests::redis_server::RedisServer;

use tidegate_tests::load::resting_order;

/// Something that must not be seen, and its name for people.
struct Secret {
    name: &'static str,
    bytes: Vec<u8>,
}

fn random(len: usize) -> Vec<u8> {
    let blocks = (0..len.div_ceil(16)).flat_map(|_| *uuid::Uuid::new_v4().as_bytes());
    blocks.take(len).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Percent-encodes all but letters and digits, as a form does.
fn url_encoded(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let plain = byte.is_ascii_alphanumeric();
        let _ = if plain { write!(text, "{}", char::from(*byte)) } else { write!(text, "%{byte:02X}") };
        text
    })
}

/// How a secret shows in an output, if it does.
fn shows(secret: &Secret, output: &str) -> Option<&'static str> {
    let bytes = &secret.bytes;
    let lower = output.to_ascii_lowercase();
    // Without padding and tail, which depend on what stands behind the secret.
    let base64 = BASE64_STANDARD.encode(&bytes[..bytes.len() / 3 * 3]);
    let url_safe = BASE64_URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() / 3 * 3]);
    if output.as_bytes().windows(bytes.len()).any(|window| window == bytes) {
        Some("as it is")
    } else if output.contains(&base64) || output.contains(&url_safe) {
        Some("in base64")
    } else if lower.contains(&hex(bytes)) {
        Some("in hex")
    } else if lower.contains(&url_encoded(bytes).to_ascii_lowercase()) {
        Some("url-encoded")
    } else {
        None
    }
}

#[test]
fn the_search_finds_a_secret_in_every_form() {
    let secret = Secret { name: "planted", bytes: b"pass/word+42=".to_vec() };
    for (form, planted) in [
        ("as it is", "pass/word+42=".to_owned()),
        ("in base64", BASE64_STANDARD.encode(&secret.bytes)),
        ("in hex", hex(&secret.bytes)),
        ("in hex", hex(&secret.bytes).to_ascii_uppercase()),
        ("url-encoded", url_encoded(&secret.bytes)),
        ("url-encoded", url_encoded(&secret.bytes).to_ascii_lowercase()),
    ] {
        assert_eq!(shows(&secret, &format!("a line with {planted} in it")), Some(form), "{planted}");
    }
    assert_eq!(shows(&secret, "a line without it"), None);
}

/// Keys of the test's own, at the sandbox and in files for tidegate; and everything that must stay unseen.
struct Made {
    secrets: Vec<Secret>,
    keys_file: String,
    tables: String,
}

fn make_keys(dir: &std::path::Path) -> Made {
    let (mut secrets, mut listed, mut tables) = (Vec::new(), Vec::new(), String::new());
    let all = ["query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades"];
    let with_token = [&all[..], &["create-ws-token"]].concat();
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    for (label, permissions, otp) in [("one", with_token, true), ("two", all.to_vec(), false)] {
        let api_key = BASE64_STANDARD.encode(random(42));
        let (secret, password) = (random(64), format!("otp {}", hex(&random(12))));
        let encoded = BASE64_STANDARD.encode(&secret);
        let mut key = json!({
            "label": label, "api_key": api_key, "secret": encoded, "account": "main", "permissions": [],
            "permission_tokens": permissions, "nonce_window": 0, "nonce_unit": "us", "note": "",
        });
        let pair = file(&format!("{label}.key"), &format!("{api_key}\n{encoded}\n"));
        let _ = writeln!(tables, "[keys.{label}]\naccount = \"main\"\nfile = \"{pair}\"");
        let _ = writeln!(tables, "permissions = {}", json!(permissions));
        if otp {
            key["otp"] = json!({ "static": password });
            let _ = writeln!(tables, "otp_file = \"{}\"", file("one.otp", &password));
        }
        listed.push(key);
        secrets.push(Secret { name: "a public half", bytes: api_key.into_bytes() });
        secrets.push(Secret { name: "a private half, as written", bytes: encoded.into_bytes() });
        secrets.push(Secret { name: "a private half, decoded", bytes: secret });
        secrets.push(Secret { name: "a second factor", bytes: password.into_bytes() });
    }
    // A key whose private half is wrong is refused at start.
    let (wrong, api_key) = (BASE64_STANDARD.encode(random(64)), BASE64_STANDARD.encode(random(42)));
    let pair = file("wrong.key", &format!("{api_key}\n{wrong}\n"));
    let _ = writeln!(
        tables,
        "[keys.wrong]\naccount = \"main\"\nfile = \"{pair}\"\npermissions = [\"query-funds\"]"
    );
    secrets.push(Secret { name: "the public half of an unknown key", bytes: api_key.into_bytes() });
    secrets.push(Secret { name: "the private half of an unknown key", bytes: wrong.into_bytes() });
    let keys_file = file("keys.json", &json!({ "about": "made by a test", "keys": listed }).to_string());
    Made { secrets, keys_file, tables }
}

async fn page(process: &Process, name: &str) -> String {
    let url = format!("http://{}/{name}", process.addr("admin/http"));
    let answer = tidegate_tests::http().expect("a client").get(url).send().await;
    answer.expect("a page").text().await.expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_output() {
    let dir = tempfile::tempdir().expect("a directory");
    let Made { mut secrets, keys_file, tables } = make_keys(dir.path());
    let plan = Plan { sandbox: format!("keys_file = \"{keys_file}\""), ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let password = hex(&random(16));
    let redis = RedisServer::start_protected(dir.path(), &password).await.expect("Redis");
    secrets.push(Secret { name: "the store's password", bytes: password.into_bytes() });

    let mut outputs: Vec<(String, String)> = Vec::new();
    for format in ["pretty", "json"] {
        let log = format!("[log]\nfilter = \"trace\"\nformat = \"{format}\"\n");
        let store = format!("[store]\nredis_url = \"{}\"\n", redis.url());
        let config = house.config(&[], &format!("{log}{store}{tables}")).expect("a config");
        let mut process = house.all(format, &config).await.expect("the process");
        let gateway = channel(&process).await.expect("a channel");
        settled(gateway.clone()).await;

        let mut said = String::new();
        let mut account = AccountServiceClient::new(gateway.clone());
        for _ in 0..3 {
            let _ = writeln!(said, "{:?}", account.get_balance(v1::GetBalanceRequest::default()).await);
        }
        let _ = writeln!(said, "{:?}", account.get_ledgers(v1::GetLedgersRequest::default()).await);
        let mut trading = TradingServiceClient::new(gateway.clone());
        let placed = trading.add_order(resting_order()).await;
        assert!(placed.is_ok(), "{placed:?}");
        let _ = writeln!(said, "{placed:?}");
        let unaffordable = v1::AddOrderRequest { volume: "1000000".into(), ..resting_order() };
        let _ = writeln!(said, "{:?}", trading.add_order(unaffordable).await);
        for faults in
            [json!([{ "http_status": 502 }]), json!([{ "not_json": true }]), json!([{ "reset": true }])]
        {
            // Which faults there are is the sandbox's affair; the point is what tidegate logs of a broken answer.
            let _ = house.pages.switch(&json!({ "faults": faults })).await;
            let _ = writeln!(said, "{:?}", trading.add_order(resting_order()).await);
        }
        let mut operations = OperationsServiceClient::new(gateway.clone());
        let ask = v1::GetApiKeyInfoRequest { key_label: "one".into(), ..Default::default() };
        let _ = writeln!(said, "{:?}", operations.get_api_key_info(ask).await);
        let _ = writeln!(said, "{:?}", operations.list_lanes(v1::ListLanesRequest {}).await);
        // The token goes to its caller, and nowhere else.
        let mut streams = StreamServiceClient::new(gateway);
        let token = streams.get_web_sockets_token(v1::GetWebSocketsTokenRequest::default());
        let token = token.await.expect("a token").into_inner().token;
        secrets.push(Secret { name: "a WebSocket token", bytes: token.into_bytes() });

        outputs.push((format!("replies, {format}"), said));
        outputs.push((format!("metrics, {format}"), page(&process, "metrics").await));
        outputs.push((format!("readiness, {format}"), page(&process, "readyz").await));
        outputs.push((format!("store, {format}"), redis.content().await.expect("the store's content")));
        process.terminate();
        process.ended().await.expect("an end");
        outputs.push((format!("stdout, {format}"), process.stdout()));
        outputs.push((format!("log, {format}"), process.log()));
    }
    // A configuration with mistakes is quoted back; what is secret in it is not.
    let config =
        house.config(&[], &format!("[store]\nredis_url = \"{}\"\nnonsense = 1\n{tables}", redis.url()));
    let file = dir.path().join("bad.toml");
    std::fs::write(&file, config.expect("a config")).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let mut check = Process::spawn(dir.path(), "check", &["config", "check", path]).expect("the command");
    assert_eq!(check.ended().await.expect("an end").code(), Some(64));
    outputs.push(("config check".into(), check.stdout() + &check.log()));
    outputs.push(("sandbox".into(), house.sandbox.stdout() + &house.sandbox.log()));

    let log = &outputs.iter().find(|(name, _)| name == "log, pretty").expect("a log").1;
    assert!(
        log.contains("TRACE") || log.contains("DEBUG"),
        "the log is not verbose, so nothing was searched"
    );
    assert!(
        outputs.iter().any(|(name, text)| name.starts_with("store") && text.contains("grant")),
        "an empty store"
    );
    for (name, output) in &outputs {
        for secret in &secrets {
            let found = shows(secret, output);
            assert!(found.is_none(), "{} is in {name}, {}", secret.name, found.unwrap_or_default());
        }
    }
}
