//! Questions about intents, and decisions on them.
//!
//! All of it rests on the store alone, so any process that knows the account can answer; only a cancel needs a lane.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tidegate_core::{AccountName, CallerName, Error, ErrorKind, derive_cl_ord_id};
use tidegate_lanes::{
    Claim, IntentKey, IntentRecord, IntentState, NOTE_BYTES_MAX, Settle, Settled, StoreError, Wanted, Wish,
};
use tidegate_proto::v1;
use tidegate_proto::v1::CancelAttempt;
use tokio::sync::watch;
use tonic::Status;
use tracing::{info, warn};

use super::{Api, status};
use crate::acts::Acts;
use crate::board::{Listing, SHOWN_MAX};
use crate::caller::CallInfo;
use crate::convert::intent as convert;
use crate::handle::Handle;
use crate::outcome;
use crate::wishes::{Named, orders_of};

/// A caller's open intents and their changes.
pub(crate) type IntentStream = Pin<Box<dyn Stream<Item = Result<v1::WatchIntentsResponse, Status>> + Send>>;

/// For how long a stream waits for the store's first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

impl Api {
    fn domain(&self, account: &AccountName) -> Result<AccountName, Error> {
        self.acts.domains.get(account).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Moved, "this executor has no key of the account; nothing was sent")
        })
    }

    /// Which intent a call is about: one of this caller.
    fn key(&self, info: &CallInfo, caller: &CallerName) -> Result<IntentKey, Error> {
        let request_id = info.required_request_id()?;
        let id = derive_cl_ord_id(&self.deployment, &info.account, caller, &request_id);
        Ok(IntentKey { domain: self.domain(&info.account)?, id: id.to_string() })
    }

    fn shown(info: &CallInfo, id: &str, known: Option<&IntentRecord>) -> v1::Intent {
        known.map_or_else(
            || {
                let request_id = info.request_id.map(|id| id.to_string()).unwrap_or_default();
                convert::unknown(id, request_id, info.account.to_string(), info.caller.to_string())
            },
            |known| convert::intent(id, known),
        )
    }

    /// What became of one intent. `lost` is the process that a gateway has lost while it asked for the act: if it was to send
    /// it, nobody waits any longer for it to speak, and Kraken is asked.
    pub(crate) async fn known_intent(
        &self,
        info: &CallInfo,
        lost: Option<&str>,
    ) -> Result<v1::GetIntentResponse, Error> {
        let key = self.key(info, &info.caller)?;
        let mut known = self.acts.store.intent(&key).await.map_err(|fault| unread(&fault))?;
        if let (Some(record), Some(lost)) = (&mut known, lost) {
            let theirs = record.token.strip_prefix(lost).is_some_and(|rest| rest.starts_with('-'));
            if theirs && record.state == IntentState::Claimed {
                self.doubt(&key, info, record).await;
            }
        }
        Ok(v1::GetIntentResponse {
            intent: Some(Self::shown(info, &key.id, known.as_ref())),
            outcome: known.as_ref().and_then(convert::outcome),
        })
    }

    /// Says that the sender of an act may be gone. Whoever looks at Kraken begins at once; the sender may still speak.
    async fn doubt(&self, key: &IntentKey, info: &CallInfo, known: &mut IntentRecord) {
        let note = "the process that was to send it was lost by the gateway".to_owned();
        let claim = claim_of(key, &info.account, known, known.wish);
        let settle =
            Settle { claim, state: IntentState::Doubtful, outcome: Vec::new(), generation: None, note };
        match self.acts.store.settle(&settle).await {
            Ok(Settled::Written) => known.state = IntentState::Doubtful,
            Ok(Settled::Kept(newer)) => *known = *newer,
            Ok(_) => {}
            Err(fault) => {
                warn!(account = %info.account, intent = key.id, error = %fault, "a doubt cannot be written");
            }
        }
    }

    /// All open intents of an account.
    pub(crate) async fn unresolved_intents(
        &self,
        info: &CallInfo,
    ) -> Result<v1::ListUnresolvedResponse, Error> {
        let domain = self.domain(&info.account)?;
        let open = self.acts.store.open_intents(&domain, &info.account, SHOWN_MAX + 1).await;
        let open = open.map_err(|fault| unread(&fault))?;
        let shown = open.intents.iter().take(SHOWN_MAX);
        Ok(v1::ListUnresolvedResponse {
            intents: shown.map(|(id, known)| convert::intent(id, known)).collect(),
            truncated: open.intents.len() > SHOWN_MAX,
            missing_accounts: Vec::new(),
        })
    }

    /// The caller's open intents, and each change from now on.
    pub(crate) fn watched_intents(&self, info: &CallInfo) -> Result<IntentStream, Error> {
        let domain = self.domain(&info.account)?;
        let listings = self.board.subscribe(&info.account).ok_or_else(|| {
            Error::new(ErrorKind::Moved, "this executor has no key of the account; nothing was sent")
        })?;
        let watch = Watch { acts: Arc::clone(&self.acts), domain, info: info.clone(), listings, told: None };
        let changes = stream::unfold(watch, |mut watch| async move {
            let next = watch.next().await?;
            Some((next.map_err(status), watch))
        });
        Ok(Box::pin(changes.take_until(self.lanes.shared.drain.begun())))
    }

    /// Takes the orders of an intent away.
    pub(crate) async fn cancelled_intent(&self, info: &CallInfo) -> Result<v1::CancelIntentResponse, Error> {
        let key = self.key(info, &info.caller)?;
        let wanted = Wanted { key, account: info.account.clone(), wish: Wish::Cancel };
        let (acts, info) = (Arc::clone(&self.acts), info.clone());
        // What was asked for is done, whether or not its caller waits.
        let cancelling = self.lanes.shared.drain.spawn(async move { cancelled(&acts, &info, &wanted).await });
        cancelling.await.map_err(|_| Error::internal("a cancel ended without a word"))
    }

    /// Writes a person's verdict.
    pub(crate) async fn decided_intent(
        &self,
        info: &CallInfo,
        message: v1::DecideIntentRequest,
    ) -> Result<v1::DecideIntentResponse, Error> {
        use v1::decide_intent_request::Verdict;
        let wrong = |field: &str, text: &str| Error::invalid_field(field, text);
        let caller: CallerName = if message.caller.is_empty() {
            info.caller.clone()
        } else {
            message.caller.parse().map_err(|e: tidegate_core::IdError| wrong("caller", &e.to_string()))?
        };
        let (by, reason) = (message.decided_by.trim(), message.reason.trim());
        for (field, text) in [("decided_by", by), ("reason", reason)] {
            if text.is_empty() || text.len() > NOTE_BYTES_MAX / 4 {
                let bound = NOTE_BYTES_MAX / 4;
                return Err(wrong(field, &format!("must be set, and not longer than {bound} bytes")));
            }
        }
        let key = self.key(info, &caller)?;
        let account = info.account.clone();
        let (domain, id) = (key.domain.clone(), key.id.clone());
        // The generation first: a verdict counts only in the one that it was prepared in.
        let open =
            self.acts.store.open_intents(&domain, &account, 1).await.map_err(|fault| unread(&fault))?;
        let known = self.acts.store.intent(&key).await.map_err(|fault| unread(&fault))?;
        let known = known.ok_or_else(|| wrong("context.request_id", "nothing is known of such an intent"))?;
        let (state, outcome, words) = match message.verdict {
            None => return Err(wrong("verdict", "must be executed or not_executed")),
            Some(Verdict::Executed(executed)) => {
                // An order that is found by a number has no client order id.
                let marked = matches!(Handle::kept(&known.handle), Some(Handle::Marked(_)));
                let named = if marked { "" } else { id.as_str() };
                let outcome = outcome::decided(&known.endpoint, named, executed.order_ids);
                (IntentState::Executed, outcome, "executed")
            }
            Some(Verdict::NotExecuted(_)) => {
                let error = outcome::decided_absent(&known.endpoint, by);
                (IntentState::Absent, outcome::refusal(&error), "not executed")
            }
        };
        let note = format!("{words}, as {by} (caller {}) has decided: {reason}", info.caller);
        if known.state == state && known.note == note {
            // The answer to this very verdict was lost.
            return Ok(v1::DecideIntentResponse { intent: Some(convert::intent(&id, &known)) });
        }
        if known.state != IntentState::NeedsOperator {
            let text =
                format!("is {}; a verdict is taken only where a person is needed", known.state.as_str());
            return Err(wrong("context.request_id", &text));
        }
        let claim = claim_of(&key, &account, &known, known.wish.in_doubt());
        let settle = Settle { claim, state, outcome, generation: Some(open.generation), note };
        match self.acts.store.settle(&settle).await.map_err(|fault| unread(&fault))? {
            Settled::Written | Settled::Replaced(_) => {
                warn!(
                    %account, intent = id, request_id = known.request_id, of = known.caller, by, reason,
                    identity = %info.caller, verdict = words, "a person has decided what became of an act"
                );
            }
            Settled::Kept(_) | Settled::Stale => {
                let text = "something else became known of it meanwhile; look at it again";
                return Err(Error::new(ErrorKind::Unavailable, text));
            }
        }
        let known = self.acts.store.intent(&key).await.map_err(|fault| unread(&fault))?;
        Ok(v1::DecideIntentResponse { intent: Some(Self::shown(info, &id, known.as_ref())) })
    }
}

