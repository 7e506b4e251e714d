//! Nothing is made and nothing is lost: whatever is traded, changed, paid in, paid out, taken back, moved or put to work, and
//! whatever fails.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::exchange::beta::Call;
use crate::exchange::keys::iban;
use crate::exchange::markets::{ASSET_COUNT, ASSETS};

/// Histories, and what happens in each: a hundred thousand operations together.
const HISTORIES: u32 = 100;
const OPERATIONS: usize = 1_000;

const PAIRS: [(&str, u32); 3] = [("XBTUSD", 60_000), ("ETHUSD", 3_000), ("XBTEUR", 55_000)];
const KEYS: [&str; 4] = ["cold-wallet-1", "eth-vault", "bank-usd", "bank-eur"];
const STRATEGIES: [(&str, u32); 2] = [("ESETH2B-ONDED-SANDBX", 10), ("ESXBTIN-STANT-SANDBX", 10)];
const OUT_BTC: &str = "5b2f0f0e-0000-4000-8000-000000000b01";

/// Who, what, two numbers that say more, and how long after the one before.
type Operation = (usize, What, u16, u16, u64);

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    AddOrder,
    OnMargin,
    AddOrderBatch,
    AmendOrder,
    EditOrder,
    CancelOrder,
    CancelOrderBatch,
    CancelAll,
    CancelAllOrdersAfter,
    Deposit,
    Withdraw,
    WalletTransfer,
    WithdrawCancel,
    AccountTransfer,
    CreateSubaccount,
    Allocate,
    Deallocate,
    CreateAddress,
    CreateWithdrawal,
    Switches,
    Days,
}

fn what() -> impl Strategy<Value = What> {
    use What as W;
    prop_oneof![
        6 => Just(W::AddOrder), 6 => Just(W::OnMargin), 2 => Just(W::AddOrderBatch), 2 => Just(W::AmendOrder), 4 => Just(W::EditOrder),
        1 => Just(W::CancelOrder), 1 => Just(W::CancelOrderBatch), 1 => Just(W::CancelAll),
        1 => Just(W::CancelAllOrdersAfter), 3 => Just(W::Deposit), 3 => Just(W::Withdraw),
        2 => Just(W::WalletTransfer), 4 => Just(W::WithdrawCancel), 3 => Just(W::AccountTransfer),
        1 => Just(W::CreateSubaccount), 3 => Just(W::Allocate), 3 => Just(W::Deallocate),
        1 => Just(W::CreateAddress), 2 => Just(W::CreateWithdrawal), 1 => Just(W::Switches), 1 => Just(W::Days),
    ]
}

struct Story {
    exchange: Exchange,
    keys: [usize; 2],
    now_us: u64,
    refids: Vec<String>,
    txids: Vec<String>,
    addresses: Vec<String>,
    start: [i128; ASSET_COUNT],
    /// What the ledger of each account adds up to, and how many of its entries are in that.
    sums: Vec<([i128; ASSET_COUNT], usize)>,
    /// What each account has lost on margin, which it may owe.
    lost: Vec<[i128; ASSET_COUNT]>,
    executed: [usize; What::Days as usize + 1],
}

impl Story {
    fn new() -> Self {
        let mut exchange = Exchange::new(&Options { tier: Tier::Wide, ..Options::default() });
        let all = keys().iter().find(|key| key.label == "sandbox-all").unwrap();
        let second =
            SandboxKey { api_key: "second-all".to_owned(), account: "second".to_owned(), ..all.clone() };
        exchange.add_key(second).unwrap();
        let keys = [all.api_key.as_str(), "second-all"].map(|key| exchange.keys.find(key).unwrap());
        let accounts = &exchange.engine.accounts;
        let start = accounts.total();
        let sums: Vec<_> = (0..accounts.len()).map(|number| (accounts.get(number).balances, 0)).collect();
        Self {
            exchange,
            keys,
            now_us: NOW_US,
            refids: Vec::new(),
            txids: Vec::new(),
            addresses: Vec::new(),
            start,
            lost: vec![[0; ASSET_COUNT]; sums.len()],
            sums,
            executed: Default::default(),
        }
    }

