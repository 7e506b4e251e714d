//! A store that runs and misbehaves, through the front door: slow, evicting, with a clock that jumps, promoted without
//! its last writes. The exchange refuses nothing, and nobody is told what is not so.

use std::time::Duration;

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes, settled};
use tidegate_tests::judge::{forbidden_refusals, promises_not_executed};
use tidegate_tests::load::resting_order;
use tidegate_tests::process::Process;
use tidegate_tests::redis::{RedisPair, RedisServer};
use tonic::transport::Channel;

const KEYS: [&str; 2] = ["sandbox-all", "sandbox-all-2"];

async fn on(redis: RedisServer) -> (House, Process, Channel) {
    let mut house = House::build(Plan::default()).await.expect("a house");
    house.redis = Some(redis);
    let config = house.config(&KEYS, "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    (house, process, gateway)
}

async fn read(gateway: &Channel) -> Result<(), tonic::Status> {
    AccountServiceClient::new(gateway.clone()).get_balance(v1::GetBalanceRequest::default()).await.map(|_| ())
}

async fn owners(gateway: &Channel) -> Vec<(String, String, u64)> {
    let mut owners: Vec<_> = lanes(gateway.clone())
        .await
        .into_iter()
        .map(|lane| (lane.key_label, lane.owner, lane.epoch))
        .collect();
    owners.sort();
    owners
}

async fn all_are(gateway: &Channel, state: v1::LaneState) {
    eventually("all lanes to be in one state", || async {
        let lanes = lanes(gateway.clone()).await;
        (lanes.len() == KEYS.len() && lanes.iter().all(|lane| lane.state() == state)).then_some(())
    })
    .await;
}

async fn judge(house: &House) {
    let log = house.pages.log().await.expect("a log");
    assert_eq!(forbidden_refusals(&log), Vec::<&serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn pauses_shorter_than_the_lease_are_not_noticed_and_a_longer_one_only_refuses() {
    let dir = tempfile::tempdir().expect("a directory");
    let (house, process, gateway) = on(RedisServer::start(dir.path()).await.expect("Redis")).await;
    let before = owners(&gateway).await;
    let redis = house.redis.as_ref().expect("planned");
    let said = |line: &str| process.log().matches(line).count();
    for _ in 0..3 {
        let troubles = said("the store cannot be asked for the grant");
        redis.slow(2_000).await.expect("paused");
        eventually("a renewal to fail", || async {
            read(&gateway).await.expect("a lease outlives a pause");
            (said("the store cannot be asked for the grant") > troubles).then_some(())
        })
        .await;
        // The next pause must meet renewed leases.
        eventually("every lane to have renewed", || async {
            read(&gateway).await.expect("a lease outlives a pause");
            (said("the store answers again") == said("the store cannot be asked for the grant")).then_some(())
        })
        .await;
    }
    assert_eq!(owners(&gateway).await, before);

    // Longer than the lease and what a gateway waits for a lane to come back.
    redis.slow(15_000).await.expect("paused");
    all_are(&gateway, v1::LaneState::CancelsOnly).await;
    let status = TradingServiceClient::new(gateway.clone()).add_order(resting_order()).await;
    assert!(promises_not_executed(&status.expect_err("no order without a lease")));
    all_are(&gateway, v1::LaneState::Open).await;
    read(&gateway).await.expect("a balance again");
    judge(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_evicts_everything_costs_live_owners_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (house, process, gateway) = on(RedisServer::start(dir.path()).await.expect("Redis")).await;
    let before = owners(&gateway).await;
    for _ in 0..3 {
        let losses = || process.log().matches("the store has lost its memory").count();
        let noticed = losses();
        let evicted = house.redis.as_ref().expect("planned").evict().await.expect("evicted");
        assert!(evicted > 0, "there was nothing to lose");
        eventually("the loss to be noticed on both keys", || async {
            read(&gateway).await.expect("a balance");
            (losses() >= noticed + KEYS.len()).then_some(())
        })
        .await;
    }
    all_are(&gateway, v1::LaneState::Open).await;
    assert_eq!(owners(&gateway).await, before);
    judge(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_clock_jumps_grants_nothing_until_it_is_right_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let redis = RedisServer::start_with_clock(dir.path(), 0).await.expect("Redis");
    let (house, process, gateway) = on(redis).await;
    for offset_ms in [1_800_000, -1_800_000, 5_000, -5_000] {
        let redis = house.redis.as_ref().expect("planned");
        redis.jump_clock(offset_ms).expect("a clock of its own");
        eventually("grants to stop", || async {
            let open = lanes(gateway.clone()).await.iter().any(|lane| lane.state() == v1::LaneState::Open);
            (!open).then_some(())
        })
        .await;
        assert!(process.log().contains("the clocks of this machine and of the store differ"));
        let status = TradingServiceClient::new(gateway.clone()).add_order(resting_order()).await;
        assert!(promises_not_executed(&status.expect_err("nothing is placed on a wrong clock")));
        redis.jump_clock(0).expect("a clock of its own");
        all_are(&gateway, v1::LaneState::Open).await;
        TradingServiceClient::new(gateway.clone()).add_order(resting_order()).await.expect("an order again");
    }
    judge(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lost_the_last_writes_is_no_trap() {
    let mut house = House::build(Plan::default()).await.expect("a house");
    let dir = tempfile::tempdir().expect("a directory");
    let mut pair = RedisPair::start(dir.path(), &[]).await.expect("a pair");
    let config =
        format!("{}[store]\nredis_url = \"{}\"\n", house.config(&KEYS, "").expect("a config"), pair.url());
    let one = house.all("one", &config).await.expect("the first process");
    let gateway = channel(&one).await.expect("a channel");
    pair.cut_off_replica();
    // What is granted from now on, the one that is promoted has never seen.
    let two = house.all("two", &config).await.expect("the second process");
    settled(channel(&two).await.expect("a channel")).await;
    for _ in 0..40 {
        read(&gateway).await.expect("a balance");
    }
    pair.promote_replica(true).await.expect("a promotion");
    eventually("both processes to notice the loss", || async {
        let noticed = |process: &Process| process.log().contains("the store has lost its memory");
        (noticed(&one) && noticed(&two)).then_some(())
    })
    .await;
    for process in [&one, &two] {
        settled(channel(process).await.expect("a channel")).await;
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    while tokio::time::Instant::now() < until {
        read(&gateway).await.expect("a balance");
        TradingServiceClient::new(gateway.clone()).add_order(resting_order()).await.expect("an order");
    }
    house.redis = None;
    judge(&house).await;
}
