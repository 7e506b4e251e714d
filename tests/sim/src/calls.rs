//! The callers, the gateway's choice of a process, and what an executor makes of a call: `services/executor/src/execute.rs`.

use serde_json::value::RawValue;
use tidegate_core::{AccountName, Endpoint, ErrorKind, UnixUs, endpoint};
use tidegate_kraken::{Executed, KeyEffect, Params, Refusal};
use tidegate_lanes::{Asked, Candidate, Dates, Priority, SubmitRefusal, Ticket, TicketId, choose};

use crate::acts::Attempt;
use crate::plan::{CallPlan, MS, Want};
use crate::process::domain;
use crate::seen::Mark;
use crate::world::{Event, World};

/// How often a gateway tries another process.
const TRIES_MAX: usize = 3;

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Late,
    Moved,
    NoKey,
    Refused,
    /// Kraken's refusal of a call is a proof, too.
    ByKraken,
    /// It was looked for after it could come no more.
    Absent,
}

/// What became of a call in a lane.
#[derive(Debug)]
pub(crate) enum Landed {
    Unsent(Proof),
    Unclear,
    Answered { refusal: Option<Refusal>, result: Option<Box<RawValue>> },
}

/// What a caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Done,
    /// Promise 1: nothing was executed.
    NotExecuted(Proof),
    Unresolved,
    /// A read that got no usable answer.
    NoAnswer,
    /// A read whose nonces were refused twice in a row: it is to be asked again.
    RefusedTwice,
}

/// A call and its fate.
#[derive(Debug)]
pub(crate) struct Call {
    pub plan: CallPlan,
    pub client_id: String,
    pub endpoint: &'static Endpoint,
    pub params: Params,
    pub deadline: bool,
    pub began_us: u64,
    pub tried: Vec<usize>,
    pub at: Option<(usize, u64, usize, TicketId)>,
    /// A refused nonce of a read is signed once more.
    pub again: bool,
    /// `None`: nothing yet. What came over a broken way is nothing either.
    pub told: Option<Told>,
    pub told_us: u64,
    pub left: bool,
    pub submitted_us: u64,
    /// A cancel that must leave in time.
    pub cancel_watched: bool,
    /// Of an order with a request id.
    pub attempt: Option<Attempt>,
    /// Of the resolver's.
    pub round: Option<usize>,
    /// The process that has it, before and after its time in a lane.
    pub host: Option<(usize, u64)>,
}

#[expect(clippy::expect_used, reason = "names of the table")]
fn row(name: &str) -> &'static Endpoint {
    endpoint(name).expect("in the table")
}

impl Call {
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.plan.want, Want::Balance | Want::OpenOrders | Want::ClosedOrders)
    }

    /// Whether a second copy cannot double anything.
    fn may_repeat(&self) -> bool {
        self.is_read() || self.plan.want == Want::Cancel
    }

    pub(crate) fn priority(&self) -> Priority {
        match self.plan.want {
            Want::Place => Priority::Place,
            Want::Cancel => Priority::Cancel,
            _ => Priority::Read,
        }
    }
}

impl World {
    pub(crate) fn add_call(&mut self, plan: CallPlan) -> usize {
        let number = self.calls.len();
        let act = match plan.want {
            Want::Place => Some(self.add_act(plan, number)),
            _ => None,
        };
        self.add_call_of(plan, act)
    }

    /// One more call with the request id of an act.
    pub(crate) fn add_attempt(&mut self, plan: CallPlan, act: usize) -> usize {
        let number = self.calls.len();
        self.acts[act].calls.push(number);
        self.add_call_of(plan, Some(act))
    }

