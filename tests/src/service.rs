//! What stands before a set of processes in a cluster: one address, whose connections go to whichever of them are ready.
//!
//! Like kube-proxy it balances connections, not calls; a connection that is made stays where it is, also when its
//! process is no longer an endpoint. And like a cluster it learns late: a process that is asked to end goes on being an
//! endpoint until [`Service::set`] says otherwise.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// One address for many.
#[derive(Debug)]
pub struct Service {
    addr: SocketAddr,
    endpoints: Arc<Mutex<Vec<SocketAddr>>>,
    task: AbortHandle,
}

impl Service {
    /// Listens on a free port; without endpoints connections are closed.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let endpoints = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
        let (known, turn) = (Arc::clone(&endpoints), AtomicUsize::new(0));
        let task = tokio::spawn(async move {
            // Connections end with the service.
            let mut connections = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let endpoint = {
                    let known = known.lock().unwrap_or_else(PoisonError::into_inner);
                    let turn = turn.fetch_add(1, Ordering::Relaxed);
                    turn.checked_rem(known.len()).map(|i| known[i])
                };
                connections.spawn(async move {
                    let Some(endpoint) = endpoint else { return };
                    if let Ok(mut server) = TcpStream::connect(endpoint).await {
                        let _ = (client.set_nodelay(true), server.set_nodelay(true));
                        // How it ends is between the two.
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        })
        .abort_handle();
        Ok(Self { addr, endpoints, task })
    }

    /// The one address.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// New connections go to these.
    pub fn set(&self, endpoints: Vec<SocketAddr>) {
        *self.endpoints.lock().unwrap_or_else(PoisonError::into_inner) = endpoints;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}
