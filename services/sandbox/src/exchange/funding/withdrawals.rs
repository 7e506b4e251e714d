//! What goes out.

use super::methods::{WITHDRAW_METHODS, WithdrawMethod};
use super::{Movement, Recall, Stage, Way, WithdrawKey, amount, asset, asset_needed, listing};
use crate::exchange::engine::Engine;
use crate::exchange::intake::flag;
use crate::exchange::keys::KeyState;
use crate::exchange::markets::ASSETS;
use crate::exchange::private::Done;
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;

/// Withdrawals on a page.
const PAGE: usize = 500;

/// `WithdrawMethods`.
pub(crate) fn withdraw_methods(params: &Params) -> Result<String, Refusal> {
    let (asset, network) = (asset(params)?, params.get("network"));
    let fits = |method: &&WithdrawMethod| {
        asset.is_none_or(|asset| method.asset == asset)
            && network.is_none_or(|network| method.network.eq_ignore_ascii_case(network))
    };
    let write = |json: &mut Json, method: &WithdrawMethod| {
        let asset = &ASSETS[method.asset];
        json.object(|json| {
            json.field("asset").text(asset.id);
            json.field("method").text(method.name);
            json.field("method_id").text(method.id);
            json.field("network").text(method.network);
            json.field("network_id").text(method.network_id);
            json.field("minimum").decimal(method.minimum, asset.decimals);
            json.field("fee").object(|json| {
                json.field("aclass").text("currency");
                json.field("asset").text(asset.id);
                json.field("fee").decimal(method.fee, asset.decimals);
                json.field("fee_percentage").null();
            });
        });
    };
    let methods = WITHDRAW_METHODS.iter().filter(fits);
    Ok(success(|json| json.array(|json| methods.for_each(|method| write(json, method)))))
}

/// `WithdrawAddresses`.
pub(crate) fn withdraw_addresses(
    engine: &Engine,
    account: usize,
    params: &Params,
) -> Result<String, Refusal> {
    let asset = asset(params)?;
    let verified = params.get("verified").is_some().then(|| flag(params, "verified")).transpose()?;
    let fits = |key: &&WithdrawKey| {
        let method = &WITHDRAW_METHODS[key.method];
        asset.is_none_or(|asset| method.asset == asset)
            && params.get("method").is_none_or(|name| method.name == name)
            && params.get("key").is_none_or(|name| *key.name == *name)
            && verified.is_none_or(|verified| key.verified == verified)
    };
    let keys = engine.accounts.get(account).withdraw_keys.iter().filter(fits);
    Ok(success(|json| {
        json.array(|json| {
            for key in keys {
                let method = &WITHDRAW_METHODS[key.method];
                json.object(|json| {
                    json.field("address").text(&key.address);
                    json.field("asset").text(ASSETS[method.asset].altname);
                    json.field("method").text(method.name);
                    json.field("key").text(&key.name);
                    json.field("verified").truth(key.verified);
                });
            }
        });
    }))
}

/// A withdrawal that could be made.
struct Plan<'e> {
    asset: usize,
    key: &'e WithdrawKey,
    method: &'static WithdrawMethod,
    /// What arrives.
    net: i128,
}

/// Reads a withdrawal, or the question after one.
fn plan<'e>(engine: &'e Engine, account: usize, params: &Params) -> Result<Plan<'e>, Refusal> {
    let asset = asset_needed(params)?;
    let name = params.get("key").ok_or_else(|| wrong("key"))?;
    let owner = engine.accounts.get(account);
    let is_it = |key: &&WithdrawKey| {
        *key.name == *name && key.verified && WITHDRAW_METHODS[key.method].asset == asset
    };
    let key = owner.withdraw_keys.iter().find(is_it).ok_or(Refusal::UnknownWithdrawKey)?;
    let method = &WITHDRAW_METHODS[key.method];
    if params.get("address").is_some_and(|address| *key.address != *address) {
        return Err(Refusal::InvalidWithdrawalAddress);
    }
    let gross = amount(params, asset)?;
    if gross < method.minimum || gross > engine.movable(account, asset) {
        return Err(Refusal::InvalidAmount);
    }
    if let Some(text) = params.get("max_fee") {
        let max_fee = decimal::parse(text, ASSETS[asset].decimals).map_err(|_| wrong("max_fee"))?;
        if method.fee > i128::from(max_fee) {
            return Err(Refusal::MaxFeeExceeded);
        }
    }
    Ok(Plan { asset, key, method, net: gross - method.fee })
}

