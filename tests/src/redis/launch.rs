//! How a `redis-server` is started, and on which port.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

use super::ask::{Access, ask};
use super::clock::Clock;
use crate::PATIENCE;

/// Ports that servers of tests get. They lie below those that the system gives to outgoing connections, because a
/// server that is away for a while must find its port free again, and a client that calls a port of that range while
/// nobody listens can end up connected to itself. A cluster's nodes talk to each other at ten thousand more, which
/// lies below that range too.
const PORTS: std::ops::Range<u16> = 10_000..22_000;
/// How far a cluster node's second port is from its first; Redis fixes it.
const BUS_OFFSET: u16 = 10_000;
const ATTEMPTS: usize = 8;

/// What a server is started with, now and after each restart.
#[derive(Clone, Debug, Default)]
pub(super) struct Launch {
    /// Lines of its configuration, besides port, address and directory.
    pub(super) lines: Vec<String>,
    pub(super) access: Access,
    /// Another clock than the system's.
    pub(super) clock: Option<Clock>,
    /// Whether it is a sentinel, and no store.
    pub(super) sentinel: bool,
    /// The one port is for TLS, and none is without.
    pub(super) tls: bool,
}

/// A server that has come up.
#[derive(Debug)]
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) port: u16,
    /// Its own directory.
    pub(super) home: PathBuf,
}

impl Launch {
    /// Without persistence, and refusing to evict: the store that tidegate asks for.
    pub(super) fn plain() -> Self {
        let lines =
            ["save \"\"", "appendonly no", "maxmemory-policy noeviction", "repl-diskless-sync-delay 0"];
        Self { lines: lines.map(str::to_owned).to_vec(), ..Self::default() }
    }

    /// The same with more lines; of two that contradict each other, the later one counts.
    pub(super) fn with(mut self, lines: &[&str]) -> Self {
        self.lines.extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }

    /// Starts a server on a free port, in a directory of its own inside `dir`.
    ///
    /// Redis cannot choose a port itself, so another process may snatch it in between; then another one is tried.
    pub(super) async fn anywhere(&self, dir: &Path) -> anyhow::Result<Launched> {
        let mut said = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port()?;
            let home = dir.join(format!("redis-{port}"));
            std::fs::create_dir_all(&home)?;
            match self.at(port, &home).await {
                Ok(child) => return Ok(Launched { child, port, home }),
                Err(error) => said = format!("{error:#}"),
            }
        }
        bail!("redis-server did not start on any of {ATTEMPTS} ports; at last: {said}")
    }

    /// Starts a server on this port and waits until it answers and has read its data.
    pub(super) async fn at(&self, port: u16, home: &Path) -> anyhow::Result<Child> {
        let config = home.join("redis.conf");
        std::fs::write(&config, self.config(port, home)?)?;
        let log = home.join("redis.log");
        let mut server = Command::new("redis-server");
        server.arg(&config);
        if self.sentinel {
            server.arg("--sentinel");
        }
        if let Some(clock) = &self.clock {
            server.envs(clock.env()?);
        }
        let mut child = server
            .stdin(Stdio::null())
            .stdout(OpenOptions::new().create(true).append(true).open(&log)?)
            .stderr(File::options().append(true).open(&log)?)
            .kill_on_drop(true)
            .spawn()
            .context("redis-server cannot be started: `make setup` installs it")?;
        let id = child.id().context("it was just started")?;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            if let Some(status) = child.try_wait()? {
                bail!("redis-server ended with {status}:\n{}", tail(&log));
            }
            if self.is_up(port, id).await {
                return Ok(child);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("redis-server did not answer:\n{}", tail(&log))
    }

    /// Whether that very process answers there: a port that somebody else snatched is answered as well.
    async fn is_up(&self, port: u16, id: u32) -> bool {
        let limit = Duration::from_secs(5);
        let said = ask(port, &self.access, &["INFO", "server"], limit).await;
        said.is_ok_and(|info| field(&info, "process_id") == Some(&id.to_string()))
            // While it reads its data it says LOADING.
            && ask(port, &self.access, &["PING"], limit).await.is_ok()
    }

    fn config(&self, port: u16, home: &Path) -> anyhow::Result<String> {
        let home = home.to_str().context("a path in UTF-8")?;
        let ports = if self.tls { format!("port 0\ntls-port {port}") } else { format!("port {port}") };
        Ok(format!("{ports}\nbind 127.0.0.1\ndir \"{home}\"\n{}\n", self.lines.join("\n")))
    }
}

/// The value of a field of what INFO says.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// A port on which nobody listens at this moment, nor on the one that belongs to it in a cluster.
fn free_port() -> anyhow::Result<u16> {
    for _ in 0..1000 {
        let random = uuid::Uuid::new_v4().as_u128() % u128::from(PORTS.end - PORTS.start);
        let port = PORTS.start + u16::try_from(random)?;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + BUS_OFFSET) {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
