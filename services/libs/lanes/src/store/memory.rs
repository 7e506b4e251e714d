//! Grants in this process's memory: the embedded default, and the reference for the scripts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_core::{AccountName, Clock, OwnerId, PoolName};

use super::{GrantAnswer, GrantStore, StoreError, StoreFuture};
use crate::grant::{GrantRecord, GrantRequest, Member, Release, apply, apply_release};
use crate::keys::GrantKey;

/// A store for one process. It forgets with the process, so it must not be used where two processes share a key.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    records: HashMap<GrantKey, GrantRecord>,
    members: HashMap<(AccountName, PoolName), BTreeMap<OwnerId, Member>>,
}

impl MemoryStore {
    /// An empty store whose time is the clock's wall time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
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
        let now_us = self.clock.wall().0;
        let ids = &request.ids;
        let (reply, written) =
            apply(kept.records.get(&ids.key), request, now_us).map_err(|_| StoreError::TooLarge)?;
        if let Some(record) = written {
            kept.records.insert(ids.key.clone(), record);
        }
        let pool = kept.members.entry((ids.key.domain.clone(), ids.pool.clone())).or_default();
        let member = Member {
            owner: ids.owner.clone(),
            advertise: ids.advertise.clone(),
            expires_us: now_us + request.terms.ttl_us,
            mounts: ids.mounts.to_vec(),
        };
        pool.insert(ids.owner.clone(), member);
        pool.retain(|_, member| member.expires_us > now_us);
        Ok(GrantAnswer { reply, members: pool.values().cloned().collect() })
    }

    fn release_now(&self, release: &Release) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let ids = &release.ids;
        let written = apply_release(kept.records.get(&ids.key), release, self.clock.wall().0)
            .map_err(|_| StoreError::TooLarge)?;
        if release.leave
            && let Some(pool) = kept.members.get_mut(&(ids.key.domain.clone(), ids.pool.clone()))
        {
            pool.remove(&ids.owner);
        }
        if let Some(record) = written {
            kept.records.insert(ids.key.clone(), record);
        }
        Ok(())
    }
}

impl GrantStore for MemoryStore {
    fn grant<'a>(&'a self, request: &'a GrantRequest) -> StoreFuture<'a, GrantAnswer> {
        Box::pin(async move { self.grant_now(request) })
    }

    fn release<'a>(&'a self, release: &'a Release) -> StoreFuture<'a, ()> {
        Box::pin(async move { self.release_now(release) })
    }

    fn ping(&self) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
