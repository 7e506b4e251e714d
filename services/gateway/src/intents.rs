//! Questions about intents at the edge.
//!
//! Whatever is asked or said of an intent may be asked or said again: nothing here is sent to Kraken but a cancel by the
//! id that only one order can have. So a question goes to one executor after the other until one answers. Which of them is
//! asked matters only for a cancel; the others know what the store knows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use prost::Message;
use tidegate_core::{AccountName, Error, ErrorKind, endpoint};
use tidegate_proto::{Method, hop, v1};
use tidegate_runtime::status::{is_signed, kind_of};
use tidegate_runtime::telemetry::CallResult;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt;
use tracing::{Span, warn};

use crate::directory::{Executor, Picture};
use crate::front::{Answer, Edge, margin};
use crate::identity::Identity;
use crate::pipe;
use crate::select::{self, Choice};
use crate::wire;

/// Streams of intents at the same time.
pub(crate) const STREAMS_MAX: usize = 256;
/// Executors that one question is put to.
const ASKED_MAX: usize = 8;
/// Accounts that one list covers.
const ACCOUNTS_MAX: usize = 64;
/// Intents in one list.
const LISTED_MAX: usize = 500;
/// For how long an executor of the account is waited for.
const PATIENCE: Duration = Duration::from_secs(4);
/// What an executor is told of the time of a stream: its longest. The stream itself has no end.
const STREAM_TIME: Duration = Duration::from_secs(60);

/// Whether a method is one of these questions.
pub(crate) fn concerns(method: &Method) -> bool {
    method.endpoint.is_none()
        && matches!(
            method.name,
            "GetIntent" | "WatchIntents" | "CancelIntent" | "ListUnresolved" | "DecideIntent"
        )
}

/// One authenticated question with its bytes.
pub(crate) struct Question {
    pub(crate) method: &'static Method,
    pub(crate) identity: Identity,
    pub(crate) account: AccountName,
    pub(crate) message: Bytes,
    pub(crate) answer_by: Instant,
    /// The process that was lost while it was asked for the act, if this is the second question.
    pub(crate) lost_owner: Option<String>,
    /// Whether the account was named.
    is_named: bool,
}

impl Question {
    /// What became of an act whose executor was lost.
    pub(crate) fn second(
        method: &'static Method,
        identity: &Identity,
        account: &AccountName,
        context: &v1::CallContext,
        (answer_by, lost_owner): (Instant, String),
    ) -> Self {
        let message = v1::GetIntentRequest { context: Some(context.clone()) }.encode_to_vec().into();
        let (identity, account) = (identity.clone(), account.clone());
        Self { method, identity, account, message, answer_by, lost_owner: Some(lost_owner), is_named: true }
    }
}

/// A Status of ours, or a reply in its frame.
type Answered = Result<Bytes, Status>;

impl Edge {
    /// Answers a question about intents.
    pub(crate) async fn ask(&self, method: &'static Method, request: Request<Body>) -> Response<Body> {
        let began = self.clock.mono();
        let question = match self.admit_question(method, request).await {
            Ok(question) => question,
            Err(error) => return self.refuse(method, began, &error),
        };
        Span::current().record("account", question.account.as_str());
        if method.streaming {
            return match self.stream(&question).await {
                Ok(response) => {
                    self.count(method, CallResult::Ok, began);
                    response
                }
                Err(error) => self.refuse(method, began, &error),
            };
        }
        let Ok(_permit) = Arc::clone(&self.in_flight).try_acquire_owned() else {
            let text = "too many calls are under way at this gateway";
            return self.refuse(method, began, &Error::new(ErrorKind::QueueFull, text).retry_after_ms(100));
        };
        let answered = match method.name {
            "ListUnresolved" => self.list(&question).await.map(Ok),
            "GetIntent" => self.ask_until_known(&question).await,
            _ => self.ask_one(&question, &mut BTreeSet::new()).await,
        };
        match answered {
            Err(error) => self.refuse(method, began, &error),
            Ok(Err(status)) => {
                self.count(method, CallResult::Error(kind_of(&status).unwrap_or(ErrorKind::Internal)), began);
                status.into_http()
            }
            Ok(Ok(framed)) => {
                self.count(method, CallResult::Ok, began);
                wire::reply(framed)
            }
        }
    }

