//! One accepted connection: what it speaks, and who answers.

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
use crate::server::state::handshake_limit::PendingHandshake;
use crate::server::state::permit::ConnectionPermit;
#[cfg(any(feature = "http2", feature = "hyper"))]
use crate::server::state::permit::MultiplexedPermit;
use crate::server::state::rejection::RejectedClient;
#[cfg(feature = "hyper")]
use crate::transport::http1;
use crate::transport::net_stream::NetStream;
use crate::transport::prefixed::Prefixed;
#[cfg(feature = "tls")]
use crate::transport::tls_stream::ClosingTlsStream;

/// A connection that was accepted, and what it holds.
pub(crate) struct AcceptedConnection {
    pub(crate) stream: NetStream,
    pub(crate) peer: PeerAddr,
    pub(crate) pending: PendingHandshake,
    pub(crate) permit: Arc<ConnectionPermit>,
}

/// Serves a connection, in a task of its own: until the handler has it, or to its end.
pub(crate) fn serve(context: &Arc<ServerContext>, accepted: AcceptedConnection) {
    context.run(|context| open(context, accepted));
}

/// What a connection begins with.
enum First {
    /// The head of a request of HTTP/1.1.
    Request(Box<IncomingRequest>),
    #[cfg(feature = "http2")]
    Http2,
    /// HTTP/2 was agreed on, and something else came.
    #[cfg(feature = "http2")]
    NotHttp2(Error),
}

/// Reads the first request; `None` if it has been answered, and so have those behind it.
///
/// An `async` function would have room for what it is given twice, and what most connections
/// have no need of is boxed: memory of more than 1 KiB costs more to allocate.
fn open(
    context: Arc<ServerContext>,
    accepted: AcceptedConnection,
) -> impl Future<Output = Option<Handshake>> + Send + 'static {
    let AcceptedConnection { stream, peer, pending, mut permit } = accepted;
    async move {
        // What comes too late to be evicted.
        if context.state.is_over() {
            return None;
        }
        let (mut remote, mut received) = (ConnectInfo::new(peer), BytesMut::new());
        let begun = tokio::select! {
            biased;
            begun = begin(&context, stream, &mut received, &mut remote, &mut permit) => begun,
            // Too many others have come since, or a drain is over.
            () = pending.evicted() => {
                context.report_evicted(remote.peer);
                return None;
            }
        };
        drop(pending);
        match next(&context, begun, received, remote, permit) {
            Ok(handshake) => return Some(handshake),
            Err(serving) => context.state.until_done(serving).await,
        }
        None
    }
}

/// What was asked first, and where. The outer error is one where nobody can be answered.
type FirstRequest = Result<(NetStream, Result<First, Error>), Error>;

/// Finds out who is there, and what is asked first.
async fn begin(
    context: &ServerContext,
    mut stream: NetStream,
    received: &mut BytesMut,
    remote: &mut ConnectInfo,
    permit: &mut Arc<ConnectionPermit>,
) -> FirstRequest {
    let after = context.config.handshake.handshake_timeout;
    let deadline = Deadline::new("handshake_timeout", after);
    if context.config.proxy_protocol.concerns(&remote.peer) {
        let reading = Box::pin(read_proxy_header(context, stream, remote.peer));
        let read = deadline.bound(reading).await??;
        stream = read.0;
        *remote = ConnectInfo::new(read.1);
        let settled = context.settle(permit, &read.1);
        settled.map_err(|full| Error::new(ErrorKind::Limit, full.to_string()))?;
    }
    #[cfg(feature = "tls")]
    if let Some(tls) = &context.tls {
        let (secured, info) = deadline.bound(Box::pin(tls.accept(stream))).await??;
        stream = NetStream::new(ClosingTlsStream::new(secured));
        remote.secure = true;
        remote.tls = Some(Arc::new(info));
    }
    let first = deadline.bound(read_first(context, &mut stream, received, remote)).await;
    Ok((stream, first.and_then(|first| first)))
}

