//! The Socket.IO server above the engine.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use fullduplex::server::{Handshake, Server};
use fullduplex::{ConfigError, Error};

use self::config::Config;
use self::cores::{Handlers, NamespaceCore};
use self::stats::Counters;
use crate::engine::{Engine, EngineConfig};
use crate::http::{EngineLayer, EngineService};
use crate::recovery::Recovery;

mod ack;
#[cfg(feature = "admin")]
mod admin;
mod admission;
mod broadcast;
mod change;
mod config;
mod connection;
mod cores;
mod define;
mod deliver;
mod event;
mod handling;
mod join;
mod members;
#[cfg(feature = "metrics")]
mod metrics;
mod namespace;
mod observed;
mod reason;
mod recovering;
mod request;
mod sending;
mod signal;
mod slots;
mod socket;
mod socket_core;
mod stats;
mod target;
mod tasks;

pub use self::ack::AckError;
#[cfg(feature = "admin")]
pub use self::admin::Admin;
pub use self::broadcast::{Acks, Broadcast, BroadcastReport};
pub use self::config::{SlowPolicy, SocketIoBuilder};
pub use self::define::{Matching, NamespaceBuilder};
pub use self::deliver::Delivery;
pub use self::event::Event;
pub use self::join::JoinOutcome;
pub use self::namespace::Namespace;
pub use self::reason::DisconnectReason;
pub use self::request::{ConnectError, ConnectRequest};
pub use self::socket::Socket;
pub use self::stats::{RecoveryOutcome, SocketIoStats};

/// A Socket.IO server. Clones are handles of the same server.
///
/// ```no_run
/// use fullduplex_socketio::{Socket, SocketIo};
///
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let io = SocketIo::default();
/// io.of("/")
///     .connected(async |socket: Socket| {
///         socket.join("lobby");
///     })
///     .on("message", async |socket: Socket, text: String| {
///         socket.to("lobby").emit("message", text).await;
///     })
///     .open();
/// let server = fullduplex::server::Server::bind("127.0.0.1:3000").await?;
/// io.serve(server).await
/// # }
/// ```
#[derive(Clone)]
pub struct SocketIo {
    shared: Arc<ServerShared>,
    engine: Engine,
}

/// What the connections of a server share.
struct ServerShared {
    config: Config,
    /// The bytes that may wait for a client, of the engine's settings.
    max_queue_bytes: usize,
    counters: Counters,
    /// What the Admin UI shows, once it is open.
    #[cfg(feature = "admin")]
    observer: std::sync::OnceLock<admin::Observer>,
    namespaces: RwLock<Namespaces>,
}

#[derive(Default)]
struct Namespaces {
    open: HashMap<Arc<str>, Arc<NamespaceCore>>,
    matching: Vec<Arc<MatchingNamespaces>>,
    /// How many namespaces were defined in the place of an open one.
    redefined: u64,
    /// The highest sequence of a packet of the namespaces that were forgotten. Another one of the
    /// same name goes on from there, as what was sent before can still be recovered.
    forgotten_sequence: u64,
}

/// Namespaces that begin with their first client.
struct MatchingNamespaces {
    matches: Matching,
    handlers: Arc<Handlers>,
}

impl ServerShared {
    fn new(config: Config, max_queue_bytes: usize) -> Self {
        Self {
            config,
            max_queue_bytes,
            counters: Counters::default(),
            #[cfg(feature = "admin")]
            observer: std::sync::OnceLock::new(),
            namespaces: RwLock::default(),
        }
    }

    /// Returns the namespace of this name, which begins now if it is a dynamic one.
    fn namespace(&self, name: &Arc<str>) -> Option<Arc<NamespaceCore>> {
        let matching = {
            let namespaces = self.namespaces.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(namespace) = namespaces.open.get(name) {
                return Some(namespace.clone());
            }
            namespaces.matching.clone()
        };
        // The application's function runs under no lock.
        let found = matching.iter().find(|namespaces| (namespaces.matches.0)(name))?;
        let (name, handlers) = (name.clone(), found.handlers.clone());
        let core = NamespaceCore::new(name.clone(), name.clone(), handlers, &self.config, true);
        let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        core.sequence.store(namespaces.forgotten_sequence, Ordering::Relaxed);
        Some(namespaces.open.entry(name).or_insert_with(|| Arc::new(core)).clone())
    }

    /// Forgets a dynamic namespace that has no clients.
    fn forget_if_empty(&self, namespace: &Arc<NamespaceCore>) {
        if !namespace.is_dynamic() {
            return;
        }
        let mut namespaces = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        let is_open = |open: &Arc<NamespaceCore>| Arc::ptr_eq(open, namespace);
        // The map and each connection that is in it or connects to it hold it.
        if namespaces.open.get(namespace.name()).is_some_and(is_open)
            && namespace.is_empty()
            && Arc::strong_count(namespace) <= 2
        {
            namespaces.open.remove(namespace.name());
            let sequence = namespace.sequence.load(Ordering::Relaxed);
            namespaces.forgotten_sequence = namespaces.forgotten_sequence.max(sequence);
        }
    }
}

impl Default for SocketIo {
    fn default() -> Self {
        match Self::builder().build() {
            Ok(io) => io,
            Err(error) => unreachable!("the defaults are in their ranges: {error}"),
        }
    }
}

impl fmt::Debug for SocketIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketIo").finish_non_exhaustive()
    }
}

