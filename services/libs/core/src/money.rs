//! Money as text that has been checked. Never a float: a double cannot hold what Kraken writes.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

/// Why a text is not an amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("must be a decimal number such as 1250 or 0.00015, without exponent, sign or separators")]
    NotDecimal,
    /// More digits than can be held exactly.
    #[error("has more than 28 significant digits")]
    TooLong,
    /// Zero where an amount is needed.
    #[error("must be above zero")]
    NotPositive,
}

/// Parses digits with at most one point. Everything that other parsers are lenient about (exponents, signs,
/// leading points, commas, spaces, `NaN`) is refused, and nothing is ever rounded.
fn plain_decimal(text: &str) -> Result<Decimal, MoneyError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return Err(MoneyError::NotDecimal);
    }
    if text.len() > 40 {
        return Err(MoneyError::TooLong);
    }
    Decimal::from_str_exact(text).map_err(|_| MoneyError::TooLong)
}

/// A quantity of the base asset, above or equal to zero, exactly as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Volume(Decimal);

impl Volume {
    /// The number.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether it is zero, which Kraken reads as "the whole open position" when a margin position is closed.
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

impl FromStr for Volume {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        plain_decimal(text).map(Self)
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A price as AddOrder takes it: absolute, or relative to a reference (`+5`, `-2.5`, `#1%`).
///
/// Kraken docs, AddOrder: `+` and `-` add to and subtract from the reference, `#` lets Kraken choose the sign from
/// side and type, and a trailing `%` makes the amount a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PriceText {
    sign: Option<char>,
    amount: Decimal,
    percent: bool,
}

impl PriceText {
    /// Whether the price is given against a reference.
    pub const fn is_relative(&self) -> bool {
        self.sign.is_some()
    }

    /// The number, unless the price is relative.
    pub fn absolute(&self) -> Option<Decimal> {
        (!self.is_relative()).then_some(self.amount)
    }
}

impl FromStr for PriceText {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let sign = text.chars().next().filter(|c| matches!(c, '+' | '-' | '#'));
        let rest = if sign.is_some() { &text[1..] } else { text };
        let (amount, percent) = match rest.strip_suffix('%') {
            Some(amount) if sign.is_some() => (amount, true),
            Some(_) => return Err(MoneyError::NotDecimal),
            None => (rest, false),
        };
        let amount = plain_decimal(amount)?;
        if sign.is_none() && amount.is_zero() {
            return Err(MoneyError::NotPositive);
        }
        Ok(Self { sign, amount, percent })
    }
}

impl fmt::Display for PriceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sign) = self.sign {
            write!(f, "{sign}")?;
        }
        write!(f, "{}{}", self.amount, if self.percent { "%" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", ".", "1.", ".5", "1,5", " 1", "1e3", "-1", "+1", "NaN", "inf", "0x1", "١", "1.2.3", "1_000"]
        {
            assert!(text.parse::<Volume>().is_err(), "{text:?}");
        }
        for text in ["", "+", "%", "5%", "++1", "#", "+1e2", "1 %", "0"] {
            assert!(text.parse::<PriceText>().is_err(), "{text:?}");
        }
        let long = "1234567890123456789012345678901.5";
        assert_eq!(long.parse::<Volume>(), Err(MoneyError::TooLong));
    }

    #[test]
    fn relative_prices_keep_their_shape() {
        for text in ["37500.10", "+5", "-2.50", "#1.0%", "+0", "0.00000001"] {
            assert_eq!(text.parse::<PriceText>().expect(text).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_printed_back_digit_for_digit(whole in 0u64..=10_000_000_000, frac in "[0-9]{1,12}") {
            let text = format!("{whole}.{frac}");
            prop_assert_eq!(text.parse::<Volume>().expect("in range").to_string(), text);
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = text.parse::<Volume>();
            let _ = text.parse::<PriceText>();
        }
    }
}
