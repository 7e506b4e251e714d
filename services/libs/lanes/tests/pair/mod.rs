//! A store in memory and one in Redis that are told the same time and the same server, to be held against each other.

use std::sync::Arc;

use tidegate_core::{AccountName, ManualClock, NonceUnit, OwnerId, UnixUs};
use tidegate_lanes::{
    Fingerprint, GivenFacts, GrantIds, GrantKey, GrantRequest, GrantTerms, Intent, MemoryStore, RedisConfig,
    RedisPlace, RedisStore, RedisTls, StoreFacts, StoreProfile,
};

/// When every history begins.
pub(crate) const T: u64 = 1_795_000_000_000_000;

/// The two stores, and what they stand on.
pub(crate) struct Pair {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) facts: Arc<GivenFacts>,
    pub(crate) memory: MemoryStore,
    pub(crate) redis: RedisStore,
    /// To take things away behind the store's back.
    pub(crate) raw: redis::aio::MultiplexedConnection,
}

impl Pair {
    /// Both of them empty, the one on a server at this address.
    pub(crate) async fn at(url: String) -> Self {
        let clock = Arc::new(ManualClock::at(UnixUs(T)));
        let facts = Arc::new(GivenFacts::new(clock.clone(), "server0"));
        let config = RedisConfig {
            place: RedisPlace::Server { url: url.clone(), tls: RedisTls::default() },
            prefix: "test".to_owned(),
            timeout_ms: 2_000,
            facts: StoreFacts::Given(facts.clone()),
            deployment: "desk".to_owned(),
            profile: StoreProfile::Trial,
            wait_replicas: 0,
        };
        let client = redis::Client::open(url).expect("an address");
        let raw = client.get_multiplexed_async_connection().await.expect("a server");
        let redis = RedisStore::connect(config).await.expect("a server");
        let memory = MemoryStore::with(facts.clone());
        Self { clock, facts, memory, redis, raw }
    }
}

/// A look at a key, with which a generation begins where there is none.
pub(crate) fn look(domain: &AccountName, now_us: u64) -> GrantRequest {
    let fingerprint = Fingerprint::of_api_key("key");
    GrantRequest {
        ids: GrantIds {
            key: GrantKey { domain: domain.clone(), fingerprint: fingerprint.clone() },
            owner: OwnerId::named("owner"),
            advertise: String::new(),
            pool: "default".parse().expect("a label"),
            mounts: [fingerprint].into(),
        },
        terms: GrantTerms {
            intent: Intent::Look,
            unit: NonceUnit::Us,
            window_us: 0,
            floor_us: 0,
            ttl_us: 5_000_000,
            reserve_us: 2_000_000,
            counter_ceiling_milli: 0,
            counter_decay_milli_per_s: 1_000,
            caller_now_us: now_us,
            epoch_seen: 0,
            held: None,
            recovery_floor_us: None,
            known_generation: None,
        },
    }
}
