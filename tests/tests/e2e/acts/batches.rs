//! Several orders in one call: each row is told for itself.

use tidegate_core::derive_row_cl_ord_id;
use tidegate_proto::v1::add_order_batch_request::Row as Wanted;
use tidegate_proto::v1::add_order_batch_response::row::{NotPlaced, Outcome as RowOutcome};
use tidegate_proto::v1::add_order_batch_response::{Outcome, Row};

use super::*;

pub(super) fn row(volume: &str) -> Wanted {
    Wanted {
        side: v1::Side::Buy.into(),
        order_type: v1::OrderType::Limit.into(),
        volume: volume.into(),
        price: "10000.0".into(),
        ..Default::default()
    }
}

pub(super) fn batch_of(volumes: &[&str]) -> v1::AddOrderBatchRequest {
    let rows = volumes.iter().map(|volume| row(volume)).collect();
    v1::AddOrderBatchRequest { context: context(), pair: "XBTUSD".into(), rows, ..Default::default() }
}

pub(super) async fn ask_batch(
    process: &Process,
    batch: &v1::AddOrderBatchRequest,
    seconds: u64,
) -> Result<v1::AddOrderBatchResponse, Status> {
    let request = within(batch.clone(), seconds);
    client(process).await.add_order_batch(request).await.map(tonic::Response::into_inner)
}

pub(super) fn rows(reply: &v1::AddOrderBatchResponse) -> Option<Vec<Row>> {
    match &reply.outcome {
        Some(Outcome::Accepted(accepted)) => Some(accepted.rows.clone()),
        _ => None,
    }
}

fn order_id(row: &Row) -> Option<&str> {
    match &row.outcome {
        Some(RowOutcome::Placed(placed)) => Some(&placed.order_id),
        _ => None,
    }
}

fn refusal(row: &Row) -> Option<&NotPlaced> {
    match &row.outcome {
        Some(RowOutcome::NotPlaced(refused)) => Some(refused),
        _ => None,
    }
}

