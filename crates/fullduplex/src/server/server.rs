//! A server with listeners: settings, and the loop that accepts connections.

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
use crate::server::config::{ServerConfig, config_setters};
use crate::server::connection;
use crate::server::connection::AcceptedConnection;
use crate::server::handler::Handler;
use crate::server::handshake::authenticate::Authenticate;
use crate::server::handshake::handshake::Handshake;
use crate::server::http::context::ServerContext;
use crate::server::listen::listener::{BoundListener, Listener};
use crate::server::output::HandlerOutput;
use crate::server::state::handle::ServerHandle;
use crate::server::state::panics;
use crate::server::state::panics::SUBSCRIBER;
use crate::server::state::rejection::{OnRejected, RejectedClient};
use crate::server::state::server_state::ServerState;
use crate::server::state::trace;

/// A server that listens for WebSockets and ordinary HTTP.
///
/// The defaults are safe on the internet: everything that a peer can do has a limit and a
/// deadline, and web pages of other hosts are rejected.
///
/// # Example
/// ```no_run
/// use std::time::Duration;
///
/// use fullduplex::server::{DrainOptions, Server};
///
/// #[tokio::main]
/// async fn main() -> Result<(), fullduplex::Error> {
///     let server = Server::bind("127.0.0.1:9001").await?.max_message_size(64 << 10);
///     let handle = server.handle();
///     tokio::spawn(async move {
///         let _ = tokio::signal::ctrl_c().await;
///         handle.drain(DrainOptions::default().deadline(Duration::from_secs(10))).await;
///     });
///     server
///         .serve(|mut websocket| async move {
///             while let Some(message) = websocket.next().await {
///                 websocket.send(message?).await?;
///             }
///             Ok::<_, fullduplex::Error>(())
///         })
///         .await
/// }
/// ```
///
/// To choose by path, or to look at a request before it is accepted, see
/// [`serve_handshakes`](Self::serve_handshakes) and [`Handshake`].
#[doc(alias = "listen")]
pub struct Server {
    listeners: Vec<Listener>,
    config: Arc<ServerConfig>,
    state: Arc<ServerState>,
    authenticate: Option<Authenticate>,
    on_rejected: Option<OnRejected>,
    #[cfg(feature = "_tls")]
    tls: Option<crate::server::tls::ServerTls>,
    /// The sockets for HTTP/3, if it is enabled.
    #[cfg(feature = "http3")]
    udp: Option<crate::server::http::http3::UdpSockets>,
    #[cfg(feature = "hyper")]
    service: Option<Arc<dyn crate::server::http::service::HttpService>>,
}

