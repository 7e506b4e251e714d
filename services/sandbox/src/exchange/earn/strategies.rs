//! What there is to earn with, one strategy of each kind.

use crate::exchange::markets::ASSETS;
use crate::wire::json::Json;

/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// How a strategy binds what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// Earns on what lies in the account; nothing is put in.
    Flex,
    /// Goes in and comes out at once.
    Instant,
    /// Seconds on the way in and on the way out.
    Bonded { bonding_s: u64, unbonding_s: u64 },
}

impl Lock {
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Instant => "instant",
            Self::Bonded { .. } => "bonded",
        }
    }
}

#[derive(Debug)]
pub(super) struct Strategy {
    pub(super) id: &'static str,
    pub(super) asset: usize,
    pub(super) lock: Lock,
    /// At least and at most, in percent.
    apr: (&'static str, &'static str),
    /// The least that can be moved, in units of the asset.
    pub(super) min: i128,
    /// The most that one account can have in it.
    pub(super) cap: Option<i128>,
    /// Why nothing can be put in.
    pub(super) restriction: Option<&'static str>,
}

pub(super) const STRATEGIES: [Strategy; 4] = [
    Strategy {
        id: "ESETH2B-ONDED-SANDBX",
        asset: 1,
        lock: Lock::Bonded { bonding_s: DAY_S, unbonding_s: 2 * DAY_S },
        apr: ("2.5000", "4.5000"),
        min: 100_000_000,
        cap: None,
        restriction: None,
    },
    Strategy {
        id: "ESXBTIN-STANT-SANDBX",
        asset: 0,
        lock: Lock::Instant,
        apr: ("0.1000", "0.1500"),
        min: 1_000_000,
        cap: Some(50_000_000_000),
        restriction: None,
    },
    Strategy {
        id: "ESEURIN-STANT-SANDBX",
        asset: 3,
        lock: Lock::Instant,
        apr: ("3.0000", "3.5000"),
        min: 10_000,
        cap: None,
        restriction: Some("tier"),
    },
    Strategy {
        id: "ESUSDFL-EXIBL-SANDBX",
        asset: 2,
        lock: Lock::Flex,
        apr: ("1.0000", "2.0000"),
        min: 0,
        cap: None,
        restriction: None,
    },
];

/// The strategy of an id.
pub(super) fn find(id: &str) -> Option<usize> {
    STRATEGIES.iter().position(|strategy| strategy.id == id)
}

impl Strategy {
    /// Whether anything can be put in at all.
    pub(super) fn takes(&self) -> bool {
        self.lock != Lock::Flex && self.restriction.is_none()
    }

    /// Appends the object that Kraken shows.
    pub(super) fn write(&self, json: &mut Json) {
        let asset = &ASSETS[self.asset];
        json.object(|json| {
            json.field("id").text(self.id);
            json.field("asset").text(asset.altname);
            json.field("lock_type").object(|json| {
                json.field("type").text(self.lock.text());
                match self.lock {
                    Lock::Flex => {}
                    Lock::Instant => json.field("payout_frequency").integer(7 * DAY_S),
                    Lock::Bonded { bonding_s, unbonding_s } => {
                        json.field("payout_frequency").integer(7 * DAY_S);
                        json.field("bonding_period").integer(bonding_s);
                        json.field("bonding_period_variable").truth(false);
                        json.field("bonding_rewards").truth(false);
                        json.field("exit_queue_period").integer(0);
                        json.field("unbonding_period").integer(unbonding_s);
                        json.field("unbonding_period_variable").truth(false);
                        json.field("unbonding_rewards").truth(false);
                    }
                }
            });
            json.field("apr_estimate").object(|json| {
                json.field("low").text(self.apr.0);
                json.field("high").text(self.apr.1);
            });
            json.field("user_min_allocation").decimal(self.min, asset.decimals);
            match self.cap {
                Some(cap) => json.field("user_cap").decimal(cap, asset.decimals),
                None => json.field("user_cap").null(),
            }
            json.field("allocation_fee").text("0.0000");
            // Both are in Kraken's own samples.
            json.field("deallocation_fee").integer(0);
            json.field("auto_compound").object(|json| json.field("type").text("enabled"));
            let source = if matches!(self.lock, Lock::Bonded { .. }) { "staking" } else { "off_chain" };
            json.field("yield_source").object(|json| json.field("type").text(source));
            json.field("can_allocate").truth(self.takes());
            json.field("can_deallocate").truth(self.takes());
            json.field("allocation_restriction_info")
                .array(|json| self.restriction.iter().for_each(|word| json.text(word)));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_krakens_shape_and_lead_to_their_strategy() {
        for (at, strategy) in STRATEGIES.iter().enumerate() {
            assert_eq!(find(strategy.id), Some(at));
            let groups: Vec<_> = strategy.id.split('-').map(str::len).collect();
            assert!(groups == [7, 5, 6] && strategy.id.starts_with("ES"), "{}", strategy.id);
        }
        assert_eq!(find("ES"), None);
    }
}
