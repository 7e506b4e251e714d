//! Results in the forms in which Kraken is known to write them.

use serde_json::value::RawValue;
use tidegate_kraken::wire::{
    ApiKeyInfo, AssetPairs, Assets, Balances, ClosedOrders, ExtendedBalances, Ledgers, OpenOrders,
    OrderAdded, OrdersById, OrdersCancelled, ServerTime, ShapeError, SystemStatus, Tickers, Time,
    WebSocketsToken, Wire, read,
};

fn parse<T: Wire>(json: &str) -> Result<T, ShapeError> {
    let raw = RawValue::from_string(json.to_owned()).expect("JSON");
    read(Some(&raw))
}

fn good<T: Wire>(json: &str) -> T {
    parse(json).expect("fits")
}

const ORDER: &str = r#"{"refid":null,"userref":null,"cl_ord_id":"3f8c2a17-9d54-4b0e-8a61-57c2e9d1b440","status":"open",
    "opentm":1781000233.729133,"starttm":0,"expiretm":0,"descr":{"pair":"XBTUSD","aclass":"forex","type":"buy",
    "ordertype":"limit","price":"61000.0","price2":"0","leverage":"none","order":"buy 0.25 XBTUSD @ limit 61000.0",
    "close":""},"vol":"0.25000000","vol_exec":"0.10000000","cost":"6100.00000","fee":"15.25000","price":"61000.0",
    "stopprice":"0.00000","limitprice":"0.00000","trigger":"last","margin":false,"misc":"partial","sender_sub_id":null,
    "oflags":"fciq,post","time_in_force":"gtc","trades":["TVZL3T-NBZOC-7EOGDV"],"avg_price":1.50,"new":{"a": [1]}}"#;

#[test]
fn public_results() {
    let time: ServerTime = good(r#"{"unixtime":1781000400,"rfc1123":"Tue,  9 Jun 26 10:20:00 +0000"}"#);
    assert_eq!(time.unixtime, 1_781_000_400);
    let status: SystemStatus = good(r#"{"status":"online","timestamp":"2026-06-09T10:20:00Z"}"#);
    assert_eq!(status.status, "online");

    let assets: Assets = good(
        r#"{"XXBT":{"aclass":"currency","altname":"XBT","decimals":10,"display_decimals":5,"collateral_value":1,
            "margin_rate":0.0250,"status":"enabled"},
            "USDC":{"aclass":"currency","altname":"USDC","decimals":8,"collateral_value":"0.99","added":true}}"#,
    );
    assert_eq!(assets.get("XXBT").and_then(|a| a.margin_rate.as_ref()).expect("there").0, "0.0250");
    let usdc = assets.get("USDC").expect("there");
    assert_eq!((usdc.collateral_value.as_ref().expect("there").0.as_str(), &usdc.status), ("0.99", &None));
    assert_eq!(usdc.extra.get("added").map(String::as_str), Some("true"));

    let pairs: AssetPairs = good(
        r#"{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD","lot":"unit",
            "cost_decimals":5,"pair_decimals":1,"lot_decimals":8,"lot_multiplier":1,"leverage_buy":[2,3],
            "fees":[[0,0.40],[10000,0.35]],"fees_maker":[[0,-0.01]],"ordermin":"0.00005","tick_size":"0.1",
            "long_position_limit":25000000000}, "A":{}}"#,
    );
    let pair = pairs.get("XXBTZUSD").expect("there");
    assert_eq!((pair.fees[0].percent.0.as_str(), pair.fees_maker[0].percent.0.as_str()), ("0.40", "-0.01"));
    assert_eq!(
        (pair.long_position_limit, pair.leverage_buy.as_slice()),
        (Some(25_000_000_000), [2, 3].as_slice())
    );
    assert_eq!(pair.extra.get("lot").map(String::as_str), Some("\"unit\""));
    let error = parse::<AssetPairs>(r#"{"X":{"fees":[[0,1],[1]]}}"#).expect_err("half a step");
    assert_eq!(error.to_string(), "result.X.fees.1 is not a pair of volume and percent");

    let tickers: Tickers = good(
        r#"{"XXBTZUSD":{"a":["61250.10000","2","2.000"],"b":["61250.00000","1","1.000"],"c":["61250.1","0.00412"],
            "v":["812.4","2210.9"],"p":["1","2"],"t":[21455,58110],"l":["1","2"],"h":["3","4"],"o":"60940.30000"}}"#,
    );
    assert_eq!(tickers.get("XXBTZUSD").map(|t| t.t.clone()), Some(vec![21_455, 58_110]));
}

