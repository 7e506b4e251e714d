//! Trading with lent money: what a position costs and brings, what closes it, and what it keeps its owner from.

use super::*;
use crate::exchange::markets::ASSET_COUNT;

fn wide() -> Floor {
    Floor::new(&Options { tier: Tier::Wide, ..Options::default() })
}

impl Floor {
    /// Places an order in BTC/USD for the first account.
    fn lent(&mut self, side: &str, terms: &str) -> String {
        let placed =
            self.result("sandbox-all", "AddOrder", &format!("pair=XBTUSD&type={side}&{terms}&leverage=5"));
        self.now_us += 1;
        placed["txid"][0].as_str().unwrap().to_owned()
    }

    fn positions(&mut self, more: &str) -> Vec<Value> {
        let all = self.result("sandbox-all", "OpenPositions", more);
        all.as_object().unwrap().values().cloned().collect()
    }

    /// Asset, amount, fee and balance of the entries of a type, the newest first.
    fn booked(&mut self, kind: &str) -> Vec<[String; 4]> {
        let page = self.result("sandbox-all", "Ledgers", &format!("type={kind}"));
        let of = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let mut all: Vec<_> = page["ledger"].as_object().unwrap().values().collect();
        all.sort_by_key(|it| std::cmp::Reverse(it["time"].to_string()));
        all.into_iter().map(|it| ["asset", "amount", "fee", "balance"].map(|name| of(it, name))).collect()
    }

    fn balance(&mut self, asset: &str) -> String {
        self.result("sandbox-all", "Balance", "")[asset].as_str().unwrap().to_owned()
    }

    fn look(&mut self, id: &str) -> Value {
        self.result("sandbox-all", "QueryOrders", &format!("txid={id}&trades=true"))[id].clone()
    }

    fn not_lent(&mut self, side: &str, terms: &str) -> String {
        self.refusal("sandbox-all", "AddOrder", &format!("pair=XBTUSD&type={side}&{terms}"))
    }

    fn pool(&self) -> [i128; ASSET_COUNT] {
        self.exchange.engine.accounts.margin_pool
    }

    /// All but so many dollars leaves the account's spot wallet.
    fn keep_dollars(&mut self, dollars: u32) {
        let rest = (1_000_000 - dollars).to_string();
        for (asset, amount) in [("XBT", "100"), ("ETH", "1000"), ("EUR", "1000000"), ("USD", &rest)] {
            let wallets = "from=Spot%20Wallet&to=Futures%20Wallet";
            let form = format!("asset={asset}&amount={amount}&{wallets}");
            self.result("sandbox-all", "WalletTransfer", &form);
        }
    }
}

