//! The life of a server: what all of its connections share, and how it ends.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use fullduplex_proto::{CloseCode, CloseFrame};
use tokio::sync::{Notify, watch};

use crate::connection::driver::Driven;
use crate::connection::stats::Traffic;
use crate::server::config::ServerLimits;
use crate::server::handshake::request::Denied;
use crate::server::policy::peer::Peer;
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::connection_limit::Claim;
use crate::server::state::connection_limit::{NoSlot, Slots};
use crate::server::state::handshake_limit::InFlight;
use crate::server::state::members::{Members, Place};
use crate::server::state::refused::OnRefused;
use crate::server::state::stats::Record;
use crate::server::state::stats::{End, Stats};

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) in_flight: InFlight,
    pub(crate) members: Members,
    phase: watch::Sender<Phase>,
    slots: Slots,
    /// A connection or a WebSocket has ended.
    ended: Notify,
    /// How many WebSockets were told that the server goes away.
    told: AtomicUsize,
    pub(crate) record: Record,
    /// Set when the server begins to serve.
    pub(crate) on_refused: OnceLock<OnRefused>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    Draining,
    Done,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("websockets", &self.members.len()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(limits: &ServerLimits) -> Arc<Self> {
        Arc::new(Self {
            in_flight: InFlight::new(limits.max_handshakes),
            members: Members::default(),
            phase: watch::Sender::new(Phase::Serving),
            slots: Slots::new(limits.connections),
            ended: Notify::new(),
            told: AtomicUsize::new(0),
            record: Record::default(),
            on_refused: OnceLock::new(),
        })
    }

    /// Sets other limits. What stands is not held to them.
    pub(crate) fn set_limits(&self, limits: &ServerLimits) {
        self.in_flight.set_limit(limits.max_handshakes);
        self.slots.set_limits(limits.connections);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
    }

    pub(crate) fn draining(&self) -> Draining {
        Draining(self.phase.subscribe())
    }

    /// Waits until all is over.
    pub(crate) async fn done(&self) {
        // The sender is ours, so it can't be gone.
        let _ = self.phase.subscribe().wait_for(|phase| *phase == Phase::Done).await;
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
            let begins = *phase == Phase::Serving;
            if begins {
                *phase = Phase::Draining;
            }
            begins
        });
    }

    /// Tells a WebSocket that the server goes away (RFC 6455 §7.4.1).
    pub(crate) fn tell(&self, websocket: Arc<dyn Driven>) {
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
        self.phase.send_replace(Phase::Done);
        self.in_flight.evict_all();
    }

    /// Connections of whatever kind.
    pub(crate) fn connections(&self) -> usize {
        self.slots.counts().in_use as usize
    }

    /// Waits until no connection is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let ended = self.ended.notified();
            if self.connections() == 0 && self.members.len() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Whether a drain is over.
    pub(crate) fn is_over(&self) -> bool {
        *self.phase.borrow() == Phase::Done
    }

    /// Counts a WebSocket that opens in a server of somebody else's.
    pub(crate) fn enter_tracked(self: &Arc<Self>) -> Result<Arc<Place>, Denied> {
        if self.is_draining() {
            return Err(Denied::Leaving);
        }
        self.enter(None).map_err(|full| Denied::Policy(503, full.to_string()))
    }

    /// Counts a connection, if there is room for it: in all, and for the peer if that is given.
    pub(crate) fn enter(self: &Arc<Self>, peer: Option<&Peer>) -> Result<Arc<Place>, NoSlot> {
        let slot = self.slots.take(peer.unwrap_or(&Peer::Unix))?;
        self.record.accepted();
        Ok(Arc::new(Place::new(self.clone(), slot)))
    }

    /// Counts a WebSocket for its client, beside the connection that carries it. Nothing is held
    /// where there is no limit.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn claim(&self, client: &Peer) -> Result<Option<Claim>, NoSlot> {
        self.slots.claim(client)
    }

    /// A connection has ended.
    pub(crate) fn note_left(&self) {
        self.ended.notify_waiters();
    }

    /// A WebSocket has ended.
    pub(crate) fn note_end(&self, end: End, traffic: Traffic) {
        self.record.end(end, traffic);
        self.ended.notify_waiters();
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.record.read();
        stats.traffic.add(self.members.traffic());
        Stats { connections: self.slots.counts(), websockets: self.members.len(), ..stats }
    }
}

/// The signal to end what goes on.
pub(crate) struct Draining(watch::Receiver<Phase>);

impl Draining {
    pub(crate) async fn wait(&mut self) {
        if self.0.wait_for(|phase| *phase >= Phase::Draining).await.is_err() {
            // Nobody is left who could say so.
            std::future::pending::<()>().await;
        }
    }
}
