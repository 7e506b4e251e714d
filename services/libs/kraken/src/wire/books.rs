//! Books, trades, spreads, candles: public data of one pair.
//!
//! Most of it comes in rows, whose values are told apart by where they stand. What Kraken may append to a row one day
//! is kept under its position.

use super::json::Json;
use super::read::{Extra, Object, Row, ShapeError, Wire, named};
use super::scalar::{Decimal, Time};

/// `Depth`: the book of the pair that was asked for, price by price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The pair's id, or its modern name if that was asked for.
    pub pair: String,
    /// Lowest first.
    pub asks: Vec<BookLevel>,
    /// Highest first.
    pub bids: Vec<BookLevel>,
    /// Other members, of the book and beside it.
    pub extra: Extra,
}

impl Wire for Depth {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let (pair, mut book, beside) = named(raw, b'{')?;
        let read = |raw: &mut Json<'_>| -> Result<_, ShapeError> {
            let mut from = Object::of(raw)?;
            Ok((from.need("asks")?, from.need("bids")?, from.rest()))
        };
        let (asks, bids, mut extra) = read(&mut book).map_err(|error| error.inside(&pair))?;
        extra.extend(beside.rest());
        Ok(Self { pair, asks, bids, extra })
    }
}

/// One price of a book, written `[price, volume, time]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// The price.
    pub price: Decimal,
    /// All that waits there, with three decimals.
    pub volume: Decimal,
    /// When that changed last, in whole seconds.
    pub time: Time,
    /// Further values by their position.
    pub extra: Extra,
}

impl Wire for BookLevel {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Row::of(raw)?;
        Ok(Self { price: from.need(0)?, volume: from.need(1)?, time: from.need(2)?, extra: from.rest() })
    }
}

/// What has happened in a pair, and where to go on asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series<T> {
    /// The pair's id, whatever name was asked for.
    pub pair: String,
    /// Oldest first.
    pub rows: Vec<T>,
    /// The `since` that goes on from here: nanoseconds for trades, seconds otherwise.
    pub last: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl<T: Wire> Wire for Series<T> {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let (pair, mut rows, mut beside) = named(raw, b'[')?;
        let rows = Wire::take(&mut rows).map_err(|error: ShapeError| error.inside(&pair))?;
        Ok(Self { pair, rows, last: beside.opt("last")?, extra: beside.rest() })
    }
}

/// `Trades`.
pub type PublicTrades = Series<PublicTrade>;

/// A trade, written `[price, volume, time, side, order type, misc, trade id]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicTrade {
    /// The price.
    pub price: Decimal,
    /// The volume, in the base asset.
    pub volume: Decimal,
    /// When, to the nanosecond.
    pub time: Time,
    /// `b` or `s`: the side of the taker.
    pub side: String,
    /// `m` or `l`: the type of the taker's order.
    pub order_type: String,
    /// Kraken's remarks, as a rule empty.
    pub misc: Option<String>,
    /// Rises within the pair; older replies did not have it.
    pub trade_id: Option<u64>,
    /// Further values by their position.
    pub extra: Extra,
}

impl Wire for PublicTrade {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Row::of(raw)?;
        Ok(Self {
            price: from.need(0)?,
            volume: from.need(1)?,
            time: from.need(2)?,
            side: from.need(3)?,
            order_type: from.need(4)?,
            misc: from.opt(5)?,
            trade_id: from.opt(6)?,
            extra: from.rest(),
        })
    }
}

/// `Spread`.
pub type Spreads = Series<Spread>;

/// The best prices from a time on, written `[time, bid, ask]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Since when, in whole seconds.
    pub time: Time,
    /// Highest price that somebody pays.
    pub bid: Decimal,
    /// Lowest price that somebody takes.
    pub ask: Decimal,
    /// Further values by their position.
    pub extra: Extra,
}

impl Wire for Spread {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Row::of(raw)?;
        Ok(Self { time: from.need(0)?, bid: from.need(1)?, ask: from.need(2)?, extra: from.rest() })
    }
}

/// `OHLC`. The last candle is still open.
pub type Candles = Series<Candle>;

/// A candle, written `[time, open, high, low, close, vwap, volume, count]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candle {
    /// When it begins, in whole seconds.
    pub time: Time,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Average price, weighted by volume.
    pub vwap: Decimal,
    /// Volume, in the base asset.
    pub volume: Decimal,
    /// Number of trades.
    pub count: u64,
    /// Further values by their position.
    pub extra: Extra,
}

impl Wire for Candle {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Row::of(raw)?;
        Ok(Self {
            time: from.need(0)?,
            open: from.need(1)?,
            high: from.need(2)?,
            low: from.need(3)?,
            close: from.need(4)?,
            vwap: from.need(5)?,
            volume: from.need(6)?,
            count: from.need(7)?,
            extra: from.rest(),
        })
    }
}

/// `GroupedBook`: not keyed by its pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupedBook {
    /// In the form `BTC/USD`.
    pub pair: String,
    /// Ticks that make one level.
    pub grouping: Option<u32>,
    /// Lowest first, rounded up.
    pub asks: Vec<GroupedLevel>,
    /// Highest first, rounded down.
    pub bids: Vec<GroupedLevel>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for GroupedBook {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            pair: from.need("pair")?,
            grouping: from.opt("grouping")?,
            asks: from.need("asks")?,
            bids: from.need("bids")?,
            extra: from.rest(),
        })
    }
}

/// All that waits within some ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupedLevel {
    /// The price, rounded to the passive side.
    pub price: Decimal,
    /// The volume.
    pub qty: Decimal,
    /// Other members.
    pub extra: Extra,
}

impl Wire for GroupedLevel {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { price: from.need("price")?, qty: from.need("qty")?, extra: from.rest() })
    }
}

/// `Level3`: the book, order by order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level3 {
    /// In the form `BTC/USD`.
    pub pair: String,
    /// Lowest price first.
    pub asks: Vec<BookOrder>,
    /// Highest price first.
    pub bids: Vec<BookOrder>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Level3 {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            pair: from.need("pair")?,
            asks: from.need("asks")?,
            bids: from.need("bids")?,
            extra: from.rest(),
        })
    }
}

/// An order that waits in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookOrder {
    /// The limit.
    pub price: Decimal,
    /// What is shown of its volume.
    pub qty: Decimal,
    /// Kraken's id.
    pub order_id: String,
    /// Since when it waits there, in nanoseconds since 1970.
    pub timestamp_ns: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for BookOrder {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            price: from.need("price")?,
            qty: from.need("qty")?,
            order_id: from.need("order_id")?,
            timestamp_ns: from.opt("timestamp")?,
            extra: from.rest(),
        })
    }
}
