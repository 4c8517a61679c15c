//! A ready-made server.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio::task::JoinSet;

use crate::base::error::{Error, ErrorKind};
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::connection;
use crate::server::connection::AcceptedConnection;
use crate::server::handler::Handler;
use crate::server::handshake::handshake::Handshake;
use crate::server::http::context::{Authenticate, ServerContext};
use crate::server::listen::listener::{BoundListener, Listener};
use crate::server::output::HandlerOutput;
use crate::server::state::handle::ServerHandle;
use crate::server::state::panics;
use crate::server::state::panics::SUBSCRIBER;
use crate::server::state::rejection::{OnRejected, RejectedClient};
use crate::server::state::server_state::ServerState;
use crate::server::state::trace;

/// A listening server.
///
/// It needs no configuration to be on the internet: there are bounds and deadlines on all
/// that a peer can do, and web pages of other hosts are refused.
pub struct Server {
    listeners: Vec<Listener>,
    config: Arc<ServerConfig>,
    state: Arc<ServerState>,
    authenticate: Option<Authenticate>,
    on_rejected: Option<OnRejected>,
    #[cfg(feature = "tls")]
    tls: Option<crate::server::tls::ServerTls>,
    /// If it speaks HTTP/3.
    #[cfg(feature = "http3")]
    udp: Option<crate::server::http::http3::UdpSockets>,
    #[cfg(feature = "hyper")]
    service: Option<Arc<dyn crate::server::http::service::HttpService>>,
}

