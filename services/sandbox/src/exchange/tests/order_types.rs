//! Every order type: what it waits for, what it becomes, and how it is shown meanwhile. The market is moved by the other
//! account, whose trades the house's quotes survive.

use super::*;

/// A floor on which nobody is slowed down, and the other account can move the market as far as a test needs.
fn wide() -> Floor {
    let mut floor = Floor::new(&Options { tier: Tier::Wide, ..Options::default() });
    let payment = json!({"account": "second", "asset": "USD", "amount": "100000000"});
    floor.exchange.deposit(floor.now_us, payment.to_string().as_bytes()).unwrap();
    floor.now_us += 600_000_000;
    floor
}

impl Floor {
    /// Places an order in BTC/USD for the first account.
    fn order(&mut self, side: &str, terms: &str) -> String {
        let form = format!("pair=XBTUSD&type={side}&{terms}");
        let placed = self.result("sandbox-all", "AddOrder", &form);
        self.now_us += 1;
        placed["txid"][0].as_str().unwrap().to_owned()
    }

    fn shown(&mut self, id: &str) -> Value {
        self.result("sandbox-all", "QueryOrders", &format!("txid={id}&trades=true"))[id].clone()
    }

    /// The other account trades until the last price is this one.
    fn move_to(&mut self, side: &str, price: &str) {
        let form = format!("pair=XBTUSD&type={side}&ordertype=limit&price={price}&timeinforce=IOC&volume=15");
        self.now_us += 1;
        self.result("sandbox-second-trade", "AddOrder", &form);
    }

    fn holds(&mut self, asset: &str) -> String {
        self.result("sandbox-all", "BalanceEx", "")[asset]["hold_trade"].as_str().unwrap().to_owned()
    }

    /// The orders that were made to close another.
    fn closes_of(&mut self, parent: &str) -> Vec<(String, Value)> {
        let open = self.result("sandbox-all", "OpenOrders", "")["open"].clone();
        let closed = self.result("sandbox-all", "ClosedOrders", "")["closed"].clone();
        let all = [open, closed].into_iter().flat_map(|page| page.as_object().unwrap().clone());
        all.filter(|(_, order)| order["refid"] == parent).collect()
    }
}

fn parts<'v>(order: &'v Value, names: &[&str]) -> Vec<&'v str> {
    names.iter().map(|name| order[name].as_str().unwrap_or_else(|| panic!("no {name} in {order}"))).collect()
}

#[test]
fn a_stop_waits_out_of_sight_and_sells_at_the_market_once_its_price_is_seen() {
    let mut floor = wide();
    let before = floor.send(request("/0/public/Depth?pair=XBTUSD"));
    let stop = floor.order("sell", "ordertype=stop-loss&price=59999&volume=1");
    let shown = floor.shown(&stop);
    assert_eq!(
        parts(&shown, &["status", "misc", "trigger", "stopprice", "limitprice", "vol_exec"]),
        ["open", "", "last", "0.00000", "0.00000", "0.00000000"]
    );
    assert_eq!(
        shown["descr"],
        json!({"pair": "XBTUSD", "aclass": "forex", "type": "sell", "ordertype": "stop-loss", "price": "59999.0",
            "price2": "0", "leverage": "none", "order": "sell 1.00000000 XBTUSD @ stop loss 59999.0", "close": ""})
    );
    assert_eq!(floor.send(request("/0/public/Depth?pair=XBTUSD")), before);
    assert_eq!(floor.holds("XXBT"), "0.0000000000", "nothing is held for what waits");
    floor.move_to("sell", "59999.5");
    assert_eq!(floor.shown(&stop)["status"], "open");
    floor.move_to("sell", "59999");
    let shown = floor.shown(&stop);
    assert_eq!(
        parts(&shown, &["status", "misc", "vol_exec", "price"]),
        ["closed", "stopped", "1.00000000", "59999.50000"]
    );
    let trade =
        floor.result("sandbox-all", "QueryTrades", &format!("txid={}", shown["trades"][0].as_str().unwrap()));
    assert_eq!(trade.as_object().unwrap().values().next().unwrap()["ordertype"], "stop-loss");
}

