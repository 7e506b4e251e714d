//! Strategies that go on calling whatever happens, and remember what they were told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::judge::{executions, promises_not_executed};
use crate::load::{handle_of, resting_order};

/// How long a caller waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all callers of a story were told.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Calls that were answered.
    pub answered: u64,
    /// Orders and cancels whose fate was left open, by reason.
    pub unresolved: BTreeMap<String, u64>,
    /// Calls that failed with our mark, by what was said.
    pub refused: BTreeMap<String, u64>,
    /// Calls that the client's library took back before they were written, and that were then made again.
    pub taken_back: u64,
    /// Calls that the client's own library gave up: the connection broke, or the answer did not come in time.
    pub transport: BTreeMap<String, u64>,
    /// Calls that a server failed without our mark: must be empty.
    pub unmarked: Vec<String>,
    /// Everything told to a caller that speaks of a nonce: must be empty.
    pub nonces: Vec<String>,
    /// Handles of orders told to be accepted.
    pub accepted: BTreeSet<String>,
    /// Handles of orders told not to be executed.
    pub never: BTreeSet<String>,
}

impl Ledger {
    /// Orders told to be accepted or refused that the exchange knows differently, and orders that it executed twice.
    pub fn contradicted(&self, log: &[Value]) -> Vec<String> {
        let executed = executions(log);
        let times = |handle: &String| executed.get(handle.as_str()).copied().unwrap_or_default();
        let lost = self.accepted.iter().filter(|h| times(h) != 1);
        let done = self.never.iter().filter(|h| times(h) != 0);
        let twice = executed.iter().filter(|(_, times)| **times > 1);
        lost.map(|h| format!("{h} was told accepted"))
            .chain(done.map(|h| format!("{h} was told not executed")))
            .chain(twice.map(|(h, times)| format!("{h} was executed {times} times")))
            .collect()
    }

    /// A part of a sentence for a report.
    pub fn line(&self) -> String {
        let sum = |counts: &BTreeMap<String, u64>| counts.values().sum::<u64>();
        format!(
            "{} calls answered, {} refused with our mark, {} taken back by the client's library, {} broken off by it, {} \
             unresolved, {} failed without our mark",
            self.answered,
            sum(&self.refused),
            self.taken_back,
            sum(&self.transport),
            sum(&self.unresolved),
            self.unmarked.len(),
        )
    }
}

/// Callers at work.
#[derive(Debug)]
pub struct Callers {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

impl Callers {
    /// Starts so many, each with a connection of its own, and a rest between two rounds of read, order and cancel.
    ///
    /// # Errors
    /// When the address is none.
    pub fn start(addr: SocketAddr, count: usize, rest: Duration) -> anyhow::Result<Self> {
        let (ledger, stop) = (Arc::<Mutex<Ledger>>::default(), Arc::new(AtomicBool::new(false)));
        let mut callers = JoinSet::new();
        for _ in 0..count {
            let channel = Endpoint::from_shared(format!("http://{addr}"))?.connect_lazy();
            let caller = Caller { ledger: Arc::clone(&ledger), stop: Arc::clone(&stop), rest };
            callers.spawn(caller.work(channel));
        }
        Ok(Self { ledger, stop, callers })
    }

    /// Calls that were answered so far.
    pub fn answered(&self) -> u64 {
        lock(&self.ledger).answered
    }

    /// Lets each caller end its round, and says what they were told.
    ///
    /// # Errors
    /// When one of them fell over.
    pub async fn finish(mut self) -> anyhow::Result<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(caller) = self.callers.join_next().await {
            caller.context("a caller fell over")?;
        }
        Ok(std::mem::take(&mut lock(&self.ledger)))
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Caller {
    ledger: Arc<Mutex<Ledger>>,
    stop: Arc<AtomicBool>,
    rest: Duration,
}

impl Caller {
    /// Reads, places and cancels until it is time to stop.
    async fn work(self, channel: Channel) {
        while !self.stop.load(Ordering::Relaxed) {
            self.round(&channel).await;
            if !self.rest.is_zero() {
                tokio::time::sleep(self.rest).await;
            }
        }
    }

