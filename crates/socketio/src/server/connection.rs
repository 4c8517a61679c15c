//! The task of one connection: it reads packets, and runs the handlers of all its sockets.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio::time::{Instant, Sleep, sleep_until};

use super::ServerShared;
use super::admission::admit;
use super::cores::{ConnectionCore, SocketCore};
use super::event::Event;
use super::reason::DisconnectReason;
use super::request::{ConnectError, ConnectRequest, RequestParts};
use super::signal::TaskSignal;
use super::slots::{Slot, SlotState};
use super::tasks::{Tasks, caught};
use crate::args::Args;
use crate::engine::{Data, EndReason, SendOutcome, Session};
use crate::packet::{Packet, PacketBody, PacketError};
use crate::parser::Decoder;
use crate::recovery::BoxFuture;
use crate::trace;

/// How many more events may wait while acknowledgements are waited for. Reading goes on for those.
const PENDING_WITH_ACKS: usize = 16;

/// Of what a future of the connection's task is part.
pub(super) enum Part {
    Connecting(Arc<str>),
    Ordered(Arc<SocketCore>),
    Concurrent(Arc<SocketCore>),
}

/// What a future of the connection's task leads to.
pub(super) enum Output {
    Connected(Result<Arc<SocketCore>, ConnectError>),
    Handled,
}

/// What the task of a connection has.
pub(super) struct Connection {
    pub(super) core: Arc<ConnectionCore>,
    decoder: Decoder,
    pub(super) slots: Vec<Slot>,
    pub(super) tasks: Tasks<Part, Output>,
    /// Ends the connection if it is in no namespace by then.
    deadline: Option<Pin<Box<Sleep>>>,
    /// Is ready when the client, of which messages were dropped, has caught up.
    catching_up: Option<BoxFuture<'static, ()>>,
    pub(super) is_open: bool,
}

