//! The public endpoints (Kraken docs: Market Data).

use super::book::Side;
use super::candles;
use super::endpoints::Act;
use super::engine::{Engine, MARGIN_STOP};
use super::grouped;
use super::markets::{ASSETS, Asset, COST_DECIMALS, LOT_DECIMALS, PAIRS, Pair, find_asset, find_pair};
use super::order::to_i128;
use super::refusal::{Refusal, wrong};
use super::spread;
use super::transparency;
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Pages of the book and of trades are at most this long.
const DEPTH_MAX: usize = 500;
pub(crate) const TRADES_MAX: usize = 1_000;

/// What a public endpoint answers.
pub(crate) fn answer(engine: &Engine, now_us: u64, act: Act, params: &Params) -> Result<String, Refusal> {
    match act {
        Act::Time => time(now_us),
        Act::SystemStatus => system_status(engine, now_us),
        Act::Assets => assets(params),
        Act::AssetPairs => asset_pairs(engine, params),
        Act::Ticker => ticker(engine, now_us, params),
        Act::Ohlc => candles::ohlc(engine, now_us, params),
        Act::Depth => depth(engine, now_us, params),
        Act::Trades => trades(engine, params),
        Act::Spread => spread::spread(engine, params),
        Act::GroupedBook => grouped::grouped_book(engine, params),
        Act::PreTrade => transparency::pre_trade(engine, now_us, params),
        Act::PostTrade => transparency::post_trade(engine, params),
        _ => Err(Refusal::FeatureDisabled),
    }
}

/// `Time`.
fn time(now_us: u64) -> Result<String, Refusal> {
    let now = timestamp(now_us);
    Ok(success(|json| {
        json.object(|json| {
            json.field("unixtime").integer(now_us / 1_000_000);
            json.field("rfc1123").text(&now.strftime("%a, %e %b %y %H:%M:%S +0000").to_string());
        });
    }))
}

/// `SystemStatus`.
fn system_status(engine: &Engine, now_us: u64) -> Result<String, Refusal> {
    let now = timestamp(now_us);
    Ok(success(|json| {
        json.object(|json| {
            json.field("status").text(engine.modes.system().text());
            json.field("timestamp").text(&now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        });
    }))
}

pub(crate) fn timestamp(now_us: u64) -> jiff::Timestamp {
    // Far beyond the year 9999 there is no timestamp; there is no such clock either.
    i64::try_from(now_us).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok()).unwrap_or_default()
}

/// The modern names were asked for.
fn modern(params: &Params) -> Result<bool, Refusal> {
    match params.get("assetVersion") {
        None => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(wrong("assetVersion")),
    }
}

fn asset_name(asset: &Asset, modern: bool) -> &'static str {
    if modern { asset.modern } else { asset.id }
}

fn pair_name(pair: &Pair, modern: bool) -> &'static str {
    if modern { pair.modern } else { pair.id }
}

/// The indices of a comma list of names; all of them if there is no list.
fn listed(
    list: Option<&str>,
    count: usize,
    find: impl Fn(&str) -> Option<usize>,
    unknown: &Refusal,
) -> Result<Vec<usize>, Refusal> {
    match list {
        None => Ok((0..count).collect()),
        Some(list) => list.split(',').map(|name| find(name.trim()).ok_or_else(|| unknown.clone())).collect(),
    }
}

pub(crate) fn one_pair(params: &Params) -> Result<usize, Refusal> {
    find_pair(params.get("pair").ok_or_else(|| wrong("pair"))?).ok_or(Refusal::UnknownPair)
}

/// `since` in whole seconds.
pub(crate) fn since_s(params: &Params) -> Result<u64, Refusal> {
    params.get("since").map_or(Ok(0), |text| decimal::parse(text, 0)).map_err(|_| wrong("since"))
}

/// One of the numbers that a parameter may be.
pub(crate) fn one_of(
    params: &Params,
    name: &'static str,
    allowed: &[u64],
    default: u64,
) -> Result<u64, Refusal> {
    let Some(text) = params.get(name) else { return Ok(default) };
    allowed.iter().copied().find(|number| number.to_string() == text).ok_or_else(|| wrong(name))
}

