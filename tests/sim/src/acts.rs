//! Orders with a request id: callers who ask again, and what an executor makes of it: `services/executor/src/acts.rs`.
//!
//! A caller keeps asking with the same request id until he is told for good. Each time is a call of its own, at whatever
//! process; the claim in the store makes one act of them.

use tidegate_kraken::{Executed, KeyEffect};
use tidegate_lanes::{
    CLAIM_SKEW_MAX_US, Claim, ClaimReply, IntentKey, IntentRecord, IntentState, Settle, Wish, Withdraw,
    may_sign_again,
};

use crate::calls::{Landed, Proof, Told};
use crate::flight::NOT_AFTER_MS;
use crate::intents::{Ask, Then};
use crate::plan::{ACCOUNTS, CHAOS_US, CallPlan, EPOCH_US, MS, Point, S};
use crate::process::domain;
use crate::seen::Mark;
use crate::world::{Event, World};

/// How often a caller asks while things go wrong.
const ASKS_MAX: usize = 5;
/// Between two looks of an executor at an intent that somebody else sends.
const FOLLOW_EVERY_US: u64 = 500 * MS;
/// Between two attempts to write an outcome, and how many there are.
const WRITE_AGAIN_US: u64 = 500 * MS;
const WRITES_MAX: u32 = 120;

/// One request id.
#[derive(Debug)]
pub(crate) struct Act {
    /// The client order id, and the intent's.
    pub id: String,
    pub born_us: u64,
    pub plan: CallPlan,
    /// Calls that ask for it.
    pub calls: Vec<usize>,
    /// What its caller was told for good.
    pub last: Option<Told>,
}

/// What an executor holds of an attempt.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub act: usize,
    /// Made by this attempt, while it may be sent.
    pub claim: Option<Claim>,
    /// Whether something of it was written to the exchange, or may have been.
    pub open: bool,
    pub writes: u32,
}

impl World {
    /// A new request id for a placement.
    pub(crate) fn add_act(&mut self, plan: CallPlan, call: usize) -> usize {
        let number = self.acts.len();
        let born_us = EPOCH_US + plan.at_us;
        self.acts.push(Act { id: format!("act-{number}"), born_us, plan, calls: vec![call], last: None });
        number
    }

    /// An executor begins with an attempt: it claims.
    pub(crate) fn claim(&mut self, number: usize, slot: usize) {
        let Some(attempt) = &self.calls[number].attempt else { return };
        let act = &self.acts[attempt.act];
        let process = &self.procs[slot];
        let left_us = (self.calls[number].began_us + act.plan.patience_us).saturating_sub(self.t_us);
        let not_after_us = process.clocks.wall(self.t_us).plus_ms(left_us / MS + NOT_AFTER_MS).0;
        let claim = Claim {
            key: IntentKey { domain: domain(act.plan.account), id: act.id.clone() },
            account: domain(act.plan.account),
            endpoint: "AddOrder".to_owned(),
            // A real one says in itself when it was born.
            request_id: act.born_us.to_string(),
            content: "content".to_owned(),
            token: format!("{slot}-{}-{number}-{}", process.life, self.t_us),
            born_us: act.born_us,
            caller_now_us: process.clocks.wall(self.t_us).0,
            not_after_us,
            findable: true,
            cancels: false,
            caller: "caller".to_owned(),
            handle: String::new(),
            wish: Wish::Keep,
        };
        self.calls[number].host = Some((slot, process.life));
        self.ask_intents(slot, Ask::Claim(Box::new(claim)), Then::Claimed(number));
        self.fail_at(slot, Point::Claiming);
    }

    /// The store answered the claim; `None`: it did not.
    pub(crate) fn claimed(&mut self, number: usize, slot: usize, claim: Claim, reply: Option<ClaimReply>) {
        match reply {
            // No order without a claim. It may have been made all the same; then it will be found absent.
            None => self.tell(number, Told::NotExecuted(Proof::Refused)),
            Some(ClaimReply::NoGeneration) => {
                self.note(Mark::ClaimNoGeneration);
                self.tell(number, Told::NotExecuted(Proof::Refused));
            }
            // Nobody halts anything here.
            Some(ClaimReply::Halted { .. }) => self.violate("a claim was halted".to_owned()),
            Some(
                ClaimReply::Unborn { .. }
                | ClaimReply::TooOld { .. }
                | ClaimReply::TooFar { .. }
                | ClaimReply::Skewed { .. },
            ) => {
                self.note(Mark::ClaimUntimely);
                self.tell(number, Told::NotExecuted(Proof::Refused));
            }
            Some(ClaimReply::Known(known)) => {
                self.note(if known.state == IntentState::Lost { Mark::ClaimLost } else { Mark::ClaimKnown });
                self.follow(number, slot, Some(*known));
            }
            Some(ClaimReply::Claimed { store_now_us, .. }) => {
                if let Some(attempt) = &mut self.calls[number].attempt {
                    attempt.claim = Some(claim);
                }
                // The claim says until when the order can be executed, and whoever looks for it compares that with the
                // store's clock.
                if self.procs[slot].clocks.wall(self.t_us).0.abs_diff(store_now_us) > CLAIM_SKEW_MAX_US {
                    self.note(Mark::ClaimSkewed);
                    return self.unsent(number, slot, Proof::Refused);
                }
                if self.fail_at(slot, Point::Claimed) {
                    return;
                }
                let life = self.procs[slot].life;
                let answer_by_us = self.answer_by_us(number);
                if self.t_us >= answer_by_us {
                    return self.unsent(number, slot, Proof::Late);
                }
                match self.submit(number, slot) {
                    Ok(()) => self.queue.push(answer_by_us, Event::AnswerBy { call: number, slot, life }),
                    Err(proof) => self.unsent(number, slot, proof),
                }
            }
        }
    }

