//! What an account traded, what moved on it and what it pays, as one fill shows through every call.

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::promises_not_executed;
use tidegate_tests::load::resting_order;
use tonic::transport::Channel;
use tonic::{Code, Request};

const KEYS: [&str; 3] = ["sandbox-trade", "sandbox-read", "sandbox-ledger"];
const VOLUME: &str = "0.10000000";
/// The house's best offer, and what a taker pays for a tenth of it.
const PRICE: &str = "60000.50000";
const COST: &str = "6000.05000";
const FEE: &str = "24.00020";

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(std::time::Duration::from_secs(10));
    request
}

/// Buys at the house's offer and returns Kraken's id of the order.
async fn buy(gateway: &Channel, volume: &str) -> String {
    let order = v1::AddOrderRequest { volume: volume.into(), price: "60001.0".into(), ..resting_order() };
    let placed = TradingServiceClient::new(gateway.clone()).add_order(within(order)).await.expect("an order");
    match placed.into_inner().outcome {
        Some(Outcome::Accepted(mut accepted)) => accepted.order_ids.remove(0),
        other => panic!("not accepted: {other:?}"),
    }
}

async fn trades(account: &mut AccountServiceClient<Channel>, ledgers: bool) -> v1::GetTradesHistoryResponse {
    let request = v1::GetTradesHistoryRequest { ledgers, ..Default::default() };
    account.get_trades_history(within(request)).await.expect("trades").into_inner()
}

