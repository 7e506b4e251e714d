//! Kraken's REST counter of one key, bounded from above.
//!
//! *The idea.* Each call adds points to the key's counter at Kraken, which decays with time; above the tier's maximum
//! Kraken refuses. Kraken charges at some moment between our send and its response, and what it charged decays only
//! from then on. So a call's points are *held*, undecayed, from before the send until the call has ended, and decay
//! from then. Whatever the latency was, our figure is never below Kraken's, and no constant had to be guessed.
//!
//! Two points of the maximum stay unused by ordinary calls: one for the verification call of a new owner, one because
//! Kraken says that decay may be applied in steps of seconds (Kraken docs: Spot REST rate limits).
//!
//! The counter survives its owner through the *ceiling*: each renewal of the grant writes how high the counter may get
//! until the next one, and the owner refuses itself more than that. The point kept for a verification is inside that figure
//! only while the owner may yet spend it: a new owner whose predecessor was verified long ago finds his own point free.

use tidegate_core::MonoUs;

use crate::guards::{Guard, on};

const POINT: u64 = 1_000;
/// Parts of a milli-point: a decay of `d` milli-points per second is `d` parts per microsecond, without remainder.
const PARTS: u64 = 1_000_000;
/// The dearest call costs this much (Kraken support, August 2026: ledgers and trade history, 4 points).
const DEAREST_CALL_MILLI: u64 = 4 * POINT;

/// A REST counter's limits, which follow the account's verification level (Kraken docs: Spot REST rate limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Highest value that Kraken allows, in thousandths of a point.
    pub max_milli: u64,
    /// Decay, in thousandths of a point per second.
    pub decay_milli_per_s: u64,
}

impl Tier {
    /// Starter accounts.
    pub const STARTER: Self = Self { max_milli: 15 * POINT, decay_milli_per_s: 330 };
    /// Intermediate accounts.
    pub const INTERMEDIATE: Self = Self { max_milli: 20 * POINT, decay_milli_per_s: 500 };
    /// Pro accounts.
    pub const PRO: Self = Self { max_milli: 20 * POINT, decay_milli_per_s: 1_000 };
    /// Practically unlimited: a million points, ten thousand per second. For a sandbox; no account has it.
    pub const WIDE: Self = Self { max_milli: 1_000_000 * POINT, decay_milli_per_s: 10_000 * POINT };

    /// How high ordinary calls may take the counter: the maximum without the two points that are kept.
    pub const fn usable_milli(self) -> u64 {
        self.max_milli.saturating_sub(2 * POINT)
    }

    /// How high any call of ours may take the counter: [`Self::usable_milli`] and the verification call.
    pub const fn ceiling_max_milli(self) -> u64 {
        self.usable_milli() + POINT
    }

    /// How much a counter may rise between two renewals of the grant.
    fn allowance_milli(self) -> u64 {
        DEAREST_CALL_MILLI.max(self.max_milli / 4)
    }

    /// What is left of `level_milli` after `elapsed_us`, rounded up.
    pub fn decayed_milli(self, level_milli: u64, elapsed_us: u64) -> u64 {
        let gone = elapsed_us.saturating_mul(self.decay_milli_per_s);
        level_milli.saturating_mul(PARTS).saturating_sub(gone).div_ceil(PARTS)
    }
}

/// Whether the counter has room for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It has.
    Now,
    /// Not before this time, by decay alone.
    At(MonoUs),
    /// Only after a call in flight has ended.
    AfterAnEnd,
    /// Only after the grant was renewed with a higher ceiling.
    AfterRenewal,
    /// Never: the call costs more than the tier, or one renewal, allows.
    Never,
}

/// Our upper bound of one key's REST counter.
#[derive(Clone, Debug)]
pub struct RestCounter {
    tier: Tier,
    /// In parts of a milli-point, as of `at`.
    decaying: u64,
    at: MonoUs,
    held_milli: u64,
    ceiling: Ceiling,
    proposed: Option<Ceiling>,
}

/// How high the counter may get before the next renewal.
#[derive(Clone, Copy, Debug)]
struct Ceiling {
    /// By ordinary calls.
    usable_milli: u64,
    /// What a verification call may add.
    kept_milli: u64,
}

impl Ceiling {
    fn lower(self, other: Self) -> Self {
        Self {
            usable_milli: self.usable_milli.min(other.usable_milli),
            kept_milli: self.kept_milli.min(other.kept_milli),
        }
    }
}

impl RestCounter {
    /// A counter of which nothing is known: it starts as high as an owner of ours may have left it.
    pub fn new(tier: Tier, now: MonoUs) -> Self {
        let usable_milli = tier.usable_milli();
        Self {
            tier,
            decaying: usable_milli * PARTS,
            at: now,
            held_milli: 0,
            ceiling: Ceiling { usable_milli, kept_milli: POINT },
            proposed: None,
        }
    }

