//! Asking Kraken what a key is: as the first call of every epoch, and again now and then.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::{MonoUs, Nonce, UnixUs, endpoint};
use tidegate_kraken::wire::{self, ApiKeyInfo, Time};
use tidegate_kraken::{KeyEffect, Params, Refusal, classify};
use tidegate_lanes::{End, KeyUse, LOOK_AGAIN_US, RECHECK_SOON_US, TicketId, Traffic};
use tracing::{Instrument, debug, error, info, info_span, warn};

use crate::flight::{Fault, Outgoing, learn, send};
use crate::lane_cell::LaneCell;
use crate::remarks;
use crate::verify::{Limits, Unfit, verify};

/// The longest verification.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A secret that does not fit its key is mended by a restart as a rule; and each look at it is one failed authentication of
/// this address.
const BAD_SIGNATURE_AGAIN_US: u64 = 3_600_000_000;

/// What was found.
enum Verdict {
    /// The key is what the configuration says, within these bounds.
    Fit { limits: Limits },
    /// It differs.
    Unfit(Unfit),
    /// Kraken does not accept it; look again after so long, if at all.
    Bad { reason: String, again_us: Option<u64> },
}

/// Asks Kraken what the key is, the first call of every epoch, and opens the lane or refuses the key.
pub(crate) async fn verification(cell: Arc<LaneCell>, nonce: Nonce, epoch: u64) {
    // Of no call: the one that woke the lane has nothing to do with it.
    let span = info_span!(parent: None, "verification", key = %cell.key.label, epoch);
    async {
        if !is_for_whom_it_is_shown_to(&cell, epoch).await {
            return;
        }
        if let Some(verdict) = ask(&cell, TicketId::VERIFICATION, nonce).await {
            conclude(&cell, epoch, verdict);
        }
    }
    .instrument(span)
    .await;
}

/// Asks again, in line with other calls, and closes the lane if the key has changed.
pub(crate) async fn recheck(cell: Arc<LaneCell>, nonce: Nonce, epoch: u64) {
    let span = info_span!(parent: None, "recheck", key = %cell.key.label, epoch);
    async {
        if let Some(verdict) = ask(&cell, TicketId::RECHECK, nonce).await {
            reconsider(&cell, epoch, verdict);
        }
    }
    .instrument(span)
    .await;
}

/// A key of the sandbox is shown to a sandbox only. `false` also while it is not known what answers.
async fn is_for_whom_it_is_shown_to(cell: &Arc<LaneCell>, epoch: u64) -> bool {
    if !cell.key.of_sandbox {
        return true;
    }
    let asked = cell.shared.rest.is_sandbox(TIMEOUT).await;
    match asked {
        Ok(true) => return true,
        Ok(false) => {
            cell.ended(TicketId::VERIFICATION, End::NotSent);
            let reason =
                "it is a key of the built-in sandbox, and what answers at kraken.rest_url is none".to_owned();
            conclude(cell, epoch, Verdict::Bad { reason, again_us: None });
        }
        Err(fault) => {
            cell.ended(TicketId::VERIFICATION, End::NotSent);
            warn!(key = %cell.key.label, error = %fault, "what answers at kraken.rest_url is not known yet; asking again");
        }
    }
    false
}

