//! The handlers of a connection's sockets: which begin when, and what follows from their end.

use std::sync::Arc;
use std::task::Context;

use super::connection::{Connection, Output, Part};
use super::cores::{OnEvent, SocketCore};
use super::event::Event;
use super::reason::DisconnectReason;
use super::request::ConnectError;
use super::slots::{Running, Slot, SlotState, Step};
use super::tasks::{Panicked, caught};
use crate::engine::EndReason;
use crate::recovery::BoxFuture;
use crate::trace;

impl Connection {
    /// Takes note of a future that is done.
    pub(super) fn finished(&mut self, part: Part, output: Result<Output, Panicked>) {
        match (part, output) {
            (Part::Connecting(name), Ok(Output::Connected(Ok(core)))) => self.opened(&name, core),
            (Part::Connecting(name), Ok(Output::Connected(Err(error)))) => {
                self.refuse(&name, error);
                self.leave(&name);
            }
            (Part::Connecting(name), _) => {
                self.refuse(&name, ConnectError::new("internal error"));
                self.leave(&name);
            }
            (Part::Ordered(core), output) => {
                if output.is_err() {
                    panicked(&core);
                }
                if let Some(slot) = self.slot_of(&core) {
                    slot.running = Running::Nothing;
                }
            }
            (Part::Concurrent(core), Err(Panicked)) => panicked(&core),
            (Part::Concurrent(_), Ok(_)) => {}
        }
    }

    fn slot_of(&mut self, core: &Arc<SocketCore>) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| match &slot.state {
            SlotState::Open { core: open, .. } => Arc::ptr_eq(open, core),
            _ => false,
        })
    }

    /// Begins the life of a socket.
    fn opened(&mut self, name: &str, core: Arc<SocketCore>) {
        if !self.is_open {
            let reason = self.core.sender.end_reason().unwrap_or(EndReason::ForcedClose);
            core.close(reason.into());
        }
        let Some(slot) = self.slots.iter_mut().find(|slot| *slot.namespace == *name) else {
            return;
        };
        if slot.leaves {
            core.close(DisconnectReason::ClientNamespaceDisconnect);
        }
        slot.state = SlotState::Open { core: core.clone(), is_ended: false };
        let handlers = core.namespace.handlers.clone();
        if let Some(connected) = &handlers.connected {
            match caught(|| connected(core.clone())) {
                Ok(future) => {
                    slot.running = Running::Connected;
                    let span = core.span.clone();
                    let output = trace::instrument(span, handled(future));
                    self.tasks.push(Part::Ordered(core), output);
                }
                Err(Panicked) => panicked(&core),
            }
        }
    }

    /// Begins all handlers that can run.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        for index in 0..self.slots.len() {
            while let Some(slot) = self.slots.get_mut(index)
                && let Some(step) = slot.next_step()
            {
                self.begin(index, step, cx);
            }
        }
        // The namespaces that the client has left are remembered, so that what it sent before is
        // ignored, but not their sockets.
        for slot in &mut self.slots {
            if slot.is_done()
                && let SlotState::Open { core, .. } =
                    std::mem::replace(&mut slot.state, SlotState::Left)
            {
                let namespace = core.namespace.clone();
                drop(core);
                self.core.shared.forget_if_empty(&namespace);
            }
        }
    }

    fn begin(&mut self, index: usize, step: Step, cx: &mut Context<'_>) {
        match step {
            Step::Event(core, event) => {
                let handlers = &core.namespace.handlers;
                let any = handlers.any.clone();
                let (own, is_concurrent) = match handlers.events.get(&*event.name) {
                    Some(handler) => (Some(handler.call.clone()), handler.is_concurrent),
                    None if any.is_none() => return,
                    None => (None, false),
                };
                let future = handle_event(any, own, core.clone(), event);
                self.start(index, core, is_concurrent, future, cx);
            }
            Step::Disconnected(core, reason) => {
                let Some(disconnected) = &core.namespace.handlers.disconnected else { return };
                let Ok(future) = caught(|| disconnected(core.clone(), reason)) else { return };
                self.start(index, core, false, future, cx);
            }
        }
    }

    /// Runs a handler of a socket. One that has nothing to wait for is done at once.
    fn start(
        &mut self,
        index: usize,
        core: Arc<SocketCore>,
        is_concurrent: bool,
        future: impl Future<Output = ()> + Send + 'static,
        cx: &mut Context<'_>,
    ) {
        let future = trace::instrument(core.span.clone(), async move {
            future.await;
            Output::Handled
        });
        let part = if is_concurrent { Part::Concurrent(core) } else { Part::Ordered(core) };
        match self.tasks.start(part, future, cx) {
            None if is_concurrent => {}
            None => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.running = Running::Event;
                }
            }
            Some((Part::Ordered(core) | Part::Concurrent(core), Err(Panicked))) => panicked(&core),
            Some(_) => {}
        }
    }
}

async fn handled(future: BoxFuture<'static, ()>) -> Output {
    future.await;
    Output::Handled
}

/// Disconnects a socket of which a handler has panicked.
fn panicked(core: &SocketCore) {
    trace::panicked(&core.span);
    core.disconnect(DisconnectReason::HandlerPanicked);
}

/// Runs what is to be done with an event: `on_any` first, then its own handler.
async fn handle_event(
    any: Option<OnEvent>,
    own: Option<OnEvent>,
    core: Arc<SocketCore>,
    event: Event,
) {
    if let Some(any) = any {
        any(core.clone(), event.clone()).await;
    }
    if let Some(own) = own {
        own(core, event).await;
    }
}