    /// Takes over from another owner, who left at most `level_milli`. `None` is unknown (no record, or a store that
    /// lost its own): as high as an owner of ours may have left it. The ceiling written when the key was taken is the
    /// highest one.
    ///
    /// What is held here, of calls that an earlier epoch gave up, is a part of that figure and not to be added: this process
    /// wrote it into the store with its own level. If nobody verified the key since, our own figure still holds, and the store's
    /// has only decayed while those calls had not; if somebody did, they are dead. So the higher of the two is the bound.
    pub fn inherit(&mut self, now: MonoUs, level_milli: Option<u64>) {
        let own = if self.held_milli > 0 { self.level_milli(now) } else { 0 };
        let level_milli = if on(Guard::InheritedCounter) { level_milli } else { Some(0) };
        let level = level_milli.unwrap_or(self.tier.usable_milli()).min(self.tier.max_milli).max(own);
        self.decaying = (level - self.held_milli.min(level)) * PARTS;
        self.at = now;
        self.lift_ceiling();
    }

    /// The ceiling written when the key was taken is the highest one; so it is ours now.
    pub fn lift_ceiling(&mut self) {
        self.ceiling = Ceiling { usable_milli: self.tier.usable_milli(), kept_milli: POINT };
        self.proposed = None;
    }

    /// Kraken said that the counter is full: believe it.
    pub fn fill(&mut self, now: MonoUs) {
        self.decaying = self.tier.max_milli * PARTS;
        self.at = now;
    }

    /// The bound, in milli-points, rounded up.
    pub fn level_milli(&self, now: MonoUs) -> u64 {
        self.decaying_at(now).div_ceil(PARTS) + self.held_milli
    }

    /// The limits.
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// Whether a call of `points_milli` may be sent now. A verification call may use the point that is kept for it.
    pub fn admit(&self, now: MonoUs, points_milli: u64, verification: bool) -> Admission {
        if points_milli == 0 {
            return Admission::Now;
        }
        let (kept, extra) = if verification { (self.ceiling.kept_milli, POINT) } else { (0, 0) };
        let (ceiling, usable) = (self.ceiling.usable_milli + kept, self.tier.usable_milli() + extra);
        let wanted = self.level_milli(now) + points_milli;
        if wanted <= ceiling {
            Admission::Now
        } else if points_milli > usable.min(self.tier.allowance_milli()) {
            Admission::Never
        } else if wanted <= usable {
            Admission::AfterRenewal
        } else if self.held_milli + points_milli > usable {
            Admission::AfterAnEnd
        } else {
            // The decaying part alone has to come down to this; the ceiling is looked at again then.
            let target = (usable - self.held_milli - points_milli) * PARTS;
            let surplus = self.decaying_at(now).saturating_sub(target);
            Admission::At(now.plus_us(surplus.div_ceil(self.tier.decay_milli_per_s.max(1))))
        }
    }

    /// How long, in microseconds, decay takes until `points_milli` more fit, as far as decay can tell.
    pub fn wait_us(&self, now: MonoUs, points_milli: u64) -> u64 {
        let surplus = (self.level_milli(now) + points_milli).saturating_sub(self.tier.usable_milli());
        surplus.saturating_mul(PARTS).div_ceil(self.tier.decay_milli_per_s.max(1))
    }

    /// A call is about to be sent: its points are held.
    pub fn begin(&mut self, points_milli: u64) {
        self.held_milli += points_milli;
    }

    /// A call has ended: what was held decays from now on.
    pub fn end(&mut self, now: MonoUs, points_milli: u64) {
        self.decaying = self.decaying_at(now).saturating_add(points_milli * PARTS);
        self.at = self.at.max(now);
        self.held_milli = self.held_milli.saturating_sub(points_milli);
    }

    /// A call proved unsent: it was never charged.
    pub fn give_back(&mut self, points_milli: u64) {
        self.held_milli = self.held_milli.saturating_sub(points_milli);
    }

    /// The ceiling to write with the next renewal. While it is not known which of the two the store holds, the lower
    /// one binds. `verifies`: whether a verification call may be sent before the one after that, so that its point is to be
    /// inside the figure.
    pub fn propose_ceiling(&mut self, now: MonoUs, verifies: bool) -> u64 {
        let level_milli = self.level_milli(now);
        let usable_milli = (level_milli + self.tier.allowance_milli()).min(self.tier.usable_milli());
        let proposed = Ceiling { usable_milli, kept_milli: if verifies { POINT } else { 0 } };
        self.ceiling = self.ceiling.lower(proposed);
        self.proposed = Some(proposed);
        // A verification, or Kraken's word that the counter is full, may have taken it above what ordinary calls may.
        (usable_milli + proposed.kept_milli).max(level_milli)
    }

    /// The store holds the proposed ceiling.
    pub fn ceiling_written(&mut self) {
        if let Some(ceiling) = self.proposed.take() {
            self.ceiling = ceiling;
        }
    }

    /// Whether the store still holds a ceiling with a point for a verification that is not to come.
    pub const fn keeps_point(&self) -> bool {
        self.ceiling.kept_milli > 0
    }

    /// Whether a call of `points_milli` waits for nothing but a renewal.
    pub fn wants_renewal(&self, now: MonoUs, points_milli: u64) -> bool {
        self.admit(now, points_milli, false) == Admission::AfterRenewal
    }

    fn decaying_at(&self, now: MonoUs) -> u64 {
        self.decaying.saturating_sub(now.us_since(self.at).saturating_mul(self.tier.decay_milli_per_s))
    }
}

#[cfg(test)]
mod tests;
