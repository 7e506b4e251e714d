//! Everything at once: processes killed and stopped, the store failed over and emptied, calls that hang, under steady
//! load, and nobody there to help.
//!
//! Judged by the exchange's log and by what callers were told, never by a log of tidegate's own. At the end every lane
//! must be open again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use serde_json::json;
use tokio::time::Instant;

use crate::callers::{Callers, Ledger};
use crate::fleet::{Fleet, Role};
use crate::house::{House, Plan, sandbox_key};
use crate::judge::{Nonces, nonces};
use crate::redis::{Failover, Keep, RedisPair, RedisSentinels};

const EXECUTORS: usize = 4;
const GATEWAYS: usize = 2;
const CALLERS: usize = 12;
/// What a caller rests between two rounds. Three calls a round: about a hundred calls per second in all.
const REST: Duration = Duration::from_millis(250);
/// Two of them with a window, and one of these places orders.
const KEYS: [&str; 8] = [
    "sandbox-read",
    "sandbox-read-2",
    "sandbox-window",
    "sandbox-trade",
    "sandbox-trade-2",
    "sandbox-trade-window",
    "sandbox-cancel",
    "sandbox-all",
];
/// So long a call hangs at the exchange now and then: longer than a lane waits for it.
const HANG_MS: u64 = 6_500;
/// How long lanes may take to be open again when nothing goes wrong any more.
const RECOVERY: Duration = Duration::from_secs(60);

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Processes stopped dead and started again.
    pub kills: usize,
    /// Processes that stand still for a while.
    pub stops: usize,
    /// For how long.
    pub stop: Duration,
    /// Another server becomes the primary of the store.
    pub failovers: usize,
    /// The store is emptied, all times within a minute.
    pub losses: usize,
    /// How long the load goes on when nothing goes wrong at all.
    pub calm: Duration,
}

impl Faults {
    /// What the drill demands.
    pub const FULL: Self = Self {
        kills: 20,
        stops: 20,
        stop: Duration::from_secs(8),
        failovers: 5,
        losses: 3,
        calm: Duration::ZERO,
    };

    /// Nothing goes wrong.
    pub const fn none(calm: Duration) -> Self {
        Self { kills: 0, stops: 0, stop: Duration::ZERO, failovers: 0, losses: 0, calm }
    }

    /// Whether an n-th of `all` is due in a step, if they are spread evenly over `steps`.
    const fn due(all: usize, step: usize, steps: usize) -> bool {
        (step + 1) * all / steps > step * all / steps
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Figures {
    /// Where the grants were.
    pub kind: StoreKind,
    /// What went wrong.
    pub faults: Faults,
    /// How long the load lasted.
    pub lasted: Duration,
    /// How long the lanes took to be open when the last fault was over.
    pub recovered: Duration,
    /// What callers were told.
    pub told: Ledger,
    /// What the log shows of nonces.
    pub nonces: Nonces,
    /// Requests in it.
    pub requests: usize,
    /// Orders told to be accepted or refused that the exchange knows differently.
    pub contradicted: Vec<String>,
    /// Where the logs are, if something is wrong.
    pub kept: Option<PathBuf>,
}

impl Figures {
    /// Everything that must not be.
    pub fn failures(&self) -> Vec<String> {
        let lists = [&self.told.unmarked, &self.told.nonces, &self.contradicted];
        let mut failures: Vec<_> =
            lists.into_iter().flatten().chain(self.nonces.failures()).cloned().collect();
        if let Some(dir) = self.kept.as_ref().filter(|_| !failures.is_empty()) {
            failures.push(format!("logs are in {}", dir.display()));
        }
        if self.faults.stops == 0 && self.nonces.refused() > 0 {
            failures
                .push(format!("{} nonces were refused although nothing went wrong", self.nonces.refused()));
        }
        failures
    }

    /// One line for a report.
    pub fn line(&self) -> String {
        let Faults { kills, stops, stop, failovers, losses, .. } = self.faults;
        let store = match self.kind {
            StoreKind::Pair => "Redis with a replica behind one address",
            StoreKind::Sentinels => "Redis with a replica and three sentinels",
        };
        format!(
            "{store}, {EXECUTORS} executors, {GATEWAYS} gateways, {} keys, {} s: {kills} kills, {stops} stops of {} s, {failovers} \
             failovers, {losses} losses of the store; {} requests at the exchange; {}; {}; {} callers saw an invalid nonce, \
             {} orders contradicted; all lanes open {} ms after the last fault",
            KEYS.len(),
            self.lasted.as_secs(),
            stop.as_secs(),
            self.requests,
            self.nonces.line(),
            self.told.line(),
            self.told.nonces.len(),
            self.contradicted.len(),
            self.recovered.as_millis(),
        )
    }
}

/// What kind of store the fleet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// A primary and a replica behind one address, promoted by somebody else, who loses acknowledged writes.
    Pair,
    /// A primary and a replica that three sentinels watch.
    Sentinels,
}

/// The store of the fleet, and how it is harmed. The one place that knows what kind of store it is.
#[derive(Debug)]
enum Store {
    Pair(Box<RedisPair>),
    Sentinels(RedisSentinels),
}

impl Store {
    async fn start(kind: StoreKind, dir: &Path) -> anyhow::Result<Self> {
        Ok(match kind {
            StoreKind::Pair => Self::Pair(Box::new(RedisPair::start(dir, &[]).await?)),
            StoreKind::Sentinels => Self::Sentinels(RedisSentinels::start(dir, &[]).await?),
        })
    }

