//! What goes back over the wire, and how it is spoilt on request.

use bytes::Bytes;

use super::faults::Fault;
use super::refusal::Refusal;
use crate::wire::json;

const JSON: &str = "application/json; charset=utf-8";
const BYTES: &str = "application/octet-stream";
const PROBLEM: &str = "application/problem+json";
const HTML: &str = "text/html; charset=UTF-8";

/// How much of an answer reaches the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// All of it.
    #[default]
    Whole,
    /// The head, which promises the whole body, and this many bytes of it; then the connection ends.
    Cut(usize),
    /// All of it, in pieces over so many milliseconds.
    Slow(u64),
    /// Nothing: the connection is reset.
    Reset,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status: 200 for whatever the exchange itself says, but for problems of Funding (Beta).
    pub http_status: u16,
    /// Header `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
    /// How it is delivered.
    pub delivery: Delivery,
}

impl Reply {
    /// An envelope.
    pub(crate) fn json(body: String) -> Self {
        Self { http_status: 200, content_type: JSON, body: body.into(), delivery: Delivery::Whole }
    }

    /// An archive.
    pub(crate) fn archive(body: Vec<u8>) -> Self {
        Self { http_status: 200, content_type: BYTES, body: body.into(), delivery: Delivery::Whole }
    }

    /// A refusal: an envelope, or of a call that is answered without one a problem.
    pub(crate) fn refusal(refusal: &Refusal, bare: bool) -> Self {
        if bare { Self::problem(refusal) } else { Self::json(json::refusal(&refusal.text())) }
    }

    /// A problem document as Kraken writes it: status, tag and title tell the same. The gateway in front does not know problems, and
    /// paths that it does not know are answered by it.
    fn problem(refusal: &Refusal) -> Self {
        let text = refusal.text();
        if *refusal == Refusal::UnknownMethod {
            return Self { http_status: 404, ..Self::json(json::refusal(&text)) };
        }
        let mut parts = text.splitn(3, ':').map(str::trim);
        let (category, words) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let http_status = match refusal {
            Refusal::InvalidKey | Refusal::InvalidSignature | Refusal::InvalidNonce => 401,
            Refusal::PermissionDenied | Refusal::Lockout => 403,
            Refusal::RateLimit | Refusal::Throttled(_) => 429,
            _ if category == "EService" => 503,
            _ if words == "Internal error" => 500,
            _ => 400,
        };
        let mut problem = json::Json::default();
        problem.object(|json| {
            json.field("type").text(&format!("tag:kraken.com,2025:{}", run_together(words)));
            json.field("status").integer(http_status);
            let category = category.strip_prefix('E').unwrap_or(category);
            json.field("title").text(&format!("{category}: {words}"));
            json.field("detail").text_or_null(parts.next());
            json.field("data").null();
            json.field("source").text("Gateway");
        });
        Self { http_status, content_type: PROBLEM, ..Self::json(problem.finish()) }
    }

    /// A page of the proxy in front of the exchange, which knows nothing of what happened behind it.
    pub(crate) fn edge(http_status: u16) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html><head><title>api.kraken.com | {http_status}</title></head>\n\
             <body><h1>Error {http_status}</h1><p>cloudflare (simulated)</p></body></html>\n"
        );
        Self { http_status, content_type: HTML, body: body.into(), delivery: Delivery::Whole }
    }

    /// The same answer after a fault that strikes on the way back.
    pub(crate) fn spoilt_by(self, fault: Option<&Fault>, bare: bool) -> Self {
        match fault {
            Some(Fault::ExecuteThenError(text)) => Self::refusal(&Refusal::Injected(text.clone()), bare),
            Some(Fault::ExecuteThenHttpStatus(status)) => Self::edge(*status),
            Some(Fault::ExecuteLateMs(_)) => Self::edge(502),
            Some(Fault::NotJson(_)) => Self { http_status: 200, ..Self::edge(520) },
            Some(Fault::TruncateAfterBytes(bytes)) => Self { delivery: Delivery::Cut(*bytes), ..self },
            Some(Fault::TrickleMs(ms)) => Self { delivery: Delivery::Slow(*ms), ..self },
            Some(Fault::Reset(_)) => Self { delivery: Delivery::Reset, ..self },
            Some(Fault::OversizeBytes(bytes)) => {
                let mut body = self.body.to_vec();
                // Blanks behind the envelope: it stays JSON, so that only the size can be what is wrong.
                body.resize(body.len().max(*bytes), b' ');
                Self { body: body.into(), ..self }
            }
            _ => self,
        }
    }
}

/// `Invalid key` is `InvalidKey`.
fn run_together(words: &str) -> String {
    let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| format!("{}{}", word[..1].to_ascii_uppercase(), &word[1..])).collect()
}
