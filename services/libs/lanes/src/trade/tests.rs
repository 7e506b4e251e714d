use super::*;

const T: u64 = 1_795_000_000_000_000;
const S: u64 = 1_000_000;

struct Desk {
    book: TradeBook,
    generation: Generation,
    tier: TradeTier,
    now_us: u64,
}

impl Desk {
    fn new(tier: TradeTier) -> Self {
        let generation =
            Generation { marker: "g".into(), replication_id: "r".into(), born_us: T - 1, fresh: true };
        Self { book: TradeBook::default(), generation, tier, now_us: T }
    }

    fn run(&mut self, act: TradeAct) -> TradeReply {
        let request = TradeRequest {
            domain: "main".parse().expect("a label"),
            account: "main".parse().expect("a label"),
            tier: self.tier,
            act,
        };
        let now = StoreNow { us: self.now_us, replication_id: "r" };
        self.book.apply(Some(&self.generation), &request, now).expect("small numbers")
    }

    fn spend(&mut self, token: &str, fixed_milli: u64, order: Option<(&str, Aged)>) -> TradeReply {
        let order = order.map(|(id, aged)| (id.to_owned(), aged));
        let (pair, token) = ("BTCUSD".to_owned(), token.to_owned());
        self.run(TradeAct::Spend(Spend { pair, token, fixed_milli, order, until_us: self.now_us + 5 * S }))
    }

    fn land(&mut self, token: &str, order_id: &str, cl_ord_id: &str) -> TradeReply {
        let orders = vec![OrderNames { order_id: order_id.into(), cl_ord_id: cl_ord_id.into() }];
        self.run(TradeAct::Land { pair: "BTCUSD".into(), token: token.into(), orders })
    }

    fn place(&mut self, order_id: &str) {
        assert!(matches!(self.spend(order_id, 1_000, None), TradeReply::Spent { .. }));
        self.land(order_id, order_id, &format!("c-{order_id}"));
    }

    fn cancel(&mut self, id: &str) -> CancelSeen {
        let TradeReply::Cancels(seen) = self.run(TradeAct::Cancel { ids: vec![id.into()] }) else {
            panic!("a cancel")
        };
        seen.into_iter().next().expect("one")
    }

    fn level_milli(&mut self) -> u64 {
        let TradeReply::Noted { level_milli } =
            self.run(TradeAct::Refund { pair: "BTCUSD".into(), token: "nobody".into() })
        else {
            panic!("noted")
        };
        level_milli
    }
}

#[test]
fn kraken_s_own_figures() {
    let ages = [4_999_999, 5 * S, 10 * S, 15 * S, 45 * S, 90 * S, 300 * S];
    let cost = |aged: Aged| ages.map(|age_us| aged.milli(age_us) / 1_000);
    assert_eq!(cost(Aged::Cancel), [8, 6, 5, 4, 2, 1, 0]);
    assert_eq!(cost(Aged::Edit), [6, 5, 4, 2, 1, 0, 0]);
    assert_eq!(cost(Aged::Amend), [3, 2, 1, 0, 0, 0, 0]);
}

#[test]
fn what_is_under_way_does_not_decay_and_what_was_charged_does() {
    let mut desk = Desk::new(TradeTier::STARTER);
    desk.spend("a", 10_000, None);
    desk.now_us += 4 * S;
    assert_eq!(desk.level_milli(), 10_000);
    desk.land("a", "O1", "");
    desk.now_us += 3 * S;
    assert_eq!(desk.level_milli(), 7_000);
    // Its sender died: from its last moment on it decays.
    desk.spend("b", 10_000, None);
    desk.now_us += 6 * S;
    assert_eq!(desk.level_milli(), 11_000, "five seconds of 7, then 10 more, then one second of the sum");
    desk.spend("c", 10_000, None);
    assert_eq!(desk.level_milli(), 21_000);
    desk.run(TradeAct::Refund { pair: "BTCUSD".into(), token: "c".into() });
    assert_eq!(desk.level_milli(), 11_000);
}

