//! The exchange itself: one pure state machine.
//!
//! A request goes through it in steps, so that a shell can let time pass, and other requests overtake, between them:
//! [`receive`](Exchange::receive) writes it down, [`authenticate`](Exchange::authenticate) judges whether it may pass,
//! [`execute`](Exchange::execute) lets the engine act, [`answered`](Exchange::answered) notes that the answer leaves.
//! [`handle`](Exchange::handle) is all four at one moment, for simulators. No step waits, reads a clock (`now_us` is
//! unix microseconds) or draws chance from anywhere but the seed: the same calls at the same times give the same
//! answers, ids included.

mod accounts;
mod archive;
mod auth;
mod batch;
mod beta;
mod book;
mod candles;
mod changes;
mod counter;
mod drift;
mod earn;
mod endpoints;
mod engine;
mod exports;
mod faults;
mod fees;
mod funding;
mod grouped;
mod history;
mod iceberg;
mod ids;
mod intake;
mod keys;
mod level3;
mod lockout;
mod log;
mod markets;
mod modes;
mod nonce;
mod order;
mod positions;
mod prices;
mod private;
mod public;
mod rates;
mod refusal;
mod reply;
mod request;
mod sign;
mod spread;
mod subaccounts;
mod tape;
mod terms;
mod totp;
mod trading;
mod transparency;

pub use counter::Tier;
pub use endpoints::{EndpointRow, table};
pub use faults::{Fault, FaultSpec, True};
pub use funding::WithdrawTo;
pub use keys::{KeyChange, KeyError, Otp, SandboxKey, account_iban, keys, parse_keys};
pub use lockout::Lockout;
pub use modes::{PairStatus, PairStatuses, SystemStatus};
pub use reply::{Delivery, Reply};
pub use request::{Admitted, Arrived, Pauses, Request, Ticket};

use sha2::{Digest, Sha256};

use crate::options::{Change, MarketKind, Options, Switches};
use crate::wire::json::Json;
use crate::wire::params::{Malformed, Params};
use beta::Beta;
use earn::Way;
use endpoints::Act;
use engine::Engine;
use exports::Exports;
use faults::FaultQueue;
use history::Look;
use ids::{Source, joined};
use keys::KeyRing;
use lockout::Offenders;
use log::{Entry, Log, Stats};
use private::Done;
use refusal::Refusal;

/// The exchange.
#[derive(Debug)]
pub struct Exchange {
    switches: Switches,
    keys: KeyRing,
    offenders: Offenders,
    engine: Engine,
    exports: Exports,
    beta: Beta,
    faults: FaultQueue,
    log: Log,
    stats: Stats,
    chance: Source,
    tokens: Source,
}

impl Exchange {
    /// An exchange with the built-in keys, their accounts and the house's quotes. The file names among the options
    /// are the shell's business.
    pub fn new(options: &Options) -> Self {
        let mut exchange = Self {
            switches: Switches::new(options),
            keys: KeyRing::default(),
            offenders: Offenders::default(),
            engine: Engine::new(options.seed),
            exports: Exports::new(options.seed),
            beta: Beta::new(options.seed),
            faults: FaultQueue::default(),
            log: Log::default(),
            stats: Stats::default(),
            chance: Source::new(options.seed, 2),
            tokens: Source::new(options.seed, 3),
        };
        exchange.engine.accounts.withdraw_keys = funding::keys_of(&options.withdraw_keys);
        for key in keys() {
            let added = exchange.add_key(key.clone());
            debug_assert_eq!(added, Ok(()), "a test adds the built-in keys one by one");
        }
        exchange.engine.accounts.join("second", "main");
        exchange.apply_switches();
        exchange
    }

    /// Lets one more key in. Its account is opened if it is new.
    pub fn add_key(&mut self, key: SandboxKey) -> Result<(), KeyError> {
        let account = self.engine.accounts.open(&key.account);
        self.keys.add(key, account)
    }

    /// All steps at one moment, without the waits.
    pub fn handle(&mut self, now_us: u64, request: Request) -> Reply {
        let again = request.clone();
        let arrived = self.receive(now_us, request);
        let twice = arrived.comes_twice();
        let reply = self.carry_out(now_us, arrived);
        if twice { self.handle(now_us, again) } else { reply }
    }

