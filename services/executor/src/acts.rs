//! Acts: calls that change something, from the claim of their request id to the last word on them.
//!
//! *The idea.* An act runs in a task of its own that does not end with its caller. It claims the request id in the store,
//! goes through a lane, and writes what came of it before anybody is told. A request id that is known sends nothing: its
//! caller is told what is known, word for word, or waits for it. What was certainly not written is taken back, so that the
//! same id may be tried again; from the first attempt to write on, a claim ends with Kraken's answer, with a late one, or with
//! the verdict of the resolver (`resolve`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::{AccountName, ClOrdId, Content, Endpoint, Error, ErrorKind, OwnerId, RequestId, UnixUs};
use tidegate_kraken::Params;
use tidegate_lanes::{
    CLAIM_SKEW_MAX_US, Claim, ClaimReply, IntentKey, IntentRecord, IntentState, IntentStore, Settle, Settled,
    StoreError, Wish, Withdraw,
};
use tidegate_proto::v1;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{Instrument, Span, error, info, warn};

use crate::budget::{Budget, Charged};
use crate::caller::CallInfo;
use crate::execute::{Call, Lanes, Word, timestamp, unresolved};
use crate::handle::Handle;
use crate::lane_cell::NotAfter;
use crate::outcome;

/// Between two looks at an intent that somebody else sends.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Between two attempts to write an outcome.
const WRITE_AGAIN: Duration = Duration::from_millis(500);
/// How often a claim under which nothing was sent is tried to be taken back once more.
const TAKE_BACKS_MAX: u32 = 4;
/// How often an outcome is written again; what is not written then, the resolver finds at Kraken.
const WRITES_MAX: u32 = 120;

/// Calls for which Kraken takes no deadline: so long after their caller's time they are over.
const NO_DEADLINE_MS: u64 = 60_000;
/// An id so young was not used before the store lost its memory, unless its caller repeats in a hurry.
const FRESH_MS: u64 = 10_000;

/// Whether the store knows of an act before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Its claim is written.
    Claimed,
    /// It cannot be: the store is away, or may have lost an older one. Only cancels are sent like this.
    Unclaimed,
}

/// What the acts of a process share.
#[derive(Debug)]
pub(crate) struct Acts {
    pub lanes: Arc<Lanes>,
    pub budget: Arc<Budget>,
    pub store: Arc<dyn IntentStore>,
    pub owner: OwnerId,
    /// Account to domain, of all accounts that have keys here.
    pub domains: BTreeMap<AccountName, AccountName>,
    /// How long a cancel waits for its claim: as long as a store that is well may take for one command, however many it
    /// takes to reach one.
    pub cancel_patience: Duration,
}

/// Something that is to be done at Kraken, at most once.
pub(crate) struct Act {
    pub info: CallInfo,
    pub endpoint: &'static Endpoint,
    /// Without the client order id of a single order, which follows from `id`.
    pub params: Params,
    pub not_after: NotAfter,
    pub request_id: RequestId,
    /// The intent's; of a single order also the id under which Kraken knows it.
    pub id: ClOrdId,
    pub handle: Handle,
    /// What is to happen to the orders if their fate is in doubt.
    pub wish: Wish,
    /// Why it must not be sent. It counts only if the act is new: an id that is known is told what became of it.
    pub objection: Option<Error>,
}

impl Act {
    /// The id under which Kraken knows what was placed; empty where there is not one.
    pub(crate) fn cl_ord_id(&self) -> &str {
        if self.handle == Handle::Order { self.id.as_str() } else { "" }
    }

    /// A cancel whose id was made a moment ago has no older copy that the store could have forgotten.
    fn is_fresh_cancel(&self, now: UnixUs) -> bool {
        self.handle.is_cancel() && now.ms_since(self.request_id.birth()) < FRESH_MS
    }
}

/// What the caller is told: the encoded reply (Kraken did it, a part of it, or it is not known yet), or (as an error) that Kraken
/// did not.
pub(crate) type Told = Result<Vec<u8>, Error>;

impl Acts {
    /// Runs an act and returns what can be said of it in its caller's time.
    pub(crate) async fn run(self: &Arc<Self>, act: Act) -> Told {
        let (tell, told) = oneshot::channel();
        let acts = Arc::clone(self);
        let span = Span::current();
        // On the drain's tracker: neither a vanished caller nor a stopping process cuts it in half.
        self.lanes.shared.drain.spawn(async move { acts.conduct(act, tell).await }.instrument(span));
        told.await.unwrap_or_else(|_| Err(Error::internal("an act ended without a word")))
    }

