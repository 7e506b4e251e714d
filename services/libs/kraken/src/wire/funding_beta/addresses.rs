//! Addresses, to withdraw to and to deposit at.

use super::super::json::Json;
use super::needed;
use crate::wire::read::{Entries, Extra, Object, ShapeError, Wire};

/// What an address or a method may be used for: one of the three.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingScope {
    /// One method.
    pub method_id: Option<String>,
    /// All methods of a network.
    pub network_id: Option<String>,
    /// All methods of a group of networks.
    pub network_group_id: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingScope {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            method_id: from.opt("method_id")?,
            network_id: from.opt("network_id")?,
            network_group_id: from.opt("network_group_id")?,
            extra: from.rest(),
        })
    }
}

/// `ListAddresses`: one page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingAddresses {
    /// The addresses.
    pub addresses: Vec<FundingAddress>,
    /// Where the next page begins; nothing on the last.
    pub next_cursor: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingAddresses {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            addresses: from.need("addresses")?,
            next_cursor: from.opt("next_cursor")?,
            extra: from.rest(),
        })
    }
}

/// An address for withdrawals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingAddress {
    /// Its stable id.
    pub address_id: String,
    /// What it may be used for.
    pub scope: Option<FundingScope>,
    /// Where it leads.
    pub address_details: Option<AddressDetails>,
    /// Its name.
    pub name: Option<String>,
    /// What its owner says of it.
    pub description: Option<String>,
    /// `third_party` if it is somebody else's.
    pub modifier: Option<String>,
    /// Whether it may be used already. Without this it could be taken for one that may not.
    pub verified: bool,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundingAddress {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            address_id: from.need("address_id")?,
            scope: from.opt("scope")?,
            address_details: from.opt("address_details")?,
            name: from.opt("name")?,
            description: from.opt("description")?,
            modifier: from.opt("modifier")?,
            verified: from.need("verified")?,
            extra: from.rest(),
        })
    }
}

/// Where an address leads: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressDetails {
    /// On a chain.
    pub crypto: Option<CryptoAddress>,
    /// At a bank: Kraken's members by name.
    pub fiat: Option<Texts>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AddressDetails {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { crypto: from.opt("crypto")?, fiat: from.opt("fiat")?, extra: from.rest() })
    }
}

/// An address on a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CryptoAddress {
    /// The address.
    pub address: String,
    /// Its tag, where the chain has one.
    pub tag: Option<String>,
    /// Its memo, where the chain has one.
    pub memo: Option<String>,
    /// Whose it is: Kraken's members by name.
    pub beneficiary: Option<Texts>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for CryptoAddress {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            address: from.need("address")?,
            tag: from.opt("tag")?,
            memo: from.opt("memo")?,
            beneficiary: from.opt("beneficiary")?,
            extra: from.rest(),
        })
    }
}

/// An object with many members of which few are set, all of them texts: what is no text is kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<(String, String)>);

impl Wire for Texts {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let members: Entries<Text> = Entries::take(raw)?;
        Ok(Self(members.0.into_iter().filter_map(|(name, Text(text))| Some((name, text?))).collect()))
    }
}

struct Text(Option<String>);

impl Wire for Text {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        Ok(Self(match raw.get() {
            "null" => None,
            text if text.starts_with('"') => Some(String::take(raw)?),
            other => Some(other.to_owned()),
        }))
    }
}

/// `CreateAddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressCreated {
    /// Its stable id.
    pub address_id: String,
    /// Whether it may be used already.
    pub verified: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AddressCreated {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { address_id: from.need("address_id")?, verified: from.opt("verified")?, extra: from.rest() })
    }
}

/// `UpdateAddress`. That it is an object is all that is sure of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressUpdated {
    /// Whether it may be used.
    pub verified: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AddressUpdated {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { verified: from.opt("verified")?, extra: from.rest() })
    }
}

/// `DeleteAddress`. That it is an object is all that is sure of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressDeleted {
    /// Whether it is gone, if Kraken says so.
    pub result: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for AddressDeleted {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { result: from.opt("result")?, extra: from.rest() })
    }
}

/// `ClaimDepositAddress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositAddressClaimed {
    /// Where to pay to.
    pub address_details: AddressDetails,
    /// Other members.
    pub extra: Extra,
}

impl Wire for DepositAddressClaimed {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let details: Option<AddressDetails> = from.opt("address_details")?;
        let plain: Option<String> = from.opt("address")?;
        let plain = plain.map(|address| AddressDetails {
            crypto: Some(CryptoAddress { address, ..CryptoAddress::default() }),
            ..AddressDetails::default()
        });
        Ok(Self { address_details: needed(details.or(plain), "address_details")?, extra: from.rest() })
    }
}
