//! Which key serves a call. One function for the gateway and the executor.

use std::cmp::Reverse;
use std::fmt;

use tidegate_core::{AccountName, Endpoint, Error, ErrorKind, KeyLabel, Needs, PermissionSet};

/// A lane as a chooser sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The key's label.
    pub label: KeyLabel,
    /// The account that it belongs to.
    pub account: AccountName,
    /// What it may do.
    pub permissions: PermissionSet,
    /// Whether its owner would take a call now.
    pub ready: bool,
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
    /// Keys may, but none is in use at present.
    NotReady {
        /// The keys that may.
        labels: Vec<KeyLabel>,
    },
}

/// Ranks the lanes that may serve a call, best first; never empty.
///
/// Account and tag first, then permissions, then: ready, no last resort, not busy, least privileged (so that a key that may do
/// more is not exposed to calls that need less), least predicted wait, local, label.
pub fn choose<'a>(
    needs: Needs,
    account: &AccountName,
    key_tag: Option<&str>,
    candidates: impl IntoIterator<Item = &'a Candidate>,
) -> Result<Vec<&'a Candidate>, ChooseError> {
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
    let missing = closest_missing(needs, &found);
    found.retain(|c| needs.met_by(c.permissions));
    if found.is_empty() {
        return Err(ChooseError::NoKey { account: account.clone(), missing });
    }
    let mut labels: Vec<KeyLabel> = found.iter().map(|c| c.label.clone()).collect();
    found.retain(|c| c.ready);
    if found.is_empty() {
        labels.sort_unstable();
        labels.dedup();
        return Err(ChooseError::NotReady { labels });
    }
    found.sort_by_key(|c| {
        (c.last_resort, c.busy, c.permissions.len(), c.predicted_wait_ms, Reverse(c.local), c.label.clone())
    });
    Ok(found)
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
    /// The error for the caller of an endpoint. Facts: `endpoint`, `account`, and `missing_permission` with
    /// Kraken's own tokens (`a + b` is both, `a or b` is either).
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
                let needs = endpoint.needs;
                let text = format!(
                    "no key of account {account} may call {name}: it needs {needs}; the closest key lacks {missing}"
                );
                error(ErrorKind::NoKey, text)
                    .with_fact("account", account.as_str())
                    .with_fact("missing_permission", missing)
            }
            Self::NotReady { labels } => {
                let labels: Vec<&str> = labels.iter().map(KeyLabel::as_str).collect();
                let text =
                    format!("no key that may call {name} is in use at present ({})", labels.join(", "));
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
mod tests {
    use tidegate_core::{Permission as P, endpoint};

    use super::*;

    fn candidate(label: &str, permissions: &[P]) -> Candidate {
        Candidate {
            label: label.parse().expect("a label"),
            account: "main".parse().expect("a label"),
            permissions: PermissionSet::of(permissions),
            ready: true,
            predicted_wait_ms: 0,
            last_resort: false,
            busy: false,
            tags: Vec::new(),
            local: false,
        }
    }

    fn labels(needs_of: &str, tag: Option<&str>, candidates: &[Candidate]) -> Vec<String> {
        let needs = endpoint(needs_of).expect("in the table").needs;
        let account = "main".parse().expect("a label");
        let chosen = choose(needs, &account, tag, candidates).expect("somebody");
        chosen.iter().map(|c| c.label.to_string()).collect()
    }

    #[test]
    fn least_privilege_then_wait_then_local_then_label() {
        let all = candidate("all", &P::ALL);
        let a = Candidate { predicted_wait_ms: 9, ..candidate("a", &[P::QueryFunds]) };
        let b = Candidate { predicted_wait_ms: 3, ..candidate("b", &[P::QueryFunds]) };
        let c = Candidate { predicted_wait_ms: 3, local: true, ..candidate("c", &[P::QueryFunds]) };
        let d = Candidate { predicted_wait_ms: 3, local: true, ..candidate("d", &[P::QueryFunds]) };
        let least = Candidate { last_resort: true, ..candidate("e", &[P::QueryFunds]) };
        let busy = Candidate { busy: true, ..candidate("b2", &[P::QueryFunds]) };
        let down = Candidate { ready: false, ..candidate("down", &[P::QueryFunds]) };
        let foreign = Candidate { account: "sub".parse().expect("a label"), ..candidate("x", &P::ALL) };
        let pool = [least, busy, foreign, d, all.clone(), down, b, a, c];
        assert_eq!(labels("Balance", None, &pool), ["c", "d", "b", "a", "all", "b2", "e"]);
        let spare = Candidate { last_resort: true, ..candidate("spare", &[P::CloseTrades]) };
        let trade = candidate("trade", &[P::ModifyTrades, P::CloseTrades]);
        assert_eq!(labels("CancelOrder", None, &[spare.clone(), trade.clone()]), ["trade", "spare"]);
        assert_eq!(labels("CancelOrder", None, &[spare, Candidate { ready: false, ..trade }]), ["spare"]);
        let tagged = [candidate("a", &P::ALL), Candidate { tags: vec!["fast".into()], ..all }];
        assert_eq!(labels("Balance", Some("fast"), &tagged), ["all"]);
    }

    #[test]
    fn the_error_names_endpoint_and_the_closest_missing_permission() {
        let account: AccountName = "main".parse().expect("a label");
        let pool = [candidate("reader", &[P::QueryFunds]), candidate("canceller", &[P::CloseTrades])];
        let edit = endpoint("EditOrder").expect("in the table");
        let error = choose(edit.needs, &account, None, &pool).expect_err("nobody may").into_error(edit);
        assert_eq!(error.kind, ErrorKind::NoKey);
        assert!(error.text.contains("EditOrder") && error.text.contains("modify-trades"), "{}", error.text);
        assert!(error.facts.contains(&("missing_permission", "modify-trades".to_owned())), "{error:?}");
        let amend = endpoint("AmendOrder").expect("in the table");
        let error =
            choose(amend.needs, &account, None, &pool[..1]).expect_err("nobody may").into_error(amend);
        assert!(error.facts.contains(&("missing_permission", "modify-trades or close-trades".to_owned())));
    }

    #[test]
    fn unknown_accounts_tags_and_sleeping_keys_are_told_apart() {
        let balance = endpoint("Balance").expect("in the table");
        let (main, sub) = ("main".parse().expect("a label"), "sub".parse().expect("a label"));
        let pool = [Candidate { ready: false, ..candidate("reader", &[P::QueryFunds]) }];
        let failed = |account, tag| choose(balance.needs, account, tag, &pool).expect_err("nobody");
        assert!(matches!(failed(&sub, None), ChooseError::NoAccount { .. }));
        assert!(matches!(failed(&main, Some("x")), ChooseError::NoTag { .. }));
        let asleep = failed(&main, None);
        assert!(matches!(asleep, ChooseError::NotReady { .. }));
        assert_eq!(asleep.into_error(balance).kind, ErrorKind::Unavailable);
    }
}
