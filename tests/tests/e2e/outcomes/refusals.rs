//! Calls that are refused before anything is sent: the right code, our mark, and nothing in the exchange's log.

use prost::Message;
use tidegate_proto::v1;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::house::{House, Plan, channel};
use tonic::{Code, Status};

use super::wire::{ADD_ORDER, Answer, Wire};
use super::{expect_accepted, expect_marked, fault, one_process};
use tidegate_tests::load::resting_order;

/// A request id that was born so many milliseconds before now, or after it.
fn request_id_born(before_ms: i64) -> String {
    let now_ms = i64::try_from(now().0 * 1_000 + u64::from(now().1) / 1_000_000).expect("a time");
    let born_ms = u64::try_from(now_ms - before_ms).expect("a time");
    uuid::Builder::from_unix_timestamp_millis(born_ms, &[7; 10]).into_uuid().to_string()
}

/// Now, in seconds and nanoseconds, as a fresh request id has it.
fn now() -> (u64, u32) {
    uuid::Uuid::now_v7().get_timestamp().expect("version 7").to_unix()
}

fn deadline_in(ms: i64) -> Option<prost_types::Timestamp> {
    let (seconds, nanos) = now();
    let at_ms = i64::try_from(seconds * 1_000 + u64::from(nanos) / 1_000_000).expect("a time") + ms;
    let nanos = i32::try_from(at_ms % 1_000 * 1_000_000).expect("below a second");
    Some(prost_types::Timestamp { seconds: at_ms / 1_000, nanos })
}

fn with_request_id(id: impl Into<String>) -> v1::AddOrderRequest {
    let context = v1::CallContext { request_id: id.into(), ..Default::default() };
    v1::AddOrderRequest { context: Some(context), ..resting_order() }
}

