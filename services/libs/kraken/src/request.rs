//! A signed request, written once: what is signed, and what goes along beside it.
//!
//! *The idea.* Kraken has two ways of writing signed calls, and they differ in where things stand and in nothing else. A request is
//! therefore made in one step, by [`PreparedRequest::of`], from endpoint, arguments, nonce and second factor: each argument goes into
//! the path, the query or the body, nonce and second factor into the body or into headers. What comes out knows its verb, the text
//! behind the host and its body, which are signed and sent as they are, and the headers that go along.
//!
//! | | `/0/private/...` | `/funding/v1/...` |
//! | --- | --- | --- |
//! | verb | POST | GET, POST, PUT, DELETE |
//! | arguments | body, a form or JSON | path; query of GET and DELETE; compact JSON body of POST and PUT, `account_id` in the query |
//! | nonce, second factor | first members of the body | headers `API-Nonce`, `API-OTP` |
//! | answer | envelope | bare object, errors as problem details (`bare`) |
//!
//! The signature is the same over both (`sign`): path with query, then the hash of nonce and body; an empty body is nothing.

use std::fmt;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use tidegate_core::{Encoding, Endpoint, Nonce, Verb};

use crate::bare::read_bare;
use crate::encode::{Params, Value, escape, write_pair};
use crate::reply::{BodyFault, Reply, read_reply};

/// The account to act for: an argument of all calls of Funding (Beta), which Kraken takes in the query of all of them.
const ACCOUNT_ID: &str = "account_id";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const JSON: &str = "application/json";

/// Which of the two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Spot,
    FundingBeta,
}

impl Dialect {
    fn of(endpoint: &Endpoint) -> Self {
        if endpoint.path.starts_with("/funding/") { Self::FundingBeta } else { Self::Spot }
    }

