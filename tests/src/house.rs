//! A house: one sandbox, perhaps a Redis, and the processes that a test starts on them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_proto::v1;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tonic::transport::{Channel, Endpoint};

use crate::eventually;
use crate::process::Process;
use crate::redis_server::RedisServer;
use crate::sandbox::SandboxPages;

/// What to build.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Lines of the sandbox's table, for instance `random_delay_ms = 50`.
    pub sandbox: String,
    /// Tier of the accounts, at the sandbox and in the configuration.
    pub tier: &'static str,
    /// Whether there is a Redis.
    pub redis: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { sandbox: String::new(), tier: "wide", redis: false }
    }
}

/// The running house. Everything ends when it is dropped.
#[derive(Debug)]
pub struct House {
    /// What the exchange saw.
    pub pages: SandboxPages,
    /// The exchange.
    pub sandbox: Process,
    /// The store, if there is one.
    pub redis: Option<RedisServer>,
    tier: &'static str,
    /// Where logs and configurations are. Last, so that it outlives the processes.
    dir: TempDir,
}

/// One of the sandbox's keys, as its file lists it.
pub fn sandbox_key(label: &str) -> anyhow::Result<Value> {
    let all: Value = serde_json::from_str(include_str!("../../services/sandbox/sandbox-keys.json"))?;
    let keys = all["keys"].as_array().context("a list of keys")?;
    keys.iter().find(|key| key["label"] == label).cloned().with_context(|| format!("no sandbox key {label}"))
}

impl House {
    /// Starts the sandbox and, where planned, Redis.
    pub async fn build(plan: Plan) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("tidegate-test-").tempdir()?;
        // Tests of the REST counter are not to meet the pairs' counters by the way.
        let trading = if plan.sandbox.contains("trading_tier") { "" } else { "trading_tier = \"wide\"\n" };
        let config = format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\n[sandbox]\nlisten = \"127.0.0.1:0\"\ntier = \"{}\"\n{trading}{}\n",
            plan.tier, plan.sandbox
        );
        let sandbox = Process::start(dir.path(), "sandbox", "sandbox", &config, &["sandbox/rest"]).await?;
        let pages = SandboxPages::at(sandbox.addr("sandbox/rest"))?;
        let redis = if plan.redis { Some(RedisServer::start(dir.path()).await?) } else { None };
        let house = Self { pages, sandbox, redis, tier: plan.tier, dir };
        house.prepare_store().await?;
        Ok(house)
    }

    /// As an operator does before the first start.
    async fn prepare_store(&self) -> anyhow::Result<()> {
        if self.redis.is_none() {
            return Ok(());
        }
        let file = self.dir().join("store.toml");
        std::fs::write(&file, self.config(&[], "")?)?;
        let args = ["store", "init", "--config", file.to_str().context("a path in UTF-8")?];
        let mut init = Process::spawn(self.dir(), "store-init", &args)?;
        anyhow::ensure!(init.ended().await?.success(), "store init: {}", init.log());
        Ok(())
    }

    /// Lets the directory stay when the house is gone, for whoever looks into a failure, and says where it is.
    pub fn keep(&mut self) -> std::path::PathBuf {
        self.dir.disable_cleanup(true);
        self.dir.path().to_owned()
    }

    /// The directory of this house.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A configuration whose keys are the named ones of the sandbox, with what Kraken says of them. `more` is put
    /// behind it.
    pub fn config(&self, keys: &[&str], more: &str) -> anyhow::Result<String> {
        let mut text = format!(
            "[gateway]\nlisten = \"127.0.0.1:0\"\nquota_per_s = 100000\n[executor]\nlisten = \"127.0.0.1:0\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n[kraken]\nrest_url = \"http://{}\"\n\
             [accounts.main]\ntier = \"{tier}\"\ntrading_tier = \"wide\"\n\
             [accounts.second]\ntier = \"{tier}\"\ntrading_tier = \"wide\"\n",
            self.sandbox.addr("sandbox/rest"),
            tier = self.tier
        );
        if let Some(redis) = &self.redis {
            writeln!(text, "[store]\nredis_url = \"{}\"", redis.url())?;
        }
        for label in keys {
            text.push_str(&Self::key_table(label, &[])?);
        }
        text.push_str(more);
        Ok(text)
    }

    /// The table of one key; `replaced` are settings that shall differ from what Kraken says.
    pub fn key_table(label: &str, replaced: &[(&str, &str)]) -> anyhow::Result<String> {
        let key = sandbox_key(label)?;
        let mut settings = vec![
            ("account", key["account"].to_string()),
            ("sandbox", "true".to_owned()),
            ("nonce_unit", key["nonce_unit"].to_string()),
            ("window", key["nonce_window"].to_string()),
            ("permissions", key["permission_tokens"].to_string()),
        ];
        for (name, value) in replaced {
            settings.retain(|(known, _)| known != name);
            settings.push((name, (*value).to_owned()));
        }
        let mut text = format!("[keys.{label}]\n");
        for (name, value) in settings {
            writeln!(text, "{name} = {value}")?;
        }
        Ok(text)
    }

    /// Starts `tidegate all` with a configuration and waits until every configured lane is settled: open in some
    /// process, or refused by name.
    pub async fn all(&self, name: &str, config: &str) -> anyhow::Result<Process> {
        let process =
            Process::start(self.dir(), name, "all", config, &["gateway/grpc", "admin/http"]).await?;
        settled(channel(&process).await?).await;
        Ok(process)
    }
}

/// A channel to a gateway. Its calls end after 20 s at the latest.
pub async fn channel(process: &Process) -> anyhow::Result<Channel> {
    let addr = process.listening("gateway/grpc").await?;
    Ok(Endpoint::from_shared(format!("http://{addr}"))?.connect_lazy())
}

/// The lanes that a gateway knows of.
pub async fn lanes(channel: Channel) -> Vec<v1::Lane> {
    let mut client = OperationsServiceClient::new(channel);
    match tokio::time::timeout(Duration::from_secs(5), client.list_lanes(v1::ListLanesRequest {})).await {
        Ok(Ok(reply)) => reply.into_inner().lanes,
        _ => Vec::new(),
    }
}

/// Waits until a gateway sees every lane open or refused.
pub async fn settled(channel: Channel) {
    eventually("all lanes to be open or refused", || async {
        let lanes = lanes(channel.clone()).await;
        let at_rest = |lane: &v1::Lane| {
            matches!(lane.state(), v1::LaneState::Open | v1::LaneState::Refused | v1::LaneState::Quarantined)
        };
        (!lanes.is_empty() && lanes.iter().all(at_rest)).then_some(())
    })
    .await;
}