#[test]
fn a_profit_is_taken_on_the_other_side() {
    let mut floor = wide();
    let sell = floor.order("sell", "ordertype=take-profit&price=60001&volume=1");
    let buy = floor.order("buy", "ordertype=take-profit&price=59999&volume=1");
    let stop = floor.order("buy", "ordertype=stop-loss&price=60001.5&volume=1");
    floor.move_to("buy", "60001");
    assert_eq!(parts(&floor.shown(&sell), &["status", "misc"]), ["closed", "touched"]);
    assert_eq!(parts(&floor.shown(&buy), &["status", "misc"]), ["open", ""]);
    assert_eq!(floor.shown(&stop)["status"], "open");
    floor.move_to("buy", "60001.5");
    assert_eq!(parts(&floor.shown(&stop), &["status", "misc"]), ["closed", "stopped"]);
    floor.move_to("sell", "59999");
    assert_eq!(parts(&floor.shown(&buy), &["status", "misc"]), ["closed", "touched"]);
}

#[test]
fn what_has_a_limit_waits_again_in_the_book() {
    let mut floor = wide();
    for (order_type, words) in [("stop-loss-limit", "stop loss"), ("take-profit-limit", "take profit")] {
        let (side, trigger, misc) =
            if words == "stop loss" { ("sell", "59999", "stopped") } else { ("buy", "59999", "touched") };
        let limit = if side == "sell" { "60000.3" } else { "59998.3" };
        let id =
            floor.order(side, &format!("ordertype={order_type}&price={trigger}&price2={limit}&volume=1"));
        let shown = floor.shown(&id);
        assert_eq!(
            shown["descr"]["order"],
            format!("{side} 1.00000000 XBTUSD @ {words} {trigger}.0 -> limit {limit}")
        );
        assert_eq!((&shown["descr"]["price2"], &shown["limitprice"]), (&json!(limit), &json!("0.00000")));
        floor.move_to("sell", "59999");
        let shown = floor.shown(&id);
        assert_eq!(parts(&shown, &["status", "misc", "limitprice"]), ["open", misc, &format!("{limit}0000")]);
        let depth = floor.send(request("/0/public/Depth?pair=XBTUSD"))["result"]["XXBTZUSD"].to_string();
        assert!(depth.contains(&format!("[\"{limit}0000\",\"1.000\"")), "{depth}");
        floor.result("sandbox-all", "CancelOrder", &format!("txid={id}"));
        floor.move_to("buy", "60000.5");
    }
    assert_eq!((floor.holds("XXBT"), floor.holds("ZUSD")), ("0.0000000000".into(), "0.0000".into()));
}

