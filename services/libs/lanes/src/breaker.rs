//! What Kraken holds against an address, and how we keep from adding to it.
//!
//! Kraken locks an address out that fails to authenticate too often, for about 15 minutes, counted anew from each attempt
//! (Kraken docs: errors, `EGeneral:Temporary lockout`; older support text: failed calls, bad nonces, bad signatures). How often
//! is too often is nowhere documented, so the bound is low unless an operator knows better: [`FAILURES_MAX`] within a minute,
//! where healthy lanes have none.
//! One breaker therefore sees all lanes of a process that leave by one address. It knows three troubles:
//!
//! - **Failures**, before Kraken has said anything: calls that are signed stop for a while, but for one cancel in
//!   five seconds. Then one call goes ahead as a probe; if it authenticates, the rest follow, if not, the pause doubles.
//! - **Lockout**: silence, for everybody and everything, until a quarter of an hour after the last word of it. Not even a
//!   cancel leaves: it would be refused, and it would make the silence longer for all other cancels. Then one probe.
//! - **The edge** in front of Kraken (Cloudflare: 403, 429) has its own bounds, per address, and shuts out public calls as
//!   well; nothing says that attempts prolong it, so a cancel may knock now and then.

use std::collections::VecDeque;

use tidegate_core::MonoUs;

/// Failed authentications within a minute that open the breaker, unless it is told otherwise.
pub const FAILURES_MAX: usize = 5;
/// The time within which they count.
const FAILURES_WITHIN_US: u64 = 60_000_000;
/// While calls are stopped, one cancel leaves this often at the most.
const CANCEL_PACE_US: u64 = 5_000_000;
/// For how long calls stop at first; doubles with each probe that fails.
const PAUSE_US: u64 = 60_000_000;
/// The longest pause.
const PAUSE_MAX_US: u64 = 900_000_000;
/// Kraken's lockout, and a little for clocks and for what was on its way when we heard of it.
pub const LOCKOUT_US: u64 = 900_000_000 + 10_000_000;
/// How long a probe may take before another may go.
const PROBE_US: u64 = 10_000_000;
/// What those are told who come while a probe is out.
const AFTER_PROBE_US: u64 = 1_000_000;

/// What wants to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// A signed call that takes risk away.
    Cancel,
    /// Any other signed call.
    Signed,
    /// A call without key.
    Public,
}

/// Why calls are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Too many failed authentications; Kraken has said nothing yet.
    Failures,
    /// Kraken has locked the address out.
    Lockout,
    /// The edge in front of Kraken refuses the address.
    Edge,
}

impl Trouble {
    /// All troubles, for metrics.
    pub const ALL: [Self; 3] = [Self::Failures, Self::Lockout, Self::Edge];

    /// Label in metrics and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failures => "failures",
            Self::Lockout => "lockout",
            Self::Edge => "edge",
        }
    }

    /// What has happened, in words that follow the name of the address.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Failures => {
                "has had too many failed authentications at Kraken lately; calls rest before Kraken locks it out"
            }
            Self::Lockout => {
                "is locked out by Kraken (EGeneral:Temporary lockout); each attempt would prolong it"
            }
            Self::Edge => "is refused by the edge in front of Kraken",
        }
    }
}

/// A call that must not leave now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub trouble: Trouble,
    /// For how long at least, in microseconds.
    pub wait_us: u64,
}

/// The state of one address.
#[derive(Clone, Debug)]
pub struct Breaker {
    /// So many failures within a minute open it.
    failures_max: usize,
    /// Failed authentications, the newest last.
    failures: VecDeque<MonoUs>,
    closed: Option<Closed>,
    /// The pause of the last closing, from which the next one doubles while no probe has succeeded since.
    pause_us: u64,
    cancel_at: MonoUs,
    /// When the last probe left, if one is out.
    probe: Option<MonoUs>,
}

#[derive(Clone, Copy, Debug)]
struct Closed {
    trouble: Trouble,
    until: MonoUs,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::new(FAILURES_MAX)
    }
}

