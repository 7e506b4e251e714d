//! What tidegate adds to Kraken's short words about a key, from what it knows of the key itself.

use tidegate_core::{Endpoint, Needs};
use tidegate_kraken::{KeyEffect, Refusal};

use crate::key::{Key, Otp};
use crate::verify::Limits;

/// Whether Kraken denies a permission of the key, and not something that its account lacks, of which it speaks behind the text.
pub(crate) fn is_denial(endpoint: &Endpoint, refusal: &Refusal) -> bool {
    endpoint.needs != Needs::AnyKey
        && refusal.effect == KeyEffect::PermissionDenied
        && refusal.detail.as_deref().is_none_or(|detail| detail == "Invalid key")
}

/// Of a denied call: what the key lacks, if any of Kraken's sources says that it lacks something.
pub(crate) fn of_denial(key: &Key, endpoint: &Endpoint, refusal: &Refusal) -> Option<String> {
    if !is_denial(endpoint, refusal) {
        return None;
    }
    let unmet = endpoint.other_readings.iter().find(|reading| !reading.needs.met_by(key.permissions))?;
    let (name, label, needs) = (endpoint.name, &key.label, endpoint.needs);
    Some(format!(
        "key {label} has what Kraken's reference asks for {name} ({needs}) and not what {} asks for ({}); for an hour other keys go \
         before it",
        unmet.source, unmet.needs
    ))
}

/// Of a key that Kraken does not accept when asked what it is: what may be wrong with it.
pub(crate) fn of_unaccepted(key: &Key, limits: &Limits, refusal: &Refusal) -> Option<String> {
    let of_address = matches!(refusal.effect, KeyEffect::BadKey | KeyEffect::PermissionDenied);
    let bound = (of_address && !limits.addresses.is_empty()).then(|| {
        format!(
            "when it was last accepted it was bound to {}, so this process may reach Kraken from another address",
            limits.addresses.join(", ")
        )
    });
    let remarks: Vec<String> = second_factor(key, refusal.effect).into_iter().chain(bound).collect();
    (!remarks.is_empty()).then(|| remarks.join("; "))
}

/// What a refused `GetApiKeyInfo` says of the second factor. It needs no permission, so a denied one has no other cause. The pair
/// of errors is what users report of Kraken: a factor that is missing or wrong is a permission denied, one too many an invalid
/// key; Kraken's own support speaks of an invalid signature where a program sends none.
fn second_factor(key: &Key, effect: KeyEffect) -> Option<String> {
    let label = &key.label;
    match (&key.otp, effect) {
        (None, KeyEffect::PermissionDenied) => Some(format!(
            "it has a second factor at Kraken and none in the configuration: set keys.{label}.otp_file (a password) or \
             keys.{label}.totp_file (an authenticator app), or make a key without"
        )),
        (None, KeyEffect::BadSignature) => Some(format!(
            "its private key is not the one that belongs to it, or it has a second factor at Kraken and none in the configuration \
             (keys.{label}.otp_file or totp_file)"
        )),
        (Some(Otp::Password(_)), KeyEffect::PermissionDenied) => Some(format!(
            "the password in keys.{label}.otp_file is not its second factor, or that is an authenticator app \
             (keys.{label}.totp_file)"
        )),
        (Some(Otp::Codes(_)), KeyEffect::PermissionDenied) => Some(format!(
            "Kraken took neither of two codes in a row: the seed in keys.{label}.totp_file is not its own, its second factor is a \
             password (keys.{label}.otp_file), somebody else uses its codes, or this machine's clock is wrong by half a \
             minute"
        )),
        (Some(_), KeyEffect::BadKey) => Some(format!(
            "it is unknown, expired or switched off, or it has no second factor at Kraken and one in the configuration \
             (keys.{label}.otp_file or totp_file)"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_core::{Permission, PermissionSet, endpoint};
    use tidegate_kraken::{Totp, classify};

    use super::*;
    use crate::verify::tests::key;

    fn refusal(text: &str) -> Refusal {
        classify(&[text.to_owned()]).refusal.expect("a refusal")
    }

    #[test]
    fn a_denial_names_what_another_source_asks_for() {
        let of = |list: &[Permission], name: &str, text: &str| {
            let key = Key { permissions: PermissionSet::of(list), ..key() };
            of_denial(&key, endpoint(name).expect("a row"), &refusal(text))
        };
        let (denied, open) = ("EGeneral:Permission denied", [Permission::QueryOpenTrades]);
        let words = of(&open, "TradeBalance", denied).expect("words");
        assert!(words.contains("guide to API keys") && words.contains("query-funds"), "{words}");
        assert_eq!(of(&open, "OpenOrders", denied), None, "the sources agree");
        assert_eq!(of(&open, "TradeBalance", "EGeneral:Invalid arguments"), None);
        let tier = "EGeneral:Permission denied:The user's tier is not high enough";
        assert_eq!(of(&open, "TradeBalance", tier), None, "of the account, not of the key");
        let row = |name| endpoint(name).expect("a row");
        assert!(is_denial(row("Balance"), &refusal("EGeneral:Permission denied:Invalid key")));
        assert!(!is_denial(row("GetApiKeyInfo"), &refusal(denied)), "it needs no permission");
        let both = [Permission::QueryOpenTrades, Permission::QueryFunds];
        assert_eq!(of(&both, "TradeBalance", denied), None);
    }

    #[test]
    fn a_key_that_was_bound_to_addresses_says_so() {
        let limits = Limits { addresses: vec!["203.0.113.7/32".into()], ..Limits::default() };
        let words = of_unaccepted(&key(), &limits, &refusal("EAPI:Invalid key")).expect("words");
        assert!(words.contains("203.0.113.7/32"), "{words}");
        let words = of_unaccepted(&key(), &limits, &refusal("EAPI:Invalid signature")).expect("words");
        assert!(!words.contains("203.0.113.7/32"), "{words}");
        assert_eq!(of_unaccepted(&key(), &Limits::default(), &refusal("EAPI:Invalid key")), None);
    }

    #[test]
    fn a_wrong_second_factor_is_recognised_by_its_error() {
        let password = || Otp::Password("open sesame".to_owned().into());
        let codes = || Otp::Codes(Totp::new("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").expect("base32"));
        let of = |otp: Option<Otp>, text: &str| {
            of_unaccepted(&Key { otp, ..key() }, &Limits::default(), &refusal(text)).unwrap_or_default()
        };
        let (denied, unknown) = ("EGeneral:Permission denied", "EAPI:Invalid key");
        for (words, wanted) in [
            (of(None, denied), "none in the configuration: set keys.desk.otp_file"),
            (of(None, "EAPI:Invalid signature"), "none in the configuration"),
            (of(Some(password()), denied), "the password in keys.desk.otp_file is not"),
            (of(Some(codes()), denied), "neither of two codes"),
            (of(Some(password()), unknown), "no second factor at Kraken and one in the configuration"),
            (of(Some(codes()), unknown), "no second factor at Kraken and one in the configuration"),
        ] {
            assert!(words.contains(wanted), "{words:?} does not say {wanted:?}");
            assert!(!words.contains("open sesame") && !words.contains("GEZD"), "{words}");
        }
        assert_eq!(of(None, unknown), "");
        assert_eq!(of(Some(password()), "EAPI:Invalid signature"), "");
    }
}
