//! HTTP/3: WebSockets (RFC 9220) and ordinary HTTP on the streams of QUIC connections.

use std::io;
use std::net::UdpSocket;
use std::sync::Arc;

use fullduplex_http3::quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use fullduplex_http3::quinn::{self, Endpoint, EndpointConfig, TokioRuntime};
use fullduplex_http3::server::{AcceptedRequest, ServerConnection};
use fullduplex_http3::{ConnectProtocol, LocalSettings, RequestStream, transport_config};
use http::Response;
use rustls::pki_types::CertificateDer;
use rustls::quic::Version;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::base::deadline::within;
use crate::base::error::{Error, ErrorKind};
use crate::base::handshake_limits::MAX_FIELDS;
use crate::server::config::{ServerConfig, ServerLimits};
use crate::server::handshake::request::IncomingRequest;
use crate::server::http::context::ServerContext;
#[cfg(feature = "hyper")]
use crate::server::http::min_rate::MinRate;
use crate::server::http::respond_on_stream::RespondOnStream;
use crate::server::listen::listener::Listener;
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::peer::PeerAddr;
use crate::server::policy::tls_info::TlsInfo;
use crate::server::state::connection_limit::Permit;
use crate::server::state::handshake_limit::PendingHandshake;
use crate::server::state::panics::PanicWatch;
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::rejection::RejectedClient;
use crate::server::tls::ServerTls;
use crate::transport::http3_stream::Http3Stream;

/// The UDP sockets with the same ports as the TCP listeners. An error of one is returned by
/// `listen`.
#[derive(Default)]
pub(crate) struct UdpSockets {
    bound: Vec<UdpSocket>,
    failed: Option<Error>,
}

impl UdpSockets {
    /// Binds the UDP port with the same number as the port of a listener.
    pub(crate) fn bind_matching(&mut self, listener: &Listener) {
        let bound = match listener.local_addr() {
            Ok(None) => return,
            Ok(Some(address)) => UdpSocket::bind(address).map_err(|error| {
                io::Error::new(error.kind(), format!("{address} of UDP: {error}"))
            }),
            Err(error) => Err(error),
        };
        match bound {
            Ok(socket) => self.bound.push(socket),
            Err(error) => self.failed = Some(failed_to_listen(error)),
        }
    }

    /// Listens for QUIC connections.
    pub(crate) fn listen(
        self,
        tls: Option<&ServerTls>,
        config: &ServerConfig,
    ) -> Result<Vec<Endpoint>, Error> {
        let without = || Error::new(ErrorKind::Misuse, "HTTP/3 needs TLS (RFC 9114 §3.1)");
        let quic = quic_config(tls.ok_or_else(without)?, config)?;
        if let Some(error) = self.failed {
            return Err(error);
        }
        let listen = |socket: UdpSocket| {
            socket.set_nonblocking(true)?;
            let runtime = Arc::new(TokioRuntime);
            Endpoint::new(EndpointConfig::default(), Some(quic.clone()), socket, runtime)
        };
        self.bound.into_iter().map(|socket| listen(socket).map_err(failed_to_listen)).collect()
    }
}

fn failed_to_listen(error: io::Error) -> Error {
    Error::io("listening for HTTP/3", error)
}

fn quic_config(tls: &ServerTls, config: &ServerConfig) -> Result<quinn::ServerConfig, Error> {
    let tls = tls.quic();
    // quinn panics on a configuration with which no connection can be created.
    rustls::quic::ServerConnection::new(tls.clone(), Version::V1, Vec::new()).map_err(|error| {
        let why = "QUIC needs TLS 1.3, which this TLS configuration disables (RFC 9001 §4.2)";
        Error::new(ErrorKind::Tls, why).with_source(error)
    })?;
    let crypto = QuicServerConfig::try_from(tls).map_err(|error| {
        Error::new(ErrorKind::Tls, "no cipher suite for QUIC (RFC 9001 §5.2)").with_source(error)
    })?;
    let mut quic = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let ServerLimits { max_streams, http_idle_timeout, .. } = config.limits;
    // QUIC's idle timeout ends a connection with all its streams, so it must be longer than the
    // silence of a WebSocket between two pings. QUIC's own PINGs keep the connection alive; one
    // without streams is closed by `serve`.
    let keepalive = config.websocket.keepalive.interval.unwrap_or_default();
    let max_idle = http_idle_timeout.max(keepalive.saturating_mul(3));
    quic.transport_config(Arc::new(transport_config(max_streams, max_idle)));
    Ok(quic)
}

