//! What a seed stands for: the keys, the network, the callers and the faults of one run, all drawn before it begins.

use tidegate_core::{NonceUnit, Permission, PermissionSet};
use tidegate_lanes::Tier;

use crate::chaos;
use crate::rng::Rng;

/// Processes that share all keys.
pub(crate) const OWNERS: usize = 3;
/// Callers call and faults strike until then.
pub(crate) const CHAOS_US: u64 = 60 * S;
/// Second.
pub(crate) const S: u64 = 1_000_000;
/// Millisecond.
pub(crate) const MS: u64 = 1_000;
/// Wall time at the beginning, microseconds since 1970.
pub(crate) const EPOCH_US: u64 = 1_795_000_000 * S;
/// The accounts; each is a domain of its own.
pub(crate) const ACCOUNTS: [&str; 2] = ["main", "second"];

/// A key of the run.
#[derive(Clone, Debug)]
pub(crate) struct KeyPlan {
    pub label: String,
    pub account: usize,
    pub unit: NonceUnit,
    /// In ticks of the unit.
    pub window: u64,
    pub permissions: PermissionSet,
}

/// The network between processes, exchange and store, in microseconds one way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Net {
    pub low_us: u64,
    pub high_us: u64,
    /// The same towards the store.
    pub store_us: u64,
}

/// What somebody calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Balance,
    OpenOrders,
    /// Four points as we reckon.
    ClosedOrders,
    /// An order with a request id.
    Place,
    /// Of the order of an earlier call, by the client's id.
    Cancel,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallPlan {
    pub at_us: u64,
    pub account: usize,
    pub want: Want,
    /// How long its caller waits.
    pub patience_us: u64,
}

/// Before which step of the exchange a call hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Auth,
    Engine,
    Answer,
}

/// Where a process is stopped at the worst moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// After it has asked the store.
    Ask,
    /// After it has drawn a nonce, before its look at the lease.
    Sign,
    /// After that look, before the write.
    Write,
}

/// Between two steps of an act or of a look-up: where a process may be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// The claim is on its way to the store.
    Claiming,
    /// The store has said that it is ours.
    Claimed,
    /// The lane has drawn a nonce, and nothing is written.
    Drawn,
    /// It is written, and nothing came back.
    Written,
    /// The exchange has answered, and nobody knows.
    Landed,
    /// The outcome is on its way to the store.
    Settling,
    /// The store has it, and its caller does not know.
    Settled,
    /// The claim of something unsent is being taken back.
    TakingBack,
    /// The open intents were read.
    RoundBegun,
    /// The exchange was asked for orders.
    RoundLooked,
    /// A verdict is on its way to the store.
    VerdictSent,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The next time it comes to a failpoint.
    CrashAt {
        slot: usize,
        at: Point,
        down_us: u64,
    },
    /// Orders show late.
    Lag {
        by_us: u64,
        for_us: u64,
    },
    Pause {
        slot: usize,
        for_us: u64,
    },
    /// At the next act of a kind.
    Freeze {
        slot: usize,
        at: Act,
        for_us: u64,
    },
    Crash {
        slot: usize,
        down_us: u64,
    },
    RestartAll {
        down_us: u64,
    },
    Drain {
        slot: usize,
        down_us: u64,
    },
    WallJump {
        slot: usize,
        by_us: i64,
        for_us: u64,
    },
    StoreJump {
        by_us: i64,
        for_us: u64,
    },
    Flush,
    /// A restart from a copy that is this old.
    Rollback {
        age_us: u64,
    },
    /// A promotion of a replica that lacks the last writes.
    Promotion {
        lag_us: u64,
    },
    StoreSilent {
        for_us: u64,
    },
    StoreSlow {
        by_us: u64,
        for_us: u64,
    },
    StoreAnswersLost {
        for_us: u64,
    },
    StoreCutOff {
        slot: usize,
        for_us: u64,
    },
    /// From the next attempt to take a key on the store's answers are lost; whoever tried then uses what it gets, and dies with
    /// the store's memory before the others have seen it.
    UnheardTake {
        for_us: u64,
    },
    NoticesLost {
        for_us: u64,
    },
    /// The next calls of a key hang; a cancel follows if wanted.
    Hang {
        key: usize,
        count: u64,
        stage: Stage,
        for_us: u64,
        then_cancel: bool,
    },
    Loss {
        for_us: u64,
    },
    AnswerLoss {
        for_us: u64,
    },
    Duplicate {
        for_us: u64,
    },
    Reorder {
        for_us: u64,
    },
    Pressure {
        account: usize,
        calls: u64,
    },
    ExchangeTrouble {
        kind: usize,
        count: u64,
    },
    /// Many orders at once.
    Orders {
        account: usize,
        calls: u64,
    },
    /// No order is answered: so many are executed all the same, and no more are.
    Mute {
        executed: u64,
    },
}

