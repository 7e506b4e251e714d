//! An order and a trade as the exchange keeps them, and as Kraken shows them (Kraken docs: Get Open Orders, Get
//! Closed Orders, Get Trades History).

use super::book::Side;
use super::ids::Id;
use super::markets::{COST_DECIMALS, LOT_DECIMALS, PAIRS, Pair, TAKER_FEE};
use crate::wire::decimal;
use crate::wire::json::Json;

/// The order types that are traded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderType {
    Market,
    Limit,
}

impl OrderType {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit => "limit",
        }
    }
}

/// How long an order stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeInForce {
    GoodTillCanceled,
    ImmediateOrCancel,
    GoodTillDate,
    FillOrKill,
}

impl TimeInForce {
    fn text(self) -> &'static str {
        match self {
            Self::GoodTillCanceled => "gtc",
            Self::ImmediateOrCancel => "ioc",
            Self::GoodTillDate => "gtd",
            Self::FillOrKill => "fok",
        }
    }
}

/// Which order is cancelled when an order meets one of the same account: the arriving one, the waiting one, both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SelfTrade {
    Newest,
    Oldest,
    Both,
}

/// What a caller asks for, checked on its own.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) pair: usize,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    /// In units of the pair; none for market orders.
    pub(crate) limit: Option<u64>,
    pub(crate) lots: u64,
    pub(crate) post_only: bool,
    pub(crate) fee_in_base: bool,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) expires_us: Option<u64>,
    pub(crate) self_trade: SelfTrade,
    pub(crate) userref: Option<i32>,
    pub(crate) cl_ord_id: Option<Box<str>>,
}

impl NewOrder {
    pub(crate) fn pair(&self) -> &'static Pair {
        &PAIRS[self.pair]
    }

    /// The sentence that Kraken makes of an order.
    pub(crate) fn sentence(&self) -> String {
        let pair = self.pair();
        let mut out = format!("{} ", self.side.text());
        decimal::write(&mut out, i128::from(self.lots), LOT_DECIMALS);
        out.push_str(&format!(" {} @ {}", pair.altname, self.order_type.text()));
        if let Some(limit) = self.limit {
            out.push(' ');
            decimal::write(&mut out, i128::from(limit), pair.price_decimals);
        }
        out
    }

    /// What must be held for so many lots at a price: of the quote when buying, of the base when selling, with the
    /// taker's fee if it is paid in the same asset. Rounded up, so that fills, which round down, always fit.
    pub(crate) fn hold(&self, lots: u64, notional: u128) -> i128 {
        let pair = self.pair();
        let amount = match self.side {
            Side::Buy => decimal::rescale_up(to_i128(notional), pair.notional_scale(), pair.quote_decimals()),
            Side::Sell => decimal::rescale(i128::from(lots), LOT_DECIMALS, pair.base_decimals()),
        };
        let fee_is_extra = self.fee_in_base == (self.side == Side::Sell);
        if fee_is_extra { amount + decimal::rescale_up(amount * TAKER_FEE, 4, 0) } else { amount }
    }

    /// The asset that [`hold`](Self::hold) counts in.
    pub(crate) fn held_asset(&self) -> usize {
        match self.side {
            Side::Buy => self.pair().quote,
            Side::Sell => self.pair().base,
        }
    }
}

/// Prices below 2^60 times lots below 2^60 fit; more than that is refused when an order is read.
pub(crate) fn to_i128(value: u128) -> i128 {
    i128::try_from(value).unwrap_or(i128::MAX)
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Open,
    Closed,
    Canceled,
    Expired,
}

