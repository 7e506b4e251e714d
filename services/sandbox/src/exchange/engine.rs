//! The matching engine: accepts, matches, settles, cancels and expires orders.
//!
//! An arriving order trades with the best price first and the oldest order at that price; what is left rests or is
//! cancelled. Funds are held for everything that rests, at its limit and with the taker's fee, rounded up; fills are
//! rounded down; so no balance of an account ever falls below zero.

mod amend;
mod booking;
mod closes;
mod endings;
mod judging;
mod margin;
mod moves;
mod quotes;
mod triggers;

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::accounts::Accounts;
use super::archive::Archive;
use super::book::{Book, Entry, Owner, Side, reaches};
use super::earn::Earn;
use super::funding::Funding;
use super::ids::{Id, Source};
use super::markets::{LOT_DECIMALS, PAIR_COUNT, PAIRS};
use super::modes::Modes;
use super::order::{NewOrder, Order, OrderType, SelfTrade, Status, TimeInForce, Trade, to_i128};
use super::positions::Positions;
use super::refusal::Refusal;
use super::spread::Spreads;
use super::tape::Tape;
use super::trading::TradingCounters;
use crate::wire::decimal;

pub(crate) use amend::Amendment;
use closes::Birth;
use margin::REDUCED;
pub(crate) use margin::{MARGIN_STOP, Margin};
use quotes::Market;
use triggers::Triggers;

/// Closed orders and trades kept.
const HISTORY_MAX: usize = 100_000;

const NOT_FILLED: &str = "Rest of an order that does not wait";
const SELF_TRADE: &str = "Self trade prevention";

/// One fill, before it is booked.
#[derive(Clone, Copy)]
struct Fill {
    price: u64,
    lots: u64,
    cost: i128,
    number: u64,
}

/// All markets and who trades in them.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) accounts: Accounts,
    pub(crate) books: [Book; PAIR_COUNT],
    pub(crate) tapes: [Tape; PAIR_COUNT],
    pub(crate) spreads: [Spreads; PAIR_COUNT],
    open: HashMap<u64, Order>,
    open_by_id: HashMap<Id, u64>,
    pub(crate) closed: Archive<Order>,
    pub(crate) trades: Archive<Trade>,
    /// Orders that end by themselves: when, and which.
    expiries: BTreeSet<(u64, u64)>,
    /// Orders whose time is to come, the same way.
    starts: BTreeSet<(u64, u64)>,
    triggers: Triggers,
    /// Closes of fills that were just booked.
    births: VecDeque<Birth>,
    /// House quotes that were traded and not yet restored.
    owed: Vec<(usize, Side, u64)>,
    pub(crate) positions: Positions,
    /// Who has no position any more in which pair, and the side that would have reduced it.
    flat: Vec<(usize, usize, Side)>,
    pub(crate) earn: Earn,
    pub(crate) ids: Source,
    orders_born: u64,
    trades_made: u64,
    /// What is placed or amended now is not shown before.
    pub(crate) hides_until_us: u64,
    pub(crate) counters: TradingCounters,
    pub(crate) funding: Funding,
    pub(crate) modes: Modes,
    pub(crate) market: Market,
    /// How many times as fast as time goes what callers wait for.
    pub(crate) speed: u64,
}

impl Engine {
    pub(crate) fn new(seed: u64) -> Self {
        let mut engine = Self {
            accounts: Accounts::new(),
            books: std::array::from_fn(|_| Book::default()),
            tapes: std::array::from_fn(|pair| Tape::new(PAIRS[pair].house.middle)),
            spreads: std::array::from_fn(|_| Spreads::default()),
            open: HashMap::new(),
            open_by_id: HashMap::new(),
            closed: Archive::new(HISTORY_MAX),
            trades: Archive::new(HISTORY_MAX),
            expiries: BTreeSet::new(),
            starts: BTreeSet::new(),
            triggers: Triggers::default(),
            births: VecDeque::new(),
            owed: Vec::new(),
            positions: Positions::default(),
            flat: Vec::new(),
            earn: Earn::default(),
            ids: Source::new(seed, 1),
            orders_born: 0,
            trades_made: 0,
            hides_until_us: 0,
            counters: TradingCounters::default(),
            funding: Funding::new(seed),
            modes: Modes::default(),
            market: Market::new(seed),
            speed: 1,
        };
        for (pair, book) in PAIRS.iter().zip(&mut engine.books) {
            let house = &pair.house;
            for level in 1..=house.levels {
                let entry = Entry::plain(Owner::House, house.lots);
                book.rest(Side::Buy, house.middle - level * house.step, entry, 0);
                book.rest(Side::Sell, house.middle + level * house.step, entry, 0);
            }
        }
        engine
    }

