//! Reaching a server over QUIC: a UDP socket, and TLS inside.

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

use crate::base::deadline::doing;
use crate::base::error::{Error, ErrorKind};
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::dial::{SocketOptions, race};
use crate::client::connect::progress::ConnectEvent;
use crate::client::http3::quic_tls::QuicTls;

/// After how long a silence a connection is given up, at least; and, without a stream on it,
/// closed.
pub(crate) const MAX_IDLE: Duration = Duration::from_secs(60);

impl Client {
    /// A connection to this port of the server, and the endpoint that is its own.
    pub(crate) async fn reach_quic(
        &self,
        target: &WsUri,
        port: u16,
    ) -> Result<(Connection, Endpoint), Error> {
        let is_anonymous = target.redirected;
        let quic = || QuicTls::new(&self.tls.settings, is_anonymous);
        let quic = self.http3.tls.get(is_anonymous, quic)?;
        let (crypto, name) = quic.to(&target.host, !target.redirected)?;
        let mut config = ClientConfig::new(crypto);
        config.transport_config(Arc::new(transport(&self.config.keepalive)));
        let addresses = self.dialer.addresses(&target.host, port).await?;
        let options = &self.dialer.options;
        let attempt = |address| {
            let (options, config, name) = (options.clone(), config.clone(), name.clone());
            let quic = quic.clone();
            async move {
                let limit = options.attempt_timeout;
                let reaching = open(address, &options, config, &name);
                match timeout(limit, reaching).await.map_err(|_| options.late())? {
                    Ok(reached) => Ok(Ok(reached)),
                    // The server was reached; on another address it would say the same.
                    Err(DialFailure::Quic(error)) => match quic.explain(&name, &error) {
                        Some(error) => Ok(Err(error)),
                        None => Err(Http3Error::from(error).into()),
                    },
                    Err(DialFailure::Setup(error)) => {
                        let why = "setting up QUIC";
                        Ok(Err(Error::new(ErrorKind::Tls, why).with_source(error)))
                    }
                    Err(DialFailure::Io(error)) => Err(error),
                }
            }
        };
        let reached = race(&target.host, addresses, attempt);
        let reached = doing(format!("connecting to {}:{port} by QUIC", target.host), reached).await;
        let reached = reached.map_err(|error| error.in_setting("QUIC"))??;
        self.tell_quic(&reached.0, &target.host);
        Ok(reached)
    }

    fn tell_quic(&self, connection: &Connection, host: &str) {
        let steps = &self.dialer.steps;
        steps.tell(&ConnectEvent::Quic { to: connection.remote_address() });
        let shown = connection.peer_identity();
        let shown = shown.and_then(|any| any.downcast::<Vec<CertificateDer<'static>>>().ok());
        let certificate = shown.as_ref().and_then(|chain| chain.first()).map(|der| &**der);
        let alpn = Some(&b"h3"[..]);
        let version = "TLSv1.3";
        steps.tell(&ConnectEvent::Tls { host, version, cipher_suite: "", alpn, certificate });
    }
}

fn transport(keepalive: &KeepaliveConfig) -> TransportConfig {
    let max_idle = keepalive.interval.map_or(MAX_IDLE, |interval| MAX_IDLE.max(interval * 3));
    // The server opens no requests.
    transport_config(0, max_idle)
}

/// Why an address was not reached.
enum DialFailure {
    Io(io::Error),
    Setup(ConnectError),
    Quic(ConnectionError),
}

/// The socket is the connection's own, and closed with it.
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

/// A socket of the address's family.
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
