//! Money in and out.

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::{Decimal, Time};

/// `DepositMethods`.
pub type DepositMethods = Vec<DepositMethod>;

/// A way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositMethod {
    /// Its name, which other calls want letter for letter.
    pub method: String,
    /// The most that can be deposited now.
    pub limit: Limit,
    /// Fee.
    pub fee: Option<Decimal>,
    /// What it costs to make an address.
    pub address_setup_fee: Option<Decimal>,
    /// Whether new addresses can be made.
    pub gen_address: Option<bool>,
    /// The least at a time.
    pub minimum: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for DepositMethod {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            method: from.need("method")?,
            limit: from.opt("limit")?.unwrap_or_default(),
            fee: from.opt("fee")?,
            address_setup_fee: from.opt("address-setup-fee")?,
            gen_address: from.opt("gen-address")?,
            minimum: from.opt("minimum")?,
            extra: from.rest(),
        })
    }
}

/// An amount, or `false` where there is no limit; so is a missing one read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limit(pub Option<Decimal>);

impl Wire for Limit {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        if raw.get() == "false" { Ok(Self(None)) } else { Decimal::take(raw).map(|limit| Self(Some(limit))) }
    }
}

/// `DepositAddresses`. Empty before the first one is made.
pub type DepositAddresses = Vec<DepositAddress>;

/// Where the account can be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DepositAddress {
    /// The address.
    pub address: String,
    /// Until when it can be paid to; not set is for ever.
    pub expiretm: Option<Time>,
    /// Whether nothing was ever paid to it; missing if something was.
    pub new: bool,
    /// What a payer must name besides on some chains.
    pub tag: Option<String>,
    /// The same under another name on others.
    pub memo: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for DepositAddress {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            address: from.need("address")?,
            expiretm: from.opt("expiretm")?,
            new: from.opt("new")?.unwrap_or_default(),
            tag: text_or_number(&mut from, "tag")?,
            memo: text_or_number(&mut from, "memo")?,
            extra: from.rest(),
        })
    }
}

/// Tags are digits on some chains, and not everybody writes digits as text.
fn text_or_number(from: &mut Object, name: &str) -> Result<Option<String>, ShapeError> {
    from.opt::<Tag>(name).map(|tag| tag.map(|Tag(text)| text))
}

struct Tag(String);

impl Wire for Tag {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        String::take(raw).or_else(|_| Decimal::take(raw).map(|digits| digits.0)).map(Self)
    }
}

/// `DepositStatus`, with and without pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposits {
    /// The newest first.
    pub deposits: Vec<Deposit>,
    /// What asks for the next page; none on the last, and where no pages were asked for.
    pub next_cursor: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Deposits {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        // The specification calls the list of a page `deposit`, clients read `deposits`.
        let (deposits, next_cursor, extra) = page(raw, "deposits", "deposit")?;
        Ok(Self { deposits, next_cursor, extra })
    }
}

/// A plain list, or an object with a list and a cursor.
fn page<T: Wire>(
    raw: &mut Json<'_>,
    name: &str,
    other: &str,
) -> Result<(Vec<T>, Option<String>, Extra), ShapeError> {
    if raw.peek() == b'[' {
        return Ok((Wire::take(raw)?, None, Extra::new()));
    }
    let mut from = Object::of(raw)?;
    let list = from.either(name, other)?.ok_or_else(|| ShapeError::here("present").inside(name))?;
    let cursor: Option<String> = from.opt("next_cursor")?;
    Ok((list, cursor.filter(|cursor| !cursor.is_empty()), from.rest()))
}

/// Money that came or comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// Way in.
    pub method: Option<String>,
    /// Network.
    pub network: Option<String>,
    /// Class of the asset.
    pub aclass: Option<String>,
    /// Id of the asset.
    pub asset: String,
    /// Kraken's id of it; that of its ledger entry, too.
    pub refid: String,
    /// The network's id of it.
    pub txid: Option<String>,
    /// Where it was paid to.
    pub info: Option<String>,
    /// How much.
    pub amount: Decimal,
    /// Fee.
    pub fee: Option<Decimal>,
    /// When it was seen first.
    pub time: Option<Time>,
    /// `Initial`, `Pending`, `Settled`, `Success`, `Failure`.
    pub status: String,
    /// `return`, `onhold`; as a rule missing.
    pub status_prop: Option<String>,
    /// Who sent it.
    pub originators: Vec<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Deposit {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            method: from.opt("method")?,
            network: from.opt("network")?,
            aclass: from.opt("aclass")?,
            asset: from.need("asset")?,
            refid: from.need("refid")?,
            txid: from.opt("txid")?,
            info: from.opt("info")?,
            amount: from.need("amount")?,
            fee: from.opt("fee")?,
            time: from.opt("time")?,
            status: from.need("status")?,
            status_prop: from.opt("status-prop")?,
            originators: from.opt("originators")?.unwrap_or_default(),
            extra: from.rest(),
        })
    }
}

/// `WithdrawMethods`.
pub type WithdrawMethods = Vec<WithdrawMethod>;

