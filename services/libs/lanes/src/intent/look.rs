//! When to look at Kraken for what became of intents, and what looking may conclude.
//!
//! *The idea.* Whoever looks reads the open intents and the store's generation in one step, asks Kraken, and only then writes
//! verdicts, each under the token and the generation that were read before. Found is executed. Not found counts only after
//! [`IntentRecord::absent_after_us`], and only if all that there is was seen. Looking costs points of the key, so what was
//! not found is looked for more and more seldom; one that is new, or whose absence begins to count, at once.

use std::collections::BTreeSet;

use tidegate_core::MonoUs;

use super::types::{IntentRecord, IntentState};
use crate::guards::{Guard, on};

/// Between two looks for the same intents, at first and in the end.
const PAUSE_FIRST_US: u64 = 1_000_000;
const PAUSE_MAX_US: u64 = 10_000_000;
/// An act that nobody has spoken of for so long after its time has lost its sender.
const SENDER_GONE_US: u64 = 1_000_000;

impl IntentRecord {
    /// Whether Kraken is to be asked about it at this time of the store.
    pub fn is_due(&self, store_now_us: u64) -> bool {
        match self.state {
            IntentState::Doubtful | IntentState::Lost => true,
            IntentState::Claimed => {
                self.not_after_us > 0 && self.not_after_us + SENDER_GONE_US <= store_now_us
            }
            _ => false,
        }
    }

    /// Whether it was not executed, and never will be, if it cannot be found at this time of the store.
    pub fn absence_counts(&self, store_now_us: u64) -> bool {
        let after_us = if on(Guard::AbsentWait) { self.absent_after_us } else { self.claimed_us };
        self.absent_after_us > 0 && after_us <= store_now_us
    }
}

/// When to ask Kraken again about the intents of an account.
#[derive(Debug, Default)]
pub struct Pace {
    asked: BTreeSet<(String, bool)>,
    at: MonoUs,
    pause_us: u64,
}

impl Pace {
    /// Whether to ask now about these intents: their ids, and whether their absence counts.
    pub fn is_time(&mut self, now: MonoUs, due: BTreeSet<(String, bool)>) -> bool {
        let news = due.iter().any(|intent| !self.asked.contains(intent));
        if !news && now < self.at {
            return false;
        }
        self.pause_us = if news { PAUSE_FIRST_US } else { (self.pause_us * 2).min(PAUSE_MAX_US) };
        self.at = now.plus_us(self.pause_us);
        self.asked = due;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_is_asked_for_more_and_more_seldom_and_what_is_new_at_once() {
        let mut pace = Pace::default();
        let due =
            |names: &[&str], counts: bool| names.iter().map(|name| ((*name).to_owned(), counts)).collect();
        let mut asked_at = Vec::new();
        for second in 0..60_u64 {
            if pace.is_time(MonoUs(second * 1_000_000), due(&["a"], false)) {
                asked_at.push(second);
            }
        }
        assert_eq!(asked_at, [0, 1, 3, 7, 15, 25, 35, 45, 55]);
        assert!(pace.is_time(MonoUs(60_000_000), due(&["a", "b"], false)), "a new one");
        assert!(!pace.is_time(MonoUs(60_500_000), due(&["a"], false)));
        assert!(pace.is_time(MonoUs(60_600_000), due(&["a"], true)), "its absence counts from now on");
    }
}
