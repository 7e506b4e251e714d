//! What goes into a lane and what comes out.

use tidegate_core::{KeyLabel, MonoUs, Nonce, NonceUnit, PermissionSet};

use crate::budget::Tier;
use crate::nonce::NonceError;
use crate::queue::{Ticket, TicketId};

/// How often an owner renews its grant.
pub const RENEW_EVERY_US: u64 = 1_500_000;

/// What the configuration says of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneConfig {
    /// Public name.
    pub label: KeyLabel,
    /// Unit of its nonces.
    pub unit: NonceUnit,
    /// Its nonce window as set at Kraken, in ticks of that unit.
    pub window: u64,
    /// Limits of its REST counter.
    pub tier: Tier,
    /// What it may do.
    pub permissions: PermissionSet,
    /// Whether each call carries a one-time code, of which there is one in [`crate::CODE_US`].
    pub codes: bool,
    /// How many calls may wait; as many cancels may wait besides.
    pub queue_len_max: usize,
    /// How many calls may be in flight where the window allows more than one.
    pub in_flight_max: usize,
}

/// Where a lane stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// No grant.
    Idle,
    /// A grant, but its first call is not accepted yet.
    Verifying,
    /// In use.
    Open,
    /// The key disagrees with its configuration, or Kraken does not accept it. Not used.
    Refused {
        /// Why, in words for an operator.
        reason: String,
    },
    /// Something uses the key behind our back, or its settings were changed: nothing leaves but, once in
    /// [`crate::CANCEL_EVERY_US`], a cancel. Ends when Kraken accepts a new fence.
    Quarantined {
        /// Why, in words for an operator.
        reason: String,
    },
}

impl LaneState {
    /// Whether the key is closed to ordinary calls, whoever owns it.
    pub(super) const fn is_closed(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Quarantined { .. })
    }
}

/// What the lane wants next. See [`crate::Lane::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Verify the key with this nonce: `GetApiKeyInfo`, under the ticket [`crate::TicketId::VERIFICATION`].
    Verify {
        /// The nonce.
        nonce: Nonce,
        /// The epoch to name in [`crate::Lane::verified`].
        epoch: u64,
    },
    /// Ask again what the key is, with this nonce, in line with other calls: `GetApiKeyInfo`, under the ticket
    /// [`crate::TicketId::RECHECK`].
    Recheck {
        /// The nonce.
        nonce: Nonce,
        /// The epoch to name in [`crate::Lane::rechecked`].
        epoch: u64,
    },
    /// Send this call with this nonce. It is in flight from now on.
    Send {
        /// The call.
        ticket: Ticket,
        /// The nonce.
        nonce: Nonce,
    },
    /// This call can no longer be sent in time; it has left the lane.
    Expired(Ticket),
    /// This call in flight is given up: the lane goes on with the next nonce. Its answer is still waited for, because a late
    /// one is the best proof there is; its nonce may be refused, which proves nothing.
    Abandon(TicketId),
    /// Nothing to do before this time, unless something happens.
    WaitUntil(MonoUs),
    /// Nothing to do until something happens.
    Idle,
    /// Take or renew the grant, and come back with the reply.
    NeedsGrant,
}

/// How a call in flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Kraken answered: the head of its response is here.
    Answered,
    /// Proof that no byte was written.
    NotSent,
    /// Neither: given up. It may still reach Kraken.
    Unknown,
}

/// Why a call was not queued. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubmitRefusal {
    /// Too many wait.
    QueueFull {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// It would wait longer than it has time.
    Late {
        /// How long it would wait.
        predicted_wait_ms: u64,
    },
    /// The key's REST counter is too full for the time left.
    Budget {
        /// When to try again.
        retry_after_ms: u64,
    },
    /// It costs more than the tier allows at all.
    TooDear,
    /// The lane is not this process's, or its key is not verified or not in use.
    NotOpen,
    /// The lane is being given back.
    Draining,
}

/// Which grant request to prepare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Own the key: take it, or renew what is held.
    Hold,
    /// Only look, and be counted as a live member.
    Look,
}

/// A grant that the lane does not accept, whatever the store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the grant is refused: {0}")]
pub struct GrantRefused(pub NonceError);

/// A lane at one moment, for directories, gauges and operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneView {
    /// Public name.
    pub label: KeyLabel,
    /// Where it stands.
    pub state: LaneState,
    /// Whether it is being given back.
    pub draining: bool,
    /// Whether the store is away and the lease has ended, so that cancels alone are sent.
    pub adrift: bool,
    /// The epoch held, if any.
    pub epoch: Option<u64>,
    /// What is left of the lease, in milliseconds.
    pub lease_left_ms: u64,
    /// What the key may do.
    pub permissions: PermissionSet,
    /// Calls in flight.
    pub in_flight: usize,
    /// Whether a cancel would have to wait for a call in flight, which may hang.
    pub cancels_wait: bool,
    /// Calls that wait.
    pub queue_len: usize,
    /// How long a read of one point would wait, in milliseconds.
    pub predicted_wait_ms: u64,
    /// Upper bound of Kraken's REST counter, in thousandths of a point.
    pub points_level_milli: u64,
    /// How high ordinary calls may take it, in thousandths of a point.
    pub points_usable_milli: u64,
    /// Why no nonce can be drawn although there is a grant: a clock that has jumped.
    pub trouble: Option<NonceError>,
}

impl LaneView {
    /// Whether the lane would take a cancel now.
    pub fn takes_cancels(&self) -> bool {
        let slowly = self.is_quarantined() && self.lease_left_ms > 0 && !self.draining;
        self.is_ready() || ((self.adrift || slowly) && self.trouble.is_none())
    }

    /// Whether the lane is in quarantine: of use for a cancel only where no other lane takes it.
    pub const fn is_quarantined(&self) -> bool {
        matches!(self.state, LaneState::Quarantined { .. })
    }

    /// Whether the lane would take any call now.
    pub fn is_ready(&self) -> bool {
        self.state == LaneState::Open && !self.draining && self.lease_left_ms > 0 && self.trouble.is_none()
    }
}
