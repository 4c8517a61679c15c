//! The namespace to which the official Admin UI connects.

use std::sync::Arc;

use fullduplex::ConfigError;
use serde_json::json;

use self::login::{AdminUser, Login};
use self::numbers::Numbers;
use super::SocketIo;
use super::config::SlowPolicy;
use super::socket::Socket;

mod commands;
mod login;
mod numbers;
mod observer;
mod serialized;
mod telling;

pub(super) use self::observer::Observer;

/// The settings of the namespace to which the
/// [official Admin UI](https://socket.io/docs/v4/admin-ui/) connects, for
/// [`SocketIo::open_admin`].
///
/// The UI is at `https://admin.socket.io`, or in npm's package `@socket.io/admin-ui`. The origin of
/// its page has to be allowed by the
/// [`origin_policy`](crate::engine::EngineConfig#structfield.origin_policy).
///
/// ```
/// use fullduplex_socketio::Admin;
///
/// # fn main() -> Result<(), fullduplex::ConfigError> {
/// let hash = "$2b$10$heqvAkYMez.Va6Et2uXInOnkCT6/uQj1brkrbyG3LpopDklcq7ZOS";
/// let admin = Admin::with_password("admin", hash)?.read_only(true);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Admin {
    namespace: Arc<str>,
    login: Option<Login>,
    is_read_only: bool,
    sends_all: bool,
    server_id: Option<String>,
}

impl Admin {
    fn new(login: Option<Login>) -> Self {
        Self {
            namespace: "/admin".into(),
            login,
            is_read_only: false,
            sends_all: true,
            server_id: None,
        }
    }

    /// Lets in who knows this name and the password of which this is the hash, of bcrypt as with
    /// the official server. A UI that was let in comes back without the password, until the server
    /// ends.
    ///
    /// # Errors
    /// The text is not a hash of bcrypt.
    pub fn with_password(username: &str, hash: &str) -> Result<Self, ConfigError> {
        Ok(Self::new(Some(Login::new(username, hash)?)))
    }

    /// Lets everyone in whose page or program may connect to the server at all.
    #[doc(alias = "auth: false")]
    pub fn dangerous_without_password() -> Self {
        Self::new(None)
    }

    /// Sets the name of the namespace. Default: `/admin`.
    #[must_use]
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace =
            if name.starts_with('/') { name.into() } else { format!("/{name}").into() };
        self
    }

    /// Sets whether the UI can only look: it can't emit events, let sockets join and leave rooms,
    /// nor disconnect them. Default: no.
    #[must_use]
    #[doc(alias = "readonly")]
    pub fn read_only(mut self, is_read_only: bool) -> Self {
        self.is_read_only = is_read_only;
        self
    }

    /// Sets whether the UI shows each socket, room and received event, and not only numbers: the
    /// official modes `development` and `production`. Default: yes.
    ///
    /// At most 500 changes and 500 events are sent each second. After more changes the UI is sent
    /// all sockets again, as many as fit into 512 KiB; of more events the rest is left out.
    #[must_use]
    #[doc(alias = "mode")]
    pub fn sends_all(mut self, sends_all: bool) -> Self {
        self.sends_all = sends_all;
        self
    }

    /// Sets the name of this server among others in the UI. Default: that of the host.
    #[must_use]
    pub fn server_id(mut self, id: impl Into<String>) -> Self {
        self.server_id = Some(id.into());
        self
    }

    /// Returns what the UI can do and show, in its words.
    fn features(&self) -> Vec<&'static str> {
        let mut features = vec!["AGGREGATED_EVENTS"];
        if self.sends_all {
            features.push("ALL_EVENTS");
        }
        if !self.is_read_only {
            features.extend([
                "EMIT",
                "JOIN",
                "LEAVE",
                "DISCONNECT",
                "MJOIN",
                "MLEAVE",
                "MDISCONNECT",
            ]);
        }
        features
    }
}

impl SocketIo {
    /// Opens the namespace to which the official Admin UI connects.
    ///
    /// It costs little while no UI is connected. A UI that receives too slowly is closed, and
    /// comes back.
    ///
    /// # Errors
    /// It is open already.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// ```
    /// use fullduplex_socketio::{Admin, SocketIo};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), fullduplex::ConfigError> {
    /// let io = SocketIo::default();
    /// io.of("/").open();
    /// io.open_admin(Admin::dangerous_without_password().read_only(true))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn open_admin(&self, admin: Admin) -> Result<(), ConfigError> {
        let (observer, notes) = Observer::new(admin.namespace.clone(), admin.sends_all);
        let arrived = observer.arrived.clone();
        let is_first = self.shared.observer.set(observer).is_ok();
        ConfigError::require(is_first, "admin", "be opened once")?;
        let shared = Arc::downgrade(&self.shared);
        let features = json!({ "supportedFeatures": admin.features() });
        let Admin { namespace, login, is_read_only, sends_all, server_id } = admin;
        let (login, watched) = (login.map(Arc::new), shared.clone());
        let builder = self
            .of(&namespace)
            .authenticate(move |request| login::log_in(login.clone(), request))
            .connected(move |socket: Socket<AdminUser>| {
                let (shared, features) = (watched.clone(), features.clone());
                async move {
                    socket.set_slow_policy(SlowPolicy::Close);
                    if let Some(session) = &socket.user().new_session {
                        socket.emit("session", session).await;
                    }
                    socket.emit("config", features).await;
                    if let Some(observer) = shared.upgrade().as_ref().and_then(|s| s.observer.get())
                    {
                        observer.watch();
                    }
                }
            });
        let builder = if is_read_only { builder } else { commands::add(builder, &shared) };
        let namespace = builder.open_without_recovery();
        let numbers = Numbers::new(server_id, self.engine.context().clone());
        let task = telling::Task::new(namespace, shared, arrived, sends_all, numbers);
        tokio::spawn(task.run(notes));
        Ok(())
    }
}
