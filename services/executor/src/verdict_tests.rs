use serde_json::json;
use tidegate_kraken::wire::{self, OrderAmends, OrdersById};
use tidegate_lanes::{IntentState, Wish};

use super::*;
use crate::handle::AmendHandle;

const SENT_US: u64 = 1_781_000_000_000_000;
const NOT_AFTER_US: u64 = SENT_US + 10_000_000;
const COUNTS_US: u64 = NOT_AFTER_US + SETTLE_MARGIN_US;

fn known(handle: &Handle) -> IntentRecord {
    IntentRecord {
        account: "main".into(),
        endpoint: "X".into(),
        request_id: String::new(),
        content: String::new(),
        token: "t".into(),
        state: IntentState::Doubtful,
        claimed_us: SENT_US,
        not_after_us: NOT_AFTER_US,
        absent_after_us: if handle.is_findable() { COUNTS_US } else { 0 },
        settled_us: 0,
        outcome: Vec::new(),
        generation: "g".into(),
        caller: "desk".into(),
        handle: handle.text(),
        wish: Wish::Keep,
        note: String::new(),
    }
}

fn order(id: &str, opened_us: u64, more: &serde_json::Value) -> (String, Order) {
    let mut order = json!({
        "status": "open", "opentm": format!("{}.{:06}", opened_us / 1_000_000, opened_us % 1_000_000), "vol": "1.0",
        "vol_exec": "0.0", "descr": {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "order": "a sentence"},
    });
    for (name, value) in more.as_object().expect("an object") {
        order[name] = value.clone();
    }
    let raw = serde_json::value::to_raw_value(&json!({ id: order })).expect("JSON");
    wire::read::<OrdersById>(Some(&raw)).expect("an order").0.remove(0)
}

fn seen(orders: &[(&str, u64, serde_json::Value)]) -> Seen {
    let mut seen = Seen { whole: true, ..Seen::default() };
    for (id, opened_us, more) in orders {
        let (id, order) = order(id, *opened_us, more);
        let open = order.status == "open";
        seen.add(id, order, open);
    }
    seen
}

fn amends(rows: &[(&str, u64, &str)]) -> Vec<Amend> {
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, at_us, qty)| {
            json!({"amend_id": id, "amend_type": "user", "order_qty": qty, "timestamp": at_us * 1_000})
        })
        .collect();
    let raw = serde_json::value::to_raw_value(&json!({ "amends": rows })).expect("JSON");
    wire::read::<OrderAmends>(Some(&raw)).expect("amends").amends
}

fn verdict(handle: &Handle, seen: &Seen, now_us: u64) -> Verdict {
    let known = known(handle);
    Asked { id: "me", known: &known, handle, born_us: SENT_US, now_us }.verdict(seen, &[])
}

