//! Public data: no key, no nonce, no lane.

use tidegate_core::{Error, ErrorKind};
use tidegate_kraken::wire::Wire;
use tidegate_kraken::{BodyFault, CallFault, Params, ReadFault, classify};
use tidegate_lanes::Traffic;
use tidegate_proto::v1::market_data_service_server::MarketDataService;
use tidegate_proto::v1::{
    GetAssetPairsRequest, GetAssetPairsResponse, GetAssetsRequest, GetAssetsResponse, GetDepthRequest,
    GetDepthResponse, GetGroupedBookRequest, GetGroupedBookResponse, GetOhlcRequest, GetOhlcResponse,
    GetPostTradeRequest, GetPostTradeResponse, GetPreTradeRequest, GetPreTradeResponse, GetServerTimeRequest,
    GetServerTimeResponse, GetSpreadRequest, GetSpreadResponse, GetSystemStatusRequest,
    GetSystemStatusResponse, GetTickerRequest, GetTickerResponse, GetTradesRequest, GetTradesResponse,
};
use tidegate_runtime::telemetry::Sent;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::{Api, known, opened, shaped, status};
use crate::caller::CallInfo;
use crate::convert::request::Builder;
use crate::convert::{books, market, transparency};

impl Api {
    pub(super) async fn public<T: Wire>(
        &self,
        info: &CallInfo,
        name: &'static str,
        params: Params,
    ) -> Result<T, Error> {
        let endpoint = known(name)?;
        let unavailable = |log: String| {
            let text = format!("{name} got no usable answer from Kraken; it changes nothing, so repeat it");
            Error::new(ErrorKind::Unavailable, text)
                .with_log(log)
                .retry_after_ms(500)
                .with_fact("endpoint", name)
        };
        let egress = &self.lanes.shared.egress;
        egress.admit(Traffic::Public).map_err(|held| egress.refusal(endpoint, held))?;
        let left = info.answer_by.saturating_duration_since(Instant::now());
        let answered = self.rest.call_public(endpoint, &params, left).await;
        let metrics = &self.lanes.shared.metrics;
        metrics.kraken_request(match &answered {
            Ok(_) => Sent::Answered,
            Err(fault) if fault.is_not_sent() => Sent::NotSent,
            Err(_) => Sent::Lost,
        });
        if let Err(CallFault::Read(ReadFault::Body(BodyFault::HttpStatus(status)))) = &answered {
            egress.http_status(*status, None);
        }
        let reply = answered.map_err(|fault| unavailable(fault.to_string()))?;
        if let Some(refusal) = classify(&reply.errors).refusal {
            metrics.kraken_error(name, refusal.row.unwrap_or("unknown"));
            return Err(crate::execute::refusal_error(endpoint, refusal));
        }
        shaped(endpoint, reply.result.as_deref())
    }
}

#[tonic::async_trait]
impl MarketDataService for Api {
    async fn get_server_time(
        &self,
        request: Request<GetServerTimeRequest>,
    ) -> Result<Response<GetServerTimeResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let time = self.public(&info, "Time", Params::new()).await.map_err(status)?;
        Ok(Response::new(market::server_time(time)))
    }

    async fn get_system_status(
        &self,
        request: Request<GetSystemStatusRequest>,
    ) -> Result<Response<GetSystemStatusResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let state = self.public(&info, "SystemStatus", Params::new()).await.map_err(status)?;
        Ok(Response::new(market::system_status(state)))
    }

    async fn get_assets(
        &self,
        request: Request<GetAssetsRequest>,
    ) -> Result<Response<GetAssetsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let mut to = Builder::default();
        to.words("asset", "assets", &message.assets);
        to.word("aclass", "asset_class", &message.asset_class);
        let params = to.finish().map_err(status)?;
        let assets = self.public(&info, "Assets", params).await.map_err(status)?;
        Ok(Response::new(market::assets(assets)))
    }

    async fn get_asset_pairs(
        &self,
        request: Request<GetAssetPairsRequest>,
    ) -> Result<Response<GetAssetPairsResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let mut to = Builder::default();
        to.pairs(&message.pairs);
        to.word("aclass_base", "base_asset_class", &message.base_asset_class);
        to.word("country_code", "country_code", &message.country_code);
        let params = to.finish().map_err(status)?;
        let pairs = self.public(&info, "AssetPairs", params).await.map_err(status)?;
        Ok(Response::new(market::asset_pairs(pairs)))
    }

    async fn get_ticker(
        &self,
        request: Request<GetTickerRequest>,
    ) -> Result<Response<GetTickerResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let mut to = Builder::default();
        to.pairs(&message.pairs);
        let params = to.finish().map_err(status)?;
        let tickers = self.public(&info, "Ticker", params).await.map_err(status)?;
        let mut reply = market::tickers(tickers);
        self.name(&mut reply.tickers);
        Ok(Response::new(reply))
    }

    async fn get_depth(
        &self,
        request: Request<GetDepthRequest>,
    ) -> Result<Response<GetDepthResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::depth_of(&message).map_err(status)?;
        let found = self.public(&info, "Depth", params).await.map_err(status)?;
        Ok(Response::new(self.named(books::depth(found))))
    }

    async fn get_trades(
        &self,
        request: Request<GetTradesRequest>,
    ) -> Result<Response<GetTradesResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::trades_of(&message).map_err(status)?;
        let found = self.public(&info, "Trades", params).await.map_err(status)?;
        Ok(Response::new(self.named(books::trades(found))))
    }

    async fn get_spread(
        &self,
        request: Request<GetSpreadRequest>,
    ) -> Result<Response<GetSpreadResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::spread_of(&message).map_err(status)?;
        let found = self.public(&info, "Spread", params).await.map_err(status)?;
        Ok(Response::new(self.named(books::spreads(found))))
    }

    async fn get_ohlc(&self, request: Request<GetOhlcRequest>) -> Result<Response<GetOhlcResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::ohlc_of(&message).map_err(status)?;
        let found = self.public(&info, "OHLC", params).await.map_err(status)?;
        Ok(Response::new(self.named(books::candles(found))))
    }

    async fn get_grouped_book(
        &self,
        request: Request<GetGroupedBookRequest>,
    ) -> Result<Response<GetGroupedBookResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = books::grouped_book_of(&message).map_err(status)?;
        let found = self.public(&info, "GroupedBook", params).await.map_err(status)?;
        Ok(Response::new(self.named(books::grouped_book(found))))
    }

    async fn get_pre_trade(
        &self,
        request: Request<GetPreTradeRequest>,
    ) -> Result<Response<GetPreTradeResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = transparency::pre_trade_of(&message).map_err(status)?;
        let found = self.public(&info, "PreTrade", params).await.map_err(status)?;
        Ok(Response::new(transparency::pre_trade(found)))
    }

    async fn get_post_trade(
        &self,
        request: Request<GetPostTradeRequest>,
    ) -> Result<Response<GetPostTradeResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = transparency::post_trade_of(&message).map_err(status)?;
        let found = self.public(&info, "PostTrade", params).await.map_err(status)?;
        Ok(Response::new(transparency::post_trade(found)))
    }
}