    async fn conduct(&self, act: Act, tell: oneshot::Sender<Told>) {
        let claim = match self.claim_of(&act) {
            Ok(claim) => claim,
            Err(error) => return told(tell, Err(error)),
        };
        let cancels = act.handle.is_cancel();
        let reply = if cancels {
            let timeout_ms = u64::try_from(self.cancel_patience.as_millis()).unwrap_or(u64::MAX);
            let late = |_| Err(StoreError::TimedOut { addr: "its address".to_owned(), timeout_ms });
            tokio::time::timeout(self.cancel_patience, self.store.claim(&claim)).await.unwrap_or_else(late)
        } else {
            self.store.claim(&claim).await
        };
        match reply {
            // The clock may have jumped since the store compared it with its own.
            Ok(ClaimReply::Claimed { store_now_us, .. }) if !cancels && self.is_skewed(store_now_us) => {
                self.take_back(&claim).await;
                told(tell, Err(skewed()));
            }
            Ok(ClaimReply::Skewed { .. }) => told(tell, Err(skewed())),
            Ok(ClaimReply::Claimed { .. }) => self.send(act, claim, Standing::Claimed, tell).await,
            // Whoever cancels must get through. A second copy could only cancel what was placed in between: it takes risk away
            // and adds none; and while the store is away nothing of ours is placed.
            Err(fault) if cancels => {
                warn!(
                    intent = claim.key.id, request_id = claim.request_id, error = %fault,
                    "a cancel goes out without a claim"
                );
                self.send(act, claim, Standing::Unclaimed, tell).await;
            }
            // So does one that the store has just forgotten how to claim.
            Ok(ClaimReply::NoGeneration) if cancels => {
                self.send(act, claim, Standing::Unclaimed, tell).await;
            }
            Ok(ClaimReply::Known(known))
                if known.state == IntentState::Lost
                    && act.is_fresh_cancel(self.lanes.shared.clock.wall()) =>
            {
                self.send(act, claim, Standing::Unclaimed, tell).await;
            }
            Ok(ClaimReply::Known(known)) => told(tell, self.follow(&act, &claim, *known).await),
            Ok(ClaimReply::Halted { reason }) => {
                let text = format!(
                    "an operator has halted the account, so nothing is placed or changed; cancels go on; nothing was sent: \
                     {reason}"
                );
                let account = act.info.account.to_string();
                told(tell, Err(Error::new(ErrorKind::Denied, text).with_fact("halted", account)));
            }
            Ok(ClaimReply::NoGeneration) => {
                let text =
                    "the store has just lost its memory, so nothing is placed; nothing was sent, repeat it";
                told(tell, Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(1_000)));
            }
            Ok(ClaimReply::TooFar { .. }) => {
                let text = "it could still be executed minutes from now: either its deadline is that far away, or the clocks of \
                            this executor and of the store differ; nothing was sent";
                told(tell, Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(1_000)));
            }
            Ok(ClaimReply::Unborn { .. }) => {
                let text = "is more than 5 s ahead of the store's clock: it must be made when the act is";
                told(tell, Err(Error::invalid_field("context.request_id", text)));
            }
            Ok(ClaimReply::TooOld { .. }) => {
                let text = "is more than a day old: it must be made when the act is";
                told(tell, Err(Error::invalid_field("context.request_id", text)));
            }
            Err(fault) => told(tell, Err(unclaimed(&fault))),
        }
    }

    fn is_skewed(&self, store_now_us: u64) -> bool {
        self.lanes.shared.clock.wall().0.abs_diff(store_now_us) > CLAIM_SKEW_MAX_US
    }

    fn claim_of(&self, act: &Act) -> Result<Claim, Error> {
        let domain = self.domains.get(&act.info.account).cloned().ok_or_else(|| {
            Error::new(ErrorKind::Moved, "this executor has no key of the account; nothing was sent")
        })?;
        let left_ms = act.info.answer_by.saturating_duration_since(Instant::now()).as_millis();
        let left_ms = u64::try_from(left_ms).unwrap_or(u64::MAX);
        let not_after = match act.not_after {
            // Kraken takes no deadline: no call of ours lives longer than this.
            NotAfter::None => {
                self.lanes.shared.clock.wall().plus_ms(left_ms.saturating_add(NO_DEADLINE_MS)).0
            }
            NotAfter::At(time) => time.0,
            // It leaves its lane before its caller's time is up, or never.
            NotAfter::FromHead { ms, .. } => {
                self.lanes.shared.clock.wall().plus_ms(left_ms.saturating_add(ms)).0
            }
        };
        // Brackets of rows are written as callers write them.
        let query = act.params.query().replace("%5B", "[").replace("%5D", "]");
        let fields = query.split('&').filter_map(|pair| pair.split_once('='));
        let wish = (act.wish != Wish::Keep).then_some(("on_unresolved", act.wish.as_str()));
        Ok(Claim {
            key: IntentKey { domain, id: act.id.to_string() },
            account: act.info.account.clone(),
            endpoint: act.endpoint.name.to_owned(),
            request_id: act.request_id.to_string(),
            content: Content::of(fields.chain(wish)).to_string(),
            token: format!("{}-{}", self.owner, OwnerId::fresh()),
            born_us: act.request_id.birth().0,
            caller_now_us: self.lanes.shared.clock.wall().0,
            not_after_us: not_after,
            findable: act.handle.is_findable(),
            cancels: act.handle.is_cancel(),
            caller: act.info.caller.to_string(),
            handle: act.handle.text(),
            wish: act.wish,
        })
    }

    /// Sends an act, writes what came of it, and tells its caller. What has no claim is told first: the store may take its
    /// time.
    async fn send(&self, mut act: Act, mut claim: Claim, standing: Standing, tell: oneshot::Sender<Told>) {
        if let Some(objection) = act.objection.take() {
            self.take_back(&claim).await;
            return told(tell, Err(objection));
        }
        let mut params = act.params.clone();
        if act.handle == Handle::Order {
            params.text("cl_ord_id", act.id.as_str());
        }
        let not_after = match act.not_after {
            // The clock may jump between the claim and the signature.
            NotAfter::FromHead { ms, .. } => NotAfter::FromHead { ms, latest: UnixUs(claim.not_after_us) },
            other => other,
        };
        let spent = match self.budget.admit(&act, &claim).await {
            Ok(spent) => spent,
            Err(error) => {
                self.take_back(&claim).await;
                return told(tell, Err(error));
            }
        };
        let call = Call {
            not_after,
            cl_ord_id: act.cl_ord_id().to_owned(),
            ..Call::mutating(&act.info, act.endpoint, params)
        };
        let (word, late) = self.lanes.act(&call).await;
        let (state, bytes, answer) = match word {
            Word::Unsent(error) if standing == Standing::Claimed => {
                self.budget.ended(&act, spent, &Charged::No);
                self.take_back(&claim).await;
                return told(tell, Err(error));
            }
            Word::Unsent(error) => {
                told(tell, Err(error));
                // A claim that was not answered in time may be written all the same.
                return self.take_back(&claim).await;
            }
            Word::Last(last) => {
                let (state, bytes, answer) = outcome::of(&act, last);
                let charged = match &answer {
                    Ok(reply) => Charged::Yes(reply),
                    Err(error) => Charged::Refused(error),
                };
                self.budget.ended(&act, spent, &charged);
                (state, bytes, answer)
            }
            Word::Open(open) => {
                self.budget.ended(&act, spent, &Charged::Perhaps);
                (IntentState::Doubtful, Vec::new(), Ok(outcome::open(open)))
            }
        };
        if !state.is_final() {
            claim.wish = claim.wish.in_doubt();
        }
        if standing == Standing::Unclaimed {
            told(tell, answer);
            self.write(&claim, state, bytes).await;
        } else {
            self.write(&claim, state, bytes).await;
            told(tell, answer);
        }
        // A late answer is still the best proof there is.
        if let Some(last) = self.lanes.late(&call, late).await {
            let (state, bytes, _) = outcome::of(&act, last);
            if state.is_final() {
                info!(intent = %act.id, state = state.as_str(), "Kraken has answered after all");
                self.write(&claim, state, bytes).await;
            }
        }
    }

    /// What is known of an id that somebody has claimed before, as soon as its fate is known, or when time is up.
    async fn follow(&self, act: &Act, claim: &Claim, mut known: IntentRecord) -> Told {
        let (asked, kept) = (Content::kept(&claim.content), Content::kept(&known.content));
        let differences = kept.differences(&asked);
        if !differences.is_empty() || known.endpoint != claim.endpoint {
            let fields = differences.join(", ");
            let text = format!(
                "the request_id was used for another {}: {} differ; nothing was sent",
                known.endpoint,
                if fields.is_empty() { "the calls" } else { &fields }
            );
            return Err(Error::new(ErrorKind::Conflict, text).with_fact("fields", fields));
        }
        loop {
            if known.state.is_final() {
                return outcome::kept(&known);
            }
            if known.state == IntentState::NeedsOperator || Instant::now() + LOOK_EVERY >= act.info.answer_by
            {
                // Of a batch some rows may be known.
                let partly = known.state == IntentState::Doubtful && !known.outcome.is_empty();
                return Ok(if partly { known.outcome } else { outcome::open(open(act, &known)) });
            }
            tokio::time::sleep(LOOK_EVERY).await;
            match self.store.intent(&claim.key).await {
                Ok(Some(newer)) => known = newer,
                // It was taken back: nothing was sent, and the same id may be tried again.
                Ok(None) => {
                    let text =
                        "the same request was taken back before it was sent; nothing was sent, repeat it";
                    return Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(100));
                }
                Err(fault) => warn!(error = %fault, "an intent cannot be followed; asking again"),
            }
        }
    }

    /// Writes an outcome, again and again if it must be. The caller is kept waiting for the first attempt only.
    async fn write(&self, claim: &Claim, state: IntentState, outcome: Vec<u8>) {
        let settle = Settle { claim: claim.clone(), state, outcome, generation: None, note: String::new() };
        let Err(fault) = self.try_write(&settle).await else { return };
        warn!(
            intent = claim.key.id, request_id = claim.request_id, state = state.as_str(), error = %fault,
            "what became of an order cannot be written; trying again"
        );
        let store = Arc::clone(&self.store);
        self.lanes.shared.drain.spawn(async move {
            for _ in 0..WRITES_MAX {
                tokio::time::sleep(WRITE_AGAIN).await;
                if store.settle(&settle).await.is_ok() {
                    return;
                }
            }
            let Claim { key, request_id, .. } = &settle.claim;
            error!(
                intent = key.id,
                request_id,
                state = settle.state.as_str(),
                "what became of an order was never written; whoever resolves will look for it at Kraken"
            );
        });
    }

    async fn try_write(&self, settle: &Settle) -> Result<(), StoreError> {
        let Claim { key, request_id, .. } = &settle.claim;
        let settled = self.store.settle(settle).await?;
        if let Settled::Replaced(known) = &settled {
            error!(
                intent = key.id,
                request_id,
                thought = known.state.as_str(),
                note = known.note,
                "an order was executed that was said not to be; it counts as executed from now on"
            );
        }
        if let Settled::Kept(known) = settled {
            // A doubt beside somebody's proof is no news; two proofs that differ are.
            if settle.state.is_final() && known.state != settle.state {
                error!(
                    intent = key.id,
                    request_id,
                    kept = known.state.as_str(),
                    said = settle.state.as_str(),
                    "two different outcomes of one order: the one that was written first stands"
                );
            }
        }
        Ok(())
    }

    /// Nothing was written to Kraken: the same id may be tried again.
    async fn take_back(&self, claim: &Claim) {
        let withdraw =
            Withdraw { key: claim.key.clone(), account: claim.account.clone(), token: claim.token.clone() };
        if self.store.withdraw(&withdraw).await.is_ok() {
            return;
        }
        let (store, request_id) = (Arc::clone(&self.store), claim.request_id.clone());
        self.lanes.shared.drain.spawn(async move {
            let mut last = None;
            for _ in 0..TAKE_BACKS_MAX {
                tokio::time::sleep(WRITE_AGAIN).await;
                match store.withdraw(&withdraw).await {
                    Ok(_) => return,
                    Err(fault) => last = Some(fault),
                }
            }
            let error = last.map(|fault| fault.to_string()).unwrap_or_default();
            warn!(
                intent = withdraw.key.id,
                request_id,
                error,
                "a claim under which nothing was sent cannot be taken back; it will be found absent"
            );
        });
    }
}

