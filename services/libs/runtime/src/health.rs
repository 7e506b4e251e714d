//! Whether the process is alive and ready, and the HTTP listener that says so to operators.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::Drain;
use crate::accept::{Bounds, accept};
use crate::telemetry::Metrics;

/// What must be true before the process takes work. Clones are the same health.
///
/// Conditions are added while the process starts and switched while it runs; switching takes no lock.
#[derive(Clone, Debug)]
pub struct Health {
    conditions: Arc<RwLock<BTreeMap<String, Arc<AtomicBool>>>>,
    drain: Drain,
}

/// One condition of a [`Health`].
#[derive(Clone, Debug)]
pub struct Condition(Arc<AtomicBool>);

impl Condition {
    /// Says whether the condition is met now.
    pub fn set(&self, met: bool) {
        self.0.store(met, Ordering::Release);
    }
}

impl Health {
    /// A health without conditions; it is ready until the drain begins.
    pub fn new(drain: Drain) -> Self {
        Self { conditions: Arc::default(), drain }
    }

    /// Adds a condition by a name that an operator understands, for instance `store`; it is not met yet. The same
    /// name gives the same condition.
    pub fn condition(&self, name: &str) -> Condition {
        // A panic elsewhere cannot leave the map half-written.
        let mut conditions = self.conditions.write().unwrap_or_else(PoisonError::into_inner);
        Condition(Arc::clone(conditions.entry(name.to_owned()).or_default()))
    }

    /// What keeps the process from being ready, in order of name. Empty means ready.
    pub fn missing(&self) -> Vec<String> {
        let conditions = self.conditions.read().unwrap_or_else(PoisonError::into_inner);
        let draining = self.drain.is_leaving().then(|| "draining: the process is stopping".to_owned());
        let unmet = conditions.iter().filter(|(_, met)| !met.load(Ordering::Acquire));
        draining.into_iter().chain(unmet.map(|(name, _)| name.clone())).collect()
    }
}

/// The routes of the admin listener: `/metrics` (Prometheus text), `/livez` (200 while the process can answer),
/// `/readyz` (200, or 503 with one line for each thing that is missing).
pub fn admin_router(health: Health, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz).with_state(health.clone()))
        .route("/metrics", get(scrape).with_state((health, metrics)))
}

async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let missing = health.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let mut text = "not ready\n".to_owned();
    for what in missing {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "- {what}");
    }
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn scrape(State((health, metrics)): State<(Health, Metrics)>) -> impl IntoResponse {
    metrics.ready(health.missing().is_empty());
    match metrics.render() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// Serves the admin listener until `shutdown` resolves. It should resolve *after* the drain, so that a draining
/// process can be seen draining.
pub async fn serve_admin(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    shutdown: impl Future<Output = ()>,
) {
    const BOUNDS: Bounds = Bounds { connections_max: 64, grace: Duration::from_secs(1) };
    let router = admin_router(health, metrics);
    accept(listener, BOUNDS, shutdown, |stream, ending| {
        let router = router.clone();
        async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_buf_size(16 * 1_024)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = ending.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "an admin connection ended early");
            }
        }
    })
    .await;
}