/// Which fields the caller is told to mend.
fn fields_at_fault(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt;
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_make_no_sense_are_refused_before_anything_is_sent() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let mut trading = TradingServiceClient::new(channel(&process).await.expect("a channel"));
    let order = resting_order;
    let day_ms = 24 * 3_600 * 1_000;
    let invalid = Code::InvalidArgument;
    for (what, order, code, field) in [
        ("no context", v1::AddOrderRequest { context: None, ..order() }, invalid, "context.request_id"),
        ("no request id", with_request_id(""), invalid, "context.request_id"),
        ("no uuid", with_request_id("hello"), invalid, "context.request_id"),
        (
            "a random uuid",
            with_request_id("6b1c3a52-8c58-4e0d-9c39-0c2b7b0f4a11"),
            invalid,
            "context.request_id",
        ),
        ("an old id", with_request_id(request_id_born(day_ms + 60_000)), invalid, "context.request_id"),
        ("an id of tomorrow", with_request_id(request_id_born(-60_000)), invalid, "context.request_id"),
        ("another's id", v1::AddOrderRequest { cl_ord_id: "mine-1".into(), ..order() }, invalid, "cl_ord_id"),
        ("no pair", v1::AddOrderRequest { pair: String::new(), ..order() }, invalid, "pair"),
        ("no side", v1::AddOrderRequest { side: 0, ..order() }, invalid, "side"),
        ("no type", v1::AddOrderRequest { order_type: 0, ..order() }, invalid, "order_type"),
        ("no number", v1::AddOrderRequest { volume: "1e5".into(), ..order() }, invalid, "volume"),
        (
            "too close",
            v1::AddOrderRequest { deadline: deadline_in(2_400), ..order() },
            Code::DeadlineExceeded,
            "",
        ),
        (
            "past",
            v1::AddOrderRequest { deadline: deadline_in(-1_000), ..order() },
            Code::DeadlineExceeded,
            "",
        ),
        ("too far", v1::AddOrderRequest { deadline: deadline_in(70_000), ..order() }, invalid, "deadline"),
    ] {
        let status = expect_marked(what, trading.add_order(order).await);
        assert_eq!(status.code(), code, "{what}: {status:?}");
        let fields = fields_at_fault(&status);
        assert_eq!(fields.first().map(String::as_str).unwrap_or_default(), field, "{what}: {status:?}");
    }
    assert!(house.pages.requests("AddOrder").await.expect("a log").is_empty());

    // The borders are where they are said to be.
    for good in [
        with_request_id(request_id_born(day_ms - 60_000)),
        v1::AddOrderRequest { deadline: deadline_in(20_000), ..order() },
    ] {
        expect_accepted(trading.add_order(good).await.expect("an order").into_inner());
    }
    assert_eq!(house.pages.requests("AddOrder").await.expect("a log").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_with_a_field_that_this_build_does_not_know_is_refused() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let wire = Wire::connect(process.addr("gateway/grpc")).await;
    // Field 77, a varint: what a newer client might mean by "only if it rains".
    let unknown = [0xe8, 0x04, 0x01];
    let order = [resting_order().encode_to_vec(), unknown.to_vec()].concat();
    let answer: Answer<v1::AddOrderResponse> = wire.begin(ADD_ORDER, order, None).await.answer().await;
    let status = expect_marked("an unknown field", answer.outcome);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("77") || format!("{status:?}").contains("77"), "{status:?}");
    // Bytes that are no message at all.
    let answer: Answer<v1::AddOrderResponse> =
        wire.begin(ADD_ORDER, vec![0x0f; 9], None).await.answer().await;
    let status = expect_marked("no message", answer.outcome);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(house.pages.requests("AddOrder").await.expect("a log").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_only_checked_is_not_placed() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let gateway = channel(&process).await.expect("a channel");
    let mut trading = TradingServiceClient::new(gateway.clone());
    let checked = || v1::AddOrderRequest { validate: true, ..resting_order() };
    let accepted = expect_accepted(trading.add_order(checked()).await.expect("a good order").into_inner());
    assert!(accepted.validated_only && accepted.order_ids.is_empty() && accepted.cl_ord_id.is_empty());
    assert!(accepted.description.contains("XBTUSD"), "{accepted:?}");
    let mut account = v1::account_service_client::AccountServiceClient::new(gateway);
    let open = account.get_open_orders(v1::GetOpenOrdersRequest::default()).await.expect("open orders");
    assert!(open.into_inner().orders.is_empty());
    // Whatever goes wrong with a check, nothing can have happened.
    fault(&house.pages, "AddOrder", "reset", true).await;
    expect_marked("a check without an answer", trading.add_order(checked()).await);
    let log = house.pages.requests("AddOrder").await.expect("a log");
    assert!(log.len() == 2 && log.iter().all(|entry| entry["txid"].is_null()), "{log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_cancelled_only_where_the_configuration_allows_it() {
    let house = House::build(Plan::default()).await.expect("a house");
    let cancel_all = || v1::CancelAllRequest { context: resting_order().context };
    let process = one_process(&house, &[]).await;
    let mut trading = TradingServiceClient::new(channel(&process).await.expect("a channel"));
    expect_accepted(trading.add_order(resting_order()).await.expect("an order").into_inner());
    let status = expect_marked("without the right", trading.cancel_all(cancel_all()).await);
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    assert!(house.pages.requests("CancelAll").await.expect("a log").is_empty());
    drop(process);

    let allowed = [("quota_per_s = 100000\n", "quota_per_s = 100000\nallow_cancel_all = true\n")];
    let process = one_process(&house, &allowed).await;
    let mut trading = TradingServiceClient::new(channel(&process).await.expect("a channel"));
    let nameless = trading.cancel_all(v1::CancelAllRequest::default()).await;
    assert_eq!(expect_marked("without a request id", nameless).code(), Code::InvalidArgument);
    let reply = trading.cancel_all(cancel_all()).await.expect("a cancel").into_inner();
    let Some(v1::cancel_all_response::Outcome::Accepted(accepted)) = reply.outcome else {
        panic!("not accepted: {reply:?}");
    };
    assert_eq!(accepted.count, 1);
    assert_eq!(house.pages.requests("CancelAll").await.expect("a log").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_may_hit_several_orders_needs_a_name_and_one_order_does_not() {
    use v1::cancel_order_request::Target;
    let house = House::build(Plan::default()).await.expect("a house");
    let process = one_process(&house, &[]).await;
    let mut trading = TradingServiceClient::new(channel(&process).await.expect("a channel"));
    for target in [Target::Userref(7), Target::ClOrdId("of-a-stranger".into())] {
        let cancel = v1::CancelOrderRequest { context: None, target: Some(target) };
        let status = expect_marked("nameless", trading.cancel_order(cancel).await);
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(fields_at_fault(&status), ["context.request_id"]);
    }
    let status = expect_marked("aimless", trading.cancel_order(v1::CancelOrderRequest::default()).await);
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(house.pages.requests("CancelOrder").await.expect("a log").is_empty());

    let placed = expect_accepted(trading.add_order(resting_order()).await.expect("an order").into_inner());
    let cancel = v1::CancelOrderRequest { context: None, target: Some(Target::ClOrdId(placed.cl_ord_id)) };
    trading.cancel_order(cancel.clone()).await.expect("a cancel without a name");
    // Asked again: Kraken knows of no such open order, and says so.
    let status = expect_marked("again", trading.cancel_order(cancel).await);
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
}
