//! Is this Redis fit to keep grants? Decided from what it says of itself, whenever a process comes to a server.
//!
//! A store that forgets under memory pressure hands out one nonce twice, and nothing inside of it can see that
//! (`maxmemory-policy`). A store that keeps nothing costs a wait after every restart. So an unfit one is refused by name
//! where other machines depend on it, and only spoken of where somebody tries things out.

use std::collections::HashMap;

/// Longest time for which a primary may miss its replicas and still take writes that it will lose.
const MAX_LAG_S: u64 = 5;

/// How strict to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreProfile {
    /// An unfit store is refused.
    #[default]
    Strict,
    /// An unfit store is used, and what is wrong with it is said.
    Trial,
}

/// What is wrong with a server, in words for an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// It may hand out one nonce twice, or is not the server that it is taken for.
    pub(super) dangerous: Vec<String>,
    /// Its next restart costs a wait, or nothing is granted until a replica comes. That is so for a while after every
    /// failover, and no reason to refuse what goes on.
    pub(super) fragile: Vec<String>,
}

/// Judges a server. `info` is the text of `INFO`, `limits` what `CONFIG GET min-replicas-*` says, empty where that is
/// forbidden; `spread` is whether it was configured as a node of a cluster.
pub(super) fn findings(
    info: &str,
    limits: &HashMap<String, String>,
    wait_replicas: u32,
    spread: bool,
) -> Findings {
    let fields: HashMap<&str, &str> =
        info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let field = |name: &str| fields.get(name).copied();
    let number = |name: &str| field(name).and_then(|text| text.parse::<u32>().ok());
    let limit = |name: &str| limits.get(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let mut found = Findings::default();
    match field("maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => found.dangerous.push(format!(
            "maxmemory-policy is {policy}, so it may forget grants when its memory is full; must be noeviction"
        )),
        None => found
            .dangerous
            .push("it does not say its maxmemory-policy, which must be noeviction".to_owned()),
    }
    if field("role").is_some_and(|role| role != "master") {
        found.dangerous.push("it is a replica; the address must be the primary's".to_owned());
    }
    if !spread && number("cluster_enabled") == Some(1) {
        found.dangerous.push("it is a node of a cluster; use store.cluster".to_owned());
    }
    let lag_s = limit("min-replicas-max-lag");
    if limit("min-replicas-to-write") > 0 && (lag_s > MAX_LAG_S || lag_s == 0) {
        found.dangerous.push(format!(
            "min-replicas-max-lag is {lag_s} s, so for as long it takes writes that a failover loses; must be 1 to {MAX_LAG_S}"
        ));
    }
    let replicas = number("connected_slaves").unwrap_or(0);
    if number("aof_enabled") != Some(1) && replicas == 0 {
        found.fragile.push(
            "it has neither an append-only file nor a replica, so every restart loses its memory; set appendonly yes or \
             give it a replica"
                .to_owned(),
        );
    }
    if replicas < wait_replicas {
        found.fragile.push(format!(
            "it has {replicas} replica(s) and store.wait_replicas is {wait_replicas}, so no grant would count"
        ));
    }
    found
}

/// Whether a server shows by which id its memory can be told from another's.
pub(super) fn shows_replication_id(info: &str) -> bool {
    info.lines().any(|line| line.trim_end().strip_prefix("master_replid:").is_some_and(|id| !id.is_empty()))
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

    fn said(info: &str, wait_replicas: u32) -> Findings {
        findings(info, &HashMap::new(), wait_replicas, false)
    }

    #[test]
    fn a_fit_store_has_no_findings_and_an_unfit_one_is_told_why() {
        assert_eq!(said(&info("noeviction", 1, 0), 0), Findings::default());
        assert_eq!(said(&info("noeviction", 0, 1), 1), Findings::default());
        let cluster = format!("{}cluster_enabled:1\r\n", info("noeviction", 1, 0));
        for (text, words) in [
            (info("allkeys-lru", 1, 0), "maxmemory-policy is allkeys-lru"),
            (info("noeviction", 1, 0).replace("master", "slave"), "it is a replica"),
            (String::new(), "does not say its maxmemory-policy"),
            (cluster.clone(), "it is a node of a cluster"),
        ] {
            let found = said(&text, 0).dangerous;
            assert!(found.iter().any(|finding| finding.contains(words)), "{found:?}");
        }
        assert_eq!(findings(&cluster, &HashMap::new(), 0, true), Findings::default());
        for (text, wait_replicas, words) in [
            (info("noeviction", 0, 0), 0, "neither an append-only file nor a replica"),
            (info("noeviction", 1, 0), 1, "0 replica(s) and store.wait_replicas is 1"),
        ] {
            let found = said(&text, wait_replicas).fragile;
            assert!(found.iter().any(|finding| finding.contains(words)), "{found:?}");
        }
    }

    #[test]
    fn a_primary_must_not_go_on_for_long_without_its_replicas() {
        let limits = |write: &str, lag: &str| {
            HashMap::from([
                ("min-replicas-to-write".to_owned(), write.to_owned()),
                ("min-replicas-max-lag".to_owned(), lag.to_owned()),
            ])
        };
        let found = |limits| findings(&info("noeviction", 1, 1), &limits, 0, false).dangerous;
        assert_eq!(found(limits("0", "10")), Vec::<String>::new(), "the limit is not in force");
        assert_eq!(found(limits("1", "5")), Vec::<String>::new());
        assert!(found(limits("1", "10"))[0].contains("min-replicas-max-lag is 10 s"));
        assert!(
            found(limits("1", "0"))[0].contains("min-replicas-max-lag is 0 s"),
            "zero is no limit at all"
        );
    }

    #[test]
    fn a_replication_id_is_seen_or_missed() {
        assert!(shows_replication_id("role:master\r\nmaster_replid:8f3a\r\n"));
        assert!(!shows_replication_id("role:master\r\nmaster_replid:\r\n") && !shows_replication_id(""));
    }
}