impl Status {
    fn text(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

/// An order that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Its place in the order of birth.
    pub(crate) number: u64,
    pub(crate) id: Id,
    pub(crate) account: usize,
    pub(crate) terms: NewOrder,
    pub(crate) opened_us: u64,
    pub(crate) closed_us: u64,
    pub(crate) status: Status,
    pub(crate) reason: Option<&'static str>,
    pub(crate) filled_lots: u64,
    /// Sum of price times lots of the fills.
    pub(crate) notional: u128,
    /// What the fills cost, in units of the quote asset.
    pub(crate) cost: i128,
    /// In units of the asset that pays it.
    pub(crate) fee: i128,
    /// What is held for the rest of it now.
    pub(crate) held: i128,
    pub(crate) trades: Vec<Id>,
    /// What was changed of it, oldest first.
    pub(crate) amends: Vec<Amend>,
    /// An injected fault hides it until then.
    pub(crate) hidden_until_us: u64,
}

/// One change of an order.
#[derive(Clone, Debug)]
pub(crate) struct Amend {
    pub(crate) id: Id,
    pub(crate) original: bool,
    pub(crate) at_us: u64,
    pub(crate) lots: u64,
    pub(crate) remaining_lots: u64,
    pub(crate) limit: Option<u64>,
    pub(crate) post_only: bool,
    /// An injected fault hides it until then.
    pub(crate) hidden_until_us: u64,
}

impl Amend {
    /// Whether it shows yet.
    pub(crate) fn is_visible(&self, now_us: u64, lag_us: u64) -> bool {
        self.at_us.saturating_add(lag_us) <= now_us && self.hidden_until_us <= now_us
    }

    /// Appends the object that Kraken shows.
    pub(crate) fn write(&self, json: &mut Json, pair: &Pair) {
        json.object(|json| {
            json.field("amend_id").text(self.id.as_str());
            json.field("amend_type").text(if self.original { "original" } else { "user" });
            json.field("order_qty").decimal(i128::from(self.lots), LOT_DECIMALS);
            json.field("remaining_qty").decimal(i128::from(self.remaining_lots), LOT_DECIMALS);
            if let Some(limit) = self.limit {
                json.field("limit_price").decimal(i128::from(limit), pair.price_decimals);
            }
            json.field("post_only").truth(self.post_only);
            json.field("timestamp").integer(u128::from(self.at_us) * 1_000);
        });
    }
}

impl Order {
    /// Whether it shows yet.
    pub(crate) fn is_visible(&self, now_us: u64, lag_us: u64) -> bool {
        self.opened_us.saturating_add(lag_us) <= now_us && self.hidden_until_us <= now_us
    }

    /// It as it was placed, as the first of its amends. Only true of an order that was not amended yet.
    pub(crate) fn original(&self) -> Amend {
        Amend {
            id: self.id.as_kind(b'T'),
            original: true,
            at_us: self.opened_us,
            lots: self.terms.lots,
            remaining_lots: self.terms.lots,
            limit: self.terms.limit,
            post_only: self.terms.post_only,
            hidden_until_us: self.hidden_until_us,
        }
    }

