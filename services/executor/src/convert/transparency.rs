//! Pre-trade and post-trade transparency: parameters there, replies back.

use jiff::Timestamp as Moment;
use prost_types::Timestamp;
use tidegate_core::Error;
use tidegate_kraken::Params;
use tidegate_kraken::wire::{Extra, PostTrade, PreTrade, PreTradeLevel, PublishedTrade};
use tidegate_proto::v1;

use super::books::{at_most, unknown};
use super::request::Builder;
use super::rfc3339;

/// Parameters of PreTrade.
pub(crate) fn pre_trade_of(request: &v1::GetPreTradeRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    if (3..=32).contains(&request.symbol.len()) {
        to.word("symbol", "symbol", &request.symbol);
    } else {
        to.wrong("symbol", "must be 3 to 32 characters, for instance BTC/USD");
    }
    to.finish()
}

/// Parameters of PostTrade.
pub(crate) fn post_trade_of(request: &v1::GetPostTradeRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.word("symbol", "symbol", &request.symbol);
    if request.page_token.is_empty() {
        moment(&mut to, "from_ts", "start_time", request.start_time.as_ref());
    } else {
        if request.start_time.is_some() {
            to.wrong("start_time", "must not be set together with page_token");
        }
        // Kraken's own cursor, which is a time with nine decimals.
        match request.page_token.parse::<Moment>() {
            Ok(_) if request.page_token.len() <= 40 => to.text("from_ts", &request.page_token),
            _ => to.wrong("page_token", "must be the next_page_token of an earlier reply to this call"),
        }
    }
    moment(&mut to, "to_ts", "end_time", request.end_time.as_ref());
    at_most(&mut to, "count", request.count, 1_000);
    to.finish()
}

/// A time with its fraction; left out where unset.
fn moment(to: &mut Builder, name: &'static str, field: &str, time: Option<&Timestamp>) {
    let Some(time) = time else { return };
    match Moment::new(time.seconds, time.nanos) {
        Ok(moment) if time.seconds > 0 && time.nanos >= 0 => to.text(name, moment.to_string()),
        _ => to.wrong(field, "must be a time after 1970"),
    }
}

/// A time that Kraken wrote; its text is kept where it cannot be read.
fn read_time(text: Option<String>, name: &str, extra: &mut Extra) -> Option<Timestamp> {
    let text = text?;
    rfc3339(&text).or_else(|| unknown(extra, name, &text, None))
}

pub(crate) fn pre_trade(book: PreTrade) -> v1::GetPreTradeResponse {
    v1::GetPreTradeResponse {
        symbol: book.symbol,
        description: book.description.unwrap_or_default(),
        base_asset: book.base_asset.unwrap_or_default(),
        base_dti_code: book.base_dti_code.unwrap_or_default(),
        base_dti_short_name: book.base_dti_short_name.unwrap_or_default(),
        base_notation: book.base_notation.unwrap_or_default(),
        quote_asset: book.quote_asset.unwrap_or_default(),
        quote_dti_code: book.quote_dti_code.unwrap_or_default(),
        quote_dti_short_name: book.quote_dti_short_name.unwrap_or_default(),
        quote_notation: book.quote_notation.unwrap_or_default(),
        venue: book.venue.unwrap_or_default(),
        system: book.system.unwrap_or_default(),
        asks: book.asks.into_iter().map(level).collect(),
        bids: book.bids.into_iter().map(level).collect(),
        extra: book.extra.into_iter().collect(),
    }
}

fn level(mut level: PreTradeLevel) -> v1::PreTradeLevel {
    let side = match level.side.as_deref() {
        Some("BUY") => v1::Side::Buy,
        Some("SELL") => v1::Side::Sell,
        Some(word) => unknown(&mut level.extra, "side", word, v1::Side::Unspecified),
        None => v1::Side::Unspecified,
    };
    v1::PreTradeLevel {
        side: side.into(),
        price: level.price.0,
        volume: level.qty.0,
        orders: level.count,
        submission_time: read_time(level.submission_ts, "submission_ts", &mut level.extra),
        publication_time: read_time(level.publication_ts, "publication_ts", &mut level.extra),
        extra: level.extra.into_iter().collect(),
    }
}

pub(crate) fn post_trade(page: PostTrade) -> v1::GetPostTradeResponse {
    v1::GetPostTradeResponse {
        trades: page.trades.into_iter().map(published).collect(),
        next_page_token: page.last_ts.unwrap_or_default(),
        count: page.count,
        extra: page.extra.into_iter().collect(),
    }
}

