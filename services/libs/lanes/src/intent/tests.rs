use super::*;
use crate::grant::Present;

const T: u64 = 1_795_000_000_000_000;

/// A store with one intent.
struct Store {
    generation: Option<Generation>,
    record: Option<IntentRecord>,
    server: &'static str,
    halt: Option<&'static str>,
}

impl Store {
    fn prepared() -> Self {
        let generation =
            Generation { marker: "g".into(), replication_id: "r".into(), born_us: T - 1, fresh: true };
        Self { generation: Some(generation), record: None, server: "r", halt: None }
    }

    /// By a claimant whose clock is right, where the claim does not say what it says.
    fn claim(&mut self, claim: &Claim, now_us: u64) -> ClaimReply {
        let mut claim = claim.clone();
        if claim.caller_now_us == 0 {
            claim.caller_now_us = now_us;
        }
        let now = StoreNow { us: now_us, replication_id: self.server };
        let applied = apply_claim(self.generation.as_ref(), self.record.as_ref(), self.halt, &claim, now)
            .expect("small numbers");
        self.record = applied.record.or(self.record.take());
        applied.reply
    }

    /// Somebody asks for a grant, and finds that the memory is gone.
    fn begin(&mut self, now_us: u64) {
        let now = StoreNow { us: now_us, replication_id: self.server };
        self.generation = match Present::of(self.generation.as_ref(), "x", now, now_us) {
            Present::Kept(generation) | Present::Begun(generation) => Some(generation),
            Present::Missing => None,
        };
    }

    fn settle(&mut self, claim: &Claim, state: IntentState, verdict: Option<&str>, now_us: u64) -> Settled {
        let settle = Settle {
            claim: claim.clone(),
            state,
            outcome: state.as_str().into(),
            generation: verdict.map(str::to_owned),
            note: String::new(),
        };
        let now = StoreNow { us: now_us, replication_id: self.server };
        let (settled, record) = apply_settle(self.generation.as_ref(), self.record.as_ref(), &settle, now)
            .expect("small numbers");
        self.record = record.or(self.record.take());
        settled
    }

    fn marker(&self) -> String {
        self.generation.as_ref().map_or_else(String::new, |g| g.marker.clone())
    }

    fn state(&self) -> IntentState {
        self.record.as_ref().expect("a record").state
    }
}

fn claim(token: &str, born_us: u64) -> Claim {
    Claim {
        key: IntentKey { domain: "main".parse().expect("a label"), id: "an-id".into() },
        account: "main".parse().expect("a label"),
        endpoint: "AddOrder".into(),
        request_id: "a-request".into(),
        content: "pair=1".into(),
        token: token.into(),
        born_us,
        caller_now_us: 0,
        not_after_us: born_us + 10_000_000,
        findable: true,
        cancels: false,
        caller: "desk".into(),
        handle: String::new(),
        wish: Wish::Keep,
    }
}

fn is_claimed(reply: &ClaimReply) -> bool {
    matches!(reply, ClaimReply::Claimed { .. })
}

#[test]
fn one_claims_and_all_others_are_told() {
    let mut store = Store::prepared();
    let (one, two) = (claim("one", T), claim("two", T));
    assert!(is_claimed(&store.claim(&one, T)));
    assert!(is_claimed(&store.claim(&one, T + 1)), "its answer was lost");
    assert!(matches!(store.claim(&two, T + 2), ClaimReply::Known(r) if r.state == IntentState::Claimed));
    assert_eq!(store.settle(&one, IntentState::Executed, None, T + 3), Settled::Written);
    let ClaimReply::Known(known) = store.claim(&one, T + 4) else { panic!("its outcome is known") };
    assert_eq!((known.state, known.outcome.as_slice()), (IntentState::Executed, b"executed".as_slice()));
}

