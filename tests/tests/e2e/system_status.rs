//! The exchange as a whole, or one pair of it, takes less than everything: what passes, what is refused, and what is said.
//!
//! Kraken's `Market in ... mode` is a refusal, so it is told with our mark. Its `Unavailable` is none: orders were seen to
//! execute behind it. So whoever asks for something in a maintenance is told that it is open, and learns the truth later.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::load::{handle_of, resting_order};
use tidegate_tests::process::Process;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use v1::{
    add_order_batch_response as batch, add_order_response as order, amend_order_request as amend,
    cancel_order_request as cancel,
};

const CANCEL_ONLY: &str = "EService:Market in cancel_only mode";
const POST_ONLY: &str = "EService:Market in post_only mode";
const LIMIT_ONLY: &str = "EService:Market in limit_only mode";

/// What a call was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Done,
    /// Not executed, in Kraken's words.
    Refused(String),
    /// The reason.
    Open(String),
}

fn refused(text: &str) -> Told {
    Told::Refused(text.to_owned())
}

/// What a Status says. It must carry our mark and be final.
fn of(status: &Status) -> Told {
    assert!(promises_not_executed(status), "without our mark: {status:?}");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    Told::Refused(fact(status, "kraken_error").unwrap_or_default())
}

/// What a reply says, given its Unresolved if it has one.
fn told<T>(answer: Result<T, Status>, open: impl Fn(&T) -> Option<&v1::Unresolved>) -> Told {
    match answer {
        Err(status) => of(&status),
        Ok(reply) => open(&reply).map_or(Told::Done, |open| Told::Open(open.reason.clone())),
    }
}

/// What a mutating call is told. Its outcome has a type of its own in each, and is open in the same way in all of them.
macro_rules! told {
    ($client:expr, $call:ident, $message:expr, $outcome:ty) => {{
        type Outcome = $outcome;
        let answer = $client.$call(within($message)).await.map(|reply| reply.into_inner().outcome);
        told(answer, |outcome| match outcome {
            Some(Outcome::Unresolved(open)) => Some(open),
            _ => None,
        })
    }};
}

fn within<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(10));
    request
}

fn post_only() -> v1::AddOrderRequest {
    v1::AddOrderRequest { order_flags: vec![v1::OrderFlag::Post.into()], ..resting_order() }
}

fn at_the_market(pair: &str) -> v1::AddOrderRequest {
    v1::AddOrderRequest {
        pair: pair.into(),
        order_type: v1::OrderType::Market.into(),
        volume: "0.002".into(),
        price: String::new(),
        ..resting_order()
    }
}

/// A house with one process that may do whatever can be allowed.
struct Story {
    house: House,
    _process: Process,
    gateway: Channel,
}

impl Story {
    async fn begin() -> Self {
        let house = House::build(Plan { redis: true, ..Plan::default() }).await.expect("a house");
        let config = house.config(&["sandbox-all", "sandbox-read"], "").expect("a config");
        let config = config
            .replacen("quota_per_s = 100000\n", "quota_per_s = 100000\nallow_cancel_all = true\n", 1)
            .replacen("[executor]\n", "[executor]\nallow_edit_order = true\n", 1);
        let process = house.all("one", &config).await.expect("a process");
        let gateway = channel(&process).await.expect("a channel");
        Self { house, _process: process, gateway }
    }

    fn trading(&self) -> TradingServiceClient<Channel> {
        TradingServiceClient::new(self.gateway.clone())
    }

    async fn switch(&self, change: &Value) {
        self.house.pages.switch(change).await.expect("a switch");
    }

    /// Brings the exchange into a state, which its callers can see.
    async fn system(&self, status: &str, state: v1::SystemState) {
        self.switch(&json!({"system_status": status})).await;
        let mut market = MarketDataServiceClient::new(self.gateway.clone());
        let shown = market.get_system_status(within(v1::GetSystemStatusRequest::default())).await;
        let shown = shown.expect("a state").into_inner();
        assert_eq!((shown.state(), shown.status_text.as_str()), (state, status));
    }

    async fn place(&self, order: v1::AddOrderRequest) -> Told {
        told!(self.trading(), add_order, order, order::Outcome)
    }

