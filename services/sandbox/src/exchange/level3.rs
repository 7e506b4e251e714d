//! The book, order by order (Kraken docs: Query L3 Order Book).

use super::book::{Entry, Owner, Side};
use super::engine::Engine;
use super::ids::{Id, Source};
use super::markets::{COST_DECIMALS, LOT_DECIMALS, PAIRS};
use super::public::{one_of, one_pair};
use super::refusal::Refusal;
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

const DEPTHS: &[u64] = &[0, 10, 25, 100, 250, 1_000];

/// `Level3`.
pub(crate) fn level3(engine: &Engine, now_us: u64, params: &Params) -> Result<String, Refusal> {
    let index = one_pair(params)?;
    let depth = match one_of(params, "depth", DEPTHS, 100)? {
        0 => usize::MAX,
        some => usize::try_from(some).unwrap_or(usize::MAX),
    };
    let pair = &PAIRS[index];
    let side = |json: &mut Json, side: Side| {
        json.array(|json| {
            for (price, entries, changed_us) in engine.books[index].queues(side).take(depth) {
                for entry in entries {
                    let known = match entry.owner {
                        Owner::Order { order, .. } => engine.open_order(order),
                        Owner::House => None,
                    };
                    // The house's first quotes are from before any request.
                    let quoted_us = if changed_us == 0 { now_us } else { changed_us };
                    let (id, at_us) = match known {
                        Some(order) => (order.id, order.opened_us),
                        None => (house_id(index, side, price), quoted_us),
                    };
                    write(json, entry, price, pair.price_decimals, id, at_us);
                }
            }
        });
    };
    Ok(success(|json| {
        json.object(|json| {
            json.field("pair").text(pair.modern);
            side(json.field("bids"), Side::Buy);
            side(json.field("asks"), Side::Sell);
        });
    }))
}

/// The house's quotes are no orders and have no ids; each place in the book gives its quote one, always the same.
fn house_id(pair: usize, side: Side, price: u64) -> Id {
    let stream = 10 + 2 * pair as u64 + u64::from(side == Side::Sell);
    Source::new(price, stream).id(b'O')
}

fn write(json: &mut Json, entry: &Entry, price: u64, price_decimals: u32, id: Id, at_us: u64) {
    json.object(|json| {
        let price = decimal::rescale(i128::from(price), price_decimals, COST_DECIMALS);
        json.field("price").decimal(price, COST_DECIMALS);
        json.field("qty").decimal(i128::from(entry.lots), LOT_DECIMALS);
        json.field("order_id").text(id.as_str());
        json.field("timestamp").integer(at_us.saturating_mul(1_000));
    });
}
