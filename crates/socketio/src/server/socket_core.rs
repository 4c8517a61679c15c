//! A socket's acknowledgements and its end.

use std::any::Any;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, oneshot};

use super::ack::AckError;
use super::change::Change;
use super::config::SlowPolicy;
use super::cores::{ConnectionCore, NamespaceCore, SocketCore};
use super::deliver::Delivery;
use super::reason::DisconnectReason;
use crate::args::Args;
use crate::engine::{EndReason, SendOutcome};
use crate::id::SocketId;
use crate::parser::Head;
use crate::trace;

impl SocketCore {
    pub(super) fn new(
        id: SocketId,
        namespace: Arc<NamespaceCore>,
        connection: Arc<ConnectionCore>,
        user: Arc<dyn Any + Send + Sync>,
        is_recovered: bool,
    ) -> Self {
        Self {
            span: trace::socket_span(&namespace.name, &id),
            id,
            namespace,
            connection,
            user,
            is_recovered,
            reason: AtomicU8::new(0),
            closed: Notify::new(),
            awaits_end: AtomicBool::new(false),
            is_gated: AtomicBool::new(false),
            has_conflated: AtomicBool::new(false),
            dropped_now: AtomicU64::new(0),
            dropped_total: AtomicU64::new(0),
            outstanding_acks: Mutex::default(),
            slow: Mutex::new(None),
        }
    }

    pub(super) fn reason(&self) -> Option<DisconnectReason> {
        DisconnectReason::from_number(self.reason.load(Ordering::Acquire))
    }

    pub(super) fn slow_policy(&self) -> SlowPolicy {
        let own = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_ref().unwrap_or(&self.connection.shared.config.slow).clone()
    }

    fn acks(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Args>>> {
        self.outstanding_acks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an acknowledgement is waited for, unless there are too many or the socket is
    /// closed.
    pub(super) fn expect_ack(&self, id: u64) -> Result<oneshot::Receiver<Args>, AckError> {
        let mut acks = self.acks();
        // What closes the socket takes all entries afterwards.
        if self.reason().is_some() {
            return Err(AckError::Disconnected);
        }
        if acks.len() >= self.connection.shared.config.max_outstanding_acks {
            return Err(AckError::TooManyOutstanding);
        }
        let (sender, receiver) = oneshot::channel();
        acks.insert(id, sender);
        if acks.len() == 1 {
            // The connection's task may have stopped reading.
            self.connection.changed.set();
        }
        Ok(receiver)
    }

    pub(super) fn forget_ack(&self, id: u64) {
        let mut acks = self.acks();
        acks.remove(&id);
        if acks.is_empty() {
            *acks = HashMap::new();
        }
    }

    pub(super) fn has_outstanding_acks(&self) -> bool {
        !self.acks().is_empty()
    }

    /// Hands an acknowledgement to the task that waits for it. An unexpected one is ignored.
    pub(super) fn resolve_ack(&self, id: u64, args: Args) {
        let waiting = self.acks().remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.send(args);
        }
    }

    /// Marks the socket as disconnected, and counts it. Returns whether it was connected. Must not
    /// be called under a lock.
    pub(super) fn mark_closed(&self, reason: DisconnectReason) -> bool {
        let was_connected = self.set_reason(reason);
        if was_connected {
            self.connection.shared.counters.disconnected(reason);
            trace::disconnected(&self.span, reason.as_str());
            let (namespace, id) = (self.namespace.name(), self.id);
            let change = || Change::Disconnected { namespace: namespace.clone(), id, reason };
            self.connection.shared.observe_change(change);
        }
        was_connected
    }

    /// Sets why the socket is disconnected. Returns whether it was connected.
    pub(super) fn set_reason(&self, reason: DisconnectReason) -> bool {
        let closed =
            self.reason.compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        if closed.is_err() {
            return false;
        }
        let acks = std::mem::take(&mut *self.acks());
        drop(acks);
        self.closed.notify_waiters();
        self.connection.changed.set();
        true
    }

    /// Disconnects the socket, without a word to the client. Must not be called under the lock of
    /// the namespace.
    pub(super) fn close(&self, reason: DisconnectReason) {
        if self.mark_closed(reason) {
            self.namespace.remove(self, reason);
        }
    }

    /// Disconnects the socket, and tells the client.
    pub(super) fn disconnect(&self, reason: DisconnectReason) {
        if self.reason().is_some() {
            return;
        }
        let parser = self.connection.shared.config.parser;
        let packet = parser.encode_disconnect(self.namespace.name()).into();
        if self.connection.sender.send(&packet) == SendOutcome::Full {
            // The client must not believe that it is connected.
            self.connection.sender.close(EndReason::ForcedClose);
        }
        self.close(reason);
    }

    /// Disconnects a client that is too slow, with its connection.
    pub(super) fn close_slow(&self) {
        self.close(DisconnectReason::SlowClient);
        self.connection.sender.close(EndReason::ForcedClose);
    }

    pub(super) async fn closed(&self) -> DisconnectReason {
        loop {
            let notified = self.closed.notified();
            // A close after this line wakes the future that was made before it.
            if let Some(reason) = self.reason() {
                return reason;
            }
            notified.await;
        }
    }

    /// Answers an event.
    pub(super) async fn acknowledge<T: Serialize + ?Sized>(&self, id: u64, answer: &T) -> Delivery {
        let parser = self.connection.shared.config.parser;
        match parser.encode(self.namespace.name(), Head::Ack(id), answer) {
            Ok(packet) => self.send_waiting(&packet.finish(None).into()).await,
            Err(error) => Delivery::Invalid(error),
        }
    }
}
