//! A store that loses its memory, through the front door: live owners go on, the others wait, and the exchange refuses
//! nothing.

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::operations_service_client::OperationsServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes};
use tidegate_tests::judge::{forbidden_refusals, promises_not_executed};
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tidegate_tests::redis::Keep;
use tonic::transport::Channel;

const KEYS: [&str; 2] = ["sandbox-read", "sandbox-read-2"];

async fn house() -> House {
    House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house")
}

async fn epochs(gateway: Channel) -> Vec<(String, u64)> {
    let mut epochs: Vec<_> = lanes(gateway).await.into_iter().map(|l| (l.key_label, l.epoch)).collect();
    epochs.sort();
    epochs
}

/// Waits until the process has told the store of itself again.
async fn renewed(house: &House, process: &Process) {
    let log_before = process.log().matches("the store has lost its memory").count();
    house.redis.as_ref().expect("planned").flush().await.expect("flushed");
    eventually("the loss to be noticed on both keys", || async {
        (process.log().matches("the store has lost its memory").count() >= log_before + KEYS.len())
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_store_costs_a_live_owner_nothing() {
    let house = house().await;
    let config = house.config(&KEYS, "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let before = epochs(gateway.clone()).await;
    let mut account = AccountServiceClient::new(gateway.clone());
    for _ in 0..2 {
        renewed(&house, &process).await;
        for _ in 0..20 {
            account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance");
        }
    }
    assert_eq!(epochs(gateway).await, before, "the owner stays the same, and so do its epochs");
    let log = house.pages.log().await.expect("a log");
    assert_eq!(forbidden_refusals(&log), Vec::<&serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_the_store_forgot_is_followed_above_all_that_it_drew() {
    let house = house().await;
    let config = house.config(&KEYS, "").expect("a config");
    let mut one = house.all("one", &config).await.expect("the first process");
    let mut account = AccountServiceClient::new(channel(&one).await.expect("a channel"));
    for _ in 0..20 {
        account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance");
    }
    // Nobody who remembers anything is left, and the store remembers nothing.
    one.kill().await;
    house.redis.as_ref().expect("planned").flush().await.expect("flushed");
    let two = house.all("two", &config).await.expect("the second process, with every lane open");
    let gateway = channel(&two).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    for _ in 0..20 {
        account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance");
    }
    let ask = v1::GetApiKeyInfoRequest { key_label: KEYS[0].into(), ..Default::default() };
    OperationsServiceClient::new(gateway).get_api_key_info(ask).await.expect("key info");
    let log = house.pages.log().await.expect("a log");
    assert_eq!(forbidden_refusals(&log), Vec::<&serde_json::Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_cancels_go_on_and_with_it_everything() {
    let mut house = house().await;
    let config = house.config(&["sandbox-all"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut trading = TradingServiceClient::new(gateway.clone());
    let mut handles = Vec::new();
    for _ in 0..3 {
        let order = resting_order();
        handles.push(handle_of(&order));
        trading.add_order(order).await.expect("an order that rests");
    }
    let redis = house.redis.as_mut().expect("planned");
    redis.restart(Keep::Nothing).await.expect("a server that lost everything");
    redis.kill().await.expect("gone");
    eventually("the lane to take cancels only", || async {
        let lanes = lanes(gateway.clone()).await;
        (lanes.first()?.state() == v1::LaneState::CancelsOnly).then_some(())
    })
    .await;
    let status = trading.add_order(resting_order()).await.expect_err("no order without a store");
    assert!(promises_not_executed(&status), "{status:?}");
    for handle in handles.drain(..2) {
        let target = Some(v1::cancel_order_request::Target::ClOrdId(handle));
        let cancel = v1::CancelOrderRequest { context: None, target };
        let reply = trading.cancel_order(cancel).await.expect("a cancel without a store").into_inner();
        let accepted = matches!(reply.outcome, Some(v1::cancel_order_response::Outcome::Accepted(_)));
        assert!(accepted, "{reply:?}");
    }

    house.redis.as_mut().expect("planned").restart(Keep::Nothing).await.expect("it comes back, empty");
    eventually("the lane to be open again", || async {
        let lanes = lanes(gateway.clone()).await;
        (lanes.first()?.state() == v1::LaneState::Open).then_some(())
    })
    .await;
    trading.add_order(resting_order()).await.expect("an order again");
    let log = house.pages.log().await.expect("a log");
    assert_eq!(forbidden_refusals(&log), Vec::<&serde_json::Value>::new());
}
