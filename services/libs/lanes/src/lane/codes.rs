//! One-time codes: a key whose second factor is an authenticator app makes one call in thirty seconds.
//!
//! *The idea.* Kraken takes a code once, and a code belongs to a step of thirty seconds of the wall clock (RFC 6238). So a
//! draw of a nonce also draws the code of its step, a second draw within the step waits for the next one, and whoever signs
//! takes the code of the step in which the nonce was drawn. The fence uses one up like any other call. What was certainly
//! not sent gives its code back.
//!
//! Other owners' codes are not known here: a fence that comes right behind another owner's call may be denied for its code, and
//! is repeated with the next one by whoever asks (executor).

use tidegate_core::{MonoUs, UnixUs};

use super::{Lane, LaneState};
use crate::queue::{Priority, TicketId};

/// How long a code is valid, and no other is.
pub const CODE_US: u64 = 30_000_000;

/// The codes that were used.
#[derive(Debug, Default)]
pub(super) struct Codes {
    /// The newest step whose code was used.
    used: Option<u64>,
    /// When the one behind it begins, as the wall clock was when it was used.
    next_at: MonoUs,
}

const fn step_of(wall: UnixUs) -> u64 {
    wall.0 / CODE_US
}

impl Codes {
    /// When there is a code that was not used, if there is none now. A clock that was set back waits until it is where it was.
    fn wait(&self, now: MonoUs, wall: UnixUs) -> Option<MonoUs> {
        let used = self.used.filter(|used| *used >= step_of(wall))?;
        let next_us = (used + 1).saturating_mul(CODE_US);
        Some(now.plus_us(next_us.saturating_sub(wall.0)))
    }

    fn take(&mut self, now: MonoUs, wall: UnixUs) -> u64 {
        let step = step_of(wall);
        (self.used, self.next_at) = (Some(step), now.plus_us(CODE_US - wall.0 % CODE_US));
        step
    }

    /// A call that had the code of this step was not sent.
    pub(super) fn give_back(&mut self, step: Option<u64>) {
        if step.is_some() && self.used == step {
            *self = Self { used: self.used.and_then(|used| used.checked_sub(1)), next_at: MonoUs(0) };
        }
    }
}

impl Lane {
    /// The step whose code this call in flight carries; `None` for keys without codes.
    pub fn code_step(&self, ticket: TicketId) -> Option<u64> {
        self.flights.find(ticket).and_then(|flight| flight.code_step)
    }

    /// When a call may leave for all that its code is concerned, if not now.
    pub(super) fn code_at(&self, now: MonoUs, wall: UnixUs) -> Option<MonoUs> {
        if self.config.codes { self.codes.wait(now, wall) } else { None }
    }

    /// Uses a code up.
    pub(super) fn take_code(&mut self, now: MonoUs, wall: UnixUs) -> Option<u64> {
        self.config.codes.then(|| self.codes.take(now, wall))
    }

    /// How long a newcomer waits for a code of its own.
    pub(super) fn code_wait_us(&self, now: MonoUs, priority: Priority) -> u64 {
        if !self.config.codes {
            return 0;
        }
        let verification = u64::from(self.state == LaneState::Verifying && self.flights.is_empty());
        let ahead = u64::try_from(self.queue.ahead_of(priority).count()).unwrap_or(u64::MAX);
        let ahead_us = ahead.saturating_add(verification).saturating_mul(CODE_US);
        self.codes.next_at.us_since(now).saturating_add(ahead_us)
    }
}
