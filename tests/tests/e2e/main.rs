//! Through the front door: real processes, a real Redis, and the sandbox as the judge.
//!
//! A judge reads only the sandbox's log and what the client was told, never a log of tidegate's own.

mod abandonment;
mod acts;
mod amounts;
mod cancels;
mod chaos;
mod commands;
mod earn;
mod funding;
mod funding_beta;
mod history;
mod intents;
mod keys;
mod late_store;
mod market;
mod moving_market;
mod order_types;
mod orders;
mod outcomes;
mod permissions;
mod proxy;
mod reports;
mod rolling;
mod second_factor;
mod secrets;
mod shared_keys;
mod store_moods;
mod store_trouble;
mod strangers;
mod streams;
mod subaccounts;
mod system_status;
mod takeover;
mod throughput;
mod windows;
