//! Earn.

use tidegate_proto::v1;
use tidegate_proto::v1::earn_service_server::EarnService;
use tidegate_proto::v1::{
    AllocateEarnRequest, AllocateEarnResponse, DeallocateEarnRequest, DeallocateEarnResponse,
    GetEarnAllocateStatusRequest, GetEarnAllocateStatusResponse, GetEarnAllocationsRequest,
    GetEarnAllocationsResponse, GetEarnDeallocateStatusRequest, GetEarnDeallocateStatusResponse,
    GetEarnStrategiesRequest, GetEarnStrategiesResponse,
};
use tonic::{Request, Response, Status};

use super::pages::{Fetch, Streamed};
use super::{Api, opened, status};
use crate::convert::earn;

#[tonic::async_trait]
impl EarnService for Api {
    async fn allocate_earn(
        &self,
        request: Request<AllocateEarnRequest>,
    ) -> Result<Response<AllocateEarnResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = earn::move_of(&message.strategy_id, &message.amount).map_err(status)?;
        self.act_unseen(&info, "Earn/Allocate", params).await.map(Response::new).map_err(status)
    }

    async fn deallocate_earn(
        &self,
        request: Request<DeallocateEarnRequest>,
    ) -> Result<Response<DeallocateEarnResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = earn::move_of(&message.strategy_id, &message.amount).map_err(status)?;
        self.act_unseen(&info, "Earn/Deallocate", params).await.map(Response::new).map_err(status)
    }

    async fn get_earn_allocate_status(
        &self,
        request: Request<GetEarnAllocateStatusRequest>,
    ) -> Result<Response<GetEarnAllocateStatusResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = earn::status_of(&message.strategy_id).map_err(status)?;
        let found = self.read_or_null(&info, "Earn/AllocateStatus", params).await.map_err(status)?;
        Ok(Response::new(earn::allocate_status(found)))
    }

    async fn get_earn_deallocate_status(
        &self,
        request: Request<GetEarnDeallocateStatusRequest>,
    ) -> Result<Response<GetEarnDeallocateStatusResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = earn::status_of(&message.strategy_id).map_err(status)?;
        let found = self.read_or_null(&info, "Earn/DeallocateStatus", params).await.map_err(status)?;
        Ok(Response::new(earn::deallocate_status(found)))
    }

    async fn get_earn_strategies(
        &self,
        request: Request<GetEarnStrategiesRequest>,
    ) -> Result<Response<GetEarnStrategiesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamEarnStrategiesStream = Streamed<v1::StreamEarnStrategiesResponse>;

    async fn stream_earn_strategies(
        &self,
        request: Request<v1::StreamEarnStrategiesRequest>,
    ) -> Result<Response<Self::StreamEarnStrategiesStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.follow::<GetEarnStrategiesRequest>(info, message).await
    }

    async fn get_earn_allocations(
        &self,
        request: Request<GetEarnAllocationsRequest>,
    ) -> Result<Response<GetEarnAllocationsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = earn::allocations_of(&message).map_err(status)?;
        let found = self.read(&info, "Earn/Allocations", params).await.map_err(status)?;
        Ok(Response::new(earn::allocations(found)))
    }
}
