//! When to ask the store for a lane's grant, and what for.
//!
//! *The idea.* Every request to the store is a renewal, an attempt to take the key, or a look, and each of them announces
//! this process and brings back who else is alive. From the members every process computes the same proposal. The
//! proposed process takes the key as soon as it is free; one that owns a key and is not proposed any more hands it over: what
//! waits goes back unsent, what is in flight ends, the grant is released with its last nonce.
//!
//! Nobody finds out by polling in a hurry. A release is told to all ([`crate::GrantStore::notices`]), and the end of a
//! grant or of a process that died is a time that every answer names: one asks again right behind it, each key and
//! process a little apart from the others.
//!
//! [`Keeper`] is pure: it is told the time and what was answered, and says one [`Errand`] at a time.

use sha2::{Digest, Sha256};
use tidegate_core::{MonoUs, OwnerId, UnixUs};

use crate::grant::{GrantIds, GrantReply, GrantRequest, Intent, Member, Release, Released, STORE_INT_MAX};
use crate::lane::{GrantRefused, Lane, RENEW_EVERY_US, Want};
use crate::placement::propose;
use crate::queue::Ticket;
use crate::store::GrantAnswer;

/// Between two requests while a key is wanted that somebody holds, or while the store does not answer.
const ASK_AGAIN_US: u64 = 200_000;
/// Between two requests at the least, however much the lane presses.
const AT_LEAST_US: u64 = 50_000;
/// How far apart processes and keys ask about the same end at most.
const APART_US: u64 = 150_000;

/// What to do next for a lane. One at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Ask the store, and come back with [`Keeper::answered`] or [`Keeper::unanswered`].
    Ask(GrantRequest),
    /// Tell the store that the key is given back, and come back with [`Keeper::given_back`], whatever it said.
    GiveBack(Release),
    /// Nothing before this time, unless the lane changes, a notice comes or the process leaves.
    WaitUntil(MonoUs),
    /// The process has left the pool and owns nothing. Nothing follows.
    Gone,
}

/// What an answer came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What waited and goes back unsent, because the key is not ours.
    pub handed_back: Vec<Ticket>,
    /// What the store said of the key.
    pub reply: GrantReply,
    /// Marker of a new generation: the store has lost its memory since the last answer.
    pub forgot: Option<String>,
    /// A grant that the lane does not accept.
    pub refused: Option<GrantRefused>,
    /// Whether other processes came, went or changed their keys.
    pub members_changed: bool,
}

/// How far a process has come on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// It has still to say that it wants no keys, and to hear of processes that came a moment ago.
    Announces,
    HandsOver,
    Gone,
}

/// Keeps the grant of one lane.
#[derive(Debug)]
pub struct Keeper {
    ids: GrantIds,
    members: Vec<Member>,
    proposed: bool,
    owner: Option<OwnerId>,
    ask_at: MonoUs,
    asked_at: Option<MonoUs>,
    /// What was asked and not answered yet.
    asking: Option<Intent>,
    /// A notice that came while a request was on its way.
    noticed: bool,
    leaving: Leaving,
    apart_us: u64,
}

impl Keeper {
    /// A keeper that asks at once.
    pub fn new(ids: GrantIds) -> Self {
        let digest =
            Sha256::new().chain_update(ids.key.fingerprint.as_str()).chain_update(ids.owner.as_str());
        let digest = digest.finalize();
        let apart_us = u64::from(u16::from_be_bytes([digest[0], digest[1]])) * APART_US / u64::from(u16::MAX);
        Self {
            ids,
            members: Vec::new(),
            proposed: false,
            owner: None,
            ask_at: MonoUs(0),
            asked_at: None,
            asking: None,
            noticed: false,
            leaving: Leaving::No,
            apart_us,
        }
    }

    /// Whose keeper this is.
    pub const fn ids(&self) -> &GrantIds {
        &self.ids
    }

    /// The live members of the pool, as the store last said them.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Who owns the key, as the store last said. `None` if nobody does, or it is not known.
    pub const fn owner(&self) -> Option<&OwnerId> {
        self.owner.as_ref()
    }

    /// What to do now. `pressing`: the lane can do nothing more before its grant is renewed ([`crate::Step::NeedsGrant`]).
    /// What waited in a lane that is given away is appended to `handed_back`.
    pub fn next(
        &mut self,
        lane: &mut Lane,
        now: MonoUs,
        wall: UnixUs,
        pressing: bool,
        handed_back: &mut Vec<Ticket>,
    ) -> Errand {
        let holds = lane.epoch().is_some();
        match self.leaving {
            Leaving::Gone => return Errand::Gone,
            Leaving::Announces => {
                self.leaving = Leaving::HandsOver;
                return self.ask(lane, now, wall, Want::Look);
            }
            Leaving::HandsOver if !holds => {
                let nothing = Released { epoch: 0, last_us: 0, counter_milli: 0 };
                return self.give_back(nothing);
            }
            Leaving::HandsOver => return self.hand_over(lane, now, handed_back),
            Leaving::No if holds && !self.proposed && self.asked_at.is_some() => {
                return self.hand_over(lane, now, handed_back);
            }
            Leaving::No => {}
        }
        let earliest = self.asked_at.map_or(now, |at| at.plus_us(AT_LEAST_US));
        let at =
            if (pressing || lane.frees_point()) && holds { self.ask_at.min(earliest) } else { self.ask_at };
        if now < at {
            return Errand::WaitUntil(at);
        }
        let want = if self.proposed { Want::Hold } else { Want::Look };
        self.ask(lane, now, wall, want)
    }

