//! Kraken's Spot REST wire: how a request is written and signed, how a reply is read and judged, and the client
//! that puts exactly one request on the wire per send.
//!
//! *Invariant:* what is signed is what is sent. A request exists once, as [`PreparedRequest`], and nothing writes it a
//! second time.
//!
//! The crate decides nothing about keys, nonces, budgets or repetition; it reports what it saw in words that
//! cannot be mistaken: [`Stage::NotSent`] and [`Executed::No`] are proofs, everything else is not.

mod bare;
mod classify;
mod client;
mod download;
mod encode;
mod error_table;
mod gate;
mod reply;
mod request;
mod sign;
mod totp;
pub mod wire;

pub use classify::{Classified, Executed, KeyEffect, Refusal, classify};
pub use client::{BuildError, CallFault, ClientOptions, Head, ReadFault, RestClient, SendError, Stage};
pub use download::{Download, Opened};
pub use encode::{Params, Value};
pub use error_table::{ERROR_TABLE, ErrorRow};
pub use reply::{BodyFault, Reply, read_reply};
pub use request::{PreparedRequest, Unwritable, read_answer};
pub use sign::{ApiSign, Credential, CredentialError};
pub use totp::{SeedError, Totp};
