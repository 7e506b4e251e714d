//! One pair's order book: price, then time.

use std::collections::{BTreeMap, VecDeque};

use super::iceberg::Hidden;

/// Which way an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// Whose an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The market maker's.
    House,
    /// An account's order, both by index.
    Order { order: u64, account: usize },
}

/// Something to trade with at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) owner: Owner,
    /// What shows.
    pub(crate) lots: u64,
    pub(crate) hidden: Hidden,
}

/// What one price holds, oldest first, and when that changed last. Never empty.
#[derive(Debug, Default)]
pub(crate) struct Level {
    entries: VecDeque<Entry>,
    changed_us: u64,
}

/// What could be traded at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) lots: u64,
    /// Sum of price times lots.
    pub(crate) notional: u128,
}

/// Both sides of a pair. Prices are in the pair's units.
#[derive(Debug, Default)]
pub(crate) struct Book {
    bids: BTreeMap<u64, Level>,
    asks: BTreeMap<u64, Level>,
}

impl Book {
    fn side(&self, side: Side) -> &BTreeMap<u64, Level> {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn side_mut(&mut self, side: Side) -> &mut BTreeMap<u64, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// The best price at which a side offers to trade.
    pub(crate) fn best(&self, side: Side) -> Option<u64> {
        match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        }
        .map(|(price, _)| *price)
    }

    /// The oldest entry at the best price of a side.
    pub(crate) fn front(&self, side: Side) -> Option<(u64, Entry)> {
        let price = self.best(side)?;
        self.side(side).get(&price)?.entries.front().map(|entry| (price, *entry))
    }

    /// Levels of a side, best first: price, what waits there with the oldest first, time of the last change.
    pub(crate) fn queues(&self, side: Side) -> Box<dyn Iterator<Item = (u64, &VecDeque<Entry>, u64)> + '_> {
        fn parts<'a>((price, level): (&u64, &'a Level)) -> (u64, &'a VecDeque<Entry>, u64) {
            (*price, &level.entries, level.changed_us)
        }
        match side {
            Side::Buy => Box::new(self.bids.iter().rev().map(parts)),
            Side::Sell => Box::new(self.asks.iter().map(parts)),
        }
    }

    /// Levels of a side, best first: price, lots, time of the last change.
    pub(crate) fn levels(&self, side: Side) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.queues(side).map(|(price, entries, changed_us)| {
            (price, entries.iter().map(|entry| entry.lots).sum(), changed_us)
        })
    }

    /// Adds an entry behind all others at its price.
    pub(crate) fn rest(&mut self, side: Side, price: u64, entry: Entry, now_us: u64) {
        let level = self.side_mut(side).entry(price).or_default();
        level.entries.push_back(entry);
        level.changed_us = now_us;
    }

    /// Takes lots from the oldest entry at the best price; returns whether that used it up.
    pub(crate) fn take_front(&mut self, side: Side, lots: u64, now_us: u64) -> bool {
        let Some(price) = self.best(side) else { return false };
        let Some(level) = self.side_mut(side).get_mut(&price) else { return false };
        level.changed_us = now_us;
        let Some(front) = level.entries.front_mut() else { return false };
        front.lots = front.lots.saturating_sub(lots);
        let used_up = front.lots == 0;
        if used_up {
            let next = level.entries.pop_front().and_then(Entry::next_slice);
            level.entries.extend(next);
            if level.entries.is_empty() {
                self.side_mut(side).remove(&price);
            }
        }
        used_up
    }

    /// Makes an order smaller, which keeps its place at its price.
    pub(crate) fn shrink(&mut self, side: Side, price: u64, order: u64, lots: u64, now_us: u64) {
        let Some(level) = self.side_mut(side).get_mut(&price) else { return };
        let its =
            |entry: &&mut Entry| matches!(entry.owner, Owner::Order { order: known, .. } if known == order);
        if let Some(entry) = level.entries.iter_mut().find(its) {
            entry.shrink_to(lots);
            level.changed_us = now_us;
        }
    }

    /// Removes an order, wherever it stands at its price.
    pub(crate) fn remove(&mut self, side: Side, price: u64, order: u64, now_us: u64) {
        let levels = self.side_mut(side);
        let Some(level) = levels.get_mut(&price) else { return };
        level
            .entries
            .retain(|entry| !matches!(entry.owner, Owner::Order { order: known, .. } if known == order));
        level.changed_us = now_us;
        if level.entries.is_empty() {
            levels.remove(&price);
        }
    }

    /// Removes the house's entry at a price, if there is one.
    pub(crate) fn remove_house(&mut self, side: Side, price: u64, now_us: u64) {
        let levels = self.side_mut(side);
        let Some(level) = levels.get_mut(&price) else { return };
        level.entries.retain(|entry| entry.owner != Owner::House);
        level.changed_us = now_us;
        if level.entries.is_empty() {
            levels.remove(&price);
        }
    }

    /// Brings the house's entry at a price back to its full size, unless that would trade. Returns whether it did.
    pub(crate) fn restore_house(&mut self, side: Side, price: u64, lots: u64, now_us: u64) -> bool {
        let crosses = match (side, self.best(side.opposite())) {
            (_, None) => false,
            (Side::Buy, Some(ask)) => price >= ask,
            (Side::Sell, Some(bid)) => price <= bid,
        };
        if crosses {
            return false;
        }
        let level = self.side_mut(side).entry(price).or_default();
        level.changed_us = now_us;
        match level.entries.iter_mut().find(|entry| entry.owner == Owner::House) {
            Some(entry) => entry.lots = lots,
            None => level.entries.push_back(Entry::plain(Owner::House, lots)),
        }
        true
    }

    /// The lots that an arriving order gets for at most `notional`, price times lots.
    pub(crate) fn affords(&self, taker: Side, mut notional: u128) -> u64 {
        let mut affords = 0;
        for (price, entries, _) in self.queues(taker.opposite()) {
            let there = entries.iter().map(|entry| entry.lots + entry.hidden.lots).sum::<u64>();
            let taken = u64::try_from(notional / u128::from(price)).unwrap_or(u64::MAX).min(there);
            affords += taken;
            if taken < there {
                break;
            }
            notional -= u128::from(price) * u128::from(taken);
        }
        affords
    }

    /// What an arriving order may trade at once: up to `lots`, at `limit` or better. It ends before an entry for
    /// which `stops` says so, and passes over those for which `skips` does.
    pub(crate) fn reach(
        &self,
        taker: Side,
        limit: Option<u64>,
        lots: u64,
        stops: impl Fn(Owner) -> bool,
        skips: impl Fn(Owner) -> bool,
    ) -> Reach {
        let mut reach = Reach::default();
        let walk: Box<dyn Iterator<Item = (&u64, &Level)>> = match taker {
            Side::Buy => Box::new(self.asks.iter()),
            Side::Sell => Box::new(self.bids.iter().rev()),
        };
        for (price, level) in walk {
            if limit.is_some_and(|limit| !reaches(taker, limit, *price)) {
                break;
            }
            // What is hidden comes after all that shows at its price.
            let shown = level.entries.iter().map(|entry| (entry.owner, entry.lots));
            let hidden = level.entries.iter().map(|entry| (entry.owner, entry.hidden.lots));
            for (owner, there) in shown.chain(hidden) {
                if reach.lots == lots || stops(owner) {
                    return reach;
                }
                if !skips(owner) {
                    let taken = there.min(lots - reach.lots);
                    reach.lots += taken;
                    reach.notional += u128::from(*price) * u128::from(taken);
                }
            }
        }
        reach
    }
}

