//! Earn: amounts move between an account and its strategies, each move after a while (Kraken docs: Earn).
//!
//! A move is judged twice, as Kraken does: at once for what the request says, and when its time has come for what there is. What
//! fails then is told by the status calls, in the words in which the request would have been refused.

mod strategies;

use std::collections::BTreeMap;

use super::engine::Engine;
use super::intake::flag;
use super::markets::{ASSETS, DOLLAR, find_asset};
use super::private::Done;
use super::public::timestamp;
use super::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::json::{Json, success};
use crate::wire::params::Params;
use strategies::{Lock, STRATEGIES, find};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    In,
    Out,
}

/// A move that was asked for.
#[derive(Debug)]
struct Move {
    amount: i128,
    due_us: u64,
    is_done: bool,
    failed: Option<Refusal>,
}

/// An amount on its way in or out.
#[derive(Debug)]
struct Part {
    amount: i128,
    since_us: u64,
    until_us: u64,
}

/// What one account has in one strategy.
#[derive(Debug, Default)]
struct Position {
    settled: i128,
    bonding: Vec<Part>,
    unbonding: Vec<Part>,
    /// The latest move each way.
    moved_in: Option<Move>,
    moved_out: Option<Move>,
}

fn sum(parts: &[Part]) -> i128 {
    parts.iter().map(|part| part.amount).sum()
}

impl Position {
    fn latest(&self, way: Way) -> Option<&Move> {
        match way {
            Way::In => self.moved_in.as_ref(),
            Way::Out => self.moved_out.as_ref(),
        }
    }

    fn is_busy(&self) -> bool {
        [&self.moved_in, &self.moved_out].into_iter().flatten().any(|one| !one.is_done)
    }

    fn total(&self) -> i128 {
        self.settled + sum(&self.bonding) + sum(&self.unbonding)
    }

    /// Takes an amount out of what is in, what is bound already first.
    fn take(&mut self, amount: i128) -> Result<(), Refusal> {
        if amount > self.settled + sum(&self.bonding) {
            return Err(Refusal::EarnInsufficientFunds);
        }
        let mut left = amount - amount.min(self.settled);
        self.settled -= amount - left;
        while left > 0
            && let Some(part) = self.bonding.last_mut()
        {
            let taken = left.min(part.amount);
            part.amount -= taken;
            left -= taken;
            if part.amount == 0 {
                self.bonding.pop();
            }
        }
        Ok(())
    }
}

/// All positions, by account and strategy.
#[derive(Debug, Default)]
pub(crate) struct Earn {
    positions: BTreeMap<(usize, usize), Position>,
    /// How long a move takes that begins now.
    pub(crate) takes_us: u64,
}

impl Engine {
    /// Does what is due in all strategies.
    pub(super) fn move_earn(&mut self, now_us: u64) {
        let mut positions = std::mem::take(&mut self.earn.positions);
        for ((account, strategy), position) in &mut positions {
            self.settle_earn(now_us, *account, *strategy, position);
        }
        self.earn.positions = positions;
    }

    fn settle_earn(&mut self, now_us: u64, account: usize, strategy: usize, position: &mut Position) {
        let (asset, lock) = (STRATEGIES[strategy].asset, STRATEGIES[strategy].lock);
        let is_due =
            |one: &Option<Move>| one.as_ref().is_some_and(|one| !one.is_done && one.due_us <= now_us);
        if is_due(&position.moved_in)
            && let Some(mut one) = position.moved_in.take()
        {
            one.is_done = true;
            one.failed = self.put_in(account, strategy, position, &one).err();
            position.moved_in = Some(one);
        }
        if is_due(&position.moved_out)
            && let Some(mut one) = position.moved_out.take()
        {
            (one.is_done, one.failed) = (true, position.take(one.amount).err());
            let leaves = |until_us| Part { amount: one.amount, since_us: one.due_us, until_us };
            match lock {
                _ if one.failed.is_some() => {}
                Lock::Bonded { unbonding_s, .. } => {
                    position.unbonding.push(leaves(one.due_us + unbonding_s * 1_000_000 / self.speed));
                }
                Lock::Flex | Lock::Instant => position.unbonding.push(leaves(one.due_us)),
            }
            position.moved_out = Some(one);
        }
        let is_over = |part: &Part| part.until_us <= now_us;
        position.settled +=
            position.bonding.iter().filter(|part| is_over(part)).map(|part| part.amount).sum::<i128>();
        position.bonding.retain(|part| !is_over(part));
        for part in position.unbonding.iter().filter(|part| is_over(part)) {
            self.accounts.get_mut(account).earning[asset] -= part.amount;
            let refid = self.next_id(b'T');
            self.book_move(part.until_us, account, ("earn", "deallocation"), refid, asset, part.amount);
        }
        position.unbonding.retain(|part| !is_over(part));
    }

