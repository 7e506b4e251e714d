//! What a process finds when it starts: acts of before whose fate is not known.
//!
//! It reports ready once they are decided, or were given time to be. Readiness alone waits, so that a rolling restart does not go on
//! to the next process while nobody has looked; calls are served meanwhile, orders too. Holding orders back would protect
//! nothing, because a claim already keeps each request id from being executed twice, and it would take the means to hedge
//! from whoever needs them most.

use std::collections::BTreeSet;

use tidegate_core::{AccountName, MonoUs};
use tidegate_lanes::{IntentRecord, IntentState, OpenIntents};

/// No longer than this. What Kraken does not show is decided by then or later, whoever is ready.
const WAIT_MAX_US: u64 = 30_000_000;

/// Which accounts are still waited for.
#[derive(Debug)]
pub(crate) struct Inherited {
    /// Accounts whose store was not read yet.
    unread: BTreeSet<AccountName>,
    waited_for: BTreeSet<(AccountName, String)>,
    until: MonoUs,
}

impl Inherited {
    /// Nothing is known of these accounts yet.
    pub(crate) fn of(accounts: impl IntoIterator<Item = AccountName>, now: MonoUs) -> Self {
        Self {
            unread: accounts.into_iter().collect(),
            waited_for: BTreeSet::new(),
            until: now.plus_us(WAIT_MAX_US),
        }
    }

    /// Takes the newest listing of an account.
    pub(crate) fn see(&mut self, account: &AccountName, open: &OpenIntents) {
        let first = self.unread.remove(account);
        let doubtful = open.intents.iter().filter(|(_, known)| in_doubt(known, open.store_now_us));
        let doubtful: BTreeSet<&str> = doubtful.map(|(id, _)| id.as_str()).collect();
        if first {
            self.waited_for.extend(doubtful.iter().map(|id| (account.clone(), (*id).to_owned())));
        } else {
            self.waited_for.retain(|(of, id)| of != account || doubtful.contains(id.as_str()));
        }
    }

    /// Whether nothing is waited for any more.
    pub(crate) fn is_over(&self, now: MonoUs) -> bool {
        now >= self.until || (self.unread.is_empty() && self.waited_for.is_empty())
    }

    /// How many acts are waited for.
    pub(crate) fn left(&self) -> usize {
        self.waited_for.len()
    }
}

/// A claim of a process that is alive is no doubt; nor is what only a person can decide worth waiting for.
fn in_doubt(known: &IntentRecord, store_now_us: u64) -> bool {
    match known.state {
        IntentState::Doubtful | IntentState::Lost => true,
        IntentState::Claimed => (1..=store_now_us).contains(&known.not_after_us),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_lanes::Wish;

    use super::*;

    fn open(of: &[(&str, IntentState)]) -> OpenIntents {
        let known = |state| IntentRecord {
            account: "main".into(),
            endpoint: "AddOrder".into(),
            request_id: String::new(),
            content: String::new(),
            token: "t".into(),
            state,
            claimed_us: 1,
            not_after_us: 10,
            absent_after_us: 20,
            settled_us: 0,
            outcome: Vec::new(),
            generation: "g".into(),
            caller: "desk".into(),
            handle: String::new(),
            wish: Wish::Keep,
            note: String::new(),
        };
        let intents = of.iter().map(|(id, state)| ((*id).to_owned(), known(*state))).collect();
        OpenIntents { generation: "g".into(), store_now_us: 5, intents }
    }

    #[test]
    fn what_was_in_doubt_at_the_start_is_waited_for_and_nothing_else() {
        use IntentState::{Claimed, Doubtful, NeedsOperator};
        let account: AccountName = "main".parse().expect("a label");
        let start = || Inherited::of([account.clone()], MonoUs(0));
        let mut one = start();
        assert!(!one.is_over(MonoUs(1)), "the store was not read");
        one.see(&account, &open(&[("a", Doubtful), ("b", NeedsOperator), ("c", Claimed)]));
        assert!(!one.is_over(MonoUs(1)) && one.left() == 1);
        one.see(&account, &open(&[("c", Claimed), ("d", Doubtful)]));
        assert!(one.is_over(MonoUs(1)), "of new doubts others can tell");
        let mut two = start();
        two.see(&account, &open(&[]));
        assert!(two.is_over(MonoUs(1)));
        let mut three = start();
        three.see(&account, &open(&[("a", Doubtful)]));
        assert!(!three.is_over(MonoUs(WAIT_MAX_US - 1)) && three.is_over(MonoUs(WAIT_MAX_US)));
        assert!(start().is_over(MonoUs(WAIT_MAX_US)), "a store that is away is told of elsewhere");
    }
}