#[test]
fn ids_from_the_future_and_from_yesterday_are_refused() {
    let mut store = Store::prepared();
    assert!(matches!(store.claim(&claim("a", T + AHEAD_MAX_US + 1), T), ClaimReply::Unborn { .. }));
    assert!(matches!(store.claim(&claim("a", T), T + AGE_MAX_US + 1), ClaimReply::TooOld { .. }));
    assert_eq!(store.record, None);
    assert!(is_claimed(&store.claim(&claim("a", T + AHEAD_MAX_US), T)));
    // An outcome outlives the age at which its id is refused.
    store.settle(&claim("a", T + AHEAD_MAX_US), IntentState::Refused, None, T);
    assert!(matches!(store.claim(&claim("b", T + AHEAD_MAX_US), T + KEPT_US - 1), ClaimReply::Known(_)));
    assert!(matches!(store.claim(&claim("b", T + AHEAD_MAX_US), T + KEPT_US), ClaimReply::TooOld { .. }));
}

#[test]
fn an_id_that_may_have_lost_its_claim_is_never_sent() {
    for loss in ["flush", "another server"] {
        let mut store = Store::prepared();
        assert!(is_claimed(&store.claim(&claim("a", T), T)));
        let lost_at = T + 1_000_000;
        if loss == "flush" {
            (store.generation, store.record) = (None, None);
        } else {
            (store.record, store.server) = (None, "r2");
        }
        assert_eq!(store.claim(&claim("b", T), lost_at), ClaimReply::NoGeneration, "{loss}");
        store.begin(lost_at);
        let ClaimReply::Known(lost) = store.claim(&claim("b", T), lost_at) else { panic!("{loss}: sent") };
        assert_eq!((lost.state, lost.token.as_str()), (IntentState::Lost, ""), "{loss}");
        let birth = lost_at + MAY_BE_LOST_US;
        assert_eq!(lost.absent_after_us, birth + LOST_DEADLINE_US + SETTLE_MARGIN_US, "{loss}");
        // Also when it is asked for again, long after.
        let again = store.claim(&claim("c", T), lost_at + 3_600_000_000);
        assert!(matches!(again, ClaimReply::Known(r) if r.state == IntentState::Lost), "{loss}");
        // Ids that are young enough cannot have been claimed before.
        store.record = None;
        let young = claim("d", birth);
        assert!(is_claimed(&store.claim(&young, birth)), "{loss}");
    }
}

#[test]
fn a_sender_whose_claim_was_lost_writes_its_outcome_all_the_same() {
    let mut store = Store::prepared();
    let (one, two) = (claim("one", T), claim("two", T));
    store.claim(&one, T);
    (store.generation, store.record) = (None, None);
    assert_eq!(store.settle(&one, IntentState::Executed, None, T + 1), Settled::Written);
    assert!(matches!(store.claim(&two, T + 2), ClaimReply::Known(r) if r.state == IntentState::Executed));
    // And one that somebody else asked for meanwhile.
    let mut store = Store::prepared();
    store.claim(&one, T);
    (store.generation, store.record) = (None, None);
    store.begin(T);
    store.claim(&two, T + 1);
    assert!(matches!(store.settle(&one, IntentState::Doubtful, None, T + 2), Settled::Kept(_)), "no news");
    assert_eq!(store.settle(&one, IntentState::Refused, None, T + 3), Settled::Written, "a proof");
    assert_eq!(store.state(), IntentState::Refused);
}

#[test]
fn executed_replaces_anything_and_nothing_replaces_it() {
    let mut store = Store::prepared();
    let one = claim("one", T);
    store.claim(&one, T);
    store.settle(&one, IntentState::Doubtful, None, T + 1);
    let marker = store.marker();
    assert_eq!(store.settle(&one, IntentState::Absent, Some(&marker), T + 2), Settled::Written);
    assert!(matches!(store.settle(&one, IntentState::Doubtful, None, T + 3), Settled::Kept(_)));
    assert!(matches!(store.settle(&one, IntentState::Refused, None, T + 3), Settled::Kept(_)));
    let Settled::Replaced(old) = store.settle(&one, IntentState::Executed, None, T + 4) else {
        panic!("it was absent")
    };
    assert_eq!(old.state, IntentState::Absent);
    for state in [IntentState::Absent, IntentState::Refused, IntentState::NeedsOperator] {
        assert!(matches!(store.settle(&one, state, Some(&marker), T + 5), Settled::Kept(_)));
    }
    let other = Claim { content: "pair=2".into(), ..claim("two", T) };
    assert!(
        matches!(store.settle(&other, IntentState::Executed, None, T + 6), Settled::Kept(_)),
        "not that act"
    );
}

