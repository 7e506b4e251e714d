//! How long a key is without an owner: after its owner is killed, and when it is handed over.
//!
//! One key, three executors, a few callers that read all the time. The exchange's log says when which owner's calls
//! arrived: each owner begins with an accepted `GetApiKeyInfo`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use crate::PATIENCE;
use crate::fleet::{Fleet, Role};
use crate::house::{House, Plan};
use crate::judge::{Nonces, nonces};
use crate::process::Process;

const KEY: &str = "sandbox-read";
const EXECUTORS: usize = 3;
const CALLERS: usize = 3;
/// What a caller rests between two calls.
const REST: Duration = Duration::from_millis(10);
/// Requests before the owner goes, among which its last ones are.
const LOOK_BACK: u64 = 100;
/// How long the exchange takes for a call.
pub const EXCHANGE_DELAY_MS: u64 = 20;

/// How an owner goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// SIGKILL. Measured: from then to the first call that a caller got answered by the new owner.
    Killed,
    /// SIGTERM. Measured: from the last call of the old owner to the first of the new one, as they arrive at the exchange.
    Asked,
}

/// What was measured, in milliseconds, sorted.
#[derive(Clone, Debug)]
pub struct Figures {
    /// How the owners went.
    pub going: Going,
    /// How long the key was without an owner.
    pub gaps_ms: Vec<u64>,
    /// What the log shows of nonces.
    pub nonces: Nonces,
    /// Calls that failed for their callers, by what they were told.
    pub failed: BTreeMap<String, u64>,
}

impl Figures {
    /// The gap that so many percent of all do not exceed.
    pub fn at(&self, percent: usize) -> u64 {
        let last = self.gaps_ms.len().saturating_sub(1);
        self.gaps_ms.get((last * percent).div_ceil(100)).copied().unwrap_or(u64::MAX)
    }

    /// Those of two runs together.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.gaps_ms.extend(other.gaps_ms);
        self.gaps_ms.sort_unstable();
        for (why, count) in other.failed {
            *self.failed.entry(why).or_default() += count;
        }
        self.nonces = self.nonces.and(other.nonces);
        self
    }

    /// One line for a report.
    pub fn line(&self) -> String {
        let what = match self.going {
            Going::Killed => "from the kill to the first answer by the new owner",
            Going::Asked => "from the last call of the old owner to the first of the new one",
        };
        format!(
            "{} times, {what}: p50 {} ms, p99 {} ms, max {} ms; {} calls of {CALLERS} callers failed {:?}; {}",
            self.gaps_ms.len(),
            self.at(50),
            self.at(99),
            self.at(100),
            self.failed.values().sum::<u64>(),
            self.failed,
            self.nonces.line()
        )
    }
}

/// Callers that read all the time, and when they were answered.
struct Readers {
    answered_us: Arc<Mutex<Vec<u64>>>,
    failed: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

/// The time, microseconds since 1970, as the exchange of a story has it.
pub fn now_us() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default()
}

fn push<T>(to: &Mutex<Vec<T>>, value: T) {
    to.lock().unwrap_or_else(PoisonError::into_inner).push(value);
}

impl Readers {
    fn start(channel: &Channel) -> Self {
        let mut readers = Self {
            answered_us: Arc::default(),
            failed: Arc::default(),
            stop: Arc::default(),
            callers: JoinSet::new(),
        };
        for _ in 0..CALLERS {
            let (answered, failed) = (Arc::clone(&readers.answered_us), Arc::clone(&readers.failed));
            let (stop, mut account) = (Arc::clone(&readers.stop), AccountServiceClient::new(channel.clone()));
            readers.callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let mut request = Request::new(v1::GetBalanceRequest::default());
                    request.set_timeout(Duration::from_secs(10));
                    match account.get_balance(request).await {
                        Ok(_) => push(&answered, now_us()),
                        Err(status) => push(&failed, format!("{:?}: {}", status.code(), status.message())),
                    }
                    tokio::time::sleep(REST).await;
                }
            });
        }
        readers
    }

    /// The first answer at a time or later.
    fn first_answer_from(&self, us: u64) -> Option<u64> {
        let answered = self.answered_us.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().rev().take_while(|at| **at >= us).last().copied()
    }

    async fn finish(mut self) -> anyhow::Result<BTreeMap<String, u64>> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(caller) = self.callers.join_next().await {
            caller.context("a caller fell over")?;
        }
        let mut counts = BTreeMap::new();
        for why in self.failed.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            *counts.entry(why).or_default() += 1;
        }
        Ok(counts)
    }
}

