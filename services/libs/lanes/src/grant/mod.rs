//! The rules of the grant: who owns a key, and which nonces are his.
//!
//! *The idea.* One record per key holds an exclusive range `[lo, hi)` for a time. A new owner's range begins above
//! everything that the one before may have drawn, plus the key's window, so that Kraken itself refuses the older
//! owner's stragglers once it has accepted one call of the new one. The record never expires from the store: an
//! expiry time is a number inside it, so that forgetting an owner cannot forget `hi`.
//!
//! [`apply`] and [`apply_release`] are pure. The in-memory store runs them; `scripts/grant-5.lua` and
//! `scripts/release-5.lua` mirror them line by line, and a test runs both on the same random histories.
//!
//! All times are microseconds since 1970 by the *store's* clock, integers below 2^53 (exact in Lua, JSON and Redis).

mod generation;
mod members;
#[cfg(test)]
mod tests;
mod types;

use tidegate_core::OwnerId;

pub(crate) use self::generation::Present;
pub use self::generation::{Generation, LEAD_CAP_US, RECOVERY_US, SKEW_MAX_US, Sight, Sightings, StoreNow};
pub use self::members::{announce, depart};
pub use self::types::{
    GRANT_RESERVE_US, GRANT_TTL_US, GrantError, GrantIds, GrantRecord, GrantReply, GrantRequest, GrantTerms,
    HeldRange, Intent, Member, Release, Released, STORE_INT_MAX,
};
use crate::budget::Tier;
use crate::guards::{Guard, on};

/// What one request did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer.
    pub reply: GrantReply,
    /// The record to write, if it changes.
    pub record: Option<GrantRecord>,
    /// The generation to write, if one begins.
    pub generation: Option<Generation>,
    /// What the answer shows of the store; `None` while it has no generation.
    pub sight: Option<Sight>,
}

/// A grant that was decided on.
struct Decided {
    epoch: u64,
    lo_us: u64,
    /// The range must reach at least this far.
    hi_min_us: u64,
    first_of_epoch: bool,
}

/// Decides one request.
pub fn apply(
    generation: Option<&Generation>,
    record: Option<&GrantRecord>,
    request: &GrantRequest,
    now: StoreNow<'_>,
) -> Result<Applied, GrantError> {
    let (ids, terms, now_us) = (&request.ids, &request.terms, now.us);
    let fits = [
        now_us,
        terms.window_us,
        terms.floor_us,
        terms.ttl_us,
        terms.reserve_us,
        terms.counter_ceiling_milli,
        terms.counter_decay_milli_per_s,
        terms.caller_now_us,
        terms.epoch_seen,
        terms.held.map_or(0, |held| held.lo_us),
        terms.held.map_or(0, |held| held.hi_us),
        terms.recovery_floor_us.unwrap_or(0),
    ];
    if fits.iter().any(|n| *n > STORE_INT_MAX) || now_us + terms.ttl_us > STORE_INT_MAX {
        return Err(GrantError);
    }
    let (generation, begins) = match Present::of(generation, ids.owner.as_str(), now, terms.caller_now_us) {
        Present::Kept(kept) => (kept, false),
        Present::Begun(begun) => (begun, true),
        Present::Missing => {
            let reply = GrantReply::Skewed { store_now_us: now_us };
            return Ok(Applied { reply, record: None, generation: None, sight: None });
        }
    };
    let current = record.filter(|r| r.generation == generation.marker || !on(Guard::Generation));
    let decided = decide(&generation, record, current, request, now_us);
    let (reply, written) = match decided {
        Err(refusal) => (refusal, None),
        Ok(Decided { epoch, lo_us, hi_min_us, first_of_epoch }) => {
            let reach = lo_us.max(now_us).max(terms.floor_us) + terms.ttl_us + terms.reserve_us;
            let hi_us = record.map_or(0, |r| r.hi_us).max(hi_min_us).max(reach);
            let expires_us = now_us + terms.ttl_us;
            if [epoch, lo_us, hi_us].iter().any(|n| *n > STORE_INT_MAX) {
                return Err(GrantError);
            }
            let known = current.filter(|_| first_of_epoch);
            let reply = GrantReply::Granted {
                epoch,
                lo_us,
                hi_us,
                expires_us,
                store_now_us: now_us,
                first_of_epoch,
                counter_start_milli: known.map(|r| counter_left_milli(r, now_us)),
            };
            let written = GrantRecord {
                owner: ids.owner.as_str().to_owned(),
                advertise: ids.advertise.clone(),
                epoch,
                expires_us,
                lo_us,
                hi_us,
                unit: terms.unit,
                window_us: terms.window_us,
                counter_ceiling_milli: terms.counter_ceiling_milli,
                counter_decay_milli_per_s: terms.counter_decay_milli_per_s,
                counter_at_us: expires_us,
                generation: generation.marker.clone(),
            };
            (reply, Some(written))
        }
    };
    let sight = Sight {
        generation: generation.marker.clone(),
        born_us: generation.born_us,
        reach_us: written.as_ref().or(current).map(|r| r.hi_us.max(now_us)),
    };
    Ok(Applied { reply, record: written, generation: begins.then_some(generation), sight: Some(sight) })
}

