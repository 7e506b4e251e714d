//! Grants in this process's memory: the embedded default, and the reference for the scripts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_core::{AccountName, Clock, OwnerId, PoolName};
use tokio::sync::broadcast;

use super::{
    GivenFacts, GrantAnswer, GrantStore, IntentStore, NOTICES_MAX, StoreError, StoreFuture, TradeStore,
};
use crate::grant::{
    Generation, GrantRecord, GrantRequest, Member, Release, StoreNow, announce, apply, apply_release, depart,
};
use crate::intent::{
    Claim, ClaimReply, HALT_REASON_BYTES_MAX, HaltScope, IntentKey, IntentRecord, KEPT_US, OpenIntents,
    Settle, Settled, Wanted, Withdraw, apply_claim, apply_settle, apply_wish, apply_withdraw,
};
use crate::keys::{Fingerprint, GrantKey};
use crate::trade::{TradeBook, TradeReply, TradeRequest};

/// A store for one process. It forgets with the process, so it must not be used where two processes share a key.
#[derive(Debug)]
pub struct MemoryStore {
    facts: Arc<GivenFacts>,
    kept: Mutex<Kept>,
    notices: broadcast::Sender<Fingerprint>,
}

#[derive(Debug, Default)]
struct Kept {
    records: HashMap<GrantKey, GrantRecord>,
    /// Of each domain that was ever asked for; `None` once it was forgotten.
    generations: HashMap<AccountName, Option<Generation>>,
    members: HashMap<(AccountName, PoolName), BTreeMap<OwnerId, Member>>,
    intents: HashMap<IntentKey, IntentRecord>,
    /// Keys of intents by the time of their claim, so that old ones are forgotten.
    claimed: BTreeSet<(u64, IntentKey)>,
    /// By domain: scope and reason.
    halts: HashMap<AccountName, BTreeMap<String, String>>,
    /// By domain and account.
    books: HashMap<(AccountName, AccountName), TradeBook>,
}

impl Kept {
    /// The generation of a domain. Nothing can have been granted before the store was made, so it begins prepared.
    fn generation(&mut self, domain: &AccountName, facts: &GivenFacts) -> Option<Generation> {
        let prepared = || {
            Some(Generation {
                marker: "prepared".to_owned(),
                replication_id: facts.replication_id(),
                born_us: facts.now_us(),
                fresh: true,
            })
        };
        self.generations.entry(domain.clone()).or_insert_with(prepared).clone()
    }
}

impl Kept {
    fn write_intent(&mut self, key: &IntentKey, record: IntentRecord, now_us: u64) {
        self.claimed.insert((record.claimed_us, key.clone()));
        self.intents.insert(key.clone(), record);
        while let Some((claimed_us, old)) =
            self.claimed.first().filter(|(at, _)| at + KEPT_US <= now_us).cloned()
        {
            self.claimed.remove(&(claimed_us, old.clone()));
            self.intents.retain(|key, known| *key != old || known.claimed_us != claimed_us);
        }
    }
}

