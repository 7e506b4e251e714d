//! The steps of the world and the properties asked of it, for stateright's search.

use stateright::{Model, Property};

use crate::config::{Config, Guard};
use crate::exchange::{self, deliver};
use crate::liveness::can_open;
use crate::owner::{abandon, crash, draw, read_answer, write};
use crate::state::{Data, Lane, Place, Process, Request, State, Who};
use crate::store::{ask, notice, read_reply, release};
use crate::tidy::tidy;

/// No two different requests are executed under one nonce.
pub const ONE_PER_NONCE: &str = "one execution per nonce";
/// No request is executed twice.
pub const ONE_PER_REQUEST: &str = "one execution per request";
/// After a newer fence, no older request is accepted that was not yet authenticated.
pub const OLDER_DEAD: &str = "older epochs are dead";
/// In calm runs no nonce is refused.
pub const CALM: &str = "no refusal in calm runs";
/// Every refused nonce is an abandoned call's, a superseded owner's, or a copy's.
pub const EXPLAINED: &str = "every refusal is explained";
/// Once faults end, some owner can open the lane.
pub const CAN_OPEN: &str = "a lane can open";
/// The search reaches a lane that a second epoch has opened.
pub const SEES_TAKEOVER: &str = "sees a takeover";
/// The search reaches an open lane after the last loss.
pub const SEES_RECOVERY: &str = "sees a recovery";

/// One step. A pause is a process that takes none while time goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Time goes on.
    Tick,
    /// A process asks for the grant or renews it; the script runs at once, the answer travels.
    Ask(Who),
    /// The answer arrives. One that never does was lost, and the process asks again.
    ReadReply(Who),
    /// Only without [`Guard::GenerationInScript`]: a process reads the generation before it asks.
    Look(Who),
    /// Some other script of the store notices a change of generation.
    Notice,
    /// A process writes its fence.
    Fence(Who, u8),
    /// A process writes an ordinary call.
    Call(Who, u8),
    /// The request at this place reaches the exchange.
    Deliver(usize),
    /// The answer at this place reaches whoever waits.
    Answer(usize),
    /// The call at this place is given up.
    Abandon(usize),
    /// The network makes a copy of the request at this place.
    Duplicate(usize),
    /// A process dies and restarts.
    Crash(Who),
    /// An owner hands the key back.
    Release(Who),
    /// The replica catches up.
    Sync,
    /// The replica becomes the store: what came after the last [`Step::Sync`] is lost.
    Promote,
    /// The store loses everything.
    Flush,
}

impl Config {
    /// The state after a step; `None` if nothing changes.
    pub fn step_from(&self, before: &State, step: Step) -> Option<State> {
        let mut state = *before;
        match step {
            Step::Tick => state.now += 1,
            Step::Ask(who) => {
                ask(&mut state, who, self);
                if self.prompt_replies && state.processes[who.at()].reply.epoch > 0 {
                    read_reply(&mut state, who, self);
                }
            }
            Step::ReadReply(who) => read_reply(&mut state, who, self),
            Step::Look(who) => {
                if notice(&mut state, self) {
                    state.processes[who.at()].looked = true;
                }
            }
            Step::Notice => {
                notice(&mut state, self);
            }
            Step::Fence(who, nonce) => write(&mut state, who, true, nonce),
            Step::Call(who, nonce) => write(&mut state, who, false, nonce),
            Step::Deliver(at) => deliver(&mut state, at, self),
            Step::Answer(at) => read_answer(&mut state, at),
            Step::Abandon(at) => {
                state.budget.abandonments -= 1;
                abandon(&mut state, at);
            }
            Step::Duplicate(at) => {
                state.budget.duplicates -= 1;
                if let Some(request) = state.wire[at].as_mut() {
                    request.twin = true;
                    let copy = *request;
                    state.write(copy);
                }
            }
            Step::Crash(who) => {
                state.budget.crashes[who.at()] -= 1;
                crash(&mut state, who);
            }
            Step::Release(who) => {
                state.budget.releases -= 1;
                release(&mut state, who, self);
            }
            Step::Sync => {
                state.budget.syncs -= 1;
                state.store.copy = state.store.data;
            }
            Step::Promote => {
                state.budget.promotions -= 1;
                state.losses += 1;
                state.store.data = state.store.copy;
                state.store.replication += 1;
            }
            Step::Flush => {
                state.budget.flushes -= 1;
                state.losses += 1;
                state.store.data = Data::default();
            }
        }
        tidy(&mut state, self);
        (state != *before).then_some(state)
    }

