//! The path of one call through the edge: who, may they, how often, where to; then the caller's bytes go on
//! unchanged and the answer comes back unchanged.
//!
//! What makes it hard is what it must never do. Every Status that leaves here promises that nothing was executed.
//! So whenever a mutating call may have reached an executor and no readable answer came back, the answer is not a
//! Status but what another executor knows of it (`second`), or the reply "unresolved". The call itself is not repeated.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use prost::Message;
use tidegate_core::{
    AccountName, Clock, Endpoint, Error, ErrorKind, KeyLabel, MonoUs, RequestId, derive_cl_ord_id, endpoint,
};
use tidegate_proto::{Method, hop, method, v1};
use tidegate_runtime::Drain;
use tidegate_runtime::status::{is_signed, kind_of, to_status};
use tidegate_runtime::telemetry::{CallResult, Metrics, Stage, follow, hand_on};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span, debug, field, info_span, warn};

use crate::directory::Directory;
use crate::identity::{Authenticator, Identity};
use crate::intents;
use crate::pipe;
use crate::quota::Quotas;
use crate::select::{self, Choice, Wanted};
use crate::wire;

/// Hops that one call may take. A lane that changes its owner answers "not here" at once, and the directory follows
/// within a few of its reports.
const HOPS_MAX: usize = 8;
/// For how long a call waits for a lane that is between two owners.
const PATIENCE: Duration = Duration::from_secs(4);

/// How a call ended, as far as it can be said.
pub(crate) enum Ended {
    /// The executor's reply, still in its frame.
    Reply(Bytes),
    /// The beginning of its stream.
    Stream(Response<Body>),
    /// A promise that nothing was executed, in the executor's own words.
    Refused(Status),
    /// Nobody knows.
    Unresolved { reason: &'static str, text: String },
}

/// One authenticated, authorised call with its bytes.
pub(crate) struct Admitted {
    pub(crate) endpoint: &'static Endpoint,
    method: &'static Method,
    /// Whether it changes something, or may.
    pub(crate) changes: bool,
    pub(crate) identity: Identity,
    pub(crate) account: AccountName,
    pub(crate) context: v1::CallContext,
    pub(crate) request_id: Option<RequestId>,
    /// Set for the one call that is about a certain key.
    key_label: Option<String>,
    message: Bytes,
    /// When an executor must have answered.
    pub(crate) answer_by: Instant,
    /// For how long after that its answer is still waited for; as long again is kept for the way to the caller.
    grace: Duration,
}

pub(crate) struct Edge {
    pub(crate) deployment: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) authenticator: Authenticator,
    pub(crate) quotas: Quotas,
    pub(crate) directory: Directory,
    pub(crate) metrics: Metrics,
    pub(crate) drain: Drain,
    pub(crate) in_flight: Arc<Semaphore>,
    /// Places for streams of intents.
    pub(crate) streams: Arc<Semaphore>,
    /// Places for streams of pages.
    pub(crate) paged: Arc<Semaphore>,
    pub(crate) max_request_bytes: usize,
    pub(crate) max_reply_bytes: usize,
    /// What ends inside the gateway: lane lists, health, reflection.
    pub(crate) own: Routes,
}

/// The service that stands behind the listener.
#[derive(Clone)]
pub(crate) struct Front(pub(crate) Arc<Edge>);

impl Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let edge = Arc::clone(&self.0);
        Box::pin(async move {
            let forwarded = method(request.uri().path())
                .and_then(|method| Some((method, method.endpoint.and_then(endpoint)?)));
            Ok(match forwarded {
                Some((method, endpoint)) => {
                    let span = span_of(method, request.headers());
                    edge.forward(method, endpoint, request).instrument(span).await
                }
                None => match method(request.uri().path()).filter(|method| intents::concerns(method)) {
                    Some(method) => {
                        let span = span_of(method, request.headers());
                        edge.ask(method, request).instrument(span).await
                    }
                    None => edge.serve_own(request).await,
                },
            })
        })
    }
}

