//! A market that moves: what its seed and the time make of it, and what it does to those who wait in it.

use super::*;
use crate::exchange::book::Side;
use crate::exchange::markets::{ASSET_COUNT, PAIR_COUNT, PAIRS};

const SECOND_US: u64 = 1_000_000;
const PAGES: [&str; 5] = [
    "Ticker?pair=XBTUSD",
    "Depth?pair=XBTUSD&count=5",
    "Trades?pair=XBTUSD",
    "OHLC?pair=XBTUSD&interval=1",
    "Spread?pair=XBTUSD",
];

fn moving(seed: u64) -> Floor {
    Floor::new(&Options { market: MarketKind::Moving, seed, tier: Tier::Wide, ..Options::default() })
}

impl Floor {
    fn pages(&mut self) -> Vec<Value> {
        PAGES.map(|page| self.send(request(&format!("/0/public/{page}")))["result"].clone()).into()
    }

    fn wait_s(&mut self, seconds: u64) {
        self.now_us += seconds * SECOND_US;
        self.exchange.pass(self.now_us);
    }

    /// Best bid and ask of BTC/USD in tenths of a dollar.
    fn best(&self) -> (u64, u64) {
        let book = &self.exchange.engine.books[0];
        (book.best(Side::Buy).unwrap(), book.best(Side::Sell).unwrap())
    }

    fn limit(&mut self, side: &str, tenths: u64, volume: &str) -> String {
        let price = format!("{}.{}", tenths / 10, tenths % 10);
        let order = format!("pair=XBTUSD&type={side}&ordertype=limit&price={price}&volume={volume}");
        let placed = self.result("sandbox-all", "AddOrder", &order);
        placed["txid"][0].as_str().unwrap().to_owned()
    }

    fn order_of(&mut self, id: &str) -> Value {
        self.result("sandbox-all", "QueryOrders", &format!("txid={id}"))[id].clone()
    }

    /// Everything that must hold of money and books, whatever happens.
    fn all_holds(&self, start: [i128; ASSET_COUNT]) {
        let engine = &self.exchange.engine;
        assert_eq!(engine.accounts.total(), start);
        for book in &engine.books {
            assert!(book.best(Side::Buy) < book.best(Side::Sell), "the book is crossed");
        }
        for account in 0..engine.accounts.len() {
            let mut needed = [0; ASSET_COUNT];
            for order in engine.open_orders(account) {
                assert!(order.open_lots() > 0);
                needed[order.terms.held_asset()] += order.held;
            }
            let account = engine.accounts.get(account);
            assert_eq!(account.held, needed);
            assert!((0..ASSET_COUNT).all(|asset| account.available(asset) >= 0));
        }
    }
}

#[test]
fn everything_that_shows_a_market_shows_that_it_moves() {
    let mut floor = moving(1);
    let first = floor.pages();
    floor.wait_s(90);
    let later = floor.pages();
    for ((page, before), after) in PAGES.iter().zip(&first).zip(&later) {
        assert_ne!(before, after, "{page}");
    }
    let [ticker, depth, trades, candles, spreads] = &later[..] else { panic!("five pages") };
    assert!(trades["XXBTZUSD"].as_array().unwrap().len() > 20, "{trades}");
    assert!(spreads["XXBTZUSD"].as_array().unwrap().len() > 20, "{spreads}");
    let candles = candles["XXBTZUSD"].as_array().unwrap();
    assert!(candles.len() >= 2 && candles.iter().all(|candle| candle[7].as_u64() > Some(5)), "{candles:?}");
    assert_eq!(depth["XXBTZUSD"]["bids"].as_array().unwrap().len(), 5);
    assert_eq!(ticker["XXBTZUSD"]["b"][0], depth["XXBTZUSD"]["bids"][0][0]);
    // Around its middle the house quotes as it always did.
    let (bid, ask) = floor.best();
    assert_eq!(ask - bid, 2 * PAIRS[0].house.step);
    for (pair, book) in PAIRS.iter().zip(&floor.exchange.engine.books) {
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(book.levels(side).count() as u64, pair.house.levels, "{}", pair.id);
        }
    }
}

