//! Credit lines.

use super::json::Json;
use super::read::{Entries, Extra, Object, ShapeError, Wire};
use super::scalar::Decimal;

/// `CreditLines`. Most accounts have none: then the result is null, which is read as one without anything in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreditLines {
    /// By asset; the keys may be short (`USD`).
    pub asset_details: Option<Entries<CreditLine>>,
    /// Sums over all of them.
    pub limits_monitor: Option<CreditLimits>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for CreditLines {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        if raw.get() == "null" {
            return Ok(Self::default());
        }
        let mut from = Object::of(raw)?;
        Ok(Self {
            asset_details: from.opt("asset_details")?,
            limits_monitor: from.opt("limits_monitor")?,
            extra: from.rest(),
        })
    }
}

/// The credit line of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditLine {
    /// Own balance.
    pub balance: Option<Decimal>,
    /// The whole line.
    pub credit_limit: Decimal,
    /// What is used of it.
    pub credit_used: Decimal,
    /// What is left of it.
    pub available_credit: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for CreditLine {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            balance: from.opt("balance")?,
            credit_limit: from.need("credit_limit")?,
            credit_used: from.need("credit_used")?,
            available_credit: from.opt("available_credit")?,
            extra: from.rest(),
        })
    }
}

/// All credit lines together, in USD. Every member may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditLimits {
    /// All lines.
    pub total_credit_usd: Option<Decimal>,
    /// What is used of them.
    pub total_credit_used_usd: Option<Decimal>,
    /// What stands behind it.
    pub total_collateral_value_usd: Option<Decimal>,
    /// Collateral less debt.
    pub equity_usd: Option<Decimal>,
    /// A ratio that Kraken does not explain.
    pub ongoing_balance: Option<Decimal>,
    /// Debt by equity.
    pub debt_to_equity: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for CreditLimits {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            total_credit_usd: from.opt("total_credit_usd")?,
            total_credit_used_usd: from.opt("total_credit_used_usd")?,
            total_collateral_value_usd: from.opt("total_collateral_value_usd")?,
            equity_usd: from.opt("equity_usd")?,
            ongoing_balance: from.opt("ongoing_balance")?,
            debt_to_equity: from.opt("debt_to_equity")?,
            extra: from.rest(),
        })
    }
}
