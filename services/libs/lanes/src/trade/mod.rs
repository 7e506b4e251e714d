//! Kraken's trading counter of each account and pair, bounded from above.
//!
//! *The idea.* Kraken's engine counts what an account does on a pair: orders, changes, and cancels, which are the dearer the
//! younger their order is. All keys and all ways in share that counter, so it lives in the store. Points are *spent* before a call is
//! sent and do not decay while it is under way, because Kraken charges at some moment in between; they decay from the moment at
//! which they are known to be charged, or at which they can no longer be. So our figure is never below Kraken's, but for what
//! other programs do on the pair; that is learnt from its refusals. After a loss of the store's memory the counter begins at its
//! maximum.
//!
//! Nobody holds a cancel back. One that Kraken would refuse for its price is told so, and is sent in a batch, which Kraken
//! takes whatever the counter says.
//!
//! [`TradeBook::apply`] is pure. The store in memory runs it; `scripts/trade-1.lua` mirrors it, and a test runs both on the same
//! random histories.

#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;

pub use self::types::{
    Aged, CancelSeen, OrderNames, Spend, TradeAct, TradeReply, TradeRequest, TradeTier, canonical_pair,
};
use crate::budget::Tier;
use crate::grant::{Generation, GrantError, STORE_INT_MAX, StoreNow};
use crate::intent::NOT_AFTER_MAX_US;

/// For how long it is remembered when an order was placed or changed: until its cancel costs nothing.
pub(crate) const AGE_KEPT_US: u64 = 310_000_000;
/// For how long the store in memory keeps an order at most.
const FORGOTTEN_US: u64 = 3_600_000_000;
/// And so many names are no matter.
const SWEEP_MIN: usize = 1_024;
/// No counter is higher, so that its parts fit below 2^53.
pub(crate) const LEVEL_MAX_MILLI: u64 = 1_000_000_000;
/// Nor does one decay for longer at a time, for the same reason; every tier's is empty long before.
pub(crate) const DECAY_SPAN_MAX_US: u64 = 1_000_000_000;

/// What the store keeps of one account's trading.
#[derive(Clone, Debug, Default)]
pub struct TradeBook {
    pairs: BTreeMap<String, Counter>,
    /// By each of an order's names.
    orders: BTreeMap<String, KnownOrder>,
    /// At how many names old ones are looked for.
    sweep_at: usize,
}

/// The counter of one pair.
#[derive(Clone, Debug, Default)]
struct Counter {
    generation: String,
    level_milli: u64,
    at_us: u64,
    /// Spent, and perhaps not yet charged: token to points and the last moment at which they can be.
    pending: BTreeMap<String, (u64, u64)>,
}

/// A young order.
#[derive(Clone, Debug)]
struct KnownOrder {
    at_us: u64,
    /// Whether its cancel was paid.
    cancelled: bool,
    pair: String,
    names: OrderNames,
}

impl Counter {
    fn decay(&mut self, tier: TradeTier, to_us: u64) {
        let tier = Tier { max_milli: tier.max_milli, decay_milli_per_s: tier.decay_milli_per_s };
        let elapsed_us = to_us.saturating_sub(self.at_us).min(DECAY_SPAN_MAX_US);
        self.level_milli = tier.decayed_milli(self.level_milli, elapsed_us);
        self.at_us = self.at_us.max(to_us);
    }

    fn charge(&mut self, milli: u64) {
        self.level_milli = (self.level_milli + milli).min(LEVEL_MAX_MILLI);
    }

    /// Brings it to this moment. What can no longer be charged decays since then, in the order in which it became due: two
    /// decays do not go on at the same time.
    fn advance(&mut self, tier: TradeTier, now_us: u64) {
        // A clock that ran ahead has told of times that are none.
        self.at_us = self.at_us.min(now_us);
        let due_us = |until_us: u64| if until_us > now_us + NOT_AFTER_MAX_US { now_us } else { until_us };
        let mut due: Vec<(u64, String, u64)> = self
            .pending
            .iter()
            .map(|(token, (milli, until_us))| (due_us(*until_us), token.clone(), *milli))
            .filter(|(at_us, ..)| *at_us <= now_us)
            .collect();
        due.sort();
        for (at_us, token, milli) in due {
            self.decay(tier, at_us);
            self.charge(milli);
            self.pending.remove(&token);
        }
        self.decay(tier, now_us);
    }

    /// Everything that Kraken may have charged or may yet charge.
    fn reach_milli(&self) -> u64 {
        self.level_milli + self.pending.values().map(|(milli, _)| milli).sum::<u64>()
    }
}

impl TradeBook {
    /// One act.
    ///
    /// # Errors
    /// When a number is larger than the store may hold.
    pub fn apply(
        &mut self,
        generation: Option<&Generation>,
        request: &TradeRequest,
        now: StoreNow<'_>,
    ) -> Result<TradeReply, GrantError> {
        let TradeRequest { tier, act, .. } = request;
        if tier.max_milli > LEVEL_MAX_MILLI
            || tier.decay_milli_per_s > PARTS
            || tier.decay_milli_per_s == 0
            || now.us > STORE_INT_MAX - NOT_AFTER_MAX_US
        {
            return Err(GrantError);
        }
        let Some(generation) = generation.filter(|g| g.replication_id == now.replication_id) else {
            return Ok(TradeReply::Unknown);
        };
        match act {
            TradeAct::Spend(spend) => self.spend(generation, *tier, spend, now.us),
            TradeAct::Land { pair, token, orders } => {
                let mut counter = self.counter(generation, *tier, pair, now.us);
                if let Some((milli, _)) = counter.pending.remove(token) {
                    counter.charge(milli);
                }
                for names in orders {
                    self.touch(pair, names, now.us);
                }
                Ok(self.noted(pair, counter))
            }
            TradeAct::Refund { pair, token } => {
                let mut counter = self.counter(generation, *tier, pair, now.us);
                counter.pending.remove(token);
                Ok(self.noted(pair, counter))
            }
            TradeAct::Full { pair } => {
                let mut counter = self.counter(generation, *tier, pair, now.us);
                counter.level_milli = counter.level_milli.max(tier.max_milli);
                Ok(self.noted(pair, counter))
            }
            TradeAct::Cancel { ids } => {
                let seen = ids.iter().map(|id| self.cancel(generation, *tier, id, now.us));
                Ok(TradeReply::Cancels(seen.collect()))
            }
        }
    }