    /// Opens a complete body.
    pub(crate) fn read(
        self,
        status: u16,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Reply, BodyFault> {
        match self {
            Self::Spot => read_reply(status, content_type, body),
            Self::FundingBeta => read_bare(status, content_type, body),
        }
    }

    /// Whether a status can be the exchange's own, as far as its head tells.
    pub(crate) fn speaks(self, status: u16, content_type: Option<&str>) -> bool {
        match self {
            Self::Spot => matches!(status, 200 | 202),
            Self::FundingBeta => status < 500 && content_type.is_some_and(|text| text.contains("json")),
        }
    }
}

/// Opens a complete body that answers a call to this endpoint: an envelope, or what Funding (Beta) has instead of one.
///
/// # Errors
/// If it does not come from the exchange by its form; it says nothing then about what the exchange did.
pub fn read_answer(
    endpoint: &Endpoint,
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Reply, BodyFault> {
    Dialect::of(endpoint).read(status, content_type, body)
}

/// Why a request cannot be written. A mistake of ours; nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// The endpoint is not signed, or not in a way that is known here.
    #[error("{0} is not a signed call")]
    NotSigned(&'static str),
    /// A part of the path has no value that can stand there.
    #[error("{endpoint} needs {name} in its path, as a text that is no step of a path")]
    Path {
        /// The endpoint.
        endpoint: &'static str,
        /// The part.
        name: String,
    },
}

/// The exact bytes of a request but for its signature. Not printed: it may hold a second factor and always holds somebody's
/// trade.
#[derive(Clone)]
pub struct PreparedRequest {
    endpoint: &'static str,
    verb: Verb,
    target: String,
    nonce: Nonce,
    body: Bytes,
    content_type: Option<&'static str>,
    headers: Vec<(&'static str, String)>,
    dialect: Dialect,
}

impl PreparedRequest {
    /// Writes a request.
    ///
    /// # Errors
    /// When the endpoint is public, or an argument that stands in its path is missing.
    pub fn of(
        endpoint: &Endpoint,
        params: &Params,
        nonce: Nonce,
        otp: Option<&str>,
    ) -> Result<Self, Unwritable> {
        let dialect = Dialect::of(endpoint);
        let signed =
            endpoint.is_private() && (dialect == Dialect::FundingBeta || endpoint.verb == Verb::Post);
        if !signed {
            return Err(Unwritable::NotSigned(endpoint.name));
        }
        let mut target = filled(endpoint, params)?;
        let is_body: fn(&str) -> bool = match (dialect, endpoint.verb) {
            (Dialect::Spot, _) => |_| true,
            (Dialect::FundingBeta, Verb::Post | Verb::Put) => |name| name != ACCOUNT_ID,
            (Dialect::FundingBeta, Verb::Get | Verb::Delete) => |_| false,
        };
        let (mut inside, mut query) = (Params::new(), Params::new());
        for (name, value) in params.iter().filter(|(name, _)| !stands_in_path(endpoint, name)) {
            let to = if is_body(name) { &mut inside } else { &mut query };
            to.push(name, value.clone());
        }
        let query = query.query();
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
        let mut request = Self {
            endpoint: endpoint.name,
            verb: endpoint.verb,
            target,
            nonce,
            body: Bytes::new(),
            content_type: None,
            headers: Vec::new(),
            dialect,
        };
        match dialect {
            Dialect::Spot => {
                let (body, content_type) = spot_body(endpoint.encoding, nonce, otp, &inside);
                (request.body, request.content_type) = (body.into(), Some(content_type));
            }
            Dialect::FundingBeta => {
                if matches!(endpoint.verb, Verb::Post | Verb::Put) {
                    (request.body, request.content_type) = (json(&inside).into(), Some(JSON));
                }
                request.headers.push(("api-nonce", nonce.to_string()));
                request.headers.extend(otp.map(|otp| ("api-otp", otp.to_owned())));
            }
        }
        Ok(request)
    }

    /// Kraken's name of the endpoint.
    pub const fn endpoint(&self) -> &'static str {
        self.endpoint
    }

    /// HTTP verb.
    pub const fn verb(&self) -> Verb {
        self.verb
    }

    /// Path and query, behind the host: signed and sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The nonce, wherever it stands: signed.
    pub const fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// The body, empty if there is none: signed and sent. Cloning it is a reference, not a copy.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The `Content-Type` header, if there is a body.
    pub const fn content_type(&self) -> Option<&'static str> {
        self.content_type
    }

    /// Headers that go along beside those of key, signature and content; names in lower case, values not to be shown.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }
}

impl fmt::Debug for PreparedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedRequest")
            .field("endpoint", &self.endpoint)
            .field("nonce", &self.nonce)
            .field("content_type", &self.content_type)
            .field("len_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The names in braces of a path.
fn placeholders(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn stands_in_path(endpoint: &Endpoint, name: &str) -> bool {
    placeholders(endpoint.path).any(|placeholder| placeholder == name)
}

/// The path with its names in braces replaced. A part that is empty or a step (`.`, `..`) would lead elsewhere, and what reads
/// addresses takes such steps away, so that something else would be sent than was signed.
fn filled(endpoint: &Endpoint, params: &Params) -> Result<String, Unwritable> {
    let mut path = endpoint.path.to_owned();
    for name in placeholders(endpoint.path) {
        let wrong = || Unwritable::Path { endpoint: endpoint.name, name: name.to_owned() };
        let value = match params.iter().find(|(known, _)| *known == name) {
            Some((_, Value::Text(text))) if !matches!(text.as_str(), "" | "." | "..") => text,
            _ => return Err(wrong()),
        };
        let mut part = String::new();
        escape(value, &mut part);
        path = path.replacen(&format!("{{{name}}}"), &part, 1);
    }
    Ok(path)
}

/// The body of a call under `/0/private`. The nonce comes first and the second factor next, as in Kraken's own client; a JSON nonce is
/// a string, because nanoseconds do not fit the numbers of many parsers.
///
/// Such a call has its arguments in its body whatever the table says, so [`Encoding::Query`] is a form here. And a list of objects,
/// or a [`Value::Array`], goes as JSON whatever the table says: Kraken documents no form for one.
fn spot_body(
    encoding: Encoding,
    nonce: Nonce,
    otp: Option<&str>,
    params: &Params,
) -> (Vec<u8>, &'static str) {
    let needs_json = params.iter().any(|(_, value)| matches!(value, Value::Rows(_) | Value::Array(_)));
    match if needs_json { Encoding::Json } else { encoding } {
        Encoding::Json => (json(&SpotJson { nonce, otp, params }), JSON),
        Encoding::Form | Encoding::Query => {
            let mut out = String::new();
            write_pair(None, "nonce", &nonce.to_string(), &mut out);
            if let Some(otp) = otp {
                write_pair(None, "otp", otp, &mut out);
            }
            params.write_form(None, &mut out);
            (out.into_bytes(), FORM)
        }
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "maps with text keys into memory cannot fail")]
    serde_json::to_vec(value).expect("serialises")
}

struct SpotJson<'a> {
    nonce: Nonce,
    otp: Option<&'a str>,
    params: &'a Params,
}

impl Serialize for SpotJson<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("nonce", &self.nonce.to_string())?;
        if let Some(otp) = self.otp {
            map.serialize_entry("otp", otp)?;
        }
        for (name, value) in self.params.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
