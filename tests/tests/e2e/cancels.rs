//! Cancels leave at once; `make drills` measures more of them.

use std::time::Duration;

use tidegate_tests::cancels::{Obstacle, Processes, measure, outage};

async fn judge(obstacle: Obstacle, times: usize) {
    let figures = measure(obstacle, times).await.expect("cancels");
    // Three times the bound and a busy machine's hiccup; the middle of all must be fast, not the worst.
    assert!(figures.at(50) <= 3 * figures.bound(), "{}", figures.line());
    assert!(figures.nonces.hold(), "{:?}", figures.nonces);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_does_not_queue() {
    judge(Obstacle::Queue, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_does_not_wait_for_a_call_that_hangs() {
    judge(Obstacle::Hung, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_takes_a_lane_of_its_own_if_there_is_one() {
    judge(Obstacle::SpareLane, 5).await;
}

async fn judge_outage(processes: Processes) {
    let outage = outage(processes, 4, Duration::from_secs(4)).await.expect("an outage that ends");
    assert_eq!(outage.failed, Vec::<String>::new(), "{}", outage.line());
    assert!(outage.nonces.hold() && outage.nonces.refused() == 0, "{}", outage.line());
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_go_on_while_the_store_is_away() {
    judge_outage(Processes::Run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_and_an_executor_that_are_started_without_a_store_pass_cancels() {
    judge_outage(Processes::StartMeanwhile).await;
}
