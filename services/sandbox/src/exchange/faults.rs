//! One-shot faults: what goes wrong with the next matching requests, and at which step.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Faults that may wait at the same time.
const WAITING_MAX: usize = 1_000;
/// The longest hang: ten minutes.
const HANG_MAX_MS: u64 = 600_000;
/// The largest padded body: 64 MiB.
const BODY_MAX: usize = 64 << 20;

/// What goes wrong. "Executed" means that the request was first judged and carried out like any other; a request that
/// is refused on its own merits is answered with that refusal, unspoilt.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing happens for so long before authentication.
    HangMs(u64),
    /// Nothing happens for so long between authentication and the engine.
    HangAfterAuthMs(u64),
    /// Executed; the answer comes so much later.
    HangAfterExecuteMs(u64),
    /// Authenticated, never executed: nothing happens for so long, then the connection is reset.
    HangWithoutExecuteMs(u64),
    /// HTTP 502 with a page of HTML at once; executed so much later, if nothing forbids it then.
    ExecuteLateMs(u64),
    /// Executed; what was placed or amended is not shown for so long.
    HideMs(u64),
    /// Authenticated, not executed; the envelope says that requests are throttled until so long after now.
    ThrottleMs(u64),
    /// Delivered twice, one after the other; the answer to the second is shown.
    Duplicate(True),
    /// Authenticated (the nonce is used up), not executed; the envelope carries this error.
    Error(Box<str>),
    /// Executed; the envelope carries this error.
    ExecuteThenError(Box<str>),
    /// Refused by the edge before anything was looked at: this HTTP status with a page of HTML.
    HttpStatus(u16),
    /// Executed; the edge answers with this HTTP status and a page of HTML.
    ExecuteThenHttpStatus(u16),
    /// Executed; the connection ends after so many bytes of the body.
    TruncateAfterBytes(usize),
    /// Executed; the head of the answer comes at once, and its body in pieces over so long.
    TrickleMs(u64),
    /// Executed; HTTP 200 with a page of HTML.
    NotJson(True),
    /// Executed; the body is padded to so many bytes.
    OversizeBytes(usize),
    /// Executed; the connection is reset without an answer.
    Reset(True),
}

/// The value of a fault that has none: `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "bool", into = "bool")]
pub struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        if value { Ok(Self) } else { Err("only true makes sense here") }
    }
}

impl From<True> for bool {
    fn from(_: True) -> Self {
        true
    }
}

impl Fault {
    /// Its name in the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::HangMs(_) => "hang_ms",
            Self::HangAfterAuthMs(_) => "hang_after_auth_ms",
            Self::HangAfterExecuteMs(_) => "hang_after_execute_ms",
            Self::HangWithoutExecuteMs(_) => "hang_without_execute_ms",
            Self::ExecuteLateMs(_) => "execute_late_ms",
            Self::HideMs(_) => "hide_ms",
            Self::ThrottleMs(_) => "throttle_ms",
            Self::Duplicate(_) => "duplicate",
            Self::Error(_) => "error",
            Self::ExecuteThenError(_) => "execute_then_error",
            Self::HttpStatus(_) => "http_status",
            Self::ExecuteThenHttpStatus(_) => "execute_then_http_status",
            Self::TruncateAfterBytes(_) => "truncate_after_bytes",
            Self::TrickleMs(_) => "trickle_ms",
            Self::NotJson(_) => "not_json",
            Self::OversizeBytes(_) => "oversize_bytes",
            Self::Reset(_) => "reset",
        }
    }

    fn check(&self) -> Result<(), String> {
        let fits = match self {
            Self::HangMs(ms)
            | Self::HangAfterAuthMs(ms)
            | Self::HangAfterExecuteMs(ms)
            | Self::HangWithoutExecuteMs(ms)
            | Self::ExecuteLateMs(ms)
            | Self::HideMs(ms)
            | Self::TrickleMs(ms)
            | Self::ThrottleMs(ms) => *ms <= HANG_MAX_MS,
            Self::HttpStatus(status) | Self::ExecuteThenHttpStatus(status) => (400..600).contains(status),
            Self::OversizeBytes(bytes) => *bytes <= BODY_MAX,
            Self::Error(text) | Self::ExecuteThenError(text) => !text.is_empty() && text.len() <= 200,
            Self::TruncateAfterBytes(_) | Self::NotJson(_) | Self::Reset(_) | Self::Duplicate(_) => true,
        };
        if fits { Ok(()) } else { Err(format!("fault {}: its value is out of range", self.name())) }
    }
}

