//! Orders and cancels.
//!
//! Whatever Kraken answers is a reply. Where its answer cannot be understood although the call was taken, the reply is
//! "unresolved" and never a Status: a Status would promise that nothing was executed.

use tidegate_core::{ClOrdId, Endpoint, Error, UnixUs, derive_cl_ord_id};
use tidegate_kraken::Params;
use tidegate_kraken::wire::{self, OrderAdded, OrdersCancelled};
use tidegate_proto::v1::trading_service_server::TradingService;
use tidegate_proto::v1::{
    AddOrderRequest, AddOrderResponse, CancelAllRequest, CancelAllResponse, CancelOrderRequest,
    CancelOrderResponse, add_order_response, cancel_all_response, cancel_order_response,
};
use tidegate_proto::{hop, v1};
use tonic::{Request, Response, Status};

use super::intents::IntentStream;
use super::{Api, known, opened, shaped, status};
use crate::acts::Act;
use crate::caller::CallInfo;
use crate::convert::request as params;
use crate::execute::{Call, Outcome, unresolved};
use crate::lane_cell::NotAfter;
use crate::outcome;

/// How long Kraken may take to execute an order whose caller named no deadline.
const NOT_AFTER_MS: u64 = 5_000;

impl Api {
    async fn place(&self, info: &CallInfo, message: AddOrderRequest) -> Result<AddOrderResponse, Error> {
        let request_id = info.required_request_id()?;
        let derived = derive_cl_ord_id(&self.deployment, &info.account, &info.caller, &request_id);
        if !message.cl_ord_id.is_empty() && message.cl_ord_id != derived.as_str() {
            let text = format!(
                "must be empty or the id that tidegate derives from this request, {derived}: an id of the caller's own \
                 could be that of an older order, and then a lost order could not be told from it"
            );
            return Err(Error::invalid_field("cl_ord_id", text));
        }
        let params = params::add_order(&message)?;
        let not_after = deadline(message.deadline.as_ref())?;
        let endpoint = known("AddOrder")?;
        if message.validate {
            return self.validate(info, endpoint, params, not_after, &derived).await;
        }
        let wish = params::wish(message.on_unresolved)?;
        let act =
            Act { info: info.clone(), endpoint, params, not_after, request_id, cl_ord_id: derived, wish };
        self.acts.run(act).await
    }

    /// Lets Kraken check an order. Nothing is placed, so nothing is claimed.
    async fn validate(
        &self,
        info: &CallInfo,
        endpoint: &'static Endpoint,
        mut params: Params,
        not_after: NotAfter,
        derived: &ClOrdId,
    ) -> Result<AddOrderResponse, Error> {
        params.text("cl_ord_id", derived.as_str());
        let call = Call { not_after, harmless: true, ..Call::mutating(info, endpoint, params) };
        let (result, warnings) = match self.lanes.run(call).await? {
            Outcome::Done { result, warnings } => (result, warnings),
            Outcome::Unresolved(unresolved) => return Ok(outcome::open(unresolved)),
        };
        let added: OrderAdded = shaped(endpoint, Some(&result))?;
        let accepted = add_order_response::Accepted {
            description: added.order.unwrap_or_default(),
            validated_only: true,
            extra: added.extra.into_iter().collect(),
            ..add_order_response::Accepted::default()
        };
        Ok(AddOrderResponse { outcome: Some(add_order_response::Outcome::Accepted(accepted)), warnings })
    }

    /// A cancel in whatever scope. Returns what Kraken said and its warnings, or that it is not known.
    async fn cancel(
        &self,
        info: &CallInfo,
        name: &'static str,
        params: Params,
    ) -> Result<(Result<OrdersCancelled, v1::Unresolved>, Vec<String>), Error> {
        let call = Call::mutating(info, known(name)?, params);
        Ok(match self.lanes.run(call).await? {
            Outcome::Unresolved(unresolved) => (Err(unresolved), Vec::new()),
            Outcome::Done { result, warnings } => {
                let read = wire::read::<OrdersCancelled>(Some(&result)).map_err(|shape| {
                    let text = format!("Kraken took the cancel but its answer cannot be read: {shape}");
                    unresolved(info, "", "UNREADABLE_ANSWER", text)
                });
                (read, warnings)
            }
        })
    }
}

/// The caller's deadline for Kraken's engine, or ours.
fn deadline(wanted: Option<&prost_types::Timestamp>) -> Result<NotAfter, Error> {
    let Some(time) = wanted else { return Ok(NotAfter::FromHead { ms: NOT_AFTER_MS }) };
    let us = u64::try_from(time.seconds).ok().and_then(|s| s.checked_mul(1_000_000));
    let fraction = u64::try_from(time.nanos).ok().map(|ns| ns / 1_000).filter(|us| *us < 1_000_000);
    match (us, fraction) {
        // Kraken reads milliseconds; cut, so that it never executes later than was asked.
        (Some(us), Some(fraction)) => Ok(NotAfter::At(UnixUs((us + fraction) / 1_000 * 1_000))),
        _ => Err(Error::invalid_field("deadline", "is not a time")),
    }
}

/// A cancel by Kraken's id, or by an id that only tidegate makes (version 8), hits one order or none, however often it
/// is sent. Any other must carry a request id.
fn is_safe_to_repeat(request: &CancelOrderRequest) -> bool {
    use v1::cancel_order_request::Target;
    match &request.target {
        Some(Target::OrderId(_)) => true,
        Some(Target::ClOrdId(id)) => id.parse::<ClOrdId>().is_ok_and(|id| id.looks_derived()),
        Some(Target::Userref(_)) | None => false,
    }
}

#[tonic::async_trait]
impl TradingService for Api {
    async fn add_order(
        &self,
        request: Request<AddOrderRequest>,
    ) -> Result<Response<AddOrderResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        self.place(&info, message).await.map(Response::new).map_err(status)
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let (info, message) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        let params = params::cancel_order(&message).map_err(status)?;
        if !is_safe_to_repeat(&message) {
            info.required_request_id().map_err(status)?;
        }
        let (cancelled, warnings) = self.cancel(&info, "CancelOrder", params).await.map_err(status)?;
        let outcome = match cancelled {
            Ok(OrdersCancelled { count, pending, extra }) => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                let extra = extra.into_iter().collect();
                cancel_order_response::Outcome::Accepted(cancel_order_response::Accepted {
                    count,
                    pending,
                    extra,
                })
            }
            Err(unresolved) => cancel_order_response::Outcome::Unresolved(unresolved),
        };
        Ok(Response::new(CancelOrderResponse { outcome: Some(outcome), warnings }))
    }

    async fn cancel_all(
        &self,
        request: Request<CancelAllRequest>,
    ) -> Result<Response<CancelAllResponse>, Status> {
        let (info, _) = opened(request, |r| r.context.as_ref()).map_err(status)?;
        info.required_request_id().map_err(status)?;
        let (cancelled, warnings) = self.cancel(&info, "CancelAll", Params::new()).await.map_err(status)?;
        let outcome = match cancelled {
            Ok(OrdersCancelled { count, pending, extra }) => {
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                let extra = extra.into_iter().collect();
                cancel_all_response::Outcome::Accepted(cancel_all_response::Accepted {
                    count,
                    pending,
                    extra,
                })
            }
            Err(unresolved) => cancel_all_response::Outcome::Unresolved(unresolved),
        };
        Ok(Response::new(CancelAllResponse { outcome: Some(outcome), warnings }))
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
