//! The REST client: one call of `send_private` puts at most one request on the wire.
//!
//! Every layer below would like to be helpful and send again. What was found there (reqwest 0.13, hyper-util 0.1,
//! hyper 1), and what therefore holds:
//! - Redirects and reqwest's own retries are switched off (`redirect::Policy::none`, `retry::never`), and so are
//!   proxies from the environment.
//! - hyper-util repeats a request when a *reused* connection hands it back (`retry_canceled_requests`, on by default
//!   and out of reqwest's reach). hyper hands a request back only if the connection's task never took it out of its
//!   queue, so not one byte of it was written; once taken, an error comes back without the request and ends the
//!   send. The second attempt is then the first on the wire.
//! - The idle limit is checked when a connection is taken out of the pool, not only by the background sweep, on
//!   tokio's clock. Connections that have been idle for longer than [`ClientOptions::idle_timeout_ms`] are therefore
//!   never used, by no call at all. A connection that the server closed meanwhile is skipped if we have seen its
//!   end; if we have not, the send is ambiguous, never doubled.
//!
//! [`Stage::NotSent`] is claimed only for failures in front of the first byte: building the request, and DNS, TCP
//! and TLS of a new connection. All of those run under the connect timeout, which must be shorter than the time a
//! call is given for the claim to be made; otherwise the call ends as ambiguous, which is safe and merely vague. A gate
//! that is shut when the connection is there (`gate`) is the last such failure.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, SERVER};
use reqwest::{Certificate, Client, Method, Response, Url, redirect, retry};
use rustls::crypto::CryptoProvider;
use tidegate_core::{Endpoint, Verb};

use crate::encode::Params;
use crate::gate::{GateShut, Gated};
use crate::reply::{BodyFault, Reply, printable};
use crate::request::{Dialect, PreparedRequest};
use crate::sign::Credential;

/// A page that only a sandbox has, and the name under which it serves it (its README, "Pages of its own").
const SANDBOX_PAGE: &str = "/sandbox/stats";
const SANDBOX_SERVER: &str = "tidegate-sandbox";

/// How to reach Kraken.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Scheme, host and port, for instance `https://api.kraken.com`; no path, because paths are signed from the root.
    pub base_url: String,
    /// Certificates to trust *instead of* the system's, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// `User-Agent` header; Kraken asks for a stable product name.
    pub user_agent: String,
    /// Time for DNS, TCP and TLS together, in milliseconds. Keep it below the time of a call.
    pub connect_timeout_ms: u64,
    /// How long a connection may be idle and still be used, in milliseconds.
    pub idle_timeout_ms: u64,
    /// The longest body that is read, in bytes.
    pub body_limit_bytes: usize,
}

impl ClientOptions {
    /// Defaults: the system's certificates, 2 s to connect, 5 s idle, bodies up to 16 MiB.
    pub fn new(base_url: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            ca_pem: None,
            user_agent: concat!("tidegate/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout_ms: 2_000,
            idle_timeout_ms: 5_000,
            body_limit_bytes: 16 << 20,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Not an address, or more than one.
    #[error("the REST address must be http or https with a host and no path, user or query")]
    BaseUrl,
    /// No certificate in the PEM text.
    #[error("the CA file holds no readable PEM certificate")]
    Ca,
    /// The process has not chosen its cryptography.
    #[error("no default rustls crypto provider is installed in this process")]
    NoCryptoProvider,
    /// Anything else, for instance a system without certificates.
    #[error("the HTTP client cannot be built: {0}")]
    Http(String),
}

/// How far a request got that has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Proved: no byte of it was written.
    NotSent,
    /// It may have arrived.
    Ambiguous,
}

/// A request without a response head. The text holds no address and nothing of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SendError {
    /// How far it got.
    pub stage: Stage,
    /// Whether time ran out.
    pub timed_out: bool,
    /// Whether the gate was shut, so that it was not written.
    pub gate_shut: bool,
    /// What happened, for the log.
    pub text: String,
}

impl SendError {
    fn not_sent(text: impl Into<String>) -> Self {
        Self { stage: Stage::NotSent, timed_out: false, gate_shut: false, text: text.into() }
    }

    fn of(error: reqwest::Error) -> Self {
        let gate_shut = has_cause::<GateShut>(&error);
        let not_sent = error.is_connect() || error.is_builder() || gate_shut;
        let stage = if not_sent { Stage::NotSent } else { Stage::Ambiguous };
        let during = if not_sent { "not sent" } else { "no response after it may have been sent" };
        Self { stage, timed_out: error.is_timeout(), gate_shut, text: format!("{during}: {}", chain(error)) }
    }
}

