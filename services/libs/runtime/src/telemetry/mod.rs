//! Logs to standard error, metrics for Prometheus. The names of all instruments live in [`Metrics`].

mod logs;
mod metrics;

pub use logs::{check_filter, init_logging};
pub use metrics::{CallResult, LaneReading, Metrics, Stage};
