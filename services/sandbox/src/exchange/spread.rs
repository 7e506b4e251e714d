//! How the best prices of a pair have moved (Kraken docs: Get Recent Spreads).

use std::collections::VecDeque;

use super::book::{Book, Side};
use super::engine::Engine;
use super::markets::{COST_DECIMALS, PAIRS};
use super::public::{one_pair, since_s};
use super::refusal::Refusal;
use crate::wire::decimal;
use crate::wire::json::success;
use crate::wire::params::Params;

/// Changes kept for each pair.
const KEPT_MAX: usize = 200;

/// The last changes of a pair's best prices, oldest first: when, bid, ask.
#[derive(Debug, Default)]
pub(crate) struct Spreads(VecDeque<(u64, u64, u64)>);

impl Spreads {
    /// Writes down what the book says now, if that is new. A book with an empty side has no spread.
    fn watch(&mut self, now_us: u64, book: &Book) {
        let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) else { return };
        if self.0.back().is_some_and(|(_, last_bid, last_ask)| (*last_bid, *last_ask) == (bid, ask)) {
            return;
        }
        if self.0.len() == KEPT_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now_us, bid, ask));
    }
}

impl Engine {
    /// Looks at the best prices of all pairs.
    pub(crate) fn watch(&mut self, now_us: u64) {
        for (spreads, book) in self.spreads.iter_mut().zip(&self.books) {
            spreads.watch(now_us, book);
        }
    }
}

/// `Spread`. Times are whole seconds, and `since` is a time that still counts: what changed later in the second of
/// `last` would be lost otherwise.
pub(crate) fn spread(engine: &Engine, params: &Params) -> Result<String, Refusal> {
    let (index, since_s) = (one_pair(params)?, since_s(params)?);
    let pair = &PAIRS[index];
    let scaled = |price: u64| decimal::rescale(i128::from(price), pair.price_decimals, COST_DECIMALS);
    let found: Vec<_> =
        engine.spreads[index].0.iter().filter(|(at_us, ..)| at_us / 1_000_000 >= since_s).collect();
    Ok(success(|json| {
        json.object(|json| {
            json.field(pair.id).array(|json| {
                for (at_us, bid, ask) in &found {
                    json.array(|json| {
                        json.integer(at_us / 1_000_000);
                        json.decimal(scaled(*bid), COST_DECIMALS);
                        json.decimal(scaled(*ask), COST_DECIMALS);
                    });
                }
            });
            json.field("last").integer(found.last().map_or(since_s, |(at_us, ..)| at_us / 1_000_000));
        });
    }))
}

#[cfg(test)]
mod tests {
    use super::super::book::{Entry, Owner};
    use super::*;

    #[test]
    fn only_changes_are_kept_and_not_too_many() {
        let (mut book, mut spreads) = (Book::default(), Spreads::default());
        let entry = Entry::plain(Owner::House, 1);
        book.rest(Side::Buy, 100, entry, 0);
        spreads.watch(1, &book);
        assert!(spreads.0.is_empty(), "nobody sells");
        for at in 0..500 {
            book.rest(Side::Sell, 1_000 - at, entry, at);
            spreads.watch(at, &book);
            spreads.watch(at, &book);
        }
        assert_eq!(spreads.0.len(), KEPT_MAX);
        assert_eq!((spreads.0[0], spreads.0.back()), ((300, 100, 700), Some(&(499, 100, 501))));
    }
}
