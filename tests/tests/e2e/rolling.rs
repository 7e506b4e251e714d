//! Rolling restarts; `make drills` runs twenty.

use tidegate_tests::rolling;

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_cost_no_call_more_than_a_refusal() {
    let figures = rolling::restarts(1).await.expect("a rolling restart");
    assert_eq!(figures.failures(), Vec::<String>::new(), "{}", figures.line());
    assert!(figures.told.answered > 100, "{}", figures.line());
}
