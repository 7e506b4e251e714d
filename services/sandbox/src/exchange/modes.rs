//! What the exchange takes at the moment, as a whole and pair by pair (Kraken docs: Get System Status, Get Tradable Asset
//! Pairs, guide "Errors").
//!
//! *The idea.* The stricter of the two holds. What a request as a whole may not do is refused at the door of the engine,
//! before the request is read any further; what depends on an order's terms is refused with the other rules of the market,
//! so in a batch row by row. Nothing is matched while either is `cancel_only` or `post_only`: what might trade is not taken
//! in, and the house stands still. While the exchange is down its own clockwork stands still as well: orders that ran out
//! meanwhile, and a timer that cancels everything, end when it is back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::endpoints::Act;
use super::engine::{Amendment, Engine};
use super::markets::{PAIR_COUNT, PAIRS, find_pair};
use super::order::{NewOrder, OrderType};
use super::refusal::Refusal;
use crate::wire::params::Params;

/// What the exchange as a whole takes, in the words of `SystemStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemStatus {
    /// Everything.
    #[default]
    Online,
    /// Neither orders nor cancels.
    Maintenance,
    /// Cancels.
    CancelOnly,
    /// Cancels, and orders that say they are post-only.
    PostOnly,
}

impl SystemStatus {
    /// Kraken's word.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Maintenance => "maintenance",
            Self::CancelOnly => "cancel_only",
            Self::PostOnly => "post_only",
        }
    }
}

/// What one pair takes, in the words of `AssetPairs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairStatus {
    /// Everything.
    #[default]
    Online,
    /// Cancels.
    CancelOnly,
    /// Cancels, and orders that say they are post-only.
    PostOnly,
    /// Cancels, and limit orders.
    LimitOnly,
    /// Cancels, and what makes a margin position smaller. Kraken does not document with which sentence it refuses the rest.
    ReduceOnly,
}

impl PairStatus {
    /// Kraken's word.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::CancelOnly => "cancel_only",
            Self::PostOnly => "post_only",
            Self::LimitOnly => "limit_only",
            Self::ReduceOnly => "reduce_only",
        }
    }
}

/// Statuses of some pairs, each under any of its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, PairStatus>")]
pub struct PairStatuses([Option<PairStatus>; PAIR_COUNT]);

impl TryFrom<BTreeMap<String, PairStatus>> for PairStatuses {
    type Error = String;

    fn try_from(named: BTreeMap<String, PairStatus>) -> Result<Self, String> {
        let mut all = Self::default();
        for (name, status) in named {
            let pair = find_pair(&name).ok_or_else(|| format!("pair_status: no pair is called {name:?}"))?;
            if all.0[pair].replace(status).is_some() {
                return Err(format!("pair_status: {} is named twice", PAIRS[pair].id));
            }
        }
        Ok(all)
    }
}

impl PairStatuses {
    /// These, over those that held before.
    pub(crate) fn over(&self, before: &Self) -> Self {
        Self(std::array::from_fn(|pair| self.0[pair].or(before.0[pair])))
    }

    fn of(&self, pair: usize) -> PairStatus {
        self.0[pair].unwrap_or_default()
    }
}

impl Serialize for PairStatuses {
    /// All pairs, under Kraken's ids.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((0..PAIR_COUNT).map(|pair| (PAIRS[pair].id, self.of(pair))))
    }
}

/// What is taken at the moment.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    system: SystemStatus,
    pairs: PairStatuses,
    /// How far time has come.
    now_us: u64,
    /// When the exchange was back last after it was down.
    back_us: u64,
    /// When any status changed last.
    changed_us: u64,
}

impl Modes {
    /// From now on.
    pub(crate) fn set(&mut self, system: SystemStatus, pairs: &PairStatuses) {
        if self.is_down() && system != SystemStatus::Maintenance {
            self.back_us = self.now_us;
        }
        if (self.system, &self.pairs) != (system, pairs) {
            self.changed_us = self.now_us;
        }
        (self.system, self.pairs) = (system, pairs.clone());
    }

