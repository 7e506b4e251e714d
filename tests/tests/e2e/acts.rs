//! One request id, one execution: whatever is repeated, wherever, and whatever became of the first copy.

mod amends;
mod batches;
mod cancels;
mod catalogue;
mod edits;
mod ends;
mod faults;
mod lags;
mod trading;

use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::add_order_response::{Accepted, Outcome};
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, settled};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const KEYS: [&str; 2] = ["sandbox-all", "sandbox-read"];

async fn house() -> House {
    House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house")
}

async fn process(house: &House, name: &str) -> Process {
    let config = house.config(&KEYS, "").expect("a config");
    house.all(name, &config).await.expect("a process with every lane settled")
}

/// A process that is allowed whatever can be allowed.
///
/// Its cancels wait long for their claims, because what is tested of them is what a claim does, and a machine that is busy
/// with other tests may keep a Redis waiting.
async fn bold(house: &House, name: &str) -> Process {
    let config = house.config(&KEYS, "").expect("a config");
    let config = config
        .replacen("quota_per_s = 100000\n", "quota_per_s = 100000\nallow_cancel_all = true\n", 1)
        .replacen("[executor]\n", "[executor]\nallow_edit_order = true\n", 1)
        .replacen("[store]\n", "[store]\ntimeout_ms = 1000\n", 1);
    house.all(name, &config).await.expect("a process with every lane settled")
}

/// A message whose caller waits so many seconds.
fn within<T>(message: T, seconds: u64) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(seconds));
    request
}

fn context() -> Option<v1::CallContext> {
    resting_order().context
}

/// An order that rests, by Kraken's id.
async fn resting(process: &Process) -> String {
    accepted(ask(process, &resting_order(), 5).await.expect("an order")).order_ids.remove(0)
}

/// The open orders of the account, by Kraken's id.
async fn open_orders(process: &Process) -> Vec<v1::Order> {
    let channel = channel(process).await.expect("a channel");
    let mut account = v1::account_service_client::AccountServiceClient::new(channel);
    let request = within(v1::GetOpenOrdersRequest::default(), 10);
    account.get_open_orders(request).await.expect("open orders").into_inner().orders
}

/// Requests for an endpoint that the exchange has seen.
async fn sent(house: &House, endpoint: &str) -> usize {
    house.pages.requests(endpoint).await.expect("a log").len()
}

async fn spoil(house: &House, endpoint: &str, name: &str, value: serde_json::Value) {
    let mut fault = json!({"endpoint": endpoint});
    fault[name] = value;
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
}

/// Now, in seconds since 1970: an id that is made knows when.
fn now_s() -> i64 {
    let id: tidegate_core::RequestId = tidegate_tests::request_id().parse().expect("an id");
    i64::try_from(id.birth().as_ms() / 1_000).expect("a time")
}

async fn client(process: &Process) -> TradingServiceClient<Channel> {
    TradingServiceClient::new(channel(process).await.expect("a channel"))
}

/// Asks for an order within so many seconds.
async fn ask(
    process: &Process,
    order: &v1::AddOrderRequest,
    seconds: u64,
) -> Result<v1::AddOrderResponse, Status> {
    let mut request = Request::new(order.clone());
    request.set_timeout(Duration::from_secs(seconds));
    client(process).await.add_order(request).await.map(tonic::Response::into_inner)
}

fn accepted(reply: v1::AddOrderResponse) -> Accepted {
    match reply.outcome {
        Some(Outcome::Accepted(accepted)) => accepted,
        other => panic!("{other:?}"),
    }
}

fn is_open(reply: &v1::AddOrderResponse) -> bool {
    matches!(reply.outcome, Some(Outcome::Unresolved(_)))
}

/// How often the exchange was asked for this order.
async fn copies(house: &House, order: &v1::AddOrderRequest) -> usize {
    let handle = handle_of(order);
    let log = house.pages.requests("AddOrder").await.expect("a log");
    log.iter().filter(|entry| entry["cl_ord_id"] == handle.as_str()).count()
}

