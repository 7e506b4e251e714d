//! Between the API's messages and Kraken's parameters and results. No decisions, no I/O.

pub(crate) mod account;
pub(crate) mod books;
pub(crate) mod earn;
pub(crate) mod funding;
pub(crate) mod funding_beta;
pub(crate) mod history;
pub(crate) mod intent;
pub(crate) mod market;
pub(crate) mod names;
pub(crate) mod orders;
pub(crate) mod report;
pub(crate) mod request;
pub(crate) mod subaccounts;
pub(crate) mod transparency;

use prost_types::Timestamp;
use tidegate_kraken::wire::{Decimal, Extra, Time, Words};
use tidegate_proto::v1;

/// Kraken's word for an order type.
pub(crate) const fn order_type_text(order_type: v1::OrderType) -> Option<&'static str> {
    use v1::OrderType as T;
    Some(match order_type {
        T::Unspecified => return None,
        T::Market => "market",
        T::Limit => "limit",
        T::Iceberg => "iceberg",
        T::StopLoss => "stop-loss",
        T::TakeProfit => "take-profit",
        T::StopLossLimit => "stop-loss-limit",
        T::TakeProfitLimit => "take-profit-limit",
        T::TrailingStop => "trailing-stop",
        T::TrailingStopLimit => "trailing-stop-limit",
        T::SettlePosition => "settle-position",
    })
}

/// The order type behind Kraken's word; unspecified if this build does not know it.
fn order_type(word: &str) -> v1::OrderType {
    let known = (1..=10).filter_map(|n| v1::OrderType::try_from(n).ok());
    known.into_iter().find(|t| order_type_text(*t) == Some(word)).unwrap_or(v1::OrderType::Unspecified)
}

/// A time of Kraken's, nothing where it is not set.
pub(crate) fn timestamp(time: Option<&Time>) -> Option<Timestamp> {
    let ns = time?.unix_ns()?;
    let seconds = i64::try_from(ns / 1_000_000_000).ok()?;
    Some(Timestamp { seconds, nanos: i32::try_from(ns % 1_000_000_000).ok()? })
}

/// A time that Kraken writes in RFC 3339, nothing where it cannot be read.
pub(crate) fn rfc3339(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

/// The same, with a text that cannot be read among the other members.
pub(crate) fn known_time(extra: &mut Extra, name: &str, text: &str) -> Option<Timestamp> {
    rfc3339(text).or_else(|| keep_word(extra, name, text, None))
}

/// An amount's digits, empty where Kraken did not write it.
fn digits(amount: Option<Decimal>) -> String {
    amount.map(|amount| amount.0).unwrap_or_default()
}

/// Kraken's comma lists, empty where there is nothing.
fn words(list: Option<Words>) -> Vec<String> {
    list.unwrap_or_default().0
}

/// Keeps a word that this build does not know among the other members, as JSON like them. Returns what stands for it.
pub(crate) fn keep_word<T>(extra: &mut Extra, name: &str, word: &str, meaning: T) -> T {
    extra.insert(name.to_owned(), serde_json::Value::String(word.to_owned()).to_string());
    meaning
}

#[cfg(test)]
mod amounts_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_type_has_a_word_and_comes_back() {
        for n in 1..=10 {
            let known = v1::OrderType::try_from(n).expect("ten types");
            assert_eq!(order_type(order_type_text(known).expect("a word")), known);
        }
        assert_eq!(order_type("quantum"), v1::OrderType::Unspecified);
    }
}
