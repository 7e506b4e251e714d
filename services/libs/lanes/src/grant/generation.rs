//! One life of the store's memory, and what is known across its end.
//!
//! *The idea.* Redis loses acknowledged writes by design: a promoted replica, a flush, an old snapshot. Then the record of a
//! key may be missing or old, and a range that somebody already uses could be granted again. So the store carries a
//! *generation*: a random marker and the server's replication id, which is new at every start and promotion. Every script
//! compares it. When a part has changed or the marker is missing, a new generation begins with the first caller whose clock
//! agrees with the store's, and no record of an older one counts any more: a live owner writes its record anew from memory,
//! everybody else waits until every older lease has ended and then begins above everything that can have been granted. Until
//! such a caller comes there is none, and nothing is granted or claimed: its birth says which ids may have lost their claims,
//! so one wrong clock must not choose it. A generation that was born in the future is none: it began while the server's
//! clock ran ahead, and whoever waited for its time would wait as long.
//!
//! What can have been granted is known from *sightings*: each process remembers the highest end of a range that it saw
//! for each key of its pool. Only what was seen in the generation before the loss counts, because the first answers after it
//! show the older record again and would make the memory young and low (DESIGN section 4; model F6). And it counts only
//! if it is so young that no other generation can have come and gone unseen: in such a one somebody without a memory may
//! have jumped far ahead.

use tidegate_core::MonoUs;

use super::{GRANT_RESERVE_US, GRANT_TTL_US};
use crate::guards::{Guard, on};

/// How far the clocks of a caller and of the store may differ for a grant to be given.
pub const SKEW_MAX_US: u64 = 1_000_000;
/// How far ahead of the store's clock a range may begin. Below the 30 minutes at which a lane refuses a range, so that
/// a key is never driven where no process would use it.
pub const LEAD_CAP_US: u64 = 600_000_000;
/// For how long after the birth of a generation nobody takes a key: every older lease has ended then, and every live owner
/// has asked.
pub const RECOVERY_US: u64 = GRANT_TTL_US + SKEW_MAX_US;

/// One life of the store's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Names it; made by the process that began it.
    pub marker: String,
    /// Replication id of the server (`master_replid`).
    pub replication_id: String,
    /// When it began, by the store's clock.
    pub born_us: u64,
    /// Whether an operator prepared the empty store: then what has no record was never granted.
    pub fresh: bool,
}

/// What a request finds.
#[derive(Debug)]
pub(crate) enum Present {
    /// The generation that is there.
    Kept(Generation),
    /// One that begins with this request.
    Begun(Generation),
    /// None, and the caller's clock is not one to begin one by.
    Missing,
}

impl Present {
    /// A generation begins if a part has changed, the marker is missing, or its birth is still to come, and caller and store
    /// agree about the time. `by` makes its marker unique.
    ///
    /// It is born at the later of the two clocks: a birth in the past would spare keys their wait and let ids be sent that may
    /// have lost their claims.
    pub(crate) fn of(known: Option<&Generation>, by: &str, now: StoreNow<'_>, caller_now_us: u64) -> Self {
        let agreed = caller_now_us.abs_diff(now.us) <= SKEW_MAX_US;
        let same = |g: &&Generation| {
            let unborn = agreed && g.born_us > now.us + SKEW_MAX_US && on(Guard::BornInTime);
            !unborn && (g.replication_id == now.replication_id || !on(Guard::Generation))
        };
        match known.filter(same) {
            Some(kept) => Self::Kept(kept.clone()),
            None if agreed || !on(Guard::BornInTime) => Self::Begun(Generation {
                marker: format!("{by}-{}", now.us),
                replication_id: now.replication_id.to_owned(),
                born_us: caller_now_us.max(now.us),
                fresh: false,
            }),
            None => Self::Missing,
        }
    }
}

/// The store at the moment of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreNow<'a> {
    /// Its clock, microseconds since 1970.
    pub us: u64,
    /// Its replication id.
    pub replication_id: &'a str,
}

/// What every answer shows of the store and of the key's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Marker of the generation.
    pub generation: String,
    /// When it began, by the store's clock.
    pub born_us: u64,
    /// End of the key's range or the store's time, whatever is higher; `None` while the key has no record of this
    /// generation.
    pub reach_us: Option<u64>,
}

