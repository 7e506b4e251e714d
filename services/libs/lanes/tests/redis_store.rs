//! The Redis store against a real server: the same histories as in memory give the same answers and records, and
//! trouble is told in one clear line.

mod redis_server;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redis_server::RedisServer;
use tidegate_core::{ManualClock, NonceUnit, OwnerId, UnixUs};
use tidegate_lanes::{
    Fingerprint, GivenFacts, GrantAnswer, GrantIds, GrantKey, GrantReply, GrantRequest, GrantStore,
    GrantTerms, HeldRange, Intent, MemoryStore, Prepared, RECOVERY_US, RedisConfig, RedisPlace, RedisStore,
    RedisTls, Release, Released, STORE_INT_MAX, StoreError, StoreFacts, StoreProfile, StoreStanding,
};

const T: u64 = 1_795_000_000_000_000;

#[derive(Clone, Debug)]
enum Op {
    Grant {
        owner: u8,
        intent: u8,
        epoch_off: u64,
        floor: u64,
        terms: (u64, u64, u64),
        skew: i64,
        held: bool,
        recovery: u64,
        epoch_seen: u64,
        knows: bool,
    },
    Release {
        owner: u8,
        epoch_off: u64,
        last_off: u64,
        counter: u64,
        leave: bool,
    },
    Advance {
        us: u64,
    },
    Jump {
        back_us: u64,
    },
    /// Another server takes over, with what this one holds.
    Replace {
        server: u8,
    },
    /// All is forgotten.
    Flush,
}

fn op() -> impl Strategy<Value = Op> {
    let floor = prop_oneof![
        8 => Just(0),
        4 => T..T + 60_000_000,
        1 => STORE_INT_MAX - 10_000_000..=STORE_INT_MAX + 2,
        1 => Just(u64::MAX),
    ];
    // Window, time to live, ceiling.
    let terms = (0_u64..50, 0_u64..6_000_000, 0_u64..20_000);
    let skew = prop_oneof![6 => Just(0_i64), 1 => -1_200_000_i64..1_200_000];
    let recovery = prop_oneof![3 => Just(0), 2 => T..T + 900_000_000];
    let memory = (any::<bool>(), recovery, 0_u64..4, any::<bool>());
    let grant = (0_u8..3, 0_u8..6, 0_u64..4, floor, terms, skew, memory);
    prop_oneof![
        12 => grant.prop_map(|(owner, intent, epoch_off, floor, terms, skew, memory)| {
            let (held, recovery, epoch_seen, knows) = memory;
            Op::Grant { owner, intent, epoch_off, floor, terms, skew, held, recovery, epoch_seen, knows }
        }),
        2 => (0_u8..3, 0_u64..4, 0_u64..9_000_000, 0_u64..20_000, any::<bool>()).prop_map(
            |(owner, epoch_off, last_off, counter, leave)| {
                Op::Release { owner, epoch_off, last_off, counter, leave }
            }
        ),
        6 => (0_u64..9_000_000).prop_map(|us| Op::Advance { us }),
        2 => (0_u64..3_000_000).prop_map(|back_us| Op::Jump { back_us }),
        1 => (0_u8..3).prop_map(|server| Op::Replace { server }),
        1 => Just(Op::Flush),
    ]
}

fn ids(key: &str, owner: &str) -> GrantIds {
    GrantIds {
        key: GrantKey { domain: key.parse().expect("a label"), fingerprint: Fingerprint::of_api_key(key) },
        owner: OwnerId::named(owner),
        advertise: format!("{owner} host:50052"),
        pool: "default".parse().expect("a label"),
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
        caller_now_us: 0,
        epoch_seen: 0,
        held: None,
        recovery_floor_us: None,
        known_generation: None,
    }
}

fn config(url: String, facts: StoreFacts) -> RedisConfig {
    RedisConfig {
        place: RedisPlace::Server { url, tls: RedisTls::default() },
        prefix: "test".to_owned(),
        timeout_ms: 2_000,
        facts,
        deployment: "desk".to_owned(),
        profile: StoreProfile::Trial,
        wait_replicas: 0,
    }
}

/// The two stores, and what they stand on.
struct Pair {
    clock: Arc<ManualClock>,
    facts: Arc<GivenFacts>,
    memory: MemoryStore,
    redis: RedisStore,
    /// To take things away behind the store's back.
    raw: redis::aio::MultiplexedConnection,
}