/// A way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawMethod {
    /// Id of the asset.
    pub asset: String,
    /// Its name.
    pub method: String,
    /// Its id; on the wire but not in the specification.
    pub method_id: Option<String>,
    /// Network.
    pub network: Option<String>,
    /// Id of the network; as `method_id`.
    pub network_id: Option<String>,
    /// The least at a time.
    pub minimum: Option<Decimal>,
    /// What it costs; as `method_id`.
    pub fee: Option<WithdrawFee>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for WithdrawMethod {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            asset: from.need("asset")?,
            method: from.need("method")?,
            method_id: from.opt("method_id")?,
            network: from.opt("network")?,
            network_id: from.opt("network_id")?,
            minimum: from.opt("minimum")?,
            fee: from.opt("fee")?,
            extra: from.rest(),
        })
    }
}

/// What a way out costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawFee {
    /// Class of the asset.
    pub aclass: Option<String>,
    /// In which it is paid.
    pub asset: Option<String>,
    /// The fixed part.
    pub fee: Option<Decimal>,
    /// The part that grows with the amount.
    pub fee_percentage: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for WithdrawFee {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            aclass: from.opt("aclass")?,
            asset: from.opt("asset")?,
            fee: from.opt("fee")?,
            fee_percentage: from.opt("fee_percentage")?,
            extra: from.rest(),
        })
    }
}

/// `WithdrawAddresses`.
pub type WithdrawAddresses = Vec<WithdrawAddress>;

/// An address that the account may pay to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawAddress {
    /// The address.
    pub address: String,
    /// Asset; the short name was seen.
    pub asset: Option<String>,
    /// Way out.
    pub method: Option<String>,
    /// The name by which `Withdraw` knows it.
    pub key: String,
    /// What the payment must name besides on some chains.
    pub tag: Option<String>,
    /// The same under another name on others.
    pub memo: Option<String>,
    /// Whether its owner has confirmed it.
    pub verified: Option<bool>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for WithdrawAddress {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            address: from.need("address")?,
            asset: from.opt("asset")?,
            method: from.opt("method")?,
            key: from.need("key")?,
            tag: text_or_number(&mut from, "tag")?,
            memo: text_or_number(&mut from, "memo")?,
            verified: from.opt("verified")?,
            extra: from.rest(),
        })
    }
}

/// `WithdrawInfo`: what a withdrawal would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithdrawInfo {
    /// Way out.
    pub method: String,
    /// The most that can be withdrawn now.
    pub limit: Limit,
    /// What would arrive.
    pub amount: Decimal,
    /// What it would cost.
    pub fee: Option<Decimal>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for WithdrawInfo {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            method: from.need("method")?,
            limit: from.opt("limit")?.unwrap_or_default(),
            amount: from.need("amount")?,
            fee: from.opt("fee")?,
            extra: from.rest(),
        })
    }
}

/// `Withdraw` and `WalletTransfer`: it is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundsSent {
    /// Kraken's id of it.
    pub refid: String,
    /// Other members.
    pub extra: Extra,
}

impl Wire for FundsSent {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { refid: from.need("refid")?, extra: from.rest() })
    }
}

/// `WithdrawStatus`, with and without pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawals {
    /// The newest first.
    pub withdrawals: Vec<Withdrawal>,
    /// What asks for the next page; none on the last, and where no pages were asked for.
    pub next_cursor: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Withdrawals {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        // By analogy with what the specification calls the deposits of a page.
        let (withdrawals, next_cursor, extra) = page(raw, "withdrawals", "withdrawal")?;
        Ok(Self { withdrawals, next_cursor, extra })
    }
}

/// Money that went or goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Way out.
    pub method: Option<String>,
    /// Network.
    pub network: Option<String>,
    /// Class of the asset.
    pub aclass: Option<String>,
    /// Id of the asset.
    pub asset: String,
    /// Kraken's id of it; that of its ledger entries, too.
    pub refid: String,
    /// The network's id of it; missing before it was sent.
    pub txid: Option<String>,
    /// Where it goes.
    pub info: Option<String>,
    /// How much arrives.
    pub amount: Decimal,
    /// Fee, on top of that.
    pub fee: Option<Decimal>,
    /// When it was asked for.
    pub time: Option<Time>,
    /// `Initial`, `Pending`, `Settled`, `Success`, `Failure`.
    pub status: String,
    /// `cancel-pending`, `canceled`, `cancel-denied`, `return`, `onhold`; as a rule missing.
    pub status_prop: Option<String>,
    /// The name of the address.
    pub key: Option<String>,
    /// Other members.
    pub extra: Extra,
}

impl Wire for Withdrawal {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self {
            method: from.opt("method")?,
            network: from.opt("network")?,
            aclass: from.opt("aclass")?,
            asset: from.need("asset")?,
            refid: from.need("refid")?,
            txid: from.opt("txid")?,
            info: from.opt("info")?,
            amount: from.need("amount")?,
            fee: from.opt("fee")?,
            time: from.opt("time")?,
            status: from.need("status")?,
            status_prop: from.opt("status-prop")?,
            key: from.opt("key")?,
            extra: from.rest(),
        })
    }
}
