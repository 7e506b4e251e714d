//! Reading AddOrder: every argument that can be judged without looking at the market (Kraken docs: Add Order).

use super::book::Side;
use super::markets::{LOT_DECIMALS, PAIRS, find_pair};
use super::order::{NewOrder, OrderType, SelfTrade, TimeInForce};
use super::prices::{Asked, Prices, Reference, UNITS_MAX};
use super::refusal::{Refusal, wrong};
use super::terms::{Close, Names, resolve};
use crate::wire::decimal;
use crate::wire::params::Params;

const SECOND_US: u64 = 1_000_000;
/// A deadline is at least this far ahead,
const DEADLINE_MIN_US: u64 = 2 * SECOND_US;
/// and at most this far.
const DEADLINE_MAX_US: u64 = 60 * SECOND_US;
/// An order expires this late at the latest.
const EXPIRY_MAX_US: u64 = 31 * 86_400 * SECOND_US;
/// `+n` seconds of expiry: n is at least this.
const EXPIRY_MIN_S: u64 = 5;
/// An iceberg order shows at least this part of itself.
const SLICES_MAX: u64 = 15;
/// What Kraken calls the prices of an order, and of what closes it.
const PRICES: Names = ["price", "price2"];
const CLOSE_PRICES: Names = ["close[price]", "close[price2]"];

/// A yes or no. Clients written in Python spell it `True`, and work with Kraken.
pub(crate) fn flag(params: &Params, name: &'static str) -> Result<bool, Refusal> {
    let Some(text) = params.get(name) else { return Ok(false) };
    let is_one_of = |words: [&str; 2]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (is_one_of(["true", "1"]), is_one_of(["false", "0"])) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(wrong(name)),
    }
}

/// The caller's group tag; 0 is none.
pub(crate) fn userref(params: &Params) -> Result<Option<i32>, Refusal> {
    let read = |text: &str| text.parse::<i32>().map_err(|_| wrong("userref"));
    Ok(params.get("userref").map(read).transpose()?.filter(|userref| *userref != 0))
}

/// The deadline of a request that arrived at `received_us`: RFC 3339, between 2 s and 60 s ahead.
pub(crate) fn deadline(params: &Params, received_us: u64) -> Result<Option<u64>, Refusal> {
    let Some(text) = params.get("deadline") else { return Ok(None) };
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong("deadline"))?;
    let at_us = u64::try_from(at.as_microsecond()).map_err(|_| wrong("deadline"))?;
    let ahead_us = at_us.saturating_sub(received_us);
    if (DEADLINE_MIN_US..=DEADLINE_MAX_US).contains(&ahead_us) {
        Ok(Some(at_us))
    } else {
        Err(wrong("deadline"))
    }
}

/// Reads an order. What this exchange does not trade is refused by the name of the parameter, never ignored. Relative prices
/// are fixed here, by `prices`.
pub(crate) fn read(params: &Params, now_us: u64, prices: &Prices) -> Result<NewOrder, Refusal> {
    if is_given(params, "asset_class") {
        return Err(wrong("asset_class"));
    }
    let pair = find_pair(params.get("pair").ok_or_else(|| wrong("pair"))?).ok_or(Refusal::UnknownPair)?;
    let side = match params.get("type") {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        _ => return Err(wrong("type")),
    };
    let order_type = params.get("ordertype").and_then(OrderType::read).ok_or_else(|| wrong("ordertype"))?;
    let (leverage, reduce_only) = on_margin(params, pair, order_type)?;
    let lots = match params.get("volume") {
        // The size of the position that it closes.
        Some(text) if leverage.is_some() && decimal::parse(text, LOT_DECIMALS) == Ok(0) => 0,
        text => text.and_then(lots).ok_or_else(|| wrong("volume"))?,
    };
    let by = match params.get("trigger") {
        None | Some("last") => Reference::Last,
        Some("index") => Reference::Index,
        Some(_) => return Err(wrong("trigger")),
    };
    if !order_type.has_second_price() && is_given(params, "price2") {
        return Err(wrong("price2"));
    }
    let asked = (asked(params, PRICES[0], pair, order_type)?, asked(params, PRICES[1], pair, order_type)?);
    let terms = resolve(order_type, side, pair, asked, by, prices, PRICES)?;
    let shows = displayed(params, "displayvol", order_type, lots)?;
    let close = close(params, side, pair, by, prices)?;
    let Flags { post_only, fee_in_base, in_quote } = flags(params, side, order_type, leverage.is_some())?;
    let (time_in_force, expires_us) = validity(params, order_type, now_us)?;
    if post_only && matches!(time_in_force, TimeInForce::ImmediateOrCancel | TimeInForce::FillOrKill) {
        return Err(wrong("oflags"));
    }
    let self_trade = match params.get("stptype") {
        None | Some("cancel-newest") => SelfTrade::Newest,
        Some("cancel-oldest") => SelfTrade::Oldest,
        Some("cancel-both") => SelfTrade::Both,
        Some(_) => return Err(wrong("stptype")),
    };
    let (userref, cl_ord_id) = (userref(params)?, cl_ord_id(params)?);
    // Kraken's own client never sends an id with a conditional close, because that is refused.
    if cl_ord_id.is_some() && (userref.is_some() || close.is_some()) {
        return Err(wrong("cl_ord_id"));
    }
    Ok(NewOrder {
        pair,
        side,
        order_type,
        limit: terms.limit,
        stop: terms.stop,
        close,
        lots,
        shows,
        spends: in_quote.then_some(lots),
        leverage,
        reduce_only,
        post_only,
        fee_in_base,
        time_in_force,
        starts_us: starts(params, now_us, expires_us)?,
        expires_us,
        self_trade,
        userref,
        cl_ord_id,
    })
}

