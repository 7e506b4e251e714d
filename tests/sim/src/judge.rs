//! The judge. He reads the exchange's log and what callers were told; of the processes he knows only what the run itself
//! did to them (who sent what, when it stood still, what the store gave to whom), never what a lane thinks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use tidegate_lanes::{GRANT_RESERVE_US, GRANT_TTL_US, LEAD_CAP_US};

use crate::calls::{Proof, Told};
use crate::flight::Flight;
use crate::plan::{EPOCH_US, S, Want};
use crate::seen::Mark;
use crate::world::World;

const BAD_NONCE: &str = "EAPI:Invalid nonce";

#[derive(Debug, Deserialize)]
struct Page {
    dropped: u64,
    entries: Vec<Entry>,
}

/// One line of the exchange's log.
#[derive(Debug, Deserialize)]
struct Entry {
    seq: u64,
    auth_us: Option<u64>,
    verdict: Option<String>,
    endpoint: Option<String>,
    executed: bool,
}

/// One look of the exchange at a nonce.
struct Judged<'a> {
    entry: &'a Entry,
    flight: usize,
    order: u64,
}

impl Judged<'_> {
    fn refused(&self) -> bool {
        self.entry.verdict.as_deref() == Some(BAD_NONCE)
    }

    /// Whether the nonce was taken, whatever came of the call.
    fn accepted(&self) -> bool {
        let verdict = self.entry.verdict.as_deref().unwrap_or("under way");
        !self.refused() && !verdict.starts_with("HTTP ")
    }

    fn at_us(&self) -> u64 {
        self.entry.auth_us.unwrap_or_default().saturating_sub(EPOCH_US)
    }
}

impl World {
    /// Judges a run that is over.
    pub(crate) fn judge(&mut self) {
        let log = self.exchange.log_json(0, usize::MAX);
        self.trace.bytes(log.as_bytes());
        let page: Page = match serde_json::from_str(&log) {
            Ok(page) => page,
            Err(error) => return self.violate(format!("the log cannot be read: {error}")),
        };
        if page.dropped > 0 || page.entries.len() != self.deliveries.len() {
            return self.violate("the log does not have what was delivered");
        }
        let mut found = Vec::new();
        for key in 0..self.plan.keys.len() {
            let mut looks: Vec<Judged<'_>> = Vec::new();
            for entry in &page.entries {
                let number = usize::try_from(entry.seq - 1).unwrap_or_default();
                let delivery = &self.deliveries[number];
                if self.flights[delivery.flight].key == key
                    && let Some(order) = delivery.judged
                {
                    looks.push(Judged { entry, flight: delivery.flight, order });
                }
            }
            looks.sort_by_key(|look| look.order);
            self.judge_key(key, &looks, &mut found);
        }
        self.judge_refused_twice(&page.entries, &mut found);
        self.judge_told(&page.entries, &mut found);
        self.judge_acts(&page.entries, &mut found);
        for text in found {
            self.violations.push(text);
        }
    }

    /// How often the exchange executed an act.
    pub(crate) fn executions_of(&self, act: usize) -> usize {
        let Ok(page) = serde_json::from_str::<Page>(&self.exchange.log_json(0, usize::MAX)) else { return 0 };
        let of_act = |entry: &&Entry| {
            let number = usize::try_from(entry.seq - 1).unwrap_or_default();
            let call = self.flights[self.deliveries[number].flight].call;
            call.and_then(|call| self.calls[call].attempt.as_ref()).is_some_and(|a| a.act == act)
        };
        page.entries.iter().filter(|entry| entry.executed).filter(of_act).count()
    }

