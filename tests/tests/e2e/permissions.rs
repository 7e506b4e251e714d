//! Which key serves where Kraken denies, and where a key may see a part of the past only.

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel, lanes};
use tidegate_tests::judge::{fact, promises_not_executed};
use tonic::Code;

/// The keys that signed calls of an endpoint, in order.
async fn served_by(house: &House, endpoint: &str) -> Vec<String> {
    let entries = house.pages.requests(endpoint).await.expect("a log");
    entries.iter().map(|entry| entry["key"].as_str().expect("a key").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_kraken_denies_goes_behind_others_for_that_endpoint() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-read", "sandbox-read-2"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    let fault =
        json!({"endpoint": "TradeBalance", "key": "sandbox-read", "error": "EGeneral:Permission denied"});
    house.pages.switch(&json!({ "faults": [fault] })).await.expect("a fault");

    // A read is asked of the other key at once, and from then on first.
    account.get_trade_balance(v1::GetTradeBalanceRequest::default()).await.expect("of the other key");
    // The gateway learns it too, so that a key of another process would be preferred.
    let lane = eventually("the denial to be reported", || async {
        let lanes = lanes(gateway.clone()).await;
        lanes.into_iter().find(|lane| lane.denied == ["TradeBalance"])
    })
    .await;
    assert_eq!(lane.key_label, "sandbox-read");
    for _ in 0..3 {
        account.get_trade_balance(v1::GetTradeBalanceRequest::default()).await.expect("of the other key");
    }
    let mut signed = vec!["sandbox-read"];
    signed.extend(["sandbox-read-2"; 4]);
    assert_eq!(served_by(&house, "TradeBalance").await, signed);
    // Without another key Kraken's word is the last one.
    let fault =
        json!({"endpoint": "TradeBalance", "key": "sandbox-read-2", "error": "EGeneral:Permission denied"});
    house.pages.switch(&json!({ "faults": [fault] })).await.expect("a fault");
    account.get_trade_balance(v1::GetTradeBalanceRequest::default()).await.expect_err("both are denied now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_what_another_of_kraken_s_sources_asks_for() {
    let house = House::build(Plan::default()).await.expect("a house");
    let keys = json!([{ "key": "sandbox-read", "permission_tokens": ["query-open-trades"] }]);
    house.pages.switch(&json!({ "keys": keys })).await.expect("a change");
    let only = [("permissions", "[\"query-open-trades\"]")];
    let table = House::key_table("sandbox-read", &only).expect("a key table");
    let process = house.all("one", &house.config(&[], &table).expect("a config")).await.expect("the process");
    let mut account = AccountServiceClient::new(channel(&process).await.expect("a channel"));
    let fault = json!({"endpoint": "TradeBalance", "error": "EGeneral:Permission denied"});
    house.pages.switch(&json!({ "faults": [fault] })).await.expect("a fault");
    let denied = account.get_trade_balance(v1::GetTradeBalanceRequest::default()).await.expect_err("denied");
    assert_eq!(denied.code(), Code::FailedPrecondition, "{denied:?}");
    assert!(promises_not_executed(&denied));
    assert_eq!(fact(&denied, "kraken_error").as_deref(), Some("EGeneral:Permission denied"));
    assert!(denied.message().contains("guide to API keys asks for (query-funds)"), "{}", denied.message());
    account.get_trade_balance(v1::GetTradeBalanceRequest::default()).await.expect("the key goes on serving");
}

fn ledgers(start_s: i64, end_s: i64) -> v1::GetLedgersRequest {
    let at = |seconds: i64| Some(prost_types::Timestamp { seconds, nanos: 0 });
    v1::GetLedgersRequest { start_time: at(start_s), end_time: at(end_s), ..Default::default() }
}

/// The first of January and the first of February 2026: `sandbox-dated` may ask about that year.
const IN_2026: (i64, i64) = (1_767_225_600, 1_769_904_000);

#[tokio::test(flavor = "multi_thread")]
async fn history_is_asked_of_a_key_whose_dates_cover_it() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-dated", "sandbox-ledger"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let mut account = AccountServiceClient::new(channel(&process).await.expect("a channel"));
    account.get_ledgers(ledgers(IN_2026.0, IN_2026.1)).await.expect("inside");
    account.get_ledgers(ledgers(IN_2026.0 - 1, IN_2026.1)).await.expect("of the other key");
    account.get_ledgers(v1::GetLedgersRequest::default()).await.expect("all of it");
    assert_eq!(served_by(&house, "Ledgers").await, ["sandbox-dated", "sandbox-ledger", "sandbox-ledger"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_key_may_be_asked_about_is_refused_unsent_and_at_once() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-dated"], "").expect("a config");
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let lane = lanes(gateway.clone()).await.remove(0);
    assert_eq!(lane.query_from.expect("its first date").seconds, IN_2026.0);
    let mut account = AccountServiceClient::new(gateway);
    let refused = account.get_ledgers(ledgers(1, IN_2026.1)).await.expect_err("before its dates");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    assert!(promises_not_executed(&refused));
    assert!(refused.message().contains("sandbox-dated from 2026-01-01T00:00:00Z"), "{}", refused.message());
    assert!(fact(&refused, "missing_dates").is_some(), "{refused:?}");
    assert!(house.pages.requests("Ledgers").await.expect("a log").is_empty());
    // What leaves its ends open is answered with the part that the key may see.
    account.get_ledgers(v1::GetLedgersRequest::default()).await.expect("a part");
}
