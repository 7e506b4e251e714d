//! Who owns what. Every movement of an account is a ledger entry; the sum of an asset over accounts, their wallets for
//! futures and what they have in strategies, house, margin pool, collected fees, what is on its way and the world outside never changes.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::archive::Archive;
use super::funding::{DepositAddress, WithdrawKey, keys_of};
use super::ids::{Id, Refid};
use super::markets::{ASSET_COUNT, ASSETS};
use crate::wire::json::Json;

/// Ledger entries kept.
const LEDGER_MAX: usize = 200_000;

/// One account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: Box<str>,
    /// Whose subaccount it is, if it is one.
    pub(crate) master: Option<usize>,
    /// In units of each asset's last place.
    pub(crate) balances: [i128; ASSET_COUNT],
    /// What is in its earn strategies, which is no part of the balances.
    pub(crate) earning: [i128; ASSET_COUNT],
    /// The part of the balances that open orders hold.
    pub(crate) held: [i128; ASSET_COUNT],
    /// What was moved to the account's wallet for futures.
    pub(crate) futures: [i128; ASSET_COUNT],
    /// Where the account can be paid.
    pub(crate) deposit_addresses: Vec<DepositAddress>,
    /// Where it may pay to, by name.
    pub(crate) withdraw_keys: Vec<WithdrawKey>,
    /// Open orders in the order of their birth.
    pub(crate) open: BTreeSet<u64>,
    /// Their client ids.
    pub(crate) cl_ord_ids: HashMap<Box<str>, u64>,
    /// When all its orders are cancelled, unless its owner says otherwise until then.
    pub(crate) cancels_after_us: Option<u64>,
    /// Numbers in the archives, oldest first.
    pub(crate) closed: VecDeque<u64>,
    pub(crate) trades: VecDeque<u64>,
    pub(crate) ledger: VecDeque<u64>,
}

impl Account {
    fn new(name: &str, withdraw_keys: Vec<WithdrawKey>) -> Self {
        Self {
            name: name.into(),
            master: None,
            balances: ASSETS.each_ref().map(|asset| asset.starting_balance),
            earning: [0; ASSET_COUNT],
            held: [0; ASSET_COUNT],
            futures: [0; ASSET_COUNT],
            deposit_addresses: Vec::new(),
            withdraw_keys,
            open: BTreeSet::new(),
            cl_ord_ids: HashMap::new(),
            cancels_after_us: None,
            closed: VecDeque::new(),
            trades: VecDeque::new(),
            ledger: VecDeque::new(),
        }
    }

    /// What may be spent.
    pub(crate) fn available(&self, asset: usize) -> i128 {
        self.balances[asset] - self.held[asset]
    }
}

/// A movement on one account.
#[derive(Debug)]
pub(crate) struct LedgerEntry {
    pub(crate) account: usize,
    /// The trade or the movement of money that caused it.
    pub(crate) refid: Refid,
    /// Kraken's word for what caused it, for instance `trade`,
    pub(crate) kind: &'static str,
    /// and what it says besides, as a rule nothing.
    pub(crate) subtype: &'static str,
    pub(crate) at_us: u64,
    pub(crate) asset: usize,
    /// Signed; the fee comes on top.
    pub(crate) amount: i128,
    pub(crate) fee: i128,
    /// The balance afterwards.
    pub(crate) balance: i128,
}

impl LedgerEntry {
    /// Appends the object that Kraken shows.
    pub(crate) fn write(&self, json: &mut Json) {
        let asset = &ASSETS[self.asset];
        json.object(|json| {
            json.field("refid").text(self.refid.as_str());
            json.field("time").seconds(self.at_us);
            json.field("type").text(self.kind);
            json.field("subtype").text(self.subtype);
            json.field("aclass").text("currency");
            json.field("asset").text(asset.id);
            json.field("amount").decimal(self.amount, asset.decimals);
            json.field("fee").decimal(self.fee, asset.decimals);
            json.field("balance").decimal(self.balance, asset.decimals);
        });
    }
}

/// All accounts, and what nobody has a key for.
#[derive(Debug)]
pub(crate) struct Accounts {
    all: Vec<Account>,
    /// Where an account may pay to that a key opens.
    pub(crate) withdraw_keys: Vec<WithdrawKey>,
    /// The market maker's, without limit: it may go below zero.
    house: [i128; ASSET_COUNT],
    /// What was paid, and what was bought, for the margin positions of accounts. Nothing where there are none.
    pub(crate) margin_pool: [i128; ASSET_COUNT],
    /// Fees collected.
    fees: [i128; ASSET_COUNT],
    /// Has left an account and is not yet where it goes.
    pub(crate) in_transit: [i128; ASSET_COUNT],
    /// What came out of the exchange less what came in.
    pub(crate) outside: [i128; ASSET_COUNT],
    pub(crate) ledger: Archive<LedgerEntry>,
}

