//! Bounds in virtual time, and whether everything is well again after the faults.

use crate::calls::{Proof, Told};
use crate::plan::{ACCOUNTS, CHAOS_US, CallPlan, MS, OWNERS, S, Want};
use crate::seen::Mark;
use crate::world::{Event, World};

/// A crash is made good within this.
const TAKEOVER_US: u64 = 6 * S;
/// A planned hand-over takes this and two round trips.
const HAND_OVER_US: u64 = 100 * MS;
/// Nothing that hangs holds a cancel up for longer.
const CANCEL_US: u64 = 1_100 * MS;
/// Once nothing goes wrong any more every lane is open again within this,
const OPEN_US: u64 = 20 * S;
/// or within this if ranges lie so far ahead of the clock that a key rests.
const OPEN_FAR_US: u64 = 60 * S;

/// Something that must happen in time.
#[derive(Debug)]
pub(crate) struct Watch {
    key: usize,
    since_us: u64,
    limit_us: u64,
    mark: Mark,
}

impl World {
    /// Keys that are in use at a process.
    fn in_use(&self, slot: usize) -> Vec<usize> {
        let process = &self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let ready = |key: &usize| process.cells[*key].lane.snapshot(now).is_ready();
        (0..self.plan.keys.len()).filter(ready).collect()
    }

    fn watch(&mut self, slot: usize, limit_us: u64, mark: Mark) {
        let struck = |fault: &(u64, crate::plan::Fault)| fault.0 == self.t_us;
        let but = self.plan.faults.iter().position(struck).unwrap_or(usize::MAX);
        if self.plan.is_calm(self.t_us, self.t_us + limit_us, but) {
            for key in self.in_use(slot) {
                // A fence costs a point, and one is kept: the second of two in a row waits until the first has decayed.
                let point_us = 1_000 * S / self.plan.tier.decay_milli_per_s + S;
                let young =
                    self.truth.tenures[key].last().is_some_and(|t| t.opened_us + point_us > self.t_us);
                if young || self.raised.contains(&key) {
                    continue;
                }
                self.watches.push(Watch { key, since_us: self.t_us, limit_us, mark });
            }
        }
    }

    pub(crate) fn watch_takeover(&mut self, slot: usize) {
        self.watch(slot, TAKEOVER_US, Mark::TakeoverBound);
    }

    pub(crate) fn watch_hand_over(&mut self, slot: usize) {
        let round_trip_us = 2 * self.plan.net.high_us + 7 * MS;
        self.watch(slot, HAND_OVER_US + 2 * round_trip_us, Mark::HandOverBound);
    }

    /// A lane opened.
    pub(crate) fn opened(&mut self, slot: usize, key: usize) {
        self.note(Mark::FenceAccepted);
        let tenures = &mut self.truth.tenures[key];
        if let Some(newest) = tenures.last_mut() {
            newest.opened_us = self.t_us;
        }
        if let [.., before, _] = tenures.as_slice()
            && before.slot != slot
        {
            let mark = if before.released { Mark::HandOver } else { Mark::Takeover };
            self.note(mark);
        }
        while let Some(at) = self.watches.iter().position(|w| w.key == key) {
            let watch = self.watches.swap_remove(at);
            let took_us = self.t_us - watch.since_us;
            self.note(watch.mark);
            if took_us > watch.limit_us {
                let (took, limit) = (took_us / MS, watch.limit_us / MS);
                self.violate(format!("key-{key} was away for {took} ms, {limit} allowed ({})", watch.mark));
            }
        }
    }

    /// A cancel was queued: if nothing but a call in flight is in its way, it leaves in time.
    pub(crate) fn watch_cancel(&mut self, call: usize, slot: usize, key: usize) {
        let process = &self.procs[slot];
        let view = process.cells[key].lane.snapshot(process.clocks.mono(self.t_us));
        let alone = process.cells[key]
            .waiting
            .values()
            .all(|other| *other == call || self.calls[*other].plan.want != Want::Cancel);
        let well = self.plan.is_well(self.t_us, self.t_us + CANCEL_US);
        self.calls[call].cancel_watched = self.calls[call].plan.want == Want::Cancel
            && alone
            && view.is_ready()
            && view.in_flight > 0
            && well;
    }

