//! The shell round the exchange: HTTP in and out, and the waits between the exchange's steps.
//!
//! A request that arrived whole is carried through to its end in a task of its own, whether its sender waits for the
//! answer or not: an exchange does not forget an order because somebody hung up.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderValue, Request as HttpRequest, Response, StatusCode, header};
use axum::middleware::map_response;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::exchange::{Arrived, Delivery, Exchange, Reply, Request};

/// The largest request body. Kraken's longest call, a batch of orders, has a few thousand bytes.
const BODY_MAX: usize = 1 << 20;

/// Pieces of a body that is slow on its way.
const SLOW_PIECES: usize = 40;

/// A clock: unix microseconds.
pub(crate) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What all connections share.
#[derive(Clone)]
pub(crate) struct Shell {
    exchange: Arc<Mutex<Exchange>>,
    clock: Clock,
}

/// One connection, as its requests see it.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    /// Told when the connection is to be reset without another byte.
    pub(crate) reset: Arc<Notify>,
    /// Told when the connection is to end in the middle of a body.
    pub(crate) cut: Arc<Notify>,
}

impl Shell {
    pub(crate) fn new(exchange: Exchange, clock: Clock) -> Self {
        Self { exchange: Arc::new(Mutex::new(exchange)), clock }
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        // A panic inside would be a bug of ours; the log of what happened before is worth more than another panic.
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        (self.clock)()
    }

    /// The routes: the sandbox's own pages, and everything else is the exchange's.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/sandbox/stats", get(stats))
            .route("/sandbox/log", get(log))
            .route("/sandbox/switches", get(switches).post(change))
            .route("/sandbox/faults", get(faults).post(add_faults).delete(clear_faults))
            .route("/sandbox/deposits", post(deposit))
            .route("/sandbox/funds", get(funds))
            .fallback(exchange)
            .layer(map_response(sign_as_sandbox))
            .with_state(self)
    }

    async fn carry_out(self, request: Request) -> Reply {
        let again = request.clone();
        let arrived = self.exchange().receive(self.now_us(), request);
        let twice = arrived.comes_twice();
        let reply = self.clone().carry_out_one(arrived).await;
        if !twice {
            return reply;
        }
        let arrived = self.exchange().receive(self.now_us(), again);
        self.carry_out_one(arrived).await
    }

    async fn carry_out_one(self, arrived: Arrived) -> Reply {
        let (ticket, pauses) = (arrived.ticket, arrived.pauses);
        pause(pauses.before_auth_ms).await;
        let admitted = self.exchange().authenticate(self.now_us(), arrived);
        let reply = match admitted {
            Ok(admitted) => {
                if let Some(reply) = admitted.early_reply() {
                    tokio::spawn(async move {
                        pause(pauses.before_engine_ms).await;
                        let late = self.now_us();
                        self.exchange().execute(late, admitted);
                        self.exchange().answered(ticket);
                    });
                    return reply;
                }
                pause(pauses.before_engine_ms).await;
                self.exchange().execute(self.now_us(), admitted)
            }
            Err(refusal) => refusal,
        };
        pause(pauses.before_reply_ms).await;
        self.exchange().answered(ticket);
        reply
    }
}

