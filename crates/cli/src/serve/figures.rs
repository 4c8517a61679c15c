//! Figures for Prometheus.

use std::net::SocketAddr;

use fullduplex::server::{Handshake, HostPolicy, Server, ServerConfig, ServerHandle, SlotLimits};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use metrics::with_local_recorder;

use super::listen::{Address, Passed};
use super::page::Pages;
use super::reading::Reading;

/// The most connections to a port of their own: few, as they are no part of `--max-connections`.
const READERS: u32 = 16;

/// A server's figures.
#[derive(Clone)]
pub(super) struct Figures(pub(super) ServerHandle);

impl Figures {
    /// As they are now.
    pub(super) fn response(&self) -> Response<String> {
        // All of them are absolute, so that each reading begins anew.
        let reading = Reading::default();
        with_local_recorder(&reading, || self.0.record_metrics());
        let mut response = Response::new(reading.to_string());
        let format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, format);
        response
    }

    /// Serves them on a port of their own, and gives where that is.
    pub(super) fn serve(self, address: SocketAddr, hosts: HostPolicy) -> Result<Address, String> {
        let mut bound = Address::Tcp(address).bind(&mut Passed::default())?;
        let bound = bound.pop().ok_or("--metrics: no listener")?;
        let mut config = ServerConfig { hosts, ..ServerConfig::default() };
        config.limits.connections = SlotLimits { total: Some(READERS), per_address: None };
        let server = Server::from_listener(bound.listener).config(config);
        let server = server.service(Pages::of_figures(self));
        // There are no WebSockets here.
        tokio::spawn(server.serve_handshakes(|handshake: Handshake| async {
            let answer = super::page::not_found().map(bytes::Bytes::from);
            drop(handshake.respond(answer).await);
        }));
        Ok(bound.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_are_one_histogram() {
        let text = Figures(ServerHandle::new()).response().into_body();
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