    /// An order that rests, by Kraken's id.
    async fn resting(&self) -> String {
        let reply = self.trading().add_order(within(resting_order())).await.expect("an order").into_inner();
        let Some(order::Outcome::Accepted(mut accepted)) = reply.outcome else { panic!("{reply:?}") };
        accepted.order_ids.remove(0)
    }

    async fn open_orders(&self) -> Vec<String> {
        let mut account = AccountServiceClient::new(self.gateway.clone());
        let open = account.get_open_orders(within(v1::GetOpenOrdersRequest::default())).await;
        open.expect("open orders").into_inner().orders.into_iter().map(|order| order.order_id).collect()
    }

    /// What is told to every call that places or changes something, the last one an edit of the order `second`.
    async fn places(&self, first: &str, second: &str) -> [Told; 9] {
        let mut trading = self.trading();
        let context = || resting_order().context;
        let row = |order_flags: Vec<i32>| v1::add_order_batch_request::Row {
            side: v1::Side::Buy.into(),
            order_type: v1::OrderType::Limit.into(),
            volume: "0.001".into(),
            price: "10000.0".into(),
            order_flags,
            ..Default::default()
        };
        let post = || vec![i32::from(v1::OrderFlag::Post)];
        let rows = vec![row(post()), row(post())];
        let many = v1::AddOrderBatchRequest {
            context: context(),
            pair: "XBTUSD".into(),
            rows,
            ..Default::default()
        };
        let change = |volume: &str, limit_price: &str, post_only| v1::AmendOrderRequest {
            context: context(),
            target: Some(amend::Target::OrderId(first.to_owned())),
            volume: volume.into(),
            limit_price: limit_price.into(),
            post_only,
            ..Default::default()
        };
        let edit = v1::EditOrderRequest {
            context: context(),
            order_id: second.to_owned(),
            pair: "XBTUSD".into(),
            volume: "0.002".into(),
            ..Default::default()
        };
        [
            self.place(resting_order()).await,
            self.place(post_only()).await,
            self.place(at_the_market("XBTUSD")).await,
            told!(trading, add_order_batch, many, batch::Outcome),
            told!(trading, amend_order, change("0.002", "", false), v1::amend_order_response::Outcome),
            told!(trading, amend_order, change("", "10001.0", false), v1::amend_order_response::Outcome),
            told!(trading, amend_order, change("", "10002.0", true), v1::amend_order_response::Outcome),
            told!(trading, edit_order, edit.clone(), v1::edit_order_response::Outcome),
            told!(
                trading,
                edit_order,
                v1::EditOrderRequest { context: context(), post_only: true, ..edit },
                v1::edit_order_response::Outcome
            ),
        ]
    }

    /// What is told to every call that cancels, the first ones one order each.
    async fn cancels(&self, first: &str, second: &str) -> [Told; 4] {
        let mut trading = self.trading();
        let context = || resting_order().context;
        let target = Some(cancel::Target::OrderId(first.to_owned()));
        let some = v1::CancelOrderBatchRequest { context: None, order_ids: vec![second.to_owned()] };
        let timer = v1::CancelAllOrdersAfterRequest { context: context(), timeout_s: 600 };
        [
            told!(
                trading,
                cancel_order,
                v1::CancelOrderRequest { context: None, target },
                v1::cancel_order_response::Outcome
            ),
            told!(trading, cancel_order_batch, some, v1::cancel_order_batch_response::Outcome),
            told!(trading, cancel_all_orders_after, timer, v1::cancel_all_orders_after_response::Outcome),
            told!(
                trading,
                cancel_all,
                v1::CancelAllRequest { context: context() },
                v1::cancel_all_response::Outcome
            ),
        ]
    }

