//! The exchange's API keys: what is known of each, and the built-in ones.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::counter::Counter;
use super::nonce::NonceState;
use super::sign::Signer;
use super::totp::Codes;

/// The tokens of Kraken's thirteen permissions (Kraken docs: GetApiKeyInfo).
const PERMISSIONS: [&str; 13] = [
    "query-funds",
    "add-funds",
    "withdraw-funds",
    "earn-funds",
    "query-open-trades",
    "query-closed-trades",
    "modify-trades",
    "close-trades",
    "query-ledger",
    "export-data",
    "create-ws-token",
    "add-withdraw-address",
    "update-withdraw-address",
];

/// An API key that the sandbox accepts. Printed with `{:?}` it shows no secret.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxKey {
    /// Its name among people.
    pub label: String,
    /// The public half, as sent in `API-Key`.
    pub api_key: String,
    /// The private half in base64.
    pub secret: String,
    /// The account that it opens; accounts exist by being named here.
    pub account: String,
    /// What it may do, in the words of Kraken's web page. For readers; only the tokens count.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// What it may do, as Kraken's API writes it.
    pub permission_tokens: Vec<String>,
    /// Nonce window in ticks of whatever unit its user counts in.
    #[serde(default)]
    pub nonce_window: u64,
    /// The unit (`ms`, `us`, `ns`) in which our own lanes count on it. The sandbox takes any number.
    pub nonce_unit: String,
    /// Its second factor.
    #[serde(default)]
    pub otp: Option<Otp>,
    /// Unix seconds from which on it is expired.
    #[serde(default)]
    pub valid_until: Option<u64>,
    /// Addresses or networks (CIDR) from which it may be used; empty is any.
    #[serde(default)]
    pub ip_allowlist: Vec<String>,
    /// Unix seconds: history before is not shown to it.
    #[serde(default)]
    pub query_from: Option<u64>,
    /// Unix seconds: history after is not shown to it.
    #[serde(default)]
    pub query_to: Option<u64>,
    /// What it is for.
    #[serde(default)]
    pub note: String,
}

/// The second factor of a key: what every call must carry as `otp`. In a keys file `{"static": PASSWORD}` or `{"totp": SEED}`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Otp {
    /// A password.
    Static(String),
    /// A code of an authenticator app, made from this seed in base32. Each is taken once.
    Totp(String),
}

impl fmt::Debug for Otp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Otp(..)")
    }
}

impl fmt::Debug for SandboxKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SandboxKey")
            .field("label", &self.label)
            .field("account", &self.account)
            .field("permission_tokens", &self.permission_tokens)
            .field("nonce_window", &self.nonce_window)
            .finish_non_exhaustive()
    }
}

/// Other settings for a key while the exchange runs: what is not named stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyChange {
    /// The public half.
    key: String,
    permission_tokens: Option<Vec<String>>,
    nonce_window: Option<u64>,
    /// Unix seconds; 0 is never.
    valid_until: Option<u64>,
    ip_allowlist: Option<Vec<String>>,
}

/// A key that cannot be used. The text names the key's label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file is no JSON of the wanted form.
    #[error("the keys cannot be read: {0}")]
    Unreadable(String),
    /// The secret is no base64.
    #[error("key {0}: its secret is not base64")]
    Secret(String),
    /// The seed of its codes is none.
    #[error("key {0}: its totp seed is not base32")]
    Seed(String),
    /// A permission that Kraken does not have.
    #[error("key {0}: {1:?} is no permission token")]
    Permission(String, String),
    /// An entry of the address list is neither an address nor a network.
    #[error("key {0}: {1:?} is neither an address nor a network")]
    Address(String, String),
    /// Nobody has such a key.
    #[error("no key {0:?}")]
    Unknown(String),
    /// Another key has the same public half.
    #[error("key {0}: another key has the same api_key")]
    Twice(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default, rename = "about")]
    _about: String,
    keys: Vec<SandboxKey>,
}

/// Reads the text of a keys file: `{"about": "...", "keys": [...]}`.
pub fn parse_keys(json: &str) -> Result<Vec<SandboxKey>, KeyError> {
    let file: KeysFile =
        serde_json::from_str(json).map_err(|error| KeyError::Unreadable(error.to_string()))?;
    Ok(file.keys)
}

