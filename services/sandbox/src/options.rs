//! What can be set of the sandbox: at its start through [`Options`], while it runs through [`Change`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::exchange::{FaultSpec, KeyChange, Lockout, PairStatuses, SystemStatus, Tier, WithdrawTo};

/// The longest delay that is taken: ten minutes.
const DELAY_MAX_MS: u64 = 600_000;
/// How long money on its way stays in each state, unless told otherwise: long enough to be seen there.
const FUNDING_STEP_MS: u64 = 2_000;

/// How long a report takes unless told otherwise: long enough to be seen on its way.
const EXPORT_MS: u64 = 1_000;
/// How long a move into an earn strategy or out of it takes unless told otherwise.
const EARN_MS: u64 = 1_000;
/// Nothing goes faster than this: a day in a second.
const SPEED_MAX: u64 = 86_400;

/// Which figures the REST counter charges where Kraken's own sources differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CostProfile {
    /// Those of the documentation.
    #[default]
    Documented,
    /// The highest found anywhere.
    Conservative,
}

/// What happens to a nonce that was used before and lies inside the key's window. Kraken does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayRule {
    /// It is accepted: the worst case for a client.
    #[default]
    Accept,
    /// It is refused.
    Refuse,
}

/// How `GetApiKeyInfo` spells its members: Kraken's documentation and its recorded answers differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Casing {
    /// `nonceWindow`, a number.
    #[default]
    Camel,
    /// `nonce_window`, a text.
    Snake,
}

/// What the house's market maker does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MarketKind {
    /// It quotes around one price for ever: whatever moves a price, a client did.
    #[default]
    Still,
    /// Its prices move, and others trade with them, as the seed and the time have it.
    Moving,
}

/// Everything that can be chosen before the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Tier of every account.
    pub tier: Tier,
    /// Tier of every account for the trading counters and open orders of its pairs; none is that of `tier`.
    pub trading_tier: Option<Tier>,
    /// Costs on the REST counter.
    pub cost_profile: CostProfile,
    /// Upper end of a delay drawn anew for each private request before its nonce is looked at, in milliseconds: with
    /// it, two requests in flight on one key overtake each other. 0 is none.
    pub random_delay_ms: u64,
    /// Delay before each private request is authenticated, in milliseconds.
    pub auth_delay_ms: u64,
    /// Delay between authentication and the engine, in milliseconds. Public requests wait for it as well.
    pub engine_delay_ms: u64,
    /// Delay between the engine and the answer, in milliseconds.
    pub reply_delay_ms: u64,
    /// The rule for used nonces inside a window.
    pub replayed_nonce_in_window: ReplayRule,
    /// A file with more keys, in the form of the built-in ones.
    pub keys_file: Option<PathBuf>,
    /// Where to write the certificate authority that signed the TLS certificate of this run.
    pub ca_out: Option<PathBuf>,
    /// Where ids, tokens and random delays come from: the same requests at the same times get the same answers.
    pub seed: u64,
    /// When an address is locked out.
    pub lockout: Lockout,
    /// Spelling of `GetApiKeyInfo`.
    pub key_info_casing: Casing,
    /// For how long a new order is missing from `OpenOrders`, in milliseconds.
    pub visibility_lag_ms: u64,
    /// How long a report takes, in milliseconds: half of it waits, half of it is worked on; none is 1,000.
    pub export_ms: Option<u64>,
    /// How long a move into an earn strategy or out of it takes, in milliseconds; none is 1,000.
    pub earn_ms: Option<u64>,
    /// For how long a deposit, a withdrawal or a transfer stays in each of its states, in milliseconds; none is 2,000.
    pub funding_step_ms: Option<u64>,
    /// Whether deposits, withdrawals and transfers fail in the end.
    pub funding_fails: bool,
    /// What the exchange as a whole takes.
    pub system_status: SystemStatus,
    /// What single pairs take; those that are not named take everything.
    pub pair_status: PairStatuses,
    /// Whether prices move by themselves.
    pub market: MarketKind,
    /// How many times as fast as time goes what callers wait for (money on its way, reports, moves into strategies and out of
    /// them, addresses that are to be confirmed), and a moving market; from 1, which none is, to 86,400. Whatever is compared
    /// with a caller's clock, or gives a caller time, keeps to time: time stamps, nonces, deadlines, the expiry of orders, the
    /// timer that cancels them, counters, delays.
    pub speed: Option<u64>,
    /// Where accounts may pay to, by the name that Withdraw calls `key`. Empty is the built-in ones.
    pub withdraw_keys: BTreeMap<String, WithdrawTo>,
}

/// A change while the sandbox runs: what is not named stays as it is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Change {
    tier: Option<Tier>,
    trading_tier: Option<Tier>,
    cost_profile: Option<CostProfile>,
    random_delay_ms: Option<u64>,
    auth_delay_ms: Option<u64>,
    engine_delay_ms: Option<u64>,
    reply_delay_ms: Option<u64>,
    replayed_nonce_in_window: Option<ReplayRule>,
    lockout: Option<Lockout>,
    key_info_casing: Option<Casing>,
    visibility_lag_ms: Option<u64>,
    export_ms: Option<u64>,
    earn_ms: Option<u64>,
    funding_step_ms: Option<u64>,
    funding_fails: Option<bool>,
    system_status: Option<SystemStatus>,
    pair_status: PairStatuses,
    market: Option<MarketKind>,
    speed: Option<u64>,
    /// Settings of keys, as their owner would change them at Kraken.
    pub(crate) keys: Vec<KeyChange>,
    /// Forgets the faults that still wait, before new ones are added.
    pub(crate) clear_faults: bool,
    /// Faults to add behind those that wait.
    pub(crate) faults: Vec<FaultSpec>,
}

