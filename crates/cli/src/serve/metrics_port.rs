//! A separate port for metrics: `--metrics=ADDRESS`.

use std::net::SocketAddr;

use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::policy::HostPolicy;
use fullduplex::server::{Handshake, Server, ServerConfig};

use super::listen::{Address, SystemdListeners};
use super::metrics_source::MetricsSource;
use super::page::Pages;
use super::responses::not_found;

/// The most connections to the port. They are not part of `--max-connections`.
const MAX_CONNECTIONS: u32 = 16;

/// Serves metrics on a separate port, and returns its address.
pub(super) fn serve(
    source: MetricsSource,
    address: SocketAddr,
    hosts: HostPolicy,
) -> Result<Address, String> {
    let mut bound = Address::Tcp(address).bind(&mut SystemdListeners::default(), None)?;
    let bound = bound.pop().ok_or("--metrics: no listener")?;
    let mut config = ServerConfig::default().host_policy(hosts);
    config.limits.connections =
        ConnectionLimits::default().max_connections(MAX_CONNECTIONS).max_per_address(None);
    let server = Server::from_listener(bound.listener).config(config);
    let server = server.service(Pages::metrics_only(source));
    // This port has no WebSockets.
    tokio::spawn(server.serve_handshakes(|handshake: Handshake| async {
        let response = not_found().map(bytes::Bytes::from);
        drop(handshake.respond(response).await);
    }));
    Ok(bound.address)
}