    fn time_may_pass(&self, state: &State) -> bool {
        let hasty = |p: &Process| p.reply.epoch > 0 || (p.epoch > 0 && p.lease <= state.now + 1);
        state.now < self.end && !(self.calm && state.processes.iter().any(hasty))
    }

    fn steps_of(&self, state: &State, who: Who, steps: &mut Vec<Step>) {
        let process = &state.processes[who.at()];
        let budget = &state.budget;
        // A renewal in the tick of the last one changes nothing.
        if process.epoch == 0 || process.lease < state.now + self.ttl {
            if self.has(Guard::GenerationInScript) || process.looked {
                steps.push(Step::Ask(who));
            } else {
                steps.push(Step::Look(who));
            }
        }
        if process.reply.epoch > 0 {
            steps.push(Step::ReadReply(who));
        }
        steps.extend(draw(state, who, true, self).map(|nonce| Step::Fence(who, nonce)));
        steps.extend(draw(state, who, false, self).map(|nonce| Step::Call(who, nonce)));
        if budget.crashes[who.at()] > 0
            && (process.epoch > 0 || process.seen_at > 0 || process.reply.epoch > 0)
        {
            steps.push(Step::Crash(who));
        }
        let leaves = process.epoch > 0 && process.lease > 0 && process.reply.epoch == 0;
        if budget.releases > 0 && leaves && state.in_flight(who).next().is_none() {
            steps.push(Step::Release(who));
        }
    }

    fn steps_of_request(&self, state: &State, at: usize, request: &Request, steps: &mut Vec<Step>) {
        if request.place != Place::Network {
            steps.push(Step::Answer(at));
            return;
        }
        steps.push(Step::Deliver(at));
        let waits = request.waits.is_some();
        if waits && state.budget.abandonments > 0 && self.has(Guard::Abandonment) {
            steps.push(Step::Abandon(at));
        }
        if waits && state.budget.duplicates > 0 && !request.twin && state.has_room(self) {
            steps.push(Step::Duplicate(at));
        }
    }
}

impl Model for Config {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::first(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.broken > 0 {
            return; // The shortest way to the breach is found; nothing after it counts.
        }
        if self.time_may_pass(state) {
            steps.push(Step::Tick);
        }
        for who in Who::BOTH {
            self.steps_of(state, who, steps);
        }
        for (at, request) in state.wire.iter().enumerate() {
            let equal_before = at > 0 && state.wire[at - 1] == *request;
            if let Some(request) = request.as_ref().filter(|_| !equal_before) {
                self.steps_of_request(state, at, request, steps);
            }
        }
        let store = &state.store;
        if !store.data.marker || store.data.replication != store.replication {
            steps.push(Step::Notice);
        }
        if state.budget.syncs > 0 && store.copy != store.data {
            steps.push(Step::Sync);
        }
        if state.budget.promotions > 0 {
            steps.push(Step::Promote);
        }
        if state.budget.flushes > 0 {
            steps.push(Step::Flush);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        self.step_from(state, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::<Self>::always(ONE_PER_NONCE, |_, s| s.broken & exchange::NONCE_TWICE == 0),
            Property::<Self>::always(ONE_PER_REQUEST, |_, s| s.broken & exchange::REQUEST_TWICE == 0),
            Property::<Self>::always(OLDER_DEAD, |_, s| s.broken & exchange::DEAD_ACCEPTED == 0),
            Property::<Self>::always(CALM, |_, s| s.broken & exchange::CALM_REFUSED == 0),
            Property::<Self>::always(EXPLAINED, |_, s| s.broken & exchange::UNEXPLAINED == 0),
            Property::<Self>::sometimes(SEES_TAKEOVER, |_, s| is_open(s, 2)),
        ];
        if self.liveness {
            all.push(Property::always(CAN_OPEN, |config, s| can_open(s, config)));
        }
        if self.budget.can_lose() {
            all.push(Property::sometimes(SEES_RECOVERY, has_recovered));
        }
        all
    }
}

/// Whether a lane of at least this epoch is open.
fn is_open(state: &State, epoch: u8) -> bool {
    state.processes.iter().any(|p| p.epoch >= epoch && p.lane == Lane::Open)
}

/// Whether every loss that this search allows has happened, and the owner of a later grant has opened the lane.
fn has_recovered(config: &Config, state: &State) -> bool {
    let data = &state.store.data;
    let same = data.marker && data.granted && data.replication == state.store.replication;
    let open = |p: &Process| p.lane == Lane::Open && p.epoch == data.epoch;
    state.losses == config.budget.flushes + config.budget.promotions
        && same
        && state.processes.iter().any(open)
}
