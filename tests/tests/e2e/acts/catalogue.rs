//! Whatever is ambiguous is a reply, for every call that changes something: never a Status, and one request on the wire.

use tidegate_proto::v1::Unresolved;

use super::amends::amend_of;
use super::batches::batch_of;
use super::*;

/// Everything that changes something and ends in Kraken's matching engine.
pub(super) const CALLS: [&str; 8] = [
    "AddOrder",
    "AddOrderBatch",
    "AmendOrder",
    "EditOrder",
    "CancelOrder",
    "CancelOrderBatch",
    "CancelAll",
    "CancelAllOrdersAfter",
];

/// Answers that prove nothing.
fn ambiguous() -> Vec<(&'static str, serde_json::Value)> {
    let mut faults = Vec::new();
    for text in [
        "EService:Busy",
        "EService:Unavailable",
        "EService:Timeout",
        "EService:Deadline elapsed",
        "EGeneral:Internal error",
        "EDatabase:Internal error",
        "EOrder:Cancel pending",
        "EOrder:Something that nobody has heard of",
    ] {
        faults.extend([("error", json!(text)), ("execute_then_error", json!(text))]);
    }
    for status in [502, 504, 520, 524] {
        faults.extend([("http_status", json!(status)), ("execute_then_http_status", json!(status))]);
    }
    faults.extend([
        ("truncate_after_bytes", json!(10)),
        ("not_json", json!(true)),
        ("reset", json!(true)),
        ("hang_without_execute_ms", json!(50)),
        ("execute_late_ms", json!(50)),
    ]);
    faults
}

/// Takes "unresolved" out of a reply of any of them.
macro_rules! open_of {
    ($reply:expr, $module:ident) => {
        match $reply.into_inner().outcome {
            Some(v1::$module::Outcome::Unresolved(open)) => Some(open),
            _ => None,
        }
    };
}

/// Makes a call about an order that rests, within so many seconds. What its reply leaves open, if it does.
pub(super) async fn call(
    name: &str,
    asking: &mut TradingServiceClient<Channel>,
    order_id: String,
    seconds: u64,
) -> Result<Option<Unresolved>, Status> {
    Ok(match name {
        "AddOrder" => open_of!(asking.add_order(within(resting_order(), seconds)).await?, add_order_response),
        "AddOrderBatch" => {
            open_of!(
                asking.add_order_batch(within(batch_of(&["0.001", "0.001"]), seconds)).await?,
                add_order_batch_response
            )
        }
        "AmendOrder" => {
            open_of!(
                asking.amend_order(within(amend_of(&order_id, "0.002"), seconds)).await?,
                amend_order_response
            )
        }
        "EditOrder" => {
            let edit = v1::EditOrderRequest {
                context: context(),
                order_id,
                pair: "XBTUSD".into(),
                volume: "0.002".into(),
                ..Default::default()
            };
            open_of!(asking.edit_order(within(edit, seconds)).await?, edit_order_response)
        }
        "CancelOrder" => {
            let target = Some(v1::cancel_order_request::Target::OrderId(order_id));
            let cancel = v1::CancelOrderRequest { context: None, target };
            open_of!(asking.cancel_order(within(cancel, seconds)).await?, cancel_order_response)
        }
        "CancelOrderBatch" => {
            let cancel = v1::CancelOrderBatchRequest { context: None, order_ids: vec![order_id] };
            open_of!(asking.cancel_order_batch(within(cancel, seconds)).await?, cancel_order_batch_response)
        }
        "CancelAll" => {
            let cancel = v1::CancelAllRequest { context: context() };
            open_of!(asking.cancel_all(within(cancel, seconds)).await?, cancel_all_response)
        }
        "CancelAllOrdersAfter" => {
            let timer = v1::CancelAllOrdersAfterRequest { context: context(), timeout_s: 600 };
            open_of!(
                asking.cancel_all_orders_after(within(timer, seconds)).await?,
                cancel_all_orders_after_response
            )
        }
        other => panic!("{other}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_ambiguous_is_never_a_status_and_sent_once() {
    let house = House::build(Plan::default()).await.expect("a house");
    let one = bold(&house, "one").await;
    let mut asking = client(&one).await;
    for name in CALLS {
        for (fault, value) in ambiguous() {
            let what = format!("{name}, {fault}: {value}");
            let (order_id, before) = (resting(&one).await, sent(&house, name).await);
            spoil(&house, name, fault, value).await;
            let open = call(name, &mut asking, order_id, 10)
                .await
                .unwrap_or_else(|status| panic!("{what}: {status:?}"));
            assert!(open.is_some(), "{what}: told as if it were known");
            assert_eq!(sent(&house, name).await, before + 1, "{what}");
        }
    }
}
