//! Trade and read executors and gateways on one Redis, with a link on each way of a trade executor: to the store and to
//! the exchange. What is held on a link is a failpoint that is seen from outside.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tempfile::TempDir;
use tidegate_proto::v1;
use tokio::time::Instant;
use tonic::transport::Endpoint;

use super::keys;
use crate::house::{House, Plan, lanes};
use crate::process::Process;
use crate::redis::{Caught, Hold, StoreLink};
use crate::service::Service;

const TRADERS: usize = 3;
const READERS: usize = 2;
const GATEWAYS: usize = 2;
const READ_KEYS: [&str; 3] = ["sandbox-read", "sandbox-read-2", "sandbox-window"];
/// How long lanes may take to be open.
const OPEN: Duration = Duration::from_secs(60);
/// How long a failpoint may take to be reached.
const REACHED: Duration = Duration::from_secs(10);
/// For so long an order waits in front of the engine where its sender shall die meanwhile.
const ENGINE_DELAY_MS: u64 = 400;

/// Where a trade executor is when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The store has its claim, and the answer is held back.
    ClaimAnswer,
    /// Its order is written and waits in front of the engine.
    Written,
    /// Its order was executed, and the answer is held back.
    Executed,
    /// It writes an outcome down, and the store does not get it.
    Settle,
    /// Anywhere.
    Anywhere,
}

impl Point {
    /// Those that are aimed at.
    pub const AIMED: [Self; 4] = [Self::ClaimAnswer, Self::Written, Self::Executed, Self::Settle];

    /// A part of a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClaimAnswer => "while the answer to a claim was held back",
            Self::Written => "after the order was written, before the engine had it",
            Self::Executed => "after the engine had answered, while the answer was held back",
            Self::Settle => "while an outcome was held back from the store",
            Self::Anywhere => "at any moment",
        }
    }
}

/// A trade executor and its ways.
#[derive(Debug)]
struct Trader {
    process: Process,
    store: StoreLink,
    exchange: StoreLink,
}

impl Trader {
    fn lie_in_wait(&self, point: Point) {
        match point {
            // Words of a command are whole arguments, as RESP writes them.
            Point::ClaimAnswer => self.store.lie_in_wait("\r\n$5\r\nclaim\r\n", Hold::Answer),
            Point::Settle => self.store.lie_in_wait("\r\n$6\r\nsettle\r\n", Hold::Request),
            Point::Written | Point::Executed => {
                self.exchange.lie_in_wait("/0/private/AddOrder HTTP", Hold::Answer);
            }
            Point::Anywhere => {}
        }
    }

    async fn caught(&self, point: Point) {
        match point {
            Point::ClaimAnswer | Point::Settle => self.store.caught(Caught::Held).await,
            Point::Written => self.exchange.caught(Caught::Written).await,
            Point::Executed => self.exchange.caught(Caught::Held).await,
            Point::Anywhere => {}
        }
    }

