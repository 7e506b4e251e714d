//! Requests as Kraken gets them, and those that it never sees.

use super::*;

fn order() -> v1::AddOrderRequest {
    v1::AddOrderRequest {
        pair: "XBTUSD".into(),
        side: v1::Side::Buy.into(),
        order_type: v1::OrderType::Limit.into(),
        volume: "1.25".into(),
        price: "37500".into(),
        ..Default::default()
    }
}

#[test]
fn a_plain_order_says_no_more_than_was_asked() {
    let params = add_order(&order()).expect("a good order");
    assert_eq!(params.query(), "pair=XBTUSD&type=buy&ordertype=limit&volume=1.25&price=37500");
}

#[test]
fn all_mistakes_are_named_at_once() {
    let request = v1::AddOrderRequest {
        side: 0,
        order_type: v1::OrderType::Market.into(),
        volume: "1e3".into(),
        price: "5".into(),
        order_flags: vec![99],
        time_in_force: v1::TimeInForce::Gtd.into(),
        reduce_only: true,
        ..Default::default()
    };
    let error = add_order(&request).expect_err("nothing is right");
    let fields: Vec<_> = error.fields.iter().map(|f| f.field.as_str()).collect();
    let expected = ["pair", "side", "volume", "price", "reduce_only", "order_flags[0]", "expire_time"];
    assert_eq!(fields, expected);
}

#[test]
fn amounts_of_tokenized_stocks_are_asked_for_as_the_caller_wants_them() {
    let queries = |multiplier: v1::RebaseMultiplier| {
        let rebase_multiplier = multiplier.into();
        [
            balances(rebase_multiplier),
            open_orders(&v1::GetOpenOrdersRequest { rebase_multiplier, ..Default::default() }),
            closed_orders(&v1::GetClosedOrdersRequest { rebase_multiplier, ..Default::default() }),
            ledgers(&v1::GetLedgersRequest { rebase_multiplier, ..Default::default() }),
        ]
        .map(|params| params.expect("a good request").query())
    };
    assert_eq!(queries(v1::RebaseMultiplier::Unspecified), [""; 4]);
    assert_eq!(queries(v1::RebaseMultiplier::Base), ["rebase_multiplier=base"; 4]);
    assert_eq!(queries(v1::RebaseMultiplier::Rebased), ["rebase_multiplier=rebased"; 4]);
    let order_id = "OBZ5PM-7MPZV-QTRBUV";
    let amends =
        v1::GetOrderAmendsRequest { order_id: order_id.into(), rebase_multiplier: 2, ..Default::default() };
    let query = order_amends(&amends).expect("a good request").query();
    assert_eq!(query, format!("order_id={order_id}&rebase_multiplier=base"));
    let by_id = v1::QueryOrdersRequest {
        order_ids: vec![order_id.into()],
        rebase_multiplier: 1,
        consolidate_taker: Some(false),
        ..Default::default()
    };
    let query = query_orders(&by_id).expect("a good request").query();
    assert_eq!(query, format!("txid={order_id}&consolidate_taker=false&rebase_multiplier=rebased"));

    let unknown = [
        balances(77),
        open_orders(&v1::GetOpenOrdersRequest { rebase_multiplier: 77, ..Default::default() }),
        closed_orders(&v1::GetClosedOrdersRequest { rebase_multiplier: 77, ..Default::default() }),
        ledgers(&v1::GetLedgersRequest { rebase_multiplier: 77, ..Default::default() }),
        query_orders(&v1::QueryOrdersRequest { rebase_multiplier: 77, ..by_id }),
        order_amends(&v1::GetOrderAmendsRequest { rebase_multiplier: 77, ..amends }),
    ];
    for params in unknown {
        assert_eq!(params.expect_err("no such word").fields[0].field, "rebase_multiplier");
    }
}

