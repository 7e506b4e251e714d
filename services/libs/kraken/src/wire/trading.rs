//! Answers to orders, changes and cancels.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::Decimal;

/// `AddOrder`. Under `validate` there is no transaction id; otherwise a reply without one proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAdded {
    /// Transaction ids; one today.
    pub txid: Vec<String>,
    /// The order as a sentence.
    pub order: Option<String>,
    /// The conditional close as a sentence.
    pub close: Option<String>,
    /// Other members; those of `descr` as `descr.name`.
    pub extra: Extra,
}

impl Wire for OrderAdded {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let mut descr: Descr = from.opt("descr")?.unwrap_or_default();
        let (txid, close) = (from.opt("txid")?.unwrap_or_default(), descr.close.take());
        let (order, extra) = descr.with_rest(from);
        Ok(Self { txid, order, close, extra })
    }
}

#[derive(Default)]
struct Descr {
    order: Option<String>,
    close: Option<String>,
    extra: Extra,
}

impl Descr {
    /// The order as a sentence, and what nobody has taken out of the object and out of the description in it.
    fn with_rest(self, from: Object<'_, '_>) -> (Option<String>, Extra) {
        let close =
            self.close.map(|close| ("close".to_owned(), serde_json::Value::String(close).to_string()));
        let inner = self.extra.into_iter().chain(close).map(|(name, json)| (format!("descr.{name}"), json));
        (self.order, from.rest().into_iter().chain(inner).collect())
    }
}

impl Wire for Descr {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { order: from.opt("order")?, close: from.opt("close")?, extra: from.rest() })
    }
}

/// `CancelOrder`, `CancelOrderBatch` and `CancelAll`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdersCancelled {
    /// How many orders were cancelled, or will be.
    pub count: u64,
    /// Whether cancelling is still under way, so that fills may still come. Missing on the wire means no.
    pub pending: bool,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OrdersCancelled {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            count: from.need("count")?,
            pending: from.opt("pending")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// `AddOrderBatch`: one row for each of the request, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchAdded {
    /// What became of each row.
    pub orders: Vec<RowAdded>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for BatchAdded {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { orders: from.need("orders")?, extra: from.rest() })
    }
}

/// One row: placed, refused, or (under `validate`) neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowAdded {
    /// The order that was placed. A plain text here, unlike in `AddOrder`.
    pub txid: Option<String>,
    /// Why the row was refused, in Kraken's words.
    pub error: Option<String>,
    /// The order as a sentence.
    pub order: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for RowAdded {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let descr: Descr = from.opt("descr")?.unwrap_or_default();
        let (txid, error) = (from.opt("txid")?, from.opt("error")?);
        let (order, extra) = descr.with_rest(from);
        Ok(Self { txid, error, order, extra })
    }
}

/// `AmendOrder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAmended {
    /// The change.
    pub amend_id: String,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OrderAmended {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { amend_id: from.need("amend_id")?, extra: from.rest() })
    }
}

/// `EditOrder`. Of its members an older edition of the documentation shows all, a newer one two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderEdited {
    /// `ok` or `err`; missing means that it is not said.
    pub status: Option<String>,
    /// The new order.
    pub txid: Option<String>,
    /// The old order.
    pub original_txid: Option<String>,
    /// How many orders were cancelled.
    pub orders_cancelled: Option<u64>,
    /// The new order as a sentence.
    pub order: Option<String>,
    /// Why the new order was refused.
    pub error_message: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OrderEdited {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let descr: Descr = from.opt("descr")?.unwrap_or_default();
        let (status, txid) = (from.opt("status")?, from.opt("txid")?);
        let (original_txid, orders_cancelled) = (from.opt("originaltxid")?, from.opt("orders_cancelled")?);
        let error_message = from.opt("error_message")?;
        let (order, extra) = descr.with_rest(from);
        Ok(Self { status, txid, original_txid, orders_cancelled, order, error_message, extra })
    }
}

