//! Prices as orders name them: absolute, or so far from a reference (Kraken docs: Add Order, `price` and `price2`).

use super::book::Side;
use super::markets::{PAIR_COUNT, Pair};
use super::refusal::{Refusal, wrong};
use crate::wire::decimal::{self, DecimalError};

/// Places of a percentage, and of every offset that is shown.
const OFFSET_DECIMALS: u32 = 4;
/// Prices and volumes above are mistakes: a thousand million whole units.
pub(crate) const UNITS_MAX: u64 = 1_000_000_000;

/// Which price sets off an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reference {
    /// The last trade here.
    #[default]
    Last,
    /// What the market outside says.
    Index,
}

impl Reference {
    pub(crate) const ALL: [Self; 2] = [Self::Last, Self::Index];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Last => "last",
            Self::Index => "index",
        }
    }
}

/// The references of all pairs at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prices {
    pub(crate) last: [u64; PAIR_COUNT],
    pub(crate) index: [u64; PAIR_COUNT],
}

impl Prices {
    pub(crate) fn of(&self, pair: usize, by: Reference) -> u64 {
        match by {
            Reference::Last => self.last[pair],
            Reference::Index => self.index[pair],
        }
    }
}

/// How far from something a price lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset {
    pub(crate) below: bool,
    /// In units of the pair, or in ten-thousandths of a percent.
    amount: u64,
    percent: bool,
}

impl Offset {
    /// The price so far from `reference`, at the nearest tick; none if that is no price.
    pub(crate) fn from(self, reference: u64, pair: &Pair) -> Option<u64> {
        // In parts of a unit, so that nothing is rounded twice.
        let part = 10_i128.pow(OFFSET_DECIMALS + 2);
        let (reference, amount) = (i128::from(reference), i128::from(self.amount));
        let distance = amount * if self.percent { reference } else { part };
        let exact = reference * part + if self.below { -distance } else { distance };
        let tick = i128::from(pair.tick);
        let price = u64::try_from((exact + tick * part / 2).div_euclid(tick * part) * tick).ok()?;
        is_sane(price, pair).then_some(price)
    }

    /// As far away, on the side that is named.
    pub(crate) fn on(self, below: bool) -> Self {
        Self { below, ..self }
    }

    /// As sentences have it: `+50.0000`, `-2.0000%`.
    pub(crate) fn text(self, pair: &Pair) -> String {
        let mut out = String::from(if self.below { '-' } else { '+' });
        let amount = i128::from(self.amount);
        let from = if self.percent { OFFSET_DECIMALS } else { pair.price_decimals };
        decimal::write(&mut out, decimal::rescale(amount, from, OFFSET_DECIMALS), OFFSET_DECIMALS);
        if self.percent {
            out.push('%');
        }
        out
    }
}

/// A price as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    At(u64),
    Off(Offset),
    /// So far away, on the side that makes sense for the order.
    Either(Offset),
}

impl Asked {
    /// Reads `37500.1`, `+5`, `-2%`, `#1%`. `name` is that of the parameter, for refusals.
    pub(crate) fn read(text: &str, name: &'static str, pair: &Pair) -> Result<Self, Refusal> {
        let sign = text.chars().next().filter(|sign| matches!(sign, '+' | '-' | '#'));
        let Some(sign) = sign else {
            let price = parsed(text, pair.price_decimals, name)?;
            return match price {
                _ if !is_sane(price, pair) => Err(wrong(name)),
                _ if !price.is_multiple_of(pair.tick) => Err(Refusal::TickSize),
                _ => Ok(Self::At(price)),
            };
        };
        let (amount, percent) = match text[1..].strip_suffix('%') {
            Some(amount) => (parsed(amount, OFFSET_DECIMALS, name)?, true),
            None => (parsed(&text[1..], pair.price_decimals, name)?, false),
        };
        if !percent && !amount.is_multiple_of(pair.tick) {
            return Err(Refusal::TickSize);
        }
        let offset = Offset { below: sign == '-', amount, percent };
        Ok(if sign == '#' { Self::Either(offset) } else { Self::Off(offset) })
    }

