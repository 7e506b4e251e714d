//! Decimals as whole numbers of a known scale: 37500.5 at scale 1 is 375005. Exact, and printed with every digit of
//! the scale, as Kraken does.

/// Why a text is no decimal of the wanted scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalError {
    /// Not an unsigned decimal, or above [`MAX`].
    Malformed,
    /// Digits beyond the scale that are not zero.
    TooPrecise,
}

/// The largest number that is read. Prices in ticks times volumes in lots stay far inside 128 bits.
pub(crate) const MAX: u64 = 1_000_000_000_000_000_000;

/// Reads an unsigned decimal such as `37500`, `0.5`, `.5` or `1.10` as a count of 10^-scale. Signs, exponents and
/// spaces are refused.
pub(crate) fn parse(text: &str, scale: u32) -> Result<u64, DecimalError> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Err(DecimalError::Malformed);
    }
    let mut value: u64 = 0;
    let mut add = |digit: u8| {
        let digit = u64::from(digit - b'0');
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).filter(|v| *v <= MAX)?;
        Some(())
    };
    let (mut places, mut too_precise) = (0, false);
    for digit in whole.bytes() {
        if !digit.is_ascii_digit() {
            return Err(DecimalError::Malformed);
        }
        add(digit).ok_or(DecimalError::Malformed)?;
    }
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return Err(DecimalError::Malformed);
        }
        if places < scale {
            add(digit).ok_or(DecimalError::Malformed)?;
            places += 1;
        } else {
            too_precise |= digit != b'0';
        }
    }
    for _ in places..scale {
        add(b'0').ok_or(DecimalError::Malformed)?;
    }
    if too_precise { Err(DecimalError::TooPrecise) } else { Ok(value) }
}

/// Reads unix seconds, with or without a fraction, as microseconds. Digits beyond the microsecond are cut.
pub(crate) fn parse_seconds(text: &str) -> Option<u64> {
    let cut = match text.split_once('.') {
        Some((_, fraction)) if !fraction.bytes().all(|digit| digit.is_ascii_digit()) => return None,
        Some((whole, fraction)) if fraction.len() > 6 => text.get(..whole.len() + 7)?,
        _ => text,
    };
    parse(cut, 6).ok()
}

/// Appends a count of 10^-scale with all its places: 375005 at scale 1 is `37500.5`.
pub(crate) fn write(out: &mut String, value: i128, scale: u32) {
    use std::fmt::Write as _;
    let (digits, unit) = (value.unsigned_abs(), 10_u128.pow(scale));
    let sign = if value < 0 { "-" } else { "" };
    // Writing to a String cannot fail.
    let _ = match scale {
        0 => write!(out, "{sign}{digits}"),
        _ => {
            write!(out, "{sign}{}.{:0width$}", digits / unit, digits % unit, width = scale as usize)
        }
    };
}

/// [`write`] into a new text.
pub(crate) fn text(value: i128, scale: u32) -> String {
    let mut out = String::new();
    write(&mut out, value, scale);
    out
}

/// The same amount at another scale, cut towards minus infinity where places are lost.
pub(crate) fn rescale(value: i128, from: u32, to: u32) -> i128 {
    if to >= from { value * 10_i128.pow(to - from) } else { value.div_euclid(10_i128.pow(from - to)) }
}

/// As [`rescale`], rounded up where places are lost.
pub(crate) fn rescale_up(value: i128, from: u32, to: u32) -> i128 {
    -rescale(-value, from, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_kraken_reads() {
        assert_eq!(parse("37500", 1), Ok(375_000));
        assert_eq!(parse("0.5", 8), Ok(50_000_000));
        assert_eq!(parse(".5", 1), Ok(5));
        assert_eq!(parse("1.1000", 1), Ok(11));
        assert_eq!(parse("1.15", 1), Err(DecimalError::TooPrecise));
        for text in ["", ".", "-1", "+1", "1e3", " 1", "1,0", "١", "99999999999999999999"] {
            assert_eq!(parse(text, 1), Err(DecimalError::Malformed), "{text}");
        }
    }

    #[test]
    fn reads_seconds_with_nanoseconds_as_microseconds() {
        assert_eq!(parse_seconds("1781000233.729133999"), Some(1_781_000_233_729_133));
        assert_eq!(parse_seconds("1781000233"), Some(1_781_000_233_000_000));
        assert_eq!(parse_seconds("1781000233.12345678x"), None);
        assert_eq!(parse_seconds("soon"), None);
    }

    #[test]
    fn rounds_down_and_up_on_both_sides_of_zero() {
        assert_eq!((rescale(19, 1, 0), rescale_up(11, 1, 0)), (1, 2));
        assert_eq!((rescale(-11, 1, 0), rescale_up(-19, 1, 0)), (-2, -1));
        assert_eq!(rescale(7, 0, 3), 7000);
    }

    proptest! {
        #[test]
        fn writing_and_reading_are_inverse(value in 0..=MAX, scale in 0_u32..=10) {
            prop_assert_eq!(parse(&text(i128::from(value), scale), scale), Ok(value));
        }
    }
}