/// `Assets`.
fn assets(params: &Params) -> Result<String, Refusal> {
    let modern = modern(params)?;
    let wanted = listed(params.get("asset"), ASSETS.len(), find_asset, &Refusal::UnknownAsset)?;
    Ok(success(|json| {
        json.object(|json| {
            for asset in wanted.iter().map(|index| &ASSETS[*index]) {
                json.field(asset_name(asset, modern)).object(|json| {
                    json.field("aclass").text("currency");
                    json.field("altname").text(asset.altname);
                    json.field("decimals").integer(asset.decimals);
                    json.field("display_decimals").integer(asset.display_decimals);
                    json.field("collateral_value").integer(1);
                    json.field("status").text("enabled");
                });
            }
        });
    }))
}

/// `AssetPairs`.
fn asset_pairs(engine: &Engine, params: &Params) -> Result<String, Refusal> {
    let modern = modern(params)?;
    let wanted = listed(params.get("pair"), PAIRS.len(), find_pair, &Refusal::UnknownPair)?;
    Ok(success(|json| {
        json.object(|json| {
            for index in wanted {
                let (pair, status) = (&PAIRS[index], engine.modes.of(index));
                write_pair(json.field(pair_name(pair, modern)), pair, modern, status.text());
            }
        });
    }))
}

fn write_pair(json: &mut Json, pair: &Pair, modern: bool, status: &str) {
    json.object(|json| {
        json.field("altname").text(pair.altname);
        json.field("wsname").text(pair.wsname);
        json.field("aclass_base").text("currency");
        json.field("base").text(asset_name(&ASSETS[pair.base], modern));
        json.field("aclass_quote").text("currency");
        json.field("quote").text(asset_name(&ASSETS[pair.quote], modern));
        json.field("lot").text("unit");
        json.field("cost_decimals").integer(COST_DECIMALS);
        json.field("pair_decimals").integer(pair.price_decimals);
        json.field("lot_decimals").integer(LOT_DECIMALS);
        json.field("lot_multiplier").integer(1);
        for name in ["leverage_buy", "leverage_sell"] {
            json.field(name).array(|json| pair.leverages.iter().for_each(|factor| json.integer(factor)));
        }
        json.field("fees").raw("[[0,0.4]]");
        json.field("fees_maker").raw("[[0,0.25]]");
        json.field("fee_volume_currency").text(if modern { "USD" } else { "ZUSD" });
        json.field("margin_call").integer(80);
        json.field("margin_stop").integer(MARGIN_STOP);
        json.field("ordermin").text(&plain(i128::from(pair.order_min), LOT_DECIMALS));
        json.field("costmin").text(&plain(pair.cost_min, COST_DECIMALS));
        json.field("tick_size").text(&plain(i128::from(pair.tick), pair.price_decimals));
        json.field("status").text(status);
        json.field("execution_venue").text("international");
    });
}

