//! One key and everything that serialises its use, as a pure state machine.
//!
//! *The idea.* The machine is told what happens (a call wants in, a grant came, a call ended) and the time; asked with
//! [`Lane::next`] it says what to do. It never waits, and it owns no socket and no clock. The shell around it performs
//! one step at a time until it hears [`Step::Idle`], [`Step::WaitUntil`] or [`Step::NeedsGrant`].
//!
//! *Invariants.* No call of the key lies between a change of owner and its accepted verification. Nonces rise, also
//! across owners. With window 0 at most one call is in flight. Each accepted ticket leaves exactly once: sent (and
//! then ended by the shell), expired, or handed back unsent.

mod admit;
mod cancels;
mod codes;
#[cfg(test)]
mod codes_tests;
mod flight;
mod foreign;
mod recheck;
#[cfg(test)]
mod recheck_tests;
mod share;
#[cfg(test)]
mod tests;
mod trouble;
#[cfg(test)]
mod trouble_tests;
mod types;

use tidegate_core::{MonoUs, UnixUs};

pub use self::codes::CODE_US;
use self::codes::Codes;
use self::flight::{Flight, Flights};
pub use self::foreign::KeyUse;
use self::recheck::Looks;
pub use self::recheck::{LOOK_AGAIN_US, RECHECK_SOON_US};
use self::share::Share;
pub use self::trouble::{
    CANCEL_EVERY_US, FENCE_AGAIN_MAX_US, FENCE_AGAIN_US, Findings, NOTED_FOR_US, NonceVerdict,
};
use self::trouble::{Pauses, Suspicion};
pub use self::types::{
    End, GrantRefused, LaneConfig, LaneState, LaneView, RENEW_EVERY_US, Step, SubmitRefusal, Want,
};
use crate::budget::{Admission, RestCounter};
use crate::grant::{
    GRANT_RESERVE_US, GRANT_TTL_US, GrantReply, GrantTerms, HeldRange, Intent, Released, Sight, Sightings,
};
use crate::guards::{Guard, on};
use crate::nonce::{NonceError, NonceSource};
use crate::queue::{Priority, PriorityQueue, Ticket, TicketId};

/// `GetApiKeyInfo` costs one point (Kraken docs: Spot REST rate limits).
const VERIFICATION_MILLI: u64 = 1_000;
/// Pause before an unclear verification is repeated; it doubles each time.
const VERIFY_AGAIN_US: u64 = 100_000;
const VERIFY_AGAIN_MAX_US: u64 = 5_000_000;

/// The lane of one key.
#[derive(Debug)]
pub struct Lane {
    config: LaneConfig,
    state: LaneState,
    draining: bool,
    /// The epoch held.
    epoch: Option<u64>,
    /// The highest epoch ever held here; replies about older ones are late.
    epoch_seen: u64,
    /// Whether the store has kept its memory since then, so that the next number is the next owner.
    epochs_counted: bool,
    /// No write from this moment on.
    lease_until: MonoUs,
    nonces: NonceSource,
    /// Above everything ever drawn here, in store microseconds.
    floor_us: u64,
    sightings: Sightings,
    counter: RestCounter,
    queue: PriorityQueue,
    share: Share,
    flights: Flights,
    verify_at: MonoUs,
    verify_pause_us: u64,
    /// Whether a cancel waits for nothing but a call in flight; as of the last [`Lane::next`].
    cancel_blocked: bool,
    /// Whether the store does not answer: cancels go on without a lease.
    adrift: bool,
    trouble: Option<NonceError>,
    /// Whether Kraken accepted a fence of this epoch.
    fenced: bool,
    /// The wall clock at the newest draw.
    drawn_at: Option<UnixUs>,
    /// The wall clock at the draw before the repeated verification, if all draws since were of one epoch.
    idle_since: Option<UnixUs>,
    suspicion: Suspicion,
    pauses: Pauses,
    looks: Looks,
    codes: Codes,
}

impl Lane {
    /// A lane without a grant.
    pub fn new(config: LaneConfig, now: MonoUs) -> Self {
        Self {
            state: LaneState::Idle,
            draining: false,
            epoch: None,
            epoch_seen: 0,
            epochs_counted: true,
            lease_until: MonoUs(0),
            nonces: NonceSource::new(config.unit),
            floor_us: 0,
            sightings: Sightings::default(),
            counter: RestCounter::new(config.tier, now),
            queue: PriorityQueue::new(config.queue_len_max),
            share: Share::default(),
            flights: Flights::new(config.window, config.in_flight_max),
            verify_at: now,
            verify_pause_us: VERIFY_AGAIN_US,
            cancel_blocked: false,
            adrift: false,
            trouble: None,
            fenced: false,
            drawn_at: None,
            idle_since: None,
            suspicion: Suspicion::default(),
            pauses: Pauses::default(),
            looks: Looks::of(&config.label),
            codes: Codes::default(),
            config,
        }
    }