    /// The store answered the request that was sent at `sent_at`.
    pub fn answered(
        &mut self,
        lane: &mut Lane,
        sent_at: MonoUs,
        now: MonoUs,
        wall: UnixUs,
        answer: GrantAnswer,
    ) -> Heard {
        let GrantAnswer { reply, members, sight } = answer;
        let looked = self.asking.take() == Some(Intent::Look);
        let forgot = sight.filter(|sight| lane.saw(sight, sent_at, now)).map(|sight| sight.generation);
        let members_changed = self.note_members(members);
        self.note_owner(&reply);
        let mut heard = Heard { handed_back: Vec::new(), reply, forgot, refused: None, members_changed };
        if !looked {
            match lane.grant_given(sent_at, now, wall, &heard.reply) {
                Ok(tickets) => heard.handed_back = tickets,
                Err(refused) => heard.refused = Some(refused),
            }
        }
        self.ask_at = if std::mem::take(&mut self.noticed) || (looked && self.proposed) {
            // Whether this process is proposed was not known when it looked.
            now
        } else {
            self.when_to_ask(sent_at, now, &heard.reply)
        };
        heard
    }

    /// The store did not answer, or what it answered does not count.
    pub fn unanswered(&mut self, lane: &mut Lane, now: MonoUs) {
        self.asking = None;
        self.noticed = false;
        lane.store_gone();
        self.ask_at = now.plus_us(ASK_AGAIN_US);
    }

    /// The release was told to the store, or could not be: then the grant expires by itself.
    pub fn given_back(&mut self, now: MonoUs) {
        self.owner = None;
        if self.leaving == Leaving::HandsOver {
            self.leaving = Leaving::Gone;
        }
        self.ask_at = now.plus_us(ASK_AGAIN_US);
    }

    /// The store tells that the key was given back.
    pub fn noticed(&mut self, now: MonoUs) {
        self.noticed = self.asking.is_some();
        self.ask_at = now;
    }

    /// The process ends: hand over what is held and leave the pool. Saying it twice is the same.
    pub fn leave(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Announces;
            // Who mounts nothing is proposed for nothing: the others know before the key is free.
            self.ids.mounts = [].into();
        }
    }

    fn ask(&mut self, lane: &mut Lane, now: MonoUs, wall: UnixUs, want: Want) -> Errand {
        let terms = lane.terms(now, wall, want);
        self.asking = Some(terms.intent);
        self.asked_at = Some(now);
        Errand::Ask(GrantRequest { ids: self.ids.clone(), terms })
    }

    /// Hands back what waits, lets end what is in flight, and gives the grant back.
    fn hand_over(&mut self, lane: &mut Lane, now: MonoUs, handed_back: &mut Vec<Ticket>) -> Errand {
        handed_back.extend(lane.drain());
        match lane.release(now) {
            Some(released) => self.give_back(released),
            // What is in flight wakes us when it ends.
            None => Errand::WaitUntil(now.plus_us(ASK_AGAIN_US)),
        }
    }

    fn give_back(&self, released: Released) -> Errand {
        let leave = self.leaving != Leaving::No;
        Errand::GiveBack(Release { ids: self.ids.clone(), released, leave })
    }

    fn note_members(&mut self, members: Vec<Member>) -> bool {
        let who = |m: &Member| (m.owner.clone(), m.mounts.clone());
        let changed = !self.members.iter().map(who).eq(members.iter().map(who));
        self.members = members;
        if changed {
            let proposal = propose(&self.members);
            self.proposed = proposal.get(&self.ids.key.fingerprint) == Some(&self.ids.owner);
        }
        changed
    }

    fn note_owner(&mut self, reply: &GrantReply) {
        match reply {
            GrantReply::Granted { .. } => self.owner = Some(self.ids.owner.clone()),
            GrantReply::Held { owner, .. } => self.owner = Some(owner.clone()),
            GrantReply::Free { .. } | GrantReply::Lost { .. } | GrantReply::Recovering { .. } => {
                self.owner = None;
            }
            GrantReply::Skewed { .. } | GrantReply::TooFarAhead { .. } => {}
        }
    }

    fn when_to_ask(&self, sent_at: MonoUs, now: MonoUs, reply: &GrantReply) -> MonoUs {
        let ends = match *reply {
            GrantReply::Granted { .. } => return sent_at.plus_us(RENEW_EVERY_US),
            GrantReply::Held { expires_us, store_now_us, .. } => Some((expires_us, store_now_us)),
            GrantReply::Recovering { until_us, store_now_us } => Some((until_us, store_now_us)),
            // A dead process may be a live member for longer than its grant of this key lasted.
            GrantReply::Free { store_now_us } => Some((STORE_INT_MAX, store_now_us)),
            _ => None,
        };
        let pause_us = match *reply {
            _ if !self.proposed => RENEW_EVERY_US,
            GrantReply::Recovering { .. } => RENEW_EVERY_US,
            _ => ASK_AGAIN_US,
        };
        let next = sent_at.plus_us(pause_us);
        let Some((ends_us, store_now_us)) = ends else { return next };
        // A member that dies takes part in the proposal until then.
        let others = self.members.iter().filter(|member| member.owner != self.ids.owner);
        let ends_us = others.map(|member| member.expires_us).fold(ends_us, u64::min);
        next.min(now.plus_us(ends_us.saturating_sub(store_now_us) + 1 + self.apart_us))
    }
}

#[cfg(test)]
mod tests;
