//! One reading of figures, in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The parts of a histogram, which are recorded as counters and a gauge that have these behind
/// its name.
const BUCKET: &str = "_bucket";
const SUM: &str = "_sum";
const COUNT: &str = "_count";

/// Takes what is recorded, and shows it in the text format 0.0.4. Of histograms it takes those
/// that are recorded by their parts.
#[derive(Default)]
pub(super) struct PrometheusRecorder(Mutex<BTreeMap<String, MetricFamily>>);

/// All samples of one name.
#[derive(Default)]
struct MetricFamily {
    kind: MetricType,
    help: String,
    samples: BTreeMap<Labels, Arc<AtomicU64>>,
}

/// In the order in which samples are shown.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    /// The bits of a bucket's upper bound (`le`).
    bound: u64,
    shown: String,
}

#[derive(Clone, Copy, Default)]
enum MetricType {
    #[default]
    Counter,
    /// The bits of a number.
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
            if let Some(whole) = name.strip_suffix(BUCKET) {
                family.head(whole, "histogram", f)?;
                for part in [BUCKET, SUM, COUNT].map(|part| format!("{whole}{part}")) {
                    families.get(&part).map_or(Ok(()), |family| family.body(&part, f))?;
                }
            } else if !is_shown_with_its_buckets(name, &families) {
                let kind = match family.kind {
                    MetricType::Counter => "counter",
                    MetricType::Gauge => "gauge",
                };
                family.head(name, kind, f)?;
                family.body(name, f)?;
            }
        }
        Ok(())
    }
}

/// Whether it is the sum or the count of a histogram.
fn is_shown_with_its_buckets(name: &str, families: &BTreeMap<String, MetricFamily>) -> bool {
    let whole = [SUM, COUNT].iter().find_map(|part| name.strip_suffix(part));
    whole.is_some_and(|whole| families.contains_key(&format!("{whole}{BUCKET}")))
}

impl MetricFamily {
    fn head(&self, name: &str, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.help.is_empty() {
            writeln!(f, "# HELP {name} {}", self.help)?;
        }
        writeln!(f, "# TYPE {name} {kind}")
    }

    fn body(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Labels { shown, .. }, value) in &self.samples {
            write!(f, "{name}")?;
            if !shown.is_empty() {
                write!(f, "{{{shown}}}")?;
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
        let shown =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())));
        Self {
            // The bits of numbers that are not negative have their order.
            bound: bound.map_or(0, |bound: f64| bound.max(0.0).to_bits()),
            shown: shown.collect::<Vec<_>>().join(","),
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
        let reading = PrometheusRecorder::default();
        with_local_recorder(&reading, || {
            describe_counter!("b_total", "So many");
            describe_counter!("unused_total", "None");
            counter!("b_total", "x" => "1\\\"\n", "y" => "2").absolute(7);
            counter!("b_total", "x" => "2", "y" => "2").absolute(8);
            gauge!("a").set(1.5);
        });
        let expected = "# TYPE a gauge\na 1.5\n# HELP b_total So many\n# TYPE b_total counter\n\
                        b_total{x=\"1\\\\\\\"\\n\",y=\"2\"} 7\nb_total{x=\"2\",y=\"2\"} 8\n";
        assert_eq!(reading.to_string(), expected);
    }

    #[test]
    fn metrics_histogram_is_one_family_with_ordered_bounds() {
        let reading = PrometheusRecorder::default();
        with_local_recorder(&reading, || {
            describe_counter!("a_seconds_bucket", "So long");
            for (bound, count) in [("0.5", 1), ("10", 3), ("2.5", 2), ("+Inf", 4), ("0.025", 0)] {
                counter!("a_seconds_bucket", "le" => bound).absolute(count);
            }
            counter!("a_seconds_count").absolute(4);
            gauge!("a_seconds_sum").set(20.5);
            counter!("a_seconds_cars_total").absolute(1);
            counter!("b_count").absolute(5);
        });
        let expected = "\
# HELP a_seconds So long
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
        assert_eq!(reading.to_string(), expected);
    }
}
