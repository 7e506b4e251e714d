//! What became of every act that a caller asked for: at most one execution per request id.
//!
//! *The idea.* Before a call that changes something is sent, its request id is *claimed* in the store, together with how it
//! can be found at Kraken and until when Kraken's engine may execute it. Whoever claims an id that is known is told what
//! is known of it and sends nothing. A claim is deleted only by whoever made it, and only while no byte was written; from then
//! on it ends with what Kraken said, or with a *verdict* of whoever looked at Kraken. "Executed" may replace any other
//! verdict, and nothing replaces it.
//!
//! A store may lose its memory ([`crate::Generation`]). An id that was born before the present generation may have had a claim
//! that was lost: it is never sent, only looked up, and its absence counts only when every order that could still come has
//! come (DESIGN section 6; model F1 to F5). A generation is begun by whoever asks for a grant, because he and the store compare
//! their clocks there; a claim that finds none is not made. One that a claim began while the store's clock was behind would be
//! older than the ids whose claims it has lost, and such an id would be sent twice (found by the simulation).
//!
//! [`apply_claim`], [`apply_settle`], [`apply_wish`] and [`apply_withdraw`] are pure. The store in memory runs them; `scripts/intent-2.lua`
//! mirrors them, and a test runs both on the same random histories.

mod look;
#[cfg(test)]
mod tests;
mod types;

pub use self::look::Pace;
pub use self::types::{
    Claim, ClaimReply, HALT_REASON_BYTES_MAX, HANDLE_BYTES_MAX, HaltScope, IntentKey, IntentRecord,
    IntentState, KEPT_US, NOTE_BYTES_MAX, OUTCOME_BYTES_MAX, OpenIntents, Settle, Settled, Wanted, Wish,
    Withdraw,
};
use crate::grant::{Generation, GrantError, STORE_INT_MAX, StoreNow};
use crate::guards::{Guard, on};
use crate::queue::Priority;

/// Ids born this long after a generation can have no lost claim: 5 s that an id may be ahead, 1 s between clocks, and 9 s for
/// which a primary that was replaced may go on answering (DESIGN section 6; model F5).
pub(crate) const MAY_BE_LOST_US: u64 = 15_000_000;
/// How far ahead of the store's clock an id may be born.
pub(crate) const AHEAD_MAX_US: u64 = 5_000_000;
/// The oldest id that is taken.
pub(crate) const AGE_MAX_US: u64 = 24 * 60 * 60 * 1_000_000;
/// The longest time for which an order of a lost claim may still be executed: Kraken's longest deadline.
pub(crate) const LOST_DEADLINE_US: u64 = 60_000_000;
/// How far ahead of the store's clock an act may still be executed: a minute that its caller may wait, Kraken's longest deadline,
/// and clocks that differ. A claim that says more comes from a clock that is wrong, and would be looked for until that time.
pub(crate) const NOT_AFTER_MAX_US: u64 = 125_000_000;
/// By how much the clocks of a claimant and of the store may seem to differ for what he claims to be sent: what grants allow,
/// and as much for the way. The margin of [`SETTLE_MARGIN_US`] contains it many times over.
pub const CLAIM_SKEW_MAX_US: u64 = 2_000_000;
/// After the last moment of an execution: until it shows in what Kraken answers, and for clocks that differ.
pub const SETTLE_MARGIN_US: u64 = 30_000_000;

/// What one claim did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedClaim {
    /// The answer.
    pub reply: ClaimReply,
    /// The record to write, if it changes.
    pub record: Option<IntentRecord>,
}

/// Decides one claim. Nothing is written for an id that is known. `halt` is the reason for which the account is halted.
pub fn apply_claim(
    generation: Option<&Generation>,
    record: Option<&IntentRecord>,
    halt: Option<&str>,
    claim: &Claim,
    now: StoreNow<'_>,
) -> Result<AppliedClaim, GrantError> {
    let far = now.us.saturating_add(AGE_MAX_US);
    let too_far =
        [now.us, far, claim.born_us, claim.not_after_us].iter().any(|n| *n > STORE_INT_MAX - AGE_MAX_US);
    if too_far || claim.handle.len() > HANDLE_BYTES_MAX {
        return Err(GrantError);
    }
    let current = generation.filter(|g| g.replication_id == now.replication_id);
    let applied = |reply, record| Ok(AppliedClaim { reply, record });
    if let Some(known) = live(record, now.us).filter(|_| on(Guard::ClaimOnce)) {
        if let Some(generation) = current
            && known.token == claim.token
            && known.state == IntentState::Claimed
        {
            // The answer to this very claim was lost.
            return applied(claimed(generation, now.us), None);
        }
        return applied(ClaimReply::Known(Box::new(known.clone())), None);
    }
    if let Some(reason) = halt.filter(|_| !claim.cancels) {
        return applied(ClaimReply::Halted { reason: reason.to_owned() }, None);
    }
    let Some(generation) = current else { return applied(ClaimReply::NoGeneration, None) };
    if !claim.cancels && now.us.abs_diff(claim.caller_now_us) > CLAIM_SKEW_MAX_US {
        return applied(ClaimReply::Skewed { store_now_us: now.us }, None);
    }
    if claim.not_after_us > now.us + NOT_AFTER_MAX_US {
        return applied(ClaimReply::TooFar { store_now_us: now.us }, None);
    }
    if claim.born_us > now.us + AHEAD_MAX_US {
        return applied(ClaimReply::Unborn { store_now_us: now.us }, None);
    }
    if claim.born_us + AGE_MAX_US < now.us {
        return applied(ClaimReply::TooOld { store_now_us: now.us }, None);
    }
    // One that is said to begin later than now began while a clock ran ahead ([`Generation`]).
    let began_us = generation.born_us.min(now.us);
    let may_be_lost = !generation.fresh && claim.born_us < began_us + MAY_BE_LOST_US;
    let mut written = IntentRecord::of(claim, generation, now.us);
    if may_be_lost && on(Guard::MayBeLost) {
        let latest = claim.born_us.max(began_us + MAY_BE_LOST_US);
        written.state = IntentState::Lost;
        written.token = String::new();
        written.not_after_us = latest + LOST_DEADLINE_US;
        written.absent_after_us = if claim.findable { written.not_after_us + SETTLE_MARGIN_US } else { 0 };
        return applied(ClaimReply::Known(Box::new(written.clone())), Some(written));
    }
    applied(claimed(generation, now.us), Some(written))
}

