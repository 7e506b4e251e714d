//! The harness: a house of real processes with a real Redis, told as a story.
//!
//! Every listener takes port 0 and says where it is. What a process writes goes to a file in the house's own
//! directory; when a test panics, the end of each file is printed. Nothing here sleeps for a fixed time: it waits
//! for conditions, at most as long as [`PATIENCE`].

pub mod callers;
pub mod cancels;
pub mod chaos;
pub mod fault_proxy;
pub mod fleet;
pub mod fuzzing;
pub mod house;
pub mod judge;
pub mod load;
pub mod orders;
pub mod process;
pub mod readers;
pub mod redis;
pub mod rolling;
pub mod sandbox;
pub mod service;
pub mod stranger;
pub mod takeover;
pub mod throughput;
pub mod translation;

/// The name under which tests that need nothing but one Redis know it.
pub use redis as redis_server;

use std::time::Duration;

/// How long a condition may take before a test gives up. Generous, because machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is some value.
///
/// # Panics
/// When [`PATIENCE`] is over; the message names what was waited for.
pub async fn eventually<T, F>(what: &str, mut ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ask().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "gave up waiting for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client for pages over plain HTTP. The TLS provider that it asks for is installed here, once for a test binary.
///
/// # Errors
/// When the client cannot be built.
pub fn http() -> anyhow::Result<reqwest::Client> {
    // An error means that another test has installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Ok(reqwest::Client::builder().no_proxy().build()?)
}

/// A fresh request id.
pub fn request_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
