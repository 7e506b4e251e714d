//! What a fill is for each of its two sides: on the ledger, on the order, among the trades.

use super::margin::Booked;
use super::{Engine, Fill};
use crate::exchange::accounts::LedgerEntry;
use crate::exchange::book::Side;
use crate::exchange::ids::Id;
use crate::exchange::markets::{LOT_DECIMALS, MAKER_FEE, TAKER_FEE};
use crate::exchange::order::{Order, Trade};
use crate::wire::decimal;

impl Engine {
    /// Books one side of a fill.
    pub(super) fn settle(&mut self, now_us: u64, order: &mut Order, fill: Fill, maker: bool) {
        let rate = if maker { MAKER_FEE } else { TAKER_FEE };
        let refid = self.ids.id(b'T');
        let Booked { ledgers, fee, position, margin, closing } = match order.terms.leverage {
            Some(leverage) => self.book_on_margin(now_us, order, leverage, fill, rate, refid),
            None => self.book_spot(now_us, order, fill, rate, refid),
        };
        order.filled_lots += fill.lots;
        order.notional += u128::from(fill.price) * u128::from(fill.lots);
        order.cost += fill.cost;
        order.fee += fee;
        order.trades.push(refid);
        self.expect_close(order, fill.price, fill.lots);
        let trade = Trade {
            order: order.id,
            position,
            pair: order.terms.pair,
            at_us: now_us,
            side: order.terms.side,
            order_type: order.terms.order_type,
            price: fill.price,
            lots: fill.lots,
            cost: fill.cost,
            fee,
            fee_in_base: order.terms.fee_in_base,
            leverage: order.terms.leverage,
            margin,
            closing,
            ledgers,
            number: fill.number,
            maker,
        };
        let number = self.trades.push(refid, trade);
        let list = &mut self.accounts.get_mut(order.account).trades;
        list.push_back(number);
        self.trades.trim(list);
    }

    /// What was bought and what it cost change hands, less the fee.
    fn book_spot(&mut self, now_us: u64, order: &Order, fill: Fill, rate: i128, trade: Id) -> Booked {
        let pair = order.terms.pair();
        let base = decimal::rescale(i128::from(fill.lots), LOT_DECIMALS, pair.base_decimals());
        let fee_of = |amount: i128| decimal::rescale(amount * rate, 4, 0);
        let (base_fee, quote_fee) =
            if order.terms.fee_in_base { (fee_of(base), 0) } else { (0, fee_of(fill.cost)) };
        let sign = if order.terms.side == Side::Buy { 1 } else { -1 };
        let ledgers = [self.ids.id(b'L'), self.ids.id(b'L')];
        let sides = [(pair.base, sign * base, base_fee), (pair.quote, -sign * fill.cost, quote_fee)];
        for (id, (asset, amount, fee)) in ledgers.into_iter().zip(sides) {
            let (account, refid) = (order.account, trade.into());
            let entry = LedgerEntry {
                account,
                refid,
                kind: "trade",
                subtype: "",
                at_us: now_us,
                asset,
                amount,
                fee,
                balance: 0,
            };
            self.accounts.book(id, entry);
        }
        let (position, fee) = (self.ids.id(b'T'), base_fee + quote_fee);
        Booked { ledgers: ledgers.to_vec(), fee, position, margin: 0, closing: false }
    }
}
