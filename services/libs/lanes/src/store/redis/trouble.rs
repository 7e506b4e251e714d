//! What an error of the library means: in our closed kinds, and for the connection on which it came.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::config::RedisAddr;
use super::dial::is_login;
use crate::store::StoreError;

/// What becomes of a connection after an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The server is the right one and has said no.
    Stay,
    /// Look for the right server before the next request.
    Leave,
    /// The same, and ask at once: either nothing was done, or asking twice is as good as once.
    AskAgain {
        /// Where the server says that the keys are.
        hint: Option<RedisAddr>,
    },
}

/// Judges an error. Requests to the store may be repeated, so a connection that was found dead is no reason to fail.
pub(super) fn verdict(error: &RedisError) -> Verdict {
    let here = error.redirect_node().and_then(|(addr, _)| addr.parse().ok());
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved) => Verdict::AskAgain { hint: here },
        ErrorKind::Server(ServerErrorKind::ReadOnly) => Verdict::AskAgain { hint: None },
        ErrorKind::Server(
            ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown | ServerErrorKind::BusyLoading,
        ) => Verdict::Leave,
        // A primary that was demoted while it waited, or that misses its replicas, may not be the primary any more.
        ErrorKind::Extension if matches!(error.code(), Some("UNBLOCKED" | "NOREPLICAS")) => Verdict::Leave,
        _ if is_login(error) => Verdict::Leave,
        ErrorKind::Server(_) | ErrorKind::Extension => Verdict::Stay,
        ErrorKind::Io if error.is_connection_dropped() && !error.is_timeout() => {
            Verdict::AskAgain { hint: None }
        }
        _ => Verdict::Leave,
    }
}

/// Puts the library's error into our closed kinds.
pub(super) fn explain(addr: &str, timeout_ms: u64, error: &RedisError) -> StoreError {
    let addr = addr.to_owned();
    let reason = || one_line(error.detail().unwrap_or_else(|| error.category()));
    match error.code() {
        Some("TOOLARGE") => return StoreError::TooLarge,
        Some("NOREPLID") => return StoreError::NoReplicationId { addr },
        Some(code @ ("MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "READONLY")) => {
            return StoreError::Failed { addr, reason: format!("{code} {}", reason()) };
        }
        _ => {}
    }
    match error.kind() {
        _ if error.is_timeout() => StoreError::TimedOut { addr, timeout_ms },
        ErrorKind::Io if error.is_connection_refusal() => {
            StoreError::Unreachable { addr, reason: "connection refused".to_owned() }
        }
        ErrorKind::Io => StoreError::Unreachable { addr, reason: one_line(&error.to_string()) },
        ErrorKind::Server(ServerErrorKind::NoPerm) => StoreError::Forbidden { addr, reason: reason() },
        _ if is_login(error) => StoreError::Forbidden { addr, reason: reason() },
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => {
            StoreError::Unreadable { addr, reason: reason() }
        }
        _ => StoreError::Failed { addr, reason: reason() },
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> RedisError {
        let value =
            redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("an error as Redis writes it");
        value.extract_error().expect_err("an error")
    }

    #[test]
    fn errors_that_come_of_a_failover_lead_away_and_refusals_do_not() {
        let moved = RedisAddr { host: "10.0.0.7".to_owned(), port: 6381 };
        let again = |hint| Verdict::AskAgain { hint };
        for (line, wanted) in [
            ("MOVED 3999 10.0.0.7:6381", again(Some(moved))),
            ("READONLY You can't write against a read only replica.", again(None)),
            ("UNBLOCKED force unblock from blocking operation, instance state changed", Verdict::Leave),
            ("CLUSTERDOWN The cluster is down", Verdict::Leave),
            ("LOADING Redis is loading the dataset in memory", Verdict::Leave),
            ("NOREPLICAS Not enough good replicas to write.", Verdict::Leave),
            ("NOAUTH Authentication required.", Verdict::Leave),
            ("NOPERM this user has no permissions", Verdict::Stay),
            ("TOOLARGE a number", Verdict::Stay),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Verdict::Stay),
            ("OOM command not allowed when used memory > 'maxmemory'.", Verdict::Stay),
        ] {
            assert_eq!(verdict(&said(line)), wanted, "{line}");
        }
        let io = |kind| RedisError::from(std::io::Error::from(kind));
        assert_eq!(verdict(&io(std::io::ErrorKind::ConnectionReset)), again(None));
        assert_eq!(verdict(&io(std::io::ErrorKind::TimedOut)), Verdict::Leave);
    }
}
