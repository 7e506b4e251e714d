//! Who finds out at the exchange what became of orders: `services/executor/src/resolve.rs`.

use std::collections::BTreeSet;

use tidegate_core::{Permission, PermissionSet};
use tidegate_kraken::wire::{self, ClosedOrders, Entries, OpenOrders};
use tidegate_lanes::{Claim, IntentKey, IntentRecord, IntentState, LaneState, OpenIntents, Settle, Wish};

use crate::calls::Landed;
use crate::intents::{Ask, Then};
use crate::plan::{ACCOUNTS, CallPlan, EPOCH_US, Point, S, Want};
use crate::process::domain;
use crate::seen::Mark;
use crate::world::{Event, World};

/// Between two looks at the store.
const EVERY_US: u64 = S;
/// The exchange's page of closed orders.
const PAGE: usize = 50;
const PAGES_MAX: usize = 40;
/// A page costs up to four points, which take twelve seconds to decay on the smallest tier.
const PATIENCE_US: u64 = 60 * S;
/// Looked for from so long before.
const BEFORE_US: u64 = 60 * S;

/// One look for the orders of an account.
#[derive(Debug)]
pub(crate) struct Round {
    account: usize,
    generation: String,
    now_us: u64,
    due: Vec<(String, IntentRecord)>,
    found: BTreeSet<String>,
    page: usize,
    since_us: u64,
}

impl World {
    /// A process looks whether there is something to be found out.
    pub(crate) fn resolve(&mut self, slot: usize) {
        let life = self.procs[slot].life;
        self.queue.push(self.t_us + EVERY_US, Event::Resolve { slot, life });
        for account in 0..ACCOUNTS.len() {
            if !self.procs[slot].looking[account] && self.looks_for(slot, account) {
                self.ask_intents(slot, Ask::Open(domain(account)), Then::Round(account));
            }
        }
    }

    /// Whether a process owns the account's first key that can look.
    fn looks_for(&self, slot: usize, account: usize) -> bool {
        let needed = PermissionSet::of(&[Permission::QueryOpenTrades, Permission::QueryClosedTrades]);
        let process = &self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let cells = process.cells.iter().zip(&self.plan.keys);
        let mut fit = cells.filter(|(_, key)| key.account == account && key.permissions.contains(needed));
        let used = |cell: &crate::process::Cell| {
            let view = cell.lane.snapshot(now);
            view.state == LaneState::Open || (view.state == LaneState::Idle && cell.keeper.owner().is_some())
        };
        fit.find(|(cell, _)| used(cell)).is_some_and(|(cell, _)| cell.lane.snapshot(now).is_ready())
    }

    pub(crate) fn round(&mut self, slot: usize, account: usize, open: OpenIntents) {
        // Of two clocks the one that is behind concludes nothing too early.
        let process = &self.procs[slot];
        let store_now_us = open.store_now_us.min(process.clocks.wall(self.t_us).0);
        let due: Vec<(String, IntentRecord)> =
            open.intents.iter().filter(|(_, known)| known.is_due(store_now_us)).cloned().collect();
        let names = due.iter().map(|(id, known)| (id.clone(), known.absence_counts(store_now_us))).collect();
        let process = &mut self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let nothing = due.is_empty() || open.generation.is_empty();
        if nothing || process.looking[account] || !process.paces[account].is_time(now, names) {
            return;
        }
        process.looking[account] = true;
        let born_us =
            |known: &IntentRecord| known.request_id.parse().unwrap_or(known.claimed_us).min(known.claimed_us);
        let since_us = due.iter().map(|(_, known)| born_us(known)).min().unwrap_or_default();
        let since_us = since_us.saturating_sub(BEFORE_US + EPOCH_US);
        self.note(Mark::Looked);
        let generation = open.generation;
        let found = BTreeSet::new();
        self.rounds.push(Round { account, generation, now_us: store_now_us, due, found, page: 0, since_us });
        let round = self.rounds.len() - 1;
        if !self.fail_at(slot, Point::RoundBegun) {
            self.look_up(round, slot, Want::OpenOrders);
        }
    }

