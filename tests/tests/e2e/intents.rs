//! What became of an act: asked, watched, decided; and orders that are to go whatever became of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::get_intent_response::Outcome as Kept;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_proto::v1::{CancelAttempt, IntentState, OrderWish};
use tidegate_tests::eventually;
use tidegate_tests::fleet::{Fleet, Role};
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::promises_not_executed;
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

const KEYS: [&str; 2] = ["sandbox-all", "sandbox-read"];

async fn house() -> House {
    House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house")
}

async fn process(house: &House, name: &str) -> Process {
    let config = house.config(&KEYS, "").expect("a config");
    let config = config.replace("[gateway]\n", "[gateway]\nallow_decide_intents = true\n");
    house.all(name, &config).await.expect("a process with every lane settled")
}

async fn trading(process: &Process) -> TradingServiceClient<Channel> {
    TradingServiceClient::new(channel(process).await.expect("a channel"))
}

async fn operations(process: &Process) -> OperationsServiceClient<Channel> {
    OperationsServiceClient::new(channel(process).await.expect("a channel"))
}

async fn place(process: &Process, order: &v1::AddOrderRequest) -> Option<Outcome> {
    let mut request = Request::new(order.clone());
    request.set_timeout(Duration::from_secs(5));
    trading(process).await.add_order(request).await.expect("a reply").into_inner().outcome
}

fn is_open(outcome: Option<&Outcome>) -> bool {
    matches!(outcome, Some(Outcome::Unresolved(_)))
}

async fn ask(process: &Process, order: &v1::AddOrderRequest) -> (v1::Intent, Option<Kept>) {
    let request = v1::GetIntentRequest { context: order.context.clone() };
    let reply = trading(process).await.get_intent(request).await.expect("an answer").into_inner();
    (reply.intent.expect("always set"), reply.outcome)
}

/// Waits until an intent is as it should be.
async fn until(
    process: &Process,
    order: &v1::AddOrderRequest,
    is: impl Fn(&v1::Intent) -> bool,
) -> v1::Intent {
    eventually("the intent to be as it should", || async {
        let (intent, _) = ask(process, order).await;
        is(&intent).then_some(intent)
    })
    .await
}

async fn fault(house: &House, endpoint: &str, name: &str, value: Value) {
    let mut fault = json!({ "endpoint": endpoint });
    fault[name] = value;
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
}

