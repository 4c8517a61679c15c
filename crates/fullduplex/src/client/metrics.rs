//! Metrics of a client, for the crate `metrics`.

use metrics::{counter, describe_counter};

use crate::base::error::ErrorKind;
use crate::client::client::Client;
use crate::client::client_stats::{ClientStats, ConnectOutcome};
use crate::connection::metrics::{MetricNames, version_label};

const NAMES: MetricNames = MetricNames("fullduplex_client_");

impl Client {
    /// Records the client's [`ClientStats`] with the installed recorder of the crate `metrics`.
    /// Call it before the metrics are read, such as in a Prometheus endpoint, or at intervals.
    ///
    /// No label has a value that a server can choose, and none is a host. Clones are
    /// one client. Two clients record under the same names, so that one replaces the other's
    /// values: record each with a recorder that adds a label (`metrics::with_local_recorder`).
    ///
    /// | metric `fullduplex_client_…` | labels | what it counts |
    /// |---|---|---|
    /// | `connecting` | | attempts to open a WebSocket that are under way |
    /// | `attempts_total` | `outcome`, `detail` | ended attempts: `opened`, by HTTP version; `failed`, by [`ErrorKind`]; `cancelled` |
    /// | `redirects_total` | | redirections that were followed |
    /// | `connect_seconds_bucket`, `_sum`, `_count` | `le` | the seconds that it took to open a WebSocket |
    /// | `websockets` | | open WebSockets |
    /// | `closes_total` | `code`, `cause` | WebSockets that have ended |
    /// | `messages_total` | `direction`, `kind` | messages: `received` or `sent`, `text` or `binary` |
    /// | `bytes_total` | `direction`, `of` | bytes: `payload` before compression, and on the `wire` |
    /// | `ping_round_trip_seconds_bucket`, `_sum`, `_count` | `le` | seconds of round trips of keepalive Pings |
    /// | `reconnecting` | | reconnecting clients that have not stopped |
    /// | `retries_total` | | attempts of reconnecting clients, without the first of each |
    /// | `queued_messages` | | messages in the queues of reconnecting clients |
    /// | `dropped_messages_total` | | messages that these queues have dropped |
    /// | `panics_total` | | panics in the application's code that were caught |
    pub fn record_metrics(&self) {
        let ClientStats {
            connecting,
            attempts,
            redirects,
            connect_times,
            websockets,
            ends,
            traffic,
            round_trips,
            reconnecting,
            retries,
            queued,
            dropped,
            panics,
        } = self.stats();
        NAMES.record_gauge("connecting", "Attempts that are under way", connecting);
        NAMES.record_gauge("reconnecting", "Reconnecting clients", reconnecting);
        let about = "Messages in the queues of reconnecting clients";
        NAMES.record_gauge("queued_messages", about, queued);
        describe_counter!("fullduplex_client_attempts_total", "Ended attempts by outcome");
        for (outcome, count) in attempts {
            let (outcome, detail) = labels(outcome);
            counter!("fullduplex_client_attempts_total", "outcome" => outcome, "detail" => detail)
                .absolute(count);
        }
        NAMES.record_total("redirects_total", "Redirections that were followed", redirects);
        let about = "Times that it took to open a WebSocket, by upper bound in seconds";
        NAMES.record_histogram("connect_seconds", about, &connect_times);
        NAMES.record_websockets(websockets);
        NAMES.record_ends(&ends);
        NAMES.record_traffic(&traffic);
        NAMES.record_round_trips(&round_trips);
        let about = "Attempts of reconnecting clients, without the first of each";
        NAMES.record_total("retries_total", about, retries);
        let about = "Messages that the queues of reconnecting clients have dropped";
        NAMES.record_total("dropped_messages_total", about, dropped);
        let about = "Panics of hooks, transports, and other code of the application";
        NAMES.record_total("panics_total", about, panics);
    }
}

fn labels(outcome: ConnectOutcome) -> (&'static str, &'static str) {
    match outcome {
        ConnectOutcome::Opened(version) => ("opened", version_label(version)),
        ConnectOutcome::Failed(kind) => ("failed", kind_label(kind)),
        ConnectOutcome::Cancelled => ("cancelled", ""),
    }
}

fn kind_label(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Io => "io",
        ErrorKind::Tls => "tls",
        ErrorKind::Resolve => "resolve",
        ErrorKind::Proxy => "proxy",
        ErrorKind::Handshake => "handshake",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Limit => "limit",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Closed => "closed",
        ErrorKind::InvalidData => "invalid_data",
        ErrorKind::Misuse => "misuse",
    }
}
