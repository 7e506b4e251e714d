//! The trading counter around acts and cancels: points before an act is sent, the age of orders after it, and whether a cancel
//! can go alone.
//!
//! Where an account has no such limit, none of it happens. A cancel waits for the counter a moment and no longer: without the
//! store it goes out as it is, and Kraken's own refusal says the same a round trip later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tidegate_core::{AccountName, Error, ErrorKind};
use tidegate_kraken::{Params, Value};
use tidegate_lanes::{
    Aged, CancelSeen, Claim, OrderNames, Spend, Store, TradeAct, TradeReply, TradeRequest, TradeTier,
    canonical_pair,
};
use tidegate_proto::v1::{self, add_order_batch_response as batch, add_order_response, edit_order_response};
use tidegate_runtime::telemetry::TradingHeld;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::acts::{Act, unclaimed};
use crate::handle::Handle;
use crate::lane_cell::Shared;

/// How long a cancel waits to be told whether it can go alone.
const CANCEL_LOOK: Duration = Duration::from_millis(25);
/// What Kraken says where its engine's counter is full.
const FULL: &str = "EOrder:Rate limit exceeded";
/// The fixed price of an order or a change.
const POINT_MILLI: u64 = 1_000;

/// The limits of the accounts that have any.
#[derive(Debug)]
pub(crate) struct Budget {
    pub store: Arc<dyn Store>,
    pub shared: Arc<Shared>,
    /// By account: its domain, and what Kraken allows it.
    pub limits: BTreeMap<AccountName, (AccountName, TradeTier)>,
}

/// Points that were spent.
#[derive(Clone, Debug)]
pub(crate) struct Spent {
    account: AccountName,
    pair: String,
    token: String,
}

