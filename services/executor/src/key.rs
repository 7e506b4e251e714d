//! One API key with all that the configuration says of it.

use std::fmt;

use tidegate_core::{AccountName, KeyLabel, NonceUnit, PermissionSet, PoolName};
use tidegate_kraken::{Credential, Totp};
use tidegate_lanes::{GrantKey, Tier, TradeTier};
use zeroize::Zeroizing;

/// The second factor of a key that has one, sent with its every private call (Kraken docs: REST authentication). Kraken does not
/// tell which a key has.
pub enum Otp {
    /// A password.
    Password(Zeroizing<String>),
    /// One-time codes: each is taken once, so such a key makes one call in thirty seconds.
    Codes(Totp),
}

impl Otp {
    /// What a call carries; `step` is that of its code.
    pub(crate) fn expose(&self, step: Option<u64>) -> Zeroizing<String> {
        match self {
            Self::Password(password) => password.clone(),
            // Without a step the call has left its lane and will not be written.
            Self::Codes(totp) => Zeroizing::new(step.map(|step| totp.code(step)).unwrap_or_default()),
        }
    }

    pub(crate) const fn is_codes(&self) -> bool {
        matches!(self, Self::Codes(_))
    }
}

impl fmt::Debug for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Otp(..)")
    }
}

/// A key that this executor mounts.
#[derive(Debug)]
pub struct Key {
    /// Public name.
    pub label: KeyLabel,
    /// Account that it belongs to.
    pub account: AccountName,
    /// The account's identifier at Kraken; `None` where the configuration does not say it.
    pub iban: Option<String>,
    /// Pool in which it is announced.
    pub pool: PoolName,
    /// Whether it is one of the sandbox's own, which are public: it is shown to nobody but a sandbox.
    pub of_sandbox: bool,
    /// Its place in the store.
    pub grant_key: GrantKey,
    /// The two halves.
    pub credential: Credential,
    /// Second factor.
    pub otp: Option<Otp>,
    /// Unit of its nonces.
    pub unit: NonceUnit,
    /// Nonce window as set at Kraken, in ticks of the unit.
    pub window: u64,
    /// What it may do.
    pub permissions: PermissionSet,
    /// What calls can ask for.
    pub tags: Vec<String>,
    /// Limits of its REST counter.
    pub tier: Tier,
    /// Limits of its account's trading counters; `None` if it has none.
    pub trade_tier: Option<TradeTier>,
    /// Whether it is this one process's own, for cancels when nothing else takes them. Its grant is never in the store.
    pub break_glass: bool,
}

impl Key {
    /// Whether each of its calls uses a one-time code up.
    pub(crate) fn has_codes(&self) -> bool {
        self.otp.as_ref().is_some_and(Otp::is_codes)
    }
}
