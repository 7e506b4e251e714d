//! Which key serves what, and which keys are not used at all.

use std::net::SocketAddr;

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes, sandbox_key};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Code;

use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::load::resting_order;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_no_key_may_serve_names_endpoint_and_permission() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-read", "sandbox-cancel"], "").expect("a config");
    // Placing needs a key that can look orders up again, so these two keys alone make a house without orders.
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");

    let order = TradingServiceClient::new(gateway.clone()).add_order(resting_order()).await;
    let status = order.expect_err("no key may place");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(promises_not_executed(&status));
    assert_eq!(fact(&status, "endpoint").as_deref(), Some("AddOrder"));
    assert_eq!(fact(&status, "missing_permission").as_deref(), Some("modify-trades"));
    assert!(
        status.message().contains("AddOrder") && status.message().contains("modify-trades"),
        "{status:?}"
    );

    let ledgers = AccountServiceClient::new(gateway).get_ledgers(v1::GetLedgersRequest::default()).await;
    let status = ledgers.expect_err("no key may read ledgers");
    assert_eq!(fact(&status, "missing_permission").as_deref(), Some("query-ledger"));
    assert!(house.pages.requests("AddOrder").await.expect("a log").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_least_privileged_key_serves() {
    let house = House::build(Plan::default()).await.expect("a house");
    let keys = ["sandbox-read", "sandbox-trade", "sandbox-cancel", "sandbox-stream"];
    let config = house.config(&keys, "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let mut trading = TradingServiceClient::new(channel(&process).await.expect("a channel"));
    let placed = trading.add_order(resting_order()).await.expect("an order").into_inner();
    let Some(v1::add_order_response::Outcome::Accepted(order)) = placed.outcome else {
        panic!("not accepted: {placed:?}");
    };
    let target = Some(v1::cancel_order_request::Target::ClOrdId(order.cl_ord_id));
    trading.cancel_order(v1::CancelOrderRequest { context: None, target }).await.expect("a cancel");
    let key_of = |entries: Vec<serde_json::Value>| entries[0]["key"].as_str().map(str::to_owned);
    let orders = house.pages.requests("AddOrder").await.expect("a log");
    assert_eq!(key_of(orders).as_deref(), Some("sandbox-trade"));
    let cancels = house.pages.requests("CancelOrder").await.expect("a log");
    assert_eq!(key_of(cancels).as_deref(), Some("sandbox-cancel"));
}

/// Answers every request with an error page, as an exchange answers a path that it does not know, and hands on what
/// it was asked.
async fn no_sandbox() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (asked, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let asked = asked.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 16_384];
                let len = client.read(&mut bytes).await.unwrap_or_default();
                let _ = asked.send(String::from_utf8_lossy(&bytes[..len]).into_owned());
                let page = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = client.write_all(page.as_bytes()).await;
            });
        }
    });
    (addr, requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_key_is_shown_to_a_sandbox_only() {
    let house = House::build(Plan::default()).await.expect("a house");
    let (elsewhere, mut requests) = no_sandbox().await;
    let at_sandbox = house.config(&["sandbox-read"], "").expect("a config");
    let sandbox = house.sandbox.addr("sandbox/rest").to_string();
    let config = at_sandbox.replace(&sandbox, &elsewhere.to_string());
    let process = house.all("one", &config).await.expect("the process");
    let lanes = lanes(channel(&process).await.expect("a channel")).await;
    assert_eq!(lanes[0].state(), v1::LaneState::Refused);
    assert!(lanes[0].state_reason.contains("key of the built-in sandbox"), "{}", lanes[0].state_reason);
    let mut question = requests.recv().await.expect("one question");
    if question.starts_with("GET /0/public/AssetPairs ") {
        // No key is needed for that.
        question = requests.recv().await.expect("another question");
    }
    assert!(question.starts_with("GET /sandbox/stats "), "{question}");
    let api_key = sandbox_key("sandbox-read").expect("a key")["api_key"].as_str().expect("text").to_owned();
    for request in std::iter::once(question).chain(std::iter::from_fn(|| requests.try_recv().ok())) {
        assert!(!request.to_lowercase().contains("api-key:") && !request.contains(&api_key), "{request}");
    }
}

/// The identifier of a key's account, as an operator would learn it: by asking Kraken through tidegate.
async fn iban_of(house: &House, label: &str) -> String {
    let config = house.config(&[label], "").expect("a config");
    let process = house.all("asking", &config).await.expect("the process");
    let mut operations = OperationsServiceClient::new(channel(&process).await.expect("a channel"));
    let ask = v1::GetApiKeyInfoRequest { key_label: label.into(), ..Default::default() };
    operations.get_api_key_info(ask).await.expect("key info").into_inner().iban
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_not_what_the_configuration_says_are_named_and_not_used() {
    let house = House::build(Plan::default()).await.expect("a house");
    let mut config = house.config(&["sandbox-read", "sandbox-expired"], "").expect("a config");
    let tables = [
        House::key_table("sandbox-read-2", &[("permissions", "[\"query-funds\", \"query-ledger\"]")]),
        House::key_table("sandbox-window", &[("window", "5")]),
        House::key_table("sandbox-second-read", &[("account", "\"main\"")]),
        House::key_table("sandbox-elsewhere", &[]),
    ];
    // The account's own identifier makes a key of another account visible.
    let iban = iban_of(&house, "sandbox-read").await;
    config = config.replace("[accounts.main]\n", &format!("[accounts.main]\niban = \"{iban}\"\n"));
    for table in tables {
        config.push_str(&table.expect("a key table"));
    }
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let lanes = lanes(gateway.clone()).await;
    let lane =
        |label: &str| lanes.iter().find(|l| l.key_label == label).unwrap_or_else(|| panic!("no {label}"));
    assert_eq!(lane("sandbox-read").state(), v1::LaneState::Open);
    for (label, word) in [
        ("sandbox-expired", "EAPI:Invalid key"),
        ("sandbox-read-2", "query-ledger"),
        ("sandbox-window", "window"),
        ("sandbox-second-read", "account"),
        ("sandbox-elsewhere", "EAPI:Invalid key"),
    ] {
        assert_eq!(lane(label).state(), v1::LaneState::Refused, "{label}");
        let reason = &lane(label).state_reason;
        assert!(reason.contains(word), "{label}: {reason:?} does not say {word:?}");
        assert!(process.log().contains(label), "the log does not name {label}");
    }

    // The good key goes on serving, and no other was used for anything but the question what it is.
    AccountServiceClient::new(gateway)
        .get_balance(v1::GetBalanceRequest::default())
        .await
        .expect("a balance");
    for entry in house.pages.log().await.expect("a log") {
        let keyless = entry["key"].is_null() && entry["endpoint"] == "AssetPairs";
        assert!(keyless || entry["key"] == "sandbox-read" || entry["endpoint"] == "GetApiKeyInfo", "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kraken_s_word_on_a_key_can_be_asked_by_its_label() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-read", "sandbox-window"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let mut operations = OperationsServiceClient::new(channel(&process).await.expect("a channel"));
    let ask = |label: &str| v1::GetApiKeyInfoRequest { key_label: label.into(), ..Default::default() };
    let info = operations.get_api_key_info(ask("sandbox-window")).await.expect("key info").into_inner();
    assert_eq!((info.key_label.as_str(), info.nonce_window), ("sandbox-window", 10_000_000));
    assert_eq!(info.permissions, ["query-funds", "query-open-trades", "query-closed-trades"]);
    let unknown = operations.get_api_key_info(ask("nothing")).await.expect_err("no such key");
    assert_eq!(unknown.code(), Code::FailedPrecondition);
    assert!(promises_not_executed(&unknown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_not_used_in_its_last_minute() {
    let dir = tempfile::tempdir().expect("a directory");
    let (keys, file) = (dir.path().join("keys.json"), dir.path().join("ending.key"));
    // So much longer than a minute that the lane opens first.
    let ends = jiff::Timestamp::now().as_second() + 64;
    let secret = sandbox_key("sandbox-read").expect("a key")["secret"].as_str().expect("text").to_owned();
    let more = serde_json::json!({ "keys": [{
        "label": "ending", "api_key": "ending", "secret": secret, "account": "main",
        "permission_tokens": ["query-funds"], "nonce_unit": "us", "valid_until": ends,
    }] });
    std::fs::write(&keys, more.to_string()).expect("written");
    std::fs::write(&file, format!("ending\n{secret}\n")).expect("written");
    let sandbox = format!("keys_file = {:?}", keys.display().to_string());
    let house = House::build(Plan { sandbox, ..Plan::default() }).await.expect("a house");
    let table = format!(
        "[keys.ending]\naccount = \"main\"\nfile = {:?}\npermissions = [\"query-funds\"]\n",
        file.display().to_string()
    );
    let config = house.config(&[], &table).expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    AccountServiceClient::new(gateway.clone())
        .get_balance(v1::GetBalanceRequest::default())
        .await
        .expect("a balance while there is time");
    eventually("the key to be given up", || async {
        let lanes = lanes(gateway.clone()).await;
        (lanes.first()?.state() == v1::LaneState::Refused).then_some(())
    })
    .await;
    assert!(jiff::Timestamp::now().as_second() < ends, "it was given up before its end");
    let status = AccountServiceClient::new(gateway).get_balance(v1::GetBalanceRequest::default()).await;
    assert!(promises_not_executed(&status.expect_err("no key")));
    for entry in house.pages.log().await.expect("a log") {
        assert_eq!(entry["verdict"], "ok", "{entry}");
    }
}
