use proptest::prelude::*;

use super::*;

const NOW_US: u64 = 1_781_000_000_000_000;
const S: u64 = SECOND_US;

fn counters(tier: Tier) -> TradingCounters {
    let mut counters = TradingCounters::default();
    counters.begin(NOW_US, tier);
    counters
}

impl TradingCounters {
    /// One act of so many points in pair 0 of account 0.
    fn spend(&mut self, now_us: u64, points: u32) -> bool {
        self.begin(now_us, self.tier);
        let fits = self.admit(0, &[(0, points)]).is_ok();
        if fits {
            self.charge(0, 0, points);
        }
        fits
    }

    fn level_now(&mut self, pair: usize) -> u64 {
        self.level(0, pair).level
    }
}

#[test]
fn costs_fall_with_the_age_of_the_order_and_a_bracket_ends_before_its_second() {
    let amend = |age_us| Cost::amend(age_us).whole();
    let edit = |age_us| Cost::edit(age_us).whole();
    for (at_s, [amended, edited, cancelled]) in [
        (0, [4, 7, 8]),
        (5, [3, 6, 6]),
        (10, [2, 5, 5]),
        (15, [1, 3, 4]),
        (45, [1, 2, 2]),
        (90, [1, 1, 1]),
        (300, [1, 1, 0]),
    ] {
        let age_us = at_s * S;
        assert_eq!(
            [amend(age_us), edit(age_us), cancel_cost(age_us)],
            [amended, edited, cancelled],
            "{at_s} s"
        );
    }
    assert_eq!([4_999_999, 9_999_999, 14_999_999].map(amend), [4, 3, 2]);
    assert_eq!([4_999_999, 9_999_999, 14_999_999, 44_999_999, 89_999_999].map(edit), [7, 6, 5, 3, 2]);
    assert_eq!(
        [4_999_999, 9_999_999, 14_999_999, 44_999_999, 89_999_999, 299_999_999].map(cancel_cost),
        [8, 6, 5, 4, 2, 1]
    );
    // Kraken's own example: an amend at 7 s is two points on top of the one.
    assert_eq!(Cost::amend(7 * S), Cost { fixed: 1, penalty: 2 });
    assert_eq!([2, 3, 14, 15].map(|rows| Cost::batch(rows).whole()), [1, 2, 7, 8]);
}

#[test]
fn each_tier_has_its_maximum_its_decay_and_its_open_orders() {
    for (tier, max, decay_milli_per_s, open) in
        [(Tier::Starter, 60, 1_000, 60), (Tier::Intermediate, 125, 2_340, 80), (Tier::Pro, 180, 3_750, 225)]
    {
        let mut counters = counters(tier);
        assert!((0..max).all(|_| counters.spend(NOW_US, 1)), "{tier:?}");
        assert!(!counters.spend(NOW_US, 1), "{tier:?}");
        assert_eq!(counters.level_now(0), max * POINT, "a refused act leaves the level alone");
        let one_point_us = 1_000_000_000_u64.div_ceil(decay_milli_per_s);
        assert!(!counters.spend(NOW_US + one_point_us - 1, 1), "{tier:?}");
        assert!(counters.spend(NOW_US + one_point_us, 1), "{tier:?}");
        assert_eq!(counters.open_orders_max(), open);
    }
    let mut wide = counters(Tier::Wide);
    assert!((0..100_000).all(|_| wide.spend(NOW_US, 15)));
}

#[test]
fn pairs_and_accounts_have_counters_of_their_own_and_an_act_fits_whole_or_not_at_all() {
    let mut counters = counters(Tier::Starter);
    counters.charge(0, 0, 60);
    assert_eq!(counters.admit(0, &[(1, 8), (0, 1)]), Err(Refusal::TradingRateLimit));
    assert_eq!(counters.level_now(1), 0);
    assert_eq!(counters.admit(0, &[(1, 8)]), Ok(()));
    assert_eq!(counters.admit(1, &[(0, 60)]), Ok(()));
    assert_eq!(counters.admit(0, &[(0, 0)]), Ok(()), "what costs nothing has room");
}

#[test]
fn what_is_never_refused_goes_above_the_maximum_and_decays_from_there() {
    let mut counters = counters(Tier::Starter);
    counters.charge(0, 0, 60);
    counters.charge(0, 0, 400);
    assert_eq!(counters.level_now(0), 460 * POINT);
    assert!(!counters.spend(NOW_US + 400 * S, 1));
    assert!(counters.spend(NOW_US + 401 * S, 1));
}

#[test]
fn a_clock_that_steps_back_gives_nothing_away() {
    let mut counters = counters(Tier::Starter);
    assert!(counters.spend(NOW_US, 60));
    assert!(!counters.spend(NOW_US - 5 * S, 1));
    assert!(!counters.spend(NOW_US, 1));
    assert!(counters.spend(NOW_US + S, 1));
}

#[test]
fn a_charge_is_written_in_thousandths_and_its_level_rounded_up() {
    let charge = Charge { pair: 0, points: 8, level: 61 * POINT + 1 };
    let mut json = Json::default();
    charge.write(&mut json);
    assert_eq!(json.finish(), r#"{"pair":"XXBTZUSD","cost_milli":8000,"level_milli":61001}"#);
}

/// The level by its other formula: what came since some act less what has decayed since then, at its largest.
/// In units of 10^-9 points.
fn by_history(history: &[(u64, u32)], now_us: u64, decay: i128) -> i128 {
    let mut came = 0;
    let mut level = 0;
    for (at_us, points) in history.iter().rev() {
        came += i128::from(*points) * 1_000_000_000;
        level = level.max(came - decay * i128::from(now_us - at_us));
    }
    level
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Any history of acts, refused or forced, leaves what the history itself says, and is refused by it.
    #[test]
    fn any_history_is_judged_as_a_sum_over_all_of_it_says(
        (tier, max, decay) in prop::sample::select(vec![
            (Tier::Starter, 60, 1_000), (Tier::Intermediate, 125, 2_340), (Tier::Pro, 180, 3_750),
        ]),
        acts in prop::collection::vec((0_u64..3_000_000, 0_u32..16, prop::bool::weighted(0.1)), 1..200),
    ) {
        let mut counters = counters(tier);
        let (mut now_us, mut history) = (NOW_US, Vec::new());
        for (pause_us, points, forced) in acts {
            now_us += pause_us;
            let level = by_history(&history, now_us, decay);
            let fits = points == 0 || level + i128::from(points) * 1_000_000_000 <= max * 1_000_000_000;
            if forced {
                counters.begin(now_us, tier);
                counters.charge(0, 0, points);
            } else {
                prop_assert_eq!(counters.spend(now_us, points), fits);
            }
            if forced || fits {
                history.push((now_us, points));
            }
            prop_assert_eq!(i128::from(counters.level_now(0)), by_history(&history, now_us, decay));
        }
    }
}
