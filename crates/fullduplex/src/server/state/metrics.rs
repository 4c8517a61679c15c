//! Metrics of a server, for the crate `metrics`.

use http::Version;
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::base::histogram::Histogram;
use crate::connection::stats::DirectionStats;
use crate::server::state::handle::ServerHandle;
use crate::server::state::stats::{HandshakeOutcome, ServerStats};

impl ServerHandle {
    /// Records the server's [`ServerStats`] with the installed recorder of the crate `metrics`.
    /// Call it before the metrics are read, such as in a Prometheus endpoint, or at intervals.
    ///
    /// All names begin with `fullduplex_`. No metric is about a single connection or a payload.
    pub fn record_metrics(&self) {
        let stats = self.stats();
        describe();
        let ServerStats { connections, accepted, websockets, handshakes, ends, .. } = &stats;
        gauge!("fullduplex_connections").set(f64::from(connections.in_use));
        counter!("fullduplex_connections_accepted_total").absolute(*accepted);
        let rejected = [
            ("max_connections", connections.rejected_total),
            ("max_per_address", connections.rejected_per_address),
        ];
        for (limit, count) in rejected {
            counter!("fullduplex_connections_rejected_total", "limit" => limit).absolute(count);
        }
        #[allow(clippy::cast_precision_loss, reason = "there are fewer sockets than that")]
        gauge!("fullduplex_websockets").set(*websockets as f64);
        for (outcome, count) in handshakes {
            let (outcome, detail) = labels(*outcome);
            let labels = [("outcome", outcome.to_owned()), ("detail", detail)];
            counter!("fullduplex_handshakes_total", &labels).absolute(*count);
        }
        for (end, count) in ends {
            let labels = [("code", end.code.to_string()), ("cause", end.cause.to_owned())];
            counter!("fullduplex_closes_total", &labels).absolute(*count);
        }
        record_direction("received", &stats.traffic.received);
        record_direction("sent", &stats.traffic.sent);
        record_round_trips(&stats.round_trips);
        counter!("fullduplex_accept_failures_total").absolute(stats.accept_failures);
        counter!("fullduplex_panics_total").absolute(stats.panics);
    }
}

fn labels(outcome: HandshakeOutcome) -> (&'static str, String) {
    match outcome {
        HandshakeOutcome::Opened(version) => ("opened", version_label(version).to_owned()),
        HandshakeOutcome::Rejected(status) => ("rejected", status.to_string()),
        HandshakeOutcome::TimedOut => ("timed_out", String::new()),
        HandshakeOutcome::Evicted => ("evicted", String::new()),
        HandshakeOutcome::TlsFailed => ("tls_failed", String::new()),
        HandshakeOutcome::Disconnected => ("disconnected", String::new()),
    }
}

fn version_label(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

fn record_direction(direction: &'static str, stats: &DirectionStats) {
    for (kind, count) in [("text", stats.text), ("binary", stats.binary)] {
        counter!("fullduplex_messages_total", "direction" => direction, "kind" => kind)
            .absolute(count);
    }
    for (of, bytes) in [("payload", stats.payload), ("wire", stats.wire)] {
        counter!("fullduplex_bytes_total", "direction" => direction, "of" => of).absolute(bytes);
    }
}

/// Records a histogram in the form of Prometheus: each bucket includes all smaller ones.
fn record_round_trips(histogram: &Histogram) {
    let mut cumulative = 0;
    let bounds = Histogram::BOUNDS
        .iter()
        .map(|ms| format!("{}", std::time::Duration::from_millis(*ms).as_secs_f64()));
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(histogram.counts()) {
        cumulative += count;
        counter!("fullduplex_ping_round_trip_seconds_bucket", "le" => bound).absolute(cumulative);
    }
    counter!("fullduplex_ping_round_trip_seconds_count").absolute(histogram.count());
    gauge!("fullduplex_ping_round_trip_seconds_sum").set(histogram.sum().as_secs_f64());
}

fn describe() {
    describe_gauge!("fullduplex_connections", "Open connections of any kind");
    describe_counter!("fullduplex_connections_accepted_total", "Accepted connections");
    describe_counter!(
        "fullduplex_connections_rejected_total",
        "Connections rejected because a limit was reached, by limit"
    );
    describe_gauge!("fullduplex_websockets", "Open WebSockets");
    describe_counter!("fullduplex_handshakes_total", "Opening handshakes by outcome");
    describe_counter!("fullduplex_closes_total", "Ended WebSockets by close code and cause");
    describe_counter!("fullduplex_messages_total", "Messages by direction and kind");
    describe_counter!(
        "fullduplex_bytes_total",
        Unit::Bytes,
        "Bytes by direction: payload before compression, and on the wire"
    );
    describe_counter!(
        "fullduplex_ping_round_trip_seconds_bucket",
        "Round trips of keepalive pings, by upper bound in seconds"
    );
    describe_counter!(
        "fullduplex_accept_failures_total",
        "Failures to accept a connection, such as for too many open files"
    );
    describe_counter!(
        "fullduplex_panics_total",
        "Panics of handlers, the service, and other code of the application"
    );
}
