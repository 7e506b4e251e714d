//! A real `redis-server` of a test's own, on a port of its own, gone with the test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running server. Killed when dropped.
pub(crate) struct RedisServer {
    process: Child,
    pub(crate) port: u16,
    /// Its own, because a replica writes what it gets into its directory, and whoever starts there next reads it.
    _dir: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it says that it is ready. Fails the test if the program is missing.
    pub(crate) fn start(extra: &[&str]) -> Self {
        // Somebody else may take the free port before the server does; then it ends and another port is tried.
        for _ in 0..5 {
            let probe = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let port = probe.local_addr().expect("bound").port();
            drop(probe);
            let dir = tempfile::tempdir().expect("a directory");
            let mut process = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(["--save", "", "--appendonly", "no"])
                .arg("--dir")
                .arg(dir.path())
                .args(extra)
                .stdout(Stdio::piped())
                .spawn()
                .expect("redis-server is not installed; `make setup` installs it");
            let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
            let ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains("Ready to accept"));
            if ready {
                // Keeps the pipe open and empty for as long as the server lives.
                std::thread::spawn(move || lines.for_each(drop));
                return Self { process, port, _dir: dir };
            }
            process.wait().expect("a child of ours");
        }
        panic!("redis-server did not come up on five ports");
    }

    /// Its address as configuration has it.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Nothing to be done about a server that is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
