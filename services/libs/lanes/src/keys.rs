//! Names in the store, built here and nowhere else.

use std::fmt;

use sha2::{Digest, Sha256};
use tidegate_core::{AccountName, PoolName};

use crate::intent::IntentKey;

/// What stands for an API key in the store, in placement and in logs: the first 16 bytes of a SHA-256 over it, in hex.
///
/// The store never learns the key, and two configurations that give one key two labels still share one grant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of the public part of an API key.
    pub fn of_api_key(api_key: &str) -> Self {
        let digest = Sha256::new().chain_update(b"tidegate api key\0").chain_update(api_key).finalize();
        Self(digest[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Reads one that the store kept.
    pub(crate) fn kept(text: &str) -> Option<Self> {
        let fits = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        fits.then(|| Self(text.to_owned()))
    }

    /// 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which grant record a key has: one per domain (a master account with its subaccounts) and fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantKey {
    /// The domain, whose keys all live in one hash slot of the store.
    pub domain: AccountName,
    /// The API key.
    pub fingerprint: Fingerprint,
}

/// Everything of one domain shares the tag in braces, so that one script may touch all of it on a Redis Cluster.
fn tag(prefix: &str, domain: &AccountName) -> String {
    format!("{{{prefix}:{domain}}}")
}

/// The grant record of a key.
pub(crate) fn grant(prefix: &str, key: &GrantKey) -> String {
    format!("{}:grant:{}", tag(prefix, &key.domain), key.fingerprint)
}

/// The record of an intent.
pub(crate) fn intent(prefix: &str, key: &IntentKey) -> String {
    format!("{}:intent:{}", tag(prefix, &key.domain), key.id)
}

/// The intents of an account whose outcome is not known, by the time of their claim.
pub(crate) fn open_intents(prefix: &str, domain: &AccountName, account: &AccountName) -> String {
    format!("{}:open:{account}", tag(prefix, domain))
}

/// What operators have halted.
pub(crate) fn halts(prefix: &str, domain: &AccountName) -> String {
    format!("{}:halts", tag(prefix, domain))
}

/// The trading counter of a pair, without the pair.
pub(crate) fn trading(prefix: &str, domain: &AccountName, account: &AccountName) -> String {
    format!("{}:trading:{account}:", tag(prefix, domain))
}

/// A young order, without its name.
pub(crate) fn order(prefix: &str, domain: &AccountName, account: &AccountName) -> String {
    format!("{}:order:{account}:", tag(prefix, domain))
}

/// Which deployment owns the prefix.
pub(crate) fn deployment(prefix: &str) -> String {
    format!("{prefix}:deployment")
}

/// The channel on which releases are told. One for all domains: what is told is a hint, and short.
pub(crate) fn released(prefix: &str) -> String {
    format!("{prefix}:released")
}

/// The generation of a domain's grants.
pub(crate) fn generation(prefix: &str, domain: &AccountName) -> String {
    format!("{}:generation", tag(prefix, domain))
}

/// The live members of a pool, as this domain's grants see them.
pub(crate) fn members(prefix: &str, domain: &AccountName, pool: &PoolName) -> String {
    format!("{}:members:{pool}", tag(prefix, domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_domain_share_a_slot_and_hide_the_api_key() {
        let domain: AccountName = "main".parse().expect("a label");
        let key = GrantKey { domain: domain.clone(), fingerprint: Fingerprint::of_api_key("an-api-key") };
        let grant = grant("tidegate", &key);
        assert!(grant.starts_with("{tidegate:main}:grant:"), "{grant}");
        assert!(!grant.contains("an-api-key"));
        let pool: PoolName = "read".parse().expect("a label");
        assert_eq!(members("tidegate", &domain, &pool), "{tidegate:main}:members:read");
        assert_ne!(key.fingerprint, Fingerprint::of_api_key("an-api-kez"));
        assert_eq!(key.fingerprint.as_str().len(), 32);
    }
}
