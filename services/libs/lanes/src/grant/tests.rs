use proptest::prelude::*;
use tidegate_core::{AccountName, NonceUnit};

use super::*;
use crate::keys::{Fingerprint, GrantKey};

const T: u64 = 1_795_000_000_000_000;
const WINDOW: u64 = 10;

/// A store with one key, and a server behind it that can be replaced.
#[derive(Clone)]
struct Store {
    generation: Option<Generation>,
    record: Option<GrantRecord>,
    replication_id: &'static str,
}

impl Store {
    /// As `tidegate store init` leaves it.
    fn prepared() -> Self {
        let generation =
            Generation { marker: "g".into(), replication_id: "r".into(), born_us: T - 1, fresh: true };
        Self { generation: Some(generation), record: None, replication_id: "r" }
    }

    fn run(&mut self, request: &GrantRequest, now_us: u64) -> (GrantReply, Option<Sight>) {
        let now = StoreNow { us: now_us, replication_id: self.replication_id };
        let mut request = request.clone();
        if request.terms.caller_now_us == 0 {
            request.terms.caller_now_us = now_us;
            // Who is not about memories knows what there is to know.
            request.terms.known_generation = self.generation.as_ref().map(|g| g.marker.clone());
        }
        let applied =
            apply(self.generation.as_ref(), self.record.as_ref(), &request, now).expect("small numbers");
        self.record = applied.record.or(self.record.take());
        self.generation = applied.generation.or(self.generation.take());
        (applied.reply, applied.sight)
    }

    fn ask(&mut self, owner: &str, intent: Intent, now_us: u64) -> GrantReply {
        self.run(&request(owner, intent), now_us).0
    }

    fn flush(&mut self) {
        (self.generation, self.record) = (None, None);
    }
}

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
            window_us: WINDOW,
            floor_us: 0,
            ttl_us: GRANT_TTL_US,
            reserve_us: GRANT_RESERVE_US,
            counter_ceiling_milli: 9_000,
            counter_decay_milli_per_s: 1_000,
            caller_now_us: 0,
            epoch_seen: 0,
            held: None,
            recovery_floor_us: None,
            known_generation: None,
        },
    }
}

/// Of a grant: epoch, range, whether the epoch begins.
fn granted(reply: &GrantReply) -> (u64, u64, u64, bool) {
    match *reply {
        GrantReply::Granted { epoch, lo_us, hi_us, first_of_epoch, .. } => {
            (epoch, lo_us, hi_us, first_of_epoch)
        }
        ref other => panic!("not granted: {other:?}"),
    }
}

#[test]
fn one_owner_until_the_grant_ends_then_a_range_above_everything() {
    let mut store = Store::prepared();
    let (epoch, lo, hi, _) = granted(&store.ask("a", Intent::Take, T));
    assert_eq!((epoch, lo, hi), (1, T, T + 7_000_000));
    let end = T + GRANT_TTL_US;
    assert!(matches!(store.ask("b", Intent::Take, end - 1), GrantReply::Held { .. }));
    let taken = store.ask("b", Intent::Take, end + 2_000_000);
    assert_eq!(granted(&taken).1, hi + WINDOW + 1);
    let GrantReply::Granted { counter_start_milli: Some(left), .. } = taken else { panic!("{taken:?}") };
    assert_eq!(left, 7_000, "two seconds of decay since the end of the grant");
    let lost = store.ask("a", Intent::Renew { epoch: 1 }, end + 3_000_000);
    assert!(matches!(lost, GrantReply::Lost { .. }));
}

#[test]
fn renewals_keep_lo_and_extend_even_a_grant_that_ran_out_unnoticed() {
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    let again = store.ask("a", Intent::Renew { epoch: 1 }, T + 6_000_000);
    assert_eq!(granted(&again), (1, T, T + 13_000_000, false));
    let back = store.ask("a", Intent::Renew { epoch: 1 }, T);
    assert_eq!(granted(&back).2, T + 13_000_000, "hi never falls");
}

#[test]
fn a_release_leaves_no_tail_and_cannot_be_undone_by_a_late_renewal() {
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    let ids = request("a", Intent::Look).ids;
    let release = |store: &Store, epoch, replication_id| {
        let released = Released { epoch, last_us: T + 5, counter_milli: 2_000 };
        let release = Release { ids: ids.clone(), released, leave: true };
        let now = StoreNow { us: T + 9, replication_id };
        apply_release(store.generation.as_ref(), store.record.as_ref(), &release, now).expect("small numbers")
    };
    assert_eq!(release(&store, 7, "r"), None, "not that epoch");
    assert_eq!(release(&store, 1, "another server"), None, "the record may be old");
    store.record = release(&store, 1, "r");
    assert!(matches!(store.ask("b", Intent::Look, T + 9), GrantReply::Free { .. }));
    assert!(matches!(store.ask("a", Intent::Renew { epoch: 1 }, T + 9), GrantReply::Lost { .. }));
    let taken = store.ask("b", Intent::Take, T + 9);
    assert_eq!(granted(&taken).1, T + 5 + 1 + WINDOW + 1);
    assert!(matches!(taken, GrantReply::Granted { epoch: 2, counter_start_milli: Some(2_000), .. }));
}