/// A fault and the requests that it waits for. As JSON the fault is a member of its own,
/// `{"endpoint": "AddOrder", "count": 2, "hang_ms": 2000}`, or stands under `fault`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "RawSpec")]
pub struct FaultSpec {
    /// Only requests for this endpoint, by Kraken's name; unset: any private endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Only requests with this `API-Key`; unset: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How many requests it still strikes.
    pub count: u64,
    /// What goes wrong with them.
    pub fault: Fault,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpec {
    endpoint: Option<String>,
    key: Option<String>,
    count: Option<u64>,
    fault: Option<Fault>,
    hang_ms: Option<u64>,
    hang_after_auth_ms: Option<u64>,
    hang_after_execute_ms: Option<u64>,
    hang_without_execute_ms: Option<u64>,
    execute_late_ms: Option<u64>,
    hide_ms: Option<u64>,
    throttle_ms: Option<u64>,
    duplicate: Option<True>,
    error: Option<Box<str>>,
    execute_then_error: Option<Box<str>>,
    http_status: Option<u16>,
    execute_then_http_status: Option<u16>,
    truncate_after_bytes: Option<usize>,
    trickle_ms: Option<u64>,
    not_json: Option<True>,
    oversize_bytes: Option<usize>,
    reset: Option<True>,
}

impl TryFrom<RawSpec> for FaultSpec {
    type Error = String;

    fn try_from(raw: RawSpec) -> Result<Self, Self::Error> {
        let mut faults = [
            raw.fault,
            raw.hang_ms.map(Fault::HangMs),
            raw.hang_after_auth_ms.map(Fault::HangAfterAuthMs),
            raw.hang_after_execute_ms.map(Fault::HangAfterExecuteMs),
            raw.hang_without_execute_ms.map(Fault::HangWithoutExecuteMs),
            raw.execute_late_ms.map(Fault::ExecuteLateMs),
            raw.hide_ms.map(Fault::HideMs),
            raw.throttle_ms.map(Fault::ThrottleMs),
            raw.duplicate.map(Fault::Duplicate),
            raw.error.map(Fault::Error),
            raw.execute_then_error.map(Fault::ExecuteThenError),
            raw.http_status.map(Fault::HttpStatus),
            raw.execute_then_http_status.map(Fault::ExecuteThenHttpStatus),
            raw.truncate_after_bytes.map(Fault::TruncateAfterBytes),
            raw.trickle_ms.map(Fault::TrickleMs),
            raw.not_json.map(Fault::NotJson),
            raw.oversize_bytes.map(Fault::OversizeBytes),
            raw.reset.map(Fault::Reset),
        ]
        .into_iter()
        .flatten();
        let (Some(fault), None) = (faults.next(), faults.next()) else {
            return Err("a fault needs exactly one of hang_ms, hang_after_auth_ms, hang_after_execute_ms, \
                 hang_without_execute_ms, execute_late_ms, hide_ms, throttle_ms, duplicate, error, \
                 execute_then_error, http_status, execute_then_http_status, truncate_after_bytes, \
                 trickle_ms, not_json, oversize_bytes, reset"
                .to_owned());
        };
        fault.check()?;
        let count = raw.count.unwrap_or(1);
        if count == 0 {
            return Err("a fault that strikes 0 requests is none".to_owned());
        }
        if let Some(name) = raw.endpoint.as_deref()
            && !super::endpoints::table().any(|row| row.name == name)
        {
            return Err(format!("no endpoint is called {name:?}"));
        }
        Ok(Self { endpoint: raw.endpoint, key: raw.key, count, fault })
    }
}

/// Faults that wait for their requests, first come, first served.
#[derive(Debug, Default)]
pub(crate) struct FaultQueue {
    waiting: VecDeque<FaultSpec>,
}

impl FaultQueue {
    /// Whether so many more fit in, after a clearing or not.
    pub(crate) fn check_room(&self, more: usize, cleared: bool) -> Result<(), String> {
        let waiting = if cleared { 0 } else { self.waiting.len() };
        if waiting + more <= WAITING_MAX { Ok(()) } else { Err(format!("more than {WAITING_MAX} faults")) }
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
    }

