//! The pairs that Kraken trades: their names, and what amounts they take.
//!
//! Orders are checked against AssetPairs before anything is claimed for them, and the objection counts only where an act is
//! new: a request id that is known is told what became of it, whatever the pair takes today. A table can be older than Kraken's
//! last change, so an objection from an old one is a reason to ask Kraken again first. What is not known is not checked; Kraken
//! judges it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidegate_core::{Error, FieldViolation, MonoUs, PairRules, PriceText, Volume};
use tidegate_kraken::wire::{AssetPair, AssetPairs};
use tidegate_kraken::{Params, Value};
use tidegate_lanes::canonical_pair;

use crate::convert::names;

/// Between two looks at AssetPairs.
pub(crate) const REFRESH_EVERY: Duration = Duration::from_secs(3_600);
/// The same while nothing is known yet.
pub(crate) const REFRESH_AGAIN: Duration = Duration::from_secs(5);
/// Objections from a table so old are not made before Kraken was asked again.
const OLD_US: u64 = 60_000_000;

/// What is known of the pairs.
#[derive(Debug, Default)]
pub(crate) struct Markets {
    known: Mutex<Option<Known>>,
    /// One question at a time.
    pub asking: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Known {
    at: MonoUs,
    rules: HashMap<String, PairRules>,
}

/// What is to be said of an act's amounts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Nothing.
    Fine,
    /// They are wrong, by a table that is old.
    Stale(Vec<FieldViolation>),
    /// They are wrong.
    Wrong(Vec<FieldViolation>),
}

impl Judgement {
    /// The error for the caller.
    pub(crate) fn error(self) -> Option<Error> {
        match self {
            Self::Fine => None,
            Self::Stale(wrong) | Self::Wrong(wrong) => Some(Error::invalid(wrong)),
        }
    }
}

impl Markets {
    /// Takes in what Kraken answered.
    pub(crate) fn learn(&self, pairs: &AssetPairs, now: MonoUs) {
        let rules = pairs.0.iter().flat_map(|(id, pair)| {
            let rules = rules_of(id, pair);
            let names = [Some(id), pair.altname.as_ref(), pair.wsname.as_ref()];
            names
                .into_iter()
                .flatten()
                .map(|name| canonical_pair(name))
                .map(move |name| (name, rules.clone()))
        });
        let known = Known { at: now, rules: rules.collect() };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// Whether anything is known.
    pub(crate) fn is_known(&self) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// A pair in today's spelling, by any of its names; empty if it is not known.
    pub(crate) fn symbol(&self, name: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = known.as_ref().and_then(|known| known.rules.get(&canonical_pair(name)));
        rules.map(|rules| rules.symbol().to_owned()).unwrap_or_default()
    }

    /// What is to be said of the amounts of AddOrder, AddOrderBatch, AmendOrder or EditOrder.
    pub(crate) fn judge(&self, params: &Params, now: MonoUs) -> Judgement {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Known { at, rules }) = known.as_ref() else { return Judgement::Fine };
        let Some(rules) = text(params, "pair").and_then(|pair| rules.get(&canonical_pair(pair))) else {
            return Judgement::Fine;
        };
        let mut wrong = Vec::new();
        objections(rules, params, "", &mut wrong);
        for (name, value) in params.iter() {
            match (name, value) {
                // Its volume is that of each fill, which may be as small as it comes.
                ("close", Value::Nested(close)) => objections(rules, close, "close.", &mut wrong),
                ("orders", Value::Rows(rows_of)) => {
                    for (i, row) in rows_of.iter().enumerate() {
                        objections(rules, row, &format!("rows[{i}]."), &mut wrong);
                    }
                }
                _ => {}
            }
        }
        match (wrong.is_empty(), now.us_since(*at) > OLD_US) {
            (true, _) => Judgement::Fine,
            (false, true) => Judgement::Stale(wrong),
            (false, false) => Judgement::Wrong(wrong),
        }
    }
}

fn rules_of(id: &str, pair: &AssetPair) -> PairRules {
    let symbol = pair.wsname.as_deref().map(names::symbol).filter(|symbol| !symbol.is_empty());
    let digits = |decimal: &Option<tidegate_kraken::wire::Decimal>| decimal.as_ref().map(|d| d.0.clone());
    let (tick, order_min, cost_min) =
        (digits(&pair.tick_size), digits(&pair.ordermin), digits(&pair.costmin));
    PairRules::new(
        symbol.unwrap_or_else(|| id.to_owned()),
        tick.as_deref(),
        pair.pair_decimals,
        pair.lot_decimals,
        order_min.as_deref(),
        cost_min.as_deref(),
    )
}

fn text<'p>(params: &'p Params, wanted: &str) -> Option<&'p str> {
    params.iter().find_map(|(name, value)| match value {
        Value::Text(text) if name == wanted => Some(text.as_str()),
        _ => None,
    })
}

/// Kraken's names of amounts and those of our requests.
const PRICES: [(&str, &str); 4] = [
    ("price", "price"),
    ("price2", "price2"),
    ("limit_price", "limit_price"),
    ("trigger_price", "trigger_price"),
];
const VOLUMES: [(&str, &str); 4] = [
    ("volume", "volume"),
    ("displayvol", "display_volume"),
    ("order_qty", "volume"),
    ("display_qty", "display_volume"),
];

/// Everything that is wrong with the amounts of one order. Texts that are no numbers are not ours to judge.
fn objections(rules: &PairRules, params: &Params, place: &str, wrong: &mut Vec<FieldViolation>) {
    // A volume in the quote asset has other rules, which Kraken does not state.
    if text(params, "oflags").is_some_and(|flags| flags.split(',').any(|flag| flag == "viqc")) {
        return;
    }
    let mut object = |field: &str, description: Option<String>| {
        let field = format!("{place}{field}");
        wrong.extend(description.map(|description| FieldViolation { field, description }));
    };
    for (name, field) in PRICES {
        let price = text(params, name).and_then(|text| text.parse::<PriceText>().ok());
        object(field, price.and_then(|price| rules.price(&price)));
    }
    for (name, field) in VOLUMES {
        let volume = text(params, name).and_then(|text| text.parse::<Volume>().ok());
        object(field, volume.and_then(|volume| rules.volume(volume)));
    }
    // What only makes a position smaller may be small, and zero means all of it.
    let reduces = params.iter().any(|(name, value)| name == "reduce_only" && *value == Value::Bool(true));
    let volume = text(params, "volume").and_then(|text| text.parse::<Volume>().ok());
    if let Some(volume) = volume.filter(|volume| !volume.is_zero() && !reduces) {
        let price = text(params, "price").and_then(|text| text.parse::<PriceText>().ok());
        // The price of any other type is not what it will be executed at.
        let limit = price.filter(|_| matches!(text(params, "ordertype"), Some("limit" | "iceberg")));
        object("volume", rules.least(volume, limit.as_ref()));
    }
}

#[cfg(test)]
#[path = "markets_tests.rs"]
mod tests;
