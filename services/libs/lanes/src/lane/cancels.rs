//! How cancels get through: past a call that hangs, and without a store.
//!
//! *Adrift.* When the store does not answer and the lease has ended, nobody can say whether the key is still ours. A cancel
//! goes on all the same, without limit of time, because the worst that can happen is a refusal: if another process has
//! taken the key, its range lies above ours by the window, and once Kraken has accepted one call of it, Kraken refuses
//! ours. So the nonces are `last + 1` below the end of our range, never the clock, and the first one that is refused says
//! that the key is somebody else's: the lane is then *superseded* and falls silent at once (DESIGN section 4, "Redis gone").

use tidegate_core::{MonoUs, UnixUs};

use super::{Admission, Guard, Lane, LaneState, Step, on};
use crate::queue::{Priority, TicketId};

impl Lane {
    /// The store did not answer a request for the grant. From the end of the lease on, cancels go on without it.
    pub fn store_gone(&mut self) {
        self.adrift = self.epoch.is_some();
    }

    /// Whether cancels, and nothing else, are sent: the lease has ended and the store is away.
    pub fn is_adrift(&self, now: MonoUs) -> bool {
        self.adrift && self.takes_cancels_now() && !self.draining && now >= self.lease_until
    }

    /// Whether the state is one in which a cancel may leave, if the key is ours.
    const fn takes_cancels_now(&self) -> bool {
        matches!(self.state, LaneState::Open | LaneState::Quarantined { .. })
    }

    /// The next cancel without a lease; everything else waits for the store.
    pub(super) fn next_adrift(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        let first = self.queue.iter().next().filter(|ticket| ticket.priority == Priority::Cancel).copied();
        let Some(ticket) = first.filter(|_| self.is_adrift(now)) else { return Step::NeedsGrant };
        if self.is_cancel_early(now) {
            return Step::NeedsGrant;
        }
        let affordable = self.counter.admit(now, ticket.points_milli(), false) == Admission::Now;
        let room = self.nonces.peek_lowest(wall).is_ok_and(|nonce| self.flights.has_room(nonce));
        if !affordable || !room {
            return Step::NeedsGrant;
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

    /// Whether the first that waits is a cancel that would leave now, were it not for a call in flight.
    pub(super) fn is_cancel_blocked(&self, now: MonoUs, wall: UnixUs) -> bool {
        let first = self.queue.iter().next().filter(|ticket| ticket.priority == Priority::Cancel);
        self.takes_cancels_now()
            && !self.is_cancel_early(now)
            && (now < self.lease_until || self.adrift)
            && first.is_some_and(|t| self.counter.admit(now, t.points_milli(), false) == Admission::Now)
            && self.code_at(now, wall).is_none()
            && self.nonces.peek(wall).is_ok_and(|nonce| !self.flights.has_room(nonce))
    }

    /// Gives a call in flight up. It may still reach Kraken, so its points stay held.
    pub(super) fn abandon(&mut self, ticket: TicketId, now: MonoUs) {
        let Some(flight) = self.flights.end(ticket) else { return };
        self.flights.landed(&flight, true);
        if flight.points_milli == 0 {
            return;
        }
        if on(Guard::AbandonedPoints) {
            self.flights.linger(&flight, now);
        } else {
            self.counter.give_back(flight.points_milli);
        }
    }
}