/// A response head without a complete, readable body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// Time ran out in the middle of the body.
    #[error("time ran out while the reply was read")]
    TimedOut,
    /// The connection broke in the middle of the body.
    #[error("the connection broke while the reply was read: {0}")]
    Broken(String),
    /// The body is not a reply.
    #[error(transparent)]
    Body(#[from] BodyFault),
}

/// A call that brought no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// No response head.
    #[error(transparent)]
    Send(#[from] SendError),
    /// No readable body.
    #[error(transparent)]
    Read(#[from] ReadFault),
}

impl CallFault {
    /// Whether it is proved that Kraken saw nothing.
    pub const fn is_not_sent(&self) -> bool {
        matches!(self, Self::Send(SendError { stage: Stage::NotSent, .. }))
    }
}

/// A client for one Kraken. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct RestClient {
    http: Client,
    base: String,
    body_limit_bytes: usize,
}

impl fmt::Debug for RestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestClient").field("base", &self.base).finish_non_exhaustive()
    }
}

impl RestClient {
    /// Builds a client; connects to nothing. The process must have installed a rustls provider, even for plain
    /// `http`.
    pub fn new(options: ClientOptions) -> Result<Self, BuildError> {
        if CryptoProvider::get_default().is_none() {
            return Err(BuildError::NoCryptoProvider);
        }
        let url = Url::parse(&options.base_url).map_err(|_| BuildError::BaseUrl)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !bare || !anonymous {
            return Err(BuildError::BaseUrl);
        }
        let mut builder = Client::builder()
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .user_agent(options.user_agent)
            .connect_timeout(Duration::from_millis(options.connect_timeout_ms))
            .pool_idle_timeout(Duration::from_millis(options.idle_timeout_ms))
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(15));
        if let Some(pem) = options.ca_pem {
            let trusted = Certificate::from_pem_bundle(&pem).map_err(|_| BuildError::Ca)?;
            if trusted.is_empty() {
                return Err(BuildError::Ca);
            }
            builder = builder.tls_certs_only(trusted);
        } else if url.scheme() == "http" {
            // Nothing to verify, so a container without certificates is no obstacle.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| BuildError::Http(chain(error)))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, base, body_limit_bytes: options.body_limit_bytes })
    }

