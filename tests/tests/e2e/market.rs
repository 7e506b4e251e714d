//! What the market shows, through the front door: typed, and the same market in every call.

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::promises_not_executed;
use tidegate_tests::load::resting_order;
use tonic::Code;
use tonic::transport::Channel;

const PAIR: &str = "XBTUSD";
const ID: &str = "XXBTZUSD";
const SYMBOL: &str = "BTC/USD";

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
    let mut account = AccountServiceClient::new(channel.clone());
    let pair = || PAIR.to_owned();
    eventually("Kraken's pairs to be known", || {
        let mut market = market.clone();
        async move {
            let tickers = v1::GetTickerRequest { pairs: vec![PAIR.into()], ..Default::default() };
            let tickers = market.get_ticker(tickers).await.expect("a ticker").into_inner().tickers;
            (tickers[0].symbol == SYMBOL).then_some(())
        }
    })
    .await;

    // Before anybody trades there is a book, and nothing else to speak of.
    let none = v1::GetTradesRequest { pair: pair(), ..Default::default() };
    let none = market.get_trades(none).await.expect("an empty page").into_inner();
    assert_eq!(none.symbol, SYMBOL);
    assert_eq!((none.pair.as_str(), none.trades.len(), none.next_page_token.as_str()), (ID, 0, "0"));

    buys_six(channel.clone()).await;
    let order_id = place(channel.clone(), "60000.1", "0.25").await;

    let depth = v1::GetDepthRequest { pair: pair(), count: 2, ..Default::default() };
    let depth = market.get_depth(depth).await.expect("a book").into_inner();
    assert_eq!((depth.pair.as_str(), depth.asks.len(), depth.bids.len()), (ID, 2, 2));
    assert_eq!(depth.symbol, SYMBOL);
    let best = &depth.bids[0];
    assert_eq!((best.price.as_str(), best.volume.as_str()), ("60000.10000", "0.250"));
    assert!(best.time.is_some() && depth.extra.is_empty() && best.extra.is_empty());
    let modern = v1::GetDepthRequest { pair: pair(), modern_name: true, ..Default::default() };
    let modern = market.get_depth(modern).await.expect("a book").into_inner();
    assert_eq!((modern.pair.as_str(), modern.symbol.as_str()), (SYMBOL, SYMBOL));

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
    assert_eq!((spread.pair.as_str(), spread.symbol.as_str()), (ID, SYMBOL));
    let last = spread.spreads.last().expect("what is now");
    assert_eq!((last.bid_price.as_str(), last.ask_price.as_str()), ("60000.10000", "60000.50000"));
    let again =
        v1::GetSpreadRequest { pair: pair(), page_token: spread.next_page_token, ..Default::default() };
    let again = market.get_spread(again).await.expect("spreads").into_inner();
    assert_eq!(again.spreads.last(), Some(last), "the last second comes again");

    let ohlc = v1::GetOhlcRequest { pair: pair(), interval_min: 21_600, ..Default::default() };
    let ohlc = market.get_ohlc(ohlc).await.expect("candles").into_inner();
    assert_eq!((ohlc.pair.as_str(), ohlc.symbol.as_str()), (ID, SYMBOL));
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

    // Ten ticks to a level: the house quotes every five, and the order of above stands at a price of its own.
    let grouped = v1::GetGroupedBookRequest { pair: pair(), depth: 25, grouping: 10, ..Default::default() };
    let grouped = market.get_grouped_book(grouped).await.expect("a book").into_inner();
    assert_eq!((grouped.pair.as_str(), grouped.grouping, grouped.asks.len()), ("BTC/USD", Some(10), 20));
    assert_eq!(grouped.symbol, SYMBOL);
    let (ask, bid) = (&grouped.asks[0], &grouped.bids[0]);
    assert_eq!((ask.price.as_str(), ask.volume.as_str()), ("60001.00000", "10.00000000"));
    assert_eq!((bid.price.as_str(), bid.volume.as_str()), ("60000.00000", "0.25000000"));

    let before = v1::GetPreTradeRequest { symbol: "BTC/USD".into(), ..Default::default() };
    let before = market.get_pre_trade(before).await.expect("quotes").into_inner();
    assert_eq!((before.symbol.as_str(), before.asks.len(), before.bids.len()), ("BTC/USD", 10, 10));
    let bid = &before.bids[0];
    assert_eq!((bid.side(), bid.price.as_str(), bid.volume.as_str()), (v1::Side::Buy, "60000.1", "0.25"));
    assert_eq!(bid.orders, Some(1));
    assert!(bid.submission_time.is_some() && bid.publication_time.is_some() && bid.extra.is_empty());
    assert!(before.extra.is_empty(), "{:?}", before.extra);

    let after = v1::GetPostTradeRequest { symbol: "BTC/USD".into(), count: 1, ..Default::default() };
    let after = market.get_post_trade(after).await.expect("trades").into_inner();
    assert_eq!((after.trades.len(), after.trades[0].price.as_str()), (1, "60001.0"), "the latest");
    let first = v1::GetPostTradeRequest { start_time: trades[0].time, count: 1, ..Default::default() };
    let first = market.get_post_trade(first).await.expect("trades").into_inner();
    assert_eq!(first.trades[0], after.trades[0], "the start is exclusive, to the nanosecond");
    assert_eq!(first.trades[0].trade_time, trades[1].time);
    assert!(first.trades[0].extra.is_empty() && first.extra.is_empty());
    let page_token = first.next_page_token;
    let none = v1::GetPostTradeRequest { page_token, end_time: trades[1].time, ..Default::default() };
    let none = market.get_post_trade(none).await.expect("an empty page").into_inner();
    assert_eq!((none.trades.len(), none.count), (0, Some(0)));

    let book = v1::GetLevel3Request { pair: pair(), depth: Some(10), ..Default::default() };
    let book = account.get_level3(book).await.expect("a book").into_inner();
    assert_eq!((book.pair.as_str(), book.asks.len(), book.bids.len()), ("BTC/USD", 10, 10));
    assert_eq!(book.symbol, SYMBOL);
    let bid = &book.bids[0];
    assert_eq!((bid.order_id.as_str(), bid.volume.as_str()), (order_id.as_str(), "0.25000000"));
    assert!(bid.time.is_some_and(|time| time.seconds > 0) && bid.extra.is_empty() && book.extra.is_empty());
    let whole = v1::GetLevel3Request { pair: pair(), depth: Some(0), ..Default::default() };
    let whole = account.get_level3(whole).await.expect("a book").into_inner();
    assert_eq!((whole.asks.len(), whole.bids.len()), (40, 41));
}

