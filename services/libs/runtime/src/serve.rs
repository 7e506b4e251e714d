//! Serving gRPC on hyper's HTTP/2, with nothing in between.
//!
//! Not tonic's own server, on purpose: it enforces `grpc-timeout` itself, answers CANCELLED without our mark and
//! drops the handler. For a call that may have reached Kraken both are wrong: an undecided order is answered
//! `unresolved` *before* its deadline, by the code that knows it is undecided, and nobody else may answer for it.
//! hyper forwards `grpc-timeout` as a header and leaves it alone.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use crate::Drain;
use crate::accept::{Bounds, accept};

/// A gRPC service as the roles hand it to one another: to put behind a listener, or to call in this process.
pub type GrpcService =
    tower::util::BoxCloneSyncService<http::Request<Body>, http::Response<Body>, std::convert::Infallible>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a silent new connection may hold up a server that is ending.
const LAST_WORD_WITHIN: Duration = Duration::from_millis(500);

/// The bounds of a gRPC listener. The defaults suit a loopback or in-cluster listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections at the same time; one more is closed at once. Default 1,024.
    pub connections_max: usize,
    /// Calls at the same time on one connection; clients wait with the next. Default 1,024.
    pub streams_per_connection_max: u32,
    /// Bytes of request headers. Default 16 KiB.
    pub header_bytes_max: u32,
    /// How long a connection may stay silent after it was opened. Default 10 s.
    pub first_byte_within: Duration,
    /// How often a silent connection is asked whether it is still there. Default 20 s.
    pub ping_every: Duration,
    /// How long an answer to that may take. Default 10 s.
    pub pong_within: Duration,
    /// How long calls may take to finish once the drain has begun. Default 10 s, twice the time that a mutating
    /// call has if its caller does not say.
    pub grace: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            streams_per_connection_max: 1_024,
            header_bytes_max: 16 * 1_024,
            first_byte_within: Duration::from_secs(10),
            ping_every: Duration::from_secs(20),
            pong_within: Duration::from_secs(10),
            grace: Duration::from_secs(10),
        }
    }
}

/// Serves until the drain begins; then says GOAWAY, finishes calls in flight for at most the grace period, and
/// cuts the rest. Returns how many connections were cut.
///
/// The service is cloned per connection and per call: an `axum::Router`, tonic's `Routes`, or any tower service
/// over `http::Request<tonic::body::Body>`. A handler's future is dropped when its caller goes away, so work that
/// must not be cut in half is spawned on the [`Drain`]. Long streams should end when the drain begins, else they
/// use up the grace period.
pub async fn serve_grpc<S, B>(listener: TcpListener, service: S, limits: ServeLimits, drain: Drain) -> usize
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send,
    B: hyper::body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut wire = http2::Builder::new(TokioExecutor::new());
    wire.timer(TokioTimer::new())
        .auto_date_header(false)
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(limits.header_bytes_max)
        .keep_alive_interval(limits.ping_every)
        .keep_alive_timeout(limits.pong_within);
    let bounds = Bounds { connections_max: limits.connections_max, grace: limits.grace };
    accept(listener, bounds, drain.begun(), |stream, ending| {
        let (wire, service) = (wire.clone(), service.clone());
        async move {
            if !speaks_within(&stream, limits.first_byte_within, &ending).await {
                return;
            }
            let service = service.map_request(|request: http::Request<Incoming>| request.map(Body::new));
            let connection = wire.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = ending.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a gRPC connection ended early");
            }
        }
    })
    .await
}

/// Whether the peer says anything in time. HTTP/2 pings watch a connection only after its opening handshake. The
/// byte is looked at and left where it is: a socket may call itself readable and have nothing. A draining server has
/// less patience, but whoever has just connected is about to speak.
async fn speaks_within(stream: &TcpStream, limit: Duration, ending: &CancellationToken) -> bool {
    let mut byte = [0; 1];
    let hurried = async {
        ending.cancelled().await;
        tokio::time::sleep(limit.min(LAST_WORD_WITHIN)).await;
    };
    tokio::select! {
        first = tokio::time::timeout(limit, stream.peek(&mut byte)) => matches!(first, Ok(Ok(1))),
        () = hurried => false,
    }
}
