//! Batches, changes, cancels of many and the timer as Kraken's parameters.

use tidegate_core::{ClOrdId, Error, FieldViolation, PriceText, TxId, Volume};
use tidegate_kraken::wire::OrdersCancelled;
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1::{self, cancel_order_batch_response as batch, cancel_order_response as cancel};

use super::request::{Builder, add_order};
use crate::handle::AmendHandle;

/// Rows of a batch at most (Kraken docs: Add Order Batch).
pub(crate) const ROWS_MAX: usize = 15;
/// Ids in one batch of cancels at most (Kraken docs: Cancel Order Batch).
const CANCELS_MAX: usize = 50;
/// Kraken's timer is shorter than a day.
const TIMEOUT_MAX_S: u32 = 86_399;

/// Parameters of AddOrderBatch, with the id of each row, without `deadline`.
pub(crate) fn add_order_batch(request: &v1::AddOrderBatchRequest, ids: &[String]) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.pair.is_empty() {
        to.wrong("pair", "must be set, for instance BTC/USD");
    }
    to.pair(&request.pair);
    to.word("asset_class", "asset_class", &request.asset_class);
    to.word("broker", "broker", &request.broker);
    to.flag("validate", request.validate);
    if !(2..=ROWS_MAX).contains(&request.rows.len()) {
        to.wrong("rows", format!("must be 2 to {ROWS_MAX} orders"));
        return to.finish();
    }
    let mut rows = Vec::with_capacity(request.rows.len());
    for (index, (row, id)) in request.rows.iter().zip(ids).enumerate() {
        match add_order_row(row) {
            Ok(mut row) => {
                row.text("cl_ord_id", id.as_str());
                rows.push(row);
            }
            Err(error) => {
                for FieldViolation { field, description } in error.fields {
                    to.wrong(&format!("rows[{index}].{field}"), description);
                }
            }
        }
    }
    to.push("orders", Value::Rows(rows));
    to.finish()
}

/// A row is an order without what all rows share.
fn add_order_row(row: &v1::add_order_batch_request::Row) -> Result<Params, Error> {
    let row = row.clone();
    let order = v1::AddOrderRequest {
        // Set for the check alone.
        pair: "-".to_owned(),
        side: row.side,
        order_type: row.order_type,
        volume: row.volume,
        price: row.price,
        price2: row.price2,
        trigger: row.trigger,
        display_volume: row.display_volume,
        leverage: row.leverage,
        reduce_only: row.reduce_only,
        self_trade_prevention: row.self_trade_prevention,
        order_flags: row.order_flags,
        time_in_force: row.time_in_force,
        start_time: row.start_time,
        expire_time: row.expire_time,
        ..v1::AddOrderRequest::default()
    };
    let mut params = Params::new();
    for (name, value) in add_order(&order)?.iter().filter(|(name, _)| *name != "pair") {
        params.push(name, value.clone());
    }
    Ok(params)
}

/// Parameters of AmendOrder without `deadline`, and how the change can be found.
pub(crate) fn amend_order(request: &v1::AmendOrderRequest) -> Result<(Params, AmendHandle), Error> {
    use v1::amend_order_request::Target;
    let (mut to, mut handle) = (Builder::default(), AmendHandle::default());
    match &request.target {
        Some(Target::OrderId(id)) => {
            order_id(&mut to, "txid", id);
            handle.order_id = Some(id.clone());
        }
        Some(Target::ClOrdId(id)) if !id.parse::<ClOrdId>().is_ok_and(|id| id.looks_derived()) => {
            let text = "must be an id that tidegate derived: any other can be used again once its order is closed, and then a \
                        lost amend could not be looked up; name the order by order_id";
            to.wrong("cl_ord_id", text);
        }
        Some(Target::ClOrdId(id)) => {
            to.cl_ord_id(id);
            handle.cl_ord_id = Some(id.clone());
        }
        None => to.wrong("target", "must be one of order_id and cl_ord_id"),
    }
    handle.volume = amount(&mut to, "order_qty", "volume", &request.volume);
    handle.display_volume = amount(&mut to, "display_qty", "display_volume", &request.display_volume);
    handle.limit_price = amount(&mut to, "limit_price", "limit_price", &request.limit_price);
    handle.trigger_price = amount(&mut to, "trigger_price", "trigger_price", &request.trigger_price);
    let changes = [&request.volume, &request.display_volume, &request.limit_price, &request.trigger_price];
    if changes.iter().all(|change| change.is_empty()) {
        to.wrong("volume", "or another amount must be set: nothing would change");
    }
    to.flag("post_only", request.post_only);
    to.pair(&request.pair);
    to.finish().map(|params| (params, handle))
}

