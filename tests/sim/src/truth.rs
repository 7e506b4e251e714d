//! What the run itself knows beyond doubt, so that the judge need not ask the machines: who was granted which key in which
//! order, and until when a lease ran in true time.

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
}

/// Of all keys.
#[derive(Debug)]
pub(crate) struct Truth {
    /// By key, in the order of the store's acts.
    pub tenures: Vec<Vec<Tenure>>,
    judged: u64,
}

impl Truth {
    pub(crate) fn new(keys: usize) -> Self {
        Self { tenures: vec![Vec::new(); keys], judged: 0 }
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
    pub(crate) fn given(&mut self, key: usize, slot: usize, life: u64, epoch: u64, first: bool) -> bool {
        let newest = self.tenures[key].last();
        let known = newest.is_some_and(|t| (t.slot, t.life, t.epoch) == (slot, life, epoch));
        if known || (!first && self.find(key, slot, life, epoch).is_some()) {
            return false;
        }
        let tenure = Tenure { slot, life, epoch, lease_end_us: 0, opened_us: 0, silenced_us: None, released: false };
        self.tenures[key].push(tenure);
        true
    }
}
