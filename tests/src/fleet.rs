//! Executors and gateways in processes of their own on one set of keys, and a service before the gateways.
//!
//! Every executor mounts every key, so each can take over from each. A process that ends is started again as a cluster
//! does it: at a new address, and again and again until it comes up.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::bail;
use tidegate_proto::v1;
use tonic::transport::{Channel, Endpoint};

use crate::house::{House, lanes};
use crate::process::Process;
use crate::service::Service;

/// How long a process may take to come up.
const START: Duration = Duration::from_secs(60);

/// What a process of the fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Holds all keys.
    Executor,
    /// Holds none.
    Gateway,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Executor => "executor",
            Self::Gateway => "gateway",
        }
    }

    const fn listener(self) -> &'static str {
        match self {
            Self::Executor => "executor/grpc",
            Self::Gateway => "gateway/grpc",
        }
    }
}

/// The running fleet.
#[derive(Debug)]
pub struct Fleet {
    /// All executors.
    pub executors: Vec<Process>,
    /// All gateways.
    pub gateways: Vec<Process>,
    service: Service,
    /// Tables of the configuration: the store, the keys.
    tables: String,
    started: usize,
    /// The exchange, and the directory. Last, so that it outlives the processes.
    pub house: House,
}

impl Fleet {
    /// Starts so many of each. `tables` is put behind the configuration of the house: the keys, and the store unless the
    /// house has one.
    ///
    /// # Errors
    /// When a process does not come up.
    pub async fn start(
        house: House,
        executors: usize,
        gateways: usize,
        tables: String,
    ) -> anyhow::Result<Self> {
        let service = Service::start().await?;
        let mut fleet =
            Self { executors: Vec::new(), gateways: Vec::new(), service, tables, started: 0, house };
        for (role, count) in [(Role::Executor, executors), (Role::Gateway, gateways)] {
            for _ in 0..count {
                let process = fleet.process(role).await?;
                fleet.of(role).push(process);
            }
        }
        fleet.route();
        Ok(fleet)
    }

    /// The processes of a role.
    pub const fn of(&mut self, role: Role) -> &mut Vec<Process> {
        match role {
            Role::Executor => &mut self.executors,
            Role::Gateway => &mut self.gateways,
        }
    }

    /// The one address for callers.
    pub const fn addr(&self) -> SocketAddr {
        self.service.addr()
    }

    /// A channel to it.
    ///
    /// # Errors
    /// Never; the address is one.
    pub fn channel(&self) -> anyhow::Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.addr()))?.connect_lazy())
    }

    /// Stops a process dead and starts another in its place.
    ///
    /// # Errors
    /// When none comes up.
    pub async fn kill(&mut self, role: Role, at: usize) -> anyhow::Result<()> {
        self.of(role)[at].kill().await;
        self.replace(role, at).await
    }

    /// Starts another process in the place of one that has ended.
    ///
    /// # Errors
    /// When none comes up.
    pub async fn replace(&mut self, role: Role, at: usize) -> anyhow::Result<()> {
        let process = self.process(role).await?;
        self.of(role)[at] = process;
        self.route();
        Ok(())
    }

    fn route(&self) {
        self.service.set(self.gateways.iter().map(|gateway| gateway.addr("gateway/grpc")).collect());
    }

    fn config(&self, role: Role) -> anyhow::Result<String> {
        let mut text = self.house.config(&[], &self.tables)?;
        if role == Role::Gateway {
            // It gets no keys: it holds none.
            text = text.split("[keys.").next().unwrap_or_default().to_owned();
            text.push_str("[gateway.executors]\n");
            for (at, executor) in self.executors.iter().enumerate() {
                writeln!(text, "e{at} = \"{}\"", executor.addr("executor/grpc"))?;
            }
        }
        Ok(text)
    }

    /// Starts a process; again when it ends at once, as one does that finds no store.
    async fn process(&mut self, role: Role) -> anyhow::Result<Process> {
        let deadline = tokio::time::Instant::now() + START;
        loop {
            self.started += 1;
            let name = format!("{}-{}", role.name(), self.started);
            let config = self.config(role)?;
            match Process::start(self.house.dir(), &name, role.name(), &config, &[role.listener()]).await {
                Err(error) if tokio::time::Instant::now() >= deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
                started => return started,
            }
        }
    }

    /// Waits until a gateway sees every lane open, so many of them, at most so long. Says how long that took.
    ///
    /// # Errors
    /// When time is over; the lanes that are not open are named.
    pub async fn all_open(&self, count: usize, limit: Duration) -> anyhow::Result<Duration> {
        let began = tokio::time::Instant::now();
        loop {
            let seen = lanes(self.channel()?).await;
            if seen.len() == count && seen.iter().all(|lane| lane.state() == v1::LaneState::Open) {
                return Ok(began.elapsed());
            }
            if began.elapsed() >= limit {
                let states: Vec<_> =
                    seen.iter().map(|lane| format!("{} {:?}", lane.key_label, lane.state())).collect();
                bail!("of {count} lanes a gateway sees {states:?} after {} s", limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
