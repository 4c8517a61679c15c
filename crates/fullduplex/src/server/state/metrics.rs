//! Figures for a recorder of the `metrics` facade.

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

use crate::connection::stats::DirectionStats;
use crate::server::state::handle::ServerHandle;
use crate::server::state::stats::{HandshakeOutcome, Histogram, ServerStats};

impl ServerHandle {
    /// Hands the server's [`ServerStats`] to the recorder of the `metrics` facade that is installed:
    /// before its figures are read, as a Prometheus endpoint does, or at times.
    ///
    /// All names begin with `fullduplex_`. There is no figure of a single connection among
    /// them, nor anything of a payload.
    pub fn record_metrics(&self) {
        let stats = self.stats();
        describe();
        let ServerStats { connections, accepted, websockets, handshakes, ends, .. } = &stats;
        gauge!("fullduplex_connections").set(f64::from(connections.in_use));
        counter!("fullduplex_connections_accepted_total").absolute(*accepted);
        let refused =
            [("total", connections.refused_total), ("address", connections.refused_per_address)];
        for (limit, count) in refused {
            counter!("fullduplex_connections_refused_total", "limit" => limit).absolute(count);
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
        flow("received", &stats.traffic.received);
        flow("sent", &stats.traffic.sent);
        round_trips(&stats.round_trips);
        counter!("fullduplex_accept_failures_total").absolute(stats.accept_failures);
        counter!("fullduplex_panics_total").absolute(stats.panics);
    }
}

fn labels(outcome: HandshakeOutcome) -> (&'static str, String) {
    match outcome {
        HandshakeOutcome::Opened(version) => ("opened", format!("HTTP/{}", version.as_str())),
        HandshakeOutcome::Refused(status) => ("refused", status.to_string()),
        HandshakeOutcome::TimedOut => ("timed_out", String::new()),
        HandshakeOutcome::Evicted => ("evicted", String::new()),
        HandshakeOutcome::Tls => ("tls", String::new()),
        HandshakeOutcome::Gone => ("gone", String::new()),
    }
}

fn flow(direction: &'static str, flow: &DirectionStats) {
    for (kind, count) in [("text", flow.text), ("binary", flow.binary)] {
        counter!("fullduplex_messages_total", "direction" => direction, "kind" => kind)
            .absolute(count);
    }
    for (of, bytes) in [("payload", flow.payload), ("wire", flow.wire)] {
        counter!("fullduplex_bytes_total", "direction" => direction, "of" => of).absolute(bytes);
    }
}

/// As Prometheus has it: each class with all those below it.
fn round_trips(histogram: &Histogram) {
    let mut below = 0;
    let bounds = Histogram::BOUNDS
        .iter()
        .map(|ms| format!("{}", std::time::Duration::from_millis(*ms).as_secs_f64()));
    for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(histogram.counts()) {
        below += count;
        counter!("fullduplex_ping_round_trip_seconds_bucket", "le" => bound).absolute(below);
    }
    counter!("fullduplex_ping_round_trip_seconds_count").absolute(histogram.count());
    gauge!("fullduplex_ping_round_trip_seconds_sum").set(histogram.sum().as_secs_f64());
}

fn describe() {
    describe_gauge!("fullduplex_connections", "Connections of any kind that stand");
    describe_counter!("fullduplex_connections_accepted_total", "Connections that were accepted");
    describe_counter!(
        "fullduplex_connections_refused_total",
        "Connections for which there was no room, by limit"
    );
    describe_gauge!("fullduplex_websockets", "WebSockets that are open");
    describe_counter!("fullduplex_handshakes_total", "Opening handshakes by how they ended");
    describe_counter!("fullduplex_closes_total", "WebSockets by how they ended");
    describe_counter!("fullduplex_messages_total", "Messages by direction and kind");
    describe_counter!(
        "fullduplex_bytes_total",
        Unit::Bytes,
        "Bytes by direction: of payload before compression, and on the wire"
    );
    describe_counter!(
        "fullduplex_ping_round_trip_seconds_bucket",
        "Round trips of keepalive pings, by upper bound in seconds"
    );
    describe_counter!(
        "fullduplex_accept_failures_total",
        "Failures to accept a connection, such as for want of open files"
    );
    describe_counter!(
        "fullduplex_panics_total",
        "Panics of handlers, of the service, and of other code of the application"
    );
}
