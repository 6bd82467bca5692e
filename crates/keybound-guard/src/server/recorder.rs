//! Metrics in the text format of Prometheus. A process has one recorder, so all servers in it share it.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::metrics::{self, BUCKETS, HISTOGRAMS};

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Records from now on, unless the process has a recorder of another sort.
pub(crate) fn install() {
    RECORDER.get_or_init(|| {
        let buckets = HISTOGRAMS.iter().try_fold(PrometheusBuilder::new(), |builder, name| {
            builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), &BUCKETS)
        });
        let recorder = buckets.ok()?.build_recorder();
        let handle = recorder.handle();
        ::metrics::set_global_recorder(recorder).ok()?;
        metrics::describe();
        Some(handle)
    });
}

/// Puts samples of histograms into their buckets, where they take no more room: to be called now and then,
/// whether or not anybody asks for what was recorded.
pub(crate) fn upkeep() {
    if let Some(Some(handle)) = RECORDER.get() {
        handle.run_upkeep();
    }
}

/// What was recorded; `None` without a recorder of ours.
pub(crate) fn rendered() -> Option<String> {
    let handle = RECORDER.get()?.as_ref()?;
    handle.run_upkeep();
    Some(handle.render())
}
