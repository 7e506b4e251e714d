use proptest::prelude::*;

use super::*;
use crate::exchange::intake;
use crate::exchange::markets::ASSET_COUNT;
use crate::exchange::prices::Asked;
use crate::wire::params::Params;

const NOW_US: u64 = 1_781_000_000_000_000;
const XXBT: usize = 0;
const ZUSD: usize = 2;

struct Desk {
    engine: Engine,
    now_us: u64,
    accounts: [usize; 2],
}

impl Desk {
    fn new() -> Self {
        let mut engine = Engine::new(7);
        let accounts = ["main", "second"].map(|name| engine.accounts.open(name));
        Self { engine, now_us: NOW_US, accounts }
    }

    /// Places `side volume @ price` (price `market` for a market order) in BTC/USD for the account of that index.
    fn place(&mut self, who: usize, order: &str, more: &str) -> Result<Id, Refusal> {
        let [side, volume, _, price] = order.split(' ').collect::<Vec<_>>()[..] else { panic!("{order}") };
        let terms = if price == "market" {
            "ordertype=market".to_owned()
        } else {
            format!("ordertype=limit&price={price}")
        };
        let form = format!("pair=XBTUSD&type={side}&volume={volume}&{terms}&{more}");
        let terms =
            intake::read(&Params::form(form.as_bytes()).unwrap(), self.now_us, &self.engine.prices())?;
        self.now_us += 1;
        self.engine.place(self.now_us, self.accounts[who], terms)
    }

    fn order(&self, who: usize, id: Id) -> &Order {
        self.engine.find(self.accounts[who], id).unwrap()
    }

    fn shown(&self, who: usize, id: Id) -> serde_json::Value {
        let mut json = crate::wire::json::Json::default();
        self.order(who, id).write(&mut json, true);
        serde_json::from_str(&json.finish()).unwrap()
    }

    fn balances(&self, who: usize) -> [i128; ASSET_COUNT] {
        self.engine.accounts.get(self.accounts[who]).balances
    }

    fn held(&self, who: usize) -> [i128; ASSET_COUNT] {
        self.engine.accounts.get(self.accounts[who]).held
    }
}

#[test]
fn a_market_order_fills_at_the_houses_quotes_and_pays_the_taker() {
    let mut desk = Desk::new();
    let before = desk.balances(0);
    let id = desk.place(0, "buy 6 @ market", "").unwrap();
    let shown = desk.shown(0, id);
    // 5 at 60000.5 and 1 at 60001.0.
    assert_eq!((&shown["status"], &shown["vol_exec"]), (&"closed".into(), &"6.00000000".into()));
    assert_eq!((&shown["cost"], &shown["fee"]), (&"360003.50000".into(), &"1440.01400".into()));
    assert_eq!(shown["price"], "60000.58333");
    assert_eq!(shown["descr"]["order"], "buy 6.00000000 XBTUSD @ market");
    assert_eq!((shown["trades"].as_array().unwrap().len(), &shown["oflags"]), (2, &"fciq".into()));
    let after = desk.balances(0);
    assert_eq!(after[XXBT] - before[XXBT], 60_000_000_000);
    assert_eq!(before[ZUSD] - after[ZUSD], 3_600_035_000 + 14_400_140);
    assert_eq!(desk.engine.books[0].front(Side::Sell).map(|(price, _)| price), Some(600_005), "quoted again");
}

#[test]
fn an_order_rests_is_held_for_and_fills_as_maker() {
    let mut desk = Desk::new();
    let bid = desk.place(0, "buy 1 @ 60000", "").unwrap();
    assert_eq!(desk.held(0)[ZUSD], 600_000_000 + 2_400_000);
    let hit = desk.place(1, "sell 0.4 @ market", "").unwrap();
    assert_eq!(desk.order(1, hit).status, Status::Closed);
    let shown = desk.shown(0, bid);
    assert_eq!(
        (&shown["status"], &shown["vol_exec"], &shown["misc"]),
        (&"open".into(), &"0.40000000".into(), &"partial".into())
    );
    assert_eq!(shown["fee"], "60.00000", "24000 at the maker's rate");
    assert_eq!(desk.held(0)[ZUSD], 360_000_000 + 1_440_000);
    let seller = desk.shown(1, hit);
    assert_eq!((&seller["oflags"], &seller["fee"]), (&"fcib".into(), &"0.0016000000".into()));
    desk.engine.cancel(desk.now_us, desk.order(0, bid).number);
    let shown = desk.shown(0, bid);
    assert_eq!((&shown["status"], &shown["reason"]), (&"canceled".into(), &"User requested".into()));
    assert_eq!(desk.held(0), [0; ASSET_COUNT]);
}

#[test]
fn price_comes_before_time_and_time_before_size() {
    let mut desk = Desk::new();
    let first = desk.place(0, "buy 1 @ 60000", "").unwrap();
    let second = desk.place(0, "buy 1 @ 60000", "").unwrap();
    let better = desk.place(0, "buy 1 @ 60000.1", "").unwrap();
    desk.place(1, "sell 1.5 @ market", "").unwrap();
    let filled = |id| desk.order(0, id).filled_lots;
    assert_eq!([better, first, second].map(filled), [100_000_000, 50_000_000, 0]);
}

