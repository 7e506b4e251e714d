//! Logs to standard error, metrics for Prometheus, traces for a collector. The names of all instruments live in [`Metrics`].

mod logs;
mod metrics;
mod readings;
mod traces;

pub use logs::{check_filter, init_telemetry};
pub use metrics::Metrics;
pub use readings::{CallResult, IntentReading, LaneReading, NonceCause, Sent, Stage, StoreAct, TradingHeld};
pub use traces::{Traces, follow, hand_on};
