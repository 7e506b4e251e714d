//! What a refused nonce means, and the quarantine that may follow.
//!
//! *The idea.* In tidegate a refused nonce is a detector and not noise: the nonces of a key rise, one process at a time draws
//! them, and what it has not heard of for long enough it gives up knowingly. So each refusal is explained or not. It is
//! explained if the lane had gone on without the call (*abandoned*), or if the key has changed hands since (*superseded*);
//! neither is counted against the key. What nothing explains is held until the store has said, in answer to a question
//! that was asked *after* the refusal, that the key is still ours; until then nothing leaves, but a cancel does not wait for a
//! slow store. The first that is still not explained then is noted, because something between us and Kraken may have delivered a call twice. The second one
//! within [`NOTED_FOR_US`] means another program, and the key is *quarantined*: used for nothing but a slow trickle of cancels,
//! until Kraken accepts a new fence.
//!
//! *A refused fence* is different: the range begins above everything that the store knows of, so somebody went past the store.
//! Once, the floor is raised above everything that the lead guard lets any of our processes have; that repairs a store that
//! forgot. If Kraken refuses that too, nobody of ours can have been that high, and the reason says who probably was.

use tidegate_core::{MonoUs, Nonce, NonceUnit, UnixUs};

use super::{Lane, LaneState, Step, VERIFY_AGAIN_US};
use crate::budget::Admission;
use crate::grant::{GRANT_RESERVE_US, GRANT_TTL_US, LEAD_CAP_US, SKEW_MAX_US};
use crate::guards::{Guard, on};
use crate::queue::{Priority, Ticket, TicketId};

/// How long one unexplained refusal is remembered. A program that shares the key collides again within minutes; two accidents
/// that lie further apart are no reason to close a key.
pub const NOTED_FOR_US: u64 = 600_000_000;
/// In quarantine one cancel leaves this often at the most.
pub const CANCEL_EVERY_US: u64 = 5_000_000;
/// For so long a cancel waits for the store's word, because it would probably be refused as well. A store that is slower
/// does not hold up a cancel.
const CANCEL_HELD_US: u64 = 500_000;
/// Pause before the first new fence of a quarantine; it doubles with each that is refused. One refusal a minute is far below
/// what locks an address out, and whoever stopped the other program a moment ago need not wait long.
pub const FENCE_AGAIN_US: u64 = 60_000_000;
/// The longest pause between two fences of a quarantine.
pub const FENCE_AGAIN_MAX_US: u64 = 900_000_000;
/// A quarantine that begins sooner than this after the last one goes on with the pause that was reached.
const RELAPSE_US: u64 = 3_600_000_000;

/// What a refused nonce came to. See [`Lane::nonce_refused`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceVerdict {
    /// Explained: the lane had gone on without the call, and a later one arrived first.
    Abandoned,
    /// Explained: another process has, or has had, the key since. What waits is handed back unsent.
    Superseded {
        /// Calls that wait for an answer and must be told that the lane has moved.
        handed_back: Vec<Ticket>,
    },
    /// Nothing explains it. The store is asked whether the key is still ours ([`Step::NeedsGrant`]), and until it says so
    /// nothing leaves, except a cancel when the store is slow; [`Lane::take_findings`] says what came of it.
    Noted,
    /// A fence, for the first time: the next one lies above everything that a process of ours may have used.
    Raised,
    /// The key is in quarantine, now or still. What waits is handed back unsent, but for cancels.
    Quarantined {
        /// Calls that wait for an answer and must be told that the lane has moved.
        handed_back: Vec<Ticket>,
    },
}

/// What became of refusals while the store was asked; for logs and counters. See [`Lane::take_findings`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Refusals that nothing explains although the key is ours.
    pub unexplained: u64,
    /// Refusals that are explained: the key is somebody else's now.
    pub superseded: u64,
    /// Why the key was quarantined, in words for an operator, if it was.
    pub quarantined: Option<String>,
}

/// Refusals of which something is still to come.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    /// Unexplained so far; the store has not been heard since.
    unconfirmed: u64,
    /// When the first of these was refused.
    since: MonoUs,
    /// Only an answer to a question asked from then on counts.
    asked_from: MonoUs,
    /// When the store last confirmed that one is not to be explained.
    noted: Option<MonoUs>,
    /// The floor that was raised for a fence that has not been accepted yet.
    raised: Option<Nonce>,
    findings: Findings,
}

impl Suspicion {
    /// Whether the store is to be asked before anything but cancels leaves.
    pub(super) const fn is_open(&self) -> bool {
        self.unconfirmed > 0
    }

    /// The key has changed hands: that explains everything.
    pub(super) fn superseded(&mut self) {
        self.findings.superseded += std::mem::take(&mut self.unconfirmed);
        self.noted = None;
    }

    /// Something was noted that nothing of ours explains.
    pub(super) fn note(&mut self, now: MonoUs) {
        self.noted = Some(now);
    }

    /// Kraken accepted a fence.
    pub(super) fn fenced(&mut self) {
        self.raised = None;
    }
}