/// `CancelAllOrdersAfter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerSet {
    /// Kraken's time, RFC 3339.
    pub current_time: String,
    /// When all orders go, RFC 3339; nothing if the timer is off.
    pub trigger_time: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for TimerSet {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let trigger_time: Option<String> = from.opt("triggerTime")?;
        Ok(Self {
            current_time: from.need("currentTime")?,
            trigger_time: trigger_time.filter(|time| time != "0" && !time.is_empty()),
            extra: from.rest(),
        })
    }
}

/// `OrderAmends`: the order as it was placed, and what was changed since, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderAmends {
    /// The changes.
    pub amends: Vec<Amend>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for OrderAmends {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { amends: from.need("amends")?, extra: from.rest() })
    }
}

/// One change of an order. Members that do not apply are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amend {
    /// Its id.
    pub amend_id: String,
    /// `original`, `user`, or `restated` by the engine.
    pub kind: String,
    /// The whole volume from then on.
    pub order_qty: Option<Decimal>,
    /// Visible part.
    pub display_qty: Option<Decimal>,
    /// Limit price.
    pub limit_price: Option<Decimal>,
    /// Trigger price.
    pub trigger_price: Option<Decimal>,
    /// When, in nanoseconds since 1970.
    pub timestamp_ns: u64,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Amend {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            amend_id: from.need("amend_id")?,
            kind: from.need("amend_type")?,
            order_qty: from.opt("order_qty")?,
            display_qty: from.opt("display_qty")?,
            limit_price: from.opt("limit_price")?,
            trigger_price: from.opt("trigger_price")?,
            timestamp_ns: from.need("timestamp")?,
            extra: from.rest(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    fn read<T: Wire>(json: &str) -> Result<T, ShapeError> {
        T::read(&RawValue::from_string(json.to_owned()).expect("JSON"))
    }

    #[test]
    fn documented_answers_are_read() {
        let batch: BatchAdded = read(
            r#"{"orders":[{"descr":{"order":"buy 0.1 XBTUSD @ limit 60900.0","close":"c"},"txid":"OUGYPE-HMXKF-TITWKB"},
                {"error":"EOrder:Insufficient funds"},{"descr":{"order":"x"},"close":"beside"}]}"#,
        )
        .expect("a batch");
        assert_eq!(batch.orders[0].txid.as_deref(), Some("OUGYPE-HMXKF-TITWKB"));
        assert_eq!(batch.orders[1].error.as_deref(), Some("EOrder:Insufficient funds"));
        assert_eq!((&batch.orders[2].txid, batch.orders[2].order.as_deref()), (&None, Some("x")));
        let amends: OrderAmends = read(
            r#"{"count":2,"amends":[{"amend_id":"T1","amend_type":"original","order_qty":"0.25","timestamp":1781000233729133000},
                {"amend_id":"T2","amend_type":"user","limit_price":"61010.0","timestamp":1781000240936755587}]}"#,
        )
        .expect("amends");
        assert_eq!(
            (amends.amends[1].timestamp_ns, amends.amends[1].kind.as_str()),
            (1_781_000_240_936_755_587, "user")
        );
        let edited: OrderEdited =
            read(r#"{"descr":{"order":"o"},"txid":"OI6CZX-UQMXG-KGWXBK"}"#).expect("an edit");
        assert_eq!((edited.txid.as_deref(), edited.status), (Some("OI6CZX-UQMXG-KGWXBK"), None));
        for off in [r#""0""#, "null", r#""""#] {
            let json = format!(r#"{{"currentTime":"2026-06-09T10:20:00Z","triggerTime":{off}}}"#);
            assert_eq!(read::<TimerSet>(&json).expect("a timer").trigger_time, None);
        }
        assert!(read::<OrderAmended>("{}").is_err() && read::<BatchAdded>("{}").is_err());
    }
}