#[test]
fn every_type_says_its_own_prices() {
    use v1::OrderType as T;
    for (order_type, price, price2, query) in [
        (T::Market, "", "", "ordertype=market&volume=1.25"),
        (T::StopLoss, "-2%", "", "ordertype=stop-loss&volume=1.25&price=-2%25"),
        (T::TakeProfit, "#5", "", "ordertype=take-profit&volume=1.25&price=%235"),
        (
            T::StopLossLimit,
            "60000",
            "59999.9",
            "ordertype=stop-loss-limit&volume=1.25&price=60000&price2=59999.9",
        ),
        (T::TakeProfitLimit, "+5", "+4", "ordertype=take-profit-limit&volume=1.25&price=%2B5&price2=%2B4"),
        (T::TrailingStop, "+50", "", "ordertype=trailing-stop&volume=1.25&price=%2B50"),
        (
            T::TrailingStopLimit,
            "+2%",
            "-0",
            "ordertype=trailing-stop-limit&volume=1.25&price=%2B2%25&price2=-0",
        ),
    ] {
        let request = v1::AddOrderRequest {
            order_type: order_type.into(),
            price: price.into(),
            price2: price2.into(),
            ..order()
        };
        let params = add_order(&request).expect("a good order");
        assert_eq!(params.query(), format!("pair=XBTUSD&type=buy&{query}"));
    }
    for (order_type, price, price2, wrong) in [
        (T::TrailingStop, "50", "", "price"),
        (T::TrailingStop, "-50", "", "price"),
        (T::TrailingStopLimit, "+50", "60000", "price2"),
        (T::TrailingStopLimit, "+50", "#5", "price2"),
        (T::StopLossLimit, "60000", "", "price2"),
        (T::StopLoss, "60000", "59000", "price2"),
        (T::SettlePosition, "", "", "leverage"),
    ] {
        let request = v1::AddOrderRequest {
            order_type: order_type.into(),
            price: price.into(),
            price2: price2.into(),
            ..order()
        };
        let error = add_order(&request).expect_err("wrong");
        assert_eq!(error.fields.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), [wrong]);
    }
}

#[test]
fn a_close_is_an_order_within_the_order() {
    let close = |order_type: v1::OrderType, price: &str, price2: &str| v1::AddOrderRequest {
        close: Some(v1::ConditionalClose {
            order_type: order_type.into(),
            price: price.into(),
            price2: price2.into(),
        }),
        broker: "partner".into(),
        ..order()
    };
    let params = add_order(&close(v1::OrderType::StopLossLimit, "-2%", "#3")).expect("a good close");
    assert_eq!(
        params.query(),
        "pair=XBTUSD&type=buy&ordertype=limit&volume=1.25&price=37500&close%5Bordertype%5D=stop-loss-limit\
         &close%5Bprice%5D=-2%25&close%5Bprice2%5D=%233&broker=partner"
    );
    for (request, wrong) in [
        (close(v1::OrderType::Market, "", ""), "close.order_type"),
        (close(v1::OrderType::Limit, "", ""), "close.price"),
        (close(v1::OrderType::TrailingStop, "5", ""), "close.price"),
        (
            v1::AddOrderRequest { cl_ord_id: "mine".into(), ..close(v1::OrderType::Limit, "1", "") },
            "cl_ord_id",
        ),
    ] {
        let error = add_order(&request).expect_err("wrong");
        assert_eq!(error.fields.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(), [wrong]);
    }
}

#[test]
fn an_iceberg_shows_a_fifteenth_at_least() {
    let iceberg = |shows: &str| {
        add_order(&v1::AddOrderRequest {
            order_type: v1::OrderType::Iceberg.into(),
            volume: "1.5".into(),
            display_volume: shows.into(),
            ..order()
        })
    };
    assert!(iceberg("0.1").expect("a fifteenth").query().ends_with("&displayvol=0.1"));
    for wrong in ["0.09999999", "", "x"] {
        assert_eq!(iceberg(wrong).expect_err("wrong").fields[0].field, "display_volume", "{wrong}");
    }
}

#[test]
fn a_cancel_names_exactly_one_target() {
    assert!(cancel_order(&v1::CancelOrderRequest::default()).is_err());
    let target = v1::cancel_order_request::Target::Userref(-7);
    let request = v1::CancelOrderRequest { target: Some(target), ..Default::default() };
    let params = cancel_order(&request).expect("a userref");
    assert_eq!(params.query(), "txid=-7");
}
