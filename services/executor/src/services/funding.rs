//! Money in and out.

use tidegate_proto::v1;
use tidegate_proto::v1::funding_service_server::FundingService;
use tonic::{Request, Response, Status};

use super::pages::{Fetch, Streamed};
use super::{Api, opened, status};
use crate::convert::funding;

#[tonic::async_trait]
impl FundingService for Api {
    async fn get_deposit_methods(
        &self,
        request: Request<v1::GetDepositMethodsRequest>,
    ) -> Result<Response<v1::GetDepositMethodsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::deposit_methods_of(&message).map_err(status)?;
        let found = self.read(&info, "DepositMethods", params).await.map_err(status)?;
        Ok(Response::new(funding::deposit_methods(found)))
    }

    async fn get_deposit_addresses(
        &self,
        request: Request<v1::GetDepositAddressesRequest>,
    ) -> Result<Response<v1::GetDepositAddressesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::deposit_addresses_of(&message).map_err(status)?;
        if message.new_address {
            return self
                .act_unseen(&info, "DepositAddresses", params)
                .await
                .map(Response::new)
                .map_err(status);
        }
        let found = self.read(&info, "DepositAddresses", params).await.map_err(status)?;
        Ok(Response::new(funding::deposit_addresses(found, Vec::new())))
    }

    async fn get_deposit_status(
        &self,
        request: Request<v1::GetDepositStatusRequest>,
    ) -> Result<Response<v1::GetDepositStatusResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamDepositStatusStream = Streamed<v1::StreamDepositStatusResponse>;

    async fn stream_deposit_status(
        &self,
        request: Request<v1::StreamDepositStatusRequest>,
    ) -> Result<Response<Self::StreamDepositStatusStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.follow::<v1::GetDepositStatusRequest>(info, message).await
    }

    async fn get_withdraw_methods(
        &self,
        request: Request<v1::GetWithdrawMethodsRequest>,
    ) -> Result<Response<v1::GetWithdrawMethodsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::withdraw_methods_of(&message).map_err(status)?;
        let found = self.read(&info, "WithdrawMethods", params).await.map_err(status)?;
        Ok(Response::new(funding::withdraw_methods(found)))
    }

    async fn get_withdraw_addresses(
        &self,
        request: Request<v1::GetWithdrawAddressesRequest>,
    ) -> Result<Response<v1::GetWithdrawAddressesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::withdraw_addresses_of(&message).map_err(status)?;
        let found = self.read(&info, "WithdrawAddresses", params).await.map_err(status)?;
        Ok(Response::new(funding::withdraw_addresses(found)))
    }

    async fn get_withdraw_info(
        &self,
        request: Request<v1::GetWithdrawInfoRequest>,
    ) -> Result<Response<v1::GetWithdrawInfoResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::withdraw_info_of(&message).map_err(status)?;
        let found = self.read(&info, "WithdrawInfo", params).await.map_err(status)?;
        Ok(Response::new(funding::withdraw_info(found)))
    }

    async fn withdraw(
        &self,
        request: Request<v1::WithdrawRequest>,
    ) -> Result<Response<v1::WithdrawResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::withdraw_of(&message).map_err(status)?;
        self.act_unseen(&info, "Withdraw", params).await.map(Response::new).map_err(status)
    }

    async fn get_withdraw_status(
        &self,
        request: Request<v1::GetWithdrawStatusRequest>,
    ) -> Result<Response<v1::GetWithdrawStatusResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamWithdrawStatusStream = Streamed<v1::StreamWithdrawStatusResponse>;

    async fn stream_withdraw_status(
        &self,
        request: Request<v1::StreamWithdrawStatusRequest>,
    ) -> Result<Response<Self::StreamWithdrawStatusStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.follow::<v1::GetWithdrawStatusRequest>(info, message).await
    }

    async fn withdraw_cancel(
        &self,
        request: Request<v1::WithdrawCancelRequest>,
    ) -> Result<Response<v1::WithdrawCancelResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::withdraw_cancel_of(&message).map_err(status)?;
        self.act_unseen(&info, "WithdrawCancel", params).await.map(Response::new).map_err(status)
    }

    async fn wallet_transfer(
        &self,
        request: Request<v1::WalletTransferRequest>,
    ) -> Result<Response<v1::WalletTransferResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = funding::wallet_transfer_of(&message).map_err(status)?;
        self.act_unseen(&info, "WalletTransfer", params).await.map(Response::new).map_err(status)
    }
}
