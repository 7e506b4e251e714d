//! Forgets what can no longer matter, so that equal futures are equal states.
//!
//! Every line here is an argument: it drops only what no later step reads.

use crate::config::{Budget, Config, Guard};
use crate::exchange::is_dead;
use crate::state::{Data, Lane, Process, Reply, State};

pub(crate) fn tidy(state: &mut State, config: &Config) {
    let now = state.now;
    if now > config.faults_until {
        let Budget { duplicates, abandonments, .. } = state.budget;
        state.budget = Budget { duplicates, abandonments, ..Budget::default() };
    }
    // With the whole generation compared, a record that was lost or has come back names no owner any more.
    let compares =
        [Guard::Marker, Guard::ReplicationId, Guard::GenerationInScript].iter().all(|g| config.has(*g));
    let losing = state.budget.can_lose();
    if state.budget.promotions == 0 {
        state.store.copy = Data::default();
        state.budget.syncs = 0;
    } else if compares {
        forget_owner(&mut state.store.copy);
    }
    let data = &mut state.store.data;
    if data.expires <= now {
        data.expires = 0;
    }
    if data.granted {
        data.birth = 0;
    }
    if compares && (!data.granted || data.replication != state.store.replication) {
        forget_owner(data);
    }
    for at in 0..state.processes.len() {
        tidy_process(state, at, losing && !compares, losing, config);
    }
    let data = &mut state.store.data;
    let unread = data.owner.is_some_and(|(who, _)| state.processes[who.at()].held < data.epoch);
    if !unread && (compares || !losing) {
        data.lo = 0;
    }
    for at in 0..state.wire.len() {
        // An abandoned request that the exchange refuses in any case is as good as lost.
        if state.wire[at].is_some_and(|r| r.waits.is_none() && is_dead(state, r.nonce, config)) {
            state.wire[at] = None;
        }
    }
    state.wire.sort_unstable_by_key(|place| (place.is_none(), *place));
}

fn forget_owner(data: &mut Data) {
    *data = Data { owner: None, expires: 0, lo: 0, ..*data };
}

/// `returns`: the record may yet name an owner again that it does not name now. `losing`: floors may yet be needed.
fn tidy_process(state: &mut State, at: usize, returns: bool, losing: bool, config: &Config) {
    let now = state.now;
    let data = &state.store.data;
    let process = &mut state.processes[at];
    let mine = data.granted && data.owner.is_some_and(|(who, boot)| who.at() == at && boot == process.boot);
    let named = mine && data.epoch == process.epoch;
    if process.lease <= now {
        process.lease = 0;
    }
    if config.has(Guard::LeaseCheck) {
        // A lease that is over can only be renewed, and only while the record still names its owner.
        if process.reply.sent + config.ttl <= now && config.has(Guard::LeaseFromSending) {
            process.reply = Reply::default();
        }
        if process.lease == 0 && !(config.late_renewals && (named || returns)) {
            process.epoch = 0;
        }
    }
    if process.reply.lo == 0 && process.reply.epoch != process.epoch {
        process.reply = Reply::default();
    }
    let unread = mine && data.epoch > process.held;
    if !returns && !unread {
        process.held = if mine { data.epoch } else { 0 };
    }
    if process.epoch == 0 {
        let &mut Process { boot, held, reply, seen_hi, seen_at, looked, calls, .. } = process;
        *process = Process { boot, held, reply, seen_hi, seen_at, looked, calls, ..Process::default() };
        process.lane = Lane::Shut;
    }
    if !losing && data.granted && data.marker && data.replication == state.store.replication {
        (process.seen_hi, process.seen_at) = (0, 0);
    }
}
