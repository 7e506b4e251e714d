//! Where the server is that counts now: always the same one, or whom the sentinels or the nodes of a cluster name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::MultiplexedConnection;
use redis::{RedisResult, ServerErrorKind};
use tokio::task::JoinSet;

use super::config::RedisAddr;
use super::dial::{Dialer, plain, timed_out};
use super::trouble::explain;
use crate::store::StoreError;

/// How the server is found.
pub(super) enum Place {
    Server(RedisAddr),
    Sentinels(Sentinels),
    Cluster(Vec<RedisAddr>),
}

impl Place {
    /// Servers that may hold a key, likeliest first; never empty.
    pub(super) async fn find(
        &self,
        dialer: &Dialer,
        key: &str,
        hint: Option<RedisAddr>,
    ) -> Result<Vec<RedisAddr>, StoreError> {
        match self {
            Self::Server(addr) => Ok(vec![addr.clone()]),
            Self::Sentinels(sentinels) => {
                let said = sentinels.ask().await?;
                Ok(rank(&said))
            }
            Self::Cluster(nodes) => {
                let known = hint.into_iter().chain(nodes.iter().cloned());
                owner(dialer, key, known).await.map(|addr| vec![addr])
            }
        }
    }

    /// Whether different keys may be on different servers.
    pub(super) const fn is_spread(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// For people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Server(addr) => addr.to_string(),
            Self::Sentinels(sentinels) => sentinels.label(),
            Self::Cluster(nodes) => format!("the cluster of {}", joined(nodes)),
        }
    }
}

fn joined(addrs: &[RedisAddr]) -> String {
    addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The node that holds a key, as the first node says that answers. A replica knows it as well.
async fn owner(
    dialer: &Dialer,
    key: &str,
    known: impl Iterator<Item = RedisAddr>,
) -> Result<RedisAddr, StoreError> {
    let mut trouble = None;
    for addr in known {
        let asked = async {
            let mut connection = dialer.connect(&addr).await?;
            redis::cmd("EXISTS").arg(key).query_async::<u64>(&mut connection).await
        };
        let Err(error) = asked.await else { return Ok(addr) };
        let redirected = error.redirect_node().and_then(|(to, _)| to.parse().ok());
        if let (Some(ServerErrorKind::Moved), Some(owner)) = (server_kind(&error), redirected) {
            return Ok(owner);
        }
        let timeout_ms = millis(dialer);
        trouble = Some(explain(&addr.to_string(), timeout_ms, &error));
    }
    Err(trouble
        .unwrap_or_else(|| StoreError::BadAddress { reason: "no node of the cluster is known".to_owned() }))
}

fn server_kind(error: &redis::RedisError) -> Option<ServerErrorKind> {
    match error.kind() {
        redis::ErrorKind::Server(kind) => Some(kind),
        _ => None,
    }
}

fn millis(dialer: &Dialer) -> u64 {
    u64::try_from(dialer.timeout().as_millis()).unwrap_or(u64::MAX)
}

/// What one sentinel says of the primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// Where it is.
    pub(super) primary: RedisAddr,
    /// Of which agreement that is; a later one counts more.
    pub(super) config_epoch: u64,
}

/// The primaries that were named: of the latest agreement first, then by votes.
fn rank(said: &[Said]) -> Vec<RedisAddr> {
    let mut named: Vec<&RedisAddr> = said.iter().map(|one| &one.primary).collect();
    named.sort_unstable();
    named.dedup();
    named.sort_by_key(|addr| {
        let votes = said.iter().filter(|one| one.primary == **addr);
        std::cmp::Reverse((epoch_of(said, addr), votes.count()))
    });
    named.into_iter().cloned().collect()
}

fn epoch_of(said: &[Said], addr: &RedisAddr) -> Option<u64> {
    said.iter().filter(|one| one.primary == *addr).map(|one| one.config_epoch).max()
}

/// Whether the sentinels have agreed on another primary than the one at this address. While they disagree about one and
/// the same agreement they have not.
pub(super) fn is_replaced(said: &[Said], addr: &RedisAddr) -> bool {
    let latest = said.iter().map(|one| one.config_epoch).max();
    latest > epoch_of(said, addr)
}

/// Sentinels, and connections to them.
pub(super) struct Sentinels {
    addrs: Vec<RedisAddr>,
    primary_name: Arc<str>,
    dialer: Dialer,
    open: Arc<Mutex<HashMap<RedisAddr, MultiplexedConnection>>>,
}

