//! A caller's share of calls per second at the edge. Not to be confused with a budget, which is Kraken's counter.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tidegate_core::{CallerName, Error, ErrorKind};

/// One bucket per caller.
#[derive(Debug)]
pub(crate) struct Quotas {
    buckets: DefaultKeyedRateLimiter<CallerName>,
    clock: DefaultClock,
}

impl Quotas {
    /// `per_s` calls a second, of which `burst` may come at once.
    pub(crate) fn new(per_s: NonZeroU32, burst: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        let quota = Quota::per_second(per_s).allow_burst(burst);
        Self { buckets: RateLimiter::dashmap_with_clock(quota, clock.clone()), clock }
    }

    /// Takes one call out of the caller's bucket.
    pub(crate) fn take(&self, caller: &CallerName) -> Result<(), Error> {
        self.buckets.check_key(caller).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now());
            let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            let text = format!("caller {caller} is over its quota of calls per second");
            Error::new(ErrorKind::Quota, text).retry_after_ms(ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_bucket_and_learns_when_to_come_back() {
        let two = NonZeroU32::new(2).expect("not zero");
        let quotas = Quotas::new(NonZeroU32::MIN, two);
        let (one, other) = ("one".parse().expect("label"), "other".parse().expect("label"));
        assert!(quotas.take(&one).is_ok() && quotas.take(&one).is_ok());
        let refusal = quotas.take(&one).expect_err("the burst is used up");
        assert_eq!(refusal.kind, ErrorKind::Quota);
        assert!(refusal.retry_after_ms.is_some_and(|ms| (1..=1_000).contains(&ms)));
        assert!(quotas.take(&other).is_ok());
    }
}
