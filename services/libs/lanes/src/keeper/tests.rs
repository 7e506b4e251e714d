use std::sync::Arc;

use tidegate_core::{AccountName, Clock, ManualClock, NonceUnit, PermissionSet};

use super::*;
use crate::lane::{End, LaneConfig, LaneState, Step};
use crate::queue::TicketId;
use crate::{Fingerprint, GRANT_TTL_US, GivenFacts, GrantKey, GrantStore, MemoryStore, Tier};

const WALL: UnixUs = UnixUs(1_795_000_000_000_000);

/// Processes that share some keys, and a store that answers at once. Time goes in steps of five milliseconds.
struct World {
    clock: Arc<ManualClock>,
    facts: Arc<GivenFacts>,
    store: MemoryStore,
    /// Whether the store answers.
    reachable: bool,
    processes: Vec<Process>,
    requests: usize,
}

struct Process {
    keepers: Vec<(Keeper, Lane)>,
    alive: bool,
}

fn keys(n: usize) -> Vec<Fingerprint> {
    (0..n).map(|i| Fingerprint::of_api_key(&format!("key {i}"))).collect()
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(WALL));
        let facts = Arc::new(GivenFacts::new(clock.clone(), "server"));
        let store = MemoryStore::with(Arc::clone(&facts));
        Self { clock, facts, store, reachable: true, processes: Vec::new(), requests: 0 }
    }

    fn start(&mut self, name: &str, mounts: &[Fingerprint]) -> usize {
        let keeper = |key: &Fingerprint| {
            let ids = GrantIds {
                key: GrantKey {
                    domain: "main".parse::<AccountName>().expect("a label"),
                    fingerprint: key.clone(),
                },
                owner: OwnerId::named(name),
                advertise: format!("{name}:1"),
                pool: "default".parse().expect("a label"),
                mounts: mounts.into(),
            };
            let config = LaneConfig {
                label: "key".parse().expect("a label"),
                unit: NonceUnit::Us,
                window: 0,
                tier: Tier::WIDE,
                permissions: PermissionSet::EMPTY,
                codes: false,
                queue_len_max: 3,
                in_flight_max: 8,
            };
            (Keeper::new(ids), Lane::new(config, self.clock.mono()))
        };
        let keepers = mounts.iter().map(keeper).collect();
        self.processes.push(Process { keepers, alive: true });
        self.processes.len() - 1
    }

    /// Lets every process do what it can at this moment.
    async fn settle(&mut self) {
        let mut notices = self.store.notices();
        for who in 0..self.processes.len() {
            for at in 0..self.processes[who].keepers.len() {
                while self.processes[who].alive && self.step(who, at).await {}
            }
        }
        while let Ok(key) = notices.try_recv() {
            for process in &mut self.processes {
                let waits = process.keepers.iter_mut().filter(|(k, _)| k.ids().key.fingerprint == key);
                waits.for_each(|(keeper, _)| keeper.noticed(self.clock.mono()));
            }
        }
    }

    /// One step of one lane; `false` if it waits.
    async fn step(&mut self, who: usize, at: usize) -> bool {
        let (now, wall) = (self.clock.mono(), self.clock.wall());
        let (keeper, lane) = &mut self.processes[who].keepers[at];
        let pressing = match lane.next(now, wall) {
            Step::Verify { epoch, .. } => {
                // Kraken answers at once.
                assert!(lane.ended(TicketId::VERIFICATION, now, End::Answered) && lane.verified(epoch));
                return true;
            }
            step => step == Step::NeedsGrant,
        };
        match keeper.next(lane, now, wall, pressing, &mut Vec::new()) {
            Errand::Ask(request) => {
                self.requests += 1;
                let answer = if self.reachable { self.store.grant(&request).await.ok() } else { None };
                match answer {
                    Some(answer) => drop(keeper.answered(lane, now, now, wall, answer)),
                    None => keeper.unanswered(lane, now),
                }
                true
            }
            Errand::GiveBack(release) => {
                if self.reachable {
                    self.store.release(&release).await.expect("the memory");
                }
                keeper.given_back(now);
                true
            }
            Errand::WaitUntil(until) => {
                assert!(until > now, "a wait for the past");
                false
            }
            Errand::Gone => false,
        }
    }

    /// Lets time go on until a condition holds; how long that took, in milliseconds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> u64 {
        for ms in (0..60_000).step_by(5) {
            self.settle().await;
            if holds(self) {
                return ms;
            }
            self.clock.advance_ms(5);
        }
        panic!("{what} never came");
    }

    fn open(&self, who: usize) -> usize {
        let open = |(_, lane): &&(Keeper, Lane)| *lane.state() == LaneState::Open;
        if self.processes[who].alive { self.processes[who].keepers.iter().filter(open).count() } else { 0 }
    }

    fn leave(&mut self, who: usize) {
        self.processes[who].keepers.iter_mut().for_each(|(keeper, _)| keeper.leave());
    }
}

