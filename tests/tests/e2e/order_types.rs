//! Every order type through the front door: placed, seen while it waits, set off by another account's trades, and filled.

use std::time::Duration;

use serde_json::json;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::{Accepted, Outcome};
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::fact;
use tidegate_tests::load::resting_order;
use tidegate_tests::process::Process;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use v1::{OrderStatus, OrderType as T, Side};

const KEYS: [&str; 4] = ["sandbox-all", "sandbox-read", "sandbox-second-trade", "sandbox-second-read"];

/// The front door to a market in which two accounts trade.
struct Desk {
    _process: Process,
    gateway: Channel,
}

fn order(side: Side, order_type: T, price: &str, price2: &str, volume: &str) -> v1::AddOrderRequest {
    let [price, price2, volume] = [price, price2, volume].map(str::to_owned);
    v1::AddOrderRequest {
        pair: "BTC/USD".into(),
        side: side.into(),
        order_type: order_type.into(),
        price,
        price2,
        volume,
        ..resting_order()
    }
}

fn description(order: &v1::Order) -> &v1::OrderDescription {
    order.description.as_ref().expect("always set")
}

impl Desk {
    async fn open(house: &House) -> Self {
        let config = house.config(&KEYS, "").expect("a config");
        let process = house.all("one", &config).await.expect("the process");
        let gateway = channel(&process).await.expect("a channel");
        Self { _process: process, gateway }
    }

    async fn try_place(&self, account: &str, mut order: v1::AddOrderRequest) -> Result<Outcome, Status> {
        order.context.as_mut().expect("a context").account = account.into();
        let mut request = Request::new(order);
        request.set_timeout(Duration::from_secs(20));
        let reply = TradingServiceClient::new(self.gateway.clone()).add_order(request).await?;
        Ok(reply.into_inner().outcome.expect("an outcome"))
    }

    async fn place(&self, order: v1::AddOrderRequest) -> Accepted {
        match self.try_place("main", order).await.expect("an order that is good") {
            Outcome::Accepted(accepted) => accepted,
            Outcome::Unresolved(open) => panic!("{open:?}"),
        }
    }

    /// The other account takes what there is up to a price, which is the last one then. Eleven reach into the third level, and can
    /// be paid again and again.
    async fn move_to(&self, side: Side, price: &str) {
        let taker = v1::AddOrderRequest {
            time_in_force: v1::TimeInForce::Ioc.into(),
            ..order(side, T::Limit, price, "", "11")
        };
        self.try_place("second", taker).await.expect("an order that takes");
    }

    async fn shown(&self, id: &str) -> v1::Order {
        let request = v1::QueryOrdersRequest {
            context: Some(v1::CallContext { account: "main".into(), ..Default::default() }),
            order_ids: vec![id.to_owned()],
            ..Default::default()
        };
        let reply = AccountServiceClient::new(self.gateway.clone()).query_orders(request).await;
        reply.expect("an order").into_inner().orders.remove(0)
    }

    /// Waits until an order has come to a state.
    async fn becomes(&self, id: &str, status: OrderStatus) -> v1::Order {
        eventually("the order to come to its state", || async {
            let shown = self.shown(id).await;
            (shown.status() == status).then_some(shown)
        })
        .await
    }

    async fn positions(&self) -> Vec<v1::OpenPosition> {
        let request = v1::GetOpenPositionsRequest {
            context: Some(v1::CallContext { account: "main".into(), ..Default::default() }),
            with_valuation: true,
            ..Default::default()
        };
        let reply = AccountServiceClient::new(self.gateway.clone()).get_open_positions(request).await;
        reply.expect("positions").into_inner().positions
    }