fn needs_operator(verdict: &Verdict, words: &str) {
    match verdict {
        Verdict::NeedsOperator(note) => assert!(note.contains(words), "{note}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_order_is_found_at_once_and_absent_only_after_its_time() {
    let found = seen(&[("O1", SENT_US, json!({"cl_ord_id": "me"}))]);
    let Verdict::Executed(reply) = verdict(&Handle::Order, &found, SENT_US) else { panic!("it is there") };
    let reply = v1::AddOrderResponse::decode(reply.as_slice()).expect("a reply");
    assert!(matches!(reply.outcome, Some(order::Outcome::Accepted(a)) if a.order_ids == ["O1"]));
    let other = seen(&[("O1", SENT_US, json!({"cl_ord_id": "you"}))]);
    assert_eq!(verdict(&Handle::Order, &other, COUNTS_US - 1), Verdict::Wait);
    assert_eq!(verdict(&Handle::Order, &other, COUNTS_US), Verdict::Absent);
    assert_eq!(verdict(&Handle::Order, &Seen { whole: false, ..other }, COUNTS_US), Verdict::Wait);
}

#[test]
fn an_order_with_a_close_is_found_by_its_number_and_not_mistaken_for_its_close() {
    let marked = Handle::Marked(Mark { userref: 7, volume: Some("1".into()) });
    let found = seen(&[
        ("O1", SENT_US, json!({"userref": 7, "vol": "1.00000000"})),
        ("O2", SENT_US, json!({"userref": 7, "vol": "1.00000000", "refid": "O1"})),
    ]);
    let Verdict::Executed(reply) = verdict(&marked, &found, SENT_US) else { panic!("it is there") };
    let reply = v1::AddOrderResponse::decode(reply.as_slice()).expect("a reply");
    let Some(order::Outcome::Accepted(accepted)) = reply.outcome else { panic!("{reply:?}") };
    assert_eq!(
        (accepted.order_ids, accepted.userref, accepted.cl_ord_id),
        (vec!["O1".into()], Some(7), String::new())
    );
    let close = seen(&[("O2", SENT_US, json!({"userref": 7, "vol": "1", "refid": "O1"}))]);
    assert_eq!(verdict(&marked, &close, COUNTS_US - 1), Verdict::Wait);
    assert_eq!(verdict(&marked, &close, COUNTS_US), Verdict::Absent);
    assert_eq!(verdict(&marked, &Seen { whole: false, ..close }, COUNTS_US), Verdict::Wait);
    let another = seen(&[("O3", SENT_US, json!({"userref": 7, "vol": "2"}))]);
    assert_eq!(verdict(&marked, &another, SENT_US), Verdict::Wait);
    needs_operator(&verdict(&marked, &another, COUNTS_US), "O3");
}

#[test]
fn a_batch_is_decided_when_every_row_is() {
    let batch = Handle::Batch { rows: ["a", "b"].map(str::to_owned).into() };
    let both =
        seen(&[("O1", SENT_US, json!({"cl_ord_id": "a"})), ("O2", SENT_US, json!({"cl_ord_id": "b"}))]);
    assert!(matches!(verdict(&batch, &both, SENT_US), Verdict::Executed(_)));
    let one = seen(&[("O1", SENT_US, json!({"cl_ord_id": "a"}))]);
    assert_eq!(verdict(&batch, &one, COUNTS_US - 1), Verdict::Wait);
    let rows = |verdict: Verdict| {
        let Verdict::Executed(reply) = verdict else { panic!("{verdict:?}") };
        match v1::AddOrderBatchResponse::decode(reply.as_slice()).expect("a reply").outcome {
            Some(batch::Outcome::Accepted(accepted)) => accepted.rows,
            other => panic!("{other:?}"),
        }
    };
    let told = rows(verdict(&batch, &one, COUNTS_US));
    assert!(matches!(told[0].outcome, Some(batch::row::Outcome::Placed(_))));
    assert!(
        matches!(&told[1].outcome, Some(batch::row::Outcome::NotPlaced(not)) if not.kraken_error.is_empty())
    );
    assert_eq!(verdict(&batch, &seen(&[]), COUNTS_US), Verdict::Absent);

    // What Kraken's own answer said of a row stands.
    let refused =
        batch::row::NotPlaced { kraken_error: "EOrder:Insufficient funds".into(), text: String::new() };
    let partly = vec![
        batch::Row {
            cl_ord_id: "a".into(),
            outcome: Some(batch::row::Outcome::Unresolved(v1::Unresolved::default())),
            ..batch::Row::default()
        },
        batch::Row {
            cl_ord_id: "b".into(),
            outcome: Some(batch::row::Outcome::NotPlaced(refused.clone())),
            ..batch::Row::default()
        },
    ];
    let mut kept = known(&batch);
    kept.outcome = answers::placed_rows(partly, HashMap::new(), Vec::new());
    let asked = Asked { id: "me", known: &kept, handle: &batch, born_us: SENT_US, now_us: SENT_US };
    let told = rows(asked.verdict(&one, &[]));
    assert_eq!(told[1].outcome, Some(batch::row::Outcome::NotPlaced(refused)));
    assert_eq!(asked.verdict(&seen(&[]), &[]), Verdict::Wait);
}

#[test]
fn an_amend_is_looked_for_among_the_changes_of_its_order() {
    let by_id = Handle::Amend(AmendHandle {
        order_id: Some("O1".into()),
        volume: Some("2".into()),
        ..AmendHandle::default()
    });
    let with = |rows: &[(&str, u64, &str)]| {
        let mut seen = Seen::default();
        seen.amends.insert("O1".into(), amends(rows));
        seen
    };
    assert_eq!(verdict(&by_id, &Seen::default(), COUNTS_US), Verdict::Wait, "its changes could not be read");
    assert_eq!(verdict(&by_id, &with(&[]), COUNTS_US - 1), Verdict::Wait);
    let others = [("T", SENT_US, "3"), ("T", SENT_US - 66_000_000, "2")];
    assert_eq!(verdict(&by_id, &with(&others), COUNTS_US), Verdict::Absent);
    let near = [("T", SENT_US - 30_000_000, "2")];
    assert_eq!(verdict(&by_id, &with(&near), COUNTS_US - 1), Verdict::Wait);
    needs_operator(&verdict(&by_id, &with(&near), COUNTS_US), "clocks");
    let Verdict::Executed(reply) = verdict(&by_id, &with(&[("T7", SENT_US + 1, "2.0")]), SENT_US + 2) else {
        panic!("it is there")
    };
    let reply = v1::AmendOrderResponse::decode(reply.as_slice()).expect("a reply");
    assert!(matches!(reply.outcome, Some(amend::Outcome::Accepted(a)) if a.amend_id == "T7" && a.looked_up));

    let by_name = Handle::Amend(AmendHandle {
        cl_ord_id: Some("theirs".into()),
        volume: Some("2".into()),
        ..AmendHandle::default()
    });
    assert_eq!(verdict(&by_name, &seen(&[]), COUNTS_US), Verdict::Absent, "there is no such order");
    let mut named = seen(&[("O1", SENT_US - 1, json!({"cl_ord_id": "theirs"}))]);
    named.amends.insert("O1".into(), amends(&[("T7", SENT_US, "2")]));
    assert!(matches!(verdict(&by_name, &named, SENT_US), Verdict::Executed(_)));

    // Two equal ones and one change.
    let (one, two) = (known(&by_id), known(&by_id));
    let asked = |id, known| Asked { id, known, handle: &by_id, born_us: SENT_US, now_us: COUNTS_US };
    let both = [asked("one", &one), asked("two", &two)];
    let changes = with(&[("T7", SENT_US, "2")]);
    for asked in &both {
        needs_operator(&asked.verdict(&changes, &both), "T7");
    }
    let changes = with(&[("T7", SENT_US, "2"), ("T8", SENT_US, "2")]);
    assert!(both.iter().all(|asked| matches!(asked.verdict(&changes, &both), Verdict::Executed(_))));
}

#[test]
fn an_edit_is_recognised_by_its_number_and_never_absent() {
    let edit = Handle::Edit(EditHandle { order_id: "O1".into(), userref: 7, volume: Some("2".into()) });
    let new =
        |opened_us, userref, vol: &str| seen(&[("O2", opened_us, json!({"userref": userref, "vol": vol}))]);
    assert!(matches!(verdict(&edit, &new(SENT_US, 7, "2.0"), SENT_US), Verdict::Executed(_)));
    for not_it in [new(SENT_US, 8, "2"), new(SENT_US, 7, "1"), new(SENT_US - 60_000_000, 7, "2")] {
        assert_eq!(verdict(&edit, &not_it, COUNTS_US - 1), Verdict::Wait);
        needs_operator(&verdict(&edit, &not_it, COUNTS_US), "O1 was not seen");
    }
    let gone = seen(&[("O1", SENT_US - 1, json!({"status": "canceled"}))]);
    needs_operator(&verdict(&edit, &gone, COUNTS_US), "O1 is canceled, executed 0.0 of 1.0");
}

#[test]
fn a_cancel_of_many_is_done_when_nothing_that_it_meant_is_open() {
    for scope in [Scope::All, Scope::Userref(7), Scope::ClOrdId("x".into())] {
        let cancel = Handle::Cancel(scope);
        let later = seen(&[("O9", SENT_US + SKEW_US + 1, json!({"userref": 7, "cl_ord_id": "x"}))]);
        assert_eq!(verdict(&cancel, &later, COUNTS_US - 1), Verdict::Wait, "it may still come");
        assert!(matches!(verdict(&cancel, &later, COUNTS_US), Verdict::Executed(_)));
        let older = seen(&[("O1", SENT_US + SKEW_US, json!({"userref": 7, "cl_ord_id": "x"}))]);
        needs_operator(&verdict(&cancel, &older, COUNTS_US), "for instance O1");
        let closed =
            seen(&[("O1", SENT_US - 1, json!({"userref": 7, "cl_ord_id": "x", "status": "canceled"}))]);
        assert!(matches!(verdict(&cancel, &closed, COUNTS_US), Verdict::Executed(_)));
    }
    let others = seen(&[("O1", SENT_US - 1, json!({"userref": 8}))]);
    assert!(matches!(verdict(&Handle::Cancel(Scope::Userref(7)), &others, COUNTS_US), Verdict::Executed(_)));
}

#[test]
fn a_timer_is_over_when_it_must_have_fired() {
    let timer = Handle::Timer { timeout_s: 60 };
    assert_eq!(verdict(&timer, &Seen::default(), COUNTS_US + 59_999_999), Verdict::Wait);
    let Verdict::Executed(reply) = verdict(&timer, &Seen::default(), COUNTS_US + 60_000_000) else {
        panic!("it is over")
    };
    let reply = v1::CancelAllOrdersAfterResponse::decode(reply.as_slice()).expect("a reply");
    assert!(matches!(reply.outcome, Some(timer::Outcome::Over(_))));
}

#[test]
fn what_leaves_no_mark_is_left_to_a_person_when_nothing_can_come_any_more() {
    let transfer = Handle::Unseen { endpoint: "WalletTransfer".to_owned(), sought: None };
    assert_eq!(verdict(&transfer, &Seen::default(), COUNTS_US - 1), Verdict::Wait);
    needs_operator(&verdict(&transfer, &Seen::default(), COUNTS_US), "WalletTransfer leaves no mark");
}

#[test]
fn evidence_is_told_and_waited_for_and_decides_nothing() {
    let sought = Sought {
        asset: "XBT".into(),
        asset_class: None,
        amount: "0.725".into(),
        key: Some("cold-wallet-1".into()),
    };
    let withdrawal = Handle::Unseen { endpoint: "Withdraw".to_owned(), sought: Some(sought.clone()) };
    let nothing = Seen::default();
    for too_early in [COUNTS_US - 1, COUNTS_US, COUNTS_US + EVIDENCE_US - 1] {
        assert_eq!(verdict(&withdrawal, &nothing, too_early), Verdict::Wait);
    }
    let in_vain = verdict(&withdrawal, &nothing, COUNTS_US + EVIDENCE_US);
    needs_operator(&in_vain, "WithdrawStatus could not be asked");
    let line = json!([{"asset": "XXBT", "refid": "FTm4Kx2", "amount": "0.72498", "fee": "0.00002", "time": 1_781_000_001,
        "status": "Success", "key": "cold-wallet-1"}]);
    for (list, words) in [(line, "WithdrawStatus shows FTm4Kx2"), (json!([]), "WithdrawStatus shows none")] {
        let raw = serde_json::value::to_raw_value(&list).expect("JSON");
        let found = crate::evidence::evidence(List::Withdrawals, &sought, &raw, COUNTS_US).expect("a list");
        let seen = Seen { evidence: HashMap::from([("me".to_owned(), found)]), ..Seen::default() };
        assert_eq!(verdict(&withdrawal, &seen, COUNTS_US - 1), Verdict::Wait);
        needs_operator(&verdict(&withdrawal, &seen, COUNTS_US), words);
    }
}
