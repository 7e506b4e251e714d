//! Orders, changes and cancels: from the request to the reply.
//!
//! Whatever Kraken answers is a reply. Where its answer cannot be understood although the call was taken, the reply is
//! "unresolved" and never a Status: a Status would promise that nothing was executed.

use tidegate_proto::v1;
use tidegate_proto::v1::trading_service_server::TradingService;
use tonic::{Request, Response, Status};

use super::{Api, opened, status};

/// The methods, which differ only in who answers.
macro_rules! methods {
    ($($method:ident($request:ty) -> $response:ty = $answer:ident;)*) => {
        #[tonic::async_trait]
        impl TradingService for Api {
            $(
                async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                    let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
                    self.$answer(&info, message).await.map(Response::new).map_err(status)
                }
            )*
        }
    };
}

methods! {
    add_order(v1::AddOrderRequest) -> v1::AddOrderResponse = place;
    add_order_batch(v1::AddOrderBatchRequest) -> v1::AddOrderBatchResponse = place_batch;
    amend_order(v1::AmendOrderRequest) -> v1::AmendOrderResponse = amend;
    edit_order(v1::EditOrderRequest) -> v1::EditOrderResponse = edit;
    cancel_order(v1::CancelOrderRequest) -> v1::CancelOrderResponse = cancel_one;
    cancel_order_batch(v1::CancelOrderBatchRequest) -> v1::CancelOrderBatchResponse = cancel_batch;
    cancel_all(v1::CancelAllRequest) -> v1::CancelAllResponse = cancel_everything;
    cancel_all_orders_after(v1::CancelAllOrdersAfterRequest) -> v1::CancelAllOrdersAfterResponse = set_timer;
}