/// Setters may be called in any order.
impl Server {
    /// Listens on a TCP address, such as `127.0.0.1:9001`. Port 0 picks a free port.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Io`](crate::ErrorKind::Io) if that is not possible, such as for an
    /// address that is in use.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await;
        Ok(Self::from_listener(listener.map_err(|error| Error::io("listening", error))?))
    }

    /// Creates a server with an existing listener: for TCP, a Unix socket, or
    /// [in memory](crate::server::listen::memory).
    pub fn from_listener(listener: impl Into<Listener>) -> Self {
        Self::without_listeners().add_listener(listener)
    }

    pub(crate) fn without_listeners() -> Self {
        let config = Arc::<ServerConfig>::default();
        Self {
            listeners: Vec::new(),
            state: ServerState::new(&config.limits),
            config,
            authenticate: None,
            on_rejected: None,
            #[cfg(feature = "_tls")]
            tls: None,
            #[cfg(feature = "http3")]
            udp: None,
            #[cfg(feature = "hyper")]
            service: None,
        }
    }

    /// Returns a server for another thread. It shares limits and statistics with this one, and
    /// has no listeners. Only the first speaks HTTP/3.
    #[cfg_attr(not(feature = "http3"), allow(unused_variables))]
    pub(crate) fn clone_for_thread(&self, is_first: bool) -> Self {
        Self {
            listeners: Vec::new(),
            config: self.config.clone(),
            state: self.state.clone(),
            authenticate: self.authenticate.clone(),
            on_rejected: self.on_rejected.clone(),
            #[cfg(feature = "_tls")]
            tls: self.tls.clone(),
            #[cfg(feature = "http3")]
            udp: (is_first && self.udp.is_some()).then(Default::default),
            #[cfg(feature = "hyper")]
            service: self.service.clone(),
        }
    }

    /// Ends this server and those that [`clone_for_thread`](Self::clone_for_thread) made.
    pub(crate) fn end(&self) {
        self.state.finish();
    }

    /// Adds a listener.
    #[must_use]
    pub fn add_listener(mut self, listener: impl Into<Listener>) -> Self {
        let listener = listener.into();
        #[cfg(feature = "http3")]
        if let Some(udp) = &mut self.udp {
            udp.bind_matching(&listener);
        }
        self.listeners.push(listener);
        self
    }

    /// Sets the configuration. Call it before the methods that change single settings.
    #[must_use]
    pub fn config(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.config = config.into();
        self.state.set_limits(&self.config.limits);
        self
    }

    config_setters!();

    /// Sets the maximum number of open connections; `None` for no limit. Default: 65,536.
    #[must_use]
    pub fn max_connections(self, max: impl Into<Option<u32>>) -> Self {
        self.with_config(|config| config.max_connections(max))
    }

    /// Sets whether to serve HTTP/2 too: see
    /// [`ServerConfig::http2`](ServerConfig#structfield.http2). Default: false.
    #[must_use]
    pub fn http2(self, http2: bool) -> Self {
        self.with_config(|config| config.http2(http2))
    }

    pub(crate) fn with_config(mut self, change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        let config = std::mem::take(&mut self.config);
        self.config(change(Arc::unwrap_or_clone(config)))
    }

    /// Serves ordinary HTTP with a tower service, such as an axum router. Each request is answered
    /// by a clone of it.
    ///
    /// Without a service, ordinary HTTP requests go to the handler of
    /// [`serve_handshakes`](Self::serve_handshakes).
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

    /// Enables TLS on all listeners. The HTTP version is negotiated with ALPN (RFC 7301).
    #[cfg(feature = "_tls")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "aws-lc-rs"))))]
    #[must_use]
    pub fn tls(mut self, tls: crate::server::tls::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Enables HTTP/3 (RFC 9220), on the UDP ports with the same numbers as the TCP ports of the
    /// listeners. It needs [`tls`](Self::tls). [`serve`](Self::serve) fails without TLS, or if a
    /// UDP port is not available.
    ///
    /// Clients find it by the field `Alt-Svc` (RFC 7838), such as `h3=":443"`. The application
    /// has to send that in its responses to ordinary HTTP requests.
    ///
    /// An idle QUIC connection is kept alive by a PING every 10 s. A client whose idle timeout is
    /// at most that long closes it (RFC 9000 §10.1), as quinn does not report the peer's timeout.
    /// Such clients need a shorter keepalive [`interval`](crate::KeepaliveConfig::interval).
    #[cfg(feature = "http3")]
    #[must_use]
    pub fn http3(mut self) -> Self {
        let mut udp = crate::server::http::http3::UdpSockets::default();
        self.listeners.iter().for_each(|listener| udp.bind_matching(listener));
        self.udp = Some(udp);
        self
    }

    /// Authenticates each request for a WebSocket before the handler gets it. `authenticate`
    /// returns the request, perhaps with more extensions, or the response that rejects it. If it
    /// takes longer than `handshake_timeout`, the response is 503.
    ///
    /// It is called whatever the path, and not for a request that a rule of the protocol or a
    /// policy rejects.
    #[doc(alias = "verifyClient")]
    #[doc(alias = "verify_client")]
    #[doc(alias = "auth")]
    #[must_use]
    pub fn authenticate<A, F>(mut self, authenticate: A) -> Self
    where
        A: Fn(Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Request<()>, Response<Bytes>>> + Send + 'static,
    {
        self.authenticate = Some(Arc::new(move |request| Box::pin(authenticate(request))));
        self
    }

    /// Calls `callback` with each rejected client:
    ///
    /// * a connection beyond a [limit](ServerConfig::limits) on connections;
    /// * a pending handshake that was evicted for a newer one (`max_handshakes`);
    /// * a connection on which no request could be read: TLS failed, or the head was malformed, too
    ///   large or too late;
    /// * a request that breaks a rule of the protocol or a policy;
    /// * a request for a WebSocket during a [drain](ServerHandle::drain);
    /// * a request for a WebSocket that [`authenticate`](Self::authenticate) or the handler
    ///   rejected.
    ///
    /// A client that disconnects by itself is not reported.
    ///
    /// It is meant for a log. It should return quickly, as no connections are accepted meanwhile. A
    /// panic in it is counted in
    /// [`ServerStats::panics`](crate::server::stats::ServerStats::panics), and has no other effect.
    ///
    /// Requests that hyper and h2 reject themselves are not reported: malformed requests on
    /// streams, and after the first one of a connection of HTTP/1.1. That includes heads on
    /// HTTP/2 longer than `max_head_bytes`, which h2 answers with 431. On HTTP/1.1, such a head is
    /// reported if it is the first of its connection; more than `max_fields` fields always are.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), fullduplex::Error> {
    /// use fullduplex::server::Server;
    ///
    /// let server = Server::bind("127.0.0.1:9001").await?;
    /// let server = server.on_rejected(|client| eprintln!("rejected: {client}"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn on_rejected(
        mut self,
        callback: impl Fn(&RejectedClient<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.on_rejected = Some(Arc::new(callback));
        self
    }

    /// Returns the first address that it listens on. It is an error if it does not listen on TCP.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        for listener in &self.listeners {
            if let Some(address) = listener.local_addr()? {
                return Ok(address);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "it does not listen on TCP"))
    }

    /// Returns a handle to observe the server, and to shut it down while it serves.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle(self.state.clone())
    }

    /// Opens a WebSocket for each request that asks for one, and runs `handler` with it in a
    /// separate task. Returns after a [drain](ServerHandle::drain).
    ///
    /// A handler that panics closes its WebSocket with 1011. It may return a `Result`; see
    /// [`HandlerOutput`].
    ///
    /// # Errors
    /// Before anything is served, if the configuration is not valid: a timeout of zero, or HTTP/3
    /// without TLS or without its UDP port; and if a listener's accept task ends unexpectedly.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners. Open connections continue.
    #[doc(alias = "run")]
    #[doc(alias = "on_connection")]
    pub async fn serve<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        self.run(Handler::of_websockets(handler)).await
    }

    /// Runs `handler` with each request, in a separate task: to route by path, or to answer
    /// ordinary HTTP without a service. Returns after a [drain](ServerHandle::drain).
    ///
    /// # Errors
    /// As of [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners. Open connections continue.
    pub async fn serve_handshakes<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(Handshake) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        self.run(Handler::of_requests(handler)).await
    }

    async fn run(self, handler: Handler) -> Result<(), Error> {
        self.config.validate().map_err(Error::of)?;
        #[cfg(feature = "http3")]
        let quic = match self.udp {
            Some(udp) => udp.listen(self.tls.as_ref(), &self.config)?,
            None => Vec::new(),
        };
        #[cfg(feature = "_tls")]
        let alpn: &[&[u8]] = if cfg!(feature = "http2") && self.config.http2 {
            &[b"h2", b"http/1.1"]
        } else {
            &[b"http/1.1"]
        };
        if let Some(on_rejected) = self.on_rejected {
            // Of several threads, the first sets it.
            self.state.rejections.set_callback(on_rejected);
        }
        let context = Arc::new(ServerContext {
            config: self.config,
            state: self.state.clone(),
            handler,
            authenticate: self.authenticate,
            #[cfg(feature = "_tls")]
            tls: self.tls.map(|tls| tls.alpn(alpn)),
            #[cfg(feature = "hyper")]
            service: self.service,
        });
        // Dropping this future drops the set, which aborts the tasks.
        let mut accept_tasks = JoinSet::new();
        for listener in self.listeners {
            accept_tasks.spawn(accept(listener, context.clone()));
        }
        #[cfg(feature = "http3")]
        for endpoint in quic {
            accept_tasks.spawn(crate::server::http::http3::accept(endpoint, context.clone()));
        }
        run_accept_tasks(&self.state, accept_tasks).await
    }
}

