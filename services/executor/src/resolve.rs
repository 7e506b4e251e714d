//! The resolver: finds out at Kraken what became of orders whose fate is not known.
//!
//! *The idea.* Every order carries an id that follows from its request, so it can be looked for by anybody, in bulk: first among
//! the open orders, then among the closed ones. One that is found was executed. One that is not found was never
//! executed, but only if Kraken was asked after the last moment at which its engine could take it, and after a margin for what
//! Kraken shows late; and only if nothing changed meanwhile: a verdict is written under the token and the generation of the
//! store that were read *before* Kraken was asked (DESIGN section 6; model F1, F2).
//!
//! Of all processes that could, the one looks that owns the account's first usable key, so that one account is looked for
//! once and no further agreement is needed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::{AccountName, CallerName, Error, MonoUs, Permission, PermissionSet, RequestId, endpoint};
use tidegate_kraken::Params;
use tidegate_kraken::wire::{self, ClosedOrders, OpenOrders};
use tidegate_lanes::{Claim, IntentKey, IntentRecord, IntentState, LaneState, OpenIntents, Settle, Settled};
use tidegate_proto::v1::{self, add_order_response};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::acts::Acts;
use crate::caller::CallInfo;
use crate::execute::Call;
use crate::outcome;

/// Between two looks at the store.
const EVERY: Duration = Duration::from_secs(1);
/// Between two questions to Kraken about the same orders, at first and in the end: each costs points of the key.
const PAUSE_FIRST_US: u64 = 1_000_000;
const PAUSE_MAX_US: u64 = 10_000_000;
/// For one question to Kraken, most of which it may wait for points.
const PATIENCE: Duration = Duration::from_secs(30);
/// As many intents are looked for in one round.
const AT_MOST: usize = 500;
/// Kraken's page of closed orders.
const PAGE: usize = 50;
/// More pages are not read in one round; then nothing is concluded from absence.
const PAGES_MAX: usize = 40;
/// An act that nobody has spoken of for so long after its time has lost its sender.
const SENDER_GONE_US: u64 = 1_000_000;
/// Kraken's clock, ours and the store's may differ: looked for from so long before.
const BEFORE_US: u64 = 60_000_000;

/// The task that resolves.
pub(crate) struct Resolver {
    pub acts: Arc<Acts>,
    pub caller: CallerName,
}

/// When to ask Kraken again about an account. Orders that were not found are asked for more and more seldom; one that is new,
/// or whose absence begins to count, at once.
#[derive(Debug, Default)]
struct Pace {
    asked: BTreeSet<(String, bool)>,
    at: MonoUs,
    pause_us: u64,
}

impl Pace {
    /// Whether to ask now about these orders: their ids, and whether their absence counts.
    fn is_time(&mut self, now: MonoUs, due: BTreeSet<(String, bool)>) -> bool {
        let news = due.iter().any(|order| !self.asked.contains(order));
        if !news && now < self.at {
            return false;
        }
        self.pause_us = if news { PAUSE_FIRST_US } else { (self.pause_us * 2).min(PAUSE_MAX_US) };
        self.at = now.plus_us(self.pause_us);
        self.asked = due;
        true
    }
}

/// An order as it was found.
struct Found {
    order_id: String,
    description: String,
}

