//! What an exchange under load does to an order, one after the other; and what its caller is told of it in the end.

use super::*;

/// How it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Executed,
    Absent,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_doubt_ends_as_the_exchange_has_it() {
    let house = house().await;
    let one = process(&house, "one").await;
    let mut doubts = Vec::new();
    for (name, value, end) in [
        ("duplicate", json!(true), End::Executed),
        ("execute_late_ms", json!(3_000), End::Executed),
        ("hide_ms", json!(8_000), End::Executed),
        ("not_json", json!(true), End::Executed),
        ("execute_then_error", json!("EService:Busy"), End::Executed),
        ("execute_then_error", json!("EGeneral:Internal error"), End::Executed),
        ("execute_then_http_status", json!(520), End::Executed),
        ("hang_after_execute_ms", json!(4_000), End::Executed),
        ("error", json!("EService:Busy"), End::Absent),
        ("error", json!("EService:Deadline elapsed"), End::Absent),
        ("http_status", json!(524), End::Absent),
        ("hang_without_execute_ms", json!(1_000), End::Absent),
        // Its deadline is over before the engine gets it.
        ("execute_late_ms", json!(12_000), End::Absent),
    ] {
        let fault = format!("{name}: {value}");
        spoil(&house, "AddOrder", name, value).await;
        let order = resting_order();
        match ask(&one, &order, 3).await.expect("a reply").outcome {
            Some(Outcome::Unresolved(open)) => {
                let not_after_s = open.not_after.expect("an order has a deadline").seconds;
                doubts.push((fault, order, end, not_after_s));
            }
            // What is only hidden was answered.
            told => assert!(name == "hide_ms" && told.is_some(), "{fault}: {told:?}"),
        }
    }
    // A refusal that proves itself.
    spoil(&house, "AddOrder", "throttle_ms", json!(2_000)).await;
    let order = resting_order();
    for _ in 0..2 {
        let refused = ask(&one, &order, 3).await.expect_err("throttled");
        assert!(promises_not_executed(&refused) && refused.code() == Code::ResourceExhausted, "{refused:?}");
    }
    let throttled = copies(&house, &order).await;
    assert_eq!(throttled, 1);

    let mut ends = tokio::task::JoinSet::new();
    let asking = client(&one).await;
    for (fault, order, end, not_after_s) in doubts {
        let mut asking = asking.clone();
        ends.spawn(async move {
            loop {
                assert!(now_s() < not_after_s + 120, "{fault}: no verdict");
                match asking.add_order(within(order.clone(), 10)).await.map(tonic::Response::into_inner) {
                    Ok(reply) if is_open(&reply) => {}
                    Ok(reply) => return (fault, order, end, End::Executed, accepted(reply).order_ids),
                    Err(status) => {
                        assert!(promises_not_executed(&status), "{fault}: {status:?}");
                        assert!(now_s() >= not_after_s + 30, "{fault}: too soon");
                        return (fault, order, end, End::Absent, Vec::new());
                    }
                }
            }
        });
    }
    let ends = ends.join_all().await;
    let log = house.pages.settled_log().await.expect("a log");
    for (fault, order, wanted, told, order_ids) in ends {
        assert_eq!(told, wanted, "{fault}");
        let handle = handle_of(&order);
        let seen = log.iter().filter(|entry| entry["cl_ord_id"] == handle.as_str());
        let executed: Vec<_> = seen.clone().filter(|entry| entry["executed"] == true).collect();
        let txids: Vec<_> = executed.iter().filter_map(|entry| entry["txid"].as_str()).collect();
        assert_eq!(txids, order_ids, "{fault}");
        // What delivers twice is not us.
        assert_eq!(seen.count(), if fault.starts_with("duplicate") { 2 } else { 1 }, "{fault}");
    }
}
