//! Orders that wait: for a price that sets them off, or for their time.
//!
//! They are open, they can be amended and cancelled, and they are in no book. When the price comes they go to the market as
//! what their type says, under their own id. Whatever can move a price ends in [`follow_up`](Engine::follow_up), which goes on
//! until nothing follows any more: one that goes off trades, and its trade may set off the next. Each waits once and goes off
//! once, so that an event costs at most as much as there are orders that wait.
//!
//! Nothing is held for what waits. Kraken does not say whether it does that; not to is the harder case for a client, whose
//! order can then go off and find no money. It must be payable when it is placed, and again when it goes off: else it ends there.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Engine, REDUCED, Status};
use crate::exchange::book::Side;
use crate::exchange::markets::{PAIR_COUNT, PAIRS};
use crate::exchange::order::Order;
use crate::exchange::prices::{Prices, Reference};
use crate::exchange::refusal::Refusal;
use crate::exchange::terms::Stop;

const NO_FUNDS: &str = "Insufficient funds";
const NO_MARGIN: &str = "Insufficient margin";

/// Which orders a price sets off, by pair and reference.
#[derive(Debug, Default)]
pub(super) struct Triggers([[Waiting; 2]; PAIR_COUNT]);

/// Those that wait for one reference of one pair: by the price that sets them off, the nearest first, then by age.
#[derive(Debug, Default)]
struct Waiting {
    rises: BTreeSet<(u64, u64)>,
    falls: BTreeSet<(Reverse<u64>, u64)>,
    /// Those of them whose price follows the reference.
    trailing: BTreeSet<u64>,
    /// The reference that they were last shown.
    seen: u64,
}

impl Waiting {
    fn add(&mut self, number: u64, stop: &Stop) {
        if stop.rises {
            self.rises.insert((stop.at, number));
        } else {
            self.falls.insert((Reverse(stop.at), number));
        }
        if stop.trail.is_some() {
            self.trailing.insert(number);
        }
    }

    fn remove(&mut self, number: u64, stop: &Stop) {
        self.rises.remove(&(stop.at, number));
        self.falls.remove(&(Reverse(stop.at), number));
        self.trailing.remove(&number);
    }

    /// The next that goes off at this price.
    fn due(&self, price: u64) -> Option<u64> {
        let risen = self.rises.first().filter(|(at, _)| *at <= price).map(|(_, number)| *number);
        let fallen = || self.falls.first().filter(|(at, _)| at.0 >= price).map(|(_, number)| *number);
        risen.or_else(fallen)
    }
}

impl Triggers {
    fn of(&mut self, pair: usize, by: Reference) -> &mut Waiting {
        &mut self.0[pair][by as usize]
    }
}

impl Engine {
    /// What every pair trades at. The market outside is what the best prices here have in their middle: the house knows no
    /// other. Without them the last trade stands in for it, as Kraken has it when its own index fails.
    pub(crate) fn prices(&self) -> Prices {
        let last = std::array::from_fn(|pair| self.tapes[pair].last().0);
        let middle = |pair: usize| {
            let book = &self.books[pair];
            book.best(Side::Buy).zip(book.best(Side::Sell)).map(|(bid, ask)| u64::midpoint(bid, ask))
        };
        Prices { last, index: std::array::from_fn(|pair| middle(pair).unwrap_or(last[pair])) }
    }

    /// Lets an order go where it belongs: to the market, or to those that wait.
    pub(super) fn set_out(&mut self, now_us: u64, order: Order) {
        if !order.is_live() {
            self.park(order);
        } else {
            match self.can_set_out(order.account, &order.terms) {
                Ok(()) => self.arrive(now_us, order),
                Err(Refusal::InsufficientFunds) => {
                    self.archive(order, Status::Canceled, Some(NO_FUNDS), now_us);
                }
                Err(Refusal::NoPosition | Refusal::UnknownPosition) => {
                    self.archive(order, Status::Canceled, Some(REDUCED), now_us);
                }
                Err(_) => self.archive(order, Status::Canceled, Some(NO_MARGIN), now_us),
            }
        }
    }

    /// Lets an order wait for its time or its price.
    pub(super) fn park(&mut self, order: Order) {
        if let (Status::Pending, Some(starts_us)) = (order.status, order.terms.starts_us) {
            self.starts.insert((starts_us, order.number));
        } else if let Some(stop) = &order.terms.stop {
            self.triggers.of(order.terms.pair, stop.by).add(order.number, stop);
        }
        self.keep(order);
    }

    /// Takes an order out of the lists of those that wait.
    pub(super) fn unpark(&mut self, order: &Order) {
        if let (Status::Pending, Some(starts_us)) = (order.status, order.terms.starts_us) {
            self.starts.remove(&(starts_us, order.number));
        } else if let Some(stop) = &order.terms.stop {
            self.triggers.of(order.terms.pair, stop.by).remove(order.number, stop);
        }
    }

    /// The time of an order has come.
    pub(super) fn start(&mut self, now_us: u64, number: u64) {
        if let Some(mut order) = self.detach(number, now_us) {
            order.status = Status::Open;
            self.set_out(now_us, order);
        }
    }

    /// Does what follows from what was just done: closes are placed for fills, stops follow prices and go off.
    pub(crate) fn follow_up(&mut self, now_us: u64) {
        loop {
            self.drop_reducing(now_us);
            while let Some(birth) = self.births.pop_front() {
                self.bear(now_us, &birth);
            }
            let prices = self.prices();
            // Where nothing is matched nothing goes off.
            let moving: Vec<_> = (0..PAIR_COUNT).filter(|pair| self.modes.matches(*pair)).collect();
            let places = moving.into_iter().flat_map(|pair| Reference::ALL.map(|by| (pair, by)));
            let due = places.into_iter().find_map(|(pair, by)| self.due(pair, by, prices.of(pair, by)));
            match due {
                Some(number) => self.fire(now_us, number),
                None if self.liquidate(now_us) => {}
                None => return,
            }
        }
    }

    pub(super) fn due(&mut self, pair: usize, by: Reference, price: u64) -> Option<u64> {
        let waiting = self.triggers.of(pair, by);
        if std::mem::replace(&mut waiting.seen, price) != price {
            let trailing: Vec<_> = waiting.trailing.iter().copied().collect();
            trailing.into_iter().for_each(|number| self.trail(pair, by, price, number));
        }
        self.triggers.of(pair, by).due(price)
    }

    /// Lets the trigger of a trailing stop follow the price, which it does in one direction only.
    fn trail(&mut self, pair: usize, by: Reference, price: u64, number: u64) {
        let Some(stop) = self.open.get_mut(&number).and_then(|order| order.terms.stop.as_mut()) else {
            return;
        };
        let Some(at) = stop.trail.and_then(|trail| Stop::trailed(trail, stop.rises, price, &PAIRS[pair]))
        else {
            return;
        };
        if at != stop.at && (at < stop.at) == stop.rises {
            let waiting = self.triggers.of(pair, by);
            waiting.remove(number, stop);
            stop.at = at;
            waiting.add(number, stop);
        }
    }

    fn fire(&mut self, now_us: u64, number: u64) {
        let Some(mut order) = self.detach(number, now_us) else { return };
        let pair = order.terms.pair();
        if let Some(stop) = &mut order.terms.stop {
            stop.fired = true;
            order.terms.limit = stop.limit_from(stop.at, pair);
            if stop.limit.is_some() && order.terms.limit.is_none() {
                // So far below where it went off that there is no price.
                order.terms.limit = Some(pair.tick);
            }
        }
        self.set_out(now_us, order);
    }
}
