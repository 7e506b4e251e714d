//! The lanes under a seeded scheduler: the real machines of `tidegate-lanes`, virtual time, faults of every kind, and the
//! sandbox's own exchange as the judge.
//!
//! *The idea.* One thread, one queue of events by (virtual time, order of making), one source of chance. A seed decides the
//! keys, the network, the callers and the faults of a run ([`plan`]); three executor processes share all keys, each with the
//! real lanes and keepers in a shell as thin as the product's ([`shell`], [`flight`], [`calls`]); the store runs the real
//! rules of the grant over records that can be lost ([`store`]). Afterwards the [`judge`] reads the exchange's log.
//!
//! *Invariants.* The same seed gives the same run, event by event: no clock, no chance of the system, no order of a hash
//! map. What the judge knows he has from the log, from callers, and from what the run itself did to the processes.

mod acts;
mod calls;
mod chaos;
mod faults;
mod flight;
mod intents;
mod judge;
mod plan;
mod process;
mod queue;
mod resolver;
mod rng;
mod seen;
mod shell;
mod store;
mod trace;
mod truth;
mod watch;
mod wiped;
mod wire;
mod world;

pub use seen::{Mark, Seen};
pub use wiped::{Loss, Wiped, Word, wiped};

use plan::Plan;
use world::World;

/// What came of one seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Over every event and the exchange's log.
    pub hash: u64,
    /// What must not happen and did, in words.
    pub violations: Vec<String>,
    /// What was met.
    pub seen: Seen,
    /// Virtual time that passed, in milliseconds.
    pub virtual_ms: u64,
    /// Calls made, requests written, faults.
    pub calls: usize,
    /// Requests written.
    pub requests: usize,
    /// Faults planned.
    pub faults: usize,
}

/// Runs one seed.
pub fn run(seed: u64) -> Outcome {
    play(seed, false).0
}

/// Runs one seed and tells what happened, line by line.
pub fn explain(seed: u64) -> (Outcome, Vec<String>) {
    play(seed, true)
}

/// Runs five hundred orders of one account of which nobody hears anything.
pub fn flood(seed: u64) -> Outcome {
    play_of(seed, Plan::flood(seed), false).0
}

fn play(seed: u64, readable: bool) -> (Outcome, Vec<String>) {
    play_of(seed, Plan::of(seed), readable)
}

fn play_of(seed: u64, plan: Plan, readable: bool) -> (Outcome, Vec<String>) {
    let mut world = World::new(seed, plan, readable);
    world.run();
    world.judge();
    let outcome = Outcome {
        seed,
        hash: world.trace.hash(),
        violations: world.violations,
        seen: world.seen,
        virtual_ms: world.t_us / plan::MS,
        calls: world.calls.len(),
        requests: world.flights.len(),
        faults: world.plan.faults.len(),
    };
    (outcome, world.trace.into_lines())
}

/// What came of many seeds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many ran.
    pub seeds: u64,
    /// Those with violations, lowest first.
    pub broken: Vec<Outcome>,
    /// What was met in all.
    pub seen: Seen,
    /// Sums over all seeds: virtual milliseconds, calls, requests, faults.
    pub virtual_ms: u64,
    /// Calls made.
    pub calls: u64,
    /// Requests written.
    pub requests: u64,
    /// Faults planned.
    pub faults: u64,
}

impl Report {
    fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.seen.add(&outcome.seen);
        self.virtual_ms += outcome.virtual_ms;
        self.calls += outcome.calls as u64;
        self.requests += outcome.requests as u64;
        self.faults += outcome.faults as u64;
        if !outcome.violations.is_empty() {
            self.broken.push(outcome);
        }
    }

    /// Joins what another thread found.
    pub fn join(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.seen.add(&other.seen);
        self.virtual_ms += other.virtual_ms;
        self.calls += other.calls;
        self.requests += other.requests;
        self.faults += other.faults;
        self.broken.extend(other.broken);
        self.broken.sort_by_key(|outcome| outcome.seed);
    }
}

/// Runs seeds one after the other.
pub fn campaign(seeds: impl IntoIterator<Item = u64>) -> Report {
    let mut report = Report::default();
    seeds.into_iter().for_each(|seed| report.add(run(seed)));
    report
}

/// Runs seeds on several threads, each with every so-manieth seed. What is found does not depend on their number.
pub fn campaign_on(threads: u64, from: u64, count: u64) -> Report {
    let threads = threads.max(1);
    let of_thread = |thread: u64| (from..from + count).filter(move |seed| seed % threads == thread);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || campaign(of_thread(thread)))).collect();
        for thread in running {
            match thread.join() {
                Ok(part) => report.join(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    report
}
