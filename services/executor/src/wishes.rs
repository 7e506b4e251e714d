//! Carries out wishes: takes orders away whose callers want them gone, whatever became of them so far.
//!
//! *The idea.* The wish stands in the intent's record, so any process can see it. The one that owns the account's first lane for
//! cancels sends them, by the id that follows from the request; two that do so at once do no harm, because such a cancel
//! can be repeated freely. While the fate of an order is open a cancel is tried now and then, because Kraken's engine may have
//! the order before it is shown. Once it is known to be executed, the wish is done when Kraken has cancelled it, or when
//! nothing is open under its id and that cannot be because the order is not shown yet.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tidegate_core::{AccountName, CallerName, Error, MonoUs, endpoint};
use tidegate_kraken::Params;
use tidegate_kraken::wire::{self, OrdersCancelled};
use tidegate_lanes::{IntentKey, IntentRecord, IntentState, OpenIntents, SETTLE_MARGIN_US, Wanted, Wish};
use tidegate_proto::v1::{self, CancelAttempt};
use tokio::time::Instant;
use tracing::{info, warn};

use crate::acts::Acts;
use crate::board::Board;
use crate::caller::CallInfo;
use crate::execute::{Call, Outcome};
use crate::handle::Handle;

/// Between two looks at the board.
const EVERY: Duration = Duration::from_millis(500);
/// Between two cancels of the same order, at first and in the end.
const PAUSE_FIRST_US: u64 = 1_000_000;
const PAUSE_MAX_US: u64 = 30_000_000;
/// As many cancels are sent for one account in one round: other callers' cancels use the same lanes.
const AT_MOST: usize = 20;
/// For one cancel.
const PATIENCE: Duration = Duration::from_secs(5);

/// The task that carries out wishes.
pub(crate) struct Wishes {
    pub acts: Arc<Acts>,
    pub board: Arc<Board>,
    pub caller: CallerName,
}

/// When to cancel again: one pace for the time of doubt, a new one once the order is known to be there.
#[derive(Debug, Default)]
struct Paces(HashMap<(String, bool), (MonoUs, u64)>);

impl Paces {
    fn is_time(&mut self, now: MonoUs, id: &str, executed: bool) -> bool {
        let (at, pause_us) = self.0.entry((id.to_owned(), executed)).or_insert((now, 0));
        if now < *at {
            return false;
        }
        *pause_us = if *pause_us == 0 { PAUSE_FIRST_US } else { (*pause_us * 2).min(PAUSE_MAX_US) };
        *at = now.plus_us(*pause_us);
        true
    }

    /// Forgets what is open no more.
    fn keep(&mut self, open: &OpenIntents) {
        self.0.retain(|(id, _), _| open.intents.iter().any(|(known, _)| known == id));
    }
}

/// Whether an order is to be cancelled and may be at Kraken.
fn is_due(known: &IntentRecord, store_now_us: u64) -> bool {
    // A claim is cancelled when it is known to be sent, or when its sender is gone.
    let sent = known.state != IntentState::Claimed || (1..=store_now_us).contains(&known.not_after_us);
    known.wish == Wish::Cancel && sent && known.is_open()
}

/// Whether nothing remains to be done after a cancel of so many orders.
fn is_done(known: &IntentRecord, attempt: CancelAttempt, orders: usize, store_now_us: u64) -> bool {
    let shown = known.settled_us + SETTLE_MARGIN_US <= store_now_us;
    known.state == IntentState::Executed
        && match attempt {
            // Of several some may not have been there yet.
            CancelAttempt::Cancelled => orders == 1,
            CancelAttempt::NothingOpen => shown,
            _ => false,
        }
}