/// Accepts QUIC connections until the future is dropped.
pub(crate) async fn accept(endpoint: Endpoint, context: Arc<ServerContext>) {
    let Some(tls) = &context.tls else { return };
    let local_port = endpoint.local_addr().map_or(0, |address| address.port());
    let (mut generation, mut loaded) = (u64::MAX, None);
    while let Some(incoming) = endpoint.accept().await {
        // Certificates are reloaded by the resolver, but the roots for client certificates are
        // part of the configuration.
        if generation != tls.generation() {
            generation = tls.generation();
            loaded = quic_config(tls, &context.config).ok().map(Arc::new);
        }
        // It was valid at the start, and is checked on each reload: this is not expected.
        let Some(config) = loaded.clone() else {
            incoming.refuse();
            continue;
        };
        let peer = PeerAddr::Inet(incoming.remote_address());
        // While many handshakes are pending, only clients with a validated address count
        // (RFC 9000 §8.1): a forged address gets no permit.
        if context.state.handshakes.is_busy() && incoming.may_retry() {
            let _ = incoming.retry();
            continue;
        }
        match context.state.try_acquire(None) {
            Ok(permit) => {
                let (pending, _) = context.state.handshakes.enter();
                let connecting = connect(incoming, config);
                tokio::spawn(serve(context.clone(), connecting, local_port, peer, pending, permit));
            }
            Err(full) => {
                RejectedClient::limit_reached(peer, full, None)
                    .report(Some(&context.state.rejections));
                incoming.refuse();
            }
        }
    }
}

/// Serves the requests of a connection until it ends.
async fn serve(
    context: Arc<ServerContext>,
    connecting: impl Future<Output = Result<quinn::Connection, Error>>,
    local_port: u16,
    peer: PeerAddr,
    pending: PendingHandshake,
    mut permit: Permit,
) {
    let _panic_watch = PanicWatch(context.state.record.clone());
    let rejections = Some(&context.state.rejections);
    let limit = context.config.handshake_limits.handshake_timeout;
    let connected = tokio::select! {
        connected = within("handshake_timeout", limit, connecting) => connected,
        () = pending.evicted() => return context.report_evicted(peer),
    };
    drop(pending);
    let quinn = match connected.and_then(|connected| connected) {
        Ok(quinn) => quinn,
        Err(error) => {
            return RejectedClient::no_request(peer, &error, None).report(rejections);
        }
    };
    if let Err(full) = context.reassign_permit(&mut permit, &peer) {
        RejectedClient::limit_reached(peer, full, None).report(rejections);
        return quinn.close(0_u32.into(), b"");
    }
    let mut remote = ConnectInfo::new(peer);
    remote.secure = true;
    remote.tls = Some(Arc::new(tls_info(&quinn)));
    let multiplexed = MultiplexedPermit::new(permit);
    let mut connection = ServerConnection::new(quinn, settings(&context));
    let mut draining = context.draining();
    let respond = |incoming: AcceptedRequest| {
        let (context, remote, multiplexed) = (context.clone(), remote.clone(), multiplexed.clone());
        tokio::spawn(respond_to(context, incoming, local_port, remote, multiplexed));
    };
    let mut idle = Idle::default();
    loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(incoming) => respond(incoming),
                // Its streams get the error of the connection themselves.
                None => return,
            },
            () = sleep(context.config.limits.http_idle_timeout / 2) => {
                if idle.tick(connection.open_streams() == 0) {
                    break;
                }
            }
            () = draining.wait() => break,
        }
    }
    // GOAWAY: new requests are not accepted; those that were accepted run to their end.
    connection.shutdown();
    while let Some(incoming) = connection.accept().await {
        respond(incoming);
    }
    // The connection keeps its permit until the peer has received what was sent.
    let quinn = connection.quinn().clone();
    drop(connection);
    context.state.until_done(async { drop(quinn.closed().await) }).await;
}

