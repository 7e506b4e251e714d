//! Logs to standard error, metrics for Prometheus. The names of all instruments live in [`Metrics`].

mod logs;
mod metrics;
mod readings;

pub use logs::{check_filter, init_logging};
pub use metrics::Metrics;
pub use readings::{CallResult, LaneReading, NonceCause, Sent, Stage, StoreAct};
