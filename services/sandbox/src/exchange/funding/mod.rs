//! Money in and out: deposits, withdrawals, and transfers to the wallet for futures (Kraken docs: Funding).
//!
//! *The idea.* Whatever is on its way is one [`Movement`] with a state and a time at which it goes on. What an account gives,
//! it gives at once and with a ledger entry, and from then on it is in transit. What an account gets, it gets at the end.
//! What is taken back or fails comes back with a ledger entry of the opposite signs. So the sum over accounts, wallets,
//! fees, transit and the world outside is always the same, whatever becomes of a movement.
//!
//! All times come from the exchange's clock: [`Engine::move_funds`] does what is due, before every request.

mod deposits;
mod listing;
mod methods;
mod transfers;
mod withdrawals;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(crate) use deposits::{arrive, deposit_addresses, deposit_methods, deposit_status};
pub use methods::WithdrawTo;
pub(crate) use methods::{DepositAddress, WithdrawKey, keys_of};
pub(crate) use transfers::wallet_transfer;
pub(crate) use withdrawals::{
    withdraw, withdraw_addresses, withdraw_cancel, withdraw_info, withdraw_methods, withdraw_status,
};

use super::accounts::LedgerEntry;
use super::engine::Engine;
use super::ids::{Refid, Source};
use super::markets::{ASSETS, find_asset};
use super::refusal::{Refusal, wrong};
use crate::wire::decimal;
use crate::wire::params::Params;

/// Movements that are remembered. Those that are on their way are never forgotten.
const MOVEMENTS_MAX: usize = 20_000;

/// How far a movement has come, in Kraken's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Initial,
    Pending,
    Settled,
    Success,
    Failure,
}

impl Stage {
    fn text(self) -> &'static str {
        match self {
            Self::Initial => "Initial",
            Self::Pending => "Pending",
            Self::Settled => "Settled",
            Self::Success => "Success",
            Self::Failure => "Failure",
        }
    }
}

/// What became of the wish to take a movement back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recall {
    /// There is none.
    No,
    Asked,
    /// It came too late.
    Denied,
    Done,
}

/// Where it comes from and goes to.
#[derive(Debug)]
enum Way {
    /// From outside.
    Deposit { method: usize, address: Box<str> },
    /// To the outside.
    Withdrawal { method: usize, key: Box<str>, address: Box<str> },
    /// To the account's wallet for futures.
    Transfer,
}

/// Money on its way, or what became of it.
#[derive(Debug)]
struct Movement {
    refid: Refid,
    account: usize,
    asset: usize,
    /// Without the fee of a withdrawal, with that of a deposit, as Kraken shows them.
    amount: i128,
    fee: i128,
    began_us: u64,
    stage: Stage,
    /// Whether it is to end in failure.
    fails: bool,
    recall: Recall,
    txid: Box<str>,
    way: Way,
}

impl Movement {
    fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Success | Stage::Failure)
    }

    /// Asks for it back. Whether that can still be asked for.
    fn call_back(&mut self) -> bool {
        let early = match self.way {
            Way::Deposit { .. } => false,
            Way::Withdrawal { .. } => matches!(self.stage, Stage::Initial | Stage::Pending),
            Way::Transfer => self.stage == Stage::Initial,
        };
        let asked = early && self.recall != Recall::Denied;
        if asked {
            self.recall = Recall::Asked;
        }
        asked
    }

    /// What it does to its account's ledger: its amount in one direction, its fee in the other.
    fn entry(&self, at_us: u64, amount: i128, fee: i128) -> LedgerEntry {
        let (kind, subtype) = match self.way {
            Way::Deposit { .. } => ("deposit", ""),
            Way::Withdrawal { .. } => ("withdrawal", ""),
            Way::Transfer => ("transfer", "spottofutures"),
        };
        let (account, refid, asset) = (self.account, self.refid, self.asset);
        LedgerEntry { account, refid, kind, subtype, at_us, asset, amount, fee, balance: 0 }
    }
}

/// All movements.
#[derive(Debug)]
pub(crate) struct Funding {
    ids: Source,
    /// By number, oldest first.
    movements: BTreeMap<u64, Movement>,
    by_refid: HashMap<Refid, u64>,
    /// When which one goes on.
    due: BTreeSet<(u64, u64)>,
    begun: u64,
    step_us: u64,
    fails: bool,
}

impl Funding {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            ids: Source::new(seed, 7),
            movements: BTreeMap::new(),
            by_refid: HashMap::new(),
            due: BTreeSet::new(),
            begun: 0,
            step_us: 0,
            fails: false,
        }
    }

    /// For how long a movement stays in each state from now on, and whether those that begin now are to fail.
    pub(crate) fn pace(&mut self, step_us: u64, fails: bool) {
        (self.step_us, self.fails) = (step_us, fails);
    }

    fn number_of(&self, refid: &str) -> Option<u64> {
        self.by_refid.get(&Refid::parse(refid)?).copied()
    }

    fn begin(&mut self, movement: Movement) -> Refid {
        let (number, refid) = (self.begun, movement.refid);
        self.begun += 1;
        self.due.insert((movement.began_us.saturating_add(self.step_us), number));
        self.by_refid.insert(refid, number);
        self.movements.insert(number, movement);
        while self.movements.len() > MOVEMENTS_MAX
            && let Some(oldest) = self.movements.first_entry()
            && oldest.get().is_over()
        {
            self.by_refid.remove(&oldest.remove().refid);
        }
        refid
    }
}

