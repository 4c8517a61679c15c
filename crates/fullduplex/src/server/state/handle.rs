//! The handle of a running server: its statistics and its graceful shutdown.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep, timeout_at};

use crate::base::setters::setters;
use crate::connection::driver::DrivenConnection;
use crate::server::config::ServerLimits;
use crate::server::state::connection_limit::ConnectionLimits;
use crate::server::state::server_state::ServerState;
use crate::server::state::stats::ServerStats;

/// The pause between two batches of closed WebSockets.
const BATCH_INTERVAL: Duration = Duration::from_millis(50);

/// The time that the last Close frames have to be sent, even if the deadline is over.
const CLOSE_GRACE: Duration = Duration::from_millis(100);

/// A handle to observe and shut down a running [`Server`](crate::server::Server), or the
/// WebSockets of another server, such as axum's, that it
/// [tracks](crate::server::Handshake::track). Clones refer to the same server.
///
/// ```no_run
/// # async fn example() -> Result<(), fullduplex::Error> {
/// use fullduplex::server::{DrainOptions, Server};
///
/// let server = Server::bind("127.0.0.1:9001").await?;
/// let handle = server.handle();
/// tokio::spawn(server.serve(|websocket| async move { drop(websocket) }));
///
/// println!("{} WebSockets, {} panics", handle.websocket_count(), handle.stats().panics);
/// let report = handle.drain(DrainOptions::default()).await;
/// println!("{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerHandle(pub(crate) Arc<ServerState>);

/// The options of [`ServerHandle::drain`].
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex::server::DrainOptions;
///
/// let options = DrainOptions::default().deadline(Duration::from_secs(10));
/// assert_eq!(options.spread, Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainOptions {
    /// The time after which connections that are still open are cut off. Every WebSocket is sent a
    /// Close (1001) first and has at least 100 ms to answer, even if this is zero. Default: 30 s.
    pub deadline: Duration,
    /// The time over which the WebSockets are closed, in random order, so that their clients
    /// don't all reconnect at once. Default: 5 s.
    pub spread: Duration,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30), spread: Duration::from_secs(5) }
    }
}

impl DrainOptions {
    setters! {
        deadline: Duration, ".";
        spread: Duration, ".";
    }
}

/// The result of [`ServerHandle::drain`].
///
/// ```
/// use fullduplex::server::{DrainOptions, ServerHandle};
///
/// async fn stop(handle: ServerHandle) {
///     let report = handle.drain(DrainOptions::default()).await;
///     if report.cut > 0 {
///         eprintln!("{} of {} did not answer the Close", report.cut, report.notified);
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// The number of WebSockets that were sent a Close frame with 1001.
    pub notified: usize,
    /// The number of WebSockets that were cut off at the deadline.
    pub cut: usize,
    /// The number of ordinary HTTP connections and pending handshakes that were cut off at the
    /// deadline.
    pub cut_http: usize,
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { notified, cut, cut_http } = self;
        write!(
            f,
            "{notified} WebSockets notified, {cut} cut off; {cut_http} HTTP connections cut off"
        )
    }
}

impl Default for ServerHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerHandle {
    /// Creates a handle for WebSockets that are not opened by a
    /// [`Server`](crate::server::Server): the handle tracks and [drains](Self::drain) them.
    ///
    /// A tracked WebSocket counts as a connection from the response to its handshake until its
    /// end. Their number is not limited.
    pub fn new() -> Self {
        let connections = ConnectionLimits::default().max_connections(None).max_per_address(None);
        Self(ServerState::new(&ServerLimits::default().connections(connections)))
    }

    /// Returns the number of open connections of any kind.
    pub fn connection_count(&self) -> usize {
        self.0.connections()
    }

    /// Returns the number of open WebSockets.
    pub fn websocket_count(&self) -> usize {
        self.0.websockets.len()
    }

    /// Returns the statistics of the server.
    pub fn stats(&self) -> ServerStats {
        self.0.stats()
    }

    /// Waits until a [drain](Self::drain) begins. For another server that serves the WebSockets, it
    /// is the signal to shut down: pass it to
    /// `axum::serve(…).with_graceful_shutdown(handle.drain_started())`.
    pub fn drain_started(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut draining = self.0.draining();
        async move { draining.wait().await }
    }

    /// Shuts the server down: answers new requests with 503 and `Retry-After`, finishes ordinary
    /// HTTP requests in progress, closes WebSockets with 1001 (RFC 6455 §7.4.1), and cuts off the
    /// connections that are left at the deadline. [`serve`](crate::server::Server::serve) then
    /// returns.
    ///
    /// # Cancel safety
    /// If the future is dropped, the server still rejects new requests, and the WebSockets that
    /// are not closed yet stay open.
    #[doc(alias = "shutdown")]
    #[doc(alias = "graceful")]
    pub async fn drain(&self, drain: DrainOptions) -> DrainReport {
        let deadline = Instant::now() + drain.deadline;
        self.0.begin_drain();
        self.close_all(drain.spread.min(drain.deadline), deadline).await;
        let grace = Instant::now() + CLOSE_GRACE;
        let _ = timeout_at(deadline.max(grace), self.0.emptied()).await;
        // Held so that WebSockets that end with their connections in `finish` are listed below.
        let held = self.0.websockets.all();
        let connections = self.0.connections();
        // Before the list is made: a WebSocket that opens from now on is cut off by `join`.
        self.0.finish();
        let left = self.0.websockets.all();
        drop(held);
        let (notified, cut) = (self.0.notified(), left.len());
        let cut_http = self.0.connections().max(connections).saturating_sub(cut);
        left.into_iter().for_each(DrivenConnection::cut);
        DrainReport { notified, cut, cut_http }
    }

    /// Closes the WebSockets that are open now. Later ones are closed by `ServerState::join`.
    async fn close_all(&self, spread: Duration, deadline: Instant) {
        let mut all: Vec<_> = self.0.websockets.all().iter().map(Arc::downgrade).collect();
        all.shuffle(&mut rand::rng());
        let batches =
            usize::try_from(spread.as_millis() / BATCH_INTERVAL.as_millis()).unwrap_or(usize::MAX);
        let batch_len = all.len().div_ceil(batches.max(1)).max(1);
        while !all.is_empty() && Instant::now() < deadline {
            let batch = all.drain(all.len().saturating_sub(batch_len)..);
            batch
                .filter_map(|websocket| websocket.upgrade())
                .for_each(|websocket| self.0.close_going_away(websocket));
            if !all.is_empty() {
                sleep(BATCH_INTERVAL).await;
            }
        }
        all.into_iter()
            .filter_map(|websocket| websocket.upgrade())
            .for_each(|websocket| self.0.close_going_away(websocket));
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("connections", &self.connection_count())
            .field("websockets", &self.websocket_count())
            .finish()
    }
}
