//! Where grants are kept: one trait, in memory for one process, in Redis for many.

mod inspect;
mod memory;
mod redis;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_core::{AccountName, Clock};
use tokio::sync::broadcast;

pub use self::inspect::StoreProfile;
pub use self::memory::MemoryStore;
pub use self::redis::{Prepared, RedisAddr, RedisConfig, RedisLogin, RedisPlace, RedisStore, RedisTls};

use crate::grant::{GrantReply, GrantRequest, Member, Release, Sight};
use crate::intent::{
    Claim, ClaimReply, HaltScope, IntentKey, IntentRecord, OpenIntents, Settle, Settled, Wanted, Withdraw,
};
use crate::keys::Fingerprint;
use crate::trade::{TradeReply, TradeRequest};

/// How many releases a listener may lag behind before it misses some.
const NOTICES_MAX: usize = 256;

/// What a store takes from the server that it lives on: the time that decides when a grant ends, and the id by which a
/// loss of memory is seen.
#[derive(Clone, Debug, Default)]
pub enum StoreFacts {
    /// The server's own, one for all processes.
    #[default]
    Server,
    /// Handed in. For the store in memory, for tests and simulations, which change them at will.
    Given(Arc<GivenFacts>),
}

/// Facts that are handed in.
#[derive(Debug)]
pub struct GivenFacts {
    clock: Arc<dyn Clock>,
    replication_id: Mutex<String>,
}

impl GivenFacts {
    /// A clock, and the id of the first server.
    pub fn new(clock: Arc<dyn Clock>, replication_id: &str) -> Self {
        Self { clock, replication_id: Mutex::new(replication_id.to_owned()) }
    }

    /// Another server takes over.
    pub fn replace_server(&self, replication_id: &str) {
        replication_id.clone_into(&mut self.replication_id.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn now_us(&self) -> u64 {
        self.clock.wall().0
    }

    fn replication_id(&self) -> String {
        self.replication_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A boxed future, so that a store can stand behind `Arc<dyn GrantStore>`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The store's whole answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantAnswer {
    /// What became of the key.
    pub reply: GrantReply,
    /// The live members of the caller's pool, the caller among them, by owner id.
    pub members: Vec<Member>,
    /// What the answer shows of the store and of the key's record; `None` while the store has no generation.
    pub sight: Option<Sight>,
}

/// Keeps grants. Each request is one atomic step, and announces the caller as a live member of its pool.
///
/// An error means that the step may or may not have been made; asking again is always safe.
pub trait GrantStore: Send + Sync + fmt::Debug {
    /// Takes, renews or looks at a key.
    fn grant<'a>(&'a self, request: &'a GrantRequest) -> StoreFuture<'a, GrantAnswer>;

    /// Gives a key back. Without effect if the epoch is no longer the caller's.
    fn release<'a>(&'a self, release: &'a Release) -> StoreFuture<'a, ()>;

    /// Tells of keys that were given back, as it happens. A hint: it may be late, and it may be missed.
    fn notices(&self) -> broadcast::Receiver<Fingerprint>;

    /// Whether the store answers.
    fn ping(&self) -> StoreFuture<'_, ()>;
}

/// What is known of a shared store's fitness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreStanding {
    /// No server was reached yet, so nothing was granted.
    Unseen,
    /// The server that was reached last has passed the inspection. It may be away at present.
    Fit {
        /// Host and port.
        addr: String,
        /// What is wrong with it all the same, for an operator.
        findings: Vec<String>,
    },
    /// The server that was reached last is refused, and nothing is granted until one passes.
    Refused {
        /// Why.
        error: StoreError,
    },
}

impl StoreError {
    /// Whether the store was reached and cannot be used as it is, so that waiting does not help.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::BadAddress { .. }
                | Self::UnknownPrimary { .. }
                | Self::Forbidden { .. }
                | Self::NoReplicationId { .. }
                | Self::Unfit { .. }
                | Self::OtherDeployment { .. }
        )
    }
}

/// Keeps intents. Each request is one atomic step.
///
/// An error means that the step may or may not have been made; asking again is always safe.
pub trait IntentStore: Send + Sync + fmt::Debug {
    /// Claims an id, or tells what is known of it.
    fn claim<'a>(&'a self, claim: &'a Claim) -> StoreFuture<'a, ClaimReply>;

    /// Writes an outcome.
    fn settle<'a>(&'a self, settle: &'a Settle) -> StoreFuture<'a, Settled>;

    /// Takes a claim back under which nothing was written to Kraken. `false` if it was not there, or not the caller's.
    fn withdraw<'a>(&'a self, withdraw: &'a Withdraw) -> StoreFuture<'a, bool>;

    /// Says what is to happen to an order. Returns what is known of the intent then; `None` if it is not known, and the wish is
    /// kept nowhere.
    fn wish<'a>(&'a self, wanted: &'a Wanted) -> StoreFuture<'a, Option<IntentRecord>>;

