//! What a process does with its grant: draw a nonce, write, give up what hangs.

use crate::config::{Config, Guard};
use crate::state::{Lane, Place, Process, Request, State, Who};

/// The nonce under which this process would write now, if it may.
pub(crate) fn draw(state: &State, who: Who, fence: bool, config: &Config) -> Option<u8> {
    let process = &state.processes[who.at()];
    let expected = if fence { Lane::Shut } else { Lane::Open };
    if process.epoch == 0
        || process.lane != expected
        || (!fence && process.calls == 0)
        || !state.has_room(config)
    {
        return None;
    }
    if config.has(Guard::LeaseCheck) && state.now >= process.lease {
        return None;
    }
    let clock = state.now.saturating_add_signed(config.skew[who.at()]);
    let lowest = if config.has(Guard::DrawAboveLast) { process.last + 1 } else { clock };
    let by_clock = lowest.max(clock);
    let nonce = match (fence, config.has(Guard::DrawBelowHi)) {
        // A fence goes to the begin of the range, so that nothing of the range is wasted below it.
        (true, _) => process.last + 1,
        (false, false) => by_clock,
        (false, true) if by_clock < process.hi => by_clock,
        (false, true) => lowest,
    };
    let inside = nonce < process.hi || !config.has(Guard::DrawBelowHi);
    (inside && has_room(state, who, nonce, config)).then_some(nonce)
}

fn has_room(state: &State, who: Who, nonce: u8, config: &Config) -> bool {
    if !config.has(Guard::SpanRule) {
        return true;
    }
    let blocks = |oldest: &Request| config.window == 0 || nonce >= oldest.nonce + config.window;
    !state.in_flight(who).any(blocks)
}

/// Writes a request under a nonce that [`draw`] gave.
pub(crate) fn write(state: &mut State, who: Who, fence: bool, nonce: u8) {
    let late = state.epochs > state.processes[who.at()].epoch;
    let process = &mut state.processes[who.at()];
    process.last = process.last.max(nonce);
    if fence {
        process.lane = Lane::Fencing;
    } else {
        process.calls -= 1;
    }
    let epoch = process.epoch;
    let waits = Some(who);
    state.write(Request { nonce, waits, epoch, fence, place: Place::Network, twin: false, late });
}

/// The answer at this place of the wire reaches whoever waits for it.
pub(crate) fn read_answer(state: &mut State, at: usize) {
    let Some(request) = state.wire[at].take() else { return };
    let Some(who) = request.waits else { return };
    give_up_copies(state, &request);
    let process = &mut state.processes[who.at()];
    if request.fence && process.epoch == request.epoch && process.lane == Lane::Fencing {
        match request.place {
            Place::Accepted => process.lane = Lane::Open,
            // Somebody is above us: the grant is worth nothing, ask anew.
            _ => process.epoch = 0,
        }
    }
}

/// Gives up a hung call. The lane goes on; a fence is repeated under a fresh nonce.
pub(crate) fn abandon(state: &mut State, at: usize) {
    let Some(request) = state.wire[at] else { return };
    let Some(who) = request.waits else { return };
    give_up_copies(state, &request);
    let process = &mut state.processes[who.at()];
    if request.fence && process.epoch == request.epoch && process.lane == Lane::Fencing {
        process.lane = Lane::Shut;
    }
}

/// One answer ends the wait for all copies of a request.
fn give_up_copies(state: &mut State, request: &Request) {
    for place in &mut state.wire {
        let same =
            |r: &Request| r.waits == request.waits && r.epoch == request.epoch && r.nonce == request.nonce;
        if place.as_ref().is_some_and(same) {
            *place = place.filter(|r| r.place == Place::Network).map(|r| Request { waits: None, ..r });
        }
    }
}

/// The process dies and restarts with an empty memory. Its calls were its callers': those not yet made are made later.
pub(crate) fn crash(state: &mut State, who: Who) {
    let Process { boot, calls, .. } = state.processes[who.at()];
    state.processes[who.at()] = Process { boot: boot + 1, calls, ..Process::default() };
    for place in &mut state.wire {
        if place.is_some_and(|r| r.waits == Some(who)) {
            *place = place.filter(|r| r.place == Place::Network).map(|r| Request { waits: None, ..r });
        }
    }
}