#[test]
fn a_trailing_stop_follows_the_best_price_and_never_goes_back() {
    let mut floor = wide();
    let stop = floor.order("sell", "ordertype=trailing-stop&price=%2B1&volume=1");
    let shown = floor.shown(&stop);
    assert_eq!(shown["descr"]["order"], "sell 1.00000000 XBTUSD @ trailing stop +1.0000");
    assert_eq!(parts(&shown, &["stopprice", "status"]), ["59999.00000", "open"]);
    floor.move_to("buy", "60001.5");
    assert_eq!(floor.shown(&stop)["stopprice"], "60000.50000");
    let limited = floor.order("buy", "ordertype=trailing-stop-limit&price=%2B0.01%25&price2=-2&volume=1");
    assert_eq!(
        floor.shown(&limited)["descr"]["order"],
        "buy 1.00000000 XBTUSD @ trailing stop +0.0100% -> limit -2.0000"
    );
    assert_eq!(floor.shown(&limited)["stopprice"], "60007.50000", "60001.5 and a ten-thousandth of it");
    floor.move_to("buy", "60001");
    assert_eq!(floor.shown(&stop)["stopprice"], "60000.50000", "a little back is nothing");
    assert_eq!(floor.shown(&stop)["status"], "open");
    floor.move_to("sell", "59999.5");
    assert_eq!(parts(&floor.shown(&stop), &["status", "misc"]), ["closed", "stopped"]);
    assert_eq!(floor.shown(&limited)["stopprice"], "60005.50000", "a buy follows down");
    for (terms, wrong) in [
        ("ordertype=trailing-stop&price=5", "price"),
        ("ordertype=trailing-stop&price=-5", "price"),
        ("ordertype=trailing-stop&price=%235", "price"),
        ("ordertype=trailing-stop-limit&price=%2B5", "price2"),
        ("ordertype=trailing-stop-limit&price=%2B5&price2=60000", "price2"),
    ] {
        let form = format!("pair=XBTUSD&type=buy&volume=1&{terms}");
        assert_eq!(
            floor.refusal("sandbox-all", "AddOrder", &form),
            format!("EGeneral:Invalid arguments:{wrong}")
        );
    }
}

#[test]
fn a_trailing_limit_lies_so_far_from_where_it_went_off() {
    let mut floor = wide();
    let stop = floor.order("sell", "ordertype=trailing-stop-limit&price=%2B1&price2=%2B2&volume=1");
    floor.move_to("sell", "59999");
    let shown = floor.shown(&stop);
    assert_eq!(parts(&shown, &["status", "misc", "limitprice"]), ["open", "stopped", "60001.00000"]);
    assert_eq!(floor.holds("XXBT"), "1.0040000000", "with the fee");
    floor.move_to("buy", "60001");
    assert_eq!(floor.shown(&stop)["status"], "closed");
}

#[test]
fn the_index_is_what_the_best_prices_have_in_their_middle() {
    let mut floor = wide();
    let index = floor.order("buy", "ordertype=stop-loss&price=60000.7&trigger=index&volume=1");
    let last = floor.order("buy", "ordertype=stop-loss&price=60000.7&trigger=last&volume=1");
    assert_eq!(floor.shown(&index)["trigger"], "index");
    // What is left of it keeps the house from quoting there again: 60000.5 and 60001.
    floor.result(
        "sandbox-second-trade",
        "AddOrder",
        "pair=XBTUSD&type=buy&ordertype=limit&price=60000.5&volume=6",
    );
    assert_eq!(floor.shown(&index)["status"], "closed");
    assert_eq!(floor.shown(&last)["status"], "closed", "by the trade of the first, at 60001");
    let wrong = "pair=XBTUSD&type=buy&ordertype=stop-loss&price=70000&trigger=mark&volume=1";
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", wrong), "EGeneral:Invalid arguments:trigger");
}

#[test]
fn one_that_goes_off_can_set_off_the_next() {
    let mut floor = wide();
    // Five go at each level: twenty reach 59998, thirty 59997.
    let stops = [("59999.5", 20), ("59998", 30), ("59997", 1)].map(|(price, volume)| {
        floor.order("sell", &format!("ordertype=stop-loss&price={price}&volume={volume}"))
    });
    floor.move_to("sell", "59999.5");
    for stop in &stops {
        assert_eq!(floor.shown(stop)["status"], "closed");
    }
}

#[test]
fn a_stop_that_cannot_be_paid_when_it_goes_off_ends() {
    let mut floor = wide();
    let stop = floor.order("sell", "ordertype=stop-loss&price=59999&volume=60&oflags=fciq");
    let form = "pair=XBTUSD&type=sell&ordertype=stop-loss&price=1&volume=101";
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", form), "EOrder:Insufficient funds");
    floor.order("sell", "ordertype=limit&price=70000&volume=50&oflags=fciq");
    floor.move_to("sell", "59999");
    let shown = floor.shown(&stop);
    assert_eq!(
        parts(&shown, &["status", "reason", "vol_exec"]),
        ["canceled", "Insufficient funds", "0.00000000"]
    );
}