/// `WithdrawInfo`.
pub(crate) fn withdraw_info(engine: &Engine, account: usize, params: &Params) -> Result<String, Refusal> {
    let Plan { asset, method, net, .. } = plan(engine, account, params)?;
    let decimals = ASSETS[asset].decimals;
    Ok(success(|json| {
        json.object(|json| {
            json.field("method").text(method.name);
            json.field("limit").decimal(engine.movable(account, asset), decimals);
            json.field("amount").decimal(net, decimals);
            json.field("fee").decimal(method.fee, decimals);
        });
    }))
}

/// `Withdraw`.
pub(crate) fn withdraw(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let Plan { asset, key, method, net } = plan(engine, account, params)?;
    let way = Way::Withdrawal { method: key.method, key: key.name.clone(), address: key.address.clone() };
    let movement = Movement {
        refid: engine.funding.ids.refid(),
        account,
        asset,
        amount: net,
        fee: method.fee,
        began_us: now_us,
        stage: Stage::Initial,
        fails: engine.funding.fails,
        recall: Recall::No,
        txid: method.form.txid(&mut engine.funding.ids).into(),
        way,
    };
    let refid = engine.send(movement);
    Ok(Done::answer(success(|json| json.object(|json| json.field("refid").text(refid.as_str())))))
}

/// `WithdrawStatus`.
pub(crate) fn withdraw_status(engine: &Engine, key: &KeyState, params: &Params) -> Result<String, Refusal> {
    let method = |movement: &Movement| match &movement.way {
        Way::Withdrawal { method, .. } => Some(WITHDRAW_METHODS[*method].name),
        _ => None,
    };
    listing::list(engine, key, params, PAGE, "withdrawals", method, write)
}

fn write(json: &mut Json, movement: &Movement) {
    let Way::Withdrawal { method, key, address } = &movement.way else { return };
    let (asset, method) = (&ASSETS[movement.asset], &WITHDRAW_METHODS[*method]);
    let sent = matches!(movement.stage, Stage::Settled | Stage::Success);
    let mark = match movement.recall {
        Recall::No => None,
        Recall::Asked => Some("cancel-pending"),
        Recall::Denied => Some("cancel-denied"),
        Recall::Done => Some("canceled"),
    };
    json.object(|json| {
        json.field("method").text(method.name);
        json.field("network").text(method.network);
        json.field("aclass").text("currency");
        json.field("asset").text(asset.id);
        json.field("refid").text(movement.refid.as_str());
        json.field("txid").text_or_null(sent.then_some(&*movement.txid));
        json.field("info").text(address);
        json.field("amount").decimal(movement.amount, asset.decimals);
        json.field("fee").decimal(movement.fee, asset.decimals);
        json.field("time").integer(movement.began_us / 1_000_000);
        json.field("status").text(movement.stage.text());
        if let Some(mark) = mark {
            json.field("status-prop").text(mark);
        }
        json.field("key").text(key);
    });
}

/// `WithdrawCancel`. Whether it can still be asked for; what comes of it WithdrawStatus tells. A transfer between own
/// wallets is taken back without any permission.
pub(crate) fn withdraw_cancel(engine: &mut Engine, key: &KeyState, params: &Params) -> Result<Done, Refusal> {
    let number = params.get("refid").and_then(|refid| engine.funding.number_of(refid));
    let movement = number.and_then(|number| engine.funding.movements.get_mut(&number));
    let movement = movement
        .filter(|movement| movement.account == key.account && !matches!(movement.way, Way::Deposit { .. }));
    let own_wallets = movement.as_ref().is_some_and(|movement| matches!(movement.way, Way::Transfer));
    if !own_wallets && !key.may("withdraw-funds") {
        return Err(Refusal::PermissionDenied);
    }
    let asset = asset_needed(params)?;
    if params.get("refid").is_none() {
        return Err(wrong("refid"));
    }
    let movement = movement.filter(|movement| movement.asset == asset).ok_or(Refusal::UnknownReference)?;
    let asked = movement.call_back();
    Ok(Done::answer(success(|json| json.truth(asked))))
}
