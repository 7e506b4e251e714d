//! The network between one owner and its store: open, slow, a black hole, or cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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

/// What is held back of a request that a link lies in wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The request itself: it never arrives.
    Request,
    /// Its answer: it arrives, and was carried out when the answer is held.
    Answer,
}

/// How far a request got that a link lies in wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caught {
    /// It has not come yet.
    Nothing,
    /// It was passed on whole, and its answer will be held.
    Written,
    /// It is held, or its answer is.
    Held,
}

/// A trap for one request.
#[derive(Clone, Copy, Debug)]
struct Trap {
    /// Which one this is. Zero is none.
    turn: u64,
    /// Words of the request, and what is held; none while there is no trap.
    set: Option<(&'static str, Hold)>,
    caught: Caught,
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
    trap: watch::Sender<Trap>,
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
        let (trap, _) = watch::channel(Trap { turn: 0, set: None, caught: Caught::Nothing });
        let connections = Arc::new(AtomicUsize::new(0));
        let traps = trap.clone();
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                carried.spawn(connection(client, seen.clone(), traps.clone()));
                while carried.try_join_next().is_some() {}
            }
        });
        Ok(Self { addr, state, trap, connections, task })
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

    /// Lies in wait for the next request that has these words in it, and holds it or its answer back, with everything
    /// behind it in the same connection, until [`Self::release`]. Other connections go on.
    pub fn lie_in_wait(&self, words: &'static str, hold: Hold) {
        self.trap.send_modify(|trap| {
            *trap = Trap { turn: trap.turn + 1, set: Some((words, hold)), caught: Caught::Nothing };
        });
    }

    /// Waits until the request that it lies in wait for has come so far.
    pub async fn caught(&self, so_far: Caught) {
        // The sender is in self, so that this cannot fail.
        let _ = self.trap.subscribe().wait_for(|trap| trap.caught >= so_far).await;
    }

    /// Lies in wait no longer, and lets go what it holds.
    pub fn release(&self) {
        self.trap.send_modify(|trap| *trap = Trap { set: None, caught: Caught::Nothing, ..*trap });
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
async fn connection(mut client: TcpStream, state: watch::Receiver<State>, trap: watch::Sender<Trap>) {
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
    // The trap by which a request was caught in this very connection.
    let mine = AtomicU64::new(0);
    let requests = Snare { trap: &trap, mine: &mine, answers: false };
    let answers = Snare { answers: true, ..requests };
    let cut = tokio::select! {
        biased;
        _ = seen.wait_for(|now| now.link == Link::Cut || now.upstream != upstream) => true,
        () = carry(from_client, to_server, state.clone(), requests) => false,
        () = carry(from_server, to_client, state, answers) => false,
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

/// The trap as one direction of a connection meets it.
#[derive(Clone, Copy)]
struct Snare<'a> {
    trap: &'a watch::Sender<Trap>,
    mine: &'a AtomicU64,
    answers: bool,
}

impl Snare<'_> {
    /// Holds back what shall be held. Whether a request is to be reported as written when it is.
    async fn hold(self, bytes: &[u8]) -> bool {
        let Trap { turn, set: Some((words, hold)), caught } = *self.trap.borrow() else { return false };
        let mine = self.mine.load(Ordering::Relaxed) == turn;
        if self.answers {
            if mine {
                self.until_released().await;
            }
            return false;
        }
        let found = bytes.windows(words.len()).any(|window| window == words.as_bytes());
        if !found || mine || caught != Caught::Nothing {
            return false;
        }
        self.mine.store(turn, Ordering::Relaxed);
        if hold == Hold::Request {
            self.until_released().await;
            return false;
        }
        true
    }

    /// A connection that ends without the answer has none to hold: the trap waits for the next request.
    fn end(self) {
        let mine = self.mine.load(Ordering::Relaxed);
        self.trap.send_if_modified(|trap| {
            let unanswered = self.answers && trap.turn == mine && trap.caught == Caught::Written;
            if unanswered {
                trap.caught = Caught::Nothing;
            }
            unanswered
        });
    }

    async fn until_released(self) {
        self.report(Caught::Held);
        // The sender lives as long as the proxy.
        let _ = self.trap.subscribe().wait_for(|trap| trap.set.is_none()).await;
    }

    fn report(self, so_far: Caught) {
        self.trap.send_if_modified(|trap| {
            let news = trap.set.is_some() && trap.caught < so_far;
            if news {
                trap.caught = so_far;
            }
            news
        });
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    snare: Snare<'_>,
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
        let Ok(n @ 1..) = read else { return snare.end() };
        let written = snare.hold(&bytes[..n]).await;
        if to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
        if written {
            snare.report(Caught::Written);
        }
    }
}

/// Waits while the link is a black hole. An error means that the proxy ends, and this with it.
async fn passable(state: &mut watch::Receiver<State>) {
    let _ = state.wait_for(|now| now.link != Link::BlackHole).await;
}
