//! The house's market maker, and the crowd that trades with whatever is best.
//!
//! *The idea.* Time goes in steps of a second. In each the house quotes around where the middle is by then (`drift`): what
//! orders of accounts offer within its reach it takes first, at their prices, so that the market comes to those who wait; and
//! every other second somebody buys or sells a little at the best price, whoever offers it. Whatever is drawn for a step follows
//! from the seed and its second alone. After a silence no more than [`STEPS_MAX`] steps are made up for, spread over all of
//! it, so that a tick costs the same after an hour as after a year. A market in which nothing is matched stands still, and what
//! it stood still for is not made up for.
//!
//! The crowd's money is the house's. Who trades with them is settled like anyone who waits; what they do among themselves
//! moves no money, and stands on the tape.

use super::{Engine, Fill};
use crate::exchange::book::{Owner, Side, reaches};
use crate::exchange::drift;
use crate::exchange::ids::Source;
use crate::exchange::markets::{LOT_DECIMALS, PAIR_COUNT, PAIRS};
use crate::exchange::order::{OrderType, to_i128};
use crate::wire::decimal;

const STEP_US: u64 = 1_000_000;
/// Steps that are made up for after a silence.
const STEPS_MAX: u64 = 128;
/// Streams of [`Source`] from here on draw what the crowd does, one for each pair.
const CROWD_FROM: u64 = 512;
/// The crowd's smallest order is this part of a quote, its largest a hundred times as much.
const CROWD_PART: u64 = 1_000;

/// One second of the market: when it is, and what the market's own clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at_us: u64,
    market_s: u64,
}

/// Whether and how far the market moves.
#[derive(Debug)]
pub(crate) struct Market {
    seed: u64,
    moves: bool,
    /// How fast its clock goes, and from where: it was `market_us` at `since_us`.
    speed: u64,
    since_us: u64,
    market_us: u64,
    /// Up to where steps have been made.
    done_us: u64,
    /// Around what the house quotes.
    middles: [u64; PAIR_COUNT],
}

impl Market {
    pub(crate) fn new(seed: u64) -> Self {
        let middles = std::array::from_fn(|pair| PAIRS[pair].house.middle);
        Self { seed, moves: false, speed: 1, since_us: 0, market_us: 0, done_us: 0, middles }
    }

    /// Whether it moves from `now_us` on, and how fast. One that is stopped keeps its prices.
    pub(crate) fn set(&mut self, now_us: u64, moves: bool, speed: u64) {
        (self.market_us, self.since_us) = (self.market_us_at(now_us), now_us);
        (self.moves, self.speed) = (moves, speed);
    }

    fn market_us_at(&self, at_us: u64) -> u64 {
        self.market_us.saturating_add(at_us.saturating_sub(self.since_us).saturating_mul(self.speed))
    }

    /// The steps that are due, oldest first.
    pub(super) fn steps(&mut self, now_us: u64) -> Vec<Step> {
        let (done, now) = (self.done_us / STEP_US, now_us / STEP_US);
        if now <= done {
            return Vec::new();
        }
        // Nothing is made up for that was before the first look at the clock, and until then both clocks were one.
        let first = self.done_us == 0;
        if first {
            (self.since_us, self.market_us) = (now_us, now_us);
        }
        self.done_us = now_us;
        if !self.moves {
            return Vec::new();
        }
        let missed = if first { 1 } else { now - done };
        let stride = missed.div_ceil(STEPS_MAX);
        let step = |back: u64| {
            let at_us = (now - back * stride) * STEP_US;
            Step { at_us, market_s: self.market_us_at(at_us) / 1_000_000 }
        };
        (0..missed / stride).rev().map(step).collect()
    }
}

impl Engine {
    /// One second of all markets in which anything is matched.
    pub(super) fn move_market(&mut self, step: Step) {
        for pair in (0..PAIR_COUNT).filter(|pair| self.modes.matches(*pair)).collect::<Vec<_>>() {
            let old = self.market.middles[pair];
            let new = drift::middle(self.market.seed, pair, step.market_s);
            if new == old {
                self.restore_house(step.at_us, pair);
            } else {
                self.quote_around(step.at_us, pair, old, new);
            }
            let crowd = Source::new(self.market.seed, CROWD_FROM + pair as u64).at(step.market_s);
            self.let_crowd_trade(step.at_us, pair, crowd, old, new);
        }
        self.watch(step.at_us);
    }

