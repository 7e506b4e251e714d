//! The book in coarser steps (Kraken docs: Get Grouped Order Book).

use super::book::Side;
use super::engine::Engine;
use super::markets::{COST_DECIMALS, LOT_DECIMALS, PAIRS};
use super::public::{one_of, one_pair};
use super::refusal::Refusal;
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

const DEPTHS: &[u64] = &[10, 25, 100, 250, 1_000];
const GROUPINGS: &[u64] = &[1, 5, 10, 25, 50, 100, 250, 500, 1_000];

/// `GroupedBook`. What is put together stands at the price that is worse for the taker.
pub(crate) fn grouped_book(engine: &Engine, params: &Params) -> Result<String, Refusal> {
    let index = one_pair(params)?;
    let depth = one_of(params, "depth", DEPTHS, 10)?;
    let grouping = one_of(params, "grouping", GROUPINGS, 1)?;
    let pair = &PAIRS[index];
    let step = grouping * pair.tick;
    let side = |json: &mut Json, side: Side| {
        let mut levels: Vec<(u64, u64)> = Vec::new();
        for (price, lots, _) in engine.books[index].levels(side) {
            let price = match side {
                Side::Buy => price - price % step,
                Side::Sell => price.div_ceil(step) * step,
            };
            if let Some((_, sum)) = levels.last_mut().filter(|(last, _)| *last == price) {
                *sum += lots;
            } else if depth > levels.len() as u64 {
                levels.push((price, lots));
            } else {
                break;
            }
        }
        json.array(|json| {
            for (price, lots) in levels {
                json.object(|json| {
                    let price = decimal::rescale(i128::from(price), pair.price_decimals, COST_DECIMALS);
                    json.field("price").decimal(price, COST_DECIMALS);
                    json.field("qty").decimal(i128::from(lots), LOT_DECIMALS);
                });
            }
        });
    };
    Ok(success(|json| {
        json.object(|json| {
            json.field("pair").text(pair.modern);
            json.field("grouping").integer(grouping);
            side(json.field("bids"), Side::Buy);
            side(json.field("asks"), Side::Sell);
        });
    }))
}
