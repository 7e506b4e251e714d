//! Nonces and their units.

use std::fmt;
use std::str::FromStr;

use crate::UnixUs;

/// A nonce as Kraken sees it: an unsigned 64-bit number in the key's own unit, written in decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nonce(pub u64);

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The unit in which a key counts its nonces.
///
/// A key can move to a finer unit but never back: Kraken refuses anything below the highest nonce it has seen,
/// and that height cannot be lowered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NonceUnit {
    /// Milliseconds since 1970.
    Ms,
    /// Microseconds since 1970, the default.
    #[default]
    Us,
    /// Nanoseconds since 1970.
    Ns,
}

impl NonceUnit {
    /// The nonce that stands for a time in microseconds, rounded down where the unit is coarser.
    pub const fn from_us(self, us: UnixUs) -> Nonce {
        Nonce(match self {
            Self::Ms => us.0 / 1_000,
            Self::Us => us.0,
            Self::Ns => us.0.saturating_mul(1_000),
        })
    }

    /// The first microsecond at or after the moment that the nonce stands for.
    pub const fn to_us_ceil(self, nonce: Nonce) -> UnixUs {
        UnixUs(match self {
            Self::Ms => nonce.0.saturating_mul(1_000),
            Self::Us => nonce.0,
            Self::Ns => nonce.0.div_ceil(1_000),
        })
    }

    /// How many microseconds a window of `ticks` covers, rounded up. Kraken counts a key's window in raw nonce
    /// ticks and not in time (Kraken support: what is a nonce window).
    pub const fn ticks_to_us_ceil(self, ticks: u64) -> u64 {
        self.to_us_ceil(Nonce(ticks)).0
    }

    /// The spelling in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }
}

impl FromStr for NonceUnit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "ms" => Ok(Self::Ms),
            "us" => Ok(Self::Us),
            "ns" => Ok(Self::Ns),
            other => Err(format!("nonce unit {other:?} is not one of ms, us, ns")),
        }
    }
}

impl fmt::Display for NonceUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_convert_without_ever_going_back_in_time() {
        for unit in [NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns] {
            for us in [0, 1, 999, 1_000, 1_001, 1_795_000_000_123_456] {
                let there = unit.from_us(UnixUs(us));
                assert!(unit.to_us_ceil(there).0 <= us);
                assert!(unit.to_us_ceil(Nonce(there.0 + 1)).0 > us || unit == NonceUnit::Ns);
            }
        }
        assert_eq!(NonceUnit::Ns.to_us_ceil(Nonce(1_001)).0, 2);
    }
}