/// The pauses of a quarantine.
#[derive(Debug)]
pub(super) struct Pauses {
    fence_at: MonoUs,
    cancel_at: MonoUs,
    pause_us: u64,
    ended: Option<MonoUs>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { fence_at: MonoUs(0), cancel_at: MonoUs(0), pause_us: FENCE_AGAIN_US, ended: None }
    }
}

impl Lane {
    /// Kraken refused the nonce of this call, which has ended ([`Lane::ended`]) or is the fence.
    ///
    /// What the caller of the call may do does not depend on the verdict: a read or cancel may be queued once more, and leaves
    /// once the store has confirmed that the key is ours; anything else is never signed again.
    #[must_use = "calls that were handed back still wait for an answer"]
    pub fn nonce_refused(&mut self, ticket: TicketId, now: MonoUs) -> NonceVerdict {
        let past = self.flights.past(ticket);
        let of_this_epoch = past.is_some_and(|past| self.epoch == Some(past.epoch));
        if past.is_some() && !of_this_epoch {
            return NonceVerdict::Superseded { handed_back: Vec::new() };
        }
        if past.is_some_and(|past| past.abandoned) {
            return NonceVerdict::Abandoned;
        }
        if (self.is_adrift(now) || past.is_some_and(|past| past.adrift)) && on(Guard::Superseded) {
            return NonceVerdict::Superseded { handed_back: self.grant_lost() };
        }
        if ticket == TicketId::VERIFICATION {
            return self.fence_refused(now, past.map(|past| past.nonce));
        }
        if matches!(self.state, LaneState::Quarantined { .. }) {
            self.suspicion.findings.unexplained += 1;
            return NonceVerdict::Quarantined { handed_back: Vec::new() };
        }
        if !self.suspicion.is_open() {
            self.suspicion.since = now;
        }
        self.suspicion.unconfirmed += 1;
        self.suspicion.asked_from = now;
        NonceVerdict::Noted
    }

    /// What came of refusals since this was last asked; `None` if nothing did.
    pub fn take_findings(&mut self) -> Option<Findings> {
        let findings = std::mem::take(&mut self.suspicion.findings);
        (findings != Findings::default()).then_some(findings)
    }

    /// The store said, in answer to a question sent at `sent_at`, that the key is ours. Returns what is handed back.
    pub(super) fn ours_after_all(&mut self, sent_at: MonoUs, now: MonoUs) -> Vec<Ticket> {
        if !self.suspicion.is_open() || sent_at < self.suspicion.asked_from {
            return Vec::new();
        }
        self.suspicion.findings.unexplained += std::mem::take(&mut self.suspicion.unconfirmed);
        let before = self.suspicion.noted.replace(now);
        if before.is_none_or(|at| now.us_since(at) > NOTED_FOR_US) {
            return Vec::new();
        }
        let unit = self.config.unit;
        self.quarantine(
            now,
            format!(
                "Kraken refused its nonces ({unit}) twice within ten minutes, the store says that the key is ours, and no call \
                 of ours explains it: another program uses this key with higher nonces; stop that program, or make a new \
                 key for tidegate alone"
            ),
        )
    }

    /// Takes the key out of use but for a trickle of cancels. What waits, but for cancels, is handed back. In quarantine already,
    /// the pause before the next fence grows.
    #[must_use = "the calls that were handed back still wait for an answer"]
    pub fn quarantine(&mut self, now: MonoUs, reason: impl Into<String>) -> Vec<Ticket> {
        let reason = reason.into();
        let again = matches!(self.state, LaneState::Quarantined { .. });
        let relapse = self.pauses.ended.is_some_and(|at| now.us_since(at) < RELAPSE_US);
        let longer_us = (self.pauses.pause_us * 2).min(FENCE_AGAIN_MAX_US);
        self.pauses.pause_us = if again || relapse { longer_us } else { FENCE_AGAIN_US };
        self.pauses.fence_at = now.plus_us(self.pauses.pause_us);
        if !again {
            self.pauses.cancel_at = now;
        }
        self.suspicion.findings.quarantined = Some(reason.clone());
        self.state = LaneState::Quarantined { reason };
        self.queue.take_below(Priority::Cancel)
    }

    /// The quarantine is over: Kraken accepted a fence, and the key is what the configuration says.
    pub(super) fn end_quarantine(&mut self) {
        self.pauses.ended = Some(self.looks.fence_left);
        self.suspicion.noted = None;
    }

    fn fence_refused(&mut self, now: MonoUs, nonce: Option<Nonce>) -> NonceVerdict {
        if now >= self.lease_until {
            // Whoever slept that long knows nothing; the store is asked before the next one anyway.
            return NonceVerdict::Superseded { handed_back: Vec::new() };
        }
        self.suspicion.findings.unexplained += 1;
        // A refusal is a clear answer: the pause for unclear ones does not apply.
        (self.verify_at, self.verify_pause_us) = (now, VERIFY_AGAIN_US);
        if self.suspicion.raised.is_none()
            && let Some(floor) = self.raise_floor()
        {
            self.suspicion.raised = Some(floor);
            self.pauses.fence_at = self.pauses.fence_at.min(now);
            return NonceVerdict::Raised;
        }
        if nonce.is_some_and(|nonce| self.suspicion.raised.is_some_and(|floor| nonce < floor)) {
            // It left before the floor was raised.
            return NonceVerdict::Raised;
        }
        let reason = who_is_so_high(self.config.unit);
        NonceVerdict::Quarantined { handed_back: self.quarantine(now, reason) }
    }

