//! DepositStatus and WithdrawStatus: what both have in common.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Movement, asset};
use crate::exchange::engine::Engine;
use crate::exchange::keys::KeyState;
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Which movements are wanted, and how many.
struct Filter<'a> {
    asset: Option<usize>,
    method: Option<&'a str>,
    from_us: u64,
    to_us: u64,
    limit: usize,
    /// Set where pages are wanted: those before this number.
    below: Option<u64>,
}

impl<'a> Filter<'a> {
    fn read(params: &'a Params, key: &KeyState, page: usize) -> Result<Self, Refusal> {
        let moment = |name: &'static str| {
            params.get(name).map(|text| decimal::parse_seconds(text).ok_or_else(|| wrong(name))).transpose()
        };
        let date_us = |at_s: Option<u64>| at_s.map(|at_s| at_s.saturating_mul(1_000_000));
        let (start, end) = (moment("start")?.unwrap_or(0), moment("end")?.unwrap_or(u64::MAX));
        let limit = match params.get("limit") {
            None => page,
            Some(text) => text.parse().ok().filter(|limit| *limit > 0).ok_or_else(|| wrong("limit"))?,
        };
        Ok(Self {
            asset: asset(params)?,
            method: params.get("method"),
            // What a key may not see of the past, it does not see here either.
            from_us: start.max(date_us(key.key.query_from).unwrap_or(0)),
            to_us: end.min(date_us(key.key.query_to).unwrap_or(u64::MAX)),
            limit,
            below: below(params)?,
        })
    }

    fn fits(&self, movement: &Movement, method: &str) -> bool {
        // Both ends are inclusive, and Kraken shows whole seconds.
        let shown_us = movement.began_us / 1_000_000 * 1_000_000;
        self.asset.is_none_or(|asset| movement.asset == asset)
            && self.method.is_none_or(|wanted| wanted == method)
            && (self.from_us..=self.to_us).contains(&shown_us)
    }
}

/// `cursor`: false, true for the first page, or what the page before named.
fn below(params: &Params) -> Result<Option<u64>, Refusal> {
    let text = params.get("cursor").unwrap_or("false");
    if text.eq_ignore_ascii_case("false") {
        return Ok(None);
    }
    if text.eq_ignore_ascii_case("true") {
        return Ok(Some(u64::MAX));
    }
    let number = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()?.parse().ok());
    number.map(Some).ok_or_else(|| wrong("cursor"))
}

/// Lists an account's movements, the newest first. `method` is the name of a movement's way, if it belongs here at all.
pub(super) fn list<'e>(
    engine: &'e Engine,
    key: &KeyState,
    params: &Params,
    page: usize,
    name: &str,
    method: impl Fn(&'e Movement) -> Option<&'static str>,
    write: impl Fn(&mut Json, &'e Movement),
) -> Result<String, Refusal> {
    let filter = Filter::read(params, key, page)?;
    let mut found =
        engine.funding.movements.range(..filter.below.unwrap_or(u64::MAX)).rev().filter(|(_, m)| {
            m.account == key.account && method(m).is_some_and(|method| filter.fits(m, method))
        });
    let shown: Vec<_> = found.by_ref().take(filter.limit).collect();
    let more = found.next().is_some();
    let next = shown.last().filter(|_| more).map(|(number, _)| STANDARD.encode(number.to_string()));
    let write_all = |json: &mut Json| json.array(|json| shown.iter().for_each(|(_, one)| write(json, one)));
    Ok(success(|json| {
        if filter.below.is_none() {
            return write_all(json);
        }
        json.object(|json| {
            write_all(json.field(name));
            json.field("next_cursor").text_or_null(next.as_deref());
        });
    }))
}
