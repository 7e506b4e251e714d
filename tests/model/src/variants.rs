//! Every search of this crate, with what it is expected to find.
//!
//! `Holds` is a complete search of that bounded world, no more. A guard whose removal holds is named as such: it is either
//! redundant beside the others, or this model is too small for it, and the note says which.

use crate::config::{Budget, Config, Guard, Repeats};
use crate::protocol::{CALM, CAN_OPEN, EXPLAINED, OLDER_DEAD, ONE_PER_NONCE, ONE_PER_REQUEST};
use crate::search::Outcome;
use crate::worlds::{Worlds, worlds};

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
    /// The property at which its search may end.
    pub const fn until(&self) -> Option<&'static str> {
        match self.expect {
            Expect::Holds => None,
            Expect::Breaks(property) => Some(property),
        }
    }

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

fn without(config: Config, guard: Guard) -> Config {
    Config { guards: config.guards.without(guard), ..config }
}

fn refused(config: Config) -> Config {
    Config { repeats: Repeats::Refused, ..config }
}

/// All searches: first what holds with all guards, then guard by guard what breaks without it.
pub fn all() -> Vec<Variant> {
    let (w0, w2) = (worlds(0), worlds(2));
    let mut list = calm_and_calls(&w0, &w2);
    list.extend(losses(&w0, &w2));
    list.extend(without_nonce_guards(&w0, &w2));
    list.extend(without_floors(&w0, &w2));
    list.extend(without_generation(&w0, &w2));
    list
}

fn calm_and_calls(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    let behind = |config| Config { skew: [-1, 1], ..config };
    vec![
        holds("w=0 calm, two hand-overs", w0.calm),
        holds("w=2 calm, two hand-overs", w2.calm),
        holds("w=0 calm, one clock behind, one ahead", behind(w0.calm)),
        holds("w=2 calm, one clock behind, one ahead", behind(w2.calm)),
        holds("w=0 two abandonments, a hand-over", w0.calls),
        holds("w=2 two abandonments, a hand-over", w2.calls),
        holds("w=2 the same, repeats refused", refused(w2.calls)),
        holds("w=0 each owner dies", w0.deaths),
        holds("w=2 each owner dies", w2.deaths),
        holds("w=0 a clock far ahead", w0.hasty_clock),
        holds("w=2 a clock far ahead", w2.hasty_clock),
        holds("w=0 a request delivered twice", w0.copies),
        holds("w=2 a request delivered twice, repeats refused", refused(w2.copies)),
        breaks("w=2 a request delivered twice, repeats accepted", w2.copies, ONE_PER_REQUEST)
            .note("all guards are up: none of ours can help, so keys that place have window 0"),
    ]
}

fn losses(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    let five = Config { budget: Budget { releases: 5, ..w2.ahead.budget }, ..w2.ahead };
    vec![
        holds("w=0 a flush", w0.flush),
        holds("w=2 a flush", w2.flush),
        holds("w=0 a promotion", w0.promotion),
        holds("w=2 a promotion", w2.promotion),
        holds("w=0 six hand-overs, then a flush", w0.ahead),
        holds("w=2 four hand-overs, then a flush", w2.ahead),
        holds("w=2 five hand-overs, then a flush", five),
        holds("w=0 six hand-overs, then a promotion", w0.ahead_promotion),
        holds("w=2 four hand-overs, then a promotion", w2.ahead_promotion),
        holds("w=0 hand-overs up to the lead guard, a flush", w0.low_guard),
        holds("w=2 hand-overs up to the lead guard, a flush", w2.low_guard),
        holds("w=0 two flushes, a restart", w0.two_flushes).large(),
        holds("w=2 two flushes, a restart", w2.two_flushes).large(),
        holds("w=0 two promotions", w0.two_promotions).large(),
        holds("w=2 two promotions", w2.two_promotions).large(),
        holds("w=0 a flush and a promotion", w0.both).large(),
        holds("w=2 a flush and a promotion", w2.both).large(),
        holds("w=0 two flushes, ranges used up to their end", w0.two_jumps),
        holds("w=2 two flushes, ranges used up to their end", w2.two_jumps).large(),
        holds("w=0 from every state each owner can open", w0.opens),
        holds("w=2 from every state each owner can open", w2.opens),
        holds("w=0 the same, short lead guard", w0.short_lead),
        holds("w=2 the same, short lead guard", w2.short_lead),
    ]
}

