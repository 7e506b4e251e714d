//! The store as the processes meet it: the real rules of the grant over records that can be lost.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tidegate_core::{AccountName, OwnerId, PoolName};
use tidegate_lanes::{
    Claim, ClaimReply, Generation, GrantAnswer, GrantKey, GrantRecord, GrantRequest, IntentKey, IntentRecord,
    Member, OpenIntents, Release, Settle, Settled, StoreNow, Withdraw, announce, apply, apply_claim,
    apply_release, apply_settle, apply_withdraw, depart,
};

use crate::plan::EPOCH_US;

/// Between two copies at the least.
const COPY_EVERY_US: u64 = 200_000;
const COPIES_MAX: usize = 200;

#[derive(Clone, Debug, Default)]
struct Kept {
    records: BTreeMap<GrantKey, GrantRecord>,
    generations: BTreeMap<AccountName, Generation>,
    members: BTreeMap<(AccountName, PoolName), BTreeMap<OwnerId, Member>>,
    /// By the intent's id, which no two accounts share. Counted, so that a copy of all costs little.
    intents: BTreeMap<Rc<str>, Rc<IntentRecord>>,
}

/// One server, or its successor.
#[derive(Debug)]
pub(crate) struct Store {
    kept: Kept,
    /// What was kept just before a write at that time.
    copies: VecDeque<(u64, Kept)>,
    servers: u64,
    replication_id: String,
    /// By how much its clock differs from true time.
    pub clock_off_us: i64,
}

impl Store {
    /// An empty store, prepared by an operator.
    pub(crate) fn new(domains: &[AccountName], clock_off_us: i64) -> Self {
        let mut store = Self {
            kept: Kept::default(),
            copies: VecDeque::new(),
            servers: 0,
            replication_id: "server-0".to_owned(),
            clock_off_us,
        };
        for domain in domains {
            let generation = Generation {
                marker: "prepared".to_owned(),
                replication_id: store.replication_id.clone(),
                born_us: store.now_us(0),
                fresh: true,
            };
            store.kept.generations.insert(domain.clone(), generation);
        }
        store
    }

    /// Its clock.
    pub(crate) const fn now_us(&self, t_us: u64) -> u64 {
        (EPOCH_US + t_us).saturating_add_signed(self.clock_off_us)
    }

    pub(crate) fn grant(&mut self, t_us: u64, request: &GrantRequest) -> Option<GrantAnswer> {
        self.copy(t_us);
        let now_us = self.now_us(t_us);
        let (ids, kept) = (&request.ids, &mut self.kept);
        let now = StoreNow { us: now_us, replication_id: &self.replication_id };
        let generation = kept.generations.get(&ids.key.domain);
        let applied = apply(generation, kept.records.get(&ids.key), request, now).ok()?;
        if let Some(record) = applied.record {
            kept.records.insert(ids.key.clone(), record);
        }
        if let Some(generation) = applied.generation {
            kept.generations.insert(ids.key.domain.clone(), generation);
        }
        let pool = kept.members.entry((ids.key.domain.clone(), ids.pool.clone())).or_default();
        let members = announce(pool, ids, request.terms.ttl_us, now_us);
        Some(GrantAnswer { reply: applied.reply, members, sight: applied.sight })
    }

    /// `true` if the key was the caller's, so that others are told.
    pub(crate) fn release(&mut self, t_us: u64, release: &Release) -> bool {
        self.copy(t_us);
        let (ids, now_us) = (&release.ids, self.now_us(t_us));
        let now = StoreNow { us: now_us, replication_id: &self.replication_id };
        let kept = &mut self.kept;
        let generation = kept.generations.get(&ids.key.domain);
        let written = apply_release(generation, kept.records.get(&ids.key), release, now).ok().flatten();
        if release.leave
            && let Some(pool) = kept.members.get_mut(&(ids.key.domain.clone(), ids.pool.clone()))
        {
            depart(pool, &ids.owner);
        }
        let owned = written.is_some();
        if let Some(record) = written {
            kept.records.insert(ids.key.clone(), record);
        }
        owned
    }

