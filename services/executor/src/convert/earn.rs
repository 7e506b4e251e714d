//! Earn: requests as parameters, results as replies.

use prost_types::Timestamp;
use tidegate_core::{Error, Volume};
use tidegate_kraken::wire::{
    Decimal, EarnAllocation, EarnAllocations, EarnAmount, EarnCompound, EarnLock, EarnPart, EarnPayout,
    EarnPortion, EarnRate, EarnStatus, EarnStrategies, EarnStrategy, EarnTaken, Extra,
};
use tidegate_kraken::{Params, Value};
use tidegate_proto::v1;
use tidegate_proto::v1::{allocate_earn_response as allocate, deallocate_earn_response as deallocate};

use super::request::Builder;
use super::{digits, keep_word, rfc3339};

/// Parameters of Earn/Allocate and Earn/Deallocate.
pub(crate) fn move_of(strategy_id: &str, amount: &str) -> Result<Params, Error> {
    let mut to = Builder::default();
    strategy(&mut to, strategy_id);
    match amount.parse::<Volume>() {
        Ok(volume) if volume.is_zero() => to.wrong("amount", "must be above zero"),
        // As it was written: no digit of it is anybody's to change.
        Ok(_) => to.text("amount", amount),
        Err(error) => to.wrong("amount", error.to_string()),
    }
    to.finish()
}

/// Parameters of Earn/AllocateStatus and Earn/DeallocateStatus.
pub(crate) fn status_of(strategy_id: &str) -> Result<Params, Error> {
    let mut to = Builder::default();
    strategy(&mut to, strategy_id);
    to.finish()
}

fn strategy(to: &mut Builder, id: &str) {
    if id.is_empty() {
        to.wrong("strategy_id", "must be set: an id that GetEarnStrategies tells");
    }
    to.word("strategy_id", "strategy_id", id);
}

/// Parameters of Earn/Strategies.
pub(crate) fn strategies_of(request: &v1::GetEarnStrategiesRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.word("asset", "asset", &request.asset);
    let mut kinds: Vec<String> = Vec::new();
    for (i, kind) in request.lock_kinds.iter().enumerate() {
        let known = v1::EarnLockKind::try_from(*kind).ok().and_then(kind_text);
        match known {
            Some(word) if kinds.iter().any(|other| other == word) => {
                to.wrong(&format!("lock_kinds[{i}]"), "is there twice");
            }
            Some(word) => kinds.push(word.to_owned()),
            None => to.wrong(&format!("lock_kinds[{i}]"), "is not one of the known kinds"),
        }
    }
    if !kinds.is_empty() {
        to.push("lock_type", Value::Array(kinds));
    }
    to.flag("ascending", request.ascending);
    to.word("cursor", "page_token", &request.page_token);
    match request.limit {
        0 => {}
        limit @ 1..=65_535 => to.int("limit", i64::from(limit)),
        _ => to.wrong("limit", "must be at most 65,535"),
    }
    to.finish()
}

/// Parameters of Earn/Allocations.
pub(crate) fn allocations_of(request: &v1::GetEarnAllocationsRequest) -> Result<Params, Error> {
    let mut to = Builder::default();
    to.flag("ascending", request.ascending);
    to.word("converted_asset", "converted_asset", &request.converted_asset);
    to.flag("hide_zero_allocations", request.hide_zero_allocations);
    to.finish()
}

const fn kind_text(kind: v1::EarnLockKind) -> Option<&'static str> {
    use v1::EarnLockKind as K;
    Some(match kind {
        K::Unspecified => return None,
        K::Flex => "flex",
        K::Bonded => "bonded",
        K::Timed => "timed",
        K::Instant => "instant",
    })
}

/// The reply to Earn/Allocate.
pub(crate) fn allocated(taken: EarnTaken, warnings: Vec<String>) -> v1::AllocateEarnResponse {
    let accepted = allocate::Accepted { pending: taken.pending, extra: taken.extra.into_iter().collect() };
    v1::AllocateEarnResponse { outcome: Some(allocate::Outcome::Accepted(accepted)), warnings }
}

/// The reply to Earn/Deallocate.
pub(crate) fn deallocated(taken: EarnTaken, warnings: Vec<String>) -> v1::DeallocateEarnResponse {
    let accepted = deallocate::Accepted { pending: taken.pending, extra: taken.extra.into_iter().collect() };
    v1::DeallocateEarnResponse { outcome: Some(deallocate::Outcome::Accepted(accepted)), warnings }
}

pub(crate) fn allocate_status(status: EarnStatus) -> v1::GetEarnAllocateStatusResponse {
    v1::GetEarnAllocateStatusResponse { pending: status.pending, extra: status.extra.into_iter().collect() }
}

pub(crate) fn deallocate_status(status: EarnStatus) -> v1::GetEarnDeallocateStatusResponse {
    v1::GetEarnDeallocateStatusResponse { pending: status.pending, extra: status.extra.into_iter().collect() }
}

pub(crate) fn strategies(page: EarnStrategies) -> v1::GetEarnStrategiesResponse {
    v1::GetEarnStrategiesResponse {
        strategies: page.items.into_iter().map(one_strategy).collect(),
        next_page_token: page.next_cursor.unwrap_or_default(),
        extra: page.extra.into_iter().collect(),
    }
}

