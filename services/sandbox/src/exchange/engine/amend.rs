//! Changing an open order in place (Kraken docs: Amend Order).

use super::Engine;
use super::endings::BY_USER;
use crate::exchange::book::reaches;
use crate::exchange::ids::Id;
use crate::exchange::markets::PAIRS;
use crate::exchange::order::{Amend, Status, to_i128};
use crate::exchange::refusal::Refusal;
use crate::wire::decimal;

/// Changes of one order that are kept; the original stays, the next oldest are forgotten.
const AMENDS_MAX: usize = 1_000;

/// What is to be changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amendment {
    /// The new whole volume, what was executed included.
    pub(crate) lots: Option<u64>,
    pub(crate) limit: Option<u64>,
    /// Refuse a price that would take.
    pub(crate) post_only: bool,
}

impl Engine {
    /// Changes an open order and returns the id of the change. The order keeps its id, its fills and, when it only becomes
    /// smaller, its place. A volume that is executed already ends it.
    pub(crate) fn amend(&mut self, now_us: u64, number: u64, wanted: Amendment) -> Result<Id, Refusal> {
        let order = self.open.get(&number).ok_or(Refusal::UnknownOrder)?;
        let (terms, filled_lots) = (&order.terms, order.filled_lots);
        let (pair, side, held_asset) = (terms.pair, terms.side, terms.held_asset());
        let old = (terms.lots, terms.limit);
        self.modes.takes_change(pair, &wanted)?;
        let (lots, limit) = (wanted.lots.unwrap_or(terms.lots), wanted.limit.or(terms.limit));
        if (lots, limit) == old {
            return Err(Refusal::NothingToAmend);
        }
        if lots > filled_lots {
            let rest = lots - filled_lots;
            let price = limit.unwrap_or_default();
            let notional = u128::from(price) * u128::from(rest);
            let scale = PAIRS[pair].notional_scale();
            if lots < PAIRS[pair].order_min {
                return Err(Refusal::OrderMinimum);
            }
            if to_i128(u128::from(price) * u128::from(lots))
                < decimal::rescale(PAIRS[pair].cost_min, 5, scale)
            {
                return Err(Refusal::CostMinimum);
            }
            let best = self.books[pair].best(side.opposite());
            if wanted.post_only && best.is_some_and(|best| reaches(side, price, best)) {
                return Err(Refusal::PostOnly);
            }
            let free = self.accounts.get(order.account).available(held_asset) + order.held;
            if terms.hold(rest, notional) > free {
                return Err(Refusal::InsufficientFunds);
            }
        }
        let change = Amend {
            id: self.ids.id(b'T'),
            original: false,
            at_us: now_us,
            lots,
            remaining_lots: lots.saturating_sub(filled_lots),
            limit,
            post_only: wanted.post_only,
            hidden_until_us: self.hides_until_us,
        };
        let id = change.id;
        let shrinks = limit == old.1 && (filled_lots + 1..old.0).contains(&lots);
        if shrinks {
            if let Some(mut order) = self.open.remove(&number) {
                note(&mut order, change);
                order.terms.lots = lots;
                self.hold(&mut order);
                if let Some(price) = limit {
                    self.books[pair].shrink(side, price, number, order.open_lots(), now_us);
                }
                self.open.insert(number, order);
            }
        } else if let Some(mut order) = self.detach(number, now_us) {
            note(&mut order, change);
            if lots > filled_lots {
                (order.terms.lots, order.terms.limit) = (lots, limit);
                self.arrive(now_us, order);
            } else {
                self.archive(order, Status::Canceled, Some(BY_USER), now_us);
            }
        }
        self.restore_house(now_us, pair);
        Ok(id)
    }
}

fn note(order: &mut crate::exchange::order::Order, change: Amend) {
    if order.amends.is_empty() {
        order.amends.push(order.original());
    }
    if order.amends.len() == AMENDS_MAX {
        order.amends.remove(1);
    }
    order.amends.push(change);
}