    fn spend(
        &mut self,
        generation: &Generation,
        tier: TradeTier,
        spend: &Spend,
        now_us: u64,
    ) -> Result<TradeReply, GrantError> {
        if spend.fixed_milli > LEVEL_MAX_MILLI || spend.until_us > STORE_INT_MAX {
            return Err(GrantError);
        }
        let order = spend.order.as_ref().and_then(|(id, _)| self.order(id, now_us));
        // Of an order that nobody knows, the dearest is assumed.
        let age_us = order.map_or(0, |known| now_us.saturating_sub(known.at_us));
        let pair = match (spend.pair.as_str(), order) {
            ("", None) => return Ok(TradeReply::Unknown),
            ("", Some(known)) => known.pair.clone(),
            (pair, _) => pair.to_owned(),
        };
        let aged_milli = spend.order.as_ref().map_or(0, |(_, aged)| aged.milli(age_us));
        let cost_milli = spend.fixed_milli + aged_milli;
        let mut counter = self.counter(generation, tier, &pair, now_us);
        counter.pending.remove(&spend.token);
        let level_milli = counter.reach_milli() + cost_milli;
        let over_milli = level_milli.saturating_sub(tier.usable_milli());
        if over_milli > 0 {
            let wait_us = (over_milli * PARTS).div_ceil(tier.decay_milli_per_s);
            return Ok(TradeReply::Over { pair, level_milli, wait_us });
        }
        counter.pending.insert(spend.token.clone(), (cost_milli, spend.until_us));
        self.pairs.insert(pair.clone(), counter);
        Ok(TradeReply::Spent { pair, level_milli })
    }

    fn cancel(&mut self, generation: &Generation, tier: TradeTier, id: &str, now_us: u64) -> CancelSeen {
        let Some(known) = self.order(id, now_us).cloned() else { return CancelSeen::default() };
        let age_us = now_us.saturating_sub(known.at_us);
        let cost_milli = if known.cancelled { 0 } else { Aged::Cancel.milli(age_us) };
        let mut counter = self.counter(generation, tier, &known.pair, now_us);
        counter.charge(cost_milli);
        let over = cost_milli > 0 && counter.reach_milli() > tier.max_milli;
        self.pairs.insert(known.pair.clone(), counter);
        self.remember(&KnownOrder { cancelled: true, ..known.clone() });
        CancelSeen { pair: known.pair, order_id: known.names.order_id, over }
    }

    /// The counter of a pair at this moment.
    fn counter(&self, generation: &Generation, tier: TradeTier, pair: &str, now_us: u64) -> Counter {
        let mut counter = match self.pairs.get(pair) {
            Some(known) if known.generation == generation.marker => known.clone(),
            known => {
                let lost = known.is_some() || !generation.fresh;
                Counter {
                    generation: generation.marker.clone(),
                    level_milli: if lost { tier.max_milli } else { 0 },
                    at_us: generation.born_us,
                    pending: BTreeMap::new(),
                }
            }
        };
        counter.advance(tier, now_us);
        counter
    }

    fn noted(&mut self, pair: &str, counter: Counter) -> TradeReply {
        let level_milli = counter.reach_milli();
        self.pairs.insert(pair.to_owned(), counter);
        TradeReply::Noted { level_milli }
    }

    /// An order's age begins anew; one of its names may be known from before.
    fn touch(&mut self, pair: &str, names: &OrderNames, now_us: u64) {
        let mut names = names.clone();
        for id in [names.order_id.clone(), names.cl_ord_id.clone()] {
            if let Some(known) = self.order(&id, now_us).map(|known| known.names.clone()) {
                for (name, before) in
                    [(&mut names.order_id, known.order_id), (&mut names.cl_ord_id, known.cl_ord_id)]
                {
                    if name.is_empty() {
                        *name = before;
                    }
                }
            }
        }
        self.remember(&KnownOrder { at_us: now_us, cancelled: false, pair: pair.to_owned(), names });
    }

    fn remember(&mut self, order: &KnownOrder) {
        for id in [&order.names.order_id, &order.names.cl_ord_id] {
            if !id.is_empty() {
                self.orders.insert(id.clone(), order.clone());
            }
        }
    }

    fn order(&self, id: &str, now_us: u64) -> Option<&KnownOrder> {
        self.orders.get(id).filter(|known| known.at_us + AGE_KEPT_US > now_us)
    }

    /// Forgets orders that are too old to matter, however much the clock is set back.
    pub(crate) fn forget_old(&mut self, now_us: u64) {
        if self.orders.len() >= self.sweep_at {
            self.orders.retain(|_, known| known.at_us + FORGOTTEN_US > now_us);
            self.sweep_at = 2 * self.orders.len() + SWEEP_MIN;
        }
    }
}

/// Parts of a milli-point, as in the REST counter.
const PARTS: u64 = 1_000_000;
