//! Orders under every fault of the exchange while executors are killed, small; `make drills` does it in full.

use tidegate_tests::orders::{self, Point, Size};

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_what_the_exchange_did_whatever_goes_wrong() {
    let figures =
        orders::run(Size { orders: 600, callers: 40, kills: 4, keys: 24 }).await.expect("orders that end");
    assert_eq!(figures.failures, Vec::<String>::new(), "{}", figures.report());
    for point in Point::AIMED {
        assert_eq!(figures.killed.get(&point), Some(&1), "{point:?}: {}", figures.report());
    }
    // The faults are real: whoever does as many do pays for it.
    assert!(figures.naive.fate.surplus + figures.naive.fate.believed_failed > 0, "{}", figures.report());
}