/// With how much leverage an order trades, if with any, and whether it only reduces what was traded so before. A position is
/// settled with any leverage, which then says nothing.
fn on_margin(params: &Params, pair: usize, order_type: OrderType) -> Result<(Option<u32>, bool), Refusal> {
    let settles = order_type == OrderType::SettlePosition;
    let leverage = match params.get("leverage") {
        None | Some("none" | "0") => None,
        Some(text) => {
            let factor = text.strip_suffix(":1").unwrap_or(text).parse().ok();
            let may_be = |factor: &u32| PAIRS[pair].leverages.contains(factor) || (settles && *factor == 1);
            Some(factor.filter(may_be).ok_or_else(|| wrong("leverage"))?)
        }
    };
    let reduce_only = flag(params, "reduce_only")?;
    if settles && leverage.is_none() {
        return Err(wrong("leverage"));
    }
    if reduce_only && leverage.is_none() {
        return Err(wrong("reduce_only"));
    }
    Ok((leverage, reduce_only))
}

fn is_given(params: &Params, name: &str) -> bool {
    !matches!(params.get(name), None | Some("0"))
}

/// A price under a name, where the type has prices.
fn asked(
    params: &Params,
    name: &'static str,
    pair: usize,
    order_type: OrderType,
) -> Result<Option<Asked>, Refusal> {
    let text = params.get(name).filter(|_| order_type.has_limit() || order_type.is_triggered());
    text.filter(|text| *text != "0").map(|text| Asked::read(text, name, &PAIRS[pair])).transpose()
}

/// The part that an iceberg order of `lots` shows; other orders have none.
pub(crate) fn displayed(
    params: &Params,
    name: &'static str,
    order_type: OrderType,
    of_lots: u64,
) -> Result<Option<u64>, Refusal> {
    match (order_type, is_given(params, name)) {
        (OrderType::Iceberg, _) => {}
        (_, false) => return Ok(None),
        (_, true) => return Err(wrong(name)),
    }
    let shows = params.get(name).and_then(lots).ok_or_else(|| wrong(name))?;
    if enough_shows(shows, of_lots) { Ok(Some(shows)) } else { Err(wrong(name)) }
}

/// Whether an iceberg order of so many lots may show no more than that.
pub(crate) fn enough_shows(shows: u64, lots: u64) -> bool {
    shows <= lots && shows.saturating_mul(SLICES_MAX) >= lots
}

/// What is to close an order. Kraken's specification has icebergs here and its own client refuses them; so does this exchange.
fn close(
    params: &Params,
    side: Side,
    pair: usize,
    by: Reference,
    prices: &Prices,
) -> Result<Option<Close>, Refusal> {
    if !params.has_prefix("close[") {
        return Ok(None);
    }
    let read = params.get("close[ordertype]").and_then(OrderType::read);
    let closes = |it: &OrderType| it.has_limit() && *it != OrderType::Iceberg || it.is_triggered();
    let order_type = read.filter(closes).ok_or_else(|| wrong("close[ordertype]"))?;
    if !order_type.has_second_price() && is_given(params, CLOSE_PRICES[1]) {
        return Err(wrong(CLOSE_PRICES[1]));
    }
    let price = asked(params, CLOSE_PRICES[0], pair, order_type)?.ok_or_else(|| wrong(CLOSE_PRICES[0]))?;
    let price2 = asked(params, CLOSE_PRICES[1], pair, order_type)?;
    // What could never be placed is refused now.
    resolve(order_type, side.opposite(), pair, (Some(price), price2), by, prices, CLOSE_PRICES)?;
    Ok(Some(Close { order_type, price, price2, by }))
}

