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
    let config = config.replacen("trading_tier = \"wide\"", &format!("trading_tier = \"{believed}\""), 1);
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
    // More than there is room for at once, and fewer than starters may have open on a pair.
    for process in [&one, &two].into_iter().cycle().take(56) {
        let mut client = client(process).await;
        orders.spawn(async move { client.add_order(within(resting_order(), 20)).await });
    }
    let mut placed = 0;
    while let Some(told) = orders.join_next().await {
        accepted(told.expect("no panic").expect("room within 20 s").into_inner());
        placed += 1;
    }
    // Whoever has no time to wait is told when to come again.
    let refusal = loop {
        match ask(&two, &resting_order(), 1).await {
            Ok(_) => placed += 1,
            Err(status) if fact(&status, "pair").as_deref() == Some("BTCUSD") => break status,
            // A busy machine may take longer than a second.
            Err(status) => assert!(promises_not_executed(&status), "{status:?}"),
        }
        assert!(placed < 60, "there is a point each second");
    };
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert!(promises_not_executed(&refusal));
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
    house.pages.switch(&json!({"engine_delay_ms": 50})).await.expect("a delay");
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
    // One that could go alone may be overtaken by a batch, which fills the counter; then it goes in the next.
    let (single, _) = judged(&house, "CancelOrder").await;
    assert!(single.iter().all(|verdict| verdict == "ok" || verdict == FULL), "{single:?}");
    let (batches, _) = judged(&house, "CancelOrderBatch").await;
    assert!(!batches.is_empty() && batches.iter().all(|verdict| verdict == "ok"), "{batches:?}");
    assert!(batches.len() < 8, "of the eight that cannot go alone some left together: {batches:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cancels_of_orders_that_the_store_has_forgotten_leave_together_too() {
    let (house, one, _two) = counted("starter").await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(accepted(ask(&one, &resting_order(), 20).await.expect("an order")).cl_ord_id);
    }
    house.redis.as_ref().expect("planned").flush().await.expect("flushed");
    let mut told = JoinSet::new();
    for id in ids {
        let mut client = client(&one).await;
        let request = v1::CancelOrderRequest { context: None, target: Some(Target::ClOrdId(id)) };
        told.spawn(async move { client.cancel_order(within(request, 10)).await });
    }
    while let Some(told) = told.join_next().await {
        let reply = told.expect("no panic").expect("a cancel").into_inner();
        assert!(matches!(&reply.outcome, Some(cancel::Outcome::Accepted(it)) if it.count == 1), "{reply:?}");
    }
    assert!(open_orders(&one).await.is_empty());
    let (single, _) = judged(&house, "CancelOrder").await;
    assert!(single.iter().any(|verdict| verdict == FULL), "some of twelve cannot go alone: {single:?}");
    let (batches, _) = judged(&house, "CancelOrderBatch").await;
    assert!(!batches.is_empty() && batches.iter().all(|verdict| verdict == "ok"), "{batches:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_counter_that_is_fuller_than_we_know_is_learnt_from_kraken() {
    let (house, one, _two) = counted("pro").await;
    let mut placed = Vec::new();
    for _ in 0..12 {
        placed.push(resting(&one).await);
    }
    // Each costs a point and is gone at once, so that only the counter fills.
    let gone = || v1::AddOrderRequest { time_in_force: v1::TimeInForce::Ioc.into(), ..resting_order() };
    let refusal = loop {
        let eight: JoinSet<_> = std::iter::repeat_n(client(&one).await, 8)
            .map(|mut client| async move { client.add_order(within(gone(), 20)).await })
            .collect();
        let told = eight.join_all().await;
        if let Some(refusal) = told.into_iter().find_map(Result::err) {
            break refusal;
        }
    };
    assert_eq!(fact(&refusal, "kraken_error").as_deref(), Some(FULL), "{refusal:?}");
    assert_eq!(fact(&refusal, "settles").as_deref(), Some("request_id"));
    // From now on it is known here, and nothing more is sent in vain.
    eventually("the counter to be full", || async {
        let status = ask(&one, &gone(), 1).await.err()?;
        (fact(&status, "pair").as_deref() == Some("BTCUSD")).then_some(())
    })
    .await;
    // A cancel that Kraken refuses for its price goes again, in a batch.
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
    // It is gone, which is said in one way or the other: whether it goes alone is a matter of milliseconds.
    match cancel_of(&one, Target::OrderId(placed.remove(0))).await {
        Ok(cancel::Outcome::Accepted(accepted)) => {
            assert_eq!((accepted.count, accepted.looked_up), (0, true));
        }
        Ok(other) => panic!("{other:?}"),
        Err(again) => assert_eq!(fact(&again, "kraken_error").as_deref(), Some("EOrder:Unknown order")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_halt_stops_orders_everywhere_and_no_cancel() {
    let house = house().await;
    let (one, two) = (bold(&house, "one").await, bold(&house, "two").await);
    let before = resting_order();
    let first = ask(&one, &before, 5).await.expect("an order");
    let file = house.dir().join("one.toml");
    let file = file.to_str().expect("UTF-8");
    let halts = |args: &[&str]| {
        let args: Vec<&str> = args.iter().copied().chain(["--config", file]).collect();
        Process::spawn(house.dir(), "halts", &args).expect("a command")
    };
    let mut halt = halts(&["halt", "--account", "main", "--reason", "a feed is wrong"]);
    assert!(halt.ended().await.expect("ended").success(), "{}", halt.log());
    eventually("what it prints", || async {
        (halt.stdout().trim() == "main: halted: a feed is wrong").then_some(())
    })
    .await;
    for process in [&one, &two] {
        let status = ask(process, &resting_order(), 5).await.expect_err("halted");
        assert_eq!(
            (status.code(), fact(&status, "halted").as_deref()),
            (Code::PermissionDenied, Some("main"))
        );
        assert!(status.message().contains("a feed is wrong") && promises_not_executed(&status), "{status:?}");
    }
    assert_eq!(ask(&two, &before, 5).await.expect("what was done is told"), first);
    let all = v1::CancelAllRequest { context: context() };
    client(&two).await.cancel_all(within(all, 5)).await.expect("cancels go on");
    assert!(open_orders(&one).await.is_empty());
    let mut wrong = halts(&["resume", "--account", "mian"]);
    assert!(!wrong.ended().await.expect("ended").success());
    assert!(
        wrong.log().contains("mian is no account of the configuration; it has main, second"),
        "{}",
        wrong.log()
    );
    let mut resume = halts(&["resume", "--account", "main"]);
    assert!(resume.ended().await.expect("ended").success(), "{}", resume.log());
    eventually("what it prints", || async { (resume.stdout().trim() == "nothing is halted").then_some(()) })
        .await;
    resting(&two).await;
}
