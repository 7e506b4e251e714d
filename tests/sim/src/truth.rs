//! What the run itself knows beyond doubt, so that the judge need not ask the machines: who was granted which key in which
//! order, until when a lease ran in true time, and what a process was told.

use std::collections::BTreeMap;

use tidegate_lanes::{GrantAnswer, GrantReply, LEAD_CAP_US};

use crate::plan::S;
use crate::world::World;

/// One ownership of a key, as the store gave it out.
#[derive(Clone, Debug)]
pub(crate) struct Tenure {
    pub slot: usize,
    pub life: u64,
    pub epoch: u64,
    /// End of the last grant that the owner heard of, from the sending of its request on.
    pub lease_end_us: u64,
    /// When its fence was accepted and its owner knew.
    pub opened_us: u64,
    /// An answer said that somebody else has the key. Nothing is written any more.
    pub silenced_us: Option<u64>,
    /// How it ended, if it ended as planned.
    pub released: bool,
    /// By how much the store's clock was ahead when it gave the key: no more than a second further was its owner's.
    pub ahead_us: u64,
}

/// What a process has heard of a key's range.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    generation: String,
    /// The highest end of a range, and when that was heard of last.
    reach: Option<(u64, u64)>,
    /// The same of the generation directly before, if it was fresh when the loss was heard of.
    before: Option<(u64, u64)>,
}

/// Of all keys.
#[derive(Debug)]
pub(crate) struct Truth {
    /// By key, in the order of the store's acts.
    pub tenures: Vec<Vec<Tenure>>,
    judged: u64,
    /// By process, its life and key.
    pub heard: BTreeMap<(usize, u64, usize), Heard>,
    /// The store's generations by domain, in their order.
    pub generations: BTreeMap<usize, Vec<String>>,
}

impl Truth {
    pub(crate) fn new(keys: usize) -> Self {
        Self {
            tenures: vec![Vec::new(); keys],
            judged: 0,
            heard: BTreeMap::new(),
            generations: BTreeMap::new(),
        }
    }

    /// The number of one more look of the exchange at a nonce.
    pub(crate) fn judged(&mut self) -> u64 {
        self.judged += 1;
        self.judged
    }

    pub(crate) fn find(&self, key: usize, slot: usize, life: u64, epoch: u64) -> Option<usize> {
        let same = |t: &Tenure| (t.slot, t.life, t.epoch) == (slot, life, epoch);
        self.tenures[key].iter().rposition(same)
    }

    /// The store gave a key out. `true` if that begins an ownership. After a loss of memory the store may give out a number
    /// for the second time.
    pub(crate) fn given(
        &mut self,
        key: usize,
        (slot, life): (usize, u64),
        (epoch, first): (u64, bool),
        ahead_us: u64,
    ) -> bool {
        let newest = self.tenures[key].last();
        let known = newest.is_some_and(|t| (t.slot, t.life, t.epoch) == (slot, life, epoch));
        if known || (!first && self.find(key, slot, life, epoch).is_some()) {
            return false;
        }
        self.tenures[key].push(Tenure {
            slot,
            life,
            epoch,
            lease_end_us: 0,
            opened_us: 0,
            silenced_us: None,
            released: false,
            ahead_us,
        });
        true
    }
}

impl World {
    /// The store acted in a generation.
    pub(crate) fn in_generation(&mut self, key: usize, marker: &str) {
        let list = self.truth.generations.entry(self.plan.keys[key].account).or_default();
        if list.last().is_none_or(|last| last != marker) {
            list.push(marker.to_owned());
        }
    }

    /// A process hears an answer. A key that its new owner had seen a moment before the loss must not jump: a jump costs
    /// ten minutes of nonces, and hand-overs right after it.
    pub(crate) fn hear(&mut self, slot: usize, key: usize, sent_us: u64, answer: &GrantAnswer) {
        let Some(sight) = &answer.sight else { return };
        let (t_us, life) = (self.t_us, self.procs[slot].life);
        let list = self.truth.generations.entry(self.plan.keys[key].account).or_default();
        let heard = self.truth.heard.entry((slot, life, key)).or_default();
        let marker = &sight.generation;
        if heard.generation != *marker {
            let directly = list.iter().rev().take(2).eq([marker, &heard.generation]);
            let fresh = |(_, at_us): &(u64, u64)| t_us - at_us < 5 * S;
            heard.before = heard.reach.take().filter(|reach| directly && fresh(reach));
            heard.generation.clone_from(marker);
        }
        if let GrantReply::Granted { lo_us, store_now_us, first_of_epoch: true, .. } = answer.reply
            && let Some((reach_us, at_us)) = heard.before
            && self.plan.keys[key].window == 0
        {
            let unseen = 2 + (t_us - at_us) / (5 * S);
            let floor_us = reach_us + unseen * 7_000_001;
            if floor_us + S < store_now_us + LEAD_CAP_US && lo_us > store_now_us + LEAD_CAP_US {
                self.violate(format!("key-{key} jumped, though process {slot} had seen its range"));
            }
        }
        let heard = self.truth.heard.entry((slot, life, key)).or_default();
        if let Some(reach_us) = sight.reach_us {
            heard.reach = Some((heard.reach.map_or(0, |(reach, _)| reach).max(reach_us), sent_us));
            heard.before = None;
        }
    }
}