/// What is set can be set in any order.
impl Server {
    /// Listens on an address, such as `127.0.0.1:9001`; port 0 takes any free one.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await;
        Ok(Self::from_listener(listener.map_err(|error| Error::io("listening", error))?))
    }

    /// Takes a listener that was made elsewhere: for TCP or a Unix socket.
    pub fn from_listener(listener: impl Into<Listener>) -> Self {
        Self::without_listeners().listen(listener)
    }

    pub(crate) fn without_listeners() -> Self {
        let config = Arc::<ServerConfig>::default();
        Self {
            listeners: Vec::new(),
            state: ServerState::new(&config.limits),
            config,
            authenticate: None,
            on_rejected: None,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "http3")]
            udp: None,
            #[cfg(feature = "hyper")]
            service: None,
        }
    }

    /// The same for another thread: with the same limits and figures, and no listeners. The
    /// first alone speaks HTTP/3.
    #[cfg_attr(not(feature = "http3"), allow(unused_variables))]
    pub(crate) fn clone_for_thread(&self, is_first: bool) -> Self {
        Self {
            listeners: Vec::new(),
            config: self.config.clone(),
            state: self.state.clone(),
            authenticate: self.authenticate.clone(),
            on_rejected: self.on_rejected.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            #[cfg(feature = "http3")]
            udp: (is_first && self.udp.is_some()).then(Default::default),
            #[cfg(feature = "hyper")]
            service: self.service.clone(),
        }
    }

    /// Ends it and its twins at once.
    pub(crate) fn end(&self) {
        self.state.end();
    }

    /// Listens on one more.
    #[must_use]
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        let listener = listener.into();
        #[cfg(feature = "http3")]
        if let Some(udp) = &mut self.udp {
            udp.bind_matching(&listener);
        }
        self.listeners.push(listener);
        self
    }

    /// Sets what differs from the defaults.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.state.set_limits(&config.limits);
        self.config = Arc::new(config);
        self
    }

    /// Has ordinary requests, those that ask for no WebSocket, answered by a service, such as
    /// an axum router or any other of tower's; a clone of it answers each.
    ///
    /// Without one they come to the handler of [`serve_handshakes`](Self::serve_handshakes).
    #[cfg(feature = "hyper")]
    #[must_use]
    pub fn service<T, B>(mut self, service: T) -> Self
    where
        T: tower_service::Service<Request<crate::server::http::body::Body>, Response = Response<B>>
            + Clone
            + Send
            + Sync
            + 'static,
        T::Error: fmt::Display,
        T::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.service = Some(Arc::new(crate::server::http::service::TowerService(service)));
        self
    }

    /// Has all connections encrypted. The versions of HTTP that the server speaks are
    /// negotiated (ALPN).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::server::tls::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Speaks HTTP/3 too (RFC 9220), on the ports of UDP that have the numbers of those of TCP
    /// that it listens on. It needs [`tls`](Self::tls). Where a port can't be had, or there is
    /// no TLS, [`serve`](Self::serve) fails.
    ///
    /// Clients learn of it by `Alt-Svc` (RFC 7838), which the application has to send with its
    /// answers to ordinary requests: `h3=":443"`.
    ///
    /// QUIC keeps a silent connection alive with a PING every 10 s. A client whose own idle timeout
    /// is not longer than that ends it (RFC 9000 §10.1), as quinn does not say what the peer's
    /// timeout is: such clients need a shorter keepalive
    /// [`interval`](crate::KeepaliveConfig::interval).
    #[cfg(feature = "http3")]
    #[must_use]
    pub fn http3(mut self) -> Self {
        let mut udp = crate::server::http::http3::UdpSockets::default();
        self.listeners.iter().for_each(|listener| udp.bind_matching(listener));
        self.udp = Some(udp);
        self
    }

    /// Looks at each request for a WebSocket before the handler does: gives it back, perhaps
    /// with something more among its extensions, or the response that refuses it. It has
    /// `handshake_timeout`, or the answer is 503.
    #[must_use]
    pub fn authenticate<A, F>(mut self, authenticate: A) -> Self
    where
        A: Fn(Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Request<()>, Response<Bytes>>> + Send + 'static,
    {
        self.authenticate = Some(Arc::new(move |request| Box::pin(authenticate(request))));
        self
    }

    /// Calls this with each client that is not let in: for want of room, for what it did before
    /// there was a request, by a rule, a policy or the application. A client that leaves by
    /// itself is none of them. For a log; the call is to be short, as it holds up whoever
    /// accepts. A panic in it is counted among [`ServerStats::panics`](crate::server::ServerStats::panics), and ends
    /// nothing.
    ///
    /// What hyper and h2 answer by themselves is not told: malformed requests behind the first
    /// one of a connection of HTTP/1.1, and on streams. So it is with a head on HTTP/2 that is
    /// longer than `max_head_bytes`: the client gets a 431 from h2, which reports it to nobody. On
    /// HTTP/1.1 as the first request, and for more than `max_fields` fields, it is reported.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fullduplex::Error> {
    /// use fullduplex::server::Server;
    ///
    /// let server = Server::bind("127.0.0.1:9001").await?;
    /// let server = server.on_rejected(|refused| eprintln!("refused: {refused}"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on_rejected(
        mut self,
        tell: impl Fn(&RejectedClient<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_rejected = Some(Arc::new(tell));
        self
    }

    /// Where it listens, the first of its addresses.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        for listener in &self.listeners {
            if let Some(address) = listener.local_addr()? {
                return Ok(address);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "it listens on Unix sockets alone"))
    }

    /// To watch it and to end it while it serves.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.state.clone())
    }

    /// Opens a WebSocket for each request that asks for one and runs `handler` with it, in a
    /// task of its own, until the server was [drained](ServerHandle::drain) or this future is
    /// dropped. Connections that stand then go on.
    ///
    /// A handler that panics ends its own connection, with 1011. It may also end with a
    /// `Result`: see [`HandlerOutput`].
    ///
    /// It fails, before anything is served, if the configuration can't be: a deadline of zero,
    /// HTTP/3 without TLS or without its port. Later it fails only if what accepts connections
    /// has ended, rather than go on with a listener less.
    pub async fn serve<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        self.run(Handler::of_websockets(handler)).await
    }

    /// Runs `handler` with each request, in a task of its own, until the server was
    /// [drained](ServerHandle::drain) or this future is dropped: for a choice by path, or for
    /// ordinary HTTP without a service.
    ///
    /// It fails as [`serve`](Self::serve) does.
    pub async fn serve_handshakes<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(Handshake) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        self.run(Handler::of_requests(handler)).await
    }

    async fn run(self, handler: Handler) -> Result<(), Error> {
        self.config.check()?;
        #[cfg(feature = "http3")]
        let quic = match self.udp {
            Some(udp) => udp.listen(self.tls.as_ref(), &self.config)?,
            None => Vec::new(),
        };
        #[cfg(feature = "tls")]
        let alpn: &[&[u8]] = if cfg!(feature = "http2") && self.config.http2 {
            &[b"h2", b"http/1.1"]
        } else {
            &[b"http/1.1"]
        };
        if let Some(on_rejected) = self.on_rejected {
            // A clone_for_thread may have set the same already.
            self.state.rejections.set_callback(on_rejected);
        }
        let context = Arc::new(ServerContext {
            config: self.config,
            state: self.state.clone(),
            handler,
            authenticate: self.authenticate,
            #[cfg(feature = "tls")]
            tls: self.tls.map(|tls| tls.alpn(alpn)),
            #[cfg(feature = "hyper")]
            service: self.service,
        });
        // Dropped with this future, which ends them.
        let mut accepting = JoinSet::new();
        for listener in self.listeners {
            accepting.spawn(accept(listener, context.clone()));
        }
        #[cfg(feature = "http3")]
        for endpoint in quic {
            accepting.spawn(crate::server::http::http3::accept(endpoint, context.clone()));
        }
        run_accept_tasks(&self.state, accepting).await
    }
}

