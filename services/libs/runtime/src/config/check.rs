//! Rules between settings: what each of them allows, but not together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tidegate_core::{AccountName, KeyLabel, Permission, PermissionSet};

use super::mistakes::Report;
use super::tables::{Config, KeyConfig, KeySource};
use super::values::RestUrl;

pub(super) fn all(config: &Config, report: &Report) {
    listeners_off_loopback_are_allowed_by_name(config, report);
    others_can_reach_the_executor(config, report);
    the_pool_has_keys(config, report);
    connecting_takes_less_than_everything(config, report);
    placing_keys_have_no_window(&config.keys, report);
    break_glass_keys_only_cancel(&config.keys, report);
    accounts_that_place_can_look(&config.keys, report);
    let target = match &config.kraken.rest_url {
        Some(url) => Some(url.clone()),
        // Which role runs is not known here, so the sandbox gets the benefit of the doubt; see Config::rest_url.
        None => (!config.sandbox.enabled).then(RestUrl::kraken),
    };
    if let Some(url) = target {
        sandbox_keys_stay_in_the_sandbox(&config.keys, &url, report);
    }
}

fn listeners_off_loopback_are_allowed_by_name(config: &Config, report: &Report) {
    let Config { gateway, executor, admin, sandbox, .. } = config;
    let listeners: [(&str, &str, Option<SocketAddr>, bool); 5] = [
        ("gateway", "listen", Some(gateway.listen), gateway.allow_unauthenticated_off_loopback),
        ("executor", "listen", Some(executor.listen), executor.allow_unauthenticated_off_loopback),
        ("admin", "listen", Some(admin.listen), admin.allow_unauthenticated_off_loopback),
        ("sandbox", "listen", Some(sandbox.listen), sandbox.allow_unauthenticated_off_loopback),
        ("sandbox", "tls_listen", sandbox.tls_listen, sandbox.allow_unauthenticated_off_loopback),
    ];
    for (table, key, addr, allowed) in listeners {
        if let Some(addr) = addr.filter(|addr| !addr.ip().is_loopback() && !allowed) {
            let text = format!(
                "{addr} is reachable from other machines and asks nobody who they are; must be a loopback \
                 address, or set {table}.allow_unauthenticated_off_loopback = true"
            );
            report.add(&format!("{table}.{key}"), text);
        }
    }
}

/// A shared store tells other processes where a lane is; `0.0.0.0` would send them to themselves.
fn others_can_reach_the_executor(config: &Config, report: &Report) {
    let executor = &config.executor;
    if config.store.is_shared() && executor.listen.ip().is_unspecified() && executor.advertise.is_none() {
        let text = format!(
            "is missing; with a shared store and executor.listen = {} it must be the host:port at which other \
             processes reach this one",
            executor.listen
        );
        report.add("executor.advertise", text);
    }
}

fn the_pool_has_keys(config: &Config, report: &Report) {
    let Some(pool) = &config.executor.pool else { return };
    let pools: BTreeSet<&str> = config.keys.values().map(|key| key.pool.as_str()).collect();
    if !pools.is_empty() && !pools.contains(pool.as_str()) {
        let pools = pools.into_iter().collect::<Vec<_>>().join(", ");
        report.add("executor.pool", format!("{pool} has no keys; must be a pool of some key: {pools}"));
    }
}

fn connecting_takes_less_than_everything(config: &Config, report: &Report) {
    let kraken = &config.kraken;
    if kraken.connect_timeout_ms > kraken.total_timeout_ms {
        let text = format!(
            "{} must not be above kraken.total_timeout_ms, which is {}",
            kraken.connect_timeout_ms, kraken.total_timeout_ms
        );
        report.add("kraken.connect_timeout_ms", text);
    }
}

/// With a window Kraken takes nonces out of order, so it no longer refuses every second copy of a request.
fn placing_keys_have_no_window(keys: &BTreeMap<KeyLabel, KeyConfig>, report: &Report) {
    const PLACING: PermissionSet = PermissionSet::of(&[Permission::ModifyTrades]);
    for (label, key) in keys {
        if key.window > 0 && key.permissions.contains(PLACING) && !key.allow_placing_with_window {
            let text = format!(
                "{} on a key that places orders weakens Kraken's guard against duplicates; must be 0, or set \
                 keys.{label}.allow_placing_with_window = true",
                key.window
            );
            report.add(&format!("keys.{label}.window"), text);
        }
    }
}

/// Such a key has no owner that the store could name, so all that it does must be harmless if it were done twice.
fn break_glass_keys_only_cancel(keys: &BTreeMap<KeyLabel, KeyConfig>, report: &Report) {
    const CANCELS: PermissionSet = PermissionSet::of(&[Permission::CloseTrades]);
    for (label, key) in keys.iter().filter(|(_, key)| key.break_glass.is_some()) {
        if key.permissions != CANCELS {
            let text = "must be [\"close-trades\"] on a break-glass key: it is used without a store, so it may cancel and \
                        do nothing else";
            report.add(&format!("keys.{label}.permissions"), text);
        }
        if key.window > 0 {
            let text = format!("{} must be 0 on a break-glass key", key.window);
            report.add(&format!("keys.{label}.window"), text);
        }
    }
}

/// An order whose fate is not known is looked up at Kraken. Without a key that can, it would stay unknown for ever; so nothing
/// is placed at all. The key may be of another pool: that is why every process is told of all keys.
fn accounts_that_place_can_look(keys: &BTreeMap<KeyLabel, KeyConfig>, report: &Report) {
    const PLACES: PermissionSet = PermissionSet::of(&[Permission::ModifyTrades]);
    const LOOKS: PermissionSet =
        PermissionSet::of(&[Permission::QueryOpenTrades, Permission::QueryClosedTrades]);
    let mut placing: BTreeMap<&AccountName, Vec<&str>> = BTreeMap::new();
    let places = |key: &KeyConfig| key.permissions.contains(PLACES) && key.break_glass.is_none();
    for (label, key) in keys.iter().filter(|(_, key)| places(key)) {
        placing.entry(&key.account).or_default().push(label.as_str());
    }
    for (account, labels) in placing {
        let looks = |key: &KeyConfig| key.account == *account && key.permissions.contains(LOOKS);
        if !keys.values().any(looks) {
            let text = format!(
                "has keys that place orders ({}) and none that can find out what became of them; must have a key with \
                 query-open-trades and query-closed-trades, of this pool or of another (then listed here with its pool)",
                labels.join(", ")
            );
            report.add(&format!("accounts.{account}"), text);
        }
    }
}

pub(super) fn sandbox_keys_stay_in_the_sandbox(
    keys: &BTreeMap<KeyLabel, KeyConfig>,
    url: &RestUrl,
    report: &Report,
) {
    for (label, _) in keys.iter().filter(|(_, key)| url.is_kraken() && key.source == KeySource::Sandbox) {
        let text = format!(
            "is a key of the built-in sandbox and would be sent to {url}; must be a key with a file, or set \
             kraken.rest_url to a sandbox"
        );
        report.add(&format!("keys.{label}.sandbox"), text);
    }
}
