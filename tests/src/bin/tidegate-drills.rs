//! `make drills`: the long proofs in full. Writes `docs/PROOFS.md` with commit, machine and figures, and ends with 1 when
//! a proof fails.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use tidegate_tests::rolling;

/// Rolling restarts of each deployment.
const ROLLS: usize = 20;

/// One proof: what was promised, what was measured, and whether it holds.
struct Proof {
    name: &'static str,
    promise: &'static str,
    figures: String,
    holds: bool,
}

async fn rolling_restarts() -> Proof {
    let (figures, holds) = match rolling::restarts(ROLLS).await {
        Ok(figures) => {
            let holds = figures.unmarked.is_empty()
                && figures.forbidden.is_empty()
                && figures.contradicted.is_empty();
            let mut text = figures.line();
            for (said, count) in figures.refused.iter().chain(&figures.unresolved) {
                let _ = write!(text, "; {count} x \"{said}\"");
            }
            for failure in
                figures.unmarked.iter().chain(&figures.forbidden).chain(&figures.contradicted).take(20)
            {
                let _ = write!(text, "; FAILED: {failure}");
            }
            (text, holds)
        }
        Err(error) => (format!("could not be carried out: {error:#}"), false),
    };
    Proof {
        name: "Rolling restarts under load",
        promise: "every failed call carries the mark \"not executed\"; the exchange refuses no nonce; every process ends \
                  with code 0 in its grace period",
        figures,
        holds,
    }
}

fn first_line_of(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

fn field(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_owned()
}

fn report(proofs: &[Proof]) -> String {
    let dirty = if first_line_of("git", &["status", "--porcelain", "--untracked-files=no"]) == "unknown" {
        ""
    } else {
        ", with changes that were not committed"
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let day = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let mut text = format!(
        "# Proofs\n\nWritten by `make drills`, which runs the long proofs in full against real processes.\n\n\
         - Commit: {}{dirty}\n- Day: {day}\n- Machine: {cores} cores, {}, {} of memory, Linux {}\n",
        first_line_of("git", &["rev-parse", "HEAD"]),
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        first_line_of("uname", &["-r"]).split('-').next().unwrap_or_default(),
    );
    for proof in proofs {
        let verdict = if proof.holds { "holds" } else { "FAILS" };
        let _ = write!(
            text,
            "\n## {}: {verdict}\n\nPromise: {}.\n\nMeasured: {}.\n",
            proof.name, proof.promise, proof.figures
        );
    }
    text
}

#[tokio::main]
async fn main() -> ExitCode {
    let proofs = [rolling_restarts().await];
    let text = report(&proofs);
    let file = Path::new("docs/PROOFS.md");
    let written = std::fs::create_dir_all("docs").and_then(|()| std::fs::write(file, &text));
    #[expect(clippy::print_stdout, reason = "a report for whoever ran the drills")]
    {
        println!("{text}");
        if let Err(error) = &written {
            println!("{} could not be written: {error}", file.display());
        }
    }
    if written.is_ok() && proofs.iter().all(|proof| proof.holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
