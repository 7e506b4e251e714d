//! One request on its way to the exchange and back: `services/executor/src/flight.rs`, with the network in between.

use tidegate_core::{Endpoint, Nonce};
use tidegate_kraken::wire::{self, ApiKeyInfo};
use tidegate_kraken::{KeyEffect, Params, PreparedRequest, Refusal, classify, read_reply};
use tidegate_lanes::{End, NonceVerdict, Priority, TicketId};
use tidegate_sandbox::exchange::{Delivery as Way, Reply};

use crate::calls::{Landed, Proof};
use crate::plan::{Act, Point, S};
use crate::seen::Mark;
use crate::world::{Event, World};

/// For the whole exchange with Kraken.
const TOTAL_US: u64 = 10 * S;
const VERIFICATION_US: u64 = 5 * S;
/// How long Kraken's engine may take, from the head of the lane on, and what must be left of it.
pub(crate) const NOT_AFTER_MS: u64 = 5_000;
const DEADLINE_LEFT_MIN_MS: u64 = 2_500;

/// One request, from its nonce on.
#[derive(Debug)]
pub(crate) struct Flight {
    pub slot: usize,
    pub life: u64,
    pub key: usize,
    pub ticket: TicketId,
    /// `None`: a verification.
    pub call: Option<usize>,
    pub priority: Priority,
    pub epoch: u64,
    /// Index into the truth's tenures of the key.
    pub tenure: Option<usize>,
    pub nonce: Nonce,
    pub drawn_us: u64,
    pub checked_us: u64,
    pub written_us: Option<u64>,
    /// The lane gave it up, or its client did.
    pub given_up_us: Option<u64>,
    /// The process stood still between the look at the lease and the write.
    pub frozen: bool,
    /// Written without a lease while the store did not answer.
    pub adrift: bool,
    pub over: bool,
    pub request: PreparedRequest,
    /// Whether the answer that comes back is that of the copy that the exchange sees second.
    pub crossed: bool,
}

#[expect(clippy::expect_used, reason = "signed, and without names in their paths")]
fn written(endpoint: &Endpoint, params: &Params, nonce: Nonce) -> PreparedRequest {
    PreparedRequest::of(endpoint, params, nonce, None).expect("can be written")
}

impl World {
    /// A call leaves its lane with a nonce.
    pub(crate) fn take_off(
        &mut self,
        slot: usize,
        key: usize,
        call: Option<usize>,
        ticket: TicketId,
        priority: Priority,
        nonce: Nonce,
    ) {
        let process = &self.procs[slot];
        let wall = process.clocks.wall(self.t_us);
        let (endpoint, params) = match call {
            None => (self.keys.info, Params::new()),
            Some(number) => {
                let call = &self.calls[number];
                let mut params = call.params.clone();
                if call.deadline {
                    // Never later than the claim says: the clock may have jumped since.
                    let claim = call.attempt.as_ref().and_then(|attempt| attempt.claim.as_ref());
                    let latest_us = claim.map_or(u64::MAX, |claim| claim.not_after_us);
                    let deadline_us = wall.plus_ms(NOT_AFTER_MS).0.min(latest_us);
                    if deadline_us < wall.plus_ms(DEADLINE_LEFT_MIN_MS).0 {
                        let process = &mut self.procs[slot];
                        let now = process.clocks.mono(self.t_us);
                        process.cells[key].lane.ended(ticket, now, End::NotSent);
                        return self.land(number, slot, key, Landed::Unsent(Proof::Late));
                    }
                    params.text("deadline", rfc3339(deadline_us));
                }
                (call.endpoint, params)
            }
        };
        let epoch = process.cells[key].lane.epoch().unwrap_or_default();
        let life = process.life;
        let in_flight = process.cells[key].lane.snapshot(process.clocks.mono(self.t_us)).in_flight;
        if in_flight > 1 {
            self.note(Mark::SeveralInFlight);
        }
        let number = self.flights.len();
        self.flights.push(Flight {
            slot,
            life,
            key,
            ticket,
            call,
            priority,
            epoch,
            tenure: self.truth.find(key, slot, life, epoch),
            nonce,
            drawn_us: self.t_us,
            checked_us: 0,
            written_us: None,
            given_up_us: None,
            frozen: false,
            adrift: false,
            over: false,
            request: written(endpoint, &params, nonce),
            crossed: false,
        });
        self.trace.event(self.t_us, "draw", nonce.0, key as u64);
        self.trace.say(self.t_us, || {
            format!(
                "flight-{number}: {} of process {slot} on key-{key}, epoch {epoch}, nonce {nonce}",
                endpoint.name
            )
        });
        if priority == Priority::Cancel && call.is_some() {
            self.cancel_left(number);
        }
        let sign_us = self.rng.long_tail(20, 3_000);
        self.queue.push(self.t_us + sign_us, Event::Check(number));
        self.freeze_at(slot, Act::Sign);
        if call.is_some_and(|call| self.calls[call].attempt.is_some()) {
            self.fail_at(slot, Point::Drawn);
        }
    }

