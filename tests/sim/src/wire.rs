//! The way between a process and the exchange, and a request's steps through the exchange itself.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tidegate_core::{Endpoint, endpoint};
use tidegate_kraken::Credential;
use tidegate_sandbox::SandboxKey;
use tidegate_sandbox::exchange::{Admitted, Arrived, Delivery as Way, Exchange, Reply, Request, Ticket};

use crate::plan::{ACCOUNTS, EPOCH_US, Plan, S, Stage};
use crate::seen::Mark;
use crate::world::{Event, World};

/// What signs.
pub(crate) struct Keys {
    credentials: Vec<Credential>,
    pub info: &'static Endpoint,
}

impl Keys {
    #[expect(clippy::expect_used, reason = "keys and names are our own")]
    pub(crate) fn made_for(plan: &Plan, exchange: &mut Exchange) -> Self {
        let info = endpoint("GetApiKeyInfo").expect("in the table");
        let credential = |key: &crate::plan::KeyPlan| {
            let secret = STANDARD.encode(format!("the secret of {}", key.label));
            let added = exchange.add_key(SandboxKey {
                label: key.label.clone(),
                api_key: key.label.clone(),
                secret: secret.clone(),
                account: ACCOUNTS[key.account].to_owned(),
                permissions: Vec::new(),
                permission_tokens: key.permissions.iter().map(|p| p.to_string()).collect(),
                nonce_window: key.window,
                nonce_unit: key.unit.to_string(),
                otp: None,
                valid_until: None,
                ip_allowlist: Vec::new(),
                query_from: None,
                query_to: None,
                note: String::new(),
            });
            debug_assert_eq!(added, Ok(()));
            Credential::new(key.label.clone(), &secret).expect("a key pair")
        };
        Self { credentials: plan.keys.iter().map(credential).collect(), info }
    }
}

/// One copy of a request at the exchange.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub flight: usize,
    copy: u64,
    /// In the order of authentication, from 1.
    pub judged: Option<u64>,
    step: Step,
    hang_us: [u64; 3],
}

#[derive(Debug)]
enum Step {
    Arrived(Box<Arrived>),
    Admitted(Box<Admitted>, Ticket),
    Answer(Reply, Ticket),
    Done,
}

impl World {
    fn request(&self, number: usize) -> Request {
        let flight = &self.flights[number];
        let credential = &self.keys.credentials[flight.key];
        let request = &flight.request;
        let sign = credential.sign(request.target(), request.nonce(), request.body());
        Request {
            peer_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            verb: "POST".to_owned(),
            path: request.target().to_owned(),
            query: String::new(),
            api_key: Some(credential.api_key().to_owned()),
            api_sign: Some(sign.as_str().to_owned()),
            api_nonce: None,
            api_otp: None,
            content_type: request.content_type().map(str::to_owned),
            body: request.body().clone(),
        }
    }

    pub(crate) fn put_on_the_wire(&mut self, number: usize) {
        if self.is_lost_on_the_way() {
            // Sometimes the client hears of it at once, sometimes never.
            self.trace.say(self.t_us, || format!("flight-{number} is lost on the way"));
            if self.rng.percent(50) {
                let way_us = self.way_us();
                self.queue.push(self.t_us + way_us, Event::Head { flight: number, reply: None });
            }
            return;
        }
        let way_us = self.way_us();
        self.queue.push(self.t_us + way_us, Event::Arrive { flight: number, copy: 0 });
        if self.is_duplicated(number) {
            let way_us = self.way_us() + self.rng.long_tail(0, 3 * S);
            self.queue.push(self.t_us + way_us, Event::Arrive { flight: number, copy: 1 });
            self.flights[number].crossed = self.is_crossed(number);
            self.trace.say(self.t_us, || format!("flight-{number} will be delivered twice"));
        }
    }

