//! The live processes of a pool, as the store keeps them.
//!
//! Each request announces its process for as long as a grant lasts. A process that leaves announces that it mounts nothing, so
//! that the others are proposed for its keys, and that stays so: its lanes ask each on their own, and a request that one of
//! them had sent before must not bring it back.

use std::collections::BTreeMap;

use tidegate_core::OwnerId;

use super::generation::SKEW_MAX_US;
use super::types::{GrantIds, Member};

/// Announces a process. Returns the live members: those that mount something, and the process itself.
pub fn announce(
    pool: &mut BTreeMap<OwnerId, Member>,
    ids: &GrantIds,
    ttl_us: u64,
    now_us: u64,
) -> Vec<Member> {
    pool.retain(|_, member| is_live(member.expires_us, ttl_us, now_us));
    let has_left = pool.get(&ids.owner).is_some_and(|member| member.mounts.is_empty());
    let member = Member {
        owner: ids.owner.clone(),
        advertise: ids.advertise.clone(),
        expires_us: now_us + ttl_us,
        mounts: if has_left { Vec::new() } else { ids.mounts.to_vec() },
    };
    pool.insert(ids.owner.clone(), member);
    pool.retain(|_, member| is_live(member.expires_us, ttl_us, now_us));
    let shown = |member: &&Member| !member.mounts.is_empty() || member.owner == ids.owner;
    pool.values().filter(shown).cloned().collect()
}

/// A process leaves its pool.
pub fn depart(pool: &mut BTreeMap<OwnerId, Member>, owner: &OwnerId) {
    if let Some(member) = pool.get_mut(owner) {
        member.mounts.clear();
    }
}

/// Whether a process that announced itself until `expires_us` counts as live. What lies further ahead than an announcement
/// reaches was written while the server's clock ran ahead; who is alive announces itself again within a second or two.
const fn is_live(expires_us: u64, ttl_us: u64, now_us: u64) -> bool {
    expires_us > now_us && expires_us <= now_us + ttl_us + SKEW_MAX_US
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::GRANT_TTL_US;
    use crate::keys::{Fingerprint, GrantKey};

    const T: u64 = 1_795_000_000_000_000;

    fn ids(owner: &str) -> GrantIds {
        let fingerprint = Fingerprint::of_api_key("k");
        GrantIds {
            key: GrantKey { domain: "main".parse().expect("a label"), fingerprint: fingerprint.clone() },
            owner: OwnerId::named(owner),
            advertise: String::new(),
            pool: "default".parse().expect("a label"),
            mounts: [fingerprint].into(),
        }
    }

    fn names(members: &[Member]) -> Vec<&str> {
        members.iter().map(|member| member.owner.as_str()).collect()
    }

    #[test]
    fn what_was_announced_ahead_of_the_clock_is_nobody() {
        assert!(is_live(T + 1, GRANT_TTL_US, T) && !is_live(T, GRANT_TTL_US, T));
        let furthest = T + GRANT_TTL_US + SKEW_MAX_US;
        assert!(is_live(furthest, GRANT_TTL_US, T) && !is_live(furthest + 1, GRANT_TTL_US, T));
    }

    #[test]
    fn who_leaves_does_not_come_back_by_a_request_that_was_under_way() {
        let mut pool = BTreeMap::new();
        announce(&mut pool, &ids("a"), GRANT_TTL_US, T);
        assert_eq!(names(&announce(&mut pool, &ids("b"), GRANT_TTL_US, T)), ["a", "b"]);
        depart(&mut pool, &OwnerId::named("a"));
        announce(&mut pool, &ids("a"), GRANT_TTL_US, T + 1);
        assert_eq!(names(&announce(&mut pool, &ids("b"), GRANT_TTL_US, T + 2)), ["b"]);
        let leaving = GrantIds { mounts: [].into(), ..ids("b") };
        assert_eq!(names(&announce(&mut pool, &leaving, GRANT_TTL_US, T + 3)), ["b"], "it still sees itself");
        announce(&mut pool, &ids("b"), GRANT_TTL_US, T + 4);
        assert_eq!(names(&announce(&mut pool, &ids("c"), GRANT_TTL_US, T + 5)), ["c"]);
        let later = T + 6 + GRANT_TTL_US;
        assert_eq!(names(&announce(&mut pool, &ids("a"), GRANT_TTL_US, later)), ["a"], "forgotten by then");
    }
}
