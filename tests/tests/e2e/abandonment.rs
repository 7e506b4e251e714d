//! A call that hangs for ever does not freeze its lane: a cancel behind a read leaves at once, behind an order within a
//! second, anything else within five.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tokio::time::Instant;
use tonic::Request;
use tonic::transport::Channel;

const HANG_MS: u64 = 30_000;

/// One process with one key that may do everything that is asked here.
async fn one_lane() -> (House, Process, Channel) {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    (house, process, gateway)
}

async fn requests(house: &House, endpoint: &str) -> Vec<Value> {
    house.pages.requests(endpoint).await.expect("a log")
}

/// Lets the next request for an endpoint hang, and waits until something is there that hangs.
async fn hang(house: &House, endpoint: &str) {
    house
        .pages
        .switch(&json!({ "faults": [{ "endpoint": endpoint, "hang_ms": HANG_MS }] }))
        .await
        .expect("a fault");
}

async fn arrived(house: &House, endpoint: &str, count: usize) {
    eventually("the call to be at the exchange", || async {
        (requests(house, endpoint).await.len() >= count).then_some(())
    })
    .await;
}

/// Places an order to be cancelled, makes a call hang, cancels, and says how long the cancel took with its answer.
async fn cancel_behind(house: &House, gateway: &Channel, hanging: &str) -> Duration {
    let mut trading = TradingServiceClient::new(gateway.clone());
    let order = resting_order();
    let handle = handle_of(&order);
    trading.add_order(order).await.expect("an order that rests");
    hang(house, hanging).await;
    let before = requests(house, hanging).await.len();
    let (mut orders, mut account) = (trading.clone(), AccountServiceClient::new(gateway.clone()));
    let call = match hanging {
        "AddOrder" => tokio::spawn(async move {
            let mut request = Request::new(resting_order());
            request.set_timeout(Duration::from_secs(20));
            orders.add_order(request).await.map(|_| ()).map_err(|status| status.to_string())
        }),
        _ => tokio::spawn(async move {
            let mut request = Request::new(v1::GetBalanceRequest::default());
            request.set_timeout(Duration::from_secs(20));
            account.get_balance(request).await.map(|_| ()).map_err(|status| status.to_string())
        }),
    };
    arrived(house, hanging, before + 1).await;
    let began = Instant::now();
    let target = Some(v1::cancel_order_request::Target::ClOrdId(handle));
    let cancelled = trading.cancel_order(v1::CancelOrderRequest { context: None, target }).await;
    let took = began.elapsed();
    let reply = cancelled.expect("a cancel that got through").into_inner();
    assert!(
        matches!(reply.outcome, Some(v1::cancel_order_response::Outcome::Accepted(_))),
        "the cancel was not accepted: {reply:?}"
    );
    call.abort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_gets_past_a_hung_read_at_once_and_past_a_hung_order_within_a_second() {
    let (house, process, gateway) = one_lane().await;
    let behind_read = cancel_behind(&house, &gateway, "Balance").await;
    let behind_order = cancel_behind(&house, &gateway, "AddOrder").await;
    // Three times the bounds, because machines are busy; virtual time proves the bounds themselves.
    assert!(behind_read < Duration::from_millis(300), "{behind_read:?}");
    assert!(behind_order < Duration::from_millis(3_300), "{behind_order:?}");
    assert!(process.log().contains("a call hangs; the lane goes on without it"), "{}", process.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_does_not_wait_at_all_where_another_lane_takes_it() {
    let house = House::build(Plan::default()).await.expect("a house");
    // The key that may do least is the first choice for a cancel, and it is the one that hangs.
    let config = house.config(&["sandbox-trade", "sandbox-all"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let took = cancel_behind(&house, &gateway, "AddOrder").await;
    assert!(took < Duration::from_millis(500), "{took:?}");
    let log = requests(&house, "CancelOrder").await;
    assert_eq!(log[0]["key"], "sandbox-all", "{log:?}");
    assert!(!process.log().contains("the lane goes on without it"), "{}", process.log_tail());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_call_holds_up_others_for_five_seconds_and_no_longer() {
    let (house, _process, gateway) = one_lane().await;
    hang(&house, "Balance").await;
    let mut account = AccountServiceClient::new(gateway.clone());
    let hung = tokio::spawn(async move {
        let mut request = Request::new(v1::GetBalanceRequest::default());
        request.set_timeout(Duration::from_secs(20));
        account.get_balance(request).await.map(|_| ()).map_err(|status| status.to_string())
    });
    arrived(&house, "Balance", 1).await;
    let began = Instant::now();
    let mut request = Request::new(v1::GetOpenOrdersRequest::default());
    request.set_timeout(Duration::from_secs(20));
    AccountServiceClient::new(gateway).get_open_orders(request).await.expect("the lane goes on");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    hung.abort();
    // The lane went on with a higher nonce; that the late copy is refused is the exchange's affair, and known here.
    let log = house.pages.log().await.expect("a log");
    let nonces: Vec<u64> = log
        .iter()
        .filter(|entry| entry["key"] == "sandbox-all")
        .filter_map(|entry| {
            entry["nonce"].as_str().and_then(|n| n.parse().ok()).or_else(|| entry["nonce"].as_u64())
        })
        .collect();
    assert!(nonces.len() >= 3 && nonces.is_sorted(), "{nonces:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_was_overtaken_is_signed_once_more_and_its_refusal_is_explained() {
    let (house, process, gateway) = one_lane().await;
    let mut trading = TradingServiceClient::new(gateway.clone());
    let order = resting_order();
    let target = Some(v1::cancel_order_request::Target::ClOrdId(handle_of(&order)));
    trading.add_order(order).await.expect("an order that rests");
    let fault = json!({ "faults": [{ "endpoint": "Balance", "hang_ms": 1_000 }] });
    house.pages.switch(&fault).await.expect("a fault");
    let mut account = AccountServiceClient::new(gateway.clone());
    let read = tokio::spawn(async move { account.get_balance(v1::GetBalanceRequest::default()).await });
    arrived(&house, "Balance", 1).await;
    trading.cancel_order(v1::CancelOrderRequest { context: None, target }).await.expect("a cancel");
    read.await.expect("no panic").expect("the balance, by a second copy");

    let verdicts: Vec<String> = requests(&house, "Balance")
        .await
        .iter()
        .map(|entry| entry["verdict"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(verdicts.len(), 2, "{verdicts:?}");
    assert_eq!(verdicts.iter().filter(|v| v.starts_with("EAPI:Invalid nonce")).count(), 1, "{verdicts:?}");
    let page = format!("http://{}/metrics", process.addr("admin/http"));
    let metrics = tidegate_tests::http().expect("a client").get(page).send().await.expect("a page");
    let metrics = metrics.text().await.expect("text");
    for line in [
        r#"tidegate_nonces_refused_total{cause="abandoned",lane="sandbox-all"} 1"#,
        r#"tidegate_nonces_refused_total{cause="unexplained",lane="sandbox-all"} 0"#,
        r#"tidegate_abandoned_total{lane="sandbox-all"} 1"#,
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line}");
    }
}
