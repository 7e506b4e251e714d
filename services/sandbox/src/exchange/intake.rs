//! Reading AddOrder: every argument that can be judged without looking at the market (Kraken docs: Add Order).

use super::book::Side;
use super::markets::{LOT_DECIMALS, PAIRS, find_pair};
use super::order::{NewOrder, OrderType, SelfTrade, TimeInForce};
use super::refusal::{Refusal, wrong};
use crate::wire::decimal::{self, DecimalError};
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
/// Prices and volumes above are mistakes: a thousand million whole units.
const UNITS_MAX: u64 = 1_000_000_000;

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

/// Reads an order. What this exchange does not trade is refused by the name of the parameter, never ignored.
pub(crate) fn read(params: &Params, now_us: u64) -> Result<NewOrder, Refusal> {
    refuse_unsupported(params)?;
    let pair = find_pair(params.get("pair").ok_or_else(|| wrong("pair"))?).ok_or(Refusal::UnknownPair)?;
    let side = match params.get("type") {
        Some("buy") => Side::Buy,
        Some("sell") => Side::Sell,
        _ => return Err(wrong("type")),
    };
    let order_type = match params.get("ordertype") {
        Some("market") => OrderType::Market,
        Some("limit") => OrderType::Limit,
        _ => return Err(wrong("ordertype")),
    };
    let lots = params.get("volume").and_then(lots).ok_or_else(|| wrong("volume"))?;
    let limit = match order_type {
        OrderType::Market => None,
        OrderType::Limit => Some(price(params, "price", pair)?),
    };
    let (post_only, fee_in_base) = flags(params, side, order_type)?;
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
    if userref.is_some() && cl_ord_id.is_some() {
        return Err(wrong("cl_ord_id"));
    }
    Ok(NewOrder {
        pair,
        side,
        order_type,
        limit,
        lots,
        post_only,
        fee_in_base,
        time_in_force,
        expires_us,
        self_trade,
        userref,
        cl_ord_id,
    })
}

fn refuse_unsupported(params: &Params) -> Result<(), Refusal> {
    if !matches!(params.get("starttm"), None | Some("0" | "+0")) {
        return Err(wrong("starttm"));
    }
    if !matches!(params.get("leverage"), None | Some("none")) {
        return Err(wrong("leverage"));
    }
    if flag(params, "reduce_only")? {
        return Err(wrong("reduce_only"));
    }
    if params.has_prefix("close[") {
        return Err(wrong("close"));
    }
    for name in ["displayvol", "price2", "asset_class"] {
        if !matches!(params.get(name), None | Some("0")) {
            return Err(wrong(name));
        }
    }
    Ok(())
}

/// A volume in lots.
pub(crate) fn lots(text: &str) -> Option<u64> {
    decimal::parse(text, LOT_DECIMALS).ok().filter(|lots| (1..=UNITS_MAX * 100_000_000).contains(lots))
}

/// A price of a pair under a name.
pub(crate) fn price(params: &Params, name: &'static str, pair: usize) -> Result<u64, Refusal> {
    let pair = &PAIRS[pair];
    let price = match decimal::parse(params.get(name).ok_or_else(|| wrong(name))?, pair.price_decimals) {
        Ok(price) => price,
        Err(DecimalError::TooPrecise) => return Err(Refusal::InvalidPrice),
        // Relative prices (`+5`, `#1%`) among others.
        Err(DecimalError::Malformed) => return Err(wrong(name)),
    };
    if price == 0 || price > UNITS_MAX * 10_u64.pow(pair.price_decimals) {
        return Err(wrong(name));
    }
    if !price.is_multiple_of(pair.tick) {
        return Err(Refusal::TickSize);
    }
    Ok(price)
}

/// Post-only, and whether the fee is paid in the base asset.
fn flags(params: &Params, side: Side, order_type: OrderType) -> Result<(bool, bool), Refusal> {
    let (mut post, mut in_base, mut in_quote) = (false, false, false);
    for flag in params.get("oflags").unwrap_or_default().split(',').map(str::trim) {
        match flag {
            "post" => post = true,
            "fcib" => in_base = true,
            "fciq" => in_quote = true,
            // Market price protection, deprecated and without effect here.
            "" | "nompp" | "no_mpp" => {}
            _ => return Err(wrong("oflags")),
        }
    }
    if (in_base && in_quote) || (post && order_type == OrderType::Market) {
        return Err(wrong("oflags"));
    }
    Ok((post, in_base || (!in_quote && side == Side::Sell)))
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
        (Some("FOK"), None) if order_type == OrderType::Limit => TimeInForce::FillOrKill,
        (Some("GTD"), None) | (Some("GTC" | "IOC" | "FOK"), Some(_)) => return Err(wrong("expiretm")),
        _ => return Err(wrong("timeinforce")),
    };
    Ok((time_in_force, expires_us))
}