impl Breaker {
    /// A breaker that so many failures within a minute open, at least one.
    pub fn new(failures_max: usize) -> Self {
        let failures_max = failures_max.max(1);
        Self {
            failures_max,
            failures: VecDeque::new(),
            closed: None,
            pause_us: 0,
            cancel_at: MonoUs::default(),
            probe: None,
        }
    }

    /// Asks whether a call may leave now, and takes its place if it may: to be asked directly before it leaves.
    pub fn admit(&mut self, now: MonoUs, traffic: Traffic) -> Result<(), Held> {
        self.look(now, traffic)?;
        let Some(Closed { until, .. }) = self.closed else { return Ok(()) };
        match traffic {
            Traffic::Cancel => self.cancel_at = now.plus_us(CANCEL_PACE_US),
            Traffic::Signed if now >= until => self.probe = Some(now),
            Traffic::Signed | Traffic::Public => {}
        }
        Ok(())
    }

    /// Whether a call would be let through now. Changes nothing.
    pub fn look(&self, now: MonoUs, traffic: Traffic) -> Result<(), Held> {
        let Some(Closed { trouble, until }) = self.closed else { return Ok(()) };
        let shut = now < until;
        let wait_us = match (traffic, trouble) {
            (_, Trouble::Lockout) if shut => until.us_since(now),
            (Traffic::Public, Trouble::Edge) if shut => until.us_since(now),
            (Traffic::Public, _) => 0,
            (Traffic::Cancel, _) => self.cancel_at.us_since(now),
            (Traffic::Signed, _) if shut => until.us_since(now),
            (Traffic::Signed, _) => match self.probe {
                Some(left) if now < left.plus_us(PROBE_US) => AFTER_PROBE_US,
                _ => 0,
            },
        };
        if wait_us == 0 { Ok(()) } else { Err(Held { trouble, wait_us }) }
    }

    /// Why calls are held back at this moment, and for how long; `None` if they are not. While a probe is awaited the wait is
    /// zero.
    pub fn trouble(&self, now: MonoUs) -> Option<Held> {
        self.closed.map(|Closed { trouble, until }| Held { trouble, wait_us: until.us_since(now) })
    }

