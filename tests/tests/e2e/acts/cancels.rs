//! Cancels that could hit what is placed later: claimed, told again, and never sent twice for one id.

use tidegate_proto::v1::cancel_order_request::Target;
use tidegate_proto::v1::{
    cancel_all_orders_after_response as timer, cancel_all_response as all, cancel_order_response as one_of,
};

use super::*;

async fn cancel_all(process: &Process, request: &v1::CancelAllRequest) -> Result<all::Outcome, Status> {
    let reply = client(process).await.cancel_all(within(request.clone(), 5)).await?;
    Ok(reply.into_inner().outcome.expect("an outcome"))
}

async fn cancel(process: &Process, request: &v1::CancelOrderRequest) -> Result<one_of::Outcome, Status> {
    let reply = client(process).await.cancel_order(within(request.clone(), 5)).await?;
    Ok(reply.into_inner().outcome.expect("an outcome"))
}

fn everything() -> v1::CancelAllRequest {
    v1::CancelAllRequest { context: context() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_of_many_is_told_again_and_does_not_hit_what_came_later() {
    let house = house().await;
    let (one, two) = (bold(&house, "one").await, bold(&house, "two").await);
    resting(&one).await;
    let request = everything();
    let first = cancel_all(&one, &request).await.expect("a cancel");
    assert!(matches!(&first, all::Outcome::Accepted(accepted) if accepted.count == 1), "{first:?}");
    let later = resting(&one).await;
    for process in [&two, &one] {
        assert_eq!(cancel_all(process, &request).await.expect("the same"), first);
    }
    assert_eq!(open_orders(&one).await[0].order_id, later);
    assert_eq!(sent(&house, "CancelAll").await, 1);

    // By a number or an id that is not ours: nothing there, which Kraken's refusal proves, and is told again.
    for target in [Target::Userref(7), Target::ClOrdId("theirs".into())] {
        let nameless = v1::CancelOrderRequest { context: None, target: Some(target.clone()) };
        assert_eq!(cancel(&one, &nameless).await.expect_err("no id").code(), Code::InvalidArgument);
        let request = v1::CancelOrderRequest { context: context(), target: Some(target) };
        for process in [&one, &two] {
            let status = cancel(process, &request).await.expect_err("there is none");
            assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EOrder:Unknown order"));
        }
    }
    assert_eq!(sent(&house, "CancelOrder").await, 2);
    let another = v1::CancelAllOrdersAfterRequest { context: request.context, timeout_s: 60 };
    let status =
        client(&one).await.cancel_all_orders_after(within(another, 5)).await.expect_err("another act");
    assert_eq!(status.code(), Code::AlreadyExists);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_whose_answer_is_lost_is_not_sent_again() {
    let house = house().await;
    let one = bold(&house, "one").await;
    resting(&one).await;
    for (name, value) in [("execute_then_http_status", json!(502)), ("http_status", json!(502))] {
        spoil(&house, "CancelAll", name, value).await;
        let (request, before) = (everything(), sent(&house, "CancelAll").await);
        assert!(matches!(cancel_all(&one, &request).await, Ok(all::Outcome::Unresolved(_))), "{name}");
        let later = resting(&one).await;
        let again = cancel_all(&one, &request).await.expect("a reply");
        let all::Outcome::Unresolved(open) = again else { panic!("{again:?}") };
        assert_eq!((open.reason.as_str(), open.not_after), ("IN_PROGRESS", None), "{name}");
        assert!(open_orders(&one).await.iter().any(|order| order.order_id == later), "{name}");
        assert_eq!(sent(&house, "CancelAll").await, before + 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_to_a_cancel_is_the_last_word_and_a_dead_sender_leaves_none() {
    let house = house().await;
    let (mut one, two) = (bold(&house, "one").await, bold(&house, "two").await);
    resting(&one).await;
    spoil(&house, "CancelAll", "hang_after_execute_ms", json!(4_000)).await;
    let request = everything();
    let reply =
        client(&one).await.cancel_all(within(request.clone(), 2)).await.expect("a reply").into_inner();
    assert!(matches!(reply.outcome, Some(all::Outcome::Unresolved(_))), "{reply:?}");
    let told = eventually("the late answer", || async {
        match cancel_all(&two, &request).await.expect("a reply") {
            all::Outcome::Accepted(accepted) => Some(accepted),
            all::Outcome::Unresolved(_) => None,
        }
    })
    .await;
    assert_eq!((told.count, told.looked_up, sent(&house, "CancelAll").await), (1, false, 1));

    spoil(&house, "CancelAll", "hang_after_execute_ms", json!(20_000)).await;
    let request = everything();
    let asked = tokio::spawn({
        let (request, mut client) = (request.clone(), client(&one).await);
        async move { client.cancel_all(request).await.map(drop) }
    });
    eventually("the cancel to be executed", || async {
        let log = house.pages.requests("CancelAll").await.expect("a log");
        (log.get(1)?["executed"] == true).then_some(())
    })
    .await;
    one.kill().await;
    assert!(!promises_not_executed(&asked.await.expect("no panic").expect_err("its process is gone")));
    // Until the keys of the dead one have a new owner, a caller may be told that none is in use. That speaks of its attempt.
    eventually("the claim to be told", || async {
        match cancel_all(&two, &request).await {
            Ok(all::Outcome::Unresolved(_)) => Some(()),
            Err(status) if promises_not_executed(&status) && fact(&status, "settles").is_none() => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_eq!(sent(&house, "CancelAll").await, 2, "claimed, so never sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_nonce_on_a_cancel_costs_one_more_copy() {
    let house = house().await;
    let one = bold(&house, "one").await;
    resting(&one).await;
    spoil(&house, "CancelAll", "error", json!("EAPI:Invalid nonce")).await;
    let told = cancel_all(&one, &everything()).await.expect("a cancel");
    assert!(matches!(&told, all::Outcome::Accepted(accepted) if accepted.count == 1), "{told:?}");
    assert_eq!(sent(&house, "CancelAll").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_go_out_while_the_store_is_away_and_are_written_down_when_it_is_back() {
    let house = house().await;
    let one = bold(&house, "one").await;
    resting(&one).await;
    let redis = house.redis.as_ref().expect("planned");
    redis.freeze().await.expect("frozen");
    let request = everything();
    let began = tokio::time::Instant::now();
    let first = cancel_all(&one, &request).await.expect("a cancel");
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "it must not wait for the store: {:?}",
        began.elapsed()
    );
    assert!(matches!(&first, all::Outcome::Accepted(accepted) if accepted.count == 1), "{first:?}");
    let timer = v1::CancelAllOrdersAfterRequest { context: context(), timeout_s: 60 };
    let set =
        client(&one).await.cancel_all_orders_after(within(timer, 5)).await.expect("a timer").into_inner();
    assert!(matches!(set.outcome, Some(timer::Outcome::Accepted(_))), "{set:?}");
    redis.thaw().expect("thawed");
    let again = eventually("the outcome to be written", || async {
        match cancel_all(&one, &request).await {
            Ok(all::Outcome::Unresolved(_)) => None,
            other => Some(other.expect("the same")),
        }
    })
    .await;
    assert_eq!((again, sent(&house, "CancelAll").await), (first, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_go_out_right_after_the_store_has_lost_its_memory() {
    let house = house().await;
    let one = bold(&house, "one").await;
    resting(&one).await;
    house.redis.as_ref().expect("planned").flush().await.expect("flushed");
    let told = cancel_all(&one, &everything()).await.expect("a cancel");
    assert!(matches!(&told, all::Outcome::Accepted(accepted) if accepted.count == 1), "{told:?}");
    assert_eq!(sent(&house, "CancelAll").await, 1);

    // And when the store knows itself again, but not which claims it had: an order is not sent then, a cancel is.
    eventually("the store to begin anew", || async {
        let order = ask(&one, &resting_order(), 3).await;
        matches!(order.ok()?.outcome, Some(Outcome::Unresolved(open)) if open.reason == "CLAIM_LOST")
            .then_some(())
    })
    .await;
    let request = everything();
    let told = cancel_all(&one, &request).await.expect("a cancel");
    assert!(matches!(&told, all::Outcome::Accepted(accepted) if accepted.count == 0), "{told:?}");
    assert_eq!(sent(&house, "CancelAll").await, 2);
    let again = eventually("the outcome to be written", || async {
        match cancel_all(&one, &request).await {
            Ok(all::Outcome::Unresolved(_)) => None,
            other => Some(other.expect("the same")),
        }
    })
    .await;
    assert_eq!((again, sent(&house, "CancelAll").await), (told, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_cancelled_by_the_batch_and_by_the_timer() {
    let house = house().await;
    let one = bold(&house, "one").await;
    let order_ids = vec![resting(&one).await, resting(&one).await, "OAAAAA-BBBBB-CCCCCC".to_owned()];
    let batch = v1::CancelOrderBatchRequest { context: None, order_ids };
    for count in [2, 0] {
        let reply = client(&one).await.cancel_order_batch(within(batch.clone(), 5)).await.expect("a cancel");
        let outcome = reply.into_inner().outcome;
        let Some(v1::cancel_order_batch_response::Outcome::Accepted(accepted)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(accepted.count, count);
    }

    resting(&one).await;
    let set = |timeout_s| v1::CancelAllOrdersAfterRequest { context: context(), timeout_s };
    let (off, soon) = (set(0), set(1));
    for (request, fires) in [(&off, false), (&soon, true)] {
        let reply =
            client(&one).await.cancel_all_orders_after(within(request.clone(), 5)).await.expect("a timer");
        let outcome = reply.into_inner().outcome;
        let Some(timer::Outcome::Accepted(accepted)) = outcome else { panic!("{outcome:?}") };
        assert_eq!((accepted.current_time.is_some(), accepted.trigger_time.is_some()), (true, fires));
    }
    eventually("the timer to fire", || async { open_orders(&one).await.is_empty().then_some(()) }).await;

    // Whoever may not cancel everything may not set the timer either.
    let meek = process(&house, "meek").await;
    let status =
        client(&meek).await.cancel_all_orders_after(within(set(60), 5)).await.expect_err("not allowed");
    assert_eq!(status.code(), Code::PermissionDenied);
}
