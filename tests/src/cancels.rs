//! How long a cancel takes to leave, whatever else is going on.
//!
//! Measured from when the client sends it to when it has arrived whole at the exchange, by the exchange's log.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::house::{House, Plan, channel, lanes};
use crate::judge::{Nonces, nonces};
use crate::load::{handle_of, resting_order};
use crate::process::Process;
use crate::takeover::now_us;
use crate::{PATIENCE, eventually};

/// How long the exchange takes for a call.
pub const EXCHANGE_DELAY_MS: u64 = 50;
const FASTEST_US: u64 = EXCHANGE_DELAY_MS * 1_000;
const READS: usize = 500;
const ORDERS: usize = 200;
/// Connections on which they come.
const CONNECTIONS: usize = 10;
/// How long the lane stands still while they come: no longer than it waits for a call.
const FILL_MS: u64 = 4_500;
/// From the caller to the exchange when nothing stands in the way.
const WAY: Duration = Duration::from_millis(5);
/// The longest that a caller can wait.
const LONG: Duration = Duration::from_secs(60);
/// The longest that the exchange can hang.
const FOR_EVER_MS: u64 = 600_000;

/// What stands in the way of the cancels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Hundreds of reads and orders wait in the lane.
    Queue,
    /// The lane's call in flight, an order, never ends.
    Hung,
    /// Both, but there is a second lane, which may do nothing but cancel.
    SpareLane,
}

impl Obstacle {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Queue => "while 500 reads and 200 orders queue",
            Self::Hung => "while the order in flight hangs for ever",
            Self::SpareLane => "with a spare lane for cancels",
        }
    }
}

/// What was measured, in microseconds, sorted.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What stood in the way.
    pub obstacle: Obstacle,
    /// From the client's send to the exchange.
    pub left_us: Vec<u64>,
    /// Calls that waited in the lane when the first cancel was sent, and when the last one had arrived.
    pub waiting: (u32, u32),
    /// What a call that waited for another one really took at the exchange, in microseconds: the middle of all.
    pub round_trip_us: u64,
    /// What the log shows of nonces.
    pub nonces: Nonces,
}

impl Figures {
    /// What is promised. An exchange delay is what a call really takes here, and the way to the lane comes on top.
    pub fn bound(&self) -> Duration {
        match self.obstacle {
            Obstacle::Queue => Duration::from_micros(self.round_trip_us) + WAY,
            Obstacle::Hung => Duration::from_millis(1_100),
            Obstacle::SpareLane => WAY,
        }
    }

    /// The time that so many percent of all do not exceed.
    pub fn at(&self, percent: usize) -> Duration {
        let last = self.left_us.len().saturating_sub(1);
        Duration::from_micros(self.left_us.get((last * percent).div_ceil(100)).copied().unwrap_or(u64::MAX))
    }

    /// One line for a report.
    pub fn line(&self) -> String {
        let us = |percent| self.at(percent).as_micros();
        format!(
            "{} cancels {} ({} then {} calls waited): left after p50 {} us, p90 {} us, max {} us, where the exchange took {} us \
             a call; {}",
            self.left_us.len(),
            self.obstacle.words(),
            self.waiting.0,
            self.waiting.1,
            us(50),
            us(90),
            us(100),
            self.round_trip_us,
            self.nonces.line()
        )
    }
}

fn patiently<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(LONG);
    request
}

/// Places orders that rest, and returns how they are cancelled.
async fn place(gateway: &Channel, count: usize) -> anyhow::Result<Vec<v1::CancelOrderRequest>> {
    let mut trading = TradingServiceClient::new(gateway.clone());
    let mut cancels = Vec::new();
    for _ in 0..count {
        let order = resting_order();
        let target = Some(v1::cancel_order_request::Target::ClOrdId(handle_of(&order)));
        trading.add_order(patiently(order)).await?;
        cancels.push(v1::CancelOrderRequest { context: None, target });
    }
    Ok(cancels)
}

/// Hundreds of callers, each with one call that waits.
async fn fill(process: &Process, callers: &mut JoinSet<Result<(), Status>>) -> anyhow::Result<()> {
    for _ in 0..CONNECTIONS {
        // A server takes so many calls at once on a connection and no more.
        let gateway = channel(process).await?;
        for _ in 0..READS / CONNECTIONS {
            let mut account = AccountServiceClient::new(gateway.clone());
            callers.spawn(async move {
                account.get_balance(patiently(v1::GetBalanceRequest::default())).await.map(drop)
            });
        }
        for _ in 0..ORDERS / CONNECTIONS {
            let mut trading = TradingServiceClient::new(gateway.clone());
            callers.spawn(async move { trading.add_order(patiently(resting_order())).await.map(drop) });
        }
    }
    Ok(())
}

