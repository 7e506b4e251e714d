//! The network between one owner and its store: open, slow, a black hole, or cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// They pass.
    Open,
    /// They pass late: a round trip takes so many milliseconds longer, half of them on each way.
    Slow(u64),
    /// They do not pass, and nobody is told. What was on its way in a connection arrives when the link is open again,
    /// late, as TCP repeats what is lost. A connection that was made meanwhile is reset then.
    BlackHole,
    /// Connections are reset, those that exist and those that come.
    Cut,
}

#[derive(Clone, Copy, Debug)]
struct State {
    link: Link,
    upstream: SocketAddr,
}

/// A running proxy before one address. It ends, with its connections, when it is dropped.
#[derive(Debug)]
pub struct StoreLink {
    addr: SocketAddr,
    state: watch::Sender<State>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl StoreLink {
    /// Stands between a free port and a server's port on this machine.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream_port: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (state, seen) = watch::channel(State { link: Link::Open, upstream: local(upstream_port) });
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                carried.spawn(connection(client, seen.clone()));
                while carried.try_join_next().is_some() {}
            }
        });
        Ok(Self { addr, state, connections, task })
    }

    /// Where it listens.
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The way to the store through it, for `store.redis_url`, when the store asks for no password.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Changes what becomes of bytes. When this returns, none of those that are sent from now on meets the old state.
    pub fn set(&self, link: Link) {
        self.state.send_modify(|state| state.link = link);
    }

    /// What becomes of bytes now.
    pub fn get(&self) -> Link {
        self.state.borrow().link
    }

    /// Leads to another server from now on, as a service's address does after a failover. Connections to the old one
    /// are reset.
    pub fn lead_to(&self, upstream_port: u16) {
        self.state.send_modify(|state| state.upstream = local(upstream_port));
    }

    /// How many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for StoreLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Carries one connection to its end. How that comes about is the point of it, so errors are nobody's business.
async fn connection(mut client: TcpStream, state: watch::Receiver<State>) {
    let State { link, upstream } = *state.borrow();
    if link == Link::BlackHole {
        passable(&mut state.clone()).await;
    }
    let server = match link {
        Link::Open | Link::Slow(_) => TcpStream::connect(upstream).await.ok(),
        Link::BlackHole | Link::Cut => None,
    };
    let Some(mut server) = server else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let mut seen = state.clone();
    let cut = tokio::select! {
        biased;
        _ = seen.wait_for(|now| now.link == Link::Cut || now.upstream != upstream) => true,
        () = carry(from_client, to_server, state.clone()) => false,
        () = carry(from_server, to_client, state) => false,
    };
    if cut {
        reset(&client);
        reset(&server);
    }
}

/// Lets the end be a reset, of which the peer learns at once, where a proper end would let it send on.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) {
    let mut bytes = vec![0; 16_384];
    loop {
        let read = from.read(&mut bytes).await;
        // Looked at after the bytes came, so that none of them passes by an older state. An end is held back, too.
        passable(&mut state).await;
        let slow = state.borrow().link;
        if let Link::Slow(ms) = slow {
            tokio::time::sleep(Duration::from_millis(ms / 2)).await;
            passable(&mut state).await;
        }
        match read {
            Ok(n) if n > 0 && to.write_all(&bytes[..n]).await.is_ok() => {}
            _ => return,
        }
    }
}

/// Waits while the link is a black hole. An error means that the proxy ends, and this with it.
async fn passable(state: &mut watch::Receiver<State>) {
    let _ = state.wait_for(|now| now.link != Link::BlackHole).await;
}
