//! Runs one search with stateright and says what it found.

use std::fmt::Write as _;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Property};

use crate::config::Config;
use crate::protocol::Step;
use crate::state::State;

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Distinct states.
    pub states: usize,
    /// Steps of the longest path searched.
    pub depth: usize,
    /// Broken properties.
    pub broken: Vec<&'static str>,
    /// Situations that the search was to reach and did not.
    pub unseen: Vec<&'static str>,
    /// Whether every reachable state was visited.
    pub complete: bool,
}

/// Searches breadth first. Ends soon after `until` is found broken, if given, or after the first broken property; gives
/// up, incomplete, after `visits_max` steps.
pub fn search(config: Config, until: Option<&'static str>, visits_max: usize) -> Outcome {
    let finish = until.map_or(HasDiscoveries::AnyFailures, |name| HasDiscoveries::AnyOf([name].into()));
    let search = config.checker().threads(1).finish_when(finish).target_state_count(visits_max);
    let checker = search.spawn_bfs().join();
    let found = checker.discoveries();
    let (mut broken, mut unseen) = (Vec::new(), Vec::new());
    for Property { name, expectation, .. } in config.properties() {
        match expectation {
            Expectation::Always if found.contains_key(name) => broken.push(name),
            Expectation::Sometimes if !found.contains_key(name) => unseen.push(name),
            _ => {}
        }
    }
    let complete = broken.is_empty() && checker.state_count() < visits_max;
    Outcome { states: checker.unique_state_count(), depth: checker.max_depth(), broken, unseen, complete }
}

/// The shortest way to break a property, one line per step; nothing if it holds.
///
/// A search ends a little after its first discovery and keeps the last, so the bound is lowered until nothing is found.
pub fn shortest(config: Config, property: &'static str) -> Vec<String> {
    let mut best: Option<Vec<Step>> = None;
    loop {
        let only = HasDiscoveries::AnyOf([property].into());
        let search = config.checker().threads(1).finish_when(only);
        // A path of n steps has n + 1 states, and states at the bound are not looked at.
        let search = match &best {
            Some(steps) => search.target_max_depth(steps.len() + 1),
            None => search,
        };
        match search.spawn_bfs().join().discovery(property) {
            Some(path) => best = Some(path.into_actions()),
            None => return best.map_or_else(Vec::new, |steps| trace(&config, &steps)),
        }
    }
}

/// The steps in words, with what they changed.
fn trace(config: &Config, steps: &[Step]) -> Vec<String> {
    let mut state = State::first(config);
    let mut lines = Vec::new();
    for step in steps {
        let after = config.step_from(&state, *step).unwrap_or(state);
        lines.push(words(&state, *step, &after));
        state = after;
    }
    lines
}

fn words(before: &State, step: Step, after: &State) -> String {
    let request = |at: usize| {
        before.wire[at].map_or_else(String::new, |r| {
            let what = if r.fence { "fence" } else { "call" };
            format!("{what} n={} of epoch {}", r.nonce, r.epoch)
        })
    };
    let mut line = match step {
        Step::Tick => format!("it is {}", after.now),
        Step::Ask(who) => {
            let (process, reply) = (after.processes[who.at()], after.processes[who.at()].reply);
            let hi = after.store.data.hi;
            match reply.epoch {
                // The answer may have been read already, where answers arrive at once.
                0 if process.epoch == 0 => format!("{who:?} asks and is refused, record hi {hi}"),
                0 if after.epochs == before.epochs => {
                    format!("{who:?} renews epoch {}, hi {hi}", process.epoch)
                }
                0 => format!(
                    "{who:?} is granted and reads epoch {} [{}, {hi})",
                    process.epoch,
                    process.last + 1
                ),
                epoch if reply.lo == 0 => format!("{who:?} renews epoch {epoch}, hi {}", reply.hi),
                epoch => format!("{who:?} is granted epoch {epoch} [{}, {})", reply.lo, reply.hi),
            }
        }
        Step::ReadReply(who) => format!("{who:?} reads the answer"),
        Step::Look(who) => format!("{who:?} reads the generation"),
        Step::Notice => "another script runs".to_owned(),
        Step::Fence(who, nonce) => format!("{who:?} sends its fence n={nonce}"),
        Step::Call(who, nonce) => format!("{who:?} sends a call n={nonce}"),
        Step::Deliver(at) => {
            let high = (before.exchange, after.exchange);
            let accepted = high.0 != high.1 || after.broken & !crate::exchange::REFUSALS != 0;
            format!("exchange {} {}", if accepted { "ACCEPTS" } else { "refuses" }, request(at))
        }
        Step::Answer(at) => format!("the answer to {} arrives", request(at)),
        Step::Abandon(at) => format!("{} is abandoned", request(at)),
        Step::Duplicate(at) => format!("the network doubles {}", request(at)),
        Step::Crash(who) => format!("{who:?} dies and restarts"),
        Step::Release(who) => format!("{who:?} releases, hi {}", after.store.data.hi),
        Step::Sync => "the replica catches up".to_owned(),
        Step::Promote => "the replica is promoted: later writes are lost".to_owned(),
        Step::Flush => "the store is flushed".to_owned(),
    };
    if after.store.data.birth > before.store.data.birth {
        let _ = write!(line, " (a new generation begins at {})", after.now);
    }
    line
}
