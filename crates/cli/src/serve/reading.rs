//! One reading of figures, in Prometheus's text format.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Takes what is recorded, and shows it in the text format 0.0.4. It has no histograms.
#[derive(Default)]
pub(super) struct Reading(Mutex<BTreeMap<String, Family>>);

/// All samples of one name.
#[derive(Default)]
struct Family {
    kind: Kind,
    help: String,
    /// By their labels as they are shown.
    samples: BTreeMap<String, Arc<AtomicU64>>,
}

#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    Counter,
    /// The bits of a number.
    Gauge,
}

impl Reading {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Family>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, help: &SharedString) {
        let mut families = self.lock();
        families.entry(name.as_str().to_owned()).or_default().help = help.to_string();
    }

    fn sample(&self, key: &Key, kind: Kind) -> Arc<AtomicU64> {
        let mut families = self.lock();
        let family = families.entry(key.name().to_owned()).or_default();
        family.kind = kind;
        let labels =
            key.labels().map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())));
        let labels = labels.collect::<Vec<_>>().join(",");
        family.samples.entry(labels).or_default().clone()
    }
}

impl Recorder for Reading {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.sample(key, Kind::Counter))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.sample(key, Kind::Gauge))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, family) in self.lock().iter().filter(|(_, family)| !family.samples.is_empty()) {
            if !family.help.is_empty() {
                writeln!(f, "# HELP {name} {}", family.help)?;
            }
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            writeln!(f, "# TYPE {name} {kind}")?;
            for (labels, value) in &family.samples {
                write!(f, "{name}")?;
                if !labels.is_empty() {
                    write!(f, "{{{labels}}}")?;
                }
                let value = value.load(Relaxed);
                match family.kind {
                    Kind::Counter => writeln!(f, " {value}")?,
                    Kind::Gauge => writeln!(f, " {}", f64::from_bits(value))?,
                }
            }
        }
        Ok(())
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
    fn figures_are_shown_with_their_labels() {
        let reading = Reading::default();
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
}