    pub(crate) fn add(&mut self, faults: Vec<FaultSpec>) {
        self.waiting.extend(faults);
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &FaultSpec> {
        self.waiting.iter()
    }

    /// The fault for a request, if one waits for it.
    pub(crate) fn strike(&mut self, endpoint: &str, public: bool, api_key: Option<&str>) -> Option<Fault> {
        let strikes = |spec: &FaultSpec| {
            let endpoint_fits = spec.endpoint.as_deref().map_or(!public, |wanted| wanted == endpoint);
            endpoint_fits && spec.key.as_deref().is_none_or(|wanted| Some(wanted) == api_key)
        };
        let at = self.waiting.iter().position(strikes)?;
        let spec = &mut self.waiting[at];
        spec.count -= 1;
        let fault = spec.fault.clone();
        if spec.count == 0 {
            self.waiting.remove(at);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Result<FaultSpec, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn faults_strike_what_they_wait_for_and_as_often() {
        let mut queue = FaultQueue::default();
        queue.add(vec![
            spec(r#"{"endpoint":"AddOrder","key":"a","count":2,"hang_ms":5}"#).unwrap(),
            spec(r#"{"reset":true}"#).unwrap(),
        ]);
        assert_eq!(queue.strike("AddOrder", false, Some("b")), Some(Fault::Reset(True)));
        assert_eq!(queue.strike("AddOrder", false, Some("b")), None);
        assert_eq!(queue.strike("AddOrder", false, Some("a")), Some(Fault::HangMs(5)));
        assert_eq!(queue.strike("Balance", false, Some("a")), None);
        assert_eq!(queue.strike("AddOrder", false, Some("a")), Some(Fault::HangMs(5)));
        assert_eq!(queue.strike("AddOrder", false, Some("a")), None);
    }

    #[test]
    fn public_calls_are_only_struck_by_name() {
        let mut queue = FaultQueue::default();
        queue.add(vec![spec(r#"{"error":"EService:Busy"}"#).unwrap()]);
        assert_eq!(queue.strike("Time", true, None), None);
        queue.add(vec![spec(r#"{"endpoint":"Time","http_status":502}"#).unwrap()]);
        assert_eq!(queue.strike("Time", true, None), Some(Fault::HttpStatus(502)));
    }

    #[test]
    fn both_spellings_and_no_nonsense() {
        assert_eq!(spec(r#"{"fault":{"hang_ms":5}}"#), spec(r#"{"hang_ms":5,"count":1}"#));
        let written = serde_json::to_string(&spec(r#"{"reset":true,"key":"k"}"#).unwrap()).unwrap();
        assert_eq!(written, r#"{"key":"k","count":1,"fault":{"reset":true}}"#);
        for wrong in [
            "{}",
            r#"{"hang_ms":1,"reset":true}"#,
            r#"{"hang_ms":1,"count":0}"#,
            r#"{"hang_ms":600001}"#,
            r#"{"reset":false}"#,
            r#"{"duplicate":false}"#,
            r#"{"hide_ms":600001}"#,
            r#"{"http_status":200}"#,
            r#"{"endpoint":"Nothing","hang_ms":1}"#,
            r#"{"weather":"rain","hang_ms":1}"#,
        ] {
            assert!(spec(wrong).is_err(), "{wrong}");
        }
    }
}