/// What is known of a call to Kraken that points were spent for.
pub(crate) enum Charged<'a> {
    /// It was not written.
    No,
    /// It was, and Kraken has answered; the reply, if it is one.
    Yes(&'a [u8]),
    /// It was refused.
    Refused(&'a Error),
    /// It may be charged yet.
    Perhaps,
}

/// Whether Kraken's engine has refused for its trading counter. That proves that nothing was executed.
pub(crate) fn is_full(error: &Error) -> bool {
    error.facts.iter().any(|(name, value)| *name == "kraken_error" && value.contains(FULL))
}

impl Budget {
    fn request(&self, account: &AccountName, act: TradeAct) -> Option<TradeRequest> {
        let (domain, tier) = self.limits.get(account)?.clone();
        Some(TradeRequest { domain, account: account.clone(), tier, act })
    }

    /// Spends the points of an act; waits for room as long as its caller does.
    ///
    /// # Errors
    /// When there is no room in that time, or the store does not answer. Nothing was sent, and nothing is spent.
    pub(crate) async fn admit(&self, act: &Act, claim: &Claim) -> Result<Option<Spent>, Error> {
        let Some(spend) = spend_of(act, claim) else { return Ok(None) };
        let token = spend.token.clone();
        let account = act.info.account.clone();
        let Some(request) = self.request(&account, TradeAct::Spend(spend)) else { return Ok(None) };
        loop {
            match self.store.trade(&request).await.map_err(|fault| unclaimed(&fault))? {
                TradeReply::Spent { pair, .. } => return Ok(Some(Spent { account, pair, token })),
                TradeReply::Over { pair, wait_us, .. } => {
                    let until = Instant::now() + Duration::from_micros(wait_us);
                    let late = until >= act.info.answer_by;
                    self.held(&account, if late { TradingHeld::Refused } else { TradingHeld::Waited });
                    if late {
                        return Err(over(act, &pair, wait_us));
                    }
                    tokio::time::sleep_until(until).await;
                }
                // Nobody knows which pair: Kraken says what it thinks of it.
                TradeReply::Unknown | TradeReply::Noted { .. } | TradeReply::Cancels(_) => return Ok(None),
            }
        }
    }

    /// Writes what became of points, and the age of what was placed or changed. Nobody waits for it: what is not written
    /// decays by itself, only later.
    pub(crate) fn ended(&self, act: &Act, spent: Option<Spent>, charged: &Charged<'_>) {
        let Some(Spent { account, pair, token }) = spent else { return };
        let mut full = false;
        let what = match charged {
            Charged::No => TradeAct::Refund { pair: pair.clone(), token },
            // An order that is in doubt can be cancelled, and would be young.
            Charged::Perhaps => {
                let orders = names(&act.handle, act.id.as_str(), &[]);
                TradeAct::Land { pair: pair.clone(), token: String::new(), orders }
            }
            Charged::Yes(reply) => {
                let orders = names(&act.handle, act.id.as_str(), reply);
                TradeAct::Land { pair: pair.clone(), token, orders }
            }
            Charged::Refused(error) => {
                full = is_full(error);
                TradeAct::Land { pair: pair.clone(), token, orders: Vec::new() }
            }
        };
        self.note(&account, what);
        if full {
            self.full(&account, pair);
        }
    }

    /// Counts what there was no room for.
    pub(crate) fn held(&self, account: &AccountName, done: TradingHeld) {
        self.shared.metrics.trading_held(account.as_str(), done);
    }

    /// Kraken's counter of a pair is full. If ours was not, it is from now on.
    pub(crate) fn full(&self, account: &AccountName, pair: String) {
        let nobody = TradeAct::Refund { pair: pair.clone(), token: String::new() };
        let Some(look) = self.request(account, nobody) else { return };
        let (store, metrics, account) =
            (Arc::clone(&self.store), self.shared.metrics.clone(), account.clone());
        self.shared.drain.spawn(async move {
            // Where a batch of cancels has filled it, the refusal is no news.
            if let Ok(TradeReply::Noted { level_milli }) = store.trade(&look).await
                && level_milli > look.tier.usable_milli()
            {
                return;
            }
            metrics.trading_held(account.as_str(), TradingHeld::Full);
            warn!(
                %account, pair,
                "Kraken's trading counter of the pair is full, and ours was not: another program trades on it, or a tier \
                 is configured that the account does not have"
            );
            let full = TradeRequest { act: TradeAct::Full { pair }, ..look };
            if let Err(error) = store.trade(&full).await {
                debug!(%error, "that a trading counter is full was not written; Kraken will say so again");
            }
        });
    }

    /// Charges cancels that go out in any case.
    pub(crate) fn charge(&self, account: &AccountName, ids: Vec<String>) {
        self.note(account, TradeAct::Cancel { ids });
    }

    /// What is known of an order that is about to be cancelled. Charges it.
    pub(crate) async fn cancel(&self, account: &AccountName, id: &str) -> CancelSeen {
        let act = TradeAct::Cancel { ids: vec![id.to_owned()] };
        let Some(request) = self.request(account, act) else { return CancelSeen::default() };
        match tokio::time::timeout(CANCEL_LOOK, self.store.trade(&request)).await {
            Ok(Ok(TradeReply::Cancels(seen))) => seen.into_iter().next().unwrap_or_default(),
            Ok(Ok(_)) | Err(_) => CancelSeen::default(),
            Ok(Err(fault)) => {
                debug!(error = %fault, "a cancel goes out without a look at the trading counter");
                CancelSeen::default()
            }
        }
    }

    fn note(&self, account: &AccountName, act: TradeAct) {
        let Some(request) = self.request(account, act) else { return };
        let store = Arc::clone(&self.store);
        self.shared.drain.spawn(async move {
            if let Err(error) = store.trade(&request).await {
                debug!(%error, "a note on a trading counter was not written; its points decay later");
            }
        });
    }
}

/// What an act costs, and where. Cancels are not asked.
fn spend_of(act: &Act, claim: &Claim) -> Option<Spend> {
    let (fixed_milli, order) = match &act.handle {
        Handle::Order | Handle::Marked(_) => (POINT_MILLI, None),
        // Half a point each; of an odd number the sources do not say which way it is rounded.
        Handle::Batch { rows } => (POINT_MILLI * (rows.len() as u64).div_ceil(2), None),
        Handle::Amend(amend) => {
            let id = amend.order_id.clone().or_else(|| amend.cl_ord_id.clone())?;
            (POINT_MILLI, Some((id, Aged::Amend)))
        }
        Handle::Edit(edit) => (POINT_MILLI, Some((edit.order_id.clone(), Aged::Edit))),
        Handle::Cancel(_) | Handle::Timer { .. } | Handle::Unseen { .. } => return None,
    };
    Some(Spend {
        pair: pair_of(&act.params).unwrap_or_default(),
        token: claim.token.clone(),
        fixed_milli,
        order,
        until_us: claim.not_after_us,
    })
}

fn pair_of(params: &Params) -> Option<String> {
    params.iter().find_map(|(name, value)| match value {
        Value::Text(pair) if name == "pair" => Some(canonical_pair(pair)),
        _ => None,
    })
}

/// The orders that an act has made or changed, as far as its reply says. Names that the store cannot keep are left out.
fn names(handle: &Handle, id: &str, reply: &[u8]) -> Vec<OrderNames> {
    let mut found = match handle {
        Handle::Order | Handle::Marked(_) => {
            let reply = v1::AddOrderResponse::decode(reply).unwrap_or_default();
            let mut orders = match reply.outcome {
                Some(add_order_response::Outcome::Accepted(accepted)) => accepted.order_ids,
                _ => Vec::new(),
            };
            let first = if orders.is_empty() { String::new() } else { orders.remove(0) };
            let cl_ord_id = if *handle == Handle::Order { id.to_owned() } else { String::new() };
            let first = OrderNames { order_id: first, cl_ord_id };
            let more = orders.into_iter().map(|id| OrderNames { order_id: id, cl_ord_id: String::new() });
            let all = [first].into_iter().chain(more);
            all.filter(|names| !names.order_id.is_empty() || !names.cl_ord_id.is_empty()).collect()
        }
        Handle::Batch { rows } => {
            let reply = v1::AddOrderBatchResponse::decode(reply).unwrap_or_default();
            let placed = match reply.outcome {
                Some(batch::Outcome::Accepted(accepted)) => accepted.rows,
                _ => Vec::new(),
            };
            let of = |id: &String| {
                let row = placed.iter().find(|row| row.cl_ord_id == *id)?;
                match row.outcome.as_ref()? {
                    batch::row::Outcome::Placed(placed) => Some(placed.order_id.clone()),
                    _ => None,
                }
            };
            rows.iter()
                .filter(|id| placed.is_empty() || of(id).is_some())
                .map(|id| OrderNames { order_id: of(id).unwrap_or_default(), cl_ord_id: id.clone() })
                .collect()
        }
        Handle::Amend(amend) => vec![OrderNames {
            order_id: amend.order_id.clone().unwrap_or_default(),
            cl_ord_id: amend.cl_ord_id.clone().unwrap_or_default(),
        }],
        Handle::Edit(_) => {
            let reply = v1::EditOrderResponse::decode(reply).unwrap_or_default();
            match reply.outcome {
                Some(edit_order_response::Outcome::Accepted(accepted)) => {
                    vec![OrderNames { order_id: accepted.order_id, cl_ord_id: String::new() }]
                }
                _ => Vec::new(),
            }
        }
        Handle::Cancel(_) | Handle::Timer { .. } | Handle::Unseen { .. } => Vec::new(),
    };
    for name in found.iter_mut().flat_map(|names| [&mut names.order_id, &mut names.cl_ord_id]) {
        if name.as_str() == "-" || name.contains(char::is_whitespace) {
            name.clear();
        }
    }
    found
}

fn over(act: &Act, pair: &str, wait_us: u64) -> Error {
    let name = act.endpoint.name;
    let text = format!(
        "Kraken's trading counter of the account on {pair} leaves no room for {name} in the time left; cancels go on; nothing \
         was sent"
    );
    Error::new(ErrorKind::Budget, text)
        .retry_after_ms(wait_us.div_ceil(1_000))
        .with_fact("endpoint", name)
        .with_fact("pair", pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_known_by_what_kraken_and_we_call_it() {
        let accepted = add_order_response::Accepted {
            order_ids: vec!["O1".into(), "O2".into()],
            ..add_order_response::Accepted::default()
        };
        let outcome = Some(add_order_response::Outcome::Accepted(accepted));
        let reply = v1::AddOrderResponse { outcome, warnings: Vec::new() }.encode_to_vec();
        let name = |order_id: &str, cl_ord_id: &str| OrderNames {
            order_id: order_id.into(),
            cl_ord_id: cl_ord_id.into(),
        };
        assert_eq!(names(&Handle::Order, "c", &reply), [name("O1", "c"), name("O2", "")]);
        assert_eq!(names(&Handle::Order, "c", &[]), [name("", "c")], "in doubt");
        let rows = Handle::Batch { rows: vec!["a".into(), "b".into()] };
        assert_eq!(names(&rows, "c", &[]), [name("", "a"), name("", "b")]);
        let foreign = crate::handle::AmendHandle { cl_ord_id: Some("my order".into()), ..Default::default() };
        assert_eq!(names(&Handle::Amend(foreign), "c", &[]), [OrderNames::default()]);
    }

    #[test]
    fn only_the_engines_counter_counts() {
        let error = |text: &str| Error::new(ErrorKind::Budget, "x").with_fact("kraken_error", text);
        assert!(is_full(&error("EOrder:Rate limit exceeded")));
        assert!(!is_full(&error("EAPI:Rate limit exceeded")));
        assert!(!is_full(&error("EOrder:Domain rate limit exceeded")));
    }
}
