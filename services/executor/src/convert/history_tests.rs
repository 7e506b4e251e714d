use prost_types::Timestamp;
use serde_json::value::RawValue;
use tidegate_kraken::wire::{Wire, read};

use super::*;

fn wire<T: Wire>(json: &str) -> T {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw)).expect("fits")
}

fn fields(error: &Error) -> Vec<&str> {
    error.fields.iter().map(|wrong| wrong.field.as_str()).collect()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

#[test]
fn what_is_not_asked_for_is_not_sent() {
    let id = || vec!["TVZL3T-NBZOC-7EOGDV".to_owned()];
    assert_eq!(trade_balance_params(&v1::GetTradeBalanceRequest::default()).expect("good").query(), "");
    assert_eq!(trades_history_params(&v1::GetTradesHistoryRequest::default()).expect("good").query(), "");
    let trades = v1::QueryTradesRequest { trade_ids: id(), ..Default::default() };
    assert_eq!(query_trades_params(&trades).expect("good").query(), "txid=TVZL3T-NBZOC-7EOGDV");
    let ledgers = v1::QueryLedgersRequest { ledger_ids: id(), ..Default::default() };
    assert_eq!(query_ledgers_params(&ledgers).expect("good").query(), "id=TVZL3T-NBZOC-7EOGDV");
    assert_eq!(trade_volume_params(&v1::GetTradeVolumeRequest::default()).expect("good").query(), "");
    assert_eq!(open_positions_params(&v1::GetOpenPositionsRequest::default()).expect("good").query(), "");
    assert_eq!(credit_lines_params(&v1::GetCreditLinesRequest::default()).expect("good").query(), "");
}

#[test]
fn every_field_of_a_request_has_its_parameter() {
    let history = v1::GetTradesHistoryRequest {
        context: None,
        position_kind: v1::TradePositionKind::ClosingPosition.into(),
        trades: true,
        start_time: at(5),
        end_time: at(6),
        offset: 50,
        without_count: true,
        consolidate_taker: Some(false),
        ledgers: true,
        rebase_multiplier: v1::RebaseMultiplier::Base.into(),
    };
    assert_eq!(
        trades_history_params(&history).expect("good").query(),
        "type=closing%20position&trades=true&start=5&end=6&ofs=50&without_count=true&consolidate_taker=false\
         &ledgers=true&rebase_multiplier=base"
    );
    let volume = v1::GetTradeVolumeRequest {
        pairs: vec!["XBTUSD".into(), "ETH/USD".into()],
        fee_schedule: true,
        rebase_multiplier: v1::RebaseMultiplier::Rebased.into(),
        ..Default::default()
    };
    assert_eq!(
        trade_volume_params(&volume).expect("good").query(),
        "pair=XBTUSD%2CETH%2FUSD&fee_schedule=true&rebase_multiplier=rebased"
    );
    let positions = v1::GetOpenPositionsRequest {
        context: None,
        position_ids: vec!["T1".into(), "T2".into()],
        with_valuation: true,
        consolidate_by_market: true,
        rebase_multiplier: 0,
    };
    assert_eq!(
        open_positions_params(&positions).expect("good").query(),
        "txid=T1%2CT2&docalcs=true&consolidation=market"
    );
    let worth = v1::GetTradeBalanceRequest { asset: "ZEUR".into(), ..Default::default() };
    assert_eq!(trade_balance_params(&worth).expect("good").query(), "asset=ZEUR");
}

#[test]
fn pairs_with_classes_go_as_objects() {
    let pair = |pair: &str, asset_class: &str| v1::ClassedPair {
        pair: pair.to_owned(),
        asset_class: asset_class.to_owned(),
    };
    let mut request = v1::GetTradeVolumeRequest {
        classed_pairs: vec![pair("AAPL/USD", "equity_pair")],
        ..Default::default()
    };
    let params = trade_volume_params(&request).expect("good");
    let Some((_, Value::Rows(rows))) = params.iter().find(|(name, _)| *name == "pair") else {
        panic!("no list of objects");
    };
    assert_eq!(rows[0].query(), "asset=AAPL%2FUSD&aclass=equity_pair");
    request.pairs = vec!["XBTUSD".into()];
    request.classed_pairs.push(pair("", "a b"));
    request.rebase_multiplier = 9;
    let error = trade_volume_params(&request).expect_err("four mistakes");
    let expected =
        ["classed_pairs", "classed_pairs[1].pair", "classed_pairs[1].asset_class", "rebase_multiplier"];
    assert_eq!(fields(&error), expected);
}

#[test]
fn all_mistakes_are_named_at_once() {
    let history = v1::GetTradesHistoryRequest {
        position_kind: 99,
        start_time: Some(Timestamp { seconds: 5, nanos: 1 }),
        end_time: at(-5),
        rebase_multiplier: 99,
        ..Default::default()
    };
    let error = trades_history_params(&history).expect_err("nothing is right");
    assert_eq!(fields(&error), ["position_kind", "start_time", "end_time", "rebase_multiplier"]);
    let many = |count: usize| vec!["T1".to_owned(); count];
    for trade_ids in [many(0), many(21)] {
        let request = v1::QueryTradesRequest { trade_ids, ..Default::default() };
        assert_eq!(fields(&query_trades_params(&request).expect_err("none or too many")), ["trade_ids"]);
    }
    let ledger_ids = vec!["L1".to_owned(), "L 2".to_owned(), String::new()];
    let request = v1::QueryLedgersRequest { ledger_ids, ..Default::default() };
    let error = query_ledgers_params(&request).expect_err("two are no ids");
    assert_eq!(fields(&error), ["ledger_ids[1]", "ledger_ids[2]"]);
    let request = v1::GetOpenPositionsRequest { position_ids: many(501), ..Default::default() };
    assert_eq!(fields(&open_positions_params(&request).expect_err("too many")), ["position_ids"]);
}

#[test]
fn words_of_tomorrow_are_kept() {
    let page: TradesHistory = wire(
        r#"{"trades":{"T1":{"ordertxid":"O1","pair":"XBTUSD","time":1781000299.681409,"type":"lend","ordertype":"quantum",
            "price":"1.10","vol":"2","misc":"closing,new","posstatus":"closed","net":"+1.0","x":[1]},
            "T0":{"ordertxid":"O1","pair":"XBTUSD","time":1,"type":"sell","ordertype":"limit","price":1.10,"vol":"2"}},
            "count":2}"#,
    );
    let reply = trades_history(page);
    let strange = &reply.trades[0];
    assert_eq!((strange.side(), strange.order_type()), (v1::Side::Unspecified, v1::OrderType::Unspecified));
    let kept = |name: &str| strange.extra.get(name).map(String::as_str);
    assert_eq!(
        (kept("type"), kept("ordertype"), kept("x")),
        (Some("\"lend\""), Some("\"quantum\""), Some("[1]"))
    );
    assert_eq!(strange.misc, ["closing", "new"]);
    let closed = strange.closed_part.as_ref().expect("a position");
    assert_eq!((closed.position_status.as_str(), closed.net.as_str()), ("closed", "+1.0"));
    assert_eq!(strange.time, Some(Timestamp { seconds: 1_781_000_299, nanos: 681_409_000 }));
    let plain = &reply.trades[1];
    assert_eq!((plain.side(), plain.order_type()), (v1::Side::Sell, v1::OrderType::Limit));
    assert_eq!((plain.price.as_str(), &plain.closed_part, plain.extra.len()), ("1.10", &None, 0));
    assert_eq!((reply.count, plain.maker, plain.fee.as_str()), (Some(2), None, ""));
}