#[tokio::test]
async fn keys_spread_over_processes_as_they_come() {
    let mut world = World::new();
    let mounts = keys(8);
    world.start("a", &mounts);
    assert!(world.until("all keys at the first", |w| w.open(0) == 8).await <= 5);
    world.start("b", &mounts);
    world.until("an even share", |w| w.open(0) == 4 && w.open(1) == 4).await;
    let third = world.start("c", &mounts);
    world
        .until("a third share", |w| {
            (2..=3).contains(&w.open(third)) && w.open(0) + w.open(1) + w.open(third) == 8
        })
        .await;
}

#[tokio::test]
async fn a_planned_hand_over_takes_no_time_but_the_fences() {
    let mut world = World::new();
    let mounts = keys(6);
    for name in ["a", "b", "c"] {
        world.start(name, &mounts);
    }
    world.until("all open", |w| (0..3).map(|who| w.open(who)).sum::<usize>() == 6).await;
    world.clock.advance_ms(700);
    world.settle().await;
    world.leave(0);
    let took = world.until("the others to have all", |w| w.open(0) == 0 && w.open(1) + w.open(2) == 6).await;
    assert!(took <= 20, "{took} ms");
    world.processes[0].alive = false;
}

#[tokio::test]
async fn a_dead_owner_is_followed_when_its_grant_ends_and_no_later() {
    for killed_at in [5, 400, 800, 1_200, 1_495] {
        let mut world = World::new();
        let mounts = keys(4);
        for name in ["a", "b"] {
            world.start(name, &mounts);
        }
        world.until("all open", |w| w.open(0) + w.open(1) == 4 && w.open(1) == 2).await;
        for _ in 0..killed_at / 5 {
            world.clock.advance_ms(5);
            world.settle().await;
        }
        world.processes[0].alive = false;
        let took = world.until("the other to have all", |w| w.open(1) == 4).await;
        let longest = (GRANT_TTL_US + APART_US) / 1_000 + 15;
        assert!((3_400..=longest).contains(&took), "{took} ms");
    }
}

#[tokio::test]
async fn a_quiet_owner_asks_no_more_than_it_must() {
    let mut world = World::new();
    world.start("a", &keys(1));
    world.until("open", |w| w.open(0) == 1).await;
    world.requests = 0;
    for _ in 0..3_000 {
        world.clock.advance_ms(5);
        world.settle().await;
    }
    assert_eq!(world.requests, 10, "fifteen seconds, a renewal every one and a half");
}

#[tokio::test]
async fn a_store_that_is_away_is_asked_again_and_loses_nobody_the_key() {
    let mut world = World::new();
    world.start("a", &keys(1));
    world.until("open", |w| w.open(0) == 1).await;
    world.reachable = false;
    let adrift = |w: &World| w.processes[0].keepers[0].1.is_adrift(w.clock.mono());
    let took = world.until("the lease to end", adrift).await;
    assert!((4_000..=4_600).contains(&took), "{took} ms");
    world.reachable = true;
    world.facts.replace_server("another");
    let epoch = world.processes[0].keepers[0].1.epoch();
    world
        .until("a grant again", |w| {
            let lane = &w.processes[0].keepers[0].1;
            *lane.state() == LaneState::Open && !lane.is_adrift(w.clock.mono()) && lane.epoch() != epoch
        })
        .await;
}

#[tokio::test]
async fn who_leaves_without_a_key_leaves_all_the_same() {
    let mut world = World::new();
    let mounts = keys(1);
    world.start("a", &mounts);
    world.start("b", &mounts);
    world.until("one owner", |w| w.open(0) + w.open(1) == 1).await;
    let idle = usize::from(world.open(0) == 1);
    world.leave(idle);
    world.settle().await;
    let owner = &world.processes[1 - idle].keepers[0];
    assert_eq!(world.processes[idle].keepers[0].0.leaving, Leaving::Gone);
    assert_eq!(*owner.1.state(), LaneState::Open);
    world.clock.advance_ms(1_500);
    world.settle().await;
    assert_eq!(world.processes[1 - idle].keepers[0].0.members().len(), 1, "nobody waits for its expiry");
}

#[tokio::test]
async fn a_dead_process_that_announced_itself_late_is_followed_when_it_is_forgotten() {
    // Its lanes announce it at different times, so it may be a live member when the grant of one of its keys has ended.
    for lag in [100, 400, 700, 1_000, 1_300] {
        let mut world = World::new();
        let mounts = keys(4);
        world.start("a", &mounts);
        world.start("b", &mounts);
        world.until("all open", |w| w.open(0) + w.open(1) == 4 && w.open(1) == 2).await;
        world.clock.advance_ms(lag);
        let (keeper, lane) = &mut world.processes[0].keepers[0];
        let (now, wall) = (world.clock.mono(), world.clock.wall());
        let look = GrantRequest { ids: keeper.ids().clone(), terms: lane.terms(now, wall, Want::Look) };
        world.store.grant(&look).await.expect("the memory");
        world.processes[0].alive = false;
        let took = world.until("the other to have all", |w| w.open(1) == 4).await;
        let longest = (GRANT_TTL_US + APART_US) / 1_000 + 15;
        assert!(took <= longest, "{took} ms after {lag}");
    }
}