    fn carry_out(&mut self, now_us: u64, arrived: Arrived) -> Reply {
        let ticket = arrived.ticket;
        let reply = match self.authenticate(now_us, arrived) {
            Ok(admitted) => self.execute(now_us, admitted),
            Err(reply) => reply,
        };
        self.answered(ticket);
        reply
    }

    /// Step 0: a request has arrived whole. It is in the log from now on.
    pub fn receive(&mut self, now_us: u64, request: Request) -> Arrived {
        let endpoint = endpoints::find(&request.verb, &request.path);
        let params = request.params(endpoint);
        let key = request.api_key.as_deref().and_then(|api_key| self.keys.find(api_key));
        let public = endpoint.is_some_and(|row| row.public);
        let fault = endpoint.and_then(|row| self.faults.strike(row.name, public, request.api_key.as_deref()));
        let (name, fault_name) = (endpoint.map(|row| row.name), fault.as_ref().map(Fault::name));
        self.stats.arrived(name, key, fault_name);
        let read = params.as_ref().ok();
        let seq = self.log.push(Entry {
            received_us: now_us,
            auth_us: None,
            executed_us: None,
            key: request.api_key.as_deref().map(log::cut),
            nonce: read.and_then(|params| auth::nonce_text(&request, params)).map(log::cut),
            endpoint: name,
            path: log::cut(&request.path),
            peer: request.peer_ip,
            body_sha256: Sha256::digest(&request.body).into(),
            cl_ord_id: read.and_then(|params| params.get("cl_ord_id")).map(log::cut),
            verdict: None,
            executed: false,
            txid: None,
            rows: Vec::new(),
            trading: Vec::new(),
            fault: fault_name,
        });
        let pauses = self.pauses(public, fault.as_ref());
        let ticket = Ticket { seq, key, bare: endpoints::is_funding(&request.path) };
        Arrived { ticket, pauses, request, received_us: now_us, endpoint, params, fault }
    }

    fn pauses(&mut self, public: bool, fault: Option<&Fault>) -> Pauses {
        let switches = &self.switches;
        let mut pauses = Pauses {
            before_auth_ms: 0,
            before_engine_ms: switches.engine_delay_ms,
            before_reply_ms: switches.reply_delay_ms,
        };
        if !public {
            pauses.before_auth_ms = switches.auth_delay_ms + self.chance.up_to(switches.random_delay_ms);
        }
        match fault {
            Some(Fault::HangMs(ms)) => pauses.before_auth_ms += ms,
            Some(Fault::HangAfterAuthMs(ms)) => pauses.before_engine_ms += ms,
            Some(Fault::HangAfterExecuteMs(ms) | Fault::HangWithoutExecuteMs(ms)) => {
                pauses.before_reply_ms += ms;
            }
            Some(Fault::ExecuteLateMs(ms)) => pauses.before_engine_ms += ms,
            _ => {}
        }
        pauses
    }

    /// Step 1: path, key, address, expiry, signature, second factor, nonce, permission, REST counter. A refusal is the
    /// answer.
    pub fn authenticate(&mut self, now_us: u64, arrived: Arrived) -> Result<Admitted, Reply> {
        let Arrived { ticket, request, received_us, endpoint, params, fault, .. } = arrived;
        if let Some(entry) = self.log.entry(ticket.seq) {
            entry.auth_us = Some(now_us);
        }
        if let Some(Fault::HttpStatus(status)) = fault {
            self.note(ticket, |entry| entry.verdict = Some(format!("HTTP {status}").into()));
            return Err(Reply::edge(status));
        }
        let Some(endpoint) = endpoint else {
            return Err(self.refuse(ticket, &Refusal::UnknownMethod));
        };
        let key = if endpoint.public {
            None
        } else {
            let (keys, offenders) = (&mut self.keys, &mut self.offenders);
            match auth::judge(keys, offenders, &self.switches, now_us, endpoint, &request, &params) {
                Ok(key) => Some(key),
                Err(refusal) => return Err(self.refuse(ticket, &refusal)),
            }
        };
        match params {
            Ok(params) => Ok(Admitted { ticket, received_us, endpoint, key, params, fault }),
            Err(Malformed) => Err(self.refuse(ticket, &Refusal::InvalidArguments(None))),
        }
    }

