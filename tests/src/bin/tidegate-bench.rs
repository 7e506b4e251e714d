//! `make bench`: what tidegate costs: its translation against plain parsing, and a call against a client that signs and sends by itself.
//!
//! One run measures all rows on one machine, round by round in turn, and prints medians; only ratios within a run say
//! anything. Two callers and two keys everywhere, so that no row has more in flight than another.

use std::alloc::System;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tidegate_core::{Nonce, endpoint};
use tidegate_kraken::{ClientOptions, Credential, Params, PreparedRequest, RestClient};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_tests::house::{House, Plan, channel, sandbox_key};
use tidegate_tests::process::Process;
use tidegate_tests::translation;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

/// Counts allocations of this program, not of the tidegate processes that it starts.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const KEYS: [&str; 2] = ["sandbox-read", "sandbox-read-2"];
const ROUNDS: usize = 3;

/// One measured round of one row.
#[derive(Clone, Debug)]
struct Round {
    calls_per_s: u128,
    p50_us: u128,
    p99_us: u128,
    cpu_us_per_call: u64,
}

fn round(mut latencies_us: Vec<u128>, took: Duration, cpu_us: u64) -> Round {
    latencies_us.sort_unstable();
    let calls = latencies_us.len();
    let at = |percent: usize| latencies_us[(calls - 1) * percent / 100];
    Round {
        calls_per_s: calls as u128 * 1_000_000 / took.as_micros().max(1),
        p50_us: at(50),
        p99_us: at(99),
        cpu_us_per_call: cpu_us / calls as u64,
    }
}

/// The median of each column.
fn median(mut rounds: Vec<Round>) -> Round {
    let middle = rounds.len() / 2;
    let mut column = |key: fn(&Round) -> u128| {
        rounds.sort_by_key(key);
        key(&rounds[middle])
    };
    Round {
        calls_per_s: column(|r| r.calls_per_s),
        p50_us: column(|r| r.p50_us),
        p99_us: column(|r| r.p99_us),
        cpu_us_per_call: u64::try_from(column(|r| u128::from(r.cpu_us_per_call))).unwrap_or(u64::MAX),
    }
}

/// A client as strategies write it without tidegate: its own key, its own nonces, one call after the other.
async fn direct(
    clients: &[(RestClient, Arc<Credential>)],
    nonce: &Arc<AtomicU64>,
    calls: usize,
) -> Result<Round> {
    let balance = endpoint("Balance").context("Balance is in the table")?;
    let (cpu, began) = (tidegate_tests::process::own_cpu_us(), Instant::now());
    let mut callers = JoinSet::new();
    for (client, credential) in clients {
        let (client, credential, nonce) = (client.clone(), Arc::clone(credential), Arc::clone(nonce));
        callers.spawn(async move {
            let mut latencies = Vec::with_capacity(calls);
            for _ in 0..calls {
                let sent = Instant::now();
                let next = Nonce(nonce.fetch_add(1, Ordering::Relaxed));
                let request = PreparedRequest::of(balance, &Params::new(), next, None)?;
                let head =
                    client.send_private(&credential, request, Duration::from_secs(10), || true).await?;
                let reply = head.read().await?;
                anyhow::ensure!(reply.errors.is_empty(), "the exchange refused: {:?}", reply.errors);
                latencies.push(sent.elapsed().as_micros());
            }
            Ok(latencies)
        });
    }
    let latencies = gather(callers).await?;
    Ok(round(latencies, began.elapsed(), tidegate_tests::process::own_cpu_us() - cpu))
}

async fn through(process: &Process, gateway: &Channel, calls: usize) -> Result<Round> {
    let (cpu, began) = (process.cpu_us(), Instant::now());
    let mut callers = JoinSet::new();
    for _ in KEYS {
        let mut account = AccountServiceClient::new(gateway.clone());
        callers.spawn(async move {
            let mut latencies = Vec::with_capacity(calls);
            for _ in 0..calls {
                let sent = Instant::now();
                account.get_balance(v1::GetBalanceRequest::default()).await?;
                latencies.push(sent.elapsed().as_micros());
            }
            Ok(latencies)
        });
    }
    let latencies = gather(callers).await?;
    Ok(round(latencies, began.elapsed(), process.cpu_us() - cpu))
}

async fn gather(mut callers: JoinSet<Result<Vec<u128>>>) -> Result<Vec<u128>> {
    let mut all = Vec::new();
    while let Some(ended) = callers.join_next().await {
        all.extend(ended??);
    }
    Ok(all)
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn main() -> Result<()> {
    // First, while nothing else runs in this process.
    let allocations = || {
        let so_far = ALLOCATOR.stats();
        so_far.allocations + so_far.reallocations
    };
    println!("{}", translation::measure(allocations)?.table());

    let plan = Plan { redis: true, ..Plan::default() };
    let house = House::build(plan).await?;
    let with_redis = house.config(&KEYS, "")?;
    let (in_memory, _) = with_redis.split_once("[store]").context("a [store] table")?;
    let keys = with_redis.split_once("[keys.").context("a key")?.1;
    let in_memory = format!("{in_memory}[keys.{keys}");

    let base = format!("http://{}", house.sandbox.addr("sandbox/rest"));
    let mut clients = Vec::new();
    for label in ["sandbox-all-3", "sandbox-all-4"] {
        let key = sandbox_key(label)?;
        let text = |name: &str| key[name].as_str().map(str::to_owned).context("a text");
        let credential = Arc::new(Credential::new(text("api_key")?, &text("secret")?)?);
        clients.push((RestClient::new(ClientOptions::new(base.as_str()))?, credential));
    }
    let nonce = Arc::new(AtomicU64::new(1_800_000_000_000_000));

    println!("GetBalance, two callers, two keys; medians of {ROUNDS} rounds in turn; times in microseconds");
    println!("CPU: of the client itself in the first row, of the tidegate process in the others");
    for (delay_ms, calls) in [(0, 1_000), (20, 100)] {
        house.pages.switch(&json!({ "engine_delay_ms": delay_ms })).await?;
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        // Two processes on one set of keys would share them, so they run one after the other.
        for turn in 0..ROUNDS {
            direct(&clients, &nonce, calls / 10).await?;
            a.push(direct(&clients, &nonce, calls).await?);
            for (name, config, rounds) in [("memory", &in_memory, &mut b), ("redis", &with_redis, &mut c)] {
                let mut process = house.all(&format!("{name}-{delay_ms}-{turn}"), config).await?;
                let gateway = channel(&process).await?;
                through(&process, &gateway, calls / 10).await?;
                rounds.push(through(&process, &gateway, calls).await?);
                process.terminate();
                process.ended().await?;
            }
        }
        println!(
            "\nexchange delay {delay_ms} ms{:>17}{:>9}{:>9}{:>11}{:>9}",
            "calls/s", "p50", "p99", "CPU/call", "p50 x"
        );
        let base_us = median(a.clone()).p50_us.max(1);
        for (name, rounds) in
            [("direct signed client", a), ("tidegate, in memory", b), ("tidegate, Redis", c)]
        {
            let Round { calls_per_s, p50_us, p99_us, cpu_us_per_call } = median(rounds);
            let ratio = p50_us * 100 / base_us;
            println!(
                "{name:<24}{calls_per_s:>14}{p50_us:>9}{p99_us:>9}{cpu_us_per_call:>11}{:>6}.{:02}",
                ratio / 100,
                ratio % 100
            );
        }
    }
    Ok(())
}