impl Engine {
    /// Does with the movements of money what is due.
    pub(crate) fn move_funds(&mut self, now_us: u64) {
        while let Some(&(at_us, number)) = self.funding.due.first()
            && at_us <= now_us
        {
            self.funding.due.remove(&(at_us, number));
            if let Some(mut movement) = self.funding.movements.remove(&number) {
                self.go_on(at_us, &mut movement);
                if !movement.is_over() {
                    self.funding.due.insert((at_us.saturating_add(self.funding.step_us), number));
                }
                self.funding.movements.insert(number, movement);
            }
        }
    }

    /// One step of one movement.
    fn go_on(&mut self, at_us: u64, movement: &mut Movement) {
        let taken_back = movement.recall == Recall::Asked;
        movement.stage = match (&movement.way, movement.stage) {
            (_, Stage::Success | Stage::Failure) => return,
            (Way::Deposit { .. } | Way::Withdrawal { .. }, Stage::Initial) if !taken_back => Stage::Pending,
            (Way::Deposit { .. }, Stage::Pending) => Stage::Settled,
            (Way::Deposit { .. }, _) if movement.fails => Stage::Failure,
            (Way::Deposit { .. }, _) => {
                self.accounts.outside[movement.asset] -= movement.amount;
                self.enter(movement.entry(at_us, movement.amount, movement.fee));
                Stage::Success
            }
            (Way::Withdrawal { .. } | Way::Transfer, Stage::Initial) if taken_back => {
                movement.recall = Recall::Done;
                self.give_back(at_us, movement);
                Stage::Failure
            }
            (Way::Withdrawal { .. }, Stage::Pending) if movement.fails => {
                self.give_back(at_us, movement);
                Stage::Failure
            }
            (Way::Withdrawal { .. }, Stage::Pending) => {
                if taken_back {
                    movement.recall = Recall::Denied;
                }
                Stage::Settled
            }
            (Way::Withdrawal { .. }, _) => {
                self.accounts.in_transit[movement.asset] -= movement.amount;
                self.accounts.outside[movement.asset] += movement.amount;
                Stage::Success
            }
            (Way::Transfer, _) if movement.fails => {
                self.give_back(at_us, movement);
                Stage::Failure
            }
            (Way::Transfer, _) => {
                self.accounts.in_transit[movement.asset] -= movement.amount;
                self.accounts.get_mut(movement.account).futures[movement.asset] += movement.amount;
                Stage::Success
            }
        };
    }

    /// Takes what an account sends, and sends it.
    fn send(&mut self, movement: Movement) -> Refid {
        self.enter(movement.entry(movement.began_us, -movement.amount, movement.fee));
        self.accounts.in_transit[movement.asset] += movement.amount;
        self.funding.begin(movement)
    }

    fn give_back(&mut self, at_us: u64, movement: &Movement) {
        self.accounts.in_transit[movement.asset] -= movement.amount;
        self.enter(movement.entry(at_us, movement.amount, -movement.fee));
    }

    fn enter(&mut self, entry: LedgerEntry) {
        let id = self.ids.id(b'L');
        self.accounts.book(id, entry);
    }
}

/// The asset that a request names; `None` if it names none.
fn asset(params: &Params) -> Result<Option<usize>, Refusal> {
    match params.get("aclass") {
        None | Some("currency") => {}
        // No asset of another class is held here.
        Some("tokenized_asset") => return Err(Refusal::UnknownFundingAsset),
        Some(_) => return Err(wrong("aclass")),
    }
    if !matches!(params.get("rebase_multiplier"), None | Some("rebased" | "base")) {
        return Err(wrong("rebase_multiplier"));
    }
    params.get("asset").map(|name| find_asset(name).ok_or(Refusal::UnknownFundingAsset)).transpose()
}

/// The asset that a request must name.
fn asset_needed(params: &Params) -> Result<usize, Refusal> {
    asset(params)?.ok_or_else(|| wrong("asset"))
}

/// An amount of an asset, above zero.
fn amount(params: &Params, asset: usize) -> Result<i128, Refusal> {
    let text = params.get("amount").ok_or_else(|| wrong("amount"))?;
    let amount = decimal::parse(text, ASSETS[asset].decimals).map_err(|_| Refusal::InvalidAmount)?;
    if amount > 0 { Ok(i128::from(amount)) } else { Err(Refusal::InvalidAmount) }
}
