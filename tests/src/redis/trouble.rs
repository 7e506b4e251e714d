//! Troubles of a store that go on running: emptied, evicting, slow, set up wrongly.

use anyhow::Context;

use super::server::RedisServer;
use super::until;

impl RedisServer {
    /// Everything in it is gone (`FLUSHALL`). It keeps its replication id: only a marker inside the data shows it.
    pub async fn flush(&self) -> anyhow::Result<()> {
        self.command(&["FLUSHALL", "SYNC"]).await?;
        Ok(())
    }

    /// Deletes the keys that a pattern such as `tidegate:*` names, in one step, and says how many there were.
    pub async fn delete(&self, pattern: &str) -> anyhow::Result<u64> {
        let script = "local n = 0 for _, key in ipairs(redis.call('KEYS', ARGV[1])) do \
                      n = n + redis.call('DEL', key) end return n";
        Ok(self.command(&["EVAL", script, "0", pattern]).await?.parse()?)
    }

    /// Changes a setting while it runs, for instance `maxmemory-policy`. A restart forgets it.
    pub async fn config_set(&self, name: &str, value: &str) -> anyhow::Result<()> {
        self.command(&["CONFIG", "SET", name, value]).await?;
        Ok(())
    }

    /// A setting as it is now.
    pub async fn config_get(&self, name: &str) -> anyhow::Result<String> {
        let said = self.command(&["CONFIG", "GET", name]).await?;
        Ok(said.lines().nth(1).with_context(|| format!("Redis has no setting {name}"))?.to_owned())
    }

    /// Drives every key out by eviction, as a store does that may evict and whose memory others fill, and says how
    /// many there were. Policy and limit of the memory are afterwards what they were.
    pub async fn evict(&self) -> anyhow::Result<u64> {
        let evicted = async || -> anyhow::Result<u64> { Ok(self.info("evicted_keys").await?.parse()?) };
        let (policy, limit) =
            (self.config_get("maxmemory-policy").await?, self.config_get("maxmemory").await?);
        let before = evicted().await?;
        self.config_set("maxmemory-policy", "allkeys-random").await?;
        // Redis alone needs more than one byte, so no key can stay.
        self.config_set("maxmemory", "1").await?;
        until("the last key to be evicted", async || Ok(self.command(&["DBSIZE"]).await? == "0")).await?;
        self.config_set("maxmemory", &limit).await?;
        self.config_set("maxmemory-policy", &policy).await?;
        Ok(evicted().await? - before)
    }

    /// Holds every command for so many milliseconds from now (`CLIENT PAUSE ... ALL`). Then it is executed, unless its
    /// connection was closed meanwhile; a [frozen](Self::freeze) server executes that one as well. This itself
    /// returns at once; the next command waits, the harness's own included.
    pub async fn slow(&self, ms: u64) -> anyhow::Result<()> {
        self.command(&["CLIENT", "PAUSE", &ms.to_string(), "ALL"]).await?;
        Ok(())
    }
}
