//! Raw wire: the server answers before the caller's deadline, with the truth, while the exchange hangs.

use std::time::Duration;

use prost::Message;
use tidegate_proto::v1;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan};

use super::wire::{ADD_ORDER, Answer, CANCEL_ORDER, GET_BALANCE, Wire};
use super::{
    executed_once, expect_accepted, expect_marked, expect_unresolved, fault, handle_of, one_process,
};
use tidegate_tests::load::resting_order;

/// The time that the calls are given, and what a busy machine may make of it.
const TIMEOUT: &str = "100m";
const BOUND: Duration = Duration::from_millis(300);
/// How long the exchange hangs.
const HANG_MS: u64 = 2_000;

fn in_time<T: std::fmt::Debug>(answer: Answer<T>) -> Result<T, tonic::Status> {
    assert!(answer.after < BOUND, "the answer took {:?}: {answer:?}", answer.after);
    answer.outcome
}

/// A house with one process, and a connection to it. The first calls of a process load tables and open connections,
/// which in a debug build takes longer than the calls here are given.
async fn connected() -> (House, tidegate_tests::process::Process, Wire) {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let wire = Wire::connect(process.addr("gateway/grpc")).await;
    let warm: Answer<v1::GetBalanceResponse> =
        wire.call(GET_BALANCE, &v1::GetBalanceRequest::default(), None).await;
    warm.outcome.expect("a balance");
    let checked = v1::AddOrderRequest { validate: true, ..resting_order() };
    let warm: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &checked, None).await;
    assert!(expect_accepted(warm.outcome.expect("a good order")).validated_only);
    (house, process, wire)
}

async fn order_while_kraken_hangs(hang: &str) {
    let (house, _process, wire) = connected().await;
    fault(&house.pages, "AddOrder", hang, HANG_MS).await;
    let order = resting_order();
    let answer = wire.call(ADD_ORDER, &order, Some(TIMEOUT)).await;
    let reply = in_time(answer).expect("a reply, because the order may be executed");
    let unresolved = expect_unresolved(&order, reply);
    assert_eq!(unresolved.reason, "NO_ANSWER_IN_TIME");
    let not_after = unresolved.not_after.expect("a time after which Kraken does not execute it any more");
    executed_once(&house.pages, &handle_of(&order)).await;

    // The engine executed it before the time that the caller was told.
    let entry = super::requests_of(&house.pages, &handle_of(&order)).await.remove(0);
    let executed_us = entry["executed_us"].as_i64().expect("a time");
    assert!(not_after.seconds * 1_000_000 + i64::from(not_after.nanos) / 1_000 >= executed_us, "{entry}");
    // The lane goes on, once the answer is there.
    let next: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &resting_order(), None).await;
    expect_accepted(next.outcome.expect("an order"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_is_late_is_unresolved_in_time() {
    order_while_kraken_hangs("hang_after_execute_ms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_hangs_before_authentication_is_unresolved_in_time() {
    order_while_kraken_hangs("hang_ms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_hangs_before_the_engine_is_unresolved_in_time() {
    order_while_kraken_hangs("hang_after_auth_ms").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_answer_is_late_is_unresolved_in_time() {
    for hang in ["hang_after_execute_ms", "hang_ms"] {
        let (house, _process, wire) = connected().await;
        let placed: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &resting_order(), None).await;
        let order_id = expect_accepted(placed.outcome.expect("an order")).order_ids.remove(0);
        fault(&house.pages, "CancelOrder", hang, HANG_MS).await;
        let cancel = v1::CancelOrderRequest {
            context: None,
            target: Some(v1::cancel_order_request::Target::OrderId(order_id.clone())),
        };
        let reply: v1::CancelOrderResponse =
            in_time(wire.call(CANCEL_ORDER, &cancel, Some(TIMEOUT)).await).expect("a reply");
        let Some(v1::cancel_order_response::Outcome::Unresolved(unresolved)) = reply.outcome else {
            panic!("not unresolved: {reply:?}");
        };
        assert_eq!(unresolved.reason, "NO_ANSWER_IN_TIME");
        let cancels = eventually("the exchange to execute the cancel", || async {
            let cancels = house.pages.requests("CancelOrder").await.expect("a log");
            cancels.iter().any(|entry| entry["executed"] == true).then_some(cancels)
        })
        .await;
        assert_eq!(cancels.len(), 1, "{hang}: {cancels:#?}");
        assert_eq!(cancels[0]["txid"], order_id.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_late_is_refused_in_time_with_our_mark() {
    let (house, _process, wire) = connected().await;
    for hang in ["hang_after_execute_ms", "hang_ms"] {
        fault(&house.pages, "Balance", hang, HANG_MS).await;
        let answer: Answer<v1::GetBalanceResponse> =
            wire.call(GET_BALANCE, &v1::GetBalanceRequest::default(), Some(TIMEOUT)).await;
        expect_marked(hang, in_time(answer));
        // Without a limit the next one waits for the lane.
        let next: Answer<v1::GetBalanceResponse> =
            wire.call(GET_BALANCE, &v1::GetBalanceRequest::default(), None).await;
        next.outcome.expect("a balance");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_could_not_leave_in_time_is_refused_and_never_leaves() {
    let (house, _process, wire) = connected().await;
    fault(&house.pages, "AddOrder", "hang_after_execute_ms", HANG_MS).await;
    let (first, second) = (resting_order(), resting_order());
    let hung = wire.begin(ADD_ORDER, first.encode_to_vec(), Some("20S")).await;
    super::arrived(&house.pages, &handle_of(&first)).await;
    // Time enough for the gateway to hear from its executor on a busy machine; and after a second the first one is given up.
    let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &second, Some("400m")).await;
    assert!(answer.after < Duration::from_millis(900), "the answer took {:?}: {answer:?}", answer.after);
    let status = expect_marked("a lane that is busy", answer.outcome);
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded, "{status:?}");
    expect_accepted(hung.answer::<v1::AddOrderResponse>().await.outcome.expect("the first order"));
    // A third one is sent behind them, so the second would have been by now.
    let third = resting_order();
    let placed: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, &third, None).await;
    expect_accepted(placed.outcome.expect("an order"));
    assert!(super::requests_of(&house.pages, &handle_of(&second)).await.is_empty());
}
