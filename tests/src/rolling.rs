//! Rolling restarts under load, driven as Kubernetes drives them: a new process is started and becomes ready, the old
//! one gets SIGTERM, is taken out of the service only a while later, and must end with code 0 within its grace period.
//!
//! Strategies go on calling through the service's one address. Whatever fails must carry tidegate's mark, and the
//! exchange must have refused no nonce.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::house::{House, Plan, settled};
use crate::judge::{forbidden_refusals, promises_not_executed};
use crate::load::{handle_of, resting_order};
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
    /// Calls that were answered.
    pub answered: u64,
    /// Orders and cancels whose fate was left open, by reason.
    pub unresolved: BTreeMap<String, u64>,
    /// Calls that failed with our mark, by what was said.
    pub refused: BTreeMap<String, u64>,
    /// Calls that the client's library took back before they were written, and that were then made again.
    pub taken_back: u64,
    /// Calls that failed without it: must be empty.
    pub unmarked: Vec<String>,
    /// Requests that the exchange refused and must not have: must be empty.
    pub forbidden: Vec<String>,
    /// Orders told to be accepted or refused that the exchange knows differently: must be empty.
    pub contradicted: Vec<String>,
    /// From SIGTERM to the end of each process, in milliseconds, sorted.
    pub ends_ms: Vec<u128>,
}

impl Figures {
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
            "{} calls answered, {} refused with our mark, {} taken back by the client's library, {} unresolved, {} failed without our mark, {} forbidden \
             refusals of the exchange, {} contradicted; from SIGTERM to the end p50 {} ms, max {} ms",
            self.answered,
            self.refused.values().sum::<u64>(),
            self.taken_back,
            self.unresolved.values().sum::<u64>(),
            self.unmarked.len(),
            self.forbidden.len(),
            self.contradicted.len(),
            at(50).unwrap_or_default(),
            at(100).unwrap_or_default(),
        );
        text
    }
}

/// What one caller was told.
#[derive(Debug, Default)]
struct Told {
    answered: AtomicU64,
    unresolved: std::sync::Mutex<Vec<String>>,
    taken_back: AtomicU64,
    refused: std::sync::Mutex<Vec<String>>,
    unmarked: std::sync::Mutex<Vec<String>>,
    /// Handles of orders told to be accepted, and of orders told not to be executed.
    accepted: std::sync::Mutex<BTreeSet<String>>,
    never: std::sync::Mutex<BTreeSet<String>>,
}

impl Told {
    /// Makes a call, again while the library takes it back unsent.
    async fn send<C: Clone, T, F>(&self, client: &C, call: impl Fn(C) -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        loop {
            match call(client.clone()).await {
                Err(status) if was_taken_back(&status) => {
                    self.taken_back.fetch_add(1, Ordering::Relaxed);
                }
                answer => return answer,
            }
        }
    }

    /// Whether the call was answered; counts what it was told.
    fn judge<T>(&self, what: &str, answer: Result<T, Status>) -> Option<T> {
        match answer {
            Ok(reply) => {
                self.answered.fetch_add(1, Ordering::Relaxed);
                return Some(reply);
            }
            Err(status) if promises_not_executed(&status) => {
                push(&self.refused, format!("{what}: {:?}: {}", status.code(), status.message()));
            }
            Err(status) => push(&self.unmarked, format!("{what}: {status:?}")),
        }
        None
    }

    /// Reads, places and cancels until it is time to stop.
    async fn work(self: Arc<Self>, channel: Channel, stop: Arc<AtomicBool>) {
        let account = AccountServiceClient::new(channel.clone());
        let trading = TradingServiceClient::new(channel);
        while !stop.load(Ordering::Relaxed) {
            let answer = self
                .send(&account, |mut account| async move {
                    account.get_balance(v1::GetBalanceRequest::default()).await
                })
                .await;
            self.judge("GetBalance", answer);
            let order = resting_order();
            let handle = handle_of(&order);
            let answer = self
                .send(&(trading.clone(), order), |(mut trading, order)| async move {
                    trading.add_order(within_5_s(order)).await
                })
                .await;
            if answer.as_ref().is_err_and(promises_not_executed) {
                push(&self.never, handle.clone());
            }
            let Some(reply) = self.judge("AddOrder", answer) else { continue };
            match reply.into_inner().outcome {
                Some(v1::add_order_response::Outcome::Accepted(_)) => push(&self.accepted, handle.clone()),
                Some(v1::add_order_response::Outcome::Unresolved(open)) => {
                    push(&self.unresolved, format!("AddOrder: {}: {}", open.reason, open.text));
                    continue;
                }
                None => {
                    push(&self.unmarked, "AddOrder: a reply without an outcome".to_owned());
                    continue;
                }
            }
            let target = Some(v1::cancel_order_request::Target::ClOrdId(handle));
            let cancel = v1::CancelOrderRequest { context: None, target };
            let cancel = self
                .send(&(trading.clone(), cancel), |(mut trading, cancel)| async move {
                    trading.cancel_order(cancel).await
                })
                .await;
            let outcome = self.judge("CancelOrder", cancel).and_then(|reply| reply.into_inner().outcome);
            if let Some(v1::cancel_order_response::Outcome::Unresolved(open)) = outcome {
                push(&self.unresolved, format!("CancelOrder: {}: {}", open.reason, open.text));
            }
        }
    }
}