    fn add_call_of(&mut self, plan: CallPlan, act: Option<usize>) -> usize {
        let number = self.calls.len();
        let client_id = act.map_or_else(|| format!("call-{number}"), |act| self.acts[act].id.clone());
        let mut params = Params::new();
        let (name, deadline) = match plan.want {
            Want::Balance => ("Balance", false),
            Want::OpenOrders => ("OpenOrders", false),
            Want::ClosedOrders => ("ClosedOrders", false),
            Want::Place => {
                let (pair, price, volume) =
                    [("XBTUSD", "20000", "0.001"), ("ETHUSD", "1000", "0.01"), ("XBTEUR", "20000", "0.001")]
                        [number % self.plan.pairs];
                let terms: &[_] = match self.plan.fills {
                    true => &[("ordertype", "market")],
                    false => &[("ordertype", "limit"), ("price", price)],
                };
                for (name, text) in [("pair", pair), ("type", "buy"), ("volume", volume)].iter().chain(terms)
                {
                    params.text(name, *text);
                }
                params.text("cl_ord_id", client_id.clone());
                ("AddOrder", true)
            }
            Want::Cancel => {
                let of_account =
                    |call: &&Call| call.plan.account == plan.account && call.plan.want == Want::Place;
                let older: Vec<&Call> = self.calls.iter().filter(of_account).collect();
                let target =
                    older.get(older.len().saturating_sub(1 + number % 7)).map(|call| call.client_id.clone());
                params.text("cl_ord_id", target.unwrap_or_else(|| "nobody".to_owned()));
                ("CancelOrder", false)
            }
        };
        self.calls.push(Call {
            plan,
            client_id,
            endpoint: row(name),
            params,
            deadline,
            began_us: plan.at_us,
            tried: Vec::new(),
            at: None,
            again: true,
            told: None,
            told_us: 0,
            left: false,
            submitted_us: 0,
            cancel_watched: false,
            attempt: act.map(|act| Attempt { act, ..Attempt::default() }),
            round: None,
            host: None,
        });
        number
    }

    pub(crate) fn call(&mut self, number: usize) {
        self.trace.event(self.t_us, "call", number as u64, 0);
        let patience_us = self.calls[number].plan.patience_us;
        self.calls[number].began_us = self.t_us;
        self.queue.push(self.t_us + patience_us + 100 * MS, Event::CallerLeaves(number));
        self.elsewhere(number);
    }

    /// The gateway chooses a process that has not been tried.
    pub(crate) fn elsewhere(&mut self, number: usize) {
        let call = &self.calls[number];
        if call.told.is_some() || call.left {
            return;
        }
        if call.tried.len() >= TRIES_MAX {
            return self.tell(number, Told::NotExecuted(Proof::Moved));
        }
        let mut candidates = Vec::new();
        for slot in (0..self.procs.len()).filter(|slot| self.procs[*slot].up && !call.tried.contains(slot)) {
            candidates.extend(self.candidates(slot, number).into_iter().map(|c| (slot, c)));
        }
        let account = domain(call.plan.account);
        let all = candidates.iter().map(|(_, candidate)| candidate);
        let Some(best) =
            choose(&self.asked(number, &account), all).ok().and_then(|ranked| ranked.first().copied())
        else {
            return self.tell(number, Told::NotExecuted(Proof::NoKey));
        };
        let slot = candidates.iter().find(|(_, c)| std::ptr::eq(c, best)).map_or(0, |(slot, _)| *slot);
        self.calls[number].tried.push(slot);
        let (life, way_us) = (self.procs[slot].life, self.rng.within(100, 2_000));
        self.queue.push(self.t_us + way_us, Event::CallAt { call: number, slot, life });
    }

