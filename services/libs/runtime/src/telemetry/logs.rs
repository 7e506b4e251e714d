//! Logs: JSON lines or text for people, to standard error.

use std::io::IsTerminal;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use super::traces::Traces;
use crate::config::{LogConfig, LogFormat, TracesConfig};

/// Libraries that see requests on their way to the wire. Below INFO they write headers and bodies, and ours carry
/// signatures, tokens and passwords of stores; so no filter opens them further.
const WIRE: [&str; 8] = ["h2", "hyper", "hyper_util", "redis", "reqwest", "rustls", "tonic", "tower"];

/// Whether a text is a log filter, for instance `info,tidegate_executor=debug`.
///
/// # Errors
/// What is wrong with it.
pub fn check_filter(text: &str) -> Result<(), String> {
    EnvFilter::builder().parse(text).map(drop).map_err(|error| error.to_string())
}

/// Starts logs and traces for this process. Call it once, inside of the async runtime, before anything logs. What it
/// returns is to be finished at the end.
///
/// # Errors
/// One line, when a setting is not usable or logging was started before.
pub fn init_telemetry(log: &LogConfig, traces: &TracesConfig, role: &'static str) -> Result<Traces, String> {
    let filter = EnvFilter::builder()
        .parse(&log.filter)
        .map_err(|error| format!("log.filter: {error}"))?
        .and(filter_fn(is_harmless));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match log.format {
        LogFormat::Pretty => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    let traces = Traces::start(traces, role)?;
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(traces.layer())
        .try_init()
        .map_err(|_| "logging was started twice".to_owned())?;
    Ok(traces)
}

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    let crate_name = metadata.target().split("::").next().unwrap_or_default();
    let most = match crate_name {
        wire if WIRE.contains(&wire) => LevelFilter::INFO,
        // Below a warning it speaks of its own coming and going.
        telemetry if telemetry.starts_with("opentelemetry") => LevelFilter::WARN,
        _ => LevelFilter::TRACE,
    };
    *metadata.level() <= most
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic holds it").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_filter_opens_the_libraries_that_see_the_wire() {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .with_filter(
                EnvFilter::builder()
                    .parse("trace,h2::codec=trace")
                    .expect("a filter")
                    .and(filter_fn(is_harmless)),
            );
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::trace!(target: "h2::codec", "a header with a signature");
            tracing::debug!(target: "redis", "a password");
            tracing::warn!(target: "h2::codec", "a protocol error");
            tracing::trace!(target: "tidegate_executor::lane", "a nonce was drawn");
        });
        let text = String::from_utf8(sink.0.lock().expect("no panic holds it").clone()).expect("text");
        assert!(!text.contains("signature") && !text.contains("password"), "{text}");
        assert!(text.contains("protocol error") && text.contains("nonce was drawn"), "{text}");
    }

    #[test]
    fn a_bad_filter_is_a_sentence() {
        assert_eq!(check_filter("info,tidegate_executor=debug"), Ok(()));
        assert!(check_filter("info,tidegate_executor=loud").is_err());
    }
}
