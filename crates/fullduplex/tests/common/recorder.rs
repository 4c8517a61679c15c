//! A recorder of the crate `metrics`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Keeps the last value of each metric, by its name and labels: `name{label=value,…}`.
#[derive(Default)]
pub struct Values {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<Vec<String>>,
}

fn shown(key: &Key) -> String {
    let labels: Vec<_> =
        key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
    if labels.is_empty() {
        return key.name().to_owned();
    }
    format!("{}{{{}}}", key.name(), labels.join(","))
}

impl Values {
    /// All metrics with their values, gauges as whole numbers.
    pub fn all(&self) -> BTreeMap<String, u64> {
        let counters = self.counters.lock().unwrap();
        let counters = counters.iter().map(|(key, value)| (key, value.load(Ordering::Relaxed)));
        let gauges = self.gauges.lock().unwrap();
        let gauges = gauges.iter().map(|(key, value)| {
            let value = f64::from_bits(value.load(Ordering::Relaxed));
            (key, format!("{value:.0}").parse().unwrap())
        });
        counters.chain(gauges).map(|(key, value)| (key.clone(), value)).collect()
    }

    /// The names of the metrics that have a description.
    pub fn described(&self) -> Vec<String> {
        self.described.lock().unwrap().clone()
    }
}

impl Recorder for Values {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(name.as_str().to_owned());
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(name.as_str().to_owned());
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counters.lock().unwrap().entry(shown(key)).or_default().clone())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.gauges.lock().unwrap().entry(shown(key)).or_default().clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
