//! Strategies that place orders and ask for each, under one request id, until they are told for good what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tidegate_proto::v1;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::callers::without_figures;
use crate::judge::{fact, promises_not_executed};
use crate::load::{handle_of, resting_order};

/// How long a caller waits for an answer to one call.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits for it before it goes on with the next order.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// What it rests before it asks for the same order again, and at the most if it was told when to come back.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(5);
/// Orders of one caller whose fate is open.
const OPEN_MAX: usize = 12;

/// What all callers were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Handles of all orders.
    pub asked: BTreeSet<String>,
    /// Handles of those told to be accepted.
    pub accepted: BTreeSet<String>,
    /// Handles of those told never to be executed.
    pub never: BTreeSet<String>,
    /// Calls that left an order's fate open, by reason.
    pub open: BTreeMap<String, u64>,
    /// Calls that failed and settled nothing, by what was said.
    pub unsettled: BTreeMap<String, u64>,
    /// What was told for good to be never executed, by what was said.
    pub refused: BTreeMap<String, u64>,
    /// What a server said without our mark: must be empty.
    pub unmarked: Vec<String>,
    /// From the first call to the last word, in milliseconds.
    pub took_ms: Vec<u64>,
}

/// Callers at work.
#[derive(Debug)]
pub(super) struct Traders {
    told: Arc<Mutex<Told>>,
    begun: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Traders {
    /// Starts so many, each with a connection of its own, which place so many orders together.
    ///
    /// # Errors
    /// When the address is none.
    pub(super) fn start(addr: SocketAddr, callers: usize, orders: usize) -> anyhow::Result<Self> {
        let mut traders = Self { told: Arc::default(), begun: Arc::default(), callers: JoinSet::new() };
        for _ in 0..callers {
            let channel = Endpoint::from_shared(format!("http://{addr}"))?.connect_lazy();
            let (told, begun) = (Arc::clone(&traders.told), Arc::clone(&traders.begun));
            traders.callers.spawn(work(channel, told, begun, orders));
        }
        Ok(traders)
    }

    /// Orders that callers have begun to ask for.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Waits until every caller was told for good, at most so long, and says what they were told.
    ///
    /// # Errors
    /// When one of them fell over.
    pub(super) async fn finish(mut self, limit: Duration) -> anyhow::Result<Told> {
        let ended = tokio::time::timeout(limit, async {
            while let Some(caller) = self.callers.join_next().await {
                caller.context("a caller fell over")?;
            }
            anyhow::Ok(())
        });
        // Whoever was told nothing is found in the sets.
        if let Ok(ended) = ended.await {
            ended?;
        }
        self.callers.shutdown().await;
        Ok(std::mem::take(&mut lock(&self.told)))
    }
}

fn lock(told: &Mutex<Told>) -> MutexGuard<'_, Told> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of eight orders one rests in the book, one is filled at once, and six are cancelled at once by the exchange.
fn order(number: usize) -> v1::AddOrderRequest {
    let order = resting_order();
    match number % 8 {
        0 => order,
        1 => v1::AddOrderRequest {
            order_type: v1::OrderType::Market.into(),
            volume: "0.0001".into(),
            price: String::new(),
            ..order
        },
        _ => v1::AddOrderRequest { time_in_force: v1::TimeInForce::Ioc.into(), ..order },
    }
}

/// One caller: it asks for the next order when it has a word on the last one, or has waited for one long enough, and goes on
/// asking for those that are open beside.
async fn work(channel: Channel, told: Arc<Mutex<Told>>, begun: Arc<AtomicUsize>, orders: usize) {
    let room = Arc::new(Semaphore::new(OPEN_MAX));
    let mut open = JoinSet::new();
    loop {
        // Nobody closes it.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let number = begun.fetch_add(1, Ordering::Relaxed);
        if number >= orders {
            break;
        }
        let one = One { order: order(number), told: Arc::clone(&told), since: Instant::now() };
        lock(&told).asked.insert(handle_of(&one.order));
        let (heard, word) = oneshot::channel();
        open.spawn(one.pursue(TradingServiceClient::new(channel.clone()), heard, place));
        // Whatever it is, and also if there was none.
        let _ = tokio::time::timeout(FIRST_WORD, word).await;
        while open.try_join_next().is_some() {}
    }
    open.join_all().await;
}

/// One order and its caller.
struct One {
    order: v1::AddOrderRequest,
    told: Arc<Mutex<Told>>,
    since: Instant,
}

impl One {
    /// Asks again and again until there is a last word, and says when there is a first one.
    async fn pursue(
        self,
        client: TradingServiceClient<Channel>,
        heard: oneshot::Sender<()>,
        _place: OwnedSemaphorePermit,
    ) {
        let mut again = self.ask(client.clone()).await;
        // Nobody may be waiting for it any more.
        let _ = heard.send(());
        while let Some(rest) = again {
            tokio::time::sleep(rest).await;
            again = self.ask(client.clone()).await;
        }
    }

    /// Asks once; how long to rest before it asks again, if that was not the last word.
    async fn ask(&self, mut client: TradingServiceClient<Channel>) -> Option<Duration> {
        let mut request = Request::new(self.order.clone());
        request.set_timeout(PATIENCE);
        let answer = client.add_order(request).await.map(|reply| reply.into_inner().outcome);
        let (handle, mut told) = (handle_of(&self.order), lock(&self.told));
        match answer {
            Ok(Some(Outcome::Accepted(_))) => {
                told.accepted.insert(handle);
            }
            Ok(Some(Outcome::Unresolved(open))) => {
                *told.open.entry(open.reason).or_default() += 1;
                return Some(AGAIN);
            }
            Ok(None) => {
                told.unmarked.push(format!("{handle}: a reply without an outcome"));
                return Some(AGAIN);
            }
            Err(status) if fact(&status, "settles").as_deref() == Some("request_id") => {
                if !promises_not_executed(&status) {
                    told.unmarked.push(format!("{handle}: {status:?}"));
                }
                let said = without_figures(&format!("{:?}: {}", status.code(), status.message()));
                *told.refused.entry(said).or_default() += 1;
                told.never.insert(handle);
            }
            Err(status) => {
                if !promises_not_executed(&status) && !is_of_the_client(&status) {
                    told.unmarked.push(format!("{handle}: {status:?}"));
                }
                *told
                    .unsettled
                    .entry(without_figures(&format!("{:?}: {}", status.code(), status.message())))
                    .or_default() += 1;
                let told = status.get_details_retry_info().and_then(|info| info.retry_delay);
                return Some(told.unwrap_or(AGAIN).clamp(AGAIN, AGAIN_MAX));
            }
        }
        told.took_ms.push(u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX));
        None
    }
}

/// Whether the caller's own library says it. A server's Status comes from its trailers and has no source.
fn is_of_the_client(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}
