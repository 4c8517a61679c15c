//! A recorder that formats metrics as Prometheus's text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The suffixes of a histogram's name: its parts are recorded as counters and a gauge.
const BUCKET: &str = "_bucket";
const SUM: &str = "_sum";
const COUNT: &str = "_count";

/// Collects metrics; its `Display` is the text format. Histograms must be recorded by their parts,
/// as `record_metrics` of a `ServerHandle` does.
#[derive(Default)]
pub(super) struct PrometheusRecorder(Mutex<BTreeMap<String, MetricFamily>>);

/// All samples of one metric name.
#[derive(Default)]
struct MetricFamily {
    kind: MetricType,
    help: String,
    samples: BTreeMap<Labels, Arc<AtomicU64>>,
}

/// The labels of a sample; their order is that of the samples in the text.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    /// The bits of a bucket's upper bound (`le`).
    bound: u64,
    text: String,
}

#[derive(Clone, Copy, Default)]
enum MetricType {
    #[default]
    Counter,
    /// Its value is the bits of an `f64`.
    Gauge,
}

impl PrometheusRecorder {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, MetricFamily>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, help: &SharedString) {
        let mut families = self.lock();
        families.entry(name.as_str().to_owned()).or_default().help = help.to_string();
    }

    fn sample(&self, key: &Key, kind: MetricType) -> Arc<AtomicU64> {
        let mut families = self.lock();
        let family = families.entry(key.name().to_owned()).or_default();
        family.kind = kind;
        family.samples.entry(Labels::of(key)).or_default().clone()
    }
}

impl Recorder for PrometheusRecorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sample(key, MetricType::Counter))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.sample(key, MetricType::Gauge))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl fmt::Display for PrometheusRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let families = self.lock();
        for (name, family) in families.iter().filter(|(_, family)| !family.samples.is_empty()) {
            if let Some(histogram) = name.strip_suffix(BUCKET) {
                family.write_head(histogram, "histogram", f)?;
                for part in [BUCKET, SUM, COUNT].map(|part| format!("{histogram}{part}")) {
                    families.get(&part).map_or(Ok(()), |family| family.write_samples(&part, f))?;
                }
            } else if !is_part_of_histogram(name, &families) {
                let kind = match family.kind {
                    MetricType::Counter => "counter",
                    MetricType::Gauge => "gauge",
                };
                family.write_head(name, kind, f)?;
                family.write_samples(name, f)?;
            }
        }
        Ok(())
    }
}

/// Whether the name is that of a histogram's sum or count, which its buckets' family writes.
fn is_part_of_histogram(name: &str, families: &BTreeMap<String, MetricFamily>) -> bool {
    let histogram = [SUM, COUNT].iter().find_map(|part| name.strip_suffix(part));
    histogram.is_some_and(|name| families.contains_key(&format!("{name}{BUCKET}")))
}

impl MetricFamily {
    fn write_head(&self, name: &str, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.help.is_empty() {
            writeln!(f, "# HELP {name} {}", self.help)?;
        }
        writeln!(f, "# TYPE {name} {kind}")
    }

    fn write_samples(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Labels { text, .. }, value) in &self.samples {
            write!(f, "{name}")?;
            if !text.is_empty() {
                write!(f, "{{{text}}}")?;
            }
            let value = value.load(Relaxed);
            match self.kind {
                MetricType::Counter => writeln!(f, " {value}")?,
                MetricType::Gauge => writeln!(f, " {}", f64::from_bits(value))?,
            }
        }
        Ok(())
    }
}

impl Labels {
    fn of(key: &Key) -> Self {
        let bound = key.labels().find(|label| label.key() == "le");
        let bound = bound.and_then(|label| label.value().parse().ok());
        let text =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())));
        Self {
            // The bits of non-negative floats are ordered as the floats are.
            bound: bound.map_or(0, |bound: f64| bound.max(0.0).to_bits()),
            text: text.collect::<Vec<_>>().join(","),
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{counter, describe_counter, gauge, with_local_recorder};

    #[test]
    fn metrics_are_shown_with_their_labels() {
        let recorder = PrometheusRecorder::default();
        with_local_recorder(&recorder, || {
            describe_counter!("b_total", "The number");
            describe_counter!("unused_total", "None");
            counter!("b_total", "x" => "1\\\"\n", "y" => "2").absolute(7);
            counter!("b_total", "x" => "2", "y" => "2").absolute(8);
            gauge!("a").set(1.5);
        });
        let expected = "# TYPE a gauge\na 1.5\n# HELP b_total The number\n# TYPE b_total counter\n\
                        b_total{x=\"1\\\\\\\"\\n\",y=\"2\"} 7\nb_total{x=\"2\",y=\"2\"} 8\n";
        assert_eq!(recorder.to_string(), expected);
    }

    #[test]
    fn metrics_histogram_is_one_family_with_ordered_bounds() {
        let recorder = PrometheusRecorder::default();
        with_local_recorder(&recorder, || {
            describe_counter!("a_seconds_bucket", "The time");
            for (bound, count) in [("0.5", 1), ("10", 3), ("2.5", 2), ("+Inf", 4), ("0.025", 0)] {
                counter!("a_seconds_bucket", "le" => bound).absolute(count);
            }
            counter!("a_seconds_count").absolute(4);
            gauge!("a_seconds_sum").set(20.5);
            counter!("a_seconds_cars_total").absolute(1);
            counter!("b_count").absolute(5);
        });
        let expected = "\
# HELP a_seconds The time
# TYPE a_seconds histogram
a_seconds_bucket{le=\"0.025\"} 0
a_seconds_bucket{le=\"0.5\"} 1
a_seconds_bucket{le=\"2.5\"} 2
a_seconds_bucket{le=\"10\"} 3
a_seconds_bucket{le=\"+Inf\"} 4
a_seconds_sum 20.5
a_seconds_count 4
# TYPE a_seconds_cars_total counter
a_seconds_cars_total 1
# TYPE b_count counter
b_count 5
";
        assert_eq!(recorder.to_string(), expected);
    }
}