    /// What was placed to close an order.
    async fn close_of(&self, parent: &str) -> v1::Order {
        eventually("the close to be placed", || async {
            let request = v1::GetOpenOrdersRequest {
                context: Some(v1::CallContext { account: "main".into(), ..Default::default() }),
                ..Default::default()
            };
            let reply = AccountServiceClient::new(self.gateway.clone()).get_open_orders(request).await;
            let orders = reply.expect("open orders").into_inner().orders;
            orders.into_iter().find(|order| order.parent_order_id == parent)
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn triggered_orders_wait_go_off_and_are_filled() {
    let house = House::build(Plan::default()).await.expect("a house");
    let desk = Desk::open(&house).await;
    for (wanted, words, moves, becomes, misc) in [
        (
            order(Side::Sell, T::StopLoss, "59999", "", "0.1"),
            "sell 0.10000000 XBTUSD @ stop loss 59999.0",
            (Side::Sell, "59999"),
            OrderStatus::Closed,
            "stopped",
        ),
        (
            order(Side::Sell, T::TakeProfit, "60001", "", "0.1"),
            "sell 0.10000000 XBTUSD @ take profit 60001.0",
            (Side::Buy, "60001"),
            OrderStatus::Closed,
            "touched",
        ),
        (
            order(Side::Sell, T::StopLossLimit, "59999", "60000.3", "0.1"),
            "sell 0.10000000 XBTUSD @ stop loss 59999.0 -> limit 60000.3",
            (Side::Sell, "59999"),
            OrderStatus::Open,
            "stopped",
        ),
        (
            order(Side::Buy, T::TakeProfitLimit, "59998.5", "59998.3", "0.1"),
            "buy 0.10000000 XBTUSD @ take profit 59998.5 -> limit 59998.3",
            (Side::Sell, "59998.5"),
            OrderStatus::Open,
            "touched",
        ),
    ] {
        let order_type = wanted.order_type();
        let accepted = desk.place(wanted).await;
        assert_eq!(accepted.description, words);
        let id = &accepted.order_ids[0];
        let waiting = desk.shown(id).await;
        assert_eq!((waiting.status(), waiting.misc.len()), (OrderStatus::Open, 0), "{words}");
        assert_eq!((description(&waiting).order_type(), waiting.trigger.as_str()), (order_type, "last"));
        assert_eq!(waiting.limit_price, "0.00000", "only once it has gone off");
        desk.move_to(moves.0, moves.1).await;
        let shown = desk.becomes(id, becomes).await;
        assert_eq!(shown.misc, [misc], "{words}");
        let filled = if becomes == OrderStatus::Closed { "0.10000000" } else { "0.00000000" };
        assert_eq!(shown.volume_executed, filled, "{words}");
        if becomes == OrderStatus::Open {
            assert_eq!(shown.limit_price, format!("{}0000", description(&shown).price2));
        }
        // Back to where it began, for the next.
        desk.move_to(Side::Buy, "60000.5").await;
        if becomes == OrderStatus::Open && shown.description.is_some_and(|d| d.side() == Side::Sell) {
            assert_eq!(desk.becomes(id, OrderStatus::Closed).await.misc, [misc], "it was in the way");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailing_stops_follow_the_market_until_it_turns() {
    let house = House::build(Plan::default()).await.expect("a house");
    let desk = Desk::open(&house).await;
    let market = desk.place(order(Side::Sell, T::TrailingStop, "+1", "", "0.1")).await;
    let limited = desk.place(order(Side::Sell, T::TrailingStopLimit, "+1", "+1.3", "0.1")).await;
    assert_eq!(limited.description, "sell 0.10000000 XBTUSD @ trailing stop +1.0000 -> limit +1.3000");
    let [market, limited] = [&market.order_ids[0], &limited.order_ids[0]];
    let before = desk.shown(market).await;
    assert_eq!((before.stop_price.as_str(), description(&before).price.as_str()), ("59999.00000", "+1.0000"));
    desk.move_to(Side::Buy, "60001").await;
    assert_eq!(desk.shown(market).await.stop_price, "60000.00000");
    desk.move_to(Side::Sell, "59999.5").await;
    assert_eq!(desk.becomes(market, OrderStatus::Closed).await.misc, ["stopped"]);
    let shown = desk.shown(limited).await;
    assert_eq!((shown.status(), shown.limit_price.as_str()), (OrderStatus::Open, "60001.30000"));
    desk.move_to(Side::Buy, "60001.5").await;
    desk.becomes(limited, OrderStatus::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fill_is_closed_and_the_order_is_found_without_a_client_order_id() {
    let house = House::build(Plan::default()).await.expect("a house");
    let desk = Desk::open(&house).await;
    let close = Some(v1::ConditionalClose {
        order_type: T::TakeProfit.into(),
        price: "+1".into(),
        price2: String::new(),
    });
    let wanted =
        v1::AddOrderRequest { close: close.clone(), ..order(Side::Buy, T::Limit, "59999.8", "", "0.2") };
    let accepted = desk.place(wanted.clone()).await;
    assert_eq!(
        (accepted.close_description.as_str(), accepted.cl_ord_id.as_str()),
        ("close position @ take profit +1.0000", "")
    );
    let shown = desk.shown(&accepted.order_ids[0]).await;
    assert!(accepted.userref.is_some() && shown.userref == accepted.userref, "{shown:?}");
    assert_eq!(description(&shown).close, accepted.close_description);
    // The same request again is the same order.
    assert_eq!(desk.place(wanted).await, accepted);
    assert_eq!(house.pages.requests("AddOrder").await.expect("a log").len(), 1);

    desk.move_to(Side::Sell, "59999.8").await;
    desk.becomes(&accepted.order_ids[0], OrderStatus::Closed).await;
    let closing = desk.close_of(&accepted.order_ids[0]).await;
    assert_eq!(description(&closing).order, "sell 0.20000000 XBTUSD @ take profit 60000.8");
    desk.move_to(Side::Buy, "60001").await;
    assert_eq!(desk.becomes(&closing.order_id, OrderStatus::Closed).await.misc, ["touched"]);

    // Kraken's answer is lost: it is found by its number, and what closes it is not taken for it.
    let lost = json!({"faults": [{"endpoint": "AddOrder", "execute_then_http_status": 502}]});
    house.pages.switch(&lost).await.expect("a fault");
    let taken = v1::AddOrderRequest { close, ..order(Side::Buy, T::Limit, "60000.5", "", "0.2") };
    let first = desk.try_place("main", taken.clone()).await.expect("no error: it was executed");
    let found = eventually("the order to be found", || async {
        match desk.try_place("main", taken.clone()).await {
            Ok(Outcome::Accepted(found)) => Some(found),
            _ => None,
        }
    })
    .await;
    assert!(matches!(first, Outcome::Unresolved(_)) || first == Outcome::Accepted(found.clone()));
    let shown = desk.shown(&found.order_ids[0]).await;
    assert_eq!((shown.parent_order_id.as_str(), description(&shown).side()), ("", Side::Buy));
    // Two of ours, and the other account's two.
    assert_eq!(house.pages.requests("AddOrder").await.expect("a log").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_iceberg_shows_a_part_and_relative_prices_are_fixed_when_it_is_placed() {
    let house = House::build(Plan::default()).await.expect("a house");
    let desk = Desk::open(&house).await;
    let iceberg = v1::AddOrderRequest {
        display_volume: "0.1".into(),
        ..order(Side::Sell, T::Iceberg, "+0.2", "", "1")
    };
    let accepted = desk.place(iceberg).await;
    assert_eq!(accepted.description, "sell 1.00000000 XBTUSD @ limit 60000.2");
    let id = &accepted.order_ids[0];
    assert_eq!(description(&desk.shown(id).await).order_type(), T::Iceberg);
    let mut market = v1::market_data_service_client::MarketDataServiceClient::new(desk.gateway.clone());
    let request = v1::GetDepthRequest { pair: "BTC/USD".into(), count: 1, ..Default::default() };
    let depth = market.get_depth(request).await.expect("a book").into_inner();
    assert_eq!((depth.asks[0].price.as_str(), depth.asks[0].volume.as_str()), ("60000.20000", "0.100"));
    desk.move_to(Side::Buy, "60000.2").await;
    assert_eq!(desk.becomes(id, OrderStatus::Closed).await.volume_executed, "1.00000000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_on_margin_is_opened_seen_reduced_and_settled() {
    let house = House::build(Plan::default()).await.expect("a house");
    let desk = Desk::open(&house).await;
    let lent = |side, order_type, volume: &str| v1::AddOrderRequest {
        leverage: "5".into(),
        ..order(side, order_type, "", "", volume)
    };
    let refused = v1::AddOrderRequest { reduce_only: true, ..lent(Side::Sell, T::Market, "1") };
    let status = desk.try_place("main", refused.clone()).await.expect_err("nothing to reduce");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(fact(&status, "kraken_error").as_deref(), Some("EOrder:Reduce only:No position exists"));

    let opened = desk.place(lent(Side::Buy, T::Market, "1")).await;
    assert_eq!(opened.description, "buy 1.00000000 XBTUSD @ market with 5:1 leverage");
    let shown = desk.becomes(&opened.order_ids[0], OrderStatus::Closed).await;
    assert_eq!((shown.margin, description(&shown).leverage.as_str()), (true, "5:1"));
    let [position] = &desk.positions().await[..] else { panic!("one position") };
    assert_eq!((position.side(), position.order_id.as_str()), (Side::Buy, opened.order_ids[0].as_str()));
    assert_eq!((position.margin.as_str(), position.net.as_str()), ("12000.10000", "-0.50000"));

    let reduced = v1::AddOrderRequest { volume: "0.25".into(), ..refused };
    desk.place(v1::AddOrderRequest { context: resting_order().context, ..reduced }).await;
    let [position] = &desk.positions().await[..] else { panic!("one position") };
    assert_eq!(position.volume_closed, "0.25000000");
    desk.place(lent(Side::Sell, T::SettlePosition, "0")).await;
    assert_eq!(desk.positions().await, []);
    let funds = house.pages.funds().await.expect("the funds");
    assert_eq!(funds["margin_pool"]["ZUSD"], "0.0000");
    assert_eq!(funds["accounts"]["main"]["spot"]["XXBT"], "100.7500000000");
}
