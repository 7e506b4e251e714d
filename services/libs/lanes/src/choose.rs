//! Which key serves a call. One function for the gateway and the executor.

use std::cmp::Reverse;
use std::fmt;

use tidegate_core::{AccountName, Endpoint, Error, ErrorKind, Fit, KeyLabel, Needs, PermissionSet, UnixUs};

use crate::dates::{Cover, Dates};

/// What a key is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The call.
    pub endpoint: &'a Endpoint,
    /// Whose key it must be.
    pub account: &'a AccountName,
    /// What its configuration must call it.
    pub key_tag: Option<&'a str>,
    /// The stretch of time that a call about the past asks for; looked at for such calls alone.
    pub dates: Dates,
    /// The time.
    pub now: UnixUs,
}

/// A lane as a chooser sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The key's label.
    pub label: KeyLabel,
    /// The account that it belongs to.
    pub account: AccountName,
    /// What it may do.
    pub permissions: PermissionSet,
    /// What it may ask about; without ends where that is not known.
    pub dates: Dates,
    /// Whether Kraken has denied it this very call not long ago.
    pub denied: bool,
    /// Whether its owner would take a call now.
    pub ready: bool,
    /// Why not, in words for an operator, where that is known.
    pub why_not: String,
    /// How long a call would wait there, in milliseconds.
    pub predicted_wait_ms: u64,
    /// Whether it is to serve only where no other lane does: its key is kept for emergencies or in quarantine, or its address
    /// has trouble. Of an emergency key the caller makes a candidate for cancels alone.
    pub last_resort: bool,
    /// Whether the call would have to wait there for another that may hang, where it must not (a cancel).
    pub busy: bool,
    /// What the configuration calls it, for callers who ask for a kind of key.
    pub tags: Vec<String>,
    /// Whether it is owned by the chooser's own process.
    pub local: bool,
}

impl Candidate {
    /// A lane that is ready and of which nothing else is known.
    pub const fn new(label: KeyLabel, account: AccountName, permissions: PermissionSet) -> Self {
        Self {
            label,
            account,
            permissions,
            dates: Dates { from: None, to: None },
            denied: false,
            ready: true,
            why_not: String::new(),
            predicted_wait_ms: 0,
            last_resort: false,
            busy: false,
            tags: Vec::new(),
            local: false,
        }
    }
}

/// Why no key serves a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChooseError {
    /// No key of the account is known at all.
    NoAccount {
        /// The account.
        account: AccountName,
    },
    /// No key of the account has the tag.
    NoTag {
        /// The account.
        account: AccountName,
        /// The tag.
        tag: String,
    },
    /// No key of the account may do it.
    NoKey {
        /// The account.
        account: AccountName,
        /// What the key that is closest to being fit lacks: the smallest sets, any of which would do.
        missing: Vec<PermissionSet>,
    },
    /// Keys may, but none may ask about that time.
    OtherDates {
        /// The account.
        account: AccountName,
        /// What the call asks for.
        asked: Dates,
        /// The keys that may do it, and about what.
        keys: Vec<(KeyLabel, Dates)>,
    },
    /// Keys may, but none is in use at present.
    NotReady {
        /// The keys that may, and why they are not in use where that is known.
        keys: Vec<(KeyLabel, String)>,
    },
}

/// Ranks the lanes that may serve a call, best first; never empty.
///
/// Account and tag first, then permissions by the most likely reading of Kraken's sources, then the dates that the key may ask
/// about. Of those that are ready: no last resort, not denied this call before, not busy, fit by every reading, the
/// whole of the time asked about (Kraken shows a part and does not say so), least privileged (fewest permissions that the call does
/// not name, then fewest at all: a key that may do more is not exposed to calls that need less), least predicted wait, local, label. A last resort stands behind a key that was denied,
/// because a denial may have been a moment's trouble and a last resort serves once in some seconds only.
pub fn choose<'a>(
    asked: &Asked<'_>,
    candidates: impl IntoIterator<Item = &'a Candidate>,
) -> Result<Vec<&'a Candidate>, ChooseError> {
    let Asked { endpoint, account, key_tag, .. } = *asked;
    let mut found: Vec<&Candidate> = candidates.into_iter().filter(|c| c.account == *account).collect();
    if found.is_empty() {
        return Err(ChooseError::NoAccount { account: account.clone() });
    }
    if let Some(tag) = key_tag {
        found.retain(|c| c.tags.iter().any(|t| t == tag));
        if found.is_empty() {
            return Err(ChooseError::NoTag { account: account.clone(), tag: tag.to_owned() });
        }
    }
    let fit = |c: &Candidate| endpoint.fit(c.permissions);
    if !found.iter().any(|c| fit(c).is_some()) {
        let missing = closest_missing(endpoint.needs, &found);
        return Err(ChooseError::NoKey { account: account.clone(), missing });
    }
    found.retain(|c| fit(c).is_some());
    if !found.iter().any(|c| asked.cover(c) != Cover::Outside) {
        let keys = named(&found, |c| c.dates);
        return Err(ChooseError::OtherDates { account: account.clone(), asked: asked.dates, keys });
    }
    found.retain(|c| asked.cover(c) != Cover::Outside);
    if !found.iter().any(|c| c.ready) {
        return Err(ChooseError::NotReady { keys: named(&found, |c| c.why_not.clone()) });
    }
    found.retain(|c| c.ready);
    found.sort_by_key(|c| {
        let doubts = (c.last_resort, c.denied, c.busy, fit(c).unwrap_or(Fit::Likely), asked.cover(c));
        let needless = endpoint.named().missing(c.permissions).len();
        let rights = (needless, c.permissions.len());
        (doubts, rights, c.predicted_wait_ms, Reverse(c.local), c.label.clone())
    });
    Ok(found)
}

