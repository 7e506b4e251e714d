//! Orders, changes and cancels: from the request to the reply.
//!
//! Whatever Kraken answers is a reply. Where its answer cannot be understood although the call was taken, the reply is
//! "unresolved" and never a Status: a Status would promise that nothing was executed.

use tidegate_proto::v1::trading_service_server::TradingService;
use tidegate_proto::{hop, v1};
use tonic::{Request, Response, Status};

use super::intents::IntentStream;
use super::{Api, opened, status};

#[tonic::async_trait]
impl TradingService for Api {
    async fn add_order(
        &self,
        request: Request<v1::AddOrderRequest>,
    ) -> Result<Response<v1::AddOrderResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.place(&info, message).await.map(Response::new).map_err(status)
    }

    async fn add_order_batch(
        &self,
        request: Request<v1::AddOrderBatchRequest>,
    ) -> Result<Response<v1::AddOrderBatchResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.place_batch(&info, message).await.map(Response::new).map_err(status)
    }

    async fn amend_order(
        &self,
        request: Request<v1::AmendOrderRequest>,
    ) -> Result<Response<v1::AmendOrderResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.amend(&info, message).await.map(Response::new).map_err(status)
    }

    async fn edit_order(
        &self,
        request: Request<v1::EditOrderRequest>,
    ) -> Result<Response<v1::EditOrderResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.edit(&info, message).await.map(Response::new).map_err(status)
    }

    async fn cancel_order(
        &self,
        request: Request<v1::CancelOrderRequest>,
    ) -> Result<Response<v1::CancelOrderResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.cancel_one(&info, message).await.map(Response::new).map_err(status)
    }

    async fn cancel_order_batch(
        &self,
        request: Request<v1::CancelOrderBatchRequest>,
    ) -> Result<Response<v1::CancelOrderBatchResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.cancel_batch(&info, message).await.map(Response::new).map_err(status)
    }

    async fn cancel_all(
        &self,
        request: Request<v1::CancelAllRequest>,
    ) -> Result<Response<v1::CancelAllResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.cancel_everything(&info, message).await.map(Response::new).map_err(status)
    }

    async fn cancel_all_orders_after(
        &self,
        request: Request<v1::CancelAllOrdersAfterRequest>,
    ) -> Result<Response<v1::CancelAllOrdersAfterResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.set_timer(&info, message).await.map(Response::new).map_err(status)
    }

    async fn get_intent(
        &self,
        request: Request<v1::GetIntentRequest>,
    ) -> Result<Response<v1::GetIntentResponse>, Status> {
        let lost = request.metadata().get(hop::LOST_OWNER).and_then(|owner| owner.to_str().ok());
        let lost = lost.map(str::to_owned);
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.known_intent(&info, lost.as_deref()).await.map(Response::new).map_err(status)
    }

    type WatchIntentsStream = IntentStream;

    async fn watch_intents(
        &self,
        request: Request<v1::WatchIntentsRequest>,
    ) -> Result<Response<Self::WatchIntentsStream>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.watched_intents(&info).map(Response::new).map_err(status)
    }

    async fn cancel_intent(
        &self,
        request: Request<v1::CancelIntentRequest>,
    ) -> Result<Response<v1::CancelIntentResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.cancelled_intent(&info).await.map(Response::new).map_err(status)
    }
}