/// Runs the tasks that accept connections until the server is shut down. They never end
/// themselves, so the end of one is an error, rather than to continue with one listener less.
async fn run_accept_tasks(state: &ServerState, mut accept_tasks: JoinSet<()>) -> Result<(), Error> {
    let ended = tokio::select! {
        biased;
        () = state.done() => return Ok(()),
        Some(ended) = accept_tasks.join_next() => ended,
    };
    let error = Error::new(ErrorKind::Io, "the task of a listener has ended");
    Err(match ended {
        Ok(()) => error,
        Err(ended) => error.with_source(ended),
    })
}

/// Accepts the connections of a listener until the future is dropped.
async fn accept(listener: Listener, context: Arc<ServerContext>) {
    let mut listening = BoundListener::new(listener);
    loop {
        let failed = |error: &io::Error| {
            let traced = || trace::accept_failed(error);
            let _ = panics::caught(&context.state.record, SUBSCRIBER, traced);
            context.state.record.accept_failed();
            // Most likely the process has too many open files: evict a pending handshake.
            context.state.handshakes.evict_some();
        };
        let (stream, peer) = listening.accept(failed).await;
        match context.acquire_permit(&peer) {
            Ok(permit) => {
                let (pending, full) = context.state.handshakes.enter();
                let accepted = AcceptedConnection { stream, peer, pending, permit };
                connection::serve(&context, accepted);
                if full {
                    // Lets the evicted handshake close its socket before the next accept.
                    tokio::task::yield_now().await;
                }
            }
            Err(full) => {
                let status = context.reject_over_limit(&stream, full);
                RejectedClient::limit_reached(peer, full, status)
                    .report(Some(&context.state.rejections));
                // The next connection may get the permit of a stalled handshake.
                context.state.handshakes.evict_slow_for(full);
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
        let mut accept_tasks = JoinSet::new();
        accept_tasks.spawn(pending());
        accept_tasks.spawn(async { panic!("expected by the test") });
        let error = run_accept_tasks(&state, accept_tasks).await.unwrap_err();
        assert!(error.to_string().contains("a listener has ended"), "{error}");
        state.finish();
        run_accept_tasks(&state, JoinSet::new()).await.unwrap();
    }
}