/// What comes of the first request: one for the handler, or what serves it and those behind it.
fn next(
    context: &Arc<ServerContext>,
    begun: FirstRequest,
    received: BytesMut,
    remote: ConnectInfo,
    mut permit: Arc<ConnectionPermit>,
) -> Result<Handshake, BoxFuture<'static, ()>> {
    let context = context.clone();
    let (stream, first) = match begun {
        Ok(begun) => begun,
        // There is nobody who could be answered.
        Err(error) => {
            RejectedClient::no_request(remote.peer, &error, None)
                .report(Some(&context.state.rejections));
            return Err(Box::pin(std::future::ready(())));
        }
    };
    Err(match first {
        #[cfg(feature = "http2")]
        Ok(First::Http2) => {
            let stream = Prefixed::new(received.freeze(), stream);
            Box::pin(crate::server::http::http2::serve(
                context,
                stream,
                remote,
                MultiplexedPermit::new(permit),
            ))
        }
        #[cfg(feature = "http2")]
        Ok(First::NotHttp2(error)) => {
            RejectedClient::no_request(remote.peer, &error, None)
                .report(Some(&context.state.rejections));
            Box::pin(crate::server::http::http2::reject_preface(stream))
        }
        #[cfg(feature = "hyper")]
        Ok(First::Request(request)) if context.service_for(&request).is_some() => {
            let mut before = BytesMut::from(request.into_head());
            // hyper would not read such a version in the requests behind it.
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
        Ok(First::Request(mut request)) => {
            let responder = Responder::Transport { stream, leftover: received };
            let found = request.check_remote(remote, &context.config);
            match found.and_then(|()| reassign_to_client(&context, &request, &mut permit)) {
                Ok(()) => return Ok(context.handshake(request, responder, permit)),
                Err(cause) => Box::pin(async move {
                    context.reject(&request, responder, &cause).await;
                    // Free when the answer has left.
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

/// Behind a proxy, a connection for one request counts for the client.
fn reassign_to_client(
    context: &ServerContext,
    request: &IncomingRequest,
    permit: &mut Arc<ConnectionPermit>,
) -> Result<(), RejectionCause> {
    let is_told =
        |remote: &&ConnectInfo| matches!(remote.client.source, AddressSource::Forwarded(_));
    let Some(remote) = request.remote().filter(is_told) else { return Ok(()) };
    let settled = context.settle(permit, &remote.client.to_peer());
    settled.map_err(|full| RejectionCause::Policy(429, full.to_string()))
}

/// Reads what a proxy says in front of a connection: the client in its place.
async fn read_proxy_header(
    context: &ServerContext,
    mut stream: NetStream,
    peer: PeerAddr,
) -> Result<(NetStream, PeerAddr), Error> {
    let settings = &context.config.proxy_protocol;
    let refused = |why| Error::new(ErrorKind::Proxy, format!("{why}"));
    let mut received = BytesMut::new();
    loop {
        let needed = match settings
            .read(&peer, &received)
            .map_err(|why: ProxyProtocolError| refused(why))?
        {
            ProxyStatus::Incomplete { needed } => needed,
            ProxyStatus::None => return Ok((rewound(received, stream), peer)),
            ProxyStatus::Header { header, length } => {
                let client = settings.client(&peer, &header);
                return Ok((rewound(received.split_off(length), stream), client));
            }
        };
        // No more than belongs to the header, where that can be: what follows stays with the
        // socket, which is then the transport itself.
        let mut limited = (&mut received).limit(needed);
        let read = stream.read_buf(&mut limited).await;
        if read.map_err(|error| Error::io("reading the PROXY header", error))? == 0 {
            return Err(Error::new(
                ErrorKind::Io,
                "the peer ended the transport inside the PROXY header",
            ));
        }
    }
}

fn rewound(received: BytesMut, stream: NetStream) -> NetStream {
    if received.is_empty() {
        stream
    } else {
        NetStream::new(Prefixed::new(received.freeze(), stream))
    }
}

async fn read_first(
    context: &ServerContext,
    stream: &mut NetStream,
    received: &mut BytesMut,
    remote: &ConnectInfo,
) -> Result<First, Error> {
    #[cfg(feature = "http2")]
    if context.config.http2 {
        let agreed = agreed(remote);
        // In clear text, a client may know that HTTP/2 is spoken; under TLS it is agreed on by
        // ALPN, or not spoken (RFC 9113 §3.2, §3.3).
        let may_be_http2 = matches!(agreed, None | Some(b"h2"));
        if may_be_http2 && crate::server::http::http2::read_preface(stream, received).await? {
            return Ok(First::Http2);
        }
        if agreed == Some(b"h2") {
            let why = "HTTP/2 was agreed on by ALPN, and what came does not begin with its \
                       connection preface (RFC 9113 §3.4)";
            return Ok(First::NotHttp2(Error::new(ErrorKind::Handshake, why)));
        }
    }
    #[cfg(not(feature = "http2"))]
    let _ = remote;
    Ok(First::Request(read_request(stream, received, &context.config).await?))
}

/// The protocol that was agreed on by ALPN, which may be none; `None` in clear text.
#[cfg(feature = "http2")]
fn agreed(remote: &ConnectInfo) -> Option<&[u8]> {
    #[cfg(feature = "tls")]
    let agreed = remote.tls.as_ref().map(|tls| tls.alpn.as_deref().unwrap_or_default());
    #[cfg(not(feature = "tls"))]
    let agreed = {
        let _ = remote;
        None
    };
    agreed
}
