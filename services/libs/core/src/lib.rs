//! The words of tidegate's domain: permissions, Kraken's endpoints, money, ids, errors, time.
//!
//! *Invariant:* this crate does no I/O and has never heard of gRPC, Redis or HTTP. Everything here is a value
//! that another crate can hold, compare and print, and a value that could be nonsense cannot be built.

mod clock;
mod content;
mod endpoint;
mod endpoints;
mod error;
mod handle;
mod ids;
mod money;
mod nonce;
mod pair_rules;
mod permission;

pub use clock::{Clock, ManualClock, MonoUs, UnixUs};
pub use content::Content;
pub use endpoint::{Effect, Encoding, Endpoint, Fit, Needs, Reading, Verb};
pub use endpoints::{ENDPOINTS, endpoint};
pub use error::{Error, ErrorKind, FieldViolation};
pub use handle::{ClOrdId, derive_cl_ord_id, derive_row_cl_ord_id, derive_userref};
pub use ids::{AccountName, CallerName, IdError, KeyLabel, OwnerId, PoolName, RequestId, TxId};
pub use money::{MoneyError, PriceText, Volume};
pub use nonce::{Nonce, NonceUnit};
pub use pair_rules::PairRules;
pub use permission::{Permission, PermissionSet, UnknownPermission};