    /// Step 2: the engine.
    pub fn execute(&mut self, now_us: u64, admitted: Admitted) -> Reply {
        let Admitted { ticket, received_us, endpoint, key, params, fault } = admitted;
        let said = match &fault {
            Some(Fault::Error(text)) => Some(Refusal::Injected(text.clone())),
            Some(Fault::ThrottleMs(ms)) => {
                Some(Refusal::Throttled((now_us + ms * 1_000).div_ceil(1_000_000)))
            }
            _ => None,
        };
        if let Some(refusal) = said {
            self.note(ticket, |entry| entry.verdict = Some(refusal.text()));
            return Reply::refusal(&refusal, ticket.bare);
        }
        if let Some(Fault::HangWithoutExecuteMs(_)) = fault {
            self.note(ticket, |entry| entry.verdict = Some("never executed".into()));
            return Reply { delivery: Delivery::Reset, ..Reply::edge(522) };
        }
        self.tick(now_us);
        self.engine.counters.begin(now_us, self.switches.trading_tier());
        self.engine.hides_until_us = match fault {
            Some(Fault::HideMs(ms)) => now_us + ms * 1_000,
            _ => 0,
        };
        self.exports.tick(now_us);
        self.engine.watch(now_us);
        if endpoint.act == Act::RetrieveExport {
            return self.retrieve(now_us, ticket, key, &params, fault.as_ref());
        }
        let done = self.act(now_us, received_us, endpoint.act, key, &params);
        self.engine.watch(now_us);
        let charges = self.engine.counters.take_charges();
        self.note(ticket, |entry| (entry.executed_us, entry.trading) = (Some(now_us), charges));
        match done {
            Ok(done) => {
                self.note(ticket, |entry| {
                    entry.verdict = Some("ok".into());
                    entry.executed = done.acted;
                    entry.txid = joined(&done.orders);
                    entry.rows = done.rows;
                });
                Reply::json(done.body).spoilt_by(fault.as_ref(), ticket.bare)
            }
            Err(refusal) => self.refuse(ticket, &refusal),
        }
    }

    /// The one answer that is no envelope.
    fn retrieve(
        &mut self,
        now_us: u64,
        ticket: Ticket,
        key: Option<usize>,
        params: &Params,
        fault: Option<&Fault>,
    ) -> Reply {
        let account = key.map_or(0, |key| self.keys.get(key).account);
        let archive = self.exports.retrieve(&self.engine, now_us, account, params);
        self.note(ticket, |entry| entry.executed_us = Some(now_us));
        match archive {
            Ok(archive) => {
                self.note(ticket, |entry| (entry.verdict, entry.executed) = (Some("ok".into()), true));
                Reply::archive(archive).spoilt_by(fault, ticket.bare)
            }
            Err(refusal) => self.refuse(ticket, &refusal),
        }
    }

    /// What has become due by the clock.
    fn tick(&mut self, now_us: u64) {
        let switches = &self.switches;
        self.engine.speed = switches.speed;
        self.engine.funding.pace(switches.own_us(switches.funding_step_ms), switches.funding_fails);
        self.engine.earn.takes_us = switches.own_us(switches.earn_ms);
        self.engine.tick(now_us);
    }

