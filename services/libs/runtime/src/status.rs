//! From an [`Error`] to a gRPC Status, and back: the only table.
//!
//! A Status made here is *signed*: its ErrorInfo has our domain and `executed = "no"`. That mark is a promise to
//! the caller, so it is set in exactly one place, and only an [`Error`], which by its own contract exists only
//! where nothing was executed, gets it. A Status without the mark was made by somebody's transport and means
//! *unknown*.

use std::collections::HashMap;
use std::time::Duration;

use tidegate_core::{Error, ErrorKind};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// Domain of every ErrorInfo that tidegate makes.
pub const DOMAIN: &str = "tidegate.v1";

const EXECUTED: &str = "executed";
const EXECUTED_NO: &str = "no";

/// Details travel in response headers, and clients drop a response whose headers are too long (grpc-core: from
/// 8 KiB on). The mark would be lost with them, so everything that comes from outside is cut here.
const TEXT_BYTES_MAX: usize = 512;
const VIOLATIONS_MAX: usize = 8;
const FACTS_MAX: usize = 8;
const NAME_BYTES_MAX: usize = 64;
/// The longest value of a fact; what is longer is cut.
pub const VALUE_BYTES_MAX: usize = 160;
const _: () = assert!(
    // The text is written percent-encoded, and again within the details, which travel as base64.
    TEXT_BYTES_MAX * 3
        + (TEXT_BYTES_MAX + (VIOLATIONS_MAX + FACTS_MAX) * (NAME_BYTES_MAX + VALUE_BYTES_MAX)) * 4 / 3
        < 7_500
);

/// The gRPC code of a kind.
pub const fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::InvalidRequest => Code::InvalidArgument,
        ErrorKind::Unauthenticated => Code::Unauthenticated,
        ErrorKind::Denied => Code::PermissionDenied,
        ErrorKind::NoKey | ErrorKind::Refused => Code::FailedPrecondition,
        ErrorKind::Quota | ErrorKind::Budget | ErrorKind::QueueFull => Code::ResourceExhausted,
        ErrorKind::Conflict => Code::AlreadyExists,
        ErrorKind::Moved => Code::Aborted,
        ErrorKind::Late => Code::DeadlineExceeded,
        ErrorKind::Unavailable => Code::Unavailable,
        ErrorKind::Unsupported => Code::Unimplemented,
        ErrorKind::Internal => Code::Internal,
    }
}

/// The Status that tells a caller: nothing was executed, and why.
///
/// Details: ErrorInfo (reason = the kind, metadata = the error's facts and the mark), BadRequest with the fields
/// at fault, RetryInfo where the error knows when. The error's log text goes to the log and never to the caller.
pub fn to_status(error: &Error) -> Status {
    if error.kind == ErrorKind::Internal {
        tracing::error!(
            kind = error.kind.as_str(),
            "a defect refused a call, nothing was executed: {}",
            error.log.as_deref().unwrap_or(&error.text)
        );
    }
    let mut metadata: HashMap<String, String> = error
        .facts
        .iter()
        .take(FACTS_MAX)
        .map(|(name, value)| (cut(name, NAME_BYTES_MAX), cut(value, VALUE_BYTES_MAX)))
        .collect();
    // Last, so that no fact can replace it.
    metadata.insert(EXECUTED.to_owned(), EXECUTED_NO.to_owned());
    let mut details = ErrorDetails::with_error_info(error.kind.as_str(), DOMAIN, metadata);
    for violation in error.fields.iter().take(VIOLATIONS_MAX) {
        details.add_bad_request_violation(
            cut(&violation.field, NAME_BYTES_MAX),
            cut(&violation.description, VALUE_BYTES_MAX),
        );
    }
    if let Some(ms) = error.retry_after_ms {
        details.set_retry_info(Some(Duration::from_millis(ms)));
    }
    Status::with_error_details(code_of(error.kind), cut(&error.text, TEXT_BYTES_MAX), details)
}

/// Whether a Status carries our promise that nothing was executed.
pub fn is_signed(status: &Status) -> bool {
    status.get_details_error_info().is_some_and(|info| {
        info.domain == DOMAIN && info.metadata.get(EXECUTED).is_some_and(|executed| executed == EXECUTED_NO)
    })
}

/// The reason in the ErrorInfo of a Status of ours; nothing for anybody else's.
pub fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().filter(|info| info.domain == DOMAIN).map(|info| info.reason)
}

