//! A gateway and an executor in processes of their own, and an executor that dies or stands still.

use std::time::Duration;

use prost::Message;
use tidegate_proto::v1;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes, settled};
use tidegate_tests::process::Process;
use tonic::Code;

use super::wire::{ADD_ORDER, Answer, GET_BALANCE, Wire};
use super::{
    KEYS, arrived, executed_once, expect_accepted, expect_marked, expect_unresolved, fault, handle_of,
    queued, requests_of,
};
use tidegate_tests::load::resting_order;

/// Longer than any call here waits.
const HANG_MS: u64 = 20_000;

/// The house of these stories.
struct Split {
    house: House,
    executor: Process,
    gateway: Process,
    wire: Wire,
}

async fn split() -> Split {
    let house = House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house");
    let config = house.config(&KEYS, "").expect("a config");
    let executor = Process::start(house.dir(), "executor", "executor", &config, &["executor/grpc"]);
    let executor = executor.await.expect("the executor");
    // The gateway gets no key: it holds none.
    let address = format!("[gateway.executors]\none = \"{}\"\n", executor.addr("executor/grpc"));
    let config = house.config(&[], &address).expect("a config");
    let gateway = Process::start(house.dir(), "gateway", "gateway", &config, &["gateway/grpc"]);
    let gateway = gateway.await.expect("the gateway");
    settled(channel(&gateway).await.expect("a channel")).await;
    let wire = Wire::connect(gateway.addr("gateway/grpc")).await;
    let checked = v1::AddOrderRequest { validate: true, ..resting_order() };
    let warm: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &checked, None).await;
    expect_accepted(warm.outcome.expect("a good order"));
    Split { house, executor, gateway, wire }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_executor_is_killed_after_the_send_is_unresolved() {
    let Split { house, mut executor, gateway: _gateway, wire } = split().await;
    fault(&house.pages, "AddOrder", "hang_after_execute_ms", HANG_MS).await;
    let order = resting_order();
    let pending = wire.begin(ADD_ORDER, order.encode_to_vec(), Some("10S")).await;
    executed_once(&house.pages, &handle_of(&order)).await;
    executor.kill().await;
    let answer: Answer<v1::AddOrderResponse> = pending.answer().await;
    let unresolved =
        expect_unresolved(&order, answer.outcome.expect("a reply, because the order was executed"));
    assert_eq!(unresolved.reason, "EXECUTOR_LOST");
    assert!(answer.after < Duration::from_secs(10), "a dead executor is noticed at once: {:?}", answer.after);
    assert_eq!(requests_of(&house.pages, &handle_of(&order)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_executor_stands_still_after_the_send_is_unresolved_in_time() {
    let Split { house, executor, gateway: _gateway, wire } = split().await;
    fault(&house.pages, "AddOrder", "hang_after_execute_ms", 3_000).await;
    let order = resting_order();
    let pending = wire.begin(ADD_ORDER, order.encode_to_vec(), Some("2S")).await;
    executed_once(&house.pages, &handle_of(&order)).await;
    executor.freeze();
    let answer: Answer<v1::AddOrderResponse> = pending.answer().await;
    let unresolved =
        expect_unresolved(&order, answer.outcome.expect("a reply, because the order was executed"));
    assert_eq!(unresolved.reason, "EXECUTOR_LOST");
    assert!(answer.after < Duration::from_secs(6), "{:?}", answer.after);

    // Going on, it neither sends the order again nor anything else in its name, and serves the next one.
    executor.thaw();
    let next = eventually("the executor to serve again", || async {
        let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &resting_order(), None).await;
        answer.outcome.ok()
    });
    expect_accepted(next.await);
    assert_eq!(requests_of(&house.pages, &handle_of(&order)).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_reaches_an_executor_which_stands_still_is_unresolved_and_sent_once_at_most() {
    let Split { house, executor, gateway: _gateway, wire } = split().await;
    executor.freeze();
    let order = resting_order();
    let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &order, Some("1S")).await;
    // The kernel took the bytes; whoever wrote them cannot know who reads them and when.
    let unresolved = expect_unresolved(&order, answer.outcome.expect("a reply"));
    assert_eq!(unresolved.reason, "EXECUTOR_LOST");
    assert!(answer.after < Duration::from_secs(3), "{:?}", answer.after);
    executor.thaw();
    eventually("the executor to serve again", || async {
        let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &resting_order(), None).await;
        answer.outcome.ok().map(expect_accepted)
    })
    .await;
    assert!(requests_of(&house.pages, &handle_of(&order)).await.len() <= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_all_states_agree_with_the_log_when_their_executor_is_killed() {
    let Split { house, mut executor, gateway, wire } = split().await;
    fault(&house.pages, "AddOrder", "hang_after_execute_ms", HANG_MS).await;
    fault(&house.pages, "Balance", "hang_ms", HANG_MS).await;
    let (first, second) = (resting_order(), resting_order());
    let sent = wire.begin(ADD_ORDER, first.encode_to_vec(), Some("15S")).await;
    arrived(&house.pages, &handle_of(&first)).await;
    let read = wire.begin(GET_BALANCE, Vec::new(), Some("15S")).await;
    let waits = wire.begin(ADD_ORDER, second.encode_to_vec(), Some("15S")).await;
    queued(channel(&gateway).await.expect("a channel"), "sandbox-trade").await;
    executor.kill().await;

    let sent: Answer<v1::AddOrderResponse> = sent.answer().await;
    expect_unresolved(&first, sent.outcome.expect("a reply, because the order was executed"));
    executed_once(&house.pages, &handle_of(&first)).await;
    let read: Answer<v1::GetBalanceResponse> = read.answer().await;
    expect_marked("a read changes nothing, so whatever happened to it was nothing", read.outcome);
    // The gateway cannot know that the second order was not sent yet.
    let waited: Answer<v1::AddOrderResponse> = waits.answer().await;
    expect_unresolved(&second, waited.outcome.expect("a reply"));
    assert!(requests_of(&house.pages, &handle_of(&second)).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_executor_orders_are_refused_with_our_mark() {
    let Split { house, mut executor, gateway, wire } = split().await;
    let before = house.pages.requests("AddOrder").await.expect("a log").len();
    executor.kill().await;
    // Perhaps the gateway has not noticed yet; then it may be unresolved, but never a Status without the mark.
    let order = resting_order();
    let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &order, Some("1S")).await;
    match answer.outcome {
        Ok(reply) => drop(expect_unresolved(&order, reply)),
        refused => drop(expect_marked("a dead executor", refused)),
    }
    let known = channel(&gateway).await.expect("a channel");
    eventually("the gateway to notice", || async { lanes(known.clone()).await.is_empty().then_some(()) })
        .await;
    let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &resting_order(), Some("1S")).await;
    let status = expect_marked("no executor at all", answer.outcome);
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(answer.after < Duration::from_secs(3), "{:?}", answer.after);
    assert_eq!(house.pages.requests("AddOrder").await.expect("a log").len(), before);
}
