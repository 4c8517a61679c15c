//! Connections that are kept for the next WebSocket to the same origin.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::base::sync::Mutex;
use crate::base::uri::WsUri;

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    secure: bool,
    host: String,
    port: u16,
    socket: Option<String>,
    /// A connection that knows the client's certificate is not for what another origin leads to,
    /// nor the other way round.
    redirected: bool,
}

impl PoolKey {
    pub(crate) fn of(target: &WsUri) -> Self {
        let WsUri { secure, host, port, socket, redirected, .. } = target;
        let (secure, port, redirected) = (*secure, *port, *redirected);
        Self { secure, host: host.clone(), port, socket: socket.clone(), redirected }
    }
}

/// So many origins may keep a connection that has no streams.
const MAX_IDLE_ORIGINS: usize = 32;

/// A connection as the pool sees it.
pub(crate) trait PooledConnection: Clone {
    /// It has ended.
    fn is_over(&self) -> bool;
    /// It is in use.
    fn has_streams(&self) -> bool;
    /// It takes one stream more.
    fn has_room(&mut self) -> bool;
}

/// How long an attempt to connect may keep the others waiting that go to the same origin.
const HEAD_START: Duration = Duration::from_millis(500);

/// One connection to an origin, and the attempts to make it.
///
/// A server is not asked for several connections at once, so who comes while another one
/// makes it waits, within its own `connect_timeout`. When that one is cancelled, fails, or is
/// not done within its head start, the next in line makes an attempt of its own. The first
/// attempt to succeed serves all, those too that are stuck.
pub(crate) struct PoolEntry<T> {
    ready: Mutex<Option<T>>,
    /// There is a new connection.
    came: Notify,
    /// Held by the last attempt, during its head start.
    turn: tokio::sync::Mutex<()>,
}

impl<T> Default for PoolEntry<T> {
    fn default() -> Self {
        Self { ready: Mutex::default(), came: Notify::new(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> PoolEntry<T> {
    /// Takes a connection that does not answer out of the pool, unless another one is there.
    /// Its streams go on.
    pub(crate) fn evict(&self, is_it: impl FnOnce(&T) -> bool) {
        let mut ready = self.ready.lock();
        if ready.as_ref().is_some_and(is_it) {
            *ready = None;
        }
    }
}

impl<T: PooledConnection> PoolEntry<T> {
    /// The connection that is kept, or the one that this attempt comes to.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the attempt is given up, and the next in line has its turn.
    pub(crate) async fn get<E>(&self, mut attempt: BoxFuture<'_, Result<T, E>>) -> Result<T, E> {
        let turn = tokio::select! {
            // First, so that a connection that is there is taken without waiting for a turn.
            biased;
            kept = self.kept() => return Ok(kept),
            turn = self.turn.lock() => turn,
        };
        let connecting = async {
            // An attempt that hangs goes on without its turn: it may still be the first to succeed.
            let Ok(reached) = timeout(HEAD_START, &mut attempt).await else {
                drop(turn);
                return attempt.await.map(|reached| self.keep(reached));
            };
            // The turn passes on when the others can see it.
            reached.map(|reached| self.keep(reached))
        };
        // Once more beside the attempt: one before it, which had lost its turn, may come first.
        tokio::select! {
            biased;
            kept = self.kept() => Ok(kept),
            reached = connecting => reached,
        }
    }

    /// Serves this connection to all. One that is full stays with its streams.
    fn keep(&self, connection: T) -> T {
        *self.ready.lock() = Some(connection.clone());
        self.came.notify_waiters();
        connection
    }

    /// The connection that is kept, once there is one that takes a stream.
    async fn kept(&self) -> T {
        loop {
            // Before the look, so that no connection comes unseen between the look and the wait.
            let came = self.came.notified();
            if let Some(kept) = self.ready.lock().as_mut()
                && kept.has_room()
            {
                return kept.clone();
            }
            came.await;
        }
    }
}

/// The slots of all origins.
pub(crate) struct PoolEntries<T>(Mutex<HashMap<PoolKey, Arc<PoolEntry<T>>>>);

impl<T> Default for PoolEntries<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: PooledConnection> PoolEntries<T> {
    pub(crate) fn of(&self, origin: &PoolKey) -> Arc<PoolEntry<T>> {
        let mut slots = self.0.lock();
        if let Some(slot) = slots.get(origin) {
            return slot.clone();
        }
        let mut idle = 0;
        slots.retain(|_, slot| {
            // Somebody makes a connection, takes it, or waits.
            let is_wanted = Arc::strong_count(slot) > 1;
            if is_wanted {
                return true;
            }
            let ready = slot.ready.lock();
            let Some(pooled) = ready.as_ref().filter(|pooled| !pooled.is_over()) else {
                return false;
            };
            let has_streams = pooled.has_streams();
            idle += usize::from(!has_streams);
            has_streams || idle <= MAX_IDLE_ORIGINS
        });
        slots.entry(origin.clone()).or_default().clone()
    }

    /// Takes the connections that are not in use out of the pool.
    #[cfg(feature = "http3")]
    pub(crate) fn take_unused(&self) -> Vec<T> {
        let slots = self.0.lock();
        let unused =
            |slot: &Arc<PoolEntry<T>>| slot.ready.lock().take_if(|kept| !kept.has_streams());
        slots.values().filter_map(unused).collect()
    }
}
