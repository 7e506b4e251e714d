//! A primary and its replica, and promotions that lose what was acknowledged.

use std::path::Path;

use anyhow::ensure;

use super::link::{Link, StoreLink};
use super::server::RedisServer;
use super::until;

/// Two servers, the network between them, and an address that always leads to the one that counts as the primary.
#[derive(Debug)]
pub struct RedisPair {
    primary: RedisServer,
    replica: RedisServer,
    /// What the replica follows: the way to the primary.
    between: StoreLink,
    /// What clients call, as they call a service's address.
    front: StoreLink,
    promoted: bool,
}

impl RedisPair {
    /// Starts both with more lines of configuration, for instance `min-replicas-to-write 1`, and waits until they are
    /// in sync.
    pub async fn start(dir: &Path, lines: &[&str]) -> anyhow::Result<Self> {
        let primary = RedisServer::start_with(dir, lines).await?;
        let between = StoreLink::start(primary.port()).await?;
        let front = StoreLink::start(primary.port()).await?;
        let replica = RedisServer::start_with(dir, lines).await?;
        let pair = Self { primary, replica, between, front, promoted: false };
        pair.follow(&pair.replica).await?;
        Ok(pair)
    }

    /// The server that counts as the primary: since a promotion, the former replica.
    pub const fn primary(&self) -> &RedisServer {
        &self.primary
    }

    /// The same, to kill or restart it.
    pub const fn primary_mut(&mut self) -> &mut RedisServer {
        &mut self.primary
    }

    /// The other server: the replica, or since a promotion the old primary.
    pub const fn replica(&self) -> &RedisServer {
        &self.replica
    }

    /// The same, to kill or restart it.
    pub const fn replica_mut(&mut self) -> &mut RedisServer {
        &mut self.replica
    }

    /// An address that leads to the primary, and after a promotion to the new one, as a Kubernetes service does.
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// The replication ids of [`Self::primary`] and [`Self::replica`].
    pub async fn replication_ids(&self) -> anyhow::Result<(String, String)> {
        Ok((self.primary.replication_id().await?, self.replica.replication_id().await?))
    }

    /// Waits until the replica holds everything that the primary holds at this moment.
    pub async fn wait_in_sync(&self) -> anyhow::Result<()> {
        let written: u64 = self.primary.info("master_repl_offset").await?.parse()?;
        until("the replica to be in sync", async || {
            // The id is asked for anew each time: a primary takes another one when its first replica comes.
            let (id, followed) = self.replication_ids().await?;
            Ok(self.replica.info("master_link_status").await? == "up"
                && id == followed
                && self.replica.info("slave_repl_offset").await?.parse::<u64>()? >= written)
        })
        .await
    }

    /// Nothing that the primary is told from now on reaches the replica, and neither of them is told so.
    pub fn cut_off_replica(&self) {
        self.between.set(Link::BlackHole);
    }

    /// Lets everything through again that [`Self::cut_off_replica`] held back.
    pub fn reconnect_replica(&self) {
        self.between.set(Link::Open);
    }

    /// Freezes the primary and makes the replica the new one.
    ///
    /// With `lose_last` everything that was written, and acknowledged, since [`Self::cut_off_replica`] is lost. Without
    /// it nothing is: writes are held until both are in sync.
    ///
    /// # Errors
    /// When the replica is not cut off and writes shall be lost, or the reverse; at a second promotion.
    pub async fn promote_replica(&mut self, lose_last: bool) -> anyhow::Result<()> {
        ensure!(!self.promoted, "demote the old primary before the next promotion");
        let cut_off = self.between.get() == Link::BlackHole;
        ensure!(cut_off == lose_last, "cut the replica off, then write what shall be lost, then promote it");
        if !lose_last {
            // Longer than any test; ended when the old primary returns.
            self.primary.command(&["CLIENT", "PAUSE", "600000", "WRITE"]).await?;
            self.wait_in_sync().await?;
        }
        self.primary.freeze().await?;
        self.replica.command(&["REPLICAOF", "NO", "ONE"]).await?;
        // Only now: what was held back must meet nobody who still follows.
        std::mem::swap(&mut self.primary, &mut self.replica);
        self.promoted = true;
        self.between.lead_to(self.primary.port());
        self.front.lead_to(self.primary.port());
        self.between.set(Link::Open);
        Ok(())
    }

    /// The old primary goes on and has noticed nothing: it holds what the new one lost, takes writes, and whoever is
    /// still connected to it is served. Until it is demoted there are two primaries.
    pub async fn old_primary_returns(&self) -> anyhow::Result<()> {
        ensure!(self.promoted, "nothing was promoted");
        self.replica.thaw()?;
        self.replica.command(&["CLIENT", "UNPAUSE"]).await?;
        Ok(())
    }

    /// The old primary, which has returned, follows the new one and forgets what only it held.
    pub async fn demote_old_primary(&mut self) -> anyhow::Result<()> {
        ensure!(self.promoted, "nothing was promoted");
        self.follow(&self.replica).await?;
        self.promoted = false;
        Ok(())
    }

    async fn follow(&self, follower: &RedisServer) -> anyhow::Result<()> {
        follower.command(&["REPLICAOF", "127.0.0.1", &self.between.addr().port().to_string()]).await?;
        self.wait_in_sync().await
    }
}