    fn ask(&mut self, who: usize, act: Act, form: &str) -> Option<Value> {
        let params = Params::form(form.as_bytes()).unwrap();
        let done = self.exchange.act(self.now_us, self.now_us, act, Some(self.keys[who]), &params).ok()?;
        self.txids.extend(done.orders.iter().map(|id| id.as_str().to_owned()));
        Some(serde_json::from_str(&done.body).unwrap())
    }

    /// An order among the latest, or any that there never was.
    fn order(&self, back: u32) -> String {
        self.txids.iter().rev().nth(back as usize % 12).cloned().unwrap_or_default()
    }

    fn step(&mut self, (who, what, a, b, wait_ms): Operation) {
        self.now_us += wait_ms * 1_000;
        self.exchange.tick(self.now_us);
        self.exchange.engine.counters.begin(self.now_us, Tier::Wide);
        let done = self.did(who, what, u32::from(a), u32::from(b));
        self.executed[what as usize] += usize::from(done);
    }

    /// Whether it was done.
    fn did(&mut self, who: usize, what: What, a: u32, b: u32) -> bool {
        let number = a as usize % ASSET_COUNT;
        let asset = ASSETS[number].altname;
        // A third of a unit to twice of what an account has in the end, with all places.
        let amount = format!("{}.{b:04}", (a * b) % 2_000);
        let (pair, middle) = PAIRS[a as usize % 3];
        let volume = format!("0.{:05}", 1 + (a * 7 + b) % 99_999);
        let price = middle - 20 + b % 40;
        let terms = |b: u32| {
            let side = if b.is_multiple_of(2) { "buy" } else { "sell" };
            match a % 5 {
                0 => [("type", side.to_owned()), ("ordertype", "market".to_owned())].to_vec(),
                _ => [
                    ("type", side.to_owned()),
                    ("ordertype", "limit".to_owned()),
                    ("price", (middle - 20 + b % 40).to_string()),
                ]
                .to_vec(),
            }
        };
        let answer = match what {
            What::AddOrder => {
                let terms: Vec<_> = terms(b).iter().map(|(name, value)| format!("&{name}={value}")).collect();
                self.ask(who, Act::AddOrder, &format!("pair={pair}&volume={volume}{}", terms.concat()))
            }
            What::OnMargin => {
                let terms: Vec<_> = terms(b).iter().map(|(name, value)| format!("&{name}={value}")).collect();
                let form = match a % 7 {
                    0 => format!("volume=0{}&leverage=2", terms.concat()),
                    1 => format!("volume={volume}{}&leverage=3&reduce_only=true", terms.concat()),
                    2 => {
                        let side = if b.is_multiple_of(2) { "buy" } else { "sell" };
                        format!("volume={volume}&type={side}&ordertype=settle-position&leverage=2")
                    }
                    _ => format!("volume={volume}{}&leverage={}", terms.concat(), 2 + b % 2),
                };
                self.ask(who, Act::AddOrder, &format!("pair={pair}&{form}"))
            }
            What::AddOrderBatch => {
                let row = |row: u32| {
                    let terms = terms(b + row);
                    let more = terms.iter().map(|(name, value)| format!("&orders[{row}][{name}]={value}"));
                    format!("&orders[{row}][volume]={volume}{}", more.collect::<String>())
                };
                let rows: String = (0..2 + b % 3).map(row).collect();
                self.ask(who, Act::AddOrderBatch, &format!("pair={pair}{rows}"))
            }
            What::AmendOrder => {
                let form = match a % 3 {
                    0 => format!("order_qty={volume}"),
                    1 => format!("limit_price={price}"),
                    _ => format!("order_qty={volume}&limit_price={price}"),
                };
                self.ask(who, Act::AmendOrder, &format!("txid={}&{form}", self.order(b)))
            }
            What::EditOrder => {
                let form = format!("pair={pair}&volume={volume}&price={price}&txid={}", self.order(b));
                self.ask(who, Act::EditOrder, &form)
            }
            What::CancelOrder => self.ask(who, Act::CancelOrder, &format!("txid={}", self.order(b))),
            What::CancelOrderBatch => {
                let form = format!("orders[0]={}&orders[1]={}", self.order(a), self.order(b));
                self.ask(who, Act::CancelOrderBatch, &form)
            }
            What::CancelAll => self.ask(who, Act::CancelAll, ""),
            What::CancelAllOrdersAfter => {
                self.ask(who, Act::CancelAllOrdersAfter, &format!("timeout={}", b % 10))
            }
            What::Deposit => {
                let account = ["main", "second"][who];
                let payment = json!({"account": account, "asset": asset, "amount": amount});
                return self.exchange.deposit(self.now_us, payment.to_string().as_bytes()).is_ok();
            }
            What::Withdraw => {
                let key = KEYS[number];
                self.ask(who, Act::Withdraw, &format!("asset={asset}&key={key}&amount={amount}"))
            }
            What::WalletTransfer => {
                let wallets = "from=Spot%20Wallet&to=Futures%20Wallet";
                self.ask(who, Act::WalletTransfer, &format!("asset={asset}&amount={amount}&{wallets}"))
            }
            What::WithdrawCancel => {
                // Among the latest, or it is over.
                let Some(refid) = self.refids.iter().rev().nth(b as usize % 3).cloned() else { return false };
                let forms = ASSETS.each_ref().map(|asset| format!("asset={}&refid={refid}", asset.id));
                let answers = forms.map(|form| self.ask(who, Act::WithdrawCancel, &form));
                return answers.into_iter().flatten().any(|answer| answer["result"] == true);
            }
            What::AccountTransfer => {
                let accounts = &self.exchange.engine.accounts;
                let named = |number: u32| iban(&accounts.get(number as usize % accounts.len().min(4)).name);
                let sides = format!("from={}&to={}", named(a), named(a + 1 + b % 3));
                let small = format!("{}.{b:04}", a % 7);
                self.ask(
                    0,
                    Act::AccountTransfer,
                    &format!("asset={asset}&amount={small}&{}", sides.replace(' ', "+")),
                )
            }
            What::CreateSubaccount => {
                self.ask(who, Act::CreateSubaccount, &format!("username=sub{}&email=a@b.example", a % 9))
            }
            What::Allocate | What::Deallocate => {
                let (strategy, most) = STRATEGIES[a as usize % 2];
                let act = if what == What::Allocate { Act::EarnAllocate } else { Act::EarnDeallocate };
                self.ask(who, act, &format!("strategy_id={strategy}&amount={}.{b:05}", a % most))
            }
            What::CreateAddress => {
                let form = format!(
                    "scope[method_id]={OUT_BTC}&name=w{a}-{b}&address_details[crypto][address]=bc1q{a}"
                );
                let answer = self.ask(who, Act::Beta(Call::CreateAddress), &form);
                let id = answer.as_ref().and_then(|answer| answer["address_id"].as_str());
                self.addresses.extend(id.map(str::to_owned));
                answer
            }
            What::CreateWithdrawal => {
                let Some(id) = self.addresses.iter().rev().nth(a as usize % 4).cloned() else { return false };
                let sum = "amount[asset_amount]";
                let form = format!(
                    "scope[method_id]={OUT_BTC}&address_id={id}&{sum}[asset][class]=currency&{sum}[asset][name]=BTC\
                     &{sum}[amount]={}.{b:05}&fee[fee_included]={}",
                    a % 3,
                    b.is_multiple_of(2)
                );
                self.ask(who, Act::Beta(Call::CreateWithdrawal), &form)
            }
            What::Switches => {
                self.exchange.switches.funding_fails = a.is_multiple_of(2);
                self.exchange.switches.funding_step_ms = u64::from(b % 40_000);
                self.exchange.switches.earn_ms = u64::from(a % 3_000);
                return true;
            }
            What::Days => {
                self.now_us += u64::from(a % 3) * 86_400_000_000;
                self.exchange.tick(self.now_us);
                return true;
            }
        };
        self.refids.extend(answer.as_ref().and_then(|it| it["result"]["refid"].as_str()).map(str::to_owned));
        answer.is_some_and(|answer| answer["result"]["count"] != 0 && answer["result"]["status"] != "err")
    }

