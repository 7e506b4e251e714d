//! Traces: the spans of tracing, sent to an OpenTelemetry collector, and joined across processes by W3C trace context.
//!
//! A collector that is slow or gone costs no call: spans go into a bounded queue that a thread of its own empties, and
//! what does not fit is dropped and counted in the log.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use tracing::{Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::config::TracesConfig;

/// The header that begins a trace context (W3C Trace Context, section 3.2).
const TRACEPARENT: &str = "traceparent";
/// Spans that may wait for the collector.
const QUEUE_LEN_MAX: usize = 4_096;
/// Spans in one message.
const BATCH_LEN_MAX: usize = 512;
/// How long a span waits for company.
const BATCH_EVERY: Duration = Duration::from_secs(1);
/// For one message to the collector, and for the last one of the process.
const EXPORT_WITHIN: Duration = Duration::from_secs(3);

/// The sending side of traces; hold it until the end of the process.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Connects to the collector, if one is configured; when it is really there does not matter. Must be called inside
    /// of an async runtime that outlives the result.
    pub(super) fn start(config: &TracesConfig, role: &'static str) -> Result<Self, String> {
        let Some(endpoint) = &config.otlp_endpoint else { return Ok(Self(None)) };
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint.as_str())
            .with_timeout(EXPORT_WITHIN)
            .build()
            .map_err(|error| format!("traces.otlp_endpoint: {error}"))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_LEN_MAX)
            .with_max_export_batch_size(BATCH_LEN_MAX)
            .with_scheduled_delay(BATCH_EVERY)
            .build();
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", format!("tidegate-{role}")),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("process.pid", i64::from(std::process::id())),
            ])
            .build();
        let ratio = Sampler::TraceIdRatioBased(fraction(config.sample_percent));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource)
            .build();
        Ok(Self(Some(provider)))
    }

    /// The layer that turns our own spans into OpenTelemetry's. Those of libraries are left out: some see what must not
    /// leave the process, and the exporter would report its own work.
    pub(super) fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer: SdkTracer = self.0.as_ref()?.tracer("tidegate");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(tracing_subscriber::filter::filter_fn(is_ours)))
    }

    /// Sends what is left, for at most a few seconds. Blocks.
    pub fn finish(self) {
        let last = self.0.map_or(Ok(()), |provider| provider.shutdown_with_timeout(EXPORT_WITHIN));
        if let Err(error) = last {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("tidegate") && *metadata.level() <= tracing::Level::INFO
}

/// The share of a whole that a percentage is, as the sampler wants it.
#[allow(clippy::float_arithmetic, reason = "a probability, not money; the sampler takes nothing else")]
fn fraction(percent: u8) -> f64 {
    f64::from(percent) / 100.0
}

/// Makes a span that has just been created the child of the caller's, if the headers say who that is.
pub fn follow(span: &Span, headers: &HeaderMap) {
    if headers.contains_key(TRACEPARENT) {
        // Fails only where no traces are made, or where the span was entered before; both leave it as it was.
        let _ = span.set_parent(TraceContextPropagator::new().extract(&Carrier(headers)));
    }
}

/// Writes the current span's context into the headers of a request to another of our processes.
pub fn hand_on(headers: &mut HeaderMap) {
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut CarrierMut(headers));
}

struct Carrier<'a>(&'a HeaderMap);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct CarrierMut<'a>(&'a mut HeaderMap);

impl Injector for CarrierMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
