//! Two owners of one key, a store record, a network that reorders and delays, and a small exchange that judges.

use std::collections::{HashMap, HashSet};

use tidegate_core::{MonoUs, Nonce, NonceUnit, OwnerId, PermissionSet, UnixUs};
use tidegate_lanes::{
    End, Fingerprint, Generation, GrantIds, GrantKey, GrantRecord, GrantRequest, Lane, LaneConfig, LaneState,
    NonceVerdict, Priority, Release, Step, StoreNow, Ticket, TicketId, Tier, Want, apply, apply_release,
};

const WALL: u64 = 1_795_000_000_000_000;
const TIER: Tier = Tier::PRO;

/// A signed call on its way.
#[derive(Clone, Copy, Debug)]
struct Packet {
    life: u64,
    ticket: TicketId,
    nonce: Nonce,
    epoch: u64,
    points_milli: u64,
    abandoned: bool,
    sent_at: u64,
}

struct Owner {
    life: u64,
    lane: Lane,
    skew_us: u64,
    /// In flight by the shell's own book.
    sent: Vec<Packet>,
}

pub(crate) struct World {
    pub(crate) now: u64,
    unit: NonceUnit,
    window: u64,
    lives: u64,
    tickets: u64,
    owners: [Owner; 2],
    generation: Generation,
    record: Option<GrantRecord>,
    network: Vec<Packet>,
    answers: Vec<(Packet, bool)>,
    // the exchange
    highest: u64,
    level_nano: u64,
    level_at: u64,
    accepted: HashSet<u64>,
    epoch_accepted: u64,
    straggled: bool,
    // what must hold
    drawn_max: Option<(u64, Nonce)>,
    open: HashMap<TicketId, u64>,
    pub(crate) served: u64,
    pub(crate) takeovers: u64,
    pub(crate) superseded: u64,
    /// Refusals that a lane was told of and explained.
    pub(crate) explained: u64,
    pub(crate) given_up: u64,
}

fn lane(unit: NonceUnit, window: u64, now: u64) -> Lane {
    let config = LaneConfig {
        label: "key".parse().expect("a label"),
        unit,
        window,
        tier: TIER,
        permissions: PermissionSet::EMPTY,
        codes: false,
        queue_len_max: 6,
        in_flight_max: 5,
    };
    Lane::new(config, MonoUs(now))
}

impl World {
    pub(crate) fn new(unit: NonceUnit, window: u64, skews: [u64; 2]) -> Self {
        let owner =
            |life: u64, skew_us| Owner { life, lane: lane(unit, window, 0), skew_us, sent: Vec::new() };
        Self {
            now: 0,
            unit,
            window,
            lives: 2,
            tickets: 0,
            owners: [owner(1, skews[0]), owner(2, skews[1])],
            generation: Generation {
                marker: "prepared".into(),
                replication_id: "r".into(),
                born_us: WALL,
                fresh: true,
            },
            record: None,
            network: Vec::new(),
            answers: Vec::new(),
            highest: 0,
            level_nano: 0,
            level_at: 0,
            accepted: HashSet::new(),
            epoch_accepted: 0,
            straggled: false,
            drawn_max: None,
            open: HashMap::new(),
            served: 0,
            takeovers: 0,
            superseded: 0,
            explained: 0,
            given_up: 0,
        }
    }

    fn wall(&self, who: usize) -> UnixUs {
        UnixUs(WALL + self.now + self.owners[who].skew_us)
    }

    fn ids(&self, who: usize) -> GrantIds {
        GrantIds {
            key: GrantKey {
                domain: "main".parse().expect("a label"),
                fingerprint: Fingerprint::of_api_key("k"),
            },
            owner: OwnerId::named(&format!("life{}", self.owners[who].life)),
            advertise: String::new(),
            pool: "default".parse().expect("a label"),
            mounts: [Fingerprint::of_api_key("k")].into(),
        }
    }

    fn hand_back(&mut self, tickets: Vec<Ticket>) {
        for ticket in tickets {
            self.finish(ticket.id);
        }
    }

    /// Each accepted ticket leaves once.
    fn finish(&mut self, ticket: TicketId) {
        assert!(self.open.remove(&ticket).is_some(), "ticket {ticket} left twice");
    }

