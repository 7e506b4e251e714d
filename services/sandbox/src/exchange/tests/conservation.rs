//! Nothing is made and nothing is lost: whatever is traded, paid in, paid out, taken back or moved, and whatever fails.

use proptest::prelude::*;

use super::*;
use crate::exchange::markets::{ASSET_COUNT, ASSETS};

/// Histories, and what happens in each: a hundred thousand operations together.
const HISTORIES: u32 = 100;
const OPERATIONS: usize = 1_000;

const PAIRS: [(&str, u32); 3] = [("XBTUSD", 60_000), ("ETHUSD", 3_000), ("XBTEUR", 55_000)];
const KEYS: [&str; 4] = ["cold-wallet-1", "eth-vault", "bank-usd", "bank-eur"];

/// Who, what, two numbers that say more, and how long after the one before.
type Operation = (usize, u8, u16, u16, u64);

struct Story {
    exchange: Exchange,
    keys: [usize; 2],
    now_us: u64,
    refids: Vec<String>,
    start: [i128; ASSET_COUNT],
    executed: usize,
}

impl Story {
    fn new() -> Self {
        let mut exchange = Exchange::new(&Options { tier: Tier::Wide, ..Options::default() });
        let all = keys().iter().find(|key| key.label == "sandbox-all").unwrap();
        let second =
            SandboxKey { api_key: "second-all".to_owned(), account: "second".to_owned(), ..all.clone() };
        exchange.add_key(second).unwrap();
        let keys = [all.api_key.as_str(), "second-all"].map(|key| exchange.keys.find(key).unwrap());
        let start = exchange.engine.accounts.total();
        Self { exchange, keys, now_us: NOW_US, refids: Vec::new(), start, executed: 0 }
    }

    fn ask(&mut self, who: usize, act: Act, form: &str) {
        let params = Params::form(form.as_bytes()).unwrap();
        if let Ok(done) = self.exchange.act(self.now_us, self.now_us, act, Some(self.keys[who]), &params) {
            self.executed += 1;
            let answer: Value = serde_json::from_str(&done.body).unwrap();
            self.refids.extend(answer["result"]["refid"].as_str().map(str::to_owned));
        }
    }

    fn step(&mut self, (who, what, a, b, wait_ms): Operation) {
        self.now_us += wait_ms * 1_000;
        self.exchange.tick(self.now_us);
        self.exchange.engine.counters.begin(self.now_us, Tier::Wide);
        let (a, b) = (u32::from(a), u32::from(b));
        let asset = ASSETS[a as usize % ASSET_COUNT].altname;
        // A third of a unit to twice of what an account has in the end, with all places.
        let amount = format!("{}.{b:04}", (a * b) % 2_000);
        match what {
            0..=3 => {
                let (pair, middle) = PAIRS[a as usize % 3];
                let side = if b % 2 == 0 { "buy" } else { "sell" };
                let terms = match a % 5 {
                    0 => "ordertype=market".to_owned(),
                    _ => format!("ordertype=limit&price={}", middle - 20 + b % 40),
                };
                let volume = format!("0.{:05}", 1 + (a * 7 + b) % 99_999);
                self.ask(who, Act::AddOrder, &format!("pair={pair}&type={side}&volume={volume}&{terms}"));
            }
            4 => self.ask(who, Act::CancelAll, ""),
            5 | 6 => {
                let account = ["main", "second"][who];
                let payment = json!({"account": account, "asset": asset, "amount": amount});
                let sent = self.exchange.deposit(self.now_us, payment.to_string().as_bytes());
                self.executed += usize::from(sent.is_ok());
            }
            7 | 8 => {
                let key = KEYS[a as usize % ASSET_COUNT];
                self.ask(who, Act::Withdraw, &format!("asset={asset}&key={key}&amount={amount}"));
            }
            9 => {
                let wallets = "from=Spot%20Wallet&to=Futures%20Wallet";
                self.ask(who, Act::WalletTransfer, &format!("asset={asset}&amount={amount}&{wallets}"));
            }
            10 => {
                // Among the latest, or it is over.
                let back = b as usize % 8;
                if let Some(refid) = self.refids.iter().rev().nth(back).cloned() {
                    for asset in ASSETS {
                        let form = format!("asset={}&refid={refid}", asset.id);
                        self.ask(who, Act::WithdrawCancel, &form);
                    }
                }
            }
            _ => {
                self.exchange.switches.funding_fails = a % 2 == 0;
                self.exchange.switches.funding_step_ms = u64::from(b % 3_000);
            }
        }
    }

    fn holds(&self) -> Result<(), TestCaseError> {
        let accounts = &self.exchange.engine.accounts;
        prop_assert_eq!(accounts.total(), self.start);
        prop_assert!(accounts.in_transit.iter().all(|amount| *amount >= 0));
        for account in 0..accounts.len() {
            let account = accounts.get(account);
            for asset in 0..ASSET_COUNT {
                prop_assert!(account.available(asset) >= 0 && account.held[asset] >= 0);
                prop_assert!(account.futures[asset] >= 0);
            }
        }
        Ok(())
    }

    /// In the end nothing is on its way, and every balance is what its ledger adds up to.
    fn ends(&mut self) -> Result<(), TestCaseError> {
        self.now_us += 3_600_000_000;
        self.exchange.tick(self.now_us);
        self.holds()?;
        let accounts = &self.exchange.engine.accounts;
        prop_assert_eq!(accounts.in_transit, [0; ASSET_COUNT]);
        for number in 0..accounts.len() {
            let account = accounts.get(number);
            let mut sums = ASSETS.each_ref().map(|asset| asset.starting_balance);
            for entry in &account.ledger {
                let (_, entry) = accounts.ledger.get(*entry).unwrap();
                sums[entry.asset] += entry.amount - entry.fee;
                prop_assert_eq!(sums[entry.asset], entry.balance);
            }
            prop_assert_eq!(sums, account.balances);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: HISTORIES, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_sum_of_every_asset_never_changes(
        operations in proptest::collection::vec(
            (0..2_usize, 0..12_u8, any::<u16>(), any::<u16>(), 0..1_500_u64), OPERATIONS,
        ),
    ) {
        let mut story = Story::new();
        for operation in operations {
            story.step(operation);
            story.holds()?;
        }
        story.ends()?;
        prop_assert!(story.executed > OPERATIONS / 4, "{} executed: the test asks for nonsense", story.executed);
    }
}
