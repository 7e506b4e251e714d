//! What tidegate adds to Kraken's short words about a key, from what it knows of the key itself.

use tidegate_core::{Endpoint, Needs};
use tidegate_kraken::{KeyEffect, Refusal};

use crate::key::Key;
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

/// Of a key that Kraken does not accept: what may be wrong with it.
pub(crate) fn of_unaccepted(limits: &Limits, refusal: &Refusal) -> Option<String> {
    let of_address = matches!(refusal.effect, KeyEffect::BadKey | KeyEffect::PermissionDenied);
    (of_address && !limits.addresses.is_empty()).then(|| {
        format!(
            "when it was last accepted it was bound to {}, so this process may reach Kraken from another address",
            limits.addresses.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use tidegate_core::{Permission, PermissionSet, endpoint};
    use tidegate_kraken::classify;

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
        let words = of_unaccepted(&limits, &refusal("EAPI:Invalid key")).expect("words");
        assert!(words.contains("203.0.113.7/32"), "{words}");
        assert_eq!(of_unaccepted(&limits, &refusal("EAPI:Invalid signature")), None);
        assert_eq!(of_unaccepted(&Limits::default(), &refusal("EAPI:Invalid key")), None);
    }
}
