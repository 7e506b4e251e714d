//! One moment of the modelled world. Small, `Copy`, and canonical: what can no longer matter is zero.

use crate::config::{Budget, Config};

/// The two processes that want the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// The first.
    A,
    /// The second.
    B,
}

impl Who {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// Its place in arrays of two.
    pub const fn at(self) -> usize {
        self as usize
    }
}

/// What the store holds: the record of the key and the generation beside it. A copy of it can come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Data {
    /// The random marker is there.
    pub marker: bool,
    /// The replication id that was written beside the data.
    pub replication: u8,
    /// When this generation began; 0 once it has a grant.
    pub birth: u8,
    /// A grant of this generation exists.
    pub granted: bool,
    /// Owner of the record and his boot.
    pub owner: Option<(Who, u8)>,
    /// His epoch.
    pub epoch: u8,
    /// End of his grant; 0 when it is over.
    pub expires: u8,
    /// Begin of his range.
    pub lo: u8,
    /// End of his range, exclusive.
    pub hi: u8,
}

/// The store, and the copy that may be promoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    /// What scripts see.
    pub data: Data,
    /// What a promotion brings back.
    pub copy: Data,
    /// The replication id of the server, new with every promotion.
    pub replication: u8,
}

/// A granted range on its way to its owner. `epoch` 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reply {
    /// The epoch that it begins or extends.
    pub epoch: u8,
    /// First nonce.
    pub lo: u8,
    /// End, exclusive.
    pub hi: u8,
    /// When it was asked for.
    pub sent: u8,
}

/// How far an epoch has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Lane {
    /// A fence must be sent.
    #[default]
    Shut,
    /// The fence is on its way.
    Fencing,
    /// Calls may be sent.
    Open,
}

/// One process, as it sees itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its epoch, 0 without one.
    pub epoch: u8,
    /// How often it has restarted.
    pub boot: u8,
    /// The newest epoch that it has read of since.
    pub held: u8,
    /// End of its range, exclusive.
    pub hi: u8,
    /// The last nonce drawn.
    pub last: u8,
    /// End of its lease; 0 when it is over.
    pub lease: u8,
    /// How far its epoch has come.
    pub lane: Lane,
    /// What the store has answered and it has not read yet.
    pub reply: Reply,
    /// The highest end of range that it has seen, not below the time of seeing.
    pub seen_hi: u8,
    /// When; 0 for never.
    pub seen_at: u8,
    /// Only without [`crate::config::Guard::GenerationInScript`]: it has just read an unchanged generation.
    pub looked: bool,
    /// Ordinary calls that it still has to make.
    pub calls: u8,
}

/// Where a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Written, not judged. It may stay here for ever: that is a lost request.
    Network,
    /// Accepted and executed; the answer travels.
    Accepted,
    /// Refused for its nonce; the answer travels.
    Refused,
}

/// One request on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    /// Its nonce.
    pub nonce: u8,
    /// Who waits for it: nobody after an abandonment or a crash.
    pub waits: Option<Who>,
    /// In which epoch it was written.
    pub epoch: u8,
    /// Whether it is the fence of that epoch.
    pub fence: bool,
    /// Where it is.
    pub place: Place,
    /// It exists twice.
    pub twin: bool,
    /// It was written when a newer epoch was already granted.
    pub late: bool,
}

/// Room for requests on the wire.
pub const REQUESTS: usize = 5;
/// The wire: requests sorted, empty places last.
pub type Wire = [Option<Request>; REQUESTS];
/// Room for nonces inside the largest window.
pub const WINDOW_MAX: usize = 2;

/// What the exchange knows, and what the judge remembers of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Exchange {
    /// The highest nonce accepted.
    pub high: u8,
    /// Who used `high`, `high - 1`, ... inside the window: epoch and whether the request has a twin.
    pub used: [Option<(u8, bool)>; WINDOW_MAX],
    /// The newest epoch of which anything was accepted.
    pub newest: u8,
    /// The newest epoch whose lane is open, or whose fence was accepted.
    pub fenced: u8,
}

/// One moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// Time of the store, in ticks.
    pub now: u8,
    /// The store.
    pub store: Store,
    /// Both processes.
    pub processes: [Process; 2],
    /// What is on the wire.
    pub wire: Wire,
    /// The exchange.
    pub exchange: Exchange,
    /// How many epochs were granted so far.
    pub epochs: u8,
    /// What may still happen.
    pub budget: Budget,
    /// How often the store has lost something.
    pub losses: u8,
    /// Properties broken on the way here, a bit each.
    pub broken: u8,
}

impl State {
    /// The beginning: an empty store that has its marker.
    pub fn first(config: &Config) -> Self {
        let data = Data { marker: true, replication: 1, granted: true, ..Data::default() };
        let process = |calls| Process { calls, ..Process::default() };
        Self {
            now: 2,
            store: Store { data, copy: data, replication: 1 },
            processes: [process(config.calls[0]), process(config.calls[1])],
            wire: [None; REQUESTS],
            exchange: Exchange::default(),
            epochs: 0,
            budget: config.budget,
            losses: 0,
            broken: 0,
        }
    }

    /// Requests that somebody waits for, of one process and its present epoch.
    pub fn in_flight(&self, who: Who) -> impl Iterator<Item = &Request> {
        let epoch = self.processes[who.at()].epoch;
        self.wire.iter().flatten().filter(move |r| r.waits == Some(who) && r.epoch == epoch)
    }

    /// Whether another request fits on the wire.
    pub fn has_room(&self, config: &Config) -> bool {
        self.wire.iter().flatten().count() < config.wire_max
    }

    /// Puts a request on the wire. Callers ask [`Self::has_room`] first.
    pub(crate) fn write(&mut self, request: Request) {
        if let Some(place) = self.wire.iter_mut().find(|place| place.is_none()) {
            *place = Some(request);
        }
    }
}