#[test]
fn an_account_without_credit_has_an_empty_answer() {
    assert_eq!(credit_lines(wire("null")), v1::GetCreditLinesResponse::default());
    let reply = credit_lines(wire(
        r#"{"asset_details":{"USD":{"credit_limit":"5","credit_used":"1"}},"limits_monitor":{"equity_usd":"2"}}"#,
    ));
    assert_eq!((reply.lines["USD"].credit_used.as_str(), reply.lines["USD"].balance.as_str()), ("1", ""));
    assert_eq!(reply.limits.expect("there").equity_usd, "2");
}

#[test]
fn figures_reach_the_field_that_is_meant() {
    let worth = trade_balance(wire(
        r#"{"eb":"1","tb":"2","m":"3","n":"-4","c":"5","v":"6","e":"7","mf":"8","ml":"9","uv":"10","mfo":"11"}"#,
    ));
    let expected = v1::GetTradeBalanceResponse {
        equivalent_balance: "1".into(),
        trade_balance: "2".into(),
        margin_used: "3".into(),
        unrealized_net: "-4".into(),
        cost_basis: "5".into(),
        floating_valuation: "6".into(),
        equity: "7".into(),
        free_margin: "8".into(),
        margin_level_percent: "9".into(),
        unfilled_value: "10".into(),
        mfo: "11".into(),
        extra: HashMap::new(),
    };
    assert_eq!(worth, expected);
    let volume = trade_volume(wire(
        r#"{"currency":"ZUSD","volume":"1","inputs":{"a":"2"},"fees":{"P":{"fee":"3","minfee":"4","maxfee":"5","nextfee":"6",
            "nextvolume":"7","tiervolume":"8"}},"fees_maker":{"P":{"fee":"9"}},"schedules":{"P":{"taker":[["0","10"]]}}}"#,
    ));
    let taker = &volume.fees["P"];
    assert_eq!([&taker.fee, &taker.min_fee, &taker.max_fee, &taker.next_fee], ["3", "4", "5", "6"]);
    assert_eq!([&taker.next_volume, &taker.tier_volume, &volume.inputs["a"]], ["7", "8", "2"]);
    assert_eq!((volume.fees_maker["P"].fee.as_str(), volume.fees_maker["P"].next_fee.as_str()), ("9", ""));
    assert_eq!(volume.schedules["P"].taker[0].percent, "10");
    let positions = open_positions(wire(
        r#"{"T1":{"ordertxid":"O1","posstatus":"open","pair":"XXBTZUSD","class":"forex","time":5,"type":"buy","ordertype":"limit",
            "cost":"1","fee":"2","vol":"3","vol_closed":"4","margin":"5","value":"6","net":"+7","terms":"8","rollovertm":"9",
            "misc":"","oflags":"fciq"}}"#,
    ));
    let one = &positions.positions[0];
    assert_eq!([&one.cost, &one.fee, &one.volume, &one.volume_closed], ["1", "2", "3", "4"]);
    assert_eq!([&one.margin, &one.value, &one.net, &one.terms], ["5", "6", "+7", "8"]);
    assert_eq!(
        (one.rollover_time, one.side(), one.order_type()),
        (at(9), v1::Side::Buy, v1::OrderType::Limit)
    );
    assert_eq!((one.order_flags.as_slice(), one.misc.len()), (["fciq".to_owned()].as_slice(), 0));
    let joined =
        open_positions(wire(r#"[{"pair":"P","positions":"2","type":"sell","leverage":"5","vol":"1"}]"#));
    let one = &joined.positions[0];
    assert_eq!((one.position_id.as_str(), one.joined_positions, one.side()), ("", Some(2), v1::Side::Sell));
    assert_eq!((one.leverage.as_str(), one.order_type()), ("5", v1::OrderType::Unspecified));
}