impl Wishes {
    /// Cancels until the process ends.
    pub(crate) async fn run(self) {
        let drain = self.acts.lanes.shared.drain.clone();
        let mut paces: HashMap<AccountName, Paces> = HashMap::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = drain.begun() => return,
            }
            for account in self.acts.domains.keys() {
                if let Some(open) = self.board.now(account)
                    && self.cancels_here(account)
                {
                    let paces = paces.entry(account.clone()).or_default();
                    paces.keep(&open);
                    self.round(account, &open, paces).await;
                }
            }
        }
    }

    /// Whether this process owns the account's first lane that takes cancels.
    fn cancels_here(&self, account: &AccountName) -> bool {
        let Some(cancel) = endpoint("CancelOrder") else { return false };
        let mut fit: Vec<_> = self.acts.lanes.cells.iter().collect();
        fit.retain(|cell| {
            cell.key.account == *account && !cell.key.break_glass && cancel.needs.met_by(cell.key.permissions)
        });
        fit.sort_by(|a, b| a.key.label.cmp(&b.key.label));
        let owned = |cell: &&&Arc<crate::lane_cell::LaneCell>| {
            cell.view().takes_cancels() || !cell.lock().owner.is_empty()
        };
        fit.iter().find(owned).is_some_and(|cell| cell.view().takes_cancels())
    }

    async fn round(&self, account: &AccountName, open: &OpenIntents, paces: &mut Paces) {
        let now = self.acts.lanes.shared.clock.mono();
        let mut due: Vec<_> = open.intents.iter().filter(|(_, k)| is_due(k, open.store_now_us)).collect();
        due.retain(|(id, known)| paces.is_time(now, id, known.state == IntentState::Executed));
        for (id, known) in due.into_iter().take(AT_MOST) {
            let info = CallInfo {
                caller: self.caller.clone(),
                account: account.clone(),
                request_id: None,
                key_tag: String::new(),
                answer_by: Instant::now() + PATIENCE,
            };
            let orders = orders_of(id, known);
            let (attempt, text) = self.acts.cancel_orders(&info, &orders).await;
            let (intent, request_id) = (id.as_str(), known.request_id.as_str());
            match attempt {
                CancelAttempt::Cancelled => {
                    info!(%account, intent, request_id, "cancelled an order, as its caller wished");
                }
                CancelAttempt::NothingOpen => {}
                _ => {
                    warn!(%account, intent, request_id, %text, "an order that is to go could not be cancelled; trying again");
                }
            }
            if is_done(known, attempt, orders.len(), open.store_now_us) {
                self.acts.wish_done(account, id).await;
            }
        }
    }
}

/// An order as a cancel names it: by its derived id, or by Kraken's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    Derived(String),
    Kraken(String),
}

/// The orders that an act has placed, as far as they can be named.
pub(crate) fn orders_of(id: &str, known: &IntentRecord) -> Vec<Named> {
    match Handle::kept(&known.handle) {
        // What a later build claimed was a single order, or is left to it.
        None | Some(Handle::Order) => vec![Named::Derived(id.to_owned())],
        Some(Handle::Batch { rows }) => rows.into_iter().map(Named::Derived).collect(),
        // Their orders have no id of a client's: they can be named once they are known.
        Some(Handle::Marked(_)) => {
            let reply = v1::AddOrderResponse::decode(known.outcome.as_slice()).unwrap_or_default();
            match reply.outcome {
                Some(v1::add_order_response::Outcome::Accepted(new)) => {
                    new.order_ids.into_iter().map(Named::Kraken).collect()
                }
                _ => Vec::new(),
            }
        }
        Some(Handle::Edit(_)) => {
            let reply = v1::EditOrderResponse::decode(known.outcome.as_slice()).unwrap_or_default();
            match reply.outcome {
                Some(v1::edit_order_response::Outcome::Accepted(new)) => vec![Named::Kraken(new.order_id)],
                _ => Vec::new(),
            }
        }
        Some(Handle::Amend(_) | Handle::Cancel(_) | Handle::Timer { .. } | Handle::Unseen { .. }) => {
            Vec::new()
        }
    }
}

