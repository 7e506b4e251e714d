//! Binding listeners, and the one line that tells scripts and people where they are.

use std::io::{self, Write};
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// What a listener is, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerName {
    /// The role that serves it, for instance `gateway`.
    pub role: &'static str,
    /// What is spoken on it, for instance `grpc`.
    pub what: &'static str,
    /// The setting that moves it elsewhere, for instance `gateway.listen`.
    pub setting: &'static str,
}

/// Binds an address. Port 0 takes any free one.
///
/// # Errors
/// One line for a person: which listener, which address, what is wrong, which setting to change.
pub async fn bind(name: ListenerName, addr: SocketAddr) -> Result<TcpListener, String> {
    let ListenerName { role, what, setting } = name;
    TcpListener::bind(addr).await.map_err(|error| {
        let wrong = match error.kind() {
            io::ErrorKind::AddrInUse => "is already in use".to_owned(),
            io::ErrorKind::AddrNotAvailable => "does not belong to this machine".to_owned(),
            io::ErrorKind::PermissionDenied => "may not be opened by this user".to_owned(),
            _ => format!("cannot be opened ({error})"),
        };
        format!("{role} {what}: address {addr} {wrong}; set {setting} to another address (port 0 takes any)")
    })
}

/// Prints `listening role=... what=... addr=...` to standard output once a listener is bound, so that whoever
/// asked for port 0 learns the port. Nothing else in tidegate's roles writes to standard output.
///
/// # Errors
/// When standard output is gone.
pub fn announce(name: ListenerName, addr: SocketAddr) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", announcement(name, addr))?;
    out.flush()
}

fn announcement(name: ListenerName, addr: SocketAddr) -> String {
    format!("listening role={} what={} addr={addr}", name.role, name.what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: ListenerName = ListenerName { role: "gateway", what: "grpc", setting: "gateway.listen" };

    #[tokio::test]
    async fn a_port_in_use_is_one_clear_line() {
        let first = bind(NAME, "127.0.0.1:0".parse().expect("an address")).await.expect("a free port");
        let addr = first.local_addr().expect("bound");
        let error = bind(NAME, addr).await.expect_err("taken");
        assert_eq!(
            error,
            format!(
                "gateway grpc: address {addr} is already in use; set gateway.listen to another address \
                 (port 0 takes any)"
            )
        );
    }

    #[tokio::test]
    async fn a_foreign_address_is_named() {
        // 192.0.2.0/24 is reserved for documentation, so no machine has it.
        let error = bind(NAME, "192.0.2.1:0".parse().expect("an address")).await.expect_err("foreign");
        assert!(error.contains("does not belong to this machine"), "{error}");
    }

    #[test]
    fn the_line_is_what_scripts_look_for() {
        let addr = "127.0.0.1:50051".parse().expect("an address");
        assert_eq!(announcement(NAME, addr), "listening role=gateway what=grpc addr=127.0.0.1:50051");
    }
}
