//! Cancels that cannot go alone: Kraken's engine refuses a single cancel whose price is above what is left of the pair's trading
//! counter, and takes the same cancel in a batch (Kraken support, "Spot trading limits"). So such cancels wait for one another:
//! the first leaves at once, and what comes while its batch is under way leaves in the next.
//!
//! Kraken says of a batch only how many orders it has cancelled. If that is all of them, each caller has his answer; else
//! the orders are looked up, and what is not seen is left unresolved.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_core::{AccountName, Error, ErrorKind, endpoint};
use tidegate_kraken::wire::{self, OpenOrders, OrdersById, OrdersCancelled};
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1::cancel_order_response::{Accepted, Outcome as Cancelled};
use tokio::sync::oneshot;
use tracing::info;

use crate::caller::CallInfo;
use crate::execute::{Call, Lanes, Outcome, unresolved};

/// Ids in one batch, and in one look-up (Kraken API reference, CancelOrderBatch, QueryOrders).
const BATCH_MAX: usize = 50;

/// Keys of one account with one tag: a batch goes through one lane.
type Group = (AccountName, String);

/// Cancels that wait for the next batch.
#[derive(Debug)]
pub(crate) struct Joined {
    pub lanes: Arc<Lanes>,
    /// An entry without members is a batch under way for which nobody waits.
    pub waiting: Mutex<HashMap<Group, Vec<Waiting>>>,
}

/// One cancel.
#[derive(Debug)]
pub(crate) struct Waiting {
    info: CallInfo,
    order_id: String,
    tell: oneshot::Sender<Result<Cancelled, Error>>,
}

impl Joined {
    /// Cancels an order in the next batch.
    ///
    /// # Errors
    /// When nothing was executed.
    pub(crate) async fn cancel(
        self: &Arc<Self>,
        info: &CallInfo,
        order_id: String,
    ) -> Result<Cancelled, Error> {
        let (tell, told) = oneshot::channel();
        let group = (info.account.clone(), info.key_tag.clone());
        let waiting = Waiting { info: info.clone(), order_id: order_id.clone(), tell };
        let first = {
            let mut groups = self.lock();
            let first = !groups.contains_key(&group);
            groups.entry(group.clone()).or_default().push(waiting);
            first
        };
        if first {
            let joined = Arc::clone(self);
            self.lanes.shared.drain.spawn(async move { joined.drive(group).await });
        }
        match tokio::time::timeout_at(info.answer_by, told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => {
                let text = format!("the batch in which {order_id} is cancelled has not been answered yet");
                Ok(Cancelled::Unresolved(unresolved(info, "", "NO_ANSWER_IN_TIME", text)))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Group, Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends batches until nobody waits.
    async fn drive(&self, group: Group) {
        loop {
            let batch: Vec<Waiting> = {
                let mut groups = self.lock();
                let Some(waiting) = groups.get_mut(&group).filter(|waiting| !waiting.is_empty()) else {
                    groups.remove(&group);
                    return;
                };
                let size = waiting.len().min(BATCH_MAX);
                waiting.drain(..size).collect()
            };
            self.send(&group.0, batch).await;
        }
    }

    async fn send(&self, account: &AccountName, batch: Vec<Waiting>) {
        // As long as the most patient of them waits.
        let Some(latest) = batch.iter().max_by_key(|waiting| waiting.info.answer_by) else { return };
        let info = CallInfo { request_id: None, ..latest.info.clone() };
        let mut ids: Vec<String> = batch.iter().map(|waiting| waiting.order_id.clone()).collect();
        ids.sort();
        ids.dedup();
        info!(%account, orders = ids.len(), "cancels that Kraken would refuse one by one leave in a batch");
        let told = self.told(&info, &ids).await;
        for waiting in batch {
            let answer = match &told {
                Ok(known) => Ok(known(&waiting)),
                Err(error) => Err(error.clone()),
            };
            // Whoever has gone was told that it is not known.
            let _ = waiting.tell.send(answer);
        }
    }

    /// What each of those who wait is told of his order.
    async fn told(
        &self,
        info: &CallInfo,
        ids: &[String],
    ) -> Result<Box<dyn Fn(&Waiting) -> Cancelled + Send>, Error> {
        let unknown = || Error::internal("no endpoint CancelOrderBatch in the table");
        let mut params = Params::new();
        params.push("orders", Value::List(ids.to_vec()));
        let call = Call::mutating(info, endpoint("CancelOrderBatch").ok_or_else(unknown)?, params);
        let cancelled = match self.lanes.run(call).await? {
            Outcome::Done { result, .. } => wire::read::<OrdersCancelled>(Some(&result)).ok(),
            Outcome::Unresolved(open) => {
                let (reason, text) = (open.reason, open.text);
                return Ok(Box::new(move |waiting| {
                    Cancelled::Unresolved(unresolved(&waiting.info, "", &reason, text.clone()))
                }));
            }
        };
        if let Some(answer) = cancelled.filter(|answer| answer.count >= ids.len() as u64) {
            let accepted = Accepted { count: 1, pending: answer.pending, ..Accepted::default() };
            return Ok(Box::new(move |_| Cancelled::Accepted(accepted.clone())));
        }
        // Some were closed before, or the answer cannot be read.
        let seen = self.look_up(info, ids).await.unwrap_or_default();
        Ok(Box::new(move |waiting| match seen.get(&waiting.order_id).map(String::as_str) {
            Some("canceled" | "closed" | "expired") => {
                Cancelled::Accepted(Accepted { looked_up: true, ..Accepted::default() })
            }
            _ => {
                let text =
                    format!("{} was in a batch of cancels, of which some did nothing", waiting.order_id);
                Cancelled::Unresolved(unresolved(&waiting.info, "", "PARTLY_CANCELLED", text))
            }
        }))
    }

    /// Kraken's id of an open order of which only the client's is known.
    pub(crate) async fn order_id_of(&self, info: &CallInfo, cl_ord_id: &str) -> Option<String> {
        let mut params = Params::new();
        params.text("cl_ord_id", cl_ord_id);
        let call = Call { resolves: true, ..Call::read(info, endpoint("OpenOrders")?, params) };
        let result = self.lanes.read(call).await.ok()?;
        let OpenOrders { open, .. } = wire::read(Some(&result)).ok()?;
        let is_it = |order: &wire::Order| order.cl_ord_id.as_deref() == Some(cl_ord_id);
        open.0.into_iter().find(|(_, order)| is_it(order)).map(|(id, _)| id)
    }

    /// The status of orders, by id.
    async fn look_up(&self, info: &CallInfo, ids: &[String]) -> Result<HashMap<String, String>, Error> {
        let query = endpoint("QueryOrders").ok_or_else(|| Error::internal("no endpoint QueryOrders"))?;
        let mut params = Params::new();
        params.push("txid", Value::Text(ids.join(",")));
        let call = Call { resolves: true, ..Call::read(info, query, params) };
        let result = self.lanes.read(call).await?;
        let orders: OrdersById = wire::read(Some(&result)).map_err(|shape| {
            Error::new(ErrorKind::Unavailable, "Kraken's answer cannot be read").with_log(shape.to_string())
        })?;
        Ok(orders.0.into_iter().map(|(id, order)| (id, order.status)).collect())
    }
}
