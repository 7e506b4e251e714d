//! Is this Redis fit to keep grants? Decided once, at the start, from what it says of itself.
//!
//! A store that forgets under memory pressure hands out one nonce twice, and nothing inside of it can see that
//! (`maxmemory-policy`). A store that keeps nothing costs a wait after every restart. So an unfit one is refused by name
//! where other machines depend on it, and only spoken of where somebody tries things out.

use std::collections::HashMap;

/// How strict to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreProfile {
    /// An unfit store is refused.
    #[default]
    Strict,
    /// An unfit store is used, and what is wrong with it is said.
    Trial,
}

/// What is wrong with a server, in words for an operator; empty if nothing is. `info` is the text of `INFO`.
pub(super) fn findings(info: &str, wait_replicas: u32) -> Vec<String> {
    let fields: HashMap<&str, &str> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let field = |name: &str| fields.get(name).copied();
    let number = |name: &str| field(name).and_then(|text| text.parse::<u32>().ok());
    let mut findings = Vec::new();
    match field("maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => findings.push(format!(
            "maxmemory-policy is {policy}, so it may forget grants when its memory is full; must be noeviction"
        )),
        None => findings.push("it does not say its maxmemory-policy, which must be noeviction".to_owned()),
    }
    let replicas = number("connected_slaves").unwrap_or(0);
    if number("aof_enabled") != Some(1) && replicas == 0 {
        findings.push(
            "it has neither an append-only file nor a replica, so every restart loses its memory; set appendonly yes or \
             give it a replica"
                .to_owned(),
        );
    }
    if replicas < wait_replicas {
        findings.push(format!(
            "it has {replicas} replica(s) and store.wait_replicas is {wait_replicas}, so no grant would count"
        ));
    }
    if field("role").is_some_and(|role| role != "master") {
        findings.push("it is a replica; store.redis_url must be the primary's".to_owned());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(policy: &str, aof: u32, replicas: u32) -> String {
        format!(
            "# Memory\r\nmaxmemory_policy:{policy}\r\n# Persistence\r\naof_enabled:{aof}\r\n# Replication\r\nrole:master\r\n\
             connected_slaves:{replicas}\r\n"
        )
    }

    #[test]
    fn a_fit_store_has_no_findings_and_an_unfit_one_is_told_why() {
        assert_eq!(findings(&info("noeviction", 1, 0), 0), Vec::<String>::new());
        assert_eq!(findings(&info("noeviction", 0, 1), 1), Vec::<String>::new());
        for (text, wait_replicas, words) in [
            (info("allkeys-lru", 1, 0), 0, "maxmemory-policy is allkeys-lru"),
            (info("noeviction", 0, 0), 0, "neither an append-only file nor a replica"),
            (info("noeviction", 1, 0), 1, "0 replica(s) and store.wait_replicas is 1"),
            (info("noeviction", 1, 0).replace("master", "slave"), 0, "it is a replica"),
            (String::new(), 0, "does not say its maxmemory-policy"),
        ] {
            let found = findings(&text, wait_replicas);
            assert!(found.iter().any(|finding| finding.contains(words)), "{found:?}");
        }
    }
}
