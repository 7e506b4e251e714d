//! Asking again what a key is: an open one every hour, a refused one now and then.
//!
//! A key's permissions, window, addresses and expiry are settings at Kraken, and people change them. So an open lane repeats
//! its verification: in line with other calls, as a read of one point, every hour by a clock that differs from key to key, and
//! at once when Kraken denies a permission. And a key that was refused is looked at again, so that whoever mended it at
//! Kraken need not restart anything.
//!
//! A lane that has nothing else to do does not wake for its hour: it is asked for its next step at every renewal of the
//! grant anyway, and an idle lane that asked to be woken would have its task woken after every single call.

use tidegate_core::{KeyLabel, MonoUs, UnixUs};

use super::{Lane, LaneState, Step, VERIFICATION_MILLI};
use crate::budget::Admission;
use crate::queue::{Priority, Ticket, TicketId};

/// How often an open lane asks again, on average.
const RECHECK_EVERY_US: u64 = 3_600_000_000;
/// Keys ask up to this much earlier or later, so that those of one start do not ask at the same moment for ever.
const JITTER_US: u64 = 300_000_000;
/// Between two questions where the first had no clear answer or where permissions are in doubt; for so long orders may pass
/// it, too.
pub const RECHECK_SOON_US: u64 = 60_000_000;
/// When a refused key is worth another look: four questions an hour cost nothing, and who mends a key waits no longer than
/// for a cup of coffee.
pub const LOOK_AGAIN_US: u64 = 900_000_000;

/// When to ask next what the key is.
#[derive(Debug)]
pub(super) struct Looks {
    every_us: u64,
    /// While the lane is open.
    recheck_at: MonoUs,
    /// When a permission was last in doubt.
    doubted: Option<MonoUs>,
    /// While the key is refused.
    look_at: Option<MonoUs>,
    /// When the newest fence left.
    pub(super) fence_left: MonoUs,
}

impl Looks {
    pub(super) fn of(label: &KeyLabel) -> Self {
        // FNV-1a: the same key asks at the same distance in every process and every life.
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = label.as_str().bytes().fold(0xcbf2_9ce4_8422_2325, fold);
        let every_us = RECHECK_EVERY_US - JITTER_US + hash % (2 * JITTER_US);
        Self { every_us, recheck_at: MonoUs(u64::MAX), doubted: None, look_at: None, fence_left: MonoUs(0) }
    }

    /// The lane has just become open.
    pub(super) fn opened(&mut self) {
        self.recheck_at = self.fence_left.plus_us(self.every_us);
        self.look_at = None;
    }

    /// Whether the key is refused, but may be found mended.
    pub(super) const fn is_looking(&self) -> bool {
        self.look_at.is_some()
    }

    /// The key is refused and stays so.
    pub(super) fn never(&mut self) {
        self.look_at = None;
    }
}

impl Lane {
    /// [`Lane::refuse`], but at `again` the key is verified once more, which may open the lane.
    #[must_use = "the calls that were handed back still wait for an answer"]
    pub fn refuse_until(&mut self, again: MonoUs, reason: impl Into<String>) -> Vec<Ticket> {
        let handed_back = self.refuse(reason);
        self.looks.look_at = Some(again);
        handed_back
    }

    /// Kraken denied a permission that the key should have: it is asked at once what the key is, but not more than once in
    /// [`RECHECK_SOON_US`], because callers can provoke this.
    pub fn doubt(&mut self, now: MonoUs) {
        let earliest = self.looks.doubted.map_or(now, |at| at.plus_us(RECHECK_SOON_US).max(now));
        if earliest == now {
            self.looks.doubted = Some(now);
        }
        self.looks.recheck_at = self.looks.recheck_at.min(earliest);
    }

    /// The repeated verification found the key as the configuration says. `false` if the epoch is over.
    pub fn rechecked(&mut self, epoch: u64, now: MonoUs) -> bool {
        let current = self.epoch == Some(epoch) && self.state == LaneState::Open;
        if current {
            self.looks.recheck_at = now.plus_us(self.looks.every_us);
        }
        current
    }

    /// The repeated verification, when it is due and nothing of more weight waits.
    pub(super) fn next_recheck(&mut self, now: MonoUs, wall: UnixUs) -> Option<Step> {
        if now < self.looks.recheck_at || self.flights.find(TicketId::RECHECK).is_some() {
            return None;
        }
        let overdue = now >= self.looks.recheck_at.plus_us(RECHECK_SOON_US);
        let yields = |first: &Ticket| match first.priority {
            Priority::Read => false,
            Priority::Cancel => true,
            _ => !overdue,
        };
        let room = self.nonces.peek(wall).is_ok_and(|nonce| self.flights.has_room(nonce));
        let affordable = self.counter.admit(now, VERIFICATION_MILLI, false) == Admission::Now;
        if self.queue.iter().next().is_some_and(yields) || !room || !affordable {
            return None;
        }
        let epoch = self.epoch_seen;
        match self.launch(TicketId::RECHECK, Priority::Read, VERIFICATION_MILLI, now, wall) {
            Ok(nonce) => {
                self.looks.recheck_at = now.plus_us(RECHECK_SOON_US);
                Some(Step::Recheck { nonce, epoch })
            }
            Err(step) => Some(step),
        }
    }

    /// What to do with a refused key: look at it again when the time has come, while it is ours.
    pub(super) fn next_look(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        let Some(at) = self.looks.look_at.filter(|_| now < self.lease_until) else { return Step::Idle };
        if now < at {
            return self.wait(Some(at));
        }
        let step = self.next_verification(now, wall);
        if matches!(step, Step::Verify { .. }) {
            self.looks.look_at = Some(now.plus_us(RECHECK_SOON_US));
        }
        step
    }
}