fn published(mut trade: PublishedTrade) -> v1::PublishedTrade {
    v1::PublishedTrade {
        trade_id: trade.trade_id,
        price: trade.price.0,
        volume: trade.quantity.0,
        symbol: trade.symbol.unwrap_or_default(),
        description: trade.description.unwrap_or_default(),
        base_asset: trade.base_asset.unwrap_or_default(),
        base_notation: trade.base_notation.unwrap_or_default(),
        quote_asset: trade.quote_asset.unwrap_or_default(),
        quote_notation: trade.quote_notation.unwrap_or_default(),
        trade_venue: trade.trade_venue.unwrap_or_default(),
        trade_time: read_time(trade.trade_ts, "trade_ts", &mut trade.extra),
        publication_venue: trade.publication_venue.unwrap_or_default(),
        publication_time: read_time(trade.publication_ts, "publication_ts", &mut trade.extra),
        extra: trade.extra.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: i32) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos })
    }

    fn fields(params: Result<Params, Error>) -> Vec<String> {
        params.expect_err("wrong").fields.into_iter().map(|wrong| wrong.field).collect()
    }

    #[test]
    fn times_and_pages_are_written_as_kraken_reads_them() {
        let nothing = post_trade_of(&v1::GetPostTradeRequest::default()).expect("all pairs").query();
        assert_eq!(nothing, "");
        let request = v1::GetPostTradeRequest {
            symbol: "BTC/USD".into(),
            start_time: at(1_781_000_399, 910_221_300),
            end_time: at(1_781_000_400, 0),
            count: 1_000,
            ..Default::default()
        };
        assert_eq!(
            post_trade_of(&request).expect("good").query(),
            "symbol=BTC%2FUSD&from_ts=2026-06-09T10%3A19%3A59.9102213Z&to_ts=2026-06-09T10%3A20%3A00Z&count=1000"
        );
        let token = "2026-06-09T10:20:00.910221300Z";
        let next = v1::GetPostTradeRequest { page_token: token.into(), ..Default::default() };
        assert_eq!(
            post_trade_of(&next).expect("good").query(),
            "from_ts=2026-06-09T10%3A20%3A00.910221300Z",
            "as it was given"
        );
    }

    #[test]
    fn all_mistakes_are_named_at_once() {
        let request = v1::GetPostTradeRequest {
            symbol: "A B".into(),
            start_time: at(1, 0),
            end_time: at(5, -1),
            page_token: "soon".into(),
            count: 1_001,
            ..Default::default()
        };
        assert_eq!(
            fields(post_trade_of(&request)),
            ["symbol", "start_time", "page_token", "end_time", "count"]
        );
        for symbol in ["", "AB", &"A".repeat(33), "A B"] {
            let request = v1::GetPreTradeRequest { symbol: symbol.into(), ..Default::default() };
            assert_eq!(fields(pre_trade_of(&request)), ["symbol"], "{symbol}");
        }
    }

    fn wire<T: tidegate_kraken::wire::Wire>(json: &str) -> T {
        let raw = serde_json::value::RawValue::from_string(json.into()).expect("JSON");
        tidegate_kraken::wire::read(Some(&raw)).expect("fits")
    }

    #[test]
    fn a_time_or_a_side_that_cannot_be_read_keeps_its_text() {
        let trade = published(wire(
            r#"{"trade_id":"T","price":"1","quantity":"2","trade_ts":"yesterday",
                "publication_ts":"2026-06-09T10:20:00.000221001Z"}"#,
        ));
        assert_eq!((trade.trade_time, trade.extra["trade_ts"].as_str()), (None, "yesterday"));
        assert_eq!(trade.publication_time.map(|time| time.nanos), Some(221_001));
        let level = level(wire(r#"{"side":"HOLD","price":"1","qty":"2"}"#));
        assert_eq!((level.side(), level.extra["side"].as_str()), (v1::Side::Unspecified, "HOLD"));
    }

    #[test]
    fn every_value_arrives_at_its_place() {
        let book = pre_trade(wire(
            r#"{"symbol":"s","description":"d","base_asset":"ba","base_dti_code":"bc","base_dti_short_name":"bn",
                "base_notation":"b","quote_asset":"qa","quote_dti_code":"qc","quote_dti_short_name":"qn",
                "quote_notation":"q","venue":"v","system":"y","bids":[{"side":"BUY","price":"1","qty":"2","count":3,
                "submission_ts":"1970-01-01T00:00:01Z","publication_ts":"1970-01-01T00:00:02Z"}],
                "asks":[{"side":"SELL","price":"4","qty":"5"}]}"#,
        ));
        assert_eq!((book.symbol.as_str(), book.description.as_str()), ("s", "d"));
        assert_eq!(
            [book.base_asset, book.base_dti_code, book.base_dti_short_name, book.base_notation],
            ["ba", "bc", "bn", "b"]
        );
        assert_eq!(
            [book.quote_asset, book.quote_dti_code, book.quote_dti_short_name, book.quote_notation],
            ["qa", "qc", "qn", "q"]
        );
        assert_eq!((book.venue.as_str(), book.system.as_str()), ("v", "y"));
        let (ask, bid) = (&book.asks[0], &book.bids[0]);
        assert_eq!((ask.side(), ask.price.as_str(), ask.orders), (v1::Side::Sell, "4", None));
        assert_eq!((bid.side(), bid.volume.as_str(), bid.orders), (v1::Side::Buy, "2", Some(3)));
        assert_eq!((bid.submission_time, bid.publication_time), (at(1, 0), at(2, 0)));

        let page = post_trade(wire(
            r#"{"last_ts":"l","count":1,"trades":[{"trade_id":"T","price":"1","quantity":"2","symbol":"s",
                "description":"d","base_asset":"ba","base_notation":"b","quote_asset":"qa","quote_notation":"q",
                "trade_venue":"tv","trade_ts":"1970-01-01T00:00:01Z","publication_venue":"pv",
                "publication_ts":"1970-01-01T00:00:02Z"}]}"#,
        ));
        let trade = v1::PublishedTrade {
            trade_id: "T".into(),
            price: "1".into(),
            volume: "2".into(),
            symbol: "s".into(),
            description: "d".into(),
            base_asset: "ba".into(),
            base_notation: "b".into(),
            quote_asset: "qa".into(),
            quote_notation: "q".into(),
            trade_venue: "tv".into(),
            trade_time: at(1, 0),
            publication_venue: "pv".into(),
            publication_time: at(2, 0),
            extra: [].into(),
        };
        assert_eq!((page.trades, page.next_page_token.as_str(), page.count), (vec![trade], "l", Some(1)));
    }
}
