//! Random histories of two owners of one key: reordering, lost store replies, pauses, crashes, take-overs.

mod world;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tidegate_core::NonceUnit;
use world::World;

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

#[test]
fn nonces_rise_nothing_is_lost_and_no_refusal_is_unexplained() {
    let units = prop::sample::select(vec![NonceUnit::Ms, NonceUnit::Us, NonceUnit::Ns]);
    let windows_ms = prop::sample::select(vec![0_u64, 0, 20, 500]);
    let skews = prop::array::uniform2(0_u64..1_000_000);
    let steps = prop::collection::vec((0_u8..30, any::<u32>()), 50..500);
    let (served, takeovers, superseded) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let (given_up, explained) = (Cell::new(0), Cell::new(0));
    let run =
        TestRunner::new(config(3_000)).run(&(units, windows_ms, skews, steps), |(unit, ms, skews, steps)| {
            let per_ms = match unit {
                NonceUnit::Ms => 1,
                NonceUnit::Us => 1_000,
                NonceUnit::Ns => 1_000_000,
            };
            let mut world = World::new(unit, ms * per_ms, skews);
            for (kind, x) in steps {
                world.step(kind, x);
            }
            served.set(served.get() + world.served);
            takeovers.set(takeovers.get() + world.takeovers);
            superseded.set(superseded.get() + world.superseded);
            given_up.set(given_up.get() + world.given_up);
            explained.set(explained.get() + world.explained);
            Ok(())
        });
    if let Err(error) = run {
        panic!("{error}");
    }
    // Histories in which nothing happens would prove nothing.
    let seen = (served.get(), takeovers.get(), superseded.get());
    assert!(seen.0 > 20_000 && seen.1 > 5_000 && seen.2 > 300, "{seen:?}");
    assert!(given_up.get() > 100, "{given_up:?}");
    assert!(explained.get() > 100, "{explained:?}");
}

#[test]
fn krakens_counter_is_never_exceeded_across_owners() {
    let steps = prop::collection::vec((0_u8..18, any::<u32>()), 50..300);
    let (served, takeovers) = (Cell::new(0), Cell::new(0));
    let run = TestRunner::new(config(2_000)).run(&steps, |steps| {
        let mut world = World::new(NonceUnit::Us, 0, [0, 0]);
        for (kind, x) in steps {
            world.dear_step(kind, x);
        }
        served.set(served.get() + world.served);
        takeovers.set(takeovers.get() + world.takeovers);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    let seen = (served.get(), takeovers.get());
    assert!(seen.0 > 10_000 && seen.1 > 4_000, "{seen:?}");
}
