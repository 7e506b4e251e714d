//! One run: everything that exists, and the loop that lets one event after the other happen.

use tidegate_lanes::{GrantRequest, Release};
use tidegate_sandbox::exchange::{Exchange, Reply};
use tidegate_sandbox::{CostProfile, Options, ReplayRule};

use crate::acts::Act;
use crate::calls::Call;
use crate::faults::Weather;
use crate::flight::Flight;
use crate::intents::Question;
use crate::plan::{ACCOUNTS, CHAOS_US, OWNERS, Plan, S};
use crate::process::{Process, domain};
use crate::queue::Queue;
use crate::resolver::Round;
use crate::rng::Rng;
use crate::seen::{Mark, Seen};
use crate::store::Store;
use crate::trace::Trace;
use crate::truth::Truth;
use crate::watch::Watch;
use crate::wire::{Delivery, Keys};

/// Something that happens at its time. Numbers are indices into the world's lists.
#[derive(Debug)]
pub(crate) enum Event {
    /// The task of a lane wakes.
    Tend {
        slot: usize,
        life: u64,
        key: usize,
        wake: u64,
    },
    /// A call is signed; the lease is looked at.
    Check(usize),
    Write(usize),
    /// A copy of a request reaches the exchange.
    Arrive {
        flight: usize,
        copy: u64,
    },
    Authenticate(usize),
    Engine(usize),
    Leave(usize),
    /// The head of an answer is back; `None`: the connection broke.
    Head {
        flight: usize,
        reply: Option<Reply>,
    },
    /// The client gives a request up.
    GiveUp(usize),
    StoreAct(usize),
    StoreAnswer(usize),
    StoreTimeout(usize),
    Notice {
        slot: usize,
        life: u64,
        key: usize,
    },
    Call(usize),
    /// A call reaches a process.
    CallAt {
        call: usize,
        slot: usize,
        life: u64,
    },
    /// A process has to answer a call.
    AnswerBy {
        call: usize,
        slot: usize,
        life: u64,
    },
    /// A caller has waited long enough.
    CallerLeaves(usize),
    Fault(usize),
    WallBack {
        slot: usize,
        life: u64,
        by_us: i64,
    },
    StoreBack {
        by_us: i64,
    },
    Start {
        slot: usize,
        life: u64,
    },
    IntentAct(usize),
    IntentAnswer(usize),
    IntentTimeout(usize),
    /// An executor looks at an intent that somebody else sends.
    Follow {
        call: usize,
        slot: usize,
        life: u64,
    },
    /// An outcome that could not be written is written again.
    WriteAgain {
        call: usize,
        slot: usize,
        life: u64,
        state: tidegate_lanes::IntentState,
    },
    /// A claim that could not be taken back is tried again.
    TakeBackAgain {
        question: usize,
        slot: usize,
        life: u64,
        tries: u32,
    },
    /// A process looks for orders whose fate is not known.
    Resolve {
        slot: usize,
        life: u64,
    },
    LagEnds,
    Heal,
    /// Is everything open again?
    Look,
}

/// One request to the store.
#[derive(Debug)]
pub(crate) struct Errand {
    pub slot: usize,
    pub life: u64,
    pub key: usize,
    pub sent_us: u64,
    /// How far off the clock of the asking process was.
    pub wall_off_us: i64,
    pub ask: Ask,
    pub answer: Option<tidegate_lanes::GrantAnswer>,
    pub over: bool,
}

#[derive(Debug)]
pub(crate) enum Ask {
    Grant(Box<GrantRequest>),
    Release(Box<Release>),
}