/// What is told of an intent whose fate is not known.
fn open(act: &Act, known: &IntentRecord) -> v1::Unresolved {
    let (reason, text) = match known.state {
        IntentState::Lost => (
            "CLAIM_LOST",
            "the store has lost its memory since this id was made; it is not sent again, and what became of it is \
             being looked up at Kraken",
        ),
        IntentState::NeedsOperator => {
            ("NEEDS_OPERATOR", "what became of it cannot be found out without a person")
        }
        _ => ("IN_PROGRESS", "the same request was made before, and what became of it is not known yet"),
    };
    let mut text = text.to_owned();
    if !known.note.is_empty() {
        text = format!("{text}: {}", known.note);
    }
    let mut open = unresolved(&act.info, act.cl_ord_id(), reason, text);
    // Where Kraken takes no deadline, the time is our own guess.
    let has_deadline = !matches!(act.not_after, NotAfter::None) && known.not_after_us > 0;
    open.not_after = has_deadline.then(|| timestamp(UnixUs(known.not_after_us)));
    open
}

fn told(tell: oneshot::Sender<Told>, answer: Told) {
    if tell.send(answer).is_err() {
        info!("the caller of an order had gone before it was told; what became of it is kept");
    }
}

/// Whoever looks for the order compares the claim's time with the store's clock.
fn skewed() -> Error {
    let text = "the clocks of this executor and of the store differ, so nothing is placed; nothing was sent";
    Error::new(ErrorKind::Unavailable, text).retry_after_ms(1_000)
}

/// No order without the store: without a claim it could not be told from the next one under the same id.
pub(crate) fn unclaimed(fault: &StoreError) -> Error {
    let text = "the store cannot be reached, so nothing is placed; nothing was sent";
    Error::new(ErrorKind::Unavailable, text).with_log(fault.to_string()).retry_after_ms(1_000)
}