/// The built-in keys. They are public and open nothing but this simulated exchange.
pub fn keys() -> &'static [SandboxKey] {
    static KEYS: LazyLock<Vec<SandboxKey>> = LazyLock::new(|| {
        // A build with a broken file does not pass its tests; were one to run, it would simply know no key.
        parse_keys(include_str!("../../sandbox-keys.json")).unwrap_or_default()
    });
    &KEYS
}

/// Kraken's public id of an account of this exchange, as `GetApiKeyInfo` shows it in `iban`. None for an account that
/// no built-in key opens.
pub fn account_iban(account: &str) -> Option<String> {
    keys().iter().any(|key| key.account == account).then(|| iban(account))
}

/// An id in the shape of Kraken's, `AA` and two digits and three groups of four, made from the account's name alone.
pub(crate) fn iban(account: &str) -> String {
    // FNV-1a: stable for ever, and nothing depends on it being hard to guess.
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = account.bytes().fold(0xcbf2_9ce4_8422_2325, fold);
    format!("AA{:02} SAND {:04} {:04}", hash % 100, hash / 100 % 10_000, hash / 1_000_000 % 10_000)
}

/// One key and all that changes with its use.
#[derive(Debug)]
pub(crate) struct KeyState {
    pub(crate) key: SandboxKey,
    pub(crate) signer: Signer,
    pub(crate) account: usize,
    pub(crate) nonce: NonceState,
    pub(crate) counter: Counter,
    pub(crate) last_used_us: Option<u64>,
    /// Where its second factor is an app.
    pub(crate) codes: Option<Codes>,
    allowlist: Vec<Network>,
}

impl KeyState {
    /// Whether an address may use it.
    pub(crate) fn allows(&self, ip: IpAddr) -> bool {
        self.allowlist.is_empty() || self.allowlist.iter().any(|network| network.contains(ip.to_canonical()))
    }

    pub(crate) fn is_expired(&self, now_us: u64) -> bool {
        self.key.valid_until.is_some_and(|until_s| now_us / 1_000_000 >= until_s)
    }

    pub(crate) fn may(&self, token: &str) -> bool {
        self.key.permission_tokens.iter().any(|own| own == token)
    }
}

/// All keys, found by their public half.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    states: Vec<KeyState>,
    by_api_key: HashMap<Box<str>, usize>,
}

impl KeyRing {
    pub(crate) fn add(&mut self, key: SandboxKey, account: usize) -> Result<(), KeyError> {
        let label = || key.label.clone();
        if self.by_api_key.contains_key(key.api_key.as_str()) {
            return Err(KeyError::Twice(label()));
        }
        let secret = STANDARD.decode(&key.secret).map_err(|_| KeyError::Secret(label()))?;
        let signer = Signer::new(&secret).ok_or_else(|| KeyError::Secret(label()))?;
        let allowlist = judge(&key.label, &key.permission_tokens, &key.ip_allowlist)?;
        let codes = match &key.otp {
            Some(Otp::Totp(seed)) => Some(Codes::new(seed).ok_or_else(|| KeyError::Seed(label()))?),
            Some(Otp::Static(_)) | None => None,
        };
        self.by_api_key.insert(key.api_key.as_str().into(), self.states.len());
        let (nonce, counter) = (NonceState::new(key.nonce_window), Counter::default());
        let last_used_us = None;
        self.states.push(KeyState { key, signer, account, nonce, counter, last_used_us, codes, allowlist });
        Ok(())
    }

    /// Changes settings of keys, all or none.
    pub(crate) fn change(&mut self, changes: &[KeyChange]) -> Result<(), KeyError> {
        let mut judged = Vec::new();
        for change in changes {
            let index = self.find(&change.key).ok_or_else(|| KeyError::Unknown(change.key.clone()))?;
            let mut key = self.get(index).key.clone();
            if let Some(tokens) = &change.permission_tokens {
                key.permission_tokens.clone_from(tokens);
            }
            if let Some(list) = &change.ip_allowlist {
                key.ip_allowlist.clone_from(list);
            }
            if let Some(until_s) = change.valid_until {
                key.valid_until = (until_s > 0).then_some(until_s);
            }
            key.nonce_window = change.nonce_window.unwrap_or(key.nonce_window);
            let allowlist = judge(&key.label, &key.permission_tokens, &key.ip_allowlist)?;
            judged.push((index, key, allowlist));
        }
        for (index, key, allowlist) in judged {
            let state = self.get_mut(index);
            state.nonce.set_window(key.nonce_window);
            (state.key, state.allowlist) = (key, allowlist);
        }
        Ok(())
    }

