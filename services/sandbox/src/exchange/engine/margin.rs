//! Trading with lent money (Kraken docs: Add Order, `leverage`; support pages "Margin trading").
//!
//! *The idea.* With leverage nothing is exchanged between the account and the other side of a fill: the exchange's pool pays
//! and keeps what was bought, or sells what it has. The account owes the cost and is owed the goods, which is its position. A
//! fill the other way closes the oldest positions of the pair first, and what was gained or lost goes between account and pool; what
//! is more than that opens a position the other way. So the pool is empty where there are no positions, and each asset's sum
//! stays what it is. A loss may bring a balance below zero, as it does at Kraken.
//!
//! All that an account owns is collateral at its worth. Its equity, less the margin of its positions, is what new ones may
//! use, and what may leave the account. Where the equity falls below four tenths of the margin everything is closed at the market.

use super::{Engine, Fill, Status};
use crate::exchange::accounts::LedgerEntry;
use crate::exchange::book::{Entry, Owner, Side};
use crate::exchange::ids::Id;
use crate::exchange::markets::{DOLLAR, LOT_DECIMALS, PAIRS, TAKER_FEE};
use crate::exchange::order::{NewOrder, Order, OrderType, SelfTrade, TimeInForce, to_i128};
use crate::exchange::positions::{Closed, LENDING_FEE, POSITIONS_MAX, Position, ROLLS_AFTER_US, share};
use crate::exchange::refusal::Refusal;
use crate::wire::decimal;

/// Hundredths of the margin that the equity must not fall below (`margin_stop` of AssetPairs).
pub(crate) const MARGIN_STOP: i128 = 40;

pub(super) const REDUCED: &str = "Reduce only:Position is closed";

/// What the positions of an account come to, in one asset.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Margin {
    pub(crate) used: i128,
    pub(crate) net: i128,
    pub(crate) cost: i128,
    pub(crate) value: i128,
}

/// What a fill came to for its account.
pub(super) struct Booked {
    pub(super) ledgers: Vec<Id>,
    pub(super) fee: i128,
    pub(super) position: Id,
    pub(super) margin: i128,
    pub(super) closing: bool,
}

fn ten_thousandths(amount: i128, rate: i128) -> i128 {
    decimal::rescale(amount * rate, 4, 0)
}

impl Engine {
    pub(crate) fn margin(&self, account: usize, asset: usize) -> Margin {
        let prices = self.prices();
        self.positions.of(account).fold(Margin::default(), |sum, position| {
            let worth = |amount: i128| self.worth(amount, PAIRS[position.pair].quote, asset);
            let value = position.value(prices.index[position.pair]);
            Margin {
                used: sum.used + worth(position.open_margin()),
                net: sum.net + worth(position.net(value)),
                cost: sum.cost + worth(position.open_cost()),
                value: sum.value + worth(value),
            }
        })
    }

    /// What of an asset may leave an account: no more than its collateral can do without.
    pub(crate) fn movable(&self, account: usize, asset: usize) -> i128 {
        let available = self.accounts.get(account).available(asset);
        let Margin { used, net, .. } = self.margin(account, asset);
        if used == 0 { available } else { available.min(self.worth_of(account, asset) + net - used) }
    }

    /// What the open orders of an account would add to its margin, but for one.
    fn promised(&self, account: usize, asset: usize, but: Option<u64>) -> i128 {
        let live = self.open_orders(account).filter(|order| order.is_live() && Some(order.number) != but);
        let margin = |order: &Order| {
            let (leverage, limit) = (order.terms.leverage?, order.terms.limit?);
            let notional = u128::from(limit) * u128::from(order.open_lots());
            let cost = (!order.terms.reduce_only).then(|| cost_of(&order.terms, notional))?;
            Some(self.worth(cost / i128::from(leverage), order.terms.pair().quote, asset))
        };
        live.filter_map(margin).sum()
    }

    /// How much of an order's pair it could close.
    pub(super) fn closable(&self, account: usize, terms: &NewOrder) -> u64 {
        self.positions.open_lots(account, terms.pair, terms.side.opposite())
    }

