//! A key with a window: many calls at a time, and what Kraken may do with a nonce that it has seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_tests::house::{House, Plan, channel, lanes};
use tidegate_tests::judge::verdicts;
use tidegate_tests::stranger::refused_nonces;
use tonic::transport::Channel;

const CALLERS: usize = 60;
const CALLS: u64 = 600;

/// Reads as fast as sixty callers can; how many were answered.
async fn rush(gateway: &Channel, calls: u64) -> u64 {
    let left = Arc::new(AtomicU64::new(calls));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let (left, mut account) = (Arc::clone(&left), AccountServiceClient::new(gateway.clone()));
        callers.push(tokio::spawn(async move {
            let mut good = 0;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let answer = account.get_balance(v1::GetBalanceRequest::default()).await;
                good += u64::from(answer.is_ok());
            }
            good
        }));
    }
    let mut good = 0;
    for caller in callers {
        good += caller.await.expect("no panic");
    }
    good
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_overtake_each_other_and_none_is_refused_whatever_kraken_does_with_nonces_it_has_seen() {
    for rule in ["accept", "refuse"] {
        let house = House::build(Plan::default()).await.expect("a house");
        let config = house.config(&["sandbox-window"], "").expect("a config");
        let process = house.all("one", &config).await.expect("the process");
        let gateway = channel(&process).await.expect("a channel");
        // Drawn anew for each request, so that most of them overtake another.
        let switches = json!({ "replayed_nonce_in_window": rule, "random_delay_ms": 60 });
        house.pages.switch(&switches).await.expect("switches");
        assert_eq!(rush(&gateway, CALLS).await, CALLS, "{rule}");
        let log = house.pages.log().await.expect("a log");
        assert_eq!(refused_nonces(&log, "sandbox-window"), 0, "{rule}: {:?}", verdicts(&log));
        let mut nonces: Vec<&str> = log.iter().filter_map(|entry| entry["nonce"].as_str()).collect();
        let sent = nonces.len();
        assert!(!nonces.is_sorted(), "{rule}: nobody overtook anybody");
        nonces.sort_unstable();
        nonces.dedup();
        assert_eq!(nonces.len(), sent, "{rule}: no nonce is used twice, so the rule never mattered");
        assert_eq!(lanes(gateway).await[0].state(), v1::LaneState::Open);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_carries_many_calls_at_a_time() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-window"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    // So long that all who call are there before the first is answered, however busy the machine is.
    house.pages.switch(&json!({ "engine_delay_ms": 1_000 })).await.expect("a switch");
    assert_eq!(rush(&gateway, 2 * CALLERS as u64).await, 2 * CALLERS as u64);
    let stats = house.pages.stats().await.expect("stats");
    let keys = stats["by_key"].as_object().expect("keys");
    let most = keys.values().filter_map(|key| key["max_in_flight"].as_u64()).max();
    assert!(most >= Some(48), "of {CALLERS} callers at the most {most:?} calls were under way at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placing_key_with_a_window_is_refused_unless_named_and_then_the_promise_is_qualified() {
    let house = House::build(Plan::default()).await.expect("a house");
    let refused = house.config(&["sandbox-trade-window", "sandbox-read"], "").expect("a config");
    let file = house.dir().join("refused.toml");
    std::fs::write(&file, refused).expect("a file");
    let args = ["all", "--config", file.to_str().expect("UTF-8")];
    let mut process =
        tidegate_tests::process::Process::spawn(house.dir(), "refused", &args).expect("a process");
    assert!(!process.ended().await.expect("an end").success());
    let said = process.log() + &process.stdout();
    assert!(said.contains("allow_placing_with_window"), "{said}");

    let mut allowed = house.config(&["sandbox-read"], "").expect("a config");
    let table = House::key_table("sandbox-trade-window", &[("allow_placing_with_window", "true")]);
    allowed.push_str(&table.expect("a table"));
    let process = house.all("allowed", &allowed).await.expect("the process");
    let log = process.log();
    let said = log.lines().find(|line| line.contains("sandbox-trade-window") && line.contains("twice"));
    assert!(said.is_some(), "{log}");
}
