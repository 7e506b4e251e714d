//! Which part of the past a key may see, and which part a call asks for.

use std::fmt;

use tidegate_core::UnixUs;

/// A stretch of time, open where an end is not named.
///
/// Of a key: what it may ask about (Kraken docs: GetApiKeyInfo, `queryFrom` and `queryTo`). Of a call: what it asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dates {
    /// The first moment.
    pub from: Option<UnixUs>,
    /// The last moment.
    pub to: Option<UnixUs>,
}

/// What a key shows of what a call asks for. Earlier members show more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cover {
    /// All of it.
    Whole,
    /// A part: the call leaves an end open that the key does not. Kraken shows the part and does not say so.
    Part,
    /// The call names a moment that the key may not ask about; Kraken refuses that.
    Outside,
}

impl Dates {
    /// What a key with these dates shows of `asked`. An end that has not come yet hides nothing.
    pub fn cover(self, asked: Self, now: UnixUs) -> Cover {
        let to = self.to.filter(|to| *to < now || asked.to.is_some());
        let before = |moment: Option<UnixUs>| self.from.zip(moment).is_some_and(|(from, at)| at < from);
        let behind = |moment: Option<UnixUs>| to.zip(moment).is_some_and(|(to, at)| at > to);
        if before(asked.from) || before(asked.to) || behind(asked.from) || behind(asked.to) {
            return Cover::Outside;
        }
        let cut = (self.from.is_some() && asked.from.is_none()) || (to.is_some() && asked.to.is_none());
        if cut { Cover::Part } else { Cover::Whole }
    }
}

impl fmt::Display for Dates {
    /// For an operator: `from 2026-01-01T00:00:00Z`, `from ... until ...`, `any time`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (None, None) => f.write_str("any time"),
            (Some(from), None) => write!(f, "from {}", Utc(from)),
            (None, Some(to)) => write!(f, "until {}", Utc(to)),
            (Some(from), Some(to)) => write!(f, "from {} until {}", Utc(from), Utc(to)),
        }
    }
}

/// A moment in whole seconds, as RFC 3339 writes it.
struct Utc(UnixUs);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.0 / 1_000_000;
        let (days, of_day) = (seconds / 86_400, seconds % 86_400);
        // Days are counted from the first of March of the year 0, so that a leap day is the last of its year.
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixUs = UnixUs(1_000);

    fn dates(from: impl Into<Option<u64>>, to: impl Into<Option<u64>>) -> Dates {
        Dates { from: from.into().map(UnixUs), to: to.into().map(UnixUs) }
    }

    #[test]
    fn a_named_moment_outside_is_refused_and_an_open_end_is_cut() {
        let (open, key) = (dates(None, None), dates(100, 500));
        for (asked, cover) in [
            (dates(100, 500), Cover::Whole),
            (dates(200, 300), Cover::Whole),
            (dates(99, 500), Cover::Outside),
            (dates(100, 501), Cover::Outside),
            (dates(501, None), Cover::Outside),
            (dates(None, 99), Cover::Outside),
            (dates(100, None), Cover::Part),
            (dates(None, 500), Cover::Part),
            (open, Cover::Part),
        ] {
            assert_eq!(key.cover(asked, NOW), cover, "{asked:?}");
            assert_eq!(open.cover(asked, NOW), Cover::Whole, "{asked:?}");
        }
    }

    #[test]
    fn an_end_that_has_not_come_hides_nothing() {
        let key = dates(None, 2_000);
        assert_eq!(key.cover(dates(None, None), NOW), Cover::Whole);
        assert_eq!(key.cover(dates(None, None), UnixUs(2_001)), Cover::Part);
        assert_eq!(key.cover(dates(None, 2_001), NOW), Cover::Outside, "Kraken compares what is named");
    }

    #[test]
    fn moments_are_written_as_dates() {
        let second = 1_000_000;
        assert_eq!(dates(1_767_225_600 * second, None).to_string(), "from 2026-01-01T00:00:00Z");
        assert_eq!(dates(None, 1_709_208_000 * second).to_string(), "until 2024-02-29T12:00:00Z");
        assert_eq!(
            dates(0, 4_102_444_799 * second).to_string(),
            "from 1970-01-01T00:00:00Z until 2099-12-31T23:59:59Z"
        );
        assert_eq!(dates(None, None).to_string(), "any time");
    }
}