/// The one batch that the exchange has seen.
async fn the_batch(house: &House) -> serde_json::Value {
    let mut log = house.pages.requests("AddOrderBatch").await.expect("a log");
    assert_eq!(log.len(), 1, "{log:?}");
    log.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_told_each_for_itself_and_again_word_for_word() {
    let house = house().await;
    let (one, two) = (process(&house, "one").await, process(&house, "two").await);
    let batch = batch_of(&["0.001", "999999", "0.002"]);
    let first = ask_batch(&one, &batch, 5).await.expect("a batch");
    let told = rows(&first).expect("three rows");
    assert!(order_id(&told[0]).is_some() && order_id(&told[2]).is_some(), "{told:?}");
    assert_eq!(refusal(&told[1]).expect("nobody has that much").kraken_error, "EOrder:Insufficient funds");
    for process in [&one, &two, &one] {
        assert_eq!(ask_batch(process, &batch, 5).await.expect("the same"), first);
    }
    let entry = the_batch(&house).await;
    let (account, caller) = ("main".parse().expect("a name"), "local".parse().expect("a name"));
    let id = batch.context.as_ref().expect("a context").request_id.parse().expect("an id");
    for (index, row) in (0_u32..).zip(&told) {
        let derived = derive_row_cl_ord_id("tidegate", &account, &caller, &id, index).to_string();
        assert_eq!((&row.cl_ord_id, &first.cl_ord_ids[index as usize]), (&derived, &derived));
        let seen = &entry["rows"][index as usize];
        assert_eq!((seen["cl_ord_id"].as_str(), seen["txid"].as_str()), (Some(&*derived), order_id(row)));
    }

    // Another batch under the same id is none; what is not read by Kraken places nothing.
    let mut other = batch.clone();
    other.rows[2].volume = "0.003".into();
    let status = ask_batch(&two, &other, 5).await.expect_err("another batch");
    assert_eq!(
        (status.code(), fact(&status, "fields").as_deref()),
        (Code::AlreadyExists, Some("orders[2][volume]"))
    );
    let mut strange = batch_of(&["0.001", "0.001"]);
    strange.rows[1].price = "10000.01".into();
    let status = ask_batch(&one, &strange, 5).await.expect_err("too many decimals");
    assert!(promises_not_executed(&status), "{status:?}");
    let validated = v1::AddOrderBatchRequest { validate: true, ..batch_of(&["0.001", "0.001"]) };
    let checked = ask_batch(&one, &validated, 5).await.expect("a check");
    assert!(rows(&checked).expect("two rows").iter().all(|row| order_id(row) == Some("")), "{checked:?}");
    assert_eq!(open_orders(&one).await.len(), 2);

    // As many rows as there may be; and all of them go with one word.
    let many = batch_of(&["0.001"; 15]);
    assert_eq!(rows(&ask_batch(&two, &many, 5).await.expect("a batch")).expect("rows").len(), 15);
    assert_eq!(open_orders(&one).await.len(), 17);
    let intent = v1::CancelIntentRequest { context: many.context };
    let gone = client(&one).await.cancel_intent(within(intent, 15)).await.expect("a cancel").into_inner();
    assert_eq!((gone.attempt(), open_orders(&one).await.len()), (v1::CancelAttempt::Cancelled, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_doubt_is_taken_away_where_its_caller_wants_that() {
    let house = house().await;
    let one = process(&house, "one").await;
    spoil(&house, "AddOrderBatch", "execute_then_http_status", json!(502)).await;
    let batch = v1::AddOrderBatchRequest {
        on_unresolved: v1::OnUnresolved::Cancel.into(),
        ..batch_of(&["0.001", "0.002"])
    };
    assert!(rows(&ask_batch(&one, &batch, 5).await.expect("a reply")).is_none());
    eventually("the rows to be cancelled", || async { open_orders(&one).await.is_empty().then_some(()) })
        .await;
    let told = eventually("the batch to be found", || async {
        rows(&ask_batch(&one, &batch, 5).await.expect("a reply"))
    })
    .await;
    assert!(told.iter().all(|row| order_id(row).is_some()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_executed_and_answered_with_a_fault_is_found_row_by_row() {
    let house = house().await;
    let one = process(&house, "one").await;
    for (count, (name, value)) in (1..).zip([
        ("execute_then_http_status", json!(502)),
        ("execute_then_error", json!("EService:Busy")),
        ("truncate_after_bytes", json!(30)),
    ]) {
        spoil(&house, "AddOrderBatch", name, value).await;
        let batch = batch_of(&["0.001", "0.002"]);
        let open = ask_batch(&one, &batch, 5).await.expect("a reply");
        assert!(rows(&open).is_none() && open.cl_ord_ids.len() == 2, "{name}: {open:?}");
        let found = eventually("the batch to be found", || async {
            rows(&ask_batch(&one, &batch, 5).await.expect("a reply"))
        })
        .await;
        let log = house.pages.requests("AddOrderBatch").await.expect("a log");
        assert_eq!(log.len(), count, "{name}");
        for (row, seen) in found.iter().zip(log[count - 1]["rows"].as_array().expect("rows")) {
            assert_eq!(order_id(row), seen["txid"].as_str(), "{name}");
        }
    }
}

pub(super) async fn rows_of_a_lost_answer_are_placed_or_absent_and_absent_only_after_their_time() {
    let house = house().await;
    let one = process(&house, "one").await;
    spoil(&house, "AddOrderBatch", "execute_then_http_status", json!(524)).await;
    let batch = batch_of(&["0.001", "999999"]);
    let open = ask_batch(&one, &batch, 3).await.expect("a reply");
    let Some(Outcome::Unresolved(open)) = open.outcome else { panic!("{open:?}") };
    let not_after_s = open.not_after.expect("a batch has a deadline").seconds;
    let told = loop {
        let reply = ask_batch(&one, &batch, 10).await.expect("a reply");
        if let Some(told) = rows(&reply) {
            break told;
        }
        assert!(now_s() < not_after_s + 120, "no verdict");
    };
    assert!(now_s() >= not_after_s + 30, "too soon by {} s", not_after_s + 30 - now_s());
    assert!(order_id(&told[0]).is_some(), "{told:?}");
    assert_eq!(refusal(&told[1]).expect("it never was placed").kraken_error, "");
    the_batch(&house).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_process_died_is_found_by_another() {
    let house = house().await;
    let mut one = process(&house, "one").await;
    spoil(&house, "AddOrderBatch", "hang_after_execute_ms", json!(20_000)).await;
    let batch = batch_of(&["0.001", "0.002"]);
    let asked = tokio::spawn({
        let (batch, mut client) = (batch.clone(), client(&one).await);
        async move { client.add_order_batch(batch).await.map(drop) }
    });
    eventually("the batch to be executed", || async {
        let log = house.pages.requests("AddOrderBatch").await.expect("a log");
        (log.first()?["executed"] == true).then_some(())
    })
    .await;
    one.kill().await;
    let told = asked.await.expect("no panic").expect_err("its process is gone");
    assert!(!promises_not_executed(&told), "a transport's word, which promises nothing: {told:?}");
    let two = process(&house, "two").await;
    let found = eventually("the batch to be found", || async {
        rows(&ask_batch(&two, &batch, 5).await.expect("a reply"))
    })
    .await;
    assert!(found.iter().all(|row| order_id(row).is_some_and(|id| !id.is_empty())), "{found:?}");
    the_batch(&house).await;
}
