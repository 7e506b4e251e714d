//! Between tidegate and Kraken connections break in every way, and still each send is one request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::add_order_response::Outcome;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tidegate_tests::fault_proxy::{Fault, FaultProxy};
use tidegate_tests::house::{House, Plan, channel};
use tokio::task::JoinSet;
use tonic::transport::Channel;

use tidegate_tests::judge::{executed_orders, promises_not_executed};
use tidegate_tests::load::resting_order;

const CALLERS: usize = 4;
const ROUNDS: usize = 60;

/// Which orders their callers were told to be what, by client order id or, where there is none, by count.
#[derive(Debug, Default)]
struct Told {
    accepted: BTreeSet<String>,
    unresolved: BTreeSet<String>,
    refused: usize,
}

async fn one_caller(gateway: Channel, told: Arc<Mutex<Told>>) {
    let mut trading = TradingServiceClient::new(gateway.clone());
    let mut account = AccountServiceClient::new(gateway);
    for _ in 0..ROUNDS {
        match trading.add_order(resting_order()).await {
            Ok(reply) => match reply.into_inner().outcome.expect("an outcome") {
                Outcome::Accepted(order) => {
                    told.lock().expect("no panic holds it").accepted.insert(order.cl_ord_id);
                }
                Outcome::Unresolved(order) => {
                    told.lock().expect("no panic holds it").unresolved.insert(order.cl_ord_id);
                }
            },
            Err(status) => {
                assert!(promises_not_executed(&status), "a Status without our mark: {status:?}");
                told.lock().expect("no panic holds it").refused += 1;
            }
        }
        if let Err(status) = account.get_balance(v1::GetBalanceRequest::default()).await {
            assert!(promises_not_executed(&status), "a Status without our mark: {status:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn however_connections_break_each_send_is_one_request() {
    let house = House::build(Plan::default()).await.expect("a house");
    let exchange = house.sandbox.addr("sandbox/rest");
    let faults = vec![
        Fault::Pass,
        Fault::CloseIdle { after_ms: 2 },
        Fault::CutAnswers { after: 40 },
        Fault::CutRequests { after: 300 },
        Fault::HalfClose,
        Fault::CutAnswers { after: 1_500 },
        Fault::CutRequests { after: 2_500 },
        Fault::CutAnswers { after: 0 },
    ];
    let proxy = FaultProxy::start(exchange, faults.clone()).await.expect("a proxy");
    let config = house.config(&["sandbox-read", "sandbox-trade", "sandbox-trade-2"], "").expect("a config");
    let config = config.replace(&exchange.to_string(), &proxy.addr().to_string());
    let process = house.all("one", &config).await.expect("the process");
    let gateway = channel(&process).await.expect("a channel");

    let told = Arc::new(Mutex::new(Told::default()));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(one_caller(gateway.clone(), Arc::clone(&told)));
    }
    while let Some(ended) = callers.join_next().await {
        ended.expect("a caller was told something it must not be told");
    }

    // Nothing is under way any more: every call has been answered, and each answer came from the exchange's or ended it.
    let log = house.pages.log().await.expect("a log");
    let mut sent = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry["nonce"].as_str().is_some_and(|nonce| !nonce.is_empty())) {
        *sent.entry((entry["key"].to_string(), entry["nonce"].to_string())).or_insert(0) += 1;
    }
    let twice: Vec<_> = sent.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");

    let executed = executed_orders(&log);
    let distinct: BTreeSet<_> = executed.iter().cloned().collect();
    assert_eq!(distinct.len(), executed.len(), "an order was executed twice");
    let told = told.lock().expect("the callers have ended");
    let lost: Vec<_> = told.accepted.difference(&distinct).collect();
    assert!(lost.is_empty(), "told to be accepted, but never executed: {lost:?}");
    // Every executed order is one that its caller knows as accepted or unresolved; so none of the refused ones is there.
    let known: BTreeSet<_> = told.accepted.union(&told.unresolved).cloned().collect();
    let unexplained: Vec<_> = distinct.difference(&known).collect();
    assert!(unexplained.is_empty(), "executed, but refused to its caller: {unexplained:?}");

    assert!(
        proxy.connections() > 2 * faults.len(),
        "only {} connections: too few faults",
        proxy.connections()
    );
    assert!(!told.accepted.is_empty() && !told.unresolved.is_empty(), "{told:?}");
}