/// Open orders of the account at the exchange, by client order id, as a caller sees them.
async fn open_orders(process: &Process) -> Vec<String> {
    let channel = channel(process).await.expect("a channel");
    let mut account = AccountServiceClient::new(channel);
    let reply =
        account.get_open_orders(v1::GetOpenOrdersRequest::default()).await.expect("orders").into_inner();
    reply.orders.into_iter().map(|order| order.cl_ord_id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_an_act_is_told_by_whichever_process() {
    let house = house().await;
    let (one, two) = (process(&house, "one").await, process(&house, "two").await);
    let (good, dear) = (resting_order(), v1::AddOrderRequest { volume: "999999".into(), ..resting_order() });
    let told = place(&one, &good).await;
    let refused = trading(&one).await.add_order(dear.clone()).await.expect_err("nobody has that much");
    for process in [&one, &two] {
        let (intent, outcome) = ask(process, &good).await;
        assert_eq!((intent.state(), intent.endpoint.as_str()), (IntentState::Executed, "AddOrder"));
        assert_eq!((intent.cl_ord_id.as_str(), intent.caller.as_str()), (handle_of(&good).as_str(), "local"));
        assert!(intent.claimed_time.is_some() && intent.settled_time.is_some(), "{intent:?}");
        let Some(Kept::AddOrder(kept)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(kept.outcome, told, "word for word");
        let (intent, outcome) = ask(process, &dear).await;
        assert_eq!(intent.state(), IntentState::Refused);
        let Some(Kept::Refused(kept)) = outcome else { panic!("{outcome:?}") };
        assert_eq!((kept.kind.as_str(), kept.text.as_str()), ("KRAKEN_REFUSED", refused.message()));
        assert!(kept.kraken_error.starts_with("EOrder:"), "{kept:?}");
        let (intent, outcome) = ask(process, &resting_order()).await;
        assert_eq!((intent.state(), outcome), (IntentState::NotKnown, None));
    }
    let nameless = v1::GetIntentRequest { context: None };
    let status = trading(&one).await.get_intent(nameless).await.expect_err("which one?");
    assert_eq!(status.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn open_intents_are_watched_until_they_are_decided_or_the_process_ends() {
    let house = house().await;
    let mut one = process(&house, "one").await;
    let request = v1::WatchIntentsRequest { context: None };
    let mut stream = trading(&one).await.watch_intents(request).await.expect("a stream").into_inner();
    let first = stream.message().await.expect("no error").expect("the first message");
    assert!(first.intents.is_empty() && !first.truncated, "{first:?}");

    // It stays open long enough to be seen: what Kraken shows of it is held back.
    fault(&house, "OpenOrders", "hang_ms", json!(3_000)).await;
    fault(&house, "AddOrder", "execute_then_http_status", json!(502)).await;
    let order = resting_order();
    assert!(is_open(place(&one, &order).await.as_ref()));
    let listed = operations(&one).await.list_unresolved(v1::ListUnresolvedRequest::default()).await;
    let listed = listed.expect("a list").into_inner();
    let ids: Vec<_> = listed.intents.iter().map(|intent| intent.cl_ord_id.clone()).collect();
    assert_eq!((ids, listed.truncated), (vec![handle_of(&order)], false));
    let mut states = Vec::new();
    while states.last() != Some(&IntentState::Executed) {
        let message = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.expect("in time");
        let message = message.expect("no error").expect("it goes on");
        for intent in message.intents {
            assert_eq!(intent.cl_ord_id, handle_of(&order));
            states.push(intent.state());
        }
    }
    assert!(states.contains(&IntentState::Unresolved), "{states:?}");
    one.terminate();
    let end = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.expect("in time");
    assert!(matches!(end, Ok(None)), "it ends in order: {end:?}");
    assert!(one.ended().await.expect("an end").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_to_go_is_cancelled_whatever_became_of_it() {
    let house = house().await;
    let one = process(&house, "one").await;
    // Known to be executed: cancelled at once.
    let order = resting_order();
    assert!(!is_open(place(&one, &order).await.as_ref()));
    let cancel = |order: &v1::AddOrderRequest| v1::CancelIntentRequest { context: order.context.clone() };
    let reply = trading(&one).await.cancel_intent(cancel(&order)).await.expect("a reply").into_inner();
    assert_eq!((reply.attempt(), reply.wish_kept), (CancelAttempt::Cancelled, true), "{reply:?}");
    until(&one, &order, |intent| intent.wish() == OrderWish::Done).await;

    // In doubt: cancelled at once, because the engine has it; and the wish is done when it is found.
    fault(&house, "AddOrder", "execute_then_http_status", json!(502)).await;
    let order = resting_order();
    assert!(is_open(place(&one, &order).await.as_ref()));
    let reply = trading(&one).await.cancel_intent(cancel(&order)).await.expect("a reply").into_inner();
    assert_eq!((reply.attempt(), reply.wish_kept), (CancelAttempt::Cancelled, true), "{reply:?}");
    let again = trading(&one).await.cancel_intent(cancel(&order)).await.expect("a reply").into_inner();
    assert!(again.wish_kept, "{again:?}");

    // A cancel that is lost is made again.
    fault(&house, "AddOrder", "execute_then_http_status", json!(502)).await;
    fault(&house, "CancelOrder", "http_status", json!(502)).await;
    let order = resting_order();
    assert!(is_open(place(&one, &order).await.as_ref()));
    let reply = trading(&one).await.cancel_intent(cancel(&order)).await.expect("a reply").into_inner();
    assert_eq!((reply.attempt(), reply.wish_kept), (CancelAttempt::Unknown, true), "{reply:?}");
    eventually("no order to be left", || async { open_orders(&one).await.is_empty().then_some(()) }).await;
    let intent = until(&one, &order, |intent| intent.state() == IntentState::Executed).await;
    assert!(matches!(intent.wish(), OrderWish::Cancel | OrderWish::Done), "{intent:?}");

    // What was never executed needs no cancel; what nobody knows is cancelled and not remembered.
    let dear = v1::AddOrderRequest { volume: "999999".into(), ..resting_order() };
    trading(&one).await.add_order(dear.clone()).await.expect_err("nobody has that much");
    let reply = trading(&one).await.cancel_intent(cancel(&dear)).await.expect("a reply").into_inner();
    assert_eq!(reply.attempt(), CancelAttempt::NotNeeded, "{reply:?}");
    let reply =
        trading(&one).await.cancel_intent(cancel(&resting_order())).await.expect("a reply").into_inner();
    assert_eq!((reply.attempt(), reply.wish_kept), (CancelAttempt::NothingOpen, false), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cancelled_after_a_doubt_where_its_caller_said_so_and_only_then() {
    let house = house().await;
    let one = process(&house, "one").await;
    let order = || v1::AddOrderRequest { on_unresolved: v1::OnUnresolved::Cancel.into(), ..resting_order() };
    let sure = order();
    assert!(!is_open(place(&one, &sure).await.as_ref()));
    let (kept, doubtful) = (resting_order(), order());
    for order in [&kept, &doubtful] {
        fault(&house, "AddOrder", "execute_then_http_status", json!(502)).await;
        assert!(is_open(place(&one, order).await.as_ref()));
    }
    let left = eventually("the doubtful order to be cancelled", || async {
        let open = open_orders(&one).await;
        (!open.contains(&handle_of(&doubtful))).then_some(open)
    })
    .await;
    assert!(left.contains(&handle_of(&sure)) && left.contains(&handle_of(&kept)), "{left:?}");
    assert_eq!(left.len(), 2);
    let (intent, _) = ask(&one, &sure).await;
    assert_eq!(intent.wish(), OrderWish::CancelIfUnresolved);
    // The wish is part of what was asked for.
    let other = v1::AddOrderRequest { on_unresolved: v1::OnUnresolved::Keep.into(), ..sure };
    let status = trading(&one).await.add_order(other).await.expect_err("another wish");
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_where_nobody_else_can_and_nowhere_else() {
    let house = house().await;
    let one = process(&house, "one").await;
    let (sure, first, second) = (resting_order(), resting_order(), resting_order());
    assert!(!is_open(place(&one, &sure).await.as_ref()));
    let redis = house.redis.as_ref().expect("planned");
    for order in [&first, &second] {
        fault(&house, "AddOrder", "http_status", json!(502)).await;
        assert!(is_open(place(&one, order).await.as_ref()));
        let key = format!("{{tidegate:main}}:intent:{}", handle_of(order));
        redis.command(&["HSET", &key, "state", "needs_operator"]).await.expect("written");
    }
    let decide = |order: &v1::AddOrderRequest, verdict| v1::DecideIntentRequest {
        context: order.context.clone(),
        caller: String::new(),
        verdict: Some(verdict),
        decided_by: "Ada".into(),
        reason: "seen on the exchange's page".into(),
    };
    use v1::decide_intent_request::{Executed, NotExecuted, Verdict};
    let mut operations = operations(&one).await;
    let executed = || Verdict::Executed(Executed { order_ids: vec!["OABCDE-12345-FGHIJK".into()] });

    let status = operations.decide_intent(decide(&sure, executed())).await.expect_err("it is known");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let anonymous = v1::DecideIntentRequest { decided_by: " ".into(), ..decide(&first, executed()) };
    let status = operations.decide_intent(anonymous).await.expect_err("who?");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");

    let request = decide(&first, executed());
    let reply = operations.decide_intent(request.clone()).await.expect("a verdict").into_inner();
    let intent = reply.intent.expect("always set");
    assert_eq!(intent.state(), IntentState::Executed);
    assert!(intent.note.contains("Ada") && intent.note.contains("the exchange's page"), "{intent:?}");
    let again = operations.decide_intent(request).await.expect("the same verdict").into_inner();
    assert_eq!(again.intent, Some(intent));
    let Some(Outcome::Accepted(told)) = place(&one, &first).await else { panic!("whoever asks is told") };
    assert_eq!(told.order_ids, ["OABCDE-12345-FGHIJK"]);

    operations.decide_intent(decide(&second, Verdict::NotExecuted(NotExecuted {}))).await.expect("a verdict");
    let status = trading(&one).await.add_order(second.clone()).await.expect_err("it was not executed");
    assert!(promises_not_executed(&status) && status.message().contains("Ada"), "{status:?}");
    assert!(one.log().contains("a person has decided what became of an act"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_needs_the_right_to_give_one() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&KEYS, "").expect("a config");
    let one = house.all("one", &config).await.expect("a process");
    let request = v1::DecideIntentRequest { context: resting_order().context, ..Default::default() };
    let status = operations(&one).await.decide_intent(request).await.expect_err("not allowed");
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
}

/// Which executor of a fleet owns a key.
async fn owner_of(fleet: &Fleet, key: &str) -> Option<usize> {
    for (at, executor) in fleet.executors.iter().enumerate() {
        let addr = executor.addr("executor/grpc");
        let channel = Endpoint::from_shared(format!("http://{addr}")).expect("an address").connect_lazy();
        let lanes = tidegate_tests::house::lanes(channel).await;
        if lanes.iter().any(|lane| lane.key_label == key && lane.state() == v1::LaneState::Open) {
            return Some(at);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_whose_executor_died_is_told_what_another_finds() {
    let house = house().await;
    let keys: String = KEYS.map(|key| House::key_table(key, &[]).expect("a key")).concat();
    let mut fleet = Fleet::start(house, 2, 1, keys).await.expect("a fleet");
    fleet.all_open(KEYS.len(), Duration::from_secs(30)).await.expect("all lanes open");
    fault(&fleet.house, "AddOrder", "hang_after_execute_ms", json!(60_000)).await;
    let order = resting_order();
    let asked = tokio::spawn({
        let mut client = TradingServiceClient::new(fleet.channel().expect("a channel"));
        let mut request = Request::new(order.clone());
        request.set_timeout(Duration::from_secs(30));
        async move { client.add_order(request).await.map(tonic::Response::into_inner) }
    });
    eventually("the order to be executed", || async {
        let log = fleet.house.pages.requests("AddOrder").await.expect("a log");
        log.iter().any(|entry| entry["cl_ord_id"] == handle_of(&order).as_str()).then_some(())
    })
    .await;
    let owner = owner_of(&fleet, "sandbox-all").await.expect("an owner");
    fleet.of(Role::Executor)[owner].kill().await;
    let reply = asked.await.expect("no panic").expect("a reply, not a Status");
    let Some(Outcome::Accepted(accepted)) = reply.outcome else { panic!("{reply:?}") };
    let log = fleet.house.pages.requests("AddOrder").await.expect("a log");
    let ids: Vec<_> = log.iter().filter_map(|entry| entry["txid"].as_str()).collect();
    assert_eq!(accepted.order_ids, ids, "one execution, and it is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_ready_when_the_doubts_of_before_are_over_and_serves_before() {
    let house = house().await;
    let mut one = process(&house, "one").await;
    // Kraken's answers to whoever looks are slow, so the doubt outlives the process.
    for _ in 0..6 {
        fault(&house, "OpenOrders", "hang_ms", json!(4_000)).await;
    }
    fault(&house, "AddOrder", "execute_then_http_status", json!(502)).await;
    let order = resting_order();
    assert!(is_open(place(&one, &order).await.as_ref()));
    one.kill().await;
    let two = process(&house, "two").await;
    let page = format!("http://{}/readyz", two.addr("admin/http"));
    let ready = || async {
        let answer = tidegate_tests::http().expect("a client").get(&page).send().await.expect("an answer");
        answer.text().await.expect("text")
    };
    let said = ready().await;
    assert!(said.contains("- intents"), "{said}");
    assert!(!is_open(place(&two, &resting_order()).await.as_ref()), "an order is served meanwhile");
    eventually("the process to be ready", || async { (ready().await == "ready\n").then_some(()) }).await;
    let (intent, _) = ask(&two, &order).await;
    assert_eq!(intent.state(), IntentState::Executed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_order_is_found_while_reads_use_up_the_counter_and_reads_go_on() {
    let plan = Plan { redis: true, tier: "pro", ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&["sandbox-read", "sandbox-trade"], "").expect("a config");
    let one = house.all("one", &config).await.expect("a process");
    let answered = Arc::new(AtomicU64::new(0));
    let mut readers = JoinSet::new();
    for _ in 0..4 {
        let (answered, channel) = (Arc::clone(&answered), channel(&one).await.expect("a channel"));
        readers.spawn(async move {
            let mut account = AccountServiceClient::new(channel);
            loop {
                let mut request = Request::new(v1::GetBalanceRequest::default());
                request.set_timeout(Duration::from_secs(15));
                // Refused or late is what a full counter means.
                if account.get_balance(request).await.is_ok() {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    let read = |more: u64| {
        let (answered, wanted) = (Arc::clone(&answered), answered.load(Ordering::Relaxed) + more);
        async move {
            let enough = || async { (answered.load(Ordering::Relaxed) >= wanted).then_some(()) };
            eventually("reads to be answered", enough).await;
        }
    };
    // More than a counter of twenty points has at once.
    read(20).await;
    fault(&house, "AddOrder", "execute_then_http_status", json!(502)).await;
    let order = resting_order();
    assert!(is_open(place(&one, &order).await.as_ref()));
    until(&one, &order, |intent| intent.state() == IntentState::Executed).await;
    read(3).await;
    readers.shutdown().await;
    let log = house.pages.log().await.expect("a log");
    assert_eq!(tidegate_tests::judge::forbidden_refusals(&log), Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_a_stream_slowly_is_told_the_newest_and_its_end_when_the_executor_dies() {
    let house = house().await;
    let keys: String = KEYS.map(|key| House::key_table(key, &[]).expect("a key")).concat();
    let mut fleet = Fleet::start(house, 1, 1, keys).await.expect("a fleet");
    fleet.all_open(KEYS.len(), Duration::from_secs(30)).await.expect("all lanes open");
    let mut client = TradingServiceClient::new(fleet.channel().expect("a channel"));
    let stream = client.watch_intents(v1::WatchIntentsRequest { context: None }).await.expect("a stream");
    let mut stream = stream.into_inner();
    stream.message().await.expect("no error").expect("the first message");
    // Nobody reads meanwhile.
    let orders = [resting_order(), resting_order(), resting_order()];
    for order in &orders {
        fault(&fleet.house, "AddOrder", "execute_then_http_status", json!(502)).await;
        client.add_order(order.clone()).await.expect("a reply");
    }
    for order in &orders {
        let request = || v1::GetIntentRequest { context: order.context.clone() };
        eventually("the order to be found", || {
            let mut client = client.clone();
            async move {
                let intent = client.get_intent(request()).await.expect("an answer").into_inner().intent?;
                (intent.state() == IntentState::Executed).then_some(())
            }
        })
        .await;
    }
    let mut last = std::collections::BTreeMap::new();
    let all_told = |last: &std::collections::BTreeMap<String, IntentState>| {
        orders.iter().all(|order| last.get(&handle_of(order)) == Some(&IntentState::Executed))
    };
    while !all_told(&last) {
        let message = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.expect("in time");
        for intent in message.expect("no error").expect("it goes on").intents {
            last.insert(intent.cl_ord_id.clone(), intent.state());
        }
    }
    fleet.of(Role::Executor)[0].kill().await;
    let end = tokio::time::timeout(Duration::from_secs(30), stream.message()).await.expect("in time");
    let status = end.expect_err("it was cut off, and says so");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(promises_not_executed(&status), "in our own words: {status:?}");
}
