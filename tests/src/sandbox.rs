//! The sandbox's side of a story: what the exchange saw, and what it is told to do wrong.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// Entries of the log that are asked for at once.
const PAGE: usize = 5_000;

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

    /// Every request that the exchange got, oldest first. Read in pages, because it answers nobody else meanwhile.
    ///
    /// # Errors
    /// When it has forgotten some: then the log proves nothing.
    pub async fn log(&self) -> anyhow::Result<Vec<Value>> {
        self.log_since(0).await
    }

    /// The number of the latest request.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub async fn last_seq(&self) -> anyhow::Result<u64> {
        self.get("log?limit=0").await?["last_seq"].as_u64().context("a sequence number")
    }

    /// Every request with a higher number.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub async fn log_since(&self, mut since: u64) -> anyhow::Result<Vec<Value>> {
        let mut log = Vec::new();
        loop {
            let mut page = self.get(&format!("log?since={since}&limit={PAGE}")).await?;
            ensure!(page["dropped"] == 0, "the sandbox's log is full: {} were dropped", page["dropped"]);
            let Value::Array(entries) = page["entries"].take() else {
                bail!("the log is not a list: {page}")
            };
            let Some(last) = entries.last() else { return Ok(log) };
            since = last["seq"].as_u64().context("a sequence number")?;
            log.extend(entries);
        }
    }

    /// The log, once every request in it is judged. What hangs for longer than [`crate::PATIENCE`] stays as it is.
    ///
    /// # Errors
    /// As [`Self::log`].
    pub async fn settled_log(&self) -> anyhow::Result<Vec<Value>> {
        let deadline = tokio::time::Instant::now() + crate::PATIENCE;
        loop {
            let log = self.log().await?;
            let all_judged = log.iter().all(|entry| !entry["verdict"].is_null());
            if all_judged || tokio::time::Instant::now() >= deadline {
                return Ok(log);
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    }

    /// Requests for one endpoint.
    pub async fn requests(&self, endpoint: &str) -> anyhow::Result<Vec<Value>> {
        Ok(self.log().await?.into_iter().filter(|entry| entry["endpoint"] == endpoint).collect())
    }

    /// How many requests the faults that wait will still strike.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub async fn waiting_faults(&self) -> anyhow::Result<u64> {
        let waiting = self.get("faults").await?;
        let all = waiting.as_array().context("a list of faults")?;
        Ok(all.iter().filter_map(|fault| fault["count"].as_u64()).sum())
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

    /// Lets somebody pay an account. Returns the deposit's id.
    ///
    /// # Errors
    /// When the sandbox does not take the payment.
    pub async fn deposit(&self, payment: &Value) -> anyhow::Result<String> {
        let request = self.http.post(format!("{}/deposits", self.base)).body(payment.to_string());
        let response = request.header("content-type", "application/json").send().await?;
        let (good, text) = (response.status().is_success(), response.text().await?);
        ensure!(good, "the sandbox refused {payment}: {text}");
        let told: Value = serde_json::from_str(&text)?;
        Ok(told["refid"].as_str().context("an id")?.to_owned())
    }

    /// `/sandbox/funds`: where every unit of each asset is.
    ///
    /// # Errors
    /// When the page cannot be read.
    pub async fn funds(&self) -> anyhow::Result<Value> {
        self.get("funds").await
    }
}