    pub(crate) fn cancel_left(&mut self, flight: usize) {
        let Some(call) = self.flights[flight].call else { return };
        if !std::mem::take(&mut self.calls[call].cancel_watched) {
            return;
        }
        self.note(Mark::CancelBound);
        let waited_us = self.t_us - self.calls[call].submitted_us;
        if waited_us > CANCEL_US {
            self.violate(format!("a cancel waited {} ms behind a call in flight", waited_us / MS));
        }
    }

    /// Whether every key is in use at one process, and what became of the probes.
    pub(crate) fn look(&mut self) {
        if self.opened_us.is_none() {
            let mut used = vec![0_usize; self.plan.keys.len()];
            for slot in (0..OWNERS).filter(|slot| self.procs[*slot].up) {
                for key in self.in_use(slot) {
                    used[key] += 1;
                }
            }
            let waited_us = self.t_us - CHAOS_US;
            if used.iter().all(|count| *count == 1) {
                self.opened_us = Some(self.t_us);
                self.probe();
            } else {
                let far = self.seen.count(Mark::LeadGuard) > 0 || self.seen.count(Mark::Jumped) > 0;
                if waited_us > if far { OPEN_FAR_US } else { OPEN_US } {
                    self.violate(format!(
                        "{} s after the last fault keys are in use {used:?}",
                        waited_us / S
                    ));
                    self.over = true;
                }
            }
        } else if self.probes.iter().all(|probe| self.calls[*probe].told.is_some() || self.calls[*probe].left)
        {
            let mut again = false;
            for probe in self.probes.clone() {
                let call = &self.calls[probe];
                let plan = call.plan;
                let reached = match call.plan.want {
                    // There may be nothing to cancel; the exchange says so.
                    Want::Cancel => {
                        matches!(call.told, Some(Told::Done | Told::NotExecuted(Proof::ByKraken)))
                    }
                    _ => call.told == Some(Told::Done),
                };
                if !reached && call.began_us < self.opened_us.unwrap_or_default() + 10 * S {
                    // A key may be moving to a process that has just come: the caller tries again, as he is told to.
                    self.probes.retain(|other| *other != probe);
                    self.probe_with(CallPlan { at_us: self.t_us, ..plan });
                    again = true;
                    continue;
                }
                if !reached {
                    let (want, told) = (call.plan.want, call.told);
                    self.say_lanes();
                    self.violate(format!("after all faults, {want:?} is told {told:?}"));
                }
            }
            let (undecided, late) = self.undecided();
            if late > 0 {
                self.violate(format!("{late} intents are not decided long after their time"));
                self.over = true;
            }
            let mut rest: Vec<usize> = (0..self.acts.len()).collect();
            rest.retain(|act| self.acts[*act].last.is_none());
            let all_told = rest.iter().all(|act| self.waits_for_clock(*act));
            self.over |= !again && undecided == 0 && all_told;
        }
        for at in 0..self.watches.len() {
            if self.t_us > self.watches[at].since_us + self.watches[at].limit_us {
                let Watch { key, mark, .. } = self.watches[at];
                self.violate(format!("key-{key} did not come back ({mark})"));
                self.watches.clear();
                break;
            }
        }
        self.queue.push(self.t_us + 500 * MS, Event::Look);
    }

    /// How all lanes stand, for readers.
    fn say_lanes(&mut self) {
        for (slot, process) in self.procs.iter().enumerate() {
            for (key, cell) in process.cells.iter().enumerate() {
                self.trace.say(self.t_us, || format!("process {slot} key-{key}: {:?}", cell.lane));
            }
        }
    }

    fn probe(&mut self) {
        // Everybody who was not told for good asks again.
        for act in 0..self.acts.len() {
            if self.acts[act].last.is_none() {
                let plan = CallPlan { at_us: self.t_us, ..self.acts[act].plan };
                let call = self.add_attempt(plan, act);
                self.queue.push(self.t_us, Event::Call(call));
            }
        }
        for account in 0..ACCOUNTS.len() {
            for want in [Want::Balance, Want::Place, Want::Cancel] {
                self.probe_with(CallPlan { at_us: self.t_us, account, want, patience_us: 25 * S });
            }
        }
    }

    fn probe_with(&mut self, plan: CallPlan) {
        let call = self.add_call(plan);
        self.probes.push(call);
        self.queue.push(self.t_us, Event::Call(call));
    }
}
