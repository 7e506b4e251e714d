//! What Kraken may answer, and what a caller is told then. One call is one request in every case.

use serde_json::Value;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::process::Process;
use tonic::Code;
use tonic::transport::Channel;

use super::{expect_accepted, expect_marked, expect_unresolved, fault, handle_of, one_process, requests_of};
use tidegate_tests::judge::fact;
use tidegate_tests::load::resting_order;

/// Answers are read up to here.
const BODY_MAX: usize = 16_384;

async fn house() -> (House, Process, Channel) {
    let house = House::build(Plan::default()).await.expect("a house");
    let body_max = format!("[kraken]\nmax_body_bytes = {BODY_MAX}\n");
    let process = one_process(&house, &[("[kraken]\n", &body_max)]).await;
    let gateway = channel(&process).await.expect("a channel");
    (house, process, gateway)
}

/// Faults whose answer proves nothing, with the reason that belongs to them and whether the order was executed.
fn unclear() -> Vec<(&'static str, Value, &'static str, bool)> {
    let mut faults = Vec::new();
    for text in [
        "EService:Busy",
        "EService:Unavailable",
        "EService:Timeout",
        "EService:Deadline elapsed",
        "EGeneral:Internal error",
        "EOrder:Something that nobody has heard of",
        "words without a category",
    ] {
        faults.push(("error", text.into(), "KRAKEN_UNCLEAR", false));
        faults.push(("execute_then_error", text.into(), "KRAKEN_UNCLEAR", true));
    }
    for status in [502, 520] {
        faults.push(("http_status", status.into(), "UNREADABLE_ANSWER", false));
        faults.push(("execute_then_http_status", status.into(), "UNREADABLE_ANSWER", true));
    }
    faults.push(("truncate_after_bytes", 10.into(), "UNREADABLE_ANSWER", true));
    faults.push(("not_json", true.into(), "UNREADABLE_ANSWER", true));
    faults.push(("oversize_bytes", (BODY_MAX * 2).into(), "UNREADABLE_ANSWER", true));
    faults.push(("reset", true.into(), "CONNECTION_LOST", true));
    faults
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_an_unclear_answer_is_unresolved_and_sent_once() {
    let (house, _process, gateway) = house().await;
    let mut trading = TradingServiceClient::new(gateway);
    for (name, value, reason, executed) in unclear() {
        fault(&house.pages, "AddOrder", name, value.clone()).await;
        let order = resting_order();
        let reply =
            trading.add_order(order.clone()).await.unwrap_or_else(|s| panic!("{name} {value}: {s:?}"));
        let unresolved = expect_unresolved(&order, reply.into_inner());
        assert_eq!(unresolved.reason, reason, "{name} {value}: {}", unresolved.text);
        assert!(unresolved.not_after.is_some(), "{name} {value}");
        let requests = requests_of(&house.pages, &handle_of(&order)).await;
        assert_eq!(requests.len(), 1, "{name} {value}: {requests:#?}");
        assert_eq!(requests[0]["executed"], executed, "the fault is not what it says: {requests:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_kraken_refuses_is_refused_in_kraken_s_words() {
    let (house, _process, gateway) = house().await;
    let mut trading = TradingServiceClient::new(gateway);
    for text in [
        "EOrder:Insufficient funds",
        "EOrder:Order minimum not met",
        "EOrder:Post only order",
        "EGeneral:Invalid arguments:volume",
        "EService:Market in cancel_only mode",
    ] {
        fault(&house.pages, "AddOrder", "error", text).await;
        let order = resting_order();
        let status = expect_marked(text, trading.add_order(order.clone()).await);
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert_eq!(fact(&status, "kraken_error").as_deref(), Some(text));
        let requests = requests_of(&house.pages, &handle_of(&order)).await;
        assert_eq!(requests.len(), 1, "{text}: {requests:#?}");
    }
    // The same without a fault: the exchange's own refusal of an order that nobody can pay.
    let order = v1::AddOrderRequest { volume: "1000000".into(), ..resting_order() };
    let status = expect_marked("too dear", trading.add_order(order.clone()).await);
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EOrder:Insufficient funds"));
    assert_eq!(requests_of(&house.pages, &handle_of(&order)).await[0]["executed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_nonce_on_an_order_is_never_answered_by_another_try() {
    let (house, _process, gateway) = house().await;
    let mut trading = TradingServiceClient::new(gateway);
    fault(&house.pages, "AddOrder", "error", "EAPI:Invalid nonce").await;
    let order = resting_order();
    let reply = trading.add_order(order.clone()).await.expect("a reply").into_inner();
    let unresolved = expect_unresolved(&order, reply);
    assert_eq!(unresolved.reason, "KRAKEN_UNCLEAR");
    assert!(!unresolved.text.contains("nonce"), "no caller ever sees an invalid nonce: {unresolved:?}");
    assert_eq!(requests_of(&house.pages, &handle_of(&order)).await.len(), 1);
    expect_accepted(trading.add_order(resting_order()).await.expect("the next order").into_inner());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_good_or_refused_with_our_mark_and_sent_once() {
    let (house, _process, gateway) = house().await;
    let mut account = AccountServiceClient::new(gateway);
    let reads = || async { house.pages.requests("Balance").await.expect("a log").len() };
    let mut before = reads().await;
    for (name, value, ..) in unclear() {
        fault(&house.pages, "Balance", name, value.clone()).await;
        let what = format!("{name} {value}");
        expect_marked(&what, account.get_balance(v1::GetBalanceRequest::default()).await);
        let now = reads().await;
        assert_eq!(now - before, 1, "{what}: requests for one read");
        before = now;
    }
    account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance");

    // An invalid nonce proves that nothing happened: the read is signed anew, once, and nobody hears of it.
    fault(&house.pages, "Balance", "error", "EAPI:Invalid nonce").await;
    before = reads().await;
    account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance at the second try");
    assert_eq!(reads().await - before, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_signed_twice_at_the_most() {
    let (house, _process, gateway) = house().await;
    let mut account = AccountServiceClient::new(gateway);
    let reads = || async { house.pages.requests("Balance").await.expect("a log").len() };
    for _ in 0..2 {
        fault(&house.pages, "Balance", "error", "EAPI:Invalid nonce").await;
    }
    let before = reads().await;
    let status = expect_marked("two", account.get_balance(v1::GetBalanceRequest::default()).await);
    assert_eq!(reads().await - before, 2, "at most one more try");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(!format!("{status:?}").contains("nonce"), "no caller ever sees an invalid nonce: {status:?}");
}