    /// How many requests for an endpoint the exchange has seen.
    async fn sent(&self, endpoint: &str) -> usize {
        self.house.pages.requests(endpoint).await.expect("a log").len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mode_forbids_is_refused_with_our_mark_and_cancels_pass() {
    let story = Story::begin().await;
    let (cancel_only, post_only, done) = (refused(CANCEL_ONLY), refused(POST_ONLY), Told::Done);
    for (status, state, expected) in [
        ("cancel_only", v1::SystemState::CancelOnly, [(); 9].map(|()| cancel_only.clone())),
        (
            "post_only",
            v1::SystemState::PostOnly,
            [
                post_only.clone(),
                done.clone(),
                post_only.clone(),
                done.clone(),
                done.clone(),
                post_only.clone(),
                done.clone(),
                post_only,
                done.clone(),
            ],
        ),
        ("online", v1::SystemState::Online, {
            let mut all = [(); 9].map(|()| done.clone());
            // The order that it would edit was edited by the call before.
            all[8] = refused("EOrder:Unknown order");
            all
        }),
    ] {
        let (first, second) = (story.resting().await, story.resting().await);
        let third = story.resting().await;
        let before = story.sent("AddOrder").await;
        story.system(status, state).await;
        assert_eq!(story.places(&first, &second).await, expected, "{status}");
        assert_eq!(story.sent("AddOrder").await - before, 3, "{status}: one request for one call");
        assert!(story.open_orders().await.contains(&third), "{status}: reads go on");
        assert_eq!(story.cancels(&first, &third).await, [(); 4].map(|()| Told::Done), "{status}");
        assert_eq!(story.open_orders().await, Vec::<String>::new(), "{status}");
        // A repeat of what was refused is told the same, whatever the exchange takes by then.
        story.system("online", v1::SystemState::Online).await;
        let again = repeated(&story, status).await;
        assert_eq!(again, expected[0], "{status}");
    }
    // What was refused was not executed, and nothing was unclear.
    let log = story.house.pages.settled_log().await.expect("a log");
    let wrong = |entry: &&Value| {
        let verdict = entry["verdict"].as_str().unwrap_or_default();
        verdict.starts_with("EService") && (entry["executed"] == true || verdict.ends_with("Unavailable"))
    };
    assert_eq!(log.iter().find(wrong), None);
}

/// Asks for an order under a status, then again under the same id in a market that takes everything.
async fn repeated(story: &Story, status: &str) -> Told {
    let wanted = resting_order();
    story.switch(&json!({"system_status": status})).await;
    let first = story.place(wanted.clone()).await;
    story.switch(&json!({"system_status": "online"})).await;
    assert_eq!(story.place(wanted.clone()).await, first, "{status}: the same word again");
    let log = story.house.pages.requests("AddOrder").await.expect("a log");
    let copies = log.iter().filter(|entry| entry["cl_ord_id"] == handle_of(&wanted).as_str()).count();
    assert_eq!(copies, 1, "{status}");
    let mut trading = story.trading();
    let all = v1::CancelAllRequest { context: resting_order().context };
    told!(trading, cancel_all, all, v1::cancel_all_response::Outcome);
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_mode_forbids_are_refused_one_by_one() {
    let story = Story::begin().await;
    story.system("post_only", v1::SystemState::PostOnly).await;
    let row = |order_flags| v1::add_order_batch_request::Row {
        side: v1::Side::Buy.into(),
        order_type: v1::OrderType::Limit.into(),
        volume: "0.001".into(),
        price: "10000.0".into(),
        order_flags,
        ..Default::default()
    };
    let rows = vec![row(vec![v1::OrderFlag::Post.into()]), row(Vec::new())];
    let context = resting_order().context;
    let many = v1::AddOrderBatchRequest { context, pair: "XBTUSD".into(), rows, ..Default::default() };
    let reply = story.trading().add_order_batch(within(many)).await.expect("a batch").into_inner();
    let Some(batch::Outcome::Accepted(accepted)) = reply.outcome else { panic!("{reply:?}") };
    let [placed, refused] = &accepted.rows[..] else { panic!("{accepted:?}") };
    assert!(matches!(&placed.outcome, Some(batch::row::Outcome::Placed(_))), "{placed:?}");
    let Some(batch::row::Outcome::NotPlaced(refused)) = &refused.outcome else { panic!("{refused:?}") };
    assert_eq!(refused.kraken_error, POST_ONLY);
    assert_eq!(story.open_orders().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_takes_less_says_so_and_the_others_go_on() {
    let story = Story::begin().await;
    story.switch(&json!({"pair_status": {"XBTUSD": "cancel_only", "XBTEUR": "limit_only"}})).await;
    let mut market = MarketDataServiceClient::new(story.gateway.clone());
    let pairs = market.get_asset_pairs(within(v1::GetAssetPairsRequest::default())).await.expect("pairs");
    let mut shown: Vec<_> =
        pairs.into_inner().pairs.into_iter().map(|pair| (pair.altname, pair.status)).collect();
    shown.sort();
    let expected = [("ETHUSD", "online"), ("XBTEUR", "limit_only"), ("XBTUSD", "cancel_only")];
    assert_eq!(shown, expected.map(|(pair, status)| (pair.to_owned(), status.to_owned())));
    assert_eq!(story.place(resting_order()).await, refused(CANCEL_ONLY));
    assert_eq!(story.place(at_the_market("XBTEUR")).await, refused(LIMIT_ONLY));
    assert_eq!(
        story.place(v1::AddOrderRequest { pair: "XBTEUR".into(), ..resting_order() }).await,
        Told::Done
    );
    assert_eq!(story.place(at_the_market("ETHUSD")).await, Told::Done);
    story.switch(&json!({"pair_status": {"XBTUSD": "online", "XBTEUR": "online"}})).await;
    assert_eq!(story.place(resting_order()).await, Told::Done);
    assert_eq!(story.place(at_the_market("XBTEUR")).await, Told::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_for_in_a_maintenance_is_open_until_it_is_looked_up() {
    let story = Story::begin().await;
    let (first, second) = (story.resting().await, story.resting().await);
    story.system("maintenance", v1::SystemState::Maintenance).await;
    let open = Told::Open("KRAKEN_UNCLEAR".to_owned());
    let all_open = [(); 9].map(|()| open.clone());
    assert_eq!(story.places(&first, &second).await, all_open);
    assert_eq!(story.cancels(&first, &second).await, [(); 4].map(|()| open.clone()));
    assert_eq!(story.open_orders().await.len(), 2, "nothing was placed, changed or cancelled");
    // A check cannot have done anything, so that is said.
    let check = v1::AddOrderRequest { validate: true, ..resting_order() };
    let status = story.trading().add_order(within(check)).await.expect_err("no check in a maintenance");
    assert!(promises_not_executed(&status), "{status:?}");
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");

    let wanted = resting_order();
    let began = tokio::time::Instant::now();
    assert_eq!(story.place(wanted.clone()).await, open);
    story.system("online", v1::SystemState::Online).await;
    // The same process, the same lanes: cancels that may be repeated pass, and so do new orders.
    let mut trading = story.trading();
    let target = Some(cancel::Target::OrderId(first));
    let again = v1::CancelOrderRequest { context: None, target };
    assert_eq!(told!(trading, cancel_order, again, v1::cancel_order_response::Outcome), Told::Done);
    assert_eq!(story.place(resting_order()).await, Told::Done);
    assert_eq!(story.place(at_the_market("XBTUSD")).await, Told::Done);
    // The order of the maintenance is looked up, found absent when it cannot come any more, and not sent again.
    let verdict = loop {
        assert!(began.elapsed() < Duration::from_secs(120), "no verdict");
        match trading.add_order(within(wanted.clone())).await {
            Ok(reply) => {
                let outcome = reply.into_inner().outcome;
                assert!(matches!(&outcome, Some(order::Outcome::Unresolved(_))), "{outcome:?}");
            }
            Err(status) => break status,
        }
    };
    assert!(promises_not_executed(&verdict), "{verdict:?}");
    assert_eq!(fact(&verdict, "settles").as_deref(), Some("request_id"));
    let log = story.house.pages.requests("AddOrder").await.expect("a log");
    let copies: Vec<_> =
        log.iter().filter(|entry| entry["cl_ord_id"] == handle_of(&wanted).as_str()).collect();
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert_eq!(
        (&copies[0]["verdict"], &copies[0]["executed"]),
        (&json!("EService:Unavailable"), &json!(false))
    );
}