#[test]
fn a_verdict_of_an_older_generation_or_of_another_claim_counts_for_nothing() {
    let mut store = Store::prepared();
    let (one, two) = (claim("one", T), claim("two", T));
    store.claim(&one, T);
    let marker = store.marker();
    // The claim is taken back and made anew while somebody looks.
    let withdraw =
        |token: &str| Withdraw { key: one.key.clone(), account: one.account.clone(), token: token.into() };
    assert!(!apply_withdraw(store.record.as_ref(), &withdraw("two"), T + 1));
    assert!(apply_withdraw(store.record.as_ref(), &withdraw("one"), T + 1));
    store.record = None;
    store.claim(&two, T + 1);
    assert!(matches!(store.settle(&one, IntentState::Absent, Some(&marker), T + 2), Settled::Kept(_)));
    // What is in doubt is not taken back any more.
    store.settle(&two, IntentState::Doubtful, None, T + 3);
    assert!(!apply_withdraw(store.record.as_ref(), &withdraw("two"), T + 1));
    store.server = "r2";
    assert_eq!(store.settle(&two, IntentState::Absent, Some(&marker), T + 4), Settled::Stale);
    assert_eq!(store.state(), IntentState::Doubtful);
}

#[test]
fn a_wish_only_grows_and_an_executed_order_that_is_to_go_stays_open_until_it_is_gone() {
    let mut store = Store::prepared();
    let one = Claim { wish: Wish::CancelIfUnresolved, ..claim("one", T) };
    store.claim(&one, T);
    let wish = |store: &mut Store, wish: Wish| {
        store.record = apply_wish(store.record.as_ref(), wish, T + 1);
        store.record.clone().expect("it is known")
    };
    store.settle(&one, IntentState::Executed, None, T + 1);
    assert!(!store.record.as_ref().expect("a record").is_open(), "it was never in doubt");
    assert!(wish(&mut store, Wish::Cancel).is_open());
    assert_eq!(wish(&mut store, Wish::Keep).wish, Wish::Cancel, "a wish is not taken back");
    assert!(!wish(&mut store, Wish::Done).is_open());
    assert_eq!(apply_wish(None, Wish::Cancel, T), None);

    // An outcome that comes after the doubt carries the wish with it.
    let mut store = Store::prepared();
    store.claim(&one, T);
    let doubted = Claim { wish: one.wish.in_doubt(), ..one };
    store.settle(&doubted, IntentState::Doubtful, None, T + 1);
    store.settle(&doubted, IntentState::Executed, None, T + 2);
    assert!(store.record.as_ref().expect("a record").is_open());
}

#[test]
fn handles_and_notes_have_a_bound() {
    let now = StoreNow { us: T, replication_id: "r" };
    let long = Claim { handle: "h".repeat(HANDLE_BYTES_MAX + 1), ..claim("one", T) };
    assert!(apply_claim(None, None, None, &long, now).is_err());
    let settle = |note: usize| Settle {
        claim: claim("one", T),
        state: IntentState::NeedsOperator,
        outcome: Vec::new(),
        generation: None,
        note: "n".repeat(note),
    };
    assert!(apply_settle(None, None, &settle(NOTE_BYTES_MAX + 1), now).is_err());
    assert!(apply_settle(None, None, &settle(NOTE_BYTES_MAX), now).is_ok());
}

