//! What a seed stands for: the keys, the network, the callers and the faults of one run, all drawn before it begins.

use tidegate_core::{NonceUnit, Permission, PermissionSet};
use tidegate_lanes::Tier;

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
    /// `deadline`: whether Kraken's engine is told until when it may execute.
    Place { deadline: bool },
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

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Pause { slot: usize, for_us: u64 },
    /// At the next act of a kind.
    Freeze { slot: usize, at: Act, for_us: u64 },
    Crash { slot: usize, down_us: u64 },
    RestartAll { down_us: u64 },
    Drain { slot: usize, down_us: u64 },
    WallJump { slot: usize, by_us: i64, for_us: u64 },
    StoreJump { by_us: i64, for_us: u64 },
    Flush,
    /// A restart from a copy that is this old.
    Rollback { age_us: u64 },
    /// A promotion of a replica that lacks the last writes.
    Promotion { lag_us: u64 },
    StoreSilent { for_us: u64 },
    StoreSlow { by_us: u64, for_us: u64 },
    StoreAnswersLost { for_us: u64 },
    StoreCutOff { slot: usize, for_us: u64 },
    NoticesLost { for_us: u64 },
    /// The next calls of a key hang; a cancel follows if wanted.
    Hang { key: usize, count: u64, stage: Stage, for_us: u64, then_cancel: bool },
    Loss { for_us: u64 },
    AnswerLoss { for_us: u64 },
    Duplicate { for_us: u64 },
    Reorder { for_us: u64 },
    Pressure { account: usize, calls: u64 },
    ExchangeTrouble { kind: usize, count: u64 },
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
            Self::Freeze { .. } | Self::Flush | Self::Rollback { .. } | Self::Promotion { .. } => CHAOS_US,
            Self::Crash { down_us, .. } | Self::Drain { down_us, .. } | Self::RestartAll { down_us } => down_us + 8 * S,
            Self::NoticesLost { for_us }
            | Self::Loss { for_us }
            | Self::AnswerLoss { for_us }
            | Self::Duplicate { for_us }
            | Self::Reorder { for_us } => for_us + 12 * S,
            Self::Hang { for_us, .. } => for_us + 12 * S,
            Self::Pressure { .. } | Self::ExchangeTrouble { .. } => 12 * S,
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
}

/// What the faults of a seed have in common. Chance alone seldom puts three rare things in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theme {
    Mixed,
    /// One fault, and nothing that interferes.
    Single,
    HandOvers,
    Losses,
    Dark,
    Hangs,
    Clocks,
    Freezes,
    Far,
    /// Hand-overs that drive the nonces of windowed keys ahead, then a loss.
    Lead,
    /// Grants that nobody hears of, then a loss.
    Unheard,
    /// Losses of which one process hears late.
    Memory,
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
        let theme = rng.pick(&[
            Theme::Mixed,
            Theme::Mixed,
            Theme::Mixed,
            Theme::Single,
            Theme::HandOvers,
            Theme::Losses,
            Theme::Losses,
            Theme::Dark,
            Theme::Hangs,
            Theme::Hangs,
            Theme::Clocks,
            Theme::Freezes,
            Theme::Far,
            Theme::Lead,
            Theme::Unheard,
            Theme::Memory,
        ]);
        let faults = faults(&mut rng, theme, keys.len());
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
            keys,
        }
    }
}

fn keys(rng: &mut Rng) -> Vec<KeyPlan> {
    let trades: &[Permission] = &[Permission::ModifyTrades, Permission::CloseTrades];
    let reads: &[Permission] =
        &[Permission::QueryFunds, Permission::QueryOpenTrades, Permission::QueryClosedTrades];
    let rows = [(0, trades, false), (0, reads, false), (0, reads, true), (1, trades, true), (1, reads, false)];
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
                47..=70 => Want::Place { deadline: true },
                71..=76 => Want::Place { deadline: false },
                _ => Want::Cancel,
            },
            patience_us: rng.within(2_600, 10_000) * MS,
        })
        .collect();
    calls.sort_by_key(|call| call.at_us);
    calls
}

