//! What the `error` list of a reply means.
//!
//! The question that matters is not what went wrong but whether anything was *done*. [`Executed::No`] is a proof,
//! and only [`ERROR_TABLE`] can give it: a text that is not in the table, however harmless it sounds, is
//! [`Executed::Maybe`]. For a read the column has no meaning, and the kind alone counts.

use tidegate_core::ErrorKind;

use crate::error_table::{ERROR_TABLE, ErrorRow};

/// Whether a refused call did anything at Kraken. Later members are more dangerous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Executed {
    /// Proved: nothing was done.
    No,
    /// A part was done and the rest was not.
    Partly,
    /// Not known; somebody has to look.
    Maybe,
}

/// What an error says about the key that signed, for its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyEffect {
    /// Nothing.
    None,
    /// The key's REST counter is full.
    RateLimited,
    /// Too many requests at once, from this address or key. Other counters are not touched.
    Throttled {
        /// When Kraken wants to hear from us again, in Unix seconds, if it said so.
        until_unix_s: Option<u64>,
    },
    /// The nonce was not above the highest one seen.
    BadNonce,
    /// Kraken does not know the key, or it expired or was disabled.
    BadKey,
    /// Secret and signature do not agree.
    BadSignature,
    /// The key lacks the permission, or its second factor is missing.
    PermissionDenied,
    /// Too many failures: silence is demanded.
    Lockout,
}

/// A reply that is not a success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kraken's words, all errors joined by `; `. Bounded.
    pub text: String,
    /// The known text that decided, or nothing if it was an unknown one.
    pub row: Option<&'static str>,
    /// What Kraken wrote after the known text, if anything.
    pub detail: Option<String>,
    /// What a caller is told if nothing was executed.
    pub kind: ErrorKind,
    /// Whether anything was executed.
    pub executed: Executed,
    /// What the key's lane learns.
    pub effect: KeyEffect,
    /// When another attempt makes sense, in milliseconds. With [`KeyEffect::Throttled`] the time in it counts more.
    pub retry_after_ms: Option<u64>,
}

/// An `error` list, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classified {
    /// Warnings (`W...`). Beside a result they are part of a success.
    pub warnings: Vec<String>,
    /// The refusal, if there is any error.
    pub refusal: Option<Refusal>,
}

/// The most of Kraken's words that is kept, in characters.
const TEXT_MAX: usize = 500;

/// Reads an `error` list. Of several errors the most dangerous decides; the key's lane learns the first effect that
/// is not [`KeyEffect::None`], from whichever error it comes, and the longest wait counts.
pub fn classify(errors: &[String]) -> Classified {
    let (warnings, errors): (Vec<_>, Vec<_>) =
        errors.iter().partition(|text| text.trim_start().starts_with('W'));
    let judged: Vec<Refusal> = errors.iter().map(|text| judge(text)).collect();
    // `max_by_key` would take the last of equals; Kraken names the main cause first.
    let decisive = judged.iter().rev().max_by_key(|refusal| refusal.executed).cloned();
    let refusal = decisive.map(|decisive| Refusal {
        text: errors
            .iter()
            .map(|s| s.as_str())
            .collect::<Vec<_>>()
            .join("; ")
            .chars()
            .take(TEXT_MAX)
            .collect(),
        effect: judged.iter().map(|r| r.effect).find(|e| *e != KeyEffect::None).unwrap_or(KeyEffect::None),
        retry_after_ms: judged.iter().filter_map(|r| r.retry_after_ms).max(),
        ..decisive
    });
    Classified { warnings: warnings.into_iter().cloned().collect(), refusal }
}

/// An error as the table has it, if it has it.
pub(crate) fn known(text: &str) -> Option<String> {
    Some(plain(text)).filter(|plain| find(plain).is_some())
}

/// `EService: Throttled : 1781000400` was seen beside `EService:Throttled:1781000400`.
fn plain(text: &str) -> String {
    text.split(':').map(str::trim).collect::<Vec<_>>().join(":")
}

fn judge(text: &str) -> Refusal {
    let plain = plain(text);
    let Some((row, detail)) = find(&plain) else {
        return Refusal {
            text: text.to_owned(),
            row: None,
            detail: None,
            kind: ErrorKind::Refused,
            executed: Executed::Maybe,
            effect: KeyEffect::None,
            retry_after_ms: None,
        };
    };
    let effect = match row.effect {
        KeyEffect::Throttled { .. } => {
            KeyEffect::Throttled { until_unix_s: detail.and_then(|stamp| stamp.parse().ok()) }
        }
        other => other,
    };
    Refusal {
        text: text.to_owned(),
        row: Some(row.text),
        detail: detail.map(str::to_owned),
        kind: row.kind,
        executed: row.executed,
        effect,
        retry_after_ms: row.retry_after_ms,
    }
}

/// The longest row that the text is, or begins with up to a colon, and what comes behind that colon.
fn find(plain: &str) -> Option<(&'static ErrorRow, Option<&str>)> {
    let rest = |row: &ErrorRow| match plain.strip_prefix(row.text)? {
        "" => Some(None),
        rest => rest.strip_prefix(':').map(|detail| Some(detail).filter(|d| !d.is_empty())),
    };
    ERROR_TABLE
        .iter()
        .filter_map(|row| rest(row).map(|detail| (row, detail)))
        .max_by_key(|(row, _)| row.text.len())
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
