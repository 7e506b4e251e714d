//! Metrics: OpenTelemetry instruments, read by Prometheus.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tidegate_core::ErrorKind;

/// Upper bounds of latency buckets in seconds, from a call that never left the process to the cap of reads.
/// OpenTelemetry's default bounds are meant for milliseconds and would put every call into one bucket.
const LATENCY_BOUNDS_S: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How a call ended, as a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// Kraken's answer was handed on, whatever it says.
    Ok,
    /// It may have been executed; the caller has a handle.
    Unresolved,
    /// Nothing was executed.
    Error(ErrorKind),
}

impl CallResult {
    /// The label: `OK`, `UNRESOLVED`, or the kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unresolved => "UNRESOLVED",
            Self::Error(kind) => kind.as_str(),
        }
    }
}

/// Where the time of a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Who, what, how often: all that the gateway decides.
    Policy,
    /// Waiting in a lane.
    Queue,
    /// Nonce and signature.
    Sign,
    /// From the first byte to Kraken to its response head.
    Kraken,
}

impl Stage {
    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Queue => "queue",
            Self::Sign => "sign",
            Self::Kraken => "kraken",
        }
    }
}

/// What a lane shows of itself. Points are thousandths of Kraken's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneReading {
    /// Whether this process owns the lane.
    pub owned: bool,
    /// Requests that were sent and have no answer yet.
    pub in_flight: u64,
    /// Calls that wait.
    pub queue: u64,
    /// The REST counter as we model it.
    pub rest_points_milli: u64,
    /// The highest value that it may take.
    pub rest_points_max_milli: u64,
}

/// All instruments of a process. Cloning is cheap; where nobody scrapes, recording costs little and harms nothing.
#[derive(Clone)]
pub struct Metrics(Arc<Instruments>);

struct Instruments {
    registry: Registry,
    /// Instruments go silent when their provider is dropped.
    _provider: SdkMeterProvider,
    calls: Counter<u64>,
    call_duration: Histogram<f64>,
    stage_duration: Histogram<f64>,
    hops: Counter<u64>,
    kraken_errors: Counter<u64>,
    lane_owned: Gauge<u64>,
    lane_in_flight: Gauge<u64>,
    lane_queue: Gauge<u64>,
    lane_rest_points: Gauge<f64>,
    lane_rest_points_max: Gauge<f64>,
}

impl Metrics {
    /// A registry of its own. `role` becomes the service name in `target_info`.
    ///
    /// # Errors
    /// When the exporter cannot be registered, which a fresh registry gives no reason for.
    pub fn new(role: &'static str) -> Result<Self, String> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| format!("the metrics exporter cannot start: {error}"))?;
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", format!("tidegate-{role}")),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let provider = SdkMeterProvider::builder().with_reader(exporter).with_resource(resource).build();
        let meter = provider.meter("tidegate");
        let latency = |name: &'static str, text: &'static str| {
            let bounds = LATENCY_BOUNDS_S.to_vec();
            meter.f64_histogram(name).with_unit("s").with_description(text).with_boundaries(bounds).build()
        };
        let gauge =
            |name: &'static str, text: &'static str| meter.u64_gauge(name).with_description(text).build();
        let points =
            |name: &'static str, text: &'static str| meter.f64_gauge(name).with_description(text).build();
        // The exporter appends `_seconds` for the unit and `_total` to counters.
        Ok(Self(Arc::new(Instruments {
            calls: meter
                .u64_counter("tidegate_calls")
                .with_description("Calls answered, by method and outcome.")
                .build(),
            call_duration: latency("tidegate_call_duration", "Time from request to answer."),
            stage_duration: latency("tidegate_stage_duration", "Time that calls spend in a stage."),
            hops: meter
                .u64_counter("tidegate_hops")
                .with_description(
                    "Calls that a gateway handed to an executor, in this process or in another.",
                )
                .build(),
            kraken_errors: meter
                .u64_counter("tidegate_kraken_errors")
                .with_description("Errors in Kraken's answers, by endpoint.")
                .build(),
            lane_owned: gauge("tidegate_lane_owned", "1 where this process owns the lane."),
            lane_in_flight: gauge("tidegate_lane_in_flight", "Requests sent and not answered."),
            lane_queue: gauge("tidegate_lane_queue", "Calls waiting in the lane."),
            lane_rest_points: points("tidegate_lane_rest_points", "REST counter of the key as modelled."),
            lane_rest_points_max: points("tidegate_lane_rest_points_max", "Ceiling of that counter."),
            _provider: provider,
            registry,
        })))
    }

