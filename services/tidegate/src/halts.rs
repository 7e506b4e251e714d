//! Halts: an operator stops placing, for one account or for all, on every process at once.

use std::collections::BTreeSet;

use tidegate_core::AccountName;
use tidegate_lanes::{HaltScope, IntentStore, RedisStore};
use tidegate_runtime::Config;

/// Halts, or (without a reason) takes a halt back. One line for each, for people.
pub(crate) async fn lay(
    config: &Config,
    account: Option<&str>,
    reason: Option<&str>,
) -> Result<Vec<String>, String> {
    let scopes = scopes(config, account)?;
    if reason.is_some_and(|reason| reason.trim().is_empty()) {
        return Err("--reason: must say why; it is told to everybody who is refused".to_owned());
    }
    let store = crate::store::shared(config).await?;
    for (domain, scope) in &scopes {
        store.halt(domain, scope, reason).await.map_err(|error| format!("store: {error}"))?;
    }
    shown(config, &store).await
}

/// What is halted.
pub(crate) async fn list(config: &Config) -> Result<Vec<String>, String> {
    shown(config, &crate::store::shared(config).await?).await
}

fn scopes(config: &Config, account: Option<&str>) -> Result<Vec<(AccountName, HaltScope)>, String> {
    let Some(wanted) = account else {
        return Ok(domains(config).into_iter().map(|domain| (domain, HaltScope::All)).collect());
    };
    let known = config.accounts.iter().find(|(name, _)| name.as_str() == wanted);
    let (name, account) = known.ok_or_else(|| {
        let all: Vec<&str> = config.accounts.keys().map(AccountName::as_str).collect();
        format!("--account: {wanted} is no account of the configuration; it has {}", all.join(", "))
    })?;
    Ok(vec![(account.domain.clone(), HaltScope::Account(name.clone()))])
}

fn domains(config: &Config) -> BTreeSet<AccountName> {
    config.accounts.values().map(|account| account.domain.clone()).collect()
}

async fn shown(config: &Config, store: &RedisStore) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for domain in domains(config) {
        let halts = store.halts(&domain).await.map_err(|error| format!("store: {error}"))?;
        lines.extend(halts.into_iter().map(|(scope, reason)| match scope.as_str() {
            "*" => format!("every account of {domain}: halted: {reason}"),
            account => format!("{account}: halted: {reason}"),
        }));
    }
    if lines.is_empty() {
        lines.push("nothing is halted".to_owned());
    }
    Ok(lines)
}