/// `None` where there is no clear answer, or one that the lane has dealt with already.
async fn ask(cell: &Arc<LaneCell>, ticket: TicketId, nonce: Nonce) -> Option<Verdict> {
    let label = &cell.key.label;
    let get_key_info = endpoint("GetApiKeyInfo")?;
    // Held until what the answer means for the address is known.
    let _turn = cell.shared.egress.turn().await;
    let call = Outgoing {
        ticket,
        nonce,
        endpoint: get_key_info,
        params: &Params::new(),
        total: TIMEOUT,
        traffic: Some(Traffic::Signed),
    };
    let reply = match send(cell, call).await {
        Ok(reply) => reply,
        Err(Fault::Held(error)) => {
            debug!(key = %label, error = %error, "the key is not verified yet");
            return None;
        }
        Err(fault) => {
            warn!(key = %label, error = fault.text(), "the key could not be verified; asking again");
            return None;
        }
    };
    let Some(refusal) = classify(&reply.errors).refusal else {
        return Some(match wire::read::<ApiKeyInfo>(reply.result.as_deref()) {
            Ok(info) => match verify(&cell.key, &info, cell.shared.clock.wall()) {
                Ok(limits) => {
                    look_for_others(cell, &info);
                    Verdict::Fit { limits }
                }
                Err(unfit) => Verdict::Unfit(unfit),
            },
            Err(shape) => {
                let reason = format!("Kraken's answer about it cannot be read: {shape}");
                Verdict::Bad { reason, again_us: Some(LOOK_AGAIN_US) }
            }
        });
    };
    learn(cell, get_key_info, ticket, &refusal);
    let again_us = match refusal.effect {
        // This step's code may have been used by the key's last owner, or by this process before it was started anew.
        KeyEffect::PermissionDenied if cell.key.has_codes() && is_first_refusal(cell) => {
            warn!(key = %label, "Kraken did not take the one-time code of the verification; asking again with the next one");
            return None;
        }
        // Kraken was seen to deny good keys for a moment; so the second look comes soon, and only the third later.
        KeyEffect::BadKey if cell.lock().refusals == 0 => RECHECK_SOON_US,
        KeyEffect::BadKey | KeyEffect::PermissionDenied => LOOK_AGAIN_US,
        KeyEffect::BadSignature => BAD_SIGNATURE_AGAIN_US,
        KeyEffect::BadNonce => return None,
        _ => {
            let Refusal { text, .. } = &refusal;
            warn!(key = %label, error = %text, "the key could not be verified; asking again");
            return None;
        }
    };
    let mut reason = format!("Kraken does not accept it: {}", refusal.text);
    if let Some(remark) = remarks::of_unaccepted(&cell.key, &cell.lock().limits, &refusal) {
        reason = format!("{reason}; {remark}");
    }
    Some(Verdict::Bad { reason, again_us: Some(again_us) })
}

/// Counts a refusal of the verification; `true` for the first in a row.
fn is_first_refusal(cell: &LaneCell) -> bool {
    let mut state = cell.lock();
    state.refusals += 1;
    state.refusals == 1
}

/// Compares what Kraken says of the key's use with our own.
fn look_for_others(cell: &LaneCell, info: &ApiKeyInfo) {
    let last_used = info.last_used.and_then(Time::unix_ns).map(|ns| UnixUs(ns / 1_000));
    let said = KeyUse { nonce: info.nonce, last_used };
    let words = cell.lock().lane.foreign_use(said, cell.shared.clock.mono());
    if let Some(words) = words {
        error!(key = %cell.key.label, "{words}");
    }
}

/// Opens the lane until the key expires, or refuses the key for the reason given.
fn conclude(cell: &Arc<LaneCell>, epoch: u64, verdict: Verdict) {
    let label = &cell.key.label;
    match verdict {
        Verdict::Fit { limits } => {
            let mut state = cell.lock();
            (state.limits, state.refusals) = (limits, 0);
            state.denials.forget();
            if state.lane.verified(epoch) {
                info!(key = %label, epoch, "the key is what the configuration says; its lane is open");
            }
        }
        Verdict::Unfit(unfit) => refuse(cell, &unfit.reason, Some(LOOK_AGAIN_US)),
        Verdict::Bad { reason, again_us } => refuse(cell, &reason, again_us),
    }
    cell.announce();
    cell.pump();
}

/// Leaves the lane open, or closes it. A key that can still cancel is not taken from those who have orders out: it goes into
/// quarantine, which lets cancels through and looks at the key again of itself.
fn reconsider(cell: &Arc<LaneCell>, epoch: u64, verdict: Verdict) {
    let now = cell.shared.clock.mono();
    match verdict {
        Verdict::Fit { limits } => {
            let mut state = cell.lock();
            (state.limits, state.refusals) = (limits, 0);
            state.lane.rechecked(epoch, now);
            return;
        }
        Verdict::Unfit(Unfit { reason, still_cancels: true }) => {
            let handed_back = {
                let mut state = cell.lock();
                if state.lane.epoch() != Some(epoch) {
                    return;
                }
                state.lane.quarantine(now, format!("it was changed at Kraken: {reason}"))
            };
            cell.hand_back(&handed_back);
        }
        Verdict::Unfit(unfit) => refuse(cell, &unfit.reason, Some(LOOK_AGAIN_US)),
        Verdict::Bad { reason, again_us } => refuse(cell, &reason, again_us),
    }
    cell.announce();
    cell.pump();
}

fn refuse(cell: &Arc<LaneCell>, reason: &str, again_us: Option<u64>) {
    let now: MonoUs = cell.shared.clock.mono();
    let handed_back = {
        let mut state = cell.lock();
        state.refusals += 1;
        match again_us {
            Some(us) => state.lane.refuse_until(now.plus_us(us), reason),
            None => state.lane.refuse(reason),
        }
    };
    let again_s = again_us.map(|us| us / 1_000_000);
    error!(key = %cell.key.label, reason, again_s, "the key is not used");
    cell.hand_back(&handed_back);
}
