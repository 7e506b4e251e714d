//! Several orders in one call: placed row by row, cancelled together (Kraken docs: Add Order Batch, Cancel Order Batch).

use super::engine::Engine;
use super::ids::Id;
use super::intake;
use super::order::Order;
use super::private::{Done, Row, Sentences, cancel, price_of};
use super::refusal::{Refusal, wrong};
use super::trading::Cost;
use crate::wire::json::success;
use crate::wire::params::Params;

/// Rows of a batch: at least, at most.
const ROWS: [usize; 2] = [2, 15];
/// Ids in one cancel.
const IDS_MAX: usize = 50;

/// How many rows a request has, one more than allowed at most.
pub(crate) fn rows(params: &Params) -> usize {
    (0..=ROWS[1]).take_while(|index| params.has_prefix(&format!("orders[{index}]["))).count()
}

/// `AddOrderBatch`. A row that cannot be read refuses all of them; what only the engine can judge fails alone.
pub(crate) fn add_order_batch(
    engine: &mut Engine,
    now_us: u64,
    received_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let (count, deadline_us) = (rows(params), intake::deadline(params, received_us)?);
    let only_validate = intake::flag(params, "validate")?;
    if !(ROWS[0]..=ROWS[1]).contains(&count) {
        return Err(wrong("orders"));
    }
    let prices = engine.prices();
    let read = |index| {
        let row = params.row("orders", index, &["pair", "asset_class"]).map_err(|_| wrong("orders"))?;
        intake::read(&row, now_us, &prices)
    };
    let terms = (0..count).map(read).collect::<Result<Vec<_>, _>>();
    let at = price_of(params, Cost::batch(count), only_validate);
    let (rows, judged) = engine.metered(account, at, terms, |engine, terms| {
        if deadline_us.is_some_and(|deadline_us| now_us > deadline_us) {
            return Err(Refusal::DeadlineElapsed);
        }
        let mut rows = Vec::with_capacity(count);
        let mut judged = Vec::with_capacity(count);
        for terms in terms {
            let (sentence, cl_ord_id) = (Sentences::of(&terms), terms.cl_ord_id.clone());
            let placed = if only_validate {
                engine.judge(account, &terms).map(|()| None)
            } else {
                engine.place(now_us, account, terms).map(Some)
            };
            rows.push(Row { cl_ord_id, id: placed.as_ref().ok().copied().flatten() });
            judged.push((sentence, placed));
        }
        Ok((rows, judged))
    })?;
    let body = success(|json| {
        json.object(|json| {
            json.field("orders").array(|json| {
                for (sentence, placed) in &judged {
                    json.object(|json| match placed {
                        Err(refusal) => json.field("error").text(&refusal.text()),
                        Ok(id) => {
                            sentence.write(json.field("descr"));
                            if let Some(id) = id {
                                json.field("txid").text(id.as_str());
                            }
                        }
                    });
                }
            });
        });
    });
    let orders: Vec<Id> = rows.iter().filter_map(|row| row.id).collect();
    Ok(Done { body, acted: !orders.is_empty(), orders, rows })
}

/// `CancelOrderBatch`: ids of Kraken's and numbers of groups in `orders`, ids of clients in either list. What is not open
/// does not count. It goes through whatever the counter says, and may bring it above its maximum.
pub(crate) fn cancel_order_batch(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let mut ids = params.list("orders");
    let of_clients = params.list("cl_ord_ids");
    if !(1..=IDS_MAX).contains(&(ids.len() + of_clients.len())) {
        return Err(wrong("orders"));
    }
    ids.extend(of_clients);
    let named = |order: &Order| {
        let (id, userref, own) = (order.id, order.terms.userref, order.terms.cl_ord_id.as_deref());
        ids.iter().any(|text| {
            id.as_str() == *text || own == Some(*text) || userref.is_some_and(|it| text.parse() == Ok(it))
        })
    };
    let found: Vec<_> =
        engine.open_orders(account).filter(|order| named(order)).map(|order| order.number).collect();
    let costs = engine.cancel_costs(now_us, &found);
    Ok(cancel(engine, now_us, account, &found, &costs))
}