impl Accounts {
    pub(crate) fn new() -> Self {
        Self {
            all: Vec::new(),
            withdraw_keys: keys_of(&BTreeMap::new()),
            house: [0; ASSET_COUNT],
            margin_pool: [0; ASSET_COUNT],
            fees: [0; ASSET_COUNT],
            in_transit: [0; ASSET_COUNT],
            outside: [0; ASSET_COUNT],
            ledger: Archive::new(LEDGER_MAX),
        }
    }

    /// The account of this name, opened with its starting balances if it is new.
    pub(crate) fn open(&mut self, name: &str) -> usize {
        if let Some(known) = self.named(name) {
            return known;
        }
        self.all.push(Account::new(name, self.withdraw_keys.clone()));
        self.all.len() - 1
    }

    /// Opens a subaccount with nothing in it and nowhere to pay to. `false`: the name is taken.
    pub(crate) fn open_under(&mut self, master: usize, name: &str) -> bool {
        if self.named(name).is_some() {
            return false;
        }
        self.all.push(Account {
            master: Some(master),
            balances: [0; ASSET_COUNT],
            ..Account::new(name, Vec::new())
        });
        true
    }

    /// Makes an account a subaccount of another, if there are both.
    pub(crate) fn join(&mut self, name: &str, master: &str) {
        if let (Some(account), Some(master)) = (self.named(name), self.named(master)) {
            self.all[account].master = Some(master);
        }
    }

    /// The account of this name.
    pub(crate) fn named(&self, name: &str) -> Option<usize> {
        self.all.iter().position(|account| &*account.name == name)
    }

    pub(crate) fn get(&self, account: usize) -> &Account {
        &self.all[account]
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn get_mut(&mut self, account: usize) -> &mut Account {
        &mut self.all[account]
    }

    /// Moves an amount to (or, negative, from) an account and takes a fee from it, with a ledger entry.
    pub(crate) fn book(&mut self, id: Id, mut entry: LedgerEntry) {
        let account = &mut self.all[entry.account];
        account.balances[entry.asset] += entry.amount - entry.fee;
        self.fees[entry.asset] += entry.fee;
        entry.balance = account.balances[entry.asset];
        let (owner, number) = (entry.account, self.ledger.push(id, entry));
        let list = &mut self.all[owner].ledger;
        list.push_back(number);
        self.ledger.trim(list);
    }

    /// Moves an amount to (or from) the house.
    pub(crate) fn book_house(&mut self, asset: usize, amount: i128) {
        self.house[asset] += amount;
    }

    /// All that there is of each asset: never more and never less than what the accounts began with.
    pub(crate) fn total(&self) -> [i128; ASSET_COUNT] {
        let mut total = [0; ASSET_COUNT];
        let owned =
            self.all.iter().flat_map(|account| [&account.balances, &account.futures, &account.earning]);
        let others = [&self.house, &self.margin_pool, &self.fees, &self.in_transit, &self.outside];
        for pile in owned.chain(others) {
            (0..ASSET_COUNT).for_each(|asset| total[asset] += pile[asset]);
        }
        total
    }

    /// Appends where every unit of each asset is.
    pub(crate) fn write_funds(&self, json: &mut Json) {
        let pile = |json: &mut Json, pile: &[i128; ASSET_COUNT]| {
            json.object(|json| {
                for (asset, amount) in ASSETS.iter().zip(pile) {
                    json.field(asset.id).decimal(*amount, asset.decimals);
                }
            });
        };
        json.object(|json| {
            json.field("accounts").object(|json| {
                for account in &self.all {
                    json.field(&account.name).object(|json| {
                        pile(json.field("spot"), &account.balances);
                        pile(json.field("futures"), &account.futures);
                        pile(json.field("earning"), &account.earning);
                    });
                }
            });
            let others = [
                ("house", &self.house),
                ("margin_pool", &self.margin_pool),
                ("fees", &self.fees),
                ("in_transit", &self.in_transit),
                ("outside", &self.outside),
            ];
            for (name, amounts) in others {
                pile(json.field(name), amounts);
            }
            pile(json.field("total"), &self.total());
        });
    }
}
