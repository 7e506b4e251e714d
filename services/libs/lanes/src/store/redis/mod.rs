//! Grants in Redis: each request is one script, so one round trip and one atomic step.

mod call;
mod config;
mod dial;
mod intents;
mod link;
mod notices;
mod place;
mod reply;
mod trades;
mod trouble;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::AccountName;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use self::call::{Call, Lua};
pub use self::config::{RedisAddr, RedisConfig, RedisLogin, RedisPlace, RedisTls};
use self::dial::Dialer;
use self::link::{Checks, Link};
use self::place::{Place, Sentinels};
use self::reply::ScriptReply;
use super::{GrantAnswer, GrantStore, NOTICES_MAX, StoreError, StoreFacts, StoreFuture, StoreStanding};
use crate::grant::{
    GRANT_TTL_US, GrantRecord, GrantRequest, Intent, LEAD_CAP_US, RECOVERY_US, Release, SKEW_MAX_US,
};
use crate::keys::{self, Fingerprint, GrantKey};

/// How often sentinels are asked whether the primary is still the one that is used.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// How often a server is inspected that is used all the time: its settings can be changed while it runs.
const INSPECT_EVERY: Duration = Duration::from_secs(10);

/// A store shared by processes.
///
/// It finds its server by itself, again and again; while there is none, each request fails within a few times the timeout.
pub struct RedisStore {
    link: Arc<Link>,
    grant: Lua,
    release: Lua,
    init: Lua,
    intent: Lua,
    open: Lua,
    trade: Lua,
    prefix: String,
    facts: StoreFacts,
    name: String,
    timeout_ms: u64,
    wait_replicas: u32,
    notices: broadcast::Sender<Fingerprint>,
    deaf: watch::Receiver<Option<String>>,
    /// They end with the store.
    tasks: [JoinHandle<()>; 2],
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What became of preparing a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// It was empty and is ready.
    Now,
    /// It has a generation since then, microseconds since 1970.
    Before {
        /// When that began.
        born_us: u64,
    },
}

impl RedisStore {
    /// Connects, and inspects the server. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the server cannot be reached, or is not fit.
    pub async fn connect(config: RedisConfig) -> Result<Self, StoreError> {
        let store = Self::lazy(config)?;
        store.reach().await?;
        Ok(store)
    }

