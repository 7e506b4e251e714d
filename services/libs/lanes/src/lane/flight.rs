//! What of a lane is on its way to Kraken.
//!
//! *Invariant:* with window 0 there is at most one. With window `w` there may be several while the newest nonce is
//! less than `w - margin` above the oldest in flight, because Kraken takes a nonce that is late by less than `w`.

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

/// All calls in flight, by rising nonce.
#[derive(Clone, Debug)]
pub(super) struct Flights {
    window: u64,
    len_max: usize,
    flights: Vec<Flight>,
    lingering: Vec<Lingering>,
    average_us: u64,
}

impl Flights {
    pub(super) fn new(window: u64, len_max: usize) -> Self {
        let len_max = if window == 0 && on(Guard::OneInFlight) { 1 } else { len_max.max(1) };
        Self { window, len_max, flights: Vec::new(), lingering: Vec::new(), average_us: FIRST_GUESS_US }
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
