//! Time as it is handed in: two clocks that cannot be mistaken for one another.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Microseconds since 1970-01-01T00:00:00Z on a wall clock. It may jump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixUs(pub u64);

/// Microseconds on a clock that only moves forward and does not stop while the machine is suspended.
/// Its zero has no meaning; only differences within one process do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonoUs(pub u64);

impl UnixUs {
    /// This time plus a number of milliseconds.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000)))
    }

    /// Whole milliseconds since 1970.
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000
    }

    /// Milliseconds from `earlier` to this time; zero if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

impl MonoUs {
    /// This time plus a number of microseconds.
    pub const fn plus_us(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// This time plus a number of milliseconds.
    pub const fn plus_ms(self, ms: u64) -> Self {
        self.plus_us(ms.saturating_mul(1_000))
    }

    /// Microseconds from `earlier` to this time; zero if it is not earlier.
    pub const fn us_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds from `earlier` to this time; zero if it is not earlier.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.us_since(earlier) / 1_000
    }
}

/// The clocks of a process.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time, for nonces, deadlines that Kraken reads, and ids.
    fn wall(&self) -> UnixUs;

    /// Suspend-proof monotonic time, for leases, budgets and waits.
    fn mono(&self) -> MonoUs;
}

/// A clock that moves only when told to, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    wall_us: AtomicU64,
    mono_us: AtomicU64,
}

impl ManualClock {
    /// A clock that stands at `wall`; its monotonic side starts at one second.
    pub const fn at(wall: UnixUs) -> Self {
        Self { wall_us: AtomicU64::new(wall.0), mono_us: AtomicU64::new(1_000_000) }
    }

    /// Moves both sides forward.
    pub fn advance_ms(&self, ms: u64) {
        self.wall_us.fetch_add(ms * 1_000, Ordering::SeqCst);
        self.mono_us.fetch_add(ms * 1_000, Ordering::SeqCst);
    }

    /// Sets the wall side alone, as a clock step does.
    pub fn set_wall(&self, wall: UnixUs) {
        self.wall_us.store(wall.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> UnixUs {
        UnixUs(self.wall_us.load(Ordering::SeqCst))
    }

    fn mono(&self) -> MonoUs {
        MonoUs(self.mono_us.load(Ordering::SeqCst))
    }
}