/// A decimal without its last zeros: minimums are written so.
pub(crate) fn plain(value: i128, scale: u32) -> String {
    let text = decimal::text(value, scale);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `Ticker`. Prices have five places here whatever the pair has.
fn ticker(engine: &Engine, now_us: u64, params: &Params) -> Result<String, Refusal> {
    let wanted = listed(params.get("pair"), PAIRS.len(), find_pair, &Refusal::UnknownPair)?;
    Ok(success(|json| {
        json.object(|json| {
            for index in wanted {
                write_ticker(json.field(PAIRS[index].id), engine, now_us, index);
            }
        });
    }))
}

fn write_ticker(json: &mut Json, engine: &Engine, now_us: u64, index: usize) {
    let (pair, book, tape) = (&PAIRS[index], &engine.books[index], &engine.tapes[index]);
    let scaled = |price: u64| decimal::rescale(i128::from(price), pair.price_decimals, COST_DECIMALS);
    let (last, last_lots) = tape.last();
    let sums = tape.sums(now_us);
    json.object(|json| {
        for (name, side) in [("a", Side::Sell), ("b", Side::Buy)] {
            let (price, lots, _) = book.levels(side).next().unwrap_or((last, 0, 0));
            json.field(name).array(|json| {
                json.decimal(scaled(price), COST_DECIMALS);
                json.decimal(i128::from(lots / 100_000_000), 0);
                json.decimal(i128::from(lots / 100_000), 3);
            });
        }
        json.field("c").array(|json| {
            json.decimal(scaled(last), COST_DECIMALS);
            json.decimal(i128::from(last_lots), LOT_DECIMALS);
        });
        json.field("v")
            .array(|json| sums.iter().for_each(|sum| json.decimal(to_i128(sum.lots), LOT_DECIMALS)));
        json.field("p").array(|json| {
            for sum in &sums {
                let scale = 10_u128.pow(COST_DECIMALS - pair.price_decimals);
                json.decimal(
                    to_i128((sum.notional * scale).checked_div(sum.lots).unwrap_or(0)),
                    COST_DECIMALS,
                );
            }
        });
        json.field("t").array(|json| sums.iter().for_each(|sum| json.integer(sum.count)));
        let or_last = |count, price| if count == 0 { scaled(last) } else { scaled(price) };
        json.field("l").array(|json| {
            sums.iter().for_each(|sum| json.decimal(or_last(sum.count, sum.low), COST_DECIMALS));
        });
        json.field("h").array(|json| {
            sums.iter().for_each(|sum| json.decimal(or_last(sum.count, sum.high), COST_DECIMALS));
        });
        json.field("o").decimal(or_last(sums[0].count, sums[0].open), COST_DECIMALS);
    });
}

/// `Depth`.
fn depth(engine: &Engine, now_us: u64, params: &Params) -> Result<String, Refusal> {
    let (index, modern) = (one_pair(params)?, modern(params)?);
    let count = count(params, 100, DEPTH_MAX)?;
    let pair = &PAIRS[index];
    let side = |json: &mut Json, side: Side| {
        json.array(|json| {
            for (price, lots, changed_us) in engine.books[index].levels(side).take(count) {
                json.array(|json| {
                    let price = decimal::rescale(i128::from(price), pair.price_decimals, COST_DECIMALS);
                    json.decimal(price, COST_DECIMALS);
                    json.decimal(i128::from(lots / 100_000), 3);
                    // The house's first quotes are from before any request.
                    let at_us = if changed_us == 0 { now_us } else { changed_us };
                    json.integer(at_us / 1_000_000);
                });
            }
        });
    };
    Ok(success(|json| {
        json.object(|json| {
            json.field(pair_name(pair, modern)).object(|json| {
                side(json.field("asks"), Side::Sell);
                side(json.field("bids"), Side::Buy);
            });
        });
    }))
}

pub(crate) fn count(params: &Params, default: usize, max: usize) -> Result<usize, Refusal> {
    let Some(text) = params.get("count") else { return Ok(default) };
    text.parse().ok().filter(|count| (1..=max).contains(count)).ok_or_else(|| wrong("count"))
}

/// `Trades`: after `since` (seconds, or the nanoseconds of `last`), oldest first. Without it the latest ones.
fn trades(engine: &Engine, params: &Params) -> Result<String, Refusal> {
    let index = one_pair(params)?;
    let count = count(params, TRADES_MAX, TRADES_MAX)?;
    let since_ns = match params.get("since") {
        None => 0,
        // A cursor has nanoseconds; no time in seconds has so many digits.
        Some(text) if text.len() >= 15 && !text.contains('.') => {
            text.parse::<u64>().map_err(|_| wrong("since"))?
        }
        Some(text) => decimal::parse_seconds(text).ok_or_else(|| wrong("since"))?.saturating_mul(1_000),
    };
    let pair = &PAIRS[index];
    let after: Vec<_> = engine.tapes[index].recent().filter(|trade| trade.at_ns > since_ns).collect();
    let first = if params.get("since").is_some() { 0 } else { after.len().saturating_sub(count) };
    let found = &after[first..after.len().min(first + count)];
    Ok(success(|json| {
        json.object(|json| {
            json.field(pair.id).array(|json| {
                for trade in found {
                    json.array(|json| {
                        let price =
                            decimal::rescale(i128::from(trade.price), pair.price_decimals, COST_DECIMALS);
                        json.decimal(price, COST_DECIMALS);
                        json.decimal(i128::from(trade.lots), LOT_DECIMALS);
                        json.raw(&decimal::text(i128::from(trade.at_ns), 9));
                        json.text(if trade.taker == Side::Buy { "b" } else { "s" });
                        json.text(if trade.order_type.has_limit() { "l" } else { "m" });
                        json.text("");
                        json.integer(trade.number);
                    });
                }
            });
            let last_ns = found.last().map_or(since_ns, |trade| trade.at_ns);
            json.field("last").text(&last_ns.to_string());
        });
    }))
}