async fn waiting(gateway: &Channel) -> u32 {
    lanes(gateway.clone()).await.iter().map(|lane| lane.queue_length).max().unwrap_or_default()
}

/// Lets an order be in flight for so long.
async fn hang(
    house: &House,
    gateway: &Channel,
    caller: &mut JoinSet<Result<(), Status>>,
    ms: u64,
) -> anyhow::Result<()> {
    let before = house.pages.requests("AddOrder").await?.len();
    house.pages.switch(&json!({ "faults": [{ "endpoint": "AddOrder", "hang_ms": ms }] })).await?;
    let mut trading = TradingServiceClient::new(gateway.clone());
    caller.spawn(async move { trading.add_order(patiently(resting_order())).await.map(drop) });
    eventually("the call that hangs to be at the exchange", || async {
        let seen = house.pages.requests("AddOrder").await.map(|seen| seen.len()).unwrap_or_default();
        (seen > before).then_some(())
    })
    .await;
    Ok(())
}

/// Sends a cancel and says how long it was on its way to the exchange. The other calls are not waited for.
async fn cancel(house: &House, gateway: &Channel, cancel: v1::CancelOrderRequest) -> anyhow::Result<u64> {
    let since = house.pages.last_seq().await?;
    let mut trading = TradingServiceClient::new(gateway.clone());
    let sent_us = now_us();
    let reply = trading.cancel_order(patiently(cancel)).await?.into_inner();
    let accepted = matches!(reply.outcome, Some(v1::cancel_order_response::Outcome::Accepted(_)));
    ensure!(accepted, "a cancel was answered {reply:?}");
    let log = house.pages.log_since(since).await?;
    let arrived = log.iter().find(|entry| entry["endpoint"] == "CancelOrder").context("it was accepted")?;
    Ok(arrived["received_us"].as_u64().context("a time")?.saturating_sub(sent_us))
}

/// Sends so many cancels past an obstacle, one after the other.
///
/// # Errors
/// When a process does not come up, or a cancel is not accepted.
pub async fn measure(obstacle: Obstacle, times: usize) -> anyhow::Result<Figures> {
    let sandbox = format!("engine_delay_ms = {EXCHANGE_DELAY_MS}");
    let house = House::build(Plan { sandbox, ..Plan::default() }).await?;
    let keys: &[&str] =
        if obstacle == Obstacle::SpareLane { &["sandbox-all", "sandbox-cancel"] } else { &["sandbox-all"] };
    let config = house.config(keys, "")?.replace("[executor]\n", "[executor]\nqueue_len_max = 2000\n");
    let process = house.all("one", &config).await?;
    let gateway = channel(&process).await?;
    let mut cancels = place(&gateway, times).await?;
    // The first one opens connections, which is not what is measured.
    let warm = place(&gateway, 1).await?;
    for request in warm {
        cancel(&house, &gateway, request).await?;
    }
    let mut callers = JoinSet::new();
    if obstacle != Obstacle::Hung {
        // While one call takes long, all others come and wait.
        hang(&house, &gateway, &mut callers, FILL_MS).await?;
        fill(&process, &mut callers).await?;
        eventually("the queue to be full", || async {
            (waiting(&gateway).await as usize >= READS + ORDERS).then_some(())
        })
        .await;
        eventually("the queue to move again", || async {
            let log = house.pages.requests("AddOrder").await.ok()?;
            log.iter().all(|entry| entry["fault"].is_null() || !entry["verdict"].is_null()).then_some(())
        })
        .await;
    }
    let before = waiting(&gateway).await;
    let mut left_us = Vec::new();
    for request in cancels.drain(..) {
        if obstacle == Obstacle::Hung {
            hang(&house, &gateway, &mut callers, FOR_EVER_MS).await?;
        }
        // At any moment of another call, not just when the last cancel has ended and that one begins.
        tokio::time::sleep(Duration::from_millis(u64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 4)).await;
        left_us.push(cancel(&house, &gateway, request).await?);
    }
    let after = waiting(&gateway).await;
    callers.abort_all();
    left_us.sort_unstable();
    let log = house.pages.log().await?;
    let nonces = nonces(&log, &std::collections::BTreeMap::new());
    Ok(Figures { obstacle, left_us, waiting: (before, after), round_trip_us: round_trip_us(&log), nonces })
}

/// How far the calls of the busy key are apart, in the middle of all: one is sent when the last one was answered.
fn round_trip_us(log: &[Value]) -> u64 {
    let arrived = log.iter().filter(|entry| entry["key"] == "sandbox-all");
    let arrived: Vec<u64> = arrived.filter_map(|entry| entry["received_us"].as_u64()).collect();
    let mut apart_us: Vec<u64> = arrived
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .filter(|us| *us >= FASTEST_US)
        .collect();
    apart_us.sort_unstable();
    apart_us.get(apart_us.len() / 2).copied().unwrap_or(FASTEST_US)
}