/// The claim of a record, for whoever speaks about it.
fn claim_of(key: &IntentKey, account: &AccountName, known: &IntentRecord, wish: Wish) -> Claim {
    Claim {
        key: key.clone(),
        account: account.clone(),
        endpoint: known.endpoint.clone(),
        request_id: known.request_id.clone(),
        content: known.content.clone(),
        token: known.token.clone(),
        born_us: 0,
        caller_now_us: 0,
        not_after_us: known.not_after_us,
        findable: known.absent_after_us > 0,
        cancels: false,
        caller: known.caller.clone(),
        handle: known.handle.clone(),
        wish,
    }
}

/// Cancels now, and writes down that the order is to go, both at once: neither waits for the other to fail.
async fn cancelled(acts: &Acts, info: &CallInfo, wanted: &Wanted) -> v1::CancelIntentResponse {
    let id = wanted.key.id.as_str();
    let single = [Named::Derived(id.to_owned())];
    let (kept, (mut attempt, mut text)) =
        tokio::join!(acts.store.wish(wanted), acts.cancel_orders(info, &single));
    if let Ok(Some(known)) = &kept {
        // Only the record tells that it was not a single order.
        let orders = orders_of(id, known);
        if orders != single {
            (attempt, text) = acts.cancel_orders(info, &orders).await;
        }
    }
    let known = match kept {
        Ok(Some(known)) => Some(known),
        Ok(None) => {
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str("nothing is known of such an act, so the wish is not kept");
            None
        }
        Err(fault) => {
            warn!(account = %info.account, intent = id, error = %fault, "the wish to cancel an order cannot be kept");
            text.push_str(if text.is_empty() { "" } else { "; " });
            text.push_str("the store cannot be reached, so the wish is not kept: repeat it");
            None
        }
    };
    let state = known.as_ref().map(|known| known.state);
    if matches!(state, Some(IntentState::Refused | IntentState::Absent)) {
        (attempt, text) = (CancelAttempt::NotNeeded, "it was not executed".to_owned());
    }
    // Of several orders some may not have been there yet.
    let single = known.as_ref().is_some_and(|known| orders_of(id, known).len() == 1);
    if single && (state, attempt) == (Some(IntentState::Executed), CancelAttempt::Cancelled) {
        acts.wish_done(&info.account, id).await;
    }
    info!(
        account = %info.account, caller = %info.caller, intent = id, attempt = attempt.as_str_name(),
        kept = known.is_some(), "an order is to be cancelled, whatever became of it"
    );
    v1::CancelIntentResponse {
        intent: Some(Api::shown(info, id, known.as_ref())),
        attempt: attempt.into(),
        wish_kept: known.is_some(),
        text,
    }
}

