//! Books, trades, spreads and candles: parameters there, replies back.

use prost_types::Timestamp;
use tidegate_core::Error;
use tidegate_kraken::wire::{
    BookLevel, BookOrder, Candle, Candles, Depth, Extra, GroupedBook, GroupedLevel, Level3, PublicTrade,
    PublicTrades, Series, Spread, Spreads,
};
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1;

use super::request::Builder;
use super::timestamp;

/// Lengths of a candle in minutes.
const INTERVALS: [u32; 9] = [1, 5, 15, 30, 60, 240, 1_440, 10_080, 21_600];
/// Levels of each side of a book that is not cut to a count.
const DEPTHS: [u32; 5] = [10, 25, 100, 250, 1_000];
/// Ticks that make one level.
const GROUPINGS: [u32; 9] = [1, 5, 10, 25, 50, 100, 250, 500, 1_000];

/// Parameters of Depth.
pub(crate) fn depth_of(request: &v1::GetDepthRequest) -> Result<Params, Error> {
    let mut to = pair_of(&request.pair);
    at_most(&mut to, "count", request.count, 500);
    to.word("asset_class", "asset_class", &request.asset_class);
    if request.modern_name {
        to.int("assetVersion", 1);
    }
    to.finish()
}

/// Parameters of Trades.
pub(crate) fn trades_of(request: &v1::GetTradesRequest) -> Result<Params, Error> {
    let mut to = pair_of(&request.pair);
    if let Some(time) = since(&mut to, request.start_time.as_ref(), &request.page_token) {
        match (u64::try_from(time.seconds), u32::try_from(time.nanos)) {
            // Kraken tells the two apart by their size.
            (Ok(seconds @ 1..=9_999_999_999), Ok(0)) => to.text("since", seconds.to_string()),
            (Ok(seconds @ 1_000_000..=9_999_999_999), Ok(nanos @ 1..=999_999_999)) => {
                to.text("since", format!("{seconds}{nanos:09}"));
            }
            _ => to.wrong("start_time", "must be a time after 1970"),
        }
    }
    at_most(&mut to, "count", request.count, 1_000);
    to.word("asset_class", "asset_class", &request.asset_class);
    to.finish()
}

/// Parameters of Spread.
pub(crate) fn spread_of(request: &v1::GetSpreadRequest) -> Result<Params, Error> {
    let mut to = pair_of(&request.pair);
    let time = since(&mut to, request.start_time.as_ref(), &request.page_token);
    to.seconds("since", "start_time", time);
    to.word("asset_class", "asset_class", &request.asset_class);
    to.finish()
}

/// Parameters of OHLC.
pub(crate) fn ohlc_of(request: &v1::GetOhlcRequest) -> Result<Params, Error> {
    let mut to = pair_of(&request.pair);
    one_of(&mut to, ["interval", "interval_min"], request.interval_min, &INTERVALS);
    let time = since(&mut to, request.start_time.as_ref(), &request.page_token);
    to.seconds("since", "start_time", time);
    to.word("asset_class", "asset_class", &request.asset_class);
    to.finish()
}

/// Parameters of GroupedBook.
pub(crate) fn grouped_book_of(request: &v1::GetGroupedBookRequest) -> Result<Params, Error> {
    let mut to = modern_pair_of(&request.pair);
    one_of(&mut to, ["depth", "depth"], request.depth, &DEPTHS);
    one_of(&mut to, ["grouping", "grouping"], request.grouping, &GROUPINGS);
    to.finish()
}

/// Parameters of Level3.
pub(crate) fn level3_of(request: &v1::GetLevel3Request) -> Result<Params, Error> {
    let mut to = modern_pair_of(&request.pair);
    match request.depth {
        // Here zero is a wish of its own.
        Some(0) => to.int("depth", 0),
        Some(depth) => one_of(&mut to, ["depth", "depth"], depth, &DEPTHS),
        None => {}
    }
    to.finish()
}

/// Begins with the pair that must be named.
fn pair_of(pair: &str) -> Builder {
    modern_pair_of(&super::names::kraken_pair(pair))
}

/// The same for calls that know today's symbols themselves.
fn modern_pair_of(pair: &str) -> Builder {
    let mut to = Builder::default();
    if pair.is_empty() {
        to.wrong("pair", "must be set, for instance BTC/USD");
    }
    to.word("pair", "pair", pair);
    to
}

/// A number of things; left out where zero, which is Kraken's default.
pub(crate) fn at_most(to: &mut Builder, name: &'static str, number: u32, max: u32) {
    if number > max {
        to.wrong(name, format!("must be 0 to {max}"));
    } else if number > 0 {
        to.int(name, i64::from(number));
    }
}

/// One of the numbers that Kraken takes, under its name there and its name here; left out where zero.
fn one_of(to: &mut Builder, [name, field]: [&'static str; 2], number: u32, allowed: &[u32]) {
    if allowed.contains(&number) {
        to.int(name, i64::from(number));
    } else if number > 0 {
        let allowed: Vec<_> = allowed.iter().map(u32::to_string).collect();
        to.wrong(field, format!("must be one of {}, or 0", allowed.join(", ")));
    }
}

/// Writes the page token, which is Kraken's own cursor. Without one, returns the time to begin at.
fn since<'a>(to: &mut Builder, time: Option<&'a Timestamp>, token: &str) -> Option<&'a Timestamp> {
    if token.is_empty() {
        return time;
    }
    if time.is_some() {
        to.wrong("start_time", "must not be set together with page_token");
    }
    if token.len() <= 20 && token.parse::<u64>().is_ok_and(|number| number.to_string() == token) {
        to.push("since", Value::Text(token.to_owned()));
    } else {
        to.wrong("page_token", "must be the next_page_token of an earlier reply to this call");
    }
    None
}

