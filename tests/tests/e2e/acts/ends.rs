//! Whatever ends a call that changes something, its caller is told in time, by a reply, that it is not known; and nothing is
//! sent for it again: an answer that does not come or is too long, an executor that stands still, and one that dies.

use super::catalogue::{CALLS, call};
use super::*;

/// Within so many seconds a caller wants to know.
const WITHIN_S: u64 = 3;
/// Longer than that.
const HANG_MS: u64 = 4_000;
/// Longer than this test reads of an answer.
const OVERSIZE_BYTES: u64 = 200_000;

/// A gateway and an executor in processes of their own.
struct Split {
    house: House,
    executor: Process,
    gateway: Process,
}

async fn split() -> Split {
    let house = house().await;
    let allow = |config: String| {
        config
            .replacen("quota_per_s = 100000\n", "quota_per_s = 100000\nallow_cancel_all = true\n", 1)
            .replacen("[executor]\n", "[executor]\nallow_edit_order = true\n", 1)
            .replacen("[kraken]\n", "[kraken]\nmax_body_bytes = 100000\n", 1)
    };
    let config = allow(house.config(&KEYS, "").expect("a config"));
    let executor = Process::start(house.dir(), "executor", "executor", &config, &["executor/grpc"]);
    let executor = executor.await.expect("the executor");
    let address = format!("[gateway.executors]\none = \"{}\"\n", executor.addr("executor/grpc"));
    let config = allow(house.config(&[], &address).expect("a config"));
    let gateway = Process::start(house.dir(), "gateway", "gateway", &config, &["gateway/grpc"]);
    let gateway = gateway.await.expect("the gateway");
    settled(channel(&gateway).await.expect("a channel")).await;
    Split { house, executor, gateway }
}

/// An order that rests, as soon as there is a lane that takes one.
async fn rests(gateway: &Process) -> String {
    eventually("an order to rest", || async {
        let reply = ask(gateway, &resting_order(), 10).await.ok()?;
        (!is_open(&reply)).then(|| accepted(reply).order_ids.remove(0))
    })
    .await
}

/// Makes a call to which this happens, and demands that its caller is told in time that it is not known.
async fn ends_open(split: &Split, name: &str, fault: (&str, u64)) {
    let Split { house, gateway, .. } = split;
    let (order_id, before) = (rests(gateway).await, sent(house, name).await);
    spoil(house, name, fault.0, json!(fault.1)).await;
    let open = call(name, &mut client(gateway).await, order_id, WITHIN_S).await;
    let open = open.unwrap_or_else(|status| panic!("{name}, {fault:?}: {status:?}"));
    assert!(open.is_some(), "{name}, {fault:?}: told as if it were known");
    assert_eq!(sent(house, name).await, before + 1, "{name}, {fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_late_or_too_long_leave_every_call_open() {
    let split = split().await;
    for name in CALLS {
        ends_open(&split, name, ("hang_after_execute_ms", HANG_MS)).await;
        ends_open(&split, name, ("oversize_bytes", OVERSIZE_BYTES)).await;
    }
}

/// Begins a call whose answer hangs after the engine has carried it out.
async fn under_way(split: &Split, name: &'static str) -> tokio::task::JoinHandle<Result<bool, Status>> {
    let Split { house, gateway, .. } = split;
    let (order_id, before) = (rests(gateway).await, sent(house, name).await);
    spoil(house, name, "hang_after_execute_ms", json!(HANG_MS)).await;
    let mut asking = client(gateway).await;
    let asked =
        tokio::spawn(
            async move { call(name, &mut asking, order_id, WITHIN_S).await.map(|open| open.is_some()) },
        );
    eventually("the call to be carried out", || async {
        let log = house.pages.requests(name).await.expect("a log");
        (log.get(before)?["executed"] == true).then_some(())
    })
    .await;
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_stands_still_leaves_every_call_open() {
    let split = split().await;
    for name in CALLS {
        let asked = under_way(&split, name).await;
        let before = sent(&split.house, name).await;
        split.executor.freeze();
        let told = asked.await.expect("no panic");
        split.executor.thaw();
        assert!(
            told.unwrap_or_else(|status| panic!("{name}: {status:?}")),
            "{name}: told as if it were known"
        );
        rests(&split.gateway).await;
        // Of orders more have been placed meanwhile, none of them twice.
        let more = usize::from(name == "AddOrder");
        assert!(sent(&split.house, name).await <= before + more, "{name} was sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_dies_leaves_every_call_open() {
    for name in CALLS {
        let mut split = split().await;
        let asked = under_way(&split, name).await;
        split.executor.kill().await;
        let told = asked.await.expect("no panic");
        assert!(
            told.unwrap_or_else(|status| panic!("{name}: {status:?}")),
            "{name}: told as if it were known"
        );
    }
}
