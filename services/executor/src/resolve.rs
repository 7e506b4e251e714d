//! The resolver: finds out at Kraken what became of acts whose fate is not known.
//!
//! *The idea.* Every act is claimed with a handle by which it can be looked for by anybody, in bulk: first among the open
//! orders, then among the closed ones; amends among the changes of their order. What can be concluded from what is seen is
//! decided in `verdict`. That something is *not* there counts only if Kraken was asked after the last moment at which its engine
//! could take it, and after a margin for what Kraken shows late; and only if nothing changed meanwhile: a verdict is written
//! under the token and the generation of the store that were read *before* Kraken was asked (DESIGN section 6; model F1, F2).
//!
//! Of all processes that could, the one looks that owns the account's first usable key, so that one account is looked for
//! once and no further agreement is needed. Where that one cannot ask for money that moved (`evidence`), another that can does it.
//! Where none of the account's keys shows orders, the first of the others leaves to a person what is in no list of orders.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;
use tidegate_core::{AccountName, CallerName, Error, KeyLabel, Permission, PermissionSet, endpoint};
use tidegate_kraken::wire::{self, ClosedOrders, OpenOrders, OrderAmends};
use tidegate_kraken::{Params, Value};
use tidegate_lanes::{Claim, IntentKey, IntentState, LaneState, NOTE_BYTES_MAX, Pace, Settle, Settled};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::acts::Acts;
use crate::caller::CallInfo;
use crate::evidence::{List, Sought, evidence};
use crate::execute::Call;
use crate::handle::{Handle, Window};
use crate::outcome;
use crate::verdict::{Asked, Seen, Verdict, born_us};

/// Between two looks at the store.
const EVERY: Duration = Duration::from_secs(1);
/// For one question to Kraken, most of which it may wait for points.
const PATIENCE: Duration = Duration::from_secs(60);
/// As many intents are looked for in one round.
const AT_MOST: usize = 500;
/// Kraken's page of closed orders.
const PAGE: usize = 50;
/// More pages are not read in one round; then nothing is concluded from absence. The oldest intent decides how far back is
/// read, and it waits for this as well: a bound that a busy account passes within a minute would leave it open for ever.
const PAGES_MAX: usize = 400;
/// Orders whose changes are read in one round: each costs a point, and what else was seen waits for them.
const AMENDED_MAX: usize = 10;
/// Acts for which a list of money that moved is read in one round: each costs a point or two.
const MONEY_MAX: usize = 10;
/// What whoever looks for orders must be able to ask for,
const ORDERS: PermissionSet =
    PermissionSet::of(&[Permission::QueryOpenTrades, Permission::QueryClosedTrades]);
/// and what tells of money that moved: one of these.
const MONEY: [PermissionSet; 2] =
    [PermissionSet::of(&[Permission::QueryLedger]), PermissionSet::of(&[Permission::WithdrawFunds])];
/// Younger acts are left alone: whoever watches intents sees the open ones once a second (`board`), and must have seen an act
/// open to be told of its end.
const SHOWN_US: u64 = 1_500_000;
/// Kraken's clock, ours and the store's may differ: looked for from so long before.
const BEFORE_US: u64 = 60_000_000;

/// Which acts a process looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    All,
    /// Those that moved money: another process looks for everything, and may not be able to ask for these.
    Money,
    /// Those that are in no list of orders.
    Unlisted,
}

impl Looks {
    fn for_act(self, asked: &Asked<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Money => sought(asked).is_some(),
            Self::Unlisted => matches!(asked.handle, Handle::Timer { .. } | Handle::Unseen { .. }),
        }
    }
}

