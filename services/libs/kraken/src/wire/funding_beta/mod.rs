//! What Funding (Beta) answers: methods, networks, fees, addresses, withdrawals.
//!
//! Kraken's documentation fixes these shapes loosely, and what is recorded of them differs: an asset is an object of class and name
//! in one place and a name in another, an amount stands by itself or inside of `asset_amount`. Both are read.

mod addresses;
mod methods;
mod money;

pub use addresses::{
    AddressCreated, AddressDeleted, AddressDetails, AddressUpdated, CryptoAddress, DepositAddressClaimed,
    FundingAddress, FundingAddresses, FundingScope, Texts,
};
pub use methods::{
    AddressGeneration, FundingMethod, FundingMethods, FundingNetwork, FundingNetworks, MethodDeposit,
    MethodFees, MethodNetwork, NetworkGroup,
};
pub use money::{FeeDetails, FundingAmount, FundingAsset, FundingFees, WithdrawalCreated};

use super::read::ShapeError;

fn needed<T>(value: Option<T>, name: &str) -> Result<T, ShapeError> {
    value.ok_or_else(|| ShapeError::here("present").inside(name))
}
