//! The words of intents: claims, records, answers.

use tidegate_core::AccountName;

use super::SETTLE_MARGIN_US;
use crate::grant::Generation;

/// For how long outcomes are kept: longer than an id may be old, so that an id never outlives its record.
pub const KEPT_US: u64 = 72 * 60 * 60 * 1_000_000;
/// The largest outcome.
pub const OUTCOME_BYTES_MAX: usize = 64 << 10;
/// The largest handle.
pub const HANDLE_BYTES_MAX: usize = 8 << 10;
/// The longest note.
pub const NOTE_BYTES_MAX: usize = 1 << 10;

/// Which intent: one per request id of one caller on one account.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentKey {
    /// The domain, whose keys all live in one hash slot of the store.
    pub domain: AccountName,
    /// Derived from deployment, account, caller and request id ([`tidegate_core::derive_cl_ord_id`]): whoever knows the
    /// request knows it, and nobody else.
    pub id: String,
}

/// What is to happen to the order of an intent. Of two wishes the one that is further down counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wish {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is cancelled when its caller had to be told that its fate is not known; until then it stays.
    CancelIfUnresolved,
    /// It is cancelled as soon as it can be.
    Cancel,
    /// It was cancelled, or there was nothing left to cancel.
    Done,
}

impl Wish {
    /// Every wish with its name in the store.
    const NAMES: [(Self, &'static str); 4] = [
        (Self::Keep, "keep"),
        (Self::CancelIfUnresolved, "cancel_if_unresolved"),
        (Self::Cancel, "cancel"),
        (Self::Done, "done"),
    ];

    /// Its name in the store.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(wish, _)| *wish == self).map_or("keep", |(_, name)| name)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(wish, _)| *wish)
    }

    /// What it is once the fate of the act is in doubt.
    #[must_use]
    pub fn in_doubt(self) -> Self {
        if self == Self::CancelIfUnresolved { Self::Cancel } else { self }
    }
}

/// What a request wants to do, before it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which intent.
    pub key: IntentKey,
    /// The account.
    pub account: AccountName,
    /// Kraken's name of the endpoint.
    pub endpoint: String,
    /// The caller's name for the act.
    pub request_id: String,
    /// What is asked for, field by field as digests; equal for equal requests.
    pub content: String,
    /// Who claims: new for every attempt.
    pub token: String,
    /// When the request id was born, microseconds since 1970.
    pub born_us: u64,
    /// The claimant's clock, microseconds since 1970.
    pub caller_now_us: u64,
    /// Kraken's engine executes it no later, microseconds since 1970; zero if there is no such time.
    pub not_after_us: u64,
    /// Whether "it is not there" can be concluded from what Kraken shows.
    pub findable: bool,
    /// Whether it takes risk away, so that no halt holds it back.
    pub cancels: bool,
    /// Whose act it is.
    pub caller: String,
    /// What is needed to find the act at Kraken beside the intent's id; opaque here. At most [`HANDLE_BYTES_MAX`].
    pub handle: String,
    /// What is to happen to the order.
    pub wish: Wish,
}

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntentState {
    /// Somebody is about to send it, or has.
    Claimed,
    /// It was sent, and what came of it is not known.
    Doubtful,
    /// Its claim may have been lost, and with it all knowledge of whether it was sent. It is never sent.
    Lost,
    /// Nobody can find out without a person.
    NeedsOperator,
    /// Kraken did it, or a part of it; the outcome says what.
    Executed,
    /// Kraken refused it: nothing was executed.
    Refused,
    /// It never came to Kraken's engine, and never will.
    Absent,
}

impl IntentState {
    /// Every state with its name in the store.
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Claimed, "claimed"),
        (Self::Doubtful, "doubtful"),
        (Self::Lost, "lost"),
        (Self::NeedsOperator, "needs_operator"),
        (Self::Executed, "executed"),
        (Self::Refused, "refused"),
        (Self::Absent, "absent"),
    ];

    /// Whether nothing but "executed" can replace it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Executed | Self::Refused | Self::Absent)
    }

    /// Its name in the store.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(state, _)| *state == self).map_or("claimed", |(_, name)| name)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }
}

/// What the store keeps of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRecord {
    /// The account.
    pub account: String,
    /// Kraken's name of the endpoint.
    pub endpoint: String,
    /// The caller's name for the act.
    pub request_id: String,
    /// What was asked for, as digests.
    pub content: String,
    /// Who claimed it; empty if that is not known any more.
    pub token: String,
    /// Where it stands.
    pub state: IntentState,
    /// When it was claimed, by the store's clock.
    pub claimed_us: u64,
    /// Kraken's engine executes it no later; zero if there is no such time.
    pub not_after_us: u64,
    /// From when on its absence at Kraken counts; zero for never.
    pub absent_after_us: u64,
    /// When its outcome was written, by the store's clock; zero before.
    pub settled_us: u64,
    /// The outcome, as the executor encodes it. Empty before.
    pub outcome: Vec<u8>,
    /// Marker of the generation in which it was claimed.
    pub generation: String,
    /// Whose act it is.
    pub caller: String,
    /// What is needed to find the act at Kraken beside the intent's id.
    pub handle: String,
    /// What is to happen to the order.
    pub wish: Wish,
    /// What was seen last, or who decided and why, in words. At most [`NOTE_BYTES_MAX`].
    pub note: String,
}

