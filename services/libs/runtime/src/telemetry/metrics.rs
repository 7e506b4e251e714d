//! Metrics: OpenTelemetry instruments, read by Prometheus.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

use super::readings::{
    CallResult, IntentReading, LaneReading, NonceCause, Sent, Stage, StoreAct, TradingHeld,
};

/// Upper bounds of latency buckets in seconds, from a call that never left the process to the cap of reads.
/// OpenTelemetry's default bounds are meant for milliseconds and would put every call into one bucket.
const LATENCY_BOUNDS_S: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// All instruments of a process. Cloning is cheap; where nobody scrapes, recording costs little and harms nothing.
#[derive(Clone)]
pub struct Metrics(Arc<Instruments>);

/// Reads the lanes of this process at the moment of a scrape.
type LaneReader = Box<dyn Fn() -> Vec<LaneReading> + Send + Sync>;

/// Reads the open intents as this process knows them at the moment of a scrape.
type IntentReader = Box<dyn Fn() -> Vec<IntentReading> + Send + Sync>;

struct Instruments {
    registry: Registry,
    lanes: OnceLock<LaneReader>,
    intents: OnceLock<IntentReader>,
    /// Instruments go silent when their provider is dropped.
    _provider: SdkMeterProvider,
    calls: Counter<u64>,
    call_duration: Histogram<f64>,
    stage_duration: Histogram<f64>,
    hops: Counter<u64>,
    kraken_errors: Counter<u64>,
    kraken_requests: Counter<u64>,
    nonces_refused: Counter<u64>,
    abandoned: Counter<u64>,
    trading: Counter<u64>,
    store_requests: Counter<u64>,
    store_duration: Histogram<f64>,
    store_up: Gauge<u64>,
    ready: Gauge<u64>,
    egress_failures: Counter<u64>,
    egress_held: Gauge<u64>,
    lane_open: Gauge<u64>,
    lane_quarantined: Gauge<u64>,
    key_expiry: Gauge<u64>,
    lane_owned: Gauge<u64>,
    lane_in_flight: Gauge<u64>,
    lane_queue: Gauge<u64>,
    lane_rest_points: Gauge<f64>,
    lane_rest_points_max: Gauge<f64>,
    intents_open: Gauge<u64>,
    intents_oldest: Gauge<u64>,
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
        let counter =
            |name: &'static str, text: &'static str| meter.u64_counter(name).with_description(text).build();
        let build = gauge("tidegate_build_info", "1, by version.");
        build.record(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]);
        // The exporter appends `_seconds` for the unit and `_total` to counters.
        Ok(Self(Arc::new(Instruments {
            calls: counter("tidegate_calls", "Calls answered, by method and outcome."),
            call_duration: latency("tidegate_call_duration", "Time from request to answer."),
            stage_duration: latency("tidegate_stage_duration", "Time that calls spend in a stage."),
            hops: counter("tidegate_hops", "Calls that a gateway handed to an executor, here or elsewhere."),
            kraken_errors: counter("tidegate_kraken_errors", "Errors in Kraken's answers, by endpoint."),
            kraken_requests: counter(
                "tidegate_kraken_requests",
                "Requests to Kraken, by what became of them.",
            ),
            nonces_refused: counter("tidegate_nonces_refused", "Nonces that Kraken refused, by cause."),
            abandoned: counter("tidegate_abandoned", "Calls that a lane went on without, because they hung."),
            trading: counter(
                "tidegate_trading_held",
                "Acts and cancels that a pair's trading counter had no room for, by what was done.",
            ),
            store_requests: counter("tidegate_store_requests", "Requests to the store of grants."),
            store_duration: latency("tidegate_store_duration", "Time that the store takes to answer."),
            store_up: gauge("tidegate_store_up", "1 when the last request to the store was answered."),
            ready: gauge("tidegate_ready", "1 while the process is ready for work."),
            egress_failures: counter(
                "tidegate_egress_failures",
                "Calls that Kraken did not authenticate and nothing of ours explains.",
            ),
            egress_held: gauge(
                "tidegate_egress_held",
                "1 while calls by this address are held back, by cause.",
            ),
            lane_open: gauge("tidegate_lane_open", "1 where this process sends calls of the lane."),
            lane_quarantined: gauge(
                "tidegate_lane_quarantined",
                "1 where the key is out of use but for a few cancels.",
            ),
            key_expiry: meter
                .u64_gauge("tidegate_key_expiry_timestamp")
                .with_unit("s")
                .with_description("When the key expires at Kraken; absent for a key that does not.")
                .build(),
            lane_owned: gauge("tidegate_lane_owned", "1 where this process owns the lane."),
            lane_in_flight: gauge("tidegate_lane_in_flight", "Requests sent and not answered."),
            lane_queue: gauge("tidegate_lane_queue", "Calls waiting in the lane."),
            lane_rest_points: points("tidegate_lane_rest_points", "REST counter of the key as modelled."),
            lane_rest_points_max: points("tidegate_lane_rest_points_max", "Ceiling of that counter."),
            intents_open: gauge("tidegate_intents_open", "Acts that are not decided, by account and state."),
            intents_oldest: meter
                .u64_gauge("tidegate_intents_oldest")
                .with_unit("s")
                .with_description("Age of the oldest act in the state; 0 where there is none.")
                .build(),
            _provider: provider,
            registry,
            lanes: OnceLock::new(),
            intents: OnceLock::new(),
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

    /// Counts a request to Kraken.
    pub fn kraken_request(&self, sent: Sent) {
        self.0.kraken_requests.add(1, &[KeyValue::new("result", sent.as_str())]);
    }

    /// Counts nonces that Kraken refused.
    pub fn nonces_refused(&self, count: u64, lane: &str, cause: NonceCause) {
        let labels = [KeyValue::new("lane", lane.to_owned()), KeyValue::new("cause", cause.as_str())];
        self.0.nonces_refused.add(count, &labels);
    }

    /// Counts calls that Kraken did not authenticate, by the name of the address they came from.
    pub fn egress_failures(&self, count: u64, egress: &str) {
        self.0.egress_failures.add(count, &[KeyValue::new("egress", egress.to_owned())]);
    }

    /// Shows whether calls by an address are held back for this cause.
    pub fn egress_held(&self, egress: &str, cause: &'static str, held: bool) {
        let labels = [KeyValue::new("egress", egress.to_owned()), KeyValue::new("cause", cause)];
        self.0.egress_held.record(u64::from(held), &labels);
    }

    /// Counts a call that a lane went on without.
    pub fn abandoned(&self, lane: &str) {
        self.0.abandoned.add(1, &[KeyValue::new("lane", lane.to_owned())]);
    }

    /// Counts what a pair's trading counter had no room for.
    pub fn trading_held(&self, account: &str, done: TradingHeld) {
        let labels = [KeyValue::new("account", account.to_owned()), KeyValue::new("done", done.as_str())];
        self.0.trading.add(1, &labels);
    }

    /// Counts a request to the store, and shows whether it was answered.
    pub fn store_request(&self, act: StoreAct, answered: bool, took: Duration) {
        let act = KeyValue::new("act", act.as_str());
        self.0.store_duration.record(took.as_secs_f64(), std::slice::from_ref(&act));
        let result = KeyValue::new("result", if answered { "ok" } else { "error" });
        self.0.store_requests.add(1, &[act, result]);
        self.0.store_up.record(u64::from(answered), &[]);
    }

    /// Shows whether the process is ready for work.
    pub fn ready(&self, ready: bool) {
        self.0.ready.record(u64::from(ready), &[]);
    }

    /// From now on every scrape shows the lanes as `read` finds them at that moment. `labels` are the keys that this
    /// process mounts: their counters of trouble begin at zero, so that the first trouble is seen as an increase.
    /// The first reader stays.
    pub fn watch_lanes<'a>(
        &self,
        labels: impl IntoIterator<Item = &'a str>,
        read: impl Fn() -> Vec<LaneReading> + Send + Sync + 'static,
    ) {
        for label in labels {
            for cause in NonceCause::ALL {
                self.nonces_refused(0, label, cause);
            }
        }
        // A process has one set of lanes; a second reader would be a defect that shows as missing lanes.
        let _ = self.0.lanes.set(Box::new(read));
    }

    /// From now on every scrape shows the open intents as `read` finds them at that moment. The first reader stays.
    pub fn watch_intents(&self, read: impl Fn() -> Vec<IntentReading> + Send + Sync + 'static) {
        // As for lanes.
        let _ = self.0.intents.set(Box::new(read));
    }

    fn show(&self, reading: LaneReading) {
        let lane = [KeyValue::new("lane", reading.lane)];
        let this = &self.0;
        this.lane_owned.record(u64::from(reading.owned), &lane);
        this.lane_open.record(u64::from(reading.open), &lane);
        this.lane_quarantined.record(u64::from(reading.quarantined), &lane);
        this.lane_in_flight.record(reading.in_flight, &lane);
        this.lane_queue.record(reading.queue, &lane);
        this.lane_rest_points.record(points(reading.rest_points_milli), &lane);
        this.lane_rest_points_max.record(points(reading.rest_points_max_milli), &lane);
        if let Some(expires_s) = reading.expires_s {
            this.key_expiry.record(expires_s, &lane);
        }
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When the encoder refuses a metric, in words for the log.
    pub fn render(&self) -> Result<String, String> {
        for reading in self.0.lanes.get().map(|read| read()).unwrap_or_default() {
            self.show(reading);
        }
        for IntentReading { account, state, open, oldest_s } in
            self.0.intents.get().map(|read| read()).unwrap_or_default()
        {
            let labels = [KeyValue::new("account", account), KeyValue::new("state", state)];
            self.0.intents_open.record(open, &labels);
            self.0.intents_oldest.record(oldest_s, &labels);
        }
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
    use tidegate_core::ErrorKind;

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
        metrics.kraken_request(Sent::Lost);
        metrics.store_request(StoreAct::Grant, true, Duration::from_micros(300));
        metrics.store_request(StoreAct::Release, false, Duration::from_millis(250));
        metrics.ready(true);
        let reading = LaneReading {
            lane: "sandbox-read".into(),
            owned: true,
            open: false,
            quarantined: true,
            in_flight: 1,
            queue: 7,
            rest_points_milli: 12_345,
            rest_points_max_milli: 20_000,
            expires_s: Some(1_795_000_000),
        };
        let never = LaneReading { lane: "sandbox-trade".into(), expires_s: None, ..reading.clone() };
        metrics.watch_lanes(["sandbox-read", "sandbox-trade"], move || vec![reading.clone(), never.clone()]);
        metrics.nonces_refused(1, "sandbox-trade", NonceCause::Unexplained);
        let doubt = IntentReading { account: "main".into(), state: "unresolved", open: 2, oldest_s: 61 };
        metrics.watch_intents(move || vec![doubt.clone()]);
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
            r#"tidegate_kraken_requests_total{result="lost"} 1"#,
            r#"tidegate_store_requests_total{act="grant",result="ok"} 1"#,
            r#"tidegate_store_requests_total{act="release",result="error"} 1"#,
            r#"tidegate_store_duration_seconds_count{act="grant"} 1"#,
            "tidegate_store_up 0",
            "tidegate_ready 1",
            concat!("tidegate_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            r#"tidegate_nonces_refused_total{cause="unexplained",lane="sandbox-read"} 0"#,
            r#"tidegate_nonces_refused_total{cause="unexplained",lane="sandbox-trade"} 1"#,
            r#"tidegate_key_expiry_timestamp_seconds{lane="sandbox-read"} 1795000000"#,
            r#"tidegate_lane_owned{lane="sandbox-read"} 1"#,
            r#"tidegate_lane_open{lane="sandbox-read"} 0"#,
            r#"tidegate_lane_quarantined{lane="sandbox-read"} 1"#,
            r#"tidegate_lane_in_flight{lane="sandbox-read"} 1"#,
            r#"tidegate_lane_queue{lane="sandbox-read"} 7"#,
            r#"tidegate_lane_rest_points{lane="sandbox-read"} 12.345"#,
            r#"tidegate_lane_rest_points_max{lane="sandbox-read"} 20"#,
            r#"tidegate_intents_open{account="main",state="unresolved"} 2"#,
            r#"tidegate_intents_oldest_seconds{account="main",state="unresolved"} 61"#,
        ] {
            assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
        }
        assert!(!text.contains(r#"tidegate_key_expiry_timestamp_seconds{lane="sandbox-trade"}"#), "{text}");
        assert!(!text.contains("otel_scope"), "{text}");
    }
}
