//! A program that is none of ours and uses one of our keys.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use serde_json::Value;
use tidegate_core::{Nonce, endpoint};
use tidegate_kraken::{ClientOptions, Credential, Params, PreparedRequest, RestClient};

use crate::house::{House, sandbox_key};

/// A client with a key of the sandbox and its own idea of nonces.
#[derive(Debug)]
pub struct Stranger {
    rest: RestClient,
    credential: Credential,
}

impl Stranger {
    /// Somebody who got hold of this key.
    pub fn with(house: &House, label: &str) -> anyhow::Result<Self> {
        // Installs the TLS provider that every client asks for.
        let _ = crate::http()?;
        let key = sandbox_key(label)?;
        let text = |name: &str| key[name].as_str().map(str::to_owned).context("a text");
        let base_url = format!("http://{}", house.sandbox.addr("sandbox/rest"));
        Ok(Self {
            rest: RestClient::new(ClientOptions::new(base_url))?,
            credential: Credential::new(text("api_key")?, &text("secret")?)?,
        })
    }

    /// Asks for what every key may ask for, under this nonce. What Kraken answers.
    pub async fn calls(&self, nonce: u64) -> anyhow::Result<Vec<String>> {
        let call = endpoint("GetApiKeyInfo").context("in the table")?;
        let request = PreparedRequest::of(call, &Params::new(), Nonce(nonce), None)?;
        let patience = Duration::from_secs(10);
        Ok(self.rest.call_private(&self.credential, request, patience, || {}).await?.errors)
    }
}

/// Microseconds since 1970, as a program on this machine sees them.
#[allow(clippy::disallowed_methods, reason = "a stranger has its own clock")]
pub fn clock_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The nonces of a key that the exchange refused.
pub fn refused_nonces(log: &[Value], key: &str) -> usize {
    let refused = |entry: &&Value| {
        entry["key"] == key && entry["verdict"].as_str().is_some_and(|v| v.starts_with("EAPI:Invalid nonce"))
    };
    log.iter().filter(refused).count()
}
