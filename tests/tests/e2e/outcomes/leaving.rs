//! Callers that go away in the middle of an order: what was asked for is done, once, and told to whoever asks again.

use std::time::Duration;

use prost::Message;
use tidegate_proto::v1;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::process::Process;

use super::wire::{ADD_ORDER, Answer, Pending, Wire};
use super::{arrived, executed_once, expect_accepted, fault, handle_of, one_process, queued, requests_of};
use tidegate_tests::load::resting_order;

/// Asks again, as a caller does that has lost its connection: it is told what became of the order.
async fn fate_is_told(process: &Process, order: &v1::AddOrderRequest) {
    let wire = Wire::connect(process.addr("gateway/grpc")).await;
    let answer: Answer<v1::AddOrderResponse> = wire.call(ADD_ORDER, order, None).await;
    expect_accepted(answer.outcome.expect("the order, which was accepted"));
}

async fn leaves_in_flight(leave: impl FnOnce(Wire, Pending)) {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let wire = Wire::connect(process.addr("gateway/grpc")).await;
    let order = resting_order();
    // Authenticated and waiting for the engine: whoever hangs up now can still make a difference.
    fault(&house.pages, "AddOrder", "hang_after_auth_ms", 500).await;
    let pending = wire.begin(ADD_ORDER, order.encode_to_vec(), None).await;
    arrived(&house.pages, &handle_of(&order)).await;
    assert_eq!(requests_of(&house.pages, &handle_of(&order)).await[0]["executed"], false, "left too late");
    leave(wire, pending);
    fate_is_told(&process, &order).await;
    executed_once(&house.pages, &handle_of(&order)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_caller_takes_the_call_back_in_flight_is_carried_through() {
    leaves_in_flight(|wire, pending| {
        pending.reset();
        // The frame is still to be written.
        std::mem::forget(wire);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_caller_hangs_up_in_flight_is_carried_through() {
    leaves_in_flight(|wire, _| wire.hang_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_caller_hangs_up_while_it_waits_is_carried_through() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let addr = process.addr("gateway/grpc");
    let (stays, leaves) = (Wire::connect(addr).await, Wire::connect(addr).await);
    let (first, second) = (resting_order(), resting_order());
    fault(&house.pages, "AddOrder", "hang_after_execute_ms", 5_000).await;
    let hung = stays.begin(ADD_ORDER, first.encode_to_vec(), Some("20S")).await;
    arrived(&house.pages, &handle_of(&first)).await;
    let _waiting = leaves.begin(ADD_ORDER, second.encode_to_vec(), Some("20S")).await;
    queued(channel(&process).await.expect("a channel"), "sandbox-trade").await;
    assert!(requests_of(&house.pages, &handle_of(&second)).await.is_empty(), "it did not wait");
    leaves.hang_up();
    let answer = hung.answer::<v1::AddOrderResponse>().await;
    assert!(answer.after >= Duration::from_secs(5), "the exchange did not hang");
    expect_accepted(answer.outcome.expect("the first order"));
    fate_is_told(&process, &second).await;
    executed_once(&house.pages, &handle_of(&second)).await;
}
