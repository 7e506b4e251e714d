//! An order and a trade as the exchange keeps them, and as Kraken shows them (Kraken docs: Get Open Orders, Get
//! Closed Orders, Get Trades History).

use super::book::Side;
use super::ids::Id;
use super::markets::{COST_DECIMALS, LOT_DECIMALS, PAIRS, Pair};
pub(crate) use super::terms::{NewOrder, OrderType, SelfTrade, TimeInForce};
use crate::wire::decimal;
use crate::wire::json::Json;

/// Prices below 2^60 times lots below 2^60 fit; more than that is refused when an order is read.
pub(crate) fn to_i128(value: u128) -> i128 {
    i128::try_from(value).unwrap_or(i128::MAX)
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Its time has not come.
    Pending,
    Open,
    Closed,
    Canceled,
    Expired,
}

impl Status {
    fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// Whether something can still become of the order.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Open)
    }
}

/// An order that was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Its place in the order of birth.
    pub(crate) number: u64,
    pub(crate) id: Id,
    pub(crate) account: usize,
    /// The order whose conditional close it is.
    pub(crate) parent: Option<Id>,
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
    /// The exchange placed it, to close what the account's equity no longer carried.
    pub(crate) liquidated: bool,
}

/// One change of an order.
#[derive(Clone, Debug)]
pub(crate) struct Amend {
    pub(crate) id: Id,
    pub(crate) original: bool,
    pub(crate) at_us: u64,
    pub(crate) lots: u64,
    pub(crate) remaining_lots: u64,
    pub(crate) shows: Option<u64>,
    /// The two prices as Kraken shows them, of a triggered order the limit last.
    pub(crate) limit: Option<String>,
    pub(crate) trigger: Option<String>,
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
    pub(crate) fn write(&self, json: &mut Json) {
        json.object(|json| {
            json.field("amend_id").text(self.id.as_str());
            json.field("amend_type").text(if self.original { "original" } else { "user" });
            json.field("order_qty").decimal(i128::from(self.lots), LOT_DECIMALS);
            json.field("remaining_qty").decimal(i128::from(self.remaining_lots), LOT_DECIMALS);
            if let Some(shows) = self.shows {
                json.field("display_qty").decimal(i128::from(shows), LOT_DECIMALS);
            }
            let prices = [("limit_price", &self.limit), ("trigger_price", &self.trigger)];
            for (name, price) in prices.into_iter().filter_map(|(name, price)| Some((name, price.as_ref()?)))
            {
                json.field(name).text(price);
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
            original: true,
            at_us: self.opened_us,
            remaining_lots: self.terms.lots,
            post_only: self.terms.post_only,
            hidden_until_us: self.hidden_until_us,
            ..self.as_amended(self.id.as_kind(b'T'))
        }
    }

    /// It as it stands, as one of its amends.
    pub(crate) fn as_amended(&self, id: Id) -> Amend {
        let [first, second] = self.terms.prices();
        let (limit, trigger) = if self.terms.stop.is_some() { (second, first) } else { (first, None) };
        Amend {
            id,
            original: false,
            at_us: 0,
            lots: self.terms.lots,
            remaining_lots: self.terms.lots.saturating_sub(self.filled_lots),
            shows: self.terms.shows,
            limit,
            trigger,
            post_only: false,
            hidden_until_us: 0,
        }
    }

    /// Whether it is in the book, or may go there.
    pub(crate) fn is_live(&self) -> bool {
        self.status == Status::Open && !self.terms.waits_for_price()
    }

    /// What has become of it, in the words that Kraken has for that.
    fn misc(&self) -> String {
        let fired = self.terms.stop.is_some_and(|stop| stop.fired);
        let touched = self.terms.order_type.takes_profit();
        let words = [
            (fired && !touched, "stopped"),
            (fired && touched, "touched"),
            (self.liquidated, "liquidated"),
            (self.filled_lots > 0 && self.status == Status::Open, "partial"),
            (!self.amends.is_empty(), "amended"),
        ];
        words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
    }

    /// How it is funded, as Kraken writes it.
    fn leverage_text(&self) -> String {
        self.terms.leverage.map_or_else(|| "none".to_owned(), |leverage| format!("{leverage}:1"))
    }

    /// Kraken's flags of it.
    fn flags(&self) -> String {
        let terms = &self.terms;
        let fee = if terms.fee_in_base { "fcib" } else { "fciq" };
        let more = [(terms.post_only, ",post"), (terms.spends.is_some(), ",viqc")];
        more.iter().filter(|(is, _)| *is).fold(fee.to_owned(), |flags, (_, flag)| flags + flag)
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
            json.field("refid").text_or_null(self.parent.as_ref().map(Id::as_str));
            json.field("userref").integer_or_null(terms.userref);
            json.field("cl_ord_id").text_or_null(terms.cl_ord_id.as_deref());
            json.field("status").text(self.status.text());
            json.field("opentm").seconds(self.opened_us);
            for (name, at_us) in [("starttm", terms.starts_us), ("expiretm", terms.expires_us)] {
                match at_us {
                    Some(at_us) => json.field(name).seconds(at_us),
                    None => json.field(name).integer(0),
                }
            }
            json.field("descr").object(|json| {
                json.field("pair").text(pair.altname);
                json.field("aclass").text("forex");
                json.field("type").text(terms.side.text());
                json.field("ordertype").text(terms.order_type.text());
                for (name, price) in ["price", "price2"].into_iter().zip(terms.prices()) {
                    json.field(name).text(price.as_deref().unwrap_or("0"));
                }
                json.field("leverage").text(&self.leverage_text());
                json.field("order").text(&terms.sentence());
                json.field("close").text(&terms.close_sentence().unwrap_or_default());
            });
            json.field("vol").decimal(i128::from(terms.lots), LOT_DECIMALS);
            json.field("vol_exec").decimal(i128::from(self.filled_lots), LOT_DECIMALS);
            json.field("cost")
                .decimal(decimal::rescale(self.cost, pair.quote_decimals(), COST_DECIMALS), COST_DECIMALS);
            let fee_decimals = fee_asset_decimals.max(COST_DECIMALS);
            json.field("fee")
                .decimal(decimal::rescale(self.fee, fee_asset_decimals, fee_decimals), fee_decimals);
            json.field("price").decimal(self.average_price(), COST_DECIMALS);
            let scaled = |price: u64| decimal::rescale(i128::from(price), pair.price_decimals, COST_DECIMALS);
            // Kraken fills this in for trailing stops alone,
            let trails = terms.stop.filter(|stop| stop.trail.is_some()).map_or(0, |stop| scaled(stop.at));
            json.field("stopprice").decimal(trails, COST_DECIMALS);
            // and this once an order that has a limit went off.
            let limit = terms.stop.and(terms.limit).map_or(0, scaled);
            json.field("limitprice").decimal(limit, COST_DECIMALS);
            if let Some(stop) = &terms.stop {
                json.field("trigger").text(stop.by.text());
            }
            json.field("margin").truth(terms.leverage.is_some());
            json.field("misc").text(&self.misc());
            json.field("sender_sub_id").null();
            json.field("oflags").text(&self.flags());
            json.field("time_in_force").text(terms.time_in_force.text());
            if with_trades && !self.trades.is_empty() {
                json.field("trades").array(|json| self.trades.iter().for_each(|id| json.text(id.as_str())));
            }
            if !self.status.is_open() {
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
    /// Always there; for spot it names no position.
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
    pub(crate) leverage: Option<u32>,
    /// Of the position that it opened.
    pub(crate) margin: i128,
    /// Whether it closed any.
    pub(crate) closing: bool,
    pub(crate) ledgers: Vec<Id>,
    pub(crate) number: u64,
    pub(crate) maker: bool,
}

impl Trade {
    /// Appends the object that Kraken shows; `more` appends what there is besides.
    pub(crate) fn write(&self, json: &mut Json, with_ledgers: bool, more: impl FnOnce(&mut Json)) {
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
            let margin = decimal::rescale(self.margin, pair.quote_decimals(), COST_DECIMALS);
            json.field("margin").decimal(margin, COST_DECIMALS);
            json.field("leverage").text(&self.leverage.unwrap_or(0).to_string());
            json.field("misc").text(if self.closing { "closing" } else { "" });
            if with_ledgers {
                json.field("ledgers").array(|json| self.ledgers.iter().for_each(|id| json.text(id.as_str())));
            }
            json.field("trade_id").integer(self.number);
            json.field("maker").truth(self.maker);
            more(json);
        });
    }
}
