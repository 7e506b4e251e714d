//! Reads of an account, and what a master does with its subaccounts.

use tidegate_proto::v1;
use tidegate_proto::v1::account_service_server::AccountService;
use tidegate_proto::v1::{
    AccountTransferRequest, AccountTransferResponse, CreateSubaccountRequest, CreateSubaccountResponse,
};
use tidegate_proto::v1::{
    GetBalanceRequest, GetBalanceResponse, GetClosedOrdersRequest, GetClosedOrdersResponse,
    GetCreditLinesRequest, GetCreditLinesResponse, GetExtendedBalanceRequest, GetExtendedBalanceResponse,
    GetLedgersRequest, GetLedgersResponse, GetOpenOrdersRequest, GetOpenOrdersResponse,
    GetOpenPositionsRequest, GetOpenPositionsResponse, GetOrderAmendsRequest, GetOrderAmendsResponse,
    GetTradeBalanceRequest, GetTradeBalanceResponse, GetTradeVolumeRequest, GetTradeVolumeResponse,
    GetTradesHistoryRequest, GetTradesHistoryResponse, QueryLedgersRequest, QueryLedgersResponse,
    QueryOrdersRequest, QueryOrdersResponse, QueryTradesRequest, QueryTradesResponse,
};
use tidegate_proto::v1::{GetLevel3Request, GetLevel3Response};
use tonic::{Request, Response, Status};

use super::pages::{Fetch, Streamed};
use super::{Api, opened, status};
use crate::convert::{account, books, history, request as params, subaccounts};

