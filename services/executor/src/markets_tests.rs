use serde_json::value::RawValue;
use tidegate_kraken::wire;

use super::*;

const NOW: MonoUs = MonoUs(1_000_000);

/// BTC/USD as Kraken writes it; prices have ticks of `tick`.
fn markets(tick: &str) -> Markets {
    let json = format!(
        r#"{{"XXBTZUSD":{{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD","pair_decimals":1,
        "lot_decimals":8,"ordermin":"0.00005","costmin":"0.5","tick_size":"{tick}"}}}}"#
    );
    let raw = RawValue::from_string(json).expect("JSON");
    let markets = Markets::default();
    markets.learn(&wire::read::<AssetPairs>(Some(&raw)).expect("pairs"), NOW);
    markets
}

fn order(pairs: &[(&'static str, &str)]) -> Params {
    let mut params = Params::new();
    for (name, value) in [("pair", "XBTUSD"), ("ordertype", "limit")].iter().chain(pairs) {
        params.text(name, *value);
    }
    params
}

fn wrong(markets: &Markets, params: &Params) -> Vec<(String, String)> {
    match markets.judge(params, NOW) {
        Judgement::Wrong(wrong) => wrong.into_iter().map(|w| (w.field, w.description)).collect(),
        Judgement::Fine => Vec::new(),
        Judgement::Stale(_) => panic!("it is new"),
    }
}

#[test]
fn every_name_of_a_pair_has_its_rules() {
    for name in ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"] {
        let mut params = Params::new();
        params.text("pair", name);
        params.text("price", "1.23");
        let said = wrong(&markets("0.1"), &params);
        assert_eq!(said.len(), 1, "{name}");
        assert!(said[0].1.contains("BTC/USD, 0.1: the nearest are 1.2 and 1.3"), "{said:?}");
    }
    let mut unknown = Params::new();
    unknown.text("pair", "NEW/USD");
    unknown.text("price", "1.23");
    assert_eq!(markets("0.1").judge(&unknown, NOW), Judgement::Fine, "listed since, perhaps");
    assert_eq!(Markets::default().judge(&order(&[("price", "1.23")]), NOW), Judgement::Fine);
}

#[test]
fn all_amounts_of_all_rows_are_judged_at_once() {
    let markets = markets("0.1");
    let bad = order(&[("price", "1.23"), ("volume", "0.000000001"), ("displayvol", "0.000000001")]);
    let fields: Vec<_> = wrong(&markets, &bad).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["price", "volume", "display_volume", "volume"]);
    let mut batch = Params::new();
    batch.text("pair", "XBT/USD");
    let good = order(&[("price", "60000.1"), ("volume", "0.0001")]);
    batch.push("orders", Value::Rows(vec![good.clone(), bad, good]));
    let fields: Vec<_> = wrong(&markets, &batch).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["rows[1].price", "rows[1].volume", "rows[1].display_volume", "rows[1].volume"]);
    let mut amend = Params::new();
    for (name, value) in
        [("pair", "XBTUSD"), ("order_qty", "1.000000001"), ("limit_price", "1.23"), ("trigger_price", "1.2")]
    {
        amend.text(name, value);
    }
    let fields: Vec<_> = wrong(&markets, &amend).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["limit_price", "volume"]);
}

#[test]
fn small_orders_are_told_what_is_enough_unless_they_close() {
    let markets = markets("0.1");
    let small = [("price", "100.1"), ("volume", "0.0001")];
    assert!(wrong(&markets, &order(&small))[0].1.contains("least cost"));
    let mut reducing = order(&small);
    reducing.push("reduce_only", Value::Bool(true));
    assert_eq!(wrong(&markets, &reducing), []);
    assert_eq!(wrong(&markets, &order(&[("volume", "0")])), [], "the whole position");
    let in_quote = order(&[("volume", "0.00001"), ("oflags", "post,viqc")]);
    assert_eq!(wrong(&markets, &in_quote), []);
    let stop = order(&[("price", "100.1"), ("volume", "0.0001"), ("ordertype", "stop-loss")]);
    let mut first_type_wins = Params::new();
    for (name, value) in stop
        .iter()
        .filter(|(name, value)| !(*name == "ordertype" && **value == Value::Text("limit".to_owned())))
    {
        first_type_wins.push(name, value.clone());
    }
    assert_eq!(wrong(&markets, &first_type_wins), [], "executed at the market's price");
}

#[test]
fn what_closes_an_order_has_prices_of_its_own_and_relative_ones_are_krakens_to_judge() {
    let markets = markets("0.1");
    let mut stop = order(&[("volume", "1"), ("price", "+5.55"), ("price2", "-0.123%")]);
    let mut close = Params::new();
    for (name, value) in [("ordertype", "stop-loss-limit"), ("price", "60000.12"), ("price2", "#1.23")] {
        close.text(name, value);
    }
    stop.push("close", Value::Nested(close));
    let fields: Vec<_> = wrong(&markets, &stop).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["close.price"]);
}

#[test]
fn an_old_table_objects_only_after_a_question() {
    let markets = markets("0.1");
    let bad = order(&[("price", "1.23")]);
    assert!(matches!(markets.judge(&bad, MonoUs(NOW.0 + OLD_US)), Judgement::Wrong(_)));
    assert!(matches!(markets.judge(&bad, MonoUs(NOW.0 + OLD_US + 1)), Judgement::Stale(_)));
    assert_eq!(markets.judge(&order(&[("price", "1.2")]), MonoUs(u64::MAX)), Judgement::Fine);
}