#[test]
fn relative_prices_are_taken_from_the_last_trade() {
    let mut floor = wide();
    floor.move_to("buy", "60001");
    for (side, terms, words) in [
        ("buy", "ordertype=limit&price=-1.5", "limit 59999.5"),
        ("buy", "ordertype=limit&price=%23100", "limit 59901.0"),
        ("sell", "ordertype=limit&price=%231%25", "limit 60601.0"),
        ("sell", "ordertype=stop-loss&price=%23100", "stop loss 59901.0"),
        ("sell", "ordertype=take-profit&price=%23100", "take profit 60101.0"),
        ("sell", "ordertype=stop-loss-limit&price=-100&price2=-101", "stop loss 59901.0 -> limit 59900.0"),
        (
            "buy",
            "ordertype=take-profit-limit&price=%232%25&price2=%231%25",
            "take profit 58801.0 -> limit 59401.0",
        ),
    ] {
        let id = floor.order(side, &format!("{terms}&volume=0.1"));
        assert_eq!(
            floor.shown(&id)["descr"]["order"],
            format!("{side} 0.10000000 XBTUSD @ {words}"),
            "{terms}"
        );
    }
}

#[test]
fn every_fill_is_closed_by_an_order_of_its_own() {
    let mut floor = wide();
    let form = "pair=XBTUSD&type=buy&ordertype=limit&price=59999.8&volume=1&userref=5&trigger=index\
                &close[ordertype]=stop-loss-limit&close[price]=-2&close[price2]=-3";
    let placed = floor.result("sandbox-all", "AddOrder", form);
    assert_eq!(
        placed["descr"],
        json!({"order": "buy 1.00000000 XBTUSD @ limit 59999.8",
            "close": "close position @ stop loss -2.0000 -> limit -3.0000"})
    );
    let id = placed["txid"][0].as_str().unwrap().to_owned();
    assert_eq!(floor.shown(&id)["descr"]["close"], placed["descr"]["close"]);
    assert_eq!(floor.closes_of(&id), []);
    let sell = |volume: &str| format!("pair=XBTUSD&type=sell&ordertype=limit&price=59999.8&volume={volume}");
    floor.result("sandbox-second-trade", "AddOrder", &sell("0.4"));
    let closes = floor.closes_of(&id);
    let [(close, shown)] = &closes[..] else { panic!("one fill") };
    assert_eq!(
        parts(shown, &["status", "refid", "vol", "trigger"]),
        ["open", id.as_str(), "0.40000000", "index"]
    );
    assert_eq!(shown["descr"]["order"], "sell 0.40000000 XBTUSD @ stop loss 59997.8 -> limit 59996.8");
    assert_eq!((&shown["userref"], &shown["descr"]["close"]), (&json!(5), &json!("")));
    // Cancelling the order leaves what it has made.
    let close = close.clone();
    floor.result("sandbox-second-trade", "AddOrder", &sell("0.1"));
    floor.result("sandbox-all", "CancelOrder", &format!("txid={id}"));
    assert_eq!(floor.closes_of(&id).len(), 2);
    assert_eq!(floor.shown(&close)["status"], "open");
}

#[test]
fn a_market_order_is_closed_fill_by_fill_and_a_close_can_trade_at_once() {
    let mut floor = wide();
    let id = floor.order("buy", "ordertype=market&volume=6&close[ordertype]=limit&close[price]=%2B100");
    let closes = floor.closes_of(&id);
    let mut prices: Vec<_> =
        closes.iter().map(|(_, order)| order["descr"]["order"].as_str().unwrap()).collect();
    prices.sort_unstable();
    assert_eq!(prices, ["sell 1.00000000 XBTUSD @ limit 60101.0", "sell 5.00000000 XBTUSD @ limit 60100.5"]);
    let at_once = floor.order("buy", "ordertype=market&volume=1&close[ordertype]=limit&close[price]=59999.5");
    assert_eq!(floor.closes_of(&at_once)[0].1["status"], "closed");
}