/// Parameters of EditOrder without `deadline`.
pub(crate) fn edit_order(request: &v1::EditOrderRequest, userref: i32) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.pair.is_empty() {
        to.wrong("pair", "must be set, for instance BTC/USD");
    }
    to.pair(&request.pair);
    order_id(&mut to, "txid", &request.order_id);
    amount(&mut to, "volume", "volume", &request.volume);
    amount(&mut to, "displayvol", "display_volume", &request.display_volume);
    for (name, text) in [("price", &request.price), ("price2", &request.price2)] {
        match text.parse::<PriceText>() {
            _ if text.is_empty() => {}
            Ok(price) => to.text(name, price.to_string()),
            Err(error) => to.wrong(name, error.to_string()),
        }
    }
    to.word("asset_class", "asset_class", &request.asset_class);
    if request.post_only {
        to.text("oflags", "post");
    }
    to.int("userref", i64::from(userref));
    to.finish()
}

/// Parameters of CancelOrderBatch.
pub(crate) fn cancel_order_batch(request: &v1::CancelOrderBatchRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if !(1..=CANCELS_MAX).contains(&request.order_ids.len()) {
        to.wrong("order_ids", format!("must be 1 to {CANCELS_MAX} order ids"));
    }
    for (index, id) in request.order_ids.iter().enumerate().take(CANCELS_MAX) {
        if let Err(error) = id.parse::<TxId>() {
            to.wrong(&format!("order_ids[{index}]"), error.to_string());
        }
    }
    to.push("orders", Value::List(request.order_ids.clone()));
    to.finish()
}

/// Parameters of CancelAllOrdersAfter.
pub(crate) fn cancel_all_after(request: &v1::CancelAllOrdersAfterRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if request.timeout_s > TIMEOUT_MAX_S {
        to.wrong("timeout_s", format!("must be at most {TIMEOUT_MAX_S}"));
    }
    to.int("timeout", i64::from(request.timeout_s));
    to.finish()
}

fn order_id(to: &mut Builder, name: &'static str, text: &str) {
    match text.parse::<TxId>() {
        Ok(id) => to.text(name, id.as_str()),
        Err(error) => to.wrong("order_id", error.to_string()),
    }
}

/// An amount above zero, left out where empty. Returns it as it was written.
fn amount(to: &mut Builder, name: &'static str, field: &str, text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    match text.parse::<Volume>() {
        Ok(amount) if amount.is_zero() => to.wrong(field, "must be above zero"),
        Ok(amount) => to.text(name, amount.to_string()),
        Err(error) => to.wrong(field, error.to_string()),
    }
    Some(text.to_owned())
}

/// What Kraken says of a cancel.
pub(crate) fn cancelled(OrdersCancelled { count, pending, extra }: OrdersCancelled) -> cancel::Accepted {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    cancel::Accepted { count, pending, looked_up: false, extra: extra.into_iter().collect() }
}

