//! What can be concluded about an act from what Kraken shows. Pure: everything that was seen goes in.

use std::collections::HashMap;

use prost::Message;
use tidegate_core::UnixUs;
use tidegate_kraken::wire::{Amend, Order, Time};
use tidegate_lanes::{IntentRecord, SETTLE_MARGIN_US};
use tidegate_proto::v1::{
    self, add_order_batch_response as batch, add_order_response as order, amend_order_response as amend,
    cancel_all_orders_after_response as timer, cancel_order_response as cancel, edit_order_response as edit,
};

use crate::answers;
use crate::evidence::{Evidence, List, Sought};
use crate::handle::{EditHandle, Handle, Mark, SKEW_US, Scope, Window, same};

/// For so long evidence is waited for: whoever can ask may be another process, or Kraken may be away.
const EVIDENCE_US: u64 = 30_000_000;

/// An order as Kraken shows it.
pub(crate) struct Found {
    pub order_id: String,
    pub open: bool,
    pub opened_us: u64,
    pub order: Order,
}

/// What was seen of an account, after the time of the store that [`Asked`] names.
#[derive(Default)]
pub(crate) struct Seen {
    /// By Kraken's id.
    pub orders: HashMap<String, Found>,
    /// The orders that carry an id of a client's, by it.
    pub by_cl_ord_id: HashMap<String, String>,
    /// Whether these are all since the oldest of the intents.
    pub whole: bool,
    /// Changes of orders, by Kraken's id of the order; none for an order that Kraken does not know. What was not asked for, or
    /// could not be read, is missing.
    pub amends: HashMap<String, Vec<Amend>>,
    /// What looks like an intent that leaves no mark, by the intent's id. What could not be asked for is missing.
    pub evidence: HashMap<String, Evidence>,
}

impl Seen {
    pub(crate) fn add(&mut self, order_id: String, order: Order, open: bool) {
        if let Some(id) = &order.cl_ord_id {
            self.by_cl_ord_id.entry(id.clone()).or_insert_with(|| order_id.clone());
        }
        let opened_ns = order.opentm.and_then(Time::unix_ns).unwrap_or_default();
        let found = Found { order_id: order_id.clone(), open, opened_us: opened_ns / 1_000, order };
        self.orders.insert(order_id, found);
    }

    fn under(&self, cl_ord_id: &str) -> Option<&Found> {
        self.orders.get(self.by_cl_ord_id.get(cl_ord_id)?)
    }
}

/// An intent that is looked for.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub id: &'a str,
    pub known: &'a IntentRecord,
    pub handle: &'a Handle,
    /// When its request id was born.
    pub born_us: u64,
    /// The store's clock before Kraken was asked.
    pub now_us: u64,
}

/// What is concluded.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was executed, wholly or in part; the reply, encoded.
    Executed(Vec<u8>),
    /// It was not, and will not be.
    Absent,
    /// Nobody can find out from here; what was seen.
    NeedsOperator(String),
    /// Nothing yet.
    Wait,
}

