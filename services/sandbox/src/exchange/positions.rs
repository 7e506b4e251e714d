//! Margin positions as the exchange keeps them, and as Kraken shows them (Kraken docs: Get Open Positions, Get Trades
//! History).

use std::collections::{BTreeMap, BTreeSet};

use super::archive::Archive;
use super::book::Side;
use super::engine::Engine;
use super::ids::Id;
use super::intake::flag;
use super::markets::{COST_DECIMALS, LOT_DECIMALS, PAIRS, Pair};
use super::order::{OrderType, to_i128};
use super::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Open positions of one account.
pub(crate) const POSITIONS_MAX: usize = 1_000;
/// Closed positions kept.
const CLOSED_MAX: usize = 100_000;
/// Ten-thousandths of its cost that a position pays when it is opened, and again with every roll-over.
pub(crate) const LENDING_FEE: i128 = 1;
/// How long it stays until it rolls over.
pub(crate) const ROLLS_AFTER_US: u64 = 4 * 3_600_000_000;
const TERMS: &str = "0.0100% per 4 hours";

/// What was bought or sold with lent money, by one fill. Amounts are in units of the quote asset.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) id: Id,
    /// The trade that opened it,
    pub(crate) trade: Id,
    /// and that trade's order.
    pub(crate) order: Id,
    pub(crate) account: usize,
    pub(crate) pair: usize,
    pub(crate) at_us: u64,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) leverage: u32,
    pub(crate) lots: u64,
    pub(crate) cost: i128,
    pub(crate) fee: i128,
    pub(crate) margin: i128,
    pub(crate) rolls_us: u64,
    pub(crate) closed: Closed,
}

/// What became of the closed part of a position.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closed {
    pub(crate) lots: u64,
    /// The part of the position's own cost and margin.
    own_cost: i128,
    margin: i128,
    /// What it was closed at, and the fees of that.
    cost: i128,
    fee: i128,
    trades: Vec<Id>,
}

/// `part` of `of` of an amount; all of it where the part is the whole, so that nothing is left over in the end.
pub(crate) fn share(amount: i128, part: u64, of: u64) -> i128 {
    if part == of { amount } else { amount * i128::from(part) / i128::from(of) }
}

impl Position {
    pub(crate) fn open_lots(&self) -> u64 {
        self.lots - self.closed.lots
    }

    /// The cost of what is still open,
    pub(crate) fn open_cost(&self) -> i128 {
        self.cost - self.closed.own_cost
    }

    /// and its margin.
    pub(crate) fn open_margin(&self) -> i128 {
        self.margin - self.closed.margin
    }

    /// Closes a part. Returns what that part had cost.
    pub(crate) fn close(&mut self, lots: u64, cost: i128, fee: i128, trade: Option<Id>) -> i128 {
        let open = self.open_lots();
        let (own_cost, margin) = (share(self.open_cost(), lots, open), share(self.open_margin(), lots, open));
        self.closed.lots += lots;
        self.closed.own_cost += own_cost;
        self.closed.margin += margin;
        self.closed.cost += cost;
        self.closed.fee += fee;
        self.closed.trades.extend(trade);
        own_cost
    }

    /// What is gained when something of this side's cost is worth `value`.
    fn gain(&self, cost: i128, value: i128) -> i128 {
        if self.side == Side::Buy { value - cost } else { cost - value }
    }

    /// What is open is worth so much at a price of its pair.
    pub(crate) fn value(&self, price: u64) -> i128 {
        let pair = self.pair();
        let notional = to_i128(u128::from(price) * u128::from(self.open_lots()));
        decimal::rescale(notional, pair.notional_scale(), pair.quote_decimals())
    }

    /// What would be gained by closing it at that.
    pub(crate) fn net(&self, value: i128) -> i128 {
        self.gain(self.open_cost(), value)
    }