impl Fault {
    /// For how long it is felt: until processes, clocks and store are as before, and a lease or two longer.
    fn felt_us(&self) -> u64 {
        match *self {
            Self::Pause { for_us, .. }
            | Self::WallJump { for_us, .. }
            | Self::StoreJump { for_us, .. }
            | Self::StoreSilent { for_us }
            | Self::StoreSlow { for_us, .. }
            | Self::StoreAnswersLost { for_us }
            | Self::StoreCutOff { for_us, .. } => for_us + 8 * S,
            // It strikes at a write that may come much later.
            Self::UnheardTake { .. }
            | Self::Freeze { .. }
            | Self::CrashAt { .. }
            | Self::Flush
            | Self::Rollback { .. }
            | Self::Promotion { .. } => CHAOS_US,
            Self::Crash { down_us, .. } | Self::Drain { down_us, .. } | Self::RestartAll { down_us } => {
                down_us + 8 * S
            }
            Self::NoticesLost { for_us }
            | Self::Loss { for_us }
            | Self::AnswerLoss { for_us }
            | Self::Duplicate { for_us }
            | Self::Reorder { for_us } => for_us + 12 * S,
            Self::Hang { for_us, .. } | Self::Lag { for_us, .. } => for_us + 12 * S,
            Self::Pressure { .. } | Self::Orders { .. } | Self::ExchangeTrouble { .. } => 12 * S,
            Self::Mute { .. } => CHAOS_US,
        }
    }

    /// Whether it touches only what is on its way to the exchange and back.
    const fn is_of_the_network(&self) -> bool {
        matches!(
            self,
            Self::Hang { .. }
                | Self::Loss { .. }
                | Self::AnswerLoss { .. }
                | Self::Duplicate { .. }
                | Self::Reorder { .. }
                | Self::Pressure { .. }
                | Self::ExchangeTrouble { .. }
                | Self::NoticesLost { .. }
                | Self::Lag { .. }
                | Self::Mute { .. }
                | Self::Orders { .. }
        )
    }
}

/// A run before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub keys: Vec<KeyPlan>,
    pub tier: Tier,
    pub sandbox_tier: tidegate_sandbox::Tier,
    /// The exchange charges what the documentation says, or the highest figure found.
    pub conservative: bool,
    pub refuse_repeats: bool,
    pub net: Net,
    pub calls: Vec<CallPlan>,
    pub faults: Vec<(u64, Fault)>,
    /// By how much each process's wall clock differs from true time, and the store's.
    pub wall_us: [i64; OWNERS],
    pub store_wall_us: i64,
    /// Over how many pairs orders are spread: each has a counter of its own at the exchange.
    pub pairs: usize,
    /// Orders meet the house's quotes and fill at once, instead of resting far below them.
    pub fills: bool,
}

impl Plan {
    /// Whether nothing but the fault of this number is felt from one time to another.
    pub(crate) fn is_calm(&self, from_us: u64, to_us: u64, but: usize) -> bool {
        let felt = |fault: &(u64, Fault)| fault.0 <= to_us && fault.0 + fault.1.felt_us() >= from_us;
        !self.faults.iter().enumerate().any(|(number, fault)| number != but && felt(fault))
    }