    /// Moves the house's quotes from around one price to around another.
    fn quote_around(&mut self, now_us: u64, pair: usize, old: u64, new: u64) {
        let house = &PAIRS[pair].house;
        for off in (1..=house.levels).map(|level| level * house.step) {
            self.books[pair].remove_house(Side::Buy, old - off, now_us);
            self.books[pair].remove_house(Side::Sell, old + off, now_us);
        }
        self.owed.retain(|(owed_pair, ..)| *owed_pair != pair);
        self.market.middles[pair] = new;
        let (bid, ask) = (new - house.step, new + house.step);
        self.take_for_house(now_us, pair, (Side::Buy, OrderType::Limit), Some(bid), u64::MAX);
        self.take_for_house(now_us, pair, (Side::Sell, OrderType::Limit), Some(ask), u64::MAX);
        for off in (1..=house.levels).map(|level| level * house.step) {
            self.owed.extend([(pair, Side::Buy, new - off), (pair, Side::Sell, new + off)]);
        }
        self.restore_house(now_us, pair);
    }

    /// Every other second somebody trades, with the move if there was one.
    fn let_crowd_trade(&mut self, now_us: u64, pair: usize, drawn: u64, old: u64, new: u64) {
        if drawn & 1 == 0 {
            return;
        }
        let buys = if new == old { drawn & 2 == 0 } else { new > old };
        let side = if buys { Side::Buy } else { Side::Sell };
        // Small ones are more frequent than large ones.
        let size = (drawn >> 2) % 1_000;
        let lots = PAIRS[pair].house.lots / CROWD_PART * (1 + size * size / 10_000);
        self.take_for_house(now_us, pair, (side, OrderType::Market), None, lots);
        self.restore_house(now_us, pair);
    }

    /// Trades for the house, or for the crowd, with what the other side of a book offers.
    fn take_for_house(
        &mut self,
        now_us: u64,
        index: usize,
        (side, order_type): (Side, OrderType),
        limit: Option<u64>,
        mut lots: u64,
    ) {
        let (pair, other_side) = (&PAIRS[index], side.opposite());
        while lots > 0
            && let Some((price, entry)) = self.offered(now_us, index, other_side)
            && limit.is_none_or(|limit| reaches(side, limit, price))
        {
            let taken = lots.min(entry.lots);
            let notional = to_i128(u128::from(price) * u128::from(taken));
            let cost = decimal::rescale(notional, pair.notional_scale(), pair.quote_decimals());
            self.trades_made += 1;
            let fill = Fill { price, lots: taken, cost, number: self.trades_made };
            self.books[index].take_front(other_side, taken, now_us);
            match entry.owner {
                Owner::House => self.owe_quote(index, other_side, price),
                Owner::Order { order, .. } => {
                    let base = decimal::rescale(i128::from(taken), LOT_DECIMALS, pair.base_decimals());
                    let sign = if side == Side::Buy { 1 } else { -1 };
                    self.accounts.book_house(pair.base, sign * base);
                    self.accounts.book_house(pair.quote, -sign * cost);
                    self.fill_maker(now_us, order, fill);
                }
            }
            self.tapes[index].record(now_us, side, order_type, price, taken, fill.number);
            lots -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_US: u64 = 1_781_000_000_500_000;

    #[test]
    fn steps_are_seconds_and_bounded_after_any_silence() {
        let mut market = Market::new(1);
        market.set(0, true, 1);
        let seconds = |steps: Vec<Step>| steps.iter().map(|step| step.at_us / STEP_US).collect::<Vec<_>>();
        assert_eq!(seconds(market.steps(NOW_US)), [1_781_000_000], "none before the first look");
        assert_eq!(market.steps(NOW_US + 400_000), []);
        assert_eq!(seconds(market.steps(NOW_US + 3_000_000)), [1_781_000_001, 1_781_000_002, 1_781_000_003]);
        assert_eq!(market.steps(NOW_US), [], "a clock that steps back");
        for silence_s in [129, 1_000, 86_400, 40 * 365 * 86_400] {
            let before_s = market.done_us / STEP_US;
            let steps = seconds(market.steps((before_s + silence_s) * STEP_US));
            assert!((STEPS_MAX / 2..=STEPS_MAX).contains(&(steps.len() as u64)), "{silence_s}");
            assert!(steps.is_sorted() && steps[0] > before_s);
            assert_eq!(steps.last(), Some(&(before_s + silence_s)), "the present is never left out");
        }
    }

    #[test]
    fn its_clock_goes_on_from_where_it_was_when_its_speed_changes() {
        let mut market = Market::new(1);
        market.set(0, true, 10);
        let clock =
            |market: &mut Market, at_s: u64| market.steps(at_s * STEP_US).last().map(|step| step.market_s);
        assert_eq!(clock(&mut market, 100), Some(100));
        assert_eq!(clock(&mut market, 101), Some(110));
        market.set(101 * STEP_US, true, 1);
        assert_eq!(clock(&mut market, 104), Some(113));
        market.set(104 * STEP_US, false, 1);
        assert_eq!(clock(&mut market, 110), None);
        market.set(110 * STEP_US, true, 1);
        assert_eq!(clock(&mut market, 111), Some(120));
    }
}
