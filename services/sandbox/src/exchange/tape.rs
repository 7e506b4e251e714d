//! What the public sees of a pair's trades.

use std::collections::VecDeque;

use super::book::Side;
use super::order::OrderType;

/// Public trades kept for each pair.
const TRADES_MAX: usize = 1_000;
/// Minutes with trades kept for each pair: a fortnight of them.
const MINUTES_MAX: usize = 20_160;
const DAY_US: u64 = 86_400_000_000;
const MINUTE_US: u64 = 60_000_000;

/// A public trade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicTrade {
    /// No two trades of a pair have the same, so that a page can end between any two.
    pub(crate) at_ns: u64,
    pub(crate) taker: Side,
    pub(crate) order_type: OrderType,
    pub(crate) price: u64,
    pub(crate) lots: u64,
    pub(crate) number: u64,
}

/// Sums over some time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) open: u64,
    pub(crate) high: u64,
    pub(crate) low: u64,
    pub(crate) lots: u128,
    pub(crate) notional: u128,
    pub(crate) count: u64,
}

impl Sums {
    pub(crate) fn add(&mut self, price: u64, lots: u64) {
        if self.count == 0 {
            (self.open, self.high, self.low) = (price, price, price);
        }
        (self.high, self.low) = (self.high.max(price), self.low.min(price));
        self.lots += u128::from(lots);
        self.notional += u128::from(price) * u128::from(lots);
        self.count += 1;
    }

    pub(crate) fn join(self, later: Self) -> Self {
        match (self.count, later.count) {
            (0, _) => later,
            (_, 0) => self,
            _ => Self {
                open: self.open,
                high: self.high.max(later.high),
                low: self.low.min(later.low),
                lots: self.lots + later.lots,
                notional: self.notional + later.notional,
                count: self.count + later.count,
            },
        }
    }
}

/// The trades of one minute that has any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Minute {
    pub(crate) begins_s: u64,
    pub(crate) sums: Sums,
    pub(crate) close: u64,
}

/// The trades of one pair.
#[derive(Debug)]
pub(crate) struct Tape {
    last: (u64, u64),
    recent: VecDeque<PublicTrade>,
    minutes: VecDeque<Minute>,
    day: u64,
    today: Sums,
    yesterday: Sums,
}

impl Tape {
    /// Before the first trade the last price is `price`, with no volume.
    pub(crate) fn new(price: u64) -> Self {
        Self {
            last: (price, 0),
            recent: VecDeque::new(),
            minutes: VecDeque::new(),
            day: 0,
            today: Sums::default(),
            yesterday: Sums::default(),
        }
    }

    /// Price and lots of the last trade.
    pub(crate) fn last(&self) -> (u64, u64) {
        self.last
    }

    /// The latest trades, oldest first.
    pub(crate) fn recent(&self) -> impl Iterator<Item = &PublicTrade> {
        self.recent.iter()
    }

    /// The latest minutes with trades, oldest first.
    pub(crate) fn minutes(&self) -> impl Iterator<Item = &Minute> {
        self.minutes.iter()
    }

    pub(crate) fn record(
        &mut self,
        now_us: u64,
        taker: Side,
        order_type: OrderType,
        price: u64,
        lots: u64,
        number: u64,
    ) {
        (self.today, self.yesterday) = self.days(now_us);
        self.day = now_us / DAY_US;
        self.today.add(price, lots);
        self.last = (price, lots);
        self.add_to_minute(now_us, price, lots);
        if self.recent.len() == TRADES_MAX {
            self.recent.pop_front();
        }
        let after = self.recent.back().map_or(0, |trade| trade.at_ns + 1);
        let at_ns = now_us.saturating_mul(1_000).max(after);
        self.recent.push_back(PublicTrade { at_ns, taker, order_type, price, lots, number });
    }

    fn add_to_minute(&mut self, now_us: u64, price: u64, lots: u64) {
        let begins_s = now_us / MINUTE_US * 60;
        // A clock that steps back adds to the minute that there is.
        if self.minutes.back().is_none_or(|minute| minute.begins_s < begins_s) {
            if self.minutes.len() == MINUTES_MAX {
                self.minutes.pop_front();
            }
            self.minutes.push_back(Minute { begins_s, sums: Sums::default(), close: price });
        }
        if let Some(minute) = self.minutes.back_mut() {
            minute.sums.add(price, lots);
            minute.close = price;
        }
    }

    fn days(&self, now_us: u64) -> (Sums, Sums) {
        match (now_us / DAY_US).saturating_sub(self.day) {
            0 => (self.today, self.yesterday),
            1 => (Sums::default(), self.today),
            _ => (Sums::default(), Sums::default()),
        }
    }

    /// Sums of today (UTC), and of the last 24 hours taken as today and yesterday together.
    pub(crate) fn sums(&self, now_us: u64) -> [Sums; 2] {
        let (today, yesterday) = self.days(now_us);
        [today, yesterday.join(today)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_one_another() {
        let mut tape = Tape::new(100);
        assert_eq!(tape.last(), (100, 0));
        let record = |tape: &mut Tape, day: u64, price| {
            tape.record(day * DAY_US, Side::Buy, OrderType::Market, price, 2, 1);
        };
        record(&mut tape, 10, 100);
        record(&mut tape, 11, 90);
        record(&mut tape, 11, 95);
        let [today, both] = tape.sums(11 * DAY_US + 5);
        assert_eq!((today.open, today.high, today.low, today.count, today.lots), (90, 95, 90, 2, 4));
        assert_eq!((both.open, both.high, both.low, both.count), (100, 100, 90, 3));
        assert_eq!(tape.sums(12 * DAY_US)[0].count, 0);
        assert_eq!(tape.sums(12 * DAY_US)[1].count, 2);
        assert_eq!(tape.sums(13 * DAY_US)[1].count, 0);
        assert_eq!(tape.last(), (95, 2));
    }
}