impl Resolver {
    /// Looks until the process ends.
    pub(crate) async fn run(self) {
        let drain = self.acts.lanes.shared.drain.clone();
        let mut paces: BTreeMap<AccountName, Pace> = BTreeMap::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = drain.begun() => return,
            }
            for account in self.acts.domains.keys() {
                let pace = paces.entry(account.clone()).or_default();
                if self.is_ours(account)
                    && let Err(error) = self.round(account, pace).await
                {
                    warn!(%account, %error, "orders whose fate is not known could not be looked for; trying again");
                }
            }
        }
    }

    /// Whether this process owns the first key of the account that can look.
    fn is_ours(&self, account: &AccountName) -> bool {
        let needed = PermissionSet::of(&[Permission::QueryOpenTrades, Permission::QueryClosedTrades]);
        let mut fit: Vec<_> = self.acts.lanes.cells.iter().collect();
        fit.retain(|cell| cell.key.account == *account && cell.key.permissions.contains(needed));
        fit.sort_by(|a, b| a.key.label.cmp(&b.key.label));
        let used = |cell: &&&Arc<crate::lane_cell::LaneCell>| {
            let view = cell.view();
            view.state == LaneState::Open || (view.state == LaneState::Idle && !cell.lock().owner.is_empty())
        };
        fit.iter().find(used).is_some_and(|cell| cell.view().is_ready())
    }

    async fn round(&self, account: &AccountName, pace: &mut Pace) -> Result<(), Error> {
        let Some(domain) = self.acts.domains.get(account) else { return Ok(()) };
        let open = self.acts.store.open_intents(domain, account, AT_MOST).await;
        let open = open.map_err(|fault| Error::internal(fault.to_string()))?;
        let due: Vec<_> = open.intents.iter().filter(|(_, known)| is_due(known, open.store_now_us)).collect();
        let counts =
            |known: &IntentRecord| known.absent_after_us > 0 && known.absent_after_us <= open.store_now_us;
        let orders = due.iter().map(|(id, known)| (id.clone(), counts(known))).collect();
        let nothing = due.is_empty() || open.generation.is_empty();
        if nothing || !pace.is_time(self.acts.lanes.shared.clock.mono(), orders) {
            return Ok(());
        }
        let since_us = due.iter().map(|(_, known)| since_us(known)).min().unwrap_or_default();
        let (found, whole) = self.look(account, since_us).await?;
        for (id, known) in due {
            match found.get(id) {
                Some(order) => self.conclude(domain, account, &open, id, known, Some(order)).await,
                None if whole && counts(known) => {
                    self.conclude(domain, account, &open, id, known, None).await;
                }
                None => {}
            }
        }
        Ok(())
    }

    /// All orders of the account with an id of the client, open ones first: one that closes meanwhile is then among the closed.
    /// Returns them, and whether that is all of them.
    async fn look(
        &self,
        account: &AccountName,
        since_us: u64,
    ) -> Result<(HashMap<String, Found>, bool), Error> {
        let mut found = HashMap::new();
        let open: OpenOrders = self.read(account, "OpenOrders", Params::new()).await?;
        note(&mut found, open.open);
        for page in 0..PAGES_MAX {
            let mut params = Params::new();
            params.text("start", (since_us / 1_000_000).to_string());
            params.text("ofs", (page * PAGE).to_string());
            let closed: ClosedOrders = self.read(account, "ClosedOrders", params).await?;
            let last = closed.closed.0.len() < PAGE;
            note(&mut found, closed.closed);
            if last {
                return Ok((found, true));
            }
        }
        Ok((found, false))
    }

    async fn read<T: wire::Wire>(
        &self,
        account: &AccountName,
        name: &'static str,
        params: Params,
    ) -> Result<T, Error> {
        let info = CallInfo {
            caller: self.caller.clone(),
            account: account.clone(),
            request_id: None,
            key_tag: String::new(),
            answer_by: Instant::now() + PATIENCE,
        };
        let endpoint =
            endpoint(name).ok_or_else(|| Error::internal(format!("no endpoint {name} in the table")))?;
        let result =
            self.acts.lanes.read(Call { resolves: true, ..Call::read(&info, endpoint, params) }).await?;
        wire::read(Some(&result)).map_err(|shape| Error::internal(format!("{name} cannot be read: {shape}")))
    }

    /// Writes a verdict, if the store and the claim are still what they were before Kraken was asked.
    async fn conclude(
        &self,
        domain: &AccountName,
        account: &AccountName,
        open: &OpenIntents,
        id: &str,
        known: &IntentRecord,
        order: Option<&Found>,
    ) {
        let (state, outcome) = match order {
            Some(Found { order_id, description }) => {
                let accepted = add_order_response::Accepted {
                    order_ids: vec![order_id.clone()],
                    cl_ord_id: id.to_owned(),
                    description: description.clone(),
                    ..add_order_response::Accepted::default()
                };
                let outcome = Some(add_order_response::Outcome::Accepted(accepted));
                let reply = v1::AddOrderResponse { outcome, warnings: Vec::new() };
                (IntentState::Executed, outcome::bytes(&reply))
            }
            None => (IntentState::Absent, outcome::refusal(&outcome::absent(&known.endpoint))),
        };
        let claim = Claim {
            key: IntentKey { domain: domain.clone(), id: id.to_owned() },
            account: account.clone(),
            endpoint: known.endpoint.clone(),
            request_id: known.request_id.clone(),
            content: known.content.clone(),
            token: known.token.clone(),
            born_us: 0,
            not_after_us: known.not_after_us,
            findable: true,
            caller: known.caller.clone(),
            handle: known.handle.clone(),
            wish: known.wish.in_doubt(),
        };
        let note = String::new();
        let settle = Settle { claim, state, outcome, generation: Some(open.generation.clone()), note };
        match self.acts.store.settle(&settle).await {
            Ok(Settled::Written | Settled::Replaced(_)) => {
                info!(%account, intent = id, request_id = known.request_id, state = state.as_str(), "looked an order up at Kraken");
            }
            // Somebody knew better, or nothing is known any more: the next round sees it.
            Ok(Settled::Kept(_) | Settled::Stale) => {}
            Err(fault) => {
                warn!(%account, intent = id, error = %fault, "a verdict cannot be written; looking again");
            }
        }
    }
}

fn is_due(known: &IntentRecord, store_now_us: u64) -> bool {
    match known.state {
        IntentState::Doubtful | IntentState::Lost => true,
        IntentState::Claimed => known.not_after_us > 0 && known.not_after_us + SENDER_GONE_US <= store_now_us,
        _ => false,
    }
}

/// From when on an order may have been placed.
fn since_us(known: &IntentRecord) -> u64 {
    let born = known.request_id.parse::<RequestId>().map_or(known.claimed_us, |id| id.birth().0);
    born.min(known.claimed_us).saturating_sub(BEFORE_US)
}

fn note(found: &mut HashMap<String, Found>, orders: wire::OrdersById) {
    for (order_id, order) in orders.0 {
        if let Some(id) = order.cl_ord_id {
            found.insert(id, Found { order_id, description: order.descr.order.unwrap_or_default() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_is_asked_for_more_and_more_seldom_and_what_is_new_at_once() {
        let mut pace = Pace::default();
        let due =
            |names: &[&str], counts: bool| names.iter().map(|name| ((*name).to_owned(), counts)).collect();
        let mut asked_at = Vec::new();
        for second in 0..60_u64 {
            if pace.is_time(MonoUs(second * 1_000_000), due(&["a"], false)) {
                asked_at.push(second);
            }
        }
        assert_eq!(asked_at, [0, 1, 3, 7, 15, 25, 35, 45, 55]);
        assert!(pace.is_time(MonoUs(60_000_000), due(&["a", "b"], false)), "a new one");
        assert!(!pace.is_time(MonoUs(60_500_000), due(&["a"], false)));
        assert!(pace.is_time(MonoUs(60_600_000), due(&["a"], true)), "its absence counts from now on");
    }
}
