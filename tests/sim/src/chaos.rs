//! Which faults strike a seed, and when. Chance alone seldom puts three rare things in a row, so the faults of a seed have a
//! theme, and some themes are short stories.

use crate::plan::{ACCOUNTS, Act, CHAOS_US, Fault, MS, OWNERS, Point, S, Stage};
use crate::rng::Rng;

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
    /// Orders, and whoever sends them or looks for them, killed between two steps.
    Acts,
    /// Claims that are taken back while the store's answers are lost.
    TakeBack,
}

/// The faults of a seed, first to last.
pub(crate) fn faults(rng: &mut Rng, keys: usize) -> Vec<(u64, Fault)> {
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
        Theme::Acts,
        Theme::Acts,
        Theme::Acts,
        Theme::Acts,
        Theme::TakeBack,
    ]);
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
        Theme::TakeBack => take_back(rng, &mut faults),
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
                faults.push((
                    at_us + rng.within(0, 40) * MS,
                    Fault::RestartAll { down_us: rng.within(MS, 3 * S) },
                ));
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

/// A key changes hands, and for a while its new owner does not hear that it is his.
fn unheard(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let mut at_us = rng.within(4 * S, 6 * S);
    while at_us < CHAOS_US - 22 * S {
        faults.push((at_us, Fault::UnheardTake { for_us: rng.within(2_200 * MS, 2_600 * MS) }));
        let drain = Fault::Drain { slot: rng.index(OWNERS), down_us: rng.within(11 * S, 14 * S) };
        faults.push((at_us + rng.within(MS, 500 * MS), drain));
        at_us += rng.within(17 * S, 20 * S);
    }
}

/// Two losses; those who were there between them are gone, and one process hears of both late, or of the first alone.
fn memory(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let at_us = rng.within(5 * S, 12 * S);
    let late = rng.index(OWNERS);
    let others = [(late + 1) % OWNERS, (late + 2) % OWNERS];
    let cut_us =
        if rng.percent(50) { at_us - rng.within(0, S) } else { at_us + rng.within(1_600 * MS, 3 * S) };
    faults.push((at_us, loss(rng)));
    for slot in others {
        faults.push((
            at_us + rng.within(0, 50 * MS),
            Fault::Crash { slot, down_us: rng.within(50 * MS, 400 * MS) },
        ));
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

/// Orders wait behind one that hangs, and their process leaves: each claim is taken back, and nobody hears of it. Others claim
/// the same ids meanwhile and are killed with what they have sent.
fn take_back(rng: &mut Rng, faults: &mut Vec<(u64, Fault)>) {
    let mut at_us = rng.within(4 * S, 6 * S);
    while at_us < CHAOS_US - 10 * S {
        let (account, key) = rng.pick(&[(0, 0), (1, 3)]);
        let leaves = rng.index(OWNERS);
        faults.push((
            at_us,
            Fault::Hang {
                key,
                count: 1,
                stage: Stage::Auth,
                for_us: rng.within(S, 4 * S),
                then_cancel: false,
            },
        ));
        faults.push((at_us + MS, Fault::Orders { account, calls: rng.within(6, 14) }));
        let lost_us = at_us + rng.within(150 * MS, 500 * MS);
        faults.push((lost_us, Fault::StoreAnswersLost { for_us: rng.within(20 * MS, 240 * MS) }));
        // It has to hear the store once before it hands anything back.
        let drain_us = lost_us - rng.within(500, 12 * MS);
        faults.push((drain_us, Fault::Drain { slot: leaves, down_us: rng.within(50 * MS, 2 * S) }));
        if rng.percent(30) {
            let crash =
                Fault::CrashAt { slot: leaves, at: Point::TakingBack, down_us: rng.within(50 * MS, S) };
            faults.push((drain_us - MS, crash));
        }
        for slot in (0..OWNERS).filter(|slot| *slot != leaves) {
            let at = rng.pick(&[Point::Written, Point::Written, Point::Claimed, Point::Settling]);
            let after_us = rng.within(100 * MS, 300 * MS);
            faults.push((lost_us + after_us, Fault::CrashAt { slot, at, down_us: rng.within(50 * MS, S) }));
        }
        at_us += rng.within(9 * S, 14 * S);
    }
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
        Theme::Acts if of_theme => act(rng, slot, down_us),
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
    if rng.percent(60) { Fault::WallJump { slot, by_us, for_us } } else { Fault::StoreJump { by_us, for_us } }
}

fn act(rng: &mut Rng, slot: usize, down_us: u64) -> Fault {
    let points = [
        Point::Claiming,
        Point::Claimed,
        Point::Drawn,
        Point::Written,
        Point::Landed,
        Point::Settling,
        Point::Settled,
        Point::TakingBack,
        Point::RoundBegun,
        Point::RoundLooked,
        Point::VerdictSent,
    ];
    match rng.within(1, 10) {
        1..=5 => Fault::CrashAt { slot, at: rng.pick(&points), down_us },
        6 => Fault::Lag { by_us: rng.pick(&[S, 5 * S, 20 * S]), for_us: rng.within(5 * S, 40 * S) },
        7 => Fault::ExchangeTrouble { kind: rng.index(6), count: rng.within(1, 6) },
        8 => Fault::AnswerLoss { for_us: rng.within(S, 9 * S) },
        9 => Fault::StoreAnswersLost { for_us: rng.within(200 * MS, 2 * S) },
        _ => loss(rng),
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