/// The span of a call, as part of its caller's trace.
fn span_of(method: &Method, headers: &HeaderMap) -> Span {
    let span = info_span!(
        "call",
        otel.kind = "server",
        otel.name = method.name,
        method = method.name,
        account = field::Empty,
        request_id = field::Empty,
        outcome = field::Empty,
    );
    follow(&span, headers);
    span
}

impl Edge {
    /// Calls that end inside the gateway. Whatever the routes do not know is refused in our own words.
    async fn serve_own(&self, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let response = match self.own.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        };
        let unknown = Status::from_header_map(response.headers())
            .is_some_and(|status| status.code() == tonic::Code::Unimplemented && !is_signed(&status));
        if unknown {
            let text = format!("this build has no method {path}");
            return to_status(&Error::new(ErrorKind::Unsupported, text)).into_http();
        }
        response
    }

    async fn forward(
        &self,
        method: &'static Method,
        endpoint: &'static Endpoint,
        request: Request<Body>,
    ) -> Response<Body> {
        let began = self.clock.mono();
        let admitted = match self.admit(method, endpoint, request).instrument(info_span!("policy")).await {
            Ok(admitted) => admitted,
            Err(error) => return self.refuse(method, began, &error),
        };
        let span = Span::current();
        span.record("account", admitted.account.as_str());
        span.record("request_id", &admitted.context.request_id);
        let (places, text, retry_after_ms) = if method.paged {
            (&self.paged, "too many lists are streamed by this gateway", 1_000)
        } else {
            (&self.in_flight, "too many calls are under way at this gateway", 100)
        };
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            let error = Error::new(ErrorKind::QueueFull, text).retry_after_ms(retry_after_ms);
            return self.refuse(method, began, &error);
        };
        match self.route(&admitted).await {
            Err(error) => self.refuse(method, began, &error),
            Ok(Ended::Refused(status)) => {
                self.count(method, CallResult::Error(kind_of(&status).unwrap_or(ErrorKind::Internal)), began);
                status.into_http()
            }
            Ok(Ended::Stream(response)) => {
                self.count(method, CallResult::Ok, began);
                // An archive has an end of its own, so a process that drains waits for it.
                let (ends, lost) = if method.paged {
                    let lost = "the executor that sent the list is gone and it is not whole; the next_page_token of the last \
                                message goes on";
                    (Some(pipe::breaks_off(&self.drain)), lost)
                } else {
                    (None, "the executor that sent the stream is gone; it is not whole, ask again")
                };
                pipe::through(response, pipe::Kept { ends, lost, _place: place })
            }
            Ok(Ended::Reply(framed)) => {
                let unresolved = admitted.changes && is_unresolved(&framed);
                self.count(method, if unresolved { CallResult::Unresolved } else { CallResult::Ok }, began);
                wire::reply(framed)
            }
            Ok(Ended::Unresolved { reason, text }) => {
                warn!(
                    method = method.name, account = %admitted.account, request_id = %admitted.context.request_id,
                    reason, %text, "the fate of a mutating call is not known"
                );
                self.count(method, CallResult::Unresolved, began);
                let reply =
                    hop::UnresolvedReply { unresolved: Some(self.unresolved(&admitted, reason, text)) };
                wire::reply(wire::frame(&reply.encode_to_vec()))
            }
        }
    }

    pub(crate) fn refuse(&self, method: &'static Method, began: MonoUs, error: &Error) -> Response<Body> {
        debug!(method = method.name, %error, "refused a call; nothing was executed");
        self.count(method, CallResult::Error(error.kind), began);
        to_status(error).into_http()
    }

    pub(crate) fn count(&self, method: &'static Method, result: CallResult, began: MonoUs) {
        Span::current().record("outcome", result.as_str());
        self.metrics.call(method.name, result, Duration::from_micros(self.clock.mono().us_since(began)));
    }

    /// Everything that can be said about a call before an executor is chosen.
    async fn admit(
        &self,
        method: &'static Method,
        endpoint: &'static Endpoint,
        request: Request<Body>,
    ) -> Result<Admitted, Error> {
        let began = self.clock.mono();
        let (head, body) = request.into_parts();
        let wanted = wire::timeout(&head.headers)?;
        let default = Duration::from_secs(if endpoint.effect.is_mutating() { 5 } else { 10 });
        let time = wanted.unwrap_or(default).min(Duration::from_secs(60));
        let (answer_by, grace) = (Instant::now() + time - margin(time), margin(time) / 2);
        if endpoint.effect.is_mutating() && self.drain.is_begun() {
            let text = "this gateway is stopping; the call was not sent";
            return Err(Error::new(ErrorKind::Unavailable, text).retry_after_ms(500));
        }

        let identity = self.authenticator.identify(&head.headers)?.clone();
        self.quotas.take(&identity.name)?;
        let message = wire::read_message(body, self.max_request_bytes).await?;
        let envelope = hop::Envelope::decode(message.clone()).map_err(|error| {
            Error::invalid_field("message", format!("is not a {}: {error}", method.input))
        })?;
        let context = envelope.context.unwrap_or_default();
        let account = select::account(&context, &identity)?;
        identity.authorise(endpoint, &account)?;
        let request_id = select::request_id(&context, self.clock.wall())?;
        if request_id.is_none() && select::needs_request_id(endpoint.effect) {
            let text = "must be set on a call that changes something: a new UUID of version 7 for every act";
            return Err(Error::invalid_field("context.request_id", text));
        }
        let key_label = match method.input {
            "tidegate.v1.GetApiKeyInfoRequest" => Some(
                v1::GetApiKeyInfoRequest::decode(message.clone())
                    .map_err(|error| Error::invalid_field("message", error.to_string()))?
                    .key_label,
            ),
            _ => None,
        };
        let changes = endpoint.effect.is_mutating() || makes_address(method, &message)?;
        self.metrics.stage(Stage::Policy, Duration::from_micros(self.clock.mono().us_since(began)));
        Ok(Admitted {
            endpoint,
            method,
            changes,
            identity,
            account,
            context,
            request_id,
            key_label,
            message,
            answer_by,
            grace,
        })
    }

    /// Tries the best executor, and others only while it is certain that nothing was sent. Whoever was tried is not
    /// tried again before the directory has changed.
    async fn route(&self, call: &Admitted) -> Result<Ended, Error> {
        // A lane that changes its owner is open again within a few renewals; longer than that is an outage.
        let patience = call.answer_by.min(Instant::now() + PATIENCE);
        let mut tried: Vec<String> = Vec::new();
        let mut unfit: Vec<KeyLabel> = Vec::new();
        let mut last = None;
        for _ in 0..HOPS_MAX {
            let wanted = Wanted {
                endpoint: call.endpoint,
                account: &call.account,
                key_tag: &call.context.key_tag,
                key_label: call.key_label.as_deref(),
                unfit: &unfit,
                now: self.clock.wall(),
            };
            let choice = match self.choose(&wanted, &mut tried, patience).await {
                Ok(choice) => choice,
                // What the last executor said is more to the point than that there is no other.
                Err(error) => return last.unwrap_or(Err(error)),
            };
            if Instant::now() >= call.answer_by {
                // An order that is sent now could only be answered "unresolved".
                let error =
                    Error::new(ErrorKind::Late, "no time was left to send the call; nothing was sent");
                return last.unwrap_or(Err(error));
            }
            tried.push(choice.owner.clone());
            let span = info_span!("hop", otel.kind = "client", executor = %choice.executor);
            match self.hop(call, &choice).instrument(span).await {
                Hop::Ended(ended) => return Ok(ended),
                Hop::Lost(text) => return Ok(self.learn(call, choice.owner, text).await),
                Hop::Elsewhere(status) => last = Some(Ok(Ended::Refused(status))),
                Hop::Unfit(status) => {
                    unfit.extend(self.directory.now().labels_of(&choice.owner));
                    last = Some(Ok(Ended::Refused(status)));
                }
                Hop::NotSent(text) => {
                    let error =
                        Error::new(ErrorKind::Unavailable, "no executor could be reached; nothing was sent");
                    last = Some(Err(error.with_log(text).retry_after_ms(500)));
                }
            }
        }
        last.unwrap_or_else(|| Err(Error::internal("no executor was tried")))
    }

    /// Chooses an executor; while a fit lane exists but is not open anywhere, waits for the directory to change.
    async fn choose(
        &self,
        wanted: &Wanted<'_>,
        tried: &mut Vec<String>,
        patience: Instant,
    ) -> Result<Choice, Error> {
        let mut changes = self.directory.subscribe();
        loop {
            let chosen = select::choose(wanted, &changes.borrow_and_update(), tried);
            match chosen {
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    match tokio::time::timeout_at(patience, changes.changed()).await {
                        // Whoever said no may have the lane now.
                        Ok(Ok(())) => tried.clear(),
                        _ => return Err(error),
                    }
                }
                chosen => return chosen,
            }
        }
    }

    /// What travels beside the caller's bytes. The error is for the log; it means that nothing was sent.
    pub(crate) fn metadata(
        &self,
        choice: &Choice,
        identity: &Identity,
        account: &AccountName,
        answer_by: Instant,
    ) -> Result<HeaderMap, String> {
        let left = answer_by.saturating_duration_since(Instant::now());
        let mut metadata = HeaderMap::new();
        let fields = [
            (hop::CALLER, identity.name.to_string()),
            (hop::ACCOUNT, account.to_string()),
            (hop::TIME_LEFT_MS, left.as_millis().to_string()),
        ];
        for (name, value) in fields {
            let value = HeaderValue::try_from(value).map_err(|error| format!("{name}: {error}"))?;
            metadata.insert(name, value);
        }
        hand_on(&mut metadata);
        self.metrics.hop(choice.executor == "local");
        Ok(metadata)
    }

    /// One hop to one executor.
    async fn hop(&self, call: &Admitted, choice: &Choice) -> Hop {
        let metadata = match self.metadata(choice, &call.identity, &call.account, call.answer_by) {
            Ok(metadata) => metadata,
            Err(text) => return Hop::NotSent(text),
        };
        let request = wire::request(call.method.path, wire::frame(&call.message), metadata);
        if call.method.streaming {
            return self.open_stream(call, choice, request).await;
        }
        // The executor answers by then of itself.
        let patience = call.answer_by + call.grace;
        let answered = tokio::time::timeout_at(patience, self.read_answer(choice, request)).await;
        let lost = match answered {
            Ok(Ok(Answer::Reply(framed))) => return Hop::Ended(Ended::Reply(framed)),
            Ok(Ok(Answer::Status(status))) if is_signed(&status) => {
                return match kind_of(&status) {
                    Some(ErrorKind::Moved) => Hop::Elsewhere(status),
                    Some(ErrorKind::NoKey) => Hop::Unfit(status),
                    _ => Hop::Ended(Ended::Refused(status)),
                };
            }
            Ok(Ok(Answer::Status(status))) => format!("executor {} answered {status}", choice.executor),
            Ok(Err(lost)) if lost.not_sent => return Hop::NotSent(lost.text),
            Ok(Err(lost)) => lost.text,
            Err(_) => format!("executor {} did not answer in time", choice.executor),
        };
        if call.changes { Hop::Lost(lost) } else { Hop::NotSent(lost) }
    }

    /// One hop of a call whose answer is a stream. It ends with the beginning of it; only what changes nothing streams.
    async fn open_stream(&self, call: &Admitted, choice: &Choice, request: Request<Body>) -> Hop {
        let patience = call.answer_by + call.grace;
        let response = match tokio::time::timeout_at(patience, choice.target.clone().oneshot(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(lost)) => return Hop::NotSent(lost.text),
            Err(_) => return Hop::NotSent(format!("executor {} did not answer in time", choice.executor)),
        };
        match Status::from_header_map(response.headers()).filter(|s| s.code() != tonic::Code::Ok) {
            None => Hop::Ended(Ended::Stream(response)),
            Some(status) if is_signed(&status) => match kind_of(&status) {
                Some(ErrorKind::Moved) => Hop::Elsewhere(status),
                Some(ErrorKind::NoKey) => Hop::Unfit(status),
                _ => Hop::Ended(Ended::Refused(status)),
            },
            Some(status) => Hop::NotSent(format!("executor {} answered {status}", choice.executor)),
        }
    }

    pub(crate) async fn read_answer(
        &self,
        choice: &Choice,
        request: Request<Body>,
    ) -> Result<Answer, crate::target::HopError> {
        let lost = |text: String| crate::target::HopError { not_sent: false, text };
        let response = choice.target.clone().oneshot(request).await?;
        let (head, body) = response.into_parts();
        if let Some(status) = Status::from_header_map(&head.headers).filter(|s| s.code() != tonic::Code::Ok) {
            return Ok(Answer::Status(status));
        }
        let collected = Limited::new(body, self.max_reply_bytes).collect().await.map_err(|error| {
            lost(format!("the answer of executor {} broke off: {error}", choice.executor))
        })?;
        let status = collected
            .trailers()
            .and_then(Status::from_header_map)
            .ok_or_else(|| lost(format!("the answer of executor {} has no end", choice.executor)))?;
        Ok(match status.code() {
            tonic::Code::Ok => Answer::Reply(collected.to_bytes()),
            _ => Answer::Status(status),
        })
    }

    fn unresolved(&self, call: &Admitted, reason: &str, text: String) -> v1::Unresolved {
        // A batch has one id for each row.
        let handle = call.request_id.filter(|_| call.endpoint.name == "AddOrder");
        v1::Unresolved {
            request_id: call.context.request_id.clone(),
            cl_ord_id: handle
                .map(|id| {
                    derive_cl_ord_id(&self.deployment, &call.account, &call.identity.name, &id).to_string()
                })
                .unwrap_or_default(),
            not_after: None,
            reason: reason.to_owned(),
            text,
            account: call.account.to_string(),
        }
    }
}

