//! The protocol of the lanes as a finite model.
pub mod config;
mod exchange;
mod liveness;
mod owner;
pub mod protocol;
pub mod search;
pub mod state;
mod store;
mod tidy;
pub mod variants;
