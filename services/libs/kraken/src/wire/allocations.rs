//! What an account has in its earn strategies.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::Decimal;

/// `Earn/Allocations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnAllocations {
    /// Into which amounts are converted.
    pub converted_asset: String,
    /// In it.
    pub total_allocated: Option<Decimal>,
    /// In it.
    pub total_rewarded: Option<Decimal>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
    /// By strategy, in Kraken's order.
    pub items: Vec<EarnAllocation>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnAllocations {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            converted_asset: from.need("converted_asset")?,
            total_allocated: from.opt("total_allocated")?,
            total_rewarded: from.opt("total_rewarded")?,
            next_cursor: from.opt("next_cursor")?,
            items: from.need("items")?,
            extra: from.rest(),
        })
    }
}

/// What an account has in one strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnAllocation {
    /// The strategy.
    pub strategy_id: String,
    /// Its asset.
    pub native_asset: String,
    /// By state.
    pub amount_allocated: EarnAllocated,
    /// All that it has earned.
    pub total_rewarded: Option<EarnAmount>,
    /// The payout that is being earned.
    pub payout: Option<EarnPayout>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnAllocation {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            strategy_id: from.need("strategy_id")?,
            native_asset: from.need("native_asset")?,
            amount_allocated: from.need("amount_allocated")?,
            total_rewarded: from.opt("total_rewarded")?,
            payout: from.opt("payout")?,
            extra: from.rest(),
        })
    }
}

/// An allocation by state; states in which nothing is are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnAllocated {
    /// On its way in.
    pub bonding: Option<EarnPortion>,
    /// Waiting to come out.
    pub exit_queue: Option<EarnPortion>,
    /// On its way out.
    pub unbonding: Option<EarnPortion>,
    /// Asked for and not done; below zero where it comes out.
    pub pending: Option<EarnAmount>,
    /// In whatever state.
    pub total: EarnAmount,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnAllocated {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            bonding: from.opt("bonding")?,
            exit_queue: from.opt("exit_queue")?,
            unbonding: from.opt("unbonding")?,
            pending: from.opt("pending")?,
            total: from.need("total")?,
            extra: from.rest(),
        })
    }
}

/// An amount in two assets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnAmount {
    /// In the strategy's.
    pub native: Decimal,
    /// In the one that was asked for.
    pub converted: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnAmount {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { native: from.need("native")?, converted: from.opt("converted")?, extra: from.rest() })
    }
}

/// What is in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnPortion {
    /// All of it.
    pub native: Decimal,
    /// The same, converted.
    pub converted: Option<Decimal>,
    /// Of how many parts it is made.
    pub allocation_count: Option<u32>,
    /// The parts.
    pub allocations: Vec<EarnPart>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnPortion {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            native: from.need("native")?,
            converted: from.opt("converted")?,
            allocation_count: from.opt("allocation_count")?,
            allocations: from.opt("allocations")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// A part of what is in one state. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnPart {
    /// How much.
    pub native: Decimal,
    /// The same, converted.
    pub converted: Option<Decimal>,
    /// When it came into this state.
    pub created_at: Option<String>,
    /// When it leaves it, estimated.
    pub expires: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnPart {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            native: from.need("native")?,
            converted: from.opt("converted")?,
            created_at: from.opt("created_at")?,
            expires: from.opt("expires")?,
            extra: from.rest(),
        })
    }
}

/// The payout that is being earned. Times are RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnPayout {
    /// From when on it counts.
    pub period_start: Option<String>,
    /// Until when.
    pub period_end: Option<String>,
    /// Earned so far.
    pub accumulated_reward: Option<EarnAmount>,
    /// What it will have been at the end.
    pub estimated_reward: Option<EarnAmount>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnPayout {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            period_start: from.opt("period_start")?,
            period_end: from.opt("period_end")?,
            accumulated_reward: from.opt("accumulated_reward")?,
            estimated_reward: from.opt("estimated_reward")?,
            extra: from.rest(),
        })
    }
}
