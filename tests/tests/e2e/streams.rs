//! Lists that are streamed page by page to their end, while the account goes on.

mod trouble;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::earn_service_client::EarnServiceClient;
use tidegate_proto::v1::funding_beta_service_client::FundingBetaServiceClient;
use tidegate_proto::v1::funding_service_client::FundingServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::load::resting_order;
use tidegate_tests::request_id;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status, Streaming};

const KEYS: [&str; 4] = ["sandbox-trade", "sandbox-read", "sandbox-ledger", "sandbox-fund"];

type Account = AccountServiceClient<Channel>;

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(20));
    request
}

fn acted() -> Option<v1::CallContext> {
    Some(v1::CallContext { request_id: request_id(), ..Default::default() })
}

/// Buys at the house's offer: one closed order, one trade and two ledger entries.
async fn buy(gateway: &Channel, times: usize) {
    let mut trading = TradingServiceClient::new(gateway.clone());
    for _ in 0..times {
        let order =
            v1::AddOrderRequest { volume: "0.0001".into(), price: "60001.0".into(), ..resting_order() };
        trading.add_order(within(order)).await.expect("an order");
    }
}

/// Everything that a stream brings, and how it ends.
async fn drained<T>(opened: Result<Response<Streaming<T>>, Status>) -> (Vec<T>, Option<Status>) {
    let mut messages = match opened {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut got = Vec::new();
    loop {
        match messages.message().await {
            Ok(Some(message)) => got.push(message),
            Ok(None) => return (got, None),
            Err(status) => return (got, Some(status)),
        }
    }
}

/// The same of a stream that ends well.
async fn whole<T>(opened: Result<Response<Streaming<T>>, Status>) -> Vec<T> {
    let (got, end) = drained(opened).await;
    assert!(end.is_none(), "{end:?} after {} pages", got.len());
    got
}

fn ledger_ids(pages: &[v1::StreamLedgersResponse]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.entries).map(|entry| entry.ledger_id.clone()).collect()
}

/// All ledger entries, read by hand while nothing happens.
async fn all_ledger_ids(account: &mut Account) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let offset = u32::try_from(ids.len()).expect("a few");
        let request = v1::GetLedgersRequest { offset, ..Default::default() };
        let page = account.get_ledgers(within(request)).await.expect("a page").into_inner();
        if page.entries.is_empty() {
            return ids;
        }
        ids.extend(page.entries.into_iter().map(|entry| entry.ledger_id));
    }
}

async fn all_closed_ids(account: &mut Account) -> Vec<String> {
    let mut ids = Vec::new();
    loop {
        let offset = u32::try_from(ids.len()).expect("a few");
        let request = v1::GetClosedOrdersRequest { offset, ..Default::default() };
        let page = account.get_closed_orders(within(request)).await.expect("a page").into_inner();
        if page.orders.is_empty() {
            return ids;
        }
        ids.extend(page.orders.into_iter().map(|order| order.order_id));
    }
}

