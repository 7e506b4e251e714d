//! Kraken shows what is new late. A verdict is never given before its time, and never wrong.

use super::amends::{amend_of, amended, ask_amend};
use super::batches::{ask_batch, batch_of, rows};
use super::*;

/// What was executed is found, and what was not is absent, under one lag.
async fn under_a_lag(lag_ms: u64) {
    let plan = Plan { redis: true, sandbox: format!("visibility_lag_ms = {lag_ms}"), ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let one = process(&house, "one").await;
    let amended_order = resting(&one).await;
    for endpoint in ["AddOrder", "AddOrderBatch", "AmendOrder"] {
        spoil(&house, endpoint, "execute_then_http_status", json!(502)).await;
    }
    let (done, batch, amend) =
        (resting_order(), batch_of(&["0.001", "0.002"]), amend_of(&amended_order, "0.002"));
    assert!(is_open(&ask(&one, &done, 3).await.expect("a reply")));
    assert!(rows(&ask_batch(&one, &batch, 3).await.expect("a reply")).is_none());
    assert!(amended(&ask_amend(&one, &amend, 3).await.expect("a reply")).is_none());
    for endpoint in ["AddOrder", "AmendOrder"] {
        spoil(&house, endpoint, "http_status", json!(502)).await;
    }
    let (not_done, not_amended) = (resting_order(), amend_of(&amended_order, "0.003"));
    let open = ask(&one, &not_done, 3).await.expect("a reply");
    let Some(Outcome::Unresolved(open)) = open.outcome else { panic!("{open:?}") };
    assert!(amended(&ask_amend(&one, &not_amended, 3).await.expect("a reply")).is_none());
    let not_after_s = open.not_after.expect("an order has a deadline").seconds;

    let patience = || assert!(now_s() < not_after_s + 120, "{lag_ms} ms: no verdict");
    let found = async {
        let found = loop {
            patience();
            let reply = ask(&one, &done, 10).await.expect("it was executed");
            if !is_open(&reply) {
                break accepted(reply);
            }
        };
        let log = house.pages.requests("AddOrder").await.expect("a log");
        let seen =
            log.iter().find(|entry| entry["cl_ord_id"] == handle_of(&done).as_str()).expect("it is there");
        assert_eq!(seen["txid"].as_str(), found.order_ids.first().map(String::as_str));
        while rows(&ask_batch(&one, &batch, 10).await.expect("it was executed")).is_none() {
            patience();
        }
        while amended(&ask_amend(&one, &amend, 10).await.expect("it was executed")).is_none() {
            patience();
        }
    };
    let absent = async {
        let refused = loop {
            patience();
            match ask(&one, &not_done, 10).await {
                Ok(reply) => assert!(is_open(&reply), "{lag_ms} ms: {reply:?}"),
                Err(status) => break status,
            }
        };
        assert!(promises_not_executed(&refused), "{refused:?}");
        assert!(now_s() >= not_after_s + 30, "{lag_ms} ms: too soon by {} s", not_after_s + 30 - now_s());
        while let Ok(reply) = ask_amend(&one, &not_amended, 10).await {
            assert!(amended(&reply).is_none(), "{lag_ms} ms: {reply:?}");
            patience();
        }
    };
    tokio::join!(found, absent);
    assert_eq!((copies(&house, &done).await, copies(&house, &not_done).await), (1, 1));
    assert_eq!((sent(&house, "AddOrderBatch").await, sent(&house, "AmendOrder").await), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_wait_for_their_time_under_every_lag() {
    tokio::join!(under_a_lag(0), under_a_lag(1_000), under_a_lag(5_000), under_a_lag(20_000));
}
