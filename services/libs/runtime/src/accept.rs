//! Accepting connections: bounded in number, told when the end has come, cut when it takes too long.

use std::future::Future;
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
/// grace period and cuts the rest. Returns how many were cut.
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
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < bounds.connections_max => {
                    full = false;
                    // Small frames must not wait for one another. A socket that refuses is about to fail anyway.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "connection accepted without TCP_NODELAY");
                    }
                    connections.spawn(handle(stream, ending.clone()));
                }
                Ok((_, peer)) => {
                    if !std::mem::replace(&mut full, true) {
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
    }
    drop(listener);
    ending.cancel();
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report_panic(ended);
        }
    };
    // The outcome is read from the set itself.
    let _ = tokio::time::timeout(bounds.grace, all_ended).await;
    let cut = connections.len();
    if cut > 0 {
        tracing::warn!(connections = cut, "connections cut: they outlasted the grace period");
        connections.shutdown().await;
    }
    cut
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended by a defect");
    }
}