    pub(crate) fn arrive(&mut self, number: usize, copy: u64) {
        let request = self.request(number);
        let arrived = self.exchange.receive(EPOCH_US + self.t_us, request);
        let delivery = self.deliveries.len();
        let hang_us = if copy == 0 { self.hang_of(number) } else { [0; 3] };
        let flight = &self.flights[number];
        let newest = self.truth.tenures[flight.key].len().checked_sub(1);
        if flight.tenure.is_some() && flight.tenure < newest {
            self.note(Mark::Straggler);
        }
        let step = Step::Arrived(Box::new(arrived));
        self.deliveries.push(Delivery { flight: number, copy, judged: None, step, hang_us });
        self.trace.event(self.t_us, "arrive", number as u64, copy);
        let pause_us = self.rng.long_tail(100, 3_000) + hang_us[Stage::Auth as usize];
        self.queue.push(self.t_us + pause_us, Event::Authenticate(delivery));
    }

    pub(crate) fn authenticate(&mut self, number: usize) {
        let judged = self.truth.judged();
        let delivery = &mut self.deliveries[number];
        delivery.judged = Some(judged);
        let (flight, hang_us) = (delivery.flight, delivery.hang_us);
        let Step::Arrived(arrived) = std::mem::replace(&mut delivery.step, Step::Done) else { return };
        let ticket = arrived.ticket;
        let verdict = self.exchange.authenticate(EPOCH_US + self.t_us, *arrived);
        self.trace.event(self.t_us, "judge", flight as u64, verdict.is_ok().into());
        let said = verdict.as_ref().err().map(|reply| String::from_utf8_lossy(&reply.body).into_owned());
        self.trace.say(self.t_us, || {
            let said = said.unwrap_or_else(|| "may pass".to_owned());
            format!("exchange: flight-{flight} {said}")
        });
        match verdict {
            Ok(admitted) => {
                self.deliveries[number].step = Step::Admitted(Box::new(admitted), ticket);
                let pause_us = self.rng.long_tail(100, 3_000) + hang_us[Stage::Engine as usize];
                self.queue.push(self.t_us + pause_us, Event::Engine(number));
            }
            Err(reply) => {
                self.deliveries[number].step = Step::Answer(reply, ticket);
                self.queue.push(self.t_us + 10, Event::Leave(number));
            }
        }
    }

    pub(crate) fn engine(&mut self, number: usize) {
        let delivery = &mut self.deliveries[number];
        let pause_us = 100 + delivery.hang_us[Stage::Answer as usize];
        let flight = delivery.flight;
        let Step::Admitted(admitted, ticket) = std::mem::replace(&mut delivery.step, Step::Done) else {
            return;
        };
        let reply = self.exchange.execute(EPOCH_US + self.t_us, *admitted);
        self.trace.event(self.t_us, "engine", flight as u64, 0);
        self.deliveries[number].step = Step::Answer(reply, ticket);
        self.queue.push(self.t_us + pause_us, Event::Leave(number));
    }

    pub(crate) fn leave(&mut self, number: usize) {
        let delivery = &mut self.deliveries[number];
        let (flight, copy) = (delivery.flight, delivery.copy);
        let Step::Answer(reply, ticket) = std::mem::replace(&mut delivery.step, Step::Done) else { return };
        self.exchange.answered(ticket);
        let other = self.deliveries.iter().find(|d| d.flight == flight && d.copy != copy);
        let mine = self.deliveries[number].judged;
        let second = other.is_some_and(|other| other.judged.is_some() && other.judged < mine);
        if second != self.flights[flight].crossed {
            return;
        }
        if self.is_answer_lost() {
            self.trace.say(self.t_us, || format!("the answer of flight-{flight} is lost"));
            if self.rng.percent(50) {
                return;
            }
            let way_us = self.way_us();
            self.queue.push(self.t_us + way_us, Event::Head { flight, reply: None });
            return;
        }
        let way_us = self.way_us();
        let reply = if reply.delivery == Way::Reset { None } else { Some(reply) };
        self.queue.push(self.t_us + way_us, Event::Head { flight, reply });
    }
}
