//! Start, accept, end.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::exchange::{Exchange, KeyError, parse_keys};
use crate::http::{Clock, Connection, Shell};
use crate::options::Options;
use crate::tls;

/// Connections at the same time, over both listeners. More wait to be accepted.
const CONNECTIONS_MAX: usize = 4_096;
/// How long a client may take for its TLS handshake, and for the head of its first request.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long answers under way may still take once the end has begun.
const GRACE: Duration = Duration::from_secs(1);
/// How long to leave a listener alone when the system has no file handles left for the next connection.
const BREATH: Duration = Duration::from_millis(100);

/// Sockets that are bound already.
#[derive(Debug)]
pub struct Listeners {
    /// For plain HTTP.
    pub http: TcpListener,
    /// For TLS, with a certificate of this run.
    pub tls: Option<TcpListener>,
}

/// Why the sandbox cannot start. Each text is one line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with more keys cannot be read.
    #[error("the sandbox's keys file {path} cannot be read: {source}")]
    KeysFile {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It can, but not used.
    #[error("the sandbox's keys file {path}: {source}")]
    Keys {
        /// As configured.
        path: PathBuf,
        /// What is wrong.
        source: KeyError,
    },
    /// No certificate could be made.
    #[error("the sandbox's certificate cannot be made: {0}")]
    Certificate(String),
    /// The authority's certificate cannot be left where it was asked for.
    #[error("the sandbox's certificate authority cannot be written to {path}: {source}")]
    CaOut {
        /// As configured.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Runs the sandbox until `shutdown` resolves. `clock` gives unix microseconds.
///
/// # Errors
/// Only before the first request: keys or certificate.
pub async fn serve(
    options: Options,
    listeners: Listeners,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let mut exchange = Exchange::new(&options);
    if let Some(path) = &options.keys_file {
        add_keys(&mut exchange, path).await?;
    }
    let tls = match listeners.tls {
        Some(listener) => Some((listener, acceptor(options.ca_out.as_deref()).await?)),
        None => None,
    };
    run(Shell::new(exchange, clock as Clock).router(), listeners.http, tls, shutdown).await;
    Ok(())
}

async fn add_keys(exchange: &mut Exchange, path: &Path) -> Result<(), Error> {
    let text = read(path).await.map_err(|source| Error::KeysFile { path: path.to_owned(), source })?;
    let wrong = |source| Error::Keys { path: path.to_owned(), source };
    for key in parse_keys(&text).map_err(wrong)? {
        exchange.add_key(key).map_err(wrong)?;
    }
    Ok(())
}

async fn read(path: &Path) -> std::io::Result<String> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await.map_err(std::io::Error::other)?
}

async fn acceptor(ca_out: Option<&Path>) -> Result<TlsAcceptor, Error> {
    let identity = tls::make()?;
    if let Some(path) = ca_out {
        let failed = |source| Error::CaOut { path: path.to_owned(), source };
        let (owned, pem) = (path.to_owned(), identity.ca_pem);
        let written = tokio::task::spawn_blocking(move || std::fs::write(owned, pem)).await;
        written.map_err(|error| failed(std::io::Error::other(error)))?.map_err(failed)?;
    }
    Ok(TlsAcceptor::from(identity.server))
}

async fn run(
    router: Router,
    http: TcpListener,
    tls: Option<(TcpListener, TlsAcceptor)>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (end, ending) = watch::channel(false);
    let mut connections = JoinSet::new();
    let (tls_listener, tls_acceptor) = tls.unzip();
    let mut shutdown = pin!(shutdown);
    loop {
        let accept_tls = async {
            match &tls_listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        let next = async {
            // Never closed; were it, the connection would simply not count.
            let place = places.clone().acquire_owned().await.ok();
            tokio::select! {
                accepted = http.accept() => (place, accepted, false),
                accepted = accept_tls => (place, accepted, true),
            }
        };
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            (place, accepted, over_tls) = next => match accepted {
                Ok((stream, peer)) => {
                    // Small answers must not wait for one another.
                    let _ = stream.set_nodelay(true);
                    let connection = Connection { peer, reset: Arc::new(Notify::new()), cut: Arc::new(Notify::new()) };
                    let acceptor = tls_acceptor.clone().filter(|_| over_tls);
                    let (router, ending) = (router.clone(), ending.clone());
                    connections.spawn(async move {
                        let _place = place;
                        match acceptor {
                            None => talk(stream, connection, router, ending).await,
                            Some(acceptor) => match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                                Ok(Ok(stream)) => talk(stream, connection, router, ending).await,
                                Ok(Err(error)) => {
                                    tracing::debug!(%peer, %error, "TLS handshake with the sandbox failed");
                                }
                                Err(_) => tracing::debug!(%peer, "TLS handshake with the sandbox took too long"),
                            },
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the sandbox could not accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
            }
        }
    }
    let _ = end.send(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tracing::info!(connections = connections.len(), "the sandbox cuts connections that hang");
    }
}

/// A stream that can be cut off hard.
trait Hangup: AsyncRead + AsyncWrite + Unpin {
    fn socket(&self) -> &TcpStream;
}

impl Hangup for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Hangup for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Waits for the end of everything, or of the one who would announce it.
async fn ended(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

/// Serves one connection until it ends by itself, is to be cut or reset, or everything ends.
async fn talk<S: Hangup + Send + 'static>(
    stream: S,
    connection: Connection,
    router: Router,
    mut ending: watch::Receiver<bool>,
) {
    let (reset, cut) = (connection.reset.clone(), connection.cut.clone());
    let service = TowerToHyperService::new(router);
    let with_connection = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection.clone());
        service.call(request.map(Body::new))
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let mut serving = http.serve_connection(TokioIo::new(stream), with_connection);
    tokio::select! {
        biased;
        () = reset.notified() => {
            let stream = serving.into_parts().io.into_inner();
            let _ = stream.socket().set_zero_linger();
            return;
        }
        () = cut.notified() => {
            let mut stream = serving.into_parts().io.into_inner();
            let _ = stream.shutdown().await;
            return;
        }
        _ = &mut serving => return,
        () = ended(&mut ending) => {}
    }
    Pin::new(&mut serving).graceful_shutdown();
    let _ = serving.await;
}
