//! Placing and changing orders: every call is an act with a claim and a handle.

use std::collections::HashMap;

use tidegate_core::{
    ClOrdId, Endpoint, Error, ErrorKind, RequestId, UnixUs, Volume, derive_cl_ord_id, derive_row_cl_ord_id,
    derive_userref,
};
use tidegate_kraken::wire::{BatchAdded, OrderAdded};
use tidegate_kraken::{Params, Value};
use tidegate_lanes::Wish;
use tidegate_proto::v1::{
    AddOrderBatchRequest, AddOrderBatchResponse, AddOrderRequest, AddOrderResponse, AmendOrderRequest,
    AmendOrderResponse, EditOrderRequest, EditOrderResponse, OrderFlag, add_order_batch_response as batch,
    add_order_response,
};

use super::{Api, known, shaped};
use crate::acts::Act;
use crate::caller::CallInfo;
use crate::convert::{orders, request as params};
use crate::execute::{Call, Outcome};
use crate::handle::{EditHandle, Handle, Mark};
use crate::lane_cell::NotAfter;
use crate::outcome;

/// How long Kraken may take to execute an order whose caller named no deadline.
const NOT_AFTER_MS: u64 = 5_000;

impl Api {
    /// The id of an intent, and of a single order.
    pub(super) fn derived(&self, info: &CallInfo, request_id: &RequestId) -> ClOrdId {
        derive_cl_ord_id(&self.deployment, &info.account, &info.caller, request_id)
    }

    pub(super) async fn place(
        &self,
        info: &CallInfo,
        message: AddOrderRequest,
    ) -> Result<AddOrderResponse, Error> {
        let request_id = info.required_request_id()?;
        let derived = self.derived(info, &request_id);
        if !message.cl_ord_id.is_empty() && message.cl_ord_id != derived.as_str() {
            let text = format!(
                "must be empty or the id that tidegate derives from this request, {derived}: an id of the caller's own \
                 could be that of an older order, and then a lost order could not be told from it"
            );
            return Err(Error::invalid_field("cl_ord_id", text));
        }
        let mut params = params::add_order(&message)?;
        let not_after = deadline(message.deadline.as_ref())?;
        let endpoint = known("AddOrder")?;
        let handle = match &message.close {
            None => Handle::Order,
            Some(_) => {
                let userref = derive_userref(&self.deployment, &info.account, &info.caller, &request_id);
                params.push("userref", Value::Int(i64::from(userref)));
                Handle::Marked(Mark { userref, volume: shown_volume(&message) })
            }
        };
        if message.validate {
            if let Some(objection) = self.objection(&info.caller, &params, message.unchecked_amounts).await {
                return Err(objection);
            }
            if handle == Handle::Order {
                params.text("cl_ord_id", derived.as_str());
            }
            return self.validate(info, endpoint, params, not_after, derived.as_str()).await;
        }
        let wish = params::wish(message.on_unresolved)?;
        let objection = self.objection(&info.caller, &params, message.unchecked_amounts).await;
        let act = Act {
            info: info.clone(),
            endpoint,
            params,
            not_after,
            request_id,
            id: derived,
            handle,
            wish,
            objection,
        };
        Ok(outcome::reply(info, &self.acts.run(act).await?))
    }

    /// Lets Kraken check an order. Nothing is placed, so nothing is claimed.
    async fn validate(
        &self,
        info: &CallInfo,
        endpoint: &'static Endpoint,
        params: Params,
        not_after: NotAfter,
        derived: &str,
    ) -> Result<AddOrderResponse, Error> {
        let call = Call {
            not_after,
            harmless: true,
            cl_ord_id: derived.to_owned(),
            ..Call::mutating(info, endpoint, params)
        };
        let (result, warnings) = match self.lanes.run(call).await? {
            Outcome::Done { result, warnings } => (result, warnings),
            Outcome::Unresolved(unresolved) => {
                return Ok(outcome::reply(info, &outcome::open(unresolved)));
            }
        };
        let added: OrderAdded = shaped(endpoint, Some(&result))?;
        let accepted = add_order_response::Accepted {
            description: added.order.unwrap_or_default(),
            close_description: added.close.unwrap_or_default(),
            validated_only: true,
            extra: added.extra.into_iter().collect(),
            ..add_order_response::Accepted::default()
        };
        Ok(AddOrderResponse { outcome: Some(add_order_response::Outcome::Accepted(accepted)), warnings })
    }

    pub(super) async fn place_batch(
        &self,
        info: &CallInfo,
        message: AddOrderBatchRequest,
    ) -> Result<AddOrderBatchResponse, Error> {
        let request_id = info.required_request_id()?;
        let row_id = |row| {
            derive_row_cl_ord_id(&self.deployment, &info.account, &info.caller, &request_id, row).to_string()
        };
        let ids: Vec<String> = (0_u32..).map(row_id).take(message.rows.len().min(orders::ROWS_MAX)).collect();
        let params = orders::add_order_batch(&message, &ids)?;
        let not_after = deadline(message.deadline.as_ref())?;
        let endpoint = known("AddOrderBatch")?;
        if message.validate {
            if let Some(objection) = self.objection(&info.caller, &params, message.unchecked_amounts).await {
                return Err(objection);
            }
            return self.validate_batch(info, endpoint, params, not_after).await;
        }
        let wish = params::wish(message.on_unresolved)?;
        let objection = self.objection(&info.caller, &params, message.unchecked_amounts).await;
        let act = Act {
            info: info.clone(),
            endpoint,
            params,
            not_after,
            id: self.derived(info, &request_id),
            request_id,
            handle: Handle::Batch { rows: ids.clone() },
            wish,
            objection,
        };
        let mut reply: AddOrderBatchResponse = outcome::reply(info, &self.acts.run(act).await?);
        // They follow from the request, so they are told in any case.
        reply.cl_ord_ids = ids;
        Ok(reply)
    }

