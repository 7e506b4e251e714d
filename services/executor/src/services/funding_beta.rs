//! Funding (Beta).
//!
//! Its acts leave no mark by which they could be found again, so all of them go the way of `unseen`: claimed, sent once, and
//! left to a person if the answer is lost.

use tidegate_proto::v1;
use tidegate_proto::v1::funding_beta_service_server::FundingBetaService;
use tidegate_proto::v1::{
    CalculateFeesRequest, CalculateFeesResponse, ClaimDepositAddressRequest, ClaimDepositAddressResponse,
    CreateAddressRequest, CreateAddressResponse, CreateWithdrawalRequest, CreateWithdrawalResponse,
    DeleteAddressRequest, DeleteAddressResponse, ListAddressesRequest, ListAddressesResponse,
    ListMethodsRequest, ListMethodsResponse, ListNetworksRequest, ListNetworksResponse, UpdateAddressRequest,
    UpdateAddressResponse,
};
use tonic::{Request, Response, Status};

use super::pages::{Fetch, Streamed};
use super::{Api, opened, status};
use crate::convert::funding_beta as beta;

#[tonic::async_trait]
impl FundingBetaService for Api {
    async fn list_methods(
        &self,
        request: Request<ListMethodsRequest>,
    ) -> Result<Response<ListMethodsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamMethodsStream = Streamed<v1::StreamMethodsResponse>;

    async fn stream_methods(
        &self,
        request: Request<v1::StreamMethodsRequest>,
    ) -> Result<Response<Self::StreamMethodsStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.follow::<ListMethodsRequest>(info, message).await
    }

    async fn list_networks(
        &self,
        request: Request<ListNetworksRequest>,
    ) -> Result<Response<ListNetworksResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::list_networks_params(&message).map_err(status)?;
        let found = self.read(&info, "FundingBeta/ListNetworks", params).await.map_err(status)?;
        Ok(Response::new(beta::networks(found)))
    }

    async fn calculate_fees(
        &self,
        request: Request<CalculateFeesRequest>,
    ) -> Result<Response<CalculateFeesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::calculate_fees_params(&message).map_err(status)?;
        let found = self.read(&info, "FundingBeta/CalculateFees", params).await.map_err(status)?;
        Ok(Response::new(beta::fees(found)))
    }

    async fn list_addresses(
        &self,
        request: Request<ListAddressesRequest>,
    ) -> Result<Response<ListAddressesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamAddressesStream = Streamed<v1::StreamAddressesResponse>;

    async fn stream_addresses(
        &self,
        request: Request<v1::StreamAddressesRequest>,
    ) -> Result<Response<Self::StreamAddressesStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.follow::<ListAddressesRequest>(info, message).await
    }

    async fn create_address(
        &self,
        request: Request<CreateAddressRequest>,
    ) -> Result<Response<CreateAddressResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::create_address_params(&message).map_err(status)?;
        let reply = self.act_unseen(&info, "FundingBeta/CreateAddress", params).await;
        reply.map(Response::new).map_err(status)
    }

    async fn update_address(
        &self,
        request: Request<UpdateAddressRequest>,
    ) -> Result<Response<UpdateAddressResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::update_address_params(&message).map_err(status)?;
        let reply = self.act_unseen(&info, "FundingBeta/UpdateAddress", params).await;
        reply.map(Response::new).map_err(status)
    }

    async fn delete_address(
        &self,
        request: Request<DeleteAddressRequest>,
    ) -> Result<Response<DeleteAddressResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::delete_address_params(&message).map_err(status)?;
        let reply = self.act_unseen(&info, "FundingBeta/DeleteAddress", params).await;
        reply.map(Response::new).map_err(status)
    }

    async fn claim_deposit_address(
        &self,
        request: Request<ClaimDepositAddressRequest>,
    ) -> Result<Response<ClaimDepositAddressResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::claim_deposit_address_params(&message).map_err(status)?;
        let reply = self.act_unseen(&info, "FundingBeta/ClaimDepositAddress", params).await;
        reply.map(Response::new).map_err(status)
    }

    async fn create_withdrawal(
        &self,
        request: Request<CreateWithdrawalRequest>,
    ) -> Result<Response<CreateWithdrawalResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = beta::create_withdrawal_params(&message).map_err(status)?;
        let reply = self.act_unseen(&info, "FundingBeta/CreateWithdrawal", params).await;
        reply.map(Response::new).map_err(status)
    }
}
