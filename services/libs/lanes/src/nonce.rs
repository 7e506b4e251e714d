//! Nonces drawn from a granted range, in the key's own unit.
//!
//! *Invariant:* what [`NonceSource::draw`] gives out is above everything it gave out before and inside the granted
//! `[lo, hi)`. Two owners' ranges are disjoint and rise, so the same holds across owners.

use tidegate_core::{Nonce, NonceUnit, UnixUs};

/// How far a nonce may lie ahead of the clock. One that is too high burns the key for ever, because Kraken's memory
/// of the highest nonce cannot be lowered.
const AHEAD_MAX_US: u64 = 30 * 60 * 1_000_000;
/// How far a nonce may lie behind the clock: a clock that jumped is likelier than a key that old.
const BEHIND_MAX_US: u64 = 24 * 60 * 60 * 1_000_000;

/// Why no nonce can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// Nothing is granted.
    #[error("no nonce range is granted")]
    NoGrant,
    /// The range is used up; a renewal extends it.
    #[error("the granted nonce range is used up below {hi_us} us")]
    Exhausted {
        /// End of the range, microseconds since 1970, exclusive.
        hi_us: u64,
    },
    /// More than 30 minutes ahead of this machine's clock.
    #[error(
        "nonce {nonce} is more than 30 minutes ahead of this machine's clock; drawing it could burn the key"
    )]
    TooFarAhead {
        /// The refused nonce, in the key's unit.
        nonce: Nonce,
    },
    /// More than a day behind this machine's clock.
    #[error("nonce {nonce} is more than a day behind this machine's clock")]
    TooFarBehind {
        /// The refused nonce, in the key's unit.
        nonce: Nonce,
    },
}

/// Draws nonces for one key.
#[derive(Clone, Debug)]
pub struct NonceSource {
    unit: NonceUnit,
    last: Option<Nonce>,
    lo_us: u64,
    hi_us: u64,
}

impl NonceSource {
    /// A source without a range.
    pub const fn new(unit: NonceUnit) -> Self {
        Self { unit, last: None, lo_us: 0, hi_us: 0 }
    }

    /// Sets the range of a new epoch, microseconds since 1970. Refused if it begins too far from the clock.
    pub fn start(&mut self, lo_us: u64, hi_us: u64, wall: UnixUs) -> Result<(), NonceError> {
        self.plausible(self.first(lo_us), wall)?;
        (self.lo_us, self.hi_us, self.last) = (lo_us, hi_us, None);
        Ok(())
    }

    /// Moves the end of the range; an end that moves back belongs to an older reply and is ignored.
    pub fn extend(&mut self, hi_us: u64) {
        self.hi_us = self.hi_us.max(hi_us);
    }

    /// Lets the next nonce lie at `floor_us` (microseconds since 1970) or above, inside the range as it is or will be. Returns
    /// the lowest such nonce; `None`, and nothing is changed, if it is too far from the clock.
    pub fn raise(&mut self, floor_us: u64, wall: UnixUs) -> Option<Nonce> {
        let first = self.first(floor_us);
        self.plausible(first, wall).ok()?;
        self.last = self.last.max(Some(Nonce(first.0.saturating_sub(1))));
        Some(first)
    }

    /// The range, microseconds since 1970, the end exclusive; `None` without one.
    pub const fn range_us(&self) -> Option<(u64, u64)> {
        if self.hi_us == 0 { None } else { Some((self.lo_us, self.hi_us)) }
    }

    /// Gives the range up.
    pub fn stop(&mut self) {
        (self.lo_us, self.hi_us, self.last) = (0, 0, None);
    }

    /// What [`Self::draw`] would give out.
    ///
    /// `max(last + 1, clock)` inside the range. A clock that runs so far ahead of the store's that it lies above the
    /// range does not stop the lane: then it is `last + 1` alone, which is as good, because the range is exclusive.
    pub fn peek(&self, wall: UnixUs) -> Result<Nonce, NonceError> {
        if self.hi_us == 0 {
            return Err(NonceError::NoGrant);
        }
        let above_last = self.last.map_or(0, |last| last.0.saturating_add(1));
        let lowest = Nonce(above_last.max(self.first(self.lo_us).0));
        let by_clock = lowest.max(self.unit.from_us(wall));
        let nonce = if self.in_range(by_clock) { by_clock } else { lowest };
        if !self.in_range(nonce) {
            return Err(NonceError::Exhausted { hi_us: self.hi_us });
        }
        self.plausible(nonce, wall)?;
        Ok(nonce)
    }

    /// What [`Self::draw_lowest`] would give out.
    pub fn peek_lowest(&self, wall: UnixUs) -> Result<Nonce, NonceError> {
        if self.hi_us == 0 {
            return Err(NonceError::NoGrant);
        }
        let above_last = self.last.map_or(0, |last| last.0.saturating_add(1));
        let lowest = Nonce(above_last.max(self.first(self.lo_us).0));
        if !self.in_range(lowest) {
            return Err(NonceError::Exhausted { hi_us: self.hi_us });
        }
        self.plausible(lowest, wall)?;
        Ok(lowest)
    }

    /// Draws the lowest nonce that is left, whatever the clock says: `last + 1`.
    pub fn draw_lowest(&mut self, wall: UnixUs) -> Result<Nonce, NonceError> {
        let nonce = self.peek_lowest(wall)?;
        self.last = Some(nonce);
        Ok(nonce)
    }

