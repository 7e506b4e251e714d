//! The words of the grant: requests, records, answers.

use std::sync::Arc;

use tidegate_core::{NonceUnit, OwnerId, PoolName};

use crate::keys::{Fingerprint, GrantKey};

/// How long a grant lasts.
pub const GRANT_TTL_US: u64 = 5_000_000;
/// How far the range reaches beyond the end of the grant.
pub const GRANT_RESERVE_US: u64 = 2_000_000;
/// The largest integer that the store takes, 2^53 - 1.
pub const STORE_INT_MAX: u64 = (1 << 53) - 1;

/// What the caller wants of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// Own it, as a new epoch. Taking what one owns already begins a new epoch too: whoever has to ask does not
    /// know what was drawn before.
    Take,
    /// Go on owning it in the epoch given.
    Renew {
        /// The epoch, from the reply that granted it.
        epoch: u64,
    },
    /// Only be counted as a live member, and learn who owns it.
    Look,
}

/// The range that a live owner holds: what it can write into a store that has lost it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRange {
    /// First microsecond.
    pub lo_us: u64,
    /// End, exclusive.
    pub hi_us: u64,
}

/// The caller's side of a grant, as the lane knows it ([`crate::Lane::terms`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTerms {
    /// What for.
    pub intent: Intent,
    /// The key's unit, recorded for operators.
    pub unit: NonceUnit,
    /// The key's window, in microseconds, rounded up.
    pub window_us: u64,
    /// Nothing below this may be granted; on a renewal, what was drawn already. Zero if nothing is known.
    pub floor_us: u64,
    /// How long the grant shall last.
    pub ttl_us: u64,
    /// How far the range shall reach beyond it.
    pub reserve_us: u64,
    /// How high the key's REST counter may get under this grant, in thousandths of a point.
    pub counter_ceiling_milli: u64,
    /// How fast that counter decays, in thousandths of a point per second.
    pub counter_decay_milli_per_s: u64,
    /// The caller's clock, microseconds since 1970.
    pub caller_now_us: u64,
    /// The highest epoch of the key that the caller has held. A store that lost its memory goes on above it.
    pub epoch_seen: u64,
    /// With a renewal: what the caller holds while its lease has not ended; `None` if it has.
    pub held: Option<HeldRange>,
    /// Above everything that can have been granted before the store lost its memory, as far as the caller saw it
    /// ([`super::Sightings::floor_us`]).
    pub recovery_floor_us: Option<u64>,
    /// Marker of the generation that the caller knows of. What it remembers speaks of the one before that one only.
    pub known_generation: Option<String>,
}

/// Who asks, for which key.
///
/// An owner id is new at every start of a process, so it is also what tells two lives of one process apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantIds {
    /// The key.
    pub key: GrantKey,
    /// The asking process.
    pub owner: OwnerId,
    /// Where its executor API can be reached, `host:port`; may be empty.
    pub advertise: String,
    /// The pool in which it is announced as a live member.
    pub pool: PoolName,
    /// All keys of the domain and pool that the process mounts, this one among them.
    pub mounts: Arc<[Fingerprint]>,
}

/// One request to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// Who and which key.
    pub ids: GrantIds,
    /// What for.
    pub terms: GrantTerms,
}

/// What the store keeps of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The owner; empty once released.
    pub owner: String,
    /// Where the owner can be reached.
    pub advertise: String,
    /// Counts changes of ownership, from 1.
    pub epoch: u64,
    /// When the grant ends; zero once released.
    pub expires_us: u64,
    /// First microsecond of the range.
    pub lo_us: u64,
    /// End of the range, exclusive.
    pub hi_us: u64,
    /// The key's unit.
    pub unit: NonceUnit,
    /// The key's window.
    pub window_us: u64,
    /// How high the REST counter may have got.
    pub counter_ceiling_milli: u64,
    /// How fast it decays.
    pub counter_decay_milli_per_s: u64,
    /// From when on it surely decays: the end of the grant under which it could still rise.
    pub counter_at_us: u64,
    /// Marker of the generation in which it was written. In any other it may be old.
    pub generation: String,
}

/// The store's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrantReply {
    /// The key is the caller's.
    Granted {
        /// The epoch.
        epoch: u64,
        /// First microsecond of the nonce range.
        lo_us: u64,
        /// End of the nonce range, exclusive.
        hi_us: u64,
        /// When the grant ends, by the store's clock.
        expires_us: u64,
        /// The store's clock.
        store_now_us: u64,
        /// Whether the epoch begins with this reply.
        first_of_epoch: bool,
        /// With the first reply of an epoch: how high the key's REST counter may still be, in thousandths of a point.
        /// `None` if the store does not know (it has never seen the key).
        counter_start_milli: Option<u64>,
    },
    /// Somebody owns it: for [`Intent::Look`] possibly the caller.
    Held {
        /// The owner.
        owner: OwnerId,
        /// Where it can be reached.
        advertise: String,
        /// When its grant ends, by the store's clock.
        expires_us: u64,
        /// The store's clock.
        store_now_us: u64,
    },
    /// Nobody owns it. Only for [`Intent::Look`].
    Free {
        /// The store's clock.
        store_now_us: u64,
    },
    /// The epoch that was to be renewed is over.
    Lost {
        /// The store's clock.
        store_now_us: u64,
    },
    /// The store has lost its memory, and an owner that it forgot may still be at work. Nobody takes the key yet.
    Recovering {
        /// When it can be taken, by the store's clock.
        until_us: u64,
        /// The store's clock.
        store_now_us: u64,
    },
    /// The caller's clock and the store's differ by more than a second, so one of them is wrong. Nothing was changed.
    Skewed {
        /// The store's clock.
        store_now_us: u64,
    },
    /// The range would begin too far ahead of the store's clock: the key changed hands too often. Nothing was changed.
    TooFarAhead {
        /// Where it would begin.
        lo_us: u64,
        /// The store's clock.
        store_now_us: u64,
    },
}

/// A live process of a pool.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// The process.
    pub owner: OwnerId,
    /// Where its executor API can be reached.
    pub advertise: String,
    /// Until when it counts as live, by the store's clock.
    pub expires_us: u64,
    /// The keys of the domain and pool that it mounts: what it can be asked to own.
    pub mounts: Vec<Fingerprint>,
}

/// Gives a key back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Who and which key.
    pub ids: GrantIds,
    /// What the lane says ([`crate::Lane::release`]).
    pub released: Released,
    /// Whether the caller also stops being a member of its pool.
    pub leave: bool,
}

/// The lane's side of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The epoch that ends.
    pub epoch: u64,
    /// The highest nonce that may have been sent, as store microseconds, rounded up.
    pub last_us: u64,
    /// How high the REST counter may be, in thousandths of a point.
    pub counter_milli: u64,
}

/// A request or a result that the store must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number of the grant does not fit below 2^53")]
pub struct GrantError;
