//! Real Redis servers that fail in every way that operators meet.
//!
//! - [`RedisServer`]: one server, killed, restarted with or without its data, frozen, slow, emptied, evicting; with a
//!   clock of its own, with ACL users, or behind TLS.
//! - [`RedisPair`]: a primary and a replica that can be promoted too early.
//! - [`RedisSentinels`] and [`RedisCluster`]: what hides the primary's address, and what spreads the keys.
//! - [`StoreLink`]: the network between one owner and its store.
//!
//! Nothing here trusts tidegate or its client library: servers are asked through `redis-cli`.

mod ask;
mod clock;
mod cluster;
mod launch;
mod link;
mod pair;
mod sentinels;
mod server;
mod tls;
mod trouble;

pub use cluster::RedisCluster;
pub use link::{Caught, Hold, Link, StoreLink};
pub use pair::RedisPair;
pub use sentinels::{Failover, RedisSentinels};
pub use server::{Keep, RedisServer};

use std::time::Duration;

use anyhow::bail;

/// How long servers may take to agree. Longer than [`crate::PATIENCE`], because sentinels that find their machine too
/// busy decide nothing for thirty seconds.
const AGREEMENT: Duration = Duration::from_secs(75);

/// Asks again and again until the answer is yes. A question that cannot be answered yet counts as no.
async fn until(what: &str, mut ask: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + AGREEMENT;
    loop {
        let answer = ask().await;
        if let Ok(true) = answer {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            bail!("gave up waiting for {what}; the last answer was {answer:?}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