    /// What an order may trade at the moment, whatever it asks for.
    pub(super) fn cap(&self, order: &Order) -> u64 {
        if order.terms.reduce_only { self.closable(order.account, &order.terms) } else { u64::MAX }
    }

    /// Refuses an order of so many lots and so much notional that cannot be paid. `own` is that order, if it is open already.
    pub(super) fn can_pay(
        &self,
        account: usize,
        terms: &NewOrder,
        (lots, notional): (u64, u128),
        own: Option<&Order>,
    ) -> Result<(), Refusal> {
        let Some(leverage) = terms.leverage else {
            let free = self.accounts.get(account).available(terms.held_asset());
            let enough = terms.hold(lots, notional) <= free + own.map_or(0, |order| order.held);
            return if enough { Ok(()) } else { Err(Refusal::InsufficientFunds) };
        };
        let (closable, quote) = (self.closable(account, terms), terms.pair().quote);
        if terms.order_type == OrderType::SettlePosition {
            return self.can_settle(account, terms, lots);
        }
        if closable == 0 && terms.reduce_only {
            return Err(Refusal::NoPosition);
        }
        let opens = lots.saturating_sub(closable);
        if opens == 0 || terms.reduce_only {
            return Ok(());
        }
        if self.positions.of(account).count() >= POSITIONS_MAX {
            return Err(Refusal::PositionsLimit);
        }
        let cost = share(cost_of(terms, notional), opens, lots);
        let needed = cost / i128::from(leverage) + ten_thousandths(cost, TAKER_FEE + LENDING_FEE);
        let Margin { used, net, .. } = self.margin(account, quote);
        let promised = self.promised(account, quote, own.map(|order| order.number));
        let free = self.worth_of(account, quote) + net - used - promised;
        if needed > free { Err(Refusal::InsufficientMargin) } else { Ok(()) }
    }

    /// What an account must have of its own to settle so many lots.
    fn can_settle(&self, account: usize, terms: &NewOrder, lots: u64) -> Result<(), Refusal> {
        let closable = self.closable(account, terms);
        if closable == 0 || lots > closable {
            return Err(Refusal::UnknownPosition);
        }
        let (mut left, mut cost) = (lots, 0);
        let its = |it: &&Position| (it.pair, it.side) == (terms.pair, terms.side.opposite());
        for position in self.positions.of(account).filter(its) {
            let taken = left.min(position.open_lots());
            cost += share(position.open_cost(), taken, position.open_lots());
            left -= taken;
        }
        let (pair, own) = (terms.pair(), self.accounts.get(account));
        let enough = match terms.side {
            Side::Sell => cost <= own.available(pair.quote),
            Side::Buy => base_of(terms.pair, lots) <= own.available(pair.base),
        };
        if enough { Ok(()) } else { Err(Refusal::InsufficientFunds) }
    }

    /// Closes up to so many lots of the positions that an order is against, oldest first. Returns how many, and what those had cost.
    fn close_positions(
        &mut self,
        order: &Order,
        lots: u64,
        (cost, fee): (i128, i128),
        trade: Option<Id>,
    ) -> (u64, i128, Option<Id>) {
        let (account, pair, side) = (order.account, order.terms.pair, order.terms.side.opposite());
        let (mut left, mut cost_left, mut fee_left) = (lots, cost, fee);
        let (mut own_cost, mut first) = (0, None);
        while left > 0
            && let Some((number, position)) = self.positions.oldest(account, pair, side)
        {
            let part = left.min(position.open_lots());
            let (cost, fee) = (share(cost_left, part, left), share(fee_left, part, left));
            own_cost += position.close(part, cost, fee, trade);
            first = first.or(Some(position.id));
            let is_closed = position.open_lots() == 0;
            (left, cost_left, fee_left) = (left - part, cost_left - cost, fee_left - fee);
            if is_closed {
                self.positions.retire(number);
            }
        }
        if first.is_some() && self.positions.open_lots(account, pair, side) == 0 {
            self.flat.push((account, pair, order.terms.side));
        }
        (lots - left, own_cost, first)
    }