impl Asked<'_> {
    fn cover(&self, candidate: &Candidate) -> Cover {
        if self.endpoint.is_history() { candidate.dates.cover(self.dates, self.now) } else { Cover::Whole }
    }
}

/// Each label once, in order, with something about it.
fn named<T>(candidates: &[&Candidate], of: impl Fn(&Candidate) -> T) -> Vec<(KeyLabel, T)> {
    let mut keys: Vec<(KeyLabel, T)> = candidates.iter().map(|c| (c.label.clone(), of(c))).collect();
    keys.sort_by(|(a, _), (b, _)| a.cmp(b));
    keys.dedup_by(|(a, _), (b, _)| a == b);
    keys
}

/// The smallest sets of permissions that would make one of the candidates fit.
fn closest_missing(needs: Needs, candidates: &[&Candidate]) -> Vec<PermissionSet> {
    let Needs::AnyOf(sets) = needs else { return Vec::new() };
    let mut missing: Vec<PermissionSet> =
        candidates.iter().flat_map(|c| sets.iter().map(|set| c.permissions.missing(*set))).collect();
    let least = missing.iter().map(|set| set.len()).min().unwrap_or_default();
    missing.retain(|set| set.len() == least);
    let mut distinct: Vec<PermissionSet> = Vec::new();
    for set in missing {
        if !distinct.contains(&set) {
            distinct.push(set);
        }
    }
    distinct
}

impl ChooseError {
    /// The error for the caller of an endpoint. Facts: `endpoint`, `account`, and what was missing: `missing_permission` with
    /// Kraken's own tokens (`a + b` is both, `a or b` is either), or `missing_dates`, the time that was asked about.
    pub fn into_error(self, endpoint: &Endpoint) -> Error {
        let name = endpoint.name;
        let error = |kind, text| Error::new(kind, text).with_fact("endpoint", name);
        match self {
            Self::NoAccount { account } => error(
                ErrorKind::NoKey,
                format!("no key of account {account} is known, so none can call {name}"),
            )
            .with_fact("account", account.as_str()),
            Self::NoTag { account, tag } => error(
                ErrorKind::NoKey,
                format!("no key of account {account} has the tag {tag:?}, so none can call {name}"),
            )
            .with_fact("account", account.as_str()),
            Self::NoKey { account, missing } => {
                let missing = Alternatives(&missing).to_string();
                let mut text = format!(
                    "no key of account {account} may call {name}: it needs {}; the closest key lacks {missing}",
                    endpoint.needs
                );
                for reading in endpoint.other_readings {
                    text.push_str(&format!(" ({} says {})", reading.source, reading.needs));
                }
                error(ErrorKind::NoKey, text)
                    .with_fact("account", account.as_str())
                    .with_fact("missing_permission", missing)
            }
            Self::OtherDates { account, asked, keys } => {
                let keys: Vec<String> =
                    keys.iter().map(|(label, dates)| format!("{label} {dates}")).collect();
                let text = format!(
                    "no key of account {account} that may call {name} may ask about the time that was asked for ({asked}): Kraken \
                     shows {}",
                    keys.join(", ")
                );
                error(ErrorKind::NoKey, text)
                    .with_fact("account", account.as_str())
                    .with_fact("missing_dates", asked.to_string())
            }
            Self::NotReady { keys } => {
                let keys: Vec<String> = keys
                    .into_iter()
                    .map(
                        |(label, why)| {
                            if why.is_empty() { label.to_string() } else { format!("{label}: {why}") }
                        },
                    )
                    .collect();
                let text = format!("no key that may call {name} is in use at present ({})", keys.join(", "));
                error(ErrorKind::Unavailable, text).retry_after_ms(1_000)
            }
        }
    }
}

struct Alternatives<'a>(&'a [PermissionSet]);

impl fmt::Display for Alternatives<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, set) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" or ")?;
            }
            write!(f, "{set}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "choose_tests.rs"]
mod tests;