/// What a process remembers of one key's ranges, also of those that others held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sightings {
    generation: Option<String>,
    seen: Option<Seen>,
    /// Of the generation before, until a grant of the present one exists.
    before: Option<Seen>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    reach_us: u64,
    at: MonoUs,
}

impl Sightings {
    /// Takes note of an answer to a request that was sent at `sent_at`. `true` if the store has begun a new generation
    /// since the last one.
    pub fn note(&mut self, sight: &Sight, sent_at: MonoUs, now: MonoUs) -> bool {
        let lost = self.generation.as_ref().is_some_and(|known| *known != sight.generation);
        if lost {
            // Nobody takes a key in the first seconds of a generation; a tenth is for clocks that run differently.
            let young = |seen: &Seen| {
                now.us_since(seen.at) < RECOVERY_US - RECOVERY_US / 10 || !on(Guard::SightingsYoung)
            };
            self.before = self.seen.take().filter(young);
        }
        if self.generation.as_ref() != Some(&sight.generation) {
            self.generation = Some(sight.generation.clone());
        }
        if let Some(reach_us) = sight.reach_us {
            let higher = self.seen.map_or(0, |seen| seen.reach_us).max(reach_us);
            self.seen = Some(Seen { reach_us: higher, at: sent_at });
            self.before = None;
        }
        lost
    }

    /// Above everything that can have been granted of the key before the store lost its memory; `None` if this process saw
    /// nothing of it. While the memory ages, one change of owner per grant may have gone unseen, each of them as long as a
    /// grant with its reserve.
    ///
    /// `None` also for a key with a window: each hand-over of such a key raises its range by the window, however short it
    /// was, and nobody knows how many there were, so it jumps (model: "sightings of keys with a window").
    pub fn floor_us(&self, now: MonoUs, window_us: u64) -> Option<u64> {
        let seen = self.before.filter(|_| window_us == 0 && on(Guard::Sightings))?;
        let unseen = 1 + now.us_since(seen.at).div_ceil(GRANT_TTL_US);
        let each = GRANT_TTL_US + GRANT_RESERVE_US + 1;
        Some(seen.reach_us.saturating_add(unseen.saturating_mul(each)))
    }

    /// Marker of the newest generation seen.
    pub fn generation(&self) -> Option<&str> {
        self.generation.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(generation: &str, reach_us: Option<u64>) -> Sight {
        Sight { generation: generation.to_owned(), born_us: 1, reach_us }
    }

    #[test]
    fn only_what_was_seen_before_the_loss_is_a_floor() {
        let mut memory = Sightings::default();
        assert!(!memory.note(&sight("a", Some(1_000)), MonoUs(0), MonoUs(3)), "the first answer is no loss");
        assert_eq!(memory.floor_us(MonoUs(0), 0), None, "nothing was lost");
        assert!(memory.note(&sight("b", None), MonoUs(9), MonoUs(10)));
        let each = GRANT_TTL_US + GRANT_RESERVE_US + 1;
        assert_eq!(memory.floor_us(MonoUs(0), 0), Some(1_000 + each));
        assert_eq!(memory.floor_us(MonoUs(0), 5), None, "a key with a window jumps");
        // An answer after the loss makes nothing younger and nothing lower.
        let later = MonoUs(GRANT_TTL_US);
        assert!(!memory.note(&sight("b", None), later, later));
        assert_eq!(memory.floor_us(MonoUs(GRANT_TTL_US + 1), 0), Some(1_000 + 3 * each));
        // With a grant of the present generation the record itself is right again.
        let mut known = memory.clone();
        assert!(!known.note(&sight("b", Some(9_000)), later, later));
        assert_eq!(known.floor_us(later, 0), None);
        assert_eq!(known.generation(), Some("b"));
        // After a second loss nobody knows what the first one led to.
        assert!(memory.note(&sight("c", None), later, later));
        assert_eq!(memory.floor_us(later, 0), None);
    }

    #[test]
    fn a_memory_that_is_old_when_the_loss_is_seen_is_none() {
        for (age_us, counts) in [(RECOVERY_US / 2, true), (RECOVERY_US, false)] {
            let mut memory = Sightings::default();
            memory.note(&sight("a", Some(1_000)), MonoUs(0), MonoUs(0));
            memory.note(&sight("b", None), MonoUs(age_us), MonoUs(age_us));
            assert_eq!(memory.floor_us(MonoUs(age_us), 0).is_some(), counts);
        }
    }
}
