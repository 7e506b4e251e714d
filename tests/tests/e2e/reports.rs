//! Reports: asked for, watched, fetched whole or piece by piece, taken away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::report_service_client::ReportServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_proto::v1::{add_export_response as added, remove_export_response as removed};
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::load::resting_order;
use tidegate_tests::process::Process;
use tidegate_tests::{eventually, request_id};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

const KEYS: [&str; 3] = ["sandbox-ledger", "sandbox-trade", "sandbox-read"];
const RETRIEVE: &str = "RetrieveExport";

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(10));
    request
}

fn context() -> Option<v1::CallContext> {
    Some(v1::CallContext { request_id: request_id(), ..Default::default() })
}

fn trades_of_june() -> v1::AddExportRequest {
    v1::AddExportRequest {
        context: context(),
        report: v1::ReportKind::Trades.into(),
        description: "trades of the month".into(),
        ..Default::default()
    }
}

async fn client(process: &Process) -> ReportServiceClient<Channel> {
    ReportServiceClient::new(channel(process).await.expect("a channel"))
}

async fn add(reports: &mut ReportServiceClient<Channel>, request: v1::AddExportRequest) -> String {
    let reply = reports.add_export(within(request)).await.expect("a report").into_inner();
    match reply.outcome {
        Some(added::Outcome::Accepted(accepted)) => accepted.export_id,
        other => panic!("not accepted: {other:?}"),
    }
}

async fn listed(reports: &mut ReportServiceClient<Channel>) -> Vec<v1::Export> {
    let request = v1::GetExportStatusRequest { context: None, report: v1::ReportKind::Trades.into() };
    reports.get_export_status(within(request)).await.expect("a list").into_inner().exports
}

async fn ready(reports: &mut ReportServiceClient<Channel>) -> String {
    let id = add(reports, trades_of_june()).await;
    eventually("the report to be ready", || {
        let mut reports = reports.clone();
        async move {
            let all = listed(&mut reports).await;
            all.iter().any(|one| one.state() == v1::ExportState::Processed).then_some(())
        }
    })
    .await;
    id
}

fn retrieve(export_id: &str) -> v1::RetrieveExportRequest {
    v1::RetrieveExportRequest { context: None, export_id: export_id.to_owned() }
}

fn stream(export_id: &str) -> v1::StreamExportRequest {
    v1::StreamExportRequest { context: None, export_id: export_id.to_owned() }
}

/// Everything that a stream brings, and how it ends.
async fn drained(
    reports: &mut ReportServiceClient<Channel>,
    request: v1::StreamExportRequest,
) -> (Vec<u8>, Option<Status>) {
    let mut pieces = match reports.stream_export(request).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut archive = Vec::new();
    loop {
        match pieces.message().await {
            Ok(Some(message)) => archive.extend(message.piece),
            Ok(None) => return (archive, None),
            Err(status) => return (archive, Some(status)),
        }
    }
}

async fn spoil(house: &House, endpoint: &str, name: &str, value: serde_json::Value) {
    let mut fault = json!({"endpoint": endpoint});
    fault[name] = value;
    house.pages.switch(&json!({"faults": [fault]})).await.expect("a fault");
}

async fn buy(gateway: Channel, count: usize) {
    let mut trading = TradingServiceClient::new(gateway);
    for _ in 0..count {
        let order = v1::AddOrderRequest { price: "60001.0".into(), ..resting_order() };
        trading.add_order(within(order)).await.expect("an order");
    }
}

