//! Through the front door: real processes, a real Redis, and the sandbox as the judge.
//!
//! A judge reads only the sandbox's log and what the client was told, never a log of tidegate's own.

mod abandonment;
mod cancels;
mod chaos;
mod keys;
mod outcomes;
mod proxy;
mod rolling;
mod secrets;
mod shared_keys;
mod store_trouble;
mod takeover;
mod throughput;
