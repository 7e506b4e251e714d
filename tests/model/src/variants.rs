//! Every search of this crate, with what it is expected to find.
//!
//! `Holds` is a complete search of that bounded world, no more. A guard whose removal holds is named as such: it is either
//! redundant beside the others, or this model is too small for it, and the note says which.

use crate::config::{Budget, Config, Guard, Repeats};
use crate::protocol::{CALM, CAN_OPEN, EXPLAINED, OLDER_DEAD, ONE_PER_NONCE, ONE_PER_REQUEST};
use crate::search::Outcome;

/// What a search is expected to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing, in every reachable state.
    Holds,
    /// This property broken.
    Breaks(&'static str),
}

/// One search.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Which world, and what is left out.
    pub name: &'static str,
    /// The world.
    pub config: Config,
    /// What must come out.
    pub expect: Expect,
    /// Quick enough for every run of the tests.
    pub small: bool,
    /// Why, where it is not plain.
    pub note: &'static str,
}

const fn holds(name: &'static str, config: Config) -> Variant {
    Variant { name, config, expect: Expect::Holds, small: true, note: "" }
}

const fn breaks(name: &'static str, config: Config, property: &'static str) -> Variant {
    Variant { name, config, expect: Expect::Breaks(property), small: true, note: "" }
}

impl Variant {
    /// Whether a search found what the table says. One that holds must also have reached what it was to see.
    pub fn agrees(&self, outcome: &Outcome) -> bool {
        match self.expect {
            Expect::Holds => outcome.complete && outcome.broken.is_empty() && outcome.unseen.is_empty(),
            Expect::Breaks(property) => outcome.broken.contains(&property),
        }
    }