    fn holds(&mut self) -> Result<(), TestCaseError> {
        let accounts = &self.exchange.engine.accounts;
        prop_assert_eq!(accounts.total(), self.start);
        prop_assert!(accounts.in_transit.iter().all(|amount| *amount >= 0));
        // A new subaccount begins with nothing.
        self.sums.resize(accounts.len(), ([0; ASSET_COUNT], 0));
        self.lost.resize(accounts.len(), [0; ASSET_COUNT]);
        if self.exchange.engine.positions.accounts().is_empty() {
            prop_assert_eq!(accounts.margin_pool, [0; ASSET_COUNT]);
        }
        for (number, (sums, seen)) in self.sums.iter_mut().enumerate() {
            let account = accounts.get(number);
            for asset in 0..ASSET_COUNT {
                prop_assert!(account.held[asset] >= 0);
                prop_assert!(account.futures[asset] >= 0 && account.earning[asset] >= 0);
            }
            for entry in account.ledger.iter().skip(*seen) {
                let (_, entry) = accounts.ledger.get(*entry).unwrap();
                prop_assert_eq!(entry.account, number);
                sums[entry.asset] += entry.amount - entry.fee;
                prop_assert_eq!(sums[entry.asset], entry.balance, "{:?}", entry);
                if matches!(entry.kind, "margin" | "rollover") {
                    self.lost[number][entry.asset] += (entry.fee - entry.amount).max(0);
                }
            }
            for asset in 0..ASSET_COUNT {
                // Nobody owes anything but what was lost with lent money.
                prop_assert!(account.available(asset) + self.lost[number][asset] >= 0);
            }
            *seen = account.ledger.len();
            prop_assert_eq!(*sums, account.balances, "account {} moved without an entry", account.name);
        }
        Ok(())
    }

