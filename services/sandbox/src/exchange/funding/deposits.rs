//! What comes in.

use serde::Deserialize;

use super::methods::{DEPOSIT_METHODS, DepositMethod, Form, deposit_method};
use super::{DepositAddress, Movement, Recall, Stage, Way, asset_needed, listing};
use crate::exchange::engine::Engine;
use crate::exchange::ids::Refid;
use crate::exchange::intake::flag;
use crate::exchange::keys::KeyState;
use crate::exchange::markets::{ASSETS, find_asset};
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Addresses of one way that may wait for their first payment.
const UNUSED_MAX: usize = 5;
/// For how long an invoice can be paid.
const INVOICE_LIFE_S: u64 = 3_600;
/// Deposits on a page.
const PAGE: usize = 25;

/// `DepositMethods`.
pub(crate) fn deposit_methods(params: &Params) -> Result<String, Refusal> {
    let asset = asset_needed(params)?;
    let decimals = ASSETS[asset].decimals;
    let write = |json: &mut Json, method: &DepositMethod| {
        json.object(|json| {
            json.field("method").text(method.name);
            match method.limit {
                None => json.field("limit").truth(false),
                Some(limit) => json.field("limit").decimal(limit, decimals),
            }
            json.field("fee").decimal(method.fee, decimals);
            match method.form {
                Form::Bitcoin | Form::Ethereum => {
                    json.field("address-setup-fee").decimal(0, decimals);
                    json.field("gen-address").truth(true);
                }
                Form::Lightning | Form::Bank => {}
            }
            json.field("minimum").decimal(method.minimum, decimals);
        });
    };
    let methods = DEPOSIT_METHODS.iter().filter(|method| method.asset == asset);
    Ok(success(|json| json.array(|json| methods.for_each(|method| write(json, method)))))
}

/// `DepositAddresses`. With `new` it makes one first.
pub(crate) fn deposit_addresses(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<String, Refusal> {
    let asset = asset_needed(params)?;
    let method = deposit_method(asset, params.get("method").ok_or_else(|| wrong("method"))?)?;
    let invoice = DEPOSIT_METHODS[method].form == Form::Lightning;
    let new = flag(params, "new")?;
    if params.get("amount").is_some() != (invoice && new) {
        return Err(wrong("amount"));
    }
    if new {
        if invoice {
            super::amount(params, asset)?;
        }
        make_address(engine, now_us, account, method)?;
    }
    let now_s = now_us / 1_000_000;
    let lasts = |one: &&DepositAddress| one.expires_s == 0 || one.expires_s > now_s;
    let own = engine.accounts.get(account).deposit_addresses.iter().rev();
    let shown = own.filter(|one| one.method == method).filter(lasts);
    Ok(success(|json| {
        json.array(|json| {
            for one in shown {
                json.object(|json| {
                    json.field("address").text(&one.address);
                    json.field("expiretm").text(&one.expires_s.to_string());
                    if !one.used {
                        json.field("new").truth(true);
                    }
                });
            }
        });
    }))
}

fn make_address(engine: &mut Engine, now_us: u64, account: usize, method: usize) -> Result<(), Refusal> {
    let form = DEPOSIT_METHODS[method].form;
    if form == Form::Bank {
        return Err(Refusal::NoFundingMethod);
    }
    let now_s = now_us / 1_000_000;
    let own = &mut engine.accounts.get_mut(account).deposit_addresses;
    own.retain(|one| one.used || one.expires_s == 0 || one.expires_s > now_s);
    if own.iter().filter(|one| one.method == method && !one.used).count() >= UNUSED_MAX {
        return Err(Refusal::TooManyAddresses);
    }
    let expires_s = if form == Form::Lightning { now_s + INVOICE_LIFE_S } else { 0 };
    let address = form.address(&mut engine.funding.ids).into();
    own.push(DepositAddress { method, address, expires_s, used: false });
    Ok(())
}

/// `DepositStatus`.
pub(crate) fn deposit_status(engine: &Engine, key: &KeyState, params: &Params) -> Result<String, Refusal> {
    let method = |movement: &Movement| match &movement.way {
        Way::Deposit { method, .. } => Some(DEPOSIT_METHODS[*method].name),
        _ => None,
    };
    let write = |json: &mut Json, movement: &Movement| {
        let Way::Deposit { method, address } = &movement.way else { return };
        let asset = &ASSETS[movement.asset];
        json.object(|json| {
            json.field("method").text(DEPOSIT_METHODS[*method].name);
            json.field("aclass").text("currency");
            json.field("asset").text(asset.id);
            json.field("refid").text(movement.refid.as_str());
            json.field("txid").text(&movement.txid);
            json.field("info").text(address);
            json.field("amount").decimal(movement.amount, asset.decimals);
            json.field("fee").decimal(movement.fee, asset.decimals);
            json.field("time").integer(movement.began_us / 1_000_000);
            json.field("status").text(movement.stage.text());
        });
    };
    listing::list(engine, key, params, PAGE, "deposits", method, write)
}

/// A deposit that somebody sends from outside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payment {
    /// Whose, by name.
    account: String,
    asset: String,
    amount: String,
    /// Unset: the first of the asset.
    method: Option<String>,
    /// Unset: the newest of the account, or a new one.
    address: Option<String>,
}