impl SocketIo {
    /// Returns the settings of a new server, to be changed.
    pub fn builder() -> SocketIoBuilder {
        SocketIoBuilder::default()
    }

    fn start(config: Config, mut engine: EngineConfig) -> Result<Self, ConfigError> {
        engine.path.get_or_insert_with(|| "/socket.io/".to_owned());
        let shared = Arc::new(ServerShared::new(config, engine.max_queue_bytes));
        let for_handler = shared.clone();
        let engine =
            Engine::new(engine, move |session| connection::run(for_handler.clone(), session))?;
        Ok(Self { shared, engine })
    }

    /// Defines the namespace of this name. The main one is `/`.
    pub fn of(&self, name: &str) -> NamespaceBuilder {
        let name = if name.starts_with('/') { name.into() } else { format!("/{name}").into() };
        NamespaceBuilder::new(self.clone(), name)
    }

    /// Defines all namespaces with a name that matches, but for those that are open by their name.
    ///
    /// ```
    /// use fullduplex_socketio::{Socket, SocketIo};
    ///
    /// let io = SocketIo::default();
    /// io.of_matching(|name| name.starts_with("/game-"))
    ///     .on("move", async |socket: Socket, cell: u8| {
    ///         socket.broadcast().emit("move", cell).await;
    ///     })
    ///     .open();
    /// ```
    pub fn of_matching(
        &self,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> NamespaceBuilder<(), Matching> {
        NamespaceBuilder::new(self.clone(), Matching(Box::new(matches)))
    }

    fn open(
        &self,
        name: Arc<str>,
        handlers: Handlers,
        recovery: Option<Recovery>,
    ) -> Arc<NamespaceCore> {
        let (config, handlers) = (&self.shared.config, Arc::new(handlers));
        let mut namespaces = self.shared.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        let log = if namespaces.open.contains_key(&name) {
            namespaces.redefined += 1;
            format!("{name}#{}", namespaces.redefined).into()
        } else {
            name.clone()
        };
        let core = NamespaceCore::new(name.clone(), log, handlers, config, false);
        let core = Arc::new(NamespaceCore { recovery, ..core });
        core.sequence.store(namespaces.forgotten_sequence, Ordering::Relaxed);
        let previous = namespaces.open.insert(name, core.clone());
        // What the handlers hold is foreign: it is dropped without the lock.
        drop(namespaces);
        drop(previous);
        core
    }

    fn open_matching(&self, matches: Matching, handlers: Handlers) {
        let matching = MatchingNamespaces { matches, handlers: handlers.into() };
        let mut namespaces = self.shared.namespaces.write().unwrap_or_else(PoisonError::into_inner);
        namespaces.matching.push(Arc::new(matching));
    }

    /// Returns the namespace of this name, if it is open and its users are of the type `U`.
    pub fn namespace<U: Send + Sync + 'static>(&self, name: &str) -> Option<Namespace<U>> {
        let namespaces = self.shared.namespaces.read().unwrap_or_else(PoisonError::into_inner);
        let core = namespaces.open.get(name)?;
        (core.handlers.user_type == TypeId::of::<U>()).then(|| Namespace::new(core.clone()))
    }

    /// Returns the names of the open namespaces.
    pub fn namespaces(&self) -> Vec<Arc<str>> {
        let namespaces = self.shared.namespaces.read().unwrap_or_else(PoisonError::into_inner);
        namespaces.open.keys().cloned().collect()
    }

    /// Returns what the server has done since its start, and what is open now.
    pub fn stats(&self) -> SocketIoStats {
        let namespaces: Vec<_> = {
            let namespaces = self.shared.namespaces.read().unwrap_or_else(PoisonError::into_inner);
            namespaces.open.values().cloned().collect()
        };
        let sockets = namespaces.iter().map(|namespace| namespace.lock().members.len()).sum();
        self.shared.counters.stats(self.engine.stats(), sockets)
    }

    /// Returns the Engine.IO server below, which counts the open sessions.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Closes all connections with the reason
    /// [`ServerShuttingDown`](DisconnectReason::ServerShuttingDown). No more are let in.
    #[doc(alias = "drain")]
    pub fn shutdown(&self) {
        self.engine.shutdown();
    }

    /// Returns a tower layer that answers the requests for Socket.IO, and passes all others on; see
    /// [`Engine::layer`].
    ///
    /// ```
    /// let io = fullduplex_socketio::SocketIo::default();
    /// let app: axum::Router = axum::Router::new().layer(io.layer());
    /// ```
    pub fn layer(&self) -> EngineLayer {
        self.engine.layer()
    }

    /// Returns a service that answers the requests for Socket.IO, and all others with 404; see
    /// [`Engine::service`].
    pub fn service(&self) -> EngineService {
        self.engine.service()
    }

    /// Serves only Socket.IO, on all versions of HTTP that `server` has; see [`Engine::serve`].
    ///
    /// # Errors
    /// As of [`Server::serve`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners. Open connections continue.
    pub async fn serve(&self, server: Server) -> Result<(), Error> {
        self.engine.clone().serve(server).await
    }

    /// Answers a request for a WebSocket that a [`Server`] has read, and runs the connection until
    /// its end; see [`Engine::handle`]. Returns a request for something else.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection.
    pub async fn handle(&self, handshake: Handshake) -> Result<Result<(), Error>, Handshake> {
        self.engine.handle(handshake).await
    }
}

#[cfg(test)]
mod tests;
