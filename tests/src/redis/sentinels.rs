//! A primary and a replica, watched by three sentinels who decide which of them is the primary.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use super::launch::Launch;
use super::server::{Keep, RedisServer};
use super::until;

/// Why there is another primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// The primary died without a word.
    Killed,
    /// Somebody asked a sentinel for it, and the old primary becomes a replica.
    Asked,
}

/// Five running servers.
#[derive(Debug)]
pub struct RedisSentinels {
    stores: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// The name under which the sentinels know the primary.
    pub const PRIMARY_NAME: &str = "tidegate";

    /// Starts all with more lines of the stores' configuration, and waits until every sentinel knows all others.
    pub async fn start(dir: &Path, lines: &[&str]) -> anyhow::Result<Self> {
        let primary = RedisServer::start_with(dir, lines).await?;
        let replica = RedisServer::start_with(dir, lines).await?;
        replica.command(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).await?;
        until("the replica to follow", async || Ok(replica.info("master_link_status").await? == "up"))
            .await?;

        let name = Self::PRIMARY_NAME;
        let watch = [
            format!("sentinel monitor {name} 127.0.0.1 {} 2", primary.port()),
            format!("sentinel down-after-milliseconds {name} 1000"),
            format!("sentinel failover-timeout {name} 5000"),
        ];
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            let launch = Launch { lines: watch.to_vec(), sentinel: true, ..Launch::default() };
            sentinels.push(RedisServer::launch(dir, launch).await?);
        }
        let all = Self { stores: vec![primary, replica], sentinels };
        for sentinel in &all.sentinels {
            until("the sentinels to know each other", async || {
                let said = sentinel.command(&["SENTINEL", "MASTER", name]).await?;
                let knows = |what, count| value(&said, what) == Some(count);
                Ok(knows("num-other-sentinels", "2") && knows("num-slaves", "1") && knows("flags", "master"))
            })
            .await?;
            // A replica of which it does not know that it follows is none that it would promote.
            until("a sentinel to know the replica", async || {
                let said = sentinel.command(&["SENTINEL", "REPLICAS", name]).await?;
                Ok(value(&said, "flags") == Some("slave") && value(&said, "master-link-status") == Some("ok"))
            })
            .await?;
        }
        Ok(all)
    }

    /// The sentinels' addresses.
    pub fn sentinel_urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The sentinels, to freeze or kill them.
    pub fn sentinels_mut(&mut self) -> &mut [RedisServer] {
        &mut self.sentinels
    }

    /// Where the primary is, as soon as all sentinels that live say the same.
    pub async fn primary_addr(&self) -> anyhow::Result<SocketAddr> {
        let mut addr = None;
        until("the sentinels to agree", async || {
            addr = self.agreed().await?;
            Ok(addr.is_some())
        })
        .await?;
        addr.context("they agreed")
    }

    /// The server that the sentinels call the primary.
    pub async fn primary(&mut self) -> anyhow::Result<&mut RedisServer> {
        let port = self.primary_addr().await?.port();
        self.at(port)
    }

    /// The store at a port, primary or not.
    pub fn at(&mut self, port: u16) -> anyhow::Result<&mut RedisServer> {
        self.stores.iter_mut().find(|store| store.port() == port).context("the sentinels name a stranger")
    }

    async fn agreed(&self) -> anyhow::Result<Option<SocketAddr>> {
        let mut said = Vec::new();
        for sentinel in &self.sentinels {
            // One that is frozen or dead has no vote; whether the others are enough is seen below.
            if sentinel.answers_within(1000).await {
                let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::PRIMARY_NAME];
                said.push(sentinel.command(&command).await?.replace('\n', ":").parse::<SocketAddr>()?);
            }
        }
        ensure!(said.len() >= 2, "{} sentinels answer, two are needed", said.len());
        Ok(said.iter().all(|addr| *addr == said[0]).then(|| said[0]))
    }

    /// Whether all sentinels that live see the primary up and nothing left to do: one that was only just told of a
    /// new primary has not heard of it yet.
    async fn are_content(&self) -> anyhow::Result<bool> {
        for sentinel in &self.sentinels {
            if sentinel.answers_within(1000).await {
                let said = sentinel.command(&["SENTINEL", "MASTER", Self::PRIMARY_NAME]).await?;
                if value(&said, "flags") != Some("master") {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Brings about another primary and waits until the sentinels agree on it and it takes writes itself. Returns the
    /// port of the old one.
    pub async fn failover(&mut self, why: Failover) -> anyhow::Result<u16> {
        let old = self.primary_addr().await?.port();
        match why {
            Failover::Killed => self.at(old)?.kill().await?,
            Failover::Asked => {
                // Refused while the sentinel's view of the replica is not fresh.
                let command = ["SENTINEL", "FAILOVER", Self::PRIMARY_NAME];
                until("a sentinel to begin", async || Ok(self.sentinels[0].command(&command).await? == "OK"))
                    .await?;
            }
        }
        until("the sentinels to agree on a new primary", async || {
            let Some(new) = self.agreed().await?.filter(|new| new.port() != old) else { return Ok(false) };
            let Some(store) = self.stores.iter().find(|store| store.port() == new.port()) else {
                bail!("the sentinels name a stranger, {new}")
            };
            Ok(store.info("role").await? == "master" && self.are_content().await?)
        })
        .await?;
        Ok(old)
    }

    /// Starts a killed server again. It believes that it is a primary, an empty one or one with its old data, until
    /// the sentinels tell it otherwise, which takes them ten seconds and more.
    ///
    /// It is not promoted again unless the test sets its `replica-priority` above zero: on a machine that stands still
    /// for a second the sentinels take the new primary for dead, and an empty server would empty the other one.
    pub async fn returns(&mut self, port: u16, keep: Keep) -> anyhow::Result<&RedisServer> {
        let store = self.at(port)?;
        store.launch.lines.push("replica-priority 0".to_owned());
        store.restart(keep).await?;
        Ok(store)
    }

    /// Waits until a server that has returned follows the primary, holds what it holds, and may be promoted again.
    pub async fn follows_again(&mut self, port: u16) -> anyhow::Result<()> {
        let store = self.at(port)?;
        until("the old primary to follow", async || {
            Ok(store.info("role").await? == "slave" && store.info("master_link_status").await? == "up")
        })
        .await?;
        store.config_set("replica-priority", "100").await?;
        // The line would come back with the next restart.
        store.launch.lines.retain(|line| !line.starts_with("replica-priority"));
        let name = Self::PRIMARY_NAME;
        for sentinel in &self.sentinels {
            until("a sentinel to know the replica again", async || {
                let said = sentinel.command(&["SENTINEL", "REPLICAS", name]).await?;
                Ok(value(&said, "flags") == Some("slave")
                    && value(&said, "master-link-status") == Some("ok")
                    && value(&said, "slave-priority") == Some("100"))
            })
            .await?;
        }
        Ok(())
    }
}

/// A value of a list that has names and values in turn, a line each.
fn value<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = said.lines();
    while let Some(found) = lines.next() {
        let value = lines.next()?;
        if found == name {
            return Some(value);
        }
    }
    None
}