    fn answer_by_us(&self, number: usize) -> u64 {
        let call = &self.calls[number];
        call.began_us + call.plan.patience_us
    }

    /// Nothing was written: the claim is taken back before anybody is told.
    fn unsent(&mut self, number: usize, slot: usize, proof: Proof) {
        let Some(claim) = self.calls[number].attempt.as_mut().and_then(|attempt| attempt.claim.take()) else {
            return self.told_unsent(number, proof);
        };
        let withdraw = Withdraw { key: claim.key, account: claim.account, token: claim.token };
        self.ask_intents(slot, Ask::Withdraw(Box::new(withdraw)), Then::TakenBack(number, proof));
        self.fail_at(slot, Point::TakingBack);
    }

    pub(crate) fn told_unsent(&mut self, number: usize, proof: Proof) {
        if matches!(proof, Proof::Moved | Proof::NoKey) {
            self.calls[number].at = None;
            return self.elsewhere(number);
        }
        self.tell(number, Told::NotExecuted(proof));
    }

    /// What came of an attempt in its lane.
    pub(crate) fn landed_act(&mut self, number: usize, slot: usize, landed: Landed) {
        let attempt = self.calls[number].attempt.as_ref();
        if attempt.is_none_or(|attempt| attempt.claim.is_none()) {
            return;
        }
        let (state, told) = match landed {
            Landed::Unsent(proof) if self.calls[number].again => return self.unsent(number, slot, proof),
            Landed::Unsent(_) | Landed::Unclear => (IntentState::Doubtful, Told::Unresolved),
            Landed::Answered { refusal: Some(refusal), .. } => {
                let bad_nonce = refusal.effect == KeyEffect::BadNonce;
                let again = &mut self.calls[number].again;
                if bad_nonce
                    && may_sign_again(false, tidegate_lanes::Priority::Place)
                    && std::mem::take(again)
                {
                    // Never, but for the mutant.
                    if self.submit(number, slot).is_ok() {
                        return;
                    }
                }
                if refusal.executed == Executed::No && !bad_nonce {
                    (IntentState::Refused, Told::NotExecuted(Proof::ByKraken))
                } else {
                    (IntentState::Doubtful, Told::Unresolved)
                }
            }
            Landed::Answered { refusal: None, result: Some(_) } => (IntentState::Executed, Told::Done),
            Landed::Answered { refusal: None, result: None } => (IntentState::Doubtful, Told::Unresolved),
        };
        if state.is_final() && self.calls[number].attempt.as_ref().is_some_and(|attempt| attempt.open) {
            self.note(Mark::LateProof);
        }
        if self.fail_at(slot, Point::Landed) {
            return;
        }
        self.write_outcome(number, slot, state, Some(told));
    }

    /// The executor's time is up, and the order is on its way.
    pub(crate) fn leave_open(&mut self, number: usize, slot: usize) {
        self.write_outcome(number, slot, IntentState::Doubtful, Some(Told::Unresolved));
    }

    fn write_outcome(&mut self, number: usize, slot: usize, state: IntentState, told: Option<Told>) {
        let Some(attempt) = self.calls[number].attempt.as_mut() else { return };
        let Some(claim) = attempt.claim.clone() else { return };
        attempt.open |= !state.is_final();
        attempt.writes += 1;
        if attempt.writes > WRITES_MAX {
            return;
        }
        let outcome = state.as_str().as_bytes().to_vec();
        let settle = Settle { claim, state, outcome, generation: None, note: String::new() };
        self.ask_intents(slot, Ask::Settle(Box::new(settle)), Then::Written(number, state, told));
        self.fail_at(slot, Point::Settling);
    }

    /// The store has the outcome, or did not answer; its caller is kept waiting for the first attempt only.
    pub(crate) fn written(
        &mut self,
        number: usize,
        slot: usize,
        state: IntentState,
        told: Option<Told>,
        done: bool,
    ) {
        if self.fail_at(slot, Point::Settled) {
            return;
        }
        if let Some(told) = told {
            self.tell(number, told);
        }
        if !done {
            self.note(Mark::WrittenAgain);
            let (life, at_us) = (self.procs[slot].life, self.t_us + WRITE_AGAIN_US);
            self.queue.push(at_us, Event::WriteAgain { call: number, slot, life, state });
        }
    }

