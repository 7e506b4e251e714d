//! `tidegate permissions`: what each endpoint needs, and which of them the keys of a configuration can serve.
//!
//! Keys are chosen as the gateway chooses them, with every key taken to be open and to be what its configuration says.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tidegate_core::{
    AccountName, ENDPOINTS, Effect, Endpoint, Fit, KeyLabel, Needs, Permission, PermissionSet, UnixUs,
};
use tidegate_lanes::{Asked, Candidate, ChooseError, Dates, choose};
use tidegate_proto::METHODS;
use tidegate_runtime::Config;
use tidegate_runtime::config::KeyConfig;

/// Every endpoint with the permissions that it needs, what it costs and its RPC; then the permissions with their name on
/// Kraken's settings page.
pub(crate) fn matrix() -> String {
    let mut text =
        format!("{:<30} {} REST  {:<40} NEEDS\n", "ENDPOINT", Permission::ALL.map(column).concat(), "RPC");
    for endpoint in &ENDPOINTS {
        let cells = Permission::ALL.map(|permission| format!("{:<3}", cell(endpoint, permission))).concat();
        let _ = writeln!(
            text,
            "{:<30} {cells} {:>4}  {:<40} {}",
            endpoint.name,
            endpoint.rest_points,
            rpc(endpoint),
            in_words(endpoint)
        );
    }
    let _ = writeln!(
        text,
        "\n+ needed; a, b: all of a or all of b; ? asked for by another of Kraken's sources, where they differ.\n\n\
         COLUMN  TOKEN                   ON KRAKEN'S SETTINGS PAGE"
    );
    for permission in Permission::ALL {
        let _ = writeln!(
            text,
            "{:<7} {:<23} {}",
            column(permission).trim(),
            permission.token(),
            permission.title()
        );
    }
    text
}

/// A column of the matrix: the first letters of a permission's first two words.
fn column(permission: Permission) -> String {
    let initials: String =
        permission.token().split('-').take(2).filter_map(|word| word.chars().next()).collect();
    format!("{initials:<3}")
}

fn cell(endpoint: &Endpoint, permission: Permission) -> String {
    let one = PermissionSet::of(&[permission]);
    let Needs::AnyOf(sets) = endpoint.needs else { return ".".to_owned() };
    let alternatives = sets.iter().zip('a'..).filter(|(set, _)| set.contains(one));
    let letters: String = match sets {
        [_] => alternatives.map(|_| '+').collect(),
        _ => alternatives.map(|(_, letter)| letter).collect(),
    };
    match (letters.is_empty(), endpoint.named().contains(one)) {
        (false, _) => letters,
        (true, true) => "?".to_owned(),
        (true, false) => ".".to_owned(),
    }
}

/// The RPC that ends in an endpoint: the one that does not stream, where there are two.
fn rpc(endpoint: &Endpoint) -> String {
    let ends_here = || METHODS.iter().filter(|method| method.endpoint == Some(endpoint.name));
    let method = ends_here().find(|method| !method.streaming).or_else(|| ends_here().next());
    method.map_or_else(
        || "-".to_owned(),
        |method| format!("{}/{}", method.service.rsplit('.').next().unwrap_or(method.service), method.name),
    )
}

fn in_words(endpoint: &Endpoint) -> String {
    let others = endpoint.other_readings.iter().map(|other| format!("; {}: {}", other.source, other.needs));
    format!("{}{}", endpoint.needs, others.collect::<String>())
}

/// Per account: which endpoints its keys can serve and by which keys, best first; and for those that they cannot, the smallest
/// key that would help.
pub(crate) fn of_keys(config: &Config) -> String {
    let mut keys: BTreeMap<&AccountName, Vec<(&KeyLabel, &KeyConfig)>> =
        config.accounts.keys().map(|account| (account, Vec::new())).collect();
    for (label, key) in &config.keys {
        keys.entry(&key.account).or_default().push((label, key));
    }
    let public = ENDPOINTS.iter().filter(|endpoint| !endpoint.is_private()).count();
    let mut text = format!("{public} of {} endpoints are public: they need no key.\n", ENDPOINTS.len());
    for (account, keys) in keys {
        of_account(config, account, &keys, &mut text);
    }
    text
}

