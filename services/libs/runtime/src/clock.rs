//! The one place that asks the operating system for the time.

use rustix::time::{ClockId, clock_gettime};
use tidegate_core::{Clock, MonoUs, UnixUs};

/// The clocks of the machine.
///
/// The monotonic side is `CLOCK_BOOTTIME`: `CLOCK_MONOTONIC` stands still while a machine is suspended, and a
/// lease measured on it would look fresh after a night's sleep although another process owns the lane by now.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Elsewhere than on Linux the monotonic clock is the nearest there is; only development happens there.
#[cfg(target_os = "linux")]
const SUSPEND_PROOF: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SUSPEND_PROOF: ClockId = ClockId::Monotonic;

impl Clock for SystemClock {
    fn wall(&self) -> UnixUs {
        since_epoch_us(ClockId::Realtime)
    }

    fn mono(&self) -> MonoUs {
        MonoUs(since_epoch_us(SUSPEND_PROOF).0)
    }
}

/// Microseconds on a clock of the kernel; zero for times before its epoch, which no nonce or lease survives
/// unnoticed.
fn since_epoch_us(clock: ClockId) -> UnixUs {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let micros = u64::try_from(now.tv_nsec / 1_000).unwrap_or(0);
    UnixUs(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_move_forward_and_the_wall_is_in_microseconds() {
        let clock = SystemClock;
        let (wall, mono) = (clock.wall(), clock.mono());
        // 2020 and 2100 in microseconds: a clock that counts in another unit falls outside.
        assert!((1_577_836_800_000_000..4_102_444_800_000_000).contains(&wall.0), "{wall:?}");
        while clock.mono() == mono {
            std::hint::spin_loop();
        }
        assert!(clock.mono() > mono);
    }
}