/// What was streamed is the list from its first entry on: nothing is lost and nothing comes twice.
fn expect_a_tail_of(streamed: &[String], list: &[String]) {
    let distinct: BTreeSet<_> = streamed.iter().collect();
    assert_eq!(distinct.len(), streamed.len(), "entries came twice");
    let begins = list.iter().position(|id| *id == streamed[0]).expect("the first is in the list");
    assert_eq!(streamed, &list[begins..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_that_kraken_counts_come_whole() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());

    // Nothing is a page, too.
    let none = whole(account.stream_trades_history(v1::StreamTradesHistoryRequest::default()).await).await;
    assert_eq!(none, [v1::StreamTradesHistoryResponse { count: Some(0), ..Default::default() }]);

    buy(&gateway, 130).await;
    let ledgers = whole(account.stream_ledgers(v1::StreamLedgersRequest::default()).await).await;
    let ids = all_ledger_ids(&mut account).await;
    assert!(ids.len() >= 260 && ledger_ids(&ledgers) == ids);
    assert_eq!(ledgers[0].count, Some(ids.len() as u64));
    assert!(ledgers[1..].iter().all(|page| page.count.is_none()), "one count is enough");
    assert!(ledgers.iter().all(|page| (1..=50).contains(&page.entries.len())));
    let (last, others) = ledgers.split_last().expect("pages");
    assert!(last.next_page_token.is_empty());
    assert!(others.iter().all(|page| !page.next_page_token.is_empty()), "only the last one is the last");

    // Each token goes on right behind its page, also in a call of its own.
    for at in [0, 2, others.len() - 1] {
        let page_token = ledgers[at].next_page_token.clone();
        let request = v1::StreamLedgersRequest { page_token, ..Default::default() };
        let rest = whole(account.stream_ledgers(request).await).await;
        assert_eq!(ledger_ids(&rest), ledger_ids(&ledgers[at + 1..]), "behind page {at}");
    }
    let page_token = ledgers[0].next_page_token.clone();
    let other = v1::StreamLedgersRequest { page_token, entry_type: "trade".into(), ..Default::default() };
    let status = account.stream_ledgers(other).await.expect_err("another list");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().contains("page_token"), "{status:?}");

    // Without a count, and with what the unary call takes besides.
    let request = v1::StreamTradesHistoryRequest { without_count: true, ledgers: true, ..Default::default() };
    let trades = whole(account.stream_trades_history(request).await).await;
    let told: Vec<_> = trades.iter().flat_map(|page| &page.trades).collect();
    assert_eq!(told.iter().map(|trade| &trade.trade_id).collect::<BTreeSet<_>>().len(), 130);
    assert!(told.len() == 130 && told.iter().all(|trade| trade.ledger_ids.len() == 2));
    assert!(told.iter().all(|trade| trade.symbol == "BTC/USD") && trades[0].count.is_none());
    let newest_s = told[0].time.expect("a time").seconds;
    let after = Some(prost_types::Timestamp { seconds: newest_s + 1, nanos: 0 });
    let request = v1::StreamTradesHistoryRequest { start_time: after, ..Default::default() };
    assert!(whole(account.stream_trades_history(request).await).await[0].trades.is_empty());
    let request = v1::StreamTradesHistoryRequest { position_kind: 77, ..Default::default() };
    let status = account.stream_trades_history(request).await.expect_err("a mistake");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");

    let closed = whole(account.stream_closed_orders(v1::StreamClosedOrdersRequest::default()).await).await;
    let ids: Vec<_> = closed.iter().flat_map(|page| &page.orders).map(|o| o.order_id.clone()).collect();
    assert_eq!(ids, all_closed_ids(&mut account).await);
    assert_eq!((closed.len(), closed[0].count), (3, Some(130)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lists_whose_pages_are_named_come_whole() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut funding = FundingServiceClient::new(gateway.clone());
    let made = v1::GetDepositAddressesRequest {
        context: acted(),
        asset: "XBT".into(),
        method: "Bitcoin".into(),
        new_address: true,
        ..Default::default()
    };
    let made = funding.get_deposit_addresses(within(made)).await.expect("an address").into_inner();
    let Some(v1::get_deposit_addresses_response::Outcome::Accepted(made)) = made.outcome else {
        panic!("{made:?}")
    };
    for _ in 0..45 {
        let address = &made.addresses[0].address;
        let payment = json!({"account": "main", "asset": "XBT", "amount": "0.25", "address": address});
        house.pages.deposit(&payment).await.expect("a deposit");
    }
    let request = v1::StreamDepositStatusRequest { page_size: 10, ..Default::default() };
    let pages = whole(funding.stream_deposit_status(request).await).await;
    let sizes: Vec<_> = pages.iter().map(|page| page.deposits.len()).collect();
    assert_eq!(sizes, [10, 10, 10, 10, 5]);
    let ids = |pages: &[v1::StreamDepositStatusResponse]| -> Vec<String> {
        pages.iter().flat_map(|page| &page.deposits).map(|one| one.reference_id.clone()).collect()
    };
    assert_eq!(ids(&pages).iter().collect::<BTreeSet<_>>().len(), 45);
    let page_token = pages[1].next_page_token.clone();
    let request = v1::StreamDepositStatusRequest { page_size: 10, page_token, ..Default::default() };
    let rest = whole(funding.stream_deposit_status(request).await).await;
    assert_eq!(ids(&rest), ids(&pages[2..]));
    let none = whole(funding.stream_withdraw_status(v1::StreamWithdrawStatusRequest::default()).await).await;
    assert!(none.len() == 1 && none[0].withdrawals.is_empty() && none[0].next_page_token.is_empty());

    // Kraken takes the later pages without the filters of the first, and here nobody needs to know.
    let mut beta = FundingBetaServiceClient::new(gateway.clone());
    let direction = v1::BetaDirection::Withdraw.into();
    let asset = Some(v1::BetaAsset { name: "ETH".into(), ..Default::default() });
    let all = v1::ListMethodsRequest { direction, asset: asset.clone(), ..Default::default() };
    let all = beta.list_methods(within(all)).await.expect("methods").into_inner().methods;
    assert!(all.len() > 1, "{all:?}");
    let request = v1::StreamMethodsRequest { direction, asset, page_size: 1, ..Default::default() };
    let pages = whole(beta.stream_methods(request).await).await;
    assert!(pages.iter().all(|page| page.methods.len() == 1));
    assert_eq!(pages.into_iter().flat_map(|page| page.methods).collect::<Vec<_>>(), all);
    let addresses = whole(beta.stream_addresses(v1::StreamAddressesRequest::default()).await).await;
    assert_eq!(addresses.len(), 1, "{addresses:?}");

    let mut earn = EarnServiceClient::new(gateway);
    let all = earn.get_earn_strategies(within(v1::GetEarnStrategiesRequest::default())).await;
    let all = all.expect("strategies").into_inner().strategies;
    let pages = whole(earn.stream_earn_strategies(v1::StreamEarnStrategiesRequest::default()).await).await;
    assert_eq!(pages.into_iter().flat_map(|page| page.strategies).collect::<Vec<_>>(), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_come_meanwhile_lose_and_double_none() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    buy(&gateway, 130).await;
    let before = all_ledger_ids(&mut account).await.len();

    // Somebody trades from before the first page until after the last.
    let over = Arc::new(AtomicBool::new(false));
    let trader = tokio::spawn({
        let (over, gateway) = (Arc::clone(&over), gateway.clone());
        async move {
            while !over.load(Ordering::SeqCst) {
                buy(&gateway, 1).await;
            }
        }
    });
    let slow = json!({"faults": [{"endpoint": "Ledgers", "count": 100, "hang_after_auth_ms": 150}]});
    house.pages.switch(&slow).await.expect("a fault");
    let pages = whole(account.stream_ledgers(v1::StreamLedgersRequest::default()).await).await;
    over.store(true, Ordering::SeqCst);
    trader.await.expect("a trader");
    house.pages.switch(&json!({"clear_faults": true})).await.expect("no fault");
    let (streamed, list) = (ledger_ids(&pages), all_ledger_ids(&mut account).await);
    assert!(streamed.len() >= before);
    expect_a_tail_of(&streamed, &list);
    assert!(list.len() > streamed.len(), "nothing came meanwhile, so nothing was shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_close_meanwhile_lose_and_double_none() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&KEYS, "").expect("a config");
    let config =
        config.replacen("quota_per_s = 100000\n", "quota_per_s = 100000\nallow_cancel_all = true\n", 1);
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");
    let mut account = AccountServiceClient::new(gateway.clone());
    let mut trading = TradingServiceClient::new(gateway.clone());
    // Open when the stream begins, so that no end of it keeps them out; and more than a page of them.
    for _ in 0..70 {
        trading.add_order(within(resting_order())).await.expect("an order");
    }
    buy(&gateway, 120).await;

    let slow = json!({"faults": [{"endpoint": "ClosedOrders", "count": 20, "hang_after_auth_ms": 1_000}]});
    house.pages.switch(&slow).await.expect("a fault");
    let asked = house.pages.requests("ClosedOrders").await.expect("a log").len();
    let opened = account.stream_closed_orders(v1::StreamClosedOrdersRequest::default()).await;
    let mut pages = opened.expect("a stream").into_inner();
    let mut got = vec![pages.message().await.expect("a page").expect("not the end")];
    let cancel = v1::CancelAllRequest { context: acted() };
    trading.cancel_all(within(cancel)).await.expect("a cancel");
    while let Some(page) = pages.message().await.expect("a page") {
        got.push(page);
    }
    let streamed: Vec<_> = got.iter().flat_map(|page| &page.orders).map(|o| o.order_id.clone()).collect();
    let asked = house.pages.requests("ClosedOrders").await.expect("a log").len() - asked;
    house.pages.switch(&json!({"clear_faults": true})).await.expect("no fault");
    let list = all_closed_ids(&mut account).await;
    assert_eq!((streamed.len(), list.len()), (120, 190));
    expect_a_tail_of(&streamed, &list);
    assert!(asked > 3, "the list did not grow between two pages, so nothing was shown");
}
