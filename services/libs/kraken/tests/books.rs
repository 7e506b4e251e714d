//! Books, trades and candles in the forms in which Kraken is known to write them.

use serde_json::value::RawValue;
use tidegate_kraken::wire::{
    Candles, Depth, GroupedBook, Level3, PostTrade, PreTrade, PublicTrades, ShapeError, Spreads, Wire, read,
};

fn parse<T: Wire>(json: &str) -> Result<T, ShapeError> {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw))
}

fn good<T: Wire>(json: &str) -> T {
    parse(json).expect("fits")
}

fn fault<T: Wire + std::fmt::Debug>(json: &str) -> String {
    parse::<T>(json).expect_err("does not fit").to_string()
}

#[test]
fn a_book() {
    let book: Depth = good(
        r#"{"XXBTZUSD":{"asks":[["61250.10000","1.204",1781000398],[61251.0,0.400,"1781000391",{"new":1}]],
            "bids":[["61250.00000","0.912",1781000399]],"checksum":7},"beside":true}"#,
    );
    assert_eq!((book.pair.as_str(), book.asks.len(), book.bids.len()), ("XXBTZUSD", 2, 1));
    let (first, second) = (&book.asks[0], &book.asks[1]);
    assert_eq!((first.price.0.as_str(), first.volume.0.as_str()), ("61250.10000", "1.204"));
    assert_eq!(first.time.unix_ns(), Some(1_781_000_398_000_000_000));
    assert_eq!((second.price.0.as_str(), second.volume.0.as_str()), ("61251.0", "0.400"), "digit for digit");
    assert_eq!(second.extra.get("3").map(String::as_str), Some(r#"{"new":1}"#));
    assert_eq!(book.extra.keys().collect::<Vec<_>>(), ["beside", "checksum"]);

    let empty: Depth = good(r#"{"BTC/USD":{"asks":[],"bids":[]}}"#);
    assert_eq!((empty.pair.as_str(), empty.asks.len()), ("BTC/USD", 0));
    assert_eq!(fault::<Depth>("{}"), "result is not an object with the data of a pair");
    assert_eq!(fault::<Depth>(r#"{"X":{"asks":[]}}"#), "result.X.bids is not present", "half a book is none");
    assert_eq!(fault::<Depth>(r#"{"X":{"asks":[["1","2"]],"bids":[]}}"#), "result.X.asks.0.2 is not present");
}

#[test]
fn trades() {
    let page: PublicTrades = good(
        r#"{"XXBTZUSD":[["61250.10000","0.00412000",1781000399.2214558,"b","l","",91044210],
            [61250.0,"0.15000000","1781000399.9102213","s","m",null,"91044211","more"],
            ["61250.0","1",1781000400,"s","x",""]],"last":"1781000399910221300","note":"n"}"#,
    );
    assert_eq!((page.pair.as_str(), page.last), ("XXBTZUSD", Some(1_781_000_399_910_221_300)));
    let [first, second, third] = page.rows.as_slice() else { panic!("three rows") };
    assert_eq!(first.time.unix_ns(), Some(1_781_000_399_221_455_800));
    assert_eq!((first.side.as_str(), first.trade_id), ("b", Some(91_044_210)));
    assert_eq!((second.misc.as_deref(), second.trade_id), (None, Some(91_044_211)));
    assert_eq!(second.extra.get("7").map(String::as_str), Some("\"more\""));
    assert_eq!((third.order_type.as_str(), third.trade_id), ("x", None));
    assert_eq!(page.extra.get("note").map(String::as_str), Some("\"n\""));

    let nothing: PublicTrades = good(r#"{"XXBTZUSD":[],"last":"0"}"#);
    assert_eq!((nothing.rows.len(), nothing.last), (0, Some(0)));
    assert_eq!(good::<PublicTrades>(r#"{"XXBTZUSD":[]}"#).last, None);
    assert_eq!(fault::<PublicTrades>(r#"{"last":"0"}"#), "result is not an object with the data of a pair");
    assert_eq!(
        fault::<PublicTrades>(r#"{"X":[["1","2",3,"b","l","",1],["1","2",true,"b","l","",1]]}"#),
        "result.X.1.2 is not a time in Unix seconds"
    );
    assert_eq!(fault::<PublicTrades>(r#"{"X":[{"price":"1"}]}"#), "result.X.0 is not a row");
    assert_eq!(
        fault::<PublicTrades>(r#"{"X":[],"last":"soon"}"#),
        "result.last is not a whole number in range"
    );
}

#[test]
fn spreads() {
    let page: Spreads = good(
        r#"{"XXBTZUSD":[[1781000398,"61250.00000","61250.10000"],["1781000399",61249.9,"61250.10000",0]],
            "last":1781000399,"x":[]}"#,
    );
    assert_eq!((page.rows.len(), page.last), (2, Some(1_781_000_399)));
    let second = &page.rows[1];
    assert_eq!((second.bid.0.as_str(), second.ask.0.as_str()), ("61249.9", "61250.10000"));
    assert_eq!((second.extra.len(), page.extra.len()), (1, 1));
    assert!(good::<Spreads>(r#"{"X":[],"last":null}"#).rows.is_empty());
    assert_eq!(fault::<Spreads>(r#"{"X":[[1781000398,"1",null]]}"#), "result.X.0.2 is not present");
}

#[test]
fn candles() {
    let page: Candles = good(
        r#"{"XXBTZUSD":[[1781000340,"61250.0","61262.3","61244.1","61250.1","61252.7","3.10442210",41],
            [1781000400,"61250.1","61250.1",61250.1,"61250.1","61250.1","0.00412000","1",null,5]],"last":1781000340}"#,
    );
    assert_eq!((page.rows.len(), page.last), (2, Some(1_781_000_340)));
    let [closed, open] = page.rows.as_slice() else { panic!("two rows") };
    assert_eq!((closed.high.0.as_str(), closed.vwap.0.as_str(), closed.count), ("61262.3", "61252.7", 41));
    assert_eq!((open.low.0.as_str(), open.count, open.extra.len()), ("61250.1", 1, 1), "null says nothing");
    assert!(good::<Candles>(r#"{"X":[]}"#).rows.is_empty());
    assert_eq!(fault::<Candles>(r#"{"X":[[1,"1","1","1","1","1","1"]]}"#), "result.X.0.7 is not present");
}

#[test]
fn a_grouped_book() {
    let book: GroupedBook = good(
        r#"{"pair":"BTC/USD","grouping":1000,"bids":[{"price":"61200.00000","qty":"14.20338810"},
            {"price":61100.0,"qty":22.01,"orders":3}],"asks":[],"sum":"1"}"#,
    );
    assert_eq!((book.pair.as_str(), book.grouping, book.asks.len()), ("BTC/USD", Some(1_000), 0));
    let second = &book.bids[1];
    assert_eq!((second.price.0.as_str(), second.qty.0.as_str(), second.extra.len()), ("61100.0", "22.01", 1));
    assert_eq!(book.extra.get("sum").map(String::as_str), Some("\"1\""));
    assert_eq!(good::<GroupedBook>(r#"{"pair":"X","asks":[],"bids":[]}"#).grouping, None);
    assert_eq!(fault::<GroupedBook>(r#"{"asks":[],"bids":[]}"#), "result.pair is not present");
    assert_eq!(fault::<GroupedBook>(r#"{"pair":"X","asks":[]}"#), "result.bids is not present");
}

#[test]
fn a_book_of_orders() {
    let book: Level3 = good(
        r#"{"pair":"BTC/USD","bids":[{"price":"61250.00000","qty":"0.50000000","order_id":"O5UCDR-D6PM6-HU2ZX2",
            "timestamp":1781000398594292000}],"asks":[{"price":61250.1,"qty":"0.2","order_id":"OZ",
            "timestamp":"1781000397499456001","side":"x"},{"price":"1","qty":"1","order_id":"OA"}],"checksum":1}"#,
    );
    assert_eq!(book.bids[0].timestamp_ns, Some(1_781_000_398_594_292_000));
    assert_eq!(book.asks[0].timestamp_ns, Some(1_781_000_397_499_456_001), "to the nanosecond");
    assert_eq!((book.asks[0].extra.len(), book.asks[1].timestamp_ns, book.extra.len()), (1, None, 1));
    assert!(good::<Level3>(r#"{"pair":"X","asks":[],"bids":[]}"#).bids.is_empty());
    assert_eq!(
        fault::<Level3>(r#"{"pair":"X","asks":[],"bids":[{"price":"1","qty":"1"}]}"#),
        "result.bids.0.order_id is not present"
    );
}

#[test]
fn what_is_published_before_and_after_a_trade() {
    let before: PreTrade = good(
        r#"{"symbol":"BTC/USD","description":"Bitcoin / US Dollars","base_asset":"BTC","base_dti_code":"4H95J0R2X",
            "base_dti_short_name":"BTC","base_notation":"UNIT","quote_asset":"USD","quote_dti_code":"",
            "quote_dti_short_name":"","quote_notation":"MONE","venue":"PGSL","system":"CLOB","bids":[{"side":"BUY",
            "price":"61250.0","qty":0.912,"count":"3","submission_ts":"2026-06-09T10:19:59.120334Z",
            "publication_ts":"2026-06-09T10:20:00.000112Z","flag":null}],"asks":[],"new":{}}"#,
    );
    let bid = &before.bids[0];
    assert_eq!((bid.qty.0.as_str(), bid.count, bid.side.as_deref()), ("0.912", Some(3), Some("BUY")));
    assert_eq!((before.base_dti_code.as_deref(), before.extra.len()), (Some("4H95J0R2X"), 1));
    let bare: PreTrade = good(r#"{"symbol":"BTC/USD","asks":[{"price":"1","qty":"2"}],"bids":[]}"#);
    assert_eq!((bare.system, bare.asks[0].count), (None, None));
    assert_eq!(fault::<PreTrade>(r#"{"symbol":"X","bids":[]}"#), "result.asks is not present");

    let after: PostTrade = good(
        r#"{"last_ts":"2026-06-09T10:20:00.910221300Z","count":1,"trades":[{"trade_id":"T7KLFY-YLBEG-3RHDSV",
            "price":"61250.1","quantity":0.00412,"symbol":"BTC/USD","description":"Bitcoin / US Dollars",
            "base_asset":"BTC","base_notation":"UNIT","quote_asset":"USD","quote_notation":"MONE",
            "trade_venue":"PGSL","trade_ts":"2026-06-09T10:19:59.221455800Z","publication_venue":"PGSL",
            "publication_ts":"2026-06-09T10:20:00.000221000Z","flags":[1]}]}"#,
    );
    let trade = &after.trades[0];
    assert_eq!((trade.quantity.0.as_str(), trade.extra.len(), after.count), ("0.00412", 1, Some(1)));
    assert_eq!(after.last_ts.as_deref(), Some("2026-06-09T10:20:00.910221300Z"));
    let nothing: PostTrade = good(r#"{"trades":[],"count":0,"last_ts":null}"#);
    assert_eq!((nothing.trades.len(), nothing.count, nothing.last_ts), (0, Some(0), None));
    assert!(
        good::<PostTrade>(r#"{"trades":[{"trade_id":"T","price":"1","quantity":"1"}]}"#).trades[0]
            .trade_ts
            .is_none()
    );
    assert_eq!(fault::<PostTrade>("{}"), "result.trades is not present");
    assert_eq!(
        fault::<PostTrade>(r#"{"trades":[{"trade_id":"T","price":"1"}]}"#),
        "result.trades.0.quantity is not present"
    );
}