    pub(crate) fn verify(&mut self, slot: usize, key: usize, nonce: Nonce) {
        self.take_off(slot, key, None, TicketId::VERIFICATION, Priority::Cancel, nonce);
    }

    pub(crate) fn recheck(&mut self, slot: usize, key: usize, nonce: Nonce) {
        self.take_off(slot, key, None, TicketId::RECHECK, Priority::Read, nonce);
    }

    /// The last look at the lease.
    pub(crate) fn check(&mut self, number: usize) {
        let flight = &self.flights[number];
        let (slot, key, ticket, call) = (flight.slot, flight.key, flight.ticket, flight.call);
        let process = &mut self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        if !process.cells[key].lane.lease_ok(ticket, now) {
            self.flights[number].over = true;
            self.note(Mark::LeaseOver);
            self.trace.say(self.t_us, || format!("flight-{number} is not written: the lease is over"));
            self.ended(slot, key, ticket, End::NotSent);
            if let Some(call) = call {
                self.land(call, slot, key, Landed::Unsent(Proof::Moved));
            }
            return;
        }
        let unanswered = process.cells[key].unanswered;
        let flight = &mut self.flights[number];
        flight.checked_us = self.t_us;
        let lease_end_us = flight.tenure.map_or(0, |at| self.truth.tenures[key][at].lease_end_us);
        flight.adrift = self.t_us >= lease_end_us && unanswered && flight.priority == Priority::Cancel;
        self.freeze_at(slot, Act::Write);
        let write_us = self.t_us + self.rng.within(1, 50);
        self.queue.push(write_us, Event::Write(number));
    }

    pub(crate) fn write(&mut self, number: usize) {
        let flight = &mut self.flights[number];
        let key = flight.key;
        flight.written_us = Some(self.t_us);
        flight.frozen = self.t_us > flight.checked_us + 50;
        let silenced_us = flight.tenure.and_then(|at| self.truth.tenures[key][at].silenced_us);
        if silenced_us.is_some_and(|at| at < flight.checked_us) {
            self.violations.push(format!("flight-{number} was written after its lane was superseded"));
        }
        if self.flights[number].adrift && self.flights[number].call.is_some() {
            self.note(Mark::AdriftCancel);
        }
        self.trace.event(self.t_us, "write", number as u64, key as u64);
        let total_us = if self.flights[number].call.is_some() { TOTAL_US } else { VERIFICATION_US };
        self.queue.push(self.t_us + total_us, Event::GiveUp(number));
        self.put_on_the_wire(number);
        let Flight { slot, call, .. } = self.flights[number];
        if call.is_some_and(|call| self.calls[call].attempt.is_some()) {
            self.fail_at(slot, Point::Written);
        }
    }

    /// The head of the answer is back, and with it the body; or the connection broke.
    pub(crate) fn head(&mut self, number: usize, reply: Option<Reply>) {
        let flight = &mut self.flights[number];
        if std::mem::replace(&mut flight.over, true) {
            return;
        }
        let (slot, key, ticket, call) = (flight.slot, flight.key, flight.ticket, flight.call);
        self.trace.event(self.t_us, "head", number as u64, reply.is_some().into());
        let Some(reply) = reply else {
            self.flights[number].given_up_us.get_or_insert(self.t_us);
            self.ended(slot, key, ticket, End::Unknown);
            return self.came_to_nothing(slot, key, call);
        };
        let in_time = self.ended(slot, key, ticket, End::Answered);
        if !in_time {
            self.note(Mark::AbandonedAnsweredLate);
        }
        let whole = reply.delivery == Way::Whole;
        let read =
            read_reply(reply.http_status, Some(reply.content_type), &reply.body).ok().filter(|_| whole);
        let Some(read) = read else { return self.came_to_nothing(slot, key, call) };
        let refusal = classify(&read.errors).refusal;
        if let Some(refusal) = &refusal {
            self.learn(number, refusal);
        }
        match call {
            Some(call) => {
                let landed = Landed::Answered { refusal, result: read.result };
                self.land(call, slot, key, landed);
            }
            None => self.verified(number, refusal.as_ref(), read.result.as_deref()),
        }
    }

    fn came_to_nothing(&mut self, slot: usize, key: usize, call: Option<usize>) {
        match call {
            Some(call) => self.land(call, slot, key, Landed::Unclear),
            None => self.note(Mark::FenceRepeated),
        }
    }

