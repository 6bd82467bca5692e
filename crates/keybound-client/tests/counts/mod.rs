//! A recorder of metrics that a test can look into: counters by their value, histograms by how often they were recorded.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// What was counted: by name and labels, with a blank between them and commas between labels.
#[derive(Default)]
pub(crate) struct Counts {
    counts: Mutex<BTreeMap<String, Arc<Count>>>,
    described: Mutex<BTreeSet<String>>,
}

#[derive(Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }
    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Count {
    fn record(&self, value: f64) {
        assert!(value >= 0.0);
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    pub(crate) fn all(&self) -> BTreeMap<String, u64> {
        let counts = self.counts.lock().unwrap();
        counts.iter().map(|(name, count)| (name.clone(), count.0.load(Ordering::Relaxed))).collect()
    }

    /// The names that were described.
    pub(crate) fn described(&self) -> BTreeSet<String> {
        self.described.lock().unwrap().clone()
    }

    fn count(&self, key: &Key) -> Arc<Count> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name(), labels.join(",")).trim_end().to_owned();
        Arc::clone(self.counts.lock().unwrap().entry(name).or_default())
    }

    fn describe(&self, key: &KeyName, ending: &str, description: &SharedString) {
        assert!(key.as_str().ends_with(ending) && !description.is_empty(), "{}", key.as_str());
        self.described.lock().unwrap().insert(key.as_str().to_owned());
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(&key, "_total", &description);
    }
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        assert_eq!(unit, Some(Unit::Seconds));
        self.describe(&key, "_seconds", &description);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.count(key))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.count(key))
    }
}