#[test]
fn a_position_costs_fees_and_is_closed_with_what_it_gained_or_lost() {
    let mut floor = wide();
    let dry = "pair=XBTUSD&type=buy&ordertype=market&volume=1&leverage=5:1&validate=true";
    let told = floor.result("sandbox-all", "AddOrder", dry);
    assert_eq!(told["descr"]["order"], "buy 1.00000000 XBTUSD @ market with 5:1 leverage");
    let opening = floor.lent("buy", "ordertype=market&volume=1");
    let order = floor.look(&opening);
    assert_eq!((&order["descr"]["leverage"], &order["margin"]), (&json!("5:1"), &json!(true)));
    assert_eq!((&order["status"], &order["oflags"]), (&json!("closed"), &json!("fciq")));
    // Nothing was bought for the account; it paid 0.4 % and 0.01 % of 60,000.50.
    assert_eq!(
        (floor.balance("XXBT"), floor.balance("ZUSD")),
        ("100.0000000000".into(), "999753.9980".into())
    );
    let [position] = &floor.positions("docalcs=true")[..] else { panic!("one position") };
    let shown =
        ["posstatus", "pair", "type", "cost", "fee", "vol", "vol_closed", "margin", "value", "net", "terms"];
    assert_eq!(
        shown.map(|name| position[name].as_str().unwrap()),
        [
            "open",
            "XXBTZUSD",
            "buy",
            "60000.50000",
            "246.00200",
            "1.00000000",
            "0.00000000",
            "12000.10000",
            "60000.00000",
            "-0.50000",
            "0.0100% per 4 hours"
        ]
    );
    let sum = floor.result("sandbox-all", "TradeBalance", "");
    let shown = ["m", "n", "c", "v", "uv"].map(|name| sum[name].as_str().unwrap());
    assert_eq!(shown, ["12000.1000", "-0.5000", "60000.5000", "60000.0000", "0.0000"]);
    let number = |name: &str| sum[name].as_str().unwrap().replace('.', "").parse::<i128>().unwrap();
    assert_eq!((number("e"), number("mf")), (number("tb") + number("n"), number("e") - number("m")));
    assert_eq!(number("ml"), number("e") * 10_000 / number("m"));

    let closing = floor.lent("sell", "ordertype=market&volume=0.4");
    assert_eq!(floor.booked("margin")[0], ["ZUSD", "-0.4000", "95.9992", "999657.5988"]);
    let [position] = &floor.positions("")[..] else { panic!("one position") };
    assert_eq!((&position["vol_closed"], position.get("net")), (&json!("0.40000000"), None));
    let market = floor.result("sandbox-all", "OpenPositions", "consolidation=market&docalcs=true");
    assert_eq!((&market[0]["positions"], &market[0]["net"]), (&json!("1"), &json!("-0.30000")));
    // What is left is closed whatever its size.
    floor.lent("sell", "ordertype=market&volume=0");
    assert!(floor.positions("").is_empty());
    assert_eq!(floor.pool(), [0; ASSET_COUNT]);

    let trades = |floor: &mut Floor, kind: &str| {
        let page = floor.result("sandbox-all", "TradesHistory", &format!("trades=true&type={kind}"));
        page["trades"].as_object().unwrap().values().cloned().collect::<Vec<_>>()
    };
    let [closed] = &trades(&mut floor, "closed%20position")[..] else { panic!("one closed") };
    let shown = ["posstatus", "leverage", "misc", "margin", "cprice", "ccost", "cvol", "cmargin", "net"];
    assert_eq!(
        shown.map(|name| closed[name].as_str().unwrap()),
        [
            "closed",
            "5",
            "",
            "12000.10000",
            "59999.50000",
            "59999.50000",
            "1.00000000",
            "12000.10000",
            "-1.00000"
        ]
    );
    assert_eq!(closed["trades"].as_array().unwrap().len(), 2);
    let closings = trades(&mut floor, "closing%20position");
    assert!(closings.len() == 2 && closings.iter().all(|it| it["misc"] == "closing"));
    assert!(closings.iter().all(|it| it["postxid"] == closed["postxid"] && it.get("posstatus").is_none()));
    assert!(closings.iter().any(|it| it["ordertxid"] == closing));
    assert_eq!(trades(&mut floor, "any%20position").len(), 3);
    assert_eq!(trades(&mut floor, "no%20position").len(), 0);
    assert_eq!(floor.refusal("sandbox-all", "TradesHistory", "type=some"), "EGeneral:Invalid arguments:type");
}