#[tonic::async_trait]
impl AccountService for Api {
    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::balances(message.rebase_multiplier).map_err(status)?;
        let balances = self.read(&info, "Balance", params).await.map_err(status)?;
        Ok(Response::new(account::balance(balances)))
    }

    async fn get_extended_balance(
        &self,
        request: Request<GetExtendedBalanceRequest>,
    ) -> Result<Response<GetExtendedBalanceResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::balances(message.rebase_multiplier).map_err(status)?;
        let balances = self.read(&info, "BalanceEx", params).await.map_err(status)?;
        Ok(Response::new(account::extended_balance(balances)))
    }

    async fn get_level3(
        &self,
        request: Request<GetLevel3Request>,
    ) -> Result<Response<GetLevel3Response>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::level3_of(&message).map_err(status)?;
        let found = self.read(&info, "Level3", params).await.map_err(status)?;
        Ok(Response::new(self.named(books::level3(found))))
    }

    async fn get_open_orders(
        &self,
        request: Request<GetOpenOrdersRequest>,
    ) -> Result<Response<GetOpenOrdersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::open_orders(&message).map_err(status)?;
        let orders = self.read(&info, "OpenOrders", params).await.map_err(status)?;
        let mut reply = account::open_orders(orders);
        self.name(&mut reply.orders);
        Ok(Response::new(reply))
    }

    async fn get_closed_orders(
        &self,
        request: Request<GetClosedOrdersRequest>,
    ) -> Result<Response<GetClosedOrdersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamClosedOrdersStream = Streamed<v1::StreamClosedOrdersResponse>;

    async fn stream_closed_orders(
        &self,
        request: Request<v1::StreamClosedOrdersRequest>,
    ) -> Result<Response<Self::StreamClosedOrdersStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.count_through::<GetClosedOrdersRequest>(info, message).await
    }

    async fn query_orders(
        &self,
        request: Request<QueryOrdersRequest>,
    ) -> Result<Response<QueryOrdersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::query_orders(&message).map_err(status)?;
        let orders = self.read(&info, "QueryOrders", params).await.map_err(status)?;
        let mut reply = account::orders_by_id(orders);
        self.name(&mut reply.orders);
        Ok(Response::new(reply))
    }

    async fn get_order_amends(
        &self,
        request: Request<GetOrderAmendsRequest>,
    ) -> Result<Response<GetOrderAmendsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::order_amends(&message).map_err(status)?;
        let amends = self.read(&info, "OrderAmends", params).await.map_err(status)?;
        Ok(Response::new(account::order_amends(amends)))
    }

    async fn get_ledgers(
        &self,
        request: Request<GetLedgersRequest>,
    ) -> Result<Response<GetLedgersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamLedgersStream = Streamed<v1::StreamLedgersResponse>;

    async fn stream_ledgers(
        &self,
        request: Request<v1::StreamLedgersRequest>,
    ) -> Result<Response<Self::StreamLedgersStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.count_through::<GetLedgersRequest>(info, message).await
    }

    async fn query_ledgers(
        &self,
        request: Request<QueryLedgersRequest>,
    ) -> Result<Response<QueryLedgersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = history::query_ledgers_params(&message).map_err(status)?;
        let found = self.read(&info, "QueryLedgers", params).await.map_err(status)?;
        Ok(Response::new(history::ledgers_by_id(found)))
    }

    async fn get_trade_balance(
        &self,
        request: Request<GetTradeBalanceRequest>,
    ) -> Result<Response<GetTradeBalanceResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = history::trade_balance_params(&message).map_err(status)?;
        let found = self.read(&info, "TradeBalance", params).await.map_err(status)?;
        Ok(Response::new(history::trade_balance(found)))
    }

    async fn get_trades_history(
        &self,
        request: Request<GetTradesHistoryRequest>,
    ) -> Result<Response<GetTradesHistoryResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        message.fetch(self, &info).await.map(Response::new).map_err(status)
    }

    type StreamTradesHistoryStream = Streamed<v1::StreamTradesHistoryResponse>;

    async fn stream_trades_history(
        &self,
        request: Request<v1::StreamTradesHistoryRequest>,
    ) -> Result<Response<Self::StreamTradesHistoryStream>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.count_through::<GetTradesHistoryRequest>(info, message).await
    }

    async fn query_trades(
        &self,
        request: Request<QueryTradesRequest>,
    ) -> Result<Response<QueryTradesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = history::query_trades_params(&message).map_err(status)?;
        let found = self.read(&info, "QueryTrades", params).await.map_err(status)?;
        let mut reply = history::trades_by_id(found);
        self.name(&mut reply.trades);
        Ok(Response::new(reply))
    }

    async fn get_trade_volume(
        &self,
        request: Request<GetTradeVolumeRequest>,
    ) -> Result<Response<GetTradeVolumeResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = history::trade_volume_params(&message).map_err(status)?;
        let found = self.read(&info, "TradeVolume", params).await.map_err(status)?;
        Ok(Response::new(self.named(history::trade_volume(found))))
    }

    async fn get_open_positions(
        &self,
        request: Request<GetOpenPositionsRequest>,
    ) -> Result<Response<GetOpenPositionsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = history::open_positions_params(&message).map_err(status)?;
        let found = self.read(&info, "OpenPositions", params).await.map_err(status)?;
        let mut reply = history::open_positions(found);
        self.name(&mut reply.positions);
        Ok(Response::new(reply))
    }

    async fn get_credit_lines(
        &self,
        request: Request<GetCreditLinesRequest>,
    ) -> Result<Response<GetCreditLinesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = history::credit_lines_params(&message).map_err(status)?;
        let found = self.read_or_null(&info, "CreditLines", params).await.map_err(status)?;
        Ok(Response::new(history::credit_lines(found)))
    }

    async fn create_subaccount(
        &self,
        request: Request<CreateSubaccountRequest>,
    ) -> Result<Response<CreateSubaccountResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = subaccounts::create_subaccount_of(&message).map_err(status)?;
        self.act_unseen(&info, "CreateSubaccount", params).await.map(Response::new).map_err(status)
    }

    async fn account_transfer(
        &self,
        request: Request<AccountTransferRequest>,
    ) -> Result<Response<AccountTransferResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = subaccounts::account_transfer_of(&message).map_err(status)?;
        self.act_unseen(&info, "AccountTransfer", params).await.map(Response::new).map_err(status)
    }
}
