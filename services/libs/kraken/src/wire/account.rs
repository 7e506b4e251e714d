//! Balances, orders and ledger entries.

use super::json::Json;
use super::read::{Entries, Extra, Object, ShapeError, Wire};
use super::scalar::{Decimal, Time, Words};

/// `Balance`: asset to amount. Net of pending withdrawals, but not of what open orders hold.
pub type Balances = Entries<Decimal>;

/// `BalanceEx`: asset to its parts.
pub type ExtendedBalances = Entries<AssetBalance>;

/// One asset's balance. Spendable is balance + credit - credit used - held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetBalance {
    /// What is there.
    pub balance: Decimal,
    /// What open orders hold.
    pub hold_trade: Option<Decimal>,
    /// Credit line; missing without one.
    pub credit: Option<Decimal>,
    /// Used credit; missing without a credit line.
    pub credit_used: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AssetBalance {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            balance: from.need("balance")?,
            hold_trade: from.opt("hold_trade")?,
            credit: from.opt("credit")?,
            credit_used: from.opt("credit_used")?,
            extra: from.rest(),
        })
    }
}

/// What was ordered, in Kraken's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderDescr {
    /// Altname of the pair, for instance `XBTUSD`.
    pub pair: String,
    /// Asset class; on the wire but not in the specification.
    pub aclass: Option<String>,
    /// `buy` or `sell`.
    pub side: String,
    /// For instance `limit`.
    pub ordertype: String,
    /// First price; `0` if unused, relative for trailing orders.
    pub price: Option<Decimal>,
    /// Second price; `0` if unused.
    pub price2: Option<Decimal>,
    /// `none` or for instance `5:1`.
    pub leverage: Option<String>,
    /// The order as a sentence.
    pub order: Option<String>,
    /// The conditional close as a sentence; empty without one.
    pub close: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OrderDescr {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            pair: from.need("pair")?,
            side: from.need("type")?,
            ordertype: from.need("ordertype")?,
            price: from.opt("price")?,
            price2: from.opt("price2")?,
            leverage: from.opt("leverage")?,
            order: from.opt("order")?,
            close: from.opt("close")?,
            aclass: from.opt("aclass")?,
            extra: from.rest(),
        })
    }
}

/// One order, open or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The order whose conditional close this one is.
    pub refid: Option<String>,
    /// Number that the client chose; signed 32 bits.
    pub userref: Option<i64>,
    /// Id that the client chose.
    pub cl_ord_id: Option<String>,
    /// `pending`, `open`, `closed`, `canceled`, `expired`.
    pub status: String,
    /// When it was placed.
    pub opentm: Option<Time>,
    /// When it becomes active.
    pub starttm: Option<Time>,
    /// When it ends.
    pub expiretm: Option<Time>,
    /// When it was closed; closed orders only.
    pub closetm: Option<Time>,
    /// Why it was closed, for people.
    pub reason: Option<String>,
    /// What was ordered.
    pub descr: OrderDescr,
    /// Ordered volume, in the base asset.
    pub vol: Decimal,
    /// Executed volume.
    pub vol_exec: Decimal,
    /// Executed cost, in the quote asset.
    pub cost: Option<Decimal>,
    /// Fee, in the currency that the flags say.
    pub fee: Option<Decimal>,
    /// Average price of the fills; zero before the first one.
    pub price: Option<Decimal>,
    /// Stop price.
    pub stopprice: Option<Decimal>,
    /// Limit once triggered.
    pub limitprice: Option<Decimal>,
    /// `last` or `index`; triggered types only.
    pub trigger: Option<String>,
    /// Whether it is funded on margin.
    pub margin: Option<bool>,
    /// Comma-separated: `stopped`, `touched`, `liquidated`, `partial`, `amended`.
    pub misc: Option<Words>,
    /// Sub-identifier of underlying accounts.
    pub sender_sub_id: Option<String>,
    /// Comma-separated flags in no fixed order.
    pub oflags: Option<Words>,
    /// Time in force in lower case; on the wire but not in the specification.
    pub time_in_force: Option<String>,
    /// Ids of the trades, if they were asked for.
    pub trades: Vec<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Order {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            refid: from.opt("refid")?,
            userref: from.opt("userref")?,
            cl_ord_id: from.opt("cl_ord_id")?,
            status: from.need("status")?,
            opentm: from.opt("opentm")?,
            starttm: from.opt("starttm")?,
            expiretm: from.opt("expiretm")?,
            descr: from.need("descr")?,
            vol: from.need("vol")?,
            vol_exec: from.need("vol_exec")?,
            cost: from.opt("cost")?,
            fee: from.opt("fee")?,
            price: from.opt("price")?,
            stopprice: from.opt("stopprice")?,
            limitprice: from.opt("limitprice")?,
            misc: from.opt("misc")?,
            oflags: from.opt("oflags")?,
            // What few orders have comes last: who asks for what is not there passes everything else. Those that are placed
            // from here have a `cl_ord_id`.
            closetm: from.opt("closetm")?,
            reason: from.opt("reason")?,
            trigger: from.opt("trigger")?,
            margin: from.opt("margin")?,
            sender_sub_id: from.opt("sender_sub_id")?,
            time_in_force: from.opt("time_in_force")?,
            trades: from.opt("trades")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// `QueryOrders`: by transaction id, open and closed ones alike.
pub type OrdersById = Entries<Order>;

/// `OpenOrders`: all of them, without pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOrders {
    /// By transaction id.
    pub open: OrdersById,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OpenOrders {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { open: from.need("open")?, extra: from.rest() })
    }
}

/// `ClosedOrders`: one page of 50, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedOrders {
    /// By transaction id, newest first.
    pub closed: OrdersById,
    /// How many fit the filter on all pages; missing if not asked for.
    pub count: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for ClosedOrders {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { closed: from.need("closed")?, count: from.opt("count")?, extra: from.rest() })
    }
}

/// One movement of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// What caused it, for instance the trade.
    pub refid: Option<String>,
    /// When.
    pub time: Time,
    /// For instance `trade`, `deposit`, `withdrawal`; new ones appear.
    pub kind: String,
    /// Free text, often empty.
    pub subtype: Option<String>,
    /// Asset class.
    pub aclass: Option<String>,
    /// Asset id.
    pub asset: String,
    /// Signed amount.
    pub amount: Decimal,
    /// Fee.
    pub fee: Option<Decimal>,
    /// Balance afterwards.
    pub balance: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for LedgerEntry {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            refid: from.opt("refid")?,
            time: from.need("time")?,
            kind: from.need("type")?,
            subtype: from.opt("subtype")?,
            aclass: from.opt("aclass")?,
            asset: from.need("asset")?,
            amount: from.need("amount")?,
            fee: from.opt("fee")?,
            balance: from.opt("balance")?,
            extra: from.rest(),
        })
    }
}

/// `Ledgers`: one page of 50, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledgers {
    /// By ledger id, newest first.
    pub ledger: Entries<LedgerEntry>,
    /// How many fit the filter on all pages; missing if not asked for.
    pub count: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Ledgers {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { ledger: from.need("ledger")?, count: from.opt("count")?, extra: from.rest() })
    }
}