    fn act(
        &mut self,
        now_us: u64,
        received_us: u64,
        act: Act,
        key: Option<usize>,
        params: &Params,
    ) -> Result<Done, Refusal> {
        let engine = &mut self.engine;
        let answer = Done::answer;
        engine.gate(act, params)?;
        let Some(key) = key else {
            return public::answer(engine, now_us, act, params).map(answer);
        };
        let key = self.keys.get(key);
        let account = key.account;
        let look = Look { now_us, lag_us: self.switches.visibility_lag_ms * 1_000 };
        let (exports, export_us) = (&mut self.exports, self.switches.own_us(self.switches.export_ms));
        match act {
            Act::AddExport => exports.add(now_us, export_us, account, params),
            Act::ExportStatus => exports.status(now_us, account, params).map(answer),
            Act::RemoveExport => exports.remove(now_us, account, params),
            Act::CreateSubaccount => subaccounts::create(engine, account, params),
            Act::AccountTransfer => subaccounts::transfer(engine, now_us, account, params),
            Act::EarnAllocate => earn::begin(engine, now_us, account, Way::In, params),
            Act::EarnDeallocate => earn::begin(engine, now_us, account, Way::Out, params),
            Act::EarnAllocateStatus => earn::status(engine, account, Way::In, params).map(answer),
            Act::EarnDeallocateStatus => earn::status(engine, account, Way::Out, params).map(answer),
            Act::EarnStrategies => earn::strategies(params).map(answer),
            Act::EarnAllocations => earn::allocations(engine, account, params).map(answer),
            Act::AddOrder => private::add_order(engine, now_us, received_us, account, params),
            Act::CancelOrder => private::cancel_order(engine, now_us, account, params),
            Act::CancelAll => Ok(private::cancel_all(engine, now_us, account)),
            Act::Balance => Ok(answer(private::balance(engine, account))),
            Act::BalanceEx => Ok(answer(private::balance_ex(engine, account))),
            Act::TradeBalance => private::trade_balance(engine, account, params).map(answer),
            Act::AddOrderBatch => batch::add_order_batch(engine, now_us, received_us, account, params),
            Act::AmendOrder => changes::amend_order(engine, now_us, received_us, account, params),
            Act::EditOrder => changes::edit_order(engine, now_us, received_us, account, params),
            Act::CancelOrderBatch => batch::cancel_order_batch(engine, now_us, account, params),
            Act::CancelAllOrdersAfter => changes::cancel_all_after(engine, now_us, account, params),
            Act::Level3 => level3::level3(engine, now_us, params).map(answer),
            Act::OpenOrders => history::open_orders(engine, look, account, params).map(answer),
            Act::ClosedOrders => history::closed_orders(engine, look, key, params).map(answer),
            Act::QueryOrders => history::query_orders(engine, look, key, params).map(answer),
            Act::OrderAmends => history::order_amends(engine, look, key, params).map(answer),
            Act::TradesHistory => history::trades_history(engine, key, params).map(answer),
            Act::QueryTrades => history::query_trades(engine, key, params).map(answer),
            Act::Ledgers => history::ledgers(engine, key, params).map(answer),
            Act::QueryLedgers => history::query_ledgers(engine, key, params).map(answer),
            Act::TradeVolume => fees::trade_volume(engine, now_us, account, params).map(answer),
            Act::OpenPositions => positions::open_positions(engine, account, params).map(answer),
            Act::CreditLines => Ok(answer(fees::credit_lines())),
            Act::DepositMethods => funding::deposit_methods(params).map(answer),
            Act::DepositAddresses => funding::deposit_addresses(engine, now_us, account, params).map(answer),
            Act::DepositStatus => funding::deposit_status(engine, key, params).map(answer),
            Act::WithdrawMethods => funding::withdraw_methods(params).map(answer),
            Act::WithdrawAddresses => funding::withdraw_addresses(engine, account, params).map(answer),
            Act::WithdrawInfo => funding::withdraw_info(engine, account, params).map(answer),
            Act::Withdraw => funding::withdraw(engine, now_us, account, params),
            Act::WithdrawStatus => funding::withdraw_status(engine, key, params).map(answer),
            Act::WithdrawCancel => funding::withdraw_cancel(engine, key, params),
            Act::WalletTransfer => funding::wallet_transfer(engine, now_us, account, params),
            Act::GetWebSocketsToken => Ok(answer(private::websockets_token(&mut self.tokens))),
            Act::GetApiKeyInfo => {
                let name = &engine.accounts.get(account).name;
                Ok(answer(private::api_key_info(key, name, self.switches.key_info_casing)))
            }
            Act::Beta(call) => self.beta.carry_out(call, engine, now_us, account, params),
            _ => Err(Refusal::FeatureDisabled),
        }
    }

