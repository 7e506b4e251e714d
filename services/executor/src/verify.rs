//! Is the key what the configuration says? Decided from Kraken's own words, `GetApiKeyInfo`.

use tidegate_core::{PermissionSet, UnixUs};
use tidegate_kraken::wire::ApiKeyInfo;

use crate::key::Key;

/// A key is not used from this long before it expires: a call that is on its way then must not find it gone.
const EXPIRY_MARGIN_S: u64 = 60;

/// Compares what Kraken says of a key with its configuration. Returns when the key expires, if it does.
///
/// The error names every difference, in words for an operator; it holds no secret.
pub(crate) fn verify(key: &Key, info: &ApiKeyInfo, now: UnixUs) -> Result<Option<UnixUs>, String> {
    let mut differences = Vec::new();
    let known: PermissionSet = info.permissions.iter().filter_map(|token| token.parse().ok()).collect();
    let missing = known.missing(key.permissions);
    if !missing.is_empty() {
        differences.push(format!("it lacks {missing} at Kraken, which the configuration says it has"));
    }
    let surplus = key.permissions.missing(known);
    if !surplus.is_empty() {
        differences.push(format!("it has {surplus} at Kraken, which the configuration does not say"));
    }
    if info.nonce_window != key.window {
        differences.push(format!(
            "its nonce window is {} at Kraken and {} in the configuration",
            info.nonce_window, key.window
        ));
    }
    let at_kraken = info.iban.as_deref().unwrap_or("unknown");
    if let Some(iban) = key.iban.as_ref().filter(|iban| squeezed(iban) != squeezed(at_kraken)) {
        differences.push(format!(
            "it belongs to account {at_kraken} at Kraken, and account {} is {iban} in the configuration",
            key.account
        ));
    }
    let expires = info.valid_until.as_ref().and_then(|time| time.unix_ns()).map(|ns| UnixUs(ns / 1_000));
    if expires.is_some_and(|expires| expires <= now.plus_ms(EXPIRY_MARGIN_S * 1_000)) {
        differences.push("it has expired or does so within a minute".to_owned());
    }
    if differences.is_empty() { Ok(expires) } else { Err(differences.join("; ")) }
}

/// Account identifiers are written with and without spaces.
fn squeezed(iban: &str) -> String {
    iban.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase()
}
