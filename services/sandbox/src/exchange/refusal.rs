//! Every sentence with which this exchange refuses (Kraken docs: guide "Errors").

use std::borrow::Cow;

/// Why a request was refused. Nothing was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    UnknownMethod,
    InvalidKey,
    InvalidSignature,
    InvalidNonce,
    PermissionDenied,
    RateLimit,
    /// The counter of an account in one pair has no room.
    TradingRateLimit,
    Lockout,
    FeatureDisabled,
    /// With the name of the parameter, or without.
    InvalidArguments(Option<&'static str>),
    UnknownAsset,
    UnknownPair,
    InsufficientFunds,
    /// There is too little collateral for a position.
    InsufficientMargin,
    PositionsLimit,
    /// Nothing is open that an order could settle, or close whatever its size.
    UnknownPosition,
    /// Nothing is open that an order could reduce.
    NoPosition,
    /// The same of money that is to be moved.
    InsufficientFundsToMove,
    /// No strategy has this id.
    EarnStrategy,
    EarnBelowMin,
    EarnAboveMax,
    EarnInsufficientFunds,
    /// Another move in the strategy is under way.
    EarnBusy,
    /// The account's tier is too low, or nothing can be put in at all.
    EarnPermissionDenied,
    UnknownFundingAsset,
    NoFundingMethod,
    TooManyAddresses,
    /// No such name, not of this asset, or not confirmed by its owner.
    UnknownWithdrawKey,
    /// Kraken's page has the words without a category.
    InvalidWithdrawalAddress,
    /// Unreadable, too small, or more than there is.
    InvalidAmount,
    MaxFeeExceeded,
    UnknownReference,
    /// A name that another saved address has.
    DuplicateWithdrawKey,
    OrderMinimum,
    CostMinimum,
    TickSize,
    InvalidPrice,
    PostOnly,
    /// An id that is not open: never was, or is no more.
    UnknownOrder,
    /// A `cl_ord_id` that an open order of the account has already. Kraken documents the rule, not the sentence.
    InvalidOrder,
    OrdersLimit,
    /// An amend that names nothing to change, or nothing that would.
    NothingToAmend,
    /// An edit that leaves less than was executed already.
    NotEditable,
    DeadlineElapsed,
    /// The exchange is down.
    Unavailable,
    /// Only cancels are taken,
    CancelOnly,
    /// or besides them orders that say they are post-only,
    PostOnlyMode,
    /// or limit orders,
    LimitOnly,
    /// or what reduces a margin position.
    ReduceOnlyMode,
    /// Until so many seconds since 1970.
    Throttled(u64),
    /// An injected fault's own words.
    Injected(Box<str>),
}

/// Shorthand for a parameter that is missing or wrong.
pub(crate) fn wrong(parameter: &'static str) -> Refusal {
    Refusal::InvalidArguments(Some(parameter))
}

impl Refusal {
    /// Whether the engine says so of an order, and not the door before it of a request that it cannot read: the
    /// sentences of category `EOrder`, and the deadline, which is enforced at the engine.
    pub(crate) fn is_of_the_engine(&self) -> bool {
        *self == Self::DeadlineElapsed || self.text().starts_with("EOrder:")
    }

    /// Kraken's text.
    pub(crate) fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::UnknownMethod => "EGeneral:Unknown method",
            Self::InvalidKey => "EAPI:Invalid key",
            Self::InvalidSignature => "EAPI:Invalid signature",
            Self::InvalidNonce => "EAPI:Invalid nonce",
            Self::PermissionDenied => "EGeneral:Permission denied",
            Self::RateLimit => "EAPI:Rate limit exceeded",
            Self::TradingRateLimit => "EOrder:Rate limit exceeded",
            Self::Lockout => "EGeneral:Temporary lockout",
            Self::FeatureDisabled => "EAPI:Feature disabled",
            Self::InvalidArguments(None) => "EGeneral:Invalid arguments",
            Self::InvalidArguments(Some(parameter)) => {
                return Cow::Owned(format!("EGeneral:Invalid arguments:{parameter}"));
            }
            Self::UnknownAsset => "EQuery:Unknown asset",
            Self::UnknownPair => "EQuery:Unknown asset pair",
            Self::InsufficientFunds => "EOrder:Insufficient funds",
            Self::InsufficientMargin => "EOrder:Insufficient initial margin",
            Self::PositionsLimit => "EOrder:Positions limit exceeded",
            Self::UnknownPosition => "EOrder:Unknown position",
            Self::NoPosition => "EOrder:Reduce only:No position exists",
            Self::InsufficientFundsToMove => "EFunding:Insufficient funds",
            Self::EarnStrategy => "EGeneral:Invalid arguments:Invalid strategy ID",
            Self::EarnBelowMin => "EEarnings:Below min:(De)allocation operation amount less than minimum",
            Self::EarnAboveMax => "EEarnings:Above max:The allocation exceeds user limit for the strategy",
            Self::EarnInsufficientFunds => {
                "EEarnings:Insufficient funds:Insufficient funds to complete the (de)allocation request"
            }
            Self::EarnBusy => "EEarnings:Busy:Another (de)allocation for the same strategy is in progress",
            Self::EarnPermissionDenied => "EEarnings:Permission denied:The user's tier is not high enough",
            Self::UnknownFundingAsset => "EFunding:Unknown asset",
            Self::NoFundingMethod => "EFunding:No funding method",
            Self::TooManyAddresses => "EFunding:Too many addresses",
            Self::UnknownWithdrawKey => "EFunding:Unknown withdraw key",
            Self::InvalidWithdrawalAddress => "EFunding:Invalid withdrawal address",
            Self::InvalidAmount => "EFunding:Invalid amount",
            Self::MaxFeeExceeded => "EFunding:Max fee exceeded",
            Self::UnknownReference => "EFunding:Unknown reference id",
            Self::DuplicateWithdrawKey => "EFunding:Duplicate withdraw key",
            Self::OrderMinimum => "EOrder:Order minimum not met",
            Self::CostMinimum => "EOrder:Cost minimum not met",
            Self::TickSize => "EOrder:Tick size check failed",
            Self::InvalidPrice => "EOrder:Invalid price",
            Self::PostOnly => "EOrder:Post only order",
            Self::UnknownOrder => "EOrder:Unknown order",
            Self::InvalidOrder => "EOrder:Invalid order",
            Self::OrdersLimit => "EOrder:Orders limit exceeded",
            Self::NothingToAmend => "EOrder:No amendable parameters",
            Self::NotEditable => "EOrder:Order not editable",
            Self::Throttled(until_s) => return Cow::Owned(format!("EService:Throttled: {until_s}")),
            Self::DeadlineElapsed => "EService:Deadline elapsed",
            Self::Unavailable => "EService:Unavailable",
            Self::CancelOnly => "EService:Market in cancel_only mode",
            Self::PostOnlyMode => "EService:Market in post_only mode",
            Self::LimitOnly => "EService:Market in limit_only mode",
            Self::ReduceOnlyMode => "EService:Market in reduce_only mode",
            Self::Injected(text) => return Cow::Owned(text.to_string()),
        })
    }
}