/// When an order goes to the market; none for at once.
fn starts(params: &Params, now_us: u64, expires_us: Option<u64>) -> Result<Option<u64>, Refusal> {
    let at_us = match params.get("starttm") {
        None | Some("0") => return Ok(None),
        Some(text) => moment(text, now_us).ok_or_else(|| wrong("starttm"))?,
    };
    let is_near = at_us.saturating_sub(now_us) <= EXPIRY_MAX_US;
    if !is_near || expires_us.is_some_and(|expires_us| expires_us <= at_us) {
        return Err(wrong("starttm"));
    }
    Ok((at_us > now_us).then_some(at_us))
}

/// Seconds since 1970, or `+n` from now.
fn moment(text: &str, now_us: u64) -> Option<u64> {
    match text.strip_prefix('+') {
        Some(seconds) => now_us.checked_add(seconds.parse::<u64>().ok()?.checked_mul(SECOND_US)?),
        None => decimal::parse_seconds(text),
    }
}

/// A volume in lots.
pub(crate) fn lots(text: &str) -> Option<u64> {
    decimal::parse(text, LOT_DECIMALS).ok().filter(|lots| (1..=UNITS_MAX * 100_000_000).contains(lots))
}

/// What is said of an order beside its amounts.
struct Flags {
    post_only: bool,
    fee_in_base: bool,
    /// The volume is in the quote asset.
    in_quote: bool,
}

fn flags(params: &Params, side: Side, order_type: OrderType, on_margin: bool) -> Result<Flags, Refusal> {
    let (mut post_only, mut in_base, mut in_quote, mut spends) = (false, false, false, false);
    for flag in params.get("oflags").unwrap_or_default().split(',').map(str::trim) {
        match flag {
            "post" => post_only = true,
            "fcib" => in_base = true,
            "fciq" => in_quote = true,
            "viqc" => spends = true,
            // Market price protection, deprecated and without effect here.
            "" | "nompp" | "no_mpp" => {}
            _ => return Err(wrong("oflags")),
        }
    }
    // Kraken: only limit orders can be post-only; triggered ones cannot, though some have a limit.
    let posts = matches!(order_type, OrderType::Limit | OrderType::Iceberg);
    let is_market_buy = order_type == OrderType::Market && side == Side::Buy;
    // Gains, losses and fees of a position are in the quote asset.
    let spot_only = in_base || spends;
    if (in_base && in_quote)
        || (post_only && !posts)
        || (spends && !is_market_buy)
        || (spot_only && on_margin)
    {
        return Err(wrong("oflags"));
    }
    let fee_in_base = in_base || (!in_quote && side == Side::Sell && !on_margin);
    Ok(Flags { post_only, fee_in_base, in_quote: spends })
}

fn validity(
    params: &Params,
    order_type: OrderType,
    now_us: u64,
) -> Result<(TimeInForce, Option<u64>), Refusal> {
    let expires_us = match params.get("expiretm") {
        None | Some("0" | "+0") => None,
        Some(text) => Some(expiry(text, now_us).ok_or_else(|| wrong("expiretm"))?),
    };
    let time_in_force = match (params.get("timeinforce"), expires_us) {
        (Some("GTD"), Some(_)) | (None, Some(_)) => TimeInForce::GoodTillDate,
        (Some("GTC") | None, None) => TimeInForce::GoodTillCanceled,
        (Some("IOC"), None) => TimeInForce::ImmediateOrCancel,
        (Some("FOK"), None) if order_type.has_limit() => TimeInForce::FillOrKill,
        (Some("GTD"), None) | (Some("GTC" | "IOC" | "FOK"), Some(_)) => return Err(wrong("expiretm")),
        _ => return Err(wrong("timeinforce")),
    };
    Ok((time_in_force, expires_us))
}

fn expiry(text: &str, now_us: u64) -> Option<u64> {
    let at_us = moment(text, now_us)?;
    let least_us = if text.starts_with('+') { EXPIRY_MIN_S * SECOND_US } else { 1 };
    (at_us >= now_us + least_us && at_us - now_us <= EXPIRY_MAX_US).then_some(at_us)
}

/// A client's own id: a UUID with dashes, one without, or up to 18 printable ASCII characters.
fn cl_ord_id(params: &Params) -> Result<Option<Box<str>>, Refusal> {
    let Some(text) = params.get("cl_ord_id") else { return Ok(None) };
    let valid = match text.len() {
        1..=18 => text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        32 => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        36 => text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        }),
        _ => false,
    };
    if valid { Ok(Some(text.into())) } else { Err(wrong("cl_ord_id")) }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
