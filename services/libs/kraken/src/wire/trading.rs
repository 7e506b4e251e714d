//! Answers to orders and cancels.

use serde_json::value::RawValue;

use super::read::{Extra, Object, ShapeError, Wire};

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
    fn read(raw: &RawValue) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let Descr { order, close, extra: inner } = from.opt("descr")?.unwrap_or_default();
        let txid = from.opt("txid")?.unwrap_or_default();
        let mut extra = from.rest();
        extra.extend(inner.into_iter().map(|(name, json)| (format!("descr.{name}"), json)));
        Ok(Self { txid, order, close, extra })
    }
}

#[derive(Default)]
struct Descr {
    order: Option<String>,
    close: Option<String>,
    extra: Extra,
}

impl Wire for Descr {
    fn read(raw: &RawValue) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { order: from.opt("order")?, close: from.opt("close")?, extra: from.rest() })
    }
}

/// `CancelOrder` and `CancelAll`.
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
    fn read(raw: &RawValue) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            count: from.need("count")?,
            pending: from.opt("pending")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}
