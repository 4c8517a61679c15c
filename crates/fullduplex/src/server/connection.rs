//! One accepted connection: finds out its protocol, and passes its requests on.

use std::future::Future;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use futures_core::future::BoxFuture;
use tokio::io::AsyncReadExt;

use crate::base::deadline::Deadline;
use crate::base::error::{Error, ErrorKind};
use crate::server::handshake::handshake::{
    Handshake, head_error_status, read_request, reject_head,
};
use crate::server::handshake::request::{IncomingRequest, RejectionCause};
use crate::server::handshake::responder::Responder;
use crate::server::http::context::ServerContext;
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::policy::forwarded::AddressSource;
use crate::server::policy::peer::PeerAddr;
use crate::server::policy::proxy_protocol::{ProxyProtocolError, ProxyStatus};
use crate::server::state::connection_limit::Permit;
use crate::server::state::handshake_limit::PendingHandshake;
#[cfg(any(feature = "http2", feature = "hyper"))]
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::permit::RequestPermit;
use crate::server::state::rejection::RejectedClient;
#[cfg(feature = "hyper")]
use crate::transport::http1;
use crate::transport::net_stream::NetStream;
use crate::transport::prefixed::Prefixed;

/// An accepted connection, with its permits.
pub(crate) struct AcceptedConnection {
    pub(crate) stream: NetStream,
    pub(crate) peer: PeerAddr,
    pub(crate) pending: PendingHandshake,
    pub(crate) permit: Permit,
}

/// Spawns the task that serves a connection, until the handler has it or it ends.
pub(crate) fn serve(context: &Arc<ServerContext>, accepted: AcceptedConnection) {
    context.run(|context| open(context, accepted));
}

/// The protocol of a connection, by what it starts with.
enum Protocol {
    /// HTTP/1.1, with the head of its first request.
    Http1(Box<IncomingRequest>),
    #[cfg(feature = "http2")]
    Http2,
    /// ALPN negotiated HTTP/2, but the connection does not start with its preface.
    #[cfg(feature = "http2")]
    NotHttp2(Error),
}

/// Reads the first request for the handler; `None` if it and all after it were answered.
///
/// An `async fn` would store its arguments twice. The rarer steps are boxed, as a future of more
/// than 1 KiB costs more to allocate.
fn open(
    context: Arc<ServerContext>,
    accepted: AcceptedConnection,
) -> impl Future<Output = Option<Handshake>> + Send + 'static {
    let AcceptedConnection { stream, peer, pending, mut permit } = accepted;
    async move {
        // `evicted` does not end for a handshake that was added after the server was shut down.
        if context.state.is_done() {
            return None;
        }
        let (mut remote, mut received) = (ConnectInfo::new(peer), BytesMut::new());
        let established = tokio::select! {
            biased;
            established =
                establish(&context, stream, &mut received, &mut remote, &mut permit) => established,
            // There are too many newer handshakes, or a drain is over.
            () = pending.evicted() => {
                context.report_evicted(remote.peer);
                return None;
            }
        };
        drop(pending);
        match dispatch(&context, established, received, remote, permit) {
            FirstRequest::ForHandler(handshake) => Some(handshake),
            FirstRequest::Served(serving) => {
                context.state.until_done(serving).await;
                None
            }
        }
    }
}

/// A connection whose client can be answered.
struct Established {
    /// The transport to answer on.
    stream: NetStream,
    /// The protocol, or why the first request cannot be served.
    protocol: Result<Protocol, Error>,
}