    /// Halts an account or all of a domain, or (without a reason) lets it go on. Halts are lost with the store's memory. A reason of
    /// more than [`HALT_REASON_BYTES_MAX`] is an error.
    ///
    /// [`HALT_REASON_BYTES_MAX`]: crate::HALT_REASON_BYTES_MAX
    fn halt<'a>(
        &'a self,
        domain: &'a AccountName,
        scope: &'a HaltScope,
        reason: Option<&'a str>,
    ) -> StoreFuture<'a, ()>;

    /// What is halted: names of scopes with the reasons, by name.
    fn halts<'a>(&'a self, domain: &'a AccountName) -> StoreFuture<'a, Vec<(String, String)>>;

    /// What is known of an intent.
    fn intent<'a>(&'a self, key: &'a IntentKey) -> StoreFuture<'a, Option<IntentRecord>>;

    /// The intents of an account about which something is still to be done, the oldest claims first, at most so many.
    fn open_intents<'a>(
        &'a self,
        domain: &'a AccountName,
        account: &'a AccountName,
        at_most: usize,
    ) -> StoreFuture<'a, OpenIntents>;
}

/// Keeps the trading counters of accounts. Each request is one atomic step.
///
/// An error means that the step may or may not have been made. Points that were spent and not landed decay by themselves.
pub trait TradeStore: Send + Sync + fmt::Debug {
    /// One act on an account's counters.
    fn trade<'a>(&'a self, request: &'a TradeRequest) -> StoreFuture<'a, TradeReply>;
}

/// Keeps grants, intents and trading counters.
pub trait Store: GrantStore + IntentStore + TradeStore {}

impl<T: GrantStore + IntentStore + TradeStore> Store for T {}

/// Why the store gave no answer. The text fits one line and holds no password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The address in the configuration cannot be used.
    #[error("the address of the store is not usable: {reason}")]
    BadAddress {
        /// What is wrong with it.
        reason: String,
    },
    /// No connection.
    #[error("cannot reach Redis at {addr}: {reason}")]
    Unreachable {
        /// Host and port.
        addr: String,
        /// What the system says.
        reason: String,
    },
    /// Connected, but no answer in time.
    #[error("Redis at {addr} did not answer within {timeout_ms} ms")]
    TimedOut {
        /// Host and port.
        addr: String,
        /// How long it had.
        timeout_ms: u64,
    },
    /// The store does not let us in.
    #[error("Redis at {addr} refuses to let us in: {reason}")]
    Forbidden {
        /// Host and port.
        addr: String,
        /// What the store says.
        reason: String,
    },
    /// The store answered with an error.
    #[error("Redis at {addr} failed: {reason}")]
    Failed {
        /// Host and port.
        addr: String,
        /// What the store says.
        reason: String,
    },
    /// The store answered something that this build does not understand.
    #[error("Redis at {addr} answered what this build does not understand: {reason}")]
    Unreadable {
        /// Host and port.
        addr: String,
        /// What was wrong with it.
        reason: String,
    },
    /// The sentinels answer, and know no primary of that name.
    #[error("the sentinels {sentinels} know no primary with the name {name}; correct store.sentinel_master")]
    UnknownPrimary {
        /// The name.
        name: String,
        /// Who was asked.
        sentinels: String,
    },
    /// The server hides by which replication id its memory can be told from another's.
    #[error(
        "Redis at {addr} hides its replication id (INFO replication), so a loss of memory could not be seen; use a Redis \
         that shows it"
    )]
    NoReplicationId {
        /// Host and port.
        addr: String,
    },
    /// The server's settings make it unfit to keep grants.
    #[error("Redis at {addr} is not fit to keep grants: {reasons}")]
    Unfit {
        /// Host and port.
        addr: String,
        /// Everything that is wrong, for an operator.
        reasons: String,
    },
    /// Another deployment keeps its grants under the same prefix.
    #[error(
        "Redis at {addr} holds the grants of deployment {owner} under the same prefix; give each deployment a \
         store.prefix of its own, or the same deployment.name if they are one"
    )]
    OtherDeployment {
        /// Host and port.
        addr: String,
        /// Its name.
        owner: String,
    },
    /// Too few replicas have taken what was written, so it does not count.
    #[error(
        "Redis at {addr} has written a grant to {acknowledged} replica(s) of {wanted}; it does not count"
    )]
    NotReplicated {
        /// Host and port.
        addr: String,
        /// How many replicas have it.
        acknowledged: u64,
        /// How many must have it.
        wanted: u32,
    },
    /// A number that the store must not hold.
    #[error(
        "a number of the grant does not fit below 2^53; the clock of this machine or of the store is wrong"
    )]
    TooLarge,
}
