//! Amends: in place, at most once, found among the changes of their order.

use tidegate_proto::v1::amend_order_request::Target;
use tidegate_proto::v1::amend_order_response::{Accepted as Amended, Outcome};

use super::*;

pub(super) fn amend_of(order_id: &str, volume: &str) -> v1::AmendOrderRequest {
    let target = Some(Target::OrderId(order_id.to_owned()));
    v1::AmendOrderRequest { context: context(), target, volume: volume.into(), ..Default::default() }
}

pub(super) async fn ask_amend(
    process: &Process,
    amend: &v1::AmendOrderRequest,
    seconds: u64,
) -> Result<v1::AmendOrderResponse, Status> {
    let request = within(amend.clone(), seconds);
    client(process).await.amend_order(request).await.map(tonic::Response::into_inner)
}

pub(super) fn amended(reply: &v1::AmendOrderResponse) -> Option<Amended> {
    match &reply.outcome {
        Some(Outcome::Accepted(accepted)) => Some(accepted.clone()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amend_keeps_the_order_and_is_told_again_word_for_word() {
    let house = house().await;
    let (one, two) = (process(&house, "one").await, process(&house, "two").await);
    let placed = resting_order();
    let order = accepted(ask(&one, &placed, 5).await.expect("an order")).order_ids.remove(0);
    let amend = v1::AmendOrderRequest { limit_price: "10001.0".into(), ..amend_of(&order, "0.002") };
    let first = ask_amend(&one, &amend, 5).await.expect("an amend");
    assert!(amended(&first).is_some_and(|accepted| !accepted.looked_up), "{first:?}");
    for process in [&two, &one] {
        assert_eq!(ask_amend(process, &amend, 5).await.expect("the same"), first);
    }
    let open = open_orders(&one).await;
    assert_eq!((open.len(), open[0].order_id.as_str(), open[0].volume.as_str()), (1, &*order, "0.00200000"));

    let mut account =
        v1::account_service_client::AccountServiceClient::new(channel(&one).await.expect("a channel"));
    let asked = within(v1::GetOrderAmendsRequest { order_id: order.clone(), ..Default::default() }, 5);
    let shown = account.get_order_amends(asked).await.expect("its amends").into_inner().amends;
    let kinds: Vec<_> = shown.iter().map(|amend| (amend.kind.as_str(), amend.volume.as_str())).collect();
    assert_eq!(kinds, [("original", "0.00100000"), ("user", "0.00200000")]);
    assert_eq!(Some(&shown[1].amend_id), amended(&first).map(|accepted| accepted.amend_id).as_ref());

    // By our own id as well. What changes nothing is refused, and so is another change under the same id.
    let named =
        v1::AmendOrderRequest { target: Some(Target::ClOrdId(handle_of(&placed))), ..amend_of("", "0.003") };
    assert!(amended(&ask_amend(&two, &named, 5).await.expect("an amend")).is_some());
    let idle = ask_amend(&one, &amend_of(&order, "0.003"), 5).await.expect_err("nothing changes");
    assert_eq!(fact(&idle, "kraken_error").as_deref(), Some("EOrder:No amendable parameters"));
    let other = v1::AmendOrderRequest { volume: "0.004".into(), ..amend };
    let status = ask_amend(&two, &other, 5).await.expect_err("another amend");
    assert_eq!((status.code(), fact(&status, "fields").as_deref()), (Code::AlreadyExists, Some("order_qty")));
    assert_eq!(sent(&house, "AmendOrder").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amend_that_was_executed_and_answered_with_a_fault_is_found() {
    let house = house().await;
    let mut one = process(&house, "one").await;
    let order = resting(&one).await;
    let faults = [("execute_then_http_status", json!(502), "0.002"), ("reset", json!(true), "0.003")];
    for (name, value, volume) in faults {
        spoil(&house, "AmendOrder", name, value).await;
        let amend = amend_of(&order, volume);
        let open = ask_amend(&one, &amend, 5).await.expect("a reply");
        assert!(amended(&open).is_none(), "{name}: {open:?}");
        let found = eventually("the amend to be found", || async {
            amended(&ask_amend(&one, &amend, 5).await.expect("a reply"))
        })
        .await;
        assert!(found.looked_up && !found.amend_id.is_empty(), "{name}: {found:?}");
    }
    assert_eq!(sent(&house, "AmendOrder").await, 2);

    // Whoever sent it may be gone.
    spoil(&house, "AmendOrder", "hang_after_execute_ms", json!(20_000)).await;
    let amend = amend_of(&order, "0.004");
    let asked = tokio::spawn({
        let (amend, mut client) = (amend.clone(), client(&one).await);
        async move { client.amend_order(amend).await.map(drop) }
    });
    eventually("the amend to be executed", || async {
        let log = house.pages.requests("AmendOrder").await.expect("a log");
        (log.get(2)?["executed"] == true).then_some(())
    })
    .await;
    one.kill().await;
    assert!(!promises_not_executed(&asked.await.expect("no panic").expect_err("its process is gone")));
    let two = process(&house, "two").await;
    let found = eventually("the amend to be found", || async {
        amended(&ask_amend(&two, &amend, 5).await.expect("a reply"))
    })
    .await;
    assert!(found.looked_up);
    assert_eq!(
        (sent(&house, "AmendOrder").await, open_orders(&two).await[0].volume.as_str()),
        (3, "0.00400000")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_amends_in_doubt_do_not_keep_each_other_waiting() {
    let house = house().await;
    let one = process(&house, "one").await;
    let fault = json!({"endpoint": "AmendOrder", "count": 25, "execute_then_http_status": 502});
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
    let mut amends = Vec::new();
    for _ in 0..25 {
        let amend = amend_of(&resting(&one).await, "0.002");
        assert!(amended(&ask_amend(&one, &amend, 5).await.expect("a reply")).is_none());
        amends.push(amend);
    }
    for amend in &amends {
        eventually("the amend to be found", || async {
            amended(&ask_amend(&one, amend, 5).await.expect("a reply"))
        })
        .await;
    }
    assert_eq!(sent(&house, "AmendOrder").await, 25);
}

pub(super) async fn an_amend_that_never_reached_the_engine_is_absent_and_not_before_its_time() {
    let house = house().await;
    let one = process(&house, "one").await;
    let order = resting(&one).await;
    spoil(&house, "AmendOrder", "http_status", json!(520)).await;
    let amend = amend_of(&order, "0.002");
    let open = ask_amend(&one, &amend, 3).await.expect("a reply");
    let Some(Outcome::Unresolved(open)) = open.outcome else { panic!("{open:?}") };
    let not_after_s = open.not_after.expect("an amend has a deadline").seconds;
    let refused = loop {
        assert!(now_s() < not_after_s + 120, "no verdict");
        match ask_amend(&one, &amend, 10).await {
            Ok(reply) => assert!(amended(&reply).is_none(), "{reply:?}"),
            Err(status) => break status,
        }
    };
    assert!(promises_not_executed(&refused), "{refused:?}");
    assert!(now_s() >= not_after_s + 30, "too soon by {} s", not_after_s + 30 - now_s());
    assert_eq!(sent(&house, "AmendOrder").await, 1);
}