    fn put_in(
        &mut self,
        account: usize,
        strategy: usize,
        position: &mut Position,
        one: &Move,
    ) -> Result<(), Refusal> {
        let (asset, amount, cap) = (STRATEGIES[strategy].asset, one.amount, STRATEGIES[strategy].cap);
        if cap.is_some_and(|cap| position.total() + amount > cap) {
            return Err(Refusal::EarnAboveMax);
        }
        if amount > self.movable(account, asset) {
            return Err(Refusal::EarnInsufficientFunds);
        }
        let refid = self.next_id(b'T');
        self.book_move(one.due_us, account, ("earn", "allocation"), refid, asset, -amount);
        self.accounts.get_mut(account).earning[asset] += amount;
        match STRATEGIES[strategy].lock {
            Lock::Bonded { bonding_s, .. } => position.bonding.push(Part {
                amount,
                since_us: one.due_us,
                until_us: one.due_us + bonding_s * 1_000_000 / self.speed,
            }),
            Lock::Flex | Lock::Instant => position.settled += amount,
        }
        Ok(())
    }
}

fn named(params: &Params) -> Result<usize, Refusal> {
    let id = params.get("strategy_id").ok_or_else(|| wrong("strategy_id"))?;
    find(id).ok_or(Refusal::EarnStrategy)
}

/// `Earn/Allocate` and `Earn/Deallocate`.
pub(crate) fn begin(
    engine: &mut Engine,
    now_us: u64,
    account: usize,
    way: Way,
    params: &Params,
) -> Result<Done, Refusal> {
    let at = named(params)?;
    let strategy = &STRATEGIES[at];
    let text = params.get("amount").ok_or_else(|| wrong("amount"))?;
    let amount = decimal::parse(text, ASSETS[strategy.asset].decimals).map_err(|_| wrong("amount"))?;
    if !strategy.takes() {
        return Err(Refusal::EarnPermissionDenied);
    }
    if amount == 0 || i128::from(amount) < strategy.min {
        return Err(Refusal::EarnBelowMin);
    }
    let due_us = now_us + engine.earn.takes_us;
    let position = engine.earn.positions.entry((account, at)).or_default();
    if position.is_busy() {
        return Err(Refusal::EarnBusy);
    }
    let begun = Some(Move { amount: i128::from(amount), due_us, is_done: false, failed: None });
    match way {
        Way::In => position.moved_in = begun,
        Way::Out => position.moved_out = begun,
    }
    Ok(Done::answer(success(|json| json.truth(true))))
}

/// `Earn/AllocateStatus` and `Earn/DeallocateStatus`.
pub(crate) fn status(engine: &Engine, account: usize, way: Way, params: &Params) -> Result<String, Refusal> {
    let position = engine.earn.positions.get(&(account, named(params)?));
    let latest = position.and_then(|position| position.latest(way));
    if let Some(failed) = latest.and_then(|one| one.failed.clone()) {
        return Err(failed);
    }
    let pending = latest.is_some_and(|one| !one.is_done);
    Ok(success(|json| json.object(|json| json.field("pending").truth(pending))))
}