#[test]
fn orders_leave_room_for_a_cancel_and_are_told_when_to_come_again() {
    let mut desk = Desk::new(TradeTier::PRO);
    for n in 0..172 {
        desk.place(&format!("O{n}"));
    }
    let TradeReply::Over { level_milli, wait_us, .. } = desk.spend("x", 1_000, None) else { panic!("full") };
    assert_eq!((level_milli, wait_us), (173_000, 266_667));
    desk.now_us += wait_us;
    assert!(matches!(desk.spend("x", 1_000, None), TradeReply::Spent { level_milli: 172_000, .. }));
    assert!(matches!(desk.spend("x", 1_000, None), TradeReply::Spent { .. }), "the same, asked again");
    assert!(!desk.cancel("O1").over, "172 and 8 are 180");
    let second = desk.cancel("c-O2");
    assert_eq!(second, CancelSeen { pair: "BTCUSD".into(), order_id: "O2".into(), over: true });
    assert!(!desk.cancel("O2").over, "it was paid");
    assert_eq!(desk.cancel("O999"), CancelSeen::default());
}

#[test]
fn an_amend_makes_an_order_young_again_under_both_its_names() {
    let mut desk = Desk::new(TradeTier::STARTER);
    desk.place("O1");
    desk.now_us += 100 * S;
    assert_eq!(desk.level_milli(), 0);
    let TradeReply::Spent { level_milli, pair } = desk.run(TradeAct::Spend(Spend {
        pair: String::new(),
        token: "amend".into(),
        fixed_milli: 1_000,
        order: Some(("c-O1".into(), Aged::Amend)),
        until_us: desk.now_us + 5 * S,
    })) else {
        panic!("the order says its pair")
    };
    assert_eq!((level_milli, pair.as_str()), (1_000, "BTCUSD"));
    desk.land("amend", "", "c-O1");
    desk.now_us += 4 * S;
    desk.cancel("O1");
    assert_eq!(desk.level_milli(), 8_000);
    // Of an edit of an order that nobody knows, the dearest is assumed.
    assert!(matches!(
        desk.spend("edit", 1_000, Some(("O7", Aged::Edit))),
        TradeReply::Spent { level_milli: 15_000, .. }
    ));
}

#[test]
fn kraken_s_refusal_and_a_loss_fill_the_counter() {
    let mut desk = Desk::new(TradeTier::INTERMEDIATE);
    assert_eq!(
        desk.run(TradeAct::Full { pair: "BTCUSD".into() }),
        TradeReply::Noted { level_milli: 125_000 }
    );
    desk.now_us += 10 * S;
    assert_eq!(desk.level_milli(), 101_600);
    desk.generation.marker = "h".into();
    desk.generation.fresh = false;
    desk.generation.born_us = desk.now_us - S;
    assert_eq!(desk.level_milli(), 122_660);
    desk.generation.replication_id = "another".into();
    assert_eq!(desk.spend("x", 1, None), TradeReply::Unknown);
}

#[test]
fn a_clock_that_ran_ahead_does_not_hold_the_counter() {
    let mut desk = Desk::new(TradeTier::STARTER);
    desk.now_us += 3_600 * S;
    desk.spend("a", 10_000, None);
    desk.now_us -= 3_600 * S;
    assert_eq!(desk.level_milli(), 10_000);
    desk.now_us += 4 * S;
    assert_eq!(desk.level_milli(), 6_000);
}

#[test]
fn a_pair_has_one_name() {
    for written in ["XBTUSD", "XXBTZUSD", "BTC/USD", "XBT/USD", "btcusd"] {
        assert_eq!(canonical_pair(written), "BTCUSD", "{written}");
    }
    assert_eq!(canonical_pair("XETHXXBT"), "ETHBTC");
    assert_eq!(canonical_pair("DOGE/USD"), canonical_pair("XDGUSD"));
    assert_eq!(canonical_pair("XTZUSD"), "XTZUSD");
}
