//! Is the key what the configuration says? Decided from Kraken's own words, `GetApiKeyInfo`.

use tidegate_core::{Permission, PermissionSet, UnixUs};
use tidegate_kraken::wire::{ApiKeyInfo, Time};
use tidegate_lanes::Dates;

use crate::key::Key;

/// A key is not used from this long before it expires: a call that is on its way then must not find it gone.
const EXPIRY_MARGIN_S: u64 = 60;

/// Whether a key that expires then is not to be used any more.
pub(crate) fn ends_soon(expires: UnixUs, now: UnixUs) -> bool {
    expires <= now.plus_ms(EXPIRY_MARGIN_S * 1_000)
}

/// What bounds the use of a key besides its permissions, as Kraken said it last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// When it expires; `None` if never, or if that is not known.
    pub expires: Option<UnixUs>,
    /// What it may ask about.
    pub dates: Dates,
    /// Addresses and networks from which it may be used; empty if from any, or if that is not known.
    pub addresses: Vec<String>,
}

impl Limits {
    fn of(info: &ApiKeyInfo) -> Self {
        let at = |time: &Option<Time>| time.and_then(Time::unix_ns).map(|ns| UnixUs(ns / 1_000));
        Self {
            expires: at(&info.valid_until),
            dates: Dates { from: at(&info.query_from), to: at(&info.query_to) },
            addresses: info.ip_allowlist.clone(),
        }
    }
}

/// How a key differs from its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// Every difference, in words for an operator.
    pub reason: String,
    /// Whether it is of the right account, has not expired, and may still cancel orders.
    pub still_cancels: bool,
}

/// Compares what Kraken says of a key with its configuration. Returns what else bounds its use.
///
/// The error names every difference, in words for an operator; it holds no secret.
pub(crate) fn verify(key: &Key, info: &ApiKeyInfo, now: UnixUs) -> Result<Limits, Unfit> {
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
    let other_account = key.iban.as_ref().filter(|iban| squeezed(iban) != squeezed(at_kraken));
    let is_other_account = other_account.is_some();
    if let Some(iban) = other_account {
        differences.push(format!(
            "it belongs to account {at_kraken} at Kraken, and account {} is {iban} in the configuration",
            key.account
        ));
    }
    let limits = Limits::of(info);
    let ends = limits.expires.is_some_and(|expires| ends_soon(expires, now));
    if ends {
        differences.push("it has expired or does so within a minute".to_owned());
    }
    if differences.is_empty() {
        return Ok(limits);
    }
    // Any of these is enough (Kraken docs: CancelOrder).
    let may_cancel = [Permission::ModifyTrades, Permission::CloseTrades].iter().any(|permission| {
        let one = PermissionSet::of(&[*permission]);
        known.contains(one) && key.permissions.contains(one)
    });
    Err(Unfit { reason: differences.join("; "), still_cancels: may_cancel && !is_other_account && !ends })
}

/// Account identifiers are written with and without spaces.
fn squeezed(iban: &str) -> String {
    iban.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase()
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::value::RawValue;
    use serde_json::{Value, json};
    use tidegate_core::NonceUnit;
    use tidegate_kraken::{Credential, wire};
    use tidegate_lanes::{Fingerprint, GrantKey, Tier};

    use super::*;

    const NOW: UnixUs = UnixUs(1_795_000_000_000_000);

    pub(crate) fn key() -> Key {
        let label = "a label";
        Key {
            label: "desk".parse().expect(label),
            account: "main".parse().expect(label),
            iban: Some("AA12 N84G ABCD 1234".into()),
            pool: "default".parse().expect(label),
            of_sandbox: false,
            grant_key: GrantKey {
                domain: "main".parse().expect(label),
                fingerprint: Fingerprint::of_api_key("public-half"),
            },
            credential: Credential::new("public-half".into(), "c2VjcmV0").expect("base64"),
            otp: None,
            unit: NonceUnit::Us,
            window: 0,
            permissions: PermissionSet::of(&[Permission::QueryFunds, Permission::ModifyTrades]),
            tags: Vec::new(),
            tier: Tier::PRO,
            trade_tier: None,
            break_glass: false,
        }
    }

    /// What Kraken says of the key when all is well, with one member replaced.
    fn info(name: &str, value: Value) -> ApiKeyInfo {
        let mut said = json!({
            "permissions": ["modify-trades", "query-funds"],
            "nonceWindow": 0,
            "iban": "AA12N84GABCD1234",
            "validUntil": "0",
        });
        said[name] = value;
        let raw = RawValue::from_string(said.to_string()).expect("JSON");
        wire::read(Some(&raw)).expect("key info")
    }

    #[test]
    fn a_key_that_is_what_was_said_is_accepted() {
        assert_eq!(verify(&key(), &info("iban", json!("aa12 n84g abcd 1234")), NOW), Ok(Limits::default()));
        let in_an_hour = NOW.0 / 1_000_000 + 3_600;
        let limits = verify(&key(), &info("validUntil", json!(in_an_hour.to_string())), NOW);
        assert_eq!(limits.expect("fit").expires, Some(UnixUs(in_an_hour * 1_000_000)));
    }

    #[test]
    fn what_else_bounds_the_key_is_kept() {
        let limits = |name, value| verify(&key(), &info(name, value), NOW).expect("fit");
        let second = |s: u64| Some(UnixUs(s * 1_000_000));
        assert_eq!(
            limits("queryFrom", json!("1767225600")).dates,
            Dates { from: second(1_767_225_600), to: None }
        );
        assert_eq!(
            limits("query_to", json!("1798761600")).dates,
            Dates { from: None, to: second(1_798_761_600) }
        );
        assert_eq!(limits("queryFrom", json!("0")).dates, Dates::default());
        assert_eq!(limits("ipAllowlist", json!(["203.0.113.7/32", ""])).addresses, ["203.0.113.7/32"]);
    }

    #[test]
    fn every_difference_is_named() {
        let in_a_minute = NOW.0 / 1_000_000 + 60;
        for (name, value, words) in [
            ("permissions", json!(["query-funds"]), "lacks modify-trades"),
            ("permissions", json!(["query-funds", "modify-trades", "withdraw-funds"]), "has withdraw-funds"),
            ("nonceWindow", json!(7), "window is 7 at Kraken and 0"),
            ("iban", json!("AA99 N84G ABCD 1234"), "belongs to account AA99"),
            ("iban", Value::Null, "belongs to account unknown"),
            ("validUntil", json!(in_a_minute.to_string()), "expired"),
            ("validUntil", json!("1700000000"), "expired"),
        ] {
            let reason = verify(&key(), &info(name, value), NOW).expect_err(words).reason;
            assert!(reason.contains(words), "{reason:?} does not say {words:?}");
        }
        let all = json!({"permissions": [], "nonceWindow": 1, "iban": "X", "validUntil": "1"});
        let raw = RawValue::from_string(all.to_string()).expect("JSON");
        let reason =
            verify(&key(), &wire::read(Some(&raw)).expect("key info"), NOW).expect_err("all wrong").reason;
        assert_eq!(reason.split("; ").count(), 4, "{reason}");
    }

    #[test]
    fn a_permission_that_this_build_does_not_know_is_no_difference() {
        // Kraken adds permissions; a key with one more than we can name is judged by those that we can.
        let known = json!(["query-funds", "modify-trades", "read-minds"]);
        assert_eq!(verify(&key(), &info("permissions", known), NOW), Ok(Limits::default()));
    }
}