fn faults(rng: &mut Rng, theme: Theme, keys: usize) -> Vec<(u64, Fault)> {
    let mut faults = Vec::new();
    match theme {
        Theme::Single => {
            for at_us in [10 * S, 37 * S] {
                let (slot, down_us) = (rng.index(OWNERS), rng.within(8 * S, 12 * S));
                let crash = Fault::Crash { slot, down_us };
                let fault = if rng.percent(50) { crash } else { Fault::Drain { slot, down_us } };
                faults.push((at_us + rng.within(0, 3 * S), fault));
            }
        }
        Theme::Far => far(rng, &mut faults),
        Theme::Lead => lead(rng, &mut faults),
        Theme::Unheard => unheard(rng, &mut faults),
        Theme::Memory => memory(rng, &mut faults),
        _ => {
            for _ in 0..rng.within(6, 14) {
                let at_us = rng.within(4 * S, CHAOS_US - 2 * S);
                faults.push((at_us, one(rng, theme, keys)));
            }
        }
    }
    faults.sort_by_key(|fault| fault.0);
    faults
}

/// Losses that nobody alive remembers, and owners that die one after the other: what drives nonces ahead.
fn far(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let mut at_us = rng.within(4 * S, 8 * S);
    while at_us < CHAOS_US - 4 * S {
        let wipe = loss(rng);
        match rng.within(1, 3) {
            1 => {
                faults.push((at_us, wipe));
                faults.push((at_us + rng.within(0, 40) * MS, Fault::RestartAll { down_us: rng.within(MS, 3 * S) }));
                at_us += rng.within(9 * S, 16 * S);
            }
            2 => {
                faults.push((at_us, Fault::RestartAll { down_us: rng.within(MS, S) }));
                at_us += rng.within(6 * S, 9 * S);
            }
            _ => {
                faults.push((at_us, wipe));
                at_us += rng.within(7 * S, 12 * S);
            }
        }
    }
}

/// Processes that come and go, so that keys change hands again and again, and then a loss.
fn lead(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let mut at_us = rng.within(4 * S, 6 * S);
    while at_us < CHAOS_US - 15 * S {
        for _ in 0..rng.within(2, 6) {
            let (slot, down_us) = (rng.index(OWNERS), rng.within(50 * MS, 900 * MS));
            faults.push((at_us, Fault::Drain { slot, down_us }));
            at_us += rng.within(300 * MS, 2 * S);
        }
        faults.push((at_us, loss(rng)));
        if rng.percent(40) {
            let slot = rng.index(OWNERS);
            faults.push((at_us + rng.within(0, 50 * MS), Fault::Crash { slot, down_us: rng.within(MS, S) }));
        }
        at_us += rng.within(10 * S, 14 * S);
    }
}

/// A key becomes free while the store's answers are lost; who takes it at last uses it and dies with the store's memory, and the
/// third process has seen nothing since.
fn unheard(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let mut at_us = rng.within(4 * S, 6 * S);
    while at_us < CHAOS_US - 22 * S {
        let slot = rng.index(OWNERS);
        let (next, third) = ((slot + 1) % OWNERS, (slot + 2) % OWNERS);
        faults.push((at_us, Fault::Crash { slot, down_us: rng.within(11 * S, 14 * S) }));
        let lost_us = at_us + rng.within(3 * S, 4 * S);
        let for_us = rng.within(3 * S, 4_200 * MS);
        faults.push((lost_us, Fault::StoreAnswersLost { for_us }));
        let loss_us = lost_us + for_us + rng.within(300 * MS, 900 * MS);
        faults.push((loss_us, loss(rng)));
        faults.push((loss_us + rng.within(0, 10 * MS), Fault::Crash { slot: next, down_us: rng.within(9 * S, 12 * S) }));
        if rng.percent(70) {
            let for_us = loss_us + 20 * MS - lost_us;
            faults.push((lost_us, Fault::StoreCutOff { slot: third, for_us }));
        }
        at_us = loss_us + rng.within(13 * S, 15 * S);
    }
}

/// Two losses; those who were there between them are gone, and one process hears of both late, or of the first alone.
fn memory(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let at_us = rng.within(5 * S, 12 * S);
    let late = rng.index(OWNERS);
    let others = [(late + 1) % OWNERS, (late + 2) % OWNERS];
    let cut_us = if rng.percent(50) { at_us - rng.within(0, S) } else { at_us + rng.within(1_600 * MS, 3 * S) };
    faults.push((at_us, loss(rng)));
    for slot in others {
        faults.push((at_us + rng.within(0, 50 * MS), Fault::Crash { slot, down_us: rng.within(50 * MS, 400 * MS) }));
    }
    let second_us = at_us + rng.within(14 * S, 18 * S);
    faults.push((second_us, loss(rng)));
    for slot in others {
        let at_us = second_us + rng.within(1_600 * MS, 2 * S);
        faults.push((at_us, Fault::Crash { slot, down_us: rng.within(6 * S, 15 * S) }));
    }
    let back_us = second_us + rng.within(5 * S, 11 * S);
    faults.push((cut_us, Fault::StoreCutOff { slot: late, for_us: back_us - cut_us }));
}