    fn judge_key(&mut self, key: usize, looks: &[Judged<'_>], found: &mut Vec<String>) {
        let mut by_nonce: BTreeMap<u64, usize> = BTreeMap::new();
        let mut accepted: Vec<&Judged<'_>> = Vec::new();
        let mut fenced: Option<usize> = None;
        let mut twice_us: Option<u64> = None;
        for look in looks {
            let flight = &self.flights[look.flight];
            let at_us = look.at_us();
            let name = format!("flight-{} on key-{key} at {}.{:06} s", look.flight, at_us / S, at_us % S);
            // A copy that something else made and that the exchange took as well is charged, and nobody can know of it.
            let unknown = twice_us.is_some_and(|then_us| then_us + 60 * S > at_us);
            if look.entry.verdict.as_deref().is_some_and(|verdict| verdict.contains("Rate limit")) && !unknown
            {
                found.push(format!("{name}: the REST counter was exceeded"));
            }
            if look.refused() {
                let cause = self.cause(flight, look, &accepted, looks);
                match cause {
                    Some(mark) => self.seen.note(mark),
                    None => found.push(format!("{name}: an unexplained refusal of nonce {}", flight.nonce)),
                }
                continue;
            }
            if !look.accepted() {
                continue;
            }
            match by_nonce.insert(flight.nonce.0, look.flight) {
                Some(other) if other == look.flight => twice_us = Some(at_us),
                Some(other) => {
                    found.push(format!("{name}: nonce {} was taken of flight-{other} already", flight.nonce));
                }
                None => {}
            }
            let fence = look.entry.endpoint.as_deref() == Some("GetApiKeyInfo");
            if flight.tenure < fenced {
                found.push(format!("{name}: an older owner's request passed after a newer owner's fence"));
            }
            if flight.tenure > fenced {
                if fence && look.entry.verdict.as_deref() == Some("ok") {
                    fenced = flight.tenure;
                } else if !fence {
                    found.push(format!("{name}: a call passed before its owner's fence"));
                }
            }
            let lead_us =
                self.plan.keys[key].unit.to_us_ceil(flight.nonce).0.saturating_sub(EPOCH_US + at_us);
            let window_us = self.plan.keys[key].unit.ticks_to_us_ceil(self.plan.keys[key].window);
            let ahead_us = flight.tenure.map_or(0, |at| self.truth.tenures[key][at].ahead_us);
            if lead_us > LEAD_CAP_US + GRANT_TTL_US + GRANT_RESERVE_US + window_us + 3 * S + ahead_us {
                found.push(format!("{name}: its nonce is {} s ahead of the clock", lead_us / S));
            }
            accepted.push(look);
        }
    }

    /// A read is signed again once. Who asks for one that is refused a second time is told, in words that do not speak of
    /// nonces, to ask again; each of the two refusals must be explained as every other. A single refusal shows to nobody.
    fn judge_refused_twice(&self, entries: &[Entry], found: &mut Vec<String>) {
        let refused = entries.iter().filter(|entry| entry.verdict.as_deref() == Some(BAD_NONCE));
        let flights: BTreeSet<usize> = refused
            .map(|entry| self.deliveries[usize::try_from(entry.seq - 1).unwrap_or_default()].flight)
            .collect();
        let told = self.calls.iter().enumerate().filter(|(_, call)| call.told == Some(Told::RefusedTwice));
        for (number, _) in told {
            let copies = flights.iter().filter(|flight| self.flights[**flight].call == Some(number)).count();
            if copies < 2 {
                found.push(format!("the caller of call-{number} was told of a nonce that was refused once"));
            }
        }
    }

    /// Why a nonce was refused; `None` if nothing that was done explains it.
    fn cause(
        &self,
        flight: &Flight,
        look: &Judged<'_>,
        accepted: &[&Judged<'_>],
        looks: &[Judged<'_>],
    ) -> Option<Mark> {
        let window = self.plan.keys[flight.key].window;
        // Something higher passed before, or the same bytes did.
        let copy = looks.iter().any(|other| other.flight == look.flight && other.order < look.order);
        let above = |other: &&&Judged<'_>| {
            let nonce = self.flights[other.flight].nonce;
            nonce > flight.nonce && nonce.0 - flight.nonce.0 >= window
        };
        if copy {
            return Some(Mark::RefusedDuplicate);
        }
        let newer =
            accepted.iter().filter(above).any(|other| self.flights[other.flight].tenure > flight.tenure);
        let tenure = flight.tenure.map(|at| &self.truth.tenures[flight.key][at]);
        let leased = tenure.is_some_and(|t| flight.written_us.is_some_and(|at| at < t.lease_end_us));
        if flight.given_up_us.is_some_and(|at| at <= look.at_us())
            && accepted.iter().any(|other| above(&other))
        {
            return Some(Mark::RefusedAbandoned);
        }
        if newer && flight.adrift {
            return Some(Mark::RefusedAdrift);
        }
        (newer && (leased || flight.frozen)).then_some(Mark::RefusedTakeover)
    }

    /// One execution per request id at the most, and what callers were told of it.
    fn judge_acts(&mut self, entries: &[Entry], found: &mut Vec<String>) {
        let mut executed_us: BTreeMap<usize, u64> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.executed) {
            let number = usize::try_from(entry.seq - 1).unwrap_or_default();
            executed_us.insert(self.deliveries[number].flight, entry.auth_us.unwrap_or_default() - EPOCH_US);
        }
        let mut written: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, flight) in self.flights.iter().enumerate().filter(|(_, f)| f.written_us.is_some()) {
            if let Some(attempt) = flight.call.and_then(|call| self.calls[call].attempt.as_ref()) {
                written.entry(attempt.act).or_default().push(number);
            }
        }
        for (at, act) in self.acts.iter().enumerate() {
            let flights = written.get(&at).map_or(&[][..], Vec::as_slice);
            if flights.len() > 1 {
                found.push(format!("act-{at} was written more than once: flights {flights:?}"));
            }
            let executed = flights.iter().find(|flight| executed_us.contains_key(flight));
            for call in act.calls.iter().copied() {
                let settles =
                    matches!(self.calls[call].told, Some(Told::NotExecuted(Proof::ByKraken | Proof::Absent)));
                match (self.calls[call].told, executed) {
                    (Some(Told::Done), None) => {
                        found.push(format!("act-{at} was told to be done, and was not executed"));
                    }
                    // Any other refusal speaks of its own call alone.
                    (Some(Told::NotExecuted(why)), Some(flight))
                        if settles || self.flights[*flight].call == Some(call) =>
                    {
                        found.push(format!(
                            "the caller of act-{at} was told {why:?}, and flight-{flight} did it"
                        ));
                    }
                    _ => {}
                }
            }
            if act.last.is_none() && !self.waits_for_clock(at) {
                found.push(format!("act-{at}: its caller was never told for good"));
            }
        }
    }

    fn judge_told(&mut self, entries: &[Entry], found: &mut Vec<String>) {
        let mut executions: BTreeMap<usize, u64> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.executed) {
            let number = usize::try_from(entry.seq - 1).unwrap_or_default();
            if let Some(call) = self.flights[self.deliveries[number].flight].call
                && !self.calls[call].is_read()
            {
                *executions.entry(call).or_default() += 1;
            }
        }
        for (call, count) in executions {
            let Some(Told::NotExecuted(why)) = self.calls[call].told else {
                if count > 1 && self.calls[call].plan.want == Want::Place {
                    found.push(format!("call-{call} was executed {count} times"));
                }
                continue;
            };
            found.push(format!("the caller of call-{call} was told {why:?}, and it was executed"));
        }
    }
}
