//! Going away without a bang.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::driver::DrivenConnection;
use crate::server::config::ServerLimits;
use crate::server::state::connection_limit::ConnectionLimits;
use crate::server::state::server_state::ServerState;
use crate::server::state::stats::ServerStats;

/// How often a batch of WebSockets is closed.
const TURN: Duration = Duration::from_millis(50);

/// How long the last Close may take to leave, however early the deadline is.
const LEAST: Duration = Duration::from_millis(100);

/// Watches and ends a running [`Server`](crate::server::Server), or the WebSockets of a server of
/// somebody else's, such as axum's, that are told to be [tracked](crate::server::Handshake::track).
/// Clones are of the same server.
#[derive(Clone)]
pub struct ServerHandle(pub(crate) Arc<ServerState>);

/// How to drain a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// When what is still open is cut off. Every WebSocket is told before that, also with a
    /// deadline of zero: then all have 100 ms. Default: 30 s.
    pub deadline: Duration,
    /// The time over which the WebSockets are closed, in an order left to chance, so that
    /// their clients don't all come back at once. Default: 5 s.
    pub spread: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(30), spread: Duration::from_secs(5) }
    }
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// The WebSockets that were told that the server goes away (1001).
    pub told: usize,
    /// Those that were cut off at the deadline.
    pub cut: usize,
    /// The connections of ordinary HTTP, and handshakes under way, that were cut off at the
    /// deadline.
    pub cut_http: usize,
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { told, cut, cut_http } = self;
        write!(
            f,
            "{told} WebSockets were told, {cut} of them and {cut_http} connections of HTTP cut"
        )
    }
}

impl Default for ServerHandle {
    fn default() -> Self {
        Self::new()
    }
}

impl ServerHandle {
    /// For WebSockets that no [`Server`](crate::server::Server) opens: they are tracked by it, and
    /// [drained](Self::drain) with it.
    ///
    /// What is tracked counts as a connection from the answer to the handshake until its end.
    /// Any number may be.
    pub fn new() -> Self {
        let connections = ConnectionLimits { max_connections: None, max_per_address: None };
        Self(ServerState::new(&ServerLimits { connections, ..ServerLimits::default() }))
    }

    /// How many connections stand, of whatever kind.
    pub fn connections(&self) -> usize {
        self.0.connections()
    }

    /// How many WebSockets are open.
    pub fn websockets(&self) -> usize {
        self.0.members.len()
    }

    /// What the server has seen.
    pub fn stats(&self) -> ServerStats {
        self.0.stats()
    }

    /// Ready once a [drain](Self::drain) has begun: the signal for a server of somebody else's
    /// to end too.
    pub fn draining(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut draining = self.0.draining();
        async move { draining.wait().await }
    }

    /// Ends the server: requests that come are answered 503 with `Retry-After`, ordinary
    /// requests under way are answered, WebSockets are closed with 1001 (RFC 6455 §7.4.1),
    /// and what is left at the deadline is cut off. [`serve`](crate::server::Server::serve) then
    /// returns.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the server goes on to refuse what comes, and leaves open
    /// what was not closed yet.
    pub async fn drain(&self, drain: Drain) -> DrainReport {
        let deadline = Instant::now() + drain.deadline;
        self.0.begin_drain();
        self.close_all(drain.spread.min(drain.deadline), deadline).await;
        let left = Instant::now() + LEAST;
        let _ = timeout_at(deadline.max(left), self.0.emptied()).await;
        // Held, so that those that are cut with their connections are among the members still.
        let held = self.0.members.all();
        let connections = self.0.connections();
        // Before the list is made, so that nothing that comes now is overlooked.
        self.0.end();
        let left = self.0.members.all();
        drop(held);
        let (told, cut) = (self.0.told(), left.len());
        let cut_http = self.0.connections().max(connections).saturating_sub(cut);
        left.into_iter().for_each(DrivenConnection::cut);
        DrainReport { told, cut, cut_http }
    }

    /// Closes those that are open now; whoever comes later is told then.
    async fn close_all(&self, spread: Duration, deadline: Instant) {
        let mut all: Vec<_> = self.0.members.all().iter().map(Arc::downgrade).collect();
        all.shuffle(&mut rand::rng());
        let turns = usize::try_from(spread.as_millis() / TURN.as_millis()).unwrap_or(usize::MAX);
        let batch = all.len().div_ceil(turns.max(1)).max(1);
        while !all.is_empty() && Instant::now() < deadline {
            let turn = all.drain(all.len().saturating_sub(batch)..);
            turn.filter_map(|member| member.upgrade()).for_each(|member| self.0.tell(member));
            if !all.is_empty() {
                sleep(TURN).await;
            }
        }
        all.into_iter()
            .filter_map(|member| member.upgrade())
            .for_each(|member| self.0.tell(member));
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("connections", &self.connections())
            .field("websockets", &self.websockets())
            .finish()
    }
}