fn one_strategy(mut strategy: EarnStrategy) -> v1::EarnStrategy {
    let yield_source = strategy.yield_source.map(|source| {
        // What stands beside the word is of this strategy.
        let beside = source.extra.into_iter().map(|(name, json)| (format!("yield_source.{name}"), json));
        strategy.extra.extend(beside);
        source.kind
    });
    let rate = |rate: EarnRate| v1::EarnRateEstimate {
        low: digits(rate.low),
        high: digits(rate.high),
        extra: rate.extra.into_iter().collect(),
    };
    let compound = |compound: EarnCompound| v1::EarnAutoCompound {
        kind: compound.kind,
        default_on: compound.default,
        extra: compound.extra.into_iter().collect(),
    };
    v1::EarnStrategy {
        strategy_id: strategy.id,
        asset: strategy.asset,
        lock: strategy.lock_type.map(lock),
        apr_estimate: strategy.apr_estimate.map(rate),
        user_min_allocation: digits(strategy.user_min_allocation),
        user_cap: digits(strategy.user_cap),
        allocation_fee: digits(strategy.allocation_fee),
        deallocation_fee: digits(strategy.deallocation_fee),
        auto_compound: strategy.auto_compound.map(compound),
        yield_source: yield_source.unwrap_or_default(),
        can_allocate: strategy.can_allocate,
        can_deallocate: strategy.can_deallocate,
        allocation_restrictions: strategy.allocation_restriction_info,
        extra: strategy.extra.into_iter().collect(),
    }
}

fn lock(mut lock: EarnLock) -> v1::EarnLock {
    let known = (1..=4).filter_map(|n| v1::EarnLockKind::try_from(n).ok());
    let found = known.into_iter().find(|kind| kind_text(*kind) == Some(lock.kind.as_str()));
    let kind = found
        .unwrap_or_else(|| keep_word(&mut lock.extra, "type", &lock.kind, v1::EarnLockKind::Unspecified));
    v1::EarnLock {
        kind: kind.into(),
        payout_frequency_s: lock.payout_frequency,
        bonding_period_s: lock.bonding_period,
        bonding_period_variable: lock.bonding_period_variable,
        bonding_rewards: lock.bonding_rewards,
        exit_queue_period_s: lock.exit_queue_period,
        unbonding_period_s: lock.unbonding_period,
        unbonding_period_variable: lock.unbonding_period_variable,
        unbonding_rewards: lock.unbonding_rewards,
        extra: lock.extra.into_iter().collect(),
    }
}

pub(crate) fn allocations(page: EarnAllocations) -> v1::GetEarnAllocationsResponse {
    v1::GetEarnAllocationsResponse {
        converted_asset: page.converted_asset,
        total_allocated: digits(page.total_allocated),
        total_rewarded: digits(page.total_rewarded),
        next_page_token: page.next_cursor.unwrap_or_default(),
        allocations: page.items.into_iter().map(allocation).collect(),
        extra: page.extra.into_iter().collect(),
    }
}

fn allocation(one: EarnAllocation) -> v1::EarnAllocation {
    let states = one.amount_allocated;
    v1::EarnAllocation {
        strategy_id: one.strategy_id,
        native_asset: one.native_asset,
        bonding: states.bonding.map(portion),
        exit_queue: states.exit_queue.map(portion),
        unbonding: states.unbonding.map(portion),
        pending: states.pending.map(amount),
        total: Some(amount(states.total)),
        total_rewarded: one.total_rewarded.map(amount),
        payout: one.payout.map(payout),
        amount_extra: states.extra.into_iter().collect(),
        extra: one.extra.into_iter().collect(),
    }
}

fn amount(amount: EarnAmount) -> v1::EarnAmount {
    v1::EarnAmount { extra: amount.extra.into_iter().collect(), ..of_two(amount.native, amount.converted) }
}

fn of_two(native: Decimal, converted: Option<Decimal>) -> v1::EarnAmount {
    v1::EarnAmount { native: native.0, converted: digits(converted), extra: Default::default() }
}

fn portion(portion: EarnPortion) -> v1::EarnPortion {
    let count = portion.allocation_count;
    v1::EarnPortion {
        amount: Some(of_two(portion.native, portion.converted)),
        count: count.unwrap_or_else(|| u32::try_from(portion.allocations.len()).unwrap_or(u32::MAX)),
        parts: portion.allocations.into_iter().map(part).collect(),
        extra: portion.extra.into_iter().collect(),
    }
}

fn part(mut part: EarnPart) -> v1::EarnPart {
    v1::EarnPart {
        amount: Some(of_two(part.native, part.converted)),
        create_time: moment(part.created_at, "created_at", &mut part.extra),
        expire_time: moment(part.expires, "expires", &mut part.extra),
        extra: part.extra.into_iter().collect(),
    }
}

fn payout(mut payout: EarnPayout) -> v1::EarnPayout {
    v1::EarnPayout {
        period_start: moment(payout.period_start, "period_start", &mut payout.extra),
        period_end: moment(payout.period_end, "period_end", &mut payout.extra),
        accumulated_reward: payout.accumulated_reward.map(amount),
        estimated_reward: payout.estimated_reward.map(amount),
        extra: payout.extra.into_iter().collect(),
    }
}

/// A time that Kraken wrote; its text is kept where it cannot be read.
fn moment(text: Option<String>, name: &str, extra: &mut Extra) -> Option<Timestamp> {
    let text = text?;
    rfc3339(&text).or_else(|| keep_word(extra, name, &text, None))
}

#[cfg(test)]
#[path = "earn_tests.rs"]
mod tests;
