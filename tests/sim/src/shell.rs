//! The executor's shell around its machines, as thin as in the product: it performs the lane's steps and the keeper's
//! errands. What is modelled here is `services/executor/src/{lane_cell,keep}.rs`.

use tidegate_core::MonoUs;
use tidegate_lanes::{End, GrantReply, Intent, Step, Ticket, TicketId};

use crate::calls::{Landed, Proof};
use crate::plan::{Act, EPOCH_US, MS, OWNERS, S};
use crate::process::Process;
use crate::seen::Mark;
use crate::world::{Ask, Errand, Event, World};
use tidegate_lanes::{Errand as Do, Heard};

/// A command to the store is given up after so long (the product's default).
const STORE_TIMEOUT_US: u64 = 250 * MS;
/// A shell that takes more steps than this at one moment turns in circles.
const STEPS_MAX: usize = 10_000;

/// What the lane's own task has to do next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    At(MonoUs),
    Woken,
    Grant,
}

impl World {
    /// Wakes the tasks of a process that begins.
    pub(crate) fn start(&mut self, slot: usize) {
        for key in 0..self.plan.keys.len() {
            let at_us = self.t_us + self.rng.within(0, 20 * MS);
            self.wake_at(slot, key, at_us);
        }
        let life = self.procs[slot].life;
        self.queue.push(self.t_us + S, Event::Resolve { slot, life });
    }

    pub(crate) fn restart(&mut self, slot: usize) {
        self.lives += 1;
        let drift_ppm = self.rng.around_zero(200);
        let life = self.lives;
        self.procs[slot] = Process::start(&self.plan, slot, life, self.t_us, drift_ppm);
        self.trace.event(self.t_us, "start", slot as u64, life);
        self.trace.say(self.t_us, || format!("process {slot} starts as life {life}"));
        self.start(slot);
    }

    pub(crate) fn wake_at(&mut self, slot: usize, key: usize, at_us: u64) {
        let process = &mut self.procs[slot];
        process.cells[key].wake += 1;
        let (life, wake) = (process.life, process.cells[key].wake);
        self.queue.push(at_us.max(self.t_us), Event::Tend { slot, life, key, wake });
    }

    /// Performs the lane's steps until it has to wait.
    pub(crate) fn pump(&mut self, slot: usize, key: usize) -> Next {
        for _ in 0..STEPS_MAX {
            let process = &mut self.procs[slot];
            let (now, wall) = (process.clocks.mono(self.t_us), process.clocks.wall(self.t_us));
            let cell = &mut process.cells[key];
            let findings = cell.lane.take_findings();
            let step = cell.lane.next(now, wall);
            if let Some(why) = findings.and_then(|findings| findings.quarantined) {
                self.violate(format!("process {slot} closes key-{key}: {why}"));
            }
            let cell = &mut self.procs[slot].cells[key];
            match step {
                Step::Send { ticket, nonce } => match cell.waiting.remove(&ticket.id) {
                    Some(call) => self.take_off(slot, key, Some(call), ticket.id, ticket.priority, nonce),
                    None => {
                        cell.lane.ended(ticket.id, now, End::NotSent);
                    }
                },
                Step::Verify { nonce, .. } => self.verify(slot, key, nonce),
                // One is due every hour, which only the longest runs see.
                Step::Recheck { nonce, .. } => self.recheck(slot, key, nonce),
                Step::Expired(ticket) => {
                    let call = cell.waiting.remove(&ticket.id);
                    self.note(Mark::Expired);
                    if let Some(call) = call {
                        self.land(call, slot, key, Landed::Unsent(Proof::Late));
                    }
                }
                Step::Abandon(ticket) => self.abandoned(slot, key, ticket),
                Step::WaitUntil(at) => return Next::At(at),
                Step::Idle => return Next::Woken,
                Step::NeedsGrant => return Next::Grant,
            }
        }
        self.violate(format!("the lane of key-{key} at process {slot} turns in circles"));
        self.over = true;
        Next::Woken
    }

    /// A call in flight ended; the next one may go. `false` if the lane had given it up before.
    pub(crate) fn ended(&mut self, slot: usize, key: usize, ticket: TicketId, end: End) -> bool {
        let process = &mut self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let lane = &mut process.cells[key].lane;
        let (in_time, draining) = (lane.ended(ticket, now, end), lane.is_draining());
        if self.pump(slot, key) != Next::Woken || draining {
            self.wake_at(slot, key, self.t_us);
        }
        in_time
    }

    /// Something changed in a lane: its steps are performed, and its task looks again.
    pub(crate) fn stir(&mut self, slot: usize, key: usize) {
        if self.pump(slot, key) != Next::Woken {
            self.wake_at(slot, key, self.t_us);
        }
    }