#[test]
fn a_generation_that_began_while_a_clock_ran_ahead_holds_no_intent_up_for_long() {
    let hour = 3_600_000_000;
    let mut store = Store::prepared();
    // One that began while the clock was an hour ahead.
    let born_us = T + hour;
    store.generation =
        Some(Generation { marker: "h".into(), replication_id: "r".into(), born_us, fresh: false });
    let ClaimReply::Known(lost) = store.claim(&claim("one", T), T) else { panic!("a lost claim") };
    assert_eq!(lost.not_after_us, T + MAY_BE_LOST_US + LOST_DEADLINE_US);
}

/// An order was executed and filled, its claim was wiped, and its caller asks again: whatever wiped it, and whenever he asks, it
/// is not sent, and what is told in the end is what a look at Kraken shows.
#[test]
fn a_claim_that_was_wiped_is_never_made_again() {
    const S: u64 = 1_000_000;
    for loss in ["rollback", "flush", "failover"] {
        for after_s in [1, 61, 3_600, 25 * 3_600] {
            let case = format!("{loss}, asked again after {after_s} s");
            let mut store = Store::prepared();
            let one = claim("one", T);
            assert!(is_claimed(&store.claim(&one, T)), "{case}");
            assert_eq!(store.settle(&one, IntentState::Executed, None, T + S), Settled::Written, "{case}");
            // The claim was younger than what is left of the memory; only a flush takes the generation as well.
            let lost_at = T + 8 * S;
            store.record = None;
            match loss {
                "flush" => store.generation = None,
                _ => store.server = "r2",
            }
            let asked_at = lost_at + after_s * S;
            if after_s == 1 {
                // Before anybody has noticed the loss nothing is claimed at all.
                assert_eq!(
                    store.claim(&claim("two", T), lost_at + S / 2),
                    ClaimReply::NoGeneration,
                    "{case}"
                );
            }
            store.begin(lost_at + 3 * S / 4);
            let reply = store.claim(&claim("three", T), asked_at);
            if after_s > 24 * 3_600 {
                assert!(matches!(reply, ClaimReply::TooOld { .. }), "{case}: {reply:?}");
                continue;
            }
            let ClaimReply::Known(known) = reply else { panic!("{case}: sent again") };
            assert_eq!(known.state, IntentState::Lost, "{case}");
            assert!(known.is_due(asked_at), "{case}: it is looked for at once");
            assert!(!known.absence_counts(known.not_after_us + SETTLE_MARGIN_US - 1), "{case}");
            let marker = store.marker();
            let found = store.settle(&claim("", T), IntentState::Executed, Some(&marker), asked_at + S);
            assert_eq!(found, Settled::Written, "{case}");
            let ClaimReply::Known(told) = store.claim(&claim("four", T), asked_at + 2 * S) else {
                panic!("{case}: sent again")
            };
            assert_eq!(told.state, IntentState::Executed, "{case}");
        }
    }
}

#[test]
fn nothing_is_claimed_while_claimant_and_store_differ_about_the_time() {
    let mut store = Store::prepared();
    let at = |caller_now_us: u64, cancels: bool| Claim { caller_now_us, cancels, ..claim("one", T) };
    for caller_now_us in [T - CLAIM_SKEW_MAX_US - 1, T + CLAIM_SKEW_MAX_US + 1] {
        let reply = store.claim(&at(caller_now_us, false), T);
        assert_eq!((reply, &store.record), (ClaimReply::Skewed { store_now_us: T }, &None));
    }
    let cancel = store.claim(&at(T + 3_600_000_000, true), T);
    assert!(matches!(cancel, ClaimReply::Claimed { .. }), "a cancel takes risk away: {cancel:?}");
    // What is known is told, whatever the time is.
    let again = store.claim(&at(T + 3_600_000_000, false), T + 1);
    assert!(matches!(again, ClaimReply::Claimed { .. }), "the same claim again: {again:?}");
}
