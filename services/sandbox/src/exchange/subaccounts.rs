//! Subaccounts and transfers between them and their master (Kraken docs: Subaccounts).
//!
//! An account that a key opens is a master, except for `second`, which is a subaccount of `main`; so is whatever CreateSubaccount
//! makes. Kraken documents no words for what it refuses here.

use super::engine::Engine;
use super::keys::iban;
use super::markets::{ASSETS, find_asset};
use super::private::Done;
use super::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::success;
use crate::wire::params::Params;

/// Accounts in all: each is a row that is looked through.
const ACCOUNTS_MAX: usize = 1_000;

/// The master that an account may act for: itself, unless it is a subaccount.
fn master(engine: &Engine, account: usize) -> Result<usize, Refusal> {
    if engine.accounts.get(account).master.is_some() { Err(Refusal::PermissionDenied) } else { Ok(account) }
}

/// `CreateSubaccount`. It begins with nothing.
pub(crate) fn create(engine: &mut Engine, account: usize, params: &Params) -> Result<Done, Refusal> {
    let master = master(engine, account)?;
    let username = params.get("username").ok_or_else(|| wrong("username"))?;
    let email = params.get("email").ok_or_else(|| wrong("email"))?;
    if !email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty()) {
        return Err(wrong("email"));
    }
    if engine.accounts.len() >= ACCOUNTS_MAX {
        return Err(Refusal::InvalidArguments(None));
    }
    if !engine.accounts.open_under(master, username) {
        return Err(wrong("username"));
    }
    Ok(Done::answer(success(|json| json.truth(true))))
}

/// `AccountTransfer`, between two accounts of one family.
pub(crate) fn transfer(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let master = master(engine, account)?;
    let asset = params.get("asset").ok_or_else(|| wrong("asset"))?;
    let asset = find_asset(asset).ok_or(Refusal::UnknownAsset)?;
    if !matches!(params.get("asset_class"), None | Some("currency")) {
        return Err(wrong("asset_class"));
    }
    let text = params.get("amount").ok_or_else(|| wrong("amount"))?;
    let amount = decimal::parse(text, ASSETS[asset].decimals).map_err(|_| wrong("amount"))?;
    let side = |name: &'static str| {
        let wanted = params.get(name).ok_or_else(|| wrong(name))?;
        let is_it = |other: &usize| {
            let other_account = engine.accounts.get(*other);
            (*other == master || other_account.master == Some(master)) && iban(&other_account.name) == wanted
        };
        (0..engine.accounts.len()).find(is_it).ok_or_else(|| wrong(name))
    };
    let (from, to) = (side("from")?, side("to")?);
    if from == to {
        return Err(wrong("to"));
    }
    if amount == 0 {
        return Err(wrong("amount"));
    }
    let amount = i128::from(amount);
    if amount > engine.movable(from, asset) {
        return Err(Refusal::InsufficientFundsToMove);
    }
    let refid = engine.next_id(b'T');
    engine.book_move(now_us, from, ("transfer", "subaccount"), refid, asset, -amount);
    engine.book_move(now_us, to, ("transfer", "subaccount"), refid, asset, amount);
    let body = success(|json| {
        json.object(|json| {
            json.field("transfer_id").text(refid.as_str());
            json.field("status").text("complete");
        });
    });
    Ok(Done::answer(body))
}