/// Whether the caller gets the key, and from where on; or what it is told instead. `current` is the record if it is of the
/// present generation; any other may be older than what was granted last.
fn decide(
    generation: &Generation,
    record: Option<&GrantRecord>,
    current: Option<&GrantRecord>,
    request: &GrantRequest,
    store_now_us: u64,
) -> Result<Decided, GrantReply> {
    let (me, terms) = (request.ids.owner.as_str(), &request.terms);
    let recovered_us = generation.born_us + RECOVERY_US;
    // A prepared store has lost nothing: what has no record was never granted.
    let unknown = current.is_none() && !(generation.fresh && record.is_none());
    let recovering = unknown && store_now_us < recovered_us;
    if terms.intent == Intent::Look {
        return Err(match current.filter(|r| r.expires_us > store_now_us) {
            Some(r) => held(r, store_now_us),
            None if recovering => GrantReply::Recovering { until_us: recovered_us, store_now_us },
            None => GrantReply::Free { store_now_us },
        });
    }
    if store_now_us.abs_diff(terms.caller_now_us) > SKEW_MAX_US && on(Guard::Skew) {
        return Err(GrantReply::Skewed { store_now_us });
    }
    if let Intent::Renew { epoch } = terms.intent {
        return match (current, terms.held) {
            (Some(r), _) if r.owner == me && r.epoch == epoch => {
                Ok(Decided { epoch, lo_us: r.lo_us, hi_min_us: r.hi_us, first_of_epoch: false })
            }
            // The store forgot a live owner: it writes itself in again. Its lease proves that there is no other, unless the
            // record knows of a later epoch.
            (None, Some(held))
                if record.is_none_or(|r| r.epoch < epoch || (r.epoch == epoch && r.owner == me)) =>
            {
                Ok(Decided { epoch, lo_us: held.lo_us, hi_min_us: held.hi_us, first_of_epoch: false })
            }
            _ => Err(GrantReply::Lost { store_now_us }),
        };
    }
    if let Some(r) = current.filter(|r| r.expires_us > store_now_us && r.owner != me) {
        return Err(held(r, store_now_us));
    }
    if let Some(r) = current.filter(|r| r.owner == me && r.epoch > terms.epoch_seen && on(Guard::TakeRepeats))
    {
        // An answer was lost: this very process took the key and does not know it. The same grant again, or every lost
        // answer would raise the range past what the other processes remember of it.
        let lo_us = r.lo_us.max(terms.floor_us);
        return Ok(Decided { epoch: r.epoch, lo_us, hi_min_us: r.hi_us, first_of_epoch: true });
    }
    // A jump ends above the lead guard by a range; the next one, after another loss, must begin above that. A memory so
    // old that its floor has passed the lead guard is worth no more than none.
    let jumps =
        unknown && terms.recovery_floor_us.is_none_or(|floor_us| floor_us > store_now_us + LEAD_CAP_US);
    let range_us = terms.ttl_us + terms.reserve_us + terms.window_us + 1;
    let until_us = if jumps && on(Guard::JumpWaits) {
        recovered_us + terms.reserve_us + terms.window_us + 1
    } else {
        recovered_us
    };
    // What the caller remembers may be of a generation before the last one; with this answer it learns that.
    let knows = terms.known_generation.as_ref() == Some(&generation.marker) || !on(Guard::KnownGeneration);
    let rests = store_now_us < until_us && on(Guard::RecoveryWait);
    if unknown && (rests || !knows) {
        return Err(GrantReply::Recovering { until_us, store_now_us });
    }
    let epoch = record.map_or(0, |r| r.epoch).max(terms.epoch_seen) + 1;
    let jump = |r: &GrantRecord| if on(Guard::WindowJump) { r.window_us.max(terms.window_us) + 1 } else { 0 };
    let above = record.filter(|_| on(Guard::Floor)).map_or(0, |r| r.hi_us + jump(r));
    let mut lo_us = above.max(store_now_us).max(terms.floor_us);
    if unknown {
        // Nobody alive has seen it: above everything that the lead guard below lets through.
        let unseen_us = if on(Guard::UnseenJump) { store_now_us + LEAD_CAP_US + range_us } else { 0 };
        let floor_us = terms.recovery_floor_us.filter(|_| !jumps).unwrap_or(unseen_us);
        lo_us = lo_us.max(store_now_us + range_us).max(floor_us);
    }
    if !jumps && lo_us > store_now_us + LEAD_CAP_US && on(Guard::Lead) {
        return Err(GrantReply::TooFarAhead { lo_us, store_now_us });
    }
    Ok(Decided { epoch, lo_us, hi_min_us: 0, first_of_epoch: true })
}

