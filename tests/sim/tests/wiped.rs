//! An order that was executed and filled is never executed again, however the store loses its claim, and however long its
//! caller waits before he asks again.

use tidegate_sim::{Loss, Wiped, Word, wiped};

const S: u64 = 1_000_000;
const LOSSES: [Loss; 3] = [Loss::Rollback, Loss::Flush, Loss::Failover];

fn asked_again(seeds: std::ops::Range<u64>, after_us: u64, word: Word) {
    for seed in seeds {
        for loss in LOSSES {
            let Wiped { executions, filled, forgotten, word: told, violations } = wiped(seed, loss, after_us);
            let run = format!("seed {seed}, {loss:?}, {} s", after_us / S);
            assert!(
                filled && forgotten,
                "{run}: the order filled, {filled}, and its claim was lost, {forgotten}"
            );
            assert_eq!((executions, told), (1, word), "{run}");
            assert_eq!(violations, Vec::<String>::new(), "{run}");
        }
    }
}

#[test]
fn a_second_later_the_order_is_found() {
    asked_again(0..40, S, Word::Done);
}

#[test]
fn a_minute_later_the_order_is_found() {
    asked_again(0..40, 61 * S, Word::Done);
}

#[test]
fn an_hour_later_the_order_is_found() {
    asked_again(0..6, 3_600 * S, Word::Done);
}

/// The id is older than any that is taken: the refusal speaks of this call alone, and says so.
#[test]
fn a_day_later_the_id_is_refused_unsent() {
    asked_again(0..1, 25 * 3_600 * S, Word::NothingByThisCall);
}
