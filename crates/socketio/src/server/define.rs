//! What a namespace does: who may connect, and the handlers of events.

use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SocketIo;
use super::cores::{Authenticate, EventHandler, Handlers, OnEvent, User};
use super::event::Event;
use super::namespace::Namespace;
use super::reason::DisconnectReason;
use super::request::{ConnectError, ConnectRequest};
use super::socket::Socket;
use crate::args::ArgsError;

impl Handlers {
    /// Asks all middlewares, then for the user.
    pub(super) async fn authenticate(
        self: Arc<Self>,
        request: ConnectRequest,
    ) -> Result<User, ConnectError> {
        for middleware in &self.middlewares {
            middleware(request.clone()).await?;
        }
        (self.authenticate)(request).await
    }
}

/// The definition of a namespace. [`open`](NamespaceBuilder::open) lets clients in.
///
/// Handlers belong to the namespace, and are given the socket that an event came from. A handler is
/// a function or closure that returns a future, such as an async closure without captures, or one
/// that clones what it captures:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use fullduplex_socketio::{Socket, SocketIo};
///
/// let io = SocketIo::default();
/// let count = Arc::new(AtomicU64::new(0));
/// io.of("/")
///     .on("add", async |_: Socket, (a, b): (i64, i64)| a + b)
///     .on("count", move |_: Socket, (): ()| {
///         let count = count.clone();
///         async move { count.fetch_add(1, Ordering::Relaxed) }
///     })
///     .open();
/// ```
///
/// The events of one socket are handled one after the other, in the order in which they came,
/// unless they are [concurrent](NamespaceBuilder::on_concurrent). All handlers of a connection run
/// in its one task, beside the transport. A handler that panics disconnects its socket.
#[must_use = "a namespace is not open before open() is called"]
pub struct NamespaceBuilder<U = (), N = Arc<str>> {
    io: SocketIo,
    /// The name, or which names match.
    name: N,
    handlers: Handlers,
    user: PhantomData<fn() -> U>,
}

impl<U, N> fmt::Debug for NamespaceBuilder<U, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder").finish_non_exhaustive()
    }
}

/// Which names a dynamic namespace has.
pub struct Matching(pub(super) Box<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Matching").finish_non_exhaustive()
    }
}

impl<N> NamespaceBuilder<(), N> {
    pub(super) fn new(io: SocketIo, name: N) -> Self {
        let handlers = Handlers {
            user_type: TypeId::of::<()>(),
            middlewares: Vec::new(),
            authenticate: Box::new(|_| Box::pin(async { Ok(Arc::new(()) as User) })),
            connected: None,
            disconnected: None,
            events: HashMap::new(),
            any: None,
            invalid: None,
        };
        Self { io, name, handlers, user: PhantomData }
    }

