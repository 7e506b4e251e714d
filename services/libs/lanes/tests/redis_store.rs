//! The Redis store against a real server: the same histories as in memory give the same answers and records, and
//! trouble is told in one clear line.

mod redis_server;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_server::RedisServer;
use tidegate_core::{ManualClock, NonceUnit, OwnerId, UnixUs};
use tidegate_lanes::{
    Fingerprint, GrantIds, GrantKey, GrantReply, GrantRequest, GrantStore, GrantTerms, Intent, MemoryStore,
    RedisConfig, RedisStore, Release, Released, STORE_INT_MAX, StoreError, StoreTime,
};

const T: u64 = 1_795_000_000_000_000;

#[derive(Clone, Debug)]
enum Op {
    Grant { owner: u8, intent: u8, epoch_off: u64, window_us: u64, floor: u64, ttl_us: u64, ceiling: u64 },
    Release { owner: u8, epoch_off: u64, last_off: u64, counter: u64, leave: bool },
    Advance { us: u64 },
    Jump { back_us: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let floor = prop_oneof![
        8 => Just(0),
        4 => T..T + 60_000_000,
        1 => STORE_INT_MAX - 10_000_000..=STORE_INT_MAX + 2,
        1 => Just(u64::MAX),
    ];
    prop_oneof![
        6 => (0_u8..3, 0_u8..6, 0_u64..4, 0_u64..50, floor, 0_u64..6_000_000, 0_u64..20_000).prop_map(
            |(owner, intent, epoch_off, window_us, floor, ttl_us, ceiling)| {
                Op::Grant { owner, intent, epoch_off, window_us, floor, ttl_us, ceiling }
            }
        ),
        1 => (0_u8..3, 0_u64..4, 0_u64..9_000_000, 0_u64..20_000, any::<bool>()).prop_map(
            |(owner, epoch_off, last_off, counter, leave)| {
                Op::Release { owner, epoch_off, last_off, counter, leave }
            }
        ),
        3 => (0_u64..7_000_000).prop_map(|us| Op::Advance { us }),
        1 => (0_u64..3_000_000).prop_map(|back_us| Op::Jump { back_us }),
    ]
}

fn ids(key: &str, owner: &str) -> GrantIds {
    GrantIds {
        key: GrantKey { domain: "main".parse().expect("a label"), fingerprint: Fingerprint::of_api_key(key) },
        owner: OwnerId::named(owner),
        advertise: format!("{owner} host:50052"),
        pool: key.parse().expect("a label"),
        mounts: [key, owner].map(Fingerprint::of_api_key).into(),
    }
}

fn terms(intent: Intent) -> GrantTerms {
    GrantTerms {
        intent,
        unit: NonceUnit::Us,
        window_us: 0,
        floor_us: 0,
        ttl_us: 5_000_000,
        reserve_us: 2_000_000,
        counter_ceiling_milli: 18_000,
        counter_decay_milli_per_s: 1_000,
    }
}

fn config(url: String, time: StoreTime) -> RedisConfig {
    RedisConfig { url, prefix: "test".to_owned(), timeout_ms: 2_000, time }
}

/// A wrong epoch now and then, mostly the present one.
fn epoch(record: Option<u64>, off: u64) -> u64 {
    match off {
        0 => record.unwrap_or(0) + 1,
        1 => record.unwrap_or(1).saturating_sub(1),
        _ => record.unwrap_or(1),
    }
}

async fn history(key: &str, ops: &[Op], clock: &ManualClock, memory: &MemoryStore, redis: &RedisStore) {
    let mut now = T;
    clock.set_wall(UnixUs(now));
    let key_id = ids(key, "a").key;
    for op in ops {
        let known = memory.record(&key_id).map(|r| r.epoch);
        match *op {
            Op::Advance { us } => now += us,
            Op::Jump { back_us } => now -= back_us,
            Op::Grant { owner, intent, epoch_off, window_us, floor, ttl_us, ceiling } => {
                let intent = match intent {
                    0 => Intent::Look,
                    1..=3 => Intent::Renew { epoch: epoch(known, epoch_off) },
                    _ => Intent::Take,
                };
                let request = GrantRequest {
                    ids: ids(key, ["a", "b", "c"][usize::from(owner)]),
                    terms: GrantTerms {
                        window_us,
                        floor_us: floor,
                        ttl_us,
                        counter_ceiling_milli: ceiling,
                        unit: [NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns][usize::from(owner)],
                        ..terms(intent)
                    },
                };
                assert_eq!(memory.grant(&request).await, redis.grant(&request).await, "{request:?}");
            }
            Op::Release { owner, epoch_off, last_off, counter, leave } => {
                let release = Release {
                    ids: ids(key, ["a", "b", "c"][usize::from(owner)]),
                    released: Released {
                        epoch: epoch(known, epoch_off),
                        last_us: T + last_off,
                        counter_milli: counter,
                    },
                    leave,
                };
                assert_eq!(memory.release(&release).await, redis.release(&release).await, "{release:?}");
            }
        }
        clock.set_wall(UnixUs(now));
        assert_eq!(Ok(memory.record(&key_id)), redis.record(&key_id).await, "after {op:?}");
    }
}

#[test]
fn two_thousand_random_histories_agree_with_the_memory_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = RedisServer::start(&[]);
    let clock = Arc::new(ManualClock::at(UnixUs(T)));
    let memory = MemoryStore::new(clock.clone());
    let redis = runtime
        .block_on(RedisStore::connect(config(server.url(), StoreTime::Given(clock.clone()))))
        .expect("a server");
    let mut runner = TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let cases = std::cell::Cell::new(0_u32);
    let run = runner.run(&prop::collection::vec(op(), 1..16), |ops| {
        cases.set(cases.get() + 1);
        runtime.block_on(history(&format!("k{}", cases.get()), &ops, &clock, &memory, &redis));
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    assert!(cases.get() >= 2_000);
}

#[tokio::test]
async fn the_servers_time_counts_and_a_lost_script_cache_does_not_matter() {
    let server = RedisServer::start(&[]);
    let store = RedisStore::connect(config(server.url(), StoreTime::Server)).await.expect("a server");
    let take = GrantRequest { ids: ids("k", "a"), terms: terms(Intent::Take) };
    let first = store.grant(&take).await.expect("an answer");
    let GrantReply::Granted { epoch: 1, store_now_us, lo_us, expires_us, .. } = first.reply else {
        panic!("{first:?}")
    };
    assert!(store_now_us > 1_700_000_000_000_000, "microseconds since 1970");
    assert_eq!((lo_us, expires_us), (store_now_us, store_now_us + 5_000_000));
    assert_eq!(first.members.len(), 1);

    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.expect("flushed");
    let held = store.grant(&GrantRequest { ids: ids("k", "b"), terms: terms(Intent::Take) }).await;
    let held = held.expect("an answer");
    assert!(matches!(&held.reply, GrantReply::Held { owner, .. } if owner.as_str() == "a"), "{held:?}");
    let owners: Vec<&str> = held.members.iter().map(|m| m.owner.as_str()).collect();
    assert_eq!(owners, ["a", "b"]);

    let release = Release {
        ids: ids("k", "a"),
        released: Released { epoch: 1, last_us: lo_us, counter_milli: 0 },
        leave: true,
    };
    store.release(&release).await.expect("released");
    let taken = store.grant(&GrantRequest { ids: ids("k", "b"), terms: terms(Intent::Take) }).await;
    let taken = taken.expect("an answer");
    assert!(matches!(taken.reply, GrantReply::Granted { epoch: 2, first_of_epoch: true, .. }), "{taken:?}");
    assert_eq!(taken.members.len(), 1, "the one who left is gone");
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_says_so_in_one_line_without_its_password() {
    let server = RedisServer::start(&["--requirepass", "right-password"]);
    let secret = "wrong-password-x7";
    let url = format!("redis://:{secret}@127.0.0.1:{}", server.port);
    let refused =
        RedisStore::connect(config(url.clone(), StoreTime::Server)).await.expect_err("wrong password");
    assert!(matches!(refused, StoreError::Forbidden { .. }), "{refused:?}");
    let open = RedisStore::connect(config(server.url(), StoreTime::Server)).await.expect_err("no password");
    assert!(matches!(open, StoreError::Forbidden { .. }), "{open:?}");

    let port = server.port;
    drop(server);
    let gone = RedisStore::connect(config(url.clone(), StoreTime::Server)).await.expect_err("nobody there");
    assert_eq!(gone.to_string(), format!("cannot reach Redis at 127.0.0.1:{port}: connection refused"));

    let bad = format!("redis://:{secret}@host:no-port");
    let unusable = RedisStore::connect(config(bad, StoreTime::Server)).await.expect_err("no address");
    assert!(matches!(unusable, StoreError::BadAddress { .. }), "{unusable:?}");

    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let deaf_url = format!("redis://:{secret}@{}", deaf.local_addr().expect("bound"));
    let slow = RedisConfig { timeout_ms: 50, ..config(deaf_url, StoreTime::Server) };
    assert!(!format!("{slow:?}").contains(secret));
    let silent = RedisStore::connect(slow).await.expect_err("no answer");
    assert!(matches!(silent, StoreError::TimedOut { timeout_ms: 50, .. }), "{silent:?}");

    for error in [refused, open, gone, unusable, silent] {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(secret) && !error.to_string().contains('\n'), "{text}");
    }
}

#[tokio::test]
async fn a_store_that_goes_and_comes_back_is_used_again() {
    let server = RedisServer::start(&[]);
    let port = server.port.to_string();
    let store = RedisStore::connect(config(server.url(), StoreTime::Server)).await.expect("a server");
    drop(server);
    assert!(store.ping().await.is_err());
    let _again = RedisServer::start(&["--port", &port]);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while store.ping().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "never reconnected");
    }
}
