//! Who may pass. The order of the checks, none of which Kraken documents, is fixed here: lockout, key, IP address,
//! expiry, readable body, signature, second factor, nonce, permission, REST counter. A nonce that passed is consumed
//! even if permission or counter refuse afterwards.

use super::Request;
use super::endpoints::{Act, EndpointRow, is_funding};
use super::keys::{KeyRing, KeyState, Otp};
use super::lockout::Offenders;
use super::nonce;
use super::refusal::Refusal;
use crate::options::{CostProfile, ReplayRule, Switches};
use crate::wire::params::{Malformed, Params};

/// Judges a private request; returns the index of its key.
pub(crate) fn judge(
    keys: &mut KeyRing,
    offenders: &mut Offenders,
    switches: &Switches,
    now_us: u64,
    endpoint: &EndpointRow,
    request: &Request,
    params: &Result<Params, Malformed>,
) -> Result<usize, Refusal> {
    if offenders.locked(switches.lockout, now_us, request.peer_ip) {
        return Err(Refusal::Lockout);
    }
    let result = identify(keys, switches, now_us, request, params);
    if matches!(result, Err(Refusal::InvalidKey | Refusal::InvalidSignature | Refusal::InvalidNonce)) {
        offenders.failed(switches.lockout, now_us, request.peer_ip);
    }
    let index = result?;
    let state = keys.get_mut(index);
    permit(state, endpoint)?;
    let cost = match switches.cost_profile {
        CostProfile::Documented => endpoint.cost,
        CostProfile::Conservative => endpoint.cost_conservative,
    };
    if state.counter.spend(now_us, switches.tier, cost) { Ok(index) } else { Err(Refusal::RateLimit) }
}

/// Everything up to the nonce.
fn identify(
    keys: &mut KeyRing,
    switches: &Switches,
    now_us: u64,
    request: &Request,
    params: &Result<Params, Malformed>,
) -> Result<usize, Refusal> {
    let index = request.api_key.as_deref().and_then(|key| keys.find(key)).ok_or(Refusal::InvalidKey)?;
    let state = keys.get_mut(index);
    if !state.allows(request.peer_ip) || state.is_expired(now_us) {
        return Err(Refusal::InvalidKey);
    }
    let params = params.as_ref().map_err(|_| Refusal::InvalidArguments(None))?;
    let text = nonce_text(request, params).ok_or(Refusal::InvalidNonce)?;
    let sign = request.api_sign.as_deref().unwrap_or_default();
    if !state.signer.verify(sign, &request.path, &request.query, text, &request.body) {
        return Err(Refusal::InvalidSignature);
    }
    second_factor(state, request.api_otp.as_deref().or_else(|| params.get("otp")), now_us)?;
    let refuse_replays = switches.replayed_nonce_in_window == ReplayRule::Refuse;
    let nonce = nonce::parse(text).ok_or(Refusal::InvalidNonce)?;
    if !state.nonce.accept(nonce, refuse_replays) {
        return Err(Refusal::InvalidNonce);
    }
    state.last_used_us = Some(now_us);
    Ok(index)
}

/// The digits that are hashed: a member of the body, or for Funding (Beta) a header.
pub(crate) fn nonce_text<'a>(request: &'a Request, params: &'a Params) -> Option<&'a str> {
    if is_funding(&request.path) { request.api_nonce.as_deref() } else { params.get("nonce") }
}

/// Reports say: a missing password is a missing permission, a needless one an invalid key. A code that was taken is used up
/// even if the nonce is refused afterwards.
fn second_factor(state: &mut KeyState, given: Option<&str>, now_us: u64) -> Result<(), Refusal> {
    let right = match (&state.key.otp, given) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(Refusal::InvalidKey),
        (Some(_), None) => false,
        (Some(Otp::Static(password)), Some(given)) => password == given,
        (Some(Otp::Totp(_)), Some(given)) => {
            state.codes.as_mut().is_some_and(|codes| codes.take(given, now_us / 1_000_000))
        }
    };
    if right { Ok(()) } else { Err(Refusal::PermissionDenied) }
}

fn permit(state: &KeyState, endpoint: &EndpointRow) -> Result<(), Refusal> {
    let enough = |all: &&[&str]| all.iter().all(|token| state.may(token));
    // What a cancel takes back decides what it needs, so its permission is judged where that is known.
    let later = endpoint.act == Act::WithdrawCancel;
    if later || endpoint.permissions.iter().any(enough) { Ok(()) } else { Err(Refusal::PermissionDenied) }
}
