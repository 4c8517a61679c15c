//! The engine: its settings, its handler and its open sessions.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use fullduplex::server::limits::{ConnectionLimiter, LimitReached, Permit};
use fullduplex::server::policy::PeerAddr;
use fullduplex::{ConfigError, WebSocket};
use futures_core::future::BoxFuture;
use http::Request;

use crate::engine::config::EngineConfig;
use crate::engine::context::EngineContext;
use crate::engine::driver::Driver;
use crate::engine::id::SessionId;
use crate::engine::outcome::{EndReason, TransportKind};
use crate::engine::session::Session;
use crate::engine::sessions::{Found, Sessions};
use crate::engine::shared::Shared;
use crate::engine::stats::{EngineStats, RejectReason};
use crate::trace;

type Handler = dyn Fn(Session) -> BoxFuture<'static, ()> + Send + Sync;

/// An Engine.IO server. Clones share its sessions.
///
/// It is given HTTP requests by a [`service`](Self::service) or a [`layer`](Self::layer) in a
/// server that hyper runs, such as axum's, and by [`serve`](Self::serve) in a
/// [`Server`](fullduplex::server::Server).
///
/// ```no_run
/// use fullduplex::server::Server;
/// use fullduplex_socketio::engine::{Data, Engine, EngineConfig, Outgoing, Session};
///
/// async fn echo(mut session: Session) {
///     while let Some(data) = session.recv().await {
///         let message = match data {
///             Data::Text(text) => Outgoing::text(&text),
///             Data::Binary(bytes) => Outgoing::binary(bytes),
///         };
///         let _ = session.sender().send(&message);
///     }
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let engine = Engine::new(EngineConfig::default(), echo)?;
///     engine.serve(Server::bind("127.0.0.1:3000").await?).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Engine(Arc<EngineShared>);

struct EngineShared {
    context: Arc<EngineContext>,
    handler: Box<Handler>,
    sessions: Arc<Sessions>,
    limiter: ConnectionLimiter,
}

/// The task of a session, in its span.
pub(crate) type SessionTask = trace::Instrumented<Driver>;

/// The permission to open a session.
pub(crate) struct Admission {
    request: Request<()>,
    peer: PeerAddr,
    permit: Permit,
}

/// Why no session can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdmissionError {
    /// There are too many sessions.
    Total,
    /// The client's address has too many sessions.
    PerAddress,
    ShutDown,
}

impl From<LimitReached> for AdmissionError {
    fn from(limit: LimitReached) -> Self {
        match limit {
            LimitReached::PerAddress(_) => Self::PerAddress,
            _ => Self::Total,
        }
    }
}

