//! Subaccounts.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};

/// `CreateSubaccount`: a bare `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubaccountCreated;

impl Wire for SubaccountCreated {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        // `false` is not documented and could mean that nothing was done.
        if raw.get() == "true" { Ok(Self) } else { Err(ShapeError::here("true")) }
    }
}

/// `AccountTransfer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountTransferred {
    /// Kraken's id of it.
    pub transfer_id: String,
    /// `pending` or `complete`.
    pub status: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AccountTransferred {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { transfer_id: from.need("transfer_id")?, status: from.opt("status")?, extra: from.rest() })
    }
}