    async fn admit_question(
        &self,
        method: &'static Method,
        request: Request<Body>,
    ) -> Result<Question, Error> {
        let (head, body) = request.into_parts();
        let time = wire::timeout(&head.headers)?.unwrap_or(Duration::from_secs(10));
        let time = time.min(Duration::from_secs(60));
        let answer_by = Instant::now() + time - margin(time);
        let identity = self.authenticator.identify(&head.headers)?.clone();
        self.quotas.take(&identity.name)?;
        if method.name == "DecideIntent" {
            identity.authorise_verdict()?;
        }
        let message = wire::read_message(body, self.max_request_bytes).await?;
        let envelope = hop::Envelope::decode(message.clone()).map_err(|error| {
            Error::invalid_field("message", format!("is not a {}: {error}", method.input))
        })?;
        let context = envelope.context.unwrap_or_default();
        let account = select::account(&context, &identity)?;
        let is_named = !context.account.is_empty();
        Ok(Question { method, identity, account, message, answer_by, lost_owner: None, is_named })
    }

    /// Asks until an executor knows the intent: where each has a store of its own, only one does. If nobody knows it, that is
    /// the answer.
    pub(crate) async fn ask_until_known(&self, question: &Question) -> Result<Answered, Error> {
        let mut asked = BTreeSet::new();
        let mut unknown = None;
        loop {
            match self.ask_one(question, &mut asked).await {
                Ok(Ok(framed)) if is_unknown(&framed) => unknown = Some(framed),
                Ok(answered) => return Ok(answered),
                Err(error) => return unknown.map(|framed| Ok(Ok(framed))).unwrap_or(Err(error)),
            }
        }
    }

    /// Asks executors of the account that were not asked yet until one answers.
    async fn ask_one(&self, question: &Question, asked: &mut BTreeSet<String>) -> Result<Answered, Error> {
        let mut last = None;
        let patience = question.answer_by.min(Instant::now() + PATIENCE);
        let mut changes = self.directory.subscribe();
        while asked.len() < ASKED_MAX && Instant::now() < question.answer_by {
            let choice = next(&changes.borrow_and_update(), question, asked);
            let Some(choice) = choice else {
                let known = self.accounts().contains(&question.account);
                // An account that has an executor at times is waited for, unless somebody has answered already.
                if known
                    && asked.is_empty()
                    && matches!(tokio::time::timeout_at(patience, changes.changed()).await, Ok(Ok(())))
                {
                    continue;
                }
                break;
            };
            asked.insert(choice.owner.clone());
            match self.ask_executor(question, &choice).await {
                Ok(Answer::Reply(framed)) => return Ok(Ok(framed)),
                Ok(Answer::Status(status))
                    if is_signed(&status) && kind_of(&status) != Some(ErrorKind::Moved) =>
                {
                    return Ok(Err(status));
                }
                Ok(Answer::Status(status)) => last = Some(status.to_string()),
                Err(text) => last = Some(text),
            }
        }
        let text = format!("no executor of account {} could be asked", question.account);
        let log = last.unwrap_or_else(|| "none reports".to_owned());
        Err(Error::new(ErrorKind::Unavailable, text).with_log(log).retry_after_ms(500))
    }

    async fn ask_executor(&self, question: &Question, choice: &Choice) -> Result<Answer, String> {
        let Question { method, identity, account, answer_by, .. } = question;
        let mut metadata = self.metadata(choice, identity, account, *answer_by)?;
        if let Some(owner) =
            question.lost_owner.as_deref().and_then(|owner| HeaderValue::from_str(owner).ok())
        {
            metadata.insert(hop::LOST_OWNER, owner);
        }
        let request = wire::request(method.path, wire::frame(&question.message), metadata);
        match tokio::time::timeout_at(*answer_by, self.read_answer(choice, request)).await {
            Ok(answer) => answer.map_err(|lost| lost.text),
            Err(_) => Err(format!("executor {} did not answer in time", choice.executor)),
        }
    }

    /// All accounts that some executor has a key of, or had not long ago.
    fn accounts(&self) -> BTreeSet<AccountName> {
        let picture = self.directory.now();
        let lanes = picture.up().flat_map(|executor| &executor.lanes).chain(picture.missed());
        lanes.map(|lane| lane.account.clone()).collect()
    }

