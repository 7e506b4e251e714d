//! Replies of Funding (Beta): bare objects, and errors with a status of their own.
//!
//! Kraken's guide shows results without an envelope. Its errors are not described there; a client's recorded one is a problem
//! document (RFC 9457) with an error status: `{"type":"tag:kraken.com,2025:InvalidKey","status":401,"title":"API: Invalid key",
//! "data":null,"source":"Gateway"}`, and the gateway in front answers paths that it does not know with an `error` list. Both are read
//! into the same [`Reply`] as an envelope, so that whoever judges need not know where it came from.
//!
//! The title is the text that an envelope would carry, without its severity (`EAPI:Invalid key`); the tag is its words run
//! together. So a problem is judged by the same table, and one that is in it by neither is an unknown text: it proves nothing. A
//! status of 500 or more, and whatever is not Kraken's by its form, comes from the way.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::classify::known;
use crate::error_table::ERROR_TABLE;
use crate::reply::{BodyFault, Reply, printable};

/// How Kraken's own problems are named.
const TAG: &str = "tag:kraken.com,";
/// The most of a text of Kraken's that goes into an error, in characters.
const TEXT_MAX: usize = 200;

/// Opens a complete body.
pub(crate) fn read_bare(status: u16, content_type: Option<&str>, body: &[u8]) -> Result<Reply, BodyFault> {
    match status {
        200..=202 => read_result(content_type, body),
        204 => Ok(done()),
        400..500 => read_problem(body).ok_or(BodyFault::HttpStatus(status)),
        _ => Err(BodyFault::HttpStatus(status)),
    }
}

/// A success that says nothing more.
fn done() -> Reply {
    Reply { errors: Vec::new(), result: RawValue::from_string("{}".to_owned()).ok() }
}

fn read_result(content_type: Option<&str>, body: &[u8]) -> Result<Reply, BodyFault> {
    let (len_bytes, content_type) = (body.len(), printable(content_type));
    let raw: Box<RawValue> = match serde_json::from_slice(body) {
        Ok(raw) => raw,
        Err(error) if error.is_eof() => return Err(BodyFault::Truncated { len_bytes, content_type }),
        Err(_) => return Err(BodyFault::NotJson { len_bytes, content_type }),
    };
    if !raw.get().starts_with('{') {
        return Err(BodyFault::NotEnvelope { len_bytes, content_type });
    }
    // An envelope all the same, should Kraken wrap these one day. Its list of errors tells it from an object of this family.
    #[derive(Deserialize)]
    struct Envelope {
        error: Vec<String>,
        result: Option<Box<RawValue>>,
    }
    match serde_json::from_str(raw.get()) {
        Ok(Envelope { error, result }) => Ok(Reply { errors: error, result }),
        Err(_) => Ok(Reply { errors: Vec::new(), result: Some(raw) }),
    }
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    tag: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    error: Vec<String>,
}

/// The errors of a body with an error status; nothing if it is not Kraken's.
fn read_problem(body: &[u8]) -> Option<Reply> {
    let Problem { tag, title, detail, error } = serde_json::from_slice(body).ok()?;
    let tag = tag.filter(|tag| tag.starts_with(TAG));
    let errors = match tag {
        Some(tag) => vec![words(&tag, &title.unwrap_or_default(), &detail.unwrap_or_default())],
        None => error,
    };
    (!errors.is_empty()).then_some(Reply { errors, result: None })
}

/// A problem as the text of an error.
fn words(tag: &str, title: &str, detail: &str) -> String {
    let short = |text: &str| text.chars().take(TEXT_MAX).collect::<String>();
    let (title, detail) = (short(title.trim()), short(detail.trim()));
    let name = tag.rsplit(':').next().unwrap_or_default();
    let (text, more) = match (known(&format!("E{title}")), known_as(name)) {
        (Some(text), _) => (text, detail),
        (None, Some(text)) => (text.to_owned(), [title, detail].join(" ").trim().to_owned()),
        // Whatever it is called, it is no warning.
        (None, None) => (format!("EFunding:{title}"), format!("{detail} ({})", short(tag)).trim().to_owned()),
    };
    if more.is_empty() { text } else { format!("{text}:{more}") }
}

