//! The rules of the grant: who owns a key, and which nonces are his.
//!
//! *The idea.* One record per key holds an exclusive range `[lo, hi)` for a time. A new owner's range begins above
//! everything that the one before may have drawn, plus the key's window, so that Kraken itself refuses the older
//! owner's stragglers once it has accepted one call of the new one. The record never expires from the store: an
//! expiry time is a number inside it, so that forgetting an owner cannot forget `hi`.
//!
//! [`apply`] and [`apply_release`] are pure. The in-memory store runs them; `scripts/grant-2.lua` and
//! `scripts/release-2.lua` mirror them line by line, and a test runs both on the same random histories.
//!
//! All times are microseconds since 1970 by the *store's* clock, integers below 2^53 (exact in Lua, JSON and Redis).

mod types;

use tidegate_core::OwnerId;

pub use self::types::{
    GRANT_RESERVE_US, GRANT_TTL_US, GrantError, GrantIds, GrantRecord, GrantReply, GrantRequest, GrantTerms,
    Intent, Member, Release, Released, STORE_INT_MAX,
};
use crate::budget::Tier;

/// Decides one request. Returns the answer, and the record to write if it changes.
pub fn apply(
    record: Option<&GrantRecord>,
    request: &GrantRequest,
    store_now_us: u64,
) -> Result<(GrantReply, Option<GrantRecord>), GrantError> {
    let (ids, terms) = (&request.ids, &request.terms);
    let fits = [
        store_now_us,
        terms.window_us,
        terms.floor_us,
        terms.ttl_us,
        terms.reserve_us,
        terms.counter_ceiling_milli,
        terms.counter_decay_milli_per_s,
    ];
    if fits.iter().any(|n| *n > STORE_INT_MAX) || store_now_us + terms.ttl_us > STORE_INT_MAX {
        return Err(GrantError);
    }
    let live = record.filter(|r| r.expires_us > store_now_us);
    let (epoch, lo_us, first_of_epoch) = match (terms.intent, record) {
        (Intent::Look, _) => {
            let reply = live.map_or(GrantReply::Free { store_now_us }, |r| held(r, store_now_us));
            return Ok((reply, None));
        }
        (Intent::Renew { epoch }, Some(r)) if r.owner == ids.owner.as_str() && r.epoch == epoch => {
            (epoch, r.lo_us, false)
        }
        (Intent::Renew { .. }, _) => return Ok((GrantReply::Lost { store_now_us }, None)),
        (Intent::Take, _) => {
            if let Some(r) = live.filter(|r| r.owner != ids.owner.as_str()) {
                return Ok((held(r, store_now_us), None));
            }
            let above = record.map_or(0, |r| r.hi_us + r.window_us.max(terms.window_us) + 1);
            (record.map_or(0, |r| r.epoch) + 1, above.max(store_now_us).max(terms.floor_us), true)
        }
    };
    let reach = lo_us.max(store_now_us).max(terms.floor_us) + terms.ttl_us + terms.reserve_us;
    let hi_us = record.map_or(0, |r| r.hi_us).max(reach);
    let expires_us = store_now_us + terms.ttl_us;
    if [epoch, lo_us, hi_us].iter().any(|n| *n > STORE_INT_MAX) {
        return Err(GrantError);
    }
    let counter_start_milli = record.filter(|_| first_of_epoch).map(|r| counter_left_milli(r, store_now_us));
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
    };
    let reply = GrantReply::Granted {
        epoch,
        lo_us,
        hi_us,
        expires_us,
        store_now_us,
        first_of_epoch,
        counter_start_milli,
    };
    Ok((reply, Some(written)))
}

