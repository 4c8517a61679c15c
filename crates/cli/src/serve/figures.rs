//! Figures for Prometheus.

use std::net::SocketAddr;

use fullduplex::server::{Handshake, Server, ServerHandle};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use metrics::with_local_recorder;

use super::listen::{Address, Passed};
use super::page::Pages;
use super::reading::Reading;

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
    pub(super) fn serve(self, address: SocketAddr) -> Result<Address, String> {
        let mut bound = Address::Tcp(address).bind(&mut Passed::default())?;
        let bound = bound.pop().ok_or("--metrics: no listener")?;
        let server = Server::from_listener(bound.listener).service(Pages::of_figures(self));
        // There are no WebSockets here.
        tokio::spawn(server.serve_handshakes(|handshake: Handshake| async {
            let answer = super::page::not_found().map(bytes::Bytes::from);
            drop(handshake.respond(answer).await);
        }));
        Ok(bound.address)
    }
}
