//! The life of a server: what all of its connections share, and how it ends.

use std::fmt;
use std::sync::Arc;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};

use super::in_flight::InFlight;
use super::members::{Members, Place};
use super::request::Denied;
use super::stats::Record;
use super::{End, NoSlot, Peer, ServerLimits, Slots, Stats, trace};
use crate::traffic::Traffic;

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) in_flight: InFlight,
    pub(crate) members: Members,
    phase: watch::Sender<Phase>,
    slots: Slots,
    /// A WebSocket has come while the server drains.
    late: Notify,
    /// A connection or a WebSocket has ended.
    ended: Notify,
    pub(crate) record: Record,
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
            late: Notify::new(),
            ended: Notify::new(),
            record: Record::default(),
        })
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

    pub(crate) fn begin_drain(&self) {
        self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Serving;
            if begins {
                *phase = Phase::Draining;
            }
            begins
        });
    }

    pub(crate) fn end(&self) {
        self.phase.send_replace(Phase::Done);
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

    /// Ready when a WebSocket comes from now on while the server drains.
    pub(crate) fn late(&self) -> Notified<'_> {
        self.late.notified()
    }

    /// A WebSocket has come. Gives whether it may stay: not when all is over.
    pub(crate) fn note_come(&self) -> bool {
        let phase = *self.phase.borrow();
        if phase == Phase::Draining {
            self.late.notify_waiters();
        }
        phase < Phase::Done
    }

    /// Counts a WebSocket that opens in a server of somebody else's.
    pub(crate) fn enter_tracked(self: &Arc<Self>) -> Result<Arc<Place>, Denied> {
        if self.is_draining() {
            return Err(Denied::Leaving);
        }
        self.enter(&Peer::Unix).map_err(|full| Denied::Policy(503, full.to_string()))
    }

    /// Counts a connection, if there is room for it.
    pub(crate) fn enter(self: &Arc<Self>, peer: &Peer) -> Result<Arc<Place>, NoSlot> {
        // Programs on this machine are no strangers, and often a proxy before us.
        let is_near = peer.ip().is_some_and(|ip| ip.is_loopback());
        let slot = self.slots.take(if is_near { &Peer::Unix } else { peer })?;
        self.record.accepted();
        Ok(Arc::new(Place { shared: self.clone(), slot: Some(slot) }))
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

    /// Counts if the handler panics while this is held.
    pub(crate) fn watch_for_panic(self: &Arc<Self>) -> PanicWatch {
        PanicWatch(self.clone())
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

pub(crate) struct PanicWatch(Arc<Shared>);

impl Drop for PanicWatch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.record.panic();
            trace::panicked();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Given back before anybody looks.
        self.slot = None;
        self.shared.ended.notify_waiters();
    }
}