impl Acts {
    /// Cancels orders one after the other. Of several attempts the one that leaves most open tells.
    pub(crate) async fn cancel_orders(&self, info: &CallInfo, orders: &[Named]) -> (CancelAttempt, String) {
        let mut all = (CancelAttempt::NothingOpen, String::new());
        for order in orders {
            let one = self.cancel_order(info, order).await;
            if weight(one.0) > weight(all.0) {
                all = one;
            }
        }
        all
    }

    /// Cancels an order, once. Nothing of it is final but what it says: such a cancel can be repeated freely.
    async fn cancel_order(&self, info: &CallInfo, order: &Named) -> (CancelAttempt, String) {
        let Some(endpoint) = endpoint("CancelOrder") else {
            return (CancelAttempt::NotSent, "no endpoint CancelOrder in the table".to_owned());
        };
        let mut params = Params::new();
        let id = match order {
            Named::Derived(id) => {
                params.text("cl_ord_id", id.as_str());
                id.to_string()
            }
            Named::Kraken(id) => {
                params.text("txid", id.as_str());
                id.clone()
            }
        };
        // One that Kraken refuses for its price goes again with the next round.
        self.budget.charge(&info.account, vec![id]);
        match self.lanes.run(Call::mutating(info, endpoint, params)).await {
            Ok(Outcome::Done { result, .. }) => match wire::read::<OrdersCancelled>(Some(&result)) {
                Ok(OrdersCancelled { count: 0, .. }) => (CancelAttempt::NothingOpen, String::new()),
                Ok(_) => (CancelAttempt::Cancelled, String::new()),
                Err(shape) => (CancelAttempt::Unknown, format!("Kraken's answer cannot be read: {shape}")),
            },
            Ok(Outcome::Unresolved(open)) => (CancelAttempt::Unknown, open.text),
            Err(error) if finds_nothing(&error) => (CancelAttempt::NothingOpen, String::new()),
            Err(error) => (CancelAttempt::NotSent, error.text),
        }
    }

    /// Writes that nothing remains to be done. If that fails, the next round cancels again, which does no harm.
    pub(crate) async fn wish_done(&self, account: &AccountName, id: &str) {
        let Some(domain) = self.domains.get(account).cloned() else { return };
        let key = IntentKey { domain, id: id.to_owned() };
        let wanted = Wanted { key, account: account.clone(), wish: Wish::Done };
        if let Err(fault) = self.store.wish(&wanted).await {
            warn!(%account, intent = id, error = %fault, "a wish that is carried out cannot be written down");
        }
    }
}

/// How much an attempt leaves open.
const fn weight(attempt: CancelAttempt) -> u8 {
    match attempt {
        CancelAttempt::Unknown => 3,
        CancelAttempt::NotSent => 2,
        CancelAttempt::Cancelled => 1,
        _ => 0,
    }
}

