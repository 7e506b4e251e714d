use proptest::prelude::*;

use super::*;

/// Kraken's counter: continuous decay, charged at a moment of Kraken's choice.
struct Exchange {
    tier: Tier,
    level: u64,
    at: MonoUs,
}

impl Exchange {
    fn charge(&mut self, now: MonoUs, points_milli: u64) -> u64 {
        let gone = now.us_since(self.at) * self.tier.decay_milli_per_s;
        self.level = self.level.saturating_sub(gone) + points_milli * PARTS;
        self.at = now;
        self.level.div_ceil(PARTS)
    }
}

fn empty(tier: Tier) -> RestCounter {
    let mut counter = RestCounter::new(tier, MonoUs(0));
    counter.inherit(MonoUs(0), Some(0));
    counter
}

proptest! {
    /// Calls with random costs, latencies and charging moments, renewals at random times: at every charge our
    /// figure is at least Kraken's, and Kraken's never passes the maximum.
    #[test]
    fn our_figure_is_never_below_krakens(
        tier in prop::sample::select(vec![Tier::STARTER, Tier::INTERMEDIATE, Tier::PRO]),
        calls in prop::collection::vec((0_u64..3_000_000, 0_u64..=4, 0_u64..4_000_000, 0_u64..=100, any::<bool>()), 1..200),
    ) {
        let mut ours = empty(tier);
        let mut exchange = Exchange { tier, level: 0, at: MonoUs(0) };
        // (when, is the end, points)
        let mut due: Vec<(MonoUs, bool, u64)> = Vec::new();
        let mut now = MonoUs(0);
        for (gap_us, points, latency_us, charged_at_pct, renew) in calls {
            let until = now.plus_us(gap_us);
            due.sort_by_key(|d| (d.0, d.1));
            while due.first().is_some_and(|d| d.0 <= until) {
                let (at, is_end, milli) = due.remove(0);
                if is_end {
                    ours.end(at, milli);
                } else {
                    let theirs = exchange.charge(at, milli);
                    prop_assert!(theirs <= ours.level_milli(at), "{theirs} > {}", ours.level_milli(at));
                    prop_assert!(theirs <= tier.usable_milli());
                }
            }
            now = until;
            let milli = points * POINT;
            if renew {
                let written = ours.propose_ceiling(now, points % 2 == 0);
                prop_assert!(written <= tier.ceiling_max_milli());
                ours.ceiling_written();
            }
            if ours.admit(now, milli, false) == Admission::Now {
                ours.begin(milli);
                due.push((now.plus_us(latency_us * charged_at_pct / 100), false, milli));
                due.push((now.plus_us(latency_us), true, milli));
            }
        }
    }

    /// The wait that is told is enough, and one microsecond less would not have been.
    #[test]
    fn waits_are_exact(level in 0_u64..=18_000, points in 1_u64..=4) {
        let mut counter = RestCounter::new(Tier::PRO, MonoUs(0));
        counter.inherit(MonoUs(0), Some(level));
        match counter.admit(MonoUs(0), points * POINT, false) {
            Admission::Now => prop_assert!(level + points * POINT <= Tier::PRO.usable_milli()),
            Admission::At(at) => {
                prop_assert_eq!(counter.admit(at, points * POINT, false), Admission::Now);
                let before = MonoUs(at.0 - 1);
                prop_assert_ne!(counter.admit(before, points * POINT, false), Admission::Now);
                prop_assert_eq!(counter.wait_us(MonoUs(0), points * POINT), at.0);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

#[test]
fn the_ceiling_binds_until_it_is_renewed() {
    let mut counter = empty(Tier::PRO);
    let now = MonoUs(0);
    assert_eq!(counter.propose_ceiling(now, true), 6_000, "5 points of allowance and the verification's");
    counter.ceiling_written();
    counter.begin(5_000);
    counter.end(now, 5_000);
    assert_eq!(counter.admit(now, 1_000, false), Admission::AfterRenewal);
    assert!(counter.wants_renewal(now, 1_000));
    assert_eq!(counter.admit(now, 0, false), Admission::Now, "orders and cancels cost no points");
    assert_eq!(counter.admit(now, 1_000, true), Admission::Now, "the kept point");
    assert!(counter.keeps_point());
    assert_eq!(counter.propose_ceiling(now, false), 10_000, "the point is free for whoever comes next");
    assert!(!counter.keeps_point());
    assert_eq!(counter.admit(now, 1_000, false), Admission::AfterRenewal, "not yet known to be written");
    counter.ceiling_written();
    assert_eq!(counter.admit(now, 1_000, false), Admission::Now);
    assert_eq!(counter.admit(now, 6_000, true), Admission::Never);
    counter.begin(5_000);
    assert_eq!(counter.admit(now, 1_000, true), Admission::AfterRenewal, "the kept point is not ours now");
    counter.give_back(5_000);
    let later = MonoUs(4_000_000);
    assert_eq!(counter.propose_ceiling(later, true), 7_000, "from 5 down to 1, and 5 of allowance");
    counter.begin(5_000);
    assert_eq!(counter.admit(later, 1_000, false), Admission::AfterRenewal, "the lower one binds at once");
}

#[test]
fn whoever_comes_after_a_verified_owner_finds_a_point_for_his_own_verification() {
    for tier in [Tier::STARTER, Tier::INTERMEDIATE, Tier::PRO] {
        let now = MonoUs(0);
        let mut counter = RestCounter::new(tier, now);
        assert_eq!(counter.admit(now, POINT, true), Admission::Now);
        counter.begin(POINT);
        counter.end(now, POINT);
        assert_eq!(counter.propose_ceiling(now, false), tier.usable_milli() + POINT, "what it has come to");
        let later = MonoUs(1_000 * PARTS / tier.decay_milli_per_s + 1);
        let written = counter.propose_ceiling(later, false);
        assert_eq!(written, tier.usable_milli(), "a point has decayed, and is not asked for again");
        let mut next = RestCounter::new(tier, later);
        next.inherit(later, Some(written));
        assert_eq!(next.admit(later, POINT, true), Admission::Now);
    }
}

#[test]
fn what_an_earlier_epoch_gave_up_is_part_of_what_the_store_says() {
    let mut counter = RestCounter::new(Tier::STARTER, MonoUs(0));
    counter.inherit(MonoUs(0), Some(9_000));
    counter.begin(4_000);
    assert_eq!(counter.level_milli(MonoUs(0)), 13_000);
    // It was given up, and the key was away for six seconds in which two points decayed in the store's figure.
    let later = MonoUs(6_000_000);
    let mut again = counter.clone();
    again.inherit(later, Some(11_020));
    assert_eq!(again.level_milli(later), counter.level_milli(later).max(11_020));
    assert_eq!(again.admit(later, POINT, true), Admission::Now);
    // Somebody else has used the key meanwhile.
    again.inherit(later, Some(13_000));
    assert_eq!(again.level_milli(later), 13_000);
    assert_eq!(again.admit(later, POINT, true), Admission::Now);
    assert_eq!(again.level_milli(MonoUs(u64::MAX / 2)), 4_000, "what is held does not decay");
}

#[test]
fn unknown_counters_start_full_but_leave_room_to_verify() {
    let mut counter = RestCounter::new(Tier::STARTER, MonoUs(5));
    counter.inherit(MonoUs(5), None);
    assert_eq!(counter.admit(MonoUs(5), 1_000, true), Admission::Now);
    let Admission::At(at) = counter.admit(MonoUs(5), 1_000, false) else { panic!("must wait") };
    assert_eq!(at.us_since(MonoUs(5)), 1_000 * PARTS / 330 + 1);
    counter.fill(at);
    assert_eq!(counter.level_milli(at), Tier::STARTER.max_milli);
    assert_eq!(counter.admit(at, 99_000, false), Admission::Never);
}

#[test]
fn held_points_do_not_decay_and_unsent_ones_vanish() {
    let mut counter = empty(Tier::PRO);
    counter.begin(4_000);
    assert_eq!(counter.level_milli(MonoUs(60_000_000)), 4_000);
    counter.give_back(4_000);
    assert_eq!(counter.level_milli(MonoUs(60_000_000)), 0);
    counter.begin(16_000);
    assert_eq!(counter.admit(MonoUs(60_000_000), 4_000, false), Admission::AfterAnEnd);
    assert_eq!(Tier::PRO.decayed_milli(4_000, 1_500_001), 2_500);
}