    async fn validate_batch(
        &self,
        info: &CallInfo,
        endpoint: &'static Endpoint,
        params: Params,
        not_after: NotAfter,
    ) -> Result<AddOrderBatchResponse, Error> {
        let call = Call { not_after, harmless: true, ..Call::mutating(info, endpoint, params) };
        let (result, warnings) = match self.lanes.run(call).await? {
            Outcome::Done { result, warnings } => (result, warnings),
            Outcome::Unresolved(unresolved) => {
                return Ok(outcome::reply(info, &outcome::open(unresolved)));
            }
        };
        let added: BatchAdded = shaped(endpoint, Some(&result))?;
        let row = |row: tidegate_kraken::wire::RowAdded| {
            let outcome = match row.error {
                Some(kraken_error) => {
                    let text = format!("Kraken refused the order: {kraken_error}");
                    batch::row::Outcome::NotPlaced(batch::row::NotPlaced { kraken_error, text })
                }
                None => batch::row::Outcome::Placed(batch::row::Placed {
                    order_id: String::new(),
                    description: row.order.unwrap_or_default(),
                }),
            };
            let extra = row.extra.into_iter().collect();
            batch::Row { cl_ord_id: String::new(), outcome: Some(outcome), extra }
        };
        let accepted = batch::Accepted {
            rows: added.orders.into_iter().map(row).collect(),
            validated_only: true,
            extra: added.extra.into_iter().collect::<HashMap<_, _>>(),
        };
        let outcome = Some(batch::Outcome::Accepted(accepted));
        Ok(AddOrderBatchResponse { outcome, warnings, cl_ord_ids: Vec::new() })
    }

    pub(super) async fn amend(
        &self,
        info: &CallInfo,
        message: AmendOrderRequest,
    ) -> Result<AmendOrderResponse, Error> {
        let request_id = info.required_request_id()?;
        let (params, handle) = orders::amend_order(&message)?;
        let objection = self.objection(&info.caller, &params, message.unchecked_amounts).await;
        let act = Act {
            info: info.clone(),
            endpoint: known("AmendOrder")?,
            params,
            not_after: deadline(message.deadline.as_ref())?,
            id: self.derived(info, &request_id),
            request_id,
            handle: Handle::Amend(handle),
            wish: Wish::Keep,
            objection,
        };
        Ok(outcome::reply(info, &self.acts.run(act).await?))
    }

    pub(super) async fn edit(
        &self,
        info: &CallInfo,
        message: EditOrderRequest,
    ) -> Result<EditOrderResponse, Error> {
        if !self.allow_edit_order {
            let text = "EditOrder is not allowed here: it cancels and places anew, and what became of an edit whose answer is \
                        lost may never be known. Use AmendOrder, which changes an order in one step; or an operator sets \
                        executor.allow_edit_order";
            return Err(Error::new(ErrorKind::Denied, text).with_fact("endpoint", "EditOrder"));
        }
        let request_id = info.required_request_id()?;
        let userref = derive_userref(&self.deployment, &info.account, &info.caller, &request_id);
        let params = orders::edit_order(&message, userref)?;
        let objection = self.objection(&info.caller, &params, message.unchecked_amounts).await;
        let EditOrderRequest { order_id, volume, deadline: wanted, .. } = message;
        let volume = Some(volume).filter(|volume| !volume.is_empty());
        let act = Act {
            info: info.clone(),
            endpoint: known("EditOrder")?,
            params,
            not_after: deadline(wanted.as_ref())?,
            id: self.derived(info, &request_id),
            request_id,
            handle: Handle::Edit(EditHandle { order_id, userref, volume }),
            wish: Wish::Keep,
            objection,
        };
        Ok(outcome::reply(info, &self.acts.run(act).await?))
    }
}

/// The volume that Kraken will show of an order: what was asked for, unless that is in the quote asset, or all of a position.
fn shown_volume(message: &AddOrderRequest) -> Option<String> {
    let in_quote = message.order_flags.contains(&i32::from(OrderFlag::VolumeInQuote));
    let whole = message.volume.parse::<Volume>().is_ok_and(Volume::is_zero);
    (!in_quote && !whole).then(|| message.volume.clone())
}

/// The caller's deadline for Kraken's engine, or ours.
fn deadline(wanted: Option<&prost_types::Timestamp>) -> Result<NotAfter, Error> {
    let Some(time) = wanted else {
        return Ok(NotAfter::FromHead { ms: NOT_AFTER_MS, latest: UnixUs(u64::MAX) });
    };
    let us = u64::try_from(time.seconds).ok().and_then(|s| s.checked_mul(1_000_000));
    let fraction = u64::try_from(time.nanos).ok().map(|ns| ns / 1_000).filter(|us| *us < 1_000_000);
    match (us, fraction) {
        // Kraken reads milliseconds; cut, so that it never executes later than was asked.
        (Some(us), Some(fraction)) => Ok(NotAfter::At(UnixUs((us + fraction) / 1_000 * 1_000))),
        _ => Err(Error::invalid_field("deadline", "is not a time")),
    }
}
