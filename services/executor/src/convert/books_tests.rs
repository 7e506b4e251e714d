//! What is asked of Kraken, and what is refused before.

use super::*;

fn query(params: Result<Params, Error>) -> String {
    params.expect("a good request").query()
}

fn fields(params: Result<Params, Error>) -> Vec<String> {
    params.expect_err("wrong").fields.into_iter().map(|wrong| wrong.field).collect()
}

fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos })
}

#[test]
fn a_plain_request_says_no_more_than_was_asked() {
    let pair = || "XBT/USD".to_owned();
    assert_eq!(
        query(depth_of(&v1::GetDepthRequest { pair: pair(), ..Default::default() })),
        "pair=XBT%2FUSD"
    );
    let whole = v1::GetDepthRequest { pair: pair(), count: 500, modern_name: true, ..Default::default() };
    assert_eq!(query(depth_of(&whole)), "pair=XBT%2FUSD&count=500&assetVersion=1");
    assert_eq!(
        query(trades_of(&v1::GetTradesRequest { pair: pair(), ..Default::default() })),
        "pair=XBT%2FUSD"
    );
    let five = v1::GetOhlcRequest {
        pair: "AAPLxUSD".into(),
        interval_min: 5,
        start_time: at(1_781_000_340, 0),
        asset_class: "tokenized_asset".into(),
        ..Default::default()
    };
    assert_eq!(
        query(ohlc_of(&five)),
        "pair=AAPLxUSD&interval=5&since=1781000340&asset_class=tokenized_asset"
    );
}

#[test]
fn pages_go_on_at_krakens_own_cursor() {
    let request = |start_time, page_token: &str| v1::GetTradesRequest {
        pair: "XBTUSD".into(),
        start_time,
        page_token: page_token.into(),
        count: 10,
        ..Default::default()
    };
    let since = |start_time, token| query(trades_of(&request(start_time, token)));
    assert_eq!(since(at(1_781_000_399, 0), ""), "pair=XBTUSD&since=1781000399&count=10");
    assert_eq!(since(at(1_781_000_399, 7), ""), "pair=XBTUSD&since=1781000399000000007&count=10");
    assert_eq!(since(None, "1781000399910221300"), "pair=XBTUSD&since=1781000399910221300&count=10");
    for token in ["x", "-1", "+1", "1.5", "01", "99999999999999999999"] {
        assert_eq!(fields(trades_of(&request(None, token))), ["page_token"], "{token}");
    }
    assert_eq!(fields(trades_of(&request(at(0, 0), ""))), ["start_time"]);
    assert_eq!(fields(trades_of(&request(at(5, -1), ""))), ["start_time"]);
    let last = Series::<Spread> { pair: String::new(), rows: vec![], last: Some(5), extra: Extra::new() };
    assert_eq!((token(&last), token(&Series { last: None, ..last })), ("5".to_owned(), String::new()));
}

#[test]
fn all_mistakes_are_named_at_once() {
    let trades = v1::GetTradesRequest {
        start_time: at(1_781_000_399, 0),
        page_token: "soon".into(),
        count: 1_001,
        asset_class: "two words".into(),
        ..Default::default()
    };
    assert_eq!(fields(trades_of(&trades)), ["pair", "start_time", "page_token", "count", "asset_class"]);
    let ohlc = v1::GetOhlcRequest { interval_min: 7, start_time: at(1, 1), ..Default::default() };
    assert_eq!(fields(ohlc_of(&ohlc)), ["pair", "interval_min", "start_time"]);
    let depth = v1::GetDepthRequest { count: 501, ..Default::default() };
    assert_eq!(fields(depth_of(&depth)), ["pair", "count"]);
    let spread = v1::GetSpreadRequest { pair: "A B".into(), page_token: "-".into(), ..Default::default() };
    assert_eq!(fields(spread_of(&spread)), ["pair", "page_token"]);
}