#[test]
fn the_oldest_is_closed_first_and_what_is_more_opens_one_the_other_way() {
    let mut floor = wide();
    floor.lent("sell", "ordertype=market&volume=1");
    let first = floor.positions("")[0].clone();
    floor.lent("sell", "ordertype=market&volume=2");
    assert_eq!(floor.positions("").len(), 2);
    floor.lent("buy", "ordertype=market&volume=1.5");
    let [left] = &floor.positions("")[..] else { panic!("one position") };
    assert_ne!(left["ordertxid"], first["ordertxid"]);
    assert_eq!((&left["vol"], &left["vol_closed"]), (&json!("2.00000000"), &json!("0.50000000")));
    floor.lent("buy", "ordertype=limit&price=61000&volume=2");
    let [turned] = &floor.positions("")[..] else { panic!("one position") };
    assert_eq!((&turned["type"], &turned["vol"]), (&json!("buy"), &json!("0.50000000")));
    // One entry for what was closed, one for what was opened.
    let page = floor.result("sandbox-all", "TradesHistory", "ledgers=true");
    let trades = page["trades"].as_object().unwrap().values();
    let twice: Vec<_> = trades.filter(|trade| trade["ledgers"].as_array().unwrap().len() == 2).collect();
    assert!(
        twice.len() == 1 && twice[0]["misc"] == "closing" && twice[0]["posstatus"] == "open",
        "{twice:?}"
    );
    floor.lent("sell", "ordertype=market&volume=0");
    assert_eq!(floor.pool(), [0; ASSET_COUNT]);
}

#[test]
fn what_only_reduces_never_opens_and_ends_with_the_position() {
    let mut floor = wide();
    let reducing = "ordertype=limit&price=59000&volume=1&leverage=5&reduce_only=true";
    assert_eq!(floor.not_lent("sell", reducing), "EOrder:Reduce only:No position exists");
    assert_eq!(floor.not_lent("sell", "ordertype=market&volume=0&leverage=2"), "EOrder:Unknown position");
    let spot = "ordertype=market&volume=1&reduce_only=true";
    assert_eq!(floor.not_lent("sell", spot), "EGeneral:Invalid arguments:reduce_only");
    floor.lent("buy", "ordertype=market&volume=1");
    let waits = floor.lent("sell", "ordertype=limit&price=60500&volume=0.8&reduce_only=true");
    let stop = floor.lent("sell", "ordertype=stop-loss&price=40000&volume=1&reduce_only=true");
    let large = floor.lent("sell", "ordertype=limit&price=59000&volume=1.5&reduce_only=true");
    let shown = floor.look(&large);
    assert_eq!((&shown["status"], &shown["vol_exec"]), (&json!("canceled"), &json!("1.00000000")));
    assert_eq!(shown["reason"], "Reduce only:Position is closed");
    for id in [waits, stop] {
        assert_eq!(floor.look(&id)["status"], "canceled");
    }
    assert!(floor.positions("").is_empty());

    // One that waits trades no more than there is to close, whoever comes.
    floor.lent("buy", "ordertype=market&volume=0.5");
    let waits = floor.lent("sell", "ordertype=limit&price=60000.2&volume=2&reduce_only=true");
    let taker = "pair=XBTUSD&type=buy&ordertype=limit&price=60000.2&volume=1&timeinforce=IOC";
    let taker = floor.result("sandbox-second-trade", "AddOrder", taker)["txid"][0].clone();
    assert_eq!(floor.look(&waits)["vol_exec"], "0.50000000");
    assert!(floor.positions("").is_empty() && taker.is_string());
}

#[test]
fn a_position_is_settled_with_the_accounts_own_funds() {
    let mut floor = wide();
    let settle = "ordertype=settle-position&volume=0&leverage=1";
    assert_eq!(floor.not_lent("sell", settle), "EOrder:Unknown position");
    let bare = "ordertype=settle-position&volume=0";
    assert_eq!(floor.not_lent("sell", bare), "EGeneral:Invalid arguments:leverage");
    floor.lent("buy", "ordertype=market&volume=1");
    let id = floor.result("sandbox-all", "AddOrder", &format!("pair=XBTUSD&type=sell&{settle}"))["txid"][0]
        .clone();
    let order = floor.look(id.as_str().unwrap());
    let shown = ["status", "vol_exec", "cost", "price", "fee"].map(|name| order[name].as_str().unwrap());
    assert_eq!(shown, ["closed", "1.00000000", "60000.50000", "60000.50000", "0.00000"]);
    assert_eq!(
        (floor.balance("XXBT"), floor.balance("ZUSD")),
        ("101.0000000000".into(), "939753.4980".into())
    );
    let mut entries = floor.booked("settled");
    entries.sort();
    assert_eq!(entries[0][..2], ["XXBT", "1.0000000000"]);
    assert_eq!(entries[1][..2], ["ZUSD", "-60000.5000"]);
    assert!(floor.positions("").is_empty());
    assert_eq!(floor.pool(), [0; ASSET_COUNT]);
}