    /// The configuration.
    pub const fn config(&self) -> &LaneConfig {
        &self.config
    }

    /// The state.
    pub const fn state(&self) -> &LaneState {
        &self.state
    }

    /// The epoch held, if any.
    pub const fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// Whether it is being given back.
    pub const fn is_draining(&self) -> bool {
        self.draining
    }

    /// Whether the store is to hear that this epoch's verification is behind it, so that its point is free for whoever takes
    /// the key next, should this process die.
    pub(crate) fn frees_point(&self) -> bool {
        self.state == LaneState::Open && self.epoch.is_some() && self.counter.keeps_point()
    }

    /// The lane's side of a grant request. Send it at once, one at a time, and keep the time of sending for
    /// [`Self::grant_given`].
    pub fn terms(&mut self, now: MonoUs, wall: UnixUs, want: Want) -> GrantTerms {
        let (intent, counter_ceiling_milli) = match (want, self.epoch) {
            (Want::Look, _) => (Intent::Look, 0),
            (Want::Hold, Some(epoch)) => {
                let verifies = self.state != LaneState::Open;
                (Intent::Renew { epoch }, self.counter.propose_ceiling(now, verifies))
            }
            // What this epoch will spend is not known before its predecessor's level is, so the most is written.
            (Want::Hold, None) => (Intent::Take, self.config.tier.ceiling_max_milli()),
        };
        GrantTerms {
            intent,
            unit: self.config.unit,
            window_us: self.window_us(),
            floor_us: self.floor_us,
            ttl_us: GRANT_TTL_US,
            reserve_us: GRANT_RESERVE_US,
            counter_ceiling_milli,
            counter_decay_milli_per_s: self.config.tier.decay_milli_per_s,
            caller_now_us: wall.0,
            epoch_seen: self.epoch_seen,
            held: self.held(now),
            recovery_floor_us: self.sightings.floor_us(now, self.window_us()),
            known_generation: self.sightings.generation().map(str::to_owned),
        }
    }

    /// What this process holds beyond doubt: only while the lease lasts is it certain that nobody else holds more.
    fn held(&self, now: MonoUs) -> Option<HeldRange> {
        let live = self.epoch.is_some() && now < self.lease_until;
        let (lo_us, hi_us) = self.nonces.range_us().filter(|_| live)?;
        Some(HeldRange { lo_us, hi_us })
    }

    /// What an answer of the store shows, whatever was asked. To be told of every answer, before anything else is done
    /// with it. `true` if the store has lost its memory since the last one.
    pub fn saw(&mut self, sight: &Sight, sent_at: MonoUs, now: MonoUs) -> bool {
        self.adrift = false;
        let lost = self.sightings.note(sight, sent_at, now);
        self.epochs_counted &= !lost;
        lost
    }

    /// The store answered a [`Want::Hold`] request that was sent at `sent_at`. If it is not ours (any more), what
    /// waits is handed back. The lease runs from the sending, less a tenth, so it ends here before it ends there.
    pub fn grant_given(
        &mut self,
        sent_at: MonoUs,
        now: MonoUs,
        wall: UnixUs,
        reply: &GrantReply,
    ) -> Result<Vec<Ticket>, GrantRefused> {
        let GrantReply::Granted {
            epoch,
            lo_us,
            hi_us,
            expires_us,
            store_now_us,
            first_of_epoch,
            counter_start_milli,
        } = *reply
        else {
            return Ok(match reply {
                // Nothing was changed: what is held is held until its lease ends.
                GrantReply::Recovering { .. }
                | GrantReply::Skewed { .. }
                | GrantReply::TooFarAhead { .. } => Vec::new(),
                _ => self.grant_lost(),
            });
        };
        let mut handed_back = Vec::new();
        if self.epoch == Some(epoch) {
            self.nonces.extend(hi_us);
            self.counter.ceiling_written();
            handed_back = self.ours_after_all(sent_at, now);
        } else if first_of_epoch && epoch > self.epoch_seen {
            self.nonces.start(lo_us, hi_us, wall).map_err(GrantRefused)?;
            // Nobody between our last epoch and this one: what we know of the counter is better than the record.
            if self.epoch_seen > 0
                && epoch == self.epoch_seen + 1
                && (self.epochs_counted || !on(Guard::CountedEpochs))
            {
                self.counter.lift_ceiling();
            } else {
                self.counter.inherit(now, counter_start_milli);
            }
            (self.epoch, self.epoch_seen, self.lease_until) = (Some(epoch), epoch, MonoUs(0));
            self.epochs_counted = true;
            // A hand-over that was under way ended with the epoch that it was to give back.
            self.draining = false;
            (self.verify_at, self.verify_pause_us) = (now, VERIFY_AGAIN_US);
            self.fenced = false;
            self.drawn_at = None;
            self.suspicion.superseded();
            if !self.state.is_closed() {
                self.suspicion.fenced();
                self.state = if on(Guard::Fence) { LaneState::Verifying } else { LaneState::Open };
            }
        } else {
            // A late reply about an epoch that was lost, released or taken anew since.
            return Ok(Vec::new());
        }
        let ttl_us = expires_us.saturating_sub(store_now_us);
        let from = if on(Guard::LeaseFromSending) { sent_at } else { now };
        self.lease_until = self.lease_until.max(from.plus_us(ttl_us - ttl_us / 10));
        Ok(handed_back)
    }

