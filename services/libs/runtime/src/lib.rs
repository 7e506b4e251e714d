//! What a process needs around its own work: configuration, logs and metrics, health, serving, stopping, and
//! the table from errors to gRPC.
//!
//! *Invariant:* this crate knows the words of the domain and no other crate of ours. It holds no keys and never
//! speaks to Kraken or Redis; what it knows of them are settings.

mod accept;
mod clock;
pub mod config;
mod drain;
mod health;
mod listen;
mod serve;
pub mod status;
pub mod telemetry;

pub use clock::SystemClock;
pub use config::{Config, Mistakes};
pub use drain::{Drain, signals};
pub use health::{Condition, Health, admin_router, serve_admin};
pub use listen::{ListenerName, announce, bind};
pub use serve::{GrpcService, ServeLimits, serve_grpc};
