//! Connections that are kept for the next WebSocket to the same origin.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::base::sync::Mutex;
use crate::base::uri::WsUri;

/// The most origins that may keep a connection without streams.
const MAX_IDLE_ORIGINS: usize = 32;

/// The time for which an attempt to connect delays other attempts to the same origin.
const HEAD_START: Duration = Duration::from_millis(500);

/// The origin of a server, by which its connections are pooled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    secure: bool,
    host: String,
    port: u16,
    socket: Option<String>,
    /// Whether a redirection led here from another origin. Such a request must not use a
    /// connection on which the client's certificate was shown, nor the other way round.
    redirected: bool,
}

impl PoolKey {
    pub(crate) fn new(target: &WsUri) -> Self {
        let WsUri { secure, host, port, socket, redirected, .. } = target;
        let (secure, port, redirected) = (*secure, *port, *redirected);
        Self { secure, host: host.clone(), port, socket: socket.clone(), redirected }
    }
}

/// A multiplexed connection that can be pooled.
pub(crate) trait PooledConnection: Clone {
    /// Returns whether the connection has ended.
    fn is_closed(&self) -> bool;
    /// Returns whether the connection has streams.
    fn has_streams(&self) -> bool;
    /// Returns whether the connection accepts another stream.
    fn can_open_stream(&mut self) -> bool;
}

/// The connection to an origin, and the attempts to make one.
///
/// At most one attempt starts at a time, so that a burst of WebSockets does not open a connection
/// each. The others wait for its connection, within their own `connect_timeout`. If the attempt
/// is cancelled, fails, or takes longer than [`HEAD_START`], the next waiting one starts its own.
/// The first attempt to succeed serves all, including those that hang.
pub(crate) struct PoolEntry<T> {
    connection: Mutex<Option<T>>,
    /// Notified of each new connection.
    connected: Notify,
    /// Held by the latest attempt during its head start.
    attempt_lock: tokio::sync::Mutex<()>,
}

impl<T> Default for PoolEntry<T> {
    fn default() -> Self {
        Self {
            connection: Mutex::default(),
            connected: Notify::new(),
            attempt_lock: tokio::sync::Mutex::default(),
        }
    }
}

impl<T> PoolEntry<T> {
    /// Removes the connection if it is the one that `is_same` matches. Its streams stay open.
    pub(crate) fn evict(&self, is_same: impl FnOnce(&T) -> bool) {
        let mut connection = self.connection.lock();
        if connection.as_ref().is_some_and(is_same) {
            *connection = None;
        }
    }
}

impl<T: PooledConnection> PoolEntry<T> {
    /// Returns the pooled connection, or a new one by this attempt or another one.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, its attempt ends and the next one starts.
    pub(crate) async fn get<E>(&self, mut attempt: BoxFuture<'_, Result<T, E>>) -> Result<T, E> {
        let guard = tokio::select! {
            // First, so that a pooled connection is returned without waiting for the lock.
            biased;
            pooled = self.pooled() => return Ok(pooled),
            guard = self.attempt_lock.lock() => guard,
        };
        let connecting = async {
            let Ok(connected) = timeout(HEAD_START, &mut attempt).await else {
                // The attempt goes on beside the next one: it may still be the first to succeed.
                drop(guard);
                return attempt.await.map(|connection| self.store(connection));
            };
            // The lock is released after the connection is stored, so that the next task to hold
            // it finds the connection.
            connected.map(|connection| self.store(connection))
        };
        // Also wait for other attempts: an earlier one that has lost the lock may succeed first.
        tokio::select! {
            biased;
            pooled = self.pooled() => Ok(pooled),
            connected = connecting => connected,
        }
    }

    /// Stores a new connection and wakes all that wait for one. The streams of the previous one
    /// stay open.
    fn store(&self, connection: T) -> T {
        *self.connection.lock() = Some(connection.clone());
        self.connected.notify_waiters();
        connection
    }

    /// Waits for a pooled connection that accepts another stream.
    async fn pooled(&self) -> T {
        loop {
            // Registered before the check: a connection that is stored between the check and the
            // wait would otherwise be missed.
            let connected = self.connected.notified();
            if let Some(connection) = self.connection.lock().as_mut()
                && connection.can_open_stream()
            {
                return connection.clone();
            }
            connected.await;
        }
    }
}

/// The pool entries of all origins.
pub(crate) struct PoolEntries<T>(Mutex<HashMap<PoolKey, Arc<PoolEntry<T>>>>);

impl<T> Default for PoolEntries<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: PooledConnection> PoolEntries<T> {
    /// Returns the entry of an origin. A new one is added, and unused ones are removed.
    pub(crate) fn get(&self, origin: &PoolKey) -> Arc<PoolEntry<T>> {
        let mut entries = self.0.lock();
        if let Some(entry) = entries.get(origin) {
            return entry.clone();
        }
        let mut idle = 0;
        entries.retain(|_, entry| {
            // A task connects, waits for a connection, or is about to use it.
            let is_in_use = Arc::strong_count(entry) > 1;
            if is_in_use {
                return true;
            }
            let connection = entry.connection.lock();
            let Some(connection) = connection.as_ref().filter(|connection| !connection.is_closed())
            else {
                return false;
            };
            let has_streams = connection.has_streams();
            idle += usize::from(!has_streams);
            has_streams || idle <= MAX_IDLE_ORIGINS
        });
        entries.entry(origin.clone()).or_default().clone()
    }

    /// Removes the connections without streams and returns them.
    #[cfg(feature = "http3")]
    pub(crate) fn take_unused(&self) -> Vec<T> {
        let entries = self.0.lock();
        let take_unused = |entry: &Arc<PoolEntry<T>>| {
            entry.connection.lock().take_if(|connection| !connection.has_streams())
        };
        entries.values().filter_map(take_unused).collect()
    }
}