/// A stream of one caller's intents on one account.
struct Watch {
    acts: Arc<Acts>,
    domain: AccountName,
    info: CallInfo,
    listings: watch::Receiver<Listing>,
    /// What was told last, by id; `None` before the first message.
    told: Option<BTreeMap<String, v1::Intent>>,
}

impl Watch {
    /// The next message. The newest listing counts, however many went by while nobody read.
    async fn next(&mut self) -> Option<Result<v1::WatchIntentsResponse, Error>> {
        loop {
            if self.told.is_none() {
                let first = self.listings.wait_for(Option::is_some);
                if tokio::time::timeout(FIRST_ANSWER, first).await.is_err() {
                    let text = "the store cannot be reached, so the intents are not known";
                    return Some(Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(1_000)));
                }
            } else {
                self.listings.changed().await.ok()?;
            }
            let Some(listing) = self.listings.borrow_and_update().clone() else { continue };
            let own = listing.intents.iter().take(SHOWN_MAX);
            let own = own.filter(|(_, known)| known.caller == self.info.caller.as_str());
            let now: BTreeMap<String, v1::Intent> =
                own.map(|(id, known)| (id.clone(), convert::intent(id, known))).collect();
            let truncated = listing.intents.len() > SHOWN_MAX;
            let first = self.told.is_none();
            let intents = self.changes(now).await;
            if first || !intents.is_empty() {
                return Some(Ok(v1::WatchIntentsResponse { intents, truncated }));
            }
        }
    }

    /// What differs from what was told, which it replaces.
    async fn changes(&mut self, now: BTreeMap<String, v1::Intent>) -> Vec<v1::Intent> {
        let before = self.told.take().unwrap_or_default();
        let mut changed: Vec<_> = now
            .iter()
            .filter(|(id, intent)| before.get(*id) != Some(intent))
            .map(|(_, i)| i.clone())
            .collect();
        let mut told = now;
        for (id, intent) in before {
            if told.contains_key(&id) {
                continue;
            }
            let key = IntentKey { domain: self.domain.clone(), id: id.clone() };
            match self.acts.store.intent(&key).await {
                Ok(Some(known)) if !known.is_open() => changed.push(convert::intent(&id, &known)),
                Ok(None) => {
                    let v1::Intent { request_id, account, caller, .. } = intent;
                    changed.push(convert::unknown(&id, request_id, account, caller));
                }
                // It is only not shown at present, or its end cannot be read yet: the next look tells.
                Ok(Some(_)) | Err(_) => {
                    told.insert(id, intent);
                }
            }
        }
        self.told = Some(told);
        changed
    }
}

fn unread(fault: &StoreError) -> Error {
    let text = "the store cannot be reached, so nothing can be said of the intent";
    Error::new(ErrorKind::Unavailable, text).with_log(fault.to_string()).retry_after_ms(1_000)
}
