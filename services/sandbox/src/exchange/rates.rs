//! What one asset is worth in another.

use super::engine::Engine;
use super::markets::{ASSETS, BRIDGE, DOLLAR, PAIRS};
use crate::wire::decimal;

impl Engine {
    /// What an amount of one asset is worth in another at the last prices, cut to the other's last place.
    pub(crate) fn worth(&self, amount: i128, from: usize, to: usize) -> i128 {
        if from == to {
            return amount;
        }
        let direct = |base, quote| PAIRS.iter().position(|pair| pair.base == base && pair.quote == quote);
        let scale = |index: usize| {
            let pair = &PAIRS[index];
            let price = i128::from(self.tapes[index].last().0);
            (price, pair.price_decimals + ASSETS[pair.base].decimals, ASSETS[pair.quote].decimals)
        };
        if let Some(pair) = direct(from, to) {
            let (price, from_scale, to_scale) = scale(pair);
            return decimal::rescale(amount * price, from_scale, to_scale);
        }
        if let Some(pair) = direct(to, from) {
            let (price, to_scale, from_scale) = scale(pair);
            return (amount * 10_i128.pow(to_scale)).div_euclid(price * 10_i128.pow(from_scale));
        }
        // No pair has both. Each asset has one with the bridge, or with the dollar, which has one with the bridge.
        let via = if direct(BRIDGE, from).is_some() && from != BRIDGE { BRIDGE } else { DOLLAR };
        self.worth(self.worth(amount, from, via), via, to)
    }

    /// What all balances of an account are worth in one asset.
    pub(crate) fn worth_of(&self, account: usize, asset: usize) -> i128 {
        let balances = self.accounts.get(account).balances.iter().enumerate();
        balances.map(|(own, balance)| self.worth(*balance, own, asset)).sum()
    }
}
