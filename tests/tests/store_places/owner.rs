//! An owner of one key, as a lane is one: it takes, renews from memory, gives back.

use std::sync::Arc;

use tempfile::TempDir;
use tidegate_core::{NonceUnit, OwnerId};
use tidegate_lanes::{
    Fingerprint, GrantAnswer, GrantIds, GrantKey, GrantReply, GrantRequest, GrantStore, GrantTerms,
    HeldRange, Intent, RedisConfig, RedisPlace, RedisStore, RedisTls, Release, Released, StoreError,
    StoreFacts, StoreProfile, StoreStanding,
};
use tidegate_tests::PATIENCE;

pub(crate) fn dir() -> TempDir {
    // Another test of this binary may have installed it.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tempfile::tempdir().expect("a directory")
}

pub(crate) fn config(place: RedisPlace) -> RedisConfig {
    RedisConfig {
        place,
        prefix: "tidegate".to_owned(),
        timeout_ms: 250,
        facts: StoreFacts::Server,
        deployment: "desk".to_owned(),
        profile: StoreProfile::Trial,
        wait_replicas: 0,
    }
}

pub(crate) fn server(url: String) -> RedisConfig {
    config(RedisPlace::Server { url, tls: RedisTls::default() })
}

/// Where the server is that passed the inspection last.
pub(crate) fn standing(store: &RedisStore) -> StoreStanding {
    store.standing().borrow().clone()
}

/// Waits until a store stands as it should.
pub(crate) async fn stands(store: &RedisStore, what: &str, mut is: impl FnMut(&StoreStanding) -> bool) {
    let mut standing = store.standing();
    let waited =
        tokio::time::timeout(PATIENCE, standing.wait_for(|now| is(now))).await.map(|seen| seen.is_ok());
    assert!(waited.is_ok(), "gave up waiting for {what}: {:?}", store.standing().borrow());
}

pub(crate) fn key(domain: &str) -> GrantKey {
    GrantKey { domain: domain.parse().expect("a label"), fingerprint: Fingerprint::of_api_key(domain) }
}

/// Owns the one key of a domain.
pub(crate) struct Owner {
    pub(crate) store: Arc<RedisStore>,
    ids: GrantIds,
    epoch: u64,
    held: Option<HeldRange>,
    generation: Option<String>,
}

impl Owner {
    pub(crate) fn new(store: &Arc<RedisStore>, domain: &str, name: &str) -> Self {
        let key = key(domain);
        Self {
            store: Arc::clone(store),
            ids: GrantIds {
                mounts: [key.fingerprint.clone()].into(),
                key,
                owner: OwnerId::named(name),
                advertise: String::new(),
                pool: "default".parse().expect("a label"),
            },
            epoch: 0,
            held: None,
            generation: None,
        }
    }

    /// Prepares the domain and takes the key.
    pub(crate) async fn settle(store: &Arc<RedisStore>, domain: &str, name: &str) -> Self {
        let mut owner = Self::new(store, domain, name);
        store.prepare(&owner.ids.key.domain, "by hand").await.expect("prepared");
        assert!(matches!(owner.ask(Intent::Take).await, Ok(GrantReply::Granted { .. })));
        owner
    }

    pub(crate) async fn ask(&mut self, intent: Intent) -> Result<GrantReply, StoreError> {
        let terms = GrantTerms {
            intent,
            unit: NonceUnit::Us,
            window_us: 0,
            floor_us: 0,
            ttl_us: 5_000_000,
            reserve_us: 2_000_000,
            counter_ceiling_milli: 0,
            counter_decay_milli_per_s: 1_000,
            caller_now_us: u64::try_from(jiff::Timestamp::now().as_microsecond()).expect("after 1970"),
            epoch_seen: self.epoch,
            held: self.held,
            recovery_floor_us: None,
            known_generation: self.generation.clone(),
        };
        let request = GrantRequest { ids: self.ids.clone(), terms };
        let GrantAnswer { reply, sight, .. } = self.store.grant(&request).await?;
        self.generation = sight.map(|sight| sight.generation).or(self.generation.take());
        if let GrantReply::Granted { epoch, lo_us, hi_us, .. } = reply {
            (self.epoch, self.held) = (epoch, Some(HeldRange { lo_us, hi_us }));
        }
        Ok(reply)
    }

    pub(crate) async fn renew(&mut self) -> Result<GrantReply, StoreError> {
        self.ask(Intent::Renew { epoch: self.epoch }).await
    }

    /// Renews again and again until it is granted. Says how long that took.
    pub(crate) async fn renewed(&mut self) -> std::time::Duration {
        let began = tokio::time::Instant::now();
        loop {
            match self.renew().await {
                Ok(GrantReply::Granted { first_of_epoch: false, .. }) => return began.elapsed(),
                Ok(other) => panic!("the owner is one no more: {other:?}"),
                Err(error) => assert!(began.elapsed() < PATIENCE, "never again: {error}"),
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn give_back(&mut self) -> Result<(), StoreError> {
        let last_us = self.held.map_or(0, |held| held.lo_us);
        let released = Released { epoch: self.epoch, last_us, counter_milli: 0 };
        self.store.release(&Release { ids: self.ids.clone(), released, leave: false }).await
    }

    /// Gives back and takes again until `hears` is told of it: a subscription may take its time.
    pub(crate) async fn is_heard_by(&mut self, hears: &RedisStore) {
        let mut notices = hears.notices();
        let began = tokio::time::Instant::now();
        loop {
            self.give_back().await.expect("given back");
            let heard = tokio::time::timeout(std::time::Duration::from_millis(300), notices.recv()).await;
            if let Ok(Ok(fingerprint)) = heard {
                assert_eq!(fingerprint, self.ids.key.fingerprint);
                return;
            }
            assert!(began.elapsed() < PATIENCE, "nobody heard of it");
            let taken = self.ask(Intent::Take).await;
            assert!(matches!(taken, Ok(GrantReply::Granted { .. })), "{taken:?}");
        }
    }
}