    /// For how long it has stood as it does: since its birth or its last amend.
    pub(crate) fn age_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.amends.last().map_or(self.opened_us, |amend| amend.at_us))
    }

    pub(crate) fn open_lots(&self) -> u64 {
        self.terms.lots - self.filled_lots
    }

    /// Average price of the fills at [`COST_DECIMALS`].
    fn average_price(&self) -> i128 {
        let Some(average) = (to_i128(self.notional)
            * 10_i128.pow(COST_DECIMALS - self.pair().price_decimals))
        .checked_div(i128::from(self.filled_lots)) else {
            return 0;
        };
        average
    }

    fn pair(&self) -> &'static Pair {
        self.terms.pair()
    }

    /// Appends the object that Kraken shows.
    pub(crate) fn write(&self, json: &mut Json, with_trades: bool) {
        let (pair, terms) = (self.pair(), &self.terms);
        let fee_asset_decimals = if terms.fee_in_base { pair.base_decimals() } else { pair.quote_decimals() };
        json.object(|json| {
            json.field("refid").null();
            json.field("userref").integer_or_null(terms.userref);
            json.field("cl_ord_id").text_or_null(terms.cl_ord_id.as_deref());
            json.field("status").text(self.status.text());
            json.field("opentm").seconds(self.opened_us);
            json.field("starttm").integer(0);
            match terms.expires_us {
                Some(expires_us) => json.field("expiretm").seconds(expires_us),
                None => json.field("expiretm").integer(0),
            }
            json.field("descr").object(|json| {
                json.field("pair").text(pair.altname);
                json.field("aclass").text("forex");
                json.field("type").text(terms.side.text());
                json.field("ordertype").text(terms.order_type.text());
                match terms.limit {
                    Some(limit) => json.field("price").decimal(i128::from(limit), pair.price_decimals),
                    None => json.field("price").text("0"),
                }
                json.field("price2").text("0");
                json.field("leverage").text("none");
                json.field("order").text(&terms.sentence());
                json.field("close").text("");
            });
            json.field("vol").decimal(i128::from(terms.lots), LOT_DECIMALS);
            json.field("vol_exec").decimal(i128::from(self.filled_lots), LOT_DECIMALS);
            json.field("cost")
                .decimal(decimal::rescale(self.cost, pair.quote_decimals(), COST_DECIMALS), COST_DECIMALS);
            let fee_decimals = fee_asset_decimals.max(COST_DECIMALS);
            json.field("fee")
                .decimal(decimal::rescale(self.fee, fee_asset_decimals, fee_decimals), fee_decimals);
            json.field("price").decimal(self.average_price(), COST_DECIMALS);
            json.field("stopprice").text("0.00000");
            json.field("limitprice").text("0.00000");
            json.field("margin").truth(false);
            let partial = self.filled_lots > 0 && self.status == Status::Open;
            json.field("misc").text(match (partial, self.amends.is_empty()) {
                (false, true) => "",
                (true, true) => "partial",
                (false, false) => "amended",
                (true, false) => "partial,amended",
            });
            json.field("sender_sub_id").null();
            json.field("oflags").text(match (terms.fee_in_base, terms.post_only) {
                (false, false) => "fciq",
                (false, true) => "fciq,post",
                (true, false) => "fcib",
                (true, true) => "fcib,post",
            });
            json.field("time_in_force").text(terms.time_in_force.text());
            if with_trades && !self.trades.is_empty() {
                json.field("trades").array(|json| self.trades.iter().for_each(|id| json.text(id.as_str())));
            }
            if self.status != Status::Open {
                json.field("closetm").seconds(self.closed_us);
                json.field("reason").text_or_null(self.reason);
            }
        });
    }
}

/// One account's half of a trade.
#[derive(Clone, Debug)]
pub(crate) struct Trade {
    pub(crate) order: Id,
    /// Always there, for spot as well; it names no position.
    pub(crate) position: Id,
    pub(crate) pair: usize,
    pub(crate) at_us: u64,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) price: u64,
    pub(crate) lots: u64,
    /// In units of the quote asset.
    pub(crate) cost: i128,
    /// In units of the asset that pays it.
    pub(crate) fee: i128,
    pub(crate) fee_in_base: bool,
    pub(crate) ledgers: [Id; 2],
    pub(crate) number: u64,
    pub(crate) maker: bool,
}

impl Trade {
    /// Appends the object that Kraken shows.
    pub(crate) fn write(&self, json: &mut Json, with_ledgers: bool) {
        let pair = &PAIRS[self.pair];
        let fee_asset_decimals = if self.fee_in_base { pair.base_decimals() } else { pair.quote_decimals() };
        let fee_decimals = fee_asset_decimals.max(COST_DECIMALS);
        json.object(|json| {
            json.field("ordertxid").text(self.order.as_str());
            json.field("postxid").text(self.position.as_str());
            json.field("pair").text(pair.id);
            json.field("aclass").text("forex");
            json.field("time").seconds(self.at_us);
            json.field("type").text(self.side.text());
            json.field("ordertype").text(self.order_type.text());
            let price = decimal::rescale(i128::from(self.price), pair.price_decimals, COST_DECIMALS);
            json.field("price").decimal(price, COST_DECIMALS);
            json.field("cost")
                .decimal(decimal::rescale(self.cost, pair.quote_decimals(), COST_DECIMALS), COST_DECIMALS);
            json.field("fee")
                .decimal(decimal::rescale(self.fee, fee_asset_decimals, fee_decimals), fee_decimals);
            json.field("vol").decimal(i128::from(self.lots), LOT_DECIMALS);
            json.field("margin").text("0.00000");
            json.field("leverage").text("0");
            json.field("misc").text("");
            if with_ledgers {
                json.field("ledgers").array(|json| self.ledgers.iter().for_each(|id| json.text(id.as_str())));
            }
            json.field("trade_id").integer(self.number);
            json.field("maker").truth(self.maker);
        });
    }
}