fn finds_nothing(error: &Error) -> bool {
    error.facts.iter().any(|(name, text)| *name == "kraken_error" && text.starts_with("EOrder:Unknown order"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(state: IntentState, wish: Wish) -> IntentRecord {
        IntentRecord {
            account: "main".into(),
            endpoint: "AddOrder".into(),
            request_id: String::new(),
            content: String::new(),
            token: "t".into(),
            state,
            claimed_us: 1_000_000,
            not_after_us: 20_000_000,
            absent_after_us: 50_000_000,
            settled_us: 2_000_000,
            outcome: Vec::new(),
            generation: "g".into(),
            caller: "desk".into(),
            handle: String::new(),
            wish,
            note: String::new(),
        }
    }

    #[test]
    fn an_order_is_cancelled_while_it_may_be_there() {
        use IntentState::{Absent, Claimed, Doubtful, Executed, Lost, NeedsOperator, Refused};
        for (state, early, late) in [
            (Claimed, false, true),
            (Doubtful, true, true),
            (Lost, true, true),
            (NeedsOperator, true, true),
            (Executed, true, true),
            (Refused, false, false),
            (Absent, false, false),
        ] {
            let one = known(state, Wish::Cancel);
            assert_eq!((is_due(&one, 5_000_000), is_due(&one, 20_000_000)), (early, late), "{state:?}");
            for wish in [Wish::Keep, Wish::CancelIfUnresolved, Wish::Done] {
                assert!(!is_due(&known(state, wish), 20_000_000), "{state:?} {wish:?}");
            }
        }
    }

    #[test]
    fn finding_nothing_counts_only_for_an_order_that_would_be_shown() {
        let executed = known(IntentState::Executed, Wish::Cancel);
        assert!(is_done(&executed, CancelAttempt::Cancelled, 1, 2_000_000));
        assert!(!is_done(&executed, CancelAttempt::Cancelled, 2, 90_000_000), "the other may be open still");
        assert!(!is_done(&executed, CancelAttempt::NothingOpen, 1, 31_999_999));
        assert!(is_done(&executed, CancelAttempt::NothingOpen, 2, 32_000_000));
        assert!(!is_done(&executed, CancelAttempt::Unknown, 1, 90_000_000));
        let doubtful = known(IntentState::Doubtful, Wish::Cancel);
        assert!(!is_done(&doubtful, CancelAttempt::Cancelled, 1, 90_000_000), "its verdict is still to come");
    }

    #[test]
    fn the_orders_of_an_act_are_named_by_its_handle() {
        let of = |handle: &Handle, outcome: Vec<u8>| {
            orders_of(
                "id",
                &IntentRecord {
                    handle: handle.text(),
                    outcome,
                    ..known(IntentState::Executed, Wish::Cancel)
                },
            )
        };
        let derived = |id: &str| Named::Derived(id.to_owned());
        assert_eq!(of(&Handle::Order, Vec::new()), [derived("id")]);
        let rows = Handle::Batch { rows: vec!["a".into(), "b".into()] };
        assert_eq!(of(&rows, Vec::new()), [derived("a"), derived("b")]);
        let marked = Handle::Marked(crate::handle::Mark { userref: 7, volume: None });
        assert!(of(&marked, Vec::new()).is_empty());
        let accepted =
            v1::add_order_response::Accepted { order_ids: vec!["O3".into()], ..Default::default() };
        let outcome = Some(v1::add_order_response::Outcome::Accepted(accepted));
        let reply = v1::AddOrderResponse { outcome, warnings: Vec::new() };
        assert_eq!(of(&marked, reply.encode_to_vec()), [Named::Kraken("O3".into())]);
        let edit =
            Handle::Edit(crate::handle::EditHandle { order_id: "O1".into(), userref: 7, volume: None });
        assert!(of(&edit, Vec::new()).is_empty());
        let accepted = v1::edit_order_response::Accepted { order_id: "O2".into(), ..Default::default() };
        let outcome = Some(v1::edit_order_response::Outcome::Accepted(accepted));
        let reply = v1::EditOrderResponse { outcome, warnings: Vec::new() };
        assert_eq!(of(&edit, reply.encode_to_vec()), [Named::Kraken("O2".into())]);
        assert!(of(&Handle::Timer { timeout_s: 1 }, Vec::new()).is_empty());
        assert!(weight(CancelAttempt::Unknown) > weight(CancelAttempt::Cancelled));
    }

    #[test]
    fn cancels_become_rarer_and_begin_anew_once_the_order_is_found() {
        let mut paces = Paces::default();
        let mut at = Vec::new();
        for second in 0..100 {
            if paces.is_time(MonoUs(second * 1_000_000), "a", false) {
                at.push(second);
            }
        }
        assert_eq!(at, [0, 1, 3, 7, 15, 31, 61, 91]);
        assert!(paces.is_time(MonoUs(100_000_000), "a", true));
        assert!(paces.is_time(MonoUs(100_000_000), "b", false));
    }
}
