//! What can be asked of an order: its type, its prices, how long it stays, what closes it (Kraken docs: Add Order).

use super::book::Side;
use super::markets::{LOT_DECIMALS, PAIRS, Pair, TAKER_FEE};
use super::order::to_i128;
use super::prices::{Asked, Offset, Prices, Reference};
use super::refusal::{Refusal, wrong};
use crate::wire::decimal;

/// The order types that are traded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderType {
    Market,
    Limit,
    /// A limit order of which the book shows a part.
    Iceberg,
    StopLoss,
    TakeProfit,
    StopLossLimit,
    TakeProfitLimit,
    TrailingStop,
    TrailingStopLimit,
    /// No trade: a margin position is settled with the account's own funds.
    SettlePosition,
}

impl OrderType {
    const ALL: [Self; 10] = [
        Self::Market,
        Self::Limit,
        Self::Iceberg,
        Self::StopLoss,
        Self::TakeProfit,
        Self::StopLossLimit,
        Self::TakeProfitLimit,
        Self::TrailingStop,
        Self::TrailingStopLimit,
        Self::SettlePosition,
    ];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit => "limit",
            Self::Iceberg => "iceberg",
            Self::StopLoss => "stop-loss",
            Self::TakeProfit => "take-profit",
            Self::StopLossLimit => "stop-loss-limit",
            Self::TakeProfitLimit => "take-profit-limit",
            Self::TrailingStop => "trailing-stop",
            Self::TrailingStopLimit => "trailing-stop-limit",
            Self::SettlePosition => "settle-position",
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.text() == text)
    }

    /// What sentences call it, before its first price.
    fn words(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit | Self::Iceberg => "limit",
            Self::StopLoss | Self::StopLossLimit => "stop loss",
            Self::TakeProfit | Self::TakeProfitLimit => "take profit",
            Self::TrailingStop | Self::TrailingStopLimit => "trailing stop",
            Self::SettlePosition => "settle position",
        }
    }

    /// Whether it waits for a price before it goes to the book.
    pub(crate) fn is_triggered(self) -> bool {
        !matches!(self, Self::Market | Self::Limit | Self::Iceberg | Self::SettlePosition)
    }

    pub(crate) fn takes_profit(self) -> bool {
        matches!(self, Self::TakeProfit | Self::TakeProfitLimit)
    }

    pub(crate) fn trails(self) -> bool {
        matches!(self, Self::TrailingStop | Self::TrailingStopLimit)
    }

    /// Whether it takes a second price, the limit at which it goes to the book.
    pub(crate) fn has_second_price(self) -> bool {
        matches!(self, Self::StopLossLimit | Self::TakeProfitLimit | Self::TrailingStopLimit)
    }

    /// Whether there is a limit to what it trades at.
    pub(crate) fn has_limit(self) -> bool {
        matches!(self, Self::Limit | Self::Iceberg) || self.has_second_price()
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
    pub(crate) fn text(self) -> &'static str {
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

/// The prices of an order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Terms {
    /// The limit of an order that may go to the book at once; none for market orders, and none while a stop waits.
    pub(crate) limit: Option<u64>,
    pub(crate) stop: Option<Stop>,
}

/// What must happen to a price before an order goes to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) by: Reference,
    /// Whether the price must rise to `at`, or fall to it.
    pub(crate) rises: bool,
    pub(crate) at: u64,
    /// How far `at` stays behind the best price there was, if it follows that.
    pub(crate) trail: Option<Offset>,
    /// The limit it then has: a price, or so far from where it went off; none if it takes what there is.
    pub(crate) limit: Option<Asked>,
    /// Whether it happened.
    pub(crate) fired: bool,
}

impl Stop {
    /// Where the trigger of a trailing stop belongs at this price of its reference.
    pub(crate) fn trailed(trail: Offset, rises: bool, reference: u64, pair: &Pair) -> Option<u64> {
        trail.on(!rises).from(reference, pair)
    }

    /// The limit of an order that went off at `at`, if it has one.
    pub(crate) fn limit_from(&self, at: u64, pair: &Pair) -> Option<u64> {
        self.limit?.resolve(!self.rises, at, pair)
    }
}

/// How Kraken calls the parameters of the two prices, for refusals.
pub(crate) type Names = [&'static str; 2];

/// Resolves the prices of an order. Relative ones are taken from the last trade, whatever sets the order off: that is what
/// Kraken documents; what a trailing stop follows is its own reference. `#` is the side on which a stop can still go off, or a
/// limit still waits.
pub(crate) fn resolve(
    order_type: OrderType,
    side: Side,
    pair: usize,
    (first, second): (Option<Asked>, Option<Asked>),
    by: Reference,
    prices: &Prices,
    names: Names,
) -> Result<Terms, Refusal> {
    let index = pair;
    let (pair, last) = (&PAIRS[pair], prices.last[pair]);
    let first = match (order_type, first) {
        // A price of a market order says nothing.
        (OrderType::Market | OrderType::SettlePosition, _) => return Ok(Terms::default()),
        (_, first) => first.ok_or_else(|| wrong(names[0]))?,
    };
    if !order_type.is_triggered() {
        let limit = first.limit(side, last, pair).ok_or_else(|| wrong(names[0]))?;
        return Ok(Terms { limit: Some(limit), stop: None });
    }
    let rises = (side == Side::Buy) != order_type.takes_profit();
    let second = match (order_type.has_second_price(), second) {
        (true, second) => Some(second.ok_or_else(|| wrong(names[1]))?),
        (false, _) => None,
    };
    let stop = if order_type.trails() {
        let Asked::Off(trail @ Offset { below: false, .. }) = first else { return Err(wrong(names[0])) };
        if !matches!(second, None | Some(Asked::Off(_))) {
            return Err(wrong(names[1]));
        }
        let at = Stop::trailed(trail, rises, prices.of(index, by), pair).ok_or_else(|| wrong(names[0]))?;
        Stop { by, rises, at, trail: Some(trail), limit: second, fired: false }
    } else {
        let at = first.resolve(!rises, last, pair).ok_or_else(|| wrong(names[0]))?;
        let limit = second.map(|second| second.resolve(!rises, last, pair).ok_or_else(|| wrong(names[1])));
        Stop { by, rises, at, trail: None, limit: limit.transpose()?.map(Asked::At), fired: false }
    };
    Ok(Terms { limit: None, stop: Some(stop) })
}

/// What is placed for every fill of an order: the other way, as much as was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) order_type: OrderType,
    /// Relative to the price of the fill, if they are relative.
    pub(crate) price: Asked,
    pub(crate) price2: Option<Asked>,
    /// What sets it off: the same as sets off the order itself.
    pub(crate) by: Reference,
}

