//! Reports that Kraken writes into archives.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::{Decimal, Time, Words};

/// `AddExport`: a report was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportAdded {
    /// Four letters.
    pub id: String,
    /// Other members.
    pub extra: Extra,
}

impl Wire for ExportAdded {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { id: from.need("id")?, extra: from.rest() })
    }
}

/// One row of `ExportStatus`. Kraken writes times here as texts of whole seconds, and says nothing of what it writes before a
/// thing has happened: zero, nothing and an empty text are all read as "not yet".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Four letters.
    pub id: String,
    /// The label that it was asked for with.
    pub descr: Option<String>,
    /// `CSV` or `TSV`.
    pub format: Option<String>,
    /// `trades` or `ledgers`.
    pub report: Option<String>,
    /// For instance `all`.
    pub subtype: Option<String>,
    /// `Queued`, `Processing` or `Processed`.
    pub status: String,
    /// A number as text, deprecated.
    pub flags: Option<Decimal>,
    /// Comma-separated, or `all`.
    pub fields: Option<Words>,
    /// When it was asked for.
    pub createdtm: Option<Time>,
    /// Until when it is kept; deprecated.
    pub expiretm: Option<Time>,
    /// When it was begun.
    pub starttm: Option<Time>,
    /// When it was ready.
    pub completedtm: Option<Time>,
    /// The first moment that it covers.
    pub datastarttm: Option<Time>,
    /// The last.
    pub dataendtm: Option<Time>,
    /// Deprecated.
    pub aclass: Option<String>,
    /// Comma-separated, or `all`.
    pub asset: Option<Words>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Export {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let mut time = |name: &str| from.opt::<MaybeTime>(name).map(|time| time.and_then(|time| time.0));
        let (createdtm, expiretm) = (time("createdtm")?, time("expiretm")?);
        let (starttm, completedtm) = (time("starttm")?, time("completedtm")?);
        let (datastarttm, dataendtm) = (time("datastarttm")?, time("dataendtm")?);
        Ok(Self {
            id: from.need("id")?,
            descr: from.opt("descr")?,
            format: from.opt("format")?,
            report: from.opt("report")?,
            subtype: from.opt("subtype")?,
            status: from.need("status")?,
            flags: from.opt("flags")?,
            fields: from.opt("fields")?,
            createdtm,
            expiretm,
            starttm,
            completedtm,
            datastarttm,
            dataendtm,
            aclass: from.opt("aclass")?,
            asset: from.opt("asset")?,
            extra: from.rest(),
        })
    }
}

/// A time that may be an empty text.
struct MaybeTime(Option<Time>);

impl Wire for MaybeTime {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        if raw.get() == "\"\"" { Ok(Self(None)) } else { Time::take(raw).map(|time| Self(Some(time))) }
    }
}

/// `RemoveExport`: which of the two was asked for, and whether it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportRemoved {
    /// It was taken away.
    pub delete: Option<bool>,
    /// It was stopped.
    pub cancel: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for ExportRemoved {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let removed = Self { delete: from.opt("delete")?, cancel: from.opt("cancel")?, extra: from.rest() };
        // Without either it could be the answer to anything.
        if removed.delete.is_none() && removed.cancel.is_none() {
            return Err(ShapeError::here("an object with delete or cancel"));
        }
        Ok(removed)
    }
}