#[test]
fn collateral_is_kept_for_positions_and_for_orders_that_would_open_them() {
    let mut floor = wide();
    floor.keep_dollars(10_000);
    let short = "EOrder:Insufficient initial margin";
    assert_eq!(floor.not_lent("buy", "ordertype=market&volume=0.9&leverage=5"), short);
    let waits = floor.lent("buy", "ordertype=limit&price=50000&volume=0.5");
    assert_eq!(floor.not_lent("buy", "ordertype=market&volume=0.5&leverage=5"), short);
    assert_eq!(floor.refusal("sandbox-all", "AmendOrder", &format!("txid={waits}&order_qty=1")), short);
    floor.result("sandbox-all", "CancelOrder", &format!("txid={waits}"));
    floor.lent("buy", "ordertype=market&volume=0.5");
    // 10,000 less 123 in fees and 6,000 of margin.
    let out = |amount: u32| format!("asset=USD&amount={amount}&from=Spot%20Wallet&to=Futures%20Wallet");
    assert_eq!(floor.refusal("sandbox-all", "WalletTransfer", &out(3_880)), "EFunding:Invalid amount");
    floor.result("sandbox-all", "WalletTransfer", &out(3_870));
}

#[test]
fn positions_pay_for_staying_until_nothing_carries_them_any_more() {
    let mut floor = wide();
    floor.keep_dollars(10_000);
    floor.lent("buy", "ordertype=market&volume=0.8");
    let before = floor.positions("")[0].clone();
    floor.now_us += 9 * 3_600_000_000;
    floor.exchange.pass(floor.now_us);
    let after = floor.positions("")[0].clone();
    let rolls = |position: &Value| position["rollovertm"].as_str().unwrap().parse::<u64>().unwrap();
    assert_eq!(rolls(&after) - rolls(&before), 8 * 3_600);
    // Twice a ten-thousandth of 48,000.40.
    assert_eq!(floor.booked("rollover")[0][1..3], ["0.0000", "9.6000"]);
    floor.now_us += 250 * 86_400_000_000;
    floor.exchange.pass(floor.now_us);
    assert!(floor.positions("").is_empty());
    let page = floor.result("sandbox-all", "ClosedOrders", "");
    let [last, _] = &page["closed"].as_object().unwrap().values().collect::<Vec<_>>()[..] else {
        panic!("two")
    };
    assert_eq!((&last["misc"], &last["status"]), (&json!("liquidated"), &json!("closed")));
    assert_eq!(floor.pool(), [0; ASSET_COUNT]);
}

#[test]
fn in_a_market_that_only_reduces_nothing_else_is_taken() {
    let mut floor = wide();
    floor.lent("buy", "ordertype=market&volume=1");
    floor.exchange.change(json!({"pair_status": {"XBTUSD": "reduce_only"}}).to_string().as_bytes()).unwrap();
    let shown = floor.send(request("/0/public/AssetPairs?pair=XBTUSD"));
    assert_eq!(shown["result"]["XXBTZUSD"]["status"], "reduce_only");
    assert_eq!(shown["result"]["XXBTZUSD"]["leverage_buy"], json!([2, 3, 4, 5]));
    let refused = "EService:Market in reduce_only mode";
    for terms in ["volume=1", "volume=1&leverage=5", "volume=0&leverage=5"] {
        assert_eq!(floor.not_lent("sell", &format!("ordertype=market&{terms}")), refused);
    }
    floor.lent("sell", "ordertype=market&volume=0.5&reduce_only=true");
    floor.lent("sell", "ordertype=settle-position&volume=0");
    assert!(floor.positions("").is_empty());
}
