//! What Kraken says about a key, and the token it lends.

use std::fmt;

use tidegate_core::Nonce;

use super::json::Json;
use super::read::{Extra, Object, ShapeError, Wire};
use super::scalar::Time;

/// `GetWebSocketsToken`. The token trades without a signature, so it is as secret as a key.
#[derive(Clone, PartialEq, Eq)]
pub struct WebSocketsToken {
    /// The token.
    pub token: String,
    /// Seconds within which it must be used.
    pub expires_s: u64,
    /// Other members.
    pub extra: Extra,
}

impl fmt::Debug for WebSocketsToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketsToken").field("expires_s", &self.expires_s).finish_non_exhaustive()
    }
}

impl Wire for WebSocketsToken {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        Ok(Self { token: from.need("token")?, expires_s: from.need("expires")?, extra: from.rest() })
    }
}

/// `GetApiKeyInfo`. Kraken's documentation writes its members in camelCase and recorded replies have snake_case;
/// numbers come as numbers or text. Both are read.
///
/// Permissions and window are what a key is checked against before it is used, so they must be there: a missing
/// window is not a window of 0.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyInfo {
    /// The name given in the settings.
    pub name: Option<String>,
    /// The public half of the key.
    pub api_key: Option<String>,
    /// The highest nonce seen.
    pub nonce: Option<Nonce>,
    /// How far below the highest one a nonce may lie, in nonce ticks.
    pub nonce_window: u64,
    /// Permission tokens, unknown ones included.
    pub permissions: Vec<String>,
    /// The account.
    pub iban: Option<String>,
    /// End of validity; nothing if there is none.
    pub valid_until: Option<Time>,
    /// Earliest moment that the key may ask about.
    pub query_from: Option<Time>,
    /// Latest moment that the key may ask about.
    pub query_to: Option<Time>,
    /// When it was made.
    pub created_time: Option<Time>,
    /// When it was changed.
    pub modified_time: Option<Time>,
    /// When it was used.
    pub last_used: Option<Time>,
    /// Addresses that may use the key; empty if all may.
    pub ip_allowlist: Vec<String>,
    /// Other members.
    pub extra: Extra,
}

impl fmt::Debug for ApiKeyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyInfo")
            .field("name", &self.name)
            .field("nonce_window", &self.nonce_window)
            .field("permissions", &self.permissions)
            .finish_non_exhaustive()
    }
}

impl Wire for ApiKeyInfo {
    fn take(raw: &mut Json<'_>) -> Result<Self, ShapeError> {
        let mut from = Object::of(raw)?;
        let set = |time: Option<Time>| time.filter(|time| time.unix_ns().is_some());
        let window = from.either("nonce_window", "nonceWindow")?;
        let listed: Vec<String> = from.either("ip_allowlist", "ipAllowlist")?.unwrap_or_default();
        Ok(Self {
            name: from.either("api_key_name", "apiKeyName")?,
            api_key: from.either("api_key", "apiKey")?,
            nonce: from.opt("nonce")?.map(Nonce),
            nonce_window: window
                .ok_or(ShapeError { path: "nonce_window".to_owned(), expected: "present" })?,
            permissions: from.need("permissions")?,
            iban: from.opt("iban")?,
            valid_until: set(from.either("valid_until", "validUntil")?),
            query_from: set(from.either("query_from", "queryFrom")?),
            query_to: set(from.either("query_to", "queryTo")?),
            created_time: set(from.either("created_time", "createdTime")?),
            modified_time: set(from.either("modified_time", "modifiedTime")?),
            last_used: set(from.either("last_used", "lastUsed")?),
            // An empty list was seen written as a list of one empty text.
            ip_allowlist: listed.into_iter().filter(|address| !address.is_empty()).collect(),
            extra: from.rest(),
        })
    }
}