#[test]
fn a_close_must_make_sense_when_its_order_is_placed() {
    let mut floor = wide();
    let plain = "pair=XBTUSD&type=buy&ordertype=limit&price=50000&volume=1";
    for (more, wrong) in [
        ("close[ordertype]=market", "close[ordertype]"),
        ("close[ordertype]=iceberg&close[price]=1", "close[ordertype]"),
        ("close[price]=1", "close[ordertype]"),
        ("close[ordertype]=stop-loss", "close[price]"),
        ("close[ordertype]=stop-loss-limit&close[price]=1", "close[price2]"),
        ("close[ordertype]=stop-loss&close[price]=1&close[price2]=1", "close[price2]"),
        ("close[ordertype]=trailing-stop&close[price]=100", "close[price]"),
        ("close[ordertype]=limit&close[price]=60000&cl_ord_id=mine", "cl_ord_id"),
    ] {
        let said = floor.refusal("sandbox-all", "AddOrder", &format!("{plain}&{more}"));
        assert_eq!(said, format!("EGeneral:Invalid arguments:{wrong}"), "{more}");
    }
}

#[test]
fn an_iceberg_shows_a_slice_and_is_filled_whole() {
    let mut floor = wide();
    let iceberg = floor.order("sell", "ordertype=iceberg&price=60000.2&volume=1&displayvol=0.1");
    assert_eq!(floor.shown(&iceberg)["descr"]["ordertype"], "iceberg");
    assert_eq!(floor.holds("XXBT"), "1.0040000000", "all of it is held");
    let best = |floor: &mut Floor| {
        floor.send(request("/0/public/Depth?pair=XBTUSD&count=1"))["result"]["XXBTZUSD"]["asks"][0].clone()
    };
    let shown = |best: &Value| format!("{} {}", best[0].as_str().unwrap(), best[1].as_str().unwrap());
    assert_eq!(shown(&best(&mut floor)), "60000.20000 0.100");
    let buy = "pair=XBTUSD&type=buy&ordertype=limit&price=60000.2&volume=0.45";
    floor.result("sandbox-second-trade", "AddOrder", buy);
    assert_eq!(
        parts(&floor.shown(&iceberg), &["vol_exec", "misc", "status"]),
        ["0.45000000", "partial", "open"]
    );
    assert_eq!(shown(&best(&mut floor)), "60000.20000 0.050", "what is left of the fifth slice");
    floor.result("sandbox-all", "AmendOrder", &format!("txid={iceberg}&display_qty=0.2"));
    assert_eq!(shown(&best(&mut floor)), "60000.20000 0.200");
    let amends = floor.result("sandbox-all", "OrderAmends", &format!("order_id={iceberg}"));
    assert_eq!(
        (&amends["amends"][0]["display_qty"], &amends["amends"][1]["display_qty"]),
        (&json!("0.10000000"), &json!("0.20000000"))
    );
    let all_or_nothing = "pair=XBTUSD&type=buy&ordertype=limit&price=60000.2&volume=0.55&timeinforce=FOK";
    floor.result("sandbox-second-trade", "AddOrder", all_or_nothing);
    assert_eq!(floor.shown(&iceberg)["status"], "closed", "what is hidden counts");
    for (terms, wrong) in [
        ("ordertype=iceberg&price=60001&volume=1", "displayvol"),
        ("ordertype=iceberg&price=60001&volume=1.6&displayvol=0.1", "displayvol"),
        ("ordertype=iceberg&price=60001&volume=1&displayvol=2", "displayvol"),
        ("ordertype=limit&price=60001&volume=1&displayvol=1", "displayvol"),
    ] {
        let form = format!("pair=XBTUSD&type=sell&{terms}");
        assert_eq!(
            floor.refusal("sandbox-all", "AddOrder", &form),
            format!("EGeneral:Invalid arguments:{wrong}")
        );
    }
}

