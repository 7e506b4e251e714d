//! Rolling restarts under load, driven as Kubernetes drives them: a new process is started and becomes ready, the old
//! one gets SIGTERM, is taken out of the service only a while later, and must end with code 0 within its grace period.
//!
//! Strategies go on calling through the service's one address. Whatever fails must carry tidegate's mark, and the
//! exchange must have refused no nonce.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::Instant;
use tonic::transport::Endpoint;

use crate::callers::{Callers, Ledger};
use crate::house::{House, Plan, settled};
use crate::judge::forbidden_refusals;
use crate::process::Process;
use crate::service::Service;
use crate::{eventually, http};

const CALLERS: usize = 8;
/// How much later than SIGTERM the service learns that a process is going.
const ENDPOINTS_LAG: Duration = Duration::from_millis(700);
/// For how long a gateway goes on as before after SIGTERM.
const DELAY_MS: u64 = 1_500;
/// The grace period of the cluster.
const GRACE: Duration = Duration::from_secs(30);

/// One set of equal processes, a Deployment.
struct Deployment {
    name: &'static str,
    role: &'static str,
    listener: &'static str,
    pods: Vec<Process>,
    started: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Figures {
    /// Processes that were replaced, by deployment.
    pub replaced: Vec<(&'static str, usize)>,
    /// What callers were told. None of their calls may be broken off.
    pub told: Ledger,
    /// Requests that the exchange refused and must not have: must be empty.
    pub forbidden: Vec<String>,
    /// Orders told to be accepted or refused that the exchange knows differently: must be empty.
    pub contradicted: Vec<String>,
    /// From SIGTERM to the end of each process, in milliseconds, sorted.
    pub ends_ms: Vec<u128>,
}

impl Figures {
    /// Everything that must not be.
    pub fn failures(&self) -> Vec<String> {
        let broken = self.told.transport.iter().map(|(said, count)| format!("{count} x {said}"));
        let lists = [&self.told.unmarked, &self.forbidden, &self.contradicted];
        lists.into_iter().flatten().cloned().chain(broken).collect()
    }

    /// One line for a report.
    pub fn line(&self) -> String {
        let mut text = String::new();
        for (name, count) in &self.replaced {
            // Writing to a String cannot fail.
            let _ = write!(text, "{count} processes of {name}, ");
        }
        let at = |percent: usize| self.ends_ms.get((self.ends_ms.len().max(1) - 1) * percent / 100).copied();
        let _ = write!(
            text,
            "{}, {} forbidden refusals of the exchange, {} contradicted; from SIGTERM to the end p50 {} ms, max {} ms",
            self.told.line(),
            self.forbidden.len(),
            self.contradicted.len(),
            at(50).unwrap_or_default(),
            at(100).unwrap_or_default(),
        );
        text
    }
}

/// The cluster: three deployments, a service before the gateways.
struct Cluster {
    house: House,
    service: Service,
    gateways: Deployment,
    readers: Deployment,
    traders: Deployment,
    pages: reqwest::Client,
    ends_ms: Vec<u128>,
}

impl Cluster {
    async fn start() -> anyhow::Result<Self> {
        let plan = Plan { redis: true, sandbox: "random_delay_ms = 20".into(), ..Plan::default() };
        let deployment =
            |name, role, listener| Deployment { name, role, listener, pods: Vec::new(), started: 0 };
        let mut cluster = Self {
            house: House::build(plan).await?,
            service: Service::start().await?,
            gateways: deployment("gateway", "gateway", "gateway/grpc"),
            readers: deployment("read", "executor", "executor/grpc"),
            traders: deployment("trade", "executor", "executor/grpc"),
            pages: http()?,
            ends_ms: Vec::new(),
        };
        for which in [Which::Read, Which::Trade, Which::Gateway] {
            for _ in 0..2 {
                cluster.add(which).await?;
            }
        }
        Ok(cluster)
    }

    fn deployment(&mut self, which: Which) -> &mut Deployment {
        match which {
            Which::Gateway => &mut self.gateways,
            Which::Read => &mut self.readers,
            Which::Trade => &mut self.traders,
        }
    }

    fn config(&self, which: Which) -> anyhow::Result<String> {
        let mut text = self.house.config(&[], "")?;
        if let Some(pool) = which.pool() {
            text = text.replace("[executor]\n", &format!("[executor]\npool = \"{pool}\"\n"));
            // Every executor is told of all keys, and mounts those of its pool.
            for key in ["sandbox-read", "sandbox-read-2", "sandbox-trade", "sandbox-trade-2"] {
                let of = if key.contains("read") { "\"read\"" } else { "\"trade\"" };
                text.push_str(&House::key_table(key, &[("pool", of)])?);
            }
        }
        writeln!(text, "[shutdown]\ndelay_ms = {DELAY_MS}\ngrace_ms = 10000")?;
        if which == Which::Gateway {
            // What the names of the headless services stand for at this moment.
            text.push_str("[gateway.executors]\n");
            for (i, pod) in self.readers.pods.iter().chain(&self.traders.pods).enumerate() {
                writeln!(text, "e{i} = \"{}\"", pod.addr("executor/grpc"))?;
            }
        }
        Ok(text)
    }

    /// Starts one more process and waits until it says that it is ready.
    async fn add(&mut self, which: Which) -> anyhow::Result<()> {
        let config = self.config(which)?;
        let dir = self.house.dir().to_owned();
        let deployment = self.deployment(which);
        let name = format!("{}-{}", deployment.name, deployment.started);
        deployment.started += 1;
        let listeners = [deployment.listener, "admin/http"];
        let process = Process::start(&dir, &name, deployment.role, &config, &listeners).await?;
        let page = format!("http://{}/readyz", process.addr("admin/http"));
        deployment.pods.push(process);
        eventually(&format!("{name} to be ready"), || async {
            self.pages.get(&page).send().await.is_ok_and(|r| r.status().is_success()).then_some(())
        })
        .await;
        self.route(&[]);
        Ok(())
    }

    /// Tells the service where connections go: to all gateways but those that are known to be going.
    fn route(&self, going: &[SocketAddr]) {
        let all = self.gateways.pods.iter().map(|pod| pod.addr("gateway/grpc"));
        self.service.set(all.filter(|addr| !going.contains(addr)).collect());
    }

    /// Replaces every process of a deployment, one after the other.
    async fn roll(&mut self, which: Which) -> anyhow::Result<()> {
        for _ in 0..self.deployment(which).pods.len() {
            self.add(which).await?;
            let deployment = self.deployment(which);
            let mut old = deployment.pods.remove(0);
            let gone = old.addr(deployment.listener);
            let asked = Instant::now();
            old.terminate();
            if which == Which::Gateway {
                // Until the endpoints are updated the service sends connections there.
                let mut known: Vec<_> =
                    self.gateways.pods.iter().map(|pod| pod.addr("gateway/grpc")).collect();
                known.push(gone);
                self.service.set(known);
                tokio::time::sleep(ENDPOINTS_LAG).await;
                self.route(&[]);
            }
            let ended =
                tokio::time::timeout(GRACE, old.ended()).await.context("the grace period is over")??;
            self.ends_ms.push(asked.elapsed().as_millis());
            ensure!(ended.code() == Some(0), "ended with {ended}:\n{}", old.log_tail());
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Gateway,
    Read,
    Trade,
}

impl Which {
    /// Whose keys it mounts.
    const fn pool(self) -> Option<&'static str> {
        match self {
            Self::Gateway => None,
            Self::Read => Some("read"),
            Self::Trade => Some("trade"),
        }
    }
}

/// Restarts every deployment `rounds` times under load.
///
/// # Errors
/// When a process does not start, or does not end as it must.
pub async fn restarts(rounds: usize) -> anyhow::Result<Figures> {
    let mut cluster = Cluster::start().await?;
    let address = format!("http://{}", cluster.service.addr());
    settled(Endpoint::from_shared(address.clone())?.connect_lazy()).await;
    let callers = Callers::start(cluster.service.addr(), CALLERS, Duration::ZERO)?;
    let mut rolled = Ok(());
    for _ in 0..rounds {
        for which in [Which::Gateway, Which::Read, Which::Trade] {
            rolled = match rolled {
                Ok(()) => cluster.roll(which).await,
                failed => failed,
            };
        }
    }
    let told = callers.finish().await?;
    rolled?;

    let log = cluster.house.pages.settled_log().await?;
    cluster.ends_ms.sort_unstable();
    Ok(Figures {
        replaced: [&cluster.gateways, &cluster.readers, &cluster.traders]
            .map(|d| (d.name, d.started - 2))
            .to_vec(),
        contradicted: told.contradicted(&log),
        told,
        forbidden: forbidden_refusals(&log).iter().map(ToString::to_string).collect(),
        ends_ms: cluster.ends_ms,
    })
}
