//! What of a lane is on its way to Kraken.
//!
//! *Invariant:* with window 0 there is at most one. With window `w` there may be several while the newest nonce is
//! less than `w - margin` above the oldest in flight, because Kraken takes a nonce that is late by less than `w`.

use std::collections::VecDeque;

use tidegate_core::{MonoUs, Nonce};

use crate::guards::{Guard, on};
use crate::queue::{Priority, TicketId};

/// After this long no socket of ours is left that could still deliver an abandoned call: calls live 60 s at most.
const LINGER_US: u64 = 60_000_000;
/// For how long a lane waits for the head of an answer.
const ABANDON_US: u64 = 5_000_000;
/// For how long while a cancel waits.
const ABANDON_FOR_CANCEL_US: u64 = 1_000_000;
/// What a call is taken to last before one has been seen.
const FIRST_GUESS_US: u64 = 50_000;

/// Calls that are remembered after their flight: what a lane sends within a second at the most, several times over.
const PAST_MAX: usize = 4_096;

/// One call in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub ticket: TicketId,
    pub nonce: Nonce,
    pub epoch: u64,
    pub points_milli: u64,
    pub sent_at: MonoUs,
    /// Its class.
    pub priority: Priority,
    /// Whether its nonce was drawn without a lease.
    pub adrift: bool,
    /// Whose one-time code it carries, where the key has such.
    pub code_step: Option<u64>,
}

impl Flight {
    /// When it is given up: the lane goes on with the next nonce, and the answer is still read if it comes.
    ///
    /// A cancel never waits behind a hung call, and a read is not worth any wait of a cancel: what it costs is one refused
    /// copy, which is signed anew. `None` for the verification: nothing may pass it, and its sender ends it itself.
    fn abandon_at(&self, cancel_waits: bool) -> Option<MonoUs> {
        let patience_us = match (cancel_waits, self.priority) {
            _ if self.ticket == TicketId::VERIFICATION || !on(Guard::Abandonment) => return None,
            (true, Priority::Read) => 0,
            (true, _) => ABANDON_FOR_CANCEL_US,
            (false, _) => ABANDON_US,
        };
        Some(self.sent_at.plus_us(patience_us))
    }
}

/// An abandoned call whose points Kraken may still charge.
#[derive(Clone, Copy, Debug)]
struct Lingering {
    ticket: TicketId,
    nonce: Nonce,
    points_milli: u64,
    until: MonoUs,
}

/// A call that is no longer in flight and may still be answered, or whose answer is still to be judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    ticket: TicketId,
    pub nonce: Nonce,
    pub epoch: u64,
    pub adrift: bool,
    /// Whether the lane went on without an answer.
    pub abandoned: bool,
}

/// All calls in flight, by rising nonce.
#[derive(Clone, Debug)]
pub(super) struct Flights {
    window: u64,
    len_max: usize,
    flights: Vec<Flight>,
    lingering: Vec<Lingering>,
    /// The newest last.
    past: VecDeque<Past>,
    average_us: u64,
}

