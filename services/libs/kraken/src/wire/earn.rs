//! What assets earn: strategies, and what becomes of moves into them and out of them.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::Decimal;

/// The answer to `Earn/Allocate` and `Earn/Deallocate`: documented as a bare `true`, and once seen as an object with the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarnTaken {
    /// Whether it is under way, if Kraken says so.
    pub pending: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnTaken {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        match raw.get() {
            "true" => Ok(Self::default()),
            text if text.starts_with('{') => {
                let mut from = Object::of(raw)?;
                Ok(Self { pending: Some(from.need("pending")?), extra: from.rest() })
            }
            // `false` is not documented and could mean that nothing was done.
            _ => Err(ShapeError::here("true, or an object with pending")),
        }
    }
}

/// `Earn/AllocateStatus` and `Earn/DeallocateStatus`. Null is read as one that says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarnStatus {
    /// Whether it is under way.
    pub pending: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnStatus {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        if raw.get() == "null" {
            return Ok(Self::default());
        }
        let mut from = Object::of(raw)?;
        Ok(Self { pending: from.opt("pending")?, extra: from.rest() })
    }
}

/// `Earn/Strategies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnStrategies {
    /// In Kraken's order.
    pub items: Vec<EarnStrategy>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnStrategies {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { items: from.need("items")?, next_cursor: from.opt("next_cursor")?, extra: from.rest() })
    }
}

/// Something that an asset can be put into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnStrategy {
    /// `ES` and more.
    pub id: String,
    /// Kraken's name of the asset.
    pub asset: String,
    /// How it binds what is in it.
    pub lock_type: Option<EarnLock>,
    /// What it is thought to pay in a year, in percent.
    pub apr_estimate: Option<EarnRate>,
    /// The least that can be put in.
    pub user_min_allocation: Option<Decimal>,
    /// The most that one account can have in it.
    pub user_cap: Option<Decimal>,
    /// Text or number.
    pub allocation_fee: Option<Decimal>,
    /// Text or number.
    pub deallocation_fee: Option<Decimal>,
    /// Whether rewards are put in again.
    pub auto_compound: Option<EarnCompound>,
    /// Where the reward comes from.
    pub yield_source: Option<EarnSource>,
    /// Whether something can be put in.
    pub can_allocate: bool,
    /// Whether something can be taken out.
    pub can_deallocate: bool,
    /// Why not, in words such as `tier`.
    pub allocation_restriction_info: Vec<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnStrategy {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            id: from.need("id")?,
            asset: from.need("asset")?,
            lock_type: from.opt("lock_type")?,
            apr_estimate: from.opt("apr_estimate")?,
            user_min_allocation: from.opt("user_min_allocation")?,
            user_cap: from.opt("user_cap")?,
            allocation_fee: from.opt("allocation_fee")?,
            deallocation_fee: from.opt("deallocation_fee")?,
            auto_compound: from.opt("auto_compound")?,
            yield_source: from.opt("yield_source")?,
            can_allocate: from.opt("can_allocate")?.unwrap_or(false),
            can_deallocate: from.opt("can_deallocate")?.unwrap_or(false),
            allocation_restriction_info: from.opt("allocation_restriction_info")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// How a strategy binds what is in it. Which members there are depends on the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnLock {
    /// `flex`, `bonded` or `instant`.
    pub kind: String,
    /// Seconds between two payouts.
    pub payout_frequency: Option<u64>,
    /// Seconds.
    pub bonding_period: Option<u64>,
    /// Whether that differs.
    pub bonding_period_variable: Option<bool>,
    /// Whether it earns meanwhile.
    pub bonding_rewards: Option<bool>,
    /// Seconds.
    pub exit_queue_period: Option<u64>,
    /// Seconds.
    pub unbonding_period: Option<u64>,
    /// Whether that differs.
    pub unbonding_period_variable: Option<bool>,
    /// Whether it earns meanwhile.
    pub unbonding_rewards: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnLock {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            kind: from.need("type")?,
            payout_frequency: from.opt("payout_frequency")?,
            bonding_period: from.opt("bonding_period")?,
            bonding_period_variable: from.opt("bonding_period_variable")?,
            bonding_rewards: from.opt("bonding_rewards")?,
            exit_queue_period: from.opt("exit_queue_period")?,
            unbonding_period: from.opt("unbonding_period")?,
            unbonding_period_variable: from.opt("unbonding_period_variable")?,
            unbonding_rewards: from.opt("unbonding_rewards")?,
            extra: from.rest(),
        })
    }
}

/// Between what a strategy is thought to pay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnRate {
    /// At least.
    pub low: Option<Decimal>,
    /// At most.
    pub high: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnRate {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { low: from.opt("low")?, high: from.opt("high")?, extra: from.rest() })
    }
}

/// Whether rewards are put in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnCompound {
    /// `disabled`, `enabled` or `optional`.
    pub kind: String,
    /// What holds unless the owner chooses.
    pub default: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnCompound {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { kind: from.need("type")?, default: from.opt("default")?, extra: from.rest() })
    }
}

/// Where a reward comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarnSource {
    /// `staking` or `off_chain`.
    pub kind: String,
    /// Other members.
    pub extra: Extra,
}

impl Wire for EarnSource {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { kind: from.need("type")?, extra: from.rest() })
    }
}