async fn fault(house: &House, name: &str, value: serde_json::Value) {
    spoil(house, "AddOrder", name, value).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_answered_again_word_for_word_by_whichever_process() {
    let house = house().await;
    let (one, two) = (process(&house, "one").await, process(&house, "two").await);
    let order = resting_order();
    let first = ask(&one, &order, 5).await.expect("an order");
    for process in [&one, &two, &one] {
        assert_eq!(ask(process, &order, 5).await.expect("the same"), first);
    }
    assert_eq!(accepted(first).order_ids.len(), 1);
    assert_eq!(copies(&house, &order).await, 1);

    // So is a refusal.
    let dear = v1::AddOrderRequest { volume: "999999".into(), ..resting_order() };
    let refused = ask(&one, &dear, 5).await.expect_err("nobody has that much");
    assert!(promises_not_executed(&refused), "{refused:?}");
    let again = ask(&two, &dear, 5).await.expect_err("the same");
    assert_eq!((again.code(), again.message()), (refused.code(), refused.message()));
    assert_eq!(fact(&again, "kraken_error"), fact(&refused, "kraken_error"));
    assert_eq!(copies(&house, &dear).await, 1);

    // Another order under the same id is none.
    let other = v1::AddOrderRequest { volume: "0.002".into(), ..order.clone() };
    let status = ask(&two, &other, 5).await.expect_err("another order");
    assert_eq!((status.code(), fact(&status, "fields").as_deref()), (Code::AlreadyExists, Some("volume")));
    assert!(promises_not_executed(&status), "{status:?}");
    assert_eq!(copies(&house, &order).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_requests_at_the_same_moment_are_one() {
    let house = house().await;
    let (one, two) = (process(&house, "one").await, process(&house, "two").await);
    house.pages.switch(&json!({"engine_delay_ms": 300})).await.expect("a slow exchange");
    let order = resting_order();
    let (a, b, c, d) =
        tokio::join!(ask(&one, &order, 8), ask(&two, &order, 8), ask(&one, &order, 8), ask(&two, &order, 8));
    let ids: Vec<_> = [a, b, c, d].map(|reply| accepted(reply.expect("an order")).order_ids).into();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(copies(&house, &order).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_was_executed_and_answered_with_a_fault_is_found() {
    let house = house().await;
    let one = process(&house, "one").await;
    for (name, value) in [
        ("execute_then_http_status", json!(502)),
        ("reset", json!(true)),
        ("truncate_after_bytes", json!(20)),
    ] {
        fault(&house, name, value).await;
        let order = resting_order();
        let open = ask(&one, &order, 5).await.expect("a reply");
        assert!(is_open(&open), "{name}: {open:?}");
        let found = eventually("the order to be found", || async {
            let reply = ask(&one, &order, 5).await.expect("a reply");
            (!is_open(&reply)).then(|| accepted(reply))
        })
        .await;
        let log = house.pages.requests("AddOrder").await.expect("a log");
        let entry =
            log.iter().find(|entry| entry["cl_ord_id"] == handle_of(&order).as_str()).expect("it is there");
        assert_eq!(found.order_ids, [entry["txid"].as_str().expect("executed")], "{name}");
        assert_eq!(copies(&house, &order).await, 1, "{name}");
    }
}

/// All of them wait for most of a minute, so they wait together.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_only_when_it_cannot_come_any_more() {
    tokio::join!(
        an_order_that_never_reached_the_engine_is_found_absent_and_not_before_its_time(),
        amends::an_amend_that_never_reached_the_engine_is_absent_and_not_before_its_time(),
        batches::rows_of_a_lost_answer_are_placed_or_absent_and_absent_only_after_their_time(),
        edits::of_an_edit_that_is_not_found_a_person_is_told_what_was_seen(),
    );
}

async fn an_order_that_never_reached_the_engine_is_found_absent_and_not_before_its_time() {
    let house = house().await;
    let one = process(&house, "one").await;
    fault(&house, "http_status", json!(502)).await;
    let order = resting_order();
    let began = tokio::time::Instant::now();
    let open = ask(&one, &order, 3).await.expect("a reply");
    assert!(is_open(&open), "{open:?}");
    let refused = loop {
        // Each repeat waits as long as it may; together longer than any order could still come.
        assert!(began.elapsed() < Duration::from_secs(120), "no verdict");
        match ask(&one, &order, 10).await {
            Ok(reply) => assert!(is_open(&reply), "{reply:?}"),
            Err(status) => break status,
        }
    };
    assert!(promises_not_executed(&refused), "{refused:?}");
    assert!(began.elapsed() >= Duration::from_secs(30), "too soon: {:?}", began.elapsed());
    assert_eq!(copies(&house, &order).await, 1, "asked for again, and not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_process_died_is_found_by_another() {
    let house = house().await;
    let mut one = process(&house, "one").await;
    fault(&house, "hang_after_execute_ms", json!(20_000)).await;
    let order = resting_order();
    let asked = tokio::spawn({
        let (order, mut client) = (order.clone(), client(&one).await);
        async move { client.add_order(order).await.map(drop) }
    });
    eventually("the order to be executed", || async { (copies(&house, &order).await == 1).then_some(()) })
        .await;
    one.kill().await;
    let told = asked.await.expect("no panic").expect_err("its process is gone");
    assert!(!promises_not_executed(&told), "a transport's word, which promises nothing: {told:?}");
    let two = process(&house, "two").await;
    let found = eventually("the order to be found", || async {
        match ask(&two, &order, 5).await {
            Ok(reply) if !is_open(&reply) => Some(accepted(reply)),
            Ok(_) => None,
            Err(status) => panic!("{status:?}"),
        }
    })
    .await;
    assert_eq!(found.order_ids.len(), 1);
    assert_eq!(copies(&house, &order).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_older_than_the_stores_memory_is_looked_up_and_never_sent() {
    let house = house().await;
    let one = process(&house, "one").await;
    let order = resting_order();
    let first = accepted(ask(&one, &order, 5).await.expect("an order"));
    let unknown = resting_order();
    house.redis.as_ref().expect("planned").flush().await.expect("flushed");
    let found = eventually("the order to be found", || async {
        match ask(&one, &order, 5).await {
            Ok(reply) if !is_open(&reply) => Some(accepted(reply)),
            Ok(_) => None,
            // The lane takes no call before the store has heard of its owner again.
            Err(status) => {
                assert!(promises_not_executed(&status), "{status:?}");
                None
            }
        }
    })
    .await;
    assert_eq!(found.order_ids, first.order_ids);
    let open = ask(&one, &unknown, 3).await.expect("a reply");
    assert!(is_open(&open), "its claim may have been lost: {open:?}");
    assert_eq!((copies(&house, &order).await, copies(&house, &unknown).await), (1, 0));
}