impl Flights {
    pub(super) fn new(window: u64, len_max: usize) -> Self {
        let len_max = if window == 0 && on(Guard::OneInFlight) { 1 } else { len_max.max(1) };
        Self {
            window,
            len_max,
            flights: Vec::new(),
            lingering: Vec::new(),
            past: VecDeque::new(),
            average_us: FIRST_GUESS_US,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Whether a call with this nonce, the highest so far, may join.
    pub(super) fn has_room(&self, nonce: Nonce) -> bool {
        let Some(oldest) = self.flights.first() else { return true };
        // Kraken does not say whether the window's edge is inside, and clocks of sockets differ: a tenth is margin.
        let span = self.window - (self.window / 10).max(1).min(self.window);
        let near = nonce.0.saturating_sub(oldest.nonce.0) < span;
        let unguarded = if self.window == 0 { !on(Guard::OneInFlight) } else { !on(Guard::SpanRule) };
        self.flights.len() < self.len_max && (near || unguarded)
    }

    /// Whether a cancel would find the way blocked: a read in flight is given up for it at once, anything else is not.
    pub(super) fn blocks_cancels(&self) -> bool {
        let waits = |flight: &Flight| flight.abandon_at(true).is_none_or(|at| at > flight.sent_at);
        match self.window {
            0 => self.flights.iter().any(waits),
            _ => self.flights.len() >= self.len_max,
        }
    }

    pub(super) fn start(&mut self, flight: Flight) {
        self.flights.push(flight);
    }

    pub(super) fn find(&self, ticket: TicketId) -> Option<&Flight> {
        self.flights.iter().find(|flight| flight.ticket == ticket)
    }

    pub(super) fn end(&mut self, ticket: TicketId) -> Option<Flight> {
        let at = self.flights.iter().position(|flight| flight.ticket == ticket)?;
        Some(self.flights.remove(at))
    }

    /// Remembers a call that is no longer in flight, for as long as its answer may still be looked at.
    pub(super) fn landed(&mut self, flight: &Flight, abandoned: bool) {
        if self.past.len() >= PAST_MAX {
            self.past.pop_front();
        }
        let Flight { ticket, nonce, epoch, adrift, .. } = *flight;
        self.past.push_back(Past { ticket, nonce, epoch, adrift, abandoned });
    }

    /// The newest call of this name that is no longer in flight.
    pub(super) fn past(&self, ticket: TicketId) -> Option<Past> {
        self.past.iter().rev().find(|past| past.ticket == ticket).copied()
    }

    /// Learns from an answered call how long calls take: an eighth of the way to the newest.
    pub(super) fn learn(&mut self, duration_us: u64) {
        self.average_us = self.average_us - self.average_us / 8 + duration_us / 8;
    }

    /// How long `ahead` waiting calls and those in flight keep a newcomer waiting.
    pub(super) fn wait_us(&self, ahead: usize) -> u64 {
        let rounds = (ahead + self.flights.len()) / self.len_max;
        self.average_us.saturating_mul(u64::try_from(rounds).unwrap_or(u64::MAX))
    }

    /// Keeps the points of an abandoned call in mind: it may still reach Kraken and be charged there.
    pub(super) fn linger(&mut self, flight: &Flight, now: MonoUs) {
        let until = now.plus_us(LINGER_US);
        let Flight { ticket, nonce, points_milli, .. } = *flight;
        self.lingering.push(Lingering { ticket, nonce, points_milli, until });
    }

    /// An abandoned call ended after all: its points, which are known now.
    pub(super) fn end_late(&mut self, ticket: TicketId) -> Option<u64> {
        let at = self.lingering.iter().position(|l| l.ticket == ticket)?;
        Some(self.lingering.remove(at).points_milli)
    }

    /// The oldest call that is to be given up now.
    pub(super) fn overdue(&self, now: MonoUs, cancel_waits: bool) -> Option<TicketId> {
        let overdue = |flight: &&Flight| flight.abandon_at(cancel_waits).is_some_and(|at| at <= now);
        self.flights.iter().find(overdue).map(|flight| flight.ticket)
    }

    /// When the next call is to be given up.
    pub(super) fn next_overdue_at(&self, cancel_waits: bool) -> Option<MonoUs> {
        self.flights.iter().filter_map(|flight| flight.abandon_at(cancel_waits)).min()
    }

    /// Forgets abandoned calls that can no longer be charged: too old, or below what Kraken still takes after it has
    /// `answered` a higher nonce. Returns their points, which decay from now on.
    pub(super) fn settle(&mut self, now: MonoUs, answered: Option<Nonce>) -> u64 {
        let window = self.window;
        let dead = |l: &Lingering| {
            l.until <= now || answered.is_some_and(|n| l.nonce < n && l.nonce.0.saturating_add(window) <= n.0)
        };
        let points = self.lingering.iter().filter(|l| dead(l)).map(|l| l.points_milli).sum();
        self.lingering.retain(|l| !dead(l));
        points
    }

    /// When [`Self::settle`] next has something to do by time alone.
    pub(super) fn settles_at(&self) -> Option<MonoUs> {
        self.lingering.iter().map(|l| l.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flight(ticket: u64, nonce: u64) -> Flight {
        Flight {
            ticket: TicketId(ticket),
            nonce: Nonce(nonce),
            epoch: 1,
            points_milli: 1_000,
            sent_at: MonoUs(0),
            priority: Priority::Place,
            adrift: false,
            code_step: None,
        }
    }

    #[test]
    fn the_span_rule_looks_at_the_oldest_and_not_at_a_count() {
        let mut flights = Flights::new(100, 8);
        flights.start(flight(1, 1_000));
        flights.start(flight(2, 1_050));
        assert!(flights.has_room(Nonce(1_089)));
        assert!(!flights.has_room(Nonce(1_090)), "a tenth is margin");
        flights.end(TicketId(1));
        assert!(flights.has_room(Nonce(1_139)));
        let mut single = Flights::new(0, 8);
        single.start(flight(1, 1));
        assert!(!single.has_room(Nonce(2)));
        let mut narrow = Flights::new(1, 8);
        narrow.start(flight(1, 1));
        assert!(!narrow.has_room(Nonce(2)), "a window of one is all margin");
    }

    #[test]
    fn abandoned_points_are_let_go_only_when_kraken_cannot_charge_them_any_more() {
        let mut flights = Flights::new(10, 8);
        flights.linger(&flight(1, 100), MonoUs(0));
        flights.linger(&flight(2, 105), MonoUs(5));
        assert_eq!(flights.settle(MonoUs(6), Some(Nonce(109))), 0, "both are still inside the window");
        assert_eq!(flights.settle(MonoUs(6), Some(Nonce(110))), 1_000);
        assert_eq!(flights.settles_at(), Some(MonoUs(5 + LINGER_US)));
        assert_eq!(flights.settle(MonoUs(5 + LINGER_US), None), 1_000);
        assert_eq!(flights.settles_at(), None);
    }

    #[test]
    fn waits_follow_what_calls_last() {
        let mut flights = Flights::new(0, 1);
        for _ in 0..60 {
            flights.learn(8_000);
        }
        assert!((7_900..=8_100).contains(&flights.wait_us(1)), "{}", flights.wait_us(1));
        flights.start(flight(1, 1));
        assert_eq!(flights.wait_us(2), 3 * flights.wait_us(0));
    }
}

#[cfg(test)]
mod window_tests {
    use proptest::prelude::*;
    use tidegate_core::NonceUnit;

    use super::*;

    const NOW_US: u64 = 1_795_000_000_000_000;

    const fn ticks_per_ms(unit: NonceUnit) -> u64 {
        match unit {
            NonceUnit::Ms => 1,
            NonceUnit::Us => 1_000,
            NonceUnit::Ns => 1_000_000,
        }
    }

    fn flight(nonce: u64) -> Flight {
        Flight {
            ticket: TicketId(nonce),
            nonce: Nonce(nonce),
            epoch: 1,
            points_milli: 0,
            sent_at: MonoUs(0),
            priority: Priority::Read,
            adrift: false,
            code_step: None,
        }
    }

    fn units() -> impl Strategy<Value = NonceUnit> {
        prop::sample::select(vec![NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns])
    }

    /// Windows of some ticks and of some time, and those with which arithmetic could go wrong.
    fn windows() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..30, 30_u64..100_000, Just(10_000_000_000), Just(u64::MAX - 1), Just(u64::MAX)]
    }

    proptest! {
        /// Whatever is in flight together may arrive in any order, and Kraken takes all of it: also where the window's edge is
        /// outside, and where an answer comes back in any order.
        #[test]
        fn what_is_in_flight_together_may_arrive_in_any_order(
            unit in units(),
            window in windows(),
            steps in prop::collection::vec((0_u64..40_000, any::<prop::sample::Index>(), 0_u8..3), 1..200),
        ) {
            let mut flights = Flights::new(window, 256);
            let (mut nonce, mut highest, mut on_the_way) = (unit.from_us(tidegate_core::UnixUs(NOW_US)).0, 0, Vec::new());
            for (gap, which, kind) in steps {
                if kind < 2 {
                    let next = nonce + 1 + gap * ticks_per_ms(unit) / 1_000;
                    if flights.has_room(Nonce(next)) {
                        nonce = next;
                        flights.start(flight(nonce));
                        on_the_way.push(nonce);
                    }
                } else if !on_the_way.is_empty() {
                    let n: u64 = on_the_way.swap_remove(which.index(on_the_way.len()));
                    // The stricter reading: a nonce that is late by the whole window is refused, and one by less is taken.
                    let taken = if window == 0 { n > highest } else { n > highest || highest - n < window };
                    prop_assert!(taken, "{} after {} with window {}", n, highest, window);
                    highest = highest.max(n);
                    flights.end(TicketId(n));
                }
                prop_assert!(window > 0 || on_the_way.len() <= 1);
            }
        }

        /// The margin is a tenth of the window, at least a tick, in whatever unit the key counts.
        #[test]
        fn the_edge_is_where_the_margin_says(unit in units(), ms in 1_u64..100_000, base in 1_u64..1_000_000) {
            let window = ms * ticks_per_ms(unit);
            let mut flights = Flights::new(window, 256);
            flights.start(flight(base));
            let margin = (window / 10).max(1);
            let last = (base + window - margin).saturating_sub(1);
            prop_assert!(last <= base || flights.has_room(Nonce(last)));
            prop_assert!(!flights.has_room(Nonce(last + 1)));
            // As time: nine tenths of what the window covers, to a tick.
            let span_us = unit.ticks_to_us_ceil(window - margin);
            prop_assert!(span_us <= ms * 1_000 - ms * 100 + unit.ticks_to_us_ceil(1));
        }
    }

    #[test]
    fn a_thousand_calls_a_second_find_room_at_fifty_milliseconds() {
        for unit in [NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns] {
            let mut flights = Flights::new(10_000 * ticks_per_ms(unit), 256);
            // One call each millisecond for ten seconds; each ends after 50.
            for ms in 0..10_000 {
                let nonce = unit.from_us(tidegate_core::UnixUs(NOW_US + ms * 1_000)).0;
                if ms >= 50 {
                    flights.end(TicketId(unit.from_us(tidegate_core::UnixUs(NOW_US + (ms - 50) * 1_000)).0));
                }
                assert!(flights.has_room(Nonce(nonce)), "at {ms} ms in {unit}");
                flights.start(flight(nonce));
            }
            assert_eq!(flights.len(), 50);
        }
    }
}