    pub(crate) fn hold(&mut self, who: usize, reply_lost: bool, delay_us: u64) {
        let ids = self.ids(who);
        let sent_at = MonoUs(self.now);
        // Clocks that differ by more than a second get no grant; histories are about those that differ by less.
        let terms = self.owners[who].lane.terms(sent_at, self.wall(who), Want::Hold);
        let request = GrantRequest { ids, terms };
        let now = StoreNow { us: WALL + self.now, replication_id: "r" };
        let applied =
            apply(Some(&self.generation), self.record.as_ref(), &request, now).expect("small numbers");
        assert_eq!(applied.generation, None, "nothing was lost");
        self.record = applied.record.or(self.record.take());
        let (reply, sight) = (applied.reply, applied.sight.expect("a generation"));
        if !reply_lost {
            self.now += delay_us;
            let wall = self.wall(who);
            self.owners[who].lane.saw(&sight, sent_at, MonoUs(self.now));
            let back = self.owners[who].lane.grant_given(sent_at, MonoUs(self.now), wall, &reply);
            self.hand_back(back.expect("ranges near the clock"));
        }
    }

    pub(crate) fn submit(&mut self, who: usize, kind: u32) {
        self.tickets += 1;
        let priority = Priority::ALL[kind as usize % 5];
        let points = if priority == Priority::Read { kind / 5 % 5 } else { 0 };
        let deadline = MonoUs(self.now + u64::from(kind / 25 % 40) * 100_000);
        let ticket = Ticket { id: TicketId(self.tickets), priority, points, deadline };
        let owner = &mut self.owners[who];
        if owner.lane.submit(MonoUs(self.now), ticket).is_ok() {
            self.open.insert(ticket.id, owner.life);
        }
    }

    pub(crate) fn pump(&mut self, who: usize, pause_us: u64, mut may_hold: bool) {
        let mut sleeps_us = Some(pause_us);
        for _ in 0..40 {
            let wall = self.wall(who);
            // A process that slept through every grant would never come to rest.
            let mut slept_us = || {
                let us = sleeps_us.unwrap_or(0);
                sleeps_us = sleeps_us.filter(|us| *us <= 5_000_000);
                us
            };
            match self.owners[who].lane.next(MonoUs(self.now), wall) {
                Step::Send { ticket, nonce } => {
                    assert_eq!(self.owners[who].lane.state(), &LaneState::Open);
                    self.finish(ticket.id);
                    self.write(who, ticket.id, nonce, ticket.points_milli(), slept_us());
                }
                Step::Verify { nonce, .. } => {
                    self.write(who, TicketId::VERIFICATION, nonce, 1_000, slept_us());
                }
                Step::Recheck { nonce, .. } => self.write(who, TicketId::RECHECK, nonce, 1_000, slept_us()),
                Step::Expired(ticket) => {
                    assert!(ticket.deadline < MonoUs(self.now));
                    self.finish(ticket.id);
                }
                Step::Abandon(ticket) => self.given_up(who, ticket),
                Step::NeedsGrant if may_hold => {
                    may_hold = false;
                    self.hold(who, false, 100);
                }
                Step::WaitUntil(at) => {
                    assert!(at > MonoUs(self.now), "waits for the past");
                    return;
                }
                Step::Idle | Step::NeedsGrant => return,
            }
        }
        panic!("the machine does not come to rest");
    }

    /// The process may sleep between being told to send and sending.
    fn write(&mut self, who: usize, ticket: TicketId, nonce: Nonce, points_milli: u64, pause_us: u64) {
        let epoch = self.owners[who].lane.epoch().expect("a send needs a grant");
        if let Some((last_epoch, last)) = self.drawn_max {
            assert!(epoch >= last_epoch, "an older epoch drew after a newer one");
            let gap = if epoch > last_epoch { self.window } else { 0 };
            assert!(nonce.0 > last.0 + gap, "nonce {nonce} after {last}, epochs {last_epoch} and {epoch}");
        }
        self.drawn_max = Some((epoch, nonce));
        let owner = &mut self.owners[who];
        let packet = Packet {
            life: owner.life,
            ticket,
            nonce,
            epoch,
            points_milli,
            abandoned: false,
            sent_at: self.now,
        };
        owner.sent.push(packet);
        let oldest = owner.sent.iter().map(|p| p.nonce.0).min().expect("just pushed");
        assert!(owner.sent.len() == 1 || nonce.0 - oldest < self.window, "span rule");
        assert_eq!(owner.sent.len(), owner.lane.snapshot(MonoUs(self.now)).in_flight);
        self.now += pause_us;
        if pause_us > 5_000_000 {
            // While the process sleeps, another takes the key and gives it back; then we own it again, in a new epoch.
            self.hold(1 - who, false, 0);
            self.give_back(1 - who);
            self.hold(who, false, 0);
            self.hold(who, false, 0);
        }
        let owner = &mut self.owners[who];
        if owner.lane.lease_ok(ticket, MonoUs(self.now)) {
            let until = self.record.as_ref().map_or(0, |r| r.expires_us);
            assert!(WALL + self.now < until, "wrote after the grant had ended");
            assert_eq!(
                self.record.as_ref().map(|r| r.epoch),
                Some(epoch),
                "wrote under an epoch that is over"
            );
            self.network.push(packet);
        } else {
            owner.sent.pop();
            assert!(owner.lane.ended(ticket, MonoUs(self.now), End::NotSent));
        }
    }

