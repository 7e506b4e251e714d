//! The roles: which parts run in this process, and how they are plugged together. No decisions are made here.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::{Clock, OwnerId};
use tidegate_executor::Executor;
use tidegate_runtime::telemetry::Metrics;
use tidegate_runtime::{
    Config, Drain, Health, ListenerName, ServeLimits, SystemClock, announce, bind, serve_admin, serve_grpc,
    signals,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::{keys, store};

const GATEWAY: ListenerName = ListenerName { role: "gateway", what: "grpc", setting: "gateway.listen" };
const EXECUTOR: ListenerName = ListenerName { role: "executor", what: "grpc", setting: "executor.listen" };
const ADMIN: ListenerName = ListenerName { role: "admin", what: "http", setting: "admin.listen" };
const SANDBOX: ListenerName = ListenerName { role: "sandbox", what: "rest", setting: "sandbox.listen" };
const SANDBOX_TLS: ListenerName =
    ListenerName { role: "sandbox", what: "rest-tls", setting: "sandbox.tls_listen" };

/// As whom an executor asks Kraken about orders whose fate is not known.
const RESOLVER: &str = "tidegate-resolver";

/// What to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    All,
    Gateway,
    Executor,
    Sandbox,
}

impl Role {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Gateway => "gateway",
            Self::Executor => "executor",
            Self::Sandbox => "sandbox",
        }
    }

    const fn has_gateway(self) -> bool {
        matches!(self, Self::All | Self::Gateway)
    }

    const fn has_executor(self) -> bool {
        matches!(self, Self::All | Self::Executor)
    }

    const fn has_sandbox(self, config: &Config) -> bool {
        matches!(self, Self::Sandbox) || (matches!(self, Self::All) && config.sandbox.enabled)
    }
}

/// What every part gets.
struct House {
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    drain: Drain,
    /// Parts that serve until the drain begins.
    parts: JoinSet<()>,
}

/// Runs a role until it is told to end. An error is one line for a person, and means that nothing was started.
///
/// `embedded` is whether the configuration is the built-in one; then lines to try are printed once all is ready.
pub(crate) async fn run(role: Role, config: Config, embedded: bool) -> Result<(), String> {
    let signal = signals().map_err(|error| format!("signals cannot be listened for: {error}"))?;
    let drain = Drain::new();
    let mut house = House {
        metrics: Metrics::new(role.name())?,
        health: Health::new(drain.clone()),
        clock: Arc::new(SystemClock),
        drain: drain.clone(),
        parts: JoinSet::new(),
        config,
    };
    let sandbox = if role.has_sandbox(&house.config) { Some(house.sandbox().await?) } else { None };
    let executor = if role.has_executor() { Some(house.executor(role, sandbox).await?) } else { None };
    if role.has_gateway() {
        let gateway = house.gateway(executor.clone()).await?;
        if embedded && role == Role::All {
            tokio::spawn(say_what_to_try(house.health.clone(), gateway));
        }
    }
    house.admin().await?;

    let name = signal.await;
    drain.leave();
    let delay = Duration::from_millis(house.config.shutdown.delay_ms);
    if role.has_gateway() && !delay.is_zero() {
        info!(
            signal = name,
            delay_ms = delay.as_millis(),
            "leaving: no longer ready, going on until that is known"
        );
        tokio::time::sleep(delay).await;
    }
    info!(signal = name, "stopping: no new orders, calls under way are finished");
    drain.begin();
    // One deadline for both: whoever sent the signal counts from there.
    let until = tokio::time::Instant::now() + house.grace();
    if let Some(executor) = executor {
        executor.hand_over(until).await;
    }
    let left = drain.wait_idle(until.saturating_duration_since(tokio::time::Instant::now())).await;
    if left > 0 {
        warn!(left, "stopped with calls under way; their fate is not known to their callers");
    }
    while house.parts.join_next().await.is_some() {}
    info!("stopped");
    Ok(())
}

impl House {
    const fn grace(&self) -> Duration {
        Duration::from_millis(self.config.shutdown.grace_ms)
    }

    fn limits(&self) -> ServeLimits {
        ServeLimits { grace: self.grace(), ..ServeLimits::default() }
    }

    async fn listener(name: ListenerName, addr: SocketAddr) -> Result<(TcpListener, SocketAddr), String> {
        let listener = bind(name, addr).await?;
        let addr = listener.local_addr().map_err(|error| format!("{}: {error}", name.setting))?;
        announce(name, addr).map_err(|error| format!("standard output: {error}"))?;
        Ok((listener, addr))
    }

