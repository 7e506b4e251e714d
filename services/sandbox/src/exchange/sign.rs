//! The signature of a private request (Kraken docs: rest/authentication):
//! `base64(HMAC-SHA512(base64-decoded secret, path + SHA256(nonce digits + body)))`, over the bytes as transmitted.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// One secret, ready to check signatures.
pub(crate) struct Signer {
    /// The keyed start of the MAC: cloning it is cheaper than keying anew for each request.
    keyed: Hmac<Sha512>,
}

impl Signer {
    /// None if the secret is empty.
    pub(crate) fn new(secret: &[u8]) -> Option<Self> {
        if secret.is_empty() {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(|keyed| Self { keyed })
    }

    fn mac(&self, path: &str, query: &str, nonce: &str, body: &[u8]) -> Hmac<Sha512> {
        let mut inner = Sha256::new();
        inner.update(nonce.as_bytes());
        inner.update(body);
        let mut mac = self.keyed.clone();
        mac.update(path.as_bytes());
        // Kraken's own Go client signs the path with its query where there is one.
        if !query.is_empty() {
            mac.update(b"?");
            mac.update(query.as_bytes());
        }
        mac.update(&inner.finalize());
        mac
    }

    /// Whether `API-Sign` is the signature of this request, in a time that tells nothing about it.
    pub(crate) fn verify(&self, sign: &str, path: &str, query: &str, nonce: &str, body: &[u8]) -> bool {
        let mut claimed = [0; 66];
        match STANDARD.decode_slice(sign, &mut claimed) {
            Ok(64) => self.mac(path, query, nonce, body).verify_slice(&claimed[..64]).is_ok(),
            _ => false,
        }
    }

    /// The signature itself, for tests: an exchange only checks.
    #[cfg(test)]
    pub(crate) fn sign(&self, path: &str, query: &str, nonce: &str, body: &[u8]) -> String {
        STANDARD.encode(self.mac(path, query, nonce, body).finalize().into_bytes())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Signer(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str =
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==";
    const V2: &str =
        "FRs+gtq09rR7OFtKj9BGhyOGS3u5vtY/EdiIBO9kD8NFtRX7w7LeJDSrX6cq1D8zmQmGkWFjksuhBvKOAWJohQ==";
    const V3: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const V4: &str = "cHl0aG9uLWtyYWtlbi1zZGsgdW5pdC10ZXN0IHNlY3JldCB2YWx1ZQ==";

    /// Four vectors from public material (Kraken's guide, its support page, its Rust SDK, python-kraken-sdk), then
    /// nine computed from the documented formula: secret, nonce, path, body, signature.
    #[rustfmt::skip] // One vector, one line.
    const VECTORS: [[&str; 5]; 13] = [
        [V1, "1616492376594", "/0/private/AddOrder", "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25", "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="],
        [V2, "1540973848000", "/0/private/TradeBalance", "nonce=1540973848000&asset=xbt", "RdQzoXRC83TPmbERpFj0XFVArq0Hfadm0eLolmXTuN2R24hzIqtAnF/f7vSfW1tGt7xQOn8bjm+Ht+X0KrMwlA=="],
        [V3, "1700000000000000000", "/0/private/Balance", "nonce=1700000000000000000", "6i7+cpXVLDDnDOekgsRcgFQhkYFyPDSSxhSVA8OrA6vjziXcy2K1DP3n7f9B/Kgni71WjBSQusZKxduRsdF20Q=="],
        [V4, "1616492376594", "/0/private/AddOrder", "nonce=1616492376594&ordertype=limit&pair=XBTUSD", "Fo+0Uhanvs3F1byZFCjVBMLsCcRE2xLQMDpoA3Q9hawoZ0ZL35AmbknAQBlOIs4baRx9UGhzQH+/CTl9qnyp1w=="],
        [V1, "1616492376594", "/0/private/AddOrder", r#"{"nonce":"1616492376594","ordertype":"limit","pair":"XBTUSD","price":"37500","type":"buy","volume":"1.25"}"#, "r/o+GpKxXjV/mls/r5CKLu5R+yzK5psqvQ4hXxMX1nzdxTBhV+ui82QGgPZMMitpFwCOAdPEZMmXgZxD2chJEg=="],
        [V1, "1616492376594", "/0/private/AddOrder", r#"{"nonce":1616492376594,"ordertype":"limit","pair":"XBTUSD","price":"37500","type":"buy","volume":"1.25"}"#, "kMkTQfyYJH05IdnWQ9TIqL9Kq+dKqcD5O/TGPPLRwwy1is/YvqEYtMAHf7tXsqwfbLwp7pbzJzWHxzKPnL8rfA=="],
        [V1, "1616492376594", "/0/private/AddOrder", "nonce=1616492376594&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25&otp=123456", "/liaSZ18F6oiuyO8MAWnfmcXvSvMi/jpmpXA5GQ5vBGuGIfy+uj4KZImDzNq5EfrJxJohBSUkqdAVbx6ZgRY0g=="],
        [V1, "1616492376594000000", "/0/private/Balance", "nonce=1616492376594000000", "w6qm02Hwjqnpr3rzKslcKEjGm9PPxNJQnCSwGyg3GsX46qs3D0T+0W7HFdhkuibOw+z2VkD3T1pIdkhfcT9A1w=="],
        [V1, "1616492376594", "/0/private/GetWebSocketsToken", "nonce=1616492376594", "+mRDmY9Ks0Moc1zjv/BjfvYa98buO0x1yHChZR5onlfAzAUbfIYlLggUZzdQ0RsmXm4Sh+Q8iAIZdo2wSeHeiA=="],
        [V1, "1616492376594", "/0/private/GetApiKeyInfo", "nonce=1616492376594", "0hXh9q5/fK8xgzNfiExbUyhEvsv1gAYGgL/5PWy8Xo8kFGhpI/ZwAnHB1eC0SYtlYiywFcypDRuBP/GjHp+ojA=="],
        [V1, "1616492376594", "/0/private/AddOrder", "nonce=1616492376594&close%5Bordertype%5D=limit&close%5Bprice%5D=38000&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25", "7MDOsUkEFcwGR8AqSRG9+iDCLPyphvvEDEakfJINAriJaYVpw7d3fMECEoUWDP/Dl7bW9cQQgrWsTW6eYX779g=="],
        [V1, "1616492376594", "/funding/v1/methods/deposit?asset%5Bclass%5D=currency&asset%5Bname%5D=USDC&limit=50", "", "Y5hXbQCmLKF01kZL0BsE3XmksKF9G1my5eeXwVrJ/pfIgG7HgPso+TcZm/WF8uKAMqd6/dgz05s7DQREWKJn+w=="],
        [V1, "1616492376594", "/0/private/CancelOrderBatch", r#"{"nonce":"1616492376594","orders":["OG5V2Y-RYKVL-DT3V3B","OP5V2Y-RYKVL-ET3V3B"]}"#, "7Ay2V+Mk86knhHj308x4X+OnfemQMEAzS2qyCQuPjFkfyR0s5UiDLQGmF663YuPKjgmh6OlXXgLvgrCijrC9pA=="],
    ];

    #[test]
    fn vectors_match_and_nothing_else_does() {
        for [secret, nonce, path, body, sign] in VECTORS {
            let signer = Signer::new(&STANDARD.decode(secret).unwrap()).unwrap();
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            assert_eq!(signer.sign(path, query, nonce, body.as_bytes()), sign, "{path} {body}");
            assert!(signer.verify(sign, path, query, nonce, body.as_bytes()));
            assert!(!signer.verify(sign, path, query, &format!("{nonce}0"), body.as_bytes()));
            assert!(!signer.verify(sign, path, query, nonce, format!("{body} ").as_bytes()));
            assert!(!signer.verify(sign, "/0/private/Withdraw", query, nonce, body.as_bytes()));
            assert!(!signer.verify(&sign[..84], path, query, nonce, body.as_bytes()));
            assert!(!signer.verify("", path, query, nonce, body.as_bytes()));
        }
    }
}
