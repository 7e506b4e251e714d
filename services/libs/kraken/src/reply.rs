//! The envelope of a reply: `{"error": [...], "result": ...}`, HTTP 200 as a rule even for refusals. (Funding (Beta) has none: `bare`.)
//!
//! Whatever is not an envelope comes from the way and not from the exchange, and says nothing about what the
//! exchange did. Each such fault has its own name. Its text never quotes the body, which may hold a balance, a
//! token, or whatever a stranger on the way wants to see in our log.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A reply of Kraken's, opened but not yet understood.
#[derive(Debug)]
pub struct Reply {
    /// The `error` list, warnings included.
    pub errors: Vec<String>,
    /// The `result` member, unless it is missing or null.
    pub result: Option<Box<RawValue>>,
}

/// Why a body is not a reply of Kraken's. For a call that may have changed something, each of them means *unknown*.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// More bytes than we are willing to hold.
    #[error("the reply is longer than the limit of {limit_bytes} bytes")]
    Oversized {
        /// The limit.
        limit_bytes: usize,
    },
    /// The body ended too early.
    #[error("the reply was cut short after {len_bytes} bytes ({content_type})")]
    Truncated {
        /// How much arrived.
        len_bytes: usize,
        /// The content type, as far as it is printable.
        content_type: String,
    },
    /// Not JSON.
    #[error("the reply is not JSON ({len_bytes} bytes of {content_type})")]
    NotJson {
        /// Its length.
        len_bytes: usize,
        /// The content type, as far as it is printable.
        content_type: String,
    },
    /// JSON, but not an object with an `error` list of texts, or no object at all.
    #[error("the reply is JSON but not in Kraken's form ({len_bytes} bytes of {content_type})")]
    NotEnvelope {
        /// Its length.
        len_bytes: usize,
        /// The content type, as far as it is printable.
        content_type: String,
    },
    /// A status other than success: the edge in front of Kraken answered.
    #[error("HTTP status {0} instead of a reply")]
    HttpStatus(u16),
}

impl BodyFault {
    /// The status, if the status is the fault.
    pub const fn http_status(&self) -> Option<u16> {
        match self {
            Self::HttpStatus(status) => Some(*status),
            _ => None,
        }
    }
}

/// Opens a complete body. The status decides first: Kraken's own answers are 200 (202 is documented once), and what
/// stands behind another status was not written by the exchange, even if it is JSON.
pub fn read_reply(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Reply, BodyFault> {
    if !matches!(status, 200 | 202) {
        return Err(BodyFault::HttpStatus(status));
    }
    #[derive(Deserialize)]
    struct Envelope<'a> {
        error: Vec<String>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
    }
    // Members that nobody knows are not looked into, so that the whole is text is made sure of first.
    match std::str::from_utf8(body).map(serde_json::from_str) {
        Ok(Ok(Envelope { error, result })) => {
            Ok(Reply { errors: error, result: result.map(RawValue::to_owned) })
        }
        _ => Err(fault_of(content_type, body)),
    }
}

/// What is wrong with a body that is no envelope.
fn fault_of(content_type: Option<&str>, body: &[u8]) -> BodyFault {
    let (len_bytes, content_type) = (body.len(), printable(content_type));
    match serde_json::from_slice::<&RawValue>(body) {
        Ok(_) => BodyFault::NotEnvelope { len_bytes, content_type },
        Err(error) if error.is_eof() => BodyFault::Truncated { len_bytes, content_type },
        Err(_) => BodyFault::NotJson { len_bytes, content_type },
    }
}

/// A content type fit for a log: short, and without anything that could forge a line.
pub(crate) fn printable(content_type: Option<&str>) -> String {
    let text = content_type.unwrap_or("no content type");
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: Option<&str> = Some("application/json");

    fn read(body: &str) -> Result<Reply, BodyFault> {
        read_reply(200, JSON, body.as_bytes())
    }

    #[test]
    fn envelopes() {
        let reply = read(r#" {"error":[],"result":{"a":1.10}} "#).expect("a success");
        assert!(reply.errors.is_empty());
        assert_eq!(reply.result.expect("there").get(), r#"{"a":1.10}"#);
        for body in [r#"{"error":["EOrder:x"]}"#, r#"{"error":["EOrder:x"],"result":null}"#] {
            let reply = read(body).expect("a refusal");
            assert_eq!(
                (reply.errors.as_slice(), reply.result.is_none()),
                (["EOrder:x".to_owned()].as_slice(), true)
            );
        }
        let warned = read(r#"{"error":["WDatabase:No change"],"result":true,"new":{}}"#).expect("a success");
        assert_eq!((warned.errors.len(), warned.result.expect("there").get()), (1, "true"));
    }

    #[test]
    fn faults_have_names() {
        let kind = |body: &str| read(body).expect_err("a fault");
        for cut in ["", "  ", r#"{"error":[],"res"#, r#"{"error":[]"#] {
            assert!(matches!(kind(cut), BodyFault::Truncated { .. }), "{cut:?}");
        }
        for other in ["<html>secret</html>", "OK", r#"{"error":[]} trailing"#, r#"{"error":[],}"#, "\u{0}"] {
            assert!(matches!(kind(other), BodyFault::NotJson { .. }), "{other:?}");
        }
        for other in [
            "[]",
            "true",
            "{}",
            r#"{"result":{}}"#,
            r#"{"error":"x"}"#,
            r#"{"error":[1]}"#,
            r#"{"error":null}"#,
        ] {
            assert!(matches!(kind(other), BodyFault::NotEnvelope { .. }), "{other:?}");
        }
        let whole = br#"{"error":[],"result":{}}"#;
        for status in [204, 301, 403, 429, 500, 502, 520] {
            assert_eq!(read_reply(status, JSON, whole).expect_err("a fault").http_status(), Some(status));
        }
        assert!(read_reply(202, JSON, whole).is_ok());
        assert!(matches!(read_reply(200, JSON, b"{\"error\":[\"\xff\"]}"), Err(BodyFault::NotJson { .. })));
    }

    #[test]
    fn faults_never_quote_the_body_or_forge_a_line() {
        let fault =
            read_reply(200, Some("text/html\r\nlevel=error"), b"<html>secret</html>").expect_err("a fault");
        assert_eq!(fault.to_string(), "the reply is not JSON (19 bytes of text/htmllevel=error)");
    }
}