/// Runs a connection to its end.
pub(super) async fn run(shared: Arc<ServerShared>, mut session: Session) {
    let config = &shared.config;
    let core = ConnectionCore {
        sender: session.sender().clone(),
        shared: shared.clone(),
        #[cfg(feature = "admin")]
        opened: std::time::SystemTime::now(),
        changed: TaskSignal::default(),
        owes_report: AtomicBool::new(false),
    };
    let mut connection = Connection {
        core: Arc::new(core),
        decoder: Decoder::new(config.parser, config.packet_limits.clone()),
        slots: Vec::new(),
        tasks: Tasks::new(),
        deadline: None,
        catching_up: None,
        is_open: true,
    };
    while connection.is_open || !connection.is_done() {
        connection.set_deadline();
        connection.watch_queue();
        let reads = connection.is_open && !connection.is_backlogged();
        let Connection { core, tasks, deadline, catching_up, .. } = &mut connection;
        tokio::select! {
            // None of the first three can keep the others waiting for ever, and what the last is
            // for is done after each.
            biased;
            (part, output) = tasks.next(), if !tasks.is_empty() => {
                connection.finished(part, output);
            }
            () = expired(deadline) => connection.fail(DisconnectReason::ForcedClose),
            () = caught_up(catching_up) => connection.report_dropped(),
            data = session.recv(), if reads => match data {
                Some(data) => connection.receive(&session, data),
                None => connection.ended(),
            },
            () = poll_fn(|cx| core.changed.poll_set(cx)) => {}
        }
        poll_fn(|cx| {
            connection.advance(cx);
            Poll::Ready(())
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Handles of sockets may live on.
        self.core.changed.forget_task();
    }
}

/// Waits for a deadline, or for ever if there is none.
async fn expired(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

/// Waits until a client has caught up, or for ever if it need not.
async fn caught_up(catching_up: &mut Option<BoxFuture<'static, ()>>) {
    match catching_up {
        Some(caught_up) => caught_up.await,
        None => std::future::pending().await,
    }
}

impl Connection {
    /// Whether nothing is left to do.
    fn is_done(&self) -> bool {
        self.tasks.is_empty() && self.slots.iter().all(Slot::is_done)
    }

    /// Whether more waits to be handled than is allowed, so that nothing is read.
    fn is_backlogged(&self) -> bool {
        let waiting: usize = self.slots.iter().map(|slot| slot.events.len()).sum();
        // One future of each socket may wait for its end, and does no work.
        let pending = waiting + self.tasks.len().saturating_sub(self.slots.len());
        let max = self.core.shared.config.max_pending_events;
        if pending < max {
            return false;
        }
        let awaits_acks = self.slots.iter().any(|slot| match &slot.state {
            SlotState::Open { core, .. } => core.has_outstanding_acks(),
            _ => false,
        });
        !awaits_acks || pending >= max.saturating_mul(PENDING_WITH_ACKS)
    }

    /// Sets the deadline of a connection that is in no namespace, or removes that of another.
    fn set_deadline(&mut self) {
        if !self.is_open || self.slots.iter().any(Slot::is_live) {
            self.deadline = None;
        } else if self.deadline.is_none() {
            let until = Instant::now() + self.core.shared.config.connect_timeout;
            self.deadline = Some(Box::pin(sleep_until(until)));
        }
    }

    // ----- Dropped messages -----

    /// Begins to wait until the client has caught up, if it has to be told then what it missed.
    fn watch_queue(&mut self) {
        // It is mostly unset, and reading costs less than swapping.
        let owes_report = self.core.owes_report.load(Ordering::Acquire);
        if owes_report
            && self.catching_up.is_none()
            && self.core.owes_report.swap(false, Ordering::AcqRel)
        {
            let sender = self.core.sender.clone();
            self.catching_up = Some(Box::pin(async move { sender.drained().await }));
        }
    }

    fn report_dropped(&mut self) {
        self.catching_up = None;
        for slot in &self.slots {
            if let SlotState::Open { core, .. } = &slot.state {
                core.report_what_was_dropped();
            }
        }
    }

    // ----- The end -----

    /// Closes the connection because of the client.
    fn fail(&mut self, reason: DisconnectReason) {
        let end = match reason {
            DisconnectReason::ParseError => EndReason::ParseError,
            _ => EndReason::ForcedClose,
        };
        self.core.sender.close(end);
        self.close_sockets(reason);
    }

    /// Handles the end of the session.
    fn ended(&mut self) {
        let reason = self.core.sender.end_reason().unwrap_or(EndReason::TransportClose);
        self.close_sockets(reason.into());
    }

    fn close_sockets(&mut self, reason: DisconnectReason) {
        self.is_open = false;
        for slot in &self.slots {
            if let SlotState::Open { core, .. } = &slot.state {
                core.close(reason);
            }
        }
    }

    // ----- Packets -----

    fn receive(&mut self, session: &Session, data: Data) {
        let packet = match data {
            Data::Text(text) => self.decoder.text(text),
            Data::Binary(bytes) => self.decoder.binary(bytes),
        };
        let handled = match packet {
            Ok(Some(packet)) => self.handle(session, packet),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if handled.is_err() {
            self.fail(DisconnectReason::ParseError);
        }
    }

    fn handle(&mut self, session: &Session, packet: Packet) -> Result<(), PacketError> {
        const NOT_CONNECTED: PacketError =
            PacketError::Malformed("a packet for a namespace that the client is not in");
        if let PacketBody::Connect { data } = packet.body {
            return self.connect(session, packet.namespace, data);
        }
        let slot = self.slots.iter_mut().find(|slot| slot.namespace == packet.namespace);
        let slot = slot.ok_or(NOT_CONNECTED)?;
        match (&slot.state, packet.body) {
            // The client did not know yet.
            (SlotState::Left, _) => {}
            (_, PacketBody::Event { name, id, args }) => {
                if slot.is_live() {
                    let event = Event { name: name.into(), args, ack_id: id };
                    self.core.shared.observe_event(slot, &event);
                    slot.events.push_back(event);
                }
            }
            (SlotState::Open { core, .. }, PacketBody::Ack { id, args }) => {
                core.resolve_ack(id, args);
            }
            (SlotState::Open { core, .. }, PacketBody::Disconnect) => {
                let core = core.clone();
                core.close(DisconnectReason::ClientNamespaceDisconnect);
            }
            (SlotState::Connecting, PacketBody::Disconnect) => slot.leaves = true,
            _ => return Err(NOT_CONNECTED),
        }
        Ok(())
    }

    /// Begins to let a client into a namespace.
    fn connect(
        &mut self,
        session: &Session,
        name: Arc<str>,
        auth: Args,
    ) -> Result<(), PacketError> {
        let existing = self.slots.iter().position(|slot| slot.namespace == name);
        if let Some(index) = existing {
            if self.slots.get(index).is_some_and(|slot| slot.is_live() || !slot.is_done()) {
                return Err(PacketError::Malformed("the client is in the namespace"));
            }
            self.slots.remove(index);
        }
        let config = &self.core.shared.config;
        if self.slots.len() >= config.max_namespaces {
            // One that the client has left makes room.
            let Some(left) = self.slots.iter().position(Slot::is_done) else {
                self.refuse(&name, ConnectError::new("too many namespaces"));
                return Ok(());
            };
            self.slots.remove(left);
        }
        let namespace = caught(|| self.core.shared.namespace(&name)).unwrap_or(None);
        // Most clients are in one namespace.
        self.slots.reserve_exact(1);
        self.slots.push(Slot::connecting(name.clone()));
        let Some(namespace) = namespace else {
            self.refuse(&name, ConnectError::new("Invalid namespace"));
            self.leave(&name);
            return Ok(());
        };
        let shared = RequestParts {
            namespace: name.clone(),
            auth: if auth.is_empty() { Args::empty_object() } else { auth },
            http: session.request(),
            peer: session.peer(),
        };
        let request = ConnectRequest { shared: Arc::new(shared) };
        let core = self.core.clone();
        self.tasks.push(Part::Connecting(name), async move {
            Output::Connected(admit(namespace, core, request).await)
        });
        Ok(())
    }

    /// Refuses a client's wish to be in a namespace.
    pub(super) fn refuse(&self, name: &str, error: ConnectError) {
        self.core.shared.counters.refused();
        trace::refused(name);
        let parser = self.core.shared.config.parser;
        let packet = parser.encode_connect_error(name, &error.into_value());
        if self.core.sender.send(&packet.into()) == SendOutcome::Full {
            // The client must not wait for an answer for ever.
            self.core.sender.close(EndReason::ForcedClose);
        }
    }

    pub(super) fn leave(&mut self, name: &str) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| *slot.namespace == *name) {
            slot.state = SlotState::Left;
            slot.events.clear();
        }
    }
}
