//! Runs the sandbox alone, on ports of the system's choice: `cargo run -p tidegate-sandbox --example serve [OPTIONS]`,
//! where OPTIONS is a JSON file with the members of `Options`.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use tidegate_sandbox::{Listeners, Options, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options: Options = match std::env::args().nth(1) {
        Some(path) => serde_json::from_str(&std::fs::read_to_string(path)?)?,
        None => Options::default(),
    };
    let http = TcpListener::bind("127.0.0.1:0").await?;
    let tls = TcpListener::bind("127.0.0.1:0").await?;
    announce("rest", &http)?;
    announce("rest-tls", &tls)?;
    serve(options, Listeners { http, tls: Some(tls) }, Arc::new(now_us), std::future::pending()).await?;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "tells whoever started it where to connect")]
fn announce(what: &str, listener: &TcpListener) -> std::io::Result<()> {
    println!("listening role=sandbox what={what} addr={}", listener.local_addr()?);
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the edge of a program: here the clock is made that is handed in"
)]
fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
