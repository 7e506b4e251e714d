//! What a test believes: the sandbox's log, and the mark on a Status.

mod nonces;

pub use nonces::{Nonces, nonces};

use std::collections::BTreeMap;

use serde_json::Value;
use tonic::Status;

/// How often the exchange gave each verdict.
pub fn verdicts(log: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in log {
        *counts.entry(entry["verdict"].as_str().unwrap_or("none").to_owned()).or_default() += 1;
    }
    counts
}

/// Requests that the exchange refused although tidegate promises that it never does.
pub fn forbidden_refusals(log: &[Value]) -> Vec<&Value> {
    let forbidden = [
        "EAPI:Invalid nonce",
        "EGeneral:Permission denied",
        "EAPI:Rate limit exceeded",
        "EAPI:Invalid signature",
    ];
    let is_forbidden = |entry: &&Value| {
        entry["verdict"].as_str().is_some_and(|verdict| forbidden.iter().any(|f| verdict.starts_with(f)))
    };
    log.iter().filter(is_forbidden).collect()
}

/// Whether a Status carries tidegate's promise that nothing was executed.
pub fn promises_not_executed(status: &Status) -> bool {
    use tonic_types::StatusExt;
    status.get_details_error_info().is_some_and(|info| {
        info.domain == "tidegate.v1" && info.metadata.get("executed").is_some_and(|value| value == "no")
    })
}

/// A fact that a Status carries.
pub fn fact(status: &Status, name: &str) -> Option<String> {
    use tonic_types::StatusExt;
    status.get_details_error_info()?.metadata.get(name).cloned()
}

/// The client order ids of all orders that the exchange's engine executed.
pub fn executed_orders(log: &[Value]) -> Vec<String> {
    let placed = log.iter().filter(|e| e["endpoint"] == "AddOrder" && e["executed"] == true);
    placed.map(|e| e["cl_ord_id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How often the exchange's engine executed each order, by client order id.
pub fn executions(log: &[Value]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for handle in executed_orders(log) {
        *times.entry(handle).or_default() += 1;
    }
    times
}