    /// The client has waited long enough.
    pub(crate) fn give_up(&mut self, number: usize) {
        let flight = &mut self.flights[number];
        if std::mem::replace(&mut flight.over, true) {
            return;
        }
        flight.given_up_us.get_or_insert(self.t_us);
        let (slot, key, ticket, call) = (flight.slot, flight.key, flight.ticket, flight.call);
        self.trace.event(self.t_us, "give up", number as u64, 0);
        self.ended(slot, key, ticket, End::Unknown);
        self.came_to_nothing(slot, key, call);
    }

    pub(crate) fn abandoned(&mut self, slot: usize, key: usize, ticket: TicketId) {
        let life = self.procs[slot].life;
        let same = |f: &Flight| (f.slot, f.life, f.key, f.ticket) == (slot, life, key, ticket) && !f.over;
        let Some(number) = self.flights.iter().rposition(same) else { return };
        self.flights[number].given_up_us.get_or_insert(self.t_us);
        self.note(Mark::Abandoned);
        if self.t_us < self.flights[number].drawn_us + 4 * S {
            self.note(Mark::AbandonedForCancel);
        }
        self.trace.event(self.t_us, "abandon", number as u64, 0);
        self.trace.say(self.t_us, || format!("flight-{number} is abandoned"));
    }

    /// What an error tells about the key, beside the call: `learn` and `refused_nonce`.
    fn learn(&mut self, number: usize, refusal: &Refusal) {
        let flight = &self.flights[number];
        let (slot, key, ticket, tenure) = (flight.slot, flight.key, flight.ticket, flight.tenure);
        // What had been given up may be refused for that alone.
        let adrift = flight.adrift && flight.given_up_us.is_none();
        let process = &mut self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let lane = &mut process.cells[key].lane;
        match refusal.effect {
            KeyEffect::RateLimited => lane.rate_limited(now),
            KeyEffect::BadNonce => {
                let verdict = lane.nonce_refused(ticket, now);
                if adrift && let Some(at) = tenure {
                    self.truth.tenures[key][at].silenced_us.get_or_insert(self.t_us);
                }
                self.trace.say(self.t_us, || format!("flight-{number} was refused: {verdict:?}"));
                match verdict {
                    NonceVerdict::Abandoned => {}
                    NonceVerdict::Superseded { handed_back } => {
                        self.note(Mark::Superseded);
                        self.hand_back(slot, key, &handed_back);
                    }
                    NonceVerdict::Noted => self.note(Mark::NonceNoted),
                    NonceVerdict::Raised => {
                        self.note(Mark::FenceRefused);
                        self.raised.push(key);
                    }
                    NonceVerdict::Quarantined { handed_back } => self.hand_back(slot, key, &handed_back),
                }
                self.stir(slot, key);
            }
            _ => {}
        }
    }

    /// What the verification says: `verify_key` and `conclude`.
    fn verified(
        &mut self,
        number: usize,
        refusal: Option<&Refusal>,
        result: Option<&serde_json::value::RawValue>,
    ) {
        let flight = &self.flights[number];
        let (slot, key, epoch) = (flight.slot, flight.key, flight.epoch);
        let window = self.plan.keys[key].window;
        let verdict = match refusal {
            None => match wire::read::<ApiKeyInfo>(result) {
                Ok(info) if info.nonce_window == window => Ok(()),
                _ => Err("its answer does not fit"),
            },
            Some(refusal) => match refusal.effect {
                KeyEffect::BadKey | KeyEffect::BadSignature | KeyEffect::PermissionDenied => Err("it is bad"),
                // The lane has dealt with it.
                KeyEffect::BadNonce => return,
                _ => return self.note(Mark::FenceRepeated),
            },
        };
        let process = &mut self.procs[slot];
        let cell = &mut process.cells[key];
        let handed_back = match verdict {
            Ok(()) => {
                if flight.ticket == TicketId::RECHECK {
                    let now = process.clocks.mono(self.t_us);
                    cell.lane.rechecked(epoch, now);
                } else if cell.lane.verified(epoch) {
                    self.trace.say(self.t_us, || format!("process {slot} opens key-{key}, epoch {epoch}"));
                    self.opened(slot, key);
                }
                Vec::new()
            }
            Err(why) => {
                let tickets = cell.lane.refuse(why);
                self.violate(format!("process {slot} refuses key-{key} for ever: {why}"));
                tickets
            }
        };
        self.hand_back(slot, key, &handed_back);
        self.stir(slot, key);
    }
}

/// A time as Kraken's `deadline` wants it.
fn rfc3339(us: u64) -> String {
    let us = i64::try_from(us).unwrap_or(i64::MAX);
    jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::MAX).to_string()
}