    pub(crate) fn write_again(&mut self, number: usize, slot: usize, state: IntentState) {
        self.write_outcome(number, slot, state, None);
    }

    /// What is known of an id that somebody has claimed before, as soon as its fate is known, or when time is up.
    pub(crate) fn follow(&mut self, number: usize, slot: usize, known: Option<IntentRecord>) {
        if self.calls[number].told.is_some() || self.calls[number].left {
            return;
        }
        let Some(known) = known else {
            // It was taken back: nothing was sent, and the same id may be tried again.
            return self.tell(number, Told::NotExecuted(Proof::Refused));
        };
        let told = match known.state {
            IntentState::Executed => Told::Done,
            IntentState::Refused => Told::NotExecuted(Proof::ByKraken),
            IntentState::Absent => Told::NotExecuted(Proof::Absent),
            _ if self.t_us + FOLLOW_EVERY_US >= self.answer_by_us(number) => Told::Unresolved,
            _ => {
                let (life, at_us) = (self.procs[slot].life, self.t_us + FOLLOW_EVERY_US);
                return self.queue.push(at_us, Event::Follow { call: number, slot, life });
            }
        };
        if known.state.is_final() {
            self.note(Mark::ToldAsKept);
        }
        self.tell(number, told);
    }

    pub(crate) fn follow_again(&mut self, number: usize, slot: usize) {
        let Some(attempt) = &self.calls[number].attempt else { return };
        let act = &self.acts[attempt.act];
        let key = IntentKey { domain: domain(act.plan.account), id: act.id.clone() };
        self.ask_intents(slot, Ask::Read(key), Then::Followed(number));
    }

    /// What a caller does when he was told something, or nothing.
    pub(crate) fn caller_goes_on(&mut self, number: usize) {
        let Some(attempt) = &self.calls[number].attempt else { return };
        let at = attempt.act;
        let told = self.calls[number].told;
        let act = &mut self.acts[at];
        let last = matches!(told, Some(Told::Done | Told::NotExecuted(Proof::ByKraken | Proof::Absent)));
        let no = |told: Told| matches!(told, Told::NotExecuted(Proof::ByKraken | Proof::Absent));
        // Kraken's own refusal may be lost with the store's memory. Then it is found that nothing was executed, in other words.
        let lost = self.truth.generations.get(&act.plan.account).is_some_and(|list| list.len() > 1);
        let same = |before: Told| Some(before) == told || (lost && no(before) && told.is_some_and(no));
        if last
            && let Some(before) = act.last.replace(told.unwrap_or(Told::Unresolved))
            && !same(before)
        {
            let text = format!("the caller of act-{at} was told {before:?}, and then {told:?}");
            self.violate(text);
        }
        // Who knows asks again now and then all the same: a program that has forgotten.
        let asks = self.acts[at].calls.len();
        let again = if last { self.rng.percent(10) } else { true };
        let healed = self.weather.healed;
        if again && (asks < ASKS_MAX || (healed && !last && self.opened_us.is_none_or(|_| asks < 200))) {
            let pause_us =
                if healed { self.rng.within(8 * S, 20 * S) } else { self.rng.long_tail(100 * MS, 20 * S) };
            let plan = CallPlan { at_us: self.t_us + pause_us, ..self.acts[at].plan };
            let call = self.add_attempt(plan, at);
            self.queue.push(plan.at_us, Event::Call(call));
        }
    }

    /// Whether an act's id was asked for while the store had lost its memory and its clock ran minutes ahead: then it is looked
    /// for until that time, because nothing tells the store that its own clock is wrong.
    pub(crate) fn waits_for_clock(&self, act: usize) -> bool {
        let act = &self.acts[act];
        let key = IntentKey { domain: domain(act.plan.account), id: act.id.clone() };
        self.store.intent(&key).is_some_and(|known| {
            known.state == IntentState::Lost && known.not_after_us > EPOCH_US + CHAOS_US + 130 * S
        })
    }

    /// Intents that are not decided, and those that ought to be.
    pub(crate) fn undecided(&self) -> (usize, usize) {
        let slack_us = if self.plan.tier.decay_milli_per_s >= 1_000 { 60 * S } else { 120 * S };
        let (mut open, mut late) = (0, 0);
        for account in 0..ACCOUNTS.len() {
            for (_, known) in self.store.open_intents(self.t_us, &domain(account)).intents {
                // One that was lost may be asked for long after the last moment at which it could be executed.
                let latest_us = known.not_after_us.max(known.claimed_us);
                let deadline_us = latest_us.saturating_sub(EPOCH_US).max(CHAOS_US);
                open += usize::from(deadline_us <= CHAOS_US + 130 * S);
                late += usize::from(self.t_us > deadline_us + slack_us);
            }
        }
        (open, late)
    }
}