fn freeze(rng: &mut Rng, slot: usize) -> Fault {
    Fault::Freeze { slot, at: rng.pick(&[Act::Ask, Act::Sign, Act::Write]), for_us: rng.within(S, 12 * S) }
}

fn loss(rng: &mut Rng) -> Fault {
    match rng.within(1, 3) {
        1 => Fault::Flush,
        2 => Fault::Rollback { age_us: rng.within(S, 30 * S) },
        _ => Fault::Promotion { lag_us: rng.within(MS, 4 * S) },
    }
}

fn one(rng: &mut Rng, theme: Theme, keys: usize) -> Fault {
    let of_theme = rng.percent(65);
    let slot = rng.index(OWNERS);
    let down_us = rng.long_tail(50 * MS, 8 * S);
    match theme {
        Theme::HandOvers if of_theme => match rng.within(1, 4) {
            1 => Fault::Crash { slot, down_us },
            2 => Fault::Pause { slot, for_us: rng.within(3 * S, 9 * S) },
            _ => Fault::Drain { slot, down_us },
        },
        Theme::Losses if of_theme => match rng.within(1, 6) {
            1 => Fault::RestartAll { down_us },
            2 => Fault::Pressure { account: rng.index(ACCOUNTS.len()), calls: rng.within(10, 40) },
            3 => Fault::Drain { slot, down_us },
            _ => loss(rng),
        },
        Theme::Dark if of_theme => match rng.within(1, 4) {
            1 => Fault::StoreAnswersLost { for_us: rng.within(200 * MS, 9 * S) },
            2 => Fault::StoreCutOff { slot, for_us: rng.within(4 * S, 20 * S) },
            _ => Fault::StoreSilent { for_us: rng.within(S, 15 * S) },
        },
        Theme::Hangs if of_theme => hang(rng, keys),
        Theme::Clocks if of_theme => clock(rng, slot),
        Theme::Freezes if of_theme => freeze(rng, slot),
        _ => any(rng, keys, slot, down_us),
    }
}

fn hang(rng: &mut Rng, keys: usize) -> Fault {
    Fault::Hang {
        key: rng.index(keys),
        count: rng.within(1, 3),
        stage: rng.pick(&[Stage::Auth, Stage::Auth, Stage::Engine, Stage::Answer]),
        for_us: rng.within(300, 20_000) * MS,
        then_cancel: rng.percent(60),
    }
}

fn clock(rng: &mut Rng, slot: usize) -> Fault {
    let by_us = match rng.within(1, 5) {
        1 => rng.around_zero(900 * MS),
        2 | 3 => rng.around_zero(5 * S),
        4 => rng.around_zero(50 * 60 * S),
        _ => -i64::try_from(rng.within(24 * 3_600 * S, 30 * 3_600 * S)).unwrap_or_default(),
    };
    let for_us = rng.within(500 * MS, 12 * S);
    if rng.percent(60) {
        Fault::WallJump { slot, by_us, for_us }
    } else {
        Fault::StoreJump { by_us: by_us.min(5_000_000), for_us }
    }
}

fn any(rng: &mut Rng, keys: usize, slot: usize, down_us: u64) -> Fault {
    let for_us = rng.within(200 * MS, 6 * S);
    match rng.within(1, 20) {
        1 => Fault::Pause { slot, for_us: rng.within(100 * MS, 12 * S) },
        2 => freeze(rng, slot),
        3 => Fault::Crash { slot, down_us },
        4 => Fault::Drain { slot, down_us },
        5 => clock(rng, slot),
        6 => loss(rng),
        7 => Fault::StoreSilent { for_us: rng.within(100 * MS, 12 * S) },
        8 => Fault::StoreSlow { by_us: rng.within(20 * MS, 400 * MS), for_us },
        9 => Fault::StoreAnswersLost { for_us },
        10 => Fault::StoreCutOff { slot, for_us: rng.within(S, 12 * S) },
        11 => Fault::NoticesLost { for_us },
        12..=14 => hang(rng, keys),
        15 => Fault::Loss { for_us },
        16 => Fault::AnswerLoss { for_us },
        17 => Fault::Duplicate { for_us },
        18 => Fault::Reorder { for_us },
        19 => Fault::Pressure { account: rng.index(ACCOUNTS.len()), calls: rng.within(10, 40) },
        _ => Fault::ExchangeTrouble { kind: rng.index(6), count: rng.within(1, 3) },
    }
}