#[test]
fn balances_as_text_or_number() {
    let plain: Balances = good(r#"{"ZUSD":"20450.1182","XXBT":"1.2040000000","DOT.S":"12.0000000000"}"#);
    assert_eq!(plain.get("XXBT").expect("there").0, "1.2040000000");
    let extended: ExtendedBalances = good(
        r#"{"ZUSD":{"balance":"1.50","hold_trade":"0.00"},"ZEUR":{"balance":100.00,"credit":5000,"x":1}}"#,
    );
    let eur = extended.get("ZEUR").expect("there");
    assert_eq!((eur.balance.0.as_str(), eur.extra.len()), ("100.00", 1));
    assert!(parse::<Balances>(r#"{"ZUSD":null}"#).is_err());
}

#[test]
fn orders() {
    let open: OpenOrders = good(&format!(r#"{{"open":{{"OLM64K-2CIQH-3PVKSQ":{ORDER}}}}}"#));
    let order = open.open.get("OLM64K-2CIQH-3PVKSQ").expect("there");
    assert_eq!(order.opentm.as_ref().expect("set").unix_ns(), Some(1_781_000_233_729_133_000));
    assert_eq!(order.starttm.as_ref().expect("there").unix_ns(), None);
    assert_eq!((order.userref, order.margin, order.trades.len()), (None, Some(false), 1));
    assert_eq!((order.descr.side.as_str(), order.vol.0.as_str()), ("buy", "0.25000000"));
    assert_eq!(order.extra.get("avg_price").map(String::as_str), Some("1.50"));
    assert_eq!(order.extra.get("new").map(String::as_str), Some(r#"{"a": [1]}"#));

    let closed: ClosedOrders =
        good(&format!(r#"{{"closed":{{"OZ":{ORDER},"OA":{ORDER},"OM":{ORDER}}},"count":3}}"#));
    let ids: Vec<&str> = closed.closed.0.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, closed.count), (vec!["OZ", "OA", "OM"], Some(3)));
    assert_eq!(good::<OrdersById>("{}").0.len(), 0);

    let error = parse::<OpenOrders>(r#"{"open":{"OX":{"status":"open","vol":true}}}"#).expect_err("no descr");
    assert_eq!(error.to_string(), "result.open.OX.descr is not present");
    assert!(parse::<OpenOrders>("{}").is_err(), "no list is not an empty list");
    assert!(read::<OpenOrders>(None).is_err());
}

#[test]
fn ledgers() {
    let page: Ledgers = good(
        r#"{"ledger":{"LB":{"refid":"T","time":1781000299.6814,"type":"trade","subtype":"","aclass":"currency",
            "asset":"ZUSD","amount":"-6100.0000","fee":"15.2500","balance":"14334.8682"},
            "LA":{"time":1781000299,"type":"trade","asset":"XXBT","amount":"0.1"}},"count":2}"#,
    );
    assert_eq!((page.ledger.0[0].0.as_str(), page.ledger.0[0].1.amount.0.as_str()), ("LB", "-6100.0000"));
}

#[test]
fn answers_to_orders_and_cancels() {
    let added: OrderAdded =
        good(r#"{"descr":{"order":"buy","close":"close","x":1},"txid":["OLM64K"],"y":[]}"#);
    assert_eq!(
        (added.txid.as_slice(), added.close.as_deref()),
        (["OLM64K".to_owned()].as_slice(), Some("close"))
    );
    assert_eq!(added.extra.keys().collect::<Vec<_>>(), ["descr.x", "y"]);
    assert!(good::<OrderAdded>(r#"{"descr":{"order":"buy"}}"#).txid.is_empty(), "validated only");
    assert!(parse::<OrderAdded>("true").is_err());

    let gone: OrdersCancelled = good(r#"{"count":3,"pending":true}"#);
    assert_eq!((gone.count, gone.pending), (3, true));
    assert!(!good::<OrdersCancelled>(r#"{"count":0}"#).pending);
    assert!(parse::<OrdersCancelled>("{}").is_err());
}

#[test]
fn key_info_in_both_spellings() {
    let snake: ApiKeyInfo = good(
        r#"{"api_key_name":"n","api_key":"public-half","nonce":"1781000400000000000","nonce_window":"10",
            "permissions":["query-funds","something-new"],"iban":"AA11 N22G TEST 0001","valid_until":"0",
            "query_from":"0","query_to":"1781000399","created_time":"1772542900","modified_time":"1772543095",
            "ip_allowlist":[""],"last_used":null,"z":0}"#,
    );
    let camel: ApiKeyInfo = good(
        r#"{"apiKeyName":"n","apiKey":"public-half","nonce":1781000400000000000,"nonceWindow":10,
            "permissions":["query-funds","something-new"],"iban":"AA11 N22G TEST 0001","validUntil":0,
            "queryFrom":"0","queryTo":"1781000399","createdTime":"1772542900","modifiedTime":"1772543095",
            "ipAllowlist":[],"z":0}"#,
    );
    assert_eq!(snake, camel);
    assert_eq!((snake.nonce_window, snake.valid_until.is_none(), snake.ip_allowlist.len()), (10, true, 0));
    assert_eq!(snake.query_to.and_then(Time::unix_ns), Some(1_781_000_399_000_000_000));
    assert!(!format!("{snake:?}").contains("public-half"));

    let error = parse::<ApiKeyInfo>(r#"{"permissions":[]}"#).expect_err("an unknown window is not 0");
    assert_eq!(error.path, "result.nonce_window");
    assert!(parse::<ApiKeyInfo>(r#"{"nonceWindow":0}"#).is_err(), "unknown permissions are not none");
}

#[test]
fn tokens_are_not_printed() {
    let token: WebSocketsToken = good(r#"{"token":"WW91ckludmVudGVk","expires":900}"#);
    assert_eq!((token.token.as_str(), token.expires_s), ("WW91ckludmVudGVk", 900));
    assert!(!format!("{token:?}").contains("WW91"));
}

#[test]
fn errors_name_the_place_and_never_the_value() {
    let error = parse::<WebSocketsToken>(r#"{"token":12345678,"expires":900}"#).expect_err("a number");
    assert_eq!(error.to_string(), "result.token is not a text");
}