    /// The price, where an order of that side that stands on its own would have it: buys below, sells above.
    pub(crate) fn limit(self, side: Side, reference: u64, pair: &Pair) -> Option<u64> {
        self.resolve(side == Side::Buy, reference, pair)
    }

    /// The price. `below` is where it lies if Kraken has to choose.
    pub(crate) fn resolve(self, below: bool, reference: u64, pair: &Pair) -> Option<u64> {
        match self {
            Self::At(price) => Some(price),
            Self::Off(offset) => offset.from(reference, pair),
            Self::Either(offset) => offset.on(below).from(reference, pair),
        }
    }

    /// As sentences have it.
    pub(crate) fn text(self, pair: &Pair) -> String {
        match self {
            Self::At(price) => decimal::text(i128::from(price), pair.price_decimals),
            Self::Off(offset) => offset.text(pair),
            Self::Either(offset) => offset.text(pair).replacen('+', "#", 1),
        }
    }
}

fn is_sane(price: u64, pair: &Pair) -> bool {
    price > 0 && price <= UNITS_MAX * 10_u64.pow(pair.price_decimals)
}

fn parsed(text: &str, decimals: u32, name: &'static str) -> Result<u64, Refusal> {
    decimal::parse(text, decimals).map_err(|error| match error {
        DecimalError::TooPrecise => Refusal::InvalidPrice,
        DecimalError::Malformed => wrong(name),
    })
}

#[cfg(test)]
mod tests {
    use super::super::markets::PAIRS;
    use super::*;

    const BTC_USD: usize = 0;
    const BTC_EUR: usize = 2;

    fn price(text: &str, side: Side) -> Option<u64> {
        let pair = &PAIRS[BTC_USD];
        Asked::read(text, "price", pair).unwrap().limit(side, 600_000, pair)
    }

    #[test]
    fn a_price_is_absolute_or_so_far_away() {
        assert_eq!(price("59999.9", Side::Buy), Some(599_999));
        assert_eq!(price("+5", Side::Buy), Some(600_050));
        assert_eq!(price("-5.5", Side::Sell), Some(599_945));
        assert_eq!(price("+2%", Side::Buy), Some(612_000));
        assert_eq!(price("-0.0125%", Side::Buy), Some(599_925));
        assert_eq!(price("#1%", Side::Buy), Some(594_000), "a buy waits below");
        assert_eq!(price("#1%", Side::Sell), Some(606_000), "a sell above");
        assert_eq!(price("-100%", Side::Buy), None);
        assert_eq!(price("-60001", Side::Buy), None);
    }

    #[test]
    fn percentages_go_to_the_nearest_tick_and_amounts_must_be_ticks() {
        let pair = &PAIRS[BTC_EUR];
        let asked = Asked::read("+0.001%", "price", pair).unwrap();
        assert_eq!(asked.limit(Side::Buy, 550_000, pair), Some(550_005), "55000.55 is between ticks of 0.5");
        assert_eq!(Asked::read("+0.3", "price", pair), Err(Refusal::TickSize));
        assert_eq!(Asked::read("0.3", "price", pair), Err(Refusal::TickSize));
    }

    #[test]
    fn what_is_no_price_is_refused_by_its_name() {
        let pair = &PAIRS[BTC_USD];
        for text in ["", "+", "#", "5%", "+5%%", "++5", "-", "%", "0", "1000000000.1", "+1e3"] {
            assert_eq!(Asked::read(text, "price2", pair), Err(wrong("price2")), "{text}");
        }
        for text in ["1.25", "+1.25", "#0.00001%"] {
            assert_eq!(Asked::read(text, "price", pair), Err(Refusal::InvalidPrice), "{text}");
        }
    }

    #[test]
    fn sentences_have_four_places_for_offsets() {
        let pair = &PAIRS[BTC_USD];
        for (text, shown) in [
            ("+50", "+50.0000"),
            ("-0.5", "-0.5000"),
            ("+2.5%", "+2.5000%"),
            ("#1%", "#1.0000%"),
            ("7", "7.0"),
        ] {
            assert_eq!(Asked::read(text, "price", pair).unwrap().text(pair), shown);
        }
    }
}
