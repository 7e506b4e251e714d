//! The matching engine's own limiter, one counter per account and pair (Kraken docs: guide "Trading rate limits"): each
//! act adds its cost, more for an order that is young, and time takes it away. What would rise above the tier's maximum
//! is refused, except for the acts that Kraken never refuses on that ground.
//!
//! Kraken does not say what a refused act does to the counter: here it leaves the level alone. What must be read before
//! the engine can judge it costs nothing when it cannot be read; what the engine refuses costs the fixed part.

use super::counter::Tier;
use super::engine::Engine;
use super::markets::{PAIR_COUNT, PAIRS};
use super::refusal::Refusal;
use crate::wire::json::Json;

/// Whole points in the unit of the level: tier decays are given in thousandths of a point per second, and a
/// microsecond of one such thousandth is 10^-9 points. Nothing is ever rounded.
const POINT: u64 = 1_000_000_000;
/// The unit of the level in a thousandth of a point.
const MILLI_POINT: u64 = POINT / 1_000;
const SECOND_US: u64 = 1_000_000;

/// What cancelling every order of an account costs in each pair in which it has any.
pub(crate) const CANCEL_ALL: u32 = 1;

/// What a tier allows in one pair.
struct Allowance {
    max_points: u64,
    decay_milli_points_per_s: u64,
    open_orders: usize,
}

const fn allowance(tier: Tier) -> Allowance {
    let (max_points, decay_milli_points_per_s, open_orders) = match tier {
        Tier::Starter => (60, 1_000, 60),
        Tier::Intermediate => (125, 2_340, 80),
        Tier::Pro => (180, 3_750, 225),
        Tier::Wide => (1_000_000_000, 1_000_000_000, 10_000),
    };
    Allowance { max_points, decay_milli_points_per_s, open_orders }
}

/// What an act costs: one part whenever the engine looks at it, another, by the age of the order, when it succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    fixed: u32,
    penalty: u32,
}

impl Cost {
    /// One new order.
    pub(crate) const ADD: Self = Self { fixed: 1, penalty: 0 };

    /// A batch of so many new orders. Kraken says half of that; the half point of an odd number counts whole here.
    pub(crate) fn batch(rows: usize) -> Self {
        Self { fixed: u32::try_from(rows.div_ceil(2)).unwrap_or(u32::MAX), penalty: 0 }
    }

    /// Changing an order of this age in place.
    pub(crate) fn amend(age_us: u64) -> Self {
        Self { fixed: 1, penalty: by_age(age_us, &[(5, 3), (10, 2), (15, 1)]) }
    }

    /// Replacing an order of this age.
    pub(crate) fn edit(age_us: u64) -> Self {
        Self { fixed: 1, penalty: by_age(age_us, &[(5, 6), (10, 5), (15, 4), (45, 2), (90, 1)]) }
    }

    fn whole(self) -> u32 {
        self.fixed + self.penalty
    }
}

/// Cancelling an order of this age.
fn cancel_cost(age_us: u64) -> u32 {
    by_age(age_us, &[(5, 8), (10, 6), (15, 5), (45, 4), (90, 2), (300, 1)])
}

/// The points of the first bracket whose end in seconds lies beyond the age: exactly 5 s are no longer below 5 s.
fn by_age(age_us: u64, brackets: &[(u64, u32)]) -> u32 {
    brackets.iter().find(|(below_s, _)| age_us < below_s * SECOND_US).map_or(0, |(_, points)| *points)
}

/// What an act did to one pair's counter, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pair: usize,
    /// Points that were booked; none if the act was refused.
    points: u64,
    /// The level afterwards.
    level: u64,
}

impl Charge {
    /// Appends `{"pair", "cost_milli", "level_milli"}`, in thousandths of a point, the level rounded up.
    pub(crate) fn write(&self, json: &mut Json) {
        json.object(|json| {
            json.field("pair").text(PAIRS[self.pair].id);
            json.field("cost_milli").integer(self.points * 1_000);
            json.field("level_milli").integer(self.level.div_ceil(MILLI_POINT));
        });
    }
}

/// One counter.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    level: u64,
    at_us: u64,
}

impl Level {
    fn drain(&mut self, now_us: u64, decay_milli_points_per_s: u64) {
        let drained = now_us.saturating_sub(self.at_us).saturating_mul(decay_milli_points_per_s);
        self.level = self.level.saturating_sub(drained);
        self.at_us = self.at_us.max(now_us);
    }
}