/// The one file of an archive that is not compressed, found by its directory at the end.
fn unpacked(archive: &[u8]) -> String {
    let whole = |at: usize| u32::from_le_bytes(archive[at..at + 4].try_into().expect("four")) as usize;
    let half = |at: usize| usize::from(u16::from_le_bytes(archive[at..at + 2].try_into().expect("two")));
    let end = archive.windows(4).rposition(|four| four == b"PK\x05\x06").expect("an end");
    let (entry, count) = (whole(end + 16), half(end + 10));
    assert_eq!((count, &archive[entry..entry + 4], half(entry + 10)), (1, &b"PK\x01\x02"[..], 0));
    let (length, local) = (whole(entry + 24), whole(entry + 42));
    let begins = local + 30 + half(local + 26) + half(local + 28);
    String::from_utf8(archive[begins..begins + length].to_vec()).expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_asked_for_watched_fetched_and_taken_away() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let mut reports = client(&process).await;
    buy(channel(&process).await.expect("a channel"), 3).await;

    let request = trades_of_june();
    let id = add(&mut reports, request.clone()).await;
    assert_eq!(add(&mut reports, request).await, id, "the same act is told again");
    assert_eq!(house.pages.requests("AddExport").await.expect("a log").len(), 1);
    let first = listed(&mut reports).await.remove(0);
    assert_eq!((&first.export_id, first.description.as_str()), (&id, "trades of the month"));
    assert_eq!((first.format(), first.report()), (v1::ExportFormat::Csv, v1::ReportKind::Trades));
    assert!(first.create_time.is_some() && first.data_start_time.is_some());

    // Not ready: an envelope comes where an archive was wanted, and is told as what it is.
    house.pages.switch(&json!({"export_ms": 600_000})).await.expect("a switch");
    let slow = add(&mut reports, trades_of_june()).await;
    let (bytes, refused) = drained(&mut reports, stream(&slow)).await;
    let unary = reports.retrieve_export(within(retrieve(&slow))).await.expect_err("not ready");
    for status in [refused.expect("not ready"), unary] {
        assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
        assert!(promises_not_executed(&status) && bytes.is_empty());
        assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EGeneral:Invalid arguments:id"));
    }
    let waiting = listed(&mut reports).await.into_iter().find(|one| one.export_id == slow).expect("listed");
    assert_eq!((waiting.state(), waiting.complete_time), (v1::ExportState::Queued, None));

    eventually("the report to be ready", || {
        let mut reports = reports.clone();
        async move {
            let all = listed(&mut reports).await;
            all.iter().any(|one| one.state() == v1::ExportState::Processed).then_some(())
        }
    })
    .await;
    let whole =
        reports.retrieve_export(within(retrieve(&id))).await.expect("an archive").into_inner().archive;
    let (streamed, end) = drained(&mut reports, stream(&id)).await;
    assert!(end.is_none() && streamed == whole, "{end:?}");
    let table = unpacked(&whole);
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("\"txid\",\"ordertxid\",\"pair\""), "{table}");

    let remove = |export_id: &str, removal: v1::ExportRemoval| v1::RemoveExportRequest {
        context: context(),
        export_id: export_id.to_owned(),
        removal: removal.into(),
    };
    let wrong = reports.remove_export(within(remove(&id, v1::ExportRemoval::Cancel))).await;
    assert_eq!(wrong.expect_err("it is ready").code(), Code::FailedPrecondition);
    for (export_id, removal, expected) in [
        (&id, v1::ExportRemoval::Delete, (Some(true), None)),
        (&slow, v1::ExportRemoval::Cancel, (None, Some(true))),
    ] {
        let reply = reports.remove_export(within(remove(export_id, removal))).await.expect("a reply");
        let Some(removed::Outcome::Accepted(accepted)) = reply.into_inner().outcome else {
            panic!("accepted")
        };
        assert_eq!((accepted.deleted, accepted.cancelled), expected);
    }
    assert!(listed(&mut reports).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_archive_leaves_its_key_to_others() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut reports = client(&process).await;
    let id = ready(&mut reports).await;

    // Far longer than this test waits for anything: the archive is under way all the time.
    spoil(&house, RETRIEVE, "trickle_ms", json!(300_000)).await;
    let mut pieces = reports.stream_export(stream(&id)).await.expect("a stream").into_inner();
    let first = pieces.message().await.expect("a piece").expect("not the end");
    let announced = first.archive_bytes.expect("Kraken announces it");
    assert!(!first.piece.is_empty() && (first.piece.len() as u64) < announced);
    let ended = Arc::new(AtomicBool::new(false));
    let reading = tokio::spawn({
        let ended = Arc::clone(&ended);
        async move {
            while let Ok(Some(_)) = pieces.message().await {}
            ended.store(true, Ordering::SeqCst);
        }
    });
    let mut account = AccountServiceClient::new(gateway);
    for _ in 0..3 {
        let mut balance = Request::new(v1::GetBalanceRequest::default());
        balance.set_timeout(Duration::from_secs(3));
        account.get_balance(balance).await.expect("the key is free");
    }
    assert!(!ended.load(Ordering::SeqCst), "the archive was not under way any more");
    reading.abort();

    // And one that takes its time comes whole.
    let whole =
        reports.retrieve_export(within(retrieve(&id))).await.expect("an archive").into_inner().archive;
    assert_eq!(whole.len() as u64, announced);
    spoil(&house, RETRIEVE, "trickle_ms", json!(1_000)).await;
    let (slow, end) = drained(&mut reports, stream(&id)).await;
    assert!(end.is_none() && slow == whole, "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_archives_are_for_streams_and_broken_ones_are_told() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let mut reports = client(&process).await;
    let id = ready(&mut reports).await;
    let whole =
        reports.retrieve_export(within(retrieve(&id))).await.expect("an archive").into_inner().archive;

    // More than any reply may hold, and more than tidegate takes of an envelope.
    let large = 40 << 20;
    spoil(&house, RETRIEVE, "oversize_bytes", json!(large)).await;
    let (streamed, end) = drained(&mut reports, stream(&id)).await;
    assert!(end.is_none(), "{end:?}");
    assert!(streamed.len() == large && streamed.starts_with(&whole));
    spoil(&house, RETRIEVE, "oversize_bytes", json!(4_000_001)).await;
    let status = reports.retrieve_export(within(retrieve(&id))).await.expect_err("too large");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let told = format!("{status:?}");
    assert!(promises_not_executed(&status) && told.contains("StreamExport"), "{told}");

    // What breaks off does not end as if it were whole.
    for (fault, value) in [("truncate_after_bytes", json!(100)), ("truncate_after_bytes", json!(1))] {
        spoil(&house, RETRIEVE, fault, value).await;
        let (part, end) = drained(&mut reports, stream(&id)).await;
        let status = end.expect("it broke off");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert!(promises_not_executed(&status) && whole.starts_with(&part) && part.len() < whole.len());
    }
    for (fault, value) in [("not_json", json!(true)), ("http_status", json!(502)), ("reset", json!(true))] {
        spoil(&house, RETRIEVE, fault, value).await;
        let status = reports.retrieve_export(within(retrieve(&id))).await.expect_err(fault);
        assert_eq!(status.code(), Code::Unavailable, "{fault}: {status:?}");
    }
    let (again, end) = drained(&mut reports, stream(&id)).await;
    assert!(end.is_none() && again == whole, "nothing of it is left behind");

    let key = house.config(&["sandbox-trade-2", "sandbox-read"], "").expect("a config");
    let without = house.all("without", &key).await.expect("a process");
    let (_, end) = drained(&mut client(&without).await, stream(&id)).await;
    let status = end.expect("no key");
    assert_eq!(fact(&status, "missing_permission").as_deref(), Some("export-data"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_a_report_whose_answer_is_lost_is_not_sent_again() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let mut reports = client(&process).await;
    for (fault, value) in [("execute_then_http_status", json!(502)), ("reset", json!(true))] {
        let before = house.pages.requests("AddExport").await.expect("a log").len();
        spoil(&house, "AddExport", fault, value).await;
        let request = trades_of_june();
        for _ in 0..3 {
            let mut asked = Request::new(request.clone());
            asked.set_timeout(Duration::from_secs(2));
            let reply = reports.add_export(asked).await.expect("a reply").into_inner();
            let Some(added::Outcome::Unresolved(open)) = reply.outcome else { panic!("{fault}: {reply:?}") };
            assert_eq!(open.request_id, request.context.as_ref().expect("one").request_id, "{fault}");
        }
        assert_eq!(house.pages.requests("AddExport").await.expect("a log").len(), before + 1, "{fault}");
    }
    let nameless = v1::AddExportRequest { context: None, ..trades_of_june() };
    let status = reports.add_export(within(nameless)).await.expect_err("no id");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}