/// A wrong epoch now and then, mostly the present one.
fn epoch(record: Option<u64>, off: u64) -> u64 {
    match off {
        0 => record.unwrap_or(0) + 1,
        1 => record.unwrap_or(1).saturating_sub(1),
        _ => record.unwrap_or(1),
    }
}

/// One history of a key in a domain of its own. Returns the kinds of answers that were seen.
async fn history(key: &str, ops: &[Op], pair: &mut Pair, kinds: &mut BTreeMap<&'static str, u32>) {
    let mut now = T;
    pair.clock.set_wall(UnixUs(now));
    pair.facts.replace_server("server0");
    let key_id = ids(key, "a").key;
    let (memory, redis) = (&pair.memory, &pair.redis);
    let mut generation = "prepared".to_owned();
    assert_eq!(redis.prepare(&key_id.domain, "prepared").await, Ok(Prepared::Now));
    // The store in memory prepares a domain when it is first asked for it.
    let look = GrantRequest { ids: ids(key, "a"), terms: terms(Intent::Look) };
    assert_eq!(memory.grant(&look).await, redis.grant(&look).await);
    for op in ops {
        let known = memory.record(&key_id);
        let epoch_of = |off| epoch(known.as_ref().map(|r| r.epoch), off);
        match *op {
            Op::Advance { us } => now += us,
            Op::Jump { back_us } => now -= back_us,
            Op::Replace { server } => pair.facts.replace_server(&format!("server{server}")),
            Op::Flush => {
                memory.forget(&key_id.domain);
                let names = ["generation", "members:default", &format!("grant:{}", key_id.fingerprint)]
                    .map(|name| format!("{{test:{key}}}:{name}"));
                let _: u64 = redis::cmd("DEL").arg(&names).query_async(&mut pair.raw).await.expect("deleted");
            }
            Op::Grant { owner, intent, epoch_off, floor, terms: (window_us, ttl_us, ceiling), .. } => {
                let Op::Grant { skew, held, recovery, epoch_seen, knows, .. } = *op else { unreachable!() };
                let intent = match intent {
                    0 => Intent::Look,
                    1..=3 => Intent::Renew { epoch: epoch_of(epoch_off) },
                    _ => Intent::Take,
                };
                let range = known.as_ref().map_or((T, T + 5), |r| (r.lo_us, r.hi_us + 3));
                let request = GrantRequest {
                    ids: ids(key, ["a", "b", "c"][usize::from(owner)]),
                    terms: GrantTerms {
                        window_us,
                        floor_us: floor,
                        ttl_us,
                        counter_ceiling_milli: ceiling,
                        unit: [NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns][usize::from(owner)],
                        caller_now_us: now.saturating_add_signed(skew),
                        epoch_seen,
                        held: held.then_some(HeldRange { lo_us: range.0, hi_us: range.1 }),
                        recovery_floor_us: (recovery > 0).then_some(recovery),
                        known_generation: knows.then(|| generation.clone()),
                        ..terms(intent)
                    },
                };
                let (here, there) = (memory.grant(&request).await, redis.grant(&request).await);
                assert_eq!(here, there, "{request:?}");
                if let Ok(GrantAnswer { sight: Some(sight), .. }) = &here {
                    generation.clone_from(&sight.generation);
                }
                *kinds.entry(here.map_or("error", |answer| kind(&answer.reply))).or_default() += 1;
            }
            Op::Release { owner, epoch_off, last_off, counter, leave } => {
                let release = Release {
                    ids: ids(key, ["a", "b", "c"][usize::from(owner)]),
                    released: Released {
                        epoch: epoch_of(epoch_off),
                        last_us: T + last_off,
                        counter_milli: counter,
                    },
                    leave,
                };
                assert_eq!(memory.release(&release).await, redis.release(&release).await, "{release:?}");
            }
        }
        pair.clock.set_wall(UnixUs(now));
        assert_eq!(Ok(memory.record(&key_id)), redis.record(&key_id).await, "after {op:?}");
    }
}

