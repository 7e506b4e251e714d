//! Money and the book under every order type at once.

use proptest::prelude::*;

use super::Engine;
use super::amend::Amendment;
use crate::exchange::book::Side;
use crate::exchange::intake;
use crate::exchange::markets::ASSET_COUNT;
use crate::exchange::prices::{Asked, Reference};
use crate::wire::decimal;
use crate::wire::params::Params;

const NOW_US: u64 = 1_781_000_000_000_000;

#[derive(Clone, Debug)]
enum Step {
    Place { who: usize, form: String },
    Cancel { who: usize, nth: usize },
    Amend { who: usize, nth: usize, wanted: Amendment },
    Wait,
}

fn price() -> impl Strategy<Value = String> {
    (599_900..=600_100_u64).prop_map(|price| decimal::text(price.into(), 1))
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop::sample::select(vec!["buy", "sell"]);
    let static_types = prop::sample::select(vec![
        "limit",
        "stop-loss",
        "take-profit",
        "stop-loss-limit",
        "take-profit-limit",
    ]);
    let fixed = (static_types, price(), price()).prop_map(|(order_type, one, two)| {
        let second = if order_type.contains("-limit") { format!("&price2={two}") } else { String::new() };
        format!("ordertype={order_type}&price={one}{second}")
    });
    let trailing = (1..9_u32, -9..9_i32).prop_map(|(one, two)| {
        let sign = if two < 0 { "-" } else { "%2B" };
        format!("ordertype=trailing-stop-limit&price=%2B{one}&price2={sign}{}", two.abs())
    });
    let iceberg = price().prop_map(|price| format!("ordertype=iceberg&price={price}&displayvol=DISPLAY"));
    let terms = prop_oneof![
        2 => Just("ordertype=market".to_owned()),
        5 => fixed,
        2 => trailing,
        1 => Just("ordertype=trailing-stop&price=%2B2".to_owned()),
        2 => iceberg,
    ];
    let more = prop::sample::select(vec![
        "",
        "trigger=index",
        "oflags=fcib",
        "oflags=fciq",
        "stptype=cancel-oldest",
        "starttm=%2B4",
        "expiretm=%2B5",
        "close[ordertype]=limit&close[price]=%231",
        "close[ordertype]=stop-loss&close[price]=%231",
        "close[ordertype]=trailing-stop-limit&close[price]=%2B1&close[price2]=-1",
    ]);
    let place = (0..2_usize, side, 5_000..=3_000_000_000_u64, terms, more).prop_map(
        |(who, side, lots, terms, more)| {
            let terms = terms.replace("DISPLAY", &decimal::text((lots / 7).into(), 8));
            let volume = decimal::text(lots.into(), 8);
            Step::Place { who, form: format!("pair=XBTUSD&type={side}&volume={volume}&{terms}&{more}") }
        },
    );
    let some = || prop::option::of(599_900..=600_100_u64);
    let lots = || prop::option::of(5_000..=3_000_000_000_u64);
    let amend =
        (0..2_usize, 0..5_usize, lots(), some(), some()).prop_map(|(who, nth, lots, limit, trigger)| {
            let (limit, trigger) = (limit.map(Asked::At), trigger.map(Asked::At));
            Step::Amend { who, nth, wanted: Amendment { lots, limit, trigger, ..Amendment::default() } }
        });
    let cancel = (0..2_usize, 0..5_usize).prop_map(|(who, nth)| Step::Cancel { who, nth });
    prop_oneof![8 => place, 1 => cancel, 2 => amend, 1 => Just(Step::Wait)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Money is neither made nor lost, nobody owes any, nothing is held for what waits, and nothing waits for what has come.
    #[test]
    fn money_is_conserved_whatever_waits(steps in prop::collection::vec(step(), 1..80)) {
        let mut engine = Engine::new(7);
        let accounts = ["main", "second"].map(|name| engine.accounts.open(name));
        let (total, mut now_us) = (engine.accounts.total(), NOW_US);
        for step in steps {
            now_us += 1;
            match step {
                Step::Place { who, form } => {
                    let params = Params::form(form.as_bytes()).unwrap();
                    if let Ok(terms) = intake::read(&params, now_us, &engine.prices()) {
                        drop(engine.place(now_us, accounts[who], terms));
                    }
                }
                Step::Cancel { who, nth } => {
                    let number = engine.open_orders(accounts[who]).nth(nth).map(|order| order.number);
                    number.into_iter().for_each(|number| engine.cancel(now_us, number));
                    engine.follow_up(now_us);
                }
                Step::Amend { who, nth, wanted } => {
                    let number = engine.open_orders(accounts[who]).nth(nth).map(|order| order.number);
                    number.into_iter().for_each(|number| drop(engine.amend(now_us, number, wanted)));
                }
                Step::Wait => {
                    now_us += 3_000_000;
                    engine.tick(now_us);
                }
            }
            prop_assert_eq!(engine.accounts.total(), total);
            let book = &engine.books[0];
            prop_assert!(book.best(Side::Buy) < book.best(Side::Sell), "the book is crossed");
            let prices = engine.prices();
            for by in Reference::ALL {
                prop_assert_eq!(engine.due(0, by, prices.of(0, by)), None);
            }
            for account in accounts {
                let mut needed = [0; ASSET_COUNT];
                for order in engine.open_orders(account) {
                    prop_assert!(order.open_lots() > 0 && (order.is_live() || order.held == 0));
                    needed[order.terms.held_asset()] += order.held;
                }
                let account = engine.accounts.get(account);
                prop_assert_eq!(account.held, needed);
                for (balance, held) in account.balances.into_iter().zip(needed) {
                    prop_assert!(held >= 0 && balance >= held, "{} held of {}", held, balance);
                }
            }
        }
    }
}
