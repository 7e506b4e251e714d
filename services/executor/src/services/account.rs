//! Reads of an account.

use tidegate_kraken::Params;
use tidegate_proto::v1::account_service_server::AccountService;
use tidegate_proto::v1::{
    GetBalanceRequest, GetBalanceResponse, GetClosedOrdersRequest, GetClosedOrdersResponse,
    GetExtendedBalanceRequest, GetExtendedBalanceResponse, GetLedgersRequest, GetLedgersResponse,
    GetOpenOrdersRequest, GetOpenOrdersResponse, GetOrderAmendsRequest, GetOrderAmendsResponse,
    QueryOrdersRequest, QueryOrdersResponse,
};
use tidegate_proto::v1::{GetLevel3Request, GetLevel3Response};
use tonic::{Request, Response, Status};

use super::{Api, opened, status};
use crate::convert::books;
use crate::convert::{account, request as params};

#[tonic::async_trait]
impl AccountService for Api {
    async fn get_balance(
        &self,
        request: Request<GetBalanceRequest>,
    ) -> Result<Response<GetBalanceResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let balances = self.read(&info, "Balance", Params::new()).await.map_err(status)?;
        Ok(Response::new(account::balance(balances)))
    }

    async fn get_extended_balance(
        &self,
        request: Request<GetExtendedBalanceRequest>,
    ) -> Result<Response<GetExtendedBalanceResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let balances = self.read(&info, "BalanceEx", Params::new()).await.map_err(status)?;
        Ok(Response::new(account::extended_balance(balances)))
    }

    async fn get_level3(
        &self,
        request: Request<GetLevel3Request>,
    ) -> Result<Response<GetLevel3Response>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::level3_of(&message).map_err(status)?;
        let found = self.read(&info, "Level3", params).await.map_err(status)?;
        Ok(Response::new(books::level3(found)))
    }

    async fn get_open_orders(
        &self,
        request: Request<GetOpenOrdersRequest>,
    ) -> Result<Response<GetOpenOrdersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::open_orders(&message).map_err(status)?;
        let orders = self.read(&info, "OpenOrders", params).await.map_err(status)?;
        Ok(Response::new(account::open_orders(orders)))
    }

    async fn get_closed_orders(
        &self,
        request: Request<GetClosedOrdersRequest>,
    ) -> Result<Response<GetClosedOrdersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::closed_orders(&message).map_err(status)?;
        let orders = self.read(&info, "ClosedOrders", params).await.map_err(status)?;
        Ok(Response::new(account::closed_orders(orders)))
    }

    async fn query_orders(
        &self,
        request: Request<QueryOrdersRequest>,
    ) -> Result<Response<QueryOrdersResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::query_orders(&message).map_err(status)?;
        let orders = self.read(&info, "QueryOrders", params).await.map_err(status)?;
        Ok(Response::new(account::orders_by_id(orders)))
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
        let params = params::ledgers(&message).map_err(status)?;
        let ledgers = self.read(&info, "Ledgers", params).await.map_err(status)?;
        Ok(Response::new(account::ledgers(ledgers)))
    }
}
