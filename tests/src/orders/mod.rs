//! Orders under every fault of the exchange, while executors are killed where it hurts: what callers were told must be
//! what the exchange's log says, as sets.
//!
//! Beside them a naive client has a key of its own, the same exchange and the same faults, which shows what all of it is
//! good for.

mod cluster;
mod faults;
mod keys;
mod naive;
mod traders;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

pub use cluster::Point;
pub use naive::Naive;
pub use traders::Told;

use crate::judge::executions;
use cluster::Cluster;
use traders::Traders;

/// How long a caller may be without a last word when nothing goes wrong any more: the longest deadline of a call and what
/// a verdict takes behind it.
const LAST_WORD: Duration = Duration::from_secs(100);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Orders of all callers together.
    pub orders: usize,
    /// Callers.
    pub callers: usize,
    /// Trade executors that are killed.
    pub kills: usize,
    /// Keys that place orders.
    pub keys: usize,
}

impl Size {
    /// What the drill demands.
    pub const FULL: Self = Self { orders: 20_000, callers: 40, kills: 30, keys: 240 };
}

/// What became of a client's orders, and what it thinks of it. All but the first must be zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Orders that it wanted to place.
    pub orders: usize,
    /// Those that were executed more than once.
    pub doubled: usize,
    /// Executions beyond the first of each order.
    pub surplus: usize,
    /// Orders that it takes for failed and that were executed.
    pub believed_failed: usize,
    /// Orders that it takes for placed and that were not executed.
    pub believed_placed: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Figures {
    /// What was to be done.
    pub size: Size,
    /// From the first order to the last word.
    pub lasted: Duration,
    /// How long after the last fault every caller had a last word.
    pub after: Duration,
    /// Executors that were killed, by where they were.
    pub killed: BTreeMap<Point, usize>,
    /// What callers were told.
    pub told: Told,
    /// What became of the orders.
    pub fate: Fate,
    /// Those that the exchange's engine executed.
    pub executed: usize,
    /// Faults that struck, ours and the naive client's, by name.
    pub struck: BTreeMap<String, u64>,
    /// What became of the naive client's orders.
    pub naive: Naive,
    /// Everything that must not be.
    pub failures: Vec<String>,
    /// Where the logs are, if something is wrong.
    pub kept: Option<PathBuf>,
}

impl Figures {
    /// One paragraph and a table for a report.
    pub fn report(&self) -> String {
        let killed: Vec<_> =
            self.killed.iter().map(|(point, count)| format!("{count} {}", point.name())).collect();
        let struck: Vec<_> = self.struck.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let mut took = self.told.took_ms.clone();
        took.sort_unstable();
        let at =
            |percent: usize| took.get((took.len().max(1) - 1) * percent / 100).copied().unwrap_or_default();
        let mut text = format!(
            "{}, {} callers, {} orders in {} s; killed: {}; faults that struck: {}; {} told accepted, {} told never executed, \
             {} executed at the exchange; from the first call to the last word p50 {} ms, p99 {} ms, max {} ms; all had it {} ms \
             after the last fault; calls that left the fate open: {:?}; calls that settled nothing: {:?}; refused for good: {:?}",
            Cluster::line(self.size.keys),
            self.size.callers,
            self.told.asked.len(),
            self.lasted.as_secs(),
            killed.join(", "),
            struck.join(", "),
            self.told.accepted.len(),
            self.told.never.len(),
            self.executed,
            at(50),
            at(99),
            at(100),
            self.after.as_millis(),
            self.told.open,
            self.told.unsettled,
            self.told.refused,
        );
        text.push_str(
            ".\n\n| client | orders | executed more than once | executions too many | taken for failed, but executed | taken for \
             placed, but not executed |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        let naive = format!("naive, sends again under a new nonce ({} requests)", self.naive.requests);
        for (client, fate) in [("tidegate", self.fate), (naive.as_str(), self.naive.fate)] {
            let Fate { orders, doubled, surplus, believed_failed, believed_placed } = fate;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {client} | {orders} | {doubled} | {surplus} | {believed_failed} | {believed_placed} |"
            );
        }
        text
    }
}

