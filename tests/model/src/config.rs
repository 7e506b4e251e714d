//! What one search looks at: sizes, faults, and which guards are up.

use crate::state::REQUESTS;

/// One rule of the protocol that a variant may leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Guard {
    /// Nothing but the fence is sent in an epoch before the exchange has accepted the fence.
    Fence,
    /// A new epoch begins above the `hi` of the record.
    RecordFloor,
    /// ... and above it by `window + 1`.
    WindowJump,
    /// A nonce is above the last one drawn.
    DrawAboveLast,
    /// A nonce is below `hi`.
    DrawBelowHi,
    /// Window 0: one in flight. Window w: the newest is less than w above the oldest in flight.
    SpanRule,
    /// The lease is checked directly before the write.
    LeaseCheck,
    /// The lease is measured from sending the renewal, not from its reply.
    LeaseFromSending,
    /// An owner that asks for a key whose grant it has never read is told the same grant again.
    TakeRepeats,
    /// After a loss: the floor from the highest `hi` that this process has seen.
    Sightings,
    /// What is seen after a loss refreshes nothing until a grant of the new generation exists.
    SightingsFrozen,
    /// A sighting counts only if it is less than a recovery wait older than the generation: then nobody can have
    /// been granted in a generation between.
    SightingsYoung,
    /// A key with a window always jumps: its hand-overs raise `hi` by the window each, and a sighting allows for one of
    /// them per grant only.
    WindowJumps,
    /// A floor that the lead guard would refuse is replaced by the jump.
    FloorCapped,
    /// After a loss: a key that this process has not seen begins above all that was ever granted.
    UnseenJump,
    /// No grant begins further ahead of the store's time than `lead_cap`; the jump alone may.
    LeadGuard,
    /// After a loss nobody but a live owner is granted for a time.
    RecoveryWait,
    /// ... and a jump waits `reserve + window + 1` longer, so that the next jump begins above its range.
    JumpWaits,
    /// After a loss every first grant begins at least one range above the store's time.
    LossPad,
    /// The generation is compared inside the script and not by a read before it.
    GenerationInScript,
    /// The generation has a marker beside the data.
    Marker,
    /// The generation has the replication id of the server.
    ReplicationId,
    /// The first script that finds the marker missing writes a new one.
    MarkerRewritten,
    /// A hung call is abandoned, the lane goes on with the next nonce.
    Abandonment,
}

impl Guard {
    /// Each of them.
    pub const EACH: [Self; 24] = [
        Self::Fence,
        Self::RecordFloor,
        Self::WindowJump,
        Self::DrawAboveLast,
        Self::DrawBelowHi,
        Self::SpanRule,
        Self::LeaseCheck,
        Self::LeaseFromSending,
        Self::TakeRepeats,
        Self::Sightings,
        Self::SightingsFrozen,
        Self::SightingsYoung,
        Self::WindowJumps,
        Self::FloorCapped,
        Self::UnseenJump,
        Self::LeadGuard,
        Self::RecoveryWait,
        Self::JumpWaits,
        Self::LossPad,
        Self::GenerationInScript,
        Self::Marker,
        Self::ReplicationId,
        Self::MarkerRewritten,
        Self::Abandonment,
    ];
}

/// A set of guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards(u32);

impl Guards {
    /// The protocol as it is to be built.
    pub const ALL: Self = Self(u32::MAX);

    /// All of these but one.
    pub const fn without(self, guard: Guard) -> Self {
        Self(self.0 & !(1 << guard as u8))
    }

    /// Whether a guard is up.
    pub const fn has(self, guard: Guard) -> bool {
        self.0 & (1 << guard as u8) != 0
    }
}

/// How the exchange judges what its documentation leaves open, for keys with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// A nonce inside the window is accepted again.
    Accepted,
    /// A nonce inside the window is refused the second time.
    Refused,
}

/// Sizes and faults of one search. One tick is one unit of time and one unit of nonce.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which guards are up.
    pub guards: Guards,
    /// The key's nonce window.
    pub window: u8,
    /// What the exchange does with a nonce that it has seen inside the window.
    pub repeats: Repeats,
    /// How far each owner's wall clock is from the store's.
    pub skew: [i8; 2],
    /// Length of a grant.
    pub ttl: u8,
    /// Nonces of a grant beyond its time.
    pub reserve: u8,
    /// How far ahead of the store's time a grant may begin.
    pub lead_cap: u8,
    /// The last tick of the search.
    pub end: u8,
    /// Grants of a new epoch in one run, at most.
    pub epochs_max: u8,
    /// Requests on the wire at one time, at most; no more than [`crate::state::REQUESTS`].
    pub wire_max: usize,
    /// Whether an owner may come back to a lease that has ended, while nobody else took the key.
    pub late_renewals: bool,
    /// Whether answers of the store arrive at once and are never lost.
    pub prompt_replies: bool,
    /// Losses, crashes and hand-overs happen no later than this.
    pub faults_until: u8,
    /// Whether owners renew in time and nothing fails: then no nonce may be refused at all.
    pub calm: bool,
    /// Whether to ask of every state if some owner can still open the lane.
    pub liveness: bool,
    /// Ordinary calls per owner.
    pub calls: [u8; 2],
    /// How often things may happen in one run.
    pub budget: Budget,
}

/// What may still happen in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// The store loses everything.
    pub flushes: u8,
    /// An older copy of the store becomes the store.
    pub promotions: u8,
    /// That copy catches up.
    pub syncs: u8,
    /// Each owner dies and restarts.
    pub crashes: [u8; 2],
    /// An owner hands the key back.
    pub releases: u8,
    /// The network delivers a request twice.
    pub duplicates: u8,
    /// A hung call is given up.
    pub abandonments: u8,
}

impl Budget {
    /// Whether the store can still lose something.
    pub const fn can_lose(&self) -> bool {
        self.flushes + self.promotions > 0
    }
}

impl Config {
    /// A quiet world with a window: all guards, no faults, one call for each owner.
    pub fn quiet(window: u8) -> Self {
        Self {
            guards: Guards::ALL,
            window,
            repeats: Repeats::Accepted,
            skew: [1, 0],
            ttl: 2,
            reserve: 1,
            lead_cap: 20,
            end: 8,
            epochs_max: 12,
            wire_max: REQUESTS,
            late_renewals: true,
            prompt_replies: false,
            faults_until: 4,
            calm: false,
            liveness: false,
            calls: [1, 1],
            budget: Budget::default(),
        }
    }

    /// Whether a guard is up.
    pub const fn has(&self, guard: Guard) -> bool {
        self.guards.has(guard)
    }

    /// By how much at most one epoch raises `hi` above the epoch before.
    pub const fn step(&self) -> u8 {
        self.ttl + self.reserve + self.window + 1
    }

    /// After this long every lease that was given before has ended: `ttl + skew`.
    pub const fn leases_end(&self) -> u8 {
        self.ttl + 1
    }

    /// How long nobody but a live owner is granted after a loss.
    pub const fn recovery_wait(&self) -> u8 {
        if self.has(Guard::RecoveryWait) { self.leases_end() } else { 0 }
    }

    /// How long nobody jumps after a loss.
    pub const fn jump_wait(&self) -> u8 {
        let longer = if self.has(Guard::JumpWaits) { self.reserve + self.window + 1 } else { 0 };
        self.recovery_wait() + longer
    }
}
