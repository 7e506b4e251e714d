//! The store of grants, as the configuration has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tidegate_core::{AccountName, Clock, OwnerId};
use tidegate_lanes::{
    MemoryStore, Prepared, RedisAddr, RedisConfig, RedisLogin, RedisPlace, RedisStore, RedisTls, Store,
    StoreFacts, StoreProfile, StoreStanding,
};
use tidegate_runtime::config::{HostPort, Label, StoreConfig};
use tidegate_runtime::{Condition, Config, Health, config};
use tokio::sync::watch;
use tracing::{error, info, warn};

/// Redis where configured, else the memory of this process.
///
/// A Redis that cannot be reached is no reason not to start: cancels do not need it. One that is reached and cannot be
/// used is; if it shows itself later, nothing is granted and the process is not ready.
pub(crate) async fn connect(
    config: &Config,
    clock: &Arc<dyn Clock>,
    health: &Health,
) -> Result<Arc<dyn Store>, String> {
    let Some(wanted) = redis(config)? else {
        return Ok(Arc::new(MemoryStore::new(Arc::clone(clock))));
    };
    let store = RedisStore::lazy(wanted).map_err(|error| format!("store: {error}"))?;
    match store.reach().await {
        Err(error) if error.is_refusal() => return Err(format!("store: {error}")),
        Err(error) => warn!(
            store = store.name(), %error,
            "the store cannot be reached; started without it, nothing is placed until it is there"
        ),
        Ok(()) => {}
    }
    tokio::spawn(say_how_it_stands(store.standing(), health.condition("store")));
    tokio::spawn(say_when_deaf(store.deaf()));
    Ok(Arc::new(store))
}

/// One log line for each change, and whether the process may be called ready: not before a server has passed, and not
/// while one is refused. One that has passed and is away for a while is no reason, because cancels go on.
async fn say_how_it_stands(mut standing: watch::Receiver<StoreStanding>, ready: Condition) {
    loop {
        let now = standing.borrow_and_update().clone();
        match now {
            StoreStanding::Unseen => {}
            StoreStanding::Fit { addr, findings } => {
                info!(addr, "the store is in use");
                for finding in findings {
                    warn!(addr, finding, "the store is for trials only, or has just failed over");
                }
                ready.set(true);
            }
            StoreStanding::Refused { error } => {
                error!(%error, "the store is refused, nothing is granted");
                ready.set(false);
            }
        }
        if standing.changed().await.is_err() {
            return;
        }
    }
}

async fn say_when_deaf(mut deaf: watch::Receiver<Option<String>>) {
    while deaf.changed().await.is_ok() {
        let why = deaf.borrow_and_update().clone();
        if let Some(reason) = why {
            warn!(reason, "the store does not let tidegate hear of released keys; hand-overs take longer");
        }
    }
}

/// Prepares an empty Redis for every domain of the configuration. One line for each, for people.
pub(crate) async fn prepare(config: &Config) -> Result<Vec<String>, String> {
    let store = shared(config).await?;
    let domains: BTreeSet<&AccountName> = config.accounts.values().map(|account| &account.domain).collect();
    let marker = OwnerId::fresh();
    let mut lines = Vec::new();
    for domain in domains {
        let prepared =
            store.prepare(domain, marker.as_str()).await.map_err(|error| format!("store: {error}"))?;
        lines.push(match prepared {
            Prepared::Now => format!("{domain}: prepared"),
            Prepared::Before { born_us } => {
                let since =
                    i64::try_from(born_us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
                let since = since.map_or_else(String::new, |since| format!(" since {since:.0}"));
                format!("{domain}: in use{since}; nothing was changed")
            }
        });
    }
    Ok(lines)
}

/// The store that processes share, or why there is none.
pub(crate) async fn shared(config: &Config) -> Result<RedisStore, String> {
    let wanted = redis(config)?.ok_or(
        "store.redis_url: is missing, as are store.sentinels and store.cluster; this needs a store that processes share",
    )?;
    RedisStore::connect(wanted).await.map_err(|error| format!("store: {error}"))
}

fn redis(config: &Config) -> Result<Option<RedisConfig>, String> {
    let store = &config.store;
    let Some((place, loopback)) = place(store)? else { return Ok(None) };
    let profile = match store.profile {
        Some(config::StoreProfile::Strict) => StoreProfile::Strict,
        Some(config::StoreProfile::Trial) => StoreProfile::Trial,
        None if loopback => StoreProfile::Trial,
        None => StoreProfile::Strict,
    };
    Ok(Some(RedisConfig {
        place,
        prefix: store.prefix.to_string(),
        timeout_ms: store.timeout_ms,
        facts: StoreFacts::Server,
        deployment: config.deployment.name.to_string(),
        profile,
        wait_replicas: store.wait_replicas,
    }))
}

/// Where Redis is, and whether that is this machine. Files with secrets are read here.
fn place(store: &StoreConfig) -> Result<Option<(RedisPlace, bool)>, String> {
    if let Some(url) = store.url()? {
        let tls = tls(store)?;
        if !url.is_tls() && (tls.ca_pem.is_some() || tls.client_pem.is_some()) {
            let text = "store.ca_file: is for TLS, and the URL in store.redis_url_file does not begin with rediss://";
            return Err(text.to_owned());
        }
        return Ok(Some((RedisPlace::Server { url: url.expose().to_owned(), tls }, url.is_loopback())));
    }
    let tls = if store.tls { Some(tls(store)?) } else { None };
    let login = RedisLogin {
        user: store.user.clone(),
        password: password("password_file", store.password_file.as_deref())?,
    };
    let place = if let Some(primary_name) = store.sentinel_master.clone() {
        let file = store.sentinel_password_file.as_deref();
        RedisPlace::Sentinels {
            sentinels: addrs(&store.sentinels),
            primary_name,
            login,
            database: store.database,
            sentinel_login: RedisLogin {
                user: store.sentinel_user.clone(),
                password: password("sentinel_password_file", file)?,
            },
            tls,
        }
    } else if !store.cluster.is_empty() {
        RedisPlace::Cluster { nodes: addrs(&store.cluster), login, tls }
    } else {
        return Ok(None);
    };
    Ok(Some((place, store.is_loopback())))
}

fn addrs(addresses: &BTreeMap<Label, HostPort>) -> Vec<RedisAddr> {
    addresses.values().map(|at| RedisAddr { host: at.host().to_owned(), port: at.port() }).collect()
}

fn tls(store: &StoreConfig) -> Result<RedisTls, String> {
    let read_pem =
        |setting: &str, path: &Option<_>| path.as_deref().map(|path| read(setting, path)).transpose();
    let certificate = read_pem("client_cert_file", &store.client_cert_file)?;
    let key = read_pem("client_key_file", &store.client_key_file)?;
    Ok(RedisTls { ca_pem: read_pem("ca_file", &store.ca_file)?, client_pem: certificate.zip(key) })
}

/// The first line of a file, which is the password. It is never quoted.
fn password(setting: &str, path: Option<&Path>) -> Result<Option<String>, String> {
    let Some(path) = path else { return Ok(None) };
    let wrong = || format!("store.{setting}: the file {} has no password in its first line", path.display());
    let text = String::from_utf8(read(setting, path)?).map_err(|_| wrong())?;
    match text.lines().next().map(str::trim) {
        Some(password) if !password.is_empty() => Ok(Some(password.to_owned())),
        _ => Err(wrong()),
    }
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("store.{setting}: the file {} cannot be read: {error}", path.display()))
}