/// What became of the callers' orders, how many were executed, and everything that must not be.
fn judge(told: &Told, log: &[Value]) -> (Fate, usize, Vec<String>) {
    let own: Vec<Value> = log.iter().filter(|entry| entry["key"] != naive::KEY).cloned().collect();
    let times = executions(&own);
    let executed: BTreeSet<String> = times.keys().cloned().collect();
    let decided: BTreeSet<String> = told.accepted.union(&told.never).cloned().collect();
    let mut fate = Fate { orders: told.asked.len(), ..Fate::default() };
    let mut wrong = Vec::new();
    for (handle, count) in times.iter().filter(|(_, count)| **count > 1) {
        fate.doubled += 1;
        fate.surplus += count - 1;
        wrong.push(format!("{handle} was executed {count} times"));
    }
    for handle in told.accepted.difference(&executed) {
        fate.believed_placed += 1;
        wrong.push(format!("{handle} was told accepted, and the exchange never executed it"));
    }
    for handle in told.never.intersection(&executed) {
        fate.believed_failed += 1;
        wrong.push(format!("{handle} was told never executed, and the exchange executed it"));
    }
    wrong.extend(told.asked.difference(&decided).map(|handle| format!("{handle} has no last word")));
    for handle in executed.difference(&told.asked) {
        wrong.push(format!("{handle:?} came to the exchange, and nobody asked for it"));
    }
    (fate, executed.len(), wrong)
}

/// Lets callers place orders while everything goes wrong, and judges what they were told.
///
/// # Errors
/// When a process does not come up, or the exchange's log cannot be read.
pub async fn run(size: Size) -> anyhow::Result<Figures> {
    let mut cluster = Cluster::start(size.keys).await?;
    let feeder = tokio::spawn(faults::feed(cluster.house.pages.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let naive = tokio::spawn(naive::Client::work(cluster.exchange(), Arc::clone(&stop)));
    let began = Instant::now();
    let traders = Traders::start(cluster.addr(), size.callers, size.orders)?;
    let harmed = harm(&mut cluster, &traders, size).await;
    stop.store(true, Ordering::Relaxed);
    let naive = naive.await.context("the naive client fell over")??;
    ensure!(!feeder.is_finished(), "the faults ran out: {:?}", feeder.await);
    feeder.abort();
    cluster.house.pages.switch(&json!({ "clear_faults": true })).await?;
    let healed = Instant::now();
    let told = traders.finish(LAST_WORD).await?;
    let (after, lasted) = (healed.elapsed(), began.elapsed());

    let log = cluster.house.pages.settled_log().await?;
    let stats = cluster.house.pages.stats().await?;
    let struck = stats["faults"].as_object().into_iter().flatten();
    let (fate, executed, mut failures) = judge(&told, &log);
    failures.extend(told.unmarked.iter().map(|what| format!("without our mark: {what}")));
    let killed = harmed.unwrap_or_else(|error| {
        failures.push(format!("the killing ended early: {error:#}"));
        BTreeMap::new()
    });
    let mut figures = Figures {
        size,
        lasted,
        after,
        killed,
        fate,
        executed,
        struck: struck.map(|(name, count)| (name.clone(), count.as_u64().unwrap_or_default())).collect(),
        naive: naive.judge(&log),
        told,
        failures,
        kept: None,
    };
    if !figures.failures.is_empty() {
        let dir = cluster.house.keep();
        std::fs::write(dir.join("exchange.json"), serde_json::to_string(&log)?)?;
        figures.failures.push(format!("logs are in {}", dir.display()));
        figures.kept = Some(dir);
    }
    Ok(figures)
}

/// Kills trade executors, spread evenly over the orders, each aimed at a failpoint in turn and every fifth at none.
async fn harm(
    cluster: &mut Cluster,
    traders: &Traders,
    size: Size,
) -> anyhow::Result<BTreeMap<Point, usize>> {
    let mut killed = BTreeMap::new();
    for turn in 0..size.kills {
        let due = size.orders * (turn + 1) / (size.kills + 1);
        while traders.begun() < due {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let point = Point::AIMED.get(turn % 5).copied().unwrap_or(Point::Anywhere);
        *killed.entry(cluster.kill(turn, point).await?).or_default() += 1;
    }
    while traders.begun() < size.orders {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(killed)
}
