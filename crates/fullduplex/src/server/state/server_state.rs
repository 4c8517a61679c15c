//! The state that all connections of a server share, and the phases of its shutdown.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fullduplex_proto::{CloseCode, CloseFrame};
use tokio::sync::watch;

use crate::base::span::Span;
use crate::connection::driver::DrivenConnection;
use crate::connection::open_connections::OpenConnections;
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerLimits;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::connection_limit::{ConnectionLimiter, LimitReached, Permit};
use crate::server::state::handshake_limit::HandshakeLimiter;
use crate::server::state::permit::RequestPermit;
use crate::server::state::rejection::RejectionReports;
use crate::server::state::stats::ServerStats;
use crate::server::state::stats::StatsRecorder;
use crate::transport::Transport;

/// The state that all connections of a server share.
pub(crate) struct ServerState {
    pub(crate) handshakes: HandshakeLimiter,
    pub(crate) websockets: OpenConnections<StatsRecorder>,
    phase: watch::Sender<LifecyclePhase>,
    pub(crate) limiter: ConnectionLimiter,
    /// The number of WebSockets that were sent a Close frame with 1001.
    notified: AtomicUsize,
    pub(crate) record: StatsRecorder,
    pub(crate) rejections: RejectionReports,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum LifecyclePhase {
    Serving,
    Draining,
    Done,
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerState")
            .field("websockets", &self.websockets.len())
            .finish_non_exhaustive()
    }
}

impl ServerState {
    pub(crate) fn new(limits: &ServerLimits) -> Arc<Self> {
        let record = StatsRecorder::default();
        Arc::new(Self {
            handshakes: HandshakeLimiter::new(limits.max_handshakes),
            websockets: OpenConnections::new(record.clone()),
            phase: watch::Sender::new(LifecyclePhase::Serving),
            limiter: ConnectionLimiter::new(limits.connections),
            notified: AtomicUsize::new(0),
            rejections: RejectionReports::new(record.clone()),
            record,
        })
    }

    /// Replaces the limits. Open connections stay open.
    pub(crate) fn set_limits(&self, limits: &ServerLimits) {
        self.handshakes.set_limit(limits.max_handshakes);
        self.limiter.set_limits(limits.connections);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() >= LifecyclePhase::Draining
    }

    pub(crate) fn draining(&self) -> DrainSignal {
        DrainSignal(self.phase.subscribe())
    }

    /// Waits until the drain is done.
    pub(crate) async fn done(&self) {
        // `self` owns the sender, so that the channel can't be closed.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == LifecyclePhase::Done).await;
    }

    /// Runs a future, and drops it when the drain is done.
    pub(crate) async fn until_done(&self, future: impl Future<Output = ()>) {
        tokio::select! {
            () = future => {}
            () = self.done() => {}
        }
    }

    pub(crate) fn begin_drain(&self) {
        self.phase.send_if_modified(|phase| {
            let begins = *phase == LifecyclePhase::Serving;
            if begins {
                *phase = LifecyclePhase::Draining;
            }
            begins
        });
    }

    /// Registers an open WebSocket with the server.
    pub(crate) fn join<S: Transport>(
        &self,
        websocket: &WebSocket<S>,
        permit: RequestPermit,
        span: Span,
    ) {
        let connection = self.websockets.add(websocket, permit, span);
        // A drain that began before the registration has not seen this WebSocket.
        if self.is_done() {
            connection.cut();
        } else if self.is_draining() {
            self.close_going_away(connection);
        }
    }

    /// Closes a WebSocket with 1001 (RFC 6455 §7.4.1), as the server shuts down.
    pub(crate) fn close_going_away(&self, websocket: Arc<dyn DrivenConnection>) {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server is shutting down").ok();
        if websocket.close(frame) {
            self.notified.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of WebSockets that were closed with 1001.
    pub(crate) fn notified(&self) -> usize {
        self.notified.load(Ordering::Relaxed)
    }

    /// Ends the drain: cuts off all requests and pending handshakes.
    pub(crate) fn finish(&self) {
        self.phase.send_replace(LifecyclePhase::Done);
        self.handshakes.evict_all();
    }

    /// Returns the number of open connections of any kind.
    pub(crate) fn connections(&self) -> usize {
        self.limiter.counts().in_use as usize
    }

    /// Waits until no connection is open.
    pub(crate) async fn emptied(&self) {
        while self.connections() > 0 || self.websockets.len() > 0 {
            self.limiter.emptied().await;
            self.websockets.emptied().await;
        }
    }

    /// Returns whether a drain is done.
    pub(crate) fn is_done(&self) -> bool {
        *self.phase.borrow() == LifecyclePhase::Done
    }

    /// Acquires a permit for a connection; `None` as the peer counts towards the total only.
    pub(crate) fn try_acquire(&self, peer: Option<&PeerAddr>) -> Result<Permit, LimitReached> {
        let permit = self.limiter.try_acquire(peer.unwrap_or(&PeerAddr::Unix))?;
        self.record.accepted();
        Ok(permit)
    }

    pub(crate) fn stats(&self) -> ServerStats {
        let mut stats = self.record.read();
        stats.traffic.add(self.websockets.stats());
        ServerStats {
            connections: self.limiter.counts(),
            websockets: self.websockets.len(),
            ..stats
        }
    }
}

/// A server that has admitted a request, and the request's permit.
pub(crate) struct Admission {
    pub(crate) server: Arc<ServerState>,
    pub(crate) permit: RequestPermit,
}

/// A signal that a drain has begun.
pub(crate) struct DrainSignal(watch::Receiver<LifecyclePhase>);

impl DrainSignal {
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|phase| *phase >= LifecyclePhase::Draining).await.is_err() {
            // The server is gone, so that no drain can begin any more.
            std::future::pending::<()>().await;
        }
    }
}
