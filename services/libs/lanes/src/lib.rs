//! Keys, grants, lanes and budgets.
//!
//! *The idea.* Kraken refuses a nonce that is not above the highest one it has seen on the key. With window 0 the
//! order in which requests *arrive* must therefore be the order of their nonces, so a key has one owner at a time
//! and one request in flight. Ownership is handed out by one atomic record per key as an exclusive nonce range
//! `[lo, hi)` for a time (a [`GrantReply`]); inside it the owner draws numbers from its own memory, and an ordinary
//! call needs no round trip to the store.
//!
//! Everything that decides is a pure state machine that is told the time: [`Lane`] (one key and what waits for it),
//! [`RestCounter`] (Kraken's counter as we bound it), [`apply`] (the rules of the grant). [`GrantStore`] is the one
//! trait with I/O behind it; [`MemoryStore`] runs [`apply`] itself, [`RedisStore`] runs scripts that mirror it, and
//! a test holds the two together.

mod breaker;
mod budget;
mod choose;
mod dates;
mod denials;
mod grant;
mod guards;
mod intent;
mod keeper;
mod keys;
mod lane;
mod nonce;
mod placement;
mod queue;
mod store;
mod trade;

pub use breaker::{Breaker, FAILURES_MAX, Held, LOCKOUT_US, Traffic, Trouble};
pub use budget::{Admission, RestCounter, Tier};
pub use choose::{Asked, Candidate, ChooseError, choose};
pub use dates::{Cover, Dates};
pub use denials::{DENIED_FOR_US, Denials};
pub use grant::{
    Applied, GRANT_RESERVE_US, GRANT_TTL_US, Generation, GrantError, GrantIds, GrantRecord, GrantReply,
    GrantRequest, GrantTerms, HeldRange, Intent, LEAD_CAP_US, Member, RECOVERY_US, Release, Released,
    SKEW_MAX_US, STORE_INT_MAX, Sight, Sightings, StoreNow, announce, apply, apply_release, depart,
};
#[cfg(feature = "mutants")]
pub use guards::{Guard, without};
pub use intent::{
    AppliedClaim, CLAIM_SKEW_MAX_US, Claim, ClaimReply, HALT_REASON_BYTES_MAX, HANDLE_BYTES_MAX, HaltScope,
    IntentKey, IntentRecord, IntentState, KEPT_US, NOTE_BYTES_MAX, OUTCOME_BYTES_MAX, OpenIntents, Pace,
    SETTLE_MARGIN_US, Settle, Settled, Wanted, Wish, Withdraw, apply_claim, apply_settle, apply_wish,
    apply_withdraw, may_sign_again,
};
pub use keeper::{Errand, Heard, Keeper};
pub use keys::{Fingerprint, GrantKey};
pub use lane::{
    CANCEL_EVERY_US, CODE_US, End, FENCE_AGAIN_MAX_US, FENCE_AGAIN_US, Findings, GrantRefused, KeyUse,
    LOOK_AGAIN_US, Lane, LaneConfig, LaneState, LaneView, NOTED_FOR_US, NonceVerdict, RECHECK_SOON_US,
    RENEW_EVERY_US, Step, SubmitRefusal, Want,
};
pub use nonce::{NonceError, NonceSource};
pub use placement::propose;
pub use queue::{Priority, PriorityQueue, Ticket, TicketId};
pub use store::{
    GivenFacts, GrantAnswer, GrantStore, IntentStore, MemoryStore, Prepared, RedisAddr, RedisConfig,
    RedisLogin, RedisPlace, RedisStore, RedisTls, Store, StoreError, StoreFacts, StoreFuture, StoreProfile,
    StoreStanding, TradeStore,
};
pub use trade::{
    Aged, CancelSeen, OrderNames, Spend, TradeAct, TradeBook, TradeReply, TradeRequest, TradeTier,
    canonical_pair,
};
