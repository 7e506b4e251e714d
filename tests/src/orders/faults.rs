//! What an exchange under load does to orders, each kind to one of twenty.

use std::time::Duration;

use serde_json::{Value, json};

use crate::sandbox::SandboxPages;

/// Faults that wait at least, so that no order finds none.
const WAITING_MIN: u64 = 60;
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// One of each of twenty; the last two do nothing.
fn round() -> Vec<Value> {
    [
        ("execute_then_http_status", json!(502)),
        ("execute_then_http_status", json!(524)),
        ("http_status", json!(520)),
        ("hang_after_execute_ms", json!(6_500)),
        ("reset", json!(true)),
        ("truncate_after_bytes", json!(10)),
        ("not_json", json!(true)),
        ("execute_late_ms", json!(3_000)),
        ("hang_without_execute_ms", json!(2_500)),
        ("error", json!("EService:Busy")),
        ("execute_then_error", json!("EService:Busy")),
        ("execute_then_error", json!("EGeneral:Internal error")),
        ("error", json!("EService:Deadline elapsed")),
        ("throttle_ms", json!(1_000)),
        ("hide_ms", json!(8_000)),
        ("duplicate", json!(true)),
        ("hang_ms", json!(1_500)),
        ("hang_after_auth_ms", json!(1_500)),
        ("hang_ms", json!(0)),
        ("hang_ms", json!(0)),
    ]
    .into_iter()
    .map(|(name, value)| json!({ "endpoint": "AddOrder", name: value }))
    .collect()
}

/// Brings each round in an order of its own, the same in every run.
fn shuffle(round: &mut [Value], seed: &mut u64) {
    for at in (1..round.len()).rev() {
        // Knuth's generator; its upper bits are good enough to shuffle with.
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(*seed >> 33).unwrap_or_default() % (at + 1);
        round.swap(at, other);
    }
}

/// Sees to it that there are always faults that wait, until it is dropped.
///
/// # Errors
/// When the sandbox does not take them.
pub(super) async fn feed(pages: SandboxPages) -> anyhow::Result<()> {
    let mut seed = 5;
    loop {
        while pages.waiting_faults().await? < WAITING_MIN {
            let mut next = round();
            shuffle(&mut next, &mut seed);
            pages.switch(&json!({ "faults": next })).await?;
        }
        tokio::time::sleep(LOOK).await;
    }
}
