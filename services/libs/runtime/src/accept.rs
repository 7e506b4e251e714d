//! Accepting connections: bounded in number, told when the end has come, cut when it takes too long.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long to leave the listener alone when the system has no file handles left for the next connection.
const BREATH: Duration = Duration::from_millis(100);

/// The bounds of one listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Connections at the same time. One more is closed at once: refused early beats waiting unseen.
    pub(crate) connections_max: usize,
    /// How long connections may take to finish once the end has begun.
    pub(crate) grace: Duration,
}

/// Accepts until `shutdown` resolves, then tells every connection through its token, waits for them for the
/// grace period, accepting on, and cuts the rest. Returns how many were cut.
pub(crate) async fn accept<F, H>(
    listener: TcpListener,
    bounds: Bounds,
    shutdown: impl Future<Output = ()>,
    handle: H,
) -> usize
where
    H: Fn(TcpStream, CancellationToken) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let ending = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut full = false;
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report_panic(ended),
            accepted = listener.accept() => take(accepted, &mut connections, &mut full, bounds, |stream| {
                handle(stream, ending.clone())
            }).await,
        }
    }
    ending.cancel();
    // Callers that come now get an answer of ours, told at once that the end has come, instead of a closed port that
    // says nothing about what became of a call.
    let all_ended = async {
        while !connections.is_empty() {
            tokio::select! {
                biased;
                Some(ended) = connections.join_next() => report_panic(ended),
                accepted = listener.accept() => take(accepted, &mut connections, &mut full, bounds, |stream| {
                    handle(stream, ending.clone())
                }).await,
            }
        }
    };
    // The outcome is read from the set itself.
    let _ = tokio::time::timeout(bounds.grace, all_ended).await;
    drop(listener);
    let cut = connections.len();
    if cut > 0 {
        tracing::warn!(connections = cut, "connections cut: they outlasted the grace period");
        connections.shutdown().await;
    }
    cut
}

/// Starts serving one more connection, or closes it.
async fn take<F: Future<Output = ()> + Send + 'static>(
    accepted: std::io::Result<(TcpStream, SocketAddr)>,
    connections: &mut JoinSet<()>,
    full: &mut bool,
    bounds: Bounds,
    handle: impl FnOnce(TcpStream) -> F,
) {
    match accepted {
        Ok((stream, peer)) if connections.len() < bounds.connections_max => {
            *full = false;
            // Small frames must not wait for one another. A socket that refuses is about to fail anyway.
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%peer, %error, "connection accepted without TCP_NODELAY");
            }
            connections.spawn(handle(stream));
        }
        Ok((_, peer)) => {
            if !std::mem::replace(full, true) {
                let max = bounds.connections_max;
                tracing::warn!(%peer, max, "connections closed at once: the listener is full");
            }
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(BREATH).await;
        }
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended by a defect");
    }
}
