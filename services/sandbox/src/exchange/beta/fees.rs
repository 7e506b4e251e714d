//! What a method costs, and quotes that keep their fee for five minutes.

use super::catalogue::{METHODS, Method, find_method, write_amount};
use super::{Beta, bare};
use crate::exchange::intake::flag;
use crate::exchange::markets::ASSETS;
use crate::exchange::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::params::Params;

/// How long a quote holds (Kraken docs: Calculate Funding Fees).
const HOLDS_US: u64 = 5 * 60 * 1_000_000;
/// Quotes that are kept. The oldest are forgotten first.
const KEPT_MAX: usize = 10_000;
const TOKEN_LENGTH: usize = 86;

/// A quote.
#[derive(Debug)]
pub(super) struct Quote {
    token: String,
    account: usize,
    method: usize,
    fee: i128,
    until_us: u64,
}

/// What moves: the account pays or gets the gross amount, the other side the net amount.
pub(super) struct Sums {
    pub(super) gross: i128,
    pub(super) net: i128,
}

impl Sums {
    /// None if the fee eats it up.
    pub(super) fn of(amount: i128, fee: i128, included: bool) -> Option<Self> {
        let net = if included { amount - fee } else { amount };
        (net > 0).then_some(Self { gross: net + fee, net })
    }
}

/// A positive amount in units of an asset's last place.
pub(super) fn amount(text: Option<&str>, method: &Method) -> Option<i128> {
    let units = decimal::parse(text?, ASSETS[method.asset].decimals).ok()?;
    Some(i128::from(units)).filter(|units| *units > 0)
}

impl Beta {
    /// `CalculateFees`.
    pub(super) fn calculate_fees(
        &mut self,
        now_us: u64,
        account: usize,
        params: &Params,
    ) -> Result<String, Refusal> {
        let at = params.get("method_id").and_then(find_method).ok_or_else(|| wrong("method_id"))?;
        let method = &METHODS[at];
        let asked = amount(params.get("amount"), method).ok_or_else(|| wrong("amount"))?;
        let included = flag(params, "fee_included")?;
        let fee = match params.get("withdrawal_fee_token") {
            None => method.fee,
            Some(token) => {
                self.quoted(now_us, account, at, token).ok_or_else(|| wrong("withdrawal_fee_token"))?
            }
        };
        let sums = Sums::of(asked, fee, included).ok_or(Refusal::InvalidAmount)?;
        let token = method.deposit.is_none().then(|| self.quote(now_us, account, at, fee));
        Ok(bare(|json| {
            for (name, sum) in [("fee", fee), ("gross_amount", sums.gross), ("net_amount", sums.net)] {
                write_amount(json.field(name), method.asset, sum);
            }
            json.field("fee_details").object(|json| {
                write_amount(json.field("base_fee"), method.asset, fee);
                json.field("fee_percentage").text("0");
            });
            if let Some(token) = token {
                json.field("withdrawal_fee_token").text(&token);
            }
        }))
    }

    fn quote(&mut self, now_us: u64, account: usize, method: usize, fee: i128) -> String {
        if self.quotes.len() == KEPT_MAX {
            self.quotes.pop_front();
        }
        let token = self.chance.token(TOKEN_LENGTH);
        let until_us = now_us + HOLDS_US;
        self.quotes.push_back(Quote { token: token.clone(), account, method, fee, until_us });
        token
    }

    /// The fee that a token keeps. It may be used any number of times.
    pub(super) fn quoted(&self, now_us: u64, account: usize, method: usize, token: &str) -> Option<i128> {
        let holds = |quote: &&Quote| {
            quote.token == token
                && quote.account == account
                && quote.method == method
                && now_us < quote.until_us
        };
        self.quotes.iter().find(holds).map(|quote| quote.fee)
    }
}
