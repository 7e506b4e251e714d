//! What a caller is told of a call that goes wrong, against what the exchange saw.
//!
//! One rule holds them together: a Status with tidegate's mark only where the exchange executed nothing, no Status
//! without the mark at all, and never a second request for one call.

mod answers;
mod deadlines;
mod leaving;
mod processes;
mod refusals;
mod stopping;
mod wire;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, lanes};
use tidegate_tests::process::Process;
use tidegate_tests::sandbox::SandboxPages;
use tonic::Status;
use tonic::transport::Channel;

use tidegate_tests::judge::promises_not_executed;
use tidegate_tests::load::handle_of;
use v1::add_order_response::{Accepted, Outcome};

/// One key that reads and one that places.
const KEYS: [&str; 2] = ["sandbox-read", "sandbox-trade"];

/// The one process with both keys and the store in memory.
async fn one_process(house: &House, replaced: &[(&str, &str)]) -> Process {
    let mut config = house.config(&KEYS, "").expect("a config");
    for (from, to) in replaced {
        assert!(config.contains(from), "the configuration has no {from}");
        config = config.replace(from, to);
    }
    house.all("one", &config).await.expect("the process")
}

/// Requests that the exchange got for an order.
async fn requests_of(pages: &SandboxPages, handle: &str) -> Vec<Value> {
    let log = pages.requests("AddOrder").await.expect("a log");
    log.into_iter().filter(|entry| entry["cl_ord_id"] == handle).collect()
}

/// Waits until the exchange has executed an order, and demands that it saw it once.
async fn executed_once(pages: &SandboxPages, handle: &str) {
    eventually("the exchange to execute the order", || async {
        requests_of(pages, handle).await.iter().any(|entry| entry["executed"] == true).then_some(())
    })
    .await;
    let requests = requests_of(pages, handle).await;
    assert_eq!(requests.len(), 1, "more than one request for an order: {requests:#?}");
}

/// Waits until a request for the order is at the exchange.
async fn arrived(pages: &SandboxPages, handle: &str) {
    eventually("the order to arrive at the exchange", || async {
        (!requests_of(pages, handle).await.is_empty()).then_some(())
    })
    .await;
}

/// Waits until a call waits in the lane of a key. Executors say so with each renewal of their grant.
async fn queued(gateway: Channel, label: &str) {
    eventually("a call to wait in the lane", || async {
        let lanes = lanes(gateway.clone()).await;
        lanes.iter().any(|lane| lane.key_label == label && lane.queue_length > 0).then_some(())
    })
    .await;
}

/// Lets one thing go wrong with the next request for an endpoint.
async fn fault(pages: &SandboxPages, endpoint: &str, name: &str, value: impl Into<Value>) {
    let mut fault = json!({ "endpoint": endpoint });
    fault[name] = value.into();
    pages.switch(&json!({ "faults": [fault] })).await.expect("a fault");
}

/// Demands that a reply leaves the order open and says all that is known.
fn expect_unresolved(order: &v1::AddOrderRequest, reply: v1::AddOrderResponse) -> v1::Unresolved {
    let Some(Outcome::Unresolved(unresolved)) = reply.outcome else {
        panic!("not unresolved: {reply:?}");
    };
    assert_eq!(unresolved.cl_ord_id, handle_of(order), "{unresolved:?}");
    assert_eq!(unresolved.request_id, order.context.as_ref().expect("a context").request_id);
    assert_eq!(unresolved.account, "main");
    assert!(!unresolved.text.is_empty());
    unresolved
}

/// Demands that a reply says that the order is in Kraken's hands.
fn expect_accepted(reply: v1::AddOrderResponse) -> Accepted {
    match reply.outcome {
        Some(Outcome::Accepted(accepted)) => accepted,
        other => panic!("not accepted: {other:?}"),
    }
}

/// Demands that a call was refused with the promise that nothing was executed.
fn expect_marked<T: std::fmt::Debug>(what: &str, answer: Result<T, Status>) -> Status {
    let status = answer.expect_err(what);
    assert!(promises_not_executed(&status), "{what}: a Status without our mark: {status:?}");
    status
}
