//! What servers and clients record in the same way with the crate `metrics`.

use std::collections::BTreeMap;

use http::Version;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::base::histogram::Histogram;
use crate::base::stats::{ConnectionStats, DirectionStats};
use crate::connection::close_kind::CloseKind;

/// The names and descriptions of metrics that begin with the same prefix.
pub(crate) struct MetricNames(pub(crate) &'static str);

impl MetricNames {
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.0)
    }

    /// Records the number of open WebSockets.
    pub(crate) fn record_websockets(&self, open: usize) {
        self.record_gauge("websockets", "Open WebSockets", open);
    }

    /// Records a number that goes up and down, without labels.
    pub(crate) fn record_gauge(&self, name: &str, about: &'static str, count: usize) {
        let name = self.name(name);
        describe_gauge!(name.clone(), about);
        #[allow(clippy::cast_precision_loss, reason = "there are fewer of anything than that")]
        gauge!(name).set(count as f64);
    }

    /// Records how WebSockets have ended.
    pub(crate) fn record_ends(&self, ends: &BTreeMap<CloseKind, u64>) {
        let name = self.name("closes_total");
        describe_counter!(name.clone(), "Ended WebSockets by close code and cause");
        for (end, count) in ends {
            let labels = [("code", end.code.to_string()), ("cause", end.cause.to_owned())];
            counter!(name.clone(), &labels).absolute(*count);
        }
    }

    /// Records messages and bytes in both directions.
    pub(crate) fn record_traffic(&self, traffic: &ConnectionStats) {
        let (messages, bytes) = (self.name("messages_total"), self.name("bytes_total"));
        describe_counter!(messages, "Messages by direction and kind");
        let description = "Bytes by direction: payload before compression, and on the wire";
        describe_counter!(bytes, Unit::Bytes, description);
        self.record_direction("received", &traffic.received);
        self.record_direction("sent", &traffic.sent);
    }

    fn record_direction(&self, direction: &'static str, stats: &DirectionStats) {
        for (kind, count) in [("text", stats.text), ("binary", stats.binary)] {
            let name = self.name("messages_total");
            counter!(name, "direction" => direction, "kind" => kind).absolute(count);
        }
        for (of, bytes) in [("payload", stats.payload), ("wire", stats.wire)] {
            let name = self.name("bytes_total");
            counter!(name, "direction" => direction, "of" => of).absolute(bytes);
        }
    }

    /// Records a histogram in the form of Prometheus: each bucket includes all smaller ones.
    pub(crate) fn record_histogram(&self, name: &str, about: &'static str, times: &Histogram) {
        let bucket = self.name(&format!("{name}_bucket"));
        describe_counter!(bucket.clone(), about);
        let mut cumulative = 0;
        let bounds = Histogram::BOUNDS
            .iter()
            .map(|ms| format!("{}", std::time::Duration::from_millis(*ms).as_secs_f64()));
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(times.counts()) {
            cumulative += count;
            counter!(bucket.clone(), "le" => bound).absolute(cumulative);
        }
        counter!(self.name(&format!("{name}_count"))).absolute(times.count());
        gauge!(self.name(&format!("{name}_sum"))).set(times.sum().as_secs_f64());
    }

    /// Records the round trips of keepalive pings.
    pub(crate) fn record_round_trips(&self, times: &Histogram) {
        let about = "Round trips of keepalive pings, by upper bound in seconds";
        self.record_histogram("ping_round_trip_seconds", about, times);
    }

    /// Records a counter without labels.
    pub(crate) fn record_total(&self, name: &str, about: &'static str, count: u64) {
        let name = self.name(name);
        describe_counter!(name.clone(), about);
        counter!(name).absolute(count);
    }
}

/// Returns the label of a version of HTTP.
pub(crate) fn version_label(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}
