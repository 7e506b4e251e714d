//! The table of searches comes out as it is written: what holds, holds; what breaks, breaks in the named way.

use std::collections::BTreeSet;

use tidegate_model::config::{Guard, Guards};
use tidegate_model::protocol::{CAN_OPEN, OLDER_DEAD};
use tidegate_model::search::{search, shortest};
use tidegate_model::variants::{Expect, Variant, all};

/// Several times what the largest of these searches needs.
const VISITS_MAX: usize = 20_000_000;

fn assert_agree(variants: impl Iterator<Item = Variant>) -> usize {
    let mut searched = 0;
    for variant in variants.filter(|variant| variant.small) {
        let outcome = search(variant.config, variant.until(), VISITS_MAX);
        assert!(variant.agrees(&outcome), "{}: expected {:?}, {outcome:?}", variant.name, variant.expect);
        searched += 1;
    }
    searched
}

fn named(name: &str) -> Variant {
    all().into_iter().find(|variant| variant.name == name).expect("a row of the table")
}

#[test]
fn the_protocol_holds_with_window_0() {
    let rows = all().into_iter().filter(|v| v.expect == Expect::Holds && v.config.window == 0);
    assert!(assert_agree(rows) > 10);
}

#[test]
fn the_protocol_holds_with_a_window() {
    let rows = all().into_iter().filter(|v| v.expect == Expect::Holds && v.config.window > 0);
    assert!(assert_agree(rows) > 10);
}

#[test]
fn what_is_broken_is_found_broken() {
    let rows = all().into_iter().filter(|v| v.expect != Expect::Holds);
    assert!(assert_agree(rows) > 30);
}

#[test]
fn every_guard_is_taken_away_somewhere_for_both_windows() {
    for guard in Guard::EACH {
        let missing = all().into_iter().filter(|v| !v.config.guards.has(guard));
        let windows: BTreeSet<u8> = missing.map(|v| v.config.window).collect();
        assert_eq!(windows, BTreeSet::from([0, 2]), "{guard:?}");
    }
}

#[test]
fn only_a_known_limit_breaks_with_all_guards_up() {
    let broken = all().into_iter().filter(|v| v.config.guards == Guards::ALL && v.expect != Expect::Holds);
    let names: Vec<_> = broken.map(|v| v.name).collect();
    assert_eq!(names, ["w=2 a request delivered twice, repeats accepted"]);
}

#[test]
fn traces_are_the_shortest_and_end_with_the_breach() {
    // Granted, read, called; three ticks; granted, read, and the old call is accepted.
    let trace = shortest(named("w=0 no fence").config, OLDER_DEAD);
    assert!(trace.last().is_some_and(|step| step.contains("ACCEPTS")), "{trace:#?}");
    assert_eq!(trace.len(), 8, "{trace:#?}");
    let flushed = shortest(named("w=0 nobody rewrites the marker").config, CAN_OPEN);
    assert_eq!(flushed, ["the store is flushed"]);
    assert!(shortest(named("w=0 calm, two hand-overs").config, OLDER_DEAD).is_empty());
}