/// The reply to a batch of cancels that Kraken took.
pub(crate) fn batch_cancelled(
    cancelled: OrdersCancelled,
    warnings: Vec<String>,
) -> v1::CancelOrderBatchResponse {
    let OrdersCancelled { count, pending, mut extra } = cancelled;
    if pending {
        // Not documented here, but what it means in an answer to CancelOrder must not be lost.
        extra.insert("pending".to_owned(), pending.to_string());
    }
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let accepted = batch::Accepted { count, extra: extra.into_iter().collect() };
    v1::CancelOrderBatchResponse { outcome: Some(batch::Outcome::Accepted(accepted)), warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(error: Error) -> Vec<String> {
        error.fields.into_iter().map(|violation| violation.field).collect()
    }

    fn row(volume: &str) -> v1::add_order_batch_request::Row {
        v1::add_order_batch_request::Row {
            side: v1::Side::Buy.into(),
            order_type: v1::OrderType::Limit.into(),
            volume: volume.into(),
            price: "37500".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_batch_names_the_pair_once_and_each_row_by_its_id() {
        let ids = ["a", "b"].map(str::to_owned);
        let rows = vec![row("1"), row("2")];
        let request = v1::AddOrderBatchRequest { pair: "XBTUSD".into(), rows, ..Default::default() };
        let query = add_order_batch(&request, &ids).expect("two good rows").query();
        assert!(query.starts_with("pair=XBTUSD&orders%5B0%5D%5Btype%5D=buy&"), "{query}");
        assert!(query.ends_with("&orders%5B1%5D%5Bcl_ord_id%5D=b") && query.matches("pair").count() == 1);
        let wrong = v1::AddOrderBatchRequest { rows: vec![row("1"), row("x")], ..Default::default() };
        assert_eq!(
            fields(add_order_batch(&wrong, &ids).expect_err("no pair, no volume")),
            ["pair", "rows[1].volume"]
        );
        for count in [0, 1, 16] {
            let request = v1::AddOrderBatchRequest { rows: vec![row("1"); count], ..request.clone() };
            assert_eq!(fields(add_order_batch(&request, &ids).expect_err("too few or many")), ["rows"]);
        }
    }

    #[test]
    fn an_amend_says_what_it_changes_in_absolute_amounts() {
        use v1::amend_order_request::Target;
        let target = Some(Target::OrderId("OABCDE-FGHIJ-KLMNOP".into()));
        let request = v1::AmendOrderRequest { target, limit_price: "5.10".into(), ..Default::default() };
        let (params, handle) = amend_order(&request).expect("a price");
        assert_eq!(params.query(), "txid=OABCDE-FGHIJ-KLMNOP&limit_price=5.10");
        assert_eq!(handle.limit_price.as_deref(), Some("5.10"));
        let foreign =
            v1::AmendOrderRequest { target: Some(Target::ClOrdId("mine".into())), ..request.clone() };
        assert_eq!(fields(amend_order(&foreign).expect_err("foreign")), ["cl_ord_id"]);
        let relative = v1::AmendOrderRequest { limit_price: "+5".into(), ..request };
        assert_eq!(fields(amend_order(&relative).expect_err("relative")), ["limit_price"]);
        assert_eq!(
            fields(amend_order(&v1::AmendOrderRequest::default()).expect_err("nothing")),
            ["target", "volume"]
        );
    }

    #[test]
    fn edits_cancels_and_timers_are_checked() {
        let edit = v1::EditOrderRequest {
            order_id: "O".into(),
            pair: "XBTUSD".into(),
            volume: "1".into(),
            ..Default::default()
        };
        assert_eq!(edit_order(&edit, 7).expect("an edit").query(), "pair=XBTUSD&txid=O&volume=1&userref=7");
        assert_eq!(
            fields(edit_order(&v1::EditOrderRequest::default(), 7).expect_err("nothing")),
            ["pair", "order_id"]
        );
        let many = v1::CancelOrderBatchRequest { order_ids: vec!["O".into(); 51], ..Default::default() };
        assert_eq!(fields(cancel_order_batch(&many).expect_err("too many")), ["order_ids"]);
        let some =
            v1::CancelOrderBatchRequest { order_ids: vec!["O".into(), "P".into()], ..Default::default() };
        assert_eq!(cancel_order_batch(&some).expect("two").query(), "orders=O%2CP");
        let timer = |timeout_s| {
            cancel_all_after(&v1::CancelAllOrdersAfterRequest { timeout_s, ..Default::default() })
        };
        assert_eq!((timer(0).expect("off").query(), timer(86_400).is_err()), ("timeout=0".to_owned(), true));
    }
}