/// The counters of all accounts in all pairs.
#[derive(Debug, Default)]
pub(crate) struct TradingCounters {
    tier: Tier,
    now_us: u64,
    /// By account, as far as any has traded.
    levels: Vec<[Level; PAIR_COUNT]>,
    /// What the request at hand was charged.
    charges: Vec<Charge>,
}

impl TradingCounters {
    /// A request comes to the engine: which tier holds, and when it is.
    pub(crate) fn begin(&mut self, now_us: u64, tier: Tier) {
        if tier != self.tier {
            // The tier of before held until now.
            let decay = allowance(self.tier).decay_milli_points_per_s;
            self.levels.iter_mut().flatten().for_each(|level| level.drain(now_us, decay));
        }
        (self.tier, self.now_us) = (tier, now_us);
        self.charges.clear();
    }

    /// What the request at hand was charged.
    pub(crate) fn take_charges(&mut self) -> Vec<Charge> {
        std::mem::take(&mut self.charges)
    }

    /// How many orders of an account may be open in one pair.
    pub(crate) fn open_orders_max(&self) -> usize {
        allowance(self.tier).open_orders
    }

    fn level(&mut self, account: usize, pair: usize) -> &mut Level {
        if self.levels.len() <= account {
            self.levels.resize(account + 1, [Level::default(); PAIR_COUNT]);
        }
        let level = &mut self.levels[account][pair];
        level.drain(self.now_us, allowance(self.tier).decay_milli_points_per_s);
        level
    }

    /// Refuses what has no room, as a whole: `wanted` has points by pair. An act that costs nothing always has room.
    pub(crate) fn admit(&mut self, account: usize, wanted: &[(usize, u32)]) -> Result<(), Refusal> {
        let max = allowance(self.tier).max_points * POINT;
        let fits = |(pair, points): &(usize, u32)| {
            *points == 0 || self.level(account, *pair).level + u64::from(*points) * POINT <= max
        };
        if wanted.iter().all(fits) {
            return Ok(());
        }
        wanted.iter().for_each(|(pair, _)| self.charge(account, *pair, 0));
        Err(Refusal::TradingRateLimit)
    }

    /// Books points, above the maximum if it must be.
    pub(crate) fn charge(&mut self, account: usize, pair: usize, points: u32) {
        let points = u64::from(points);
        let counter = self.level(account, pair);
        counter.level = counter.level.saturating_add(points * POINT);
        let level = counter.level;
        self.charges.push(Charge { pair, points, level });
    }
}

impl Engine {
    /// Does one act at its cost in one pair; without one, at none. `read` is what was read of the request: what cannot
    /// be read is refused before the counter is looked at.
    pub(crate) fn metered<R, T>(
        &mut self,
        account: usize,
        at: Option<(usize, Cost)>,
        read: Result<R, Refusal>,
        act: impl FnOnce(&mut Self, R) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let read = match read {
            Err(refusal) if !refusal.is_of_the_engine() => return Err(refusal),
            read => read,
        };
        if let Some((pair, cost)) = at {
            self.counters.admit(account, &[(pair, cost.whole())])?;
        }
        let done = read.and_then(|read| act(self, read));
        if let Some((pair, cost)) = at {
            match &done {
                Ok(_) => self.counters.charge(account, pair, cost.whole()),
                Err(refusal) if refusal.is_of_the_engine() => {
                    self.counters.charge(account, pair, cost.fixed);
                }
                Err(_) => {}
            }
        }
        done
    }

    /// What it costs to cancel open orders, by pair.
    pub(crate) fn cancel_costs(&self, now_us: u64, numbers: &[u64]) -> Vec<(usize, u32)> {
        let mut sums: Vec<(usize, u32)> = Vec::new();
        for order in numbers.iter().filter_map(|number| self.open_order(*number)) {
            let (pair, points) = (order.terms.pair, cancel_cost(order.age_us(now_us)));
            match sums.iter_mut().find(|(known, _)| *known == pair) {
                Some((_, sum)) => *sum += points,
                None => sums.push((pair, points)),
            }
        }
        sums
    }
}

#[cfg(test)]
#[path = "trading_tests.rs"]
mod tests;
