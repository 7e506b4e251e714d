//! Fuzzers for a while: what they ran, and what they found.
//!
//! They need a nightly compiler and cargo-fuzz, which nothing else here does; where one of them is missing, that is the finding.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// Names of the targets, as `fuzz/` has them. What they assert is in `tests/fuzzed`.
const TARGETS: [&str; 3] = ["decoder", "encoder", "config"];

/// What came of one target.
#[derive(Debug)]
struct Run {
    target: &'static str,
    executions: u64,
    /// New inputs that reached code which no other had reached.
    new_inputs: u64,
    /// What broke, with the input that broke it.
    findings: Vec<String>,
}

/// What came of all.
#[derive(Debug)]
pub struct Figures {
    runs: Vec<Run>,
    each: Duration,
}

impl Figures {
    /// In words.
    pub fn line(&self) -> String {
        let one = |run: &Run| {
            let Run { target, executions, new_inputs, findings } = run;
            format!(
                "{target} {executions} executions, {new_inputs} new inputs kept, {} findings",
                findings.len()
            )
        };
        let runs: Vec<_> = self.runs.iter().map(one).collect();
        format!("{} s each: {}", self.each.as_secs(), runs.join("; "))
    }

    /// What must not have been.
    pub fn failures(&self) -> Vec<String> {
        let mut failures: Vec<_> = self.runs.iter().flat_map(|run| run.findings.clone()).collect();
        let idle = self.runs.iter().filter(|run| run.executions == 0);
        failures.extend(idle.map(|run| format!("{} ran nothing", run.target)));
        failures
    }
}

/// Runs every target for this long, one after the other, from the kept inputs. Inputs that break something stay in `fuzz/artifacts`, the
/// others are thrown away.
///
/// # Errors
/// When there is nothing to run them with.
pub async fn run(each: Duration) -> Result<Figures> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let nightly = succeeds(cargo(&fuzz).arg("--version")).await;
    ensure!(
        nightly,
        "there is no nightly compiler, which fuzzers need: rustup toolchain install nightly --profile minimal"
    );
    let installed = succeeds(cargo(&fuzz).args(["fuzz", "--version"])).await;
    ensure!(installed, "cargo-fuzz is not installed: scripts/setup.sh drills");
    let mut runs = Vec::new();
    for target in TARGETS {
        runs.push(one(&fuzz, target, each).await?);
    }
    Ok(Figures { runs, each })
}

fn cargo(fuzz: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    // A cargo that was started by another one is told which compiler to use, and would use that one.
    cargo
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .arg("+nightly")
        .current_dir(fuzz)
        .stdin(Stdio::null());
    cargo
}

async fn succeeds(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    status.is_ok_and(|status| status.success())
}

async fn one(fuzz: &Path, target: &'static str, each: Duration) -> Result<Run> {
    let found = tempfile::tempdir()?;
    let artifacts = fuzz.join("artifacts").join(target);
    let before = files(&artifacts);
    // Our code has no unsafe part, so a sanitizer of addresses would cost time and find nothing.
    let output = cargo(fuzz)
        .args(["fuzz", "run", "--sanitizer", "none", target])
        .arg(found.path())
        .arg(fuzz.join("corpus").join(target))
        .args(["--", "-print_final_stats=1", "-timeout=10", "-max_len=16384"])
        .arg(format!("-max_total_time={}", each.as_secs()))
        .output()
        .await
        .context("cargo fuzz could not be started")?;
    let text = String::from_utf8_lossy(&output.stderr);
    let broke: Vec<PathBuf> = files(&artifacts).into_iter().filter(|file| !before.contains(file)).collect();
    let mut findings: Vec<String> = broke
        .iter()
        .map(|file| {
            format!("{target}: {} in {}", said(&text), file.file_name().unwrap_or_default().display())
        })
        .collect();
    if !output.status.success() && findings.is_empty() {
        let last: Vec<_> = text.lines().rev().take(5).collect();
        findings.push(format!("{target} ended with {}: {}", output.status, last.join(" | ")));
    }
    let executions = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    Ok(Run {
        target,
        executions: executions.and_then(|count| count.trim().parse().ok()).unwrap_or(0),
        new_inputs: u64::try_from(files(found.path()).len())?,
        findings,
    })
}

/// What a panic said, in one line.
fn said(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at"));
    let (place, words) = (lines.next().unwrap_or("a crash"), lines.next().unwrap_or_default());
    format!("{place} {words}").chars().take(300).collect()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}
