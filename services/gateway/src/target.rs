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

/// Whether an error means that nothing was written: no connection could be made, or the connection was ending and
/// gave the call back as it was. hyper calls the latter "canceled", and only while its connection's task has not taken
/// the request out of its queue (hyper 1: `client::dispatch`, `Envelope::drop`).
fn is_unsent(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let given_back = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
        if given_back || error.is::<tonic::ConnectError>() {
            return true;
        }
        next = error.source();
    }
    false
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