impl MemoryStore {
    /// An empty store whose time is the clock's wall time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with(Arc::new(GivenFacts::new(clock, "memory")))
    }

    /// An empty store on a server that can be replaced.
    pub fn with(facts: Arc<GivenFacts>) -> Self {
        Self { facts, kept: Mutex::default(), notices: broadcast::Sender::new(NOTICES_MAX) }
    }

    /// Loses everything of a domain, as a flushed Redis does. For tests and simulations.
    pub fn forget(&self, domain: &AccountName) {
        let mut kept = self.kept();
        kept.records.retain(|key, _| key.domain != *domain);
        kept.members.retain(|(of, _), _| of != domain);
        kept.intents.retain(|key, _| key.domain != *domain);
        kept.claimed.retain(|(_, key)| key.domain != *domain);
        kept.books.retain(|(of, _), _| of != domain);
        kept.halts.remove(domain);
        kept.generations.insert(domain.clone(), None);
    }

    /// What is kept of a key.
    pub fn record(&self, key: &GrantKey) -> Option<GrantRecord> {
        self.kept().records.get(key).cloned()
    }

    /// Each step either happens or leaves all as it was, so a panic elsewhere cannot have left half of one.
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn grant_now(&self, request: &GrantRequest) -> Result<GrantAnswer, StoreError> {
        let mut kept = self.kept();
        let (now_us, replication_id) = (self.facts.now_us(), self.facts.replication_id());
        let ids = &request.ids;
        let generation = kept.generation(&ids.key.domain, &self.facts);
        let now = StoreNow { us: now_us, replication_id: &replication_id };
        let applied = apply(generation.as_ref(), kept.records.get(&ids.key), request, now)
            .map_err(|_| StoreError::TooLarge)?;
        if let Some(record) = applied.record {
            kept.records.insert(ids.key.clone(), record);
        }
        if let Some(generation) = applied.generation {
            kept.generations.insert(ids.key.domain.clone(), Some(generation));
        }
        let pool = kept.members.entry((ids.key.domain.clone(), ids.pool.clone())).or_default();
        let members = announce(pool, ids, request.terms.ttl_us, now_us);
        Ok(GrantAnswer { reply: applied.reply, members, sight: applied.sight })
    }

    fn release_now(&self, release: &Release) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let ids = &release.ids;
        let (now_us, replication_id) = (self.facts.now_us(), self.facts.replication_id());
        let generation = kept.generation(&ids.key.domain, &self.facts);
        let now = StoreNow { us: now_us, replication_id: &replication_id };
        let written = apply_release(generation.as_ref(), kept.records.get(&ids.key), release, now)
            .map_err(|_| StoreError::TooLarge)?;
        if release.leave
            && let Some(pool) = kept.members.get_mut(&(ids.key.domain.clone(), ids.pool.clone()))
        {
            depart(pool, &ids.owner);
        }
        if let Some(record) = written {
            kept.records.insert(ids.key.clone(), record);
            // Without a listener nobody waits for the key.
            let _ = self.notices.send(ids.key.fingerprint.clone());
        }
        Ok(())
    }
}

impl MemoryStore {
    fn claim_now(&self, claim: &Claim) -> Result<ClaimReply, StoreError> {
        let mut kept = self.kept();
        let (now_us, replication_id) = (self.facts.now_us(), self.facts.replication_id());
        let generation = kept.generation(&claim.key.domain, &self.facts);
        let now = StoreNow { us: now_us, replication_id: &replication_id };
        let halts = kept.halts.get(&claim.key.domain);
        let halt = halts.and_then(|by| by.get(HaltScope::ALL).or_else(|| by.get(claim.account.as_str())));
        let known = kept.intents.get(&claim.key);
        let applied = apply_claim(generation.as_ref(), known, halt.map(String::as_str), claim, now)
            .map_err(|_| StoreError::TooLarge)?;
        if let Some(record) = applied.record {
            kept.write_intent(&claim.key, record, now_us);
        }
        Ok(applied.reply)
    }

    fn settle_now(&self, settle: &Settle) -> Result<Settled, StoreError> {
        let mut kept = self.kept();
        let key = &settle.claim.key;
        let (now_us, replication_id) = (self.facts.now_us(), self.facts.replication_id());
        let generation = kept.generation(&key.domain, &self.facts);
        let now = StoreNow { us: now_us, replication_id: &replication_id };
        let (settled, record) = apply_settle(generation.as_ref(), kept.intents.get(key), settle, now)
            .map_err(|_| StoreError::TooLarge)?;
        if let Some(record) = record {
            kept.write_intent(key, record, now_us);
        }
        Ok(settled)
    }

    fn open_now(&self, domain: &AccountName, account: &AccountName, at_most: usize) -> OpenIntents {
        let mut kept = self.kept();
        let now_us = self.facts.now_us();
        let generation = kept.generation(domain, &self.facts);
        let of_account = |key: &IntentKey, known: &IntentRecord| {
            key.domain == *domain && known.account == account.as_str() && known.is_open()
        };
        let mut intents: Vec<_> = kept
            .intents
            .iter()
            .filter(|(key, known)| of_account(key, known) && known.claimed_us + KEPT_US > now_us)
            .map(|(key, known)| (key.id.clone(), known.clone()))
            .collect();
        intents.sort_by(|a, b| (a.1.claimed_us, &a.0).cmp(&(b.1.claimed_us, &b.0)));
        intents.truncate(at_most);
        OpenIntents {
            generation: generation.map_or_else(String::new, |g| g.marker),
            store_now_us: now_us,
            intents,
        }
    }
}

