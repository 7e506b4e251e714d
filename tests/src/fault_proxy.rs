//! A TCP proxy that breaks connections in chosen ways, between tidegate and the exchange.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Pass,
    /// Closed once it was silent for so long.
    CloseIdle {
        /// Milliseconds.
        after_ms: u64,
    },
    /// Our side of the connection is closed behind the first answer, while requests are still read.
    HalfClose,
    /// Cut hard once so many bytes of answers have passed.
    CutAnswers {
        /// Bytes.
        after: usize,
    },
    /// Cut hard once so many bytes of requests have passed.
    CutRequests {
        /// Bytes.
        after: usize,
    },
}

/// A running proxy. Connections get the faults in turn.
#[derive(Debug)]
pub struct FaultProxy {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl FaultProxy {
    /// Stands between a free port and `upstream`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: SocketAddr, faults: Vec<Fault>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let fault = faults[count.fetch_add(1, Ordering::Relaxed) % faults.len()];
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(upstream).await {
                        // How it ends is the point of it.
                        let _ = carry(client, server, fault).await;
                    }
                });
            }
        });
        Ok(Self { addr, connections, task })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections it has carried.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, fault: Fault) -> std::io::Result<()> {
    let (mut requests, mut answers) = (vec![0; 16_384], vec![0; 16_384]);
    let (mut asked, mut answered) = (0, 0);
    let idle = match fault {
        Fault::CloseIdle { after_ms } => Duration::from_millis(after_ms),
        _ => Duration::from_secs(60),
    };
    loop {
        tokio::select! {
            read = client.read(&mut requests) => {
                let n = read?;
                if n == 0 {
                    return Ok(());
                }
                let pass = match fault {
                    Fault::CutRequests { after } => n.min(after.saturating_sub(asked)),
                    _ => n,
                };
                server.write_all(&requests[..pass]).await?;
                asked += pass;
                if pass < n {
                    return cut(&client);
                }
            }
            read = server.read(&mut answers) => {
                let n = read?;
                if n == 0 {
                    return Ok(());
                }
                let pass = match fault {
                    Fault::CutAnswers { after } => n.min(after.saturating_sub(answered)),
                    _ => n,
                };
                client.write_all(&answers[..pass]).await?;
                answered += pass;
                if pass < n {
                    return cut(&client);
                }
                if fault == Fault::HalfClose {
                    client.shutdown().await?;
                }
            }
            () = tokio::time::sleep(idle) => return Ok(()),
        }
    }
}

/// Resets instead of closing: the peer learns of it at once, and what it had not read is gone.
fn cut(client: &TcpStream) -> std::io::Result<()> {
    client.set_zero_linger()
}