fn expiry(text: &str, now_us: u64) -> Option<u64> {
    let at_us = match text.strip_prefix('+') {
        Some(seconds) => {
            let seconds = seconds.parse::<u64>().ok().filter(|seconds| *seconds >= EXPIRY_MIN_S)?;
            now_us.checked_add(seconds.checked_mul(SECOND_US)?)?
        }
        None => decimal::parse_seconds(text)?,
    };
    (at_us > now_us && at_us - now_us <= EXPIRY_MAX_US).then_some(at_us)
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
mod tests {
    use super::*;

    const NOW_US: u64 = 1_781_000_000_000_000;
    const PLAIN: &str = "pair=XBTUSD&type=buy&ordertype=limit&price=60000.1&volume=0.5";

    fn read_form(form: &str) -> Result<NewOrder, Refusal> {
        read(&Params::form(form.as_bytes()).unwrap(), NOW_US)
    }

    fn with(more: &str) -> Result<NewOrder, Refusal> {
        read_form(&format!("{PLAIN}&{more}"))
    }

    #[test]
    fn a_plain_order() {
        let order = read_form(PLAIN).unwrap();
        assert_eq!((order.pair, order.limit, order.lots), (0, Some(600_001), 50_000_000));
        assert_eq!(order.sentence(), "buy 0.50000000 XBTUSD @ limit 60000.1");
        assert!(!order.fee_in_base && !order.post_only);
        let market = read_form("pair=ETH/USD&type=sell&ordertype=market&volume=1").unwrap();
        assert_eq!(market.sentence(), "sell 1.00000000 ETHUSD @ market");
        assert!(market.fee_in_base, "documented default when selling");
    }

    #[test]
    fn wrong_arguments_are_named() {
        for (form, name) in [
            ("type=buy&ordertype=limit&price=1&volume=1", "pair"),
            ("pair=XBTUSD&ordertype=limit&price=1&volume=1", "type"),
            ("pair=XBTUSD&type=buy&ordertype=stop-loss&price=1&volume=1", "ordertype"),
            ("pair=XBTUSD&type=buy&ordertype=limit&volume=1", "price"),
            ("pair=XBTUSD&type=buy&ordertype=limit&price=%2B5&volume=1", "price"),
            ("pair=XBTUSD&type=buy&ordertype=limit&price=1&volume=0", "volume"),
            ("pair=XBTUSD&type=buy&ordertype=limit&price=1&volume=0.000000001", "volume"),
            ("pair=XBTUSD&type=buy&ordertype=market&volume=1&timeinforce=FOK", "timeinforce"),
            ("pair=XBTUSD&type=buy&ordertype=market&volume=1&oflags=post", "oflags"),
        ] {
            assert_eq!(read_form(form).unwrap_err(), wrong(name), "{form}");
        }
        for (more, name) in [
            ("oflags=viqc", "oflags"),
            ("oflags=fciq,fcib", "oflags"),
            ("oflags=post&timeinforce=IOC", "oflags"),
            ("starttm=%2B10", "starttm"),
            ("leverage=2", "leverage"),
            ("reduce_only=true", "reduce_only"),
            ("close%5Bordertype%5D=limit", "close"),
            ("timeinforce=GTD", "expiretm"),
            ("timeinforce=gtc", "timeinforce"),
            ("expiretm=%2B4", "expiretm"),
            ("expiretm=1", "expiretm"),
            ("timeinforce=IOC&expiretm=%2B60", "expiretm"),
            ("userref=abc", "userref"),
            ("userref=1&cl_ord_id=a", "cl_ord_id"),
            ("stptype=never", "stptype"),
        ] {
            assert_eq!(with(more).unwrap_err(), wrong(name), "{more}");
        }
    }

    #[test]
    fn prices_are_checked_for_places_and_ticks() {
        let price =
            |pair, price| read_form(&format!("pair={pair}&type=buy&ordertype=limit&price={price}&volume=1"));
        assert_eq!(price("XBTUSD", "60000.01").unwrap_err(), Refusal::InvalidPrice);
        assert_eq!(price("XBTEUR", "55000.1").unwrap_err(), Refusal::TickSize);
        assert_eq!(price("XBTEUR", "55000.5").unwrap().limit, Some(550_005));
    }

    #[test]
    fn three_forms_of_client_id() {
        let id = |id: &str| with(&format!("cl_ord_id={id}")).map(|order| order.cl_ord_id);
        for good in [
            "a",
            "18-characters-long",
            "3f8c2a17-9d54-4b0e-8a61-57c2e9d1b440",
            "3f8c2a179d544b0e8a6157c2e9d1b440",
        ] {
            assert_eq!(id(good).unwrap().as_deref(), Some(good));
        }
        for bad in [
            "nineteen-characters",
            "3f8c2a17-9d54-4b0e-8a61-57c2e9d1b44g",
            "3f8c2a17x9d54-4b0e-8a61-57c2e9d1b440",
            "%C3%BC",
        ] {
            assert_eq!(id(bad).unwrap_err(), wrong("cl_ord_id"), "{bad}");
        }
    }

    #[test]
    fn expiry_is_absolute_or_relative() {
        assert_eq!(with("expiretm=%2B5").unwrap().expires_us, Some(NOW_US + 5 * SECOND_US));
        let order = with("timeinforce=GTD&expiretm=1781000100.5").unwrap();
        assert_eq!(order.expires_us, Some(NOW_US + 100_500_000));
        assert_eq!(order.time_in_force, TimeInForce::GoodTillDate);
    }

    #[test]
    fn a_deadline_is_two_to_sixty_seconds_ahead() {
        let judge =
            |text: &str| deadline(&Params::form(format!("deadline={text}").as_bytes()).unwrap(), NOW_US);
        // 1781000000 is 2026-06-09T10:13:20Z.
        assert_eq!(judge("2026-06-09T10:13:22Z"), Ok(Some(NOW_US + 2 * SECOND_US)));
        assert_eq!(judge("2026-06-09T12:14:20.000%2B02:00"), Ok(Some(NOW_US + 60 * SECOND_US)));
        for wrong_one in
            ["2026-06-09T10:13:21.999Z", "2026-06-09T10:14:20.001Z", "2026-06-09T10:13:00Z", "soon"]
        {
            assert_eq!(judge(wrong_one), Err(wrong("deadline")), "{wrong_one}");
        }
        assert_eq!(judge(""), Ok(None));
    }
}