    /// A store that connects when it is first asked: until its server was reached and has passed the inspection, every
    /// request is an error. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn lazy(config: RedisConfig) -> Result<Self, StoreError> {
        let RedisConfig { place, prefix, timeout_ms, facts, deployment, profile, wait_replicas } = config;
        let (place, dialer) = match place {
            RedisPlace::Server { url, tls } => {
                let (addr, dialer) = Dialer::from_url(&url, &tls, timeout_ms)?;
                (Place::Server(addr), dialer)
            }
            RedisPlace::Sentinels { sentinels, primary_name, login, database, sentinel_login, tls } => {
                let asks = Dialer::new(&sentinel_login, 0, tls.as_ref(), timeout_ms)?;
                let place = Place::Sentinels(Sentinels::new(sentinels, &primary_name, asks));
                (place, Dialer::new(&login, i64::from(database), tls.as_ref(), timeout_ms)?)
            }
            RedisPlace::Cluster { nodes, login, tls } => {
                (Place::Cluster(nodes), Dialer::new(&login, 0, tls.as_ref(), timeout_ms)?)
            }
        };
        let checks = Checks {
            profile,
            wait_replicas,
            deployment_key: keys::deployment(&prefix),
            deployment,
            needs_replication_id: matches!(facts, StoreFacts::Server),
        };
        let link = Arc::new(Link::new(place, dialer, checks, timeout_ms));
        let notices = broadcast::Sender::new(NOTICES_MAX);
        let (deafness, deaf) = watch::channel(None);
        let watching = Arc::clone(&link);
        let tasks = [
            tokio::spawn(async move { watching.watch(WATCH_EVERY, INSPECT_EVERY).await }),
            tokio::spawn(notices::follow(
                link.dialer().clone(),
                link.at(),
                keys::released(&prefix),
                notices.clone(),
                deafness,
            )),
        ];
        Ok(Self {
            name: link.name(),
            link,
            grant: Lua::new(include_str!("../../../scripts/grant-5.lua")),
            release: Lua::new(include_str!("../../../scripts/release-5.lua")),
            init: Lua::new(include_str!("../../../scripts/init-1.lua")),
            intent: Lua::new(include_str!("../../../scripts/intent-2.lua")),
            open: Lua::new(include_str!("../../../scripts/open-1.lua")),
            trade: Lua::new(include_str!("../../../scripts/trade-1.lua")),
            prefix,
            facts,
            timeout_ms,
            wait_replicas,
            notices,
            deaf,
            tasks,
        })
    }

    /// Connects and inspects, if no server has passed yet.
    ///
    /// # Errors
    /// Why no server can be used. [`StoreError::is_refusal`] tells those errors apart that time does not mend.
    pub async fn reach(&self) -> Result<(), StoreError> {
        self.link.reach(&keys::deployment(&self.prefix)).await
    }

    /// What is known of the server's fitness, as it changes.
    pub fn standing(&self) -> watch::Receiver<StoreStanding> {
        self.link.standing()
    }

    /// Why the server forbids what [`GrantStore::notices`] needs, as it changes; `None` unless it does.
    pub fn deaf(&self) -> watch::Receiver<Option<String>> {
        self.deaf.clone()
    }

    /// Where it is, for people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Prepares an empty store for a domain. A store that was never prepared does as well, but then the first owners
    /// wait as after a loss, because nobody can know that there was none.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn prepare(&self, domain: &AccountName, marker: &str) -> Result<Prepared, StoreError> {
        let key = keys::generation(&self.prefix, domain);
        let args = vec![marker.to_owned(), self.now_arg(), self.replication_id_arg()];
        let call = self.init.call(vec![key.clone()], args);
        let ((now, born),): ((String, String),) = self.link.ask(&key, call).await?;
        let born_us = reply::number(&born).map_err(|reason| self.unreadable(reason))?;
        Ok(if now == "1" { Prepared::Now } else { Prepared::Before { born_us } })
    }

    /// What is kept of a key. For operators and tests; no call needs it.
    ///
    /// # Errors
    /// When the store does not answer, or holds what this build does not understand.
    pub async fn record(&self, key: &GrantKey) -> Result<Option<GrantRecord>, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(keys::grant(&self.prefix, key));
        let domain = keys::generation(&self.prefix, &key.domain);
        let (kept,): (HashMap<String, String>,) = self.link.ask(&domain, Call::of(pipe)).await?;
        if kept.is_empty() {
            return Ok(None);
        }
        reply::record(&kept).map(Some).map_err(|reason| self.unreadable(reason))
    }

    async fn grant_now(&self, request: &GrantRequest) -> Result<GrantAnswer, StoreError> {
        let (ids, terms) = (&request.ids, &request.terms);
        let (intent, epoch) = match terms.intent {
            Intent::Take => ("take", 0),
            Intent::Renew { epoch } => ("renew", epoch),
            Intent::Look => ("look", 0),
        };
        let domain = keys::generation(&self.prefix, &ids.key.domain);
        let names = vec![
            keys::grant(&self.prefix, &ids.key),
            keys::members(&self.prefix, &ids.key.domain, &ids.pool),
            domain.clone(),
        ];
        let args = vec![
            intent.to_owned(),
            epoch.to_string(),
            ids.owner.to_string(),
            ids.advertise.clone(),
            terms.unit.to_string(),
            terms.window_us.to_string(),
            terms.floor_us.to_string(),
            terms.ttl_us.to_string(),
            terms.reserve_us.to_string(),
            terms.counter_ceiling_milli.to_string(),
            terms.counter_decay_milli_per_s.to_string(),
            terms.caller_now_us.to_string(),
            terms.epoch_seen.to_string(),
            terms.recovery_floor_us.unwrap_or(0).to_string(),
            terms.held.map_or(0, |held| held.lo_us).to_string(),
            terms.held.map_or(0, |held| held.hi_us).to_string(),
            SKEW_MAX_US.to_string(),
            LEAD_CAP_US.to_string(),
            RECOVERY_US.to_string(),
            joined(&ids.mounts),
            terms.known_generation.clone().unwrap_or_default(),
            self.now_arg(),
            self.replication_id_arg(),
        ];
        let reply: ScriptReply = self.ask_replicated(&domain, self.grant.call(names, args)).await?;
        reply::read(&reply).map_err(|reason| self.unreadable(reason))
    }

    /// Runs a script whose effect counts only when enough replicas have it.
    async fn ask_replicated<T: redis::FromRedisValue>(
        &self,
        domain: &str,
        call: Call<'_>,
    ) -> Result<T, StoreError> {
        if self.wait_replicas == 0 {
            let (reply,) = self.link.ask(domain, call).await?;
            return Ok(reply);
        }
        // In one pipeline, so that the wait speaks of this very write. Half the time is the wait's, half the rest's.
        let call = call.wait(self.wait_replicas, (self.timeout_ms / 2).max(1));
        let (reply, acknowledged): (T, u64) = self.link.ask(domain, call).await?;
        if acknowledged < u64::from(self.wait_replicas) {
            let (addr, wanted) = (self.name.clone(), self.wait_replicas);
            return Err(StoreError::NotReplicated { addr, acknowledged, wanted });
        }
        Ok(reply)
    }

    async fn release_now(&self, release: &Release) -> Result<(), StoreError> {
        let ids = &release.ids;
        let domain = keys::generation(&self.prefix, &ids.key.domain);
        let names = vec![
            keys::grant(&self.prefix, &ids.key),
            keys::members(&self.prefix, &ids.key.domain, &ids.pool),
            domain.clone(),
        ];
        let args = vec![
            ids.owner.to_string(),
            release.released.epoch.to_string(),
            release.released.last_us.to_string(),
            release.released.counter_milli.to_string(),
            u8::from(release.leave).to_string(),
            self.now_arg(),
            self.replication_id_arg(),
            keys::released(&self.prefix),
            ids.key.fingerprint.to_string(),
            GRANT_TTL_US.to_string(),
        ];
        let (_owned,): (u64,) = self.link.ask(&domain, self.release.call(names, args)).await?;
        Ok(())
    }

    /// What the scripts take: zero is the server's own time.
    fn now_arg(&self) -> String {
        match &self.facts {
            StoreFacts::Server => "0".to_owned(),
            StoreFacts::Given(facts) => facts.now_us().to_string(),
        }
    }

    /// What the scripts take: nothing is the server's own replication id.
    fn replication_id_arg(&self) -> String {
        match &self.facts {
            StoreFacts::Server => String::new(),
            StoreFacts::Given(facts) => facts.replication_id(),
        }
    }

    fn unreadable(&self, reason: String) -> StoreError {
        StoreError::Unreadable { addr: self.name.clone(), reason }
    }
}

impl GrantStore for RedisStore {
    fn grant<'a>(&'a self, request: &'a GrantRequest) -> StoreFuture<'a, GrantAnswer> {
        Box::pin(self.grant_now(request))
    }

    fn release<'a>(&'a self, release: &'a Release) -> StoreFuture<'a, ()> {
        Box::pin(self.release_now(release))
    }

    fn notices(&self) -> broadcast::Receiver<Fingerprint> {
        self.notices.subscribe()
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let mut pipe = redis::pipe();
            pipe.cmd("PING");
            let (_pong,): (String,) = self.link.ask(&keys::deployment(&self.prefix), Call::of(pipe)).await?;
            Ok(())
        })
    }
}

fn joined(keys: &[Fingerprint]) -> String {
    keys.iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(",")
}
