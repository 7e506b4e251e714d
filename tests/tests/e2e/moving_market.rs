//! The sandbox's market, when it is told to move: callers see it, and what they left near the best prices is filled.

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::load::resting_order;
use tonic::transport::Channel;

async fn ticker(market: &mut MarketDataServiceClient<Channel>) -> v1::Ticker {
    let asked = v1::GetTickerRequest { pairs: vec!["XBTUSD".into()], ..Default::default() };
    market.get_ticker(asked).await.expect("a ticker").into_inner().tickers.remove(0)
}

/// A price some whole dollars away from another.
fn off(price: &str, dollars: i64) -> String {
    let whole: i64 = price.split('.').next().and_then(|whole| whole.parse().ok()).expect("a price");
    format!("{}.0", whole + dollars)
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_move_and_the_market_comes_to_those_who_wait() {
    // An hour of the market in a second: it goes somewhere soon.
    let plan = Plan { sandbox: "market = \"moving\"\nspeed = 3600\n".into(), ..Plan::default() };
    let house = House::build(plan).await.expect("a house");
    let config = house.config(&["sandbox-trade", "sandbox-read"], "").expect("a config");
    let process = house.all("one", &config).await.expect("a process");
    let gateway = channel(&process).await.expect("a channel");
    let mut market = MarketDataServiceClient::new(gateway.clone());
    let mut trading = TradingServiceClient::new(gateway.clone());
    let mut account = AccountServiceClient::new(gateway);

    let first = ticker(&mut market).await;
    for (side, price) in
        [(v1::Side::Buy, off(&first.bid_price, -2)), (v1::Side::Sell, off(&first.ask_price, 2))]
    {
        let order = v1::AddOrderRequest { side: side.into(), price, ..resting_order() };
        let reply = trading.add_order(order).await.expect("an order").into_inner();
        assert!(matches!(reply.outcome, Some(Outcome::Accepted(_))), "{reply:?}");
    }
    // One way or the other.
    eventually("a fill", || {
        let mut account = account.clone();
        async move {
            let open = account.get_open_orders(v1::GetOpenOrdersRequest::default()).await.expect("orders");
            (open.into_inner().orders.len() < 2).then_some(())
        }
    })
    .await;
    let told = account.get_trades_history(v1::GetTradesHistoryRequest::default()).await.expect("trades");
    assert!(!told.into_inner().trades.is_empty());
    let later = ticker(&mut market).await;
    assert_ne!((&first.bid_price, &first.ask_price), (&later.bid_price, &later.ask_price));
    let page = v1::GetTradesRequest { pair: "XBTUSD".into(), ..Default::default() };
    assert!(!market.get_trades(page).await.expect("trades").into_inner().trades.is_empty());
}