#[test]
fn what_does_not_wait_ends() {
    let mut desk = Desk::new();
    let ioc = desk.place(0, "buy 6 @ 60000.5", "timeinforce=IOC").unwrap();
    assert_eq!((desk.order(0, ioc).status, desk.order(0, ioc).filled_lots), (Status::Canceled, 500_000_000));
    let fok = desk.place(0, "buy 6 @ 60000.5", "timeinforce=FOK").unwrap();
    assert_eq!((desk.order(0, fok).status, desk.order(0, fok).filled_lots), (Status::Canceled, 0));
    let fits = desk.place(0, "buy 6 @ 60001", "timeinforce=FOK").unwrap();
    assert_eq!(desk.order(0, fits).status, Status::Closed);
    let gtd = desk.place(0, "buy 1 @ 50000", "expiretm=%2B10").unwrap();
    desk.engine.tick(desk.now_us + 9_000_000);
    assert_eq!(desk.order(0, gtd).status, Status::Open);
    desk.engine.tick(desk.now_us + 10_000_000);
    assert_eq!(desk.order(0, gtd).status, Status::Expired);
    assert_eq!(desk.held(0), [0; ASSET_COUNT]);
    assert_eq!(desk.engine.open_orders(desk.accounts[0]).count(), 0);
}

#[test]
fn a_taker_that_outgrows_the_book_rests_and_the_house_stays_out_of_its_way() {
    let mut desk = Desk::new();
    let big = desk.place(0, "buy 7 @ 60000.5", "").unwrap();
    assert_eq!(desk.order(0, big).open_lots(), 200_000_000);
    assert_eq!(desk.engine.books[0].best(Side::Buy), Some(600_005));
    assert_eq!(desk.engine.books[0].best(Side::Sell), Some(600_010));
    desk.engine.cancel(desk.now_us, desk.order(0, big).number);
    assert_eq!(desk.engine.books[0].best(Side::Sell), Some(600_005));
}

#[test]
fn refusals_before_anything_happens() {
    let mut desk = Desk::new();
    let mut refused = |order: &str, more: &str| desk.place(0, order, more).unwrap_err();
    assert_eq!(refused("buy 0.00004999 @ 60000", ""), Refusal::OrderMinimum);
    assert_eq!(refused("buy 0.00005 @ 9999.9", ""), Refusal::CostMinimum);
    assert_eq!(refused("buy 1 @ 60000.5", "oflags=post"), Refusal::PostOnly);
    assert_eq!(refused("buy 17 @ 60000", ""), Refusal::InsufficientFunds);
    assert_eq!(refused("buy 17 @ market", ""), Refusal::InsufficientFunds);
    assert_eq!(
        refused("sell 100 @ 70000", ""),
        Refusal::InsufficientFunds,
        "the fee is paid in the base as well"
    );
    desk.place(0, "sell 100 @ 70000", "oflags=fciq").unwrap();
    assert_eq!(desk.place(0, "sell 0.1 @ market", "").unwrap_err(), Refusal::InsufficientFunds);
}

#[test]
fn a_client_id_is_unique_while_its_order_is_open() {
    let mut desk = Desk::new();
    let first = desk.place(0, "buy 1 @ 50000", "cl_ord_id=mine").unwrap();
    assert_eq!(desk.place(0, "buy 1 @ 50000", "cl_ord_id=mine").unwrap_err(), Refusal::InvalidOrder);
    desk.place(1, "buy 1 @ 50000", "cl_ord_id=mine").unwrap();
    desk.engine.cancel(desk.now_us, desk.order(0, first).number);
    desk.place(0, "buy 1 @ 50000", "cl_ord_id=mine").unwrap();
    // An order that fills at once never was open.
    desk.place(0, "buy 1 @ market", "cl_ord_id=twice").unwrap();
    desk.place(0, "buy 1 @ market", "cl_ord_id=twice").unwrap();
}

#[test]
fn nobody_trades_with_himself() {
    let mut desk = Desk::new();
    let resting = desk.place(0, "buy 1 @ 60000", "").unwrap();
    let newest = desk.place(0, "sell 1 @ 60000", "").unwrap();
    assert_eq!(
        (desk.order(0, newest).status, desk.order(0, resting).status),
        (Status::Canceled, Status::Open)
    );
    let oldest = desk.place(0, "sell 1 @ 60000", "stptype=cancel-oldest").unwrap();
    assert_eq!(
        (desk.order(0, oldest).status, desk.order(0, resting).status),
        (Status::Open, Status::Canceled)
    );
    let both = desk.place(0, "buy 1 @ 60000", "stptype=cancel-both").unwrap();
    assert_eq!(
        (desk.order(0, both).status, desk.order(0, oldest).status),
        (Status::Canceled, Status::Canceled)
    );
    assert_eq!(desk.held(0), [0; ASSET_COUNT]);
    assert!(desk.engine.trades.get(0).is_none());
}