/// Decides one release: the record to write, if the caller still owns the epoch. A released key has no tail: the
/// next owner starts right above the last nonce drawn. A record of another generation is left alone: it says nothing.
pub fn apply_release(
    generation: Option<&Generation>,
    record: Option<&GrantRecord>,
    release: &Release,
    now: StoreNow<'_>,
) -> Result<Option<GrantRecord>, GrantError> {
    let store_now_us = now.us;
    let Released { epoch, last_us, counter_milli } = release.released;
    if [store_now_us, last_us.saturating_add(1), counter_milli].iter().any(|n| *n > STORE_INT_MAX) {
        return Err(GrantError);
    }
    let generation = generation.filter(|g| g.replication_id == now.replication_id);
    let current = record.filter(|r| generation.is_some_and(|g| r.generation == g.marker));
    let owned = current.filter(|r| r.owner == release.ids.owner.as_str() && r.epoch == epoch);
    // A clock that has run back below the last renewal would let the counter decay for as long again once it is right.
    let ran_back = |r: &GrantRecord| store_now_us + GRANT_TTL_US < r.counter_at_us && on(Guard::CounterTime);
    Ok(owned.map(|r| GrantRecord {
        owner: String::new(),
        advertise: String::new(),
        expires_us: 0,
        hi_us: r.lo_us.max(last_us + 1),
        counter_ceiling_milli: counter_milli,
        counter_at_us: if ran_back(r) { r.counter_at_us } else { store_now_us },
        ..r.clone()
    }))
}

/// How high the counter of a record may still be.
pub(crate) fn counter_left_milli(record: &GrantRecord, store_now_us: u64) -> u64 {
    counter_left(
        record.counter_ceiling_milli,
        record.counter_decay_milli_per_s,
        store_now_us.saturating_sub(record.counter_at_us),
    )
}

/// What is left of a recorded ceiling.
///
/// It decays only from the end of the grant on: until then its owner may have reached it at the last moment, however
/// long ago it was written, because a counter that has reached zero does not save up decay.
///
/// What it cannot know: a call that a crashed owner left on the wire and that Kraken charges only after this decay.
/// It is one call of at most 4 points on a key with window 0, it must have been under way for the tenth of the grant
/// by which leases end early, and the two points that a tier keeps back are all that covers it.
pub(crate) fn counter_left(ceiling_milli: u64, decay_milli_per_s: u64, elapsed_us: u64) -> u64 {
    Tier { max_milli: ceiling_milli, decay_milli_per_s }.decayed_milli(ceiling_milli, elapsed_us)
}

fn held(record: &GrantRecord, store_now_us: u64) -> GrantReply {
    GrantReply::Held {
        owner: OwnerId::named(&record.owner),
        advertise: record.advertise.clone(),
        expires_us: record.expires_us,
        store_now_us,
    }
}
