//! The way to the server that counts: found when it is needed, inspected before it is used, left when it fails.
//!
//! A connection is not used before its server has passed the inspection, so nothing is ever granted by a store that
//! nobody looked at, however it came to answer at that address.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::time::Instant;

use super::call::Call;
use super::config::RedisAddr;
use super::dial::{Dialer, plain};
use super::place::{Place, is_replaced};
use super::trouble::{Verdict, explain, verdict};
use crate::store::inspect::{self, StoreProfile};
use crate::store::{StoreError, StoreStanding};

/// How often a request may be led elsewhere before it fails.
const HOPS_MAX: u32 = 3;

/// What a server must be.
pub(super) struct Checks {
    pub(super) profile: StoreProfile,
    pub(super) wait_replicas: u32,
    /// The key that says whose the prefix is, and who must be in it.
    pub(super) deployment_key: String,
    pub(super) deployment: String,
    /// Whether the server's own replication id counts.
    pub(super) needs_replication_id: bool,
}

/// A connection to an inspected server.
#[derive(Clone)]
struct Server {
    connection: MultiplexedConnection,
    addr: RedisAddr,
    /// Told apart from later connections to the same address.
    id: u64,
}

/// What is kept for the keys of one domain; without a cluster, for all.
#[derive(Default)]
struct Kept {
    open: Option<Server>,
    hint: Option<RedisAddr>,
    /// The last attempt in vain, for those who waited meanwhile.
    failed: Option<(Instant, StoreError)>,
}

type Slot = Arc<AsyncMutex<Kept>>;

/// Connections, one for each domain at most.
pub(super) struct Link {
    place: Place,
    dialer: Dialer,
    checks: Checks,
    timeout_ms: u64,
    slots: Mutex<HashMap<String, Slot>>,
    next_id: AtomicU64,
    passed: AtomicBool,
    standing: watch::Sender<StoreStanding>,
    at: watch::Sender<Option<RedisAddr>>,
}

impl Link {
    pub(super) fn new(place: Place, dialer: Dialer, checks: Checks, timeout_ms: u64) -> Self {
        Self {
            place,
            dialer,
            checks,
            timeout_ms,
            slots: Mutex::default(),
            next_id: AtomicU64::new(0),
            passed: AtomicBool::new(false),
            standing: watch::Sender::new(StoreStanding::Unseen),
            at: watch::Sender::new(None),
        }
    }

    /// What is known of the store's fitness.
    pub(super) fn standing(&self) -> watch::Receiver<StoreStanding> {
        self.standing.subscribe()
    }

    /// Where the server was that passed last.
    pub(super) fn at(&self) -> watch::Receiver<Option<RedisAddr>> {
        self.at.subscribe()
    }

    pub(super) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    pub(super) fn name(&self) -> String {
        self.place.name()
    }

    /// Connects and inspects, if that was not done.
    pub(super) async fn reach(&self, key: &str) -> Result<(), StoreError> {
        self.server(key).await.map(|_| ())
    }

    /// Asks the server of a key. A script that it does not know is sent whole.
    pub(super) async fn ask<T: FromRedisValue>(&self, key: &str, call: Call<'_>) -> Result<T, StoreError> {
        let mut hops = 0;
        loop {
            let server = self.server(key).await?;
            let mut connection = server.connection.clone();
            let mut asked = call.commands(false).query_async::<T>(&mut connection).await.map_err(plain);
            if let Err(error) = &asked
                && call.has_script()
                && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
            {
                asked = call.commands(true).query_async::<T>(&mut connection).await.map_err(plain);
            }
            let error = match asked {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            hops += 1;
            let verdict = verdict(&error);
            if verdict != Verdict::Stay {
                self.leave(key, server.id, &verdict).await;
            }
            if hops > HOPS_MAX || !matches!(verdict, Verdict::AskAgain { .. }) {
                return Err(self.explain(&server.addr, &error));
            }
        }
    }

    fn slot(&self, key: &str) -> Slot {
        let name = if self.place.is_spread() { key } else { "" };
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(name.to_owned()).or_default())
    }

    async fn leave(&self, key: &str, id: u64, verdict: &Verdict) {
        let slot = self.slot(key);
        let mut kept = slot.lock().await;
        if kept.open.as_ref().is_some_and(|open| open.id == id) {
            kept.open = None;
            if let Verdict::AskAgain { hint } = verdict {
                kept.hint.clone_from(hint);
            }
        }
    }

