//! The words of the trading counter: limits, costs, requests, answers.

use tidegate_core::AccountName;

const POINT: u64 = 1_000;
const S: u64 = 1_000_000;

/// Kept for cancels: the price of one that is as dear as can be.
const KEPT_FOR_CANCELS_MILLI: u64 = 8 * POINT;

/// The limits of one account on one pair, which follow the account's verification level (Kraken support, "Spot trading limits").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeTier {
    /// Highest value that Kraken allows, in thousandths of a point.
    pub max_milli: u64,
    /// Decay, in thousandths of a point per second.
    pub decay_milli_per_s: u64,
}

impl TradeTier {
    /// Starter accounts.
    pub const STARTER: Self = Self { max_milli: 60 * POINT, decay_milli_per_s: 1_000 };
    /// Intermediate accounts.
    pub const INTERMEDIATE: Self = Self { max_milli: 125 * POINT, decay_milli_per_s: 2_340 };
    /// Pro accounts.
    pub const PRO: Self = Self { max_milli: 180 * POINT, decay_milli_per_s: 3_750 };

    /// How high orders and changes may take the counter: the maximum without what is kept for cancels.
    pub const fn usable_milli(self) -> u64 {
        self.max_milli.saturating_sub(KEPT_FOR_CANCELS_MILLI)
    }
}

/// What costs more while its order is young.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aged {
    /// AmendOrder, beside its fixed point.
    Amend,
    /// EditOrder, beside its fixed point.
    Edit,
    /// Any cancel.
    Cancel,
}

impl Aged {
    /// Below which age, in microseconds, it costs how much, in thousandths of a point (Kraken support, "Spot trading limits"). An
    /// age that is a limit belongs to the cheaper bracket.
    pub const fn brackets(self) -> &'static [(u64, u64)] {
        match self {
            Self::Amend => &[(5 * S, 3 * POINT), (10 * S, 2 * POINT), (15 * S, POINT)],
            Self::Edit => &[
                (5 * S, 6 * POINT),
                (10 * S, 5 * POINT),
                (15 * S, 4 * POINT),
                (45 * S, 2 * POINT),
                (90 * S, POINT),
            ],
            Self::Cancel => &[
                (5 * S, 8 * POINT),
                (10 * S, 6 * POINT),
                (15 * S, 5 * POINT),
                (45 * S, 4 * POINT),
                (90 * S, 2 * POINT),
                (300 * S, POINT),
            ],
        }
    }

    /// What it costs of an order of that age.
    pub fn milli(self, age_us: u64) -> u64 {
        self.brackets().iter().find(|(below_us, _)| age_us < *below_us).map_or(0, |(_, milli)| *milli)
    }
}

/// One act on the counters of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRequest {
    /// The domain, whose keys all live in one hash slot of the store.
    pub domain: AccountName,
    /// The account.
    pub account: AccountName,
    /// Its limits.
    pub tier: TradeTier,
    /// What is done.
    pub act: TradeAct,
}

/// What is done to a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradeAct {
    /// Asks for the points of an order or a change before it is sent. The same token asks again, not twice.
    Spend(Spend),
    /// What was spent was charged by now, and these orders were placed or changed: their age begins.
    Land {
        /// The pair, as [`TradeReply::Spent`] names it.
        pair: String,
        /// Who spent.
        token: String,
        /// What was placed or changed.
        orders: Vec<OrderNames>,
    },
    /// Nothing was written to Kraken: what was spent was not.
    Refund {
        /// The pair.
        pair: String,
        /// Who spent.
        token: String,
    },
    /// These orders, by either of their ids, are about to be cancelled. It is charged in any case: nobody holds a cancel back.
    Cancel {
        /// Ids.
        ids: Vec<String>,
    },
    /// Kraken has refused for this limit: the counter is as high as it can be.
    Full {
        /// The pair.
        pair: String,
    },
}

/// The points of an order or a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// The pair ([`crate::canonical_pair`]); empty if only the order says it.
    pub pair: String,
    /// Who spends: new for every attempt.
    pub token: String,
    /// What it costs whatever the order's age, in thousandths of a point.
    pub fixed_milli: u64,
    /// Which order is changed, and what that costs beside.
    pub order: Option<(String, Aged)>,
    /// No later than this is it charged, microseconds since 1970: from then on it decays, whoever spent it lives or not.
    pub until_us: u64,
}

/// How an order is called. Either name may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderNames {
    /// Kraken's id.
    pub order_id: String,
    /// The client's.
    pub cl_ord_id: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TradeReply {
    /// The points are spent.
    Spent {
        /// The pair.
        pair: String,
        /// The counter with everything that may still be charged, in thousandths of a point.
        level_milli: u64,
    },
    /// There is no room.
    Over {
        /// The pair.
        pair: String,
        /// As above.
        level_milli: u64,
        /// In how many microseconds there may be.
        wait_us: u64,
    },
    /// Of which pair it is, is not known; or the store has no generation. Nothing was counted.
    Unknown,
    /// What is known of the orders that are about to be cancelled, one by one.
    Cancels(Vec<CancelSeen>),
    /// It was noted.
    Noted {
        /// The counter as above.
        level_milli: u64,
    },
}

/// What is known of an order that is about to be cancelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelSeen {
    /// Its pair, empty if that is not known.
    pub pair: String,
    /// Kraken's id of it, empty if that is not known.
    pub order_id: String,
    /// Whether its pair's counter forbids to cancel it alone.
    pub over: bool,
}

/// A pair by one name, whatever Kraken takes for it: `XBTUSD`, `XXBTZUSD`, `BTC/USD` and `btcusd` count together (Kraken API
/// reference, AssetPairs: `altname`, `wsname`).
pub fn canonical_pair(written: &str) -> String {
    let mut name: String =
        written.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    let bytes = name.as_bytes();
    let classed = |at: usize| bytes.get(at).is_some_and(|class| matches!(class, b'X' | b'Z'));
    if name.len() == 8 && classed(0) && classed(4) {
        name = format!("{}{}", &name[1..4], &name[5..8]);
    }
    name.replace("XBT", "BTC").replace("XDG", "DOGE")
}
