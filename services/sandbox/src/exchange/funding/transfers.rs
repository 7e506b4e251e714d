//! From the account to its wallet for futures. The way back is none of the Spot API's.

use super::{Movement, Recall, Stage, Way, amount, asset_needed};
use crate::exchange::engine::Engine;
use crate::exchange::private::Done;
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::json::success;
use crate::wire::params::Params;

/// `WalletTransfer`.
pub(crate) fn wallet_transfer(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    params: &Params,
) -> Result<Done, Refusal> {
    let asset = asset_needed(params)?;
    for (name, wallet) in [("from", "Spot Wallet"), ("to", "Futures Wallet")] {
        if params.get(name) != Some(wallet) {
            return Err(wrong(name));
        }
    }
    let amount = amount(params, asset)?;
    if amount > engine.movable(account, asset) {
        return Err(Refusal::InvalidAmount);
    }
    let movement = Movement {
        refid: engine.funding.ids.refid(),
        account,
        asset,
        amount,
        fee: 0,
        began_us: now_us,
        stage: Stage::Initial,
        fails: engine.funding.fails,
        recall: Recall::No,
        txid: Box::default(),
        way: Way::Transfer,
    };
    let refid = engine.send(movement);
    Ok(Done::answer(success(|json| json.object(|json| json.field("refid").text(refid.as_str())))))
}