/// Decides what is written of an outcome: the record, or `None` with the reason.
///
/// An outcome of the sender itself whose claim the store has lost is written as a new record: so that whoever asks again is
/// told, although nothing else is known.
pub fn apply_settle(
    generation: Option<&Generation>,
    record: Option<&IntentRecord>,
    settle: &Settle,
    now: StoreNow<'_>,
) -> Result<(Settled, Option<IntentRecord>), GrantError> {
    let long = settle.outcome.len() > OUTCOME_BYTES_MAX
        || settle.note.len() > NOTE_BYTES_MAX
        || settle.claim.handle.len() > HANDLE_BYTES_MAX;
    if now.us > STORE_INT_MAX || long {
        return Err(GrantError);
    }
    let current = generation.filter(|g| g.replication_id == now.replication_id);
    let known = live(record, now.us);
    if let Some(expected) = &settle.generation {
        // A verdict is worth nothing if the store has lost its memory since whoever gives it looked.
        // (Nothing of the simulation misses this rule: the token and "an id that may be lost is never sent" carry it. It stays,
        // because it is the one that does not depend on them.)
        if current.is_none_or(|g| g.marker != *expected) || known.is_none() {
            return Ok((Settled::Stale, None));
        }
    }
    let Some(known) = known else {
        let marker = current.map_or_else(String::new, |g| g.marker.clone());
        let mut written = IntentRecord::under(&settle.claim, marker, now.us);
        written.settle(settle, now.us);
        return Ok((Settled::Written, Some(written)));
    };
    let proof = matches!(settle.state, IntentState::Executed | IntentState::Refused);
    let ours = known.token == settle.claim.token;
    // Of a claim that was lost only the sender's proofs are news.
    let may_say =
        ours || settle.state == IntentState::Executed || (known.state == IntentState::Lost && proof);
    let open = !known.state.is_final();
    let replaces = open || (settle.state == IntentState::Executed && known.state != IntentState::Executed);
    if !may_say || !replaces || known.content != settle.claim.content {
        return Ok((Settled::Kept(Box::new(known.clone())), None));
    }
    let mut written = known.clone();
    written.settle(settle, now.us);
    let settled = if open { Settled::Written } else { Settled::Replaced(Box::new(known.clone())) };
    Ok((settled, Some(written)))
}

/// Decides what a wish does: the record as it is then, or `None` if the intent is not known.
pub fn apply_wish(record: Option<&IntentRecord>, wish: Wish, now_us: u64) -> Option<IntentRecord> {
    let known = live(record, now_us)?;
    Some(IntentRecord { wish: known.wish.max(wish), ..known.clone() })
}

/// Whether a claim may be deleted: by whoever made it, while nothing was written to Kraken under it.
/// (The simulation has met nothing that misses the token: a second claim whose sender dies while the first is still being taken
/// back. Tests of this module miss it.)
pub fn apply_withdraw(record: Option<&IntentRecord>, withdraw: &Withdraw, now_us: u64) -> bool {
    live(record, now_us)
        .is_some_and(|known| known.state == IntentState::Claimed && known.token == withdraw.token)
}

/// Whether a call whose nonce was refused may be signed once more. Only what changes nothing, and a cancel, which hits one
/// order or none however often it is sent. The refusal may have been shown of a second delivery whose first was executed.
pub fn may_sign_again(harmless: bool, priority: Priority) -> bool {
    harmless || priority == Priority::Cancel || !on(Guard::NoReSign)
}

fn claimed(generation: &Generation, store_now_us: u64) -> ClaimReply {
    ClaimReply::Claimed { generation: generation.marker.clone(), store_now_us }
}

/// A record that is not too old to count. The store forgets it by itself, but not to the microsecond.
fn live(record: Option<&IntentRecord>, now_us: u64) -> Option<&IntentRecord> {
    record.filter(|known| known.claimed_us + KEPT_US > now_us)
}