    /// One packet, any of those on their way, reaches the exchange.
    pub(crate) fn arrive(&mut self, which: u32) {
        if self.network.is_empty() {
            return;
        }
        let packet = self.network.swap_remove(which as usize % self.network.len());
        let n = packet.nonce.0;
        let accepted = n > self.highest || (n + self.window > self.highest && !self.accepted.contains(&n));
        let lives = self.owners.iter().any(|o| o.life == packet.life && o.lane.epoch() == Some(packet.epoch));
        let superseded = self.record.as_ref().is_none_or(|r| r.epoch != packet.epoch);
        let orphan = packet.abandoned || !lives || superseded;
        if !accepted {
            self.superseded += 1;
            assert!(orphan, "an unexplained invalid nonce: {packet:?}");
            self.answers.push((packet, false));
            return;
        }
        assert!(self.accepted.insert(n), "two requests under one nonce");
        if self.window == 0 {
            assert!(packet.epoch >= self.epoch_accepted, "an older owner got through the fence");
        }
        if packet.epoch > self.epoch_accepted {
            self.takeovers += 1;
            assert_eq!(
                packet.ticket,
                TicketId::VERIFICATION,
                "the first call of an epoch is its verification"
            );
        }
        self.epoch_accepted = self.epoch_accepted.max(packet.epoch);
        self.highest = self.highest.max(n);
        let gone = (self.now - self.level_at) * TIER.decay_milli_per_s;
        self.level_nano = self.level_nano.saturating_sub(gone) + packet.points_milli * 1_000_000;
        self.level_at = self.now;
        // A straggler of a lost owner is charged late; the record's ceiling knows it, but not when.
        self.straggled |= orphan && !packet.abandoned;
        assert!(
            self.straggled || self.level_nano <= TIER.max_milli * 1_000_000,
            "Kraken's counter is exceeded"
        );
        self.answers.push((packet, true));
    }

    pub(crate) fn answer(&mut self, which: u32) {
        if self.answers.is_empty() {
            return;
        }
        let (packet, accepted) = self.answers.swap_remove(which as usize % self.answers.len());
        let Some(owner) = self.owners.iter_mut().find(|o| o.life == packet.life) else { return };
        // An abandoned call's answer comes late; its ticket may have been given anew to a verification.
        let Some(at) = owner.sent.iter().position(|p| p.nonce == packet.nonce) else {
            if packet.ticket != TicketId::VERIFICATION {
                assert!(!owner.lane.ended(packet.ticket, MonoUs(self.now), End::Answered), "given up before");
                self.judge(packet, accepted);
            }
            return;
        };
        owner.sent.remove(at);
        assert!(owner.lane.ended(packet.ticket, MonoUs(self.now), End::Answered));
        self.judge(packet, accepted);
        let Some(owner) = self.owners.iter_mut().find(|o| o.life == packet.life) else { return };
        if packet.ticket == TicketId::VERIFICATION && accepted {
            owner.lane.verified(packet.epoch);
        }
        self.served += 1;
    }

    /// Nobody but us uses the key here, so the lane must find an explanation for every nonce that is refused.
    fn judge(&mut self, packet: Packet, accepted: bool) {
        let Some(who) = self.owners.iter().position(|o| o.life == packet.life).filter(|_| !accepted) else {
            return;
        };
        let verdict = self.owners[who].lane.nonce_refused(packet.ticket, MonoUs(self.now));
        if verdict == NonceVerdict::Noted {
            // It asks the store, whose answer explains it.
            self.hold(who, false, 0);
        }
        let findings = self.owners[who].lane.take_findings().unwrap_or_default();
        assert_eq!(findings.unexplained, 0, "nobody else uses the key: {verdict:?} for {packet:?}");
        self.explained += 1;
    }

    pub(crate) fn abandon(&mut self, who: usize, which: u32) {
        let owner = &mut self.owners[who];
        if owner.sent.is_empty() {
            return;
        }
        let packet = owner.sent.remove(which as usize % owner.sent.len());
        assert!(owner.lane.ended(packet.ticket, MonoUs(self.now), End::Unknown));
        for on_its_way in self.network.iter_mut().filter(|p| p.nonce == packet.nonce) {
            on_its_way.abandoned = true;
        }
    }

