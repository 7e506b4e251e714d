//! `tidegate-sim`: runs seeds of the simulation and says what was met.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

use std::process::ExitCode;

use clap::Parser;
use tidegate_sim::{Report, campaign_on, explain};

/// Seeds between two lines that say how a campaign stands.
const PIECE: usize = 5_000;

/// Lines of a trace that are shown before and after a violation.
const LINES_MAX: usize = 400;

/// The lanes under a seeded scheduler with faults; the sandbox's exchange is the judge.
#[derive(Debug, Parser)]
struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first one.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// On how many threads.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Of how many seeds with violations to tell.
    #[arg(long, default_value_t = 20)]
    tell: usize,
    /// Shows what happens in the first seed, and runs no other.
    #[arg(long)]
    trace: bool,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the campaign took is for people to read, no run depends on it"
)]
fn main() -> ExitCode {
    let options = Options::parse();
    if options.trace {
        let (outcome, lines) = explain(options.from);
        lines.iter().for_each(|line| println!("{line}"));
        println!("seed {}: hash {:016x}, {:?}", outcome.seed, outcome.hash, outcome.violations);
        return if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let began = std::time::Instant::now();
    // Piece by piece, so that a long campaign shows how it stands, and one that is cut short was not in vain.
    let (mut report, end) = (Report::default(), options.from + options.seeds);
    for from in (options.from..end).step_by(PIECE) {
        report.join(campaign_on(options.threads, from, (end - from).min(PIECE as u64)));
        eprintln!("{} seeds of {}: {} with violations", report.seeds, options.seeds, report.broken.len());
    }
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    println!("seen:\n{}", report.seen);
    for outcome in report.broken.iter().take(options.tell) {
        println!("seed {}: {}", outcome.seed, outcome.violations.join("\n         "));
    }
    if let Some(first) = report.broken.first() {
        println!("\nthe end of seed {} (all of it: --trace --from {}):", first.seed, first.seed);
        let (_, lines) = explain(first.seed);
        lines.iter().skip(lines.len().saturating_sub(LINES_MAX)).for_each(|line| println!("{line}"));
    }
    let unseen = report.seen.unseen();
    for mark in &unseen {
        println!("never met: {mark}");
    }
    println!(
        "{} seeds from {} in {} s, {} an hour on {} threads; {} s of virtual time, {} calls, {} requests, {} faults; {} \
         seeds with violations",
        report.seeds,
        options.from,
        took_ms / 1_000,
        report.seeds * 3_600_000 / took_ms,
        options.threads,
        report.virtual_ms / 1_000,
        report.calls,
        report.requests,
        report.faults,
        report.broken.len(),
    );
    if report.broken.is_empty() && unseen.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
