//! Throughput at an exchange that takes 50 ms; `make drills` holds it to the figures.

use std::time::Duration;

use tidegate_tests::throughput::{Keys, measure};

#[tokio::test(flavor = "multi_thread")]
async fn eight_keys_are_busy_all_the_time_and_no_nonce_is_refused() {
    let figures = measure(Keys { count: 8, window_us: 0 }, Duration::from_secs(5)).await.expect("calls");
    assert_eq!(figures.nonces.refused(), 0, "{:?}", figures.nonces);
    assert!(
        figures.failed.is_empty() && figures.calls_per_s >= 50,
        "{} {:?}",
        figures.line(),
        figures.failed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_window_has_many_calls_in_flight_and_no_nonce_is_refused() {
    let figures =
        measure(Keys { count: 1, window_us: 10_000_000 }, Duration::from_secs(5)).await.expect("calls");
    assert_eq!(figures.nonces.refused(), 0, "{:?}", figures.nonces);
    assert!(
        figures.failed.is_empty() && figures.calls_per_s >= 100,
        "{} {:?}",
        figures.line(),
        figures.failed
    );
}