#[test]
fn a_lost_memory_is_waited_out_and_jumped_over() {
    for loss in ["flush", "another server", "flush of a prepared store"] {
        let mut store = Store::prepared();
        if loss != "flush of a prepared store" {
            store.ask("a", Intent::Take, T);
        }
        let lost_at = T + 1_000_000;
        if loss == "another server" {
            store.replication_id = "r2";
        } else {
            store.flush();
        }
        // The first script that finds it starts the generation, whoever asks.
        let recovering = store.ask("b", Intent::Look, lost_at);
        let ends = lost_at + RECOVERY_US;
        assert!(matches!(recovering, GrantReply::Recovering { until_us, .. } if until_us == ends), "{loss}");
        // Without a memory of the range it is waited for longer.
        let until = ends + GRANT_RESERVE_US + WINDOW + 1;
        assert!(matches!(store.ask("b", Intent::Take, until - 1), GrantReply::Recovering { .. }), "{loss}");
        let taken = store.ask("b", Intent::Take, until);
        let (_, lo, ..) = granted(&taken);
        assert_eq!(lo, until + LEAD_CAP_US + 7_000_000 + WINDOW + 1, "{loss}: nobody alive saw it");
        assert!(matches!(taken, GrantReply::Granted { counter_start_milli: None, .. }), "{loss}");
    }
}

#[test]
fn a_generation_that_began_while_a_clock_ran_ahead_is_begun_anew() {
    let hour = 3_600_000_000;
    let mut store = Store::prepared();
    store.flush();
    assert!(matches!(store.ask("b", Intent::Look, T + hour), GrantReply::Recovering { .. }));
    let ahead = store.generation.clone().expect("begun");
    // Whoever disagrees with the store about the time has no say.
    let mut wrong = request("b", Intent::Look);
    wrong.terms.caller_now_us = T + hour;
    store.run(&wrong, T);
    assert_eq!(store.generation, Some(ahead.clone()));
    let GrantReply::Recovering { until_us, .. } = store.ask("b", Intent::Look, T) else { panic!("a loss") };
    assert_eq!(until_us, T + RECOVERY_US, "and not an hour later");
    assert_ne!(store.generation, Some(ahead));
    let begun = store.generation.clone();
    store.ask("b", Intent::Look, T - SKEW_MAX_US);
    assert_eq!(store.generation, begun, "clocks are set back by a little now and then");
}

#[test]
fn no_generation_begins_by_a_clock_that_is_wrong() {
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    store.flush();
    // The store's clock is behind, or the caller's, or each by another time: no birth would be the right one.
    for intent in [Intent::Look, Intent::Take] {
        for (caller_us, now_us) in
            [(T + 1_000_000, T - 600_000_000), (T - 338_000_000, T), (T - 338_000_000, T - 100_000_000_000)]
        {
            let mut ask = request("b", intent);
            ask.terms.caller_now_us = caller_us;
            let (reply, sight) = store.run(&ask, now_us);
            assert_eq!((reply, sight), (GrantReply::Skewed { store_now_us: now_us }, None));
            assert_eq!(store.generation, None);
        }
    }
    let right_again = store.ask("b", Intent::Take, T + 2_000_000);
    assert!(matches!(right_again, GrantReply::Recovering { .. }), "{right_again:?}");
}

#[test]
fn a_clock_that_is_behind_at_a_release_does_not_empty_the_counter() {
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    let released = Released { epoch: 1, last_us: T + 5, counter_milli: 12_000 };
    let release = Release { ids: request("a", Intent::Look).ids, released, leave: false };
    let now = StoreNow { us: T - 60_000_000, replication_id: "r" };
    let written = apply_release(store.generation.as_ref(), store.record.as_ref(), &release, now);
    store.record = written.expect("small numbers");
    let taken = store.ask("b", Intent::Take, T + 2_000_000);
    let GrantReply::Granted { counter_start_milli: Some(left), .. } = taken else { panic!("{taken:?}") };
    assert_eq!(left, 12_000, "from the end of the grant on it surely decays");
}