async fn pause(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn exchange(
    State(shell): State<Shell>,
    Extension(connection): Extension<Connection>,
    request: HttpRequest<Body>,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let text = |headers: &HeaderMap, name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let body = match to_bytes(body, BODY_MAX).await {
        Ok(body) => body,
        // Too large, or cut off on its way. Neither is a request of the exchange's protocol.
        Err(_) => {
            return (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or incomplete").into_response();
        }
    };
    let request = Request {
        peer_ip: connection.peer.ip(),
        verb: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        api_key: text(&head.headers, "api-key"),
        api_sign: text(&head.headers, "api-sign"),
        api_nonce: text(&head.headers, "api-nonce"),
        api_otp: text(&head.headers, "api-otp"),
        content_type: text(&head.headers, "content-type"),
        body,
    };
    match tokio::spawn(shell.carry_out(request)).await {
        Ok(reply) => deliver(reply, &connection).await,
        Err(error) => {
            tracing::error!(%error, "the simulated exchange failed on a request; this is a bug");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn deliver(reply: Reply, connection: &Connection) -> Response<Body> {
    let mut response =
        Response::builder().status(reply.http_status).header(header::CONTENT_TYPE, reply.content_type);
    let body = match reply.delivery {
        Delivery::Whole => Body::from(reply.body),
        Delivery::Reset => {
            // Whatever was returned here would be written; the connection goes away under this future instead.
            connection.reset.notify_one();
            std::future::pending().await
        }
        Delivery::Cut(bytes) => {
            response = response.header(header::CONTENT_LENGTH, reply.body.len());
            cut_body(reply.body.slice(..bytes.min(reply.body.len())), connection.cut.clone())
        }
        Delivery::Slow(ms) => {
            response = response.header(header::CONTENT_LENGTH, reply.body.len());
            slow_body(reply.body, ms)
        }
    };
    // Status and headers are constants or were checked when the fault was taken.
    response.body(body).unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// A body that never ends by itself: when its bytes are on their way, the connection is told to end.
fn cut_body(bytes: Bytes, cut: Arc<Notify>) -> Body {
    use futures_util::stream::{self, StreamExt as _};
    let first = stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let end = stream::once(async move {
        cut.notify_one();
        std::future::pending().await
    });
    Body::from_stream(first.chain(end))
}

/// A body in pieces, one after the other over so long.
fn slow_body(bytes: Bytes, ms: u64) -> Body {
    use futures_util::stream;
    let piece = bytes.len().div_ceil(SLOW_PIECES).max(1);
    let pieces = stream::unfold((bytes, 0), move |(mut rest, wait_ms)| async move {
        if rest.is_empty() {
            return None;
        }
        pause(wait_ms).await;
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok::<_, std::convert::Infallible>(next), (rest, ms / SLOW_PIECES as u64)))
    });
    Body::from_stream(pieces)
}

/// By this name a client can tell play money from real before it shows a key.
async fn sign_as_sandbox(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("tidegate-sandbox"));
    response
}

fn json(body: String) -> Response<Body> {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn bad_request(why: &str) -> Response<Body> {
    let mut body = serde_json::json!({ "error": why }).to_string();
    body.push('\n');
    (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn stats(State(shell): State<Shell>) -> Response<Body> {
    json(shell.exchange().stats_json())
}

/// Which part of the log.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogPage {
    /// Entries with higher sequence numbers.
    #[serde(default)]
    since: u64,
    /// At most so many; unset: all.
    limit: Option<usize>,
}

async fn log(
    State(shell): State<Shell>,
    page: Result<Query<LogPage>, axum::extract::rejection::QueryRejection>,
) -> Response<Body> {
    match page {
        Ok(Query(page)) => json(shell.exchange().log_json(page.since, page.limit.unwrap_or(usize::MAX))),
        Err(error) => bad_request(&error.body_text()),
    }
}

async fn switches(State(shell): State<Shell>) -> Response<Body> {
    match shell.exchange().switches_json() {
        Ok(body) => json(body),
        Err(error) => {
            tracing::error!(%error, "the switches cannot be written; this is a bug");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn faults(State(shell): State<Shell>) -> Response<Body> {
    match shell.exchange().faults_json() {
        Ok(body) => json(body),
        Err(error) => {
            tracing::error!(%error, "the faults cannot be written; this is a bug");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn add_faults(State(shell): State<Shell>, body: Bytes) -> Response<Body> {
    let added = shell.exchange().add_faults(&body);
    match added {
        Ok(()) => faults(State(shell)).await,
        Err(why) => bad_request(&why),
    }
}

async fn deposit(State(shell): State<Shell>, body: Bytes) -> Response<Body> {
    let sent = shell.exchange().deposit(shell.now_us(), &body);
    match sent {
        Ok(body) => json(body),
        Err(why) => bad_request(&why),
    }
}

async fn funds(State(shell): State<Shell>) -> Response<Body> {
    json(shell.exchange().funds_json(shell.now_us()))
}

async fn clear_faults(State(shell): State<Shell>) -> Response<Body> {
    shell.exchange().clear_faults();
    faults(State(shell)).await
}

async fn change(State(shell): State<Shell>, body: Bytes) -> Response<Body> {
    let changed = {
        let mut exchange = shell.exchange();
        exchange.pass(shell.now_us());
        exchange.change(&body)
    };
    match changed {
        Ok(()) => switches(State(shell)).await,
        Err(why) => bad_request(&why),
    }
}
