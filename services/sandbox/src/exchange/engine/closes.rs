//! Conditional closes: for every fill of an order that has one, an order the other way, as large as the fill (Kraken docs: Add
//! Order, `close`). What it becomes has nothing to do with the first order any more.

use super::Engine;
use crate::exchange::book::Side;
use crate::exchange::ids::Id;
use crate::exchange::order::{NewOrder, Order};
use crate::exchange::terms::{Close, resolve};

/// A close that is to be placed once the fill is wholly booked.
#[derive(Debug)]
pub(super) struct Birth {
    account: usize,
    parent: Id,
    close: Close,
    terms: NewOrder,
    /// Of the fill.
    price: u64,
}

impl Engine {
    /// Notes that a fill of an order has to be closed, if it has.
    pub(super) fn expect_close(&mut self, order: &Order, price: u64, lots: u64) {
        let Some(close) = order.terms.close else { return };
        let side = order.terms.side.opposite();
        let leverage = order.terms.leverage;
        let terms = NewOrder {
            leverage,
            fee_in_base: side == Side::Sell && leverage.is_none(),
            self_trade: order.terms.self_trade,
            // Kraken does not say what the close inherits. With the number of its parent a client has to look at more
            // than that to tell the two apart.
            userref: order.terms.userref,
            ..NewOrder::bare(order.terms.pair, side, close.order_type, lots)
        };
        self.births.push_back(Birth { account: order.account, parent: order.id, close, terms, price });
    }

    /// Places a close. It is not judged: it can be smaller than an order may be, and it ends at once where there is nothing to
    /// pay it with.
    pub(super) fn bear(&mut self, now_us: u64, birth: &Birth) {
        let Birth { account, parent, close, terms, price } = birth;
        let mut prices = self.prices();
        prices.last[terms.pair] = *price;
        let asked = (Some(close.price), close.price2);
        let names = ["close[price]", "close[price2]"];
        let found = resolve(close.order_type, terms.side, terms.pair, asked, close.by, &prices, names);
        // Such prices were refused when the order was placed; only a fill far from there can make them impossible.
        let Ok(found) = found else { return };
        let terms = NewOrder { limit: found.limit, stop: found.stop, ..terms.clone() };
        self.accept(now_us, *account, terms, Some(*parent));
    }
}