impl Close {
    /// The sentence that Kraken makes of it.
    pub(crate) fn sentence(&self, pair: &Pair) -> String {
        let mut out = format!("close position @ {} {}", self.order_type.words(), self.price.text(pair));
        if let Some(price2) = self.price2 {
            out.push_str(&format!(" -> limit {}", price2.text(pair)));
        }
        out
    }
}

/// What a caller asks for, checked on its own.
#[derive(Clone, Debug)]
pub(crate) struct NewOrder {
    pub(crate) pair: usize,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    /// In units of the pair; none for orders without a limit, and none while a stop waits.
    pub(crate) limit: Option<u64>,
    pub(crate) stop: Option<Stop>,
    pub(crate) close: Option<Close>,
    pub(crate) lots: u64,
    /// The part of an iceberg order that the book shows.
    pub(crate) shows: Option<u64>,
    /// Of a market buy that names what it spends: that, in hundred-millionths of the quote asset. Its lots are then what
    /// the book has for it.
    pub(crate) spends: Option<u64>,
    /// How much of what it trades is paid with lent money; none for all of it with one's own.
    pub(crate) leverage: Option<u32>,
    /// It may close a margin position and open none.
    pub(crate) reduce_only: bool,
    pub(crate) post_only: bool,
    pub(crate) fee_in_base: bool,
    pub(crate) time_in_force: TimeInForce,
    /// When it goes to the market, if not at once.
    pub(crate) starts_us: Option<u64>,
    pub(crate) expires_us: Option<u64>,
    pub(crate) self_trade: SelfTrade,
    pub(crate) userref: Option<i32>,
    pub(crate) cl_ord_id: Option<Box<str>>,
}

impl NewOrder {
    /// An order that nobody asked for in so many words: no prices yet, everything else as if nothing were said.
    pub(crate) fn bare(pair: usize, side: Side, order_type: OrderType, lots: u64) -> Self {
        Self {
            pair,
            side,
            order_type,
            limit: None,
            stop: None,
            close: None,
            lots,
            shows: None,
            spends: None,
            leverage: None,
            reduce_only: false,
            post_only: false,
            fee_in_base: side == Side::Sell,
            time_in_force: TimeInForce::GoodTillCanceled,
            starts_us: None,
            expires_us: None,
            self_trade: SelfTrade::Newest,
            userref: None,
            cl_ord_id: None,
        }
    }

    pub(crate) fn pair(&self) -> &'static Pair {
        &PAIRS[self.pair]
    }

    /// Whether it waits for a price.
    pub(crate) fn waits_for_price(&self) -> bool {
        self.stop.is_some_and(|stop| !stop.fired)
    }

    /// The price it will trade at, as far as it says one.
    pub(crate) fn likely_price(&self) -> Option<u64> {
        let stopped = |stop: Stop| stop.limit_from(stop.at, self.pair()).unwrap_or(stop.at);
        self.limit.or(self.stop.map(stopped))
    }

    /// Its two prices as Kraken shows them.
    pub(crate) fn prices(&self) -> [Option<String>; 2] {
        let pair = self.pair();
        match &self.stop {
            None => [self.limit.map(|limit| Asked::At(limit).text(pair)), None],
            Some(stop) => {
                let first = stop.trail.map_or(Asked::At(stop.at), Asked::Off);
                [Some(first.text(pair)), stop.limit.map(|limit| limit.text(pair))]
            }
        }
    }

    /// The sentence that Kraken makes of an order.
    pub(crate) fn sentence(&self) -> String {
        let pair = self.pair();
        let mut out = format!("{} ", self.side.text());
        decimal::write(&mut out, i128::from(self.spends.unwrap_or(self.lots)), LOT_DECIMALS);
        out.push_str(&format!(" {} @ {}", pair.altname, self.order_type.words()));
        let [first, second] = self.prices();
        if let Some(first) = first {
            out.push_str(&format!(" {first}"));
        }
        if let Some(second) = second {
            out.push_str(&format!(" -> limit {second}"));
        }
        if let Some(leverage) = self.leverage {
            out.push_str(&format!(" with {leverage}:1 leverage"));
        }
        out
    }

    /// The sentence of what closes it; none if nothing does.
    pub(crate) fn close_sentence(&self) -> Option<String> {
        self.close.map(|close| close.sentence(self.pair()))
    }

    /// What must be held for so many lots at a price: of the quote when buying, of the base when selling, with the
    /// taker's fee if it is paid in the same asset. Rounded up, so that fills, which round down, always fit.
    /// Nothing where the money is lent.
    pub(crate) fn hold(&self, lots: u64, notional: u128) -> i128 {
        if self.leverage.is_some() {
            return 0;
        }
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