    /// Books one side of a fill that is paid with lent money, or closes what was.
    pub(super) fn book_on_margin(
        &mut self,
        now_us: u64,
        order: &Order,
        leverage: u32,
        fill: Fill,
        rate: i128,
        trade: Id,
    ) -> Booked {
        let (account, terms, pair) = (order.account, &order.terms, order.terms.pair());
        let sign = if terms.side == Side::Buy { 1 } else { -1 };
        self.accounts.margin_pool[pair.base] += sign * base_of(terms.pair, fill.lots);
        self.accounts.margin_pool[pair.quote] -= sign * fill.cost;
        let fee = ten_thousandths(fill.cost, rate);
        let closable = self.closable(account, terms).min(fill.lots);
        let (cost, closing_fee) = (share(fill.cost, closable, fill.lots), share(fee, closable, fill.lots));
        let (closed, own_cost, first) =
            self.close_positions(order, closable, (cost, closing_fee), Some(trade));
        let mut booked = Booked { ledgers: Vec::new(), fee, position: trade, margin: 0, closing: closed > 0 };
        if let Some(position) = first {
            let gain = -sign * (cost - own_cost);
            self.accounts.margin_pool[pair.quote] -= gain;
            booked.position = position;
            booked.ledgers.push(self.book_lent(
                now_us,
                account,
                "margin",
                trade,
                pair.quote,
                gain,
                closing_fee,
            ));
        }
        let lots = fill.lots - closed;
        if lots > 0 {
            let cost = fill.cost - cost;
            let fee = fee - closing_fee + ten_thousandths(cost, LENDING_FEE);
            booked.fee = closing_fee + fee;
            booked.ledgers.push(self.book_lent(now_us, account, "margin", trade, pair.quote, 0, fee));
            (booked.position, booked.margin) = (self.ids.id(b'T'), cost / i128::from(leverage));
            self.positions.add(Position {
                id: booked.position,
                trade,
                order: order.id,
                account,
                pair: terms.pair,
                at_us: now_us,
                side: terms.side,
                order_type: terms.order_type,
                leverage,
                lots,
                cost,
                fee,
                margin: booked.margin,
                rolls_us: now_us + ROLLS_AFTER_US / self.speed,
                closed: Closed::default(),
            });
        }
        booked
    }

    /// Books what has to do with a position under a type of the ledger.
    #[expect(clippy::too_many_arguments, reason = "an entry has as many parts")]
    fn book_lent(
        &mut self,
        at_us: u64,
        account: usize,
        kind: &'static str,
        refid: Id,
        asset: usize,
        amount: i128,
        fee: i128,
    ) -> Id {
        let (id, refid) = (self.ids.id(b'L'), refid.into());
        let entry = LedgerEntry { account, refid, kind, subtype: "", at_us, asset, amount, fee, balance: 0 };
        self.accounts.book(id, entry);
        id
    }

    /// Settles positions with the account's own funds: it pays what it owes and gets what it is owed. No market sees it, and
    /// no fee is taken.
    pub(super) fn settle_position(&mut self, now_us: u64, mut order: Order) {
        let (account, pair) = (order.account, order.terms.pair());
        let refid = self.ids.id(b'T');
        let (lots, cost, _) = self.close_positions(&order, order.terms.lots, (0, 0), None);
        let sign = if order.terms.side == Side::Sell { 1 } else { -1 };
        let base = base_of(order.terms.pair, lots);
        for (asset, amount) in [(pair.quote, -sign * cost), (pair.base, sign * base)] {
            self.accounts.margin_pool[asset] -= amount;
            self.book_lent(now_us, account, "settled", refid, asset, amount, 0);
        }
        (order.filled_lots, order.cost) = (lots, cost);
        order.notional =
            u128::try_from(decimal::rescale(cost, pair.quote_decimals(), pair.notional_scale())).unwrap_or(0);
        let (status, reason) =
            if order.open_lots() == 0 { (Status::Closed, None) } else { (Status::Canceled, Some(REDUCED)) };
        self.archive(order, status, reason, now_us);
    }