#[test]
fn the_same_seed_and_the_same_requests_at_the_same_times_make_the_same_market() {
    let story = |seed: u64| {
        let mut floor = moving(seed);
        let mut told = Vec::new();
        for step in 0..40 {
            let (bid, ask) = floor.best();
            let (side, price) = if step % 2 == 0 { ("buy", bid) } else { ("sell", ask) };
            told.push(json!(floor.limit(side, price, "0.3")));
            floor.now_us += 700_000 + step * 100_000;
            told.extend(floor.pages());
        }
        told.push(floor.result("sandbox-all", "TradesHistory", ""));
        told
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}

#[test]
fn prices_do_not_depend_on_who_looks() {
    let (mut watched, mut alone) = (moving(4), moving(4));
    for _ in 0..100 {
        watched.wait_s(1);
    }
    alone.wait_s(0);
    alone.wait_s(100);
    assert_eq!(watched.best(), alone.best());
    let middles = |floor: &Floor| floor.exchange.engine.books.each_ref().map(|book| book.best(Side::Buy));
    assert_eq!(middles(&watched), middles(&alone));
}

#[test]
fn what_waits_near_the_best_price_is_filled_at_its_own_price_as_maker() {
    let mut floor = moving(2);
    let start = floor.exchange.engine.accounts.total();
    floor.wait_s(1);
    let (bid, ask) = floor.best();
    let (buy, sell) = (floor.limit("buy", bid - 10, "0.5"), floor.limit("sell", ask + 10, "0.5"));
    let better = floor.limit("buy", bid + 1, "0.05");
    let far = floor.limit("buy", 500_000, "0.1");
    let mut ended = [false; 3];
    for _ in 0..3_600 {
        floor.wait_s(1);
        floor.all_holds(start);
        for (ended, id) in ended.iter_mut().zip([&buy, &sell, &better]) {
            *ended = *ended || floor.order_of(id)["status"] == "closed";
        }
        if ended == [true; 3] {
            break;
        }
    }
    assert_eq!(ended, [true; 3], "within an hour the market comes by");
    assert_eq!(floor.order_of(&far)["status"], "open");
    let told = floor.result("sandbox-all", "TradesHistory", "");
    for trade in told["trades"].as_object().unwrap().values() {
        assert_eq!(trade["maker"], true, "{trade}");
        let tenths = match trade["ordertxid"].as_str().unwrap() {
            id if id == buy => bid - 10,
            id if id == sell => ask + 10,
            _ => bid + 1,
        };
        assert_eq!(trade["price"], format!("{}.{}0000", tenths / 10, tenths % 10));
    }
    // Each fill is on the public tape too.
    let numbers = |list: &Value| -> Vec<u64> {
        list.as_object().unwrap().values().map(|trade| trade["trade_id"].as_u64().unwrap()).collect()
    };
    let public = floor.send(request("/0/public/Trades?pair=XBTUSD"))["result"]["XXBTZUSD"].clone();
    let public: Vec<_> = public.as_array().unwrap().iter().map(|row| row[6].as_u64().unwrap()).collect();
    assert!(numbers(&told["trades"]).iter().all(|number| public.contains(number)));
}

#[test]
fn no_money_comes_or_goes_whoever_trades() {
    for seed in 0..12 {
        let mut floor = moving(seed);
        let start = floor.exchange.engine.accounts.total();
        let mut chance = Source::new(seed, 99);
        for _ in 0..120 {
            let (bid, _) = floor.best();
            let price = bid + chance.up_to(60) - 30;
            let side = if chance.up_to(1) == 0 { "buy" } else { "sell" };
            let volume = format!("{}.{:03}", chance.up_to(3), 1 + chance.up_to(900));
            let flags = ["", "&oflags=post", "&timeinforce=IOC", "&oflags=fcib", "&expiretm=%2B7"];
            let more = flags[usize::try_from(chance.up_to(4)).unwrap()];
            let order = format!(
                "pair=XBTUSD&type={side}&ordertype=limit&price={}.{}&volume={volume}{more}",
                price / 10,
                price % 10
            );
            floor.ask("sandbox-all", "AddOrder", &order);
            floor.all_holds(start);
            floor.now_us += chance.up_to(20) * 300_000;
            floor.exchange.pass(floor.now_us);
            floor.all_holds(start);
        }
        let funds: Value = serde_json::from_str(&floor.exchange.funds_json(floor.now_us)).unwrap();
        assert_ne!(funds["accounts"]["main"]["spot"]["XXBT"], "100.0000000000", "something was traded");
    }
}

#[test]
fn a_long_silence_costs_no_more_than_a_short_one() {
    let mut floor = moving(3);
    floor.wait_s(1);
    let made = |floor: &mut Floor| {
        let page = floor.send(request("/0/public/Trades?pair=XBTUSD"));
        page["result"]["XXBTZUSD"].as_array().unwrap().last().map_or(0, |row| row[6].as_u64().unwrap())
    };
    for silence_s in [3_600, 86_400, 400 * 86_400] {
        let before = made(&mut floor);
        floor.wait_s(silence_s);
        let trades = made(&mut floor) - before;
        assert!((30..=128 * PAIR_COUNT as u64).contains(&trades), "{silence_s} s: {trades}");
    }
    // An hour's silence leaves no minute without a price.
    floor.wait_s(3_600);
    let page = floor.send(request("/0/public/OHLC?pair=XBTUSD&interval=5"));
    let candles = page["result"]["XXBTZUSD"].as_array().unwrap().clone();
    let quiet = candles.iter().rev().take(11).filter(|candle| candle[7] == 0).count();
    assert_eq!(quiet, 0, "{candles:?}");
}

#[test]
fn a_market_stands_still_unless_it_is_told_to_move_and_again_when_it_is_told_to_stop() {
    let mut floor = floor();
    floor.wait_s(1);
    let still = floor.pages();
    floor.wait_s(3_600);
    let depth = |pages: &[Value]| pages[1]["XXBTZUSD"]["bids"][0][0].clone();
    assert_eq!((floor.best(), &floor.pages()[2]), ((599_995, 600_005), &still[2]));
    let switch = |floor: &mut Floor, market: &str| {
        floor.exchange.pass(floor.now_us);
        floor.exchange.change(json!({"market": market}).to_string().as_bytes()).unwrap();
    };
    switch(&mut floor, "moving");
    floor.wait_s(60);
    let moved = floor.pages();
    assert_ne!(depth(&still), depth(&moved));
    let seconds = moved[4]["XXBTZUSD"].as_array().unwrap().len();
    assert!(seconds < 70, "the hour before is not made up for: {seconds}");
    switch(&mut floor, "still");
    let stopped = (floor.best(), floor.pages()[2].clone());
    floor.wait_s(3_600);
    assert_eq!((floor.best(), floor.pages()[2].clone()), stopped);
    assert!(floor.exchange.change(br#"{"market":"sideways"}"#).is_err());
}

#[test]
fn nothing_moves_where_nothing_is_matched() {
    let mut floor = moving(9);
    floor.wait_s(5);
    let switch = |floor: &mut Floor, change: Value| {
        floor.exchange.pass(floor.now_us);
        floor.exchange.change(change.to_string().as_bytes()).unwrap();
    };
    let last =
        |floor: &Floor, pair: usize| floor.exchange.engine.tapes[pair].recent().last().map(|t| t.number);
    for status in ["maintenance", "cancel_only", "post_only"] {
        switch(&mut floor, json!({"system_status": status}));
        let before = (floor.best(), last(&floor, 0), last(&floor, 1));
        floor.wait_s(600);
        assert_eq!((floor.best(), last(&floor, 0), last(&floor, 1)), before, "{status}");
        switch(&mut floor, json!({"system_status": "online"}));
        let count = |floor: &Floor| floor.exchange.engine.tapes[0].recent().count();
        let made = count(&floor);
        floor.wait_s(30);
        assert_ne!((floor.best(), last(&floor, 0), last(&floor, 1)), before, "{status}");
        assert!(count(&floor) - made < 60, "what it stood still for is not made up for");
    }
    switch(&mut floor, json!({"pair_status": {"XBTUSD": "post_only", "ETHUSD": "limit_only"}}));
    let before = (floor.best(), last(&floor, 0), last(&floor, 1));
    floor.wait_s(60);
    let after = (floor.best(), last(&floor, 0), last(&floor, 1));
    assert_eq!((after.0, after.1), (before.0, before.1));
    assert_ne!(after.2, before.2, "limit orders trade");
}