    /// Kraken did not authenticate a call. `true` if that has just stopped calls, or stops them for longer.
    pub fn failed(&mut self, now: MonoUs) -> bool {
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|at| now.us_since(*at) > FAILURES_WITHIN_US) {
            self.failures.pop_front();
        }
        match self.closed {
            // The probe, or a cancel beside it: not yet.
            Some(Closed { until, .. }) if now >= until => self.close(now, Trouble::Failures),
            // On its way already when calls were stopped, or a cancel.
            Some(_) => {
                self.failures.clear();
                return false;
            }
            None if self.failures.len() >= self.failures_max => self.close(now, Trouble::Failures),
            None => return false,
        }
        true
    }

    /// Kraken said that the address is locked out.
    pub fn locked_out(&mut self, now: MonoUs) {
        self.failures.clear();
        self.probe = None;
        self.closed = Some(Closed { trouble: Trouble::Lockout, until: now.plus_us(LOCKOUT_US) });
    }

    /// The edge refused a request. `wait_us` is what it asked for, if it did. A lockout, which is stricter, stays.
    pub fn refused_by_edge(&mut self, now: MonoUs, wait_us: Option<u64>) {
        match self.closed {
            Some(Closed { trouble: Trouble::Lockout, until }) if now < until => {}
            // One page for each of many calls that were on their way together is one refusal.
            Some(Closed { trouble: Trouble::Edge, until }) if now < until => {}
            _ => {
                self.close(now, Trouble::Edge);
                if let (Some(closed), Some(wait_us)) = (&mut self.closed, wait_us) {
                    closed.until = closed.until.max(now.plus_us(wait_us.min(PAUSE_MAX_US)));
                }
            }
        }
    }

    /// Kraken authenticated a call. `true` if that ends the trouble.
    pub fn authenticated(&mut self, now: MonoUs) -> bool {
        let ends = self.closed.is_some_and(|Closed { until, .. }| now >= until);
        if ends {
            *self = Self::new(self.failures_max);
        }
        ends
    }

    fn close(&mut self, now: MonoUs, trouble: Trouble) {
        self.pause_us = if self.pause_us == 0 { PAUSE_US } else { (self.pause_us * 2).min(PAUSE_MAX_US) };
        self.failures.clear();
        self.probe = None;
        self.closed = Some(Closed { trouble, until: now.plus_us(self.pause_us) });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T: MonoUs = MonoUs(1_000_000);

    fn tripped() -> Breaker {
        let mut breaker = Breaker::default();
        let tripped = (0..FAILURES_MAX).filter(|_| breaker.failed(T)).count();
        assert_eq!(tripped, 1);
        breaker
    }

    fn held(trouble: Trouble, wait_us: u64) -> Result<(), Held> {
        Err(Held { trouble, wait_us })
    }

    #[test]
    fn an_operators_bound_holds_also_after_trouble() {
        let mut breaker = Breaker::new(2);
        for now in [T, T.plus_us(PAUSE_US * 2)] {
            assert!(!breaker.failed(now) && breaker.failed(now));
            assert!(breaker.look(now, Traffic::Signed).is_err());
            assert!(breaker.authenticated(now.plus_us(PAUSE_US)));
        }
        assert!(Breaker::new(0).failed(T), "one failure at least");
    }

    #[test]
    fn a_few_failures_far_apart_stop_nothing() {
        let mut breaker = Breaker::default();
        let apart_us = FAILURES_WITHIN_US / (FAILURES_MAX as u64 - 1) + 1;
        let mut now = T;
        for _ in 0..100 {
            assert!(!breaker.failed(now));
            now = now.plus_us(apart_us);
        }
        assert_eq!(breaker.admit(now, Traffic::Signed), Ok(()));
        assert_eq!(breaker.trouble(now), None);
    }

    #[test]
    fn too_many_stop_signed_calls_but_for_a_cancel_now_and_then_and_one_probe() {
        let mut breaker = tripped();
        assert_eq!(breaker.admit(T, Traffic::Signed), held(Trouble::Failures, PAUSE_US));
        assert_eq!(breaker.admit(T, Traffic::Public), Ok(()), "nobody authenticates there");
        let mut cancels = 0;
        for ms in 0..60_000 {
            cancels += u32::from(breaker.admit(T.plus_ms(ms), Traffic::Cancel).is_ok());
        }
        assert_eq!(cancels, 12);
        let over = T.plus_us(PAUSE_US);
        assert_eq!(breaker.look(over, Traffic::Signed), Ok(()), "looking takes no place");
        assert_eq!(breaker.admit(over, Traffic::Signed), Ok(()));
        assert_eq!(breaker.admit(over, Traffic::Signed), held(Trouble::Failures, AFTER_PROBE_US));
        assert!(breaker.failed(over), "the probe failed");
        let mut now = over;
        for pause_s in [120, 240, 480, 900, 900] {
            assert_eq!(breaker.admit(now, Traffic::Signed), held(Trouble::Failures, pause_s * 1_000_000));
            now = now.plus_ms(pause_s * 1_000);
            assert_eq!(breaker.admit(now, Traffic::Signed), Ok(()));
            assert!(breaker.failed(now));
        }
        now = now.plus_us(PAUSE_MAX_US);
        assert_eq!(breaker.admit(now, Traffic::Signed), Ok(()));
        // A probe that is never heard of again does not keep the door shut.
        now = now.plus_us(PROBE_US);
        assert_eq!(breaker.admit(now, Traffic::Signed), Ok(()));
        assert!(breaker.authenticated(now));
        assert_eq!((breaker.admit(now, Traffic::Signed), breaker.trouble(now)), (Ok(()), None));
        assert!(!breaker.authenticated(now));
    }

    #[test]
    fn success_of_another_key_does_not_end_the_pause_early() {
        let mut breaker = tripped();
        assert!(!breaker.authenticated(T.plus_ms(59_999)));
        assert_eq!(breaker.look(T.plus_ms(59_999), Traffic::Signed), held(Trouble::Failures, 1_000));
        assert!(breaker.authenticated(T.plus_us(PAUSE_US)));
    }

    #[test]
    fn a_lockout_silences_everything_until_it_is_over_for_sure() {
        for mut breaker in [Breaker::default(), tripped()] {
            breaker.locked_out(T);
            // A call that was on its way prolonged it.
            let heard = T.plus_ms(3_000);
            breaker.locked_out(heard);
            let over = heard.plus_us(LOCKOUT_US);
            let mut now = heard;
            while now < over {
                for traffic in [Traffic::Cancel, Traffic::Signed, Traffic::Public] {
                    assert_eq!(breaker.admit(now, traffic), held(Trouble::Lockout, over.us_since(now)));
                }
                breaker.refused_by_edge(now, None);
                assert!(!breaker.authenticated(now));
                now = now.plus_ms(7_000);
            }
            assert_eq!(breaker.admit(over, Traffic::Signed), Ok(()), "a probe");
            assert!(breaker.admit(over, Traffic::Signed).is_err(), "one");
            breaker.locked_out(over);
            assert!(breaker.admit(over.plus_us(LOCKOUT_US - 1), Traffic::Cancel).is_err(), "silence again");
        }
    }

    #[test]
    fn the_edge_shuts_out_public_calls_too_and_is_knocked_at_by_cancels() {
        let mut breaker = Breaker::default();
        breaker.refused_by_edge(T, Some(90_000_000));
        breaker.refused_by_edge(T.plus_ms(5), Some(1_000));
        for traffic in [Traffic::Signed, Traffic::Public] {
            assert_eq!(breaker.admit(T, traffic), held(Trouble::Edge, 90_000_000));
        }
        assert_eq!(breaker.admit(T, Traffic::Cancel), Ok(()));
        assert_eq!(breaker.admit(T, Traffic::Cancel), held(Trouble::Edge, CANCEL_PACE_US));
        let over = T.plus_ms(90_000);
        assert_eq!(breaker.admit(over, Traffic::Public), Ok(()));
        assert_eq!(breaker.admit(over, Traffic::Signed), Ok(()));
        assert!(breaker.authenticated(over));
    }

    proptest! {
        /// Lanes that only ever fail, with as many callers as there may be: what reaches Kraken stays bounded. In the first
        /// minute that is what opens the breaker and what was on its way; later, a probe in a pause and a cancel in its pace.
        #[test]
        fn failures_are_bounded_whatever_wants_to_leave(
            wants in prop::collection::vec((0_u64..400, prop::bool::weighted(0.2)), 200..2_000),
        ) {
            let (mut breaker, mut now) = (Breaker::default(), T);
            let mut signed = Vec::new();
            let mut cancels = Vec::new();
            for (ms, is_cancel) in wants {
                now = now.plus_ms(ms);
                let traffic = if is_cancel { Traffic::Cancel } else { Traffic::Signed };
                if breaker.admit(now, traffic).is_ok() {
                    breaker.failed(now);
                    if is_cancel { cancels.push(now) } else { signed.push(now) }
                }
            }
            let within = |times: &[MonoUs], at: MonoUs| {
                times.iter().filter(|t| **t <= at && at.us_since(**t) < FAILURES_WITHIN_US).count()
            };
            for at in signed.iter().chain(&cancels) {
                prop_assert!(within(&signed, *at) <= FAILURES_MAX + 1, "{} calls", within(&signed, *at));
                prop_assert!(within(&cancels, *at) <= 12 + FAILURES_MAX, "{} cancels", within(&cancels, *at));
            }
        }
    }
}