/// The known error whose words, run together, are this name: of several the most dangerous.
fn known_as(name: &str) -> Option<&'static str> {
    let squeezed = |text: &str| {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let wanted = squeezed(name);
    let is_it = |text: &str| {
        text.strip_prefix('E')
            .and_then(|text| text.split_once(':'))
            .is_some_and(|(_, words)| !wanted.is_empty() && squeezed(words) == wanted)
    };
    // Of equals the first: the key's own errors stand in front.
    let rows = ERROR_TABLE.iter().rev().filter(|row| is_it(row.text));
    rows.max_by_key(|row| row.executed).map(|row| row.text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Executed, KeyEffect, classify};

    const PROBLEM: Option<&str> = Some("application/problem+json");
    /// As a client recorded it.
    const RECORDED: &str = r#"{"type":"tag:kraken.com,2025:InvalidKey","status":401,"title":"API: Invalid key","data":null,"source":"Gateway"}"#;

    fn problem(status: u16, tag: &str, title: &str) -> Vec<String> {
        let body = format!(r#"{{"type":"tag:kraken.com,2025:{tag}","title":"{title}","detail":null}}"#);
        read_bare(status, PROBLEM, body.as_bytes()).expect("Kraken's").errors
    }

    #[test]
    fn results_are_bare_and_may_be_wrapped() {
        let result = |body: &str| {
            let reply = read_bare(200, Some("application/json"), body.as_bytes()).expect("a success");
            assert!(reply.errors.is_empty());
            reply.result.map(|raw| raw.get().to_owned())
        };
        assert_eq!(result(r#"{"methods":[]}"#).as_deref(), Some(r#"{"methods":[]}"#));
        // A member of that name makes no envelope.
        assert_eq!(result(r#"{"result":true}"#).as_deref(), Some(r#"{"result":true}"#));
        assert_eq!(
            result(r#"{"error":[],"result":{"verified":true}}"#).as_deref(),
            Some(r#"{"verified":true}"#)
        );
        let wrapped = read_bare(200, None, br#"{"error":["EFunding:Invalid amount"]}"#).expect("a refusal");
        assert_eq!(
            (wrapped.errors.as_slice(), wrapped.result.is_none()),
            (["EFunding:Invalid amount".to_owned()].as_slice(), true)
        );
        assert_eq!(read_bare(204, None, b"").expect("a success").result.expect("there").get(), "{}");
    }

    #[test]
    fn bodies_that_are_none_have_names() {
        let fault = |body: &str| read_bare(200, Some("text/html"), body.as_bytes()).expect_err("a fault");
        assert!(matches!(fault(""), BodyFault::Truncated { .. }));
        assert!(matches!(fault(r#"{"methods":["#), BodyFault::Truncated { .. }));
        assert!(matches!(fault("<html>"), BodyFault::NotJson { .. }));
        for other in ["[]", "true", "null", "\"x\""] {
            assert!(matches!(fault(other), BodyFault::NotEnvelope { .. }), "{other}");
        }
    }

    #[test]
    fn problems_are_judged_as_the_errors_that_they_stand_for() {
        let recorded = read_bare(401, PROBLEM, RECORDED.as_bytes()).expect("Kraken's").errors;
        assert_eq!(recorded, ["EAPI:Invalid key"]);
        let judged = |errors: &[String]| classify(errors).refusal.expect("a refusal");
        assert_eq!((judged(&recorded).effect, judged(&recorded).executed), (KeyEffect::BadKey, Executed::No));
        for (status, tag, title, effect, executed) in [
            (401, "InvalidNonce", "API: Invalid nonce", KeyEffect::BadNonce, Executed::Maybe),
            (401, "InvalidNonce", "something new", KeyEffect::BadNonce, Executed::Maybe),
            (401, "InvalidSignature", "", KeyEffect::BadSignature, Executed::No),
            (
                403,
                "PermissionDenied",
                "General: Permission denied",
                KeyEffect::PermissionDenied,
                Executed::No,
            ),
            (429, "RateLimitExceeded", "", KeyEffect::RateLimited, Executed::No),
            (400, "InvalidAmount", "Funding: Invalid amount", KeyEffect::None, Executed::No),
            (400, "InternalError", "General: Internal error", KeyEffect::None, Executed::Maybe),
            (400, "InternalError", "", KeyEffect::None, Executed::Maybe),
        ] {
            let refusal = judged(&problem(status, tag, title));
            assert_eq!(
                (refusal.effect, refusal.executed),
                (effect, executed),
                "{tag} {title}: {}",
                refusal.text
            );
        }
    }

    #[test]
    fn an_unknown_problem_proves_nothing_and_keeps_its_words() {
        for title in ["Withdrawals are resting", "Weather: Rain", ""] {
            let errors = problem(422, "ResourceIsResting", title);
            let judged = classify(&errors);
            let refusal = judged.refusal.expect("no warning, whatever it begins with");
            assert_eq!((refusal.executed, judged.warnings.len()), (Executed::Maybe, 0));
            assert!(
                refusal.text.contains(title) && refusal.text.contains("ResourceIsResting"),
                "{}",
                refusal.text
            );
        }
        let told = problem(400, "InvalidAmount", "Funding: Invalid amount");
        assert_eq!(told, ["EFunding:Invalid amount"]);
        let detailed = r#"{"type":"tag:kraken.com,2025:InvalidArguments","title":"General: Invalid arguments","detail":"scope"}"#;
        let errors = read_bare(400, PROBLEM, detailed.as_bytes()).expect("Kraken's").errors;
        assert_eq!(errors, ["EGeneral:Invalid arguments:scope"]);
    }

    #[test]
    fn what_is_not_krakens_is_the_way() {
        let fault =
            |status: u16, body: &str| read_bare(status, PROBLEM, body.as_bytes()).map(|reply| reply.errors);
        for (status, body) in [
            (403, "<html>blocked</html>"),
            (429, r#"{"title":"Rate limited"}"#),
            (400, r#"{"type":"https://developers.cloudflare.com/1xxx","title":"Error 1015"}"#),
            (400, "{}"),
            (404, r#"{"error":[]}"#),
            (500, RECORDED),
            (503, r#"{"error":["EService:Unavailable"]}"#),
            (301, "{}"),
        ] {
            assert_eq!(fault(status, body), Err(BodyFault::HttpStatus(status)), "{body}");
        }
        let unknown_path = fault(404, r#"{"error":["EGeneral:Unknown method"]}"#);
        assert_eq!(unknown_path.expect("Kraken's"), ["EGeneral:Unknown method"]);
    }
}