    /// Its table of the configuration.
    fn table(&self) -> String {
        match self {
            Self::Pair(pair) => format!("[store]\nredis_url = \"{}\"\n", pair.url()),
            Self::Sentinels(watched) => {
                // The old primary goes on for ten seconds until the sentinels tell it that it is none. Whoever was stopped
                // meanwhile may still be connected to it; that its replica has left it is what shows it up.
                let mut text = format!(
                    "[store]\nwait_replicas = 1\nsentinel_master = \"{}\"\n[store.sentinels]\n",
                    RedisSentinels::PRIMARY_NAME
                );
                for (at, url) in watched.sentinel_urls().iter().enumerate() {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "s{at} = \"{}\"", url.trim_start_matches("redis://"));
                }
                text
            }
        }
    }

    /// The other server becomes the primary.
    async fn fail_over(&mut self, turn: usize) -> anyhow::Result<()> {
        match self {
            // Without what was written in the last second. The old primary comes back, thinks that nothing has happened,
            // and then follows.
            Self::Pair(pair) => {
                pair.cut_off_replica();
                tokio::time::sleep(Duration::from_secs(1)).await;
                pair.promote_replica(true).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                pair.old_primary_returns().await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
                pair.demote_old_primary().await
            }
            // Every other time because the primary died; it comes back empty and follows.
            Self::Sentinels(watched) if turn.is_multiple_of(2) => {
                watched.failover(Failover::Asked).await.map(drop)
            }
            Self::Sentinels(watched) => {
                let old = watched.failover(Failover::Killed).await?;
                watched.returns(old, Keep::Nothing).await?;
                watched.follows_again(old).await
            }
        }
    }

    /// Everything in it is gone.
    async fn lose(&mut self, turn: usize) -> anyhow::Result<()> {
        match self {
            Self::Pair(pair) if !turn.is_multiple_of(2) => pair.primary_mut().restart(Keep::Nothing).await,
            Self::Pair(pair) => pair.primary().flush().await,
            Self::Sentinels(watched) => watched.primary().await?.flush().await,
        }
    }
}

/// The keys' tables. A key that places and has a window must be allowed by name.
fn key_tables() -> anyhow::Result<String> {
    let mut text = String::new();
    for key in KEYS {
        text.push_str(&House::key_table(key, &[])?);
        if key == "sandbox-trade-window" {
            text.push_str("allow_placing_with_window = true\n");
        }
    }
    Ok(text)
}

fn windows() -> anyhow::Result<BTreeMap<String, u64>> {
    let window = |label: &str| {
        let key = sandbox_key(label)?;
        let api_key = key["api_key"].as_str().unwrap_or_default().to_owned();
        Ok((api_key, key["nonce_window"].as_u64().unwrap_or_default()))
    };
    KEYS.into_iter().map(window).collect()
}