    /// Draws the next nonce. It is used up whether or not it is sent.
    pub fn draw(&mut self, wall: UnixUs) -> Result<Nonce, NonceError> {
        let nonce = self.peek(wall)?;
        self.last = Some(nonce);
        Ok(nonce)
    }

    /// The highest nonce drawn in this epoch.
    pub const fn last(&self) -> Option<Nonce> {
        self.last
    }

    /// The highest nonce that may have been sent, as the first store microsecond at or after it; before the first
    /// draw that is just below the range. Zero without a range.
    pub fn last_us(&self) -> u64 {
        self.last.map_or(self.lo_us.saturating_sub(1), |last| self.unit.to_us_ceil(last).0)
    }

    /// The unit.
    pub const fn unit(&self) -> NonceUnit {
        self.unit
    }

    /// The lowest nonce at or above a store time.
    fn first(&self, us: u64) -> Nonce {
        match self.unit {
            NonceUnit::Ms => Nonce(us.div_ceil(1_000)),
            NonceUnit::Us | NonceUnit::Ns => self.unit.from_us(UnixUs(us)),
        }
    }

    fn in_range(&self, nonce: Nonce) -> bool {
        self.first(self.lo_us) <= nonce && nonce < self.first(self.hi_us)
    }

    fn plausible(&self, nonce: Nonce, wall: UnixUs) -> Result<(), NonceError> {
        let us = self.unit.to_us_ceil(nonce).0;
        if us > wall.0.saturating_add(AHEAD_MAX_US) {
            return Err(NonceError::TooFarAhead { nonce });
        }
        if us.saturating_add(BEHIND_MAX_US) < wall.0 {
            return Err(NonceError::TooFarBehind { nonce });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_795_000_000_000_000;

    fn units() -> impl Strategy<Value = NonceUnit> {
        prop::sample::select(vec![NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns])
    }

    proptest! {
        /// Owners in a row, each releasing what it drew or leaving its whole range behind: every nonce is above every
        /// earlier one, and across owners by more than the window.
        #[test]
        fn nonces_rise_across_owners_by_more_than_the_window(
            unit in units(),
            window in 0_u64..100_000,
            owners in prop::collection::vec((prop::collection::vec(0_u64..2_000, 0..40), any::<bool>()), 1..8),
        ) {
            let window_us = unit.ticks_to_us_ceil(window);
            let (mut wall, mut hi, mut highest) = (NOW, NOW, None::<Nonce>);
            for (steps, releases) in owners {
                let lo = (hi + window_us + 1).max(wall);
                hi = lo.max(wall) + 7_000_000;
                let mut source = NonceSource::new(unit);
                source.start(lo, hi, UnixUs(wall)).expect("plausible");
                let before = highest;
                for step in steps {
                    wall += step;
                    let nonce = source.draw(UnixUs(wall)).expect("room");
                    prop_assert!(highest.is_none_or(|h| nonce > h));
                    prop_assert!(before.is_none_or(|h| nonce.0 > h.0 + window));
                    highest = Some(nonce);
                }
                if releases {
                    hi = source.last_us() + 1;
                }
            }
        }

        #[test]
        fn a_range_is_used_to_its_end_and_no_further(unit in units(), lo_off in 0_u64..5_000, len in 1_u64..20_000) {
            let mut source = NonceSource::new(unit);
            let (lo, hi) = (NOW + lo_off, NOW + lo_off + len);
            source.start(lo, hi, UnixUs(NOW)).expect("plausible");
            let mut drawn = 0;
            while drawn < 100 {
                match source.draw(UnixUs(hi - 1)) {
                    Ok(nonce) => {
                        let first = match unit { NonceUnit::Ms => lo.div_ceil(1_000), NonceUnit::Us => lo, NonceUnit::Ns => lo * 1_000 };
                        let end = match unit { NonceUnit::Ms => hi.div_ceil(1_000), NonceUnit::Us => hi, NonceUnit::Ns => hi * 1_000 };
                        prop_assert!((first..end).contains(&nonce.0));
                        drawn += 1;
                    }
                    Err(error) => {
                        prop_assert_eq!(error, NonceError::Exhausted { hi_us: hi });
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn wild_clocks_and_wild_ranges_are_refused() {
        let mut source = NonceSource::new(NonceUnit::Us);
        assert_eq!(source.draw(UnixUs(NOW)), Err(NonceError::NoGrant));
        let far = NOW + AHEAD_MAX_US + 1;
        assert_eq!(
            source.start(far, far + 9, UnixUs(NOW)),
            Err(NonceError::TooFarAhead { nonce: Nonce(far) })
        );
        source.start(NOW, NOW + 7_000_000, UnixUs(NOW)).expect("plausible");
        assert!(matches!(source.draw(UnixUs(NOW - AHEAD_MAX_US - 1)), Err(NonceError::TooFarAhead { .. })));
        assert!(matches!(source.draw(UnixUs(NOW + BEHIND_MAX_US + 1)), Err(NonceError::TooFarBehind { .. })));
        assert_eq!(
            source.draw(UnixUs(NOW + 8_000_000)),
            Ok(Nonce(NOW)),
            "a fast clock does not stop the lane"
        );
        assert_eq!(source.draw(UnixUs(NOW + 5)), Ok(Nonce(NOW + 5)));
        assert_eq!(
            source.draw(UnixUs(NOW - 5)),
            Ok(Nonce(NOW + 6)),
            "a clock that steps back does not matter"
        );
        assert_eq!(source.last_us(), NOW + 6);
    }
}
