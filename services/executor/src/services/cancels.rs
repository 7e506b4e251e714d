//! Cancels.
//!
//! A cancel by Kraken's ids, or by an id that only tidegate makes (version 8), hits those orders or none, however often it is
//! sent: it needs no claim. Any other could hit orders that were placed after it. So it is claimed, told again word for word,
//! and never sent a second time for the same request id: that nothing was placed in its scope since cannot be proved, because
//! other processes, other keys and people place orders too, and Kraken shows new ones late.

use tidegate_core::{ClOrdId, Error};
use tidegate_kraken::Params;
use tidegate_kraken::wire::{self, OrdersCancelled};
use tidegate_lanes::Wish;
use tidegate_proto::v1::{
    self, CancelAllOrdersAfterRequest, CancelAllOrdersAfterResponse, CancelAllRequest, CancelAllResponse,
    CancelOrderBatchRequest, CancelOrderBatchResponse, CancelOrderRequest, CancelOrderResponse,
    cancel_order_batch_response as batch, cancel_order_request::Target, cancel_order_response,
};
use tidegate_runtime::telemetry::TradingHeld;

use super::{Api, known};
use crate::acts::Act;
use crate::budget;
use crate::caller::CallInfo;
use crate::convert::{orders, request as params};
use crate::execute::{Call, Outcome, unresolved};
use crate::handle::{Handle, Scope};
use crate::lane_cell::NotAfter;
use crate::outcome;

impl Api {
    pub(super) async fn cancel_one(
        &self,
        info: &CallInfo,
        message: CancelOrderRequest,
    ) -> Result<CancelOrderResponse, Error> {
        let params = params::cancel_order(&message)?;
        if let Some(scope) = scope_of(&message) {
            let reply = self.cancel_claimed(info, "CancelOrder", params, Handle::Cancel(scope)).await?;
            return Ok(outcome::reply(info, &reply));
        }
        let named = match &message.target {
            Some(Target::OrderId(id) | Target::ClOrdId(id)) => id.as_str(),
            Some(Target::Userref(_)) | None => "",
        };
        let seen = self.budget.cancel(&info.account, named).await;
        // Its id is Kraken's, or Kraken's is known of it.
        let order_id = match &message.target {
            Some(Target::OrderId(id)) => id.clone(),
            _ => seen.order_id,
        };
        if seen.over && !order_id.is_empty() {
            return self.cancel_joined(info, order_id).await;
        }
        let told = self.cancel_named(info, "CancelOrder", params).await;
        if told.as_ref().is_err_and(budget::is_full) {
            // A batch takes Kraken's ids. The store does not know that of an order which was placed a moment ago, before its
            // memory was lost, or by another program; Kraken does.
            let order_id = match &message.target {
                Some(Target::ClOrdId(id)) if order_id.is_empty() => {
                    self.joined.order_id_of(info, id).await.unwrap_or_default()
                }
                _ => order_id,
            };
            if !seen.pair.is_empty() {
                self.budget.full(&info.account, seen.pair);
            }
            if !order_id.is_empty() {
                return self.cancel_joined(info, order_id).await;
            }
        }
        let (cancelled, warnings) = told?;
        let outcome = match cancelled {
            Ok(cancelled) => cancel_order_response::Outcome::Accepted(orders::cancelled(cancelled)),
            Err(unresolved) => cancel_order_response::Outcome::Unresolved(unresolved),
        };
        Ok(CancelOrderResponse { outcome: Some(outcome), warnings })
    }

    /// A cancel that Kraken would refuse, were it alone.
    async fn cancel_joined(&self, info: &CallInfo, order_id: String) -> Result<CancelOrderResponse, Error> {
        self.budget.held(&info.account, TradingHeld::Joined);
        let outcome = Some(self.joined.cancel(info, order_id).await?);
        Ok(CancelOrderResponse { outcome, warnings: Vec::new() })
    }

    pub(super) async fn cancel_batch(
        &self,
        info: &CallInfo,
        message: CancelOrderBatchRequest,
    ) -> Result<CancelOrderBatchResponse, Error> {
        let params = orders::cancel_order_batch(&message)?;
        self.budget.charge(&info.account, message.order_ids);
        let (cancelled, warnings) = self.cancel_named(info, "CancelOrderBatch", params).await?;
        Ok(match cancelled {
            Ok(cancelled) => orders::batch_cancelled(cancelled, warnings),
            Err(unresolved) => {
                let outcome = Some(batch::Outcome::Unresolved(unresolved));
                CancelOrderBatchResponse { outcome, warnings }
            }
        })
    }

    pub(super) async fn cancel_everything(
        &self,
        info: &CallInfo,
        _: CancelAllRequest,
    ) -> Result<CancelAllResponse, Error> {
        let handle = Handle::Cancel(Scope::All);
        Ok(outcome::reply(info, &self.cancel_claimed(info, "CancelAll", Params::new(), handle).await?))
    }

    pub(super) async fn set_timer(
        &self,
        info: &CallInfo,
        message: CancelAllOrdersAfterRequest,
    ) -> Result<CancelAllOrdersAfterResponse, Error> {
        let params = orders::cancel_all_after(&message)?;
        let handle = Handle::Timer { timeout_s: message.timeout_s };
        let reply = self.cancel_claimed(info, "CancelAllOrdersAfter", params, handle).await?;
        Ok(outcome::reply(info, &reply))
    }

    /// A cancel that could hit what was placed later. Returns the encoded reply.
    async fn cancel_claimed(
        &self,
        info: &CallInfo,
        name: &'static str,
        params: Params,
        handle: Handle,
    ) -> Result<Vec<u8>, Error> {
        let request_id = info.required_request_id()?;
        let act = Act {
            info: info.clone(),
            endpoint: known(name)?,
            params,
            not_after: NotAfter::None,
            id: self.derived(info, &request_id),
            request_id,
            handle,
            wish: Wish::Keep,
            objection: None,
        };
        self.acts.run(act).await
    }

    /// A cancel of named orders. Returns what Kraken said and its warnings, or that it is not known.
    async fn cancel_named(
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

/// The scope of a cancel that is not safe to repeat.
fn scope_of(request: &CancelOrderRequest) -> Option<Scope> {
    match &request.target {
        Some(Target::Userref(userref)) => Some(Scope::Userref(*userref)),
        Some(Target::ClOrdId(id)) if !id.parse::<ClOrdId>().is_ok_and(|id| id.looks_derived()) => {
            Some(Scope::ClOrdId(id.clone()))
        }
        Some(Target::OrderId(_) | Target::ClOrdId(_)) | None => None,
    }
}
