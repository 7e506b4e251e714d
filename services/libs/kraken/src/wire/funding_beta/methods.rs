//! Methods and networks.

use super::super::json::Json;
use super::money::{FundingAmount, FundingAsset};
use super::needed;
use crate::wire::read::{Extra, Object, ShapeError, Wire};
use crate::wire::scalar::Decimal;

/// `ListMethods`: one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingMethods {
    /// The methods.
    pub methods: Vec<FundingMethod>,
    /// Where the next page begins; nothing on the last.
    pub next_cursor: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingMethods {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { methods: from.need("methods")?, next_cursor: from.opt("next_cursor")?, extra: from.rest() })
    }
}

/// A way in or out of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingMethod {
    /// Its stable id.
    pub method_id: String,
    /// Its name.
    pub method_name: Option<String>,
    /// Of what.
    pub asset: Option<FundingAsset>,
    /// Over what, where only the network's id is written.
    pub network_id: Option<String>,
    /// Over what.
    pub network: Option<MethodNetwork>,
    /// Least amount.
    pub minimum_amount: Option<Decimal>,
    /// Greatest amount.
    pub maximum_amount: Option<Decimal>,
    /// What it costs.
    pub fees: Option<MethodFees>,
    /// What only ways in have.
    pub deposit: Option<MethodDeposit>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingMethod {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            method_id: from.need("method_id")?,
            method_name: from.opt("method_name")?,
            asset: from.opt("asset")?,
            network_id: from.opt("network_id")?,
            network: from.opt("network")?,
            minimum_amount: from.opt("minimum_amount")?,
            maximum_amount: from.opt("maximum_amount")?,
            fees: from.opt("fees")?,
            deposit: from.opt("deposit")?,
            extra: from.rest(),
        })
    }
}

/// The network of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodNetwork {
    /// Its stable id.
    pub network_id: String,
    /// Its name.
    pub network_name: Option<String>,
    /// Contract of the asset on it.
    pub contract_address: Option<String>,
    /// Name of the asset on it.
    pub on_chain_asset_symbol: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for MethodNetwork {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            network_id: from.need("network_id")?,
            network_name: from.opt("network_name")?,
            contract_address: from.opt("contract_address")?,
            on_chain_asset_symbol: from.opt("on_chain_asset_symbol")?,
            extra: from.rest(),
        })
    }
}

/// What a method costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodFees {
    /// The part that does not depend on the amount.
    pub base: Option<FundingAmount>,
    /// The part that does, in percent.
    pub percentage: Option<Decimal>,
    /// Least fee.
    pub min: Option<FundingAmount>,
    /// Greatest fee.
    pub max: Option<FundingAmount>,
    /// Whether it is taken out of the amount.
    pub included: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for MethodFees {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            base: from.opt("base")?,
            percentage: from.opt("percentage")?,
            min: from.opt("min")?,
            max: from.opt("max")?,
            included: from.opt("included")?,
            extra: from.rest(),
        })
    }
}

/// What only ways in have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodDeposit {
    /// Whether and how many addresses can be claimed.
    pub address_generation: Option<AddressGeneration>,
    /// The method whose addresses it uses.
    pub shares_addresses_with_method_id: Option<String>,
    /// What the first address costs.
    pub address_setup_fee: Option<FundingAmount>,
    /// Of cards: whether credit cards are taken.
    pub allow_credit_cards: Option<bool>,
    /// Where withdrawals are held after a deposit: whether these are exempt.
    pub exempted_withdrawal_hold: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for MethodDeposit {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            address_generation: from.opt("address_generation")?,
            shares_addresses_with_method_id: from.opt("shares_addresses_with_method_id")?,
            address_setup_fee: from.opt("address_setup_fee")?,
            allow_credit_cards: from.opt("allow_credit_cards")?,
            exempted_withdrawal_hold: from.opt("exempted_withdrawal_hold")?,
            extra: from.rest(),
        })
    }
}

/// Whether addresses can be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressGeneration {
    /// `unsupported`, `unlimited` or `limited`.
    pub status: String,
    /// How many unused ones there may be.
    pub limit: Option<u64>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AddressGeneration {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { status: from.need("status")?, limit: from.opt("limit")?, extra: from.rest() })
    }
}

/// `ListNetworks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingNetworks {
    /// Networks that share one form of addresses.
    pub network_groups: Vec<NetworkGroup>,
    /// All networks.
    pub networks: Vec<FundingNetwork>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingNetworks {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            network_groups: from.opt("network_groups")?.unwrap_or_default(),
            networks: from.need("networks")?,
            extra: from.rest(),
        })
    }
}

/// Networks that share one form of addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkGroup {
    /// Its stable id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Ids of its networks.
    pub network_ids: Vec<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for NetworkGroup {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            id: needed(from.either("network_group_id", "id")?, "network_group_id")?,
            name: from.opt("name")?,
            network_ids: from.either("network_ids", "networks")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingNetwork {
    /// Its stable id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingNetwork {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            id: needed(from.either("network_id", "id")?, "network_id")?,
            name: from.opt("name")?,
            extra: from.rest(),
        })
    }
}
