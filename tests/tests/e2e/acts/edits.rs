//! Edits: refused unless allowed; then at most once, and never called absent.

use tidegate_proto::v1::edit_order_response::Outcome;

use super::*;

fn edit_of(order_id: &str, volume: &str) -> v1::EditOrderRequest {
    let (order_id, volume) = (order_id.to_owned(), volume.to_owned());
    v1::EditOrderRequest { context: context(), order_id, pair: "XBTUSD".into(), volume, ..Default::default() }
}

async fn ask_edit(process: &Process, edit: &v1::EditOrderRequest, seconds: u64) -> Result<Outcome, Status> {
    let reply = client(process).await.edit_order(within(edit.clone(), seconds)).await?;
    Ok(reply.into_inner().outcome.expect("an outcome"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_refused_unless_an_operator_allows_it() {
    let house = house().await;
    let one = process(&house, "one").await;
    let status = ask_edit(&one, &edit_of("OABCDE-FGHIJ-KLMNOP", "1"), 5).await.expect_err("not allowed");
    assert!(promises_not_executed(&status) && status.message().contains("AmendOrder"), "{status:?}");
    assert_eq!(sent(&house, "EditOrder").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_done_half_done_or_found_by_its_number() {
    let house = house().await;
    let (mut one, two) = (bold(&house, "one").await, bold(&house, "two").await);
    let edit = edit_of(&resting(&one).await, "0.002");
    let first = ask_edit(&one, &edit, 5).await.expect("an edit");
    let Outcome::Accepted(done) = &first else { panic!("{first:?}") };
    assert_eq!(done.original_order_id, edit.order_id);
    assert_eq!(ask_edit(&two, &edit, 5).await.expect("the same"), first);
    let open = open_orders(&one).await;
    assert_eq!((open[0].order_id.as_str(), open[0].userref), (done.order_id.as_str(), Some(done.userref)));

    spoil(&house, "EditOrder", "execute_then_http_status", json!(502)).await;
    let lost = edit_of(&done.order_id, "0.003");
    assert!(matches!(ask_edit(&one, &lost, 5).await, Ok(Outcome::Unresolved(_))));
    let found = eventually("the edit to be found", || async {
        match ask_edit(&two, &lost, 5).await.expect("a reply") {
            Outcome::Accepted(found) => Some(found),
            _ => None,
        }
    })
    .await;
    assert_eq!(open_orders(&one).await[0].order_id, found.order_id);

    // Whoever sent it may be gone.
    spoil(&house, "EditOrder", "hang_after_execute_ms", json!(20_000)).await;
    let edit = edit_of(&found.order_id, "0.004");
    let asked = tokio::spawn({
        let (edit, mut client) = (edit.clone(), client(&one).await);
        async move { client.edit_order(edit).await.map(drop) }
    });
    eventually("the edit to be executed", || async {
        let log = house.pages.requests("EditOrder").await.expect("a log");
        (log.get(2)?["executed"] == true).then_some(())
    })
    .await;
    one.kill().await;
    let word = asked.await.expect("no panic").expect_err("its process is gone");
    assert!(!promises_not_executed(&word), "a transport's word, which promises nothing: {word:?}");
    let found = eventually("the edit to be found", || async {
        match ask_edit(&two, &edit, 5).await {
            Ok(Outcome::Accepted(found)) => Some(found),
            Ok(_) => None,
            // Its lane is between two owners.
            Err(status) => {
                assert!(promises_not_executed(&status), "{status:?}");
                None
            }
        }
    })
    .await;
    let one = bold(&house, "one-again").await;

    // The old order goes, the new one is refused: that is said, and said again.
    let half = edit_of(&found.order_id, "999999");
    for process in [&one, &two] {
        match ask_edit(process, &half, 5).await.expect("a reply") {
            Outcome::HalfDone(half_done) => assert_eq!(
                (half_done.original_order_id.as_str(), half_done.kraken_error.as_str()),
                (found.order_id.as_str(), "EOrder:Insufficient funds")
            ),
            other => panic!("{other:?}"),
        }
    }
    assert!(open_orders(&one).await.is_empty());
    assert_eq!(sent(&house, "EditOrder").await, 4);
}

pub(super) async fn of_an_edit_that_is_not_found_a_person_is_told_what_was_seen() {
    let house = house().await;
    let one = bold(&house, "one").await;
    spoil(&house, "EditOrder", "execute_then_http_status", json!(502)).await;
    let edit = edit_of(&resting(&one).await, "999999");
    let Ok(Outcome::Unresolved(open)) = ask_edit(&one, &edit, 3).await else { panic!("its answer was lost") };
    let not_after_s = open.not_after.expect("an edit has a deadline").seconds;
    let told = loop {
        assert!(now_s() < not_after_s + 120, "no verdict");
        match ask_edit(&one, &edit, 10).await.expect("never a Status: the old order is gone") {
            Outcome::Unresolved(told) if told.reason == "NEEDS_OPERATOR" => break told,
            Outcome::Unresolved(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(now_s() >= not_after_s + 30, "too soon by {} s", not_after_s + 30 - now_s());
    assert!(told.text.contains(&format!("{} is canceled", edit.order_id)), "{}", told.text);
    assert_eq!(sent(&house, "EditOrder").await, 1);
}