    fn look_up(&mut self, round: usize, slot: usize, want: Want) {
        let account = self.rounds[round].account;
        let call = self.add_call(CallPlan { at_us: self.t_us, account, want, patience_us: PATIENCE_US });
        if want == Want::ClosedOrders {
            let (since_us, page) = (self.rounds[round].since_us, self.rounds[round].page);
            let params = &mut self.calls[call].params;
            params.text("start", ((EPOCH_US + since_us) / S).to_string());
            params.text("ofs", (page * PAGE).to_string());
        }
        self.calls[call].round = Some(round);
        let life = self.procs[slot].life;
        self.calls[call].host = Some((slot, life));
        let submitted = self.submit(call, slot);
        self.trace.say(self.t_us, || {
            format!("round {round} of process {slot} for account {account}: {want:?} as call-{call}: {submitted:?}")
        });
        match submitted {
            Ok(()) => self.queue.push(self.t_us + PATIENCE_US, Event::AnswerBy { call, slot, life }),
            Err(_) => {
                self.note(Mark::LookFailed);
                self.round_over(round, slot);
            }
        }
    }

    /// The next round begins anew.
    fn round_over(&mut self, round: usize, slot: usize) {
        let account = self.rounds[round].account;
        self.procs[slot].looking[account] = false;
    }

    /// A page of orders is there, or is not.
    pub(crate) fn looked_up(&mut self, call: usize, slot: usize, landed: &Landed) {
        let Some(number) = self.calls[call].round else { return };
        self.calls[call].left = true;
        let Landed::Answered { refusal: None, result: Some(result) } = landed else {
            self.trace.say(self.t_us, || format!("round {number}: call-{call} came to {landed:?}"));
            self.note(Mark::LookFailed);
            return self.round_over(number, slot);
        };
        let round = &mut self.rounds[number];
        let orders = if self.calls[call].plan.want == Want::OpenOrders {
            wire::read::<OpenOrders>(Some(result)).map(|orders| orders.open)
        } else {
            wire::read::<ClosedOrders>(Some(result)).map(|orders| orders.closed)
        };
        let Ok(Entries(orders)) = orders else {
            self.violate("orders of the exchange cannot be read");
            return self.round_over(number, slot);
        };
        let last = self.calls[call].plan.want == Want::ClosedOrders && orders.len() < PAGE;
        if self.calls[call].plan.want == Want::ClosedOrders {
            round.page += 1;
        }
        round.found.extend(orders.into_iter().filter_map(|(_, order)| order.cl_ord_id));
        if self.fail_at(slot, Point::RoundLooked) {
            return;
        }
        if !last && self.rounds[number].page < PAGES_MAX {
            return self.look_up(number, slot, Want::ClosedOrders);
        }
        self.conclude(number, slot);
        self.round_over(number, slot);
    }

    fn conclude(&mut self, number: usize, slot: usize) {
        let round = &mut self.rounds[number];
        let due = std::mem::take(&mut round.due);
        for (id, known) in due {
            let round = &self.rounds[number];
            let state = match round.found.contains(&id) {
                true => IntentState::Executed,
                false if known.absence_counts(round.now_us) => IntentState::Absent,
                false => continue,
            };
            let (account, generation) = (domain(round.account), round.generation.clone());
            let claim = Claim {
                key: IntentKey { domain: account.clone(), id },
                account,
                endpoint: known.endpoint,
                request_id: known.request_id,
                content: known.content,
                token: known.token,
                born_us: 0,
                caller_now_us: 0,
                not_after_us: known.not_after_us,
                findable: true,
                cancels: false,
                caller: known.caller,
                handle: known.handle,
                wish: Wish::Keep,
            };
            self.note(if state == IntentState::Absent { Mark::FoundAbsent } else { Mark::FoundExecuted });
            let outcome = state.as_str().as_bytes().to_vec();
            let settle = Settle { claim, state, outcome, generation: Some(generation), note: String::new() };
            self.ask_intents(slot, Ask::Settle(Box::new(settle)), Then::Verdict);
            if self.fail_at(slot, Point::VerdictSent) {
                return;
            }
        }
    }
}
