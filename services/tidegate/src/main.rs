//! The one door to Kraken: `tidegate <role>`, and a few commands for people.

mod call;
mod cli;
mod errors;
mod halts;
mod keys;
mod permissions;
mod roles;
mod store;
mod tables;

fn main() -> std::process::ExitCode {
    cli::run()
}
