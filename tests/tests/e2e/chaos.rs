//! Everything at once, small; `make drills` does it in full.

use std::time::Duration;

use tidegate_tests::chaos::{self, Faults, StoreKind, reasons};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_no_nonce_is_used_twice_and_every_refusal_is_explained() {
    let faults = Faults {
        kills: 4,
        stops: 2,
        stop: Duration::from_secs(8),
        failovers: 1,
        losses: 1,
        calm: Duration::ZERO,
    };
    let figures = chaos::run(StoreKind::Pair, faults).await.expect("chaos that ends");
    assert_eq!(figures.failures(), Vec::<String>::new(), "{}{}", figures.line(), reasons(&figures.told));
    assert!(figures.told.answered > 100, "{}{}", figures.line(), reasons(&figures.told));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_goes_wrong_no_nonce_is_refused() {
    let figures =
        chaos::run(StoreKind::Pair, Faults::none(Duration::from_secs(5))).await.expect("a calm run");
    assert_eq!(figures.failures(), Vec::<String>::new(), "{}{}", figures.line(), reasons(&figures.told));
    assert!(
        figures.told.refused.is_empty() && figures.told.unresolved.is_empty(),
        "{}",
        reasons(&figures.told)
    );
    assert!(figures.told.answered > 100, "{}", figures.line());
}