    async fn round(&self, channel: &Channel) {
        let answer = self
            .send(&AccountServiceClient::new(channel.clone()), |mut account| async move {
                account.get_balance(patiently(v1::GetBalanceRequest::default())).await
            })
            .await;
        self.judge("GetBalance", answer);
        let order = resting_order();
        let handle = handle_of(&order);
        let trading = TradingServiceClient::new(channel.clone());
        let answer = self
            .send(&(trading.clone(), order), |(mut trading, order)| async move {
                trading.add_order(patiently(order)).await
            })
            .await;
        if answer.as_ref().is_err_and(promises_not_executed) {
            lock(&self.ledger).never.insert(handle.clone());
        }
        let Some(reply) = self.judge("AddOrder", answer) else { return };
        match reply.into_inner().outcome {
            Some(v1::add_order_response::Outcome::Accepted(_)) => {
                lock(&self.ledger).accepted.insert(handle.clone());
            }
            Some(v1::add_order_response::Outcome::Unresolved(open)) => {
                return self.left_open("AddOrder", &open);
            }
            None => {
                return lock(&self.ledger).unmarked.push("AddOrder: a reply without an outcome".to_owned());
            }
        }
        let target = Some(v1::cancel_order_request::Target::ClOrdId(handle));
        let cancel = v1::CancelOrderRequest { context: None, target };
        let answer = self
            .send(&(trading, cancel), |(mut trading, cancel)| async move {
                trading.cancel_order(patiently(cancel)).await
            })
            .await;
        let outcome = self.judge("CancelOrder", answer).and_then(|reply| reply.into_inner().outcome);
        if let Some(v1::cancel_order_response::Outcome::Unresolved(open)) = outcome {
            self.left_open("CancelOrder", &open);
        }
    }

    /// Makes a call, again while the library takes it back unsent.
    async fn send<C: Clone, T, F>(&self, client: &C, call: impl Fn(C) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        loop {
            match call(client.clone()).await {
                Err(status) if was_taken_back(&status) => lock(&self.ledger).taken_back += 1,
                answer => return answer,
            }
        }
    }

    /// The answer, if the call was answered; counts what it was told.
    fn judge<T>(&self, what: &str, answer: Result<T, Status>) -> Option<T> {
        let mut ledger = lock(&self.ledger);
        match answer {
            Ok(reply) => {
                ledger.answered += 1;
                return Some(reply);
            }
            Err(status) => {
                let said = format!("{what}: {:?}: {}", status.code(), status.message());
                if promises_not_executed(&status) {
                    *ledger.refused.entry(without_figures(&said)).or_default() += 1;
                    if format!("{status:?}").to_lowercase().contains("nonce") {
                        ledger.nonces.push(said);
                    }
                } else if std::error::Error::source(&status).is_some() {
                    // A server's Status comes from its trailers and has no source.
                    let why = without_figures(&causes(&status));
                    *ledger.transport.entry(format!("{what}: {:?}: {why}", status.code())).or_default() += 1;
                } else {
                    ledger.unmarked.push(format!("{what}: {status:?}"));
                }
            }
        }
        None
    }

    fn left_open(&self, what: &str, open: &v1::Unresolved) {
        let said = format!("{what}: {}: {}", open.reason, open.text);
        let mut ledger = lock(&self.ledger);
        if said.to_lowercase().contains("nonce") {
            ledger.nonces.push(said.clone());
        }
        *ledger.unresolved.entry(without_figures(&said)).or_default() += 1;
    }
}

fn patiently<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// The text with each number as `N`, so that what was said in the same words is counted together.
pub(crate) fn without_figures(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if plain.ends_with('N') => {}
            '0'..='9' => plain.push('N'),
            c => plain.push(c),
        }
    }
    plain
}

/// What went wrong, outermost first.
fn causes(status: &Status) -> String {
    let first = std::error::Error::source(status);
    let causes: Vec<_> =
        std::iter::successors(first, |error| error.source()).map(ToString::to_string).collect();
    causes.join(": ")
}

/// Whether the client's own library knows that no server has looked at the call: it was given back by a connection that
/// was ending, or the server's GOAWAY had passed it over (RFC 9113, section 6.8), or it refused the stream unprocessed.
/// gRPC libraries repeat such a call by themselves ("transparent retry", gRFC A6); tonic leaves that to its user.
fn was_taken_back(status: &Status) -> bool {
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        let given_back = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        let unprocessed = error.downcast_ref::<h2::Error>().is_some_and(|error| {
            let passed_over = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (passed_over || refused)
        });
        if given_back || unprocessed {
            return true;
        }
        next = error.source();
    }
    false
}
