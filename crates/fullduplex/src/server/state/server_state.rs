//! The life of a server: what all of its connections share, and how it ends.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fullduplex_proto::{CloseCode, CloseFrame};
use tokio::sync::watch;

use crate::connection::driver::DrivenConnection;
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerLimits;
use crate::server::policy::peer::PeerAddr;
use crate::server::state::connection_limit::{ConnectionLimiter, LimitReached};
use crate::server::state::handshake_limit::HandshakeLimiter;
use crate::server::state::open_connections::OpenConnections;
use crate::server::state::permit::ConnectionPermit;
use crate::server::state::rejection::RejectionReports;
use crate::server::state::stats::ServerStats;
use crate::server::state::stats::StatsRecorder;
use crate::server::state::trace::Span;
use crate::transport::Transport;

/// What all connections of a server share.
pub(crate) struct ServerState {
    pub(crate) in_flight: HandshakeLimiter,
    pub(crate) members: OpenConnections,
    phase: watch::Sender<LifecyclePhase>,
    pub(crate) limiter: ConnectionLimiter,
    /// How many WebSockets were told that the server goes away.
    told: AtomicUsize,
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
            .field("websockets", &self.members.len())
            .finish_non_exhaustive()
    }
}

impl ServerState {
    pub(crate) fn new(limits: &ServerLimits) -> Arc<Self> {
        let record = StatsRecorder::default();
        Arc::new(Self {
            in_flight: HandshakeLimiter::new(limits.max_handshakes),
            members: OpenConnections::new(record.clone()),
            phase: watch::Sender::new(LifecyclePhase::Serving),
            limiter: ConnectionLimiter::new(limits.connections),
            told: AtomicUsize::new(0),
            rejections: RejectionReports::new(record.clone()),
            record,
        })
    }

    /// Sets other limits. What stands is not held to them.
    pub(crate) fn set_limits(&self, limits: &ServerLimits) {
        self.in_flight.set_limit(limits.max_handshakes);
        self.limiter.set_limits(limits.connections);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() >= LifecyclePhase::Draining
    }

    pub(crate) fn draining(&self) -> DrainSignal {
        DrainSignal(self.phase.subscribe())
    }

    /// Waits until all is over.
    pub(crate) async fn done(&self) {
        // The sender is ours, so it can't be gone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == LifecyclePhase::Done).await;
    }

    /// Does what may take until all is over, but no longer.
    pub(crate) async fn until_done(&self, doing: impl Future<Output = ()>) {
        tokio::select! {
            () = doing => {}
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

    /// Adds an open WebSocket to the server's.
    pub(crate) fn join<S: Transport>(
        &self,
        websocket: &WebSocket<S>,
        permit: Arc<ConnectionPermit>,
        span: Span,
    ) {
        let connection = self.members.add(websocket, permit, span);
        // A drain that began before it was a member has not seen it.
        if self.is_over() {
            connection.cut();
        } else if self.is_draining() {
            self.tell(connection);
        }
    }

    /// Tells a WebSocket that the server goes away (RFC 6455 §7.4.1).
    pub(crate) fn tell(&self, websocket: Arc<dyn DrivenConnection>) {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "the server is going away").ok();
        if websocket.close(frame) {
            self.told.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many were told.
    pub(crate) fn told(&self) -> usize {
        self.told.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.phase.send_replace(LifecyclePhase::Done);
        self.in_flight.evict_all();
    }

    /// Connections of whatever kind.
    pub(crate) fn connections(&self) -> usize {
        self.limiter.counts().in_use as usize
    }

    /// Waits until no connection is left.
    pub(crate) async fn emptied(&self) {
        while self.connections() > 0 || self.members.len() > 0 {
            self.limiter.emptied().await;
            self.members.emptied().await;
        }
    }

    /// Whether a drain is over.
    pub(crate) fn is_over(&self) -> bool {
        *self.phase.borrow() == LifecyclePhase::Done
    }

    /// Counts a connection, if there is room for it: in all, and for the peer if that is given.
    pub(crate) fn enter(
        &self,
        peer: Option<&PeerAddr>,
    ) -> Result<Arc<ConnectionPermit>, LimitReached> {
        let permit = self.limiter.take(peer.unwrap_or(&PeerAddr::Unix))?;
        self.record.accepted();
        Ok(Arc::new(ConnectionPermit::Connection(permit)))
    }

    pub(crate) fn stats(&self) -> ServerStats {
        let mut stats = self.record.read();
        stats.traffic.add(self.members.stats());
        ServerStats { connections: self.limiter.counts(), websockets: self.members.len(), ..stats }
    }
}

/// A server that has admitted a request, and what the request takes up of it.
#[derive(Clone)]
pub(crate) struct Admission {
    pub(crate) server: Arc<ServerState>,
    pub(crate) permit: Arc<ConnectionPermit>,
}

/// The signal to end what goes on.
pub(crate) struct DrainSignal(watch::Receiver<LifecyclePhase>);

impl DrainSignal {
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|phase| *phase >= LifecyclePhase::Draining).await.is_err() {
            // Nobody is left who could say so.
            std::future::pending::<()>().await;
        }
    }
}
