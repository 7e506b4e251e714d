//! A Redis whose clock is wrong, and jumps.
//!
//! Redis takes its time from the system, so libfaketime stands between the two. Its monotonic clock is left alone, as
//! it is when an administrator or a time service sets the system's time.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::launch::Launch;
use super::server::RedisServer;

/// A clock that is off by what its file says.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    file: PathBuf,
}

impl Clock {
    fn new(dir: &Path, offset_ms: i64) -> anyhow::Result<Self> {
        let clock = Self { file: dir.join(format!("clock-{}", uuid::Uuid::new_v4().simple())) };
        clock.set(offset_ms)?;
        Ok(clock)
    }

    /// Written aside and moved into place: libfaketime reads the file at every look at the clock.
    fn set(&self, offset_ms: i64) -> anyhow::Result<()> {
        let sign = if offset_ms < 0 { '-' } else { '+' };
        let (s, ms) = (offset_ms.unsigned_abs() / 1000, offset_ms.unsigned_abs() % 1000);
        let aside = self.file.with_extension("new");
        std::fs::write(&aside, format!("{sign}{s}.{ms:03}\n"))?;
        Ok(std::fs::rename(aside, &self.file)?)
    }

    /// What a process needs to see this clock.
    pub(super) fn env(&self) -> anyhow::Result<Vec<(&'static str, String)>> {
        let library = library().context("libfaketime is missing: `make setup` installs it")?;
        let text = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
        Ok(vec![
            // The C library's memory allocator instead of jemalloc, which asks for the time while libfaketime is still
            // being set up: Redis would never come up.
            ("LD_PRELOAD", format!("{}:libc.so.6", text(&library)?)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file)?),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ])
    }
}

/// Where the distribution has put it: in a directory with the machine's name.
fn library() -> Option<PathBuf> {
    let machines = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
    machines.map(|machine| machine.path().join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

impl RedisServer {
    /// Starts one without persistence whose clock is ahead of the system's by so many milliseconds, or behind it.
    pub async fn start_with_clock(dir: &Path, offset_ms: i64) -> anyhow::Result<Self> {
        let clock = Clock::new(dir, offset_ms)?;
        Self::launch(dir, Launch { clock: Some(clock), ..Launch::plain() }).await
    }

    /// Lets its clock jump, while it runs, to so many milliseconds from the system's.
    ///
    /// # Errors
    /// When it was not started with a clock of its own.
    pub fn jump_clock(&self, offset_ms: i64) -> anyhow::Result<()> {
        self.launch.clock.as_ref().context("it was started with the system's clock")?.set(offset_ms)
    }

    /// What it says the time is, microseconds since 1970.
    pub async fn time_us(&self) -> anyhow::Result<i64> {
        let said = self.command(&["TIME"]).await?;
        let parts: Vec<i64> = said.lines().map(str::parse).collect::<Result<_, _>>()?;
        ensure!(parts.len() == 2, "TIME was answered {said:?}");
        Ok(parts[0] * 1_000_000 + parts[1])
    }
}