/// Lets everything go wrong, or nothing, under load.
///
/// # Errors
/// When a process does not come up, or a lane is not open at the end.
pub async fn run(kind: StoreKind, faults: Faults) -> anyhow::Result<Figures> {
    let house = House::build(Plan { sandbox: "random_delay_ms = 50".into(), ..Plan::default() }).await?;
    let mut store = Store::start(kind, house.dir()).await?;
    let tables = store.table() + &key_tables()?;
    let mut fleet = Fleet::start(house, EXECUTORS, GATEWAYS, tables).await?;
    fleet.all_open(KEYS.len(), RECOVERY).await?;
    let began = Instant::now();
    let callers = Callers::start(fleet.addr(), CALLERS, REST)?;
    let harmed = harm(&mut fleet, &mut store, faults).await;
    let recovered = match harmed {
        Ok(()) => fleet.all_open(KEYS.len(), RECOVERY).await,
        Err(error) => Err(error),
    };
    let told = callers.finish().await?;
    let lasted = began.elapsed();
    let recovered = match recovered {
        Ok(recovered) => recovered,
        Err(error) => {
            let dir = fleet.house.keep();
            return Err(error.context(format!(
                "after {} s; logs are in {}",
                lasted.as_secs(),
                dir.display()
            )));
        }
    };
    let log = fleet.house.pages.settled_log().await?;
    ensure!(log.iter().any(|entry| entry["executed"] == true), "nothing was executed at all");
    let mut figures = Figures {
        kind,
        faults,
        lasted,
        recovered,
        nonces: nonces(&log, &windows()?),
        requests: log.len(),
        contradicted: told.contradicted(&log),
        told,
        kept: None,
    };
    if !figures.failures().is_empty() {
        let dir = fleet.house.keep();
        std::fs::write(dir.join("exchange.json"), serde_json::to_string(&log)?)?;
        figures.kept = Some(dir);
    }
    Ok(figures)
}

/// In each step one process stands still; meanwhile another is killed, a call hangs, and the store suffers.
async fn harm(fleet: &mut Fleet, store: &mut Store, faults: Faults) -> anyhow::Result<()> {
    tokio::time::sleep(faults.calm).await;
    let steps = faults.stops.max(faults.kills);
    // The losses are in the middle of it, in steps in a row, which makes one minute of up to six steps.
    let losses = (steps / 2)..(steps / 2 + faults.losses.min(steps));
    for step in 0..steps {
        let stopped = place(step);
        let stops = Faults::due(faults.stops, step, steps);
        let until = Instant::now() + faults.stop;
        if stops {
            fleet.of(stopped.0)[stopped.1].freeze();
        }
        let endpoint = ["AddOrder", "Balance", "CancelOrder"][step % 3];
        fleet
            .house
            .pages
            .switch(&json!({ "faults": [{ "endpoint": endpoint, "hang_ms": HANG_MS }] }))
            .await?;
        if losses.contains(&step) {
            store.lose(step - losses.start).await?;
        }
        if Faults::due(faults.kills, step, steps) {
            // Never the one that stands still.
            let killed = place(step + 2);
            fleet.kill(killed.0, killed.1).await?;
        }
        if Faults::due(faults.failovers, step, steps) {
            store.fail_over(step * faults.failovers / steps).await?;
        }
        if stops {
            tokio::time::sleep_until(until).await;
            fleet.of(stopped.0)[stopped.1].thaw();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// Whose turn it is: each executor, and of every five one gateway.
const fn place(turn: usize) -> (Role, usize) {
    match turn % (EXECUTORS + 1) {
        EXECUTORS => (Role::Gateway, turn / (EXECUTORS + 1) % GATEWAYS),
        executor => (Role::Executor, executor),
    }
}

/// The reasons that were given, a part of a report.
pub fn reasons(told: &Ledger) -> String {
    let mut text = String::new();
    for (said, count) in told.refused.iter().chain(&told.unresolved).chain(&told.transport) {
        let _ = write!(text, "; {count} x \"{said}\"");
    }
    text
}