    /// Whether processes and store are well from one time to another, whatever happens on the way to the exchange.
    pub(crate) fn is_well(&self, from_us: u64, to_us: u64) -> bool {
        let felt = |fault: &(u64, Fault)| fault.0 <= to_us && fault.0 + fault.1.felt_us() >= from_us;
        !self.faults.iter().any(|fault| felt(fault) && !fault.1.is_of_the_network())
    }

    /// Five hundred orders of one account of which nobody hears anything, at the real costs of the tier Pro.
    pub(crate) fn flood(seed: u64) -> Self {
        const ORDERS: u64 = 500;
        let mut rng = Rng::new(seed, 3);
        let order = |number: u64| CallPlan {
            at_us: 3 * S + number * (CHAOS_US - 10 * S) / ORDERS,
            account: 0,
            want: Want::Place,
            patience_us: 6 * S,
        };
        Self {
            tier: Tier::PRO,
            sandbox_tier: tidegate_sandbox::Tier::Pro,
            conservative: true,
            net: Net { low_us: 2 * MS, high_us: 8 * MS, store_us: MS },
            calls: (0..ORDERS).map(order).collect(),
            faults: vec![(2 * S, Fault::Mute { executed: rng.within(0, ORDERS) })],
            pairs: 3,
            ..Self::of(seed)
        }
    }

    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let keys = keys(&mut rng);
        let (tier, sandbox_tier) = rng.pick(&[
            (Tier::STARTER, tidegate_sandbox::Tier::Starter),
            (Tier::INTERMEDIATE, tidegate_sandbox::Tier::Intermediate),
            (Tier::PRO, tidegate_sandbox::Tier::Pro),
        ]);
        let low_us = rng.within(500, 20 * MS);
        let net = Net { low_us, high_us: low_us * rng.within(2, 6), store_us: rng.within(100, 5 * MS) };
        let calls = calls(&mut rng);
        let faults = chaos::faults(&mut rng, keys.len());
        Self {
            tier,
            sandbox_tier,
            conservative: rng.percent(50),
            refuse_repeats: rng.percent(50),
            net,
            calls,
            faults,
            wall_us: std::array::from_fn(|_| rng.around_zero(400 * MS)),
            store_wall_us: rng.around_zero(400 * MS),
            pairs: 1,
            fills: false,
            keys,
        }
    }
}

fn keys(rng: &mut Rng) -> Vec<KeyPlan> {
    let trades: &[Permission] = &[Permission::ModifyTrades, Permission::CloseTrades];
    let reads: &[Permission] =
        &[Permission::QueryFunds, Permission::QueryOpenTrades, Permission::QueryClosedTrades];
    let rows =
        [(0, trades, false), (0, reads, false), (0, reads, true), (1, trades, true), (1, reads, false)];
    let units = [NonceUnit::Us, NonceUnit::Ms, NonceUnit::Ns];
    let key = |(number, (account, permissions, windowed)): (usize, (usize, &[Permission], bool))| {
        let unit = rng.pick(&units);
        let window_us = if windowed { rng.pick(&[500 * MS, 2 * S, 5 * S, 10 * S]) } else { 0 };
        KeyPlan {
            label: format!("key-{number}"),
            account,
            unit,
            window: unit.from_us(tidegate_core::UnixUs(window_us)).0,
            permissions: PermissionSet::of(permissions),
        }
    };
    rows.into_iter().enumerate().map(key).collect()
}

fn calls(rng: &mut Rng) -> Vec<CallPlan> {
    let count = rng.within(260, 340);
    let mut calls: Vec<CallPlan> = (0..count)
        .map(|_| CallPlan {
            at_us: rng.within(2 * S, CHAOS_US),
            account: rng.index(ACCOUNTS.len()),
            want: match rng.within(1, 100) {
                1..=35 => Want::Balance,
                36..=42 => Want::OpenOrders,
                43..=46 => Want::ClosedOrders,
                47..=76 => Want::Place,
                _ => Want::Cancel,
            },
            patience_us: rng.within(2_600, 10_000) * MS,
        })
        .collect();
    calls.sort_by_key(|call| call.at_us);
    calls
}
