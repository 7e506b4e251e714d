//! Grants in Redis: each request is one script, so one round trip and one atomic step.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, Script, ServerErrorKind};
use tidegate_core::{AccountName, OwnerId};
use tokio::sync::broadcast;

use super::inspect::{self, StoreProfile};
use super::{GrantAnswer, GrantStore, NOTICES_MAX, StoreError, StoreFacts, StoreFuture};
use crate::grant::{
    GrantRecord, GrantReply, GrantRequest, Intent, LEAD_CAP_US, Member, RECOVERY_US, Release, SKEW_MAX_US,
    STORE_INT_MAX, Sight, counter_left,
};
use crate::keys::{self, Fingerprint, GrantKey};

/// How to reach Redis.
#[derive(Clone)]
pub struct RedisConfig {
    /// `redis://[user:password@]host[:port][/db]`. A secret, because it may hold a password.
    pub url: String,
    /// First part of every key, so that deployments can share a server.
    pub prefix: String,
    /// How long a connection attempt, and one command, may take.
    pub timeout_ms: u64,
    /// Whose time and identity count.
    pub facts: StoreFacts,
    /// Name of the deployment that owns the prefix.
    pub deployment: String,
    /// Whether an unfit server is refused.
    pub profile: StoreProfile,
    /// How many replicas must have a grant before it counts. Zero for a single server.
    pub wait_replicas: u32,
}

impl fmt::Debug for RedisConfig {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("prefix", &self.prefix)
            .field("timeout_ms", &self.timeout_ms)
            .finish_non_exhaustive()
    }
}