/// Decides one release: the record to write, if the caller still owns the epoch. A released key has no tail: the
/// next owner starts right above the last nonce drawn.
pub fn apply_release(
    record: Option<&GrantRecord>,
    release: &Release,
    store_now_us: u64,
) -> Result<Option<GrantRecord>, GrantError> {
    let Released { epoch, last_us, counter_milli } = release.released;
    if [store_now_us, last_us.saturating_add(1), counter_milli].iter().any(|n| *n > STORE_INT_MAX) {
        return Err(GrantError);
    }
    let owned = record.filter(|r| r.owner == release.ids.owner.as_str() && r.epoch == epoch);
    Ok(owned.map(|r| GrantRecord {
        owner: String::new(),
        advertise: String::new(),
        expires_us: 0,
        hi_us: r.lo_us.max(last_us + 1),
        counter_ceiling_milli: counter_milli,
        counter_at_us: store_now_us,
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

#[cfg(test)]
mod tests {
    use tidegate_core::{AccountName, NonceUnit};

    use super::*;
    use crate::keys::{Fingerprint, GrantKey};

    const T: u64 = 1_795_000_000_000_000;

    fn request(owner: &str, intent: Intent) -> GrantRequest {
        GrantRequest {
            ids: GrantIds {
                key: GrantKey {
                    domain: "main".parse::<AccountName>().expect("a label"),
                    fingerprint: Fingerprint::of_api_key("k"),
                },
                owner: OwnerId::named(owner),
                advertise: format!("{owner}:1"),
                pool: "default".parse().expect("a label"),
                mounts: [Fingerprint::of_api_key("k")].into(),
            },
            terms: GrantTerms {
                intent,
                unit: NonceUnit::Us,
                window_us: 10,
                floor_us: 0,
                ttl_us: GRANT_TTL_US,
                reserve_us: GRANT_RESERVE_US,
                counter_ceiling_milli: 9_000,
                counter_decay_milli_per_s: 1_000,
            },
        }
    }

    fn run(record: &mut Option<GrantRecord>, request: &GrantRequest, now: u64) -> GrantReply {
        let (reply, written) = apply(record.as_ref(), request, now).expect("small numbers");
        if written.is_some() {
            *record = written;
        }
        reply
    }

    #[test]
    fn one_owner_until_the_grant_ends_then_a_range_above_everything() {
        let mut record = None;
        let granted = run(&mut record, &request("a", Intent::Take), T);
        let GrantReply::Granted { epoch: 1, lo_us, hi_us, counter_start_milli: None, .. } = granted else {
            panic!("{granted:?}")
        };
        assert_eq!((lo_us, hi_us), (T, T + 7_000_000));
        let end = T + GRANT_TTL_US;
        assert!(matches!(run(&mut record, &request("b", Intent::Take), end - 1), GrantReply::Held { .. }));
        let taken = run(&mut record, &request("b", Intent::Take), end + 2_000_000);
        let GrantReply::Granted { epoch: 2, lo_us: lo, counter_start_milli: Some(left), .. } = taken else {
            panic!("{taken:?}")
        };
        assert_eq!(lo, hi_us + 10 + 1);
        assert_eq!(left, 7_000, "two seconds of decay since the end of the grant");
        let lost = run(&mut record, &request("a", Intent::Renew { epoch: 1 }), end + 3_000_000);
        assert!(matches!(lost, GrantReply::Lost { .. }));
    }

    #[test]
    fn renewals_keep_lo_and_extend_even_a_grant_that_ran_out_unnoticed() {
        let mut record = None;
        run(&mut record, &request("a", Intent::Take), T);
        let again = run(&mut record, &request("a", Intent::Renew { epoch: 1 }), T + 6_000_000);
        let GrantReply::Granted { epoch: 1, lo_us, hi_us, first_of_epoch: false, .. } = again else {
            panic!("{again:?}")
        };
        assert_eq!((lo_us, hi_us), (T, T + 13_000_000));
        let back = run(&mut record, &request("a", Intent::Renew { epoch: 1 }), T);
        assert!(
            matches!(back, GrantReply::Granted { hi_us, .. } if hi_us == T + 13_000_000),
            "hi never falls"
        );
    }

    #[test]
    fn a_release_leaves_no_tail_and_cannot_be_undone_by_a_late_renewal() {
        let mut record = None;
        run(&mut record, &request("a", Intent::Take), T);
        let ids = request("a", Intent::Look).ids;
        let release = |epoch| Release {
            ids: ids.clone(),
            released: Released { epoch, last_us: T + 5, counter_milli: 2_000 },
            leave: true,
        };
        assert_eq!(apply_release(record.as_ref(), &release(7), T + 9), Ok(None), "not that epoch");
        record = apply_release(record.as_ref(), &release(1), T + 9).expect("small numbers");
        assert!(matches!(run(&mut record, &request("b", Intent::Look), T + 9), GrantReply::Free { .. }));
        assert!(matches!(
            run(&mut record, &request("a", Intent::Renew { epoch: 1 }), T + 9),
            GrantReply::Lost { .. }
        ));
        let taken = run(&mut record, &request("b", Intent::Take), T + 9);
        assert!(matches!(
            taken,
            GrantReply::Granted { epoch: 2, lo_us, counter_start_milli: Some(2_000), .. } if lo_us == T + 5 + 1 + 10 + 1
        ));
    }

    #[test]
    fn numbers_that_lua_cannot_hold_are_refused() {
        let mut huge = request("a", Intent::Take);
        huge.terms.floor_us = STORE_INT_MAX + 1;
        assert_eq!(apply(None, &huge, T), Err(GrantError));
        huge.terms.floor_us = STORE_INT_MAX - 1;
        assert_eq!(apply(None, &huge, T), Err(GrantError), "the result would be too large");
    }
}