    /// Sets who may connect, and as what user. Handlers that are set after it are given sockets of
    /// that user.
    ///
    /// It is asked again when a client recovers its state.
    ///
    /// ```
    /// use fullduplex_socketio::{ConnectError, ConnectRequest, Socket, SocketIo};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Auth {
    ///     token: String,
    /// }
    ///
    /// struct User {
    ///     name: String,
    /// }
    ///
    /// let io = SocketIo::default();
    /// io.of("/chat")
    ///     .authenticate(async |request: ConnectRequest| {
    ///         let Auth { token } = request.auth()?;
    ///         match token.as_str() {
    ///             "secret" => Ok(User { name: "Ann".into() }),
    ///             _ => Err(ConnectError::new("not authorized")),
    ///         }
    ///     })
    ///     .on("whoami", async |socket: Socket<User>, (): ()| socket.user().name.clone())
    ///     .open();
    /// ```
    pub fn authenticate<U, F, Fut>(self, authenticate: F) -> NamespaceBuilder<U, N>
    where
        U: Send + Sync + 'static,
        F: Fn(ConnectRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<U, ConnectError>> + Send + 'static,
    {
        let authenticate: Authenticate = Box::new(move |request| {
            let user = authenticate(request);
            Box::pin(async move { user.await.map(|user| Arc::new(user) as User) })
        });
        let handlers = Handlers { user_type: TypeId::of::<U>(), authenticate, ..self.handlers };
        NamespaceBuilder { io: self.io, name: self.name, handlers, user: PhantomData }
    }
}

impl<U: Send + Sync + 'static, N> NamespaceBuilder<U, N> {
    /// Adds a check that a client has to pass. Checks are made in the order in which they are
    /// added, before `authenticate`.
    pub fn middleware<F, Fut>(mut self, middleware: F) -> Self
    where
        F: Fn(ConnectRequest) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        self.handlers.middlewares.push(Box::new(move |request| Box::pin(middleware(request))));
        self
    }

    /// Sets what is done when a client has connected.
    ///
    /// Its events are handled after that, or once it waits in [`Socket::closed`].
    pub fn connected<F, Fut>(mut self, connected: F) -> Self
    where
        F: Fn(Socket<U>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers.connected =
            Some(Box::new(move |core| Box::pin(connected(Socket::new(core)))));
        self
    }

    /// Sets what is done when a socket is disconnected, after its last event.
    pub fn disconnected<F, Fut>(mut self, disconnected: F) -> Self
    where
        F: Fn(Socket<U>, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers.disconnected =
            Some(Box::new(move |core, reason| Box::pin(disconnected(Socket::new(core), reason))));
        self
    }

    /// Sets the handler of an event.
    ///
    /// `T` is the type of the arguments, as in [`Args::get`](crate::Args::get): a tuple takes all,
    /// any other type the first. The output is the acknowledgement if the client asks for one; `()`
    /// has no arguments.
    /// An event whose arguments are of another type goes to
    /// [`on_invalid`](NamespaceBuilder::on_invalid) instead.
    pub fn on<T, R, F, Fut>(self, event: &str, handler: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize + Send + Sync,
        F: Fn(Socket<U>, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        self.add(event, handler, false)
    }

    /// Sets the handler of an event that runs beside other handlers of the same socket.
    pub fn on_concurrent<T, R, F, Fut>(self, event: &str, handler: F) -> Self
    where
        T: DeserializeOwned,
        R: Serialize + Send + Sync,
        F: Fn(Socket<U>, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        self.add(event, handler, true)
    }

    fn add<T, R, F, Fut>(mut self, event: &str, handler: F, is_concurrent: bool) -> Self
    where
        T: DeserializeOwned,
        R: Serialize + Send + Sync,
        F: Fn(Socket<U>, T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
    {
        let call: OnEvent = Arc::new(move |core, event| {
            let args = match event.args.get() {
                Ok(args) => args,
                Err(error) => {
                    if let Some(invalid) = core.namespace.handlers.invalid.clone() {
                        invalid(core, event, error);
                    }
                    return Box::pin(std::future::ready(()));
                }
            };
            let output = handler(Socket::new(core.clone()), args);
            Box::pin(async move {
                let output = output.await;
                if let Some(id) = event.ack_id {
                    core.acknowledge(id, &output).await;
                }
            })
        });
        self.handlers.events.insert(event.into(), EventHandler { call, is_concurrent });
        self
    }

    /// Sets what is done with each event before its own handler, and with those that have none.
    pub fn on_any<F, Fut>(mut self, handler: F) -> Self
    where
        F: Fn(Socket<U>, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers.any =
            Some(Arc::new(move |core, event| Box::pin(handler(Socket::new(core), event))));
        self
    }

    /// Sets what is done with an event whose arguments are not of the type that its handler takes.
    /// By default it is ignored. It is not acknowledged, so a client that asks for that waits for
    /// its own time-out.
    pub fn on_invalid<F>(mut self, handler: F) -> Self
    where
        F: Fn(Socket<U>, Event, ArgsError) + Send + Sync + 'static,
    {
        self.handlers.invalid =
            Some(Arc::new(move |core, event, error| handler(Socket::new(core), event, error)));
        self
    }
}

impl<U: Send + Sync + 'static> NamespaceBuilder<U> {
    /// Lets clients in. A namespace of this name that is open already keeps its sockets; those
    /// that connect from now on are in the new one.
    pub fn open(self) -> Namespace<U> {
        let recovery = self.io.shared.config.recovery.clone();
        Namespace::new(self.io.open(self.name, self.handlers, recovery))
    }

    /// Lets clients in, and remembers nothing for them.
    #[cfg(feature = "admin")]
    pub(super) fn open_without_recovery(self) -> Namespace<U> {
        Namespace::new(self.io.open(self.name, self.handlers, None))
    }
}

impl<U: Send + Sync + 'static> NamespaceBuilder<U, Matching> {
    /// Lets clients in. A namespace begins with its first client, and ends with its last one.
    pub fn open(self) {
        self.io.open_matching(self.name, self.handlers);
    }
}
