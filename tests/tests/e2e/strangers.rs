//! Others who use our keys, keys that are changed at Kraken, and what Kraken holds against an address.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tidegate_tests::stranger::{Stranger, clock_us, refused_nonces};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

async fn house() -> House {
    House::build(Plan::default()).await.expect("a house")
}

async fn one(house: &House, keys: &[&str]) -> (Process, Channel) {
    let config = house.config(keys, "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    (process, gateway)
}

async fn lane(gateway: &Channel, label: &str) -> v1::Lane {
    let all = lanes(gateway.clone()).await;
    all.into_iter().find(|lane| lane.key_label == label).unwrap_or_else(|| panic!("no lane {label}"))
}

/// Waits until a lane is in a state; its reason.
async fn in_state(gateway: &Channel, label: &str, state: v1::LaneState) -> String {
    eventually(&format!("{label} to be {state:?}"), || async {
        let all = lanes(gateway.clone()).await;
        let lane = all.into_iter().find(|lane| lane.key_label == label)?;
        (lane.state() == state).then_some(lane.state_reason)
    })
    .await
}

async fn balance(gateway: &Channel) -> Result<(), Status> {
    let mut request = Request::new(v1::GetBalanceRequest::default());
    request.set_timeout(Duration::from_secs(3));
    AccountServiceClient::new(gateway.clone()).get_balance(request).await.map(|_| ())
}

/// Places an order that rests; its handle.
async fn place(gateway: &Channel) -> String {
    let order = resting_order();
    let handle = handle_of(&order);
    let placed =
        TradingServiceClient::new(gateway.clone()).add_order(order).await.expect("an order").into_inner();
    assert!(matches!(placed.outcome, Some(v1::add_order_response::Outcome::Accepted(_))), "{placed:?}");
    handle
}

async fn cancel(
    gateway: &Channel,
    handle: String,
    patience: Duration,
) -> Result<v1::CancelOrderResponse, Status> {
    let target = Some(v1::cancel_order_request::Target::ClOrdId(handle));
    let mut request = Request::new(v1::CancelOrderRequest { context: None, target });
    request.set_timeout(patience);
    TradingServiceClient::new(gateway.clone()).cancel_order(request).await.map(tonic::Response::into_inner)
}

fn is_accepted(answer: &Result<v1::CancelOrderResponse, Status>) -> bool {
    let outcome = answer.as_ref().ok().and_then(|reply| reply.outcome.as_ref());
    matches!(outcome, Some(v1::cancel_order_response::Outcome::Accepted(_)))
}

async fn metrics(process: &Process) -> String {
    let page = format!("http://{}/metrics", process.addr("admin/http"));
    let http = tidegate_tests::http().expect("a client");
    http.get(page).send().await.expect("a page").text().await.expect("text")
}

async fn has_line(process: &Process, line: &str) {
    eventually(line, || async { metrics(process).await.lines().any(|l| l == line).then_some(()) }).await;
}

fn retry_after(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

/// A refusal of a call that did not leave, and whose caller is told why and when to come again.
fn held_back(status: &Status, cause: &str, at_least: Duration) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(promises_not_executed(status), "{status:?}");
    assert_eq!(fact(status, "held_back").as_deref(), Some(cause), "{status:?}");
    assert!(status.message().contains("egress \"default\""), "{status:?}");
    assert!(retry_after(status).is_some_and(|wait| wait >= at_least), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_with_nanoseconds_on_a_key_is_named_and_cancels_take_another_lane() {
    let house = house().await;
    let (process, gateway) = one(&house, &["sandbox-all", "sandbox-cancel"]).await;
    let orders = [place(&gateway).await, place(&gateway).await];
    let stranger = Stranger::with(&house, "sandbox-cancel").expect("a stranger");
    assert!(stranger.calls(clock_us() * 1_000).await.expect("an answer").is_empty());

    // The least privileged key is the first choice; it is signed once more, and no more.
    let answer = cancel(&gateway, orders[0].clone(), Duration::from_secs(5)).await.expect("a reply");
    assert!(matches!(answer.outcome, Some(v1::cancel_order_response::Outcome::Unresolved(_))), "{answer:?}");
    let reason = in_state(&gateway, "sandbox-cancel", v1::LaneState::Quarantined).await;
    assert!(reason.contains("another program uses this key"), "{reason}");
    has_line(&process, r#"tidegate_lane_quarantined{lane="sandbox-cancel"} 1"#).await;
    has_line(&process, r#"tidegate_nonces_refused_total{cause="unexplained",lane="sandbox-cancel"} 2"#).await;
    assert!(process.log().contains("the key is in quarantine"), "{}", process.log_tail());

    for order in orders {
        let answer = cancel(&gateway, order, Duration::from_secs(5)).await;
        assert!(is_accepted(&answer), "{answer:?}");
    }
    let log = house.pages.log().await.expect("a log");
    assert_eq!(refused_nonces(&log, "sandbox-cancel"), 2, "one copy and one more");
    assert_eq!(lane(&gateway, "sandbox-all").await.state(), v1::LaneState::Open);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_used_with_a_finer_unit_before_is_not_opened_and_the_unit_is_named() {
    let house = house().await;
    let spoiled = [("sandbox-read", 1_000, "nanoseconds"), ("sandbox-ms", 1, "microseconds or nanoseconds")];
    for (label, times, _) in spoiled {
        let stranger = Stranger::with(&house, label).expect("a stranger");
        assert!(stranger.calls(clock_us() * times).await.expect("an answer").is_empty());
    }
    let (_process, gateway) = one(&house, &["sandbox-read", "sandbox-ms"]).await;
    let log = house.pages.log().await.expect("a log");
    for (label, _, words) in spoiled {
        let lane = lane(&gateway, label).await;
        assert_eq!(lane.state(), v1::LaneState::Quarantined);
        assert!(
            lane.state_reason.contains(words) && lane.state_reason.contains("make a new key"),
            "{lane:?}"
        );
        assert_eq!(
            refused_nonces(&log, label),
            2,
            "{label}: one fence and one above all that we can have used"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonces_that_a_process_of_ours_may_have_used_are_jumped_over() {
    let house = house().await;
    let stranger = Stranger::with(&house, "sandbox-read").expect("a stranger");
    // As high as a store that lost its memory may have let one of us go.
    let highest = clock_us() + 590_000_000;
    assert!(stranger.calls(highest).await.expect("an answer").is_empty());
    let (_process, gateway) = one(&house, &["sandbox-read"]).await;
    assert_eq!(lane(&gateway, "sandbox-read").await.state(), v1::LaneState::Open);
    balance(&gateway).await.expect("a balance");
    assert_eq!(refused_nonces(&house.pages.log().await.expect("a log"), "sandbox-read"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lane_that_can_cancel_takes_a_cancel_every_five_seconds_and_nothing_else() {
    let house = house().await;
    let (_process, gateway) = one(&house, &["sandbox-all"]).await;
    let orders = [place(&gateway).await, place(&gateway).await];
    // The same unit, and a clock that is a little ahead: soon ours is in range again.
    let stranger = Stranger::with(&house, "sandbox-all").expect("a stranger");
    let ahead = clock_us() + 2_000_000;
    assert!(stranger.calls(ahead).await.expect("an answer").is_empty());
    let refused = balance(&gateway).await.expect_err("both copies are refused");
    assert!(refused.code() == Code::Unavailable && promises_not_executed(&refused), "{refused:?}");
    in_state(&gateway, "sandbox-all", v1::LaneState::Quarantined).await;
    eventually("the stranger's nonce to be in the past", || async { (clock_us() > ahead).then_some(()) })
        .await;

    let reads_before = house.pages.requests("Balance").await.expect("a log").len();
    let cancels = orders.map(|order| {
        let gateway = gateway.clone();
        tokio::spawn(async move { cancel(&gateway, order, Duration::from_secs(20)).await })
    });
    let read = balance(&gateway).await.expect_err("the lane takes no reads");
    assert!(promises_not_executed(&read), "{read:?}");
    for cancel in cancels {
        let answer = cancel.await.expect("no panic");
        assert!(is_accepted(&answer), "{answer:?}");
    }
    let log = house.pages.requests("CancelOrder").await.expect("a log");
    let at: Vec<u64> = log.iter().filter_map(|entry| entry["received_us"].as_u64()).collect();
    assert_eq!(at.len(), 2, "{log:?}");
    // The lane waits five seconds between two; what the way to the exchange takes may differ.
    assert!(at[1] - at[0] > 4_800_000, "{at:?}");
    assert_eq!(house.pages.requests("Balance").await.expect("a log").len(), reads_before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_full_of_spoiled_keys_stops_before_it_is_locked_out() {
    const BOUND: usize = 10;
    let house = house().await;
    let rule = json!({ "lockout": { "failures": BOUND, "within_ms": 60_000, "for_ms": 900_000 } });
    house.pages.switch(&rule).await.expect("the rule");
    let spoiled = [
        "sandbox-read",
        "sandbox-read-2",
        "sandbox-trade",
        "sandbox-trade-2",
        "sandbox-cancel",
        "sandbox-ledger",
        "sandbox-fund",
        "sandbox-stream",
        "sandbox-all",
        "sandbox-all-2",
        "sandbox-all-3",
        "sandbox-all-4",
    ];
    for label in spoiled {
        let stranger = Stranger::with(&house, label).expect("a stranger");
        assert!(stranger.calls(clock_us() * 1_000).await.expect("an answer").is_empty());
    }
    let config = house.config(&spoiled, "").expect("a config");
    let process = Process::start(house.dir(), "one", "all", &config, &["gateway/grpc", "admin/http"])
        .await
        .expect("the process");
    has_line(&process, r#"tidegate_egress_held{cause="failures",egress="default"} 1"#).await;
    let gateway = channel(&process).await.expect("a channel");
    let held = eventually("a lane to say why it waits", || async {
        lanes(gateway.clone()).await.into_iter().find(|lane| lane.held_back_ms > 0)
    })
    .await;
    assert!(
        held.state_reason.contains("too many failed authentications")
            || held.state() == v1::LaneState::Quarantined
    );

    // More callers than the bound, and none of their calls leaves.
    let calls: Vec<_> = (0..2 * BOUND)
        .map(|_| {
            let gateway = gateway.clone();
            tokio::spawn(async move { balance(&gateway).await })
        })
        .collect();
    for call in calls {
        let status = call.await.expect("no panic").expect_err("nothing leaves");
        assert!(promises_not_executed(&status), "{status:?}");
    }
    let log = house.pages.log().await.expect("a log");
    let failures: usize = spoiled.iter().map(|label| refused_nonces(&log, label)).sum();
    assert!((5..BOUND).contains(&failures), "{failures} failed authentications");
    assert!(house.pages.requests("Balance").await.expect("a log").is_empty());
    assert!(!log.iter().any(|entry| entry["verdict"].as_str().is_some_and(|v| v.contains("lockout"))));
}

/// Makes the exchange answer the next balance in some way, asks for one, and says how many requests it has had since.
async fn after(house: &House, gateway: &Channel, fault: Value) -> usize {
    let mut fault = fault;
    fault["endpoint"] = json!("Balance");
    house.pages.switch(&json!({ "faults": [fault] })).await.expect("a fault");
    balance(gateway).await.expect_err("the fault");
    house.pages.log().await.expect("a log").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lockout_is_answered_with_silence() {
    let house = house().await;
    let (process, gateway) = one(&house, &["sandbox-all"]).await;
    let order = place(&gateway).await;
    let before = after(&house, &gateway, json!({ "error": "EGeneral:Temporary lockout" })).await;
    let quarter = Duration::from_secs(890);
    held_back(&balance(&gateway).await.expect_err("silence"), "lockout", quarter);
    let answer = cancel(&gateway, order, Duration::from_secs(5)).await;
    held_back(&answer.expect_err("a cancel would prolong it for all others"), "lockout", quarter);
    let mut market = MarketDataServiceClient::new(gateway.clone());
    let time = market.get_server_time(v1::GetServerTimeRequest::default()).await;
    held_back(&time.expect_err("nothing leaves"), "lockout", quarter);
    assert_eq!(house.pages.log().await.expect("a log").len(), before);
    has_line(&process, r#"tidegate_egress_held{cause="lockout",egress="default"} 1"#).await;
    eventually("the lane to say why it waits", || async {
        let lane = lane(&gateway, "sandbox-all").await;
        (lane.held_back_ms > 890_000 && lane.state_reason.contains("locked out")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_the_edge_stops_calls_for_a_while_but_not_a_cancel() {
    let house = house().await;
    let (_process, gateway) = one(&house, &["sandbox-all"]).await;
    let order = place(&gateway).await;
    let before = after(&house, &gateway, json!({ "http_status": 403 })).await;
    held_back(&balance(&gateway).await.expect_err("held back"), "edge", Duration::from_secs(50));
    assert_eq!(house.pages.log().await.expect("a log").len(), before);
    let answer = cancel(&gateway, order, Duration::from_secs(5)).await;
    assert!(is_accepted(&answer), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_counter_of_one_key_is_that_keys_affair() {
    let house = House::build(Plan { tier: "pro", ..Plan::default() }).await.expect("a house");
    let (_process, gateway) = one(&house, &["sandbox-read", "sandbox-read-2"]).await;
    let full = json!({ "error": "EAPI:Rate limit exceeded", "key": "sandbox-read" });
    after(&house, &gateway, full).await;
    balance(&gateway).await.expect("another key has room");
    let log = house.pages.requests("Balance").await.expect("a log");
    assert_eq!(log[1]["key"], "sandbox-read-2", "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_changed_at_kraken_is_noticed_at_the_first_denial() {
    let house = house().await;
    let (_process, gateway) = one(&house, &["sandbox-all", "sandbox-ledger"]).await;
    let order = place(&gateway).await;
    let taken = json!({ "keys": [
        { "key": "sandbox-all", "permission_tokens": ["modify-trades", "close-trades"] },
        { "key": "sandbox-ledger", "permission_tokens": ["export-data"] },
    ]});
    house.pages.switch(&taken).await.expect("other settings");
    balance(&gateway).await.expect_err("denied");
    let reason = in_state(&gateway, "sandbox-all", v1::LaneState::Quarantined).await;
    assert!(reason.contains("changed at Kraken") && reason.contains("query-funds"), "{reason}");
    // It can still cancel, and whoever has orders out may do so.
    let answer = cancel(&gateway, order, Duration::from_secs(5)).await;
    assert!(is_accepted(&answer), "{answer:?}");

    let ledgers =
        AccountServiceClient::new(gateway.clone()).get_ledgers(v1::GetLedgersRequest::default()).await;
    ledgers.expect_err("denied");
    let reason = in_state(&gateway, "sandbox-ledger", v1::LaneState::Refused).await;
    assert!(reason.contains("lacks query-ledger"), "{reason}");
}
