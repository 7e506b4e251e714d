//! What an order must be before it is accepted: large enough, payable, and one of not too many.

use std::borrow::Cow;

use super::Engine;
use crate::exchange::book::{Owner, Reach, reaches};
use crate::exchange::order::{NewOrder, SelfTrade, to_i128};
use crate::exchange::refusal::Refusal;
use crate::wire::decimal;

impl Engine {
    /// Judges an order as [`place`](Self::place) does, and places nothing.
    pub(crate) fn judge(&self, account: usize, terms: &NewOrder) -> Result<(), Refusal> {
        self.modes.takes(terms)?;
        let terms = &*self.measured(account, terms);
        let (pair, owner) = (terms.pair(), self.accounts.get(account));
        let in_pair = || self.open_orders(account).filter(|order| order.terms.pair == terms.pair).count();
        let open_max = self.counters.open_orders_max();
        if owner.open.len() >= open_max && in_pair() >= open_max {
            return Err(Refusal::OrdersLimit);
        }
        let closable = terms.leverage.map_or(0, |_| self.closable(account, terms));
        if terms.lots == 0 {
            return Err(Refusal::UnknownPosition);
        }
        // What is left of a position can be smaller than an order may be.
        let closes_all = closable > 0 && terms.lots == closable;
        if terms.lots < pair.order_min && !closes_all {
            return Err(Refusal::OrderMinimum);
        }
        let best = self.books[terms.pair].best(terms.side.opposite());
        let price = terms.likely_price().or(best).unwrap_or(self.tapes[terms.pair].last().0);
        let notional = u128::from(price) * u128::from(terms.lots);
        let cost_min = decimal::rescale(pair.cost_min, 5, pair.notional_scale());
        if to_i128(notional) < cost_min && !closes_all {
            return Err(Refusal::CostMinimum);
        }
        if terms.cl_ord_id.as_ref().is_some_and(|id| owner.cl_ord_ids.contains_key(id)) {
            return Err(Refusal::InvalidOrder);
        }
        let would_take =
            || best.zip(terms.limit).is_some_and(|(best, limit)| reaches(terms.side, limit, best));
        if terms.post_only && terms.starts_us.is_none() && would_take() {
            return Err(Refusal::PostOnly);
        }
        self.can_set_out(account, terms)
    }

    /// An order that names what it spends, with what that buys now; one that closes a position whatever its size, with that.
    pub(super) fn measured<'t>(&self, account: usize, terms: &'t NewOrder) -> Cow<'t, NewOrder> {
        if terms.lots == 0 {
            return Cow::Owned(NewOrder { lots: self.closable(account, terms), ..terms.clone() });
        }
        let Some(spends) = terms.spends else { return Cow::Borrowed(terms) };
        let notional = u128::from(spends) * 10_u128.pow(terms.pair().price_decimals);
        let lots = self.books[terms.pair].affords(terms.side, notional);
        Cow::Owned(NewOrder { lots, ..terms.clone() })
    }

    /// Refuses an order that cannot be paid whole, at its price or at what the book has for it.
    pub(super) fn can_set_out(&self, account: usize, terms: &NewOrder) -> Result<(), Refusal> {
        let notional = match terms.likely_price().filter(|_| terms.limit.is_some() || terms.waits_for_price())
        {
            Some(price) => u128::from(price) * u128::from(terms.lots),
            None => self.reach(account, terms).notional,
        };
        self.can_pay(account, terms, (terms.lots, notional), None)
    }

    /// What an order could trade at once, without what self-trade prevention keeps it from.
    pub(super) fn reach(&self, account: usize, terms: &NewOrder) -> Reach {
        let own = |owner| matches!(owner, Owner::Order { account: theirs, .. } if theirs == account);
        let oldest_goes = terms.self_trade == SelfTrade::Oldest;
        let (stops, skips) = (|owner| !oldest_goes && own(owner), |owner| oldest_goes && own(owner));
        self.books[terms.pair].reach(terms.side, terms.limit, terms.lots, stops, skips)
    }
}
