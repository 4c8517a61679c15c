//! The response with a server's metrics.

use fullduplex::server::ServerHandle;
use fullduplex_socketio::SocketIo;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use metrics::with_local_recorder;

use super::prometheus::PrometheusRecorder;

/// A server whose metrics are served in Prometheus's text format.
#[derive(Clone)]
pub(super) struct MetricsSource {
    pub(super) server: ServerHandle,
    pub(super) socketio: Option<SocketIo>,
}

impl MetricsSource {
    /// Returns the response with the current values.
    pub(super) fn response(&self) -> Response<String> {
        // All values are absolute, so that each response begins with an empty recorder.
        let recorder = PrometheusRecorder::default();
        with_local_recorder(&recorder, || {
            self.server.record_metrics();
            if let Some(io) = &self.socketio {
                io.record_metrics();
            }
        });
        let mut response = Response::new(recorder.to_string());
        let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, format);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_of_round_trips_are_one_histogram() {
        let text =
            MetricsSource { server: ServerHandle::new(), socketio: None }.response().into_body();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("_round_trip_")).collect();
        assert!(lines[0].starts_with("# HELP fullduplex_ping_round_trip_seconds "), "{text}");
        assert_eq!(lines[1], "# TYPE fullduplex_ping_round_trip_seconds histogram");
        let bound = |line: &&str| -> f64 {
            let rest = line.strip_prefix("fullduplex_ping_round_trip_seconds_bucket{le=\"");
            rest.unwrap().strip_suffix("\"} 0").unwrap().parse().unwrap()
        };
        let (buckets, ends) = lines[2..].split_at(lines.len() - 4);
        let bounds: Vec<f64> = buckets.iter().map(bound).collect();
        assert!(bounds.is_sorted() && bounds.last() == Some(&f64::INFINITY), "{text}");
        assert_eq!(
            ends,
            [
                "fullduplex_ping_round_trip_seconds_sum 0",
                "fullduplex_ping_round_trip_seconds_count 0"
            ]
        );
    }
}