    /// An open order by its number.
    pub(crate) fn open_order(&self, number: u64) -> Option<&Order> {
        self.open.get(&number)
    }

    /// Open orders of an account, oldest first.
    pub(crate) fn open_orders(&self, account: usize) -> impl DoubleEndedIterator<Item = &Order> {
        self.accounts.get(account).open.iter().filter_map(|number| self.open.get(number))
    }

    /// An order of an account by its id, open or not.
    pub(crate) fn find(&self, account: usize, id: Id) -> Option<&Order> {
        let open = self.open_by_id.get(&id).and_then(|number| self.open.get(number));
        open.or_else(|| self.closed.find(id).map(|(_, order)| order)).filter(|order| order.account == account)
    }

    /// Accepts an order: it trades what can be traded, and the rest waits if it may; or it waits for its price or its time.
    pub(crate) fn place(&mut self, now_us: u64, account: usize, terms: NewOrder) -> Result<Id, Refusal> {
        self.judge(account, &terms)?;
        let lots = self.measured(account, &terms).lots;
        let terms = NewOrder { lots, ..terms };
        let id = self.accept(now_us, account, terms, None);
        self.follow_up(now_us);
        Ok(id)
    }

    fn accept(&mut self, now_us: u64, account: usize, terms: NewOrder, parent: Option<Id>) -> Id {
        let order = self.born(now_us, account, terms, parent);
        let id = order.id;
        self.set_out(now_us, order);
        id
    }

    fn born(&mut self, now_us: u64, account: usize, terms: NewOrder, parent: Option<Id>) -> Order {
        self.orders_born += 1;
        Order {
            number: self.orders_born,
            id: self.ids.id(b'O'),
            account,
            parent,
            opened_us: now_us,
            closed_us: 0,
            status: if terms.starts_us.is_some() { Status::Pending } else { Status::Open },
            reason: None,
            filled_lots: 0,
            notional: 0,
            cost: 0,
            fee: 0,
            held: 0,
            trades: Vec::new(),
            amends: Vec::new(),
            hidden_until_us: self.hides_until_us,
            liquidated: false,
            terms,
        }
    }

    /// Trades what can be traded of an order and lets the rest wait if it may.
    fn arrive(&mut self, now_us: u64, mut order: Order) {
        if order.terms.order_type == OrderType::SettlePosition {
            return self.settle_position(now_us, order);
        }
        let pair = order.terms.pair;
        let all_or_nothing = order.terms.time_in_force == TimeInForce::FillOrKill;
        let prevented = if all_or_nothing && self.reach(order.account, &order.terms).lots < order.terms.lots {
            None
        } else {
            self.take(now_us, &mut order)
        };
        let waits =
            matches!(order.terms.time_in_force, TimeInForce::GoodTillCanceled | TimeInForce::GoodTillDate);
        match (order.open_lots(), prevented, order.terms.limit) {
            (0, ..) => self.archive(order, Status::Closed, None, now_us),
            (_, Some(reason), _) => self.archive(order, Status::Canceled, Some(reason), now_us),
            (_, None, Some(limit)) if waits => self.rest(now_us, order, limit),
            _ => self.archive(order, Status::Canceled, Some(NOT_FILLED), now_us),
        }
        self.restore_house(now_us, pair);
    }