    async fn sandbox(&mut self) -> Result<SocketAddr, String> {
        let config = &self.config.sandbox;
        let mut options: tidegate_sandbox::Options = serde::Deserialize::deserialize(config.options.clone())
            .map_err(|error| format!("[sandbox]: {error}"))?;
        options.ca_out.clone_from(&config.ca_out);
        let (http, addr) = Self::listener(SANDBOX, config.listen).await?;
        let tls = match config.tls_listen {
            Some(addr) => Some(Self::listener(SANDBOX_TLS, addr).await?.0),
            None => None,
        };
        let clock = Arc::clone(&self.clock);
        let listeners = tidegate_sandbox::Listeners { http, tls };
        let serving =
            tidegate_sandbox::serve(options, listeners, Arc::new(move || clock.wall().0), self.drain.begun());
        let ready = self.health.condition("sandbox");
        self.parts.spawn(async move {
            ready.set(true);
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox ended");
                ready.set(false);
            }
        });
        Ok(addr)
    }

    async fn executor(&mut self, role: Role, sandbox: Option<SocketAddr>) -> Result<Executor, String> {
        let config = &self.config;
        let rest_url = config.rest_url(sandbox).map_err(|mistakes| mistakes.to_string())?;
        let rest = keys::rest_client(config, &rest_url)?;
        let keys = keys::load(config)?;
        let store = store::connect(config, &self.clock, &self.health).await?;
        // In `all` the listener is open only where other processes share the store.
        let listener = if role == Role::Executor || config.store.is_shared() {
            Some(Self::listener(EXECUTOR, config.executor.listen).await?)
        } else {
            None
        };
        let advertise = match (&config.executor.advertise, &listener) {
            (Some(address), _) => address.to_string(),
            (None, Some((_, addr))) => addr.to_string(),
            (None, None) => String::new(),
        };
        let executor = tidegate_executor::start(tidegate_executor::Parts {
            settings: tidegate_executor::Settings {
                deployment: config.deployment.name.to_string(),
                owner: OwnerId::fresh(),
                caller: RESOLVER.parse().map_err(|error| format!("{RESOLVER}: {error}"))?,
                advertise,
                egress: config.kraken.egress.to_string(),
                auth_failures_max: config.kraken.auth_failures_max,
                queue_len_max: config.executor.queue_len_max,
                request_bytes_max: config.gateway.max_request_bytes,
                total_timeout: Duration::from_millis(config.kraken.total_timeout_ms),
                store_timeout: Duration::from_millis(config.store.timeout_ms),
                allow_edit_order: config.executor.allow_edit_order,
                allow_transfers: config.executor.allow_transfers,
            },
            keys,
            store,
            rest,
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            drain: self.drain.clone(),
            ready: self.health.condition("lanes"),
            inherited: self.health.condition("intents"),
        });
        if let Some((listener, _)) = listener {
            let (service, limits, drain) = (executor.service(), self.limits(), self.drain.clone());
            self.parts.spawn(async move {
                serve_grpc(listener, service, limits, drain).await;
            });
        }
        Ok(executor)
    }

    async fn gateway(&mut self, executor: Option<Executor>) -> Result<SocketAddr, String> {
        let config = &self.config.gateway;
        let service = tidegate_gateway::service(tidegate_gateway::Parts {
            settings: tidegate_gateway::Settings {
                deployment: self.config.deployment.name.to_string(),
                default_account: config.default_account.clone(),
                allow_cancel_all: config.allow_cancel_all,
                allow_decide_intents: config.allow_decide_intents,
                quota_per_s: config.quota_per_s,
                quota_burst: NonZeroU32::max(config.quota_burst, NonZeroU32::MIN),
                in_flight_max: config.max_in_flight,
                request_bytes_max: config.max_request_bytes,
                reply_bytes_max: self.config.kraken.max_body_bytes.saturating_mul(2),
            },
            sources: tidegate_gateway::Sources {
                local: executor.map(|executor| executor.service()),
                addresses: config.executors.values().map(ToString::to_string).collect(),
            },
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
            drain: self.drain.clone(),
            ready: self.health.condition("executors"),
        })
        .map_err(|error| error.to_string())?;
        let (listener, addr) = Self::listener(GATEWAY, self.config.gateway.listen).await?;
        let (limits, drain) = (self.limits(), self.drain.clone());
        self.parts.spawn(async move {
            serve_grpc(listener, service, limits, drain).await;
        });
        Ok(addr)
    }

    async fn admin(&mut self) -> Result<(), String> {
        let (listener, _) = Self::listener(ADMIN, self.config.admin.listen).await?;
        let (health, metrics) = (self.health.clone(), self.metrics.clone());
        // Health is answered until the very end, so that whoever watches sees the drain.
        tokio::spawn(serve_admin(listener, health, metrics, std::future::pending()));
        Ok(())
    }
}

/// Prints lines to paste once everything is ready.
#[expect(clippy::print_stdout, reason = "this is what someone who ran `make run` is waiting for")]
async fn say_what_to_try(health: Health, gateway: SocketAddr) {
    while !health.missing().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let program = std::env::args().next().unwrap_or_else(|| "tidegate".to_owned());
    let address = match gateway.port() {
        50_051 => String::new(),
        _ => format!(" --address {gateway}"),
    };
    let id = uuid::Uuid::now_v7();
    println!(
        "\nready. In another shell:\n\n  \
         {program} call{address} Account/GetBalance\n  \
         {program} call{address} Trading/AddOrder '{{\"context\": {{\"request_id\": \"{id}\"}}, \"pair\": \"XBTUSD\", \
         \"side\": \"SIDE_BUY\", \"order_type\": \"ORDER_TYPE_LIMIT\", \"volume\": \"0.01\", \"price\": \"50000\"}}'\n  \
         {program} call{address} Account/GetOpenOrders\n  \
         {program} call{address} Operations/ListLanes\n"
    );
}