impl Sentinels {
    pub(super) fn new(addrs: Vec<RedisAddr>, primary_name: &str, dialer: Dialer) -> Self {
        Self { addrs, primary_name: primary_name.into(), dialer, open: Arc::default() }
    }

    fn label(&self) -> String {
        format!("{} as the sentinels {} know it", self.primary_name, joined(&self.addrs))
    }

    /// What each sentinel says that answers in time; never empty.
    pub(super) async fn ask(&self) -> Result<Vec<Said>, StoreError> {
        let mut asking = JoinSet::new();
        for addr in self.addrs.clone() {
            let (dialer, name, open) =
                (self.dialer.clone(), Arc::clone(&self.primary_name), Arc::clone(&self.open));
            asking.spawn(async move {
                let known = lock(&open).remove(&addr);
                // A connection that has died since is made anew once.
                let said = match known {
                    Some(connection) => ask_one(connection, &name).await,
                    None => Err(timed_out()),
                };
                let said = match said {
                    Ok(said) => Ok(said),
                    Err(_) => match dialer.connect(&addr).await {
                        Ok(connection) => ask_one(connection, &name).await,
                        Err(error) => Err(error),
                    },
                };
                match said {
                    Ok((said, connection)) => {
                        lock(&open).insert(addr, connection);
                        Ok(said)
                    }
                    Err(error) => Err(explain(&addr.to_string(), millis(&dialer), &error)),
                }
            });
        }
        let (mut all, mut strangers, mut trouble) = (Vec::new(), 0_usize, None);
        while let Some(asked) = asking.join_next().await {
            match asked {
                Ok(Ok(Some(said))) => all.push(said),
                Ok(Ok(None)) => strangers += 1,
                Ok(Err(error)) => trouble = trouble.or(Some(error)),
                Err(_) => {}
            }
        }
        if !all.is_empty() {
            return Ok(all);
        }
        Err(match trouble {
            Some(error) if strangers == 0 => error,
            _ => StoreError::UnknownPrimary {
                name: self.primary_name.to_string(),
                sentinels: joined(&self.addrs),
            },
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the connection as well, for the next question. `None` where the sentinel knows no such primary.
async fn ask_one(
    mut connection: MultiplexedConnection,
    name: &str,
) -> RedisResult<(Option<Said>, MultiplexedConnection)> {
    // This one knows of a promotion before SENTINEL MASTER does.
    let addr: Option<(String, u16)> = redis::cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(name)
        .query_async(&mut connection)
        .await
        .map_err(plain)?;
    let Some((host, port)) = addr else { return Ok((None, connection)) };
    let facts: HashMap<String, String> =
        redis::cmd("SENTINEL").arg("MASTER").arg(name).query_async(&mut connection).await.map_err(plain)?;
    let config_epoch = facts.get("config-epoch").and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok((Some(Said { primary: RedisAddr { host, port }, config_epoch }), connection))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(port: u16, config_epoch: u64) -> Said {
        Said { primary: at(port), config_epoch }
    }

    fn at(port: u16) -> RedisAddr {
        RedisAddr { host: "10.0.0.1".to_owned(), port }
    }

    #[test]
    fn the_latest_agreement_counts_before_the_number_of_votes() {
        assert_eq!(rank(&[said(1, 3), said(1, 3), said(2, 4)]), [at(2), at(1)]);
        assert_eq!(rank(&[said(1, 3), said(2, 3), said(2, 3)]), [at(2), at(1)]);
    }

    #[test]
    fn a_primary_is_replaced_only_by_a_later_agreement() {
        assert!(is_replaced(&[said(1, 3), said(2, 4)], &at(1)));
        assert!(!is_replaced(&[said(1, 3), said(2, 4)], &at(2)));
        assert!(!is_replaced(&[said(1, 3), said(2, 3)], &at(1)), "one of them is about to be told");
        assert!(is_replaced(&[said(2, 3)], &at(1)), "nobody names it");
        assert!(!is_replaced(&[], &at(1)));
    }

    #[test]
    fn addresses_are_read_as_servers_write_them() {
        for (text, host, port) in [
            ("10.0.0.1:6379", "10.0.0.1", 6379),
            ("::1:6380", "::1", 6380),
            ("[::1]:6381", "::1", 6381),
            ("redis-0.redis:1", "redis-0.redis", 1),
        ] {
            assert_eq!(text.parse(), Ok(RedisAddr { host: host.to_owned(), port }), "{text}");
        }
        assert!(":6379".parse::<RedisAddr>().is_err() && "host".parse::<RedisAddr>().is_err());
    }
}
