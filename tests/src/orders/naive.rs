//! What many clients do: when an order brings no readable answer they send it again under a new nonce, and when that
//! helps no more they take it for failed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tidegate_core::{Nonce, endpoint};
use tidegate_kraken::{ClientOptions, Credential, Params, PreparedRequest, RestClient};

use super::Fate;
use crate::house::sandbox_key;
use crate::stranger::clock_us;

/// The key that nobody else uses.
pub(super) const KEY: &str = "sandbox-all-4";
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// As often as Kraken's own command-line client sends an order that times out.
const TRIES: usize = 4;
/// Between two orders.
const REST: Duration = Duration::from_millis(100);

/// One order as such a client sees it.
#[derive(Debug, Default)]
struct Order {
    nonces: Vec<u64>,
    placed: bool,
}

/// What became of its orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naive {
    /// Requests that it made for them.
    pub requests: usize,
    /// What became of them, and what it thinks of it.
    pub fate: Fate,
}

/// Such a client at work.
#[derive(Debug)]
pub(super) struct Client {
    orders: Vec<Order>,
}

impl Client {
    /// Places orders at the exchange at this address until it is told to stop.
    ///
    /// # Errors
    /// When it cannot begin.
    pub(super) async fn work(base_url: String, stop: Arc<AtomicBool>) -> anyhow::Result<Self> {
        // Installs the TLS provider that every client asks for.
        let _ = crate::http()?;
        let key = sandbox_key(KEY)?;
        let text = |name: &str| key[name].as_str().map(str::to_owned).context("a text");
        let rest = RestClient::new(ClientOptions::new(base_url))?;
        let credential = Credential::new(text("api_key")?, &text("secret")?)?;
        let call = endpoint("AddOrder").context("in the table")?;
        let mut params = Params::new();
        for (name, value) in [
            ("pair", "XBTUSD"),
            ("type", "buy"),
            ("ordertype", "limit"),
            ("volume", "0.001"),
            ("price", "10000.0"),
            ("timeinforce", "IOC"),
        ] {
            params.text(name, value);
        }
        let mut orders = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let mut order = Order::default();
            for _ in 0..TRIES {
                let nonce = clock_us();
                order.nonces.push(nonce);
                let request = PreparedRequest::of(call, &params, Nonce(nonce), None)?;
                // An error in an envelope is an answer, and ends it; anything else is tried again.
                if let Ok(reply) = rest.call_private(&credential, request, PATIENCE, || {}).await {
                    order.placed = reply.errors.is_empty();
                    break;
                }
            }
            orders.push(order);
            tokio::time::sleep(REST).await;
        }
        Ok(Self { orders })
    }

    /// Holds what it believes against the exchange's log.
    pub(super) fn judge(&self, log: &[Value]) -> Naive {
        let executed: BTreeSet<u64> = log
            .iter()
            .filter(|entry| {
                entry["key"] == KEY && entry["endpoint"] == "AddOrder" && entry["executed"] == true
            })
            .filter_map(|entry| entry["nonce"].as_str()?.parse().ok())
            .collect();
        let mut sum = Naive::default();
        for order in &self.orders {
            let times = order.nonces.iter().filter(|nonce| executed.contains(nonce)).count();
            sum.fate.orders += 1;
            sum.requests += order.nonces.len();
            sum.fate.doubled += usize::from(times > 1);
            sum.fate.surplus += times.saturating_sub(1);
            sum.fate.believed_failed += usize::from(!order.placed && times > 0);
            sum.fate.believed_placed += usize::from(order.placed && times == 0);
        }
        sum
    }
}