    pub(crate) fn pass(&mut self, now_us: u64) {
        self.now_us = self.now_us.max(now_us);
    }

    /// How far time has come.
    pub(crate) fn now_us(&self) -> u64 {
        self.now_us
    }

    pub(crate) fn system(&self) -> SystemStatus {
        self.system
    }

    pub(crate) fn of(&self, pair: usize) -> PairStatus {
        self.pairs.of(pair)
    }

    pub(crate) fn is_down(&self) -> bool {
        self.system == SystemStatus::Maintenance
    }

    /// When something ends that was due at `at_us`: not while the exchange was down.
    pub(crate) fn ends_us(&self, at_us: u64) -> u64 {
        at_us.max(self.back_us)
    }

    /// When something begins that was due at `at_us`: not while it could not.
    pub(crate) fn starts_us(&self, at_us: u64) -> u64 {
        at_us.max(self.changed_us)
    }

    /// Whether anything new is taken in a pair.
    fn takes_any(&self, pair: usize) -> Result<(), Refusal> {
        match (self.system, self.of(pair)) {
            (SystemStatus::Maintenance, _) => Err(Refusal::Unavailable),
            (SystemStatus::CancelOnly, _) | (_, PairStatus::CancelOnly) => Err(Refusal::CancelOnly),
            _ => Ok(()),
        }
    }

    fn is_post_only(&self, pair: usize) -> bool {
        self.system == SystemStatus::PostOnly || self.of(pair) == PairStatus::PostOnly
    }

    /// Whether orders of this pair trade with each other.
    pub(crate) fn matches(&self, pair: usize) -> bool {
        self.takes_any(pair).is_ok() && !self.is_post_only(pair)
    }

    /// Whether an order of these terms is taken.
    pub(crate) fn takes(&self, terms: &NewOrder) -> Result<(), Refusal> {
        self.takes_any(terms.pair)?;
        if self.is_post_only(terms.pair) && !terms.post_only {
            return Err(Refusal::PostOnlyMode);
        }
        let is_limit = matches!(terms.order_type, OrderType::Limit | OrderType::Iceberg);
        if self.of(terms.pair) == PairStatus::LimitOnly && !is_limit {
            return Err(Refusal::LimitOnly);
        }
        let reduces = terms.reduce_only || terms.order_type == OrderType::SettlePosition;
        if self.of(terms.pair) == PairStatus::ReduceOnly && !reduces {
            return Err(Refusal::ReduceOnlyMode);
        }
        Ok(())
    }

    /// Whether an order of this pair may be changed so: what could trade afterwards must say that it will not.
    pub(crate) fn takes_change(&self, pair: usize, wanted: &Amendment) -> Result<(), Refusal> {
        self.takes_any(pair)?;
        let moves = wanted.limit.is_some() || wanted.trigger.is_some();
        if self.is_post_only(pair) && moves && !wanted.post_only {
            return Err(Refusal::PostOnlyMode);
        }
        Ok(())
    }
}

impl Engine {
    /// Refuses what nobody may do at the moment.
    pub(crate) fn gate(&self, act: Act, params: &Params) -> Result<(), Refusal> {
        let system = self.modes.system;
        match act {
            Act::AddOrder | Act::AddOrderBatch | Act::AmendOrder | Act::EditOrder => {
                if system == SystemStatus::CancelOnly {
                    return Err(Refusal::CancelOnly);
                }
                // An amend names no pair; it is judged when its order is known.
                let named = params.get("pair").and_then(find_pair).filter(|_| act != Act::AmendOrder);
                match named {
                    Some(pair) => self.modes.takes_any(pair),
                    None if self.modes.is_down() => Err(Refusal::Unavailable),
                    None => Ok(()),
                }
            }
            Act::CancelOrder | Act::CancelOrderBatch | Act::CancelAll | Act::CancelAllOrdersAfter
                if self.modes.is_down() =>
            {
                Err(Refusal::Unavailable)
            }
            _ => Ok(()),
        }
    }
}
