//! The store of grants, as the configuration has it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_core::{AccountName, Clock, OwnerId};
use tidegate_lanes::{GrantStore, MemoryStore, Prepared, RedisConfig, RedisStore, StoreFacts, StoreProfile};
use tidegate_runtime::{Config, config};
use tracing::warn;

/// Redis where configured, else the memory of this process.
pub(crate) async fn connect(config: &Config, clock: &Arc<dyn Clock>) -> Result<Arc<dyn GrantStore>, String> {
    match redis(config).await? {
        Some(store) => Ok(Arc::new(store)),
        None => Ok(Arc::new(MemoryStore::new(Arc::clone(clock)))),
    }
}

/// Prepares an empty Redis for every domain of the configuration. One line for each, for people.
pub(crate) async fn prepare(config: &Config) -> Result<Vec<String>, String> {
    let store =
        redis(config).await?.ok_or("store.redis_url: is missing; only a shared store can be prepared")?;
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

async fn redis(config: &Config) -> Result<Option<RedisStore>, String> {
    let Some(url) = config.store.url()? else { return Ok(None) };
    let profile = match config.store.profile {
        Some(config::StoreProfile::Strict) => StoreProfile::Strict,
        Some(config::StoreProfile::Trial) => StoreProfile::Trial,
        None if url.is_loopback() => StoreProfile::Trial,
        None => StoreProfile::Strict,
    };
    let store = RedisStore::connect(RedisConfig {
        url: url.expose().to_owned(),
        prefix: config.store.prefix.to_string(),
        timeout_ms: config.store.timeout_ms,
        facts: StoreFacts::Server,
        deployment: config.deployment.name.to_string(),
        profile,
        wait_replicas: config.store.wait_replicas,
    });
    let store = store.await.map_err(|error| format!("store: {error}"))?;
    for finding in store.findings() {
        warn!(addr = store.addr(), finding, "the store is for trials only");
    }
    Ok(Some(store))
}