/// Sends a deposit to an account, as `/sandbox/deposits` is asked to; a refusal is in words for the caller.
pub(crate) fn arrive(engine: &mut Engine, now_us: u64, json: &[u8]) -> Result<Refid, String> {
    let payment: Payment = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let account = engine.accounts.named(&payment.account);
    let account = account.ok_or_else(|| format!("no account is called {:?}", payment.account))?;
    let asset =
        find_asset(&payment.asset).ok_or_else(|| format!("no asset is called {:?}", payment.asset))?;
    let method = match &payment.method {
        None => DEPOSIT_METHODS.iter().position(|method| method.asset == asset),
        Some(name) => deposit_method(asset, name).ok(),
    };
    let method = method.ok_or("the asset has no such way in")?;
    let way = &DEPOSIT_METHODS[method];
    let amount = decimal::parse(&payment.amount, ASSETS[asset].decimals).map(i128::from).ok();
    let fits = |amount: &i128| *amount >= way.minimum && way.limit.is_none_or(|limit| *amount <= limit);
    let amount =
        amount.filter(fits).ok_or("the amount is no decimal, or below the minimum, or above the limit")?;
    let address = paid_address(engine, now_us, account, method, payment.address.as_deref())?;
    let movement = Movement {
        refid: engine.funding.ids.refid(),
        account,
        asset,
        amount,
        fee: way.fee,
        began_us: now_us,
        stage: Stage::Initial,
        fails: engine.funding.fails,
        recall: Recall::No,
        txid: way.form.txid(&mut engine.funding.ids).into(),
        way: Way::Deposit { method, address },
    };
    Ok(engine.funding.begin(movement))
}

/// The address that is paid to, which is used from now on.
fn paid_address(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    method: usize,
    wanted: Option<&str>,
) -> Result<Box<str>, String> {
    if DEPOSIT_METHODS[method].form == Form::Bank {
        return Ok("SANDBOXXX".into());
    }
    let own = |engine: &Engine| {
        let fits =
            |one: &DepositAddress| one.method == method && wanted.is_none_or(|text| *one.address == *text);
        engine.accounts.get(account).deposit_addresses.iter().rposition(fits)
    };
    if own(engine).is_none() && wanted.is_none() {
        make_address(engine, now_us, account, method).map_err(|refusal| refusal.text().into_owned())?;
    }
    let at = own(engine).ok_or("the account has no such address")?;
    let one = &mut engine.accounts.get_mut(account).deposit_addresses[at];
    one.used = true;
    Ok(one.address.clone())
}
