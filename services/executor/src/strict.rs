//! Mutating requests with fields that this build does not know are refused before anything happens.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use tidegate_core::{Error, endpoint};
use tidegate_proto::{Method, method, unknown_fields};
use tidegate_runtime::status::to_status;
use tidegate_runtime::telemetry::follow;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span, info_span};

/// Methods that change something, or can, without ending in an endpoint that always does.
const STRICT: [&str; 3] = ["CancelIntent", "DecideIntent", "GetDepositAddresses"];

/// The executor's routes behind the check.
#[derive(Clone, Debug)]
pub(crate) struct Strict {
    pub(crate) routes: Routes,
    /// Largest request.
    pub(crate) request_bytes_max: usize,
}

impl Strict {
    async fn check(&self, method: &'static Method, request: Request<Body>) -> Result<Request<Body>, Error> {
        let (head, body) = request.into_parts();
        let framed = Limited::new(body, self.request_bytes_max)
            .collect()
            .await
            .map_err(|error| Error::invalid_field("message", format!("could not be read: {error}")))?
            .to_bytes();
        // Five bytes of frame: a flag for compression and the length.
        let message = framed.get(5..).unwrap_or_default();
        let unknown = unknown_fields(method.input, message).map_err(|error| {
            Error::invalid_field("message", format!("is not a {}: {error}", method.input))
        })?;
        if !unknown.is_empty() {
            let text = format!(
                "has fields that this build does not know ({}); an order is never sent without all that was asked",
                unknown.join(", ")
            );
            return Err(Error::invalid_field("message", text));
        }
        Ok(Request::from_parts(head, Body::new(Full::new(framed))))
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        let method = method(request.uri().path());
        // Calls only: a stream of lane lists would be a span as long as the process.
        let called = method.and_then(|method| Some((method, method.endpoint.and_then(endpoint)?)));
        let span = called.map_or_else(Span::none, |(method, _)| {
            info_span!("execute", otel.kind = "server", otel.name = method.name, method = method.name)
        });
        follow(&span, request.headers());
        let changes = |method: &Method| {
            let endpoint = called.map(|(_, endpoint)| endpoint);
            endpoint.is_some_and(|endpoint| endpoint.effect.is_mutating()) || STRICT.contains(&method.name)
        };
        let strict = method.filter(|method| changes(method));
        let serving = async move {
            let request = match strict {
                Some(method) => match this.check(method, request).await {
                    Ok(request) => request,
                    Err(error) => return Ok(to_status(&error).into_http()),
                },
                None => request,
            };
            this.routes.oneshot(request).await.map(|response| response.map(Body::new))
        };
        Box::pin(serving.instrument(span))
    }
}
