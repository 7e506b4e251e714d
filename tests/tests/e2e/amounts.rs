//! Amounts that a pair does not take, and pairs under their names of today.

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::eventually;
use tidegate_tests::house::{House, Plan, channel};
use tidegate_tests::judge::{fact, promises_not_executed};
use tidegate_tests::load::resting_order;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

const KEYS: [&str; 2] = ["sandbox-trade", "sandbox-read"];

async fn place(gateway: &Channel, order: &v1::AddOrderRequest) -> Result<Outcome, Status> {
    let mut request = Request::new(order.clone());
    request.set_timeout(std::time::Duration::from_secs(10));
    let reply = TradingServiceClient::new(gateway.clone()).add_order(request).await?;
    Ok(reply.into_inner().outcome.expect("an outcome"))
}

/// What is wrong with which field.
fn fields(status: &Status) -> Vec<(String, String)> {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.into_iter().map(|v| (v.field, v.description)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_amount_that_the_pair_does_not_take_is_refused_with_the_nearest_ones() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    eventually("the pairs to be known", || async {
        process.log().contains("Kraken's pairs are known").then_some(())
    })
    .await;
    let gateway = channel(&process).await.expect("a channel");

    let good = v1::AddOrderRequest { pair: "BTC/USD".into(), price: "37500.1".into(), ..resting_order() };
    let bad = v1::AddOrderRequest { price: "37500.12".into(), volume: "0.00000001".into(), ..good.clone() };
    let status = place(&gateway, &bad).await.expect_err("too fine and too small");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(promises_not_executed(&status) && fact(&status, "settles").is_none(), "{status:?}");
    let said = fields(&status);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0].0, "price");
    assert!(said[0].1.contains("BTC/USD, 0.1: the nearest are 37500.1 and 37500.2"), "{said:?}");
    assert!(said[1].0 == "volume" && said[1].1.contains("below the least volume"), "{said:?}");
    assert_eq!(house.pages.requests("AddOrder").await.expect("a log").len(), 0);

    // Nothing was sent under that id, so it may be used for what was meant.
    let first = place(&gateway, &good).await.expect("a good order");
    assert!(
        matches!(&first, Outcome::Accepted(accepted) if accepted.description.contains("XBTUSD @ limit 37500.1"))
    );
    assert_eq!(place(&gateway, &good).await.expect("the same"), first);
    let log = house.pages.requests("AddOrder").await.expect("a log");
    assert_eq!(log.len(), 1);

    // Kraken's own word, for those who want it.
    let unchecked = v1::AddOrderRequest { context: resting_order().context, unchecked_amounts: true, ..bad };
    let status = place(&gateway, &unchecked).await.expect_err("Kraken does not take it either");
    assert!(fact(&status, "kraken_error").is_some_and(|error| error.starts_with("EOrder:")), "{status:?}");
    assert_eq!(house.pages.requests("AddOrder").await.expect("a log").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pairs_and_assets_are_named_as_today_beside_krakens_names() {
    let house = House::build(Plan::default()).await.expect("a house");
    let process = house.all("one", &house.config(&KEYS, "").expect("a config")).await.expect("the process");
    eventually("the pairs to be known", || async {
        process.log().contains("Kraken's pairs are known").then_some(())
    })
    .await;
    let gateway = channel(&process).await.expect("a channel");
    let order = v1::AddOrderRequest { pair: "BTC/USD".into(), ..resting_order() };
    assert!(matches!(place(&gateway, &order).await.expect("an order"), Outcome::Accepted(_)));
    let mut account = AccountServiceClient::new(gateway.clone());
    let open =
        account.get_open_orders(v1::GetOpenOrdersRequest::default()).await.expect("orders").into_inner();
    let description = open.orders[0].description.as_ref().expect("always set");
    assert_eq!((description.pair.as_str(), description.symbol.as_str()), ("XBTUSD", "BTC/USD"));

    let balance =
        account.get_balance(v1::GetBalanceRequest::default()).await.expect("a balance").into_inner();
    let plain = |symbol: &str| v1::AssetName { symbol: symbol.into(), kind: String::new() };
    assert_eq!((&balance.names["XXBT"], &balance.names["ZUSD"]), (&plain("BTC"), &plain("USD")));
    assert_eq!(balance.names.len(), balance.balances.len());

    let mut market = MarketDataServiceClient::new(gateway);
    let request = v1::GetTickerRequest { pairs: vec!["BTC/USD".into()], ..Default::default() };
    let ticker = market.get_ticker(request).await.expect("a ticker").into_inner().tickers.remove(0);
    assert_eq!((ticker.pair.as_str(), ticker.symbol.as_str()), ("XXBTZUSD", "BTC/USD"));
}