fn without_nonce_guards(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    vec![
        breaks("w=0 no fence", without(w0.calls, Guard::Fence), OLDER_DEAD)
            .note("the lane is open at its grant, with the older owner's call still on the wire"),
        breaks("w=2 no fence", without(w2.calls, Guard::Fence), OLDER_DEAD),
        breaks("w=0 begin without the record's hi", without(w0.calm, Guard::RecordFloor), CALM),
        breaks("w=2 begin without the record's hi", without(w2.calm, Guard::RecordFloor), ONE_PER_NONCE),
        holds("w=0 no window jump", without(w0.calls, Guard::WindowJump))
            .note("redundant with window 0: hi itself is free"),
        breaks("w=2 no window jump", without(w2.calls, Guard::WindowJump), OLDER_DEAD),
        breaks("w=0 nonce by the clock alone", without(w0.calm, Guard::DrawAboveLast), CALM),
        breaks("w=2 nonce by the clock alone", without(w2.calm, Guard::DrawAboveLast), ONE_PER_NONCE),
        breaks("w=0 nonce beyond hi", without(w0.hasty_clock, Guard::DrawBelowHi), EXPLAINED),
        breaks("w=2 nonce beyond hi", without(w2.hasty_clock, Guard::DrawBelowHi), OLDER_DEAD),
        breaks("w=0 several in flight", without(w0.calm, Guard::SpanRule), CALM),
        breaks("w=2 no span rule", without(w2.calm, Guard::SpanRule), CALM),
        breaks("w=0 no lease check at the write", without(w0.calls, Guard::LeaseCheck), EXPLAINED)
            .note("a refusal for a call that should not have been written; nothing worse"),
        breaks("w=2 no lease check at the write", without(w2.calls, Guard::LeaseCheck), EXPLAINED),
        breaks("w=0 lease measured from the reply", without(w0.calls, Guard::LeaseFromSending), EXPLAINED),
        breaks("w=2 lease measured from the reply", without(w2.calls, Guard::LeaseFromSending), EXPLAINED),
        breaks("w=0 no abandonment", without(w0.opens, Guard::Abandonment), CAN_OPEN),
        breaks("w=2 no abandonment", without(w2.opens, Guard::Abandonment), CAN_OPEN),
    ]
}