impl Asked<'_> {
    /// Whether its absence counts.
    pub(crate) const fn absence_counts(&self) -> bool {
        self.known.absent_after_us > 0 && self.known.absent_after_us <= self.now_us
    }

    /// Whether nothing of it can still come, as far as that can be said.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over_for(0)
    }

    /// Whether that is so since so long.
    fn is_over_for(&self, since_us: u64) -> bool {
        let more_us = match self.handle {
            Handle::Timer { timeout_s } => u64::from(*timeout_s) * 1_000_000,
            _ => 0,
        };
        let last_us = self.known.not_after_us.saturating_add(more_us);
        self.known.not_after_us > 0 && last_us.saturating_add(SETTLE_MARGIN_US + since_us) <= self.now_us
    }

    /// Kraken's id of the order that an amend is about, as far as it is known.
    pub(crate) fn amended_order<'s>(&'s self, seen: &'s Seen) -> Option<&'s str> {
        let Handle::Amend(wanted) = self.handle else { return None };
        if let Some(order_id) = &wanted.order_id {
            return Some(order_id);
        }
        seen.by_cl_ord_id.get(wanted.cl_ord_id.as_ref()?).map(String::as_str)
    }

    /// The changes that can be the amend that was asked for.
    fn matches<'s>(&'s self, seen: &'s Seen) -> Option<Vec<&'s Amend>> {
        let Handle::Amend(wanted) = self.handle else { return None };
        let amends = seen.amends.get(self.amended_order(seen)?)?;
        let window = Window::of(self.known, self.born_us);
        Some(amends.iter().filter(|amend| wanted.is(amend, window)).collect())
    }

    /// Changes like the one that was asked for, a little too early to be it.
    fn near_misses(&self, seen: &Seen) -> usize {
        let Handle::Amend(wanted) = self.handle else { return 0 };
        let amends = self.amended_order(seen).and_then(|order_id| seen.amends.get(order_id));
        let window = Window::of(self.known, self.born_us).widened();
        amends.map_or(0, |amends| amends.iter().filter(|amend| wanted.is(amend, window)).count())
    }

    /// Concludes what can be concluded. `others` are the intents that are looked for at the same time.
    pub(crate) fn verdict(&self, seen: &Seen, others: &[Asked<'_>]) -> Verdict {
        match self.handle {
            Handle::Order => self.of_order(seen),
            Handle::Marked(mark) => self.of_marked(mark, seen),
            Handle::Batch { rows } => self.of_batch(rows, seen),
            Handle::Amend(_) => self.of_amend(seen, others),
            Handle::Edit(wanted) => self.of_edit(wanted, seen),
            Handle::Cancel(scope) => self.of_cancel(scope, seen),
            // No person could find out more, and nobody need: it is final by its time.
            Handle::Timer { .. } if self.is_over() => {
                let outcome = Some(timer::Outcome::Over(timer::Over {}));
                let reply = v1::CancelAllOrdersAfterResponse { outcome, warnings: Vec::new() };
                Verdict::Executed(reply.encode_to_vec())
            }
            Handle::Unseen { endpoint, sought } if self.is_over() => {
                self.of_unseen(endpoint, sought.as_ref(), seen)
            }
            Handle::Timer { .. } | Handle::Unseen { .. } => Verdict::Wait,
        }
    }

    /// Never more than what a person may go by.
    fn of_unseen(&self, endpoint: &str, sought: Option<&Sought>, seen: &Seen) -> Verdict {
        let found = match (sought.zip(List::of(endpoint)), seen.evidence.get(self.id)) {
            (None, _) => String::new(),
            (Some((sought, _)), Some(evidence)) => {
                format!(" {}.", evidence.text(sought, Window::of(self.known, self.born_us)))
            }
            (Some(_), None) if !self.is_over_for(EVIDENCE_US) => return Verdict::Wait,
            (Some((_, list)), None) => format!(" {} could not be asked for it.", list.endpoint()),
        };
        Verdict::NeedsOperator(format!(
            "{endpoint} leaves no mark by which it could be told from another like it; look at Kraken whether it was done, and \
             say so with DecideIntent.{found}"
        ))
    }

    fn of_order(&self, seen: &Seen) -> Verdict {
        let Some(found) = seen.under(self.id) else {
            return if seen.whole && self.absence_counts() { Verdict::Absent } else { Verdict::Wait };
        };
        let accepted = order::Accepted {
            order_ids: vec![found.order_id.clone()],
            cl_ord_id: self.id.to_owned(),
            description: found.order.descr.order.clone().unwrap_or_default(),
            ..order::Accepted::default()
        };
        let outcome = Some(order::Outcome::Accepted(accepted));
        Verdict::Executed(v1::AddOrderResponse { outcome, warnings: Vec::new() }.encode_to_vec())
    }

    /// An order with a conditional close. What closes it may carry the same number, but names it as its parent.
    fn of_marked(&self, mark: &Mark, seen: &Seen) -> Verdict {
        let window = Window::of(self.known, self.born_us);
        let marked = |found: &&Found| {
            found.order.userref == Some(i64::from(mark.userref)) && found.order.refid.is_none()
        };
        let is_it = |found: &&Found| {
            marked(found)
                && window.holds(found.opened_us)
                && same(mark.volume.as_deref(), Some(&found.order.vol))
        };
        if let Some(found) = seen.orders.values().find(is_it) {
            let descr = &found.order.descr;
            let accepted = order::Accepted {
                order_ids: vec![found.order_id.clone()],
                description: descr.order.clone().unwrap_or_default(),
                close_description: descr.close.clone().unwrap_or_default(),
                userref: Some(mark.userref),
                ..order::Accepted::default()
            };
            let outcome = Some(order::Outcome::Accepted(accepted));
            return Verdict::Executed(v1::AddOrderResponse { outcome, warnings: Vec::new() }.encode_to_vec());
        }
        if !(seen.whole && self.absence_counts()) {
            return Verdict::Wait;
        }
        // Of one that is there it can be doubted whether it is the one; that none is there cannot.
        match seen.orders.values().filter(marked).map(|found| found.order_id.as_str()).min() {
            None => Verdict::Absent,
            Some(other) => Verdict::NeedsOperator(format!(
                "an order of userref {} is there that differs in time or volume: {other}",
                mark.userref
            )),
        }
    }

    /// All rows found, known or absent: then it is known what became of the batch.
    fn of_batch(&self, ids: &[String], seen: &Seen) -> Verdict {
        let absence_counts = seen.whole && self.absence_counts();
        let known = self.known_rows();
        let (mut rows, mut any) = (Vec::with_capacity(ids.len()), false);
        for id in ids {
            let told = known.get(id.as_str());
            let outcome = match (seen.under(id), told) {
                (Some(found), _) => {
                    any = true;
                    batch::row::Outcome::Placed(batch::row::Placed {
                        order_id: found.order_id.clone(),
                        description: found.order.descr.order.clone().unwrap_or_default(),
                    })
                }
                (None, Some(told)) => {
                    any = true;
                    told.clone()
                }
                (None, None) if absence_counts => batch::row::Outcome::NotPlaced(batch::row::NotPlaced {
                    kraken_error: String::new(),
                    text: "it was looked for after its deadline and is not there".to_owned(),
                }),
                (None, None) => return Verdict::Wait,
            };
            rows.push(batch::Row { cl_ord_id: id.clone(), outcome: Some(outcome), extra: HashMap::new() });
        }
        if any {
            Verdict::Executed(answers::placed_rows(rows, HashMap::new(), Vec::new()))
        } else {
            Verdict::Absent
        }
    }

    /// The rows of which Kraken's answer said what became of them.
    fn known_rows(&self) -> HashMap<String, batch::row::Outcome> {
        let reply = v1::AddOrderBatchResponse::decode(self.known.outcome.as_slice()).unwrap_or_default();
        let Some(batch::Outcome::Accepted(accepted)) = reply.outcome else { return HashMap::new() };
        let told = |row: batch::Row| match row.outcome {
            None | Some(batch::row::Outcome::Unresolved(_)) => None,
            Some(outcome) => Some((row.cl_ord_id, outcome)),
        };
        accepted.rows.into_iter().filter_map(told).collect()
    }

    fn of_amend(&self, seen: &Seen, others: &[Asked<'_>]) -> Verdict {
        let counts = self.absence_counts();
        let Some(matches) = self.matches(seen) else {
            // An order that does not exist cannot have been amended; of one whose changes could not be read nothing is known.
            let unknown = self.amended_order(seen).is_none() && seen.whole;
            return if unknown && counts { Verdict::Absent } else { Verdict::Wait };
        };
        let Some(first) = matches.first() else {
            return match self.near_misses(seen) {
                _ if !counts => Verdict::Wait,
                0 => Verdict::Absent,
                near => Verdict::NeedsOperator(format!(
                    "{near} equal amends of the order are older than it by less than a minute: one of them may be it, if the \
                     clocks differ"
                )),
            };
        };
        // Two equal amends of one order at the same time, of which Kraken shows fewer: nobody can tell which of them it was.
        let rivals = others.iter().filter(|other| {
            other.id != self.id
                && other.matches(seen).is_some_and(|theirs| {
                    theirs.iter().any(|amend| matches.iter().any(|ours| ours.amend_id == amend.amend_id))
                })
        });
        if matches.len() < 1 + rivals.count() {
            return if counts {
                Verdict::NeedsOperator(format!(
                    "equal amends of the order were under way at the same time, and Kraken shows {} of them: {}",
                    matches.len(),
                    first.amend_id
                ))
            } else {
                Verdict::Wait
            };
        }
        let accepted = amend::Accepted {
            amend_id: first.amend_id.clone(),
            looked_up: true,
            ..amend::Accepted::default()
        };
        Verdict::Executed(answers::amended(accepted, Vec::new()))
    }

    fn of_edit(&self, wanted: &EditHandle, seen: &Seen) -> Verdict {
        let window = Window::of(self.known, self.born_us);
        let is_new = |found: &&Found| {
            found.order.userref == Some(i64::from(wanted.userref))
                && found.order_id != wanted.order_id
                && window.holds(found.opened_us)
                && same(wanted.volume.as_deref(), Some(&found.order.vol))
        };
        if let Some(new) = seen.orders.values().find(is_new) {
            let accepted = edit::Accepted {
                order_id: new.order_id.clone(),
                original_order_id: wanted.order_id.clone(),
                userref: wanted.userref,
                description: new.order.descr.order.clone().unwrap_or_default(),
                ..edit::Accepted::default()
            };
            let outcome = Some(edit::Outcome::Accepted(accepted));
            return Verdict::Executed(
                v1::EditOrderResponse { outcome, warnings: Vec::new() }.encode_to_vec(),
            );
        }
        if !self.is_over() {
            return Verdict::Wait;
        }
        // A new order can be refused after the old one is gone, so that none is seen proves nothing.
        let old = seen.orders.get(&wanted.order_id).map_or_else(
            || "was not seen since".to_owned(),
            |old| {
                format!("is {}, executed {} of {}", old.order.status, old.order.vol_exec.0, old.order.vol.0)
            },
        );
        Verdict::NeedsOperator(format!(
            "the old order {} {old}; no order of userref {} was opened in its time{}",
            wanted.order_id,
            wanted.userref,
            if seen.whole { "" } else { ", as far as was looked" }
        ))
    }

    fn of_cancel(&self, scope: &Scope, seen: &Seen) -> Verdict {
        if !self.is_over() {
            return Verdict::Wait;
        }
        // What was placed later it need not have meant; what may be older by one of the clocks counts as meant.
        let meant = |found: &&Found| {
            let in_scope = match scope {
                Scope::All => true,
                Scope::Userref(userref) => found.order.userref == Some(i64::from(*userref)),
                Scope::ClOrdId(id) => found.order.cl_ord_id.as_ref() == Some(id),
            };
            found.open && in_scope && found.opened_us <= self.known.claimed_us.saturating_add(SKEW_US)
        };
        let mut left: Vec<&str> = seen.orders.values().filter(meant).map(|f| f.order_id.as_str()).collect();
        left.sort_unstable();
        if left.is_empty() {
            let accepted = cancel::Accepted { looked_up: true, ..cancel::Accepted::default() };
            return Verdict::Executed(answers::cancelled(scope, accepted, Vec::new()));
        }
        let shown: Vec<&str> = left.iter().copied().take(5).collect();
        Verdict::NeedsOperator(format!(
            "{} orders that it meant are still open, for instance {}: it was not executed, or not wholly; cancel them with a new \
             request_id",
            left.len(),
            shown.join(", ")
        ))
    }
}

/// When the request id of an intent was born, by what is kept of it.
pub(crate) fn born_us(known: &IntentRecord) -> u64 {
    let born: Option<UnixUs> = known.request_id.parse::<tidegate_core::RequestId>().ok().map(|id| id.birth());
    born.map_or(known.claimed_us, |born| born.0).min(known.claimed_us)
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
