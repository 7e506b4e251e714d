//! Grants in Redis: each request is one script, so one round trip and one atomic step.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, Script, ServerErrorKind};
use tidegate_core::{Clock, OwnerId};

use super::{GrantAnswer, GrantStore, StoreError, StoreFuture};
use crate::grant::{
    GrantRecord, GrantReply, GrantRequest, Intent, Member, Release, STORE_INT_MAX, counter_left,
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
    /// Whose time counts.
    pub time: StoreTime,
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

/// Whose time decides when a grant ends.
#[derive(Clone, Debug, Default)]
pub enum StoreTime {
    /// The server's own, one clock for all processes.
    #[default]
    Server,
    /// A clock handed in. For tests and simulations, which move it at will.
    Given(Arc<dyn Clock>),
}

impl StoreTime {
    /// What the scripts take: zero is the server's own time.
    fn arg(&self) -> u64 {
        match self {
            Self::Server => 0,
            Self::Given(clock) => clock.wall().0,
        }
    }
}

/// A store shared by processes.
///
/// It reconnects by itself; while Redis is away, each request fails within the timeout.
pub struct RedisStore {
    connection: ConnectionManager,
    grant: Script,
    release: Script,
    prefix: String,
    time: StoreTime,
    addr: String,
    timeout_ms: u64,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("addr", &self.addr)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// What a script answers: a kind, its fields, and the members, four texts each.
type ScriptReply = (String, Vec<String>, Vec<String>);

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
        let store = Self {
            connection,
            grant: Script::new(include_str!("../../scripts/grant-2.lua")),
            release: Script::new(include_str!("../../scripts/release-2.lua")),
            prefix: config.prefix,
            time: config.time,
            addr: addr.clone(),
            timeout_ms: config.timeout_ms,
        };
        store.ping().await?;
        Ok(store)
    }

    /// Host and port, for people.
    pub fn addr(&self) -> &str {
        &self.addr
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
        }))
    }

    async fn grant_now(&self, request: &GrantRequest) -> Result<GrantAnswer, StoreError> {
        let (ids, terms) = (&request.ids, &request.terms);
        let (intent, epoch) = match terms.intent {
            Intent::Take => ("take", 0),
            Intent::Renew { epoch } => ("renew", epoch),
            Intent::Look => ("look", 0),
        };
        let mut connection = self.connection.clone();
        let reply: ScriptReply = self
            .grant
            .key(keys::grant(&self.prefix, &ids.key))
            .key(keys::members(&self.prefix, &ids.key.domain, &ids.pool))
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
            .arg(self.time.arg())
            .arg(joined(&ids.mounts))
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.explain(&error))?;
        self.read(&reply)
    }

    async fn release_now(&self, release: &Release) -> Result<(), StoreError> {
        let ids = &release.ids;
        let mut connection = self.connection.clone();
        let _owned: u64 = self
            .release
            .key(keys::grant(&self.prefix, &ids.key))
            .key(keys::members(&self.prefix, &ids.key.domain, &ids.pool))
            .arg(ids.owner.as_str())
            .arg(release.released.epoch)
            .arg(release.released.last_us)
            .arg(release.released.counter_milli)
            .arg(u8::from(release.leave))
            .arg(self.time.arg())
            .invoke_async(&mut connection)
            .await
            .map_err(|error| self.explain(&error))?;
        Ok(())
    }

    fn read(&self, (kind, fields, members): &ScriptReply) -> Result<GrantAnswer, StoreError> {
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
        Ok(GrantAnswer { reply, members: live })
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
    if error.code() == Some("TOOLARGE") {
        return StoreError::TooLarge;
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