/// A store shared by processes.
///
/// It reconnects by itself; while Redis is away, each request fails within the timeout.
pub struct RedisStore {
    connection: ConnectionManager,
    grant: Script,
    release: Script,
    init: Script,
    prefix: String,
    facts: StoreFacts,
    addr: String,
    timeout_ms: u64,
    wait_replicas: u32,
    findings: Vec<String>,
    notices: broadcast::Sender<Fingerprint>,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("addr", &self.addr)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// What a script answers: a kind, its fields, the members, four texts each, and the sight.
type ScriptReply = (String, Vec<String>, Vec<String>, [String; 3]);

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
    /// Connects and asks for a sign of life. Must be called inside a tokio runtime.
    pub async fn connect(config: RedisConfig) -> Result<Self, StoreError> {
        // The library's error repeats parts of the address, and with it perhaps the password.
        let client = Client::open(config.url.as_str()).map_err(|_| StoreError::BadAddress {
            reason: "expected redis://[user:password@]host[:port][/database]".to_owned(),
        })?;
        let addr = client.get_connection_info().addr().to_string();
        let timeout = Duration::from_millis(config.timeout_ms.max(1));
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(10))
            .set_max_delay(timeout);
        let fail = |error: &RedisError| explain(&addr, config.timeout_ms, error);
        let connection =
            ConnectionManager::new_with_config(client, manager).await.map_err(|error| fail(&error))?;
        let mut store = Self {
            connection,
            grant: Script::new(include_str!("../../scripts/grant-4.lua")),
            release: Script::new(include_str!("../../scripts/release-4.lua")),
            init: Script::new(include_str!("../../scripts/init-1.lua")),
            prefix: config.prefix,
            facts: config.facts,
            addr: addr.clone(),
            timeout_ms: config.timeout_ms,
            wait_replicas: config.wait_replicas,
            findings: Vec::new(),
            notices: broadcast::Sender::new(NOTICES_MAX),
        };
        store.inspect(config.profile).await?;
        store.own_prefix(&config.deployment).await?;
        Ok(store)
    }

    /// What is wrong with the server, where that was not refused.
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    async fn inspect(&mut self, profile: StoreProfile) -> Result<(), StoreError> {
        let mut connection = self.connection.clone();
        let info: String =
            redis::cmd("INFO").query_async(&mut connection).await.map_err(|error| self.explain(&error))?;
        let findings = inspect::findings(&info, self.wait_replicas);
        if profile == StoreProfile::Strict && !findings.is_empty() {
            return Err(StoreError::Unfit { addr: self.addr.clone(), reasons: findings.join("; ") });
        }
        self.findings = findings;
        Ok(())
    }

    /// Two deployments under one prefix would take each other's keys for their own. The first one that comes owns it.
    async fn own_prefix(&self, deployment: &str) -> Result<(), StoreError> {
        let mut connection = self.connection.clone();
        let key = keys::deployment(&self.prefix);
        let (_, owner): (redis::Value, String) = redis::pipe()
            .cmd("SET")
            .arg(&key)
            .arg(deployment)
            .arg("NX")
            .cmd("GET")
            .arg(&key)
            .query_async(&mut connection)
            .await
            .map_err(|error| self.explain(&error))?;
        if owner == deployment {
            return Ok(());
        }
        Err(StoreError::OtherDeployment { addr: self.addr.clone(), owner })
    }

    /// Host and port, for people.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    /// Prepares an empty store for a domain. A store that was never prepared does as well, but then the first owners
    /// wait as after a loss, because nobody can know that there was none.
    pub async fn prepare(&self, domain: &AccountName, marker: &str) -> Result<Prepared, StoreError> {
        let mut connection = self.connection.clone();
        let (now, born): (String, String) = self
            .init
            .key(keys::generation(&self.prefix, domain))
            .arg(marker)
            .arg(self.now_arg())
            .arg(self.replication_id_arg())
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.explain(&error))?;
        let born_us = self.number(&born)?;
        Ok(if now == "1" { Prepared::Now } else { Prepared::Before { born_us } })
    }

    /// What is kept of a key. For operators and tests; no call needs it.
    pub async fn record(&self, key: &GrantKey) -> Result<Option<GrantRecord>, StoreError> {
        let mut connection = self.connection.clone();
        let kept: HashMap<String, String> = redis::cmd("HGETALL")
            .arg(keys::grant(&self.prefix, key))
            .query_async(&mut connection)
            .await
            .map_err(|error| self.explain(&error))?;
        if kept.is_empty() {
            return Ok(None);
        }
        let text = |name: &str| kept.get(name).ok_or_else(|| self.unreadable(&format!("no field {name}")));
        let number = |name: &str| self.number(text(name)?);
        Ok(Some(GrantRecord {
            owner: text("owner")?.clone(),
            advertise: text("advertise")?.clone(),
            epoch: number("epoch")?,
            expires_us: number("expires_us")?,
            lo_us: number("lo_us")?,
            hi_us: number("hi_us")?,
            unit: text("unit")?.parse().map_err(|error: String| self.unreadable(&error))?,
            window_us: number("window_us")?,
            counter_ceiling_milli: number("counter_ceiling_milli")?,
            counter_decay_milli_per_s: number("counter_decay_milli_per_s")?,
            counter_at_us: number("counter_at_us")?,
            generation: text("generation")?.clone(),
        }))
    }

    async fn grant_now(&self, request: &GrantRequest) -> Result<GrantAnswer, StoreError> {
        let (ids, terms) = (&request.ids, &request.terms);
        let (intent, epoch) = match terms.intent {
            Intent::Take => ("take", 0),
            Intent::Renew { epoch } => ("renew", epoch),
            Intent::Look => ("look", 0),
        };
        let mut script = self.grant.prepare_invoke();
        script
            .key(keys::grant(&self.prefix, &ids.key))
            .key(keys::members(&self.prefix, &ids.key.domain, &ids.pool))
            .key(keys::generation(&self.prefix, &ids.key.domain))
            .arg(intent)
            .arg(epoch)
            .arg(ids.owner.as_str())
            .arg(&ids.advertise)
            .arg(terms.unit.as_str())
            .arg(terms.window_us)
            .arg(terms.floor_us)
            .arg(terms.ttl_us)
            .arg(terms.reserve_us)
            .arg(terms.counter_ceiling_milli)
            .arg(terms.counter_decay_milli_per_s)
            .arg(terms.caller_now_us)
            .arg(terms.epoch_seen)
            .arg(terms.recovery_floor_us.unwrap_or(0))
            .arg(terms.held.map_or(0, |held| held.lo_us))
            .arg(terms.held.map_or(0, |held| held.hi_us))
            .arg(SKEW_MAX_US)
            .arg(LEAD_CAP_US)
            .arg(RECOVERY_US)
            .arg(joined(&ids.mounts))
            .arg(terms.known_generation.as_deref().unwrap_or_default())
            .arg(self.now_arg())
            .arg(self.replication_id_arg());
        let mut connection = self.connection.clone();
        if self.wait_replicas == 0 {
            let reply: ScriptReply =
                script.invoke_async(&mut connection).await.map_err(|error| self.explain(&error))?;
            return self.read(&reply);
        }
        // In one pipeline, so that the wait speaks of this very write. Half the time is the wait's, half the rest's.
        let wait_ms = (self.timeout_ms / 2).max(1);
        let mut once = async || {
            let mut pipe = redis::pipe();
            pipe.invoke_script(&script).cmd("WAIT").arg(self.wait_replicas).arg(wait_ms);
            pipe.query_async::<(ScriptReply, u64)>(&mut connection).await
        };
        let replied = match once().await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                let mut connection = self.connection.clone();
                script.load_async(&mut connection).await.map_err(|error| self.explain(&error))?;
                once().await
            }
            replied => replied,
        };
        let (reply, acknowledged) = replied.map_err(|error| self.explain(&error))?;
        if acknowledged < u64::from(self.wait_replicas) {
            let (addr, wanted) = (self.addr.clone(), self.wait_replicas);
            return Err(StoreError::NotReplicated { addr, acknowledged, wanted });
        }
        self.read(&reply)
    }

    async fn release_now(&self, release: &Release) -> Result<(), StoreError> {
        let ids = &release.ids;
        let mut connection = self.connection.clone();
        let _owned: u64 = self
            .release
            .key(keys::grant(&self.prefix, &ids.key))
            .key(keys::members(&self.prefix, &ids.key.domain, &ids.pool))
            .key(keys::generation(&self.prefix, &ids.key.domain))
            .arg(ids.owner.as_str())
            .arg(release.released.epoch)
            .arg(release.released.last_us)
            .arg(release.released.counter_milli)
            .arg(u8::from(release.leave))
            .arg(self.now_arg())
            .arg(self.replication_id_arg())
            .arg(keys::released(&self.prefix))
            .arg(ids.key.fingerprint.as_str())
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.explain(&error))?;
        Ok(())
    }

    /// What the scripts take: zero is the server's own time.
    fn now_arg(&self) -> u64 {
        match &self.facts {
            StoreFacts::Server => 0,
            StoreFacts::Given(facts) => facts.now_us(),
        }
    }

    /// What the scripts take: nothing is the server's own replication id.
    fn replication_id_arg(&self) -> String {
        match &self.facts {
            StoreFacts::Server => String::new(),
            StoreFacts::Given(facts) => facts.replication_id(),
        }
    }

    fn read(&self, (kind, fields, members, sight): &ScriptReply) -> Result<GrantAnswer, StoreError> {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let reply = match (kind.as_str(), fields.as_slice()) {
            ("granted", [epoch, lo, hi, expires, now, first, known, ceiling, decay, at]) => {
                let store_now_us = self.number(now)?;
                let (ceiling, decay, at) = (self.number(ceiling)?, self.number(decay)?, self.number(at)?);
                let left = counter_left(ceiling, decay, store_now_us.saturating_sub(at));
                GrantReply::Granted {
                    epoch: self.number(epoch)?,
                    lo_us: self.number(lo)?,
                    hi_us: self.number(hi)?,
                    expires_us: self.number(expires)?,
                    store_now_us,
                    first_of_epoch: *first == "1",
                    counter_start_milli: (*known == "1").then_some(left),
                }
            }
            ("held", [owner, advertise, expires, now]) => GrantReply::Held {
                owner: OwnerId::named(owner),
                advertise: (*advertise).to_owned(),
                expires_us: self.number(expires)?,
                store_now_us: self.number(now)?,
            },
            ("free", [now]) => GrantReply::Free { store_now_us: self.number(now)? },
            ("lost", [now]) => GrantReply::Lost { store_now_us: self.number(now)? },
            ("skewed", [now]) => GrantReply::Skewed { store_now_us: self.number(now)? },
            ("recovering", [until, now]) => {
                GrantReply::Recovering { until_us: self.number(until)?, store_now_us: self.number(now)? }
            }
            ("too_far_ahead", [lo, now]) => {
                GrantReply::TooFarAhead { lo_us: self.number(lo)?, store_now_us: self.number(now)? }
            }
            (kind, fields) => {
                return Err(self.unreadable(&format!("{kind:?} with {} fields", fields.len())));
            }
        };
        let mut live = Vec::with_capacity(members.len() / 4);
        for member in members.chunks(4) {
            let [owner, advertise, expires, mounts] = member else {
                return Err(self.unreadable("a member of less than four parts"));
            };
            let mounts = mounts.split(',').filter(|key| !key.is_empty()).map(|key| {
                Fingerprint::kept(key).ok_or_else(|| self.unreadable("a member mounts what is no key"))
            });
            live.push(Member {
                owner: OwnerId::named(owner),
                advertise: advertise.clone(),
                expires_us: self.number(expires)?,
                mounts: mounts.collect::<Result<_, _>>()?,
            });
        }
        live.sort_unstable();
        let [generation, born, reach] = sight;
        let sight = Sight {
            generation: generation.clone(),
            born_us: self.number(born)?,
            reach_us: Some(self.number(reach)?).filter(|reach| *reach > 0),
        };
        Ok(GrantAnswer { reply, members: live, sight })
    }

    fn number(&self, text: &str) -> Result<u64, StoreError> {
        match u64::from_str(text) {
            Ok(number) if number <= STORE_INT_MAX => Ok(number),
            _ => Err(self.unreadable(&format!("{text:?} is not an integer below 2^53"))),
        }
    }

    fn unreadable(&self, reason: &str) -> StoreError {
        StoreError::Unreadable { addr: self.addr.clone(), reason: reason.to_owned() }
    }

    fn explain(&self, error: &RedisError) -> StoreError {
        explain(&self.addr, self.timeout_ms, error)
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
            let mut connection = self.connection.clone();
            let _pong: String = redis::cmd("PING")
                .query_async(&mut connection)
                .await
                .map_err(|error| self.explain(&error))?;
            Ok(())
        })
    }
}

fn joined(keys: &[Fingerprint]) -> String {
    keys.iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(",")
}

/// Puts the library's error into our closed kinds.
fn explain(addr: &str, timeout_ms: u64, error: &RedisError) -> StoreError {
    let addr = addr.to_owned();
    let reason = || one_line(error.detail().unwrap_or_else(|| error.category()));
    match error.code() {
        Some("TOOLARGE") => return StoreError::TooLarge,
        Some("NOREPLID") => return StoreError::NoReplicationId { addr },
        _ => {}
    }
    match error.kind() {
        _ if error.is_timeout() => StoreError::TimedOut { addr, timeout_ms },
        ErrorKind::Io if error.is_connection_refusal() => {
            StoreError::Unreachable { addr, reason: "connection refused".to_owned() }
        }
        ErrorKind::Io => StoreError::Unreachable { addr, reason: one_line(&error.to_string()) },
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            StoreError::Forbidden { addr, reason: reason() }
        }
        _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS")) => {
            StoreError::Forbidden { addr, reason: reason() }
        }
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            StoreError::Unreadable { addr, reason: reason() }
        }
        _ => StoreError::Failed { addr, reason: reason() },
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
