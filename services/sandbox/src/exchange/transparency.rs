//! What the rules of market transparency want published (Kraken docs: Get Pre-Trade Data, Get Post-Trade Data).

use super::book::Side;
use super::engine::Engine;
use super::ids::Source;
use super::markets::{ASSET_COUNT, ASSETS, LOT_DECIMALS, PAIR_COUNT, PAIRS, find_pair};
use super::public::{TRADES_MAX, count, plain, timestamp};
use super::refusal::{Refusal, wrong};
use super::tape::PublicTrade;
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Prices of each side that are published.
const LEVELS_MAX: usize = 10;
const VENUE: &str = "PGSL";
/// What people call the assets, in their order.
const NAMES: [&str; ASSET_COUNT] = ["Bitcoin", "Ether", "US Dollars", "Euros"];
/// Stream of [`Source`] from which trades get their public ids.
const TRADE_IDS: u64 = 9;

fn symbol(params: &Params) -> Result<Option<usize>, Refusal> {
    params.get("symbol").map(|name| find_pair(name).ok_or(Refusal::UnknownPair)).transpose()
}

fn write_pair(json: &mut Json, index: usize) {
    let pair = &PAIRS[index];
    json.field("symbol").text(pair.modern);
    json.field("description").text(&format!("{} / {}", NAMES[pair.base], NAMES[pair.quote]));
    json.field("base_asset").text(ASSETS[pair.base].modern);
    json.field("base_notation").text("UNIT");
    json.field("quote_asset").text(ASSETS[pair.quote].modern);
    json.field("quote_notation").text("MONE");
}

/// `PreTrade`.
pub(crate) fn pre_trade(engine: &Engine, now_us: u64, params: &Params) -> Result<String, Refusal> {
    let index = symbol(params)?.ok_or_else(|| wrong("symbol"))?;
    let pair = &PAIRS[index];
    let side = |json: &mut Json, side: Side| {
        json.array(|json| {
            for (price, entries, changed_us) in engine.books[index].queues(side).take(LEVELS_MAX) {
                let lots: u64 = entries.iter().map(|entry| entry.lots).sum();
                // The house's first quotes are from before any request.
                let submitted_us = if changed_us == 0 { now_us } else { changed_us };
                json.object(|json| {
                    json.field("side").text(if side == Side::Buy { "BUY" } else { "SELL" });
                    json.field("price").decimal(i128::from(price), pair.price_decimals);
                    json.field("qty").text(&plain(i128::from(lots), LOT_DECIMALS));
                    json.field("count").integer(entries.len());
                    json.field("submission_ts").text(&timestamp(submitted_us).to_string());
                    json.field("publication_ts").text(&timestamp(now_us).to_string());
                });
            }
        });
    };
    Ok(success(|json| {
        json.object(|json| {
            write_pair(json, index);
            for (asset, code, name) in [
                (pair.base, "base_dti_code", "base_dti_short_name"),
                (pair.quote, "quote_dti_code", "quote_dti_short_name"),
            ] {
                // Only one digital token has its code written here; money has none.
                let known = ASSETS[asset].modern == "BTC";
                json.field(code).text(if known { "4H95J0R2X" } else { "" });
                json.field(name).text(if known { "BTC" } else { "" });
            }
            json.field("venue").text(VENUE);
            json.field("system").text("CLOB");
            side(json.field("bids"), Side::Buy);
            side(json.field("asks"), Side::Sell);
        });
    }))
}

/// A time in RFC 3339 with its nanoseconds.
fn text_of(at_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or_default().to_string()
}

/// A bound of time as nanoseconds.
fn bound(params: &Params, name: &'static str) -> Result<Option<u64>, Refusal> {
    let read = |text: &str| {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_nanosecond()).ok()
    };
    params.get(name).map(|text| read(text).ok_or_else(|| wrong(name))).transpose()
}

/// `PostTrade`: after `from_ts` up to `to_ts`, oldest first. Without a beginning the latest ones.
pub(crate) fn post_trade(engine: &Engine, params: &Params) -> Result<String, Refusal> {
    let (only, count) = (symbol(params)?, count(params, TRADES_MAX, TRADES_MAX)?);
    let (from_ns, to_ns) = (bound(params, "from_ts")?, bound(params, "to_ts")?);
    let fits = |trade: &&PublicTrade| {
        from_ns.is_none_or(|from_ns| trade.at_ns > from_ns) && to_ns.is_none_or(|to_ns| trade.at_ns <= to_ns)
    };
    let mut found: Vec<(usize, &PublicTrade)> = (0..PAIR_COUNT)
        .filter(|index| only.is_none_or(|only| only == *index))
        .flat_map(|index| engine.tapes[index].recent().filter(fits).map(move |trade| (index, trade)))
        .collect();
    found.sort_by_key(|(_, trade)| (trade.at_ns, trade.number));
    let first = if from_ns.is_some() { 0 } else { found.len().saturating_sub(count) };
    let found = &found[first..found.len().min(first + count)];
    let last_ns = found.last().map(|(_, trade)| trade.at_ns).or(from_ns);
    Ok(success(|json| {
        json.object(|json| {
            json.field("last_ts").text_or_null(last_ns.map(text_of).as_deref());
            json.field("count").integer(found.len());
            json.field("trades")
                .array(|json| found.iter().for_each(|(index, trade)| write(json, *index, trade)));
        });
    }))
}

fn write(json: &mut Json, index: usize, trade: &PublicTrade) {
    json.object(|json| {
        json.field("trade_id").text(Source::new(trade.number, TRADE_IDS).id(b'T').as_str());
        json.field("price").text(&decimal::text(i128::from(trade.price), PAIRS[index].price_decimals));
        json.field("quantity").text(&plain(i128::from(trade.lots), LOT_DECIMALS));
        write_pair(json, index);
        for (venue, at) in [("trade_venue", "trade_ts"), ("publication_venue", "publication_ts")] {
            json.field(venue).text(VENUE);
            json.field(at).text(&text_of(trade.at_ns));
        }
    });
}