    /// Trades with the other side. Returns why the rest of the order must go, if it must.
    fn take(&mut self, now_us: u64, order: &mut Order) -> Option<&'static str> {
        let (pair, other_side) = (order.terms.pair, order.terms.side.opposite());
        while order.open_lots() > 0
            && let Some((price, entry)) = self.offered(now_us, pair, other_side)
            && order.terms.limit.is_none_or(|limit| reaches(order.terms.side, limit, price))
        {
            if let Owner::Order { order: resting, account } = entry.owner
                && account == order.account
            {
                if order.terms.self_trade != SelfTrade::Newest {
                    self.close_open(resting, Status::Canceled, Some(SELF_TRADE), now_us);
                }
                if order.terms.self_trade != SelfTrade::Oldest {
                    return Some(SELF_TRADE);
                }
                continue;
            }
            if self.cap(order) == 0 {
                return Some(REDUCED);
            }
            self.trade(now_us, order, price, entry);
        }
        None
    }

    fn trade(&mut self, now_us: u64, taker: &mut Order, price: u64, entry: Entry) {
        let (index, pair) = (taker.terms.pair, taker.terms.pair());
        let lots = taker.open_lots().min(entry.lots).min(self.cap(taker));
        let notional = to_i128(u128::from(price) * u128::from(lots));
        let cost = decimal::rescale(notional, pair.notional_scale(), pair.quote_decimals());
        self.trades_made += 1;
        let fill = Fill { price, lots, cost, number: self.trades_made };
        self.books[index].take_front(taker.terms.side.opposite(), lots, now_us);
        self.settle(now_us, taker, fill, false);
        match entry.owner {
            Owner::House => {
                let base = decimal::rescale(i128::from(lots), LOT_DECIMALS, pair.base_decimals());
                let sign = if taker.terms.side == Side::Buy { 1 } else { -1 };
                self.accounts.book_house(pair.base, -sign * base);
                self.accounts.book_house(pair.quote, sign * cost);
                self.owe_quote(index, taker.terms.side.opposite(), price);
            }
            Owner::Order { order: number, .. } => self.fill_maker(now_us, number, fill),
        }
        self.tapes[index].record(now_us, taker.terms.side, taker.terms.order_type, price, lots, fill.number);
    }

    /// Notes that a quote of the house was traded with.
    fn owe_quote(&mut self, pair: usize, side: Side, price: u64) {
        let quote = (pair, side, price);
        if !self.owed.contains(&quote) {
            self.owed.push(quote);
        }
    }

    /// Books a fill of an order that waits.
    fn fill_maker(&mut self, now_us: u64, number: u64, fill: Fill) {
        if let Some(mut maker) = self.open.remove(&number) {
            self.settle(now_us, &mut maker, fill, true);
            self.hold(&mut maker);
            let done = maker.open_lots() == 0;
            self.open.insert(number, maker);
            if done {
                self.close_open(number, Status::Closed, None, now_us);
            }
        }
    }

    /// Holds what the rest of a waiting order needs, instead of what was held before.
    fn hold(&mut self, order: &mut Order) {
        let lots = order.open_lots();
        let needed = match order.terms.limit {
            Some(limit) if lots > 0 => order.terms.hold(lots, u128::from(limit) * u128::from(lots)),
            _ => 0,
        };
        self.accounts.get_mut(order.account).held[order.terms.held_asset()] += needed - order.held;
        order.held = needed;
    }

    fn rest(&mut self, now_us: u64, mut order: Order, limit: u64) {
        self.hold(&mut order);
        let owner = Owner::Order { order: order.number, account: order.account };
        let entry = Entry::showing(owner, order.open_lots(), order.terms.shows);
        self.books[order.terms.pair].rest(order.terms.side, limit, entry, now_us);
        self.keep(order);
    }

    /// Puts an order that is open on all lists.
    fn keep(&mut self, order: Order) {
        let account = self.accounts.get_mut(order.account);
        account.open.insert(order.number);
        if let Some(id) = &order.terms.cl_ord_id {
            account.cl_ord_ids.insert(id.clone(), order.number);
        }
        if let Some(expires_us) = order.terms.expires_us {
            self.expiries.insert((expires_us, order.number));
        }
        self.open_by_id.insert(order.id, order.number);
        self.open.insert(order.number, order);
    }

    /// Ends an open order.
    fn close_open(&mut self, number: u64, status: Status, reason: Option<&'static str>, now_us: u64) {
        if let Some(order) = self.detach(number, now_us) {
            self.archive(order, status, reason, now_us);
        }
    }

    /// Takes an open order out of book and lists.
    fn detach(&mut self, number: u64, now_us: u64) -> Option<Order> {
        let mut order = self.open.remove(&number)?;
        self.open_by_id.remove(&order.id);
        if let Some(expires_us) = order.terms.expires_us {
            self.expiries.remove(&(expires_us, number));
        }
        match order.terms.limit {
            Some(limit) if order.is_live() => {
                self.books[order.terms.pair].remove(order.terms.side, limit, number, now_us);
            }
            _ => self.unpark(&order),
        }
        let account = self.accounts.get_mut(order.account);
        account.held[order.terms.held_asset()] -= order.held;
        order.held = 0;
        account.open.remove(&number);
        if let Some(id) = &order.terms.cl_ord_id {
            account.cl_ord_ids.remove(id);
        }
        Some(order)
    }

    fn archive(&mut self, mut order: Order, status: Status, reason: Option<&'static str>, now_us: u64) {
        (order.status, order.reason, order.closed_us) = (status, reason, now_us);
        let account = order.account;
        let number = self.closed.push(order.id, order);
        let list = &mut self.accounts.get_mut(account).closed;
        list.push_back(number);
        self.closed.trim(list);
    }

    /// The house quotes again what was traded away, except where that would trade with an order that waits now.
    fn restore_house(&mut self, now_us: u64, pair: usize) {
        let book = &mut self.books[pair];
        let lots = PAIRS[pair].house.lots;
        self.owed.retain(|(owed_pair, side, price)| {
            *owed_pair != pair || !book.restore_house(*side, *price, lots, now_us)
        });
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;

#[cfg(test)]
mod type_tests;