    /// The open intents of one account, or of all. An account that cannot be asked is named and not left out in silence.
    async fn list(&self, question: &Question) -> Result<Bytes, Error> {
        let all =
            if question.is_named { BTreeSet::from([question.account.clone()]) } else { self.accounts() };
        let mut reply =
            v1::ListUnresolvedResponse { truncated: all.len() > ACCOUNTS_MAX, ..Default::default() };
        for account in all.into_iter().take(ACCOUNTS_MAX) {
            let context = v1::CallContext { account: account.to_string(), ..Default::default() };
            let message = v1::ListUnresolvedRequest { context: Some(context) }.encode_to_vec().into();
            let identity = question.identity.clone();
            let (method, answer_by) = (question.method, question.answer_by);
            let one =
                Question { method, identity, account, message, answer_by, lost_owner: None, is_named: true };
            match self.list_one(&one).await {
                Ok(part) => {
                    reply.truncated |= part.truncated;
                    reply.intents.extend(part.intents);
                }
                Err(error) => {
                    warn!(account = %one.account, %error, "the open intents of an account cannot be listed");
                    reply.missing_accounts.push(one.account.to_string());
                }
            }
        }
        reply.intents.sort_by_key(|intent| intent.claimed_time.map(|time| (time.seconds, time.nanos)));
        reply.truncated |= reply.intents.len() > LISTED_MAX;
        reply.intents.truncate(LISTED_MAX);
        Ok(wire::frame(&reply.encode_to_vec()))
    }

    async fn list_one(&self, question: &Question) -> Result<v1::ListUnresolvedResponse, Error> {
        let unread = |text: String| {
            Error::new(ErrorKind::Unavailable, "the answer of an executor cannot be read").with_log(text)
        };
        let framed = self
            .ask_one(question, &mut BTreeSet::new())
            .await?
            .map_err(|status| unread(status.to_string()))?;
        let message = wire::unframe(&framed).map_err(|text| unread(text.to_owned()))?;
        v1::ListUnresolvedResponse::decode(message).map_err(|error| unread(error.to_string()))
    }

    /// A stream of an executor's, handed through. It ends in order when this process drains.
    async fn stream(&self, question: &Question) -> Result<Response<Body>, Error> {
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            let text = "too many streams of intents are open at this gateway";
            Error::new(ErrorKind::QueueFull, text).retry_after_ms(1_000)
        })?;
        let mut asked = BTreeSet::new();
        while asked.len() < ASKED_MAX {
            let Some(choice) = next(&self.directory.now(), question, &asked) else { break };
            asked.insert(choice.owner.clone());
            let time = Instant::now() + STREAM_TIME;
            let Ok(metadata) = self.metadata(&choice, &question.identity, &question.account, time) else {
                break;
            };
            let request = wire::request(question.method.path, wire::frame(&question.message), metadata);
            let opened = tokio::time::timeout_at(question.answer_by, choice.target.clone().oneshot(request));
            match opened.await {
                Ok(Ok(response)) if is_elsewhere(response.headers()) => {}
                Ok(Ok(response)) => {
                    let lost = "the executor that told of the intents is gone; ask again";
                    let begun = self.drain.begun();
                    let ends = Box::pin(async move {
                        begun.await;
                        Status::ok("")
                    });
                    return Ok(pipe::through(response, pipe::Kept { ends: Some(ends), lost, _place: place }));
                }
                Ok(Err(error)) => {
                    warn!(executor = %choice.executor, %error, "no stream of intents from an executor");
                }
                Err(_) => break,
            }
        }
        let text = format!("no executor of account {} could be asked", question.account);
        Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(500))
    }
}

fn is_elsewhere(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|status| kind_of(&status) == Some(ErrorKind::Moved))
}

fn is_unknown(framed: &Bytes) -> bool {
    let reply = wire::unframe(framed).ok().and_then(|message| v1::GetIntentResponse::decode(message).ok());
    reply.and_then(|reply| reply.intent).is_some_and(|intent| intent.state() == v1::IntentState::NotKnown)
}

/// The executor to ask next: one with a key of the account, for a cancel one that can send it, this process's own first.
fn next(picture: &Picture, question: &Question, asked: &BTreeSet<String>) -> Option<Choice> {
    let cancels = question.method.name == "CancelIntent";
    let rank =
        |executor: &Executor| (cancels && !can_cancel(executor, &question.account), executor.name != "local");
    let fit = picture.up().filter(|executor| {
        !asked.contains(&executor.owner)
            && question.lost_owner.as_deref() != Some(executor.owner.as_str())
            && executor.lanes.iter().any(|lane| lane.account == question.account)
    });
    fit.min_by_key(|executor| rank(executor)).map(Choice::of)
}

fn can_cancel(executor: &Executor, account: &AccountName) -> bool {
    let Some(cancel) = endpoint("CancelOrder") else { return false };
    executor.lanes.iter().any(|lane| {
        let takes = matches!(
            lane.report.state(),
            v1::LaneState::Open | v1::LaneState::CancelsOnly | v1::LaneState::Quarantined
        );
        takes && lane.account == *account && cancel.needs.met_by(lane.permissions)
    })
}