/// Which processes serve the cancels of an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// Those that ran before.
    Run,
    /// A gateway and an executor that are started when the store is away already; the latter has a break-glass key.
    StartMeanwhile,
}

/// What came of an outage of the store.
#[derive(Debug)]
pub struct Outage {
    /// Who served the cancels.
    pub processes: Processes,
    /// How long the store was away.
    pub lasted: Duration,
    /// From each cancel's send to its answer.
    pub took: Vec<Duration>,
    /// Cancels that were not accepted: must be empty.
    pub failed: Vec<String>,
    /// What the log shows of nonces.
    pub nonces: Nonces,
}

impl Outage {
    /// One line for a report.
    pub fn line(&self) -> String {
        let processes = match self.processes {
            Processes::Run => "executor and gateway run on",
            Processes::StartMeanwhile => "executor and gateway started meanwhile, break-glass key",
        };
        format!(
            "Redis away for {} s, {processes}: {} cancels accepted, one every {} s, {} not; slowest answer {} ms; {}",
            self.lasted.as_secs(),
            self.took.len(),
            self.lasted.as_secs() / (self.took.len() + self.failed.len()).max(1) as u64,
            self.failed.len(),
            self.took.iter().max().map(Duration::as_millis).unwrap_or_default(),
            self.nonces.line()
        )
    }
}

/// An executor and a gateway.
struct Pair {
    executor: Process,
    gateway: Process,
}

impl Pair {
    async fn start(house: &House, name: &str, keys: &str) -> anyhow::Result<Self> {
        let config = house.config(&[], keys)?.replace("[executor]\n", "[executor]\nname = \"night\"\n");
        let executor = format!("executor-{name}");
        let executor =
            Process::start(house.dir(), &executor, "executor", &config, &["executor/grpc"]).await?;
        let address = format!("[gateway.executors]\none = \"{}\"\n", executor.addr("executor/grpc"));
        let (config, gateway) = (house.config(&[], &address)?, format!("gateway-{name}"));
        let gateway = Process::start(house.dir(), &gateway, "gateway", &config, &["gateway/grpc"]).await?;
        Ok(Self { executor, gateway })
    }

    async fn channel(&self) -> anyhow::Result<Channel> {
        channel(&self.gateway).await
    }
}

/// Takes the store away, and cancels an order every so often until it comes back.
///
/// # Errors
/// When a process does not come up, or orders are not possible again at the end.
pub async fn outage(processes: Processes, times: usize, every: Duration) -> anyhow::Result<Outage> {
    let mut house = House::build(Plan { redis: true, ..Plan::default() }).await?;
    let tables = House::key_table("sandbox-all", &[])?;
    let mut pair = Pair::start(&house, "before", &tables).await?;
    crate::house::settled(pair.channel().await?).await;
    let cancels = place(&pair.channel().await?, times).await?;
    house.redis.as_mut().context("planned")?.kill().await?;
    if processes == Processes::StartMeanwhile {
        pair.gateway.kill().await;
        pair.executor.kill().await;
        let spare = House::key_table("sandbox-cancel", &[("break_glass", "\"night\"")])?;
        pair = Pair::start(&house, "meanwhile", &(tables + &spare)).await?;
        let gateway = pair.channel().await?;
        eventually("the break-glass lane to be open", || async {
            let open =
                |lane: &v1::Lane| lane.key_label == "sandbox-cancel" && lane.state() == v1::LaneState::Open;
            lanes(gateway.clone()).await.iter().any(open).then_some(())
        })
        .await;
    }
    let gateway = pair.channel().await?;
    let began = Instant::now();
    let (mut took, mut failed) = (Vec::new(), Vec::new());
    for (at, request) in cancels.into_iter().enumerate() {
        tokio::time::sleep_until(began + every * u32::try_from(at + 1)?).await;
        let sent = Instant::now();
        match cancel(&house, &gateway, request).await {
            Ok(_) => took.push(sent.elapsed()),
            Err(error) => failed.push(format!("after {} s: {error:#}", began.elapsed().as_secs())),
        }
    }
    let lasted = began.elapsed();
    house.redis.as_mut().context("planned")?.restart(crate::redis::Keep::Nothing).await?;
    let deadline = Instant::now() + 2 * PATIENCE;
    while let Err(error) = place(&gateway, 1).await {
        ensure!(Instant::now() < deadline, "no order after the outage: {error:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let log: Vec<Value> = house.pages.settled_log().await?;
    Ok(Outage { processes, lasted, took, failed, nonces: nonces(&log, &std::collections::BTreeMap::new()) })
}