/// Everything of one run.
pub(crate) struct World {
    pub plan: Plan,
    pub rng: Rng,
    pub t_us: u64,
    pub queue: Queue<Event>,
    pub trace: Trace,
    pub seen: Seen,
    pub procs: Vec<Process>,
    pub store: Store,
    pub exchange: Exchange,
    pub keys: Keys,
    pub flights: Vec<Flight>,
    pub deliveries: Vec<Delivery>,
    pub errands: Vec<Errand>,
    pub questions: Vec<Question>,
    pub acts: Vec<Act>,
    pub rounds: Vec<Round>,
    pub calls: Vec<Call>,
    pub weather: Weather,
    pub truth: Truth,
    /// Keys of which the wrong one of two answers has come back.
    pub crossed: Vec<usize>,
    /// Keys whose floor was raised: until the clock has come there, a next owner has to wait.
    pub raised: Vec<usize>,
    pub watches: Vec<Watch>,
    pub violations: Vec<String>,
    pub tickets: u64,
    /// When every lane was open again after the faults, and the probes that followed.
    pub opened_us: Option<u64>,
    pub probes: Vec<usize>,
    pub lives: u64,
    pub over: bool,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, readable: bool) -> Self {
        let options = Options {
            tier: plan.sandbox_tier,
            // The simulation is about keys and their counters; the pairs' counters are the store's alone.
            trading_tier: Some(tidegate_sandbox::Tier::Wide),
            cost_profile: if plan.conservative { CostProfile::Conservative } else { CostProfile::Documented },
            replayed_nonce_in_window: if plan.refuse_repeats {
                ReplayRule::Refuse
            } else {
                ReplayRule::Accept
            },
            seed,
            ..Options::default()
        };
        let mut exchange = Exchange::new(&options);
        let keys = Keys::made_for(&plan, &mut exchange);
        let domains: Vec<_> = (0..ACCOUNTS.len()).map(domain).collect();
        let store = Store::new(&domains, plan.store_wall_us);
        let mut world = Self {
            rng: Rng::new(seed, 2),
            t_us: 0,
            queue: Queue::new(),
            trace: Trace::new(readable),
            seen: Seen::default(),
            procs: Vec::new(),
            store,
            exchange,
            keys,
            flights: Vec::new(),
            deliveries: Vec::new(),
            errands: Vec::new(),
            questions: Vec::new(),
            acts: Vec::new(),
            rounds: Vec::new(),
            calls: Vec::new(),
            weather: Weather::default(),
            truth: Truth::new(plan.keys.len()),
            crossed: Vec::new(),
            raised: Vec::new(),
            watches: Vec::new(),
            violations: Vec::new(),
            tickets: 0,
            opened_us: None,
            probes: Vec::new(),
            lives: 0,
            over: false,
            plan,
        };
        for slot in 0..OWNERS {
            let process = Process::start(&world.plan, slot, 0, 0, 0);
            world.procs.push(process);
            world.start(slot);
        }
        for at in 0..world.plan.calls.len() {
            let plan = world.plan.calls[at];
            let call = world.add_call(plan);
            world.queue.push(plan.at_us, Event::Call(call));
        }
        for (number, (at_us, _)) in world.plan.faults.iter().enumerate() {
            world.queue.push(*at_us, Event::Fault(number));
        }
        world.queue.push(CHAOS_US, Event::Heal);
        world
    }

    /// Lets everything happen.
    pub(crate) fn run(&mut self) {
        while !self.over {
            let Some((at_us, event)) = self.queue.pop(u64::MAX) else { break };
            self.t_us = at_us;
            self.happen(event);
            if self.t_us > 400 * S {
                self.violate("the run does not end");
                break;
            }
        }
    }

    pub(crate) fn violate(&mut self, what: impl Into<String>) {
        let text = what.into();
        self.trace.say(self.t_us, || format!("VIOLATION {text}"));
        self.violations.push(format!("at {}.{:06} s: {text}", self.t_us / S, self.t_us % S));
    }

    pub(crate) fn note(&mut self, mark: Mark) {
        self.seen.note(mark);
    }

    /// Which life of which process an event is for, if it is for one.
    fn addressee(&self, event: &Event) -> Option<(usize, u64)> {
        match event {
            Event::Tend { slot, life, .. }
            | Event::Notice { slot, life, .. }
            | Event::AnswerBy { slot, life, .. }
            | Event::Follow { slot, life, .. }
            | Event::WriteAgain { slot, life, .. }
            | Event::TakeBackAgain { slot, life, .. }
            | Event::Resolve { slot, life }
            | Event::CallAt { slot, life, .. } => Some((*slot, *life)),
            Event::Check(flight)
            | Event::Write(flight)
            | Event::Head { flight, .. }
            | Event::GiveUp(flight) => {
                let flight = &self.flights[*flight];
                Some((flight.slot, flight.life))
            }
            Event::IntentAnswer(question) | Event::IntentTimeout(question) => {
                let question = &self.questions[*question];
                Some((question.slot, question.life))
            }
            Event::StoreAnswer(errand) | Event::StoreTimeout(errand) => {
                let errand = &self.errands[*errand];
                Some((errand.slot, errand.life))
            }
            _ => None,
        }
    }

    pub(crate) fn happen(&mut self, event: Event) {
        if let Some((slot, life)) = self.addressee(&event) {
            let process = &self.procs[slot];
            if !process.up || process.life != life {
                if let Event::CallAt { call, .. } = event {
                    // Refused connection: proof that nothing was taken.
                    self.elsewhere(call);
                }
                return;
            }
            if self.t_us < process.paused_until_us {
                // A stopped process takes no step; what was for it waits in its sockets and timers.
                self.queue.push(process.paused_until_us, event);
                return;
            }
        }
        match event {
            Event::Tend { slot, key, wake, .. } => {
                if self.procs[slot].cells[key].wake == wake {
                    self.trace.event(self.t_us, "tend", slot as u64, key as u64);
                    self.tend(slot, key);
                }
            }
            Event::Check(flight) => self.check(flight),
            Event::Write(flight) => self.write(flight),
            Event::Arrive { flight, copy } => self.arrive(flight, copy),
            Event::Authenticate(delivery) => self.authenticate(delivery),
            Event::Engine(delivery) => self.engine(delivery),
            Event::Leave(delivery) => self.leave(delivery),
            Event::Head { flight, reply } => self.head(flight, reply),
            Event::GiveUp(flight) => self.give_up(flight),
            Event::StoreAct(errand) => self.store_act(errand),
            Event::StoreAnswer(errand) => self.store_answer(errand),
            Event::StoreTimeout(errand) => self.store_timeout(errand),
            Event::Notice { slot, key, .. } => self.notice(slot, key),
            Event::Call(call) => self.call(call),
            Event::CallAt { call, slot, .. } => self.call_at(call, slot),
            Event::AnswerBy { call, slot, .. } => self.answer_by(call, slot),
            Event::CallerLeaves(call) => self.caller_leaves(call),
            Event::Fault(number) => self.strike(number),
            Event::WallBack { slot, life, by_us } => {
                if self.procs[slot].life == life && !self.weather.healed {
                    self.procs[slot].clocks.wall_off_us -= by_us;
                }
            }
            Event::StoreBack { by_us } => {
                if !self.weather.healed {
                    self.store.clock_off_us -= by_us;
                }
            }
            Event::Start { slot, life } => {
                if self.procs[slot].life == life && !self.procs[slot].up {
                    self.restart(slot);
                }
            }
            Event::IntentAct(question) => self.intent_act(question),
            Event::IntentAnswer(question) => self.intent_answer(question),
            Event::IntentTimeout(question) => self.intent_timeout(question),
            Event::Follow { call, slot, .. } => self.follow_again(call, slot),
            Event::WriteAgain { call, slot, state, .. } => self.write_again(call, slot, state),
            Event::TakeBackAgain { question, slot, tries, .. } => self.take_back_again(question, slot, tries),
            Event::Resolve { slot, .. } => self.resolve(slot),
            Event::LagEnds => self.lag(0),
            Event::Heal => self.heal(),
            Event::Look => self.look(),
        }
    }
}