    /// Signs a request and sends it, once. Returns at the response head, so that the key's lane can go on while the
    /// body is still on its way. `total` covers everything up to the last byte of the body. `gate` is asked when the
    /// connection is there, directly before the first byte is written: `false` ends the call as not sent.
    pub async fn send_private(
        &self,
        credential: &Credential,
        request: PreparedRequest,
        total: Duration,
        gate: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Head, SendError> {
        let url = self.url_of(&request)?;
        let sign = credential.sign(request.target(), request.nonce(), request.body());
        let mut headers = HeaderMap::with_capacity(5);
        if let Some(content_type) = request.content_type() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        let signed = [("api-key", credential.api_key()), ("api-sign", sign.as_str())];
        for (name, value) in signed.into_iter().chain(request.headers()) {
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| SendError::not_sent(format!("{name} cannot be written into a header")))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let method = match request.verb() {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        };
        let gated = reqwest::Body::wrap(Gated::new(request.body().clone(), Box::new(gate)));
        let sent = self.http.request(method, url).headers(headers).body(gated);
        self.head(sent, request.dialect(), total).await
    }

    /// The address of a request. What reads addresses may write them anew; then something else would be sent than is signed.
    fn url_of(&self, request: &PreparedRequest) -> Result<Url, SendError> {
        let target = request.target();
        let url = Url::parse(&format!("{}{target}", self.base)).ok();
        let same = |url: &Url| match (target.split_once('?'), url.query()) {
            (Some((path, query)), Some(kept)) => (path, query) == (url.path(), kept),
            (None, None) => target == url.path(),
            _ => false,
        };
        url.filter(same)
            .ok_or_else(|| SendError::not_sent(format!("the address of {} is not one", request.endpoint())))
    }

    /// Asks a public endpoint. Returns at the response head; `total` covers the body too.
    pub async fn get_public(
        &self,
        endpoint: &Endpoint,
        params: &Params,
        total: Duration,
    ) -> Result<Head, SendError> {
        if endpoint.verb != Verb::Get || endpoint.is_private() {
            return Err(SendError::not_sent(format!("{} is not a public GET", endpoint.name)));
        }
        let query = params.query();
        let mark = if query.is_empty() { "" } else { "?" };
        let request = self.http.get(format!("{}{}{mark}{query}", self.base, endpoint.path));
        self.head(request, Dialect::Spot, total).await
    }

    /// Sends a signed call and reads its reply. `on_head` is called between the two.
    pub async fn call_private(
        &self,
        credential: &Credential,
        request: PreparedRequest,
        total: Duration,
        on_head: impl FnOnce(),
    ) -> Result<Reply, CallFault> {
        let head = self.send_private(credential, request, total, || true).await?;
        on_head();
        Ok(head.read().await?)
    }

    /// Asks a public endpoint and reads its reply.
    pub async fn call_public(
        &self,
        endpoint: &Endpoint,
        params: &Params,
        total: Duration,
    ) -> Result<Reply, CallFault> {
        Ok(self.get_public(endpoint, params, total).await?.read().await?)
    }

    /// Whether the other end says of itself that it is tidegate's sandbox. The page is none of Kraken's, costs nothing
    /// and carries nothing; an exchange answers it with an error, which is a "no".
    pub async fn is_sandbox(&self, total: Duration) -> Result<bool, SendError> {
        let request = self.http.get(format!("{}{SANDBOX_PAGE}", self.base));
        let head = self.head(request, Dialect::Spot, total).await?;
        let server = head.response.headers().get(SERVER).and_then(|value| value.to_str().ok());
        Ok(head.status() == 200 && server == Some(SANDBOX_SERVER))
    }

    async fn head(
        &self,
        request: reqwest::RequestBuilder,
        dialect: Dialect,
        total: Duration,
    ) -> Result<Head, SendError> {
        if total.is_zero() {
            return Err(SendError { timed_out: true, ..SendError::not_sent("not sent: no time was left") });
        }
        let response = request.timeout(total).send().await.map_err(SendError::of)?;
        Ok(Head { response, limit_bytes: self.body_limit_bytes, dialect })
    }
}

/// The head of a response, with its body still to come. Dropping it closes the connection.
#[derive(Debug)]
pub struct Head {
    response: Response,
    limit_bytes: usize,
    dialect: Dialect,
}

impl Head {
    /// HTTP status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// The status, if it is that of the edge in front of Kraken: the exchange answers otherwise.
    pub fn edge_status(&self) -> Option<u16> {
        Some(self.status()).filter(|status| !self.dialect.speaks(*status, self.content_type()))
    }

    /// What the edge in front of Kraken says of when to come again, in seconds, if it does.
    pub fn retry_after_s(&self) -> Option<u64> {
        self.response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
    }

    /// How long the body is, if the head says so.
    pub(crate) fn announced_bytes(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Reads the body up to the client's limit and opens the envelope.
    pub async fn read(self) -> Result<Reply, ReadFault> {
        self.read_behind(Vec::new()).await
    }

    /// The same where the beginning of the body was read before.
    pub(crate) async fn read_behind(mut self, mut body: Vec<u8>) -> Result<Reply, ReadFault> {
        let limit_bytes = self.limit_bytes;
        while body.len() <= limit_bytes {
            let Some(part) = self.chunk(body.len()).await? else {
                return Ok(self.dialect.read(self.status(), self.content_type(), &body)?);
            };
            if part.len() > limit_bytes - body.len() {
                break;
            }
            body.extend_from_slice(&part);
        }
        Err(BodyFault::Oversized { limit_bytes }.into())
    }

    fn content_type(&self) -> Option<&str> {
        self.response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
    }

    /// The next part of a body of which `len_bytes` have come.
    pub(crate) async fn chunk(&mut self, len_bytes: usize) -> Result<Option<Bytes>, ReadFault> {
        let error = match self.response.chunk().await {
            Ok(part) => return Ok(part),
            Err(error) => error,
        };
        let status = self.status();
        Err(if error.is_timeout() {
            ReadFault::TimedOut
        } else if !matches!(status, 200 | 202) {
            // The status says more than how the edge's page ended.
            BodyFault::HttpStatus(status).into()
        } else if cut_short(&error) {
            BodyFault::Truncated { len_bytes, content_type: printable(self.content_type()) }.into()
        } else {
            ReadFault::Broken(chain(error))
        })
    }
}

/// Whether the server ended a body before its announced end. hyper's own error types are not ours to name, but the
/// end of a stream is an I/O error underneath.
fn cut_short(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::UnexpectedEof;
        }
        source = cause.source();
    }
    false
}

/// Whether an error, or what is underneath it, is of this type.
fn has_cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if cause.is::<E>() {
            return true;
        }
        source = cause.source();
    }
    false
}

/// An error with its causes, without the address.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text.chars().take(300).collect()
}
