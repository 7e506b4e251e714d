//! The sandbox's side of a story: what the exchange saw, and what it is told to do wrong.

use std::net::SocketAddr;

use anyhow::bail;
use serde_json::Value;

/// A client of the sandbox's own pages.
#[derive(Clone, Debug)]
pub struct SandboxPages {
    http: reqwest::Client,
    base: String,
}

impl SandboxPages {
    /// The pages of the sandbox at an address.
    pub fn at(addr: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self { http: crate::http()?, base: format!("http://{addr}/sandbox") })
    }

    async fn get(&self, page: &str) -> anyhow::Result<Value> {
        let text = self.http.get(format!("{}/{page}", self.base)).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// `/sandbox/stats`.
    pub async fn stats(&self) -> anyhow::Result<Value> {
        self.get("stats").await
    }

    /// Every request that the exchange got, oldest first.
    pub async fn log(&self) -> anyhow::Result<Vec<Value>> {
        let page = self.get("log?since=0&limit=1000000").await?;
        match page.get("entries").unwrap_or(&page) {
            Value::Array(entries) => Ok(entries.clone()),
            other => bail!("the log is not a list: {other}"),
        }
    }

    /// Requests for one endpoint.
    pub async fn requests(&self, endpoint: &str) -> anyhow::Result<Vec<Value>> {
        Ok(self.log().await?.into_iter().filter(|entry| entry["endpoint"] == endpoint).collect())
    }

    /// Changes delays, tiers or faults while the exchange runs.
    pub async fn switch(&self, switches: &Value) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}/switches", self.base)).body(switches.to_string());
        let response = request.header("content-type", "application/json").send().await?;
        if !response.status().is_success() {
            bail!("the sandbox refused {switches}: {}", response.text().await?);
        }
        Ok(())
    }
}
