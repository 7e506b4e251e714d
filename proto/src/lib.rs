//! tidegate's contract: the generated protobuf types, clients and servers of `tidegate.v1`, the descriptor for
//! reflection, and a table of methods that says in which Kraken endpoint each of them ends.
//!
//! *Invariant:* this crate knows no other crate of ours. The `.proto` files beside it are the documentation.

pub mod hop;
mod methods;
mod strict;

pub use methods::{METHODS, Method, method};
pub use strict::unknown_fields;

/// Generated from `tidegate/v1/*.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/tidegate.v1.rs"));
}

/// The encoded descriptor set of the whole API with its imports, for reflection and JSON clients.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// ErrorInfo domain of every Status that tidegate makes.
pub const ERROR_DOMAIN: &str = "tidegate.v1";
