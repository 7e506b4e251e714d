//! What an account traded in 30 days and pays for it, and what an account without credit is told (Kraken docs: Get Trade
//! Volume, Get Credit Lines).

use super::engine::Engine;
use super::intake::flag;
use super::markets::{ASSETS, DOLLAR, MAKER_FEE, PAIRS, TAKER_FEE, find_pair};
use super::refusal::{Refusal, wrong};
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// How far back volume counts: 30 days.
const COUNTS_FOR_US: u64 = 30 * 86_400_000_000;
/// Places of fees in percent; rates are counted in ten-thousandths, which are hundredths of a percent.
const FEE_DECIMALS: u32 = 4;

/// `TradeVolume`: in dollars, what was paid in other currencies at today's prices. There is one tier here, so that
/// nobody's volume changes what he pays.
pub(crate) fn trade_volume(
    engine: &Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<String, Refusal> {
    let (pairs, schedules) = (pairs(params)?, flag(params, "fee_schedule")?);
    let numbers = engine.accounts.get(account).trades.iter().rev();
    let volume: i128 = numbers
        .filter_map(|number| engine.trades.get(*number))
        .take_while(|(_, trade)| now_us.saturating_sub(trade.at_us) < COUNTS_FOR_US)
        .map(|(_, trade)| engine.worth(trade.cost, PAIRS[trade.pair].quote, DOLLAR))
        .sum();
    let (dollar, owned) = (&ASSETS[DOLLAR], engine.worth_of(account, DOLLAR));
    Ok(success(|json| {
        json.object(|json| {
            json.field("currency").text(dollar.id);
            json.field("asset_class").text("currency");
            json.field("volume").decimal(volume, dollar.decimals);
            json.field("inputs").object(|json| {
                json.field("domain_spot_volume_30d").decimal(volume, dollar.decimals);
                json.field("domain_futures_volume_30d").decimal(0, dollar.decimals);
                json.field("domain_assets_on_platform").decimal(owned, dollar.decimals);
            });
            for (name, rate) in [("fees", TAKER_FEE), ("fees_maker", MAKER_FEE)] {
                if pairs.is_empty() {
                    json.field(name).null();
                } else {
                    json.field(name).object(|json| {
                        pairs.iter().for_each(|pair| write_standing(json.field(PAIRS[*pair].id), rate));
                    });
                }
            }
            if schedules {
                json.field("schedules").object(|json| {
                    pairs.iter().for_each(|pair| write_schedule(json.field(PAIRS[*pair].id)));
                });
            }
        });
    }))
}

/// The pairs that are asked about: names with commas between them, or a list of objects.
fn pairs(params: &Params) -> Result<Vec<usize>, Refusal> {
    let found = |name: &str| find_pair(name).ok_or(Refusal::UnknownPair);
    let mut pairs = params.list("pair").into_iter().map(found).collect::<Result<Vec<_>, _>>()?;
    while let Some(name) = params.get(&format!("pair[{}][asset]", pairs.len())) {
        // No pair of another class is traded here.
        match params.get(&format!("pair[{}][aclass]", pairs.len())) {
            Some("forex" | "currency") => pairs.push(found(name)?),
            Some(_) => return Err(Refusal::UnknownPair),
            None => return Err(wrong("pair")),
        }
    }
    Ok(pairs)
}

/// The only tier: none is below it and none above.
fn write_standing(json: &mut Json, rate: i128) {
    let percent = rate * 100;
    json.object(|json| {
        ["fee", "minfee", "maxfee"].iter().for_each(|name| json.field(name).decimal(percent, FEE_DECIMALS));
        json.field("nextfee").null();
        json.field("nextvolume").null();
        json.field("tiervolume").decimal(0, ASSETS[DOLLAR].decimals);
    });
}

fn write_schedule(json: &mut Json) {
    json.object(|json| {
        for (name, rate) in [("taker", TAKER_FEE), ("maker", MAKER_FEE)] {
            json.field(name).array(|json| {
                json.array(|json| {
                    json.text("0");
                    json.decimal(rate * 100, FEE_DECIMALS);
                });
            });
        }
    });
}

/// `CreditLines`: null, as for most accounts of Kraken's.
pub(crate) fn credit_lines() -> String {
    success(Json::null)
}