#[test]
fn each_trade_has_two_ledger_entries_under_its_id() {
    let mut desk = Desk::new();
    let id = desk.place(0, "buy 1 @ market", "").unwrap();
    let [trade_id] = desk.order(0, id).trades[..] else { panic!("one fill") };
    let (_, trade) = desk.engine.trades.find(trade_id).unwrap();
    let [base, quote] = trade.ledgers[..] else { panic!("two entries") };
    let entries = [base, quote].map(|id| desk.engine.accounts.ledger.find(id).unwrap().1);
    assert!(entries.iter().all(|entry| entry.refid == trade_id.into()));
    assert_eq!(
        entries.map(|entry| (entry.asset, entry.amount, entry.fee)),
        [(XXBT, 10_000_000_000, 0), (ZUSD, -600_005_000, 2_400_020),]
    );
    assert_eq!(entries.map(|entry| entry.balance), [desk.balances(0)[XXBT], desk.balances(0)[ZUSD]]);
}

#[test]
fn worth_goes_through_whatever_pairs_there_are() {
    let desk = Desk::new();
    let one = [10_000_000_000, 10_000_000_000, 10_000, 10_000];
    // One of each, in dollars: 60000, 3000, 1, 60000 / 55000.
    let dollars = [0, 1, 2, 3].map(|asset| desk.engine.worth(one[asset], asset, ZUSD));
    assert_eq!(dollars, [600_000_000, 30_000_000, 10_000, 10_909]);
    assert_eq!(desk.engine.worth(one[1], 1, 3), 27_500_000);
    assert_eq!(desk.engine.worth(one[0], 0, 1), 200_000_000_000);
}

#[derive(Clone, Debug)]
enum Step {
    Place { who: usize, order: String, more: &'static str },
    Cancel { who: usize, nth: usize },
    Amend { who: usize, nth: usize, lots: Option<u64>, limit: Option<u64> },
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just("buy"), Just("sell")];
    let price = prop_oneof![
        Just("market".to_owned()),
        (599_900..=600_100_u64).prop_map(|p| decimal::text(p.into(), 1))
    ];
    let volume = (5_000..=3_000_000_000_u64).prop_map(|lots| decimal::text(lots.into(), 8));
    let more = prop::sample::select(vec![
        "",
        "oflags=post",
        "oflags=fcib",
        "oflags=fciq",
        "timeinforce=IOC",
        "timeinforce=FOK",
        "stptype=cancel-oldest",
        "stptype=cancel-both",
        "expiretm=%2B5",
        "cl_ord_id=same",
    ]);
    let place = (0..2_usize, side, volume, price, more).prop_map(|(who, side, volume, price, more)| {
        Step::Place { who, order: format!("{side} {volume} @ {price}"), more }
    });
    let (lots, limit) =
        (prop::option::of(5_000..=3_000_000_000_u64), prop::option::of(599_900..=600_100_u64));
    let amend = (0..2_usize, 0..5_usize, lots, limit).prop_map(|(who, nth, lots, limit)| Step::Amend {
        who,
        nth,
        lots,
        limit,
    });
    prop_oneof![6 => place, 2 => (0..2_usize, 0..5_usize).prop_map(|(who, nth)| Step::Cancel { who, nth }), 2 => amend, 1 => Just(Step::Wait)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Money is neither made nor lost, nobody owes any, and what is held is what open orders need.
    #[test]
    fn money_is_conserved(steps in prop::collection::vec(step(), 1..60)) {
        let mut desk = Desk::new();
        let total = desk.engine.accounts.total();
        for step in steps {
            match step {
                Step::Place { who, order, more } => drop(desk.place(who, &order, more)),
                Step::Cancel { who, nth } => {
                    let numbers: Vec<_> =
                        desk.engine.open_orders(desk.accounts[who]).map(|order| order.number).collect();
                    if let Some(number) = numbers.get(nth) {
                        desk.engine.cancel(desk.now_us, *number);
                    }
                }
                Step::Amend { who, nth, lots, limit } => {
                    let number = desk.engine.open_orders(desk.accounts[who]).nth(nth).map(|order| order.number);
                    if let Some(number) = number {
                        let limit = limit.map(Asked::At);
                        let wanted = Amendment { lots, limit, ..Amendment::default() };
                        drop(desk.engine.amend(desk.now_us, number, wanted));
                    }
                }
                Step::Wait => {
                    desk.now_us += 3_000_000;
                    desk.engine.tick(desk.now_us);
                }
            }
            prop_assert_eq!(desk.engine.accounts.total(), total);
            let book = &desk.engine.books[0];
            prop_assert!(book.best(Side::Buy) < book.best(Side::Sell), "the book is crossed");
            for who in 0..2 {
                let mut needed = [0; ASSET_COUNT];
                for order in desk.engine.open_orders(desk.accounts[who]) {
                    prop_assert!(order.open_lots() > 0);
                    needed[order.terms.held_asset()] += order.held;
                }
                prop_assert_eq!(desk.held(who), needed);
                for (balance, held) in desk.balances(who).into_iter().zip(needed) {
                    prop_assert!(held >= 0 && balance >= held, "{} held of {}", held, balance);
                }
            }
        }
    }
}
