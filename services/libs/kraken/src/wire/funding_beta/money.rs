//! Amounts, fees and withdrawals.

use super::super::json::Json;
use super::needed;
use crate::wire::read::{Extra, Object, ShapeError, Wire};
use crate::wire::scalar::Decimal;

/// An asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FundingAsset {
    /// `currency` or `tokenized_asset`; nothing where only the name is written.
    pub class: Option<String>,
    /// For instance `BTC`.
    pub name: String,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingAsset {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        if raw.get().starts_with('"') {
            return Ok(Self { name: String::take(raw)?, ..Self::default() });
        }
        let mut from = Object::of(raw)?;
        Ok(Self { class: from.opt("class")?, name: from.need("name")?, extra: from.rest() })
    }
}

/// An amount of an asset, perhaps with the units that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingAmount {
    /// Of what.
    pub asset: FundingAsset,
    /// How much.
    pub amount: Decimal,
    /// `rebased` or `base`; withdrawals alone say it.
    pub rebase_multiplier: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingAmount {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        if let Some(inner) = from.opt::<Self>("asset_amount")? {
            let rebase_multiplier = from.opt("rebase_multiplier")?.or(inner.rebase_multiplier);
            let extra = inner.extra.into_iter().chain(from.rest()).collect();
            return Ok(Self { rebase_multiplier, extra, ..inner });
        }
        Ok(Self {
            asset: from.need("asset")?,
            amount: from.need("amount")?,
            rebase_multiplier: from.opt("rebase_multiplier")?,
            extra: from.rest(),
        })
    }
}

/// `CalculateFees`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingFees {
    /// The fee.
    pub fee: FundingAmount,
    /// With the fee.
    pub gross_amount: Option<FundingAmount>,
    /// Without it.
    pub net_amount: Option<FundingAmount>,
    /// How the fee is made up.
    pub fee_details: Option<FeeDetails>,
    /// Of withdrawals: keeps the rate for five minutes.
    pub withdrawal_fee_token: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingFees {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            fee: from.need("fee")?,
            gross_amount: from.opt("gross_amount")?,
            net_amount: from.opt("net_amount")?,
            fee_details: from.opt("fee_details")?,
            withdrawal_fee_token: from.opt("withdrawal_fee_token")?,
            extra: from.rest(),
        })
    }
}

/// How a fee is made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeDetails {
    /// The part that does not depend on the amount.
    pub base_fee: Option<FundingAmount>,
    /// The part that does, in percent.
    pub fee_percentage: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FeeDetails {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            base_fee: from.opt("base_fee")?,
            fee_percentage: from.opt("fee_percentage")?,
            extra: from.rest(),
        })
    }
}

/// `CreateWithdrawal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawalCreated {
    /// Its stable id; perhaps not there while an approval is awaited.
    pub withdrawal_id: Option<String>,
    /// What arrives.
    pub net_amount: Option<FundingAmount>,
    /// What is taken off.
    pub gross_amount: Option<FundingAmount>,
    /// The difference.
    pub fee: Option<FundingAmount>,
    /// The approval that it waits for.
    pub approval_request_id: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for WithdrawalCreated {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let created = Self {
            withdrawal_id: from.opt("withdrawal_id")?,
            net_amount: from.opt("net_amount")?,
            gross_amount: from.opt("gross_amount")?,
            fee: from.opt("fee")?,
            approval_request_id: from.opt("approval_request_id")?,
            extra: from.rest(),
        };
        // An answer without either could be that of any other call.
        if created.withdrawal_id.is_none() && created.approval_request_id.is_none() {
            needed::<String>(None, "withdrawal_id")?;
        }
        Ok(created)
    }
}
