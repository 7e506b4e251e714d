//! The scripts of the store. Each is one atomic step, and none waits.

use crate::config::{Config, Guard};
use crate::state::{Data, Lane, Reply, State, Store, Who};

/// No search comes near it; it keeps the arithmetic of broken variants inside a byte.
const NONCE_MAX: u8 = 200;

/// Compares the generation and begins a new one if a part has changed. `false`: the store answers nobody.
pub(crate) fn notice(state: &mut State, config: &Config) -> bool {
    let Store { data, replication, .. } = &mut state.store;
    let gone = !data.marker;
    if gone && !config.has(Guard::MarkerRewritten) {
        return false;
    }
    let lost = (gone && config.has(Guard::Marker))
        || (!gone && data.replication != *replication && config.has(Guard::ReplicationId));
    if lost {
        *data = Data { marker: true, replication: *replication, birth: state.now, granted: false, ..*data };
    } else if gone {
        // Without the comparison a store that forgot everything looks like a new one.
        *data = Data { marker: true, replication: *replication, granted: true, ..*data };
    }
    true
}

/// The grant script: renews, or takes a free key, or shows who has it.
pub(crate) fn ask(state: &mut State, who: Who, config: &Config) {
    // Who asks again has given up the answer before.
    state.processes[who.at()].reply = Reply::default();
    if config.has(Guard::GenerationInScript) {
        if !notice(state, config) {
            return;
        }
    } else {
        state.processes[who.at()].looked = false;
        let Store { data, replication, .. } = &mut state.store;
        // This script takes the record as it finds it.
        data.granted |= !data.marker || data.replication != *replication;
    }
    if state.processes[who.at()].epoch > 0 { renew(state, who, config) } else { take(state, who, config) }
}

fn renew(state: &mut State, who: Who, config: &Config) {
    let (now, process) = (state.now, &mut state.processes[who.at()]);
    let data = &mut state.store.data;
    let known = data.granted && data.owner == Some((who, process.boot)) && data.epoch == process.epoch;
    // The store forgot a live owner: it writes itself in again from memory.
    let forgotten = !data.granted && now < process.lease && data.epoch <= process.epoch;
    if !known && !forgotten {
        process.epoch = 0;
        return;
    }
    data.owner = Some((who, process.boot));
    data.epoch = process.epoch;
    data.granted = true;
    data.expires = now + config.ttl;
    data.hi = data.hi.max(process.hi).max(now + config.ttl + config.reserve);
    process.reply = Reply { epoch: process.epoch, lo: 0, hi: data.hi, sent: now };
}

fn take(state: &mut State, who: Who, config: &Config) {
    let (now, process) = (state.now, &mut state.processes[who.at()]);
    let data = &mut state.store.data;
    let me = (who, process.boot);
    if data.granted && data.expires > now && data.owner != Some(me) {
        return see(state, who, config);
    }
    if config.has(Guard::TakeRepeats) && data.granted && data.owner == Some(me) && data.epoch > process.held {
        data.expires = now + config.ttl;
        data.hi = data.hi.max(now + config.ttl + config.reserve);
        process.reply = Reply { epoch: data.epoch, lo: data.lo, hi: data.hi, sent: now };
        return;
    }
    let mut lo = now;
    if config.has(Guard::RecordFloor) && data.hi > 0 {
        let above = if config.has(Guard::WindowJump) { config.window + 1 } else { 0 };
        lo = lo.max(data.hi + above);
    }
    let mut jumps = false;
    if !data.granted {
        let jump = now + config.lead_cap + config.step();
        let floor = floor(process.seen_hi, process.seen_at, now, data.birth, config);
        let capped =
            config.has(Guard::FloorCapped) && floor.is_some_and(|floor| floor > now + config.lead_cap);
        jumps = (floor.is_none() || capped) && config.has(Guard::UnseenJump);
        let wait = if jumps { config.jump_wait() } else { config.recovery_wait() };
        if now < data.birth + wait {
            return see(state, who, config);
        }
        lo = lo.max(if jumps { jump } else { floor.unwrap_or(0) });
        if config.has(Guard::LossPad) {
            lo = lo.max(now + config.step());
        }
    }
    if config.has(Guard::LeadGuard) && !jumps && lo > now + config.lead_cap {
        return see(state, who, config);
    }
    if state.epochs == config.epochs_max {
        return; // A bound of the search, not of the protocol.
    }
    state.epochs += 1;
    let hi = data.hi.max(lo + config.ttl + config.reserve);
    let epoch = state.epochs;
    *data = Data { owner: Some(me), epoch, expires: now + config.ttl, lo, hi, granted: true, ..*data };
    process.reply = Reply { epoch, lo, hi, sent: now };
}

/// Above everything that can have been granted since this process saw the key; `None` if it has seen nothing that counts.
fn floor(seen_hi: u8, seen_at: u8, now: u8, birth: u8, config: &Config) -> Option<u8> {
    let young = seen_at + config.leases_end() > birth || !config.has(Guard::SightingsYoung);
    let blind = config.window > 0 && config.has(Guard::WindowJumps);
    if seen_at == 0 || !young || blind || !config.has(Guard::Sightings) {
        return None;
    }
    let unseen = 1 + (now - seen_at).div_ceil(config.ttl);
    Some(seen_hi.saturating_add(unseen.saturating_mul(config.step())).min(NONCE_MAX))
}

/// A refusal shows the record as well.
fn see(state: &mut State, who: Who, config: &Config) {
    let data = &state.store.data;
    if data.hi > 0 && (data.granted || !config.has(Guard::SightingsFrozen)) {
        let (hi, now) = (data.hi.max(state.now), state.now);
        let process = &mut state.processes[who.at()];
        (process.seen_hi, process.seen_at) = (hi, now);
    }
}

/// An answer of the store reaches its process.
pub(crate) fn read_reply(state: &mut State, who: Who, config: &Config) {
    let now = state.now;
    let process = &mut state.processes[who.at()];
    let reply = std::mem::take(&mut process.reply);
    let renewal = reply.lo == 0;
    if renewal && process.epoch != reply.epoch {
        return; // Of an epoch that it has given up since.
    }
    let from = if config.has(Guard::LeaseFromSending) { reply.sent } else { now };
    process.lease = process.lease.max(from + config.ttl);
    process.hi = process.hi.max(reply.hi);
    if process.epoch != reply.epoch {
        process.held = reply.epoch;
        (process.epoch, process.hi, process.last) = (reply.epoch, reply.hi, reply.lo - 1);
        process.lease = from + config.ttl;
        process.lane = Lane::Shut;
        if !config.has(Guard::Fence) {
            process.lane = Lane::Open;
            state.exchange.fenced = state.exchange.fenced.max(reply.epoch);
        }
    }
    // Its age counts from sending: what happened since is not in it.
    (process.seen_hi, process.seen_at) = (reply.hi.max(reply.sent), reply.sent);
}

/// The release script, called by an owner with nothing in flight.
pub(crate) fn release(state: &mut State, who: Who, config: &Config) {
    if !notice(state, config) {
        return;
    }
    let process = &mut state.processes[who.at()];
    let data = &mut state.store.data;
    if data.granted && data.owner == Some((who, process.boot)) && data.epoch == process.epoch {
        *data = Data { owner: None, expires: 0, hi: process.last + 1, ..*data };
    }
    process.epoch = 0;
}