/// The task that resolves.
pub(crate) struct Resolver {
    pub acts: Arc<Acts>,
    pub caller: CallerName,
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
                if let Some((label, looks)) = self.looks(account)
                    && let Err(error) = self.round(account, &label, looks, pace).await
                {
                    warn!(%account, %error, "acts whose fate is not known could not be looked for; trying again");
                }
            }
        }
    }

    /// With which key this process looks for acts of an account, and for which.
    fn looks(&self, account: &AccountName) -> Option<(KeyLabel, Looks)> {
        if let Some(first) = self.first(account, &[ORDERS]) {
            let all = first.map(|label| (label, Looks::All));
            return all.or_else(|| Some((self.first(account, &MONEY)??, Looks::Money)));
        }
        let first = self.first(account, &MONEY).or_else(|| self.first(account, &[PermissionSet::of(&[])]));
        Some((first??, Looks::Unlisted))
    }

    /// The first key of the account with all permissions of one of these sets that is in use, if this process owns it. Nothing
    /// if there is no such key.
    fn first(&self, account: &AccountName, any_of: &[PermissionSet]) -> Option<Option<KeyLabel>> {
        let mut fit: Vec<_> = self.acts.lanes.cells.iter().collect();
        fit.retain(|cell| {
            let may = cell.key.permissions;
            cell.key.account == *account && any_of.iter().any(|needed| may.contains(*needed))
        });
        if fit.is_empty() {
            return None;
        }
        fit.sort_by(|a, b| a.key.label.cmp(&b.key.label));
        let used = |cell: &&&Arc<crate::lane_cell::LaneCell>| {
            let view = cell.view();
            view.state == LaneState::Open || (view.state == LaneState::Idle && !cell.lock().owner.is_empty())
        };
        Some(fit.iter().find(used).filter(|cell| cell.view().is_ready()).map(|cell| cell.key.label.clone()))
    }

    async fn round(
        &self,
        account: &AccountName,
        label: &KeyLabel,
        looks: Looks,
        pace: &mut Pace,
    ) -> Result<(), Error> {
        let Some(domain) = self.acts.domains.get(account) else { return Ok(()) };
        let open = self.acts.store.open_intents(domain, account, AT_MOST).await;
        let open = open.map_err(|fault| Error::internal(fault.to_string()))?;
        // Of two clocks the one that is behind concludes nothing too early.
        let now_us = open.store_now_us.min(self.acts.lanes.shared.clock.wall().0);
        // What a later build has claimed is left to it.
        let handles: Vec<_> = open.intents.iter().map(|(_, known)| Handle::kept(&known.handle)).collect();
        let asked = open.intents.iter().zip(&handles).filter_map(|((id, known), handle)| {
            Some(Asked { id, known, handle: handle.as_ref()?, born_us: born_us(known), now_us })
        });
        let due = asked.filter(|asked| is_due(asked) && looks.for_act(asked));
        let due: Vec<Asked<'_>> = due.collect();
        let news = due.iter().map(|asked| (asked.id.to_owned(), asked.absence_counts() || asked.is_over()));
        let nothing = due.is_empty() || open.generation.is_empty();
        if nothing || !pace.is_time(self.acts.lanes.shared.clock.mono(), news.collect()) {
            return Ok(());
        }
        let seen = self.look(account, label, &due).await?;
        if amended(&due, &seen).len() > AMENDED_MAX {
            // There was no room for all: the rest comes next, and not at the pace of what was asked for before.
            *pace = Pace::default();
        }
        for asked in &due {
            match asked.verdict(&seen, &due) {
                Verdict::Wait => {}
                // Whoever looks for everything says when it was in vain.
                _ if looks == Looks::Money && !seen.evidence.contains_key(asked.id) => {}
                verdict => self.conclude(domain, account, &open.generation, asked, verdict).await,
            }
        }
        Ok(())
    }

    /// All that the intents need to be seen: orders of the account, open ones first (one that closes meanwhile is then among the
    /// closed), and the changes of those that were amended.
    ///
    /// Changes are asked for with the key that may see open and closed orders alike: another may be told that there is no such
    /// order.
    async fn look(&self, account: &AccountName, label: &KeyLabel, due: &[Asked<'_>]) -> Result<Seen, Error> {
        let mut seen = Seen::default();
        let open = due.iter().any(|asked| needs(asked.handle) != Needs::Nothing);
        let closed: Vec<_> = due.iter().filter(|asked| needs(asked.handle) == Needs::Closed).collect();
        if open {
            let open: OpenOrders = self.read(account, "OpenOrders", Params::new(), None).await?;
            open.open.0.into_iter().for_each(|(id, order)| seen.add(id, order, true));
        }
        if let Some(since_us) = closed.iter().map(|asked| asked.born_us.saturating_sub(BEFORE_US)).min() {
            for page in 0..PAGES_MAX {
                let mut params = Params::new();
                params.text("start", (since_us / 1_000_000).to_string());
                params.text("ofs", (page * PAGE).to_string());
                params.push("without_count", Value::Bool(true));
                let closed: ClosedOrders = self.read(account, "ClosedOrders", params, None).await?;
                seen.whole = closed.closed.0.len() < PAGE;
                closed.closed.0.into_iter().for_each(|(id, order)| seen.add(id, order, false));
                if seen.whole {
                    break;
                }
            }
        }
        for order_id in amended(due, &seen).into_iter().take(AMENDED_MAX) {
            let mut params = Params::new();
            params.text("order_id", order_id.clone());
            match self.read::<OrderAmends>(account, "OrderAmends", params, Some(label)).await {
                Ok(amends) => drop(seen.amends.insert(order_id, amends.amends)),
                // An order that Kraken does not know has no changes.
                Err(error) if is_unknown_order(&error) => {
                    seen.amends.insert(order_id, Vec::new());
                }
                // Whatever is in the way is in the way of the next question too, and other verdicts wait behind this one.
                Err(error) => {
                    warn!(%account, order_id, %error, "changes of an order cannot be read; asking again");
                    break;
                }
            }
        }
        self.look_for_money(account, due, &mut seen).await;
        Ok(seen)
    }

    /// What looks like the acts that leave no mark and are over.
    async fn look_for_money(&self, account: &AccountName, due: &[Asked<'_>], seen: &mut Seen) {
        let over = due.iter().filter(|asked| asked.is_over());
        for (asked, (list, sought)) in over.filter_map(|asked| Some((asked, sought(asked)?))).take(MONEY_MAX)
        {
            let params = list.question(sought, Window::of(asked.known, asked.born_us));
            let until_us = self.acts.lanes.shared.clock.wall().0;
            let found = self.result(account, list.endpoint(), params, None).await;
            let found = found.and_then(|result| {
                evidence(list, sought, &result, until_us)
                    .map_err(|shape| Error::internal(format!("{} cannot be read: {shape}", list.endpoint())))
            });
            match found {
                Ok(found) => drop(seen.evidence.insert(asked.id.to_owned(), found)),
                // That may be so for long, and nothing else waits for it.
                Err(error) => {
                    info!(%account, intent = asked.id, %error, "what looks like an act of which nothing is known cannot be asked for");
                }
            }
        }
    }

    async fn read<T: wire::Wire>(
        &self,
        account: &AccountName,
        name: &'static str,
        params: Params,
        label: Option<&KeyLabel>,
    ) -> Result<T, Error> {
        let result = self.result(account, name, params, label).await?;
        wire::read(Some(&result)).map_err(|shape| Error::internal(format!("{name} cannot be read: {shape}")))
    }

    async fn result(
        &self,
        account: &AccountName,
        name: &'static str,
        params: Params,
        label: Option<&KeyLabel>,
    ) -> Result<Box<RawValue>, Error> {
        let info = CallInfo {
            caller: self.caller.clone(),
            account: account.clone(),
            request_id: None,
            key_tag: String::new(),
            answer_by: Instant::now() + PATIENCE,
        };
        let endpoint =
            endpoint(name).ok_or_else(|| Error::internal(format!("no endpoint {name} in the table")))?;
        let call = Call { label: label.cloned(), resolves: true, ..Call::read(&info, endpoint, params) };
        self.acts.lanes.read(call).await
    }

    /// Writes a verdict, if the store and the claim are still what they were before Kraken was asked.
    async fn conclude(
        &self,
        domain: &AccountName,
        account: &AccountName,
        generation: &str,
        asked: &Asked<'_>,
        verdict: Verdict,
    ) {
        let Asked { id, known, handle, .. } = *asked;
        let (state, outcome, note) = match verdict {
            Verdict::Executed(reply) => (IntentState::Executed, reply, String::new()),
            Verdict::Absent => {
                (IntentState::Absent, outcome::refusal(&outcome::absent(&known.endpoint)), String::new())
            }
            // What Kraken's answer said of some rows stays known.
            Verdict::NeedsOperator(note) => {
                (IntentState::NeedsOperator, known.outcome.clone(), bounded(note))
            }
            Verdict::Wait => return,
        };
        let claim = Claim {
            key: IntentKey { domain: domain.clone(), id: id.to_owned() },
            account: account.clone(),
            endpoint: known.endpoint.clone(),
            request_id: known.request_id.clone(),
            content: known.content.clone(),
            token: known.token.clone(),
            born_us: 0,
            caller_now_us: 0,
            not_after_us: known.not_after_us,
            findable: handle.is_findable(),
            cancels: false,
            caller: known.caller.clone(),
            handle: known.handle.clone(),
            wish: known.wish.in_doubt(),
        };
        if !note.is_empty() {
            warn!(
                %account, intent = id, request_id = known.request_id, endpoint = known.endpoint, note,
                "what became of an act cannot be found out without a person"
            );
        }
        let settle = Settle { claim, state, outcome, generation: Some(generation.to_owned()), note };
        match self.acts.store.settle(&settle).await {
            Ok(Settled::Written | Settled::Replaced(_)) => {
                info!(%account, intent = id, request_id = known.request_id, state = state.as_str(), "looked an act up at Kraken");
            }
            // Somebody knew better, or nothing is known any more: the next round sees it.
            Ok(Settled::Kept(_) | Settled::Stale) => {}
            Err(fault) => {
                warn!(%account, intent = id, error = %fault, "a verdict cannot be written; looking again");
            }
        }
    }
}

/// As much of a note as the store takes.
fn bounded(mut note: String) -> String {
    let end = (0..=NOTE_BYTES_MAX.min(note.len())).rev().find(|at| note.is_char_boundary(*at));
    note.truncate(end.unwrap_or_default());
    note
}

/// What an intent that leaves no mark looks like, and where it would be shown.
fn sought<'a>(asked: &Asked<'a>) -> Option<(List, &'a Sought)> {
    match asked.handle {
        Handle::Unseen { endpoint, sought } => Some((List::of(endpoint)?, sought.as_ref()?)),
        _ => None,
    }
}

