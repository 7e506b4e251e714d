//! What amounts a pair takes: tick size, lot, least volume and least cost (Kraken docs: Get Tradable Asset Pairs).
//!
//! Nothing is rounded for a caller. An amount that Kraken would refuse, or worse, cut, is refused with the nearest ones
//! that are allowed.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::{PriceText, Volume};

/// The rules of one pair. What Kraken did not state is not checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairRules {
    /// The pair in today's spelling, for instance `BTC/USD`: for the texts.
    symbol: String,
    tick: Option<Decimal>,
    lot: Option<Decimal>,
    order_min: Option<Decimal>,
    cost_min: Option<Decimal>,
}

impl PairRules {
    /// From AssetPairs. `tick_size`, `order_min` and `cost_min` are decimals as Kraken writes them; where there is no tick
    /// size, prices have `price_decimals` places. What is missing, zero or no number is no rule.
    pub fn new(
        symbol: impl Into<String>,
        tick_size: Option<&str>,
        price_decimals: Option<u32>,
        lot_decimals: Option<u32>,
        order_min: Option<&str>,
        cost_min: Option<&str>,
    ) -> Self {
        let amount = |text: Option<&str>| {
            text.and_then(|text| text.parse::<Volume>().ok()).map(Volume::decimal).filter(|a| !a.is_zero())
        };
        // More places than a decimal holds are no rule.
        let unit = |places: Option<u32>| places.filter(|p| *p <= 28).map(|places| Decimal::new(1, places));
        Self {
            symbol: symbol.into(),
            tick: amount(tick_size).or_else(|| unit(price_decimals)),
            lot: unit(lot_decimals),
            order_min: amount(order_min),
            cost_min: amount(cost_min),
        }
    }

    /// The pair in today's spelling.
    pub fn symbol(&self) -> &str {
        &self.symbol
    }

    /// What is wrong with a price. A relative one is judged by Kraken, which alone knows the reference.
    pub fn price(&self, price: &PriceText) -> Option<String> {
        let near = nearest(price.absolute()?, self.tick?)?;
        Some(format!(
            "must be a multiple of the tick size of {}, {}: the nearest {near}",
            self.symbol, self.tick?
        ))
    }

    /// What is wrong with the places of a volume.
    pub fn volume(&self, volume: Volume) -> Option<String> {
        let near = nearest(volume.decimal(), self.lot?)?;
        Some(format!("must be a multiple of one lot of {}, {}: the nearest {near}", self.symbol, self.lot?))
    }

    /// Whether an order is too small. `price` is its limit, if it has one.
    pub fn least(&self, volume: Volume, price: Option<&PriceText>) -> Option<String> {
        let (wanted, symbol) = (volume.decimal(), &self.symbol);
        if let Some(least) = self.order_min.filter(|least| wanted < *least) {
            return Some(format!("is below the least volume of an order in {symbol}, {least}"));
        }
        let (least, price) = (self.cost_min?, price?.absolute()?);
        if wanted.checked_mul(price)? >= least {
            return None;
        }
        let enough = least.checked_div(price)?;
        let enough = self.lot.map_or(Some(enough), |lot| multiple_above(enough, lot))?.normalize();
        Some(format!(
            "times its price is below the least cost of an order in {symbol}, {least}: at this price take {enough} or more"
        ))
    }
}

/// The multiples around an amount, in words; nothing if it is one.
fn nearest(amount: Decimal, unit: Decimal) -> Option<String> {
    let rest = amount.checked_rem(unit)?;
    if rest.is_zero() {
        return None;
    }
    let below = (amount - rest).normalize();
    let above = below.checked_add(unit)?.normalize();
    Some(if below.is_zero() { format!("is {above}") } else { format!("are {below} and {above}") })
}

fn multiple_above(amount: Decimal, unit: Decimal) -> Option<Decimal> {
    amount
        .checked_div(unit)?
        .round_dp_with_strategy(0, RoundingStrategy::ToPositiveInfinity)
        .checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> PairRules {
        PairRules::new("BTC/USD", Some("0.1"), Some(1), Some(8), Some("0.00005"), Some("0.5"))
    }

    fn volume(text: &str) -> Volume {
        text.parse().expect(text)
    }

    fn price(text: &str) -> PriceText {
        text.parse().expect(text)
    }

    #[test]
    fn the_nearest_allowed_amounts_are_named() {
        let rules = rules();
        assert_eq!(rules.price(&price("37500.1")), None);
        let told = rules.price(&price("37500.123")).expect("too fine");
        assert!(told.ends_with("tick size of BTC/USD, 0.1: the nearest are 37500.1 and 37500.2"), "{told}");
        let told = rules.price(&price("0.02")).expect("too fine");
        assert!(told.ends_with("the nearest is 0.1"), "{told}");
        assert_eq!(rules.volume(volume("1.00000001")), None);
        let told = rules.volume(volume("1.000000019")).expect("too fine");
        assert!(told.ends_with("are 1.00000001 and 1.00000002"), "{told}");
        for relative in ["+5.55", "-2.123%", "#1.01"] {
            assert_eq!(rules.price(&price(relative)), None, "{relative}");
        }
    }

    #[test]
    fn too_small_is_told_with_what_is_enough() {
        let rules = rules();
        assert_eq!(rules.least(volume("0.00005"), Some(&price("10000"))), None);
        assert!(rules.least(volume("0.00004999"), None).expect("too small").contains("least volume"));
        let told = rules.least(volume("0.00005"), Some(&price("3"))).expect("worth too little");
        assert!(told.contains("below the least cost of an order in BTC/USD, 0.5"), "{told}");
        assert!(told.ends_with("take 0.16666667 or more"), "{told}");
        assert_eq!(rules.least(volume("0.16666667"), Some(&price("3"))), None);
        assert_eq!(rules.least(volume("0.00005"), Some(&price("-3"))), None, "nobody knows what it is worth");
    }

    #[test]
    fn what_kraken_did_not_state_is_no_rule() {
        let none = PairRules::new("X/Y", None, None, None, Some("0"), Some("what"));
        assert_eq!(none.price(&price("0.123456789")), None);
        assert_eq!(
            (none.volume(volume("0.1234567890123")), none.least(volume("0"), Some(&price("1")))),
            (None, None)
        );
        let places = PairRules::new("X/Y", None, Some(2), None, None, None);
        assert!(places.price(&price("1.234")).is_some() && places.price(&price("1.23")).is_none());
    }

    proptest! {
        #[test]
        fn what_is_named_is_taken(units in 0_u64..10_000_000_000, part in 1_u32..1_000, places in 0_u32..6) {
            let rules = PairRules::new("X/Y", None, Some(places), None, None, None);
            let unit = Decimal::new(1, places);
            let off = Decimal::from(units) * unit + Decimal::new(part.into(), places + 3);
            let told = rules.price(&price(&off.to_string())).expect("between two");
            let (_, named) = told.rsplit_once(": the nearest ").expect("named");
            let named = named.trim_start_matches("are ").trim_start_matches("is ");
            for near in named.split(" and ") {
                prop_assert_eq!(rules.price(&price(near)), None);
                let away = near.parse::<Decimal>().expect("a number") - off;
                prop_assert!(away.abs() < unit);
            }
        }
    }
}