    /// One attempt serves all who wait for it, so that many lanes do not knock on a dead server one after the other.
    async fn server(&self, key: &str) -> Result<Server, StoreError> {
        let slot = self.slot(key);
        let asked_at = Instant::now();
        let mut kept = slot.lock().await;
        if let Some(open) = &kept.open {
            return Ok(open.clone());
        }
        if let Some((at, error)) = &kept.failed
            && *at >= asked_at
        {
            return Err(error.clone());
        }
        let hint = kept.hint.take();
        match self.open(key, hint).await {
            Ok(server) => {
                kept.failed = None;
                kept.open = Some(server.clone());
                Ok(server)
            }
            Err(error) => {
                kept.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The first of the servers in question that is there and fit.
    async fn open(&self, key: &str, hint: Option<RedisAddr>) -> Result<Server, StoreError> {
        let mut trouble = None;
        for addr in self.place.find(&self.dialer, key, hint).await? {
            let opened = async {
                let mut connection = self.connect(&addr).await?;
                let findings = self.inspect(&addr, &mut connection).await?;
                Ok((connection, findings))
            };
            match opened.await {
                Ok((connection, findings)) => {
                    self.passed.store(true, Ordering::Release);
                    self.stands(StoreStanding::Fit { addr: addr.to_string(), findings });
                    self.at.send_replace(Some(addr.clone()));
                    let id = self.next_id.fetch_add(1, Ordering::Relaxed);
                    return Ok(Server { connection, addr, id });
                }
                Err(error) => {
                    trouble = trouble.filter(StoreError::is_refusal).or(Some(error));
                }
            }
        }
        let error = trouble.unwrap_or_else(|| StoreError::Unreachable {
            addr: self.place.name(),
            reason: "nobody says where it is".to_owned(),
        });
        if error.is_refusal() {
            self.stands(StoreStanding::Refused { error: error.clone() });
        }
        Err(error)
    }

    fn stands(&self, standing: StoreStanding) {
        self.standing.send_if_modified(|old| {
            let differs = *old != standing;
            *old = standing;
            differs
        });
    }

    async fn connect(&self, addr: &RedisAddr) -> Result<MultiplexedConnection, StoreError> {
        self.dialer.connect(addr).await.map_err(|error| self.explain(addr, &plain(error)))
    }

    /// What is wrong with a server that is used all the same.
    async fn inspect(
        &self,
        addr: &RedisAddr,
        connection: &mut MultiplexedConnection,
    ) -> Result<Vec<String>, StoreError> {
        let failed = |error: RedisError| self.explain(addr, &plain(error));
        let info: String = redis::cmd("INFO").query_async(connection).await.map_err(failed)?;
        // Most users may not read settings; then nothing is said about them.
        let limits = redis::cmd("CONFIG").arg("GET").arg("min-replicas-*").query_async(connection).await;
        let spread = self.place.is_spread();
        let found = inspect::findings(&info, &limits.unwrap_or_default(), self.checks.wait_replicas, spread);
        let mut refused = Vec::new();
        if self.checks.profile == StoreProfile::Strict {
            refused.extend(found.dangerous.iter().cloned());
            // After a failover the new primary is alone for a while.
            if matches!(self.place, Place::Server(_)) && !self.passed.load(Ordering::Acquire) {
                refused.extend(found.fragile.iter().cloned());
            }
        }
        if !refused.is_empty() {
            return Err(StoreError::Unfit { addr: addr.to_string(), reasons: refused.join("; ") });
        }
        if self.checks.needs_replication_id && !inspect::shows_replication_id(&info) {
            return Err(StoreError::NoReplicationId { addr: addr.to_string() });
        }
        if spread {
            let key = &self.checks.deployment_key;
            for node in self.place.find(&self.dialer, key, None).await? {
                let mut there = self.connect(&node).await?;
                self.own_prefix(&node, &mut there).await?;
            }
        } else {
            self.own_prefix(addr, connection).await?;
        }
        Ok(found.dangerous.into_iter().chain(found.fragile).collect())
    }

    /// Two deployments under one prefix would take each other's keys for their own. The first one that comes owns it.
    async fn own_prefix(
        &self,
        addr: &RedisAddr,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), StoreError> {
        let (key, deployment) = (&self.checks.deployment_key, &self.checks.deployment);
        let (_, owner): (redis::Value, String) = redis::pipe()
            .cmd("SET")
            .arg(key)
            .arg(deployment)
            .arg("NX")
            .cmd("GET")
            .arg(key)
            .query_async(connection)
            .await
            .map_err(|error| self.explain(addr, &plain(error)))?;
        if owner == *deployment {
            return Ok(());
        }
        Err(StoreError::OtherDeployment { addr: addr.to_string(), owner })
    }

    /// Leaves servers that the sentinels have replaced, and those that have become unfit, without waiting for a request
    /// to fail: an old primary that is cut off from the sentinels goes on answering.
    pub(super) async fn watch(&self, every: Duration, inspect_every: Duration) {
        let mut inspected_at = Instant::now();
        loop {
            tokio::time::sleep(every).await;
            let said = match &self.place {
                Place::Sentinels(sentinels) => sentinels.ask().await.unwrap_or_default(),
                Place::Server(_) | Place::Cluster(_) => Vec::new(),
            };
            let inspects = inspected_at.elapsed() >= inspect_every;
            if inspects {
                inspected_at = Instant::now();
            }
            for (key, slot) in self.known_slots() {
                let Some(mut open) = slot.lock().await.open.clone() else { continue };
                let left = if is_replaced(&said, &open.addr) {
                    true
                } else if inspects {
                    self.is_unfit(&mut open).await
                } else {
                    false
                };
                if !left {
                    continue;
                }
                self.leave(&key, open.id, &Verdict::Leave).await;
                // Whoever listens follows to where the next one is. That there is none shows in requests.
                let _ = self.server(&key).await;
            }
        }
    }

    fn known_slots(&self) -> Vec<(String, Slot)> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|(key, slot)| (key.clone(), Arc::clone(slot))).collect()
    }

    async fn is_unfit(&self, open: &mut Server) -> bool {
        match self.inspect(&open.addr, &mut open.connection).await {
            Ok(findings) => {
                self.stands(StoreStanding::Fit { addr: open.addr.to_string(), findings });
                false
            }
            // It is left first; that it is refused is said by the attempt to come back.
            Err(error) => error.is_refusal(),
        }
    }

    fn explain(&self, addr: &RedisAddr, error: &RedisError) -> StoreError {
        explain(&addr.to_string(), self.timeout_ms, error)
    }
}
