//! What the fuzzers run, and what must hold whatever they find.
//!
//! One function per target, from bytes to a panic if a property does not hold. `fuzz/` lets a fuzzer choose the bytes (`make drills`);
//! a test of this crate takes the kept ones in `fuzz/corpus`, so that each of them is looked at by every `make test`, without a fuzzer.

mod config;
mod decoder;
mod digits;
mod encoder;
mod form;

pub use config::config;
pub use decoder::decoder;
pub use encoder::encoder;

/// A target: its name, which is that of its corpus too, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 3] = [("decoder", decoder), ("encoder", encoder), ("config", config)];