/// What came of one hop.
enum Hop {
    Ended(Ended),
    /// The executor may have got a call that changes something, and gave no answer that can be read.
    Lost(String),
    /// The lane is not there; nothing was executed.
    Elsewhere(Status),
    /// None of its keys fits, as only the body tells; nothing was executed.
    Unfit(Status),
    /// The executor never got the call, or it was a read and can be asked of another.
    NotSent(String),
}

pub(crate) enum Answer {
    Reply(Bytes),
    Status(Status),
}

/// Time kept back so that an undecided call is answered before the caller stops listening.
pub(crate) fn margin(time: Duration) -> Duration {
    (time / 10).max(Duration::from_millis(50)).min(time / 2)
}

/// Of the one call that only reads unless it is asked for more: whether it is.
fn makes_address(method: &Method, message: &Bytes) -> Result<bool, Error> {
    if method.input != "tidegate.v1.GetDepositAddressesRequest" {
        return Ok(false);
    }
    let request = v1::GetDepositAddressesRequest::decode(message.clone())
        .map_err(|error| Error::invalid_field("message", error.to_string()))?;
    Ok(request.new_address)
}

fn is_unresolved(framed: &Bytes) -> bool {
    wire::unframe(framed)
        .ok()
        .and_then(|message| hop::UnresolvedReply::decode(message).ok())
        .is_some_and(|reply| reply.unresolved.is_some())
}
