//! The edge: who calls, whether they may, how often, and which executor serves them.
//!
//! The gateway decodes nothing of a request but its context and forwards the rest as it came. It picks the executor
//! by the permission that the call's endpoint needs, from what executors say of their lanes.
//!
//! *Invariant:* no key, no store and no connection to Kraken in this crate; and no call that may have reached an
//! executor is ever sent to another, unless it changes nothing.

mod directory;
mod front;
mod identity;
mod intents;
mod operations;
mod pipe;
mod quota;
mod second;
mod select;
mod target;
mod wire;

use std::num::NonZeroU32;
use std::sync::Arc;

use tidegate_core::{AccountName, CallerName, Clock, Error};
use tidegate_proto::v1::operations_service_server::OperationsServiceServer;
use tidegate_runtime::telemetry::Metrics;
use tidegate_runtime::{Condition, Drain, GrpcService};
use tokio::sync::Semaphore;
use tonic::service::Routes;

pub use directory::Sources;

use directory::Directory;
use front::{Edge, Front};
use identity::{Authenticator, Identity};
use quota::Quotas;

/// Settings of the edge.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the deployment; part of every derived client order id.
    pub deployment: String,
    /// Account of calls that name none.
    pub default_account: AccountName,
    /// Whether callers may cancel everything on an account.
    pub allow_cancel_all: bool,
    /// Whether callers may say what became of an act that needs a person.
    pub allow_decide_intents: bool,
    /// Calls per second of one caller.
    pub quota_per_s: NonZeroU32,
    /// How many of them may come at once.
    pub quota_burst: NonZeroU32,
    /// Calls under way at the same time.
    pub in_flight_max: usize,
    /// Largest request.
    pub request_bytes_max: usize,
    /// Largest reply.
    pub reply_bytes_max: usize,
}

/// What the process hands in.
#[derive(Debug)]
pub struct Parts {
    /// Settings.
    pub settings: Settings,
    /// Where executors come from.
    pub sources: Sources,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Metrics,
    /// Shutdown.
    pub drain: Drain,
    /// Set while an executor reports, once all were asked.
    pub ready: Condition,
}

/// The service to put behind the listener.
///
/// # Errors
/// When the compiled-in descriptor cannot be served by reflection, which is a defect of the build.
pub fn service(parts: Parts) -> Result<GrpcService, Error> {
    let Parts { settings, sources, clock, metrics, drain, ready } = parts;
    let local: CallerName =
        "local".parse().map_err(|error| Error::internal(format!("the built-in caller: {error}")))?;
    let directory = Directory::start(sources);
    report_readiness(&directory, ready);
    let identity = Identity {
        name: local,
        default_account: settings.default_account,
        may_cancel_all: settings.allow_cancel_all,
        may_decide: settings.allow_decide_intents,
    };
    let edge = Edge {
        deployment: settings.deployment,
        own: own_routes(&directory, &drain)?,
        clock,
        authenticator: Authenticator::everyone_is(identity),
        quotas: Quotas::new(settings.quota_per_s, settings.quota_burst),
        directory,
        metrics,
        drain,
        in_flight: Arc::new(Semaphore::new(settings.in_flight_max)),
        streams: Arc::new(Semaphore::new(intents::STREAMS_MAX)),
        paged: Arc::new(Semaphore::new(pipe::PAGED_MAX)),
        max_request_bytes: settings.request_bytes_max,
        max_reply_bytes: settings.reply_bytes_max,
    };
    Ok(GrpcService::new(Front(Arc::new(edge))))
}

/// Keeps the readiness condition true while at least one executor reports, and none was left unasked: a gateway that
/// knows half of the keys would send callers of the other half away.
fn report_readiness(directory: &Directory, ready: Condition) {
    let mut pictures = directory.subscribe();
    tokio::spawn(async move {
        loop {
            ready.set(pictures.borrow_and_update().is_settled());
            if pictures.changed().await.is_err() {
                return;
            }
        }
    });
}

/// Lane lists, health and reflection of both versions (Python's reflection client speaks v1alpha only).
fn own_routes(directory: &Directory, drain: &Drain) -> Result<Routes, Error> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(tidegate_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let broken = |error| Error::internal(format!("the compiled-in descriptor cannot be served: {error}"));
    let (health, health_service) = tonic_health::server::health_reporter();
    let left = drain.left();
    tokio::spawn(async move {
        health.set_service_status("", tonic_health::ServingStatus::Serving).await;
        left.await;
        health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    });
    let operations = operations::Operations { directory: directory.clone(), drain: drain.clone() };
    Ok(Routes::new(OperationsServiceServer::new(operations))
        .add_service(health_service)
        .add_service(reflection().build_v1().map_err(broken)?)
        .add_service(reflection().build_v1alpha().map_err(broken)?))
}
