//! One process of the product.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::PATIENCE;

/// A running `tidegate`. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    addrs: watch::Receiver<BTreeMap<String, SocketAddr>>,
    log: PathBuf,
    stdout: PathBuf,
}

/// Where cargo put the binary: beside the directory of the running test.
///
/// # Panics
/// When it was not built: `make test` builds it first.
pub fn binary() -> PathBuf {
    let mut dir = std::env::current_exe().expect("the running test has a path");
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let binary = dir.join("tidegate");
    assert!(binary.exists(), "{} is missing: run `cargo build -p tidegate` first", binary.display());
    binary
}

impl Process {
    /// Starts a role with a configuration and waits until each listener named in `listeners` (`role/what`, for
    /// instance `gateway/grpc`) is bound.
    pub async fn start(
        dir: &Path,
        name: &str,
        role: &str,
        config: &str,
        listeners: &[&str],
    ) -> anyhow::Result<Self> {
        let config_file = dir.join(format!("{name}.toml"));
        std::fs::write(&config_file, config)?;
        let args = [role, "--config", config_file.to_str().context("a path in UTF-8")?];
        let process = Self::spawn(dir, name, &args)?;
        for listener in listeners {
            process.listening(listener).await?;
        }
        Ok(process)
    }

    /// Starts the binary with any arguments; waits for nothing.
    pub fn spawn(dir: &Path, name: &str, args: &[&str]) -> anyhow::Result<Self> {
        let (log, stdout) = (dir.join(format!("{name}.log")), dir.join(format!("{name}.out")));
        let mut child = Command::new(binary())
            .args(args)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("stdout is piped")?).lines();
        let (sender, addrs) = watch::channel(BTreeMap::new());
        let copy = stdout.clone();
        tokio::spawn(async move {
            let mut all = String::new();
            while let Ok(Some(line)) = lines.next_line().await {
                all.push_str(&line);
                all.push('\n');
                let _ = std::fs::write(&copy, &all);
                if let Some((listener, addr)) = read_listening(&line) {
                    sender.send_modify(|known| {
                        known.insert(listener, addr);
                    });
                }
            }
        });
        Ok(Self { name: name.to_owned(), child, addrs, log, stdout })
    }

    /// The address of a listener, once it is bound.
    ///
    /// # Errors
    /// When it is not within [`PATIENCE`], and at once when the process ends before.
    pub async fn listening(&self, listener: &str) -> anyhow::Result<SocketAddr> {
        let mut addrs = self.addrs.clone();
        let bound = addrs.wait_for(|known| known.contains_key(listener));
        match tokio::time::timeout(PATIENCE, bound).await {
            Ok(Ok(known)) => Ok(known[listener]),
            _ => bail!("{} never listened on {listener}:\n{}", self.name, self.log_tail()),
        }
    }

    /// The address of a listener that is bound already.
    ///
    /// # Panics
    /// When it is not.
    pub fn addr(&self, listener: &str) -> SocketAddr {
        *self
            .addrs
            .borrow()
            .get(listener)
            .unwrap_or_else(|| panic!("{} has no listener {listener}", self.name))
    }

    /// Process id.
    ///
    /// # Panics
    /// When the process has ended and was waited for.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Stops it dead, without a chance to tidy up, and waits for its end.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// Asks it to end, as Kubernetes does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes it, and returns when it stands still: a thread that runs on another core stops a moment after the signal.
    ///
    /// # Panics
    /// When the system does not stop it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.stands_still() {
            assert!(tokio::time::Instant::now() < deadline, "{} does not stop", self.name);
            std::thread::yield_now();
        }
    }

    /// Whether every thread is stopped, as the system shows it.
    fn stands_still(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let stopped = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state is the first field behind the name, which ends with the last `)`.
            stat.rsplit(')').next().is_some_and(|fields| fields.trim_start().starts_with('T'))
        };
        threads.is_ok_and(|threads| threads.flatten().all(stopped))
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not end:\n{}", self.name, self.log_tail()),
        }
    }

    /// Everything that it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Everything that it printed so far.
    pub fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// The last thirty lines of its log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// CPU time that it has used, user and system, in microseconds.
    pub fn cpu_us(&self) -> u64 {
        cpu_us_of(&self.pid().to_string())
    }
}

/// CPU time that this very process has used, in microseconds.
pub fn own_cpu_us() -> u64 {
    cpu_us_of("self")
}

fn cpu_us_of(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Fields 14 and 15, in hundredths of a second; counted behind the command name, which may hold anything but ends
    // with the last `)`.
    let behind = stat.rsplit(')').next().unwrap_or_default();
    let fields = behind.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
    fields.sum::<u64>() * 10_000
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let tail = self.log_tail();
            #[expect(clippy::print_stderr, reason = "the end of a log is what a failed test is read by")]
            {
                eprintln!("--- last lines of {} ({})\n{tail}", self.name, self.log.display());
            }
        }
    }
}

/// Reads `listening role=gateway what=grpc addr=127.0.0.1:50051`.
fn read_listening(line: &str) -> Option<(String, SocketAddr)> {
    let mut words = line.strip_prefix("listening ")?.split(' ');
    let mut word = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=').map(str::to_owned);
    let (role, what, addr) = (word("role")?, word("what")?, word("addr")?);
    Some((format!("{role}/{what}"), addr.parse().ok()?))
}
