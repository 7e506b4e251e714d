//! Strategies at work: mixed calls from many callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_core::derive_cl_ord_id;
use tidegate_proto::v1;
use tidegate_proto::v1::account_service_client::AccountServiceClient;
use tidegate_proto::v1::market_data_service_client::MarketDataServiceClient;
use tidegate_proto::v1::trading_service_client::TradingServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::judge::promises_not_executed;
use crate::request_id;

/// What callers were told.
#[derive(Debug, Default)]
pub struct Told {
    /// Answered.
    pub good: AtomicU64,
    /// Perhaps executed.
    pub unresolved: AtomicU64,
    /// Refused because a budget, a queue or the time was used up; nothing was executed.
    pub busy: AtomicU64,
}

/// A request that its caller waits for no longer than `patience`.
fn within<T>(patience: Duration, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(patience);
    request
}

/// A limit order far from the market, which rests.
pub fn resting_order() -> v1::AddOrderRequest {
    v1::AddOrderRequest {
        context: Some(v1::CallContext { request_id: request_id(), ..Default::default() }),
        pair: "XBTUSD".into(),
        side: v1::Side::Buy.into(),
        order_type: v1::OrderType::Limit.into(),
        volume: "0.001".into(),
        price: "10000.0".into(),
        ..Default::default()
    }
}

/// The client order id that belongs to an order of the one caller there is, as anyone can derive it.
///
/// # Panics
/// When the order has no request id.
pub fn handle_of(order: &v1::AddOrderRequest) -> String {
    let id = &order.context.as_ref().expect("a context").request_id;
    let (account, caller) = ("main".parse().expect("a name"), "local".parse().expect("a name"));
    derive_cl_ord_id("tidegate", &account, &caller, &id.parse().expect("a request id")).to_string()
}

impl Told {
    fn count<T>(
        &self,
        what: &str,
        answer: Result<T, Status>,
        is_unresolved: impl Fn(&T) -> bool,
    ) -> Option<T> {
        match answer {
            Ok(reply) => {
                let unresolved = is_unresolved(&reply);
                let counter = if unresolved { &self.unresolved } else { &self.good };
                counter.fetch_add(1, Ordering::Relaxed);
                (!unresolved).then_some(reply)
            }
            Err(status) => {
                assert!(promises_not_executed(&status), "{what}: a Status without our mark: {status:?}");
                let busy = matches!(
                    status.code(),
                    Code::ResourceExhausted | Code::DeadlineExceeded | Code::Unavailable | Code::Aborted
                );
                assert!(busy, "{what}: {status:?}");
                self.busy.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// One caller's share: reads, orders and cancels in turn, `calls` in all, each with `patience`.
    ///
    /// # Panics
    /// On a Status that tidegate must not give.
    pub async fn one_caller(self: Arc<Self>, channel: Channel, calls: usize, patience: Duration) {
        let mut account = AccountServiceClient::new(channel.clone());
        let mut trading = TradingServiceClient::new(channel.clone());
        let mut market = MarketDataServiceClient::new(channel);
        let mut done = 0;
        while done < calls {
            let balance = account.get_balance(within(patience, v1::GetBalanceRequest::default())).await;
            self.count("GetBalance", balance, |_| false);
            let placed =
                trading.add_order(within(patience, resting_order())).await.map(tonic::Response::into_inner);
            let is_unresolved = |reply: &v1::AddOrderResponse| {
                matches!(reply.outcome, Some(v1::add_order_response::Outcome::Unresolved(_)))
            };
            let placed = self.count("AddOrder", placed, is_unresolved);
            let open = account.get_open_orders(within(patience, v1::GetOpenOrdersRequest::default())).await;
            self.count("GetOpenOrders", open, |_| false);
            done += 3;
            if let Some(v1::add_order_response::Outcome::Accepted(order)) = placed.and_then(|p| p.outcome) {
                let target = order.order_ids.first().cloned().map(v1::cancel_order_request::Target::OrderId);
                let cancel = v1::CancelOrderRequest { context: None, target };
                let cancelled =
                    trading.cancel_order(within(patience, cancel)).await.map(tonic::Response::into_inner);
                self.count("CancelOrder", cancelled, |reply| {
                    matches!(reply.outcome, Some(v1::cancel_order_response::Outcome::Unresolved(_)))
                });
                done += 1;
            }
            let time = market.get_server_time(within(patience, v1::GetServerTimeRequest::default())).await;
            self.count("GetServerTime", time, |_| false);
            done += 1;
        }
    }
}
