//! An executor as the gateway calls it: in this process or in another, by the same service.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tidegate_runtime::GrpcService;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

/// Why a call to an executor failed below gRPC.
#[derive(Debug)]
pub(crate) struct HopError {
    /// Whether it is certain that the executor never got the call.
    pub not_sent: bool,
    /// For the log.
    pub text: String,
}

impl std::fmt::Display for HopError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for HopError {}

/// One executor. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// In this process.
    Local(GrpcService),
    /// Its address.
    Remote(Channel),
}

impl Target {
    /// An executor at `host:port`. Connects when it is first used, and again whenever the connection is lost.
    pub(crate) fn remote(address: &str) -> Result<Self, String> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| format!("executor address {address:?}: {error}"))?
            .connect_timeout(Duration::from_secs(2))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        Ok(Self::Remote(endpoint.connect_lazy()))
    }
}

/// Whether an error means that the executor has never looked at the call:
///
/// - No connection could be made.
/// - The connection was ending and gave the call back as it was. hyper calls this "canceled", and only while its
///   connection's task has not taken the request out of its queue (hyper 1: `client::dispatch`, `Envelope::drop`).
/// - The executor's GOAWAY named a last stream below the call's. h2 gives a peer's GOAWAY without an error code to those
///   streams alone, and to new ones that it has not opened (h2 0.4: `Inner::recv_go_away`); the others go on, and break
///   with the connection as an I/O error (RFC 9113, section 6.8).
/// - The executor refused the stream "before any processing" (RFC 9113, section 8.7).
fn is_unsent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let given_back = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        let passed_over = error.downcast_ref::<h2::Error>().is_some_and(is_passed_over);
        if given_back || passed_over || error.is::<tonic::ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
}

fn is_passed_over(error: &h2::Error) -> bool {
    let (reason, theirs) = (error.reason(), error.is_remote());
    let not_reached = error.is_go_away() && reason == Some(h2::Reason::NO_ERROR);
    let refused = error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM);
    theirs && (not_reached || refused)
}

impl Service<Request<Body>> for Target {
    type Response = Response<Body>;
    type Error = HopError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, HopError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HopError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self.clone() {
            Self::Local(executor) => Box::pin(async move {
                match executor.oneshot(request).await {
                    Ok(response) => Ok(response),
                    Err(never) => match never {},
                }
            }),
            Self::Remote(channel) => Box::pin(async move {
                channel
                    .oneshot(request)
                    .await
                    .map_err(|error| HopError { not_sent: is_unsent(&error), text: error_chain(&error) })
            }),
        }
    }
}

fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const DATA: u8 = 0;
    const RST_STREAM: u8 = 3;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;

    /// Frames as RFC 9113 has them, written by hand: no library can be made to break off like this.
    async fn write(stream: &mut TcpStream, kind: u8, stream_id: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, 0]);
        frame.extend(stream_id.to_be_bytes());
        frame.extend(payload);
        stream.write_all(&frame).await.unwrap();
    }

    async fn read(stream: &mut TcpStream) -> (u8, u32) {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]))
    }

    /// An executor that reads the whole call, writes one frame and hangs up.
    async fn hop_to_one_that_ends_with(kind: u8, stream_id: u32, payload: Vec<u8>) -> HopError {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let executor = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.unwrap();
            write(&mut stream, SETTINGS, 0, &[]).await;
            while read(&mut stream).await != (DATA, 1) {}
            write(&mut stream, kind, stream_id, &payload).await;
        });
        let target = Target::remote(&addr.to_string()).unwrap();
        let request =
            crate::wire::request("/tidegate.v1.X/Y", crate::wire::frame(b"x"), http::HeaderMap::new());
        let error = target.oneshot(request).await.unwrap_err();
        executor.await.unwrap();
        error
    }

    fn go_away(last_stream: u32, reason: h2::Reason) -> Vec<u8> {
        [last_stream.to_be_bytes(), u32::from(reason).to_be_bytes()].concat()
    }

    #[tokio::test]
    async fn a_call_above_the_executor_s_last_stream_was_not_looked_at() {
        let error = hop_to_one_that_ends_with(GOAWAY, 0, go_away(0, h2::Reason::NO_ERROR)).await;
        assert!(error.not_sent, "{error}");
    }

    #[tokio::test]
    async fn a_refused_stream_was_not_looked_at() {
        let reason = u32::from(h2::Reason::REFUSED_STREAM).to_be_bytes().to_vec();
        let error = hop_to_one_that_ends_with(RST_STREAM, 1, reason).await;
        assert!(error.not_sent, "{error}");
    }

    #[tokio::test]
    async fn any_other_end_proves_nothing() {
        let ends = [
            (GOAWAY, 0, go_away(1, h2::Reason::NO_ERROR)),
            (GOAWAY, 0, go_away(0, h2::Reason::INTERNAL_ERROR)),
            (RST_STREAM, 1, u32::from(h2::Reason::CANCEL).to_be_bytes().to_vec()),
        ];
        for (kind, stream_id, payload) in ends {
            let error = hop_to_one_that_ends_with(kind, stream_id, payload.clone()).await;
            assert!(!error.not_sent, "{kind} {payload:?}: {error}");
        }
    }
}
