//! Errors: a closed set of kinds, one text for the caller, another for the log.
//!
//! An [`Error`] is a promise: *nothing was executed at Kraken*. What Kraken did, and what is not known, are
//! answers and travel as replies. Therefore an `Error` may be built only where no byte was written, or where
//! Kraken's refusal is a proof; whoever cannot prove that has no `Error` to return.

use std::fmt;

/// Whose fault it is and what may help. The name is the metric label, so dashboards cannot drift from the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed; the caller changes it.
    InvalidRequest,
    /// Nobody we know.
    Unauthenticated,
    /// Known, but not allowed to do this.
    Denied,
    /// No key that tidegate holds may serve the call.
    NoKey,
    /// Kraken refused, and its refusal proves that nothing happened.
    Refused,
    /// The caller's own share of calls is used up.
    Quota,
    /// One of Kraken's counters is full.
    Budget,
    /// Too much is waiting already.
    QueueFull,
    /// The request id was used for other content.
    Conflict,
    /// The lane is somewhere else now.
    Moved,
    /// Could not be sent in the time that was left.
    Late,
    /// The store or Kraken cannot be reached, or this process is going away; nothing was sent.
    Unavailable,
    /// This build does not know the method.
    Unsupported,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// All kinds, for tables and tests.
    pub const ALL: [Self; 14] = [
        Self::InvalidRequest,
        Self::Unauthenticated,
        Self::Denied,
        Self::NoKey,
        Self::Refused,
        Self::Quota,
        Self::Budget,
        Self::QueueFull,
        Self::Conflict,
        Self::Moved,
        Self::Late,
        Self::Unavailable,
        Self::Unsupported,
        Self::Internal,
    ];

    /// Label in metrics and `reason` in ErrorInfo, `UPPER_SNAKE_CASE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Denied => "DENIED",
            Self::NoKey => "NO_KEY",
            Self::Refused => "KRAKEN_REFUSED",
            Self::Quota => "QUOTA",
            Self::Budget => "BUDGET",
            Self::QueueFull => "QUEUE_FULL",
            Self::Conflict => "REQUEST_ID_REUSED",
            Self::Moved => "NOT_HERE",
            Self::Late => "NOT_SENT_IN_TIME",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unsupported => "UNSUPPORTED",
            Self::Internal => "INTERNAL",
        }
    }

    /// One sentence for people: what it means and what to do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request is malformed. Change the named fields.",
            Self::Unauthenticated => "The caller is not known here. Present valid credentials.",
            Self::Denied => "The caller may not do this. Ask an operator for the right.",
            Self::NoKey => "No configured key has the needed permission. An operator adds a key that has.",
            Self::Refused => "Kraken refused the call. kraken_error says why, in Kraken's words.",
            Self::Quota => "The caller's own rate is used up. Wait for retry_delay.",
            Self::Budget => "One of Kraken's counters is full. Wait for retry_delay.",
            Self::QueueFull => "Too many calls are waiting. Wait for retry_delay, or send less.",
            Self::Conflict => "The request_id was used for other content. Make a new one.",
            Self::Moved => "The lane has just moved. Repeat the call.",
            Self::Late => "The call could not be sent in the time left. Repeat it with more time.",
            Self::Unavailable => {
                "Kraken or the store cannot be reached, or the process is stopping. Repeat later."
            }
            Self::Unsupported => "This build does not know the method.",
            Self::Internal => "A defect of tidegate. Its log has the details under the same request.",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One field of a request and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path in the request, for instance `context.request_id`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub description: String,
}

/// Nothing was executed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Whose fault.
    pub kind: ErrorKind,
    /// Text for the caller. It speaks of the caller's request and holds no internals.
    pub text: String,
    /// Text for the log, where it differs. Holds no secrets.
    pub log: Option<String>,
    /// Fields at fault, for [`ErrorKind::InvalidRequest`].
    pub fields: Vec<FieldViolation>,
    /// When trying again makes sense, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Facts for programs, as ErrorInfo metadata: `kraken_error`, `missing_permission`, `endpoint`, ...
    pub facts: Vec<(&'static str, String)>,
}

impl Error {
    /// An error with a text for the caller.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            log: None,
            fields: Vec::new(),
            retry_after_ms: None,
            facts: Vec::new(),
        }
    }

    /// A malformed request, with every field that is at fault.
    pub fn invalid(fields: Vec<FieldViolation>) -> Self {
        let text = fields.iter().map(|f| format!("{}: {}", f.field, f.description)).collect::<Vec<_>>();
        Self { fields, ..Self::new(ErrorKind::InvalidRequest, text.join("; ")) }
    }

    /// A malformed request with one field at fault.
    pub fn invalid_field(field: &str, description: impl Into<String>) -> Self {
        Self::invalid(vec![FieldViolation { field: field.to_owned(), description: description.into() }])
    }

    /// A defect: the caller learns that it is ours, the log learns what.
    pub fn internal(log: impl Into<String>) -> Self {
        Self {
            log: Some(log.into()),
            ..Self::new(ErrorKind::Internal, "internal error; nothing was executed")
        }
    }

    /// Adds a text for the log.
    #[must_use]
    pub fn with_log(mut self, log: impl Into<String>) -> Self {
        self.log = Some(log.into());
        self
    }

    /// Adds when to try again.
    #[must_use]
    pub const fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn with_fact(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push((name, value.into()));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.log.as_deref().unwrap_or(&self.text))
    }
}

impl std::error::Error for Error {}
