//! Changing an open order in place (Kraken docs: Amend Order).

use super::Engine;
use super::endings::BY_USER;
use crate::exchange::book::reaches;
use crate::exchange::ids::Id;
use crate::exchange::intake::enough_shows;
use crate::exchange::markets::PAIRS;
use crate::exchange::order::{Amend, NewOrder, Order, Status, to_i128};
use crate::exchange::prices::{Asked, Offset, Prices};
use crate::exchange::refusal::{Refusal, wrong};
use crate::exchange::terms::Stop;
use crate::wire::decimal;

/// Changes of one order that are kept; the original stays, the next oldest are forgotten.
const AMENDS_MAX: usize = 1_000;

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amendment {
    /// The new whole volume, what was executed included.
    pub(crate) lots: Option<u64>,
    /// What an iceberg shows.
    pub(crate) shows: Option<u64>,
    /// Relative ones are taken from the last trade; of a trailing stop they are its distances.
    pub(crate) limit: Option<Asked>,
    pub(crate) trigger: Option<Asked>,
    /// Refuse a price that would take.
    pub(crate) post_only: bool,
}

impl Amendment {
    /// The terms as they are to be. What the order's type does not have, or has no more, is refused by its name.
    fn of(self, old: &NewOrder, prices: &Prices) -> Result<NewOrder, Refusal> {
        let mut terms = old.clone();
        let (pair, last) = (terms.pair(), prices.last[terms.pair]);
        terms.lots = self.lots.unwrap_or(terms.lots);
        if let Some(shows) = self.shows {
            terms.shows = terms.shows.map(|_| Some(shows)).ok_or_else(|| wrong("display_qty"))?;
        }
        if let Some(asked) = self.trigger {
            let stop =
                terms.stop.as_mut().filter(|stop| !stop.fired).ok_or_else(|| wrong("trigger_price"))?;
            let at = match (stop.trail, asked) {
                (None, asked) => asked.resolve(!stop.rises, last, pair),
                (Some(_), Asked::Off(trail @ Offset { below: false, .. })) => {
                    stop.trail = Some(trail);
                    Stop::trailed(trail, stop.rises, prices.of(old.pair, stop.by), pair)
                }
                _ => None,
            };
            stop.at = at.ok_or_else(|| wrong("trigger_price"))?;
        }
        if let Some(asked) = self.limit {
            let limit = asked.limit(terms.side, last, pair).ok_or_else(|| wrong("limit_price"))?;
            match &mut terms.stop {
                None if terms.limit.is_some() => terms.limit = Some(limit),
                Some(stop) if stop.limit.is_some() && stop.fired => {
                    (terms.limit, stop.limit) = (Some(limit), Some(Asked::At(limit)));
                }
                Some(stop) if stop.limit.is_some() => match (stop.trail, asked) {
                    (None, _) => stop.limit = Some(Asked::At(limit)),
                    (Some(_), Asked::Off(_)) => stop.limit = Some(asked),
                    _ => return Err(wrong("limit_price")),
                },
                _ => return Err(wrong("limit_price")),
            }
        }
        Ok(terms)
    }
}

impl Engine {
    /// Changes an open order and returns the id of the change. The order keeps its id, its fills and, when it only becomes
    /// smaller, its place. A volume that is executed already ends it. One that waits goes on waiting, under its new terms.
    pub(crate) fn amend(&mut self, now_us: u64, number: u64, wanted: Amendment) -> Result<Id, Refusal> {
        let order = self.open.get(&number).ok_or(Refusal::UnknownOrder)?;
        self.modes.takes_change(order.terms.pair, &wanted)?;
        let (old, is_live) = (&order.terms, order.is_live());
        let terms = wanted.of(old, &self.prices())?;
        let parts = |terms: &NewOrder| (terms.lots, terms.limit, terms.stop, terms.shows);
        if parts(&terms) == parts(old) {
            return Err(Refusal::NothingToAmend);
        }
        let (filled_lots, lots, limit) = (order.filled_lots, terms.lots, terms.limit);
        if lots > filled_lots {
            self.judge_amended(order, &terms, wanted.post_only)?;
        }
        let same_but_smaller = (limit, terms.stop, terms.shows) == (old.limit, old.stop, old.shows);
        let shrinks = is_live && same_but_smaller && (filled_lots + 1..old.lots).contains(&lots);
        let id = self.ids.id(b'T');
        let stamp =
            Stamp { id, at_us: now_us, post_only: wanted.post_only, hidden_until_us: self.hides_until_us };
        let pair = terms.pair;
        if shrinks {
            if let Some(mut order) = self.open.remove(&number) {
                stamp.change(&mut order, terms);
                self.hold(&mut order);
                if let Some(price) = limit {
                    self.books[pair].shrink(order.terms.side, price, number, order.open_lots(), now_us);
                }
                self.open.insert(number, order);
            }
        } else if let Some(mut order) = self.detach(number, now_us) {
            if lots > filled_lots {
                stamp.change(&mut order, terms);
                if is_live { self.arrive(now_us, order) } else { self.park(order) }
            } else {
                // What was executed cannot be made less.
                let old = order.terms.clone();
                stamp.change(&mut order, terms);
                order.terms = old;
                self.archive(order, Status::Canceled, Some(BY_USER), now_us);
            }
        }
        self.restore_house(now_us, pair);
        self.follow_up(now_us);
        Ok(id)
    }

    /// Judges what an order is to become, as it would be judged if it were new.
    fn judge_amended(&self, order: &Order, terms: &NewOrder, post_only: bool) -> Result<(), Refusal> {
        let (pair, side, rest) = (&PAIRS[terms.pair], terms.side, terms.lots - order.filled_lots);
        let price = terms.likely_price().unwrap_or_default();
        let worth = |lots: u64| u128::from(price) * u128::from(lots);
        if terms.lots < pair.order_min {
            return Err(Refusal::OrderMinimum);
        }
        if to_i128(worth(terms.lots)) < decimal::rescale(pair.cost_min, 5, pair.notional_scale()) {
            return Err(Refusal::CostMinimum);
        }
        if terms.shows.is_some_and(|shows| !enough_shows(shows.min(rest), rest)) {
            return Err(wrong("display_qty"));
        }
        let best = self.books[terms.pair].best(side.opposite());
        if post_only && order.is_live() && best.is_some_and(|best| reaches(side, price, best)) {
            return Err(Refusal::PostOnly);
        }
        self.can_pay(order.account, terms, (rest, worth(rest)), Some(order))
    }
}

/// What is written of a change beside the terms.
struct Stamp {
    id: Id,
    at_us: u64,
    post_only: bool,
    hidden_until_us: u64,
}

impl Stamp {
    /// Gives an order new terms and writes that down.
    fn change(self, order: &mut Order, terms: NewOrder) {
        if order.amends.is_empty() {
            order.amends.push(order.original());
        }
        if order.amends.len() == AMENDS_MAX {
            order.amends.remove(1);
        }
        order.terms = terms;
        let Self { id, at_us, post_only, hidden_until_us } = self;
        order.amends.push(Amend { at_us, post_only, hidden_until_us, ..order.as_amended(id) });
    }
}