#[test]
fn who_saw_the_range_need_not_jump_over_everything() {
    let mut store = Store::prepared();
    let (_, _, hi, _) = granted(&store.ask("a", Intent::Take, T));
    store.flush();
    store.ask("b", Intent::Look, T + 1);
    let mut take = request("b", Intent::Take);
    take.terms.recovery_floor_us = Some(hi + 14_000_000);
    take.terms.epoch_seen = 4;
    let at = T + 1 + RECOVERY_US;
    let (epoch, lo, ..) = granted(&store.run(&take, at).0);
    assert_eq!((epoch, lo), (5, hi + 14_000_000));
}

#[test]
fn a_memory_older_than_the_lead_guard_is_worth_no_more_than_none() {
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    store.flush();
    store.ask("b", Intent::Look, T + 1);
    // Nobody took the key for a long time, and what one remembers of it grows faster than the clock.
    let mut take = request("b", Intent::Take);
    let at = T + 3_600_000_000;
    take.terms.recovery_floor_us = Some(at + LEAD_CAP_US + 1);
    let (_, lo, ..) = granted(&store.run(&take, at).0);
    assert_eq!(lo, at + LEAD_CAP_US + 7_000_000 + WINDOW + 1);
}

#[test]
fn a_lost_answer_is_told_again_and_raises_nothing() {
    let mut store = Store::prepared();
    let first = granted(&store.ask("a", Intent::Take, T));
    for lost in 1..50 {
        let again = granted(&store.ask("a", Intent::Take, T + lost));
        assert_eq!(again, (1, first.1, first.2 + lost, true), "the same epoch and range, longer by the time");
    }
    // Who knows the epoch and takes all the same has given it up.
    let mut anew = request("a", Intent::Take);
    anew.terms.epoch_seen = 1;
    let (epoch, lo, ..) = granted(&store.run(&anew, T + 50).0);
    assert_eq!((epoch, lo), (2, first.2 + 49 + WINDOW + 1));
}

#[test]
fn a_live_owner_writes_itself_in_again_and_a_late_one_does_not() {
    let mut store = Store::prepared();
    let (epoch, lo_us, hi_us, _) = granted(&store.ask("a", Intent::Take, T));
    let mut renew = request("a", Intent::Renew { epoch });
    renew.terms.held = Some(HeldRange { lo_us, hi_us });
    store.flush();
    let (reply, sight) = store.run(&renew, T + 1_500_000);
    assert_eq!(granted(&reply), (1, lo_us, T + 8_500_000, false));
    assert_eq!(sight.expect("a generation").reach_us, Some(T + 8_500_000));
    assert!(
        matches!(store.ask("b", Intent::Take, T + 1_500_001), GrantReply::Held { .. }),
        "no wait to sit out"
    );
    // Whose lease has ended proves nothing any more.
    store.flush();
    assert!(matches!(store.ask("a", Intent::Renew { epoch }, T + 9_000_000), GrantReply::Lost { .. }));
    // And a later epoch in an older record says that there was another owner.
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    store.ask("b", Intent::Take, T + GRANT_TTL_US);
    store.replication_id = "r2";
    assert!(matches!(store.run(&renew, T + GRANT_TTL_US + 1).0, GrantReply::Lost { .. }));
}

#[test]
fn what_is_remembered_of_an_older_generation_is_no_floor() {
    let mut store = Store::prepared();
    store.ask("a", Intent::Take, T);
    store.flush();
    store.ask("b", Intent::Look, T + 1);
    let mut take = request("b", Intent::Take);
    let at = T + 2 * RECOVERY_US;
    (take.terms.caller_now_us, take.terms.recovery_floor_us) = (at, Some(T + 21_000_000));
    take.terms.known_generation = Some("g".into());
    let (reply, sight) = store.run(&take, at);
    assert!(matches!(reply, GrantReply::Recovering { .. }), "{reply:?}");
    take.terms.known_generation = sight.map(|sight| sight.generation);
    granted(&store.run(&take, at).0);
}

#[test]
fn clocks_that_disagree_change_nothing() {
    let mut store = Store::prepared();
    let mut take = request("a", Intent::Take);
    for caller_now_us in [T - SKEW_MAX_US - 1, T + SKEW_MAX_US + 1] {
        take.terms.caller_now_us = caller_now_us;
        assert_eq!(store.run(&take, T).0, GrantReply::Skewed { store_now_us: T });
        assert_eq!(store.record, None);
    }
    take.terms.caller_now_us = T + SKEW_MAX_US;
    granted(&store.run(&take, T).0);
}