#[test]
fn a_market_buy_can_say_what_it_spends() {
    let mut floor = wide();
    let id = floor.order("buy", "ordertype=market&volume=30000.25&oflags=viqc");
    let shown = floor.shown(&id);
    assert_eq!(shown["descr"]["order"], "buy 30000.25000000 XBTUSD @ market");
    assert_eq!(
        parts(&shown, &["status", "cost", "vol_exec", "oflags"]),
        ["closed", "30000.25000", "0.50000000", "fciq,viqc"]
    );
    for terms in ["type=sell&ordertype=market", "type=buy&ordertype=limit&price=60000"] {
        let form = format!("pair=XBTUSD&{terms}&volume=100&oflags=viqc");
        assert_eq!(floor.refusal("sandbox-all", "AddOrder", &form), "EGeneral:Invalid arguments:oflags");
    }
    let little = "pair=XBTUSD&type=buy&ordertype=market&volume=0.1&oflags=viqc";
    assert_eq!(floor.refusal("sandbox-all", "AddOrder", little), "EOrder:Order minimum not met");
}

#[test]
fn an_order_whose_time_is_to_come_is_pending() {
    let mut floor = wide();
    let id = floor.order("buy", "ordertype=limit&price=50000&volume=1&starttm=%2B60&expiretm=%2B120");
    let shown = floor.shown(&id);
    assert_eq!(shown["status"], "pending");
    assert!(shown["starttm"].to_string().starts_with("1781000660"), "{shown}");
    assert_eq!(floor.result("sandbox-all", "OpenOrders", "")["open"][&id]["status"], "pending");
    assert_eq!(floor.holds("ZUSD"), "0.0000");
    floor.now_us += 60_000_000;
    assert_eq!(floor.shown(&id)["status"], "open");
    assert_eq!(floor.holds("ZUSD"), "50200.0000");
    floor.now_us += 60_000_000;
    assert_eq!(floor.shown(&id)["status"], "expired");
    let late = floor.order("buy", "ordertype=limit&price=50000&volume=1&starttm=%2B60&expiretm=%2B120");
    floor.now_us += 600_000_000;
    assert_eq!(floor.shown(&late)["status"], "expired", "it came and went while nobody looked");
    let gone = floor.order("buy", "ordertype=limit&price=50000&volume=1&starttm=%2B60");
    floor.result("sandbox-all", "CancelOrder", &format!("txid={gone}"));
    floor.now_us += 600_000_000;
    assert_eq!(floor.shown(&gone)["status"], "canceled");
}

