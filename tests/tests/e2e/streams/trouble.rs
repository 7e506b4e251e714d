//! Streams of pages on a key with few points, and what breaks them off.

use tidegate_tests::eventually;
use tidegate_tests::house::settled;
use tidegate_tests::judge::{fact, forbidden_refusals, promises_not_executed};
use tidegate_tests::process::Process;
use tokio::time::Instant;

use super::*;

/// A house with 240 ledger entries and more, and one process with a key for everything.
async fn lived_in(plan: Plan) -> (House, Process, Channel) {
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    buy(&gateway, 120).await;
    (house, process, gateway)
}

async fn spoil(house: &House, faults: serde_json::Value) {
    house.pages.switch(&json!({"faults": faults})).await.expect("faults");
}

async fn asked(house: &House) -> usize {
    house.pages.requests("Ledgers").await.expect("a log").len()
}

fn all() -> v1::StreamLedgersRequest {
    v1::StreamLedgersRequest::default()
}

fn behind(page_token: String) -> v1::StreamLedgersRequest {
    v1::StreamLedgersRequest { page_token, ..all() }
}

/// A stream whose first page has come.
async fn begun(account: &mut Account) -> (v1::StreamLedgersResponse, Streaming<v1::StreamLedgersResponse>) {
    let mut pages = account.stream_ledgers(all()).await.expect("a stream").into_inner();
    (pages.message().await.expect("a page").expect("not the end"), pages)
}

