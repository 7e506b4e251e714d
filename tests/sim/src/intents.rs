//! Requests to the store about intents: on their way, carried out by the real rules, answered or not.

use tidegate_core::AccountName;
use tidegate_lanes::{
    Claim, ClaimReply, IntentKey, IntentRecord, IntentState, OpenIntents, Settle, Settled, Withdraw,
};

use crate::calls::{Proof, Told};
use crate::plan::MS;
use crate::seen::Mark;
use crate::world::{Event, World};

/// A command to the store is given up after so long (the product's default).
const STORE_TIMEOUT_US: u64 = 250 * MS;

/// Between two attempts to take a claim back.
const TAKE_BACK_AGAIN_US: u64 = 500 * MS;
/// How often a claim is tried to be taken back.
const TAKE_BACKS_MAX: u32 = 4;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Claim(Box<Claim>),
    Settle(Box<Settle>),
    Withdraw(Box<Withdraw>),
    Read(IntentKey),
    Open(AccountName),
}

/// What is to be done with the answer.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    Claimed(usize),
    /// An outcome, and what its caller is told after it.
    Written(usize, IntentState, Option<Told>),
    TakenBack(usize, Proof),
    /// The same once more, and how often it was tried.
    TakenBackAgain(u32),
    Followed(usize),
    /// A round of the resolver for an account.
    Round(usize),
    Verdict,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Claim(ClaimReply),
    Settle(Settled),
    Withdraw,
    Read(Option<Box<IntentRecord>>),
    Open(OpenIntents),
}

/// One request.
#[derive(Debug)]
pub(crate) struct Question {
    pub slot: usize,
    pub life: u64,
    ask: Ask,
    then: Then,
    answer: Option<Answer>,
    over: bool,
}

impl World {
    pub(crate) fn ask_intents(&mut self, slot: usize, ask: Ask, then: Then) {
        let number = self.questions.len();
        let life = self.procs[slot].life;
        self.questions.push(Question { slot, life, ask, then, answer: None, over: false });
        if self.store_reached(slot) {
            let way_us = self.store_way_us();
            self.queue.push(self.t_us + way_us, Event::IntentAct(number));
        }
        self.queue.push(self.t_us + STORE_TIMEOUT_US, Event::IntentTimeout(number));
    }

    pub(crate) fn intent_act(&mut self, number: usize) {
        let question = &self.questions[number];
        let slot = question.slot;
        let (t_us, ask) = (self.t_us, question.ask.clone());
        let answer = match &ask {
            Ask::Claim(claim) => {
                let reply = self.store.claim(t_us, claim);
                self.trace.say(t_us, || format!("store: process {slot} claims {}: {reply:?}", claim.key.id));
                Answer::Claim(reply)
            }
            Ask::Settle(settle) => {
                let settled = self.store.settle(t_us, settle);
                self.trace.say(t_us, || {
                    format!(
                        "store: process {slot} says {} {:?}: {settled:?}",
                        settle.claim.key.id, settle.state
                    )
                });
                Answer::Settle(settled)
            }
            Ask::Withdraw(withdraw) => {
                let gone = self.store.withdraw(t_us, withdraw);
                self.trace
                    .say(t_us, || format!("store: process {slot} takes {} back: {gone}", withdraw.key.id));
                if gone {
                    self.note(Mark::TakenBack);
                }
                Answer::Withdraw
            }
            Ask::Read(key) => Answer::Read(self.store.intent(key).map(Box::new)),
            Ask::Open(account) => Answer::Open(self.store.open_intents(t_us, account)),
        };
        self.trace.event(t_us, "intent", slot as u64, number as u64);
        self.questions[number].answer = Some(answer);
        if !self.store_answers_lost() {
            let way_us = self.store_way_us();
            self.queue.push(t_us + way_us, Event::IntentAnswer(number));
        }
    }

    pub(crate) fn intent_answer(&mut self, number: usize) {
        let question = &mut self.questions[number];
        if std::mem::replace(&mut question.over, true) {
            return;
        }
        let (slot, then) = (question.slot, question.then.clone());
        let Some(answer) = question.answer.take() else { return };
        match (then, answer) {
            (Then::Claimed(call), Answer::Claim(reply)) => {
                let Ask::Claim(claim) = self.questions[number].ask.clone() else { return };
                self.claimed(call, slot, *claim, Some(reply));
            }
            (Then::Written(call, state, told), Answer::Settle(settled)) => {
                if let Settled::Kept(known) = &settled
                    && state.is_final()
                    && known.state != state
                {
                    self.violate(format!(
                        "{state:?} was said of an intent that is {:?} for good",
                        known.state
                    ));
                }
                self.written(call, slot, state, told, true);
            }
            (Then::TakenBack(call, proof), Answer::Withdraw) => self.told_unsent(call, proof),
            (Then::TakenBackAgain(_), Answer::Withdraw) => self.taken_back(slot),
            (Then::Followed(call), Answer::Read(known)) => self.follow(call, slot, known.map(|known| *known)),
            (Then::Round(account), Answer::Open(open)) => self.round(slot, account, open),
            (Then::Verdict, Answer::Settle(settled)) => match settled {
                Settled::Stale => self.note(Mark::VerdictStale),
                Settled::Kept(_) => self.note(Mark::VerdictKept),
                Settled::Written | Settled::Replaced(_) => {}
            },
            _ => self.violate("the store answered something else"),
        }
    }

    /// A claim that is not taken back keeps its caller waiting until it is found absent.
    pub(crate) fn take_back_again(&mut self, number: usize, slot: usize, tries: u32) {
        let ask = self.questions[number].ask.clone();
        self.note(Mark::TakenBackAgain);
        self.ask_intents(slot, ask, Then::TakenBackAgain(tries));
    }

    fn take_back_later(&mut self, question: usize, slot: usize, tries: u32) {
        self.procs[slot].owed += usize::from(tries == 1);
        if tries > TAKE_BACKS_MAX {
            self.taken_back(slot);
        } else {
            let (life, at_us) = (self.procs[slot].life, self.t_us + TAKE_BACK_AGAIN_US);
            self.queue.push(at_us, Event::TakeBackAgain { question, slot, life, tries });
        }
    }

    fn taken_back(&mut self, slot: usize) {
        self.procs[slot].owed -= 1;
        self.exit_if_done(slot);
    }

    pub(crate) fn intent_timeout(&mut self, number: usize) {
        let question = &mut self.questions[number];
        if std::mem::replace(&mut question.over, true) {
            return;
        }
        let (slot, life, then) = (question.slot, question.life, question.then.clone());
        match then {
            Then::Claimed(call) => {
                let Ask::Claim(claim) = self.questions[number].ask.clone() else { return };
                self.note(Mark::ClaimUnanswered);
                self.claimed(call, slot, *claim, None);
            }
            Then::Written(call, state, told) => self.written(call, slot, state, told, false),
            Then::TakenBack(call, proof) => {
                self.take_back_later(number, slot, 1);
                self.told_unsent(call, proof);
            }
            Then::TakenBackAgain(tries) => self.take_back_later(number, slot, tries + 1),
            Then::Followed(call) => {
                self.queue.push(self.t_us + 100 * MS, Event::Follow { call, slot, life });
            }
            Then::Round(_) | Then::Verdict => {}
        }
    }
}