#[test]
fn what_waits_can_be_amended_edited_and_cancelled() {
    let mut floor = wide();
    let stop = floor.order("sell", "ordertype=stop-loss-limit&price=59990&price2=59980&volume=1");
    let amend = |floor: &mut Floor, more: &str| {
        floor.ask("sandbox-all", "AmendOrder", &format!("txid={stop}&{more}"))
    };
    let done = amend(&mut floor, "trigger_price=59999&limit_price=-1&order_qty=2");
    assert_eq!(done["error"], json!([]));
    let shown = floor.shown(&stop);
    assert_eq!(shown["descr"]["order"], "sell 2.00000000 XBTUSD @ stop loss 59999.0 -> limit 59999.0");
    assert_eq!(parts(&shown, &["status", "misc"]), ["open", "amended"]);
    let amends = floor.result("sandbox-all", "OrderAmends", &format!("order_id={stop}"))["amends"].clone();
    assert_eq!(
        (&amends[0]["trigger_price"], &amends[0]["limit_price"], &amends[1]["trigger_price"]),
        (&json!("59990.0"), &json!("59980.0"), &json!("59999.0"))
    );
    for (more, said) in [
        ("trigger_price=59999", "EOrder:No amendable parameters"),
        ("display_qty=1", "EGeneral:Invalid arguments:display_qty"),
        ("trigger_price=%235", "EGeneral:Invalid arguments:trigger_price"),
        ("order_qty=101", "EOrder:Insufficient funds"),
    ] {
        assert_eq!(error(&amend(&mut floor, more)), said, "{more}");
    }
    floor.move_to("sell", "59999");
    assert_eq!(parts(&floor.shown(&stop), &["status", "misc"]), ["closed", "stopped,amended"]);

    let trailing = floor.order("sell", "ordertype=trailing-stop&price=%2B100&volume=1");
    let done = floor.ask("sandbox-all", "AmendOrder", &format!("txid={trailing}&trigger_price=%2B50"));
    assert_eq!(done["error"], json!([]));
    assert_eq!(floor.shown(&trailing)["stopprice"], "59949.50000");
    let absolute = floor.ask("sandbox-all", "AmendOrder", &format!("txid={trailing}&trigger_price=59000"));
    assert_eq!(error(&absolute), "EGeneral:Invalid arguments:trigger_price");

    let edit =
        |floor: &mut Floor, more: &str| floor.ask("sandbox-all", "EditOrder", &format!("pair=XBTUSD&{more}"));
    let edited = edit(&mut floor, &format!("txid={trailing}&price=%2B70"))["result"].clone();
    assert_eq!(edited["descr"]["order"], "sell 1.00000000 XBTUSD @ trailing stop +70.0000");
    let fired = floor.order("sell", "ordertype=stop-loss-limit&price=60001&price2=60002&volume=1");
    assert_eq!(floor.shown(&fired)["misc"], "stopped", "the price is there already");
    assert_eq!(error(&edit(&mut floor, &format!("txid={fired}&price2=60003"))), "EOrder:Order not editable");
    let has_close =
        floor.order("buy", "ordertype=limit&price=50000&volume=1&close[ordertype]=limit&close[price]=60000");
    assert_eq!(error(&edit(&mut floor, &format!("txid={has_close}&volume=2"))), "EOrder:Order not editable");
    // Once it has gone off it has a limit and no trigger.
    let after = floor.ask("sandbox-all", "AmendOrder", &format!("txid={fired}&trigger_price=60005"));
    assert_eq!(error(&after), "EGeneral:Invalid arguments:trigger_price");
    let after = floor.ask("sandbox-all", "AmendOrder", &format!("txid={fired}&limit_price=60004"));
    assert_eq!(after["error"], json!([]));
    assert_eq!(parts(&floor.shown(&fired), &["limitprice", "misc"]), ["60004.00000", "stopped,amended"]);

    assert_eq!(floor.result("sandbox-all", "CancelAll", "")["count"], 3);
    assert_eq!(floor.result("sandbox-all", "OpenOrders", "")["open"], json!({}));
}

#[test]
fn where_nothing_is_matched_nothing_goes_off_and_nothing_begins() {
    let mut floor = wide();
    let stop = floor.order("buy", "ordertype=stop-loss&price=60000.7&trigger=index&volume=1");
    let later = floor.order("buy", "ordertype=limit&price=50000&volume=1&starttm=%2B60");
    let quote = "pair=XBTUSD&type=buy&ordertype=limit&price=60000.5&volume=6";
    floor.exchange.change(br#"{"system_status":"cancel_only"}"#).unwrap();
    assert_eq!(
        floor.refusal("sandbox-second-trade", "AddOrder", quote),
        "EService:Market in cancel_only mode"
    );
    floor.now_us += 61_000_000;
    assert_eq!(
        (&floor.shown(&stop)["status"], &floor.shown(&later)["status"]),
        (&json!("open"), &json!("pending"))
    );
    floor.exchange.change(br#"{"system_status":"online"}"#).unwrap();
    assert_eq!(floor.shown(&later)["status"], "open");
    floor.result("sandbox-second-trade", "AddOrder", quote);
    assert_eq!(floor.shown(&stop)["status"], "closed");
}