    /// Counts a call that was answered. `method` is a name from the method table, so the label stays bounded.
    pub fn call(&self, method: &'static str, result: CallResult, took: Duration) {
        let method = KeyValue::new("method", method);
        self.0.call_duration.record(took.as_secs_f64(), std::slice::from_ref(&method));
        self.0.calls.add(1, &[method, KeyValue::new("kind", result.as_str())]);
    }

    /// Records how long a call was in a stage.
    pub fn stage(&self, stage: Stage, took: Duration) {
        self.0.stage_duration.record(took.as_secs_f64(), &[KeyValue::new("stage", stage.as_str())]);
    }

    /// Counts a call that was handed to an executor, in this process or in another.
    pub fn hop(&self, to_this_process: bool) {
        let to = if to_this_process { "local" } else { "remote" };
        self.0.hops.add(1, &[KeyValue::new("to", to)]);
    }

    /// Counts an error in an answer of Kraken's. `error` is a row of the error table, never Kraken's own text,
    /// whose details are without bound.
    pub fn kraken_error(&self, endpoint: &'static str, error: &'static str) {
        self.0.kraken_errors.add(1, &[KeyValue::new("endpoint", endpoint), KeyValue::new("error", error)]);
    }

    /// Shows a lane by its key's label. Labels come from the configuration, so their number is bounded.
    pub fn lane(&self, label: &str, reading: LaneReading) {
        let lane = [KeyValue::new("lane", label.to_owned())];
        self.0.lane_owned.record(u64::from(reading.owned), &lane);
        self.0.lane_in_flight.record(reading.in_flight, &lane);
        self.0.lane_queue.record(reading.queue, &lane);
        self.0.lane_rest_points.record(points(reading.rest_points_milli), &lane);
        self.0.lane_rest_points_max.record(points(reading.rest_points_max_milli), &lane);
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When the encoder refuses a metric, in words for the log.
    pub fn render(&self) -> Result<String, String> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather()).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Whole and thousandth points as Prometheus wants them.
#[allow(clippy::float_arithmetic, reason = "a gauge for people to look at; no decision is made from it")]
fn points(milli: u64) -> f64 {
    let capped = u32::try_from(milli).unwrap_or(u32::MAX);
    f64::from(capped) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_the_ones_that_dashboards_use() {
        let metrics = Metrics::new("all").expect("a registry");
        metrics.call("GetBalance", CallResult::Ok, Duration::from_millis(3));
        metrics.clone().call("AddOrder", CallResult::Error(ErrorKind::Budget), Duration::from_micros(80));
        metrics.call("AddOrder", CallResult::Unresolved, Duration::from_secs(4));
        metrics.stage(Stage::Kraken, Duration::from_millis(40));
        metrics.hop(false);
        metrics.kraken_error("AddOrder", "EOrder:Insufficient funds");
        let reading = LaneReading {
            owned: true,
            in_flight: 1,
            queue: 7,
            rest_points_milli: 12_345,
            rest_points_max_milli: 20_000,
        };
        metrics.lane("sandbox-read", reading);
        metrics.lane("sandbox-read", LaneReading { owned: false, ..reading });
        let text = metrics.render().expect("text");
        for line in [
            r#"tidegate_calls_total{kind="OK",method="GetBalance"} 1"#,
            r#"tidegate_calls_total{kind="BUDGET",method="AddOrder"} 1"#,
            r#"tidegate_calls_total{kind="UNRESOLVED",method="AddOrder"} 1"#,
            r#"tidegate_call_duration_seconds_bucket{method="GetBalance",le="0.0025"} 0"#,
            r#"tidegate_call_duration_seconds_bucket{method="GetBalance",le="0.005"} 1"#,
            r#"tidegate_stage_duration_seconds_count{stage="kraken"} 1"#,
            r#"tidegate_hops_total{to="remote"} 1"#,
            r#"tidegate_kraken_errors_total{endpoint="AddOrder",error="EOrder:Insufficient funds"} 1"#,
            r#"tidegate_lane_owned{lane="sandbox-read"} 0"#,
            r#"tidegate_lane_in_flight{lane="sandbox-read"} 1"#,
            r#"tidegate_lane_queue{lane="sandbox-read"} 7"#,
            r#"tidegate_lane_rest_points{lane="sandbox-read"} 12.345"#,
            r#"tidegate_lane_rest_points_max{lane="sandbox-read"} 20"#,
        ] {
            assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
        }
        assert!(!text.contains("otel_scope"), "{text}");
    }
}
