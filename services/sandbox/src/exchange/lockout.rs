//! Kraken's answer to somebody who keeps failing: silence for a while, longer for each attempt during it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Addresses remembered at the same time.
const ADDRESSES_MAX: usize = 10_000;

/// When an address is locked out. Off by default, so that a slip costs a developer no quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lockout {
    /// Failed authentications (key, signature, nonce) from one address that lock it out; 0 is never.
    pub failures: u32,
    /// The time within which they count.
    pub within_ms: u64,
    /// How long the lockout lasts, counted anew from each attempt. Kraken: about 15 minutes.
    pub for_ms: u64,
}

impl Default for Lockout {
    fn default() -> Self {
        Self { failures: 0, within_ms: 60_000, for_ms: 900_000 }
    }
}

#[derive(Debug, Default)]
struct Address {
    failed_us: VecDeque<u64>,
    locked_until_us: u64,
}

/// Who failed lately.
#[derive(Debug, Default)]
pub(crate) struct Offenders {
    addresses: HashMap<IpAddr, Address>,
}

impl Offenders {
    /// Whether an address is locked out; asking prolongs it.
    pub(crate) fn locked(&mut self, rule: Lockout, now_us: u64, ip: IpAddr) -> bool {
        if rule.failures == 0 {
            return false;
        }
        match self.addresses.get_mut(&ip) {
            Some(address) if now_us < address.locked_until_us => {
                address.locked_until_us = now_us.saturating_add(rule.for_ms.saturating_mul(1_000));
                true
            }
            _ => false,
        }
    }

    /// Books a failed authentication.
    pub(crate) fn failed(&mut self, rule: Lockout, now_us: u64, ip: IpAddr) {
        if rule.failures == 0 {
            return;
        }
        let since_us = now_us.saturating_sub(rule.within_ms.saturating_mul(1_000));
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(&ip) {
            let worth_keeping = |address: &Address| {
                address.locked_until_us > now_us || address.failed_us.back().is_some_and(|at| *at >= since_us)
            };
            self.addresses.retain(|_, address| worth_keeping(address));
            if self.addresses.len() >= ADDRESSES_MAX {
                return;
            }
        }
        let address = self.addresses.entry(ip).or_default();
        address.failed_us.push_back(now_us);
        while address.failed_us.front().is_some_and(|at| *at < since_us) {
            address.failed_us.pop_front();
        }
        if address.failed_us.len() >= rule.failures as usize {
            address.failed_us.clear();
            address.locked_until_us = now_us.saturating_add(rule.for_ms.saturating_mul(1_000));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const ME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const RULE: Lockout = Lockout { failures: 3, within_ms: 1_000, for_ms: 10_000 };

    #[test]
    fn failures_close_together_lock_out_and_attempts_prolong_it() {
        let mut offenders = Offenders::default();
        for at_us in [0, 900_000, 1_100_000] {
            offenders.failed(RULE, at_us, ME);
            assert!(!offenders.locked(RULE, at_us, ME), "the first is forgotten by then");
        }
        offenders.failed(RULE, 1_200_000, ME);
        assert!(offenders.locked(RULE, 1_200_000, ME));
        assert!(offenders.locked(RULE, 11_000_000, ME));
        assert!(offenders.locked(RULE, 20_000_000, ME), "prolonged at second 11");
        assert!(!offenders.locked(RULE, 30_000_000, ME));
        assert!(!offenders.locked(RULE, 1_200_000, IpAddr::V4(Ipv4Addr::BROADCAST)));
    }

    #[test]
    fn off_is_off() {
        let (mut offenders, off) = (Offenders::default(), Lockout::default());
        (0..100).for_each(|at_us| offenders.failed(off, at_us, ME));
        assert!(!offenders.locked(off, 100, ME));
    }
}