#[test]
fn a_key_that_changes_hands_too_often_rests() {
    let mut store = Store::prepared();
    let mut owners = ["a", "b"].iter().cycle();
    let mut refused = false;
    // Each taken by force within the grant of the one before: 7 s of range for nothing.
    for _ in 0..200 {
        let owner = owners.next().expect("a cycle");
        if let Some(record) = &mut store.record {
            record.expires_us = 0;
        }
        match store.ask(owner, Intent::Take, T) {
            GrantReply::Granted { lo_us, .. } => assert!(lo_us <= T + LEAD_CAP_US),
            GrantReply::TooFarAhead { lo_us, .. } => {
                assert!(lo_us > T + LEAD_CAP_US);
                refused = true;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(refused);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is lost and whenever, no range ever overlaps an earlier one of another owner, and each begins above it by
    /// the window. Losses put back an older record, or none; the old owner may have seen things, or not.
    #[test]
    fn ranges_of_different_epochs_never_meet(
        steps in prop::collection::vec((0_u8..8, 0_u64..4_000_000, any::<bool>()), 1..120),
    ) {
        let mut store = Store::prepared();
        let mut old: Vec<Store> = Vec::new();
        let mut now = T;
        // What each of two owners holds (epoch, range, when its lease ends) and remembers.
        let mut held: [Option<(u64, HeldRange, u64)>; 2] = [None, None];
        let mut memory = [Sightings::default(), Sightings::default()];
        let mut epoch_seen = [0_u64; 2];
        // An owner id is new at every start.
        let mut boots = [0_u64; 2];
        let mut highest: Option<(usize, u64, u64)> = None;
        let mut replicas = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"].into_iter();
        for (kind, x, second) in steps {
            now += x;
            let who = usize::from(second);
            let me = format!("{}{}", ["a", "b"][who], boots[who]);
            let me = me.as_str();
            match kind {
                0..=3 => {
                    let live = held[who].filter(|(_, _, until)| now < *until);
                    let mut ask = request(me, held[who].map_or(Intent::Take, |(epoch, ..)| Intent::Renew { epoch }));
                    ask.terms.held = live.map(|(_, range, _)| range);
                    ask.terms.epoch_seen = epoch_seen[who];
                    let at = tidegate_core::MonoUs(now - T);
                    ask.terms.recovery_floor_us = memory[who].floor_us(at, WINDOW);
                    ask.terms.known_generation = memory[who].generation().map(str::to_owned);
                    ask.terms.caller_now_us = now;
                    let (reply, sight) = store.run(&ask, now);
                    memory[who].note(&sight.expect("a generation"), at, at);
                    match reply {
                        GrantReply::Granted { epoch, lo_us, hi_us, first_of_epoch, expires_us, .. } => {
                            if first_of_epoch
                                && let Some((owner, _, hi)) = highest
                            {
                                prop_assert!(owner == who || lo_us > hi + WINDOW, "{lo_us} after {hi}");
                                prop_assert!(lo_us >= hi, "{lo_us} after {hi}");
                            }
                            epoch_seen[who] = epoch_seen[who].max(epoch);
                            held[who] = Some((epoch, HeldRange { lo_us, hi_us }, expires_us - GRANT_TTL_US / 10));
                            let reach = highest.map_or(0, |(.., hi)| hi).max(hi_us);
                            highest = Some((who, lo_us, reach));
                        }
                        GrantReply::Lost { .. } | GrantReply::Held { .. } | GrantReply::Free { .. } => held[who] = None,
                        _ => {}
                    }
                }
                4 => {
                    let look = request(me, Intent::Look);
                    let (_, sight) = store.run(&look, now);
                    let at = tidegate_core::MonoUs(now - T);
                    memory[who].note(&sight.expect("a generation"), at, at);
                }
                5 => old.push(store.clone()),
                // A crash: what was held and remembered is gone.
                6 => {
                    held[who] = None;
                    memory[who] = Sightings::default();
                    epoch_seen[who] = 0;
                    boots[who] += 1;
                }
                _ if x % 3 == 0 => store.flush(),
                _ if x % 3 == 1 => {
                    // An older copy, on a server of its own.
                    if let (Some(copy), Some(id)) = (old.pop(), replicas.next()) {
                        store = Store { replication_id: id, ..copy };
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn numbers_that_lua_cannot_hold_are_refused() {
    let store = Store::prepared();
    let now = StoreNow { us: T, replication_id: "r" };
    let mut huge = request("a", Intent::Take);
    huge.terms.caller_now_us = T;
    huge.terms.floor_us = STORE_INT_MAX + 1;
    assert_eq!(apply(store.generation.as_ref(), None, &huge, now), Err(GrantError));
    huge.terms.floor_us = 0;
    huge.terms.held = Some(HeldRange { lo_us: 1, hi_us: STORE_INT_MAX + 1 });
    assert_eq!(apply(store.generation.as_ref(), None, &huge, now), Err(GrantError));
    huge.terms.held = None;
    huge.terms.ttl_us = STORE_INT_MAX - T - 1;
    assert_eq!(
        apply(store.generation.as_ref(), None, &huge, now),
        Err(GrantError),
        "the result would be too large"
    );
}
