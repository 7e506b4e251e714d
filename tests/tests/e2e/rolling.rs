//! Rolling restarts; `make drills` runs twenty.

use tidegate_tests::rolling;

#[tokio::test(flavor = "multi_thread")]
async fn rolling_restarts_cost_no_call_more_than_a_refusal() {
    let figures = rolling::restarts(1).await.expect("a rolling restart");
    assert_eq!(figures.unmarked, Vec::<String>::new(), "{}", figures.line());
    assert_eq!(figures.forbidden, Vec::<String>::new(), "{}", figures.line());
    assert_eq!(figures.contradicted, Vec::<String>::new(), "{}", figures.line());
    assert!(figures.answered > 100, "{}", figures.line());
}