    /// The key is somebody else's. What waits is handed back unsent; what is in flight stays so until it ends.
    #[must_use = "the calls that were handed back still wait for an answer"]
    pub fn grant_lost(&mut self) -> Vec<Ticket> {
        self.give_up();
        self.queue.take_all()
    }

    /// Kraken accepted the verification of this epoch and what it says of the key agrees with the configuration: that opens the
    /// lane, also one that was refused or quarantined. `false` if the epoch is over, or the lane open already.
    pub fn verified(&mut self, epoch: u64) -> bool {
        let waits = match self.state {
            LaneState::Verifying | LaneState::Quarantined { .. } => true,
            LaneState::Refused { .. } => self.looks.is_looking(),
            LaneState::Idle | LaneState::Open => false,
        };
        let current = self.epoch == Some(epoch) && waits;
        if current {
            if matches!(self.state, LaneState::Quarantined { .. }) {
                self.end_quarantine();
            }
            self.fenced = true;
            self.suspicion.fenced();
            self.looks.opened();
            self.state = LaneState::Open;
        }
        current
    }

    /// The key must not be used: it is bad, or disagrees with its configuration. What waits is handed back. It is not looked
    /// at again ([`Self::refuse_until`] does that).
    #[must_use = "the calls that were handed back still wait for an answer"]
    pub fn refuse(&mut self, reason: impl Into<String>) -> Vec<Ticket> {
        self.looks.never();
        self.fenced = false;
        self.state = LaneState::Refused { reason: reason.into() };
        self.queue.take_all()
    }

    /// Kraken says that the key's REST counter is full.
    pub fn rate_limited(&mut self, now: MonoUs) {
        self.counter.fill(now);
    }

    /// What to do now. Perform the step and ask again, until the answer is to wait.
    pub fn next(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        self.settle(now);
        if self.trouble.is_some() && self.nonces.peek(wall).is_ok() {
            // Not only by the next draw: nobody sends calls to a lane in trouble.
            self.trouble = None;
        }
        if let Some(ticket) = self.queue.take_expired(now) {
            return Step::Expired(ticket);
        }
        self.cancel_blocked = self.is_cancel_blocked(now, wall);
        if let Some(ticket) = self.flights.overdue(now, self.cancel_blocked) {
            self.abandon(ticket, now);
            return Step::Abandon(ticket);
        }
        match self.state {
            LaneState::Refused { .. } => self.next_look(now, wall),
            LaneState::Quarantined { .. } if self.epoch.is_none() && self.draining => Step::Idle,
            LaneState::Quarantined { .. } if now < self.lease_until => self.next_in_quarantine(now, wall),
            LaneState::Quarantined { .. } if self.adrift => self.next_adrift(now, wall),
            LaneState::Quarantined { .. } => Step::NeedsGrant,
            LaneState::Idle if self.draining => Step::Idle,
            LaneState::Idle => Step::NeedsGrant,
            LaneState::Open if now >= self.lease_until && self.adrift => self.next_adrift(now, wall),
            LaneState::Verifying | LaneState::Open if now >= self.lease_until => Step::NeedsGrant,
            LaneState::Verifying => self.next_verification(now, wall),
            LaneState::Open if self.suspicion.is_open() => self.next_while_unsure(now, wall),
            LaneState::Open => self.next_call(now, wall),
        }
    }

