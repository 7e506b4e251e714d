//! What a lane says to newcomers: yes, or at once that it cannot be in time.

use tidegate_core::MonoUs;

use super::{Lane, LaneState, LaneView, SubmitRefusal};
use crate::budget::Admission;
use crate::queue::{Priority, Ticket};

impl Lane {
    /// Queues a call, or says at once that it cannot be sent in time.
    ///
    /// A cancel is never refused on a forecast: it waits as long as its deadline allows.
    pub fn submit(&mut self, now: MonoUs, ticket: Ticket) -> Result<(), SubmitRefusal> {
        if self.draining {
            return Err(SubmitRefusal::Draining);
        }
        let leased = now < self.lease_until || (self.is_adrift(now) && ticket.priority == Priority::Cancel);
        let takes = match self.state {
            LaneState::Verifying | LaneState::Open => true,
            LaneState::Quarantined { .. } => ticket.priority == Priority::Cancel,
            LaneState::Idle | LaneState::Refused { .. } => false,
        };
        if !takes || !leased {
            return Err(SubmitRefusal::NotOpen);
        }
        let milli = ticket.points_milli();
        if self.counter.admit(now, milli, false) == Admission::Never {
            return Err(SubmitRefusal::TooDear);
        }
        let slot_us = self.slot_wait_us(ticket.priority).max(self.code_wait_us(now, ticket.priority));
        if !self.queue.has_room(ticket.priority) {
            return Err(SubmitRefusal::QueueFull { retry_after_ms: ms_up(slot_us).max(1) });
        }
        let left_us = ticket.deadline.us_since(now);
        let late = ticket.deadline < now || (slot_us > left_us && ticket.priority != Priority::Cancel);
        if late {
            return Err(SubmitRefusal::Late { predicted_wait_ms: ms_up(slot_us) });
        }
        let budget_us = self.budget_wait_us(now, ticket.priority, milli);
        if budget_us > left_us && ticket.priority != Priority::Cancel {
            return Err(SubmitRefusal::Budget { retry_after_ms: ms_up(budget_us) });
        }
        self.queue.push(ticket);
        Ok(())
    }

    /// The lane at this moment.
    pub fn snapshot(&self, now: MonoUs) -> LaneView {
        let wait_us = self
            .slot_wait_us(Priority::Read)
            .max(self.budget_wait_us(now, Priority::Read, 1_000))
            .max(self.code_wait_us(now, Priority::Read));
        LaneView {
            label: self.config.label.clone(),
            state: self.state.clone(),
            draining: self.draining,
            adrift: self.is_adrift(now),
            epoch: self.epoch,
            lease_left_ms: self.lease_until.ms_since(now),
            permissions: self.config.permissions,
            in_flight: self.flights.len(),
            cancels_wait: self.flights.blocks_cancels(),
            queue_len: self.queue.len(),
            predicted_wait_ms: ms_up(wait_us),
            points_level_milli: self.counter.level_milli(now),
            points_usable_milli: self.config.tier.usable_milli(),
            trouble: self.trouble,
        }
    }

    fn slot_wait_us(&self, priority: Priority) -> u64 {
        let verification = usize::from(self.state == LaneState::Verifying && self.flights.is_empty());
        self.flights.wait_us(self.queue.ahead_of(priority).count() + verification)
    }

    /// Slots and points come free side by side, so the longer wait counts and not their sum.
    fn budget_wait_us(&self, now: MonoUs, priority: Priority, points_milli: u64) -> u64 {
        if points_milli == 0 {
            return 0;
        }
        let ahead: u64 = self.queue.ahead_of(priority).map(Ticket::points_milli).sum();
        self.counter.wait_us(now, ahead + points_milli)
    }
}

const fn ms_up(us: u64) -> u64 {
    us.div_ceil(1_000)
}
