//! Nothing is granted by a server that was not looked at, whenever it comes and whatever becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tidegate_lanes::{
    GrantReply, GrantStore, Intent, RedisConfig, RedisStore, StoreError, StoreProfile, StoreStanding,
};
use tidegate_tests::redis::{Keep, Link, RedisPair, RedisServer, StoreLink};

use crate::owner::{Owner, dir, server, standing, stands};

fn strict(url: String) -> RedisConfig {
    RedisConfig { profile: StoreProfile::Strict, ..server(url) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_comes_late_is_looked_at_before_it_grants() {
    let dir = dir();
    let mut redis =
        RedisServer::start_with(dir.path(), &["maxmemory-policy allkeys-lru"]).await.expect("Redis");
    redis.make_durable().await.expect("durable");
    redis.kill().await.expect("away");
    let store = Arc::new(RedisStore::lazy(strict(redis.url())).expect("a configuration"));
    assert_eq!(standing(&store), StoreStanding::Unseen);
    let mut owner = Owner::new(&store, "main", "a");
    let away = owner.ask(Intent::Take).await.expect_err("nobody there");
    assert!(matches!(away, StoreError::Unreachable { .. }) && !away.is_refusal(), "{away}");
    assert_eq!(standing(&store), StoreStanding::Unseen, "one that is away is not unfit");

    redis.restart(Keep::Data).await.expect("it comes");
    let unfit = owner.ask(Intent::Take).await.expect_err("unfit");
    assert!(matches!(unfit, StoreError::Unfit { .. }) && unfit.is_refusal(), "{unfit}");
    assert_eq!(standing(&store), StoreStanding::Refused { error: unfit });
    assert_eq!(redis.command(&["KEYS", "*"]).await.expect("keys"), "", "nothing was written");

    redis.config_set("maxmemory-policy", "noeviction").await.expect("set right");
    let owner = Owner::settle(&store, "main", "a").await;
    assert!(matches!(standing(&store), StoreStanding::Fit { .. }));

    // And if it becomes unfit while it is used.
    redis.config_set("maxmemory-policy", "allkeys-lru").await.expect("set wrong");
    stands(&store, "the store to be refused", |now| matches!(now, StoreStanding::Refused { .. })).await;
    let mut owner = owner;
    assert!(matches!(owner.renew().await, Err(StoreError::Unfit { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_deployments_prefix_is_refused_however_late_it_shows() {
    let dir = dir();
    let mut redis = RedisServer::start(dir.path()).await.expect("Redis");
    let store = Arc::new(RedisStore::connect(server(redis.url())).await.expect("a store"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    // The server at this address is another one now, and somebody else's.
    redis.restart(Keep::Nothing).await.expect("another one");
    redis.command(&["SET", "tidegate:deployment", "lab"]).await.expect("theirs");
    let refused = owner.renew().await.expect_err("somebody else's");
    assert!(matches!(&refused, StoreError::OtherDeployment { owner, .. } if owner == "lab"), "{refused}");
    assert!(matches!(standing(&store), StoreStanding::Refused { .. }));
    assert_eq!(redis.command(&["DBSIZE"]).await.expect("a size"), "1", "nothing of ours was written");
    redis.command(&["DEL", "tidegate:deployment"]).await.expect("a mistake, set right");
    owner.renewed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lonely_primary_is_refused_at_the_start_and_not_after_a_failover() {
    let dir = dir();
    let mut pair = RedisPair::start(dir.path(), &[]).await.expect("a pair");
    let store = Arc::new(RedisStore::connect(strict(pair.url())).await.expect("fit, for it has a replica"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    pair.promote_replica(false).await.expect("a failover");
    owner.renewed().await;
    let StoreStanding::Fit { findings, .. } = standing(&store) else { panic!("not fit") };
    assert!(findings[0].contains("neither an append-only file nor a replica"), "{findings:?}");
    let late = RedisStore::connect(strict(pair.url())).await.expect_err("nothing was kept here");
    assert!(matches!(late, StoreError::Unfit { .. }), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_cache_that_is_flushed_again_and_again_costs_nothing() {
    let dir = dir();
    let pair = RedisPair::start(dir.path(), &[]).await.expect("a pair");
    for wait_replicas in [0, 1] {
        let careful = RedisConfig { wait_replicas, timeout_ms: 2_000, ..server(pair.url()) };
        let store = Arc::new(RedisStore::connect(careful).await.expect("a store"));
        let (done, renewals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut owners = tokio::task::JoinSet::new();
        for lane in 0..8 {
            let mut owner = Owner::settle(&store, &format!("lane-{wait_replicas}-{lane}"), "a").await;
            let (done, renewals) = (Arc::clone(&done), Arc::clone(&renewals));
            owners.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let reply = owner.renew().await;
                    assert!(
                        matches!(reply, Ok(GrantReply::Granted { first_of_epoch: false, .. })),
                        "{reply:?}"
                    );
                    renewals.fetch_add(1, Ordering::Relaxed);
                }
                owner.give_back().await.expect("given back");
            });
        }
        for _ in 0..30 {
            let before = renewals.load(Ordering::Relaxed);
            pair.primary().command(&["SCRIPT", "FLUSH", "SYNC"]).await.expect("flushed");
            tidegate_tests::eventually("renewals after the flush", async || {
                (renewals.load(Ordering::Relaxed) > before + 8).then_some(())
            })
            .await;
        }
        done.store(true, Ordering::Relaxed);
        while let Some(ended) = owners.join_next().await {
            ended.expect("every renewal was granted");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_or_lost_link_is_an_error_in_time_and_no_more() {
    let dir = dir();
    let redis = RedisServer::start(dir.path()).await.expect("Redis");
    let link = StoreLink::start(redis.port()).await.expect("a link");
    let store = Arc::new(RedisStore::connect(server(link.url())).await.expect("a store"));
    let mut owner = Owner::settle(&store, "main", "a").await;
    owner.is_heard_by(&store).await;
    assert!(matches!(owner.ask(Intent::Take).await, Ok(GrantReply::Granted { .. })));
    for trouble in [Link::Slow(600), Link::BlackHole, Link::Cut] {
        link.set(trouble);
        let began = tokio::time::Instant::now();
        // Many lanes share one attempt: they do not wait for one another.
        let mut asking = tokio::task::JoinSet::new();
        for lane in 0..8 {
            let mut owner = Owner::new(&store, &format!("lane-{lane}"), "a");
            asking.spawn(async move { owner.ask(Intent::Look).await });
        }
        while let Some(asked) = asking.join_next().await {
            asked.expect("it ran").expect_err("no answer in time");
        }
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{trouble:?} took {took:?}");
        link.set(Link::Open);
        let back = owner.renewed().await;
        assert!(back < Duration::from_secs(2), "{trouble:?}: back after {back:?}");
    }
    owner.is_heard_by(&store).await;
    store.ping().await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_primaries_at_the_same_time_grant_ranges_that_never_meet() {
    let dir = dir();
    let mut pair = RedisPair::start(dir.path(), &[]).await.expect("a pair");
    // One process goes on with the old primary, whatever the world says of it.
    let old = Arc::new(RedisStore::connect(server(pair.primary().url())).await.expect("the old one"));
    let mut one = Owner::settle(&old, "main", "one").await;
    pair.wait_in_sync().await.expect("in sync");
    pair.cut_off_replica();
    one.renewed().await;
    pair.promote_replica(true).await.expect("a promotion");
    pair.old_primary_returns().await.expect("it returns");
    let new = Arc::new(RedisStore::connect(server(pair.url())).await.expect("the new one"));
    let mut two = Owner::new(&new, "main", "two");
    let began = tokio::time::Instant::now();
    let lo_us = loop {
        one.renewed().await;
        match two.ask(Intent::Take).await.expect("an answer") {
            GrantReply::Granted { lo_us, .. } => break lo_us,
            GrantReply::Recovering { .. } | GrantReply::Held { .. } => {}
            other => panic!("{other:?}"),
        }
        assert!(began.elapsed() < tidegate_tests::PATIENCE, "never granted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for _ in 0..10 {
        let Ok(GrantReply::Granted { hi_us, .. }) = one.renew().await else {
            panic!("the old one knows of nothing")
        };
        assert!(hi_us < lo_us, "the ranges of two primaries meet: {hi_us} and {lo_us}");
    }
}
