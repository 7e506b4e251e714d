//! The signature of a private call.
//!
//! Kraken docs (REST authentication): `API-Sign` is the base64 of HMAC-SHA-512, keyed with the decoded secret,
//! over the URI path with its query followed by SHA-256 of the nonce's digits and the request body. There are no separators, so
//! the path begins at `/0/private/` or `/funding/` and the body is the exact text that is sent, which may be none.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};
use tidegate_core::Nonce;
use zeroize::Zeroizing;

/// Why a key pair cannot be used. No text ever quotes what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The public half is empty.
    #[error("the API key is empty")]
    EmptyKey,
    /// The public half cannot travel in a header.
    #[error("the API key has characters other than printable ASCII")]
    KeyNotPrintable,
    /// The private half is empty.
    #[error("the API secret is empty")]
    EmptySecret,
    /// The private half is damaged.
    #[error("the API secret is not standard base64 with its padding")]
    SecretNotBase64,
}

/// One API key pair. It cannot be copied or printed, and its secret is wiped from memory when it is dropped.
pub struct Credential {
    api_key: Zeroizing<String>,
    secret: Zeroizing<Vec<u8>>,
}

impl Credential {
    /// Takes a key pair as Kraken's settings page shows it. White space around either half, such as the newline
    /// at the end of a file, is dropped.
    pub fn new(api_key: String, secret_base64: &str) -> Result<Self, CredentialError> {
        let given = Zeroizing::new(api_key);
        let api_key = Zeroizing::new(given.trim().to_owned());
        if api_key.is_empty() {
            return Err(CredentialError::EmptyKey);
        }
        if !api_key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(CredentialError::KeyNotPrintable);
        }
        let secret_base64 = secret_base64.trim();
        // Room is reserved first, so that the vector never moves and leaves a copy behind.
        let mut secret = Zeroizing::new(Vec::with_capacity(secret_base64.len() + 3));
        STANDARD.decode_vec(secret_base64, &mut secret).map_err(|_| CredentialError::SecretNotBase64)?;
        if secret.is_empty() {
            return Err(CredentialError::EmptySecret);
        }
        Ok(Self { api_key, secret })
    }

    /// The public half, for the `API-Key` header only. Logs and stores use [`Credential::fingerprint`].
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// The first 16 hex digits of SHA-256 over the public half: tells keys apart without naming them.
    pub fn fingerprint(&self) -> String {
        Sha256::digest(self.api_key.as_bytes()).iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    /// Signs a request. `target` is path and query: it begins with a slash and has neither scheme nor host. `nonce` is the
    /// number that also stands in the body or in a header.
    pub fn sign(&self, target: &str, nonce: Nonce, body: &[u8]) -> ApiSign {
        let inner = Sha256::new().chain_update(nonce.to_string()).chain_update(body).finalize();
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104)")]
        let mut mac = Hmac::<Sha512>::new_from_slice(&self.secret).expect("any length");
        mac.update(target.as_bytes());
        mac.update(&inner);
        ApiSign(STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// The value of the `API-Sign` header: 88 characters of base64. With its request it authorises one call, so it is
/// not printed either.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiSign(String);

impl ApiSign {
    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiSign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiSign(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str =
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
    const ADD: &str = "/0/private/AddOrder";

    #[rustfmt::skip]
    const PUBLISHED: [(&str, u64, &str, &str, &str); 4] = [
        (V1, 1616492376594, ADD, "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25", "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="),
        ("FRs+gtq09rR7OFtKj9BGhyOGS3u5vtY/EdiIBO9kD8NFtRX7w7LeJDSrX6cq1D8zmQmGkWFjksuhBvKOAWJohQ==", 1540973848000, "/0/private/TradeBalance", "nonce=1540973848000&asset=xbt", "RdQzoXRC83TPmbERpFj0XFVArq0Hfadm0eLolmXTuN2R24hzIqtAnF/f7vSfW1tGt7xQOn8bjm+Ht+X0KrMwlA=="),
        ("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=", 1700000000000000000, "/0/private/Balance", "nonce=1700000000000000000", "6i7+cpXVLDDnDOekgsRcgFQhkYFyPDSSxhSVA8OrA6vjziXcy2K1DP3n7f9B/Kgni71WjBSQusZKxduRsdF20Q=="),
        ("cHl0aG9uLWtyYWtlbi1zZGsgdW5pdC10ZXN0IHNlY3JldCB2YWx1ZQ==", 1616492376594, ADD, "nonce=1616492376594&ordertype=limit&pair=XBTUSD", "Fo+0Uhanvs3F1byZFCjVBMLsCcRE2xLQMDpoA3Q9hawoZ0ZL35AmbknAQBlOIs4baRx9UGhzQH+/CTl9qnyp1w=="),
    ];

    /// Computed from the documented formula by another implementation, with the secret of the first published one.
    #[rustfmt::skip]
    const DERIVED: [(u64, &str, &str, &str); 9] = [
        (1616492376594, ADD, r#"{"nonce":"1616492376594","ordertype":"limit","pair":"XBTUSD","price":"37500","type":"buy","volume":"1.25"}"#, "r/o+GpKxXjV/mls/r5CKLu5R+yzK5psqvQ4hXxMX1nzdxTBhV+ui82QGgPZMMitpFwCOAdPEZMmXgZxD2chJEg=="),
        (1616492376594, ADD, r#"{"nonce":1616492376594,"ordertype":"limit","pair":"XBTUSD","price":"37500","type":"buy","volume":"1.25"}"#, "kMkTQfyYJH05IdnWQ9TIqL9Kq+dKqcD5O/TGPPLRwwy1is/YvqEYtMAHf7tXsqwfbLwp7pbzJzWHxzKPnL8rfA=="),
        (1616492376594, ADD, "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25&otp=123456", "/liaSZ18F6oiuyO8MAWnfmcXvSvMi/jpmpXA5GQ5vBGuGIfy+uj4KZImDzNq5EfrJxJohBSUkqdAVbx6ZgRY0g=="),
        (1616492376594000000, "/0/private/Balance", "nonce=1616492376594000000", "w6qm02Hwjqnpr3rzKslcKEjGm9PPxNJQnCSwGyg3GsX46qs3D0T+0W7HFdhkuibOw+z2VkD3T1pIdkhfcT9A1w=="),
        (1616492376594, "/0/private/GetWebSocketsToken", "nonce=1616492376594", "+mRDmY9Ks0Moc1zjv/BjfvYa98buO0x1yHChZR5onlfAzAUbfIYlLggUZzdQ0RsmXm4Sh+Q8iAIZdo2wSeHeiA=="),
        (1616492376594, "/0/private/GetApiKeyInfo", "nonce=1616492376594", "0hXh9q5/fK8xgzNfiExbUyhEvsv1gAYGgL/5PWy8Xo8kFGhpI/ZwAnHB1eC0SYtlYiywFcypDRuBP/GjHp+ojA=="),
        (1616492376594, ADD, "nonce=1616492376594&close%5Bordertype%5D=limit&close%5Bprice%5D=38000&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25", "7MDOsUkEFcwGR8AqSRG9+iDCLPyphvvEDEakfJINAriJaYVpw7d3fMECEoUWDP/Dl7bW9cQQgrWsTW6eYX779g=="),
        (1616492376594, "/funding/v1/methods/deposit?asset%5Bclass%5D=currency&asset%5Bname%5D=USDC&limit=50", "", "Y5hXbQCmLKF01kZL0BsE3XmksKF9G1my5eeXwVrJ/pfIgG7HgPso+TcZm/WF8uKAMqd6/dgz05s7DQREWKJn+w=="),
        (1616492376594, "/0/private/CancelOrderBatch", r#"{"nonce":"1616492376594","orders":["OG5V2Y-RYKVL-DT3V3B","OP5V2Y-RYKVL-ET3V3B"]}"#, "7Ay2V+Mk86knhHj308x4X+OnfemQMEAzS2qyCQuPjFkfyR0s5UiDLQGmF663YuPKjgmh6OlXXgLvgrCijrC9pA=="),
    ];

    fn credential(secret: &str) -> Credential {
        Credential::new("public".to_owned(), secret).expect("a good secret")
    }

    #[test]
    fn published_vectors() {
        for (secret, nonce, path, body, sign) in PUBLISHED {
            assert_eq!(credential(secret).sign(path, Nonce(nonce), body.as_bytes()).as_str(), sign, "{body}");
        }
    }

    #[test]
    fn derived_vectors() {
        for (nonce, path, body, sign) in DERIVED {
            assert_eq!(credential(V1).sign(path, Nonce(nonce), body.as_bytes()).as_str(), sign, "{body}");
        }
    }

    #[test]
    fn bad_pairs_are_refused_without_quoting_them() {
        let new = |key: &str, secret: &str| Credential::new(key.to_owned(), secret).map(|_| ());
        assert_eq!(new(" ", V1), Err(CredentialError::EmptyKey));
        assert_eq!(new("a b", V1), Err(CredentialError::KeyNotPrintable));
        assert_eq!(new("a\r\nX-Header: b", V1), Err(CredentialError::KeyNotPrintable));
        assert_eq!(new("a", "\n"), Err(CredentialError::EmptySecret));
        for damaged in ["kQH5HW/8p1uG*", "kQH5HW/8p1u", "kQH5\nHW/8", "kQH5HW_8p1uGOQ=="] {
            assert_eq!(new("a", damaged), Err(CredentialError::SecretNotBase64));
            assert!(!CredentialError::SecretNotBase64.to_string().contains(damaged));
        }
    }

    #[test]
    fn a_newline_at_the_end_of_a_file_changes_nothing() {
        let plain = credential(V1);
        let file = Credential::new("public\n".to_owned(), &format!("{V1}\r\n")).expect("tolerated");
        assert_eq!(file.api_key(), plain.api_key());
        assert_eq!(file.sign(ADD, Nonce(1), b"x"), plain.sign(ADD, Nonce(1), b"x"));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let credential = Credential::new("public-half".to_owned(), V1).expect("a good secret");
        let sign = credential.sign(ADD, Nonce(1), b"x");
        let printed = format!("{credential:?} {credential:#?} {sign:?}");
        assert!(printed.contains(&credential.fingerprint()));
        for hidden in ["public-half", V1, &V1[..12], sign.as_str(), "145, 1, 249"] {
            assert!(!printed.contains(hidden), "{hidden} in {printed}");
        }
        // printf public-half | sha256sum
        assert_eq!(credential.fingerprint(), "2b8fa6d20a511215");
        assert_ne!(credential.fingerprint(), credential_named("other").fingerprint());
    }

    fn credential_named(key: &str) -> Credential {
        Credential::new(key.to_owned(), V1).expect("a good secret")
    }
}
