//! Forgets what can no longer matter, so that equal futures are equal states.
//!
//! Every line here is an argument: it drops only what no later step reads.

use crate::config::{Config, Guard};
use crate::exchange::is_dead;
use crate::state::{Data, Lane, Process, Reply, State};

pub(crate) fn tidy(state: &mut State, config: &Config) {
    let now = state.now;
    if now > config.faults_until {
        let b = &mut state.budget;
        (b.flushes, b.promotions, b.syncs, b.crashes) = (0, 0, 0, [0, 0]);
    }
    if state.budget.promotions == 0 {
        state.store.copy = Data::default();
        state.budget.syncs = 0;
    }
    let losing = state.budget.can_lose();
    let data = &mut state.store.data;
    if data.expires <= now {
        data.expires = 0;
    }
    if data.granted {
        data.birth = 0;
    }
    let settled = !losing && data.granted && data.marker && data.replication == state.store.replication;
    if !losing && data.owner.is_none() {
        data.lo = 0;
    }
    for (at, process) in state.processes.iter_mut().enumerate() {
        if process.lease <= now {
            process.lease = 0;
        }
        if config.has(Guard::LeaseCheck) {
            // A lease that is over can only be renewed, and only while the record still names its owner.
            if process.reply.sent + config.ttl <= now && config.has(Guard::LeaseFromSending) {
                process.reply = Reply::default();
            }
            let owner = data.owner.is_some_and(|(who, boot)| who.at() == at && boot == process.boot);
            let named = owner && data.epoch == process.epoch;
            if process.lease == 0 && !(named && data.granted) && !losing {
                process.epoch = 0;
            }
        }
        if process.reply.lo == 0 && process.reply.epoch != process.epoch {
            process.reply = Reply::default();
        }
        if process.epoch == 0 {
            let &mut Process { boot, held, reply, seen_hi, seen_at, looked, calls, .. } = process;
            *process = Process { boot, held, reply, seen_hi, seen_at, looked, calls, ..Process::default() };
            process.lane = Lane::Shut;
        }
        let unread = data.owner.is_some_and(|(who, _)| who.at() == at) && data.epoch > process.held;
        if !losing && !unread {
            process.held = process.epoch.max(if data.owner.is_some_and(|(who, _)| who.at() == at) {
                data.epoch
            } else {
                0
            });
        }
        if settled {
            (process.seen_hi, process.seen_at) = (0, 0);
        }
    }
    for at in 0..state.wire.len() {
        // An abandoned request that the exchange refuses in any case is as good as lost.
        if state.wire[at].is_some_and(|r| r.waits.is_none() && is_dead(state, r.nonce, config)) {
            state.wire[at] = None;
        }
    }
    state.wire.sort_unstable_by_key(|place| (place.is_none(), *place));
}