    /// A number that the store does not take is a mistake of the simulation.
    #[expect(clippy::expect_used, reason = "times of a run are small")]
    pub(crate) fn claim(&mut self, t_us: u64, claim: &Claim) -> ClaimReply {
        self.copy(t_us);
        let now = StoreNow { us: self.now_us(t_us), replication_id: &self.replication_id };
        let kept = &mut self.kept;
        let generation = kept.generations.get(&claim.key.domain);
        let record = kept.intents.get(claim.key.id.as_str()).map(Rc::as_ref);
        let applied = apply_claim(generation, record, None, claim, now).expect("small numbers");
        if let Some(record) = applied.record {
            kept.intents.insert(claim.key.id.as_str().into(), Rc::new(record));
        }
        applied.reply
    }

    #[expect(clippy::expect_used, reason = "times of a run are small")]
    pub(crate) fn settle(&mut self, t_us: u64, settle: &Settle) -> Settled {
        self.copy(t_us);
        let now = StoreNow { us: self.now_us(t_us), replication_id: &self.replication_id };
        let key = &settle.claim.key;
        let generation = self.kept.generations.get(&key.domain);
        let record = self.kept.intents.get(key.id.as_str()).map(Rc::as_ref);
        let (settled, record) = apply_settle(generation, record, settle, now).expect("small numbers");
        if let Some(record) = record {
            self.kept.intents.insert(key.id.as_str().into(), Rc::new(record));
        }
        settled
    }

    pub(crate) fn withdraw(&mut self, t_us: u64, withdraw: &Withdraw) -> bool {
        self.copy(t_us);
        let record = self.kept.intents.get(withdraw.key.id.as_str()).map(Rc::as_ref);
        let gone = apply_withdraw(record, withdraw, self.now_us(t_us));
        if gone {
            self.kept.intents.remove(withdraw.key.id.as_str());
        }
        gone
    }

    pub(crate) fn intent(&self, key: &IntentKey) -> Option<IntentRecord> {
        self.kept.intents.get(key.id.as_str()).map(|record| record.as_ref().clone())
    }

    /// The intents of an account that are not decided.
    pub(crate) fn open_intents(&self, t_us: u64, account: &AccountName) -> OpenIntents {
        let open =
            |record: &&(_, &Rc<IntentRecord>)| record.1.account == account.as_str() && record.1.is_open();
        let known = self.kept.intents.iter().map(|(id, record)| (id.to_string(), record));
        let intents = known.filter(|record| open(&record)).map(|(id, r)| (id, r.as_ref().clone())).collect();
        let generation = self.kept.generations.get(account);
        let generation = generation.map_or_else(String::new, |generation| generation.marker.clone());
        OpenIntents { generation, store_now_us: self.now_us(t_us), intents }
    }

    fn copy(&mut self, t_us: u64) {
        if self.copies.back().is_none_or(|(at_us, _)| at_us + COPY_EVERY_US <= t_us) {
            if self.copies.len() == COPIES_MAX {
                self.copies.pop_front();
            }
            self.copies.push_back((t_us, self.kept.clone()));
        }
    }

    /// Everything is gone, and the server is the same.
    pub(crate) fn flush(&mut self) {
        self.kept = Kept::default();
    }

    /// Another server with what was kept so long ago. Every start and every promotion has a replication id of its own.
    pub(crate) fn replace(&mut self, t_us: u64, age_us: u64) {
        let then_us = t_us.saturating_sub(age_us);
        if let Some((_, kept)) = self.copies.iter().find(|(at_us, _)| *at_us >= then_us) {
            self.kept = kept.clone();
        }
        self.servers += 1;
        self.replication_id = format!("server-{}", self.servers);
    }
}
