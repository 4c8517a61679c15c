//! Clients that come back to a namespace, and the gate that keeps live packets behind missed ones.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::timeout;

use super::cores::{
    ConnectionCore, Gate, Member, NamespaceCore, NamespaceState, RecoverableMember, Rooms,
    SocketCore,
};
use super::deliver::{Attempt, Delivery, SendMode};
use super::reason::DisconnectReason;
use super::stats::RecoveryOutcome;
use crate::engine::{EndReason, Outgoing};
use crate::id::SocketId;
use crate::recovery::{Recovery, SavedSession};

/// How many live packets may wait until a client has received the missed ones.
const MAX_GATED_PACKETS: usize = 10_000;

/// How many bytes of live packets may wait until a client has received the missed ones.
const MAX_GATED_BYTES: usize = 16 << 20;

impl NamespaceCore {
    /// Lets a client in that comes back, if nothing that it missed is lost. Sends it what it
    /// missed. Otherwise says why nothing was recovered.
    pub(super) async fn recover(
        self: &Arc<Self>,
        connection: &Arc<ConnectionCore>,
        private_id: SocketId,
        offset: Option<&str>,
        user: &Arc<dyn Any + Send + Sync>,
    ) -> Result<Arc<SocketCore>, RecoveryOutcome> {
        let recovery = self.recovery.as_ref().ok_or(RecoveryOutcome::UnknownSession)?;
        // The storage is foreign code, and the client waits for an answer.
        let limit = connection.shared.config.connect_timeout;
        let session = timeout(limit, recovery.storage.session(private_id)).await.unwrap_or(None);
        let session = session.filter(|session| session.namespace == self.log);
        let session = session.ok_or(RecoveryOutcome::UnknownSession)?;
        let position = match offset {
            // The client has received nothing yet.
            None => session.recoverable_from,
            Some(offset) => self.parse_offset(offset).ok_or(RecoveryOutcome::UnknownOffset)?,
        };
        let (id, user) = (session.socket_id, user.clone());
        let mut core = SocketCore::new(id, self.clone(), connection.clone(), user, true);
        *core.is_gated.get_mut() = true;
        let core = Arc::new(core);
        let (session, registered_at) = self.take_over(&core, session);
        let missed = if session.can_recover_from(position) {
            let read = timeout(limit, recovery.storage.read(&self.log, position)).await;
            read.unwrap_or(None).ok_or(RecoveryOutcome::Forgotten)
        } else {
            Err(RecoveryOutcome::Dropped)
        };
        let missed = match missed {
            Ok(_) if self.lock().gate(&core).is_none() => Err(RecoveryOutcome::Overtaken),
            missed => missed,
        };
        let missed = match missed {
            Ok(missed) => missed,
            Err(why) => {
                // The client was never told of this socket.
                core.set_reason(DisconnectReason::TransportClose);
                self.remove(&core, DisconnectReason::ServerNamespaceDisconnect);
                return Err(why);
            }
        };
        self.send_connect(&core, Some(&session));
        // Later ones wait behind the gate.
        for logged in missed.into_iter().filter(|logged| logged.sequence <= registered_at) {
            if session.includes(&logged) {
                core.send_missed(&logged.packet).await;
            }
        }
        let outcome = if self.open_gate(&core).await {
            RecoveryOutcome::Recovered
        } else {
            RecoveryOutcome::Overtaken
        };
        connection.shared.counters.recovery_ended(outcome);
        Ok(core)
    }

    /// Puts a gated socket in the place of the one with its id. Returns what is known of it, and
    /// the sequence up to which live packets don't reach it.
    fn take_over(&self, core: &Arc<SocketCore>, saved: SavedSession) -> (SavedSession, u64) {
        let mut state = self.lock();
        let previous = state.take(core.id);
        let registered_at = self.sequence.load(Ordering::Relaxed);
        let session = match &previous {
            // The saved one may be older.
            Some(Member { rooms: Rooms::Recoverable(member), .. }) => member.session.clone(),
            _ => saved,
        };
        for room in session.current_rooms() {
            state.rooms.entry(room.clone()).or_default().insert(core.id, core.clone());
        }
        let member = RecoverableMember { session: session.clone(), gate: Some(Gate::default()) };
        let rooms = Rooms::Recoverable(Box::new(member));
        state.members.insert(core.id, Member { core: core.clone(), rooms });
        if let Some(recovery) = &self.recovery {
            recovery.storage.put_session(&session, None);
        }
        drop(state);
        if let Some(previous) = previous {
            previous.core.mark_closed(DisconnectReason::TransportClose);
        }
        (session, registered_at)
    }

    /// Sends what came while a socket was gated, until nothing is left. Returns false if something
    /// is lost, so that the connection was closed.
    async fn open_gate(&self, core: &SocketCore) -> bool {
        loop {
            let waiting = {
                let mut state = self.lock();
                let Some(member) = state.recoverable(core) else { return true };
                match &mut member.gate {
                    Some(gate) if !gate.packets.is_empty() => std::mem::take(gate).packets,
                    Some(_) => {
                        member.gate = None;
                        // All that was dropped before is sent.
                        member.session.first_dropped = None;
                        core.is_gated.store(false, Ordering::Relaxed);
                        return true;
                    }
                    // Too much came. The client was told that it is recovered, so that it has to
                    // come back.
                    None => break,
                }
            };
            for message in waiting {
                core.send_missed(&message).await;
            }
        }
        core.connection.sender.close(EndReason::ForcedClose);
        false
    }
}

impl NamespaceState {
    /// Returns what is known of a socket that can be recovered, unless another one has taken over
    /// its id meanwhile.
    fn recoverable(&mut self, core: &SocketCore) -> Option<&mut RecoverableMember> {
        match self.members.get_mut(&core.id) {
            Some(Member { core: current, rooms: Rooms::Recoverable(member) })
                if std::ptr::eq(Arc::as_ptr(current), core) =>
            {
                Some(member)
            }
            _ => None,
        }
    }

    fn gate(&mut self, core: &SocketCore) -> Option<&mut Gate> {
        self.recoverable(core)?.gate.as_mut()
    }

    /// Keeps a live packet until those that were missed are sent.
    pub(super) fn hold(
        &mut self,
        core: &SocketCore,
        message: &Outgoing,
        mode: SendMode,
    ) -> Attempt {
        if mode == SendMode::Volatile {
            return Attempt::Done(Delivery::Dropped(1));
        }
        let Some(member) = self.recoverable(core) else {
            return Attempt::Done(Delivery::Closed);
        };
        match &mut member.gate {
            Some(gate)
                if gate.packets.len() < MAX_GATED_PACKETS
                    && gate.bytes.saturating_add(message.len()) <= MAX_GATED_BYTES =>
            {
                gate.bytes += message.len();
                gate.packets.push(message.clone());
                Attempt::Done(Delivery::Queued)
            }
            gate => {
                *gate = None;
                Attempt::Done(Delivery::Closed)
            }
        }
    }

    /// Notes that a packet is lost for a socket.
    pub(super) fn lose(&mut self, core: &SocketCore, sequence: u64, recovery: Option<&Recovery>) {
        let Some(recovery) = recovery else { return };
        if let Some(member) = self.recoverable(core) {
            let before = member.session.first_dropped;
            member.session.drop_packet(sequence);
            if member.session.first_dropped != before {
                recovery.storage.put_session(&member.session, None);
            }
        }
    }
}
