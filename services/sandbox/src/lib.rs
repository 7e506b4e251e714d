//! tidegate's sandbox: a simulated Kraken with the real hard rules, for people who develop strategies and for our own
//! tests. It judges as Kraken does (signature, key, nonce and window, expiry, IP list, second factor, permission, REST
//! counter), trades on a price-time book with balances and a ledger, and can be told to fail in most of the ways in
//! which a real exchange does.
//!
//! It shares no code and no table with the parts of tidegate that it judges: everything here is written from Kraken's
//! documentation a second time, so that a mistake made once shows.
//!
//! State is in memory and gone at the end. Every account named by a key starts with 1,000,000.0000 ZUSD,
//! 1,000,000.0000 ZEUR, 100.0000000000 XXBT and 1,000.0000000000 XETH. What is simulated and what is not, and the
//! pages under `/sandbox`, are described in this crate's `README.md`.

pub mod exchange;
mod http;
mod options;
mod serve;
mod tls;
mod wire;

pub use exchange::{
    EndpointRow, KeyError, Lockout, Otp, PairStatus, PairStatuses, SandboxKey, SystemStatus, Tier,
    WithdrawTo, account_iban, keys, table,
};
pub use options::{Casing, CostProfile, MarketKind, Options, ReplayRule};
pub use serve::{Error, Listeners, serve};