    const fn large(self) -> Self {
        Self { small: false, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

const NONE: Budget = Budget {
    flushes: 0,
    promotions: 0,
    syncs: 0,
    crashes: [0, 0],
    releases: 0,
    duplicates: 0,
    abandonments: 0,
};

fn without(config: Config, guard: Guard) -> Config {
    Config { guards: config.guards.without(guard), ..config }
}

/// The worlds, for one window.
struct Worlds {
    calm: Config,
    calls: Config,
    copies: Config,
    deaths: Config,
    hasty_clock: Config,
    flush: Config,
    promotion: Config,
    two_flushes: Config,
    two_promotions: Config,
    both: Config,
    opens: Config,
    short_lead: Config,
}

fn worlds(window: u8) -> Worlds {
    let quiet = Config::quiet(window);
    let flush = Config { end: 9, faults_until: 3, budget: Budget { flushes: 1, ..NONE }, ..quiet };
    // Two generations, one after the other, with all their waits: time for little else.
    let brief = Config {
        ttl: 1,
        end: if window == 0 { 10 } else { 14 },
        faults_until: if window == 0 { 6 } else { 8 },
        calls: [0, 0],
        epochs_max: 4,
        wire_max: 2,
        late_renewals: false,
        prompt_replies: true,
        ..quiet
    };
    Worlds {
        calm: Config { calm: true, calls: [2, 1], budget: Budget { releases: 2, ..NONE }, ..quiet },
        calls: Config { end: 6, budget: Budget { abandonments: 2, releases: 1, ..NONE }, ..quiet },
        copies: Config { end: 6, budget: Budget { abandonments: 1, duplicates: 1, ..NONE }, ..quiet },
        deaths: Config { end: 7, budget: Budget { crashes: [1, 1], abandonments: 1, ..NONE }, ..quiet },
        hasty_clock: Config { end: 6, skew: [4, 0], ..quiet },
        flush,
        promotion: Config { budget: Budget { promotions: 1, syncs: 1, ..NONE }, ..flush },
        two_flushes: Config { budget: Budget { flushes: 2, crashes: [1, 0], ..NONE }, ..brief },
        two_promotions: Config { budget: Budget { promotions: 2, syncs: 1, ..NONE }, ..brief },
        both: Config { budget: Budget { promotions: 1, flushes: 1, syncs: 1, ..NONE }, ..brief },
        opens: Config {
            end: 6,
            faults_until: 3,
            calls: [1, 0],
            liveness: true,
            budget: Budget { flushes: 1, crashes: [1, 0], abandonments: 1, ..NONE },
            ..quiet
        },
        short_lead: Config {
            end: 5,
            faults_until: 3,
            calls: [0, 0],
            lead_cap: 8,
            liveness: true,
            budget: Budget { flushes: 1, ..NONE },
            ..quiet
        },
    }
}

/// All searches: what holds first, then what breaks, in the order of [`Guard`].
pub fn all() -> Vec<Variant> {
    let (w0, w2) = (worlds(0), worlds(2));
    let mut list = protocol(&w0, &w2);
    list.extend(nonces(&w0, &w2));
    list.extend(losses(&w0, &w2));
    list
}

fn refused(config: Config) -> Config {
    Config { repeats: Repeats::Refused, ..config }
}

fn protocol(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    vec![
        holds("w=0 calm, two hand-overs", w0.calm),
        holds("w=2 calm, two hand-overs", w2.calm),
        holds("w=0 calm, clocks behind and ahead", Config { skew: [-1, 1], ..w0.calm }),
        holds("w=2 calm, clocks behind and ahead", Config { skew: [-1, 1], ..w2.calm }),
        holds("w=0 two abandonments, a hand-over", w0.calls),
        holds("w=2 two abandonments, a hand-over", w2.calls),
        holds("w=2 the same, repeats refused", refused(w2.calls)),
        holds("w=0 each owner dies", w0.deaths),
        holds("w=2 each owner dies", w2.deaths),
        holds("w=0 a clock that is far ahead", w0.hasty_clock),
        holds("w=2 a clock that is far ahead", w2.hasty_clock),
        holds("w=0 a request delivered twice", w0.copies),
        holds("w=2 a request delivered twice, repeats refused", refused(w2.copies)),
        breaks("w=2 a request delivered twice, repeats accepted", w2.copies, ONE_PER_REQUEST)
            .note("all guards up: no guard of ours can help, so keys that place have window 0"),
        holds("w=0 a flush", w0.flush),
        holds("w=2 a flush", w2.flush),
        holds("w=0 a promotion", w0.promotion),
        holds("w=2 a promotion", w2.promotion),
        holds("w=0 two flushes, a restart", w0.two_flushes),
        holds("w=2 two flushes, a restart", w2.two_flushes),
        holds("w=0 two promotions", w0.two_promotions),
        holds("w=2 two promotions", w2.two_promotions),
        holds("w=0 a flush and a promotion", w0.both),
        holds("w=2 a flush and a promotion", w2.both),
        holds("w=0 every state can open", w0.opens),
        holds("w=2 every state can open", w2.opens),
        holds("w=0 every state can open, short lead", w0.short_lead),
        holds("w=2 every state can open, short lead", w2.short_lead),
    ]
}

fn nonces(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    vec![
        breaks("w=0 no fence", without(w0.calls, Guard::Fence), OLDER_DEAD)
            .note("the lane is open at its grant, and the older owner's call is still on the wire"),
        breaks("w=2 no fence", without(w2.calls, Guard::Fence), OLDER_DEAD),
        breaks("w=0 floor without the record's hi", without(w0.calm, Guard::RecordFloor), CALM),
        breaks("w=2 floor without the record's hi", without(w2.calm, Guard::RecordFloor), ONE_PER_NONCE),
        holds("w=0 no window jump", without(w0.calls, Guard::WindowJump))
            .note("nothing to jump: hi itself is free"),
        breaks("w=2 no window jump", without(w2.calls, Guard::WindowJump), OLDER_DEAD),
        breaks("w=0 nonce by the clock alone", without(w0.calm, Guard::DrawAboveLast), CALM),
        breaks("w=2 nonce by the clock alone", without(w2.calm, Guard::DrawAboveLast), ONE_PER_NONCE),
        breaks("w=0 nonce beyond hi", without(w0.hasty_clock, Guard::DrawBelowHi), EXPLAINED),
        breaks("w=2 nonce beyond hi", without(w2.hasty_clock, Guard::DrawBelowHi), OLDER_DEAD),
        breaks("w=0 several in flight", without(w0.calm, Guard::SpanRule), CALM),
        breaks("w=2 no span rule", without(w2.calm, Guard::SpanRule), CALM),
        breaks("w=0 no lease check", without(w0.calls, Guard::LeaseCheck), EXPLAINED),
        breaks("w=2 no lease check", without(w2.calls, Guard::LeaseCheck), EXPLAINED),
        breaks("w=0 lease measured from the reply", without(w0.calls, Guard::LeaseFromSending), EXPLAINED),
        breaks("w=2 lease measured from the reply", without(w2.calls, Guard::LeaseFromSending), EXPLAINED),
        breaks("w=0 no abandonment", without(w0.opens, Guard::Abandonment), CAN_OPEN),
        breaks("w=2 no abandonment", without(w2.opens, Guard::Abandonment), CAN_OPEN),
    ]
}

fn losses(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    let blind = |c: Config| without(without(without(c, Guard::Sightings), Guard::UnseenJump), Guard::LossPad);
    let low = |c: Config| Config {
        lead_cap: 1,
        end: 10,
        calls: [0, 0],
        budget: Budget { releases: 4, ..c.budget },
        ..c
    };
    vec![
        breaks("w=0 a lost answer grants anew", without(w0.flush, Guard::TakeRepeats), OLDER_DEAD),
        breaks("w=2 a lost answer grants anew", without(w2.flush, Guard::TakeRepeats), OLDER_DEAD),
        holds("w=0 no sightings, always jump", without(w0.flush, Guard::Sightings))
            .note("the jump covers all that sightings do"),
        holds("w=2 no sightings, always jump", without(w2.flush, Guard::Sightings)),
        breaks("w=0 no floor at all after a loss", blind(w0.flush), EXPLAINED),
        breaks("w=2 no floor at all after a loss", blind(w2.flush), ONE_PER_NONCE),
        breaks(
            "w=0 sightings refreshed after the loss",
            without(w0.promotion, Guard::SightingsFrozen),
            EXPLAINED,
        ),
        breaks(
            "w=2 sightings refreshed after the loss",
            without(w2.promotion, Guard::SightingsFrozen),
            OLDER_DEAD,
        ),
        breaks("w=0 sightings of any age", without(w0.two_flushes, Guard::SightingsYoung), OLDER_DEAD),
        breaks("w=2 sightings of any age", without(w2.two_flushes, Guard::SightingsYoung), OLDER_DEAD),
        breaks("w=0 floor beyond the lead guard", without(w0.short_lead, Guard::FloorCapped), CAN_OPEN),
        breaks("w=2 floor beyond the lead guard", without(w2.short_lead, Guard::FloorCapped), CAN_OPEN),
        breaks("w=0 no jump of unseen keys", without(w0.flush, Guard::UnseenJump), EXPLAINED),
        breaks("w=2 no jump of unseen keys", without(w2.flush, Guard::UnseenJump), OLDER_DEAD),
        breaks("w=0 no lead guard", without(low(w0.flush), Guard::LeadGuard), OLDER_DEAD),
        breaks("w=2 no lead guard", without(low(w2.flush), Guard::LeadGuard), OLDER_DEAD),
        holds("w=0 the same, with it", low(w0.flush)),
        holds("w=2 the same, with it", low(w2.flush)),
        breaks("w=0 no recovery wait", without(w0.flush, Guard::RecoveryWait), EXPLAINED),
        breaks("w=2 no recovery wait", without(w2.flush, Guard::RecoveryWait), EXPLAINED),
        breaks("w=0 jump waits ttl + skew only", without(w0.two_flushes, Guard::JumpWaits), OLDER_DEAD),
        breaks("w=2 jump waits ttl + skew only", without(w2.two_flushes, Guard::JumpWaits), OLDER_DEAD),
        holds("w=0 no pad", without(w0.promotion, Guard::LossPad)),
        holds("w=2 no pad", without(w2.promotion, Guard::LossPad)),
        breaks("w=0 generation read apart", without(w0.flush, Guard::GenerationInScript), EXPLAINED),
        breaks("w=2 generation read apart", without(w2.flush, Guard::GenerationInScript), ONE_PER_NONCE),
        breaks("w=0 no marker", without(w0.flush, Guard::Marker), EXPLAINED),
        breaks("w=2 no marker", without(w2.flush, Guard::Marker), ONE_PER_NONCE),
        breaks("w=0 no replication id", without(w0.promotion, Guard::ReplicationId), EXPLAINED),
        breaks("w=2 no replication id", without(w2.promotion, Guard::ReplicationId), ONE_PER_NONCE),
        breaks("w=0 nobody rewrites the marker", without(w0.opens, Guard::MarkerRewritten), CAN_OPEN),
        breaks("w=2 nobody rewrites the marker", without(w2.opens, Guard::MarkerRewritten), CAN_OPEN),
    ]
}
