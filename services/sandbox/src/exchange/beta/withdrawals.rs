//! Withdrawals to saved addresses.

use super::addresses::Scope;
use super::catalogue::{METHODS, write_amount};
use super::fees::{Sums, amount};
use super::{Beta, bare};
use crate::exchange::accounts::LedgerEntry;
use crate::exchange::engine::Engine;
use crate::exchange::intake::flag;
use crate::exchange::markets::find_asset;
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::params::Params;

impl Beta {
    /// `CreateWithdrawal`. All is judged first; then the money goes, with one ledger entry.
    pub(super) fn create_withdrawal(
        &mut self,
        engine: &mut Engine,
        now_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<String, Refusal> {
        let asset = asset(params, "amount")?;
        let at = way(params, asset)?;
        let method = &METHODS[at];
        let id = params.get("address_id").ok_or_else(|| wrong("address_id"))?;
        let saved = self.saved(account).iter().find(|saved| saved.id == id);
        let saved = saved
            .filter(|saved| saved.is_confirmed(now_us) && saved.scope.covers(Scope::Method(at)))
            .ok_or(Refusal::UnknownWithdrawKey)?;
        if params.get("expected_address").is_some_and(|expected| expected != saved.address) {
            return Err(Refusal::InvalidWithdrawalAddress);
        }
        let asked = amount(params.get("amount[asset_amount][amount]"), method)
            .filter(|asked| *asked >= method.minimum)
            .ok_or(Refusal::InvalidAmount)?;
        let fee = self.fee_of(now_us, account, at, params)?;
        let sums = Sums::of(asked, fee, flag(params, "fee[fee_included]")?).ok_or(Refusal::InvalidAmount)?;
        if sums.gross > engine.movable(account, asset) {
            return Err(Refusal::InvalidAmount);
        }
        let (entry, refid) = (self.chance.id(b'L'), self.chance.refid());
        engine.accounts.book(
            entry,
            LedgerEntry {
                account,
                refid,
                kind: "withdrawal",
                subtype: "",
                at_us: now_us,
                asset,
                amount: -sums.net,
                fee,
                balance: 0,
            },
        );
        engine.accounts.outside[asset] += sums.net;
        Ok(bare(|json| {
            json.field("withdrawal_id").text(refid.as_str());
            for (name, sum) in [("net_amount", sums.net), ("gross_amount", sums.gross), ("fee", fee)] {
                json.field(name).object(|json| write_amount(json.field("asset_amount"), asset, sum));
            }
        }))
    }

    /// The fee of a quote, or the current one if it is not too high.
    fn fee_of(&self, now_us: u64, account: usize, at: usize, params: &Params) -> Result<i128, Refusal> {
        let (token, most) = (params.get("fee[quoted_fee][token]"), params.has_prefix("fee[current_fee]["));
        let method = &METHODS[at];
        match (token, most) {
            (Some(_), true) => Err(wrong("fee")),
            (Some(token), false) => self.quoted(now_us, account, at, token).ok_or_else(|| wrong("fee")),
            (None, false) => Ok(method.fee),
            (None, true) => {
                let most = params.get("fee[current_fee][max_fee][asset_amount][amount]");
                let most = amount(most, method).ok_or_else(|| wrong("fee"))?;
                let alike = asset(params, "fee[current_fee][max_fee]")? == method.asset;
                match (alike, method.fee > most) {
                    (false, _) => Err(wrong("fee")),
                    (true, true) => Err(Refusal::MaxFeeExceeded),
                    (true, false) => Ok(method.fee),
                }
            }
        }
    }
}

/// The asset of an amount.
fn asset(params: &Params, outer: &'static str) -> Result<usize, Refusal> {
    let part = |name: &str| params.get(&format!("{outer}[asset_amount][asset][{name}]"));
    match (part("class"), part("name")) {
        (Some("currency"), Some(name)) => find_asset(name).ok_or(Refusal::UnknownFundingAsset),
        _ => Err(wrong(outer)),
    }
}

/// The method that a withdrawal takes: the named one, or the only one for the asset on the named network.
fn way(params: &Params, asset: usize) -> Result<usize, Refusal> {
    let fits = |at: &usize| METHODS[*at].deposit.is_none() && METHODS[*at].asset == asset;
    match Scope::read(params)? {
        Some(Scope::Method(at)) => Some(at).filter(fits),
        Some(Scope::Network(network)) => {
            (0..METHODS.len()).filter(fits).find(|at| METHODS[*at].network == Some(network))
        }
        Some(Scope::Group(_)) | None => return Err(wrong("scope")),
    }
    .ok_or(Refusal::NoFundingMethod)
}
