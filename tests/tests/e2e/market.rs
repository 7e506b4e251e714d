//! What the market shows, through the front door: typed, and the same market in every call.

use tidegate_proto::v1;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::promises_not_executed;
use tidegate_tests::load::resting_order;
use tonic::Code;
use tonic::transport::Channel;

const PAIR: &str = "XBTUSD";
const ID: &str = "XXBTZUSD";

/// One market order that takes two levels of the house's asks.
async fn buys_six(channel: Channel) {
    let order = v1::AddOrderRequest {
        order_type: v1::OrderType::Market.into(),
        volume: "6".into(),
        price: String::new(),
        ..resting_order()
    };
    let reply = TradingServiceClient::new(channel).add_order(order).await.expect("an order").into_inner();
    assert!(matches!(reply.outcome, Some(Outcome::Accepted(_))), "{reply:?}");
}

async fn place(channel: Channel, price: &str, volume: &str) -> String {
    let order = v1::AddOrderRequest { price: price.into(), volume: volume.into(), ..resting_order() };
    let reply = TradingServiceClient::new(channel).add_order(order).await.expect("an order").into_inner();
    let Some(Outcome::Accepted(mut placed)) = reply.outcome else { panic!("{reply:?}") };
    placed.order_ids.pop().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_market_is_seen_in_every_call() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-trade", "sandbox-read"], "").expect("a config");
    let process = house.all("one", &config).await.expect("a process");
    let channel = channel(&process).await.expect("a channel");
    let mut market = MarketDataServiceClient::new(channel.clone());
    let pair = || PAIR.to_owned();

    // Before anybody trades there is a book, and nothing else to speak of.
    let none = v1::GetTradesRequest { pair: pair(), ..Default::default() };
    let none = market.get_trades(none).await.expect("an empty page").into_inner();
    assert_eq!((none.pair.as_str(), none.trades.len(), none.next_page_token.as_str()), (ID, 0, "0"));

    buys_six(channel.clone()).await;
    let order_id = place(channel.clone(), "60000.1", "0.25").await;

    let depth = v1::GetDepthRequest { pair: pair(), count: 2, ..Default::default() };
    let depth = market.get_depth(depth).await.expect("a book").into_inner();
    assert_eq!((depth.pair.as_str(), depth.asks.len(), depth.bids.len()), (ID, 2, 2));
    let best = &depth.bids[0];
    assert_eq!((best.price.as_str(), best.volume.as_str()), ("60000.10000", "0.250"));
    assert!(best.time.is_some() && depth.extra.is_empty() && best.extra.is_empty());
    let modern = v1::GetDepthRequest { pair: pair(), modern_name: true, ..Default::default() };
    assert_eq!(market.get_depth(modern).await.expect("a book").into_inner().pair, "BTC/USD");

    // Both halves of the order, one page each; then nothing new.
    let (mut token, mut trades) = (none.next_page_token, Vec::new());
    for expected in [1, 1, 0] {
        let next = v1::GetTradesRequest { pair: pair(), page_token: token, count: 1, ..Default::default() };
        let page = market.get_trades(next).await.expect("a page").into_inner();
        assert_eq!(page.trades.len(), expected);
        trades.extend(page.trades);
        token = page.next_page_token;
    }
    let told: Vec<_> = trades.iter().map(|trade| (trade.price.as_str(), trade.volume.as_str())).collect();
    assert_eq!(told, [("60000.50000", "5.00000000"), ("60001.00000", "1.00000000")]);
    for trade in &trades {
        assert_eq!((trade.taker_side(), trade.order_type()), (v1::Side::Buy, v1::OrderType::Market));
        assert!(trade.trade_id.is_some() && trade.time.is_some() && trade.extra.is_empty());
    }

    let spread = v1::GetSpreadRequest { pair: pair(), ..Default::default() };
    let spread = market.get_spread(spread).await.expect("spreads").into_inner();
    let last = spread.spreads.last().expect("what is now");
    assert_eq!((last.bid_price.as_str(), last.ask_price.as_str()), ("60000.10000", "60000.50000"));
    let again =
        v1::GetSpreadRequest { pair: pair(), page_token: spread.next_page_token, ..Default::default() };
    let again = market.get_spread(again).await.expect("spreads").into_inner();
    assert_eq!(again.spreads.last(), Some(last), "the last second comes again");

    let ohlc = v1::GetOhlcRequest { pair: pair(), interval_min: 21_600, ..Default::default() };
    let ohlc = market.get_ohlc(ohlc).await.expect("candles").into_inner();
    let candle = ohlc.candles.last().expect("the open one");
    assert_eq!((candle.high_price.as_str(), candle.low_price.as_str()), ("60001.0", "60000.5"));
    assert_eq!(
        (candle.volume.as_str(), candle.trades, candle.close_price.as_str()),
        ("6.00000000", 2, "60001.0")
    );
    let next = v1::GetOhlcRequest {
        pair: pair(),
        interval_min: 21_600,
        page_token: ohlc.next_page_token,
        ..Default::default()
    };
    let next = market.get_ohlc(next).await.expect("candles").into_inner();
    assert_eq!(next.candles.first().map(|candle| candle.trades), Some(2), "the open one comes again");
    assert!(!order_id.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said_at_once_and_asked_of_nobody() {
    let house = House::build(Plan::default()).await.expect("a house");
    let config = house.config(&["sandbox-read"], "").expect("a config");
    let process = house.all("one", &config).await.expect("a process");
    let mut market = MarketDataServiceClient::new(channel(&process).await.expect("a channel"));

    let request = v1::GetOhlcRequest { interval_min: 7, page_token: "x".into(), ..Default::default() };
    let status = market.get_ohlc(request).await.expect_err("three mistakes");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(promises_not_executed(&status), "{status:?}");
    for field in ["pair", "interval_min", "page_token"] {
        assert!(status.message().contains(field), "{field}: {status:?}");
    }
    let log = house.pages.log().await.expect("the log");
    assert!(log.iter().all(|entry| entry["endpoint"] != "OHLC"), "it was asked all the same");

    let unknown = v1::GetDepthRequest { pair: "NOPE".into(), ..Default::default() };
    let status = market.get_depth(unknown).await.expect_err("no such pair");
    assert!(promises_not_executed(&status) && status.message().contains("Unknown asset pair"), "{status:?}");
}