    /// Whether this call may still be written: its epoch is held and the lease has not ended. To be asked directly
    /// before the socket write, because a process may have slept since [`Self::next`].
    pub fn lease_ok(&self, ticket: TicketId, now: MonoUs) -> bool {
        let flight = self.flights.find(ticket).filter(|flight| self.epoch == Some(flight.epoch));
        let leased = |flight: &Flight| now < self.lease_until || (self.adrift && flight.adrift);
        flight.is_some_and(|flight| leased(flight) && self.may_write(flight)) || !on(Guard::LeaseCheck)
    }

    /// A call in flight ended. `false` if it had been abandoned, or had ended before.
    pub fn ended(&mut self, ticket: TicketId, now: MonoUs, end: End) -> bool {
        let Some(flight) = self.flights.end(ticket) else {
            match (self.flights.end_late(ticket), end) {
                (Some(points_milli), End::NotSent) => self.counter.give_back(points_milli),
                (Some(points_milli), End::Answered | End::Unknown) => self.counter.end(now, points_milli),
                (None, _) => {}
            }
            return false;
        };
        if end != End::NotSent {
            self.flights.landed(&flight, end == End::Unknown);
        }
        match end {
            End::Answered => {
                self.flights.learn(now.us_since(flight.sent_at));
                let dead = self.flights.settle(now, Some(flight.nonce));
                self.counter.end(now, flight.points_milli + dead);
            }
            End::NotSent => {
                self.counter.give_back(flight.points_milli);
                self.codes.give_back(flight.code_step);
            }
            End::Unknown if flight.points_milli > 0 => self.flights.linger(&flight, now),
            End::Unknown => {}
        }
        if ticket == TicketId::VERIFICATION && self.epoch == Some(flight.epoch) {
            self.verify_at = now.plus_us(self.verify_pause_us);
            self.verify_pause_us = (self.verify_pause_us * 2).min(VERIFY_AGAIN_MAX_US);
        }
        true
    }

    /// Takes out a call that waits, because its caller went away. `None` if it does not wait (any more).
    pub fn withdraw(&mut self, ticket: TicketId) -> Option<Ticket> {
        self.queue.remove(ticket)
    }

    /// Takes out one call whose deadline has passed.
    pub fn take_expired(&mut self, now: MonoUs) -> Option<Ticket> {
        self.queue.take_expired(now)
    }

    /// The earliest deadline of what waits: when to come back although a grant is still awaited.
    pub fn earliest_deadline(&self) -> Option<MonoUs> {
        self.queue.earliest_deadline()
    }

    /// Takes no more calls and hands back those that wait. [`Self::release`] follows once nothing is in flight.
    #[must_use = "the calls that were handed back still wait for an answer"]
    pub fn drain(&mut self) -> Vec<Ticket> {
        self.draining = true;
        self.queue.take_all()
    }

    /// Gives the grant back: what to tell the store. `None` without a grant, or while calls wait or are in flight.
    /// Afterwards the lane is idle and no longer drains.
    pub fn release(&mut self, now: MonoUs) -> Option<Released> {
        let epoch = self.epoch?;
        if !self.flights.is_empty() || !self.queue.is_empty() {
            return None;
        }
        self.settle(now);
        let released =
            Released { epoch, last_us: self.nonces.last_us(), counter_milli: self.counter.level_milli(now) };
        self.give_up();
        self.draining = false;
        Some(released)
    }

    fn next_verification(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        if !self.flights.is_empty() {
            return self.wait(None);
        }
        if now < self.verify_at {
            return self.wait(Some(self.verify_at));
        }
        match self.counter.admit(now, VERIFICATION_MILLI, true) {
            Admission::Now => {}
            Admission::AfterRenewal => return Step::NeedsGrant,
            Admission::At(at) => return self.wait(Some(at)),
            Admission::AfterAnEnd | Admission::Never => return self.wait(None),
        }
        let epoch = self.epoch_seen;
        match self.launch(TicketId::VERIFICATION, Priority::Cancel, VERIFICATION_MILLI, now, wall) {
            Ok(nonce) => {
                self.looks.fence_left = now;
                Step::Verify { nonce, epoch }
            }
            Err(step) => step,
        }
    }

    /// Whether a call that is in flight, but not written yet, may still be written as things stand with the key.
    fn may_write(&self, flight: &Flight) -> bool {
        match self.state {
            LaneState::Idle => false,
            LaneState::Refused { .. } => flight.ticket == TicketId::VERIFICATION,
            LaneState::Quarantined { .. } => flight.priority == Priority::Cancel,
            LaneState::Verifying => true,
            LaneState::Open => !self.suspicion.is_open() || flight.priority == Priority::Cancel,
        }
    }