/// `Earn/Strategies`. All of them are on the first page, whatever `limit` says, as Kraken has it too.
pub(crate) fn strategies(params: &Params) -> Result<String, Refusal> {
    let asset = params.get("asset").map(|name| find_asset(name).ok_or(Refusal::UnknownAsset)).transpose()?;
    let kinds = params.list("lock_type");
    if kinds.iter().any(|kind| !["flex", "bonded", "timed", "instant"].contains(kind)) {
        return Err(wrong("lock_type"));
    }
    let ascending = flag(params, "ascending")?;
    if params.get("limit").is_some_and(|limit| limit.parse::<u16>().is_err()) {
        return Err(wrong("limit"));
    }
    let mut found: Vec<_> = STRATEGIES
        .iter()
        .filter(|strategy| asset.is_none_or(|asset| strategy.asset == asset))
        .filter(|strategy| kinds.is_empty() || kinds.contains(&strategy.lock.text()))
        .collect();
    if !ascending {
        found.reverse();
    }
    Ok(success(|json| {
        json.object(|json| {
            json.field("items").array(|json| found.iter().for_each(|strategy| strategy.write(json)));
            json.field("next_cursor").null();
        });
    }))
}

/// `Earn/Allocations`.
pub(crate) fn allocations(engine: &Engine, account: usize, params: &Params) -> Result<String, Refusal> {
    let to = match params.get("converted_asset") {
        None => DOLLAR,
        Some(name) => find_asset(name).ok_or(Refusal::UnknownAsset)?,
    };
    let (ascending, hide_zero) = (flag(params, "ascending")?, flag(params, "hide_zero_allocations")?);
    let own = engine.earn.positions.range((account, 0)..(account + 1, 0));
    let shown = own.filter(|(_, position)| !hide_zero || position.total() != 0 || position.is_busy());
    let mut shown: Vec<_> = shown.map(|((_, at), position)| (*at, position)).collect();
    if !ascending {
        shown.reverse();
    }
    let worth = |at: usize, amount: i128| engine.worth(amount, STRATEGIES[at].asset, to);
    let all = shown.iter().map(|(at, position)| worth(*at, position.total())).sum();
    let decimals = ASSETS[to].decimals;
    Ok(success(|json| {
        json.object(|json| {
            json.field("converted_asset").text(ASSETS[to].altname);
            json.field("total_allocated").decimal(all, decimals);
            json.field("total_rewarded").decimal(0, decimals);
            json.field("next_cursor").null();
            json.field("items").array(|json| {
                for (at, position) in shown {
                    write(json, at, position, |json, amount| {
                        json.field("native").decimal(amount, ASSETS[STRATEGIES[at].asset].decimals);
                        json.field("converted").decimal(worth(at, amount), decimals);
                    });
                }
            });
        });
    }))
}

/// Appends what is in one strategy; `both` appends an amount in its two assets.
fn write(json: &mut Json, at: usize, position: &Position, both: impl Fn(&mut Json, i128)) {
    let strategy = &STRATEGIES[at];
    let parts = |json: &mut Json, name: &str, parts: &[Part]| {
        if parts.is_empty() {
            return;
        }
        json.field(name).object(|json| {
            both(json, sum(parts));
            json.field("allocation_count").integer(parts.len());
            json.field("allocations").array(|json| {
                for part in parts {
                    json.object(|json| {
                        both(json, part.amount);
                        json.field("created_at").text(&timestamp(part.since_us).to_string());
                        json.field("expires").text(&timestamp(part.until_us).to_string());
                    });
                }
            });
        });
    };
    let under_way = |one: &Option<Move>| one.as_ref().filter(|one| !one.is_done).map_or(0, |one| one.amount);
    let pending = under_way(&position.moved_in) - under_way(&position.moved_out);
    json.object(|json| {
        json.field("strategy_id").text(strategy.id);
        json.field("native_asset").text(ASSETS[strategy.asset].altname);
        json.field("amount_allocated").object(|json| {
            parts(json, "bonding", &position.bonding);
            parts(json, "unbonding", &position.unbonding);
            if pending != 0 {
                json.field("pending").object(|json| both(json, pending));
            }
            json.field("total").object(|json| both(json, position.total()));
        });
        json.field("total_rewarded").object(|json| both(json, 0));
    });
}
