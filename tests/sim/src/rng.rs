//! The one source of chance: SplitMix64. The same seed gives the same numbers on every machine, for ever.

/// A stream of numbers from a seed.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.within(0, len as u64 - 1)).unwrap_or_default()
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.within(1, 100) <= chance
    }

    /// Up to `most` to either side of zero.
    pub(crate) fn around_zero(&mut self, most: u64) -> i64 {
        let magnitude = i64::try_from(self.within(0, most)).unwrap_or(i64::MAX);
        if self.percent(50) { magnitude } else { -magnitude }
    }

    /// Mostly near `low`, sometimes near `high`: how delays of networks are.
    pub(crate) fn long_tail(&mut self, low: u64, high: u64) -> u64 {
        let span = high - low;
        let fraction = self.within(0, 1_000);
        low + span * fraction / 1_000 * fraction / 1_000 * fraction / 1_000
    }
}
