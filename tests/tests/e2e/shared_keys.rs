//! Several processes on the same keys: no nonce is ever refused, no budget exceeded, and each serves the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes, settled};
use tidegate_tests::process::Process;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

use tidegate_tests::judge::{forbidden_refusals, verdicts};
use tidegate_tests::load::Told;

const KEYS: [&str; 4] = ["sandbox-read", "sandbox-read-2", "sandbox-trade", "sandbox-trade-2"];
const CALLERS: usize = 32;
const CALLS: usize = 2_000;

/// 2,000 mixed calls from 32 callers, spread evenly over the gateways.
async fn run_load(gateways: &[Channel], patience: Duration) -> Arc<Told> {
    let told = Arc::new(Told::default());
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let channel = gateways[caller % gateways.len()].clone();
        callers.spawn(Arc::clone(&told).one_caller(channel, CALLS / CALLERS, patience));
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller saw something it must not see");
    }
    told
}

/// The exchange refused nothing that tidegate promises it never refuses.
async fn judge(house: &House) {
    let log = house.pages.log().await.expect("the sandbox's log");
    let refused = forbidden_refusals(&log);
    assert!(refused.is_empty(), "{:#?}\nof {:?}", &refused[..refused.len().min(5)], verdicts(&log));
}

/// Calls that a gateway served although another process owns their lane, as its metrics page says.
async fn served_elsewhere(process: &Process) -> u64 {
    let url = format!("http://{}/metrics", process.addr("admin/http"));
    let page = tidegate_tests::http().expect("a client").get(url).send().await;
    let text = page.expect("metrics").text().await.expect("text");
    text.lines()
        .filter(|line| line.starts_with("tidegate_hops_total{to=\"remote\"}"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Requests to the store that a process has made, as its metrics page says.
async fn store_requests(process: &Process) -> u64 {
    let url = format!("http://{}/metrics", process.addr("admin/http"));
    let page = tidegate_tests::http().expect("a client").get(url).send().await;
    let text = page.expect("metrics").text().await.expect("text");
    let lines = text.lines().filter(|line| line.starts_with("tidegate_store_requests_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Waits until both gateways see the lanes spread over two owners.
async fn spread(gateways: &[Channel]) {
    for gateway in gateways {
        eventually("the lanes to be spread over both processes", || async {
            let lanes = lanes(gateway.clone()).await;
            let owners: std::collections::BTreeSet<_> = lanes.iter().map(|lane| &lane.owner).collect();
            let open = lanes.iter().filter(|lane| lane.state() == v1::LaneState::Open).count();
            (open == KEYS.len() && owners.len() == 2).then_some(())
        })
        .await;
    }
}

async fn two_processes(tier: &'static str) -> (House, Process, Process, Vec<Channel>) {
    let plan = Plan { tier, redis: true, sandbox: "random_delay_ms = 50".into() };
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&KEYS, "").expect("a config");
    let one = house.all("one", &config).await.expect("the first process");
    let two = house.all("two", &config).await.expect("the second process");
    let gateways = vec![channel(&one).await.expect("one"), channel(&two).await.expect("two")];
    spread(&gateways).await;
    (house, one, two, gateways)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_four_keys_and_kraken_refuses_nothing() {
    let (house, one, two, gateways) = two_processes("wide").await;
    let told = run_load(&gateways, Duration::from_secs(10)).await;
    judge(&house).await;
    let good = told.good.load(Ordering::Relaxed);
    assert!(good >= CALLS as u64 * 9 / 10, "only {good} of {CALLS} calls were answered: {told:?}");
    for (name, process) in [("one", &one), ("two", &two)] {
        let served = served_elsewhere(process).await;
        assert!(served >= 200, "process {name} served {served} calls whose lane the other one owns");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_kraken_s_real_counters_nothing_is_refused_there_either() {
    let (house, _one, _two, gateways) = two_processes("pro").await;
    // Impatient callers: most are told at once that the budget is used up, and the keys are always at their limit.
    let told = run_load(&gateways, Duration::from_secs(2)).await;
    judge(&house).await;
    assert!(told.good.load(Ordering::Relaxed) > 100, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_with_the_store_in_memory_does_the_same() {
    for (tier, patience_s) in [("wide", 10), ("pro", 2)] {
        let plan = Plan { tier, sandbox: "random_delay_ms = 50".into(), ..Plan::default() };
        let house = House::build(plan).await.expect("a house");
        let config = house.config(&KEYS, "").expect("a config");
        let process = house.all("one", &config).await.expect("the process");
        let told =
            run_load(&[channel(&process).await.expect("a channel")], Duration::from_secs(patience_s)).await;
        judge(&house).await;
        assert!(told.good.load(Ordering::Relaxed) > 100, "{tier}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_cost_redis_nothing_but_renewals_of_the_grant() {
    let plan = Plan { redis: true, ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&["sandbox-read", "sandbox-read-2"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    settled(gateway.clone()).await;

    let mut seen = house.redis.as_ref().expect("planned").monitor().await.expect("MONITOR");
    let (counted, began) = (store_requests(&process).await, Instant::now());
    let mut account = AccountServiceClient::new(gateway);
    for _ in 0..1_000 {
        account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance");
    }
    // Two keys, each renewed every 1.5 s; a look more where a renewal of one pressed.
    let renewals = 2 * (began.elapsed().as_millis() / 1_500 + 2);
    let counted = store_requests(&process).await - counted;
    assert!(
        counted > 0 && u128::from(counted) <= 2 * renewals,
        "{counted} requests, {renewals} renewals were due"
    );
    let mut commands = Vec::new();
    while let Ok(line) = seen.try_recv() {
        commands.push(line);
    }
    assert!(!commands.is_empty(), "not even one renewal was seen, so nothing was watched");
    // `... [0 lua] "hget" ...` is what a script does inside Redis; what a client sent names its address.
    let sent = commands.iter().filter(|line| !line.contains(" lua] "));
    // The subscription shows that it lives every two seconds, and the server is looked at every ten. Acts that are open are
    // asked for every so often.
    let upkeep =
        ["\"evalsha\"", "\"ping\"", "\"info\"", "\"config\" \"get\"", "\"tidegate:deployment\"", "}:open:"];
    let is_upkeep = |line: &&String| upkeep.iter().any(|known| line.to_lowercase().contains(known));
    let others: Vec<_> = sent.filter(|line| !is_upkeep(line)).collect();
    assert!(others.is_empty(), "something else than grant scripts was sent: {others:#?}");
    let renewals = commands.iter().filter(|line| line.to_lowercase().contains("\"evalsha\"")).count();
    assert!(renewals < 200, "{renewals} scripts for 1,000 reads: reads must not touch Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_only_the_newer_process_mounts_are_served_beside_the_older_one() {
    let house = House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house");
    let before = house.config(&["sandbox-read"], "").expect("a config");
    let _older = house.all("older", &before).await.expect("the older process");
    // As a rolling update adds keys: more than the older process's share, so that some of them would fall to it.
    let keys = ["sandbox-read", "sandbox-read-2", "sandbox-trade", "sandbox-trade-2", "sandbox-cancel"];
    let after = house.config(&keys, "").expect("a config");
    let newer = house.all("newer", &after).await.expect("the newer process, with every lane settled");
    let lanes = lanes(channel(&newer).await.expect("a channel")).await;
    assert_eq!(lanes.len(), keys.len());
    for lane in lanes {
        assert_eq!(lane.state(), v1::LaneState::Open, "{lane:?}");
    }
}
