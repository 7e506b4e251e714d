//! The REST counter of one key (Kraken docs: rest/ratelimits): each call adds its cost, time takes it away, and a call
//! that would rise above the tier's maximum is refused.

use serde::{Deserialize, Serialize};

/// Whole points in the unit of the level: tier decays are given in thousandths of a point per second, and a
/// microsecond of one such thousandth is 10^-9 points. Nothing is ever rounded.
const POINT: u64 = 1_000_000_000;

/// A verification tier of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// At most 15 points, 0.33 per second.
    Starter,
    /// At most 20 points, 0.5 per second.
    Intermediate,
    /// At most 20 points, 1 per second.
    #[default]
    Pro,
    /// Practically unlimited, for tests of something else. Not a tier of Kraken's.
    Wide,
}

impl Tier {
    fn max_points(self) -> u64 {
        match self {
            Self::Starter => 15,
            Self::Intermediate | Self::Pro => 20,
            Self::Wide => 1_000_000_000,
        }
    }

    fn decay_milli_points_per_s(self) -> u64 {
        match self {
            Self::Starter => 330,
            Self::Intermediate => 500,
            Self::Pro => 1_000,
            Self::Wide => 1_000_000_000,
        }
    }
}

/// One key's counter.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    level: u64,
    at_us: u64,
}

impl Counter {
    /// Books a call of `cost` points, or refuses it. A refused call sets the counter to its maximum: going on
    /// regardless prolongs the refusals.
    pub(crate) fn spend(&mut self, now_us: u64, tier: Tier, cost: u32) -> bool {
        let drained = now_us.saturating_sub(self.at_us).saturating_mul(tier.decay_milli_points_per_s());
        self.level = self.level.saturating_sub(drained);
        self.at_us = self.at_us.max(now_us);
        let max = tier.max_points() * POINT;
        let after = self.level + u64::from(cost) * POINT;
        if cost > 0 && after > max {
            self.level = max;
            return false;
        }
        self.level = after;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn starter_allows_fifteen_at_once_and_one_in_about_three_seconds() {
        let mut counter = Counter::default();
        assert!((0..15).all(|_| counter.spend(100 * S, Tier::Starter, 1)));
        assert!(!counter.spend(100 * S, Tier::Starter, 1));
        assert!(!counter.spend(103 * S, Tier::Starter, 1), "0.99 points are not one");
        assert!(!counter.spend(105 * S, Tier::Starter, 1), "the refusal before filled the counter up again");
        assert!(counter.spend(105 * S + 3_030_304, Tier::Starter, 1));
    }

    #[test]
    fn decay_loses_nothing_to_rounding() {
        let (mut counter, mut now) = (Counter::default(), 0);
        assert!(counter.spend(now, Tier::Starter, 15));
        // A call without cost every microsecond must not hold the decay up.
        for _ in 0..10_000 {
            now += 1;
            assert!(counter.spend(now, Tier::Starter, 0));
        }
        assert_eq!(counter.level, 15 * POINT - 10_000 * 330);
    }

    #[test]
    fn a_call_without_cost_is_never_refused() {
        let mut counter = Counter::default();
        assert!(counter.spend(0, Tier::Pro, 20));
        assert!(!counter.spend(0, Tier::Pro, 1));
        assert!(counter.spend(0, Tier::Pro, 0));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing_away() {
        let mut counter = Counter::default();
        assert!(counter.spend(10 * S, Tier::Pro, 20));
        assert!(!counter.spend(5 * S, Tier::Pro, 1));
        assert!(!counter.spend(10 * S, Tier::Pro, 1));
        assert!(counter.spend(11 * S, Tier::Pro, 1));
    }
}