    fn next_call(&mut self, now: MonoUs, wall: UnixUs) -> Step {
        if let Some(step) = self.next_recheck(now, wall) {
            return step;
        }
        if self.queue.is_empty() {
            return Step::Idle;
        }
        match self.nonces.peek(wall) {
            Ok(nonce) if self.flights.has_room(nonce) => {}
            Ok(_) => return self.wait(None),
            Err(error) => return self.no_nonce(error),
        }
        // The first that the counter blocks keeps its turn for points; calls that cost none pass it.
        let (mut blocked, mut chosen) = (None, None);
        for ticket in self.queue.iter() {
            let (milli, left) = (ticket.points_milli(), self.share.leaves_milli(ticket, &self.queue));
            if left > 0 && self.counter.level_milli(now) + milli + left > self.config.tier.usable_milli() {
                // It is the turn of a read, which stands further back.
                continue;
            }
            match self.counter.admit(now, milli, false) {
                Admission::Now if blocked.is_none() || ticket.points == 0 => {
                    chosen = Some(*ticket);
                    break;
                }
                Admission::Now => {}
                other => blocked = blocked.or(Some(other)),
            }
        }
        let Some(ticket) = chosen else {
            return match blocked {
                Some(Admission::AfterRenewal) => Step::NeedsGrant,
                Some(Admission::At(at)) => self.wait(Some(at)),
                _ => self.wait(None),
            };
        };
        match self.launch(ticket.id, ticket.priority, ticket.points_milli(), now, wall) {
            Ok(nonce) => {
                self.queue.remove(ticket.id);
                self.share.spend(&ticket, &self.queue);
                Step::Send { ticket, nonce }
            }
            Err(step) => step,
        }
    }

    fn launch(
        &mut self,
        ticket: TicketId,
        priority: Priority,
        points_milli: u64,
        now: MonoUs,
        wall: UnixUs,
    ) -> Result<tidegate_core::Nonce, Step> {
        if let Some(at) = self.code_at(now, wall) {
            return Err(self.wait(Some(at)));
        }
        // Without a lease the clock says nothing: another owner's range may begin right above ours.
        let leased = now < self.lease_until;
        let drawn = if leased { self.nonces.draw(wall) } else { self.nonces.draw_lowest(wall) };
        let nonce = drawn.map_err(|error| self.no_nonce(error))?;
        self.trouble = None;
        self.idle_since = self.drawn_at.filter(|_| ticket == TicketId::RECHECK);
        self.drawn_at = Some(wall);
        self.floor_us = self.floor_us.max(self.nonces.last_us() + 1);
        self.counter.begin(points_milli);
        let epoch = self.epoch_seen;
        let adrift = now >= self.lease_until;
        let code_step = self.take_code(now, wall);
        let sent_at = now;
        self.flights.start(Flight {
            ticket,
            nonce,
            epoch,
            points_milli,
            sent_at,
            priority,
            adrift,
            code_step,
        });
        Ok(nonce)
    }

    fn no_nonce(&mut self, error: NonceError) -> Step {
        match error {
            NonceError::Exhausted { .. } | NonceError::NoGrant => Step::NeedsGrant,
            NonceError::TooFarAhead { .. } | NonceError::TooFarBehind { .. } => {
                self.trouble = Some(error);
                self.wait(None)
            }
        }
    }

    /// Until `at`, the next deadline or the next abandoned call that can be forgotten, whatever comes first.
    fn wait(&self, at: Option<MonoUs>) -> Step {
        let deadline = self.queue.earliest_deadline().map(|deadline| deadline.plus_us(1));
        let overdue = self.flights.next_overdue_at(self.cancel_blocked);
        let first = [at, deadline, self.flights.settles_at(), overdue].into_iter().flatten().min();
        first.map_or(Step::Idle, Step::WaitUntil)
    }

    fn settle(&mut self, now: MonoUs) {
        let dead = self.flights.settle(now, None);
        if dead > 0 {
            self.counter.end(now, dead);
        }
    }

    fn give_up(&mut self) {
        self.epoch = None;
        self.adrift = false;
        self.lease_until = MonoUs(0);
        self.nonces.stop();
        self.trouble = None;
        self.fenced = false;
        self.suspicion.superseded();
        if !self.state.is_closed() {
            self.state = LaneState::Idle;
        }
    }

    fn window_us(&self) -> u64 {
        self.config.unit.ticks_to_us_ceil(self.config.window)
    }
}
