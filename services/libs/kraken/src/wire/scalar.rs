//! Single values: text, numbers written either way, amounts, times.

use std::borrow::Cow;
use std::fmt;

use super::json::Json;
use super::read::{ShapeError, Wire};

impl Wire for String {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        raw.string().map(Cow::into_owned).ok_or(ShapeError::here("a text"))
    }
}

impl Wire for bool {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let value = match raw.get() {
            "true" => true,
            "false" => false,
            _ => return Err(ShapeError::here("true or false")),
        };
        raw.take();
        Ok(value)
    }
}

/// The text of a text, or of a number without its exponent.
fn text_or_digits<'a>(raw: &mut Json<'a>, expected: &'static str) -> Result<Cow<'a, str>, ShapeError> {
    let found = match raw.peek() {
        b'"' => raw.string(),
        b'-' | b'0'..=b'9' => expand(raw.take()),
        _ => None,
    };
    found.ok_or(ShapeError::here(expected))
}

/// Writes a JSON number without an exponent, by moving its point. Nothing is rounded.
fn expand(number: &str) -> Option<Cow<'_, str>> {
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else {
        return Some(Cow::Borrowed(number));
    };
    let exponent: i32 = exponent.parse().ok()?;
    let shift = usize::try_from(exponent.unsigned_abs()).ok().filter(|shift| *shift <= 40)?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = if exponent >= 0 {
        let padded = format!("{fraction:0<shift$}");
        let (moved, rest) = padded.split_at(shift);
        (format!("{whole}{moved}"), rest.to_owned())
    } else {
        let padded = format!("{whole:0>width$}", width = shift + 1);
        let (rest, moved) = padded.split_at(padded.len() - shift);
        (rest.to_owned(), format!("{moved}{fraction}"))
    };
    let whole = Some(whole.trim_start_matches('0')).filter(|w| !w.is_empty()).unwrap_or("0").to_owned();
    Some(Cow::Owned(if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }))
}

/// An amount, price or rate, digit for digit as Kraken wrote it. It may be signed, and a price of an order may be
/// relative (`+5`, `2%`), so this is text and not a number to compute with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(pub String);

impl Wire for Decimal {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        text_or_digits(raw, "an amount").map(|digits| Self(digits.into_owned()))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The words of a comma list, empty where there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl Wire for Words {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let list = raw.string().ok_or(ShapeError::here("a text"))?;
        let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
        Ok(Self(words.map(str::to_owned).collect()))
    }
}

macro_rules! whole_number {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
                let text = text_or_digits(raw, "a whole number")?;
                text.parse().map_err(|_| ShapeError::here("a whole number in range"))
            }
        }
    )*};
}
whole_number!(u32, u64, i64);

/// A moment in Unix seconds with a fraction, as text or number. Zero stands for "not set".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time(Option<u64>);

impl Time {
    /// Nanoseconds since 1970, cut after the ninth digit; nothing if the time is not set.
    pub const fn unix_ns(self) -> Option<u64> {
        self.0
    }
}

impl Wire for Time {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        const EXPECTED: &str = "a time in Unix seconds";
        let raw = text_or_digits(raw, EXPECTED)?;
        let unix_ns = nanoseconds(&raw).ok_or(ShapeError::here(EXPECTED))?;
        Ok(Self(Some(unix_ns).filter(|ns| *ns != 0)))
    }
}

fn nanoseconds(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let nine = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let fraction = nine.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("JSON")
    }

    fn decimal(json: &str) -> Result<String, ShapeError> {
        Decimal::read(&raw(json)).map(|d| d.0)
    }

    #[test]
    fn amounts_keep_every_digit() {
        let long = "12345678901234567890.123456789012345678901234567890";
        for (json, text) in [
            (long, long),
            ("\"1.2040000000\"", "1.2040000000"),
            ("\"+5%\"", "+5%"),
            ("-0.01", "-0.01"),
            ("0.10", "0.10"),
            ("1e-8", "0.00000001"),
            ("1.25E-3", "0.00125"),
            ("-12.5e1", "-125"),
            ("1.5e+4", "15000"),
            ("123.456e-2", "1.23456"),
            ("0.0001e6", "100"),
            ("0e5", "0"),
        ] {
            assert_eq!(decimal(json).expect(json), text);
        }
        for json in ["null", "true", "[]", "{}", "1e99999999999", "1e41"] {
            assert!(decimal(json).is_err(), "{json}");
        }
    }

    #[test]
    fn whole_numbers_come_as_numbers_or_text() {
        assert_eq!(u64::read(&raw("\"18446744073709551615\"")), Ok(u64::MAX));
        assert_eq!(u64::read(&raw("18446744073709551615")), Ok(u64::MAX));
        assert_eq!(i64::read(&raw("-5")), Ok(-5));
        for json in ["\"\"", "1.5", "-1", "18446744073709551616", "null", "\"x\""] {
            assert!(u64::read(&raw(json)).is_err(), "{json}");
        }
    }

    #[test]
    fn times_keep_nanoseconds() {
        for (json, ns) in [
            ("1781000233.729133", Some(1_781_000_233_729_133_000)),
            ("1781000233.123456789", Some(1_781_000_233_123_456_789)),
            ("1781000233.1234567891", Some(1_781_000_233_123_456_789)),
            ("\"1772542900\"", Some(1_772_542_900_000_000_000)),
            ("1.781e9", Some(1_781_000_000_000_000_000)),
            ("0", None),
            ("\"0\"", None),
            ("0.0", None),
        ] {
            let time = Time::read(&raw(json)).expect(json);
            assert_eq!(time.unix_ns(), ns, "{json}");
        }
        for json in ["-1", "\"\"", "\"soon\"", "\"1.\"", "99999999999999999999", "null"] {
            assert!(Time::read(&raw(json)).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn moving_the_point_there_and_back_changes_nothing(whole in 1u64.., fraction in "[0-9]{1,9}", shift in 0u32..30) {
            let number = format!("{whole}.{fraction}");
            let there = expand(&format!("{number}e-{shift}")).expect("in range").into_owned();
            let back = expand(&format!("{there}e{shift}")).expect("in range").into_owned();
            prop_assert_eq!(back, number);
        }
    }
}