/// Whether Kraken says that there is no such order. Any other refusal says nothing of it.
fn is_unknown_order(error: &Error) -> bool {
    let unknown = ["EOrder:Unknown order", "EOrder:Invalid order"];
    error.facts.iter().any(|(name, value)| *name == "kraken_error" && unknown.contains(&value.as_str()))
}

/// The orders whose changes are to be read, in the order in which that is to be: first those of amends whose absence counts, which are decided then and make
/// room, the oldest first.
fn amended(due: &[Asked<'_>], seen: &Seen) -> Vec<String> {
    let mut all: Vec<_> = due.iter().filter(|asked| matches!(asked.handle, Handle::Amend(_))).collect();
    all.sort_by_key(|asked| (!asked.absence_counts(), asked.known.claimed_us));
    let mut orders: Vec<String> = Vec::new();
    for order_id in all.iter().filter_map(|asked| asked.amended_order(seen)) {
        if !orders.iter().any(|known| known == order_id) {
            orders.push(order_id.to_owned());
        }
    }
    orders
}

/// Which orders a look-up reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    Open,
    /// The open and the closed ones.
    Closed,
}

const fn needs(handle: &Handle) -> Needs {
    match handle {
        Handle::Order | Handle::Marked(_) | Handle::Batch { .. } | Handle::Edit(_) => Needs::Closed,
        Handle::Amend(amend) if amend.order_id.is_none() => Needs::Closed,
        Handle::Cancel(_) => Needs::Open,
        Handle::Amend(_) | Handle::Timer { .. } | Handle::Unseen { .. } => Needs::Nothing,
    }
}

fn is_due(asked: &Asked<'_>) -> bool {
    // Of a cancel nothing can be concluded before its time.
    let shown = asked.known.claimed_us.saturating_add(SHOWN_US) <= asked.now_us;
    shown && asked.known.is_due(asked.now_us) && (!asked.handle.is_cancel() || asked.is_over())
}
