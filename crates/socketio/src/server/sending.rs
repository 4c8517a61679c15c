//! What is sent in a namespace, in the order that all its sockets see.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;

use super::cores::{NamespaceCore, NamespaceState, SocketCore};
use super::deliver::{Attempt, Delivery, SendMode};
use super::target::Target;
use crate::engine::Outgoing;
use crate::packet::EncodeError;
use crate::parser::{Head, PartialPacket};
use crate::recovery::{LoggedPacket, Recovery};

/// What became of a packet to one of many.
pub(super) enum Receipt {
    Delivery(Delivery),
    /// The socket's policy is to wait until the packet fits.
    MustWait(Arc<SocketCore>),
}

impl NamespaceCore {
    pub(super) fn next_ack_id(&self) -> u64 {
        self.next_ack_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn encode<T: Serialize + ?Sized>(
        &self,
        head: Head<'_>,
        args: &T,
    ) -> Result<PartialPacket, EncodeError> {
        self.parser.encode(&self.name, head, args)
    }

    fn offset(recovery: &Recovery, sequence: u64) -> String {
        format!("{}.{sequence}", recovery.storage.epoch())
    }

    /// Returns the offset of the last packet, for packets that can't be recovered themselves: a
    /// client takes the last text of any event for an offset.
    pub(super) fn last_offset(&self) -> Option<String> {
        let recovery = self.recovery.as_ref()?;
        Some(Self::offset(recovery, self.sequence.load(Ordering::Relaxed)))
    }

    /// Returns the position that an offset of a client means, if it is one of ours.
    pub(super) fn parse_offset(&self, offset: &str) -> Option<u64> {
        let (epoch, sequence) = offset.rsplit_once('.')?;
        if epoch != self.recovery.as_ref()?.storage.epoch() {
            return None;
        }
        let sequence = sequence.parse().ok()?;
        (sequence <= self.sequence.load(Ordering::Relaxed)).then_some(sequence)
    }

    /// Sends a packet to one socket, and waits for room if its policy says so.
    pub(super) async fn emit_to(
        &self,
        core: &Arc<SocketCore>,
        packet: PartialPacket,
        mode: SendMode,
    ) -> Delivery {
        if self.recovery.is_none() {
            let message: Outgoing = packet.finish(None).into();
            loop {
                match core.attempt(&message, mode, true) {
                    Attempt::Done(delivery) => return delivery,
                    Attempt::Close => return Delivery::Closed,
                    Attempt::Full => core.connection.sender.ready(message.len()).await,
                }
            }
        }
        let rooms: Arc<[Arc<str>]> = Arc::new([Arc::from(core.id.as_str())]);
        loop {
            // In a block, as the guard of a lock is not held while the future waits.
            let size = {
                let mut state = self.lock();
                if core.reason().is_some() {
                    return Delivery::Closed;
                }
                let (message, sequence) = self.finish(packet.clone(), mode);
                match self.deliver(&mut state, core, &message, mode, sequence, true) {
                    Attempt::Done(delivery) => {
                        if delivery != Delivery::Closed {
                            self.commit(sequence, &rooms, &Arc::default(), message);
                        }
                        return delivery;
                    }
                    Attempt::Close => return Delivery::Closed,
                    Attempt::Full => message.len(),
                }
            };
            core.connection.sender.ready(size).await;
        }
    }

    /// Sends a packet to all sockets of a target that are there now.
    pub(super) fn publish(
        &self,
        target: &Target,
        packet: PartialPacket,
        mode: SendMode,
    ) -> (Vec<Receipt>, Outgoing) {
        let mut too_slow = Vec::new();
        let mut receipts = Vec::new();
        let message = {
            let mut state = self.lock();
            let (message, sequence) = self.finish(packet, mode);
            let cores = state.targets(target);
            receipts.reserve(cores.len());
            for core in cores {
                match self.deliver(&mut state, &core, &message, mode, sequence, false) {
                    Attempt::Done(delivery) => receipts.push(Receipt::Delivery(delivery)),
                    Attempt::Close => {
                        receipts.push(Receipt::Delivery(Delivery::Closed));
                        too_slow.push(core);
                    }
                    Attempt::Full => receipts.push(Receipt::MustWait(core)),
                }
            }
            self.commit(sequence, &target.rooms(), &target.except(), message.clone());
            message
        };
        for core in too_slow {
            core.close_slow();
        }
        (receipts, message)
    }

    /// Completes a packet, with the sequence that it has if it is sent now.
    fn finish(&self, packet: PartialPacket, mode: SendMode) -> (Outgoing, Option<u64>) {
        let Some(recovery) = &self.recovery else {
            return (packet.finish(None).into(), None);
        };
        let last = self.sequence.load(Ordering::Relaxed);
        let is_recoverable = mode != SendMode::Volatile;
        let sequence = last + u64::from(is_recoverable);
        let offset = Self::offset(recovery, sequence);
        let message = packet.finish(Some(&offset)).into();
        (message, is_recoverable.then_some(sequence))
    }

    /// Remembers a packet that was sent. Called under the lock, after its delivery.
    fn commit(
        &self,
        sequence: Option<u64>,
        rooms: &Arc<[Arc<str>]>,
        except: &Arc<[Arc<str>]>,
        packet: Outgoing,
    ) {
        let (Some(sequence), Some(recovery)) = (sequence, &self.recovery) else { return };
        self.sequence.store(sequence, Ordering::Relaxed);
        let packet =
            LoggedPacket { sequence, rooms: rooms.clone(), except: except.clone(), packet };
        recovery.storage.append(&self.log, packet);
    }

    /// Hands a packet to the connection of a socket, or keeps it until those before it are sent.
    fn deliver(
        &self,
        state: &mut NamespaceState,
        core: &Arc<SocketCore>,
        message: &Outgoing,
        mode: SendMode,
        sequence: Option<u64>,
        can_wait: bool,
    ) -> Attempt {
        if core.is_gated.load(Ordering::Relaxed) {
            return state.hold(core, message, mode);
        }
        let attempt = core.attempt(message, mode, can_wait);
        let was_dropped = matches!(attempt, Attempt::Done(Delivery::Dropped(_)));
        // A packet that waits outside of the lock may be overtaken, and is lost to recovery.
        let may_be_lost = was_dropped || attempt == Attempt::Full && !can_wait;
        if may_be_lost && let Some(sequence) = sequence {
            state.lose(core, sequence, self.recovery.as_ref());
        }
        if core.has_conflated.load(Ordering::Relaxed) {
            state.lose(core, 0, self.recovery.as_ref());
        }
        attempt
    }
}
