//! Whether the lane can be opened again from a state, if nothing fails any more.

use crate::config::{Budget, Config, Guard};
use crate::owner::{abandon, draw};
use crate::protocol::Step;
use crate::state::{Lane, Place, REQUESTS, Request, State, Who, Wire};
use crate::tidy::tidy;

/// Longer than any wait that the protocol knows: a grant, the waits after a loss, and the time until a lead has decayed.
const TICKS: u8 = 60;
/// More than an owner does in one tick: asks, reads, writes its fence, has it delivered, reads.
const STEPS_PER_TICK: u8 = 8;

/// Whether each of the owners, left alone and without faults, opens the lane within some time. What is on the wire hangs
/// for ever: a call that never ends must not stop anybody.
pub(crate) fn can_open(state: &State, config: &Config) -> bool {
    let unbounded = Config { epochs_max: u8::MAX, wire_max: REQUESTS, ..*config };
    Who::BOTH.into_iter().all(|who| opens(*state, who, &unbounded))
}

fn opens(mut state: State, who: Who, config: &Config) -> bool {
    state.budget = Budget::default();
    for at in 0..state.wire.len() {
        if config.has(Guard::Abandonment) {
            abandon(&mut state, at);
        }
    }
    // What nobody waits for, or the other owner, is as good as lost.
    state.wire.iter_mut().for_each(|place| *place = place.filter(|r| r.waits == Some(who)));
    let hung = state.wire;
    for _ in 0..TICKS {
        for _ in 0..STEPS_PER_TICK {
            if is_served(&state, who, config) {
                return true;
            }
            let Some(step) = next(&state, who, &hung, config) else { break };
            state = config.step_from(&state, step).unwrap_or(state);
        }
        state.now += 1;
        tidy(&mut state, config);
    }
    false
}

/// The lane is open and its next call would not wait for one that hangs.
fn is_served(state: &State, who: Who, config: &Config) -> bool {
    let process = &state.processes[who.at()];
    process.lane == Lane::Open && state.now < process.lease && {
        let mut asks = *state;
        asks.processes[who.at()].calls = 1;
        draw(&asks, who, false, config).is_some()
    }
}

/// What a careful owner does next.
fn next(state: &State, who: Who, hung: &Wire, config: &Config) -> Option<Step> {
    let process = &state.processes[who.at()];
    if process.reply.epoch > 0 {
        return Some(Step::ReadReply(who));
    }
    let answered = |r: &Request| r.place != Place::Network;
    if let Some(at) = position(state, answered) {
        return Some(Step::Answer(at));
    }
    if process.epoch == 0 || state.now >= process.lease {
        let looks = !config.has(Guard::GenerationInScript) && !process.looked;
        return Some(if looks { Step::Look(who) } else { Step::Ask(who) });
    }
    let arrives = |r: &Request| r.fence && !hung.contains(&Some(*r));
    let fence = position(state, arrives).map(Step::Deliver);
    fence.or_else(|| draw(state, who, true, config).map(|nonce| Step::Fence(who, nonce)))
}

fn position(state: &State, wanted: impl Fn(&Request) -> bool) -> Option<usize> {
    state.wire.iter().position(|place| place.as_ref().is_some_and(&wanted))
}