    /// In the end nothing is on its way.
    fn ends(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..2 {
            self.now_us += 7 * 86_400_000_000;
            self.exchange.tick(self.now_us);
            self.holds()?;
        }
        prop_assert_eq!(self.exchange.engine.accounts.in_transit, [0; ASSET_COUNT]);
        Ok(())
    }
}

#[test]
fn the_sum_of_every_asset_never_changes_and_every_move_has_its_entry() {
    let config = ProptestConfig {
        cases: HISTORIES,
        max_shrink_iters: 2_000,
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let operation = (0..2_usize, what(), any::<u16>(), any::<u16>(), 0..1_500_u64);
    let executed = std::cell::RefCell::new([0; What::Days as usize + 1]);
    let told = TestRunner::new(config).run(&proptest::collection::vec(operation, OPERATIONS), |operations| {
        let mut story = Story::new();
        for operation in operations {
            story.step(operation);
            story.holds()?;
        }
        story.ends()?;
        executed.borrow_mut().iter_mut().zip(story.executed).for_each(|(all, more)| *all += more);
        Ok(())
    });
    told.unwrap_or_else(|error| panic!("{error}"));
    // What is always refused proves nothing.
    let executed = executed.into_inner();
    assert!(executed.iter().all(|count| *count > 100), "{executed:?} in the order of What");
    assert!(executed.iter().sum::<usize>() > 40_000, "{executed:?}");
}