    pub(crate) fn find(&self, api_key: &str) -> Option<usize> {
        self.by_api_key.get(api_key).copied()
    }

    /// The key of an index that [`find`](Self::find) gave.
    pub(crate) fn get(&self, index: usize) -> &KeyState {
        &self.states[index]
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> &mut KeyState {
        &mut self.states[index]
    }
}

/// The networks of a list, if they and the permissions exist.
fn judge(label: &str, tokens: &[String], list: &[String]) -> Result<Vec<Network>, KeyError> {
    if let Some(token) = tokens.iter().find(|token| !PERMISSIONS.contains(&token.as_str())) {
        return Err(KeyError::Permission(label.to_owned(), token.clone()));
    }
    let network =
        |text: &String| Network::parse(text).ok_or_else(|| KeyError::Address(label.to_owned(), text.clone()));
    list.iter().map(network).collect()
}

/// An address with the number of leading bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: u128,
    bits: u32,
    v6: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv6() { 128 } else { 32 };
        let bits = match bits {
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= width)?,
            None => width,
        };
        Some(Self { address: number(address), bits: bits + 128 - width, v6: address.is_ipv6() })
    }

    fn contains(self, ip: IpAddr) -> bool {
        let differing = self.address ^ number(ip);
        self.v6 == ip.is_ipv6() && differing.checked_shr(128 - self.bits).unwrap_or(0) == 0
    }
}

/// Version 4 addresses are 32-bit numbers with zeros before: their prefix is counted from bit 96.
fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_keys_are_usable() {
        let mut ring = KeyRing::default();
        assert_eq!(keys().len(), 23);
        for key in keys() {
            ring.add(key.clone(), 0).unwrap();
        }
        assert_eq!(ring.add(keys()[0].clone(), 0), Err(KeyError::Twice("sandbox-read".to_owned())));
        let otp = ring.get(ring.find("sandbox-otp").unwrap());
        assert!(otp.key.otp == Some(Otp::Static("correct horse".to_owned())));
    }

    #[test]
    fn printed_keys_show_no_secret() {
        for key in keys() {
            let printed = format!("{key:?}");
            assert!(!printed.contains(&key.secret) && !printed.contains("correct horse"), "{printed}");
        }
    }

    #[test]
    fn networks_of_both_versions() {
        let inside = |network: &str, ip: &str| Network::parse(network).unwrap().contains(ip.parse().unwrap());
        assert!(inside("203.0.113.7/32", "203.0.113.7"));
        assert!(!inside("203.0.113.7", "203.0.113.8"));
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("0.0.0.0/0", "198.51.100.1"));
        assert!(!inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1"));
        assert!(!inside("2001:db8::/32", "2001:db9::1"));
        assert!(inside("::/0", "::1"));
        for text in ["", "10.0.0.0/33", "::/129", "host", "10.0.0.0/x"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    #[test]
    fn accounts_have_their_own_ibans() {
        let (main, second) = (account_iban("main").unwrap(), account_iban("second").unwrap());
        assert_ne!(main, second);
        assert_eq!(main.len(), "AA11 N22G TEST 0001".len());
        assert_eq!(account_iban("nobody"), None);
    }

    #[test]
    fn broken_keys_are_named() {
        let broken = |change: fn(&mut SandboxKey)| {
            let mut key = keys()[0].clone();
            change(&mut key);
            KeyRing::default().add(key, 0).unwrap_err()
        };
        assert_eq!(broken(|key| key.secret = "%".to_owned()), KeyError::Secret("sandbox-read".to_owned()));
        let unknown = broken(|key| key.permission_tokens.push("fly".to_owned()));
        assert_eq!(unknown, KeyError::Permission("sandbox-read".to_owned(), "fly".to_owned()));
        let seed = broken(|key| key.otp = Some(Otp::Totp("0189".to_owned())));
        assert_eq!(seed, KeyError::Seed("sandbox-read".to_owned()));
        assert!(matches!(parse_keys("{\"keys\":[{}]}"), Err(KeyError::Unreadable(_))));
    }
}