/// Whether an order with this limit may trade at this price.
pub(crate) fn reaches(taker: Side, limit: u64, price: u64) -> bool {
    match taker {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(order: u64, lots: u64) -> Entry {
        Entry::plain(Owner::Order { order, account: 0 }, lots)
    }

    #[test]
    fn price_first_then_time() {
        let mut book = Book::default();
        book.rest(Side::Sell, 101, entry(1, 5), 10);
        book.rest(Side::Sell, 100, entry(2, 5), 11);
        book.rest(Side::Sell, 100, entry(3, 7), 12);
        assert_eq!(book.front(Side::Sell), Some((100, entry(2, 5))));
        assert!(!book.take_front(Side::Sell, 4, 13));
        assert!(book.take_front(Side::Sell, 1, 14));
        assert_eq!(book.front(Side::Sell), Some((100, entry(3, 7))));
        assert_eq!(book.levels(Side::Sell).collect::<Vec<_>>(), [(100, 7, 14), (101, 5, 10)]);
        book.remove(Side::Sell, 100, 3, 15);
        assert_eq!(book.best(Side::Sell), Some(101));
        assert_eq!(book.best(Side::Buy), None);
    }

    #[test]
    fn reach_respects_limit_volume_and_owners() {
        let mut book = Book::default();
        for (price, order) in [(100, 1), (101, 2), (102, 3)] {
            book.rest(Side::Sell, price, entry(order, 10), 0);
        }
        let is = |wanted: u64| move |owner| matches!(owner, Owner::Order { order, .. } if order == wanted);
        let reach = |limit, lots, stop, skip| book.reach(Side::Buy, limit, lots, is(stop), is(skip));
        assert_eq!(reach(Some(101), 100, 0, 0), Reach { lots: 20, notional: 2_010 });
        assert_eq!(reach(None, 25, 0, 0), Reach { lots: 25, notional: 1_000 + 1_010 + 510 });
        assert_eq!(reach(None, 100, 2, 0), Reach { lots: 10, notional: 1_000 });
        assert_eq!(reach(None, 100, 0, 2), Reach { lots: 20, notional: 2_020 });
    }

    #[test]
    fn the_house_comes_back_but_never_trades_by_itself() {
        let mut book = Book::default();
        book.rest(Side::Sell, 100, Entry::plain(Owner::House, 3), 0);
        assert!(book.restore_house(Side::Sell, 100, 9, 1));
        assert_eq!(book.levels(Side::Sell).next(), Some((100, 9, 1)));
        assert!(!book.restore_house(Side::Buy, 100, 9, 1));
        assert!(book.restore_house(Side::Buy, 99, 9, 1));
        assert_eq!(book.best(Side::Buy), Some(99));
        book.rest(Side::Buy, 99, entry(1, 2), 2);
        book.remove_house(Side::Buy, 99, 3);
        assert_eq!(book.levels(Side::Buy).collect::<Vec<_>>(), [(99, 2, 3)]);
        book.remove_house(Side::Sell, 100, 3);
        assert_eq!(book.best(Side::Sell), None);
    }
}
