//! Kraken's trading counter of an account and pair: nobody overruns it, and no cancel is held back by it.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_proto::v1::cancel_order_request::Target;
use tidegate_proto::v1::cancel_order_response as cancel;
use tokio::task::JoinSet;

use super::*;

const FULL: &str = "EOrder:Rate limit exceeded";

/// A house whose exchange counts like Kraken does for starters, and two processes that believe in this tier.
async fn counted(believed: &str) -> (House, Process, Process) {
    let plan = Plan { redis: true, sandbox: "trading_tier = \"starter\"".into(), ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&KEYS, "").expect("a config");
    let tier = format!("[accounts.main]\ntrading_tier = \"{believed}\"\n");
    let config = config.replacen("[accounts.main]\n", &tier, 1);
    let one = house.all("one", &config).await.expect("a process");
    let two = house.all("two", &config).await.expect("another");
    (house, one, two)
}

/// What the exchange said of every request for an endpoint, and how high its counters have ever been.
async fn judged(house: &House, endpoint: &str) -> (Vec<String>, u64) {
    let log = house.pages.requests(endpoint).await.expect("a log");
    let verdicts = log.iter().map(|entry| entry["verdict"].as_str().unwrap_or_default().to_owned()).collect();
    let levels = log.iter().filter_map(|entry| entry["trading"].as_array()).flatten();
    let highest = levels.filter_map(|charge| charge["level_milli"].as_u64()).max();
    (verdicts, highest.unwrap_or_default())
}

async fn cancel_of(process: &Process, target: Target) -> Result<cancel::Outcome, Status> {
    let request = v1::CancelOrderRequest { context: None, target: Some(target) };
    let reply = client(process).await.cancel_order(within(request, 10)).await?;
    Ok(reply.into_inner().outcome.expect("an outcome"))
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_two_processes_stay_below_the_counter_and_wait_for_room() {
    let (house, one, two) = counted("starter").await;
    let mut orders = JoinSet::new();
    for (number, process) in [&one, &two].into_iter().cycle().take(80).enumerate() {
        let mut client = client(process).await;
        let seconds = if number < 70 { 3 } else { 20 };
        orders.spawn(async move { (seconds, client.add_order(within(resting_order(), seconds)).await) });
    }
    let (mut placed, mut refused) = (0_usize, 0_usize);
    while let Some(told) = orders.join_next().await {
        match told.expect("no panic") {
            (_, Ok(reply)) => {
                accepted(reply.into_inner());
                placed += 1;
            }
            (seconds, Err(status)) => {
                assert_eq!((seconds, status.code()), (3, Code::ResourceExhausted), "{status:?}");
                assert_eq!(fact(&status, "pair").as_deref(), Some("BTCUSD"));
                assert!(promises_not_executed(&status));
                refused += 1;
            }
        }
    }
    assert!(placed >= 52 && refused > 0, "{placed} placed, {refused} refused");
    let (verdicts, highest) = judged(&house, "AddOrder").await;
    assert_eq!(verdicts.len(), placed, "what was refused was never sent");
    assert!(verdicts.iter().all(|verdict| verdict == "ok"), "{verdicts:?}");
    assert!(highest <= 52_000, "8 points are kept for a cancel: {highest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_that_cannot_go_alone_leave_together() {
    let (house, one, two) = counted("starter").await;
    let mut targets = Vec::new();
    for number in 0..14 {
        let order = accepted(ask(&one, &resting_order(), 20).await.expect("an order"));
        let target = if number % 2 == 0 {
            Target::OrderId(order.order_ids[0].clone())
        } else {
            Target::ClOrdId(order.cl_ord_id)
        };
        targets.push((number, target));
    }
    let mut told = JoinSet::new();
    for (number, target) in targets {
        let mut client = client(if number % 3 == 0 { &two } else { &one }).await;
        let request = v1::CancelOrderRequest { context: None, target: Some(target) };
        told.spawn(async move { client.cancel_order(within(request, 10)).await });
    }
    while let Some(told) = told.join_next().await {
        let reply = told.expect("no panic").expect("a cancel").into_inner();
        assert!(matches!(&reply.outcome, Some(cancel::Outcome::Accepted(it)) if it.count == 1), "{reply:?}");
    }
    assert!(open_orders(&one).await.is_empty());
    let (single, highest) = judged(&house, "CancelOrder").await;
    assert!(single.iter().all(|verdict| verdict == "ok"), "none was refused: {single:?}");
    assert!(highest <= 60_000, "{highest}");
    let (batches, _) = judged(&house, "CancelOrderBatch").await;
    assert!(!batches.is_empty() && batches.iter().all(|verdict| verdict == "ok"), "{batches:?}");
    assert!(single.len() + batches.len() < 14, "some left together: {} and {}", single.len(), batches.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_is_fuller_than_we_know_is_learnt_from_kraken() {
    let (house, one, _two) = counted("pro").await;
    let mut placed = Vec::new();
    let refusal = loop {
        match ask(&one, &resting_order(), 20).await {
            Ok(reply) => placed.extend(accepted(reply).order_ids),
            Err(status) => break status,
        }
        assert!(placed.len() < 150, "starters have 60 points");
    };
    assert_eq!(fact(&refusal, "kraken_error").as_deref(), Some(FULL), "{refusal:?}");
    assert_eq!(fact(&refusal, "settles").as_deref(), Some("request_id"));
    // From now on it is known here, and nothing more is sent in vain.
    eventually("the counter to be full", || async {
        let status = ask(&one, &resting_order(), 1).await.err()?;
        (fact(&status, "pair").as_deref() == Some("BTCUSD")).then_some(())
    })
    .await;
    // A cancel that Kraken refuses for its price goes again, in a batch; one that is filled or gone says so.
    let mut cancels = JoinSet::new();
    let ids: BTreeSet<String> = placed.iter().cloned().collect();
    for id in &ids {
        let mut client = client(&one).await;
        let request = v1::CancelOrderRequest { context: None, target: Some(Target::OrderId(id.clone())) };
        cancels.spawn(async move { client.cancel_order(within(request, 10)).await });
    }
    while let Some(told) = cancels.join_next().await {
        let reply = told.expect("no panic").expect("a cancel").into_inner();
        assert!(matches!(&reply.outcome, Some(cancel::Outcome::Accepted(_))), "{reply:?}");
    }
    assert!(open_orders(&one).await.is_empty());
    let log: Vec<Value> = house.pages.requests("CancelOrderBatch").await.expect("a log");
    assert!(!log.is_empty(), "they were joined");
    let again = cancel_of(&one, Target::OrderId(placed.remove(0))).await.expect_err("it is gone");
    assert_eq!(fact(&again, "kraken_error").as_deref(), Some("EOrder:Unknown order"));
}