fn of_account(config: &Config, account: &AccountName, keys: &[(&KeyLabel, &KeyConfig)], text: &mut String) {
    let (mut served, mut unserved, mut likely) = (String::new(), String::new(), false);
    let (mut count, private) = (0, ENDPOINTS.iter().filter(|endpoint| endpoint.is_private()));
    for endpoint in private.clone() {
        let cancels = endpoint.effect.is_cancel();
        let candidates: Vec<Candidate> = keys
            .iter()
            .filter(|(_, key)| cancels || key.break_glass.is_none())
            .map(|(label, key)| Candidate {
                last_resort: key.break_glass.is_some(),
                ..Candidate::new((*label).clone(), account.clone(), key.permissions)
            })
            .collect();
        let (dates, now) = (Dates::default(), UnixUs(0));
        match choose(&Asked { endpoint, account, key_tag: None, dates, now }, &candidates) {
            Ok(ranked) => {
                let labels = ranked.iter().map(|c| {
                    let mark = if endpoint.fit(c.permissions) == Some(Fit::Surely) { "" } else { "?" };
                    likely |= !mark.is_empty();
                    format!("{}{mark}", c.label)
                });
                let labels = labels.collect::<Vec<_>>().join(", ");
                let switch = switched_off(config, endpoint)
                    .map_or_else(String::new, |switch| format!("; refused while {switch} is false"));
                let _ = writeln!(served, "{:<30} {labels}{switch}", endpoint.name);
                count += 1;
            }
            Err(error) => {
                let lacks = match &error {
                    ChooseError::NoKey { missing, .. } => either(missing),
                    _ => "(there is no key)".to_owned(),
                };
                let _ = writeln!(unserved, "{:<30} {:<52} {lacks}", endpoint.name, smallest_key(endpoint));
            }
        }
    }
    let _ =
        writeln!(text, "\naccount {account}: its keys can serve {count} of {} endpoints", private.count());
    if !served.is_empty() {
        let _ = write!(text, "\n{:<30} SERVED BY, BEST FIRST\n{served}", "ENDPOINT");
    }
    if likely {
        let _ = writeln!(text, "? Kraken's sources differ, and the key lacks what one of them asks for.");
    }
    if !unserved.is_empty() {
        let head =
            format!("{:<30} {:<52} {}", "ENDPOINT", "SMALLEST KEY THAT WOULD HELP", "THE CLOSEST KEY LACKS");
        let _ = write!(text, "\n{head}\n{unserved}");
    }
}

/// The permissions of the smallest key that may serve, and where Kraken's sources differ, of the one that surely may.
fn smallest_key(endpoint: &Endpoint) -> String {
    let smallest = |sets: Vec<PermissionSet>| -> Vec<PermissionSet> {
        let least = sets.iter().map(|set| set.len()).min().unwrap_or_default();
        sets.into_iter().filter(|set| set.len() == least).collect()
    };
    let Needs::AnyOf(sets) = endpoint.needs else { return "a key of any permissions".to_owned() };
    let mut sure: Vec<PermissionSet> = sets.to_vec();
    for other in endpoint.other_readings {
        let Needs::AnyOf(asked) = other.needs else { continue };
        let join = |a: PermissionSet, b: PermissionSet| a.iter().chain(b.iter()).collect::<PermissionSet>();
        sure = sure.iter().flat_map(|set| asked.iter().map(|other| join(*set, *other))).collect();
    }
    let (likely, sure) = (smallest(sets.to_vec()), smallest(sure));
    if likely == sure { either(&likely) } else { format!("{} (surer: {})", either(&likely), either(&sure)) }
}

fn either(sets: &[PermissionSet]) -> String {
    sets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

/// The switch without which an endpoint is refused whatever the keys may do.
fn switched_off(config: &Config, endpoint: &Endpoint) -> Option<&'static str> {
    let (switch, on) = match (endpoint.name, endpoint.effect) {
        ("EditOrder", _) => ("executor.allow_edit_order", config.executor.allow_edit_order),
        (name, _) if tidegate_executor::is_transfer(name) => {
            ("executor.allow_transfers", config.executor.allow_transfers)
        }
        (_, Effect::CancelScope) => ("gateway.allow_cancel_all", config.gateway.allow_cancel_all),
        _ => return None,
    };
    (!on).then_some(switch)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn columns_are_told_apart() {
        let columns: BTreeSet<_> = Permission::ALL.map(column).into();
        assert_eq!(columns.len(), Permission::ALL.len());
    }

    #[test]
    fn the_smallest_key_is_the_smallest_and_says_what_would_be_surer() {
        let smallest = |name| smallest_key(tidegate_core::endpoint(name).expect("a row"));
        assert_eq!(smallest("EditOrder"), "modify-trades + close-trades");
        assert_eq!(smallest("CancelOrder"), "modify-trades or close-trades");
        assert_eq!(smallest("TradeBalance"), "query-open-trades (surer: query-funds + query-open-trades)");
        // The most likely reading is the stricter one here.
        assert_eq!(smallest("QueryTrades"), "query-closed-trades");
        assert_eq!(smallest("Earn/Strategies"), "a key of any permissions");
    }
}