/// The kind of a signed Status. Nothing for an unsigned one, and for a kind that this build does not know.
pub fn kind_of(status: &Status) -> Option<ErrorKind> {
    let reason = reason_of(status).filter(|_| is_signed(status))?;
    ErrorKind::ALL.into_iter().find(|kind| kind.as_str() == reason)
}

/// A text of at most `bytes_max` bytes; what was cut is marked by dots.
fn cut(text: &str, bytes_max: usize) -> String {
    const DOTS: &str = "...";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max - DOTS.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{DOTS}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::FieldViolation;

    #[test]
    fn every_kind_makes_the_round_trip_signed() {
        for kind in ErrorKind::ALL {
            let error = Error::new(kind, "what the caller reads")
                .with_log("what the log reads")
                .with_fact("endpoint", "AddOrder")
                .retry_after_ms(1_250);
            let status = to_status(&error);
            // Over the wire and back, as another process sees it.
            let status = Status::from_header_map(&headers(&status)).expect("a status");
            assert!(is_signed(&status), "{kind}");
            assert_eq!(reason_of(&status).as_deref(), Some(kind.as_str()));
            assert_eq!(kind_of(&status), Some(kind));
            assert_eq!(status.code(), code_of(kind));
            assert_eq!(status.message(), "what the caller reads");
            let info = status.get_details_error_info().expect("ErrorInfo");
            assert_eq!(info.metadata.get("endpoint").map(String::as_str), Some("AddOrder"));
            let retry = status.get_details_retry_info().expect("RetryInfo");
            assert_eq!(retry.retry_delay, Some(Duration::from_millis(1_250)));
        }
    }

    #[test]
    fn the_codes_are_the_published_ones() {
        use Code::*;
        let codes = ErrorKind::ALL.map(code_of);
        let published = [
            InvalidArgument,
            Unauthenticated,
            PermissionDenied,
            FailedPrecondition,
            FailedPrecondition,
            ResourceExhausted,
            ResourceExhausted,
            ResourceExhausted,
            AlreadyExists,
            Aborted,
            DeadlineExceeded,
            Unavailable,
            Unimplemented,
            Internal,
        ];
        assert_eq!(codes, published);
    }

    #[test]
    fn strangers_and_pretenders_are_not_signed() {
        assert!(!is_signed(&Status::unavailable("a proxy says so")));
        assert_eq!(reason_of(&Status::unavailable("a proxy says so")), None);
        for (domain, executed) in [("other.v1", "no"), (DOMAIN, "yes"), (DOMAIN, "")] {
            let metadata = HashMap::from([(EXECUTED.to_owned(), executed.to_owned())]);
            let details = ErrorDetails::with_error_info("QUOTA", domain, metadata);
            let status = Status::with_error_details(Code::Internal, "", details);
            assert!(!is_signed(&status), "{domain} {executed}");
            assert_eq!(kind_of(&status), None);
        }
        let bare = ErrorDetails::with_error_info("QUOTA", DOMAIN, HashMap::new());
        assert!(!is_signed(&Status::with_error_details(Code::Internal, "", bare)));
    }

    #[test]
    fn no_fact_can_take_the_mark_away_and_no_log_text_gets_out() {
        let error = Error::internal("the pool at index 7 is gone").with_fact("executed", "maybe");
        let status = to_status(&error);
        assert!(is_signed(&status));
        assert!(!status.message().contains("index 7"));
        assert!(!String::from_utf8_lossy(status.details()).contains("index 7"));
    }

    #[test]
    fn the_mark_survives_a_client_that_accepts_eight_kib_of_headers() {
        let long = "ä".repeat(5_000);
        let field = |_| FieldViolation { field: long.clone(), description: long.clone() };
        let mut error = Error::invalid((0..100).map(field).collect());
        for _ in 0..100 {
            error = error.with_fact("kraken_error", long.clone());
        }
        let headers = headers(&to_status(&error));
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        assert!(bytes < 8_000, "{bytes} bytes of headers");
        assert!(is_signed(&Status::from_header_map(&headers).expect("a status")));
    }

    #[test]
    fn bad_fields_are_named() {
        let status = to_status(&Error::invalid_field("context.request_id", "must be a UUID of version 7"));
        let violations = status.get_details_bad_request().expect("BadRequest").field_violations;
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].field, "context.request_id");
    }

    fn headers(status: &Status) -> http::HeaderMap {
        let response: http::Response<()> = status.clone().into_http();
        response.headers().clone()
    }
}