/// Level 3 is market data that a key pays for: it goes to one that may see open orders, and is charged to it.
#[tokio::test(flavor = "multi_thread")]
async fn the_book_of_orders_needs_a_key_that_may_see_open_orders() {
    let house = House::build(Plan::default()).await.expect("a house");
    let request = || v1::GetLevel3Request { pair: PAIR.into(), ..Default::default() };

    let config = house.config(&["sandbox-ledger", "sandbox-read"], "").expect("a config");
    let process = house.all("two", &config).await.expect("a process");
    let mut account = AccountServiceClient::new(channel(&process).await.expect("a channel"));
    account.get_level3(request()).await.expect("a book");
    let asked = house.pages.requests("Level3").await.expect("the log");
    assert_eq!(asked.iter().map(|entry| entry["key"].as_str()).collect::<Vec<_>>(), [Some("sandbox-read")]);
    drop(process);

    let config = house.config(&["sandbox-ledger"], "").expect("a config");
    let process = house.all("one", &config).await.expect("a process");
    let mut account = AccountServiceClient::new(channel(&process).await.expect("a channel"));
    let status = account.get_level3(request()).await.expect_err("no such key");
    assert!(promises_not_executed(&status), "{status:?}");
    assert!(status.message().contains("query-open-trades"), "{status:?}");
    assert_eq!(house.pages.requests("Level3").await.expect("the log").len(), 1, "it was asked all the same");
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