fn kind(reply: &GrantReply) -> &'static str {
    match reply {
        GrantReply::Granted { first_of_epoch: true, .. } => "taken",
        GrantReply::Granted { .. } => "renewed",
        GrantReply::Held { .. } => "held",
        GrantReply::Free { .. } => "free",
        GrantReply::Lost { .. } => "lost",
        GrantReply::Recovering { .. } => "recovering",
        GrantReply::Skewed { .. } => "skewed",
        GrantReply::TooFarAhead { .. } => "too far ahead",
    }
}

#[test]
fn ten_thousand_random_histories_agree_with_the_memory_store() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let server = RedisServer::start(&[]);
    let clock = Arc::new(ManualClock::at(UnixUs(T)));
    let facts = Arc::new(GivenFacts::new(clock.clone(), "server0"));
    let given = StoreFacts::Given(facts.clone());
    let (redis, raw) = runtime.block_on(async {
        let redis = RedisStore::connect(config(server.url(), given)).await.expect("a server");
        let client = redis::Client::open(server.url()).expect("an address");
        (redis, client.get_multiplexed_async_connection().await.expect("a server"))
    });
    let memory = MemoryStore::with(facts.clone());
    let state = std::cell::RefCell::new((Pair { clock, facts, memory, redis, raw }, 0_u32, BTreeMap::new()));
    let mut runner =
        TestRunner::new(Config { cases: 10_000, failure_persistence: None, ..Config::default() });
    let run = runner.run(&prop::collection::vec(op(), 1..16), |ops| {
        let (pair, cases, kinds) = &mut *state.borrow_mut();
        *cases += 1;
        runtime.block_on(history(&format!("k{cases}"), &ops, pair, kinds));
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    let (_, cases, kinds) = state.into_inner();
    assert!(cases >= 10_000);
    let all = ["taken", "renewed", "held", "free", "lost", "recovering", "skewed", "too far ahead", "error"];
    for kind in all {
        assert!(kinds.get(kind).is_some_and(|seen| *seen >= 20), "{kind} was hardly seen: {kinds:?}");
    }
}

/// The store's own time, as a look shows it.
async fn store_now_us(store: &RedisStore) -> u64 {
    // Whoever is so wrong about the time begins no generation, but is told the store's.
    let look = GrantRequest { ids: ids("k", "a"), terms: terms(Intent::Look) };
    match store.grant(&look).await.expect("an answer").reply {
        GrantReply::Free { store_now_us }
        | GrantReply::Held { store_now_us, .. }
        | GrantReply::Skewed { store_now_us }
        | GrantReply::Recovering { store_now_us, .. } => store_now_us,
        other => panic!("{other:?}"),
    }
}

async fn ask(store: &RedisStore, owner: &str, intent: Intent) -> GrantAnswer {
    let look = GrantTerms { caller_now_us: store_now_us(store).await, ..terms(Intent::Look) };
    let look = store.grant(&GrantRequest { ids: ids("k", "a"), terms: look }).await;
    let known_generation = Some(look.expect("an answer").sight.expect("a generation").generation);
    let terms = GrantTerms { caller_now_us: store_now_us(store).await, known_generation, ..terms(intent) };
    store.grant(&GrantRequest { ids: ids("k", owner), terms }).await.expect("an answer")
}

#[tokio::test]
async fn the_servers_time_counts_and_a_lost_script_cache_does_not_matter() {
    let server = RedisServer::start(&[]);
    let store = RedisStore::connect(config(server.url(), StoreFacts::Server)).await.expect("a server");
    let domain = ids("k", "a").key.domain;
    assert_eq!(store.prepare(&domain, "by hand").await, Ok(Prepared::Now));
    let first = ask(&store, "a", Intent::Take).await;
    let GrantReply::Granted { epoch: 1, store_now_us, lo_us, expires_us, .. } = first.reply else {
        panic!("{first:?}")
    };
    assert!(store_now_us > 1_700_000_000_000_000, "microseconds since 1970");
    assert_eq!((lo_us, expires_us), (store_now_us, store_now_us + 5_000_000));
    assert_eq!(first.sight.as_ref().expect("one").generation, "by hand");
    let owners = |answer: &GrantAnswer| -> Vec<String> {
        answer.members.iter().map(|m| m.owner.as_str().to_owned()).collect()
    };
    assert_eq!(owners(&first), ["a"]);

    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.expect("flushed");
    let held = ask(&store, "b", Intent::Take).await;
    assert!(matches!(&held.reply, GrantReply::Held { owner, .. } if owner.as_str() == "a"), "{held:?}");
    assert_eq!(owners(&held), ["a", "b"]);

    let release = Release {
        ids: ids("k", "a"),
        released: Released { epoch: 1, last_us: lo_us, counter_milli: 0 },
        leave: true,
    };
    store.release(&release).await.expect("released");
    let take = GrantTerms { caller_now_us: store_now_us, ..terms(Intent::Take) };
    let taken = store.grant(&GrantRequest { ids: ids("k", "b"), terms: take }).await.expect("an answer");
    assert!(matches!(taken.reply, GrantReply::Granted { epoch: 2, first_of_epoch: true, .. }), "{taken:?}");
    assert_eq!(owners(&taken), ["b"], "the one who left is gone");
}

#[tokio::test]
async fn a_flush_and_another_server_begin_a_new_generation_by_themselves() {
    let server = RedisServer::start(&[]);
    let port = server.port.to_string();
    let store = RedisStore::connect(config(server.url(), StoreFacts::Server)).await.expect("a server");
    let domain = ids("k", "a").key.domain;
    // A store that nobody prepared may be one that was lost.
    let first = ask(&store, "a", Intent::Take).await;
    assert!(matches!(first.reply, GrantReply::Recovering { .. }), "{first:?}");
    let born = first.sight.as_ref().expect("one").born_us;
    assert_eq!(store.prepare(&domain, "too late").await, Ok(Prepared::Before { born_us: born }));

    let client = redis::Client::open(server.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let _: () = redis::cmd("FLUSHALL").query_async(&mut connection).await.expect("flushed");
    let flushed = ask(&store, "a", Intent::Take).await;
    assert!(matches!(
        flushed.reply,
        GrantReply::Recovering { until_us, .. } if until_us > flushed.sight.as_ref().expect("one").born_us + RECOVERY_US
    ));
    assert_ne!(
        flushed.sight.as_ref().expect("one").generation,
        first.sight.as_ref().expect("one").generation
    );

    // The same data on a server that was started anew: its last writes may be missing.
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().to_str().expect("a path in UTF-8");
    drop((server, connection));
    let keep = ["--port", &port, "--dir", dir, "--appendonly", "yes", "--appendfsync", "always"];
    let server = RedisServer::start(&keep);
    eventually_up(&store).await;
    assert_eq!(store.prepare(&domain, "kept").await, Ok(Prepared::Now));
    let taken = ask(&store, "a", Intent::Take).await;
    assert!(matches!(taken.reply, GrantReply::Granted { .. }), "{taken:?}");
    drop(server);
    let _server = RedisServer::start(&keep);
    eventually_up(&store).await;
    let restarted = ask(&store, "b", Intent::Look).await;
    assert!(matches!(restarted.reply, GrantReply::Recovering { .. }), "{restarted:?}");
    assert_ne!(restarted.sight.as_ref().expect("one").generation, "kept");
    assert_eq!(restarted.sight.as_ref().expect("one").reach_us, None, "what is there may be old");
}

async fn eventually_up(store: &RedisStore) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while store.ping().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "never reconnected");
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_says_so_in_one_line_without_its_password() {
    let server = RedisServer::start(&["--requirepass", "right-password"]);
    let secret = "wrong-password-x7";
    let url = format!("redis://:{secret}@127.0.0.1:{}", server.port);
    let refused =
        RedisStore::connect(config(url.clone(), StoreFacts::Server)).await.expect_err("wrong password");
    assert!(matches!(refused, StoreError::Forbidden { .. }), "{refused:?}");
    let open = RedisStore::connect(config(server.url(), StoreFacts::Server)).await.expect_err("no password");
    assert!(matches!(open, StoreError::Forbidden { .. }), "{open:?}");

    let port = server.port;
    drop(server);
    let gone = RedisStore::connect(config(url.clone(), StoreFacts::Server)).await.expect_err("nobody there");
    assert_eq!(gone.to_string(), format!("cannot reach Redis at 127.0.0.1:{port}: connection refused"));

    let bad = format!("redis://:{secret}@host:no-port");
    let unusable = RedisStore::connect(config(bad, StoreFacts::Server)).await.expect_err("no address");
    assert!(matches!(unusable, StoreError::BadAddress { .. }), "{unusable:?}");

    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let deaf_url = format!("redis://:{secret}@{}", deaf.local_addr().expect("bound"));
    let slow = RedisConfig { timeout_ms: 50, ..config(deaf_url, StoreFacts::Server) };
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
    let store = RedisStore::connect(config(server.url(), StoreFacts::Server)).await.expect("a server");
    drop(server);
    assert!(store.ping().await.is_err());
    let _again = RedisServer::start(&["--port", &port]);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while store.ping().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "never reconnected");
    }
}

