//! The exchange judges nonces as Kraken does, and the judge of the model looks over its shoulder.

use crate::config::{Config, Repeats};
use crate::state::{Place, Request, State, WINDOW_MAX};

/// Two different requests were executed under one nonce.
pub(crate) const NONCE_TWICE: u8 = 1;
/// One request was executed twice.
pub(crate) const REQUEST_TWICE: u8 = 2;
/// A request of an older epoch was accepted after a newer epoch was fenced or open.
pub(crate) const DEAD_ACCEPTED: u8 = 4;
/// A nonce was refused in a calm run.
pub(crate) const CALM_REFUSED: u8 = 8;
/// A nonce was refused without an abandonment, a takeover or a copy to explain it.
pub(crate) const UNEXPLAINED: u8 = 16;
/// What a refusal can break; the rest is broken by an acceptance.
pub(crate) const REFUSALS: u8 = CALM_REFUSED | UNEXPLAINED;

/// Whether the exchange refuses this nonce whatever else arrives.
pub(crate) fn is_dead(state: &State, nonce: u8, config: &Config) -> bool {
    nonce + config.window <= state.exchange.high
}

/// The request at this place of the wire reaches the exchange.
pub(crate) fn deliver(state: &mut State, at: usize, config: &Config) {
    let Some(request) = state.wire[at] else { return };
    let back = usize::from(state.exchange.high.saturating_sub(request.nonce));
    let inside = config.window > 0 && request.nonce <= state.exchange.high && back < WINDOW_MAX;
    let used = if inside { state.exchange.used[back] } else { None };
    let repeated = used.is_some() && config.repeats == Repeats::Refused;
    let place = if is_dead(state, request.nonce, config) || repeated {
        refuse(state, request, at, config);
        Place::Refused
    } else {
        accept(state, request, used, config);
        Place::Accepted
    };
    // Nobody reads an answer without a reader.
    state.wire[at] = request.waits.map(|_| Request { place, ..request });
}

fn refuse(state: &mut State, request: Request, at: usize, config: &Config) {
    let other_copy_waits = state.wire.iter().enumerate().any(|(i, other)| {
        i != at
            && other.is_some_and(|o| {
                o.epoch == request.epoch && o.nonce == request.nonce && o.place == Place::Network
            })
    });
    let abandoned = request.waits.is_none();
    let taken_over = state.exchange.newest > request.epoch && !request.late;
    let copy = request.twin && !other_copy_waits;
    if config.calm {
        state.broken |= CALM_REFUSED;
    } else if !abandoned && !taken_over && !copy {
        state.broken |= UNEXPLAINED;
    }
}

fn accept(state: &mut State, request: Request, used: Option<(u8, bool)>, config: &Config) {
    let exchange = &mut state.exchange;
    if let Some((epoch, twin)) = used {
        let same = epoch == request.epoch && twin && request.twin;
        state.broken |= if same { REQUEST_TWICE } else { NONCE_TWICE };
    }
    if request.epoch < exchange.fenced {
        state.broken |= DEAD_ACCEPTED;
    }
    let rise = usize::from(request.nonce.saturating_sub(exchange.high));
    for _ in 0..rise.min(WINDOW_MAX) {
        exchange.used.rotate_right(1);
        exchange.used[0] = None;
    }
    exchange.high = exchange.high.max(request.nonce);
    let back = usize::from(exchange.high - request.nonce);
    if back < usize::from(config.window) {
        exchange.used[back] = Some((request.epoch, request.twin));
    }
    exchange.newest = exchange.newest.max(request.epoch);
    if request.fence {
        exchange.fenced = exchange.fenced.max(request.epoch);
    }
}