    pub(crate) fn hand_back(&mut self, slot: usize, key: usize, tickets: &[Ticket]) {
        for ticket in tickets {
            if let Some(call) = self.procs[slot].cells[key].waiting.remove(&ticket.id) {
                self.note(Mark::HandedBack);
                self.land(call, slot, key, Landed::Unsent(Proof::Moved));
            }
        }
    }

    /// The lane's own task takes a turn.
    pub(crate) fn tend(&mut self, slot: usize, key: usize) {
        if self.procs[slot].cells[key].busy || self.procs[slot].cells[key].gone {
            return;
        }
        let next = self.pump(slot, key);
        let process = &mut self.procs[slot];
        let (now, wall) = (process.clocks.mono(self.t_us), process.clocks.wall(self.t_us));
        let cell = &mut process.cells[key];
        let pressing = next == Next::Grant;
        let mut handed_back = Vec::new();
        let errand = cell.keeper.next(&mut cell.lane, now, wall, pressing, &mut handed_back);
        if !handed_back.is_empty() {
            self.hand_back(slot, key, &handed_back);
        }
        match errand {
            Do::Ask(request) => self.ask(slot, key, Ask::Grant(Box::new(request))),
            Do::GiveBack(release) => {
                let (life, epoch) = (self.procs[slot].life, release.released.epoch);
                if let Some(at) = self.truth.find(key, slot, life, epoch) {
                    self.truth.tenures[key][at].released = true;
                }
                self.ask(slot, key, Ask::Release(Box::new(release)));
            }
            Do::WaitUntil(_) if self.procs[slot].cells[key].noticed => self.notice(slot, key),
            Do::WaitUntil(at) => {
                let process = &self.procs[slot];
                let lane_at = match next {
                    Next::At(at) => Some(at),
                    Next::Woken | Next::Grant => {
                        process.cells[key].lane.earliest_deadline().map(|deadline| deadline.plus_us(1))
                    }
                };
                let at_us = process.clocks.true_us(lane_at.map_or(at, |lane| lane.min(at)));
                // A step that is due already and was not taken is not due.
                self.wake_at(slot, key, at_us.max(self.t_us + 1));
            }
            Do::Gone => {
                self.procs[slot].cells[key].gone = true;
                self.exit_if_done(slot);
            }
        }
    }

    fn ask(&mut self, slot: usize, key: usize, ask: Ask) {
        let errand = self.errands.len();
        let life = self.procs[slot].life;
        self.procs[slot].cells[key].busy = true;
        let (sent_us, kind) = (self.t_us, if matches!(ask, Ask::Grant(_)) { "ask" } else { "give back" });
        self.trace.event(sent_us, kind, slot as u64, key as u64);
        let wall_off_us = self.procs[slot].clocks.wall_off_us;
        self.errands.push(Errand { slot, life, key, sent_us, wall_off_us, ask, answer: None, over: false });
        if self.store_reached(slot) {
            let way_us = self.store_way_us();
            self.queue.push(sent_us + way_us, Event::StoreAct(errand));
        }
        self.queue.push(sent_us + STORE_TIMEOUT_US, Event::StoreTimeout(errand));
        if matches!(&self.errands[errand].ask, Ask::Grant(request) if request.terms.intent == Intent::Take) {
            self.takes(slot);
        }
        self.freeze_at(slot, Act::Ask);
    }

    pub(crate) fn store_act(&mut self, number: usize) {
        let errand = &mut self.errands[number];
        let (slot, life, key) = (errand.slot, errand.life, errand.key);
        let mut notice = false;
        match &errand.ask {
            Ask::Grant(request) => {
                let Some(answer) = self.store.grant(self.t_us, request) else {
                    self.violations.push("the store refused a number".to_owned());
                    return;
                };
                let intent = request.terms.intent;
                let given = match answer.reply {
                    GrantReply::Granted { epoch, first_of_epoch, store_now_us, .. } => {
                        Some((epoch, first_of_epoch, store_now_us.saturating_sub(EPOCH_US + self.t_us)))
                    }
                    _ => None,
                };
                let generation = answer.sight.as_ref().map(|sight| sight.generation.clone());
                let generation = generation.unwrap_or_default();
                self.trace.say(self.t_us, || {
                    format!(
                        "store: process {slot} key-{key} {intent:?} -> {:?} [{}]",
                        answer.reply, generation
                    )
                });
                let forgot = answer.sight.is_some()
                    && request.terms.known_generation.as_ref().is_some_and(|known| *known != generation);
                let marks = marks_of(request, &answer.reply, forgot);
                errand.answer = Some(answer);
                if !generation.is_empty() {
                    self.in_generation(key, &generation);
                }
                for mark in marks {
                    self.note(mark);
                }
                if let Some((epoch, first, ahead_us)) = given {
                    let new = self.truth.given(key, (slot, life), (epoch, first), ahead_us);
                    if !new && intent == Intent::Take {
                        self.note(Mark::GrantRepeated);
                    }
                }
            }
            Ask::Release(release) => {
                notice = self.store.release(self.t_us, release);
                self.trace.say(self.t_us, || format!("store: process {slot} gives key-{key} back: {notice}"));
            }
        }
        self.trace.event(self.t_us, "store", slot as u64, key as u64);
        if notice {
            self.tell_of_release(key);
        }
        if !self.store_answers_lost() {
            let way_us = self.store_way_us();
            self.queue.push(self.t_us + way_us, Event::StoreAnswer(number));
        }
    }