impl IntentStore for MemoryStore {
    fn claim<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, ClaimReply> {
        Box::pin(async move { self.claim_now(claim) })
    }

    fn settle<'a>(&'a self, settle: &'a Settle) -> StoreFuture<'a, Settled> {
        Box::pin(async move { self.settle_now(settle) })
    }

    fn withdraw<'a>(&'a self, withdraw: &'a Withdraw) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut kept = self.kept();
            let gone = apply_withdraw(kept.intents.get(&withdraw.key), withdraw, self.facts.now_us());
            if gone && let Some(record) = kept.intents.remove(&withdraw.key) {
                kept.claimed.remove(&(record.claimed_us, withdraw.key.clone()));
            }
            Ok(gone)
        })
    }

    fn wish<'a>(&'a self, wanted: &'a Wanted) -> StoreFuture<'a, Option<IntentRecord>> {
        Box::pin(async move {
            let (mut kept, now_us) = (self.kept(), self.facts.now_us());
            let record = apply_wish(kept.intents.get(&wanted.key), wanted.wish, now_us);
            if let Some(record) = &record {
                kept.write_intent(&wanted.key, record.clone(), now_us);
            }
            Ok(record)
        })
    }

    fn halt<'a>(
        &'a self,
        domain: &'a AccountName,
        scope: &'a HaltScope,
        reason: Option<&'a str>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            if reason.is_some_and(|reason| reason.len() > HALT_REASON_BYTES_MAX) {
                return Err(StoreError::TooLarge);
            }
            let mut kept = self.kept();
            let halts = kept.halts.entry(domain.clone()).or_default();
            match reason {
                Some(reason) => halts.insert(scope.as_str().to_owned(), reason.to_owned()),
                None => halts.remove(scope.as_str()),
            };
            Ok(())
        })
    }

    fn halts<'a>(&'a self, domain: &'a AccountName) -> StoreFuture<'a, Vec<(String, String)>> {
        Box::pin(async move {
            let halts = self.kept().halts.get(domain).cloned().unwrap_or_default();
            Ok(halts.into_iter().collect())
        })
    }

    fn intent<'a>(&'a self, key: &'a IntentKey) -> StoreFuture<'a, Option<IntentRecord>> {
        Box::pin(async move {
            let now_us = self.facts.now_us();
            let known = self.kept().intents.get(key).cloned();
            Ok(known.filter(|known| known.claimed_us + KEPT_US > now_us))
        })
    }

    fn open_intents<'a>(
        &'a self,
        domain: &'a AccountName,
        account: &'a AccountName,
        at_most: usize,
    ) -> StoreFuture<'a, OpenIntents> {
        Box::pin(async move { Ok(self.open_now(domain, account, at_most)) })
    }
}

impl TradeStore for MemoryStore {
    fn trade<'a>(&'a self, request: &'a TradeRequest) -> StoreFuture<'a, TradeReply> {
        Box::pin(async move {
            let mut kept = self.kept();
            let (now_us, replication_id) = (self.facts.now_us(), self.facts.replication_id());
            let generation = kept.generation(&request.domain, &self.facts);
            let book = kept.books.entry((request.domain.clone(), request.account.clone())).or_default();
            book.forget_old(now_us);
            let now = StoreNow { us: now_us, replication_id: &replication_id };
            book.apply(generation.as_ref(), request, now).map_err(|_| StoreError::TooLarge)
        })
    }
}

impl GrantStore for MemoryStore {
    fn grant<'a>(&'a self, request: &'a GrantRequest) -> StoreFuture<'a, GrantAnswer> {
        Box::pin(async move { self.grant_now(request) })
    }

    fn release<'a>(&'a self, release: &'a Release) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.release_now(release) })
    }

    fn notices(&self) -> broadcast::Receiver<Fingerprint> {
        self.notices.subscribe()
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