impl Engine {
    /// Creates an engine, which runs `handler` with each session.
    ///
    /// The handler runs in the session's own task, beside heartbeats, reading and writing. When it
    /// returns, the session is closed. When the session ends, [`Session::recv`] returns `None`, and
    /// the handler may still run for as long as it needs.
    ///
    /// # Errors
    /// The first setting that is out of range.
    pub fn new<H, F>(mut config: EngineConfig, handler: H) -> Result<Self, ConfigError>
    where
        H: Fn(Session) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        config.path.get_or_insert_with(|| "/engine.io/".to_owned());
        config.validate()?;
        let limiter = ConnectionLimiter::new(config.limits);
        let handler: Box<Handler> = Box::new(move |session| Box::pin(handler(session)));
        let (context, sessions) = (Arc::new(config.into()), Arc::default());
        Ok(Self(Arc::new(EngineShared { context, handler, sessions, limiter })))
    }

    /// Returns the settings.
    pub fn config(&self) -> &EngineConfig {
        &self.0.context
    }

    /// Returns what the engine has done since its start, and what is open now.
    pub fn stats(&self) -> EngineStats {
        self.0.context.counters.stats()
    }

    /// Returns what the sessions share.
    #[cfg(feature = "admin")]
    pub(crate) fn context(&self) -> &Arc<EngineContext> {
        &self.0.context
    }

    /// Counts and logs a request that is rejected.
    pub(crate) fn note_rejected(&self, status: u16, reason: RejectReason) {
        self.0.context.counters.rejected(reason);
        trace::rejected(status, reason.as_str());
    }

    /// Returns the number of open sessions.
    pub fn session_count(&self) -> usize {
        self.0.sessions.len()
    }

    /// Closes all sessions, by a close packet or a Close frame with 1001. No more are opened.
    #[doc(alias = "drain")]
    pub fn shutdown(&self) {
        for session in self.0.sessions.shut_down() {
            session.close(EndReason::ServerShutdown);
        }
    }

    /// Closes the sessions that poll. No more are opened.
    pub(crate) fn shutdown_polling(&self) {
        for session in self.0.sessions.shut_down() {
            if session.transport() == TransportKind::Polling {
                session.close(EndReason::ServerShutdown);
            }
        }
    }

    /// Returns an open session.
    pub(crate) fn session(&self, id: &str) -> Option<Arc<Shared>> {
        let id = SessionId::parse(id)?;
        self.0.sessions.get(id).filter(|session| !session.is_over())
    }

    /// Returns the session that a poll is for.
    pub(crate) fn session_for_poll(&self, id: &str) -> Option<Found> {
        let found = self.0.sessions.get_for_poll(SessionId::parse(id)?)?;
        let is_over = matches!(&found, Found::Open(session) if session.is_over());
        (!is_over).then_some(found)
    }

    /// Counts a new session towards the limits.
    pub(crate) fn admit(
        &self,
        request: Request<()>,
        peer: PeerAddr,
    ) -> Result<Admission, AdmissionError> {
        if self.0.sessions.is_shut_down() {
            return Err(AdmissionError::ShutDown);
        }
        // Loopback is often a proxy on this machine, whose clients are not known.
        let is_near = peer.ip().is_none_or(|ip| ip.is_loopback());
        let counted = if is_near { PeerAddr::Unix } else { peer };
        let permit = self.0.limiter.try_acquire(&counted).map_err(AdmissionError::from)?;
        Ok(Admission { request, peer, permit })
    }

    /// Opens a session that polls, and returns it with its first payload.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(crate) fn open_polling(&self, admission: Admission) -> Bytes {
        let (shared, permit) = self.shared(admission, TransportKind::Polling);
        let payload = self.open_packet(&shared);
        let driver = self.driver(&shared, None, permit);
        tokio::spawn(driver);
        payload.into()
    }

    /// Opens a session on a WebSocket, and returns its task.
    pub(crate) fn open_websocket(
        &self,
        admission: Admission,
        mut websocket: WebSocket,
    ) -> SessionTask {
        let (shared, permit) = self.shared(admission, TransportKind::WebSocket);
        // Fails only if the WebSocket has ended, which the task finds out.
        let _ = websocket.try_send(self.open_packet(&shared));
        self.driver(&shared, Some(websocket), permit)
    }

    fn shared(&self, admission: Admission, transport: TransportKind) -> (Arc<Shared>, Permit) {
        let Admission { request, peer, permit } = admission;
        (Arc::new(Shared::new(&self.0.context, transport, request, peer)), permit)
    }

    fn driver(
        &self,
        shared: &Arc<Shared>,
        websocket: Option<WebSocket>,
        permit: Permit,
    ) -> SessionTask {
        let id = shared.id;
        let span = trace::session_span(&id, &shared.peer);
        let transport = shared.transport();
        self.0.context.counters.opened(transport);
        trace::opened(&span, transport.as_str());
        let is_accepted = self.0.sessions.insert(shared.clone());
        let handler = (self.0.handler)(Session::new(shared.clone()));
        let open: Weak<Sessions> = Arc::downgrade(&self.0.sessions);
        let (session, context) = (shared.clone(), self.0.context.clone());
        let on_end = Box::new(move || {
            let (reason, transport) = session.ended_as();
            context.counters.closed(transport, reason);
            trace::ended(reason.as_str(), transport.as_str());
            if let Some(open) = open.upgrade() {
                open.remove(id);
            }
            drop(permit);
        });
        let driver = Driver::new(shared.clone(), websocket, handler, on_end);
        if !is_accepted {
            shared.close(EndReason::ServerShutdown);
        }
        trace::instrument(span, driver)
    }

    /// Returns the packet that opens a session.
    fn open_packet(&self, shared: &Shared) -> String {
        let config = self.config();
        let may_upgrade = config.websocket && shared.transport() == TransportKind::Polling;
        let upgrades = if may_upgrade { r#"["websocket"]"# } else { "[]" };
        let (id, max_payload) = (shared.id, config.max_payload);
        let interval = config.ping_interval.as_millis();
        let timeout = config.ping_timeout.as_millis();
        format!(
            "0{{\"sid\":\"{id}\",\"upgrades\":{upgrades},\"pingInterval\":{interval},\
             \"pingTimeout\":{timeout},\"maxPayload\":{max_payload}}}"
        )
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("sessions", &self.session_count()).finish_non_exhaustive()
    }
}