    /// Positions that have stayed for so long pay for staying on.
    pub(super) fn roll_over(&mut self, now_us: u64) {
        let period_us = (ROLLS_AFTER_US / self.speed).max(1);
        while let Some((position, periods)) = self.positions.roll(now_us, period_us) {
            let fee = ten_thousandths(position.open_cost(), LENDING_FEE) * i128::from(periods);
            position.fee += fee;
            let (account, id, quote) = (position.account, position.id, PAIRS[position.pair].quote);
            self.book_lent(now_us, account, "rollover", id, quote, 0, fee);
        }
    }

    /// What stands best on a side of a book, and no more of it than its owner may trade. What only reduces a position ends
    /// where there is none any more.
    pub(super) fn offered(&mut self, now_us: u64, pair: usize, side: Side) -> Option<(u64, Entry)> {
        loop {
            let (price, mut entry) = self.books[pair].front(side)?;
            let Owner::Order { order, .. } = entry.owner else { return Some((price, entry)) };
            let cap = self.open_order(order).map_or(u64::MAX, |order| self.cap(order));
            if cap > 0 {
                entry.lots = entry.lots.min(cap);
                return Some((price, entry));
            }
            self.close_open(order, Status::Canceled, Some(REDUCED), now_us);
        }
    }

    /// Ends the orders that reduce a position which is no more.
    pub(super) fn drop_reducing(&mut self, now_us: u64) {
        for (account, pair, side) in std::mem::take(&mut self.flat) {
            let is_over = |order: &&Order| {
                order.terms.reduce_only && (order.terms.pair, order.terms.side) == (pair, side)
            };
            let over: Vec<_> = self.open_orders(account).filter(is_over).map(|order| order.number).collect();
            over.into_iter().for_each(|number| {
                self.close_open(number, Status::Canceled, Some(REDUCED), now_us);
            });
        }
    }

    /// Closes at the market what the equity of an account no longer carries. Returns whether anything was closed.
    pub(super) fn liquidate(&mut self, now_us: u64) -> bool {
        let mut any = false;
        for account in self.positions.accounts() {
            let Margin { used, net, .. } = self.margin(account, DOLLAR);
            if (self.worth_of(account, DOLLAR) + net) * 100 >= used * MARGIN_STOP {
                continue;
            }
            for (pair, side) in (0..PAIRS.len()).flat_map(|pair| [(pair, Side::Buy), (pair, Side::Sell)]) {
                let lots = self.positions.open_lots(account, pair, side);
                let leverage = self.positions.oldest(account, pair, side).map(|(_, it)| it.leverage);
                if lots > 0 && self.modes.matches(pair) {
                    let terms = NewOrder { leverage, ..liquidation(pair, side.opposite(), lots) };
                    let order = Order { liquidated: true, ..self.born(now_us, account, terms, None) };
                    self.set_out(now_us, order);
                    any |= self.positions.open_lots(account, pair, side) < lots;
                }
            }
        }
        any
    }
}

fn base_of(pair: usize, lots: u64) -> i128 {
    decimal::rescale(i128::from(lots), LOT_DECIMALS, PAIRS[pair].base_decimals())
}

fn cost_of(terms: &NewOrder, notional: u128) -> i128 {
    let pair = terms.pair();
    decimal::rescale_up(to_i128(notional), pair.notional_scale(), pair.quote_decimals())
}

/// The order that closes so much at the market.
fn liquidation(pair: usize, side: Side, lots: u64) -> NewOrder {
    NewOrder {
        reduce_only: true,
        fee_in_base: false,
        time_in_force: TimeInForce::ImmediateOrCancel,
        self_trade: SelfTrade::Oldest,
        ..NewOrder::bare(pair, side, OrderType::Market, lots)
    }
}