    /// Lets the next nonce lie above everything that the lead guard lets an owner begin with, plus the range that he then
    /// has: so far, and no further, a process of ours can have been. The renewal that it takes moves the end of our range
    /// there. `None` if that is further than the signer goes.
    fn raise_floor(&mut self) -> Option<Nonce> {
        let ahead_us = LEAD_CAP_US + GRANT_TTL_US + GRANT_RESERVE_US + self.window_us() + 1 + SKEW_MAX_US;
        let now_us = self.drawn_at?.0;
        let floor_us = now_us.saturating_add(ahead_us);
        let floor = self.nonces.raise(floor_us, UnixUs(now_us))?;
        self.floor_us = self.floor_us.max(floor_us);
        Some(floor)
    }

    /// What to do in quarantine, while the key is ours: now and then a fence, now and then a cancel.
    pub(super) fn next_in_quarantine(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        if !self.flights.is_empty() {
            return self.wait(None);
        }
        let cancel_waits = self.queue.iter().next().is_some_and(|ticket| ticket.priority == Priority::Cancel);
        let paced = cancel_waits && now >= self.pauses.cancel_at;
        // Without an accepted fence of this epoch nothing else may leave; then a fence is what a cancel gets, and if Kraken
        // accepts it, the cancel follows at once.
        if now >= self.pauses.fence_at || (paced && !self.fenced) {
            let step = self.next_verification(now, wall);
            if matches!(step, Step::Verify { .. }) {
                self.slow_down(now);
            }
            return step;
        }
        if !paced {
            let first = if cancel_waits {
                self.pauses.cancel_at.min(self.pauses.fence_at)
            } else {
                self.pauses.fence_at
            };
            return self.wait(Some(first));
        }
        self.next_cancel(now, wall)
    }

    /// While the store is asked whether the key is ours: a cancel, or nothing.
    pub(super) fn next_while_unsure(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        let cancel_waits = self.queue.iter().next().is_some_and(|ticket| ticket.priority == Priority::Cancel);
        let room = self.nonces.peek(wall).is_ok_and(|nonce| self.flights.has_room(nonce));
        let patient = now < self.suspicion.since.plus_us(CANCEL_HELD_US);
        if !cancel_waits || !room || patient {
            return Step::NeedsGrant;
        }
        match self.next_cancel(now, wall) {
            send @ Step::Send { .. } => send,
            _ => Step::NeedsGrant,
        }
    }

    /// The cancel that is first in the queue.
    fn next_cancel(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        let Some(ticket) = self.queue.iter().next().copied() else { return self.wait(None) };
        match self.counter.admit(now, ticket.points_milli(), false) {
            Admission::Now => {}
            Admission::AfterRenewal => return Step::NeedsGrant,
            Admission::At(at) => return self.wait(Some(at)),
            Admission::AfterAnEnd | Admission::Never => return self.wait(None),
        }
        match self.launch(ticket.id, ticket.priority, ticket.points_milli(), now, wall) {
            Ok(nonce) => {
                self.queue.remove(ticket.id);
                self.slow_down(now);
                Step::Send { ticket, nonce }
            }
            Err(step) => step,
        }
    }

    /// Whether quarantine holds cancels back at this moment.
    pub(super) fn is_cancel_early(&self, now: MonoUs) -> bool {
        matches!(self.state, LaneState::Quarantined { .. }) && (now < self.pauses.cancel_at || !self.fenced)
    }

    /// Something has just left. In quarantine the next cancel waits from now on.
    pub(super) fn slow_down(&mut self, now: MonoUs) {
        if matches!(self.state, LaneState::Quarantined { .. }) {
            self.pauses.cancel_at = now.plus_us(CANCEL_EVERY_US);
        }
    }
}

/// Who has been where no process of ours can have been.
fn who_is_so_high(unit: NonceUnit) -> String {
    let (who, finer) = match unit {
        NonceUnit::Ms => ("most likely in microseconds or nanoseconds", Some("\"us\" or \"ns\"")),
        NonceUnit::Us => ("most likely in nanoseconds", Some("\"ns\"")),
        NonceUnit::Ns => ("with a clock that is far ahead, or by counting from elsewhere", None),
    };
    let mend = finer.map_or_else(String::new, |finer| {
        format!("; if that program is gone for good, nonce_unit = {finer} makes this key usable again")
    });
    format!(
        "Kraken refuses its nonces ({unit}) even ten minutes ahead of the clock, where no process of tidegate has been: another \
         program has used this key with larger numbers, {who}, and Kraken never lowers what it has seen; make a new key \
         for tidegate alone{mend}"
    )
}
