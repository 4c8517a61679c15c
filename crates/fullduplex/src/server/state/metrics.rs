//! Metrics of a server, for the crate `metrics`.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::connection::metrics::{MetricNames, version_label};
use crate::server::state::handle::ServerHandle;
use crate::server::state::stats::{HandshakeOutcome, ServerStats};

const NAMES: MetricNames = MetricNames("fullduplex_");

impl ServerHandle {
    /// Records the server's [`ServerStats`] with the installed recorder of the crate `metrics`.
    /// Call it before the metrics are read, such as in a Prometheus endpoint, or at intervals.
    ///
    /// All names begin with `fullduplex_`. No metric is about a single connection or a payload.
    pub fn record_metrics(&self) {
        let ServerStats {
            connections,
            accepted,
            websockets,
            handshakes,
            ends,
            traffic,
            round_trips,
            panics,
            accept_failures,
        } = self.stats();
        describe();
        gauge!("fullduplex_connections").set(f64::from(connections.in_use));
        counter!("fullduplex_connections_accepted_total").absolute(accepted);
        let rejected = [
            ("max_connections", connections.rejected_total),
            ("max_per_address", connections.rejected_per_address),
        ];
        for (limit, count) in rejected {
            counter!("fullduplex_connections_rejected_total", "limit" => limit).absolute(count);
        }
        NAMES.record_websockets(websockets);
        for (outcome, count) in handshakes {
            let (outcome, detail) = labels(outcome);
            let labels = [("outcome", outcome.to_owned()), ("detail", detail)];
            counter!("fullduplex_handshakes_total", &labels).absolute(count);
        }
        NAMES.record_ends(&ends);
        NAMES.record_traffic(&traffic);
        NAMES.record_round_trips(&round_trips);
        let about = "Failures to accept a connection, such as for too many open files";
        NAMES.record_total("accept_failures_total", about, accept_failures);
        let about = "Panics of handlers, the service, and other code of the application";
        NAMES.record_total("panics_total", about, panics);
    }
}

fn labels(outcome: HandshakeOutcome) -> (&'static str, String) {
    match outcome {
        HandshakeOutcome::Opened(version) => ("opened", version_label(version).to_owned()),
        HandshakeOutcome::Rejected(status) => ("rejected", status.as_str().to_owned()),
        HandshakeOutcome::TimedOut => ("timed_out", String::new()),
        HandshakeOutcome::Evicted => ("evicted", String::new()),
        HandshakeOutcome::TlsFailed => ("tls_failed", String::new()),
        HandshakeOutcome::Disconnected => ("disconnected", String::new()),
    }
}

fn describe() {
    describe_gauge!("fullduplex_connections", "Open connections of any kind");
    describe_counter!("fullduplex_connections_accepted_total", "Accepted connections");
    describe_counter!(
        "fullduplex_connections_rejected_total",
        "Connections rejected because a limit was reached, by limit"
    );
    describe_counter!("fullduplex_handshakes_total", "Opening handshakes by outcome");
}