    fn tell_of_release(&mut self, key: usize) {
        for slot in 0..OWNERS {
            if self.notices_reach(slot) {
                let (life, way_us) = (self.procs[slot].life, self.store_way_us());
                self.queue.push(self.t_us + way_us, Event::Notice { slot, life, key });
            }
        }
    }

    pub(crate) fn notice(&mut self, slot: usize, key: usize) {
        let process = &mut self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let cell = &mut process.cells[key];
        // The task of the lane hears of notices only while it waits for nothing else.
        cell.noticed = cell.busy;
        if !cell.busy {
            cell.keeper.noticed(now);
            self.wake_at(slot, key, self.t_us);
        }
    }

    pub(crate) fn store_answer(&mut self, number: usize) {
        let errand = &mut self.errands[number];
        if std::mem::replace(&mut errand.over, true) {
            return;
        }
        let (slot, key, sent_us, wall_off_us) = (errand.slot, errand.key, errand.sent_us, errand.wall_off_us);
        let answer = errand.answer.take();
        let process = &mut self.procs[slot];
        let clocks = process.clocks;
        let (now, wall) = (clocks.mono(self.t_us), clocks.wall(self.t_us));
        let life = process.life;
        let cell = &mut process.cells[key];
        cell.busy = false;
        cell.unanswered = false;
        let Some(answer) = answer else {
            cell.keeper.given_back(now);
            self.wake_at(slot, key, self.t_us);
            return;
        };
        if let GrantReply::Granted { epoch, .. } = answer.reply
            && let Some(at) = self.truth.find(key, slot, life, epoch)
        {
            let tenure = &mut self.truth.tenures[key][at];
            // What the store thinks; the owner has to stop a tenth earlier.
            tenure.lease_end_us = tenure.lease_end_us.max(sent_us + 5 * S);
        }
        self.hear(slot, key, sent_us, &answer);
        let cell = &mut self.procs[slot].cells[key];
        let heard = cell.keeper.answered(&mut cell.lane, clocks.mono(sent_us), now, wall, answer);
        let Heard { handed_back, forgot, refused, .. } = heard;
        if forgot.is_some() {
            self.note(Mark::NewGeneration);
        }
        if refused.is_some() && clocks.wall_off_us == wall_off_us {
            // The store looks at the clocks first; but one may jump while the answer is on its way.
            self.violate(format!("process {slot} was granted a range of key-{key} that it refuses"));
        }
        self.hand_back(slot, key, &handed_back);
        self.pump(slot, key);
        self.wake_at(slot, key, self.t_us);
    }

    pub(crate) fn store_timeout(&mut self, number: usize) {
        let errand = &mut self.errands[number];
        if std::mem::replace(&mut errand.over, true) {
            return;
        }
        let (slot, key) = (errand.slot, errand.key);
        let released = matches!(errand.ask, Ask::Release(_));
        self.note(Mark::Unanswered);
        let process = &mut self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let cell = &mut process.cells[key];
        cell.busy = false;
        if released {
            cell.keeper.given_back(now);
        } else {
            cell.unanswered = true;
            cell.keeper.unanswered(&mut cell.lane, now);
        }
        self.wake_at(slot, key, self.t_us);
    }
}

fn marks_of(request: &tidegate_lanes::GrantRequest, reply: &GrantReply, forgot: bool) -> Vec<Mark> {
    let mut marks = Vec::new();
    let terms = &request.terms;
    match reply {
        GrantReply::Granted { first_of_epoch: false, .. } => {
            marks.push(if forgot { Mark::WroteItselfIn } else { Mark::Renewed });
        }
        GrantReply::Granted { lo_us, store_now_us, .. } => {
            if lo_us.saturating_sub(*store_now_us) > tidegate_lanes::LEAD_CAP_US {
                marks.push(Mark::Jumped);
            } else if terms.recovery_floor_us.is_some_and(|floor| floor == *lo_us) {
                marks.push(Mark::FloorFromSighting);
            }
        }
        GrantReply::Lost { .. } => marks.push(Mark::RenewalLost),
        GrantReply::Recovering { .. } => marks.push(Mark::Recovering),
        GrantReply::Skewed { .. } => marks.push(Mark::Skewed),
        GrantReply::TooFarAhead { .. } => marks.push(Mark::LeadGuard),
        GrantReply::Held { .. } | GrantReply::Free { .. } => {}
    }
    marks
}