#[tokio::test]
async fn a_store_that_may_forget_is_refused_by_name_or_spoken_of() {
    let server = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    let strict = RedisConfig { profile: StoreProfile::Strict, ..config(server.url(), StoreFacts::Server) };
    let refused = RedisStore::connect(strict.clone()).await.expect_err("unfit").to_string();
    assert!(refused.contains("maxmemory-policy is allkeys-lru"), "{refused}");
    assert!(refused.contains("neither an append-only file nor a replica"), "all at once: {refused}");
    let trial = RedisStore::connect(config(server.url(), StoreFacts::Server)).await.expect("for a trial");
    assert_eq!(findings(&trial).len(), 2);

    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path().to_str().expect("a path in UTF-8");
    let fit = RedisServer::start(&["--dir", dir, "--appendonly", "yes"]);
    let place = config(fit.url(), StoreFacts::Server).place;
    let fit = RedisStore::connect(RedisConfig { place, ..strict }).await.expect("fit");
    assert_eq!(findings(&fit), Vec::<String>::new());
}

/// What is wrong with a server that is used all the same.
fn findings(store: &RedisStore) -> Vec<String> {
    match &*store.standing().borrow() {
        StoreStanding::Fit { findings, .. } => findings.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn two_deployments_do_not_share_a_prefix() {
    let server = RedisServer::start(&[]);
    let desk = config(server.url(), StoreFacts::Server);
    RedisStore::connect(desk.clone()).await.expect("the first");
    RedisStore::connect(desk.clone()).await.expect("another process of the same deployment");
    let other = RedisConfig { deployment: "lab".to_owned(), ..desk.clone() };
    let refused = RedisStore::connect(other.clone()).await.expect_err("another deployment");
    assert!(matches!(&refused, StoreError::OtherDeployment { owner, .. } if owner == "desk"), "{refused}");
    RedisStore::connect(RedisConfig { prefix: "lab".to_owned(), ..other }).await.expect("its own prefix");
}

#[tokio::test]
async fn a_grant_that_no_replica_has_does_not_count() {
    let primary = RedisServer::start(&[]);
    let replica = RedisServer::start(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let careful = RedisConfig {
        profile: StoreProfile::Strict,
        wait_replicas: 1,
        ..config(primary.url(), StoreFacts::Server)
    };
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    let store = loop {
        match RedisStore::connect(careful.clone()).await {
            Ok(store) => break store,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "never in sync: {error}"),
        }
    };
    // A replica counts as connected before it has caught up, and the first one gives the primary a new replication id.
    let client = redis::Client::open(primary.url()).expect("an address");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a server");
    let _: () =
        redis::cmd("SET").arg("any").arg("thing").query_async(&mut connection).await.expect("written");
    loop {
        let wait = redis::cmd("WAIT").arg(1).arg(100).query_async::<u64>(&mut connection).await;
        if wait == Ok(1) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "never in sync: {wait:?}");
    }
    let domain = ids("k", "a").key.domain;
    store.prepare(&domain, "by hand").await.expect("prepared");
    let taken = ask(&store, "a", Intent::Take).await;
    assert!(matches!(taken.reply, GrantReply::Granted { .. }), "{taken:?}");
    // A lost script cache is no reason to count what was not written.
    let _: () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.expect("flushed");
    let renewed = ask(&store, "a", Intent::Renew { epoch: 1 }).await;
    assert!(matches!(renewed.reply, GrantReply::Granted { first_of_epoch: false, .. }), "{renewed:?}");

    drop(replica);
    let look = GrantRequest { ids: ids("k", "a"), terms: terms(Intent::Look) };
    let refused = store.grant(&look).await.expect_err("nobody else has it");
    assert!(matches!(refused, StoreError::NotReplicated { acknowledged: 0, wanted: 1, .. }), "{refused:?}");
}