/// The switches as they stand.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Switches {
    pub(crate) tier: Tier,
    trading_tier: Option<Tier>,
    pub(crate) cost_profile: CostProfile,
    pub(crate) random_delay_ms: u64,
    pub(crate) auth_delay_ms: u64,
    pub(crate) engine_delay_ms: u64,
    pub(crate) reply_delay_ms: u64,
    pub(crate) replayed_nonce_in_window: ReplayRule,
    pub(crate) lockout: Lockout,
    pub(crate) key_info_casing: Casing,
    pub(crate) visibility_lag_ms: u64,
    pub(crate) export_ms: u64,
    pub(crate) earn_ms: u64,
    pub(crate) funding_step_ms: u64,
    pub(crate) funding_fails: bool,
    pub(crate) system_status: SystemStatus,
    pub(crate) pair_status: PairStatuses,
    pub(crate) market: MarketKind,
    pub(crate) speed: u64,
}

impl Switches {
    pub(crate) fn new(options: &Options) -> Self {
        let cap = |delay_ms: u64| delay_ms.min(DELAY_MAX_MS);
        Self {
            tier: options.tier,
            trading_tier: options.trading_tier,
            cost_profile: options.cost_profile,
            random_delay_ms: cap(options.random_delay_ms),
            auth_delay_ms: cap(options.auth_delay_ms),
            engine_delay_ms: cap(options.engine_delay_ms),
            reply_delay_ms: cap(options.reply_delay_ms),
            replayed_nonce_in_window: options.replayed_nonce_in_window,
            lockout: options.lockout,
            key_info_casing: options.key_info_casing,
            visibility_lag_ms: options.visibility_lag_ms,
            export_ms: cap(options.export_ms.unwrap_or(EXPORT_MS)),
            earn_ms: cap(options.earn_ms.unwrap_or(EARN_MS)),
            funding_step_ms: cap(options.funding_step_ms.unwrap_or(FUNDING_STEP_MS)),
            funding_fails: options.funding_fails,
            system_status: options.system_status,
            pair_status: options.pair_status.clone(),
            market: options.market,
            speed: options.speed.unwrap_or(1).clamp(1, SPEED_MAX),
        }
    }

    /// The tier of the trading counters: it follows `tier` until it is set itself.
    pub(crate) fn trading_tier(&self) -> Tier {
        self.trading_tier.unwrap_or(self.tier)
    }

    /// How long something of the exchange's own takes that would take so long, in microseconds.
    pub(crate) fn own_us(&self, takes_ms: u64) -> u64 {
        takes_ms * 1_000 / self.speed
    }

    /// The switches after a change; the change is refused in words if a delay is too long.
    pub(crate) fn changed(&self, change: &Change) -> Result<Self, String> {
        let delay = |name: &str, new: Option<u64>, old: u64| match new {
            Some(new) if new > DELAY_MAX_MS => Err(format!("{name}: at most {DELAY_MAX_MS}")),
            new => Ok(new.unwrap_or(old)),
        };
        Ok(Self {
            tier: change.tier.unwrap_or(self.tier),
            trading_tier: change.trading_tier.or(self.trading_tier),
            cost_profile: change.cost_profile.unwrap_or(self.cost_profile),
            random_delay_ms: delay("random_delay_ms", change.random_delay_ms, self.random_delay_ms)?,
            auth_delay_ms: delay("auth_delay_ms", change.auth_delay_ms, self.auth_delay_ms)?,
            engine_delay_ms: delay("engine_delay_ms", change.engine_delay_ms, self.engine_delay_ms)?,
            reply_delay_ms: delay("reply_delay_ms", change.reply_delay_ms, self.reply_delay_ms)?,
            replayed_nonce_in_window: change
                .replayed_nonce_in_window
                .unwrap_or(self.replayed_nonce_in_window),
            lockout: change.lockout.unwrap_or(self.lockout),
            key_info_casing: change.key_info_casing.unwrap_or(self.key_info_casing),
            visibility_lag_ms: delay("visibility_lag_ms", change.visibility_lag_ms, self.visibility_lag_ms)?,
            export_ms: delay("export_ms", change.export_ms, self.export_ms)?,
            earn_ms: delay("earn_ms", change.earn_ms, self.earn_ms)?,
            funding_step_ms: delay("funding_step_ms", change.funding_step_ms, self.funding_step_ms)?,
            funding_fails: change.funding_fails.unwrap_or(self.funding_fails),
            system_status: change.system_status.unwrap_or(self.system_status),
            pair_status: change.pair_status.over(&self.pair_status),
            market: change.market.unwrap_or(self.market),
            speed: match change.speed {
                Some(speed) if !(1..=SPEED_MAX).contains(&speed) => {
                    return Err(format!("speed: from 1 to {SPEED_MAX}"));
                }
                speed => speed.unwrap_or(self.speed),
            },
        })
    }
}
