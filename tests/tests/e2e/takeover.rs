//! A key changes its owner, a few times; `make drills` does it fifty times and holds the figures to their bounds.

use tidegate_tests::takeover::{Figures, Going, measure};

fn judge(figures: &Figures, bound_ms: u64) {
    assert!(figures.nonces.hold(), "{:?}", figures.nonces);
    // Three times the bound, because machines are busy.
    assert!(figures.at(100) <= 3 * bound_ms, "{}: {:?}", figures.line(), figures.gaps_ms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_owner_is_replaced_within_seconds() {
    judge(&measure(Going::Killed, 2).await.expect("takeovers"), 6_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_handed_over_in_no_time() {
    let figures = measure(Going::Asked, 3).await.expect("hand-overs");
    judge(&figures, 140);
    assert!(figures.failed.is_empty(), "a planned hand-over costs no call: {}", figures.line());
}
