//! A port of its own for the figures: `--metrics ADDRESS`.

use std::net::SocketAddr;

use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::policy::HostPolicy;
use fullduplex::server::{Handshake, Server, ServerConfig};

use super::listen::{Address, Passed};
use super::metrics_source::MetricsSource;
use super::page::Pages;
use super::responses::not_found;

/// The most connections to a port of their own: few, as they are no part of `--max-connections`.
const READERS: u32 = 16;

/// Serves the figures on a port of their own, and gives where that is.
pub(super) fn serve(
    figures: MetricsSource,
    address: SocketAddr,
    hosts: HostPolicy,
) -> Result<Address, String> {
    let mut bound = Address::Tcp(address).bind(&mut Passed::default())?;
    let bound = bound.pop().ok_or("--metrics: no listener")?;
    let mut config = ServerConfig { hosts, ..ServerConfig::default() };
    config.limits.connections =
        ConnectionLimits { max_connections: Some(READERS), max_per_address: None };
    let server = Server::from_listener(bound.listener).config(config);
    let server = server.service(Pages::of_figures(figures));
    // There are no WebSockets here.
    tokio::spawn(server.serve_handshakes(|handshake: Handshake| async {
        let answer = not_found().map(bytes::Bytes::from);
        drop(handshake.respond(answer).await);
    }));
    Ok(bound.address)
}