fn within_5_s<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(5));
    request
}

/// Whether the client's own library gave the call back because its connection was ending: not a byte of it left. gRPC
/// libraries repeat such a call by themselves ("transparent retry", gRFC A6); tonic leaves that to its user.
fn was_taken_back(status: &Status) -> bool {
    let mut next = std::error::Error::source(status);
    while let Some(error) = next {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        next = error.source();
    }
    false
}

fn push<T, C: Extend<T>>(to: &std::sync::Mutex<C>, value: T) {
    to.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend([value]);
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
        let (pool, keys): (_, &[&str]) = match which {
            Which::Gateway => ("\"none\"", &[]),
            Which::Read => ("\"read\"", &["sandbox-read", "sandbox-read-2"]),
            Which::Trade => ("\"trade\"", &["sandbox-trade", "sandbox-trade-2"]),
        };
        let mut text = self.house.config(&[], "")?;
        for key in keys {
            text.push_str(&House::key_table(key, &[("pool", pool)])?);
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

/// Restarts every deployment `rounds` times under load.
///
/// # Errors
/// When a process does not start, or does not end as it must.
pub async fn restarts(rounds: usize) -> anyhow::Result<Figures> {
    let mut cluster = Cluster::start().await?;
    let address = format!("http://{}", cluster.service.addr());
    settled(Endpoint::from_shared(address.clone())?.connect_lazy()).await;
    let (told, stop) = (Arc::new(Told::default()), Arc::new(AtomicBool::new(false)));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let channel = Endpoint::from_shared(address.clone())?.connect_lazy();
        callers.spawn(Arc::clone(&told).work(channel, Arc::clone(&stop)));
    }
    let mut rolled = Ok(());
    for _ in 0..rounds {
        for which in [Which::Gateway, Which::Read, Which::Trade] {
            rolled = match rolled {
                Ok(()) => cluster.roll(which).await,
                failed => failed,
            };
        }
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.context("a caller fell over")?;
    }
    rolled?;

    let log = cluster.house.pages.log().await?;
    let told = Arc::try_unwrap(told).map_err(|_| anyhow::anyhow!("a caller still works"))?;
    let inner = |set: std::sync::Mutex<BTreeSet<String>>| {
        set.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    };
    let (accepted, never) = (inner(told.accepted), inner(told.never));
    let executed = |handle: &String| {
        log.iter()
            .filter(|e| {
                e["endpoint"] == "AddOrder" && e["executed"] == true && e["cl_ord_id"] == handle.as_str()
            })
            .count()
    };
    let mut contradicted = Vec::new();
    contradicted
        .extend(accepted.iter().filter(|h| executed(h) != 1).map(|h| format!("{h} was told accepted")));
    contradicted
        .extend(never.iter().filter(|h| executed(h) != 0).map(|h| format!("{h} was told not executed")));
    cluster.ends_ms.sort_unstable();
    Ok(Figures {
        replaced: [&cluster.gateways, &cluster.readers, &cluster.traders]
            .map(|d| (d.name, d.started - 2))
            .to_vec(),
        answered: told.answered.into_inner(),
        unresolved: count(told.unresolved.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
        refused: count(told.refused.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
        taken_back: told.taken_back.into_inner(),
        unmarked: told.unmarked.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner),
        forbidden: forbidden_refusals(&log).iter().map(ToString::to_string).collect(),
        contradicted,
        ends_ms: cluster.ends_ms,
    })
}

fn count(texts: Vec<String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}
