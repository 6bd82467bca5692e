//! What the proxy counts: how requests ended and how long they took, never which; and what its client counts.

use std::sync::OnceLock;
use std::time::Duration;

use http::Response;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::refusal::NotRelayed;

/// Requests by how they ended: the class of the origin's status (`2xx`), or why there was no answer.
const REQUESTS: &str = "keybound_proxy_requests_total";

/// Seconds from a request's head to its answer's head.
const SECONDS: &str = "keybound_proxy_seconds";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Records from now on.
pub(super) fn start() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        metrics::describe_counter!(REQUESTS, "Requests, by how they ended");
        metrics::describe_histogram!(
            SECONDS,
            metrics::Unit::Seconds,
            "From a request's head to its answer's"
        );
        keybound_client::call_metrics::describe();
        keybound_client::token_metrics::describe();
        Some(handle)
    });
}

/// All that was counted, in the text format of Prometheus.
pub(super) fn text() -> String {
    let Some(Some(handle)) = RECORDER.get() else { return String::new() };
    handle.run_upkeep();
    handle.render()
}

pub(super) fn count<B>(answer: &Result<Response<B>, NotRelayed>, took: Duration) {
    let outcome = match answer {
        Ok(answer) => match answer.status().as_u16() {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        },
        Err(refusal) => refusal.outcome(),
    };
    metrics::counter!(REQUESTS, "outcome" => outcome).increment(1);
    metrics::histogram!(SECONDS).record(took);
}