    fn pair(&self) -> &'static Pair {
        &PAIRS[self.pair]
    }

    fn quote(&self, amount: i128) -> i128 {
        decimal::rescale(amount, self.pair().quote_decimals(), COST_DECIMALS)
    }

    /// Appends the object that Kraken shows, with what it is worth at `price` if that is asked for.
    fn write(&self, json: &mut Json, price: Option<u64>) {
        json.object(|json| {
            json.field("ordertxid").text(self.order.as_str());
            json.field("posstatus").text("open");
            json.field("pair").text(self.pair().id);
            json.field("class").text("forex");
            json.field("time").seconds(self.at_us);
            json.field("type").text(self.side.text());
            json.field("ordertype").text(self.order_type.text());
            json.field("cost").decimal(self.quote(self.cost), COST_DECIMALS);
            json.field("fee").decimal(self.quote(self.fee), COST_DECIMALS);
            json.field("vol").decimal(i128::from(self.lots), LOT_DECIMALS);
            json.field("vol_closed").decimal(i128::from(self.closed.lots), LOT_DECIMALS);
            json.field("margin").decimal(self.quote(self.margin), COST_DECIMALS);
            if let Some(price) = price {
                let value = self.value(price);
                json.field("value").decimal(self.quote(value), COST_DECIMALS);
                json.field("net").text(&signed(self.quote(self.net(value))));
            }
            json.field("terms").text(TERMS);
            json.field("rollovertm").text(&(self.rolls_us / 1_000_000).to_string());
            json.field("misc").text("");
            json.field("oflags").text("");
        });
    }

    /// Appends what the trade that opened it says of it besides, with the trades that closed it if they are asked for.
    pub(crate) fn write_in_trade(&self, json: &mut Json, with_trades: bool) {
        let Closed { lots, own_cost, margin, cost, fee, trades } = &self.closed;
        json.field("posstatus").text(if self.open_lots() == 0 { "closed" } else { "open" });
        if *lots == 0 {
            return;
        }
        let scale = self.pair().notional_scale();
        let notional = decimal::rescale(*cost, self.pair().quote_decimals(), scale + COST_DECIMALS);
        let price = decimal::rescale(notional / i128::from(*lots), scale - LOT_DECIMALS, 0);
        json.field("cprice").decimal(price, COST_DECIMALS);
        let amounts = [("ccost", *cost), ("cfee", *fee)];
        amounts.iter().for_each(|(name, it)| json.field(name).decimal(self.quote(*it), COST_DECIMALS));
        json.field("cvol").decimal(i128::from(*lots), LOT_DECIMALS);
        json.field("cmargin").decimal(self.quote(*margin), COST_DECIMALS);
        json.field("net").text(&signed(self.quote(self.gain(*own_cost, *cost))));
        if with_trades {
            json.field("trades").array(|json| trades.iter().for_each(|id| json.text(id.as_str())));
        }
    }
}

/// An amount with its sign, whatever that is.
fn signed(amount: i128) -> String {
    let text = decimal::text(amount, COST_DECIMALS);
    if amount < 0 { text } else { format!("+{text}") }
}

/// All positions.
#[derive(Debug)]
pub(crate) struct Positions {
    /// By number, so the oldest first.
    open: BTreeMap<u64, Position>,
    closed: Archive<Position>,
    /// When which rolls over.
    rolls: BTreeSet<(u64, u64)>,
    born: u64,
}

impl Default for Positions {
    fn default() -> Self {
        Self { open: BTreeMap::new(), closed: Archive::new(CLOSED_MAX), rolls: BTreeSet::new(), born: 0 }
    }
}

impl Positions {
    pub(crate) fn add(&mut self, position: Position) {
        self.born += 1;
        self.rolls.insert((position.rolls_us, self.born));
        self.open.insert(self.born, position);
    }

    /// Those of an account, oldest first.
    pub(crate) fn of(&self, account: usize) -> impl Iterator<Item = &Position> {
        self.open.values().filter(move |position| position.account == account)
    }

    /// The accounts that have any.
    pub(crate) fn accounts(&self) -> BTreeSet<usize> {
        self.open.values().map(|position| position.account).collect()
    }

    /// How much of a pair an account has open on one side.
    pub(crate) fn open_lots(&self, account: usize, pair: usize, side: Side) -> u64 {
        let its = self.of(account).filter(|position| (position.pair, position.side) == (pair, side));
        its.map(Position::open_lots).sum()
    }

