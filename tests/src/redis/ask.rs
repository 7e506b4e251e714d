//! One question to one server, asked with `redis-cli`.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::process::Command;

/// As whom, and how, a server is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    /// The name of an ACL user; without it, Redis means `default`.
    pub(super) user: Option<String>,
    /// What lets that user in.
    pub(super) password: Option<String>,
    /// The authority whose certificate the server has; without it there is no TLS.
    pub(super) ca_file: Option<PathBuf>,
}

impl Access {
    /// `user:password@`, as addresses have it, or nothing.
    pub(super) fn in_url(&self) -> String {
        let Some(password) = &self.password else { return String::new() };
        format!("{}:{password}@", self.user.as_deref().unwrap_or_default())
    }
}

/// Sends one command and returns the answer, an element of a list a line.
///
/// # Errors
/// What the server refuses, with its own words; when it cannot be reached, or says nothing within `limit`.
pub(super) async fn ask(
    port: u16,
    access: &Access,
    command: &[&str],
    limit: Duration,
) -> anyhow::Result<String> {
    let mut cli = Command::new("redis-cli");
    cli.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-e", "--no-auth-warning"]);
    if let Some(user) = &access.user {
        cli.args(["--user", user]);
    }
    if let Some(password) = &access.password {
        cli.env("REDISCLI_AUTH", password);
    }
    if let Some(ca_file) = &access.ca_file {
        cli.arg("--tls").arg("--cacert").arg(ca_file);
    }
    cli.args(command).stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(limit, cli.output()).await {
        Ok(output) => output.context("redis-cli cannot be started: `make setup` installs it")?,
        Err(_) => bail!("no answer within {} ms", limit.as_millis()),
    };
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    // The line's end is redis-cli's, everything before it is the answer.
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
