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
//! until the next one, and the owner refuses itself more than that.

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
    ceiling_milli: u64,
    proposed_milli: Option<u64>,
}

impl RestCounter {
    /// A counter of which nothing is known: it starts as high as an owner of ours may have left it.
    pub fn new(tier: Tier, now: MonoUs) -> Self {
        let usable = tier.usable_milli();
        Self {
            tier,
            decaying: usable * PARTS,
            at: now,
            held_milli: 0,
            ceiling_milli: usable,
            proposed_milli: None,
        }
    }

    /// Takes over from another owner, who left at most `level_milli`. `None` is unknown (no record, or a store that
    /// lost its own): as high as an owner of ours may have left it. The ceiling written when the key was taken is the
    /// highest one.
    pub fn inherit(&mut self, now: MonoUs, level_milli: Option<u64>) {
        let level_milli = if on(Guard::InheritedCounter) { level_milli } else { Some(0) };
        let level = level_milli.unwrap_or(self.tier.usable_milli()).min(self.tier.max_milli);
        self.decaying = level * PARTS;
        self.at = now;
        self.lift_ceiling();
    }

    /// The ceiling written when the key was taken is the highest one; so it is ours now.
    pub fn lift_ceiling(&mut self) {
        self.ceiling_milli = self.tier.usable_milli();
        self.proposed_milli = None;
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
        let extra = if verification { POINT } else { 0 };
        let (ceiling, usable) = (self.ceiling_milli + extra, self.tier.usable_milli() + extra);
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
    /// one binds. The point kept for a verification call is inside the figure.
    pub fn propose_ceiling(&mut self, now: MonoUs) -> u64 {
        let spendable = (self.level_milli(now) + self.tier.allowance_milli()).min(self.tier.usable_milli());
        self.ceiling_milli = self.ceiling_milli.min(spendable);
        self.proposed_milli = Some(spendable);
        spendable + POINT
    }

    /// The store holds the proposed ceiling.
    pub fn ceiling_written(&mut self) {
        if let Some(ceiling) = self.proposed_milli.take() {
            self.ceiling_milli = ceiling;
        }
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Kraken's counter: continuous decay, charged at a moment of Kraken's choice.
    struct Exchange {
        tier: Tier,
        level: u64,
        at: MonoUs,
    }

    impl Exchange {
        fn charge(&mut self, now: MonoUs, points_milli: u64) -> u64 {
            let gone = now.us_since(self.at) * self.tier.decay_milli_per_s;
            self.level = self.level.saturating_sub(gone) + points_milli * PARTS;
            self.at = now;
            self.level.div_ceil(PARTS)
        }
    }

    fn empty(tier: Tier) -> RestCounter {
        let mut counter = RestCounter::new(tier, MonoUs(0));
        counter.inherit(MonoUs(0), Some(0));
        counter
    }

    proptest! {
        /// Calls with random costs, latencies and charging moments, renewals at random times: at every charge our
        /// figure is at least Kraken's, and Kraken's never passes the maximum.
        #[test]
        fn our_figure_is_never_below_krakens(
            tier in prop::sample::select(vec![Tier::STARTER, Tier::INTERMEDIATE, Tier::PRO]),
            calls in prop::collection::vec((0_u64..3_000_000, 0_u64..=4, 0_u64..4_000_000, 0_u64..=100, any::<bool>()), 1..200),
        ) {
            let mut ours = empty(tier);
            let mut exchange = Exchange { tier, level: 0, at: MonoUs(0) };
            // (when, is the end, points)
            let mut due: Vec<(MonoUs, bool, u64)> = Vec::new();
            let mut now = MonoUs(0);
            for (gap_us, points, latency_us, charged_at_pct, renew) in calls {
                let until = now.plus_us(gap_us);
                due.sort_by_key(|d| (d.0, d.1));
                while due.first().is_some_and(|d| d.0 <= until) {
                    let (at, is_end, milli) = due.remove(0);
                    if is_end {
                        ours.end(at, milli);
                    } else {
                        let theirs = exchange.charge(at, milli);
                        prop_assert!(theirs <= ours.level_milli(at), "{theirs} > {}", ours.level_milli(at));
                        prop_assert!(theirs <= tier.usable_milli());
                    }
                }
                now = until;
                let milli = points * POINT;
                if renew {
                    let written = ours.propose_ceiling(now);
                    prop_assert!(written <= tier.ceiling_max_milli());
                    ours.ceiling_written();
                }
                if ours.admit(now, milli, false) == Admission::Now {
                    ours.begin(milli);
                    due.push((now.plus_us(latency_us * charged_at_pct / 100), false, milli));
                    due.push((now.plus_us(latency_us), true, milli));
                }
            }
        }

        /// The wait that is told is enough, and one microsecond less would not have been.
        #[test]
        fn waits_are_exact(level in 0_u64..=18_000, points in 1_u64..=4) {
            let mut counter = RestCounter::new(Tier::PRO, MonoUs(0));
            counter.inherit(MonoUs(0), Some(level));
            match counter.admit(MonoUs(0), points * POINT, false) {
                Admission::Now => prop_assert!(level + points * POINT <= Tier::PRO.usable_milli()),
                Admission::At(at) => {
                    prop_assert_eq!(counter.admit(at, points * POINT, false), Admission::Now);
                    let before = MonoUs(at.0 - 1);
                    prop_assert_ne!(counter.admit(before, points * POINT, false), Admission::Now);
                    prop_assert_eq!(counter.wait_us(MonoUs(0), points * POINT), at.0);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn the_ceiling_binds_until_it_is_renewed() {
        let mut counter = empty(Tier::PRO);
        let now = MonoUs(0);
        assert_eq!(counter.propose_ceiling(now), 6_000, "5 points of allowance and the verification's");
        counter.ceiling_written();
        counter.begin(5_000);
        counter.end(now, 5_000);
        assert_eq!(counter.admit(now, 1_000, false), Admission::AfterRenewal);
        assert!(counter.wants_renewal(now, 1_000));
        assert_eq!(counter.admit(now, 0, false), Admission::Now, "orders and cancels cost no points");
        assert_eq!(counter.admit(now, 1_000, true), Admission::Now, "the kept point");
        assert_eq!(counter.propose_ceiling(now), 11_000);
        assert_eq!(counter.admit(now, 1_000, false), Admission::AfterRenewal, "not yet known to be written");
        counter.ceiling_written();
        assert_eq!(counter.admit(now, 1_000, false), Admission::Now);
        let later = MonoUs(4_000_000);
        assert_eq!(counter.propose_ceiling(later), 7_000, "from 5 down to 1, and 5 of allowance");
        counter.begin(5_000);
        assert_eq!(
            counter.admit(later, 1_000, false),
            Admission::AfterRenewal,
            "the lower one binds at once"
        );
    }

    #[test]
    fn unknown_counters_start_full_but_leave_room_to_verify() {
        let mut counter = RestCounter::new(Tier::STARTER, MonoUs(5));
        counter.inherit(MonoUs(5), None);
        assert_eq!(counter.admit(MonoUs(5), 1_000, true), Admission::Now);
        let Admission::At(at) = counter.admit(MonoUs(5), 1_000, false) else { panic!("must wait") };
        assert_eq!(at.us_since(MonoUs(5)), 1_000 * PARTS / 330 + 1);
        counter.fill(at);
        assert_eq!(counter.level_milli(at), Tier::STARTER.max_milli);
        assert_eq!(counter.admit(at, 99_000, false), Admission::Never);
    }

    #[test]
    fn held_points_do_not_decay_and_unsent_ones_vanish() {
        let mut counter = empty(Tier::PRO);
        counter.begin(4_000);
        assert_eq!(counter.level_milli(MonoUs(60_000_000)), 4_000);
        counter.give_back(4_000);
        assert_eq!(counter.level_milli(MonoUs(60_000_000)), 0);
        counter.begin(16_000);
        assert_eq!(counter.admit(MonoUs(60_000_000), 4_000, false), Admission::AfterAnEnd);
        assert_eq!(Tier::PRO.decayed_milli(4_000, 1_500_001), 2_500);
    }
}