#[test]
fn a_word_that_nobody_knows_is_kept() {
    let trade = trade(wire(r#"["1","2",3,"x","i","",9]"#));
    assert_eq!((trade.taker_side(), trade.order_type()), (v1::Side::Unspecified, v1::OrderType::Unspecified));
    assert_eq!((trade.extra["side"].as_str(), trade.extra["order_type"].as_str()), ("x", "i"));
    assert_eq!(trade.time, Some(Timestamp { seconds: 3, nanos: 0 }));
}

#[test]
fn books_are_cut_where_kraken_cuts_them() {
    let grouped = |depth, grouping| v1::GetGroupedBookRequest {
        pair: "BTC/USD".into(),
        depth,
        grouping,
        ..Default::default()
    };
    assert_eq!(query(grouped_book_of(&grouped(0, 0))), "pair=BTC%2FUSD");
    assert_eq!(query(grouped_book_of(&grouped(250, 1_000))), "pair=BTC%2FUSD&depth=250&grouping=1000");
    assert_eq!(fields(grouped_book_of(&grouped(11, 7))), ["depth", "grouping"]);
    let orders = |depth| v1::GetLevel3Request { pair: "BTC/USD".into(), depth, ..Default::default() };
    assert_eq!(query(level3_of(&orders(None))), "pair=BTC%2FUSD");
    assert_eq!(query(level3_of(&orders(Some(0)))), "pair=BTC%2FUSD&depth=0", "all of it");
    assert_eq!(fields(level3_of(&orders(Some(5)))), ["depth"]);
    assert_eq!(at_ns(1_781_000_398_594_292_001), at(1_781_000_398, 594_292_001));
    assert_eq!(at_ns(0), None);
}

fn wire<T: tidegate_kraken::wire::Wire>(json: &str) -> T {
    let raw = serde_json::value::RawValue::from_string(json.into()).expect("JSON");
    tidegate_kraken::wire::read(Some(&raw)).expect("fits")
}

#[test]
fn every_value_arrives_at_its_place() {
    let page =
        trades(wire(r#"{"P":[["1","2",3.5,"b","m","x",9],["1","2",3,"s","l","",8]],"last":"7","n":0}"#));
    let first = v1::PublicTrade {
        trade_id: Some(9),
        price: "1".into(),
        volume: "2".into(),
        time: at(3, 500_000_000),
        taker_side: v1::Side::Buy.into(),
        order_type: v1::OrderType::Market.into(),
        misc: "x".into(),
        extra: [].into(),
    };
    assert_eq!((&page.trades[0], page.next_page_token.as_str()), (&first, "7"));
    assert_eq!(
        (page.trades[1].taker_side(), page.trades[1].order_type()),
        (v1::Side::Sell, v1::OrderType::Limit)
    );
    assert_eq!((page.pair.as_str(), page.extra["n"].as_str()), ("P", "0"));

    let page = spreads(wire(r#"{"P":[[1,"2","3",4]],"last":5}"#));
    let extra: std::collections::HashMap<_, _> = [("3".to_owned(), "4".to_owned())].into();
    let row = v1::Spread { time: at(1, 0), bid_price: "2".into(), ask_price: "3".into(), extra };
    assert_eq!((page.spreads.as_slice(), page.next_page_token.as_str()), ([row].as_slice(), "5"));

    let page = candles(wire(r#"{"P":[[1,"2","5","0.5","3","2.5","6",7]],"last":4}"#));
    let candle = v1::Candle {
        time: at(1, 0),
        open_price: "2".into(),
        high_price: "5".into(),
        low_price: "0.5".into(),
        close_price: "3".into(),
        vwap: "2.5".into(),
        volume: "6".into(),
        trades: 7,
        extra: [].into(),
    };
    assert_eq!((page.candles.as_slice(), page.next_page_token.as_str()), ([candle].as_slice(), "4"));

    let book = depth(wire(r#"{"P":{"asks":[["2","3",4]],"bids":[["1","5",6]]}}"#));
    assert_eq!(
        (book.asks[0].price.as_str(), book.asks[0].volume.as_str(), book.asks[0].time),
        ("2", "3", at(4, 0))
    );
    assert_eq!(book.bids[0].price, "1");
    let book = grouped_book(wire(
        r#"{"pair":"P","grouping":5,"asks":[{"price":"2","qty":"3"}],"bids":[{"price":"1","qty":"4"}]}"#,
    ));
    assert_eq!(
        (book.asks[0].price.as_str(), book.bids[0].volume.as_str(), book.grouping),
        ("2", "4", Some(5))
    );
    let book = level3(wire(
        r#"{"pair":"P","asks":[{"price":"2","qty":"3","order_id":"O","timestamp":1000000001}],"bids":[]}"#,
    ));
    let order = v1::BookOrder {
        order_id: "O".into(),
        price: "2".into(),
        volume: "3".into(),
        time: at(1, 1),
        extra: [].into(),
    };
    assert_eq!((book.asks.as_slice(), book.bids.len()), ([order].as_slice(), 0));
}
