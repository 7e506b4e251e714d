//! A real Redis of a test's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;

use super::ask::{Access, ask};
use super::launch::{Launch, Launched, field, tail};
use super::until;
use crate::PATIENCE;

/// What a server finds when it starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing, as with a disk that is gone, or a store without persistence.
    Nothing,
    /// Everything that it held when it ended.
    Data,
}

/// A running `redis-server`. It is killed when the value is dropped.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    home: PathBuf,
    pub(super) launch: Launch,
    /// Whether every write is on the disk before it is acknowledged.
    durable: bool,
}

impl RedisServer {
    /// Starts one without persistence, on a free port.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::launch(dir, Launch::plain()).await
    }

    /// The same, with more lines of configuration, for instance `min-replicas-to-write 1`.
    pub async fn start_with(dir: &Path, lines: &[&str]) -> anyhow::Result<Self> {
        Self::launch(dir, Launch::plain().with(lines)).await
    }

    /// The same, and it lets nobody in without the password.
    pub async fn start_protected(dir: &Path, password: &str) -> anyhow::Result<Self> {
        let mut launch = Launch::plain().with(&[&format!("requirepass \"{password}\"")]);
        launch.access = Access { password: Some(password.to_owned()), ..Access::default() };
        Self::launch(dir, launch).await
    }

    /// The same with ACL users, one a line as an ACL file has them: `user tidegate on >secret ~tidegate:* +@all`.
    ///
    /// The harness asks as a user of its own, `harness`, so that `default` may be switched off.
    pub async fn start_with_acl(dir: &Path, users: &[&str]) -> anyhow::Result<Self> {
        let password = uuid::Uuid::new_v4().simple().to_string();
        let own = format!("user harness on >{password} ~* &* +@all");
        let mut launch = Launch::plain().with(users).with(&[&own]);
        launch.access =
            Access { user: Some("harness".to_owned()), password: Some(password), ..Access::default() };
        Self::launch(dir, launch).await
    }

    pub(super) async fn launch(dir: &Path, launch: Launch) -> anyhow::Result<Self> {
        let Launched { child, port, home } = launch.anywhere(dir).await?;
        Ok(Self { child, port, home, launch, durable: false })
    }

    /// Where it is, for `store.redis_url`. With a password, and as the harness's own user where there are users.
    pub fn url(&self) -> String {
        let scheme = if self.launch.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}127.0.0.1:{}", self.launch.access.in_url(), self.port)
    }

    /// The same as another user.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        let scheme = if self.launch.tls { "rediss" } else { "redis" };
        format!("{scheme}://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// The port that it listens on, before and after restarts.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its data and its log.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Asks it one command and returns the answer as `redis-cli` prints it, an element of a list a line.
    ///
    /// # Errors
    /// What Redis refuses, in its own words (`NOREPLICAS ...`); when it does not answer.
    pub async fn command(&self, command: &[&str]) -> anyhow::Result<String> {
        ask(self.port, &self.launch.access, command, PATIENCE).await.with_context(|| {
            // The values may be secrets, the name is enough to find the place.
            format!("{} to the Redis at {}", command.first().copied().unwrap_or_default(), self.port)
        })
    }

    /// The same as another user.
    pub async fn command_as(&self, user: &str, password: &str, command: &[&str]) -> anyhow::Result<String> {
        let access = Access {
            user: Some(user.to_owned()),
            password: Some(password.to_owned()),
            ca_file: self.launch.access.ca_file.clone(),
        };
        ask(self.port, &access, command, PATIENCE).await
    }

    /// Whether it answers a PING within so many milliseconds.
    pub async fn answers_within(&self, limit_ms: u64) -> bool {
        let limit = Duration::from_millis(limit_ms);
        ask(self.port, &self.launch.access, &["PING"], limit).await.is_ok()
    }

    /// A field of what INFO says, for instance `evicted_keys`.
    pub async fn info(&self, name: &str) -> anyhow::Result<String> {
        let info = self.command(&["INFO"]).await?;
        Ok(field(&info, name).with_context(|| format!("INFO has no {name}"))?.to_owned())
    }

    /// The id of the history that it holds: another one after a loss, a promotion, and a restart.
    pub async fn replication_id(&self) -> anyhow::Result<String> {
        self.info("master_replid").await
    }

    /// Everything that Redis holds, as `redis-cli` prints it: each key and its value.
    pub async fn content(&self) -> anyhow::Result<String> {
        let mut content = String::new();
        for key in self.command(&["KEYS", "*"]).await?.lines() {
            let value = match self.command(&["TYPE", key]).await?.as_str() {
                "hash" => self.command(&["HGETALL", key]).await?,
                "string" => self.command(&["GET", key]).await?,
                "set" => self.command(&["SMEMBERS", key]).await?,
                "zset" => self.command(&["ZRANGE", key, "0", "-1", "WITHSCORES"]).await?,
                "list" => self.command(&["LRANGE", key, "0", "-1"]).await?,
                // It expired since KEYS.
                "none" => continue,
                other => bail!("{key} is a {other}, which is not read yet"),
            };
            content.push_str(&format!("{key}\n{value}\n"));
        }
        Ok(content)
    }

    /// Everything that Redis is asked from now on, one line a command, as its MONITOR says it.
    pub async fn monitor(&self) -> anyhow::Result<tokio::sync::mpsc::UnboundedReceiver<String>> {
        ensure!(!self.launch.tls, "MONITOR is read without TLS only");
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
        let mut commands = vec!["MONITOR\r\n".to_owned()];
        if let Some(password) = &self.launch.access.password {
            let user = self.launch.access.user.as_deref().unwrap_or("default");
            commands.insert(0, format!("AUTH \"{user}\" \"{password}\"\r\n"));
        }
        for command in commands {
            stream.get_mut().write_all(command.as_bytes()).await?;
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            ensure!(line == "+OK\r\n", "MONITOR was answered {line:?}");
        }
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = stream.lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().context("it has ended")?;
        let id = Pid::from_raw(i32::try_from(id)?).context("no process has the id zero")?;
        Ok(kill_process(id, signal)?)
    }

    /// Stops it dead, without a chance to save anything, and waits for its end.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        // Who has ended already needs no signal.
        self.child
            .start_kill()
            .or_else(|error| if self.child.id().is_none() { Ok(()) } else { Err(error) })?;
        self.child.wait().await?;
        Ok(())
    }

    /// From now on and after every restart, writes are on the disk before they are acknowledged (`appendfsync always`).
    pub async fn make_durable(&mut self) -> anyhow::Result<()> {
        for (name, value) in [("appendfsync", "always"), ("appendonly", "yes")] {
            self.config_set(name, value).await?;
            self.launch.lines.push(format!("{name} {value}"));
        }
        // What was written before is in the new file only when its first rewrite has ended.
        until("the append-only file", async || {
            Ok(self.info("aof_enabled").await? == "1"
                && self.info("aof_rewrite_in_progress").await? == "0"
                && self.info("aof_rewrite_scheduled").await? == "0"
                && self.info("aof_last_bgrewrite_status").await? == "ok")
        })
        .await?;
        self.durable = true;
        Ok(())
    }

    /// Starts it again on the same port, and ends it before if it still runs. What `config_set` changed is forgotten.
    ///
    /// # Errors
    /// When data shall be kept that a server without [`Self::make_durable`] took with it when it was killed.
    pub async fn restart(&mut self, keep: Keep) -> anyhow::Result<()> {
        let runs = self.child.try_wait()?.is_none();
        if keep == Keep::Data && !self.durable {
            ensure!(runs, "it held its data in memory only and is dead: nothing can be kept");
            self.command(&["SAVE"]).await?;
        }
        self.kill().await?;
        if keep == Keep::Nothing {
            for gone in [self.home.join("dump.rdb"), self.home.join("appendonlydir")] {
                let _ = std::fs::remove_file(&gone);
                let _ = std::fs::remove_dir_all(&gone);
                ensure!(!gone.exists(), "{} cannot be removed", gone.display());
            }
        }
        self.child = self.launch.at(self.port, &self.home).await?;
        Ok(())
    }

    /// Stops it where it stands, as a paused machine does: connections stay, nothing answers. What is sent meanwhile is
    /// executed after [`Self::thaw`], even for who has left. When this returns, it stands still.
    pub async fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)?;
        let status = format!("/proc/{}/stat", self.child.id().context("it has ended")?);
        until("the server to stand still", async || {
            // The state is the first field behind the name of the command.
            let stat = std::fs::read_to_string(&status)?;
            Ok(stat.rsplit(')').next().is_some_and(|behind| behind.trim_start().starts_with('T')))
        })
        .await
    }

    /// Lets it go on.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let tail = tail(&self.home.join("redis.log"));
            #[expect(clippy::print_stderr, reason = "the end of a log is what a failed test is read by")]
            {
                eprintln!("--- last lines of the Redis at {}\n{tail}", self.port);
            }
        }
    }
}