/// Lets the owner of the key go so many times.
///
/// # Errors
/// When a process does not come up, or nobody takes over.
pub async fn measure(going: Going, times: usize) -> anyhow::Result<Figures> {
    let sandbox = format!("engine_delay_ms = {EXCHANGE_DELAY_MS}");
    let house = House::build(Plan { redis: true, sandbox, ..Plan::default() }).await?;
    let mut fleet = Fleet::start(house, EXECUTORS, 1, House::key_table(KEY, &[])?).await?;
    fleet.all_open(1, PATIENCE).await?;
    let readers = Readers::start(&fleet.channel()?);
    let mut gaps_ms = Vec::new();
    while gaps_ms.len() < times {
        if let Some(gap_us) = once(&mut fleet, &readers, going).await? {
            gaps_ms.push(gap_us / 1_000);
        }
    }
    let failed = readers.finish().await?;
    gaps_ms.sort_unstable();
    let log = fleet.house.pages.settled_log().await?;
    Ok(Figures { going, gaps_ms, nonces: nonces(&log, &BTreeMap::new()), failed })
}

/// Lets the owner go once. Nothing if it was not the owner any more.
async fn once(fleet: &mut Fleet, readers: &Readers, going: Going) -> anyhow::Result<Option<u64>> {
    let at = steady_owner(fleet).await?;
    let before = fleet.house.pages.last_seq().await?;
    let began_us = now_us();
    let process = &mut fleet.executors[at];
    match going {
        Going::Killed => process.kill().await,
        Going::Asked => process.terminate(),
    }
    let (old, new) = succession(fleet, before, began_us).await?;
    let Some(old) = old else { return Ok(None) };
    let gap_us = match going {
        Going::Asked => number(&new, "received_us").saturating_sub(number(&old, "received_us")),
        Going::Killed => {
            let served_us = number(&new, "executed_us");
            let answer =
                crate::eventually("the first answer", || async { readers.first_answer_from(served_us) });
            answer.await.saturating_sub(began_us)
        }
    };
    if going == Going::Asked {
        let ended = fleet.executors[at].ended().await?;
        ensure!(ended.code() == Some(0), "ended with {ended}:\n{}", fleet.executors[at].log_tail());
    }
    fleet.replace(Role::Executor, at).await?;
    Ok(Some(gap_us))
}

/// The last call of the old owner and the first of the new one, once both are in the log. No old one when the key had
/// changed its owner already.
async fn succession(fleet: &Fleet, before: u64, began_us: u64) -> anyhow::Result<(Option<Value>, Value)> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let log = fleet.house.pages.log_since(before.saturating_sub(LOOK_BACK)).await?;
        let is_first = |entry: &&Value| entry["endpoint"] == "GetApiKeyInfo" && entry["verdict"] == "ok";
        let fence = log.iter().filter(|entry| number(entry, "seq") > before).find(is_first);
        if let Some(fence) = fence {
            let is_call = |entry: &&Value| entry["endpoint"] == "Balance" && entry["verdict"] == "ok";
            let (lower, higher): (Vec<_>, Vec<_>) =
                log.iter().filter(is_call).partition(|entry| nonce(entry) < nonce(fence));
            if let Some(new) = higher.first() {
                let took_over = number(fence, "received_us") >= began_us;
                return Ok((lower.last().filter(|_| took_over).map(|old| (*old).clone()), (*new).clone()));
            }
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("nobody took over within {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn number(entry: &Value, name: &str) -> u64 {
    entry[name].as_u64().unwrap_or_default()
}

fn nonce(entry: &Value) -> u64 {
    entry["nonce"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Which executor has the key open, once all of them agree and nothing is moving: the youngest process has been heard of.
async fn steady_owner(fleet: &Fleet) -> anyhow::Result<usize> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut steady: Option<(usize, u32)> = None;
    loop {
        let mut holders = Vec::new();
        for (at, executor) in fleet.executors.iter().enumerate() {
            let seen = report(executor).await?;
            let open = seen.lanes.iter().any(|lane| lane.state() == v1::LaneState::Open);
            // Whoever does not know both others has not settled with them yet.
            if open && seen.peers.len() + 1 >= fleet.executors.len() {
                holders.push(at);
            }
        }
        steady = match (&holders[..], steady) {
            ([holder], Some((at, times))) if at == *holder => Some((at, times + 1)),
            ([holder], _) => Some((*holder, 0)),
            _ => None,
        };
        if let Some((at, 5..)) = steady {
            return Ok(at);
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("no executor holds the key alone: {holders:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What an executor says of its lanes at this moment.
async fn report(executor: &Process) -> anyhow::Result<v1::WatchLanesResponse> {
    let address = format!("http://{}", executor.addr("executor/grpc"));
    let mut client = OperationsServiceClient::connect(Endpoint::from_shared(address)?).await?;
    let mut reports = client.watch_lanes(v1::WatchLanesRequest {}).await?.into_inner();
    reports.message().await?.context("a report")
}