impl IntentRecord {
    /// The record of a fresh claim.
    pub(super) fn of(claim: &Claim, generation: &Generation, now_us: u64) -> Self {
        Self::under(claim, generation.marker.clone(), now_us)
    }

    pub(super) fn under(claim: &Claim, generation: String, now_us: u64) -> Self {
        let counts = claim.findable && claim.not_after_us > 0;
        Self {
            account: claim.account.to_string(),
            endpoint: claim.endpoint.clone(),
            request_id: claim.request_id.clone(),
            content: claim.content.clone(),
            token: claim.token.clone(),
            state: IntentState::Claimed,
            claimed_us: now_us,
            not_after_us: claim.not_after_us,
            absent_after_us: if counts { claim.not_after_us + SETTLE_MARGIN_US } else { 0 },
            settled_us: 0,
            outcome: Vec::new(),
            generation,
            caller: claim.caller.clone(),
            handle: claim.handle.clone(),
            wish: claim.wish,
            note: String::new(),
        }
    }

    pub(super) fn settle(&mut self, settle: &Settle, now_us: u64) {
        self.state = settle.state;
        self.outcome.clone_from(&settle.outcome);
        self.settled_us = if settle.state.is_final() { now_us } else { 0 };
        self.wish = self.wish.max(settle.claim.wish);
        self.note.clone_from(&settle.note);
    }

    /// Whether something is still to be done about it: its outcome is not known, or an order is to be cancelled.
    pub fn is_open(&self) -> bool {
        !self.state.is_final() || (self.state == IntentState::Executed && self.wish == Wish::Cancel)
    }
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimReply {
    /// It is the claimant's to send.
    Claimed {
        /// The generation of the claim.
        generation: String,
        /// The store's clock.
        store_now_us: u64,
    },
    /// The id is known: nothing is to be sent. Its content may differ from the claim's.
    Known(Box<IntentRecord>),
    /// An operator has halted the account ([`HaltScope`]). Nothing was claimed.
    Halted {
        /// In whose words.
        reason: String,
    },
    /// The store has lost its memory, and nobody has begun a new generation yet. Nothing was claimed; grants are asked for
    /// every second or two.
    NoGeneration,
    /// Claimant and store differ about the time, and whoever looks for the order compares the claim's times with the store's
    /// clock. Nothing was claimed.
    Skewed {
        /// The store's clock.
        store_now_us: u64,
    },
    /// The act could still be executed minutes from now: its time, or a clock, is wrong. Nothing was claimed.
    TooFar {
        /// The store's clock.
        store_now_us: u64,
    },
    /// The id claims to be born in the future.
    Unborn {
        /// The store's clock.
        store_now_us: u64,
    },
    /// The id is older than a day.
    TooOld {
        /// The store's clock.
        store_now_us: u64,
    },
}

/// An outcome to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// The claim that it is the outcome of; its token says who speaks.
    pub claim: Claim,
    /// What came of it.
    pub state: IntentState,
    /// The outcome for whoever asks; opaque.
    pub outcome: Vec<u8>,
    /// For a verdict: the generation that its giver read before looking. `None`: the sender itself speaks.
    pub generation: Option<String>,
    /// What was seen, or who decides and why, in words. At most [`NOTE_BYTES_MAX`].
    pub note: String,
}

/// What became of an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is written.
    Written,
    /// It is written: "executed", in the place of another outcome that was thought to be the last word.
    Replaced(Box<IntentRecord>),
    /// What was known stands.
    Kept(Box<IntentRecord>),
    /// The store has lost its memory since, or the claim is gone: look again.
    Stale,
}

/// What an operator halts: from then on nothing is claimed there but cancels. What was claimed before goes on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HaltScope {
    /// Every account of the domain.
    All,
    /// One account.
    Account(AccountName),
}

impl HaltScope {
    /// What stands for every account in the store; no account is called so.
    pub(crate) const ALL: &'static str = "*";

    /// Its name in the store.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => Self::ALL,
            Self::Account(account) => account.as_str(),
        }
    }
}

/// The longest reason of a halt, in bytes.
pub const HALT_REASON_BYTES_MAX: usize = 1 << 10;

/// Takes a claim back under which nothing was written to Kraken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdraw {
    /// Which intent.
    pub key: IntentKey,
    /// Its account.
    pub account: AccountName,
    /// Who claimed it.
    pub token: String,
}

/// Says what is to happen to the order of an intent, whatever became of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which intent.
    pub key: IntentKey,
    /// Its account.
    pub account: AccountName,
    /// The wish. A wish that counts less than the present one changes nothing.
    pub wish: Wish,
}

/// The intents of an account about which something is still to be done ([`IntentRecord::is_open`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenIntents {
    /// The generation of the store when it was asked; empty if it has none.
    pub generation: String,
    /// The store's clock.
    pub store_now_us: u64,
    /// By id, the oldest claim first.
    pub intents: Vec<(String, IntentRecord)>,
}
