//! A primary that sentinels watch: whoever they agree on is found, however the old one went.

use std::sync::Arc;
use std::time::Duration;

use tidegate_lanes::{GrantStore, RedisLogin, RedisPlace, RedisStore, StoreError, StoreStanding};
use tidegate_tests::redis::{Failover, RedisSentinels, RedisServer};

use crate::owner::{Owner, config, dir, standing, stands};

/// From the sentinels' agreement to the first grant.
const FOUND_WITHIN: Duration = Duration::from_secs(2);

fn place(urls: &[String], name: &str) -> RedisPlace {
    let addr = |url: &String| url.trim_start_matches("redis://").parse().expect("host and port");
    RedisPlace::Sentinels {
        sentinels: urls.iter().map(addr).collect(),
        primary_name: name.to_owned(),
        login: RedisLogin::default(),
        database: 0,
        sentinel_login: RedisLogin::default(),
        tls: None,
    }
}

async fn store(sentinels: &RedisSentinels) -> Arc<RedisStore> {
    let place = place(&sentinels.sentinel_urls(), RedisSentinels::PRIMARY_NAME);
    Arc::new(RedisStore::connect(config(place)).await.expect("a store"))
}

async fn is_at(store: &RedisStore, port: u16) {
    let wanted = format!("127.0.0.1:{port}");
    stands(store, "the new primary", |now| matches!(now, StoreStanding::Fit { addr, .. } if *addr == wanted))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_primary_is_followed_by_the_one_that_is_elected() {
    let dir = dir();
    let mut sentinels = RedisSentinels::start(dir.path(), &[]).await.expect("sentinels");
    let store = store(&sentinels).await;
    let mut owner = Owner::settle(&store, "main", "a").await;
    let mut other = Owner::settle(&store, "second", "a").await;
    other.is_heard_by(&store).await;
    assert!(matches!(
        other.ask(tidegate_lanes::Intent::Take).await,
        Ok(tidegate_lanes::GrantReply::Granted { .. })
    ));

    sentinels.failover(Failover::Killed).await.expect("a failover");
    let took = owner.renewed().await;
    assert!(took < FOUND_WITHIN, "found after {took:?}");
    is_at(&store, sentinels.primary_addr().await.expect("a primary").port()).await;
    // The key of the second domain: its owner writes itself in again, then others hear of its release there.
    other.renewed().await;
    other.is_heard_by(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demoted_primary_is_left_although_it_answers() {
    let dir = dir();
    let mut sentinels = RedisSentinels::start(dir.path(), &[]).await.expect("sentinels");
    let store = store(&sentinels).await;
    let mut owner = Owner::settle(&store, "main", "a").await;
    sentinels.failover(Failover::Asked).await.expect("a failover");
    let took = owner.renewed().await;
    assert!(took < FOUND_WITHIN, "found after {took:?}");
    is_at(&store, sentinels.primary_addr().await.expect("a primary").port()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_left_and_not_gone_back_to_when_it_wakes() {
    let dir = dir();
    let mut sentinels = RedisSentinels::start(dir.path(), &[]).await.expect("sentinels");
    let store = store(&sentinels).await;
    let mut owner = Owner::settle(&store, "main", "a").await;
    let old = sentinels.primary_addr().await.expect("a primary").port();
    sentinels.primary().await.expect("a primary").freeze().await.expect("frozen");
    // Renewals fail until there is another one; nobody has to ask for it.
    owner.renewed().await;
    let StoreStanding::Fit { addr, .. } = standing(&store) else { panic!("not fit") };
    assert_ne!(addr, format!("127.0.0.1:{old}"));
    sentinels.at(old).expect("the old one").thaw().expect("awake");
    for _ in 0..20 {
        assert!(owner.renewed().await < FOUND_WITHIN);
        assert_eq!(standing(&store), StoreStanding::Fit { addr: addr.clone(), findings: findings(&store) });
    }
}

fn findings(store: &RedisStore) -> Vec<String> {
    match standing(store) {
        StoreStanding::Fit { findings, .. } => findings,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_sentinels_and_wrong_names_are_told_apart() {
    let dir = dir();
    let mut sentinels = RedisSentinels::start(dir.path(), &[]).await.expect("sentinels");
    let urls = sentinels.sentinel_urls();
    let wrong = RedisStore::connect(config(place(&urls, "mymaster"))).await.expect_err("no such primary");
    assert!(matches!(&wrong, StoreError::UnknownPrimary { name, .. } if name == "mymaster"), "{wrong}");
    assert!(wrong.is_refusal());

    // One that answers is enough.
    for sentinel in &mut sentinels.sentinels_mut()[..2] {
        sentinel.kill().await.expect("dead");
    }
    let store =
        RedisStore::connect(config(place(&urls, RedisSentinels::PRIMARY_NAME))).await.expect("a store");
    store.ping().await.expect("an answer");
    sentinels.sentinels_mut()[2].kill().await.expect("dead");
    store.ping().await.expect("without sentinels the primary that is known goes on");
    let none =
        RedisStore::connect(config(place(&urls, RedisSentinels::PRIMARY_NAME))).await.expect_err("nobody");
    assert!(matches!(none, StoreError::Unreachable { .. }) && !none.is_refusal(), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_no_sentinel() {
    let dir = dir();
    let redis = RedisServer::start(dir.path()).await.expect("Redis");
    let refused = RedisStore::connect(config(place(&[redis.url()], "desk"))).await.expect_err("no sentinel");
    assert!(refused.to_string().contains(&redis.port().to_string()), "{refused}");
}