    /// The machine gave up a call that had been in flight for too long, or that a cancel could not wait for.
    fn given_up(&mut self, who: usize, ticket: TicketId) {
        let now = MonoUs(self.now);
        let owner = &mut self.owners[who];
        let at = owner.sent.iter().position(|p| p.ticket == ticket).expect("it was in flight");
        let packet = owner.sent.remove(at);
        let waiting = owner.lane.snapshot(now).queue_len;
        assert!(packet.sent_at + 5_000_000 <= self.now || waiting > 0, "given up for nobody");
        for on_its_way in self.network.iter_mut().filter(|p| p.nonce == packet.nonce) {
            on_its_way.abandoned = true;
        }
        self.given_up += 1;
    }

    pub(crate) fn crash(&mut self, who: usize) {
        let life = self.owners[who].life;
        self.open.retain(|_, of| *of != life);
        self.lives += 1;
        let skew_us = self.owners[who].skew_us;
        self.owners[who] = Owner {
            life: self.lives,
            lane: lane(self.unit, self.window, self.now),
            skew_us,
            sent: Vec::new(),
        };
    }

    pub(crate) fn give_back(&mut self, who: usize) {
        let back = self.owners[who].lane.drain();
        self.hand_back(back);
        if let Some(released) = self.owners[who].lane.release(MonoUs(self.now)) {
            let release = Release { ids: self.ids(who), released, leave: true };
            let now = StoreNow { us: WALL + self.now, replication_id: "r" };
            let written = apply_release(Some(&self.generation), self.record.as_ref(), &release, now)
                .expect("small numbers");
            self.record = written.or(self.record.take());
        }
    }

    pub(crate) fn step(&mut self, kind: u8, x: u32) {
        let who = (x & 1) as usize;
        let x = x >> 1;
        match kind {
            0..=2 => self.now += u64::from(x % 60_000),
            3 => self.now += u64::from(x % 4_000_000),
            4..=8 => self.submit(who, x),
            9..=12 => self.pump(who, 0, true),
            13 => self.pump(who, u64::from(x % 6_000_000), true),
            14..=15 => self.hold(who, x.is_multiple_of(5), u64::from(x % 50_000)),
            16..=19 => self.arrive(x),
            20..=22 => self.answer(x),
            // A call is given up, and the next one follows it onto the wire.
            23..=24 => {
                self.submit(who, x);
                self.pump(who, 0, true);
                self.abandon(who, x);
                self.pump(who, 0, true);
            }
            25 if x.is_multiple_of(2) => self.crash(who),
            26 if x.is_multiple_of(3) => self.give_back(who),
            _ => self.calm(who, true),
        }
        let waiting: usize = self.owners.iter().map(|o| o.lane.snapshot(MonoUs(self.now)).queue_len).sum();
        assert_eq!(waiting, self.open.len(), "a ticket is neither waiting nor gone");
        for owner in &self.owners {
            let in_flight = owner.lane.snapshot(MonoUs(self.now)).in_flight;
            assert!(self.window > 0 || in_flight <= 1, "two in flight at window 0");
        }
    }

    /// A calm stretch: everything arrives and is answered in order.
    pub(crate) fn calm(&mut self, who: usize, may_hold: bool) {
        for _ in 0..6 {
            self.pump(who, 0, may_hold);
            while !self.network.is_empty() {
                self.now += 5_000;
                self.arrive(0);
            }
            while !self.answers.is_empty() {
                self.answer(0);
            }
        }
    }

    /// One step of a history in which every call is dear and answers come, so that only budgets are at stake.
    pub(crate) fn dear_step(&mut self, kind: u8, x: u32) {
        let who = (x & 1) as usize;
        let x = x >> 1;
        // Priority read, four points, 3.9 seconds to wait.
        let dear = 4 + 5 * 4 + 25 * 39;
        match kind {
            0..=1 => self.now += u64::from(x % 1_500_000),
            2 => self.now += u64::from(4_900_000 + x % 600_000),
            3..=7 => self.submit(who, dear),
            8..=10 => self.calm(who, true),
            11..=13 => self.calm(who, false),
            14 => self.hold(who, x.is_multiple_of(3), 100),
            15 => {
                self.calm(who, false);
                self.crash(who);
            }
            16 => {
                self.calm(who, false);
                self.give_back(who);
            }
            // A call is given up, and reaches the exchange some time later.
            _ => {
                self.pump(who, 0, true);
                self.abandon(who, x);
                self.now += u64::from(x % 4_000_000);
                self.arrive(0);
            }
        }
    }
}