    /// The oldest of an account in a pair on one side.
    pub(crate) fn oldest(&mut self, account: usize, pair: usize, side: Side) -> Option<(u64, &mut Position)> {
        let is_it = |it: &Position| (it.account, it.pair, it.side) == (account, pair, side);
        self.open.iter_mut().find(|(_, it)| is_it(it)).map(|(number, it)| (*number, it))
    }

    /// Archives a position of which nothing is open any more.
    pub(crate) fn retire(&mut self, number: u64) {
        if let Some(position) = self.open.remove(&number) {
            self.rolls.remove(&(position.rolls_us, number));
            self.closed.push(position.id, position);
        }
    }

    /// The next that has rolled over by then, set to its next time already, and for how many periods it pays.
    pub(crate) fn roll(&mut self, now_us: u64, period_us: u64) -> Option<(&mut Position, u64)> {
        let (due_us, number) = self.rolls.first().copied().filter(|(due_us, _)| *due_us <= now_us)?;
        let periods = (now_us - due_us) / period_us + 1;
        self.rolls.remove(&(due_us, number));
        let position = self.open.get_mut(&number)?;
        position.rolls_us = due_us + periods * period_us;
        self.rolls.insert((position.rolls_us, number));
        Some((position, periods))
    }

    /// The position that a trade opened, if it did.
    pub(crate) fn opened_by(&self, trade: Id, position: Id) -> Option<&Position> {
        let closed = || self.closed.find(position).map(|(_, position)| position);
        let open = self.open.values().find(|it| it.id == position);
        open.or_else(closed).filter(|position| position.trade == trade)
    }
}

/// `OpenPositions`: under their ids; joined by market they are a list, as ccxt reads it. Kraken does not document that form.
pub(crate) fn open_positions(engine: &Engine, account: usize, params: &Params) -> Result<String, Refusal> {
    let (with_value, wanted) = (flag(params, "docalcs")?, params.list("txid"));
    if wanted.iter().any(|id| Id::parse(id).is_none()) {
        return Err(wrong("txid"));
    }
    let prices = engine.prices();
    let price = |position: &Position| with_value.then(|| prices.index[position.pair]);
    let is_wanted = |position: &&Position| wanted.is_empty() || wanted.contains(&position.id.as_str());
    let shown = engine.positions.of(account).filter(is_wanted);
    match params.get("consolidation") {
        None => Ok(success(|json| {
            json.object(|json| {
                shown.for_each(|position| position.write(json.field(position.id.as_str()), price(position)));
            });
        })),
        Some("market") => {
            let mut markets: BTreeMap<(usize, bool, u32), Vec<&Position>> = BTreeMap::new();
            for position in shown {
                let market = (position.pair, position.side == Side::Sell, position.leverage);
                markets.entry(market).or_default().push(position);
            }
            Ok(success(|json| {
                json.array(|json| markets.values().for_each(|its| write_market(json, its, price)));
            }))
        }
        Some(_) => Err(wrong("consolidation")),
    }
}

fn write_market(json: &mut Json, its: &[&Position], price: impl Fn(&Position) -> Option<u64>) {
    let Some(first) = its.first() else { return };
    let sum = |of: fn(&Position) -> i128| first.quote(its.iter().map(|position| of(position)).sum());
    json.object(|json| {
        json.field("pair").text(first.pair().id);
        json.field("positions").text(&its.len().to_string());
        json.field("type").text(first.side.text());
        json.field("leverage").decimal(i128::from(first.leverage) * 100_000, COST_DECIMALS);
        json.field("cost").decimal(sum(|position| position.cost), COST_DECIMALS);
        json.field("fee").decimal(sum(|position| position.fee), COST_DECIMALS);
        json.field("vol").decimal(its.iter().map(|it| i128::from(it.lots)).sum(), LOT_DECIMALS);
        json.field("vol_closed").decimal(its.iter().map(|it| i128::from(it.closed.lots)).sum(), LOT_DECIMALS);
        json.field("margin").decimal(sum(|position| position.margin), COST_DECIMALS);
        if price(first).is_some() {
            let value = |it: &&Position| it.value(price(it).unwrap_or_default());
            let net: i128 = its.iter().map(|it| it.net(value(it))).sum();
            json.field("value").decimal(first.quote(its.iter().map(value).sum()), COST_DECIMALS);
            json.field("net").text(&signed(first.quote(net)));
        }
    });
}