/// Accepts connections until the server is over. A task that does so goes on until it is
/// dropped; so if one ends, something is wrong, and it is better to say so than to go on with a
/// listener less.
async fn run_accept_tasks(state: &ServerState, mut accepting: JoinSet<()>) -> Result<(), Error> {
    let ended = tokio::select! {
        biased;
        () = state.done() => return Ok(()),
        Some(ended) = accepting.join_next() => ended,
    };
    let error = Error::new(ErrorKind::Io, "a listener accepts no connections any more");
    Err(match ended {
        Ok(()) => error,
        Err(ended) => error.with_source(ended),
    })
}

async fn accept(listener: Listener, context: Arc<ServerContext>) {
    let listening = BoundListener::new(listener);
    loop {
        let failed = |error: &io::Error| {
            let traced = || trace::not_accepted(error);
            let _ = panics::caught(&context.state.record, SUBSCRIBER, traced);
            context.state.record.accept_failed();
            // Too many files are open, most likely.
            context.state.in_flight.make_room();
        };
        let (stream, peer) = listening.accept(failed).await;
        match context.enter(&peer) {
            Ok(permit) => {
                let (pending, full) = context.state.in_flight.enter();
                let accepted = AcceptedConnection { stream, peer, pending, permit };
                connection::serve(&context, accepted);
                if full {
                    // Those that give way go before more come.
                    tokio::task::yield_now().await;
                }
            }
            Err(full) => {
                let told = context.reject_over_limit(&stream, full);
                RejectedClient::no_room(peer, full, told).report(Some(&context.state.rejections));
                // The next one may find the place of a handshake that goes nowhere.
                context.state.in_flight.make_way_for(full);
            }
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::server::config::ServerLimits;

    #[tokio::test]
    async fn serve_fails_when_an_accept_task_ends() {
        let state = ServerState::new(&ServerLimits::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(pending());
        accepting.spawn(async { panic!("as asked") });
        let error = run_accept_tasks(&state, accepting).await.unwrap_err();
        assert!(error.to_string().contains("accepts no connections"), "{error}");
        state.end();
        run_accept_tasks(&state, JoinSet::new()).await.unwrap();
    }
}
