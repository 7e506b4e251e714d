//! Trades, positions, volumes and credit in the forms in which Kraken is known to write them.

use serde_json::value::RawValue;
use tidegate_kraken::wire::{
    CreditLines, LedgersById, OpenPositions, ShapeError, TradeBalance, TradeVolume, TradesById,
    TradesHistory, Wire, read,
};

fn parse<T: Wire>(json: &str) -> Result<T, ShapeError> {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw))
}

fn good<T: Wire>(json: &str) -> T {
    parse(json).expect("fits")
}

const SPOT: &str = r#"{"ordertxid":"OLM64K-2CIQH-3PVKSQ","postxid":"T3NSBS-2ILRK-4JQWO7","pair":"XXBTZUSD","aclass":"forex",
    "time":1781000299.681409,"type":"buy","ordertype":"limit","tradeordertype":"limit","price":"61000.00000",
    "cost":"6100.00000","fee":"15.25000","vol":"0.10000000","margin":"0.00000","leverage":"0","misc":"",
    "ledgers":["LQXTPU-ZZTPC-QPYFLO","LHKJ2F-ZGMN4-XKHAB7"],"trade_id":91044210,"maker":true,"new":{"a": [1]}}"#;

/// Figures of the closed part as numbers, as the specification types them, and the fewest members that there can be.
const OPENED: &str = r#"{"ordertxid":"OLM64K-2CIQH-3PVKSQ","pair":"XBTUSD","time":1781000299,"type":"sell","ordertype":"market",
    "price":61000.10,"vol":0.1,"leverage":5,"misc":"closing","trade_id":"91044211","posstatus":"closed","cprice":61100.0,
    "ccost":6110.0,"cfee":1.52e1,"cvol":"0.10000000","cmargin":"1220.0","net":"+10.0000","trades":["TOZ2DY-HFWHY-JZXKVW"]}"#;

#[test]
fn worth_with_positions_and_without() {
    let with: TradeBalance = good(
        r#"{"eb":"35110.2210","tb":"20450.1182","m":"2010.5500","n":"-10.0232","c":"10052.7500","v":"10042.7268",
            "e":"20440.0950","mf":"18429.5450","ml":1016.640,"uv":"0.0000","mfo":"18429.5450","x":null}"#,
    );
    let text = |amount: &Option<tidegate_kraken::wire::Decimal>| amount.as_ref().map(|d| d.0.clone());
    assert_eq!((text(&with.n).as_deref(), text(&with.ml).as_deref()), (Some("-10.0232"), Some("1016.640")));
    assert_eq!(with.extra.get("x").map(String::as_str), Some("null"));
    let without: TradeBalance = good(r#"{"eb":"1","tb":2.50,"e":"2.5","mf":"2.5"}"#);
    assert_eq!((without.tb.0.as_str(), without.m, without.ml, without.mfo), ("2.50", None, None, None));
    let error = parse::<TradeBalance>("{}").expect_err("nothing is not zero");
    assert_eq!(error.to_string(), "result.eb is not present");
}

