//! Who should own which key: rendezvous hashing with a bounded load.
//!
//! Every process computes the same proposal from the same members and keys, without talking. It only proposes: the
//! grant decides.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tidegate_core::OwnerId;

use crate::keys::Fingerprint;

/// Proposes an owner for each key, no member owning more than `ceil(keys / members)`. Empty without members.
///
/// Each pair of key and member has a score; pairs are taken by falling score while the key is free and the member
/// has room. A member that leaves mostly moves its own keys.
pub fn propose(members: &[OwnerId], keys: &[Fingerprint]) -> BTreeMap<Fingerprint, OwnerId> {
    let mut members: Vec<&OwnerId> = members.iter().collect();
    members.sort_unstable();
    members.dedup();
    let mut keys: Vec<&Fingerprint> = keys.iter().collect();
    keys.sort_unstable();
    keys.dedup();
    let room = keys.len().div_ceil(members.len().max(1));
    let mut pairs: Vec<_> = keys
        .iter()
        .flat_map(|key| members.iter().map(|member| (score(key, member), *key, *member)))
        .collect();
    pairs.sort_unstable_by(|a, b| b.cmp(a));
    let (mut proposal, mut load) = (BTreeMap::new(), BTreeMap::<&OwnerId, usize>::new());
    for (_, key, member) in pairs {
        let load = load.entry(member).or_default();
        if *load < room && !proposal.contains_key(key) {
            *load += 1;
            proposal.insert(key.clone(), member.clone());
        }
    }
    proposal
}

fn score(key: &Fingerprint, member: &OwnerId) -> [u8; 8] {
    // A fingerprint has a fixed length, so the border between the two parts cannot blur.
    let digest = Sha256::new().chain_update(key.as_str()).chain_update(member.as_str()).finalize();
    let mut score = [0; 8];
    score.copy_from_slice(&digest[..8]);
    score
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn members(n: usize, salt: u64) -> Vec<OwnerId> {
        (0..n).map(|i| OwnerId::named(&format!("m{salt}-{i}"))).collect()
    }

    fn keys(n: usize) -> Vec<Fingerprint> {
        (0..n).map(|i| Fingerprint::of_api_key(&format!("k{i}"))).collect()
    }

    proptest! {
        #[test]
        fn every_key_has_an_owner_and_nobody_too_many(m in 1_usize..7, k in 0_usize..40, salt in any::<u64>()) {
            let (members, keys) = (members(m, salt), keys(k));
            let proposal = propose(&members, &keys);
            prop_assert_eq!(proposal.len(), k);
            for member in &members {
                prop_assert!(proposal.values().filter(|o| *o == member).count() <= k.div_ceil(m));
            }
            let (mut turned, mut other) = (members, keys);
            turned.reverse();
            other.reverse();
            prop_assert_eq!(propose(&turned, &other), proposal, "the order of the lists does not matter");
        }
    }

    #[test]
    fn a_leaving_member_moves_little_more_than_its_own_keys() {
        let keys = keys(24);
        let (mut moved, mut runs) = (0, 0);
        for salt in 0..50 {
            let members = members(4, salt);
            let before = propose(&members, &keys);
            let after = propose(&members[1..], &keys);
            moved += keys.iter().filter(|k| before[k] != members[0] && before[k] != after[k]).count();
            runs += 1;
        }
        // Six keys belong to the one who leaves; of the other eighteen a modulo would move two thirds.
        assert!(moved / runs <= 3, "{moved} keys moved in {runs} runs without need");
    }

    #[test]
    fn nobody_owns_anything_without_members() {
        assert!(propose(&[], &keys(3)).is_empty());
    }
}
