//! An order that was executed and filled, a store that loses its claim, and a caller who asks again much later.

use tidegate_lanes::IntentKey;

use crate::calls::Told;
use crate::plan::{CallPlan, EPOCH_US, Fault, MS, Plan, S, Want};
use crate::process::domain;
use crate::world::{Event, World};

/// When the order is placed, and how long after that the store loses its memory.
const PLACED_US: u64 = 20 * S;
const LOST_US: u64 = 1_500 * MS;
/// How long the caller goes on asking.
const PATIENCE_US: u64 = 5 * S;
/// Within this a caller who goes on asking is told for good: what may come has come after 75 s, and shows after 30 s more.
const TOLD_WITHIN_US: u64 = 240 * S;

/// How the store loses what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A restart from a copy that is ten seconds old.
    Rollback,
    /// Everything is deleted.
    Flush,
    /// A replica that lacks the last three seconds is promoted.
    Failover,
}

impl Loss {
    const fn fault(self) -> Fault {
        match self {
            Self::Rollback => Fault::Rollback { age_us: 10 * S },
            Self::Flush => Fault::Flush,
            Self::Failover => Fault::Promotion { lag_us: 3 * S },
        }
    }
}

/// What the caller who asked again was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// That the order is done.
    Done,
    /// That this call did nothing.
    NothingByThisCall,
    /// Neither.
    Nothing,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Wiped {
    /// How often the exchange executed the order.
    pub executions: usize,
    /// Whether it filled before the store lost its claim.
    pub filled: bool,
    /// Whether the claim was gone when it was asked for again.
    pub forgotten: bool,
    /// What the last of the later calls was told.
    pub word: Word,
    /// What must not happen and did, in words.
    pub violations: Vec<String>,
}

/// Places an order, lets it fill, takes the store's memory, and asks again under the same request id so long after the loss.
pub fn wiped(seed: u64, loss: Loss, after_us: u64) -> Wiped {
    let place = CallPlan { at_us: PLACED_US, account: 0, want: Want::Place, patience_us: PATIENCE_US };
    let lost_us = PLACED_US + LOST_US;
    let plan =
        Plan { calls: vec![place], faults: vec![(lost_us, loss.fault())], fills: true, ..Plan::of(seed) };
    let mut world = World::new(seed, plan, false);
    world.run_until(PLACED_US - S);
    let before = world.exchange.funds_json(now_us(&world));
    world.run_until(lost_us - 1);
    let filled =
        world.acts[0].last == Some(Told::Done) && world.exchange.funds_json(now_us(&world)) != before;
    world.run_until(lost_us);
    let forgotten = world.is_unknown(0);
    world.run_until(lost_us + after_us);

    let again = CallPlan { at_us: world.t_us, ..place };
    let first = world.calls.len();
    let call = world.add_attempt(again, 0);
    world.queue.push(world.t_us, Event::Call(call));
    let end_us = world.t_us + TOLD_WITHIN_US;
    world.run_until(end_us);
    world.judge();

    let later = world.acts[0].calls.iter().filter(|call| **call >= first);
    let told: Vec<Told> = later.filter_map(|call| world.calls[*call].told).collect();
    let word = match told.last() {
        _ if told.contains(&Told::Done) => Word::Done,
        Some(Told::NotExecuted(_)) => Word::NothingByThisCall,
        _ => Word::Nothing,
    };
    let executions = world.executions_of(0);
    Wiped { executions, filled, forgotten, word, violations: world.violations }
}

fn now_us(world: &World) -> u64 {
    EPOCH_US + world.t_us
}

impl World {
    /// Whether the store has no record of an act.
    fn is_unknown(&self, act: usize) -> bool {
        let act = &self.acts[act];
        self.store.intent(&IntentKey { domain: domain(act.plan.account), id: act.id.clone() }).is_none()
    }

    /// Lets everything happen until then.
    fn run_until(&mut self, until_us: u64) {
        while let Some((at_us, event)) = self.queue.pop(until_us) {
            self.t_us = at_us;
            self.happen(event);
        }
        self.t_us = until_us;
    }
}