async fn volume(account: &mut AccountServiceClient<Channel>) -> v1::GetTradeVolumeResponse {
    let request = v1::GetTradeVolumeRequest {
        pairs: vec!["XBTUSD".into(), "ETH/USD".into()],
        fee_schedule: true,
        ..Default::default()
    };
    account.get_trade_volume(within(request)).await.expect("a volume").into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_shows_in_every_call_that_speaks_of_it() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());

    let before = trades(&mut account, true).await;
    assert_eq!((before.trades.len(), before.count), (0, Some(0)));
    assert_eq!(volume(&mut account).await.volume, "0.0000");
    let order_id = buy(&gateway, "0.1").await;

    let after = trades(&mut account, true).await;
    assert_eq!((after.trades.len(), after.count), (1, Some(1)));
    let trade = &after.trades[0];
    assert_eq!((&trade.order_id, trade.pair.as_str()), (&order_id, "XXBTZUSD"));
    assert_eq!((trade.side(), trade.order_type()), (v1::Side::Buy, v1::OrderType::Limit));
    assert_eq!([&trade.price, &trade.volume, &trade.cost, &trade.fee], [PRICE, VOLUME, COST, FEE]);
    assert_eq!((trade.maker, trade.leverage.as_str(), &trade.closed_part), (Some(false), "0", &None));
    assert!(trade.time.is_some() && trade.public_trade_id.is_some());
    assert_eq!(trade.ledger_ids.len(), 2);

    let by_id = v1::QueryTradesRequest { trade_ids: vec![trade.trade_id.clone()], ..Default::default() };
    let found = account.query_trades(within(by_id)).await.expect("the trade").into_inner().trades;
    assert_eq!(found, [v1::OwnTrade { ledger_ids: Vec::new(), ..trade.clone() }]);

    let by_id = v1::QueryLedgersRequest { ledger_ids: trade.ledger_ids.clone(), ..Default::default() };
    let entries = account.query_ledgers(within(by_id)).await.expect("the entries").into_inner().entries;
    let told: Vec<_> = entries.iter().map(|e| [e.asset.as_str(), &e.amount, &e.fee, &e.balance]).collect();
    let base = ["XXBT", "0.1000000000", "0.0000000000", "100.1000000000"];
    let quote = ["ZUSD", "-6000.0500", "24.0002", "993975.9498"];
    assert!(told.len() == 2 && told.contains(&base) && told.contains(&quote), "{entries:?}");
    assert!(entries.iter().all(|entry| entry.reference_id == trade.trade_id && entry.entry_type == "trade"));
    let listed = account.get_ledgers(within(v1::GetLedgersRequest::default())).await.expect("a page");
    assert!(entries.iter().all(|entry| listed.get_ref().entries.contains(entry)));

    let volume = eventually("Kraken's pairs to be known", || {
        let mut account = account.clone();
        async move {
            let told = volume(&mut account).await;
            (!told.fees["XXBTZUSD"].symbol.is_empty()).then_some(told)
        }
    })
    .await;
    assert_eq!((volume.currency.as_str(), volume.volume.as_str()), ("ZUSD", "6000.0500"));
    assert_eq!(volume.inputs["domain_spot_volume_30d"], "6000.0500");
    for (pair, taker) in [("XXBTZUSD", &volume.fees), ("XETHZUSD", &volume.fees)] {
        assert_eq!((taker[pair].fee.as_str(), taker[pair].next_fee.as_str()), ("0.4000", ""));
        assert_eq!(volume.fees_maker[pair].fee, "0.2500");
        assert_eq!(volume.schedules[pair].taker[0].percent, "0.4000");
        let symbol = if pair == "XXBTZUSD" { "BTC/USD" } else { "ETH/USD" };
        let told = [&taker[pair].symbol, &volume.fees_maker[pair].symbol, &volume.schedules[pair].symbol];
        assert_eq!(told, [symbol; 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trades_come_in_pages_the_newest_first() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    let mut bought = Vec::new();
    for _ in 0..52 {
        bought.push(buy(&gateway, "0.0001").await);
    }
    bought.reverse();

    let mut seen = Vec::new();
    for (offset, without_count) in [(0, false), (50, true), (100, false)] {
        let request = v1::GetTradesHistoryRequest { offset, without_count, ..Default::default() };
        let page = account.get_trades_history(within(request)).await.expect("a page").into_inner();
        assert_eq!(page.count, (!without_count).then_some(52));
        seen.extend(page.trades);
    }
    let orders: Vec<_> = seen.iter().map(|trade| trade.order_id.clone()).collect();
    assert_eq!(orders, bought);

    let newest_s = seen[0].time.expect("a time").seconds;
    let after = prost_types::Timestamp { seconds: newest_s + 1, nanos: 0 };
    let request = v1::GetTradesHistoryRequest { start_time: Some(after), ..Default::default() };
    let page = account.get_trades_history(within(request)).await.expect("a page").into_inner();
    assert_eq!((page.trades.len(), page.count), (0, Some(0)));
    let request = v1::GetTradesHistoryRequest { end_time: Some(after), ..Default::default() };
    let page = account.get_trades_history(within(request)).await.expect("a page").into_inner();
    assert_eq!((page.trades.len(), page.count), (50, Some(52)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_has_is_told_without_margin_and_credit() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());

    let worth = v1::GetTradeBalanceRequest { asset: "ZEUR".into(), ..Default::default() };
    let worth = account.get_trade_balance(within(worth)).await.expect("a worth").into_inner();
    assert_eq!((worth.equivalent_balance.as_str(), &worth.free_margin), ("10166666.6666", &worth.equity));
    assert_eq!((worth.margin_used.as_str(), worth.margin_level_percent.as_str()), ("0.0000", ""));

    for consolidate_by_market in [false, true] {
        let request = v1::GetOpenPositionsRequest { consolidate_by_market, ..Default::default() };
        let found = account.get_open_positions(within(request)).await.expect("an answer").into_inner();
        assert!(found.positions.is_empty());
    }

    // Kraken's answer is null here, which is an answer.
    let credit = account.get_credit_lines(within(v1::GetCreditLinesRequest::default())).await;
    assert_eq!(credit.expect("an answer").into_inner(), v1::GetCreditLinesResponse::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_wrong_is_told_all_of_it_and_never_sent() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let mut account = AccountServiceClient::new(channel(&process).await.expect("a channel"));

    let request =
        v1::GetTradesHistoryRequest { position_kind: 77, rebase_multiplier: 77, ..Default::default() };
    let status = account.get_trades_history(within(request)).await.expect_err("two mistakes");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(promises_not_executed(&status));
    let details = tonic_types::StatusExt::get_error_details(&status);
    let fields: Vec<_> = details
        .bad_request()
        .map(|bad| bad.field_violations.iter().map(|wrong| wrong.field.as_str()).collect())
        .unwrap_or_default();
    assert_eq!(fields, ["position_kind", "rebase_multiplier"]);
    assert!(house.pages.requests("TradesHistory").await.expect("a log").is_empty());

    // A pair that nobody trades is Kraken's refusal and not ours.
    let request = v1::GetTradeVolumeRequest {
        classed_pairs: vec![v1::ClassedPair { pair: "AAPL/USD".into(), asset_class: "equity_pair".into() }],
        ..Default::default()
    };
    let status = account.get_trade_volume(within(request)).await.expect_err("no such pair");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert!(status.message().contains("EQuery:Unknown asset pair"), "{status:?}");
}
