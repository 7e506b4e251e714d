//! How many calls a second go through, at an exchange that takes its time for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Endpoint;

use crate::house::{House, Plan};
use crate::judge::{Nonces, nonces};
use crate::readers;

/// How long the exchange takes for a call.
pub const EXCHANGE_DELAY_MS: u64 = 50;
/// Calls at once.
pub const CALLERS: usize = 60;
/// Connections that they share.
const CONNECTIONS: usize = 4;

/// Which keys there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// How many.
    pub count: usize,
    /// Their nonce window, in microseconds.
    pub window_us: u64,
}

/// What was measured.
#[derive(Debug)]
pub struct Figures {
    /// With which keys.
    pub keys: Keys,
    /// Calls that were answered in a second, on average.
    pub calls_per_s: u64,
    /// Time of a call, in microseconds, of half of all and of 99 of 100.
    pub p50_us: u64,
    /// See above.
    pub p99_us: u64,
    /// CPU time of tidegate's process for each call, in microseconds.
    pub cpu_us_per_call: u64,
    /// Calls that failed, and why.
    pub failed: BTreeMap<String, u64>,
    /// What the log shows of nonces.
    pub nonces: Nonces,
}

impl Figures {
    /// One line for a report.
    pub fn line(&self) -> String {
        format!(
            "{} keys, window {} ms, exchange {EXCHANGE_DELAY_MS} ms, {CALLERS} callers: {} calls/s, p50 {} us, p99 {} us, \
             CPU of tidegate {} us a call, {} calls failed; {}",
            self.keys.count,
            self.keys.window_us / 1_000,
            self.calls_per_s,
            self.p50_us,
            self.p99_us,
            self.cpu_us_per_call,
            self.failed.values().sum::<u64>(),
            self.nonces.line()
        )
    }
}

/// Reads as fast as it goes, for so long.
///
/// # Errors
/// When a process does not come up, or no call is answered.
pub async fn measure(keys: Keys, lasting: Duration) -> anyhow::Result<Figures> {
    let aside = tempfile::tempdir()?;
    let file = readers::write(aside.path(), keys.count, keys.window_us)?;
    let sandbox = format!("engine_delay_ms = {EXCHANGE_DELAY_MS}\nkeys_file = \"{}\"", file.display());
    let house = House::build(Plan { sandbox, redis: true, ..Plan::default() }).await?;
    let config = house.config(&[], &readers::tables(aside.path(), keys.count, keys.window_us))?;
    let process = house.all("one", &config).await?;
    let address = format!("http://{}", process.addr("gateway/grpc"));
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(Endpoint::from_shared(address.clone())?.connect_lazy());
    }

    let (counting, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let answered = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let mut account = AccountServiceClient::new(channels[caller % CONNECTIONS].clone());
        let (counting, stop, answered) = (Arc::clone(&counting), Arc::clone(&stop), Arc::clone(&answered));
        callers.spawn(async move {
            let (mut took_us, mut failed) = (Vec::new(), BTreeMap::<String, u64>::new());
            while !stop.load(Ordering::Relaxed) {
                let sent = Instant::now();
                match account.get_balance(v1::GetBalanceRequest::default()).await {
                    Ok(_) if counting.load(Ordering::Relaxed) => {
                        answered.fetch_add(1, Ordering::Relaxed);
                        took_us.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
                    }
                    Ok(_) => {}
                    Err(status) => *failed.entry(format!("{:?}", status.code())).or_default() += 1,
                }
            }
            (took_us, failed)
        });
    }
    // Connections and grants first.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (began, cpu_us) = (Instant::now(), process.cpu_us());
    counting.store(true, Ordering::Relaxed);
    tokio::time::sleep(lasting).await;
    let (calls, cpu_us) = (answered.load(Ordering::Relaxed), process.cpu_us() - cpu_us);
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (mut all_us, mut failed) = (Vec::new(), BTreeMap::<String, u64>::new());
    while let Some(caller) = callers.join_next().await {
        let (took_us, failures) = caller.context("a caller fell over")?;
        all_us.extend(took_us);
        for (why, count) in failures {
            *failed.entry(why).or_default() += count;
        }
    }
    all_us.sort_unstable();
    let at = |percent: usize| all_us.get(all_us.len().saturating_sub(1) * percent / 100).copied();
    let (p50_us, p99_us) = (at(50).context("no call was answered")?, at(99).unwrap_or_default());
    let log = house.pages.settled_log().await?;
    let windows = (0..keys.count).map(|key| (readers::label(key), keys.window_us)).collect();
    Ok(Figures {
        keys,
        calls_per_s: calls * 1_000 / u64::try_from(took.as_millis())?.max(1),
        p50_us,
        p99_us,
        cpu_us_per_call: cpu_us / calls.max(1),
        failed,
        nonces: nonces(&log, &windows),
    })
}
