//! Opening a QUIC connection: a UDP socket per connection, and TLS.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fullduplex_http3::quinn::{
    ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig,
    TokioRuntime, TransportConfig,
};
use fullduplex_http3::{Error as Http3Error, transport_config};
use fullduplex_proto::KeepaliveConfig;
use rustls::pki_types::CertificateDer;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::timeout;

use crate::base::at_step::at_step;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::dial::{SocketOptions, race};
use crate::client::connect::progress::ConnectEvent;
use crate::client::http3::quic_tls::QuicTls;

/// The shortest silence after which a connection is closed, and the time for which it is kept
/// without streams.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(60);

impl Client {
    /// Connects to this port of the server. Returns the connection and its own endpoint.
    pub(crate) async fn connect_quic(
        &self,
        target: &WsUri,
        port: u16,
    ) -> Result<(Connection, Endpoint), Error> {
        let is_anonymous = target.redirected;
        let build = || QuicTls::new(&self.connector.tls.settings, is_anonymous);
        let tls = self.http3.tls.get(is_anonymous, build)?;
        let (crypto, name) = tls.config_for(&target.host, !target.redirected)?;
        let mut config = ClientConfig::new(crypto);
        config.transport_config(Arc::new(transport(&self.config.keepalive)));
        let addresses = self.connector.dialer.addresses(&target.host, port).await?;
        let options = &self.connector.dialer.options;
        let attempt = |address| {
            let (options, config, name) = (options.clone(), config.clone(), name.clone());
            let tls = tls.clone();
            async move {
                let limit = options.attempt_timeout;
                let connecting = open(address, &options, config, &name);
                match timeout(limit, connecting).await.map_err(|_| options.timeout_error())? {
                    Ok(connected) => Ok(Ok(connected)),
                    // A TLS error is final: the server would report it at any address.
                    Err(DialFailure::Quic(error)) => match tls.explain(&name, &error) {
                        Some(error) => Ok(Err(error)),
                        None => Err(Http3Error::from(error).into()),
                    },
                    Err(DialFailure::Setup(error)) => {
                        let error =
                            Error::new(ErrorKind::Tls, "setting up QUIC").with_source(error);
                        Ok(Err(error))
                    }
                    Err(DialFailure::Io(error)) => Err(error),
                }
            }
        };
        let connecting = race(&target.host, addresses, attempt, &self.connector.dialer.events);
        let connecting = async { connecting.await.map_err(|error| error.with_context("QUIC"))? };
        let operation = format!("connecting to {}:{port} by QUIC", target.host);
        let connected = at_step(ConnectStep::Quic, operation, connecting).await?;
        self.report_quic(&connected.0, &target.host);
        Ok(connected)
    }

    fn report_quic(&self, connection: &Connection, host: &str) {
        let events = &self.connector.dialer.events;
        events.emit(&ConnectEvent::Quic { to: connection.remote_address() });
        let chain = connection.peer_identity();
        let chain = chain.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let certificates: Vec<_> =
            chain.iter().flat_map(|chain| &**chain).map(|der| &**der).collect();
        let alpn = Some(&b"h3"[..]);
        let version = "TLSv1.3";
        let certificates = certificates.as_slice();
        events.emit(&ConnectEvent::Tls { host, version, cipher_suite: "", alpn, certificates });
    }
}

fn transport(keepalive: &KeepaliveConfig) -> TransportConfig {
    let max_idle = keepalive.interval.map_or(MAX_IDLE, |interval| MAX_IDLE.max(interval * 3));
    // The server opens no requests.
    transport_config(0, max_idle)
}

/// The reason why no connection to an address was opened.
enum DialFailure {
    Io(io::Error),
    Setup(ConnectError),
    Quic(ConnectionError),
}

/// Opens a connection to an address, on its own socket.
async fn open(
    address: SocketAddr,
    options: &SocketOptions,
    config: ClientConfig,
    name: &str,
) -> Result<(Connection, Endpoint), DialFailure> {
    let socket = bind(address, options).map_err(DialFailure::Io)?;
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime);
    let endpoint = endpoint.map_err(DialFailure::Io)?;
    let connecting = endpoint.connect_with(config, address, name).map_err(DialFailure::Setup)?;
    Ok((connecting.await.map_err(DialFailure::Quic)?, endpoint))
}

/// Binds a UDP socket of the address's family.
fn bind(address: SocketAddr, options: &SocketOptions) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    let any = if address.is_ipv4() {
        IpAddr::from(Ipv4Addr::UNSPECIFIED)
    } else {
        socket.set_only_v6(true)?;
        Ipv6Addr::UNSPECIFIED.into()
    };
    options.bind_interface(&socket)?;
    socket.bind(&SocketAddr::from((options.local_address.unwrap_or(any), 0)).into())?;
    Ok(socket.into())
}
