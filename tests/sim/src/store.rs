//! The store as the processes meet it: the real rules of the grant over records that can be lost.

use std::collections::{BTreeMap, VecDeque};

use tidegate_core::{AccountName, OwnerId, PoolName};
use tidegate_lanes::{
    Generation, GrantAnswer, GrantKey, GrantRecord, GrantRequest, Member, Release, StoreNow, apply,
    apply_release, is_live_member,
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
        let member = Member {
            owner: ids.owner.clone(),
            advertise: ids.advertise.clone(),
            expires_us: now_us + request.terms.ttl_us,
            mounts: ids.mounts.to_vec(),
        };
        pool.insert(ids.owner.clone(), member);
        pool.retain(|_, member| is_live_member(member.expires_us, request.terms.ttl_us, now_us));
        let members = pool.values().cloned().collect();
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
            pool.remove(&ids.owner);
        }
        let owned = written.is_some();
        if let Some(record) = written {
            kept.records.insert(ids.key.clone(), record);
        }
        owned
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