pub(crate) fn depth(depth: Depth) -> v1::GetDepthResponse {
    let level = |level: BookLevel| v1::BookLevel {
        price: level.price.0,
        volume: level.volume.0,
        time: timestamp(Some(&level.time)),
        extra: level.extra.into_iter().collect(),
    };
    v1::GetDepthResponse {
        pair: depth.pair,
        symbol: String::new(),
        asks: depth.asks.into_iter().map(level).collect(),
        bids: depth.bids.into_iter().map(level).collect(),
        extra: depth.extra.into_iter().collect(),
    }
}

fn token<T>(series: &Series<T>) -> String {
    series.last.map(|last| last.to_string()).unwrap_or_default()
}

pub(crate) fn trades(page: PublicTrades) -> v1::GetTradesResponse {
    v1::GetTradesResponse {
        next_page_token: token(&page),
        pair: page.pair,
        symbol: String::new(),
        trades: page.rows.into_iter().map(trade).collect(),
        extra: page.extra.into_iter().collect(),
    }
}

fn trade(mut trade: PublicTrade) -> v1::PublicTrade {
    let side = match trade.side.as_str() {
        "b" => v1::Side::Buy,
        "s" => v1::Side::Sell,
        word => unknown(&mut trade.extra, "side", word, v1::Side::Unspecified),
    };
    let order_type = match trade.order_type.as_str() {
        "m" => v1::OrderType::Market,
        "l" => v1::OrderType::Limit,
        word => unknown(&mut trade.extra, "order_type", word, v1::OrderType::Unspecified),
    };
    v1::PublicTrade {
        trade_id: trade.trade_id,
        price: trade.price.0,
        volume: trade.volume.0,
        time: timestamp(Some(&trade.time)),
        taker_side: side.into(),
        order_type: order_type.into(),
        misc: trade.misc.unwrap_or_default(),
        extra: trade.extra.into_iter().collect(),
    }
}

/// Keeps a word of Kraken's that this build does not know.
pub(crate) fn unknown<T>(extra: &mut Extra, name: &str, word: &str, meaning: T) -> T {
    extra.insert(name.to_owned(), word.to_owned());
    meaning
}

pub(crate) fn spreads(page: Spreads) -> v1::GetSpreadResponse {
    let spread = |spread: Spread| v1::Spread {
        time: timestamp(Some(&spread.time)),
        bid_price: spread.bid.0,
        ask_price: spread.ask.0,
        extra: spread.extra.into_iter().collect(),
    };
    v1::GetSpreadResponse {
        next_page_token: token(&page),
        pair: page.pair,
        symbol: String::new(),
        spreads: page.rows.into_iter().map(spread).collect(),
        extra: page.extra.into_iter().collect(),
    }
}

pub(crate) fn candles(page: Candles) -> v1::GetOhlcResponse {
    let candle = |candle: Candle| v1::Candle {
        time: timestamp(Some(&candle.time)),
        open_price: candle.open.0,
        high_price: candle.high.0,
        low_price: candle.low.0,
        close_price: candle.close.0,
        vwap: candle.vwap.0,
        volume: candle.volume.0,
        trades: candle.count,
        extra: candle.extra.into_iter().collect(),
    };
    v1::GetOhlcResponse {
        next_page_token: token(&page),
        pair: page.pair,
        symbol: String::new(),
        candles: page.rows.into_iter().map(candle).collect(),
        extra: page.extra.into_iter().collect(),
    }
}

pub(crate) fn grouped_book(book: GroupedBook) -> v1::GetGroupedBookResponse {
    let level = |level: GroupedLevel| v1::GroupedLevel {
        price: level.price.0,
        volume: level.qty.0,
        extra: level.extra.into_iter().collect(),
    };
    v1::GetGroupedBookResponse {
        pair: book.pair,
        symbol: String::new(),
        grouping: book.grouping,
        asks: book.asks.into_iter().map(level).collect(),
        bids: book.bids.into_iter().map(level).collect(),
        extra: book.extra.into_iter().collect(),
    }
}

pub(crate) fn level3(book: Level3) -> v1::GetLevel3Response {
    let order = |order: BookOrder| v1::BookOrder {
        order_id: order.order_id,
        price: order.price.0,
        volume: order.qty.0,
        time: order.timestamp_ns.and_then(at_ns),
        extra: order.extra.into_iter().collect(),
    };
    v1::GetLevel3Response {
        pair: book.pair,
        symbol: String::new(),
        asks: book.asks.into_iter().map(order).collect(),
        bids: book.bids.into_iter().map(order).collect(),
        extra: book.extra.into_iter().collect(),
    }
}

/// Nanoseconds since 1970; zero stands for "not set", as everywhere.
pub(super) fn at_ns(ns: u64) -> Option<Timestamp> {
    let seconds = i64::try_from(ns / 1_000_000_000).ok()?;
    let nanos = i32::try_from(ns % 1_000_000_000).ok()?;
    (ns > 0).then_some(Timestamp { seconds, nanos })
}

#[cfg(test)]
#[path = "books_tests.rs"]
mod tests;