/// What becomes of the first request of a connection.
enum FirstRequest {
    /// The handler gets it.
    ForHandler(Handshake),
    /// The future serves the connection, or rejects the request.
    Served(BoxFuture<'static, ()>),
}

/// Reads the PROXY header, performs the TLS handshake, and reads the first request.
///
/// Fails if there is no transport on which the client could be answered.
async fn establish(
    context: &ServerContext,
    mut stream: NetStream,
    received: &mut BytesMut,
    remote: &mut ConnectInfo,
    permit: &mut Permit,
) -> Result<Established, Error> {
    let limit = context.config.handshake_limits.handshake_timeout;
    let deadline = Deadline::new("handshake_timeout", limit);
    if context.config.proxy_protocol.applies_to(&remote.peer) {
        let reading = Box::pin(read_proxy_header(context, stream, remote.peer));
        let read = deadline.bound(reading).await??;
        stream = read.0;
        *remote = ConnectInfo::new(read.1);
        let reassigned = context.reassign_permit(permit, &read.1);
        reassigned.map_err(|full| Error::new(ErrorKind::Limit, full.to_string()))?;
    }
    #[cfg(feature = "_tls")]
    if let Some(tls) = &context.tls {
        let (tls_stream, info) = deadline.bound(Box::pin(tls.accept(stream))).await??;
        stream = tls_stream;
        remote.secure = true;
        remote.tls = Some(Arc::new(info));
    }
    let protocol = deadline.bound(detect_protocol(context, &mut stream, received, remote)).await;
    Ok(Established { stream, protocol: protocol.and_then(|protocol| protocol) })
}

/// Decides who answers the first request of a connection.
fn dispatch(
    context: &Arc<ServerContext>,
    established: Result<Established, Error>,
    received: BytesMut,
    remote: ConnectInfo,
    mut permit: Permit,
) -> FirstRequest {
    let context = context.clone();
    let Established { stream, protocol } = match established {
        Ok(established) => established,
        Err(error) => {
            RejectedClient::no_request(remote.peer, &error, None)
                .report(Some(&context.state.rejections));
            return FirstRequest::Served(Box::pin(std::future::ready(())));
        }
    };
    FirstRequest::Served(match protocol {
        #[cfg(feature = "http2")]
        Ok(Protocol::Http2) => {
            let stream = Prefixed::new(received.freeze(), stream);
            Box::pin(crate::server::http::http2::serve(
                context,
                stream,
                remote,
                MultiplexedPermit::new(permit),
            ))
        }
        #[cfg(feature = "http2")]
        Ok(Protocol::NotHttp2(error)) => {
            RejectedClient::no_request(remote.peer, &error, None)
                .report(Some(&context.state.rejections));
            Box::pin(crate::server::http::http2::reject_preface(stream))
        }
        #[cfg(feature = "hyper")]
        Ok(Protocol::Http1(request)) if context.service_for(&request).is_some() => {
            let mut before = BytesMut::from(request.into_head());
            // hyper rejects minor versions above 1; this connection gets no second request.
            let is_last = http1::normalize_minor_version(&mut before);
            before.unsplit(received);
            let stream = Prefixed::new(before.freeze(), stream);
            Box::pin(crate::server::http::http1::serve(
                context,
                stream,
                remote,
                MultiplexedPermit::new(permit),
                is_last,
            ))
        }
        Ok(Protocol::Http1(mut request)) => {
            let responder = Responder::Transport { stream, leftover: received };
            let checked = request.check_remote(remote, &context.config);
            match checked.and_then(|()| reassign_to_client(&context, &request, &mut permit)) {
                Ok(()) => {
                    let permit = RequestPermit::Connection(permit);
                    let handshake = context.handshake(request, responder, permit);
                    return FirstRequest::ForHandler(handshake);
                }
                Err(cause) => Box::pin(async move {
                    context.reject(&request, responder, &cause).await;
                    // The connection counts until the response was sent.
                    drop(permit);
                }),
            }
        }
        Err(error) => {
            let status = head_error_status(&error);
            RejectedClient::no_request(remote.peer, &error, status)
                .report(Some(&context.state.rejections));
            Box::pin(async { drop(reject_head(stream, error).await) })
        }
    })
}

/// Counts a connection of one request for its client, if a trusted proxy forwards who that is.
fn reassign_to_client(
    context: &ServerContext,
    request: &IncomingRequest,
    permit: &mut Permit,
) -> Result<(), RejectionCause> {
    let is_forwarded =
        |remote: &&ConnectInfo| matches!(remote.client.source, AddressSource::Forwarded(_));
    let Some(remote) = request.connect_info().filter(is_forwarded) else { return Ok(()) };
    let reassigned = context.reassign_permit(permit, &remote.client.to_peer());
    reassigned.map_err(|full| RejectionCause::Policy(429, full.to_string()))
}

/// Reads the PROXY header. Returns the client that it names, or the peer if there is no header.
async fn read_proxy_header(
    context: &ServerContext,
    mut stream: NetStream,
    peer: PeerAddr,
) -> Result<(NetStream, PeerAddr), Error> {
    let settings = &context.config.proxy_protocol;
    let proxy_error = |error: ProxyProtocolError| Error::new(ErrorKind::Proxy, format!("{error}"));
    let mut received = BytesMut::new();
    loop {
        let needed = match settings.read(&peer, &received).map_err(proxy_error)? {
            ProxyStatus::Incomplete { needed } => needed,
            ProxyStatus::None => return Ok((prefixed(received, stream), peer)),
            ProxyStatus::Header { header, length } => {
                let client = settings.client(&peer, &header);
                return Ok((prefixed(received.split_off(length), stream), client));
            }
        };
        // Reads no more than the header where possible, so that the socket itself stays the
        // transport, without a prefix of bytes that were read too early.
        let mut limited = (&mut received).limit(needed);
        let read = stream.read_buf(&mut limited).await;
        if read.map_err(|error| Error::io("reading the PROXY header", error))? == 0 {
            return Err(Error::new(
                ErrorKind::Io,
                "the peer closed the transport inside the PROXY header",
            ));
        }
    }
}

/// Returns a stream that reads `received` first.
fn prefixed(received: BytesMut, stream: NetStream) -> NetStream {
    if received.is_empty() {
        stream
    } else {
        NetStream::addressed(Prefixed::new(received.freeze(), stream))
    }
}

/// Reads until the protocol is known; on HTTP/1.1, the head of the first request.
async fn detect_protocol(
    context: &ServerContext,
    stream: &mut NetStream,
    received: &mut BytesMut,
    remote: &ConnectInfo,
) -> Result<Protocol, Error> {
    #[cfg(feature = "http2")]
    if context.config.http2 {
        let alpn = negotiated_alpn(remote);
        // In clear text, a client may have prior knowledge of HTTP/2; with TLS, ALPN must have
        // negotiated it (RFC 9113 §3.2, §3.3).
        let may_be_http2 = matches!(alpn, None | Some(b"h2"));
        if may_be_http2 && crate::server::http::http2::read_preface(stream, received).await? {
            return Ok(Protocol::Http2);
        }
        if alpn == Some(b"h2") {
            let why = "ALPN negotiated HTTP/2, but the connection does not start with its \
                       preface (RFC 9113 §3.4)";
            return Ok(Protocol::NotHttp2(Error::new(ErrorKind::Handshake, why)));
        }
    }
    #[cfg(not(feature = "http2"))]
    let _ = remote;
    Ok(Protocol::Http1(read_request(stream, received, &context.config).await?))
}

/// Returns the protocol that ALPN negotiated, empty if there is none; `None` in clear text.
#[cfg(feature = "http2")]
fn negotiated_alpn(remote: &ConnectInfo) -> Option<&[u8]> {
    #[cfg(feature = "_tls")]
    let alpn = remote.tls.as_ref().map(|tls| tls.alpn.as_deref().unwrap_or_default());
    #[cfg(not(feature = "_tls"))]
    let alpn = {
        let _ = remote;
        None
    };
    alpn
}