fn without_floors(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    let blind = |c| without(without(without(c, Guard::Sightings), Guard::UnseenJump), Guard::LossPad);
    let far = |c: Config| Config { lead_cap: 45, ..c };
    // What sightings do for keys that use them can be seen with a window only if that key uses them.
    let seeing = |c: Config| without(c, Guard::WindowJumps);
    let five = Config { budget: Budget { releases: 5, ..w2.ahead.budget }, ..w2.ahead };
    vec![
        breaks("w=0 a lost answer grants anew", without(far(w0.flush), Guard::TakeRepeats), OLDER_DEAD),
        breaks(
            "w=2 a lost answer grants anew",
            without(seeing(far(w2.flush)), Guard::TakeRepeats),
            OLDER_DEAD,
        ),
        holds("w=0 no sightings, always jump", without(w0.ahead, Guard::Sightings))
            .note("redundant: the jump covers all that sightings do, and more"),
        holds("w=2 no sightings, always jump", without(w2.ahead, Guard::Sightings)),
        breaks("w=0 no sightings, no jump, no pad", blind(w0.ahead), EXPLAINED),
        breaks("w=2 no sightings, no jump, no pad", blind(w2.ahead), ONE_PER_NONCE),
        breaks("w=0 no jump of unseen keys", without(w0.ahead, Guard::UnseenJump), EXPLAINED),
        breaks("w=2 no jump of unseen keys", without(w2.ahead, Guard::UnseenJump), ONE_PER_NONCE),
        breaks("w=0 refreshed sightings", without(w0.ahead_promotion, Guard::SightingsFrozen), EXPLAINED),
        breaks(
            "w=2 refreshed sightings",
            without(seeing(w2.ahead_promotion), Guard::SightingsFrozen),
            OLDER_DEAD,
        ),
        breaks("w=0 sightings of any age", without(w0.two_flushes, Guard::SightingsYoung), OLDER_DEAD),
        breaks(
            "w=2 sightings of any age",
            without(seeing(far(w2.two_flushes)), Guard::SightingsYoung),
            OLDER_DEAD,
        )
        .large(),
        holds("w=0 sightings of keys with a window", without(w0.ahead, Guard::WindowJumps))
            .note("redundant with window 0: only the window makes hand-overs add up"),
        breaks("w=2 sightings of keys with a window", seeing(five), OLDER_DEAD)
            .note("a sighting allows for one change of owner per ttl, not for five"),
        breaks("w=0 floor beyond the lead guard", without(w0.short_lead, Guard::FloorCapped), CAN_OPEN)
            .note("an old sighting's floor outruns the clock: the key is never granted again"),
        breaks(
            "w=2 floor beyond the lead guard",
            without(seeing(w2.short_lead), Guard::FloorCapped),
            CAN_OPEN,
        ),
        breaks("w=0 no lead guard", without(w0.low_guard, Guard::LeadGuard), OLDER_DEAD),
        breaks("w=2 no lead guard", without(w2.low_guard, Guard::LeadGuard), OLDER_DEAD),
        breaks("w=0 a jump waits ttl + skew only", without(w0.two_jumps, Guard::JumpWaits), EXPLAINED)
            .note("the second jump begins inside the range of the first"),
        breaks("w=2 a jump waits ttl + skew only", without(w2.two_jumps, Guard::JumpWaits), OLDER_DEAD),
        holds("w=0 no pad after a loss", without(w0.ahead_promotion, Guard::LossPad))
            .note("redundant beside sightings and jump"),
        holds("w=2 no pad after a loss", without(w2.ahead_promotion, Guard::LossPad)),
    ]
}

fn without_generation(w0: &Worlds, w2: &Worlds) -> Vec<Variant> {
    vec![
        breaks("w=0 no recovery wait", without(w0.flush, Guard::RecoveryWait), EXPLAINED)
            .note("a live owner is superseded needlessly; nothing worse"),
        holds("w=2 no recovery wait", without(w2.flush, Guard::RecoveryWait))
            .note("redundant with a window: a jump waits longer by reserve and window anyway"),
        breaks("w=0 generation read apart", without(w0.ahead, Guard::GenerationInScript), EXPLAINED),
        breaks("w=2 generation read apart", without(w2.ahead, Guard::GenerationInScript), ONE_PER_NONCE),
        breaks("w=0 no marker", without(w0.ahead, Guard::Marker), EXPLAINED),
        breaks("w=2 no marker", without(w2.ahead, Guard::Marker), ONE_PER_NONCE),
        breaks("w=0 no replication id", without(w0.ahead_promotion, Guard::ReplicationId), EXPLAINED)
            .note("a marker alone is rolled back with the data; so is any loss that keeps both ids"),
        breaks("w=2 no replication id", without(w2.ahead_promotion, Guard::ReplicationId), ONE_PER_NONCE),
        breaks("w=0 nobody rewrites the marker", without(w0.opens, Guard::MarkerRewritten), CAN_OPEN),
        breaks("w=2 nobody rewrites the marker", without(w2.opens, Guard::MarkerRewritten), CAN_OPEN),
    ]
}
