//! Icebergs: limit orders of which the book shows a slice at a time.
//!
//! A slice that is used up is followed by the next one, behind all others at its price: what is hidden has no place in the
//! queue. Nobody sees it, but whoever asks for more than the level shows gets it.

use super::book::{Entry, Owner};

/// What of an entry is not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hidden {
    pub(crate) lots: u64,
    /// How much is shown at a time.
    slice: u64,
}

impl Entry {
    /// An entry of which everything shows.
    pub(crate) fn plain(owner: Owner, lots: u64) -> Self {
        Self { owner, lots, hidden: Hidden::default() }
    }

    /// An entry that shows no more than `shows`.
    pub(crate) fn showing(owner: Owner, lots: u64, shows: Option<u64>) -> Self {
        let slice = shows.unwrap_or(lots);
        let shown = lots.min(slice);
        Self { owner, lots: shown, hidden: Hidden { lots: lots - shown, slice } }
    }

    /// What comes after it is used up.
    pub(crate) fn next_slice(self) -> Option<Self> {
        let Hidden { lots, slice } = self.hidden;
        (lots > 0).then(|| Self::showing(self.owner, lots, Some(slice)))
    }

    /// Makes it smaller: what is hidden goes first.
    pub(crate) fn shrink_to(&mut self, lots: u64) {
        self.lots = self.lots.min(lots);
        self.hidden.lots = self.hidden.lots.min(lots - self.lots);
    }
}

#[cfg(test)]
mod tests {
    use super::super::book::{Book, Reach, Side};
    use super::*;

    const ICEBERG: Owner = Owner::Order { order: 1, account: 0 };
    const OTHER: Owner = Owner::Order { order: 2, account: 1 };

    #[test]
    fn slices_follow_one_another_behind_those_who_wait() {
        let mut book = Book::default();
        book.rest(Side::Sell, 100, Entry::showing(ICEBERG, 25, Some(10)), 0);
        book.rest(Side::Sell, 100, Entry::plain(OTHER, 7), 0);
        let shown = |book: &Book| book.levels(Side::Sell).map(|(_, lots, _)| lots).collect::<Vec<_>>();
        let front = |book: &Book| book.front(Side::Sell).map(|(_, entry)| (entry.owner, entry.lots));
        assert_eq!((shown(&book), front(&book)), (vec![17], Some((ICEBERG, 10))));
        assert!(!book.take_front(Side::Sell, 4, 1));
        assert!(book.take_front(Side::Sell, 6, 1));
        assert_eq!((shown(&book), front(&book)), (vec![17], Some((OTHER, 7))));
        assert!(book.take_front(Side::Sell, 7, 1));
        assert!(book.take_front(Side::Sell, 10, 1));
        assert_eq!((shown(&book), front(&book)), (vec![5], Some((ICEBERG, 5))), "the last slice");
        assert!(book.take_front(Side::Sell, 5, 1));
        assert_eq!(front(&book), None);
    }

    #[test]
    fn what_is_hidden_can_be_had_after_all_that_shows_at_its_price() {
        let mut book = Book::default();
        book.rest(Side::Sell, 100, Entry::showing(ICEBERG, 25, Some(10)), 0);
        book.rest(Side::Sell, 100, Entry::plain(OTHER, 7), 0);
        book.rest(Side::Sell, 101, Entry::plain(OTHER, 50), 0);
        let is = |wanted: Owner| move |owner| owner == wanted;
        let reach = |lots, stop, skip| book.reach(Side::Buy, None, lots, is(stop), is(skip));
        assert_eq!(reach(40, Owner::House, Owner::House), Reach { lots: 40, notional: 3_200 + 8 * 101 });
        assert_eq!(reach(40, OTHER, Owner::House), Reach { lots: 10, notional: 1_000 });
        assert_eq!(reach(40, Owner::House, ICEBERG), Reach { lots: 40, notional: 700 + 33 * 101 });
    }

    #[test]
    fn an_iceberg_melts_from_below() {
        let mut entry = Entry::showing(ICEBERG, 25, Some(10));
        entry.shrink_to(12);
        assert_eq!((entry.lots, entry.hidden.lots), (10, 2));
        entry.shrink_to(4);
        assert_eq!((entry.lots, entry.hidden.lots), (4, 0));
        assert_eq!(entry.next_slice(), None);
    }
}
