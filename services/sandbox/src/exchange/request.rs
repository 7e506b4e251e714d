//! A request on its way through the exchange.

use std::net::IpAddr;

use bytes::Bytes;

use super::endpoints::{EndpointRow, is_funding};
use super::faults::Fault;
use super::reply::Reply;
use crate::wire::params::{Malformed, Params};

/// A request as it came over the wire, whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where it came from.
    pub peer_ip: IpAddr,
    /// The HTTP method.
    pub verb: String,
    /// The path as sent.
    pub path: String,
    /// What stood behind `?`, as sent; empty if nothing did.
    pub query: String,
    /// Header `API-Key`.
    pub api_key: Option<String>,
    /// Header `API-Sign`.
    pub api_sign: Option<String>,
    /// Header `API-Nonce`, used by Funding (Beta) alone.
    pub api_nonce: Option<String>,
    /// Header `API-OTP`, an alternative to `otp` in the body.
    pub api_otp: Option<String>,
    /// Header `Content-Type`; JSON if it says so, else a form.
    pub content_type: Option<String>,
    /// The body as sent.
    pub body: Bytes,
}

impl Request {
    /// Its parameters: of a question the query, else the body. Those of Funding (Beta) are in body, query and path.
    pub(super) fn params(&self, endpoint: Option<&EndpointRow>) -> Result<Params, Malformed> {
        if is_funding(&self.path) {
            return self.funding_params(endpoint);
        }
        if self.verb == "GET" && self.body.is_empty() {
            Params::form(self.query.as_bytes())
        } else if self.is_json() {
            Params::json(&self.body)
        } else {
            Params::form(&self.body)
        }
    }

    fn is_json(&self) -> bool {
        let is_it = |text: &String| text.trim_start().to_ascii_lowercase().starts_with("application/json");
        self.content_type.as_ref().is_some_and(is_it)
    }

    fn funding_params(&self, endpoint: Option<&EndpointRow>) -> Result<Params, Malformed> {
        let body = match self.verb.as_str() {
            "POST" | "PUT" if self.is_json() => Params::json(&self.body)?,
            "GET" | "DELETE" if self.body.is_empty() => Params::default(),
            _ => return Err(Malformed),
        };
        let mut params = body.and_form(self.query.as_bytes())?;
        let template = endpoint.map_or("", |row| row.path);
        for (name, part) in template.split('/').zip(self.path.split('/')) {
            if let Some(name) = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                params = params.and_part(name, part)?;
            }
        }
        Ok(params)
    }
}

/// How long the shell is to wait before the steps of one request, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// Before [`Exchange::authenticate`].
    pub before_auth_ms: u64,
    /// Before [`Exchange::execute`].
    pub before_engine_ms: u64,
    /// Before the answer leaves.
    pub before_reply_ms: u64,
}

/// What a request is known by while it is under way.
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    pub(super) seq: u64,
    pub(super) key: Option<usize>,
    /// Whether it is answered without an envelope.
    pub(super) bare: bool,
}

/// A request that arrived whole and is written down.
#[derive(Debug)]
pub struct Arrived {
    /// For [`Exchange::answered`].
    pub ticket: Ticket,
    /// The waits that switches, chance and faults ask for.
    pub pauses: Pauses,
    pub(super) request: Request,
    pub(super) received_us: u64,
    pub(super) endpoint: Option<&'static EndpointRow>,
    pub(super) params: Result<Params, Malformed>,
    pub(super) fault: Option<Fault>,
}

impl Arrived {
    /// Whether the same bytes arrive once more behind this one; then the answer to those is shown.
    pub fn comes_twice(&self) -> bool {
        matches!(self.fault, Some(Fault::Duplicate(_)))
    }
}

/// A request that may pass to the engine.
#[derive(Debug)]
pub struct Admitted {
    pub(super) ticket: Ticket,
    pub(super) received_us: u64,
    pub(super) endpoint: &'static EndpointRow,
    /// None for public endpoints.
    pub(super) key: Option<usize>,
    pub(super) params: Params,
    pub(super) fault: Option<Fault>,
}

impl Admitted {
    /// What is answered before the engine has had its turn, if the answer does not wait for it.
    pub fn early_reply(&self) -> Option<Reply> {
        matches!(self.fault, Some(Fault::ExecuteLateMs(_))).then(|| Reply::edge(502))
    }
}