/// Whether a connection had no open streams at the last check.
#[derive(Default)]
struct Idle(bool);

impl Idle {
    /// Whether the connection is idle now and was at the last check.
    fn tick(&mut self, is_idle: bool) -> bool {
        std::mem::replace(&mut self.0, is_idle) && is_idle
    }
}

async fn connect(
    incoming: quinn::Incoming,
    config: Arc<quinn::ServerConfig>,
) -> Result<quinn::Connection, Error> {
    let failed = |error: quinn::ConnectionError| {
        let kind = match &error {
            quinn::ConnectionError::TransportError(_) => ErrorKind::Tls,
            _ => ErrorKind::Io,
        };
        Error::new(kind, "the QUIC handshake").with_source(error)
    };
    incoming.accept_with(config).map_err(failed)?.await.map_err(failed)
}

fn settings(context: &ServerContext) -> LocalSettings {
    let limits = context.config.handshake_limits;
    LocalSettings::default()
        .max_field_section_size(limits.max_head_bytes as u64)
        // `max_fields` does not count pseudo-header fields and split cookies, so it is checked
        // later. `max_head_bytes` bounds the head here.
        .max_fields(MAX_FIELDS)
        .enable_connect_protocol(true)
        .head_timeout(limits.handshake_timeout)
}

fn tls_info(connection: &quinn::Connection) -> TlsInfo {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let identity = connection.peer_identity();
    let identity =
        identity.and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok());
    let certificates = identity.map(|chain| chain.iter().map(|der| der.to_vec()).collect());
    let server_name = data.and_then(|data| data.server_name);
    TlsInfo::of_quic(server_name, certificates.unwrap_or_default())
}

async fn respond_to(
    context: Arc<ServerContext>,
    incoming: AcceptedRequest,
    local_port: u16,
    remote: ConnectInfo,
    multiplexed: MultiplexedPermit,
) {
    let _panic_watch = PanicWatch(context.state.record.clone());
    let AcceptedRequest { mut request, stream, .. } = incoming;
    let protocol = request.extensions_mut().remove::<ConnectProtocol>();
    let protocol = protocol.map(|protocol| protocol.as_str().into());
    let mut request = IncomingRequest::new(request, protocol, &context.config.subprotocols);
    let responder = Box::new(Http3Responder { stream, local_port });
    let admitted = request.check_max_fields(&context.config);
    let admitted =
        admitted.and_then(|()| context.admit_request(&multiplexed, &mut request, &remote));
    let permit = match admitted {
        Ok(permit) => permit,
        Err(cause) => return context.reject(&request, responder, &cause).await,
    };
    #[cfg(feature = "hyper")]
    if let Some(service) = context.service_for(&request) {
        let shared = crate::server::http::shared_stream::SharedStream::new(responder.stream);
        let limits = &context.config.limits;
        let body = crate::server::http::body::Body::http3(shared.clone(), limits.stall_timeout);
        let request = request.into_request().map(|()| body);
        let head_only = request.method() == http::Method::HEAD;
        let stopped = shared.stopped();
        let response = tokio::select! {
            biased;
            response = service.call(request, &context.state.record) => response,
            // The client has cancelled the request or left, as one of HTTP/1.1 that closes its
            // socket.
            () = stopped => return,
        };
        // The client may have left, which is not an error of the server.
        let _ = shared.respond(response, head_only, MinRate::new(limits)).await;
        return;
    }
    let handshake = context.handshake(request, responder, permit);
    context.handle(handshake);
}

/// Sends the response on a stream of HTTP/3.
struct Http3Responder {
    stream: RequestStream,
    local_port: u16,
}

impl RespondOnStream for Http3Responder {
    type Responded = Http3Stream;

    const ACTION: &'static str = "responding on HTTP/3";

    async fn send_head(mut self, head: Response<()>, ends: bool) -> Result<Http3Stream, Error> {
        let failed = |error| Error::new(ErrorKind::Io, Self::ACTION).with_source(error);
        self.stream.send_response(&head).await.map_err(failed)?;
        if ends {
            self.stream.shutdown().await.map_err(|error| Error::io(Self::ACTION, error))?;
        }
        Ok(Http3Stream::new(self.stream, self.local_port))
    }
}