#[tokio::test(flavor = "multi_thread")]
async fn few_points_make_it_slow_and_nothing_else() {
    // Twenty points, one a second: four pages at once, and then one in four seconds.
    let (house, _process, gateway) = lived_in(Plan { tier: "pro", ..Plan::default() }).await;
    let mut account = AccountServiceClient::new(gateway.clone());
    let began = Instant::now();
    let (first, mut pages) = begun(&mut account).await;
    let streaming = tokio::spawn(async move {
        let mut got = vec![first];
        while let Some(page) = pages.message().await.expect("a page") {
            got.push(page);
        }
        got
    });
    // Orders leave by the same key meanwhile, and none of them waits for points.
    let (mut slowest, mut placed) = (Duration::ZERO, 0);
    while !streaming.is_finished() {
        let at = Instant::now();
        buy(&gateway, 1).await;
        (slowest, placed) = (slowest.max(at.elapsed()), placed + 1);
    }
    let got = streaming.await.expect("no panic");
    let took = began.elapsed();
    assert!(took > Duration::from_secs(4), "there were points for all of it: {took:?}");
    assert!(placed > 5 && slowest < Duration::from_secs(3), "{placed} orders, the slowest {slowest:?}");
    let log = house.pages.log().await.expect("a log");
    assert!(forbidden_refusals(&log).is_empty(), "{:?}", forbidden_refusals(&log));
    let streamed = ledger_ids(&got);
    assert!(streamed.len() >= 240 && streamed.iter().collect::<BTreeSet<_>>().len() == streamed.len());
    assert_eq!(got[0].count, Some(streamed.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_illness_of_kraken_s_is_waited_out_and_a_refusal_says_how_to_go_on() {
    let (house, _process, gateway) = lived_in(Plan::default()).await;
    let mut account = AccountServiceClient::new(gateway);
    let list = all_ledger_ids(&mut account).await;
    spoil(
        &house,
        json!([
            {"endpoint": "Ledgers", "count": 2, "hang_after_auth_ms": 1},
            {"endpoint": "Ledgers", "error": "EService:Unavailable"},
            {"endpoint": "Ledgers", "http_status": 502},
            {"endpoint": "Ledgers", "reset": true},
        ]),
    )
    .await;
    let pages = whole(account.stream_ledgers(all()).await).await;
    assert_eq!(ledger_ids(&pages), list);
    assert_eq!(house.pages.waiting_faults().await.expect("a count"), 0);

    // The first page is refused as the unary call is.
    spoil(&house, json!([{"endpoint": "Ledgers", "error": "EGeneral:Invalid arguments"}])).await;
    let status = account.stream_ledgers(all()).await.expect_err("refused");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(promises_not_executed(&status) && fact(&status, "page_token").is_none(), "{status:?}");

    spoil(
        &house,
        json!([
            {"endpoint": "Ledgers", "count": 2, "hang_after_auth_ms": 1},
            {"endpoint": "Ledgers", "error": "EGeneral:Invalid arguments"},
        ]),
    )
    .await;
    let (got, end) = drained(account.stream_ledgers(all()).await).await;
    let status = end.expect("it broke off");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(promises_not_executed(&status), "{status:?}");
    assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EGeneral:Invalid arguments"));
    let came = ledger_ids(&got);
    assert_eq!(
        (fact(&status, "pages_sent"), fact(&status, "entries_sent")),
        (Some("2".into()), Some("99".into()))
    );
    assert_eq!((got.len(), came.len()), (2, 99));
    let page_token = fact(&status, "page_token").expect("where to go on");
    assert_eq!(page_token, got[1].next_page_token);
    let rest = whole(account.stream_ledgers(behind(page_token)).await).await;
    assert_eq!([came, ledger_ids(&rest)].concat(), list);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_on_for_a_caller_who_has_left() {
    let (house, _process, gateway) = lived_in(Plan::default()).await;
    let mut account = AccountServiceClient::new(gateway);
    spoil(&house, json!([{"endpoint": "Ledgers", "count": 100, "hang_after_auth_ms": 200}])).await;
    let (_, pages) = begun(&mut account).await;
    drop(pages);
    // One page may be on its way. While these calls take their turns on the same key, a stream that goes on would have had as many.
    for _ in 0..4 {
        account.get_ledgers(within(v1::GetLedgersRequest::default())).await.expect("a page");
    }
    let asked = asked(&house).await;
    assert!((5..=6).contains(&asked), "{asked} requests, 4 of them not the stream's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_drains_ends_it_and_says_how_to_go_on() {
    let (house, mut process, gateway) = lived_in(Plan::default()).await;
    let mut account = AccountServiceClient::new(gateway);
    let list = all_ledger_ids(&mut account).await;
    spoil(&house, json!([{"endpoint": "Ledgers", "count": 100, "hang_after_auth_ms": 1_000}])).await;
    let (first, pages) = begun(&mut account).await;
    process.terminate();
    let (got, end) = drained(Ok(Response::new(pages))).await;
    let status = end.expect("it broke off");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(promises_not_executed(&status) && status.message().contains("stopping"), "{status:?}");
    let page_token = fact(&status, "page_token").expect("where to go on");
    let last = got.last().unwrap_or(&first);
    assert_eq!(page_token, last.next_page_token);
    let ended = process.ended().await.expect("it ends");
    assert!(ended.success(), "{ended:?}");

    house.pages.switch(&json!({"clear_faults": true})).await.expect("no fault");
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let next = house.all("two", &config).await.expect("the next process");
    let mut account = AccountServiceClient::new(channel(&next).await.expect("a channel"));
    let rest = whole(account.stream_ledgers(behind(page_token)).await).await;
    let parts = [ledger_ids(&[first]), ledger_ids(&got), ledger_ids(&rest)];
    assert_eq!(parts.concat(), list);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executor_that_is_killed_breaks_it_off_and_another_goes_on() {
    let house = House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house");
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let mut executor = Process::start(house.dir(), "first", "executor", &config, &["executor/grpc"])
        .await
        .expect("an executor");
    let address = executor.addr("executor/grpc");
    let known = house.config(&[], &format!("[gateway.executors]\none = \"{address}\"\n")).expect("a config");
    let gateway = Process::start(house.dir(), "gateway", "gateway", &known, &["gateway/grpc"]).await;
    let gateway = gateway.expect("the gateway");
    let calls = channel(&gateway).await.expect("a channel");
    settled(calls.clone()).await;
    buy(&calls, 120).await;
    let mut account = AccountServiceClient::new(calls.clone());
    let list = all_ledger_ids(&mut account).await;

    spoil(&house, json!([{"endpoint": "Ledgers", "count": 100, "hang_after_auth_ms": 1_000}])).await;
    let (page, pages) = begun(&mut account).await;
    executor.kill().await;
    let (got, end) = drained(Ok(Response::new(pages))).await;
    let status = end.expect("it broke off");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(promises_not_executed(&status) && status.message().contains("next_page_token"), "{status:?}");

    house.pages.switch(&json!({"clear_faults": true})).await.expect("no fault");
    let page_token = got.last().unwrap_or(&page).next_page_token.clone();
    // As a cluster does it, but at the same address.
    let again = config
        .replace("[executor]\nlisten = \"127.0.0.1:0\"", &format!("[executor]\nlisten = \"{address}\""));
    let _next =
        Process::start(house.dir(), "next", "executor", &again, &["executor/grpc"]).await.expect("the next");
    let rest = eventually("the next executor to have the key", || {
        let (mut account, request) = (account.clone(), behind(page_token.clone()));
        async move {
            let (rest, end) = drained(account.stream_ledgers(request).await).await;
            end.is_none().then_some(rest)
        }
    })
    .await;
    assert_eq!([ledger_ids(&[page]), ledger_ids(&got), ledger_ids(&rest)].concat(), list);
}