#[test]
fn trades() {
    let page: TradesHistory =
        good(&format!(r#"{{"trades":{{"TZ":{SPOT},"TA":{OPENED}}},"count":"70","next":1}}"#));
    let ids: Vec<_> = page.trades.0.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, page.count, page.extra.len()), (vec!["TZ", "TA"], Some(70), 1));
    let spot = page.trades.get("TZ").expect("there");
    assert_eq!(spot.time.unix_ns(), Some(1_781_000_299_681_409_000));
    assert_eq!((spot.maker, spot.trade_id, spot.ledgers.len()), (Some(true), Some(91_044_210), 2));
    assert_eq!((spot.posstatus.as_ref(), spot.cprice.as_ref(), spot.trades.len()), (None, None, 0));
    assert_eq!(spot.extra.get("new").map(String::as_str), Some(r#"{"a": [1]}"#));
    let opened = page.trades.get("TA").expect("there");
    assert_eq!((opened.price.0.as_str(), opened.trade_id), ("61000.10", Some(91_044_211)));
    assert_eq!(opened.cfee.as_ref().expect("there").0, "15.2");
    assert_eq!((opened.net.as_ref().expect("there").0.as_str(), opened.trades.len()), ("+10.0000", 1));
    assert_eq!((opened.postxid.as_ref(), opened.maker), (None, None));

    assert_eq!(good::<TradesHistory>(r#"{"trades":{},"count":0}"#).trades.0.len(), 0);
    assert_eq!(good::<TradesHistory>(r#"{"trades":{}}"#).count, None);
    assert!(parse::<TradesHistory>("{}").is_err(), "no list is not an empty list");
    assert_eq!(good::<TradesById>("{}").0.len(), 0);
    assert_eq!(good::<TradesById>(&format!(r#"{{"TZ":{SPOT}}}"#)).get("TZ"), Some(spot));
    let error = parse::<TradesById>(r#"{"TZ":{"ordertxid":"O"}}"#).expect_err("no pair");
    assert_eq!(error.to_string(), "result.TZ.pair is not present");
    let error = parse::<TradesById>(&format!(r#"{{"TZ":{}}}"#, SPOT.replace("91044210", "-1")));
    assert_eq!(error.expect_err("no such number").path, "result.TZ.trade_id");
}

#[test]
fn ledger_entries_by_id() {
    let entries: LedgersById = good(
        r#"{"LQXTPU-ZZTPC-QPYFLO":{"refid":"TVZL3T-NBZOC-7EOGDV","time":1781000299.6814,"type":"trade","subtype":"",
            "aclass":"currency","asset":"ZUSD","amount":-6100.00,"fee":"15.2500","balance":"14334.8682","later":[]}}"#,
    );
    let entry = entries.get("LQXTPU-ZZTPC-QPYFLO").expect("there");
    assert_eq!((entry.amount.0.as_str(), entry.extra.len()), ("-6100.00", 1));
    assert_eq!(good::<LedgersById>("{}").0.len(), 0);
}

#[test]
fn positions() {
    let positions: OpenPositions = good(
        r#"{"T7S7S4-FLCDG-5SSDDE":{"ordertxid":"OYYGDE-RB3NR-SSU6TI","posstatus":"open","pair":"XXBTZUSD","class":"forex",
            "time":1780900097.8294,"type":"buy","ordertype":"limit","cost":"10052.75000","fee":"26.13715","vol":"0.16500000",
            "vol_closed":"0.00000000","margin":2010.55,"value":"10106.2","net":"+53.4500","terms":"0.0100% per 4 hours",
            "rollovertm":"1781014497","misc":"","oflags":"","liquidation":{}},
            "TA":{"pair":"XXBTZUSD","aclass":"forex","type":"buy","vol":0.165}}"#,
    );
    let (id, one) = &positions.0[0];
    assert_eq!((id.as_deref(), one.aclass.as_deref()), (Some("T7S7S4-FLCDG-5SSDDE"), Some("forex")));
    assert_eq!(one.rollovertm.as_ref().expect("there").unix_ns(), Some(1_781_014_497_000_000_000));
    assert_eq!(one.margin.as_ref().expect("there").0, "2010.55");
    assert_eq!((one.net.as_ref().expect("there").0.as_str(), one.extra.len()), ("+53.4500", 1));
    let (_, few) = &positions.0[1];
    assert_eq!(
        (few.aclass.as_deref(), few.value.as_ref(), few.vol.0.as_str()),
        (Some("forex"), None, "0.165")
    );
    assert!(parse::<OpenPositions>(r#"{"T":{"pair":"XXBTZUSD","type":"buy"}}"#).is_err());
}

#[test]
fn positions_joined_by_market_have_no_id() {
    let joined: OpenPositions = good(
        r#"[{"pair":"ETHUSDT","positions":"3","type":"buy","leverage":"2.00000","cost":"28.49800","fee":"0.07979",
            "vol":"0.02000000","vol_closed":"0.00000000","margin":"14.24900"}]"#,
    );
    let (id, one) = &joined.0[0];
    assert_eq!(
        (id, one.positions, one.leverage.as_ref().expect("there").0.as_str()),
        (&None, Some(3), "2.00000")
    );
    for none in ["{}", "[]"] {
        assert!(good::<OpenPositions>(none).0.is_empty(), "{none}");
    }
    let error = parse::<OpenPositions>(r#"[{"pair":"ETHUSDT","type":"buy"}]"#).expect_err("no volume");
    assert_eq!(error.to_string(), "result.0.vol is not present");
}

#[test]
fn volumes_and_fees_in_both_spellings() {
    let wire: TradeVolume = good(
        r#"{"currency":"ZUSD","asset_class":"currency","volume":"210034.8821",
            "inputs":{"domain_spot_volume_30d":"210034.8821","domain_futures_volume_30d":0.0000},
            "fees":{"XXBTZUSD":{"fee":"0.2200","minfee":"0.0800","maxfee":"0.4000","nextfee":"0.2000","nextvolume":"250000.0000",
            "tiervolume":"100000.0000"}},
            "fees_maker":{"XXBTZUSD":{"fee":0.12,"minfee":"0.0000","maxfee":"0.2500","nextfee":null,"nextvolume":null,
            "tiervolume":null,"x":1}},
            "schedules":{"XXBTZUSD":{"taker":[["0","0.4000"],[10000,0.35]],"maker":[["0","0.2500"]]}},"volume_sub":{}}"#,
    );
    let schedules = wire.schedules.as_ref().expect("there");
    assert_eq!(schedules.get("XXBTZUSD").expect("there").taker[1].percent.0, "0.35");
    assert_eq!(wire.inputs.as_ref().expect("there").0.len(), 2);
    assert_eq!(wire.extra.keys().collect::<Vec<_>>(), ["volume_sub"]);
    let maker = wire.fees_maker.as_ref().and_then(|fees| fees.get("XXBTZUSD")).expect("there");
    assert_eq!((maker.fee.0.as_str(), maker.nextfee.as_ref(), maker.extra.len()), ("0.12", None, 1));

    let spec: TradeVolume = good(
        r#"{"currency":"ZUSD","volume":1,"fees":{"XXBTZUSD":{"fee":"0.2200","min_fee":"0.0800","max_fee":"0.4000",
            "next_fee":"0.2000","next_volume":"250000.0000","tier_volume":"100000.0000"}},"fees_maker":null}"#,
    );
    assert_eq!(spec.fees, wire.fees);
    assert_eq!((spec.fees_maker, spec.schedules, spec.inputs), (None, None, None));
    assert!(parse::<TradeVolume>(r#"{"currency":"ZUSD"}"#).is_err(), "an unknown volume is not zero");
    assert!(parse::<TradeVolume>(r#"{"currency":"ZUSD","volume":1,"fees":{"X":{}}}"#).is_err());
}

/// The inner form of schedules is documented nowhere, so another one must not cost the answer.
#[test]
fn schedules_of_an_unknown_form_are_kept_as_they_are() {
    for form in [r#"{"XXBTZUSD":{"taker":[{"volume":"0"}]}}"#, r#"[["0","0.4"]]"#] {
        let volume: TradeVolume =
            good(&format!(r#"{{"currency":"ZUSD","volume":"0.0000","schedules":{form}}}"#));
        assert_eq!((volume.schedules, volume.extra.get("schedules").map(String::as_str)), (None, Some(form)));
    }
}

#[test]
fn credit_lines() {
    let lines: CreditLines = good(
        r#"{"asset_details":{"ZUSD":{"balance":"1000.5000","credit_limit":50000.00,"credit_used":"12500.0000",
            "available_credit":"37500.0000","rate":"0.1"},"EUR":{"credit_limit":"1","credit_used":"0"}},
            "limits_monitor":{"total_credit_usd":"50000.0000","total_credit_used_usd":null,"equity_usd":"67500.0000",
            "debt_to_equity":0.1852,"y":1},"z":[]}"#,
    );
    let details = lines.asset_details.as_ref().expect("there");
    let dollar = details.get("ZUSD").expect("there");
    assert_eq!((dollar.credit_limit.0.as_str(), dollar.extra.len()), ("50000.00", 1));
    assert_eq!(details.get("EUR").expect("there").available_credit, None);
    let limits = lines.limits_monitor.as_ref().expect("there");
    assert_eq!((limits.total_credit_used_usd.as_ref(), limits.extra.len()), (None, 1));
    assert_eq!(limits.debt_to_equity.as_ref().expect("there").0, "0.1852");
    assert_eq!(lines.extra.len(), 1);
    for none in ["null", "{}", r#"{"asset_details":null,"limits_monitor":null}"#] {
        assert_eq!(good::<CreditLines>(none), CreditLines::default(), "{none}");
    }
    let error = parse::<CreditLines>(r#"{"asset_details":{"ZUSD":{"balance":"1"}}}"#).expect_err("no limit");
    assert_eq!(error.to_string(), "result.asset_details.ZUSD.credit_limit is not present");
}
