//! Keys that have a second factor at the exchange: a password, or the codes of an authenticator app.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_tests::house::{House, Plan, channel, lanes, sandbox_key};
use tidegate_tests::judge::promises_not_executed;
use tonic::{Code, Request};

const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

/// One key: what it is at the exchange, and its second factor in the configuration.
struct Made<'a> {
    label: &'a str,
    at_kraken: Value,
    configured: Option<(&'a str, &'a str)>,
}

/// A house whose sandbox knows the keys, and the tables that configure them.
async fn house_with(dir: &Path, keys: &[Made<'_>]) -> (House, String) {
    let secret = sandbox_key("sandbox-read").expect("a key")["secret"].as_str().expect("text").to_owned();
    let file = |name: String, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (mut listed, mut tables) = (Vec::new(), String::new());
    for Made { label, at_kraken, configured } in keys {
        listed.push(json!({
            "label": label, "api_key": label, "secret": secret, "account": "main", "nonce_unit": "us",
            "permission_tokens": ["query-funds"], "otp": at_kraken,
        }));
        let pair = file(format!("{label}.key"), &format!("{label}\n{secret}\n"));
        tables.push_str(&format!(
            "[keys.{label}]\naccount = \"main\"\nfile = {pair:?}\npermissions = [\"query-funds\"]\n"
        ));
        if let Some((setting, text)) = configured {
            tables.push_str(&format!("{setting} = {:?}\n", file(format!("{label}.factor"), text)));
        }
    }
    let keys_file = file("keys.json".to_owned(), &json!({ "keys": listed }).to_string());
    let plan = Plan { sandbox: format!("keys_file = {keys_file:?}"), ..Plan::default() };
    (House::build(plan).await.expect("a house"), tables)
}

fn balance(patience: Duration) -> Request<v1::GetBalanceRequest> {
    let mut request = Request::new(v1::GetBalanceRequest::default());
    request.set_timeout(patience);
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_codes_makes_one_call_with_each() {
    let dir = tempfile::tempdir().expect("a directory");
    let codes =
        Made { label: "codes", at_kraken: json!({ "totp": SEED }), configured: Some(("totp_file", SEED)) };
    let (house, tables) = house_with(dir.path(), &[codes]).await;
    let log = "[log]\nfilter = \"trace\"\n";
    let process = house.all("one", &house.config(&[], &format!("{log}{tables}")).expect("a config")).await;
    let process = process.expect("the process");
    let mut account = AccountServiceClient::new(channel(&process).await.expect("a channel"));
    // The verification has used a code up; the call waits for the next one.
    account.get_balance(balance(Duration::from_secs(50))).await.expect("a balance");
    // Directly behind it there is none, and no time to wait for one.
    let refused = account.get_balance(balance(Duration::from_secs(2))).await.expect_err("no code");
    assert_eq!(refused.code(), Code::DeadlineExceeded, "{refused:?}");
    assert!(promises_not_executed(&refused));
    let entries = house.pages.log().await.expect("a log");
    // The pairs are public: they are asked for without a key.
    let signed = entries.iter().filter(|entry| entry["endpoint"] != "AssetPairs");
    let seen: Vec<_> = signed.map(|entry| (entry["endpoint"].as_str(), entry["verdict"].as_str())).collect();
    assert_eq!(seen, [(Some("GetApiKeyInfo"), Some("ok")), (Some("Balance"), Some("ok"))]);
    assert!(!process.log().contains(SEED) && !process.stdout().contains(SEED));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_second_factor_is_said_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let password = || json!({ "static": "open sesame" });
    let keys = [
        Made { label: "right", at_kraken: password(), configured: Some(("otp_file", "open sesame\n")) },
        Made { label: "missing", at_kraken: password(), configured: None },
        Made { label: "mistaken", at_kraken: password(), configured: Some(("otp_file", "open barley")) },
        Made { label: "needless", at_kraken: Value::Null, configured: Some(("otp_file", "open sesame")) },
        Made {
            label: "other",
            at_kraken: json!({ "totp": SEED }),
            configured: Some(("otp_file", "open sesame")),
        },
    ];
    let (house, tables) = house_with(dir.path(), &keys).await;
    let process =
        house.all("one", &house.config(&[], &tables).expect("a config")).await.expect("the process");
    let lanes = lanes(channel(&process).await.expect("a channel")).await;
    for (label, words) in [
        ("missing", "none in the configuration: set keys.missing.otp_file"),
        ("mistaken", "the password in keys.mistaken.otp_file is not its second factor"),
        ("needless", "it has no second factor at Kraken and one in the configuration"),
        ("other", "or that is an authenticator app (keys.other.totp_file)"),
    ] {
        let lane = lanes.iter().find(|lane| lane.key_label == label).unwrap_or_else(|| panic!("no {label}"));
        assert_eq!(lane.state(), v1::LaneState::Refused, "{label}");
        assert!(lane.state_reason.contains(words), "{label}: {}", lane.state_reason);
        assert!(process.log().contains(words), "the log does not say {words:?}");
    }
    let right = lanes.iter().find(|lane| lane.key_label == "right").expect("a lane");
    assert_eq!(right.state(), v1::LaneState::Open, "{}", right.state_reason);
    assert!(!process.log().contains("open sesame") && !process.log().contains("open barley"));
}