    fn asked<'a>(&self, number: usize, account: &'a AccountName) -> Asked<'a> {
        let endpoint = self.calls[number].endpoint;
        Asked { endpoint, account, key_tag: None, dates: Dates::default(), now: UnixUs(self.t_us) }
    }

    fn candidates(&self, slot: usize, number: usize) -> Vec<Candidate> {
        let process = &self.procs[slot];
        let now = process.clocks.mono(self.t_us);
        let cancels = self.calls[number].priority() == Priority::Cancel;
        let candidate = |(cell, plan): (&crate::process::Cell, &crate::plan::KeyPlan)| {
            let view = cell.lane.snapshot(now);
            Candidate {
                last_resort: view.is_quarantined(),
                busy: cancels && view.cancels_wait,
                ready: if cancels { view.takes_cancels() } else { view.is_ready() },
                predicted_wait_ms: view.predicted_wait_ms,
                local: true,
                ..Candidate::new(view.label, domain(plan.account), plan.permissions)
            }
        };
        process.cells.iter().zip(&self.plan.keys).map(candidate).collect()
    }

    pub(crate) fn call_at(&mut self, number: usize, slot: usize) {
        if self.calls[number].left {
            return;
        }
        let life = self.procs[slot].life;
        if self.calls[number].attempt.is_some() {
            return self.claim(number, slot);
        }
        let answer_by_us = self.calls[number].began_us + self.calls[number].plan.patience_us;
        match self.submit(number, slot) {
            Ok(()) => self.queue.push(answer_by_us, Event::AnswerBy { call: number, slot, life }),
            Err(Proof::Moved | Proof::NoKey) => self.elsewhere(number),
            Err(proof) => self.tell(number, Told::NotExecuted(proof)),
        }
    }

    /// Puts a call into the best lane of a process that takes it.
    pub(crate) fn submit(&mut self, number: usize, slot: usize) -> Result<(), Proof> {
        let call = &self.calls[number];
        let candidates = self.candidates(slot, number);
        let account = domain(call.plan.account);
        let ranked = choose(&self.asked(number, &account), &candidates).map_err(|_| Proof::NoKey)?;
        let labels: Vec<_> = ranked.iter().map(|candidate| candidate.label.to_string()).collect();
        let (priority, points) = (call.priority(), call.endpoint.rest_points);
        let answer_by_us = call.began_us + call.plan.patience_us;
        let process = &self.procs[slot];
        let (now, life) = (process.clocks.mono(self.t_us), process.life);
        let deadline = now.plus_us(answer_by_us.saturating_sub(self.t_us));
        let mut refusal = Proof::NoKey;
        for label in labels {
            let Some(key) = self.plan.keys.iter().position(|plan| plan.label == label) else { continue };
            self.tickets += 1;
            let ticket = Ticket { id: TicketId(self.tickets), priority, points, deadline };
            match self.procs[slot].cells[key].lane.submit(now, ticket) {
                Ok(()) => {
                    self.trace.event(self.t_us, "submit", number as u64, key as u64);
                    self.procs[slot].cells[key].waiting.insert(ticket.id, number);
                    let call = &mut self.calls[number];
                    call.at = Some((slot, life, key, ticket.id));
                    call.submitted_us = self.t_us;
                    self.watch_cancel(number, slot, key);
                    self.stir(slot, key);
                    self.note_waits(slot, key);
                    return Ok(());
                }
                Err(SubmitRefusal::NotOpen | SubmitRefusal::Draining) => refusal = Proof::Moved,
                Err(_) => refusal = Proof::Refused,
            }
        }
        Err(refusal)
    }

    /// Why a call that was just queued has not left.
    fn note_waits(&mut self, slot: usize, key: usize) {
        let process = &self.procs[slot];
        let view = process.cells[key].lane.snapshot(process.clocks.mono(self.t_us));
        if view.queue_len == 0 {
            return;
        }
        if view.trouble.is_some() {
            self.note(Mark::ClockTrouble);
        } else if view.in_flight == 0 && view.is_ready() {
            let usable = view.points_level_milli + 1_000 <= view.points_usable_milli;
            self.note(if usable { Mark::WaitedForRenewal } else { Mark::BudgetBlocked });
        } else if view.in_flight < 16 && self.plan.keys[key].window > 0 && view.is_ready() {
            self.note(Mark::SpanBlocked);
        }
    }

    /// The process's time for a call is up.
    pub(crate) fn answer_by(&mut self, number: usize, slot: usize) {
        let Some((at, _, key, ticket)) = self.calls[number].at else { return };
        if at != slot || self.calls[number].told.is_some() {
            return;
        }
        if self.calls[number].round.is_some() && self.calls[number].left {
            return;
        }
        let cell = &mut self.procs[slot].cells[key];
        let waited = cell.lane.withdraw(ticket).is_some();
        cell.waiting.remove(&ticket);
        if self.calls[number].round.is_some() {
            return self.looked_up(number, slot, &Landed::Unclear);
        }
        if self.calls[number].attempt.is_some() {
            self.note(if waited { Mark::Withdrawn } else { Mark::LeftOpen });
            if waited {
                self.landed_act(number, slot, Landed::Unsent(Proof::Late));
            } else {
                self.leave_open(number, slot);
            }
            return;
        }
        let first = self.calls[number].again || self.calls[number].is_read();
        if waited && first {
            self.note(Mark::Withdrawn);
            return self.tell(number, Told::NotExecuted(Proof::Late));
        }
        let told = if self.calls[number].is_read() { Told::NoAnswer } else { Told::Unresolved };
        self.tell(number, told);
    }

    pub(crate) fn caller_leaves(&mut self, number: usize) {
        if self.calls[number].told.is_none() {
            self.calls[number].left = true;
            self.note(Mark::ToldNothing);
            self.caller_goes_on(number);
        }
    }

    /// A call left its lane, one way or the other.
    pub(crate) fn land(&mut self, number: usize, slot: usize, key: usize, landed: Landed) {
        if self.calls[number].round.is_some() {
            if !self.calls[number].left {
                self.looked_up(number, slot, &landed);
            }
            return;
        }
        if self.calls[number].attempt.is_some() {
            return self.landed_act(number, slot, landed);
        }
        let call = &mut self.calls[number];
        if call.told.is_some() {
            return;
        }
        let bad_nonce = |refusal: &Refusal| refusal.effect == KeyEffect::BadNonce;
        let told = match landed {
            // The first copy of a cancel may have done its work.
            Landed::Unsent(_) if !call.again && !call.is_read() => Told::Unresolved,
            Landed::Unsent(Proof::Moved) => {
                call.at = None;
                return self.elsewhere(number);
            }
            Landed::Unsent(proof) => Told::NotExecuted(proof),
            Landed::Unclear if call.is_read() => Told::NoAnswer,
            Landed::Unclear => Told::Unresolved,
            Landed::Answered { refusal: Some(refusal), .. } if call.may_repeat() && bad_nonce(&refusal) => {
                if std::mem::take(&mut call.again) {
                    self.note(Mark::ReSigned);
                    match self.submit(number, slot) {
                        Ok(()) => return,
                        Err(_) if !self.calls[number].is_read() => Told::Unresolved,
                        Err(Proof::Moved | Proof::NoKey) => return self.elsewhere(number),
                        Err(proof) => Told::NotExecuted(proof),
                    }
                } else if call.is_read() {
                    Told::RefusedTwice
                } else {
                    Told::Unresolved
                }
            }
            // The first copy of a cancel may have been delivered twice, and done what the second one finds done.
            Landed::Answered { refusal: Some(_), .. } if !call.again && !call.is_read() => Told::Unresolved,
            Landed::Answered { refusal: Some(refusal), .. } => {
                let proves = refusal.executed == Executed::No && refusal.effect != KeyEffect::BadNonce;
                if proves || (call.is_read() && refusal.kind != ErrorKind::Internal) {
                    Told::NotExecuted(Proof::ByKraken)
                } else {
                    Told::Unresolved
                }
            }
            Landed::Answered { refusal: None, result: Some(_) } => Told::Done,
            Landed::Answered { refusal: None, result: None } if call.is_read() => Told::NoAnswer,
            Landed::Answered { .. } => Told::Unresolved,
        };
        self.trace.say(self.t_us, || format!("call-{number} landed at process {slot} key-{key}: {told:?}"));
        self.tell(number, told);
    }

    pub(crate) fn tell(&mut self, number: usize, told: Told) {
        let call = &mut self.calls[number];
        if call.told.is_some() || call.left {
            return;
        }
        call.told = Some(told);
        call.told_us = self.t_us;
        self.trace.event(self.t_us, "told", number as u64, matches!(told, Told::Done).into());
        match told {
            Told::Done => self.note(Mark::ToldDone),
            Told::NotExecuted(_) => self.note(Mark::ToldNotExecuted),
            Told::Unresolved | Told::NoAnswer => self.note(Mark::ToldUnresolved),
            // The judge looks at what was behind it.
            Told::RefusedTwice => self.note(Mark::ToldNotExecuted),
        }
        self.caller_goes_on(number);
    }
}