    fn release(&self) {
        self.store.release();
        self.exchange.release();
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct Cluster {
    traders: Vec<Trader>,
    readers: Vec<Process>,
    gateways: Vec<Process>,
    service: Service,
    started: usize,
    /// Where the keys are.
    keys: TempDir,
    /// How many of them place orders.
    trade_keys: usize,
    /// The exchange, the store, and the directory. Last, so that it outlives the processes.
    pub(super) house: House,
}

impl Cluster {
    /// Starts it with so many keys that place orders, and waits until every lane is open.
    ///
    /// # Errors
    /// When a process does not come up, or a lane does not open.
    pub(super) async fn start(trade_keys: usize) -> anyhow::Result<Self> {
        let keys = tempfile::tempdir()?;
        let file = keys::write(keys.path(), trade_keys)?;
        let sandbox = format!("random_delay_ms = 20\nkeys_file = \"{}\"", file.display());
        let plan = Plan { redis: true, sandbox, ..Plan::default() };
        let house = House::build(plan).await?;
        let service = Service::start().await?;
        let mut cluster = Self {
            traders: Vec::new(),
            readers: Vec::new(),
            gateways: Vec::new(),
            service,
            started: 0,
            keys,
            trade_keys,
            house,
        };
        for _ in 0..TRADERS {
            let store = cluster.house.redis.as_ref().context("a store")?.port();
            let (store, exchange) = (
                StoreLink::start(store).await?,
                StoreLink::start(cluster.house.sandbox.addr("sandbox/rest").port()).await?,
            );
            let process = cluster.trader(&store, &exchange).await?;
            cluster.traders.push(Trader { process, store, exchange });
        }
        for _ in 0..READERS {
            let config = cluster.config("read")?;
            let process = cluster.process("executor", &config).await?;
            cluster.readers.push(process);
        }
        for _ in 0..GATEWAYS {
            let mut config = cluster.house.config(&[], "[gateway.executors]\n")?;
            let executors = cluster.traders.iter().map(|trader| &trader.process).chain(&cluster.readers);
            for (at, executor) in executors.enumerate() {
                writeln!(config, "e{at} = \"{}\"", executor.addr("executor/grpc"))?;
            }
            let process = cluster.process("gateway", &config).await?;
            cluster.gateways.push(process);
        }
        cluster.service.set(cluster.gateways.iter().map(|gateway| gateway.addr("gateway/grpc")).collect());
        cluster.all_open().await?;
        Ok(cluster)
    }

    /// The one address for callers.
    pub(super) const fn addr(&self) -> SocketAddr {
        self.service.addr()
    }

    /// The exchange itself, for a client that needs no tidegate.
    pub(super) fn exchange(&self) -> String {
        format!("http://{}", self.house.sandbox.addr("sandbox/rest"))
    }

    /// What it is made of, a part of a report.
    pub(super) fn line(trade_keys: usize) -> String {
        format!(
            "{TRADERS} trade and {READERS} read executors, {GATEWAYS} gateways, one Redis, {trade_keys} trade and {} read keys",
            READ_KEYS.len()
        )
    }

    /// The configuration of a pool's executors. Each is told of all keys and mounts those of its pool.
    fn config(&self, pool: &str) -> anyhow::Result<String> {
        let mut tables = keys::tables(self.keys.path(), self.trade_keys);
        for key in READ_KEYS {
            tables.push_str(&House::key_table(key, &[("pool", "\"read\"")])?);
        }
        let config = self.house.config(&[], &tables)?;
        // One request in twenty is delivered twice, and each is a refused nonce: by its own bound an executor would rest most of
        // the time. That it does is tested elsewhere.
        let kraken = "[kraken]\nauth_failures_max = 100000\n";
        ensure!(
            config.contains("[kraken]\n") && config.contains("[executor]\n"),
            "a configuration without its tables"
        );
        Ok(config
            .replace("[executor]\n", &format!("[executor]\npool = \"{pool}\"\n"))
            .replace("[kraken]\n", kraken))
    }

    async fn trader(&mut self, store: &StoreLink, exchange: &StoreLink) -> anyhow::Result<Process> {
        let straight = self.house.redis.as_ref().context("a store")?.url();
        let config = self
            .config("trade")?
            .replace(&straight, &store.url())
            .replace(&self.house.sandbox.addr("sandbox/rest").to_string(), &exchange.addr().to_string());
        self.process("executor", &config).await
    }

    async fn process(&mut self, role: &str, config: &str) -> anyhow::Result<Process> {
        self.started += 1;
        let (name, listener) = (format!("{role}-{}", self.started), format!("{role}/grpc"));
        Process::start(self.house.dir(), &name, role, config, &[&listener]).await
    }

    /// Waits until a gateway sees every lane open.
    pub(super) async fn all_open(&self) -> anyhow::Result<()> {
        let channel = Endpoint::from_shared(format!("http://{}", self.addr()))?.connect_lazy();
        let deadline = Instant::now() + OPEN;
        loop {
            let seen = lanes(channel.clone()).await;
            let open = seen.iter().filter(|lane| lane.state() == v1::LaneState::Open).count();
            if open == self.trade_keys + READ_KEYS.len() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let states: Vec<_> =
                    seen.iter().map(|l| format!("{} {:?}", l.key_label, l.state())).collect();
                bail!("a gateway sees {states:?} after {} s", OPEN.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills a trade executor when it is there, or one of them anywhere if none comes there in time, and starts another
    /// in its place. Where it was.
    ///
    /// # Errors
    /// When none comes up.
    pub(super) async fn kill(&mut self, turn: usize, point: Point) -> anyhow::Result<Point> {
        if point == Point::Written {
            self.house.pages.switch(&json!({ "engine_delay_ms": ENGINE_DELAY_MS })).await?;
        }
        for trader in &self.traders {
            trader.lie_in_wait(point);
        }
        let first = {
            let [one, two, three] = [0, 1, 2].map(|at| self.traders[at].caught(point));
            tokio::select! {
                () = one => Some(0),
                () = two => Some(1),
                () = three => Some(2),
                () = tokio::time::sleep(REACHED) => None,
            }
        };
        let (at, was) = match first {
            Some(at) if point != Point::Anywhere => (at, point),
            _ => (turn % TRADERS, Point::Anywhere),
        };
        self.traders[at].process.kill().await;
        for trader in &self.traders {
            trader.release();
        }
        if point == Point::Written {
            self.house.pages.switch(&json!({ "engine_delay_ms": 0 })).await?;
        }
        let Trader { store, exchange, .. } = self.traders.remove(at);
        let process = self.trader(&store, &exchange).await?;
        self.traders.insert(at, Trader { process, store, exchange });
        Ok(was)
    }
}
