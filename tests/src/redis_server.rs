//! A real Redis of a test's own.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::PATIENCE;

/// A running `redis-server`. It is killed when the value is dropped.
#[derive(Debug)]
pub struct RedisServer {
    _child: Child,
    port: u16,
    password: Option<String>,
}

impl RedisServer {
    /// Starts one without persistence, on a free port.
    ///
    /// Redis cannot choose a port itself, so another process may snatch it in between; then another one is tried.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        Self::start_with(dir, None).await
    }

    /// The same, and it lets nobody in without the password.
    pub async fn start_protected(dir: &Path, password: &str) -> anyhow::Result<Self> {
        Self::start_with(dir, Some(password)).await
    }

    async fn start_with(dir: &Path, password: Option<&str>) -> anyhow::Result<Self> {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut child = Command::new("redis-server")
                .args([
                    "--port",
                    &port.to_string(),
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                ])
                .args(["--maxmemory-policy", "noeviction", "--dir", dir.to_str().context("a path in UTF-8")?])
                .args(password.iter().flat_map(|password| ["--requirepass", password]))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .context("redis-server cannot be started: `make setup` installs it")?;
            let deadline = tokio::time::Instant::now() + PATIENCE;
            while tokio::time::Instant::now() < deadline {
                if child.try_wait()?.is_some() {
                    break;
                }
                if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await {
                    stream.write_all(b"PING\r\n").await?;
                    let mut answer = [0; 5];
                    let answered = stream.read_exact(&mut answer).await.is_ok();
                    if answered && (&answer == b"+PONG" || &answer == b"-NOAU") {
                        return Ok(Self { _child: child, port, password: password.map(str::to_owned) });
                    }
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
        bail!("redis-server did not start on any of five ports")
    }

    /// Where it is, for `store.redis_url`.
    pub fn url(&self) -> String {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{password}127.0.0.1:{}", self.port)
    }

    /// Everything that Redis holds, as `redis-cli` prints it: each key and its hash.
    pub async fn content(&self) -> anyhow::Result<String> {
        let ask = async |command: &[&str]| -> anyhow::Result<String> {
            let mut cli = Command::new("redis-cli");
            cli.args(["-p", &self.port.to_string()]).args(command);
            if let Some(password) = &self.password {
                cli.env("REDISCLI_AUTH", password);
            }
            Ok(String::from_utf8_lossy(&cli.output().await?.stdout).into_owned())
        };
        let mut content = String::new();
        for key in ask(&["KEYS", "*"]).await?.lines() {
            content.push_str(&format!("{key}\n{}\n", ask(&["HGETALL", key]).await?));
        }
        Ok(content)
    }

    /// Everything that Redis is asked from now on, one line a command, as its MONITOR says it.
    pub async fn monitor(&self) -> anyhow::Result<tokio::sync::mpsc::UnboundedReceiver<String>> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port)).await?);
        stream.get_mut().write_all(b"MONITOR\r\n").await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if line != "+OK\r\n" {
            bail!("MONITOR was answered {line:?}");
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
}