    /// Step 3: the answer leaves now.
    pub fn answered(&mut self, ticket: Ticket) {
        if let Some(key) = ticket.key {
            self.stats.answered(key);
        }
    }

    fn note(&mut self, ticket: Ticket, complete: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.log.entry(ticket.seq) {
            complete(entry);
        }
    }

    fn refuse(&mut self, ticket: Ticket, refusal: &Refusal) -> Reply {
        self.stats.refused(ticket.key, refusal.text());
        self.note(ticket, |entry| entry.verdict = Some(refusal.text()));
        Reply::refusal(refusal, ticket.bare)
    }

    /// `/sandbox/stats` as JSON.
    pub fn stats_json(&self) -> String {
        let mut json = Json::default();
        let name_and_nonce = |key: usize| {
            let state = self.keys.get(key);
            (state.key.api_key.as_str(), state.nonce.highest())
        };
        self.stats.write(&mut json, name_and_nonce);
        json.finish()
    }

    /// `/sandbox/log` as JSON: at most `limit` entries with sequence numbers above `since`.
    pub fn log_json(&self, since: u64, limit: usize) -> String {
        let mut json = Json::default();
        self.log.write(&mut json, since, limit);
        json.finish()
    }

    /// `/sandbox/faults` as JSON: those that wait.
    pub fn faults_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(&self.faults.waiting().collect::<Vec<_>>())
    }

    /// Adds one fault or a list of them behind those that wait, all or nothing; a refusal is in words for the caller.
    pub fn add_faults(&mut self, json: &[u8]) -> Result<(), String> {
        let is_list = json.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        let faults: Vec<FaultSpec> = if is_list {
            serde_json::from_slice(json).map_err(|error| error.to_string())?
        } else {
            vec![serde_json::from_slice(json).map_err(|error| error.to_string())?]
        };
        self.faults.check_room(faults.len(), false)?;
        self.faults.add(faults);
        Ok(())
    }

    /// Sends a deposit to an account, as somebody outside would; a refusal is in words for the caller.
    pub fn deposit(&mut self, now_us: u64, json: &[u8]) -> Result<String, String> {
        self.tick(now_us);
        let refid = funding::arrive(&mut self.engine, now_us, json)?;
        let mut json = Json::default();
        json.object(|json| json.field("refid").text(refid.as_str()));
        Ok(json.finish())
    }

    /// `/sandbox/funds` as JSON: where every unit of each asset is.
    pub fn funds_json(&mut self, now_us: u64) -> String {
        self.tick(now_us);
        let mut json = Json::default();
        self.engine.accounts.write_funds(&mut json);
        json.finish()
    }

    /// Forgets the faults that wait.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// `/sandbox/switches` as JSON: how they stand, and the faults that wait.
    pub fn switches_json(&self) -> Result<String, serde_json::Error> {
        let mut switches = serde_json::to_value(&self.switches)?;
        let waiting: Vec<_> = self.faults.waiting().collect();
        switches["trading_tier"] = serde_json::to_value(self.switches.trading_tier())?;
        switches["faults"] = serde_json::to_value(waiting)?;
        Ok(switches.to_string())
    }

    /// Lets time pass: what has become due happens. Every request does so first; before a switch is thrown it says when.
    pub fn pass(&mut self, now_us: u64) {
        self.tick(now_us);
    }

    fn apply_switches(&mut self) {
        self.engine.modes.set(self.switches.system_status, &self.switches.pair_status);
        let (now_us, speed) = (self.engine.modes.now_us(), self.switches.speed);
        self.engine.market.set(now_us, self.switches.market == MarketKind::Moving, speed);
    }

    /// Changes switches and adds faults, all or nothing, as of the time that has passed so far; a refusal is in words for
    /// the caller.
    pub fn change(&mut self, json: &[u8]) -> Result<(), String> {
        let change: Change = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let switches = self.switches.changed(&change)?;
        self.faults.check_room(change.faults.len(), change.clear_faults)?;
        self.keys.change(&change.keys).map_err(|error| error.to_string())?;
        self.switches = switches;
        self.apply_switches();
        if change.clear_faults {
            self.faults.clear();
        }
        self.faults.add(change.faults);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
