//! The one task of a session: its handler, its WebSocket and its timer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex::{
    CloseCode, ErrorKind, Initiator, PreparedMessage, ReceiveHalf, SendHalf, WebSocket,
};
use futures_core::future::BoxFuture;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::engine::outcome::EndReason;
use crate::engine::protocol::{Frame, PROBE_PONG, ProbeStep};
use crate::engine::shared::{Shared, now};
use crate::trace;

/// The task of a session. It is ready when the handler has returned and the session has ended.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    /// `None` when it has returned.
    handler: Option<BoxFuture<'static, ()>>,
    /// Called at the end of the session, which may be before that of the handler.
    on_end: Option<Box<dyn FnOnce() + Send>>,
    /// The WebSocket that carries the session.
    receive: Option<ReceiveHalf>,
    /// The WebSocket that is tested for an upgrade.
    probe: Option<(SendHalf, ReceiveHalf)>,
    /// Sends what is queued, while the WebSocket is full.
    flush: Option<BoxFuture<'static, ()>>,
    timer: Pin<Box<Sleep>>,
}

impl Driver {
    pub(super) fn new(
        shared: Arc<Shared>,
        websocket: Option<WebSocket>,
        handler: BoxFuture<'static, ()>,
        on_end: Box<dyn FnOnce() + Send>,
    ) -> Self {
        let receive = websocket.map(|websocket| {
            let (send, receive) = websocket.split();
            shared.change(|state| state.websocket = Some(send));
            receive
        });
        Self {
            shared,
            handler: Some(handler),
            on_end: Some(on_end),
            receive,
            probe: None,
            flush: None,
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    /// Receives from the WebSocket until nothing is there, or the application is too slow. Returns
    /// whether something was received.
    fn poll_websocket(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_received = false;
        while let Some(receive) = &mut self.receive
            && !self.shared.lock().protocol.is_inbox_full()
        {
            let Poll::Ready(message) = Pin::new(&mut receive.next()).poll(cx) else { break };
            has_received = true;
            let info = if message.is_none() { receive.close_info() } else { None };
            let is_local = info.is_some_and(|info| info.initiator == Initiator::Local);
            self.shared.change(|state| match message {
                Some(Ok(message)) => {
                    state.protocol.counters().received(1, message.len());
                    state.protocol.receive_message(message, now());
                }
                Some(Err(error)) => {
                    let is_lost = matches!(error.kind(), ErrorKind::Io | ErrorKind::Closed);
                    state.protocol.websocket_ended(!is_lost);
                }
                // The server drains; the session itself does not read on after its Close.
                None if is_local => state.protocol.end(EndReason::ServerShutdown),
                None => state.protocol.websocket_ended(false),
            });
            if self.shared.is_ended() {
                self.receive = None;
            }
        }
        has_received
    }

    /// Takes a WebSocket for an upgrade, and follows what the client does on it. Returns whether it
    /// carries the session now.
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> bool {
        let arrived = self.shared.lock().arrived.take();
        if let Some(websocket) = arrived {
            self.probe = Some(websocket.split());
        }
        while let Some((send, receive)) = &mut self.probe {
            if !self.shared.lock().protocol.is_probing() {
                break;
            }
            let Poll::Ready(message) = Pin::new(&mut receive.next()).poll(cx) else {
                return false;
            };
            let Some(Ok(message)) = message else {
                self.shared.change(|state| state.protocol.probe_ended());
                break;
            };
            let step = self.shared.change(|state| {
                let step = state.protocol.receive_probe(message);
                match step {
                    // Before anything else is sent on it.
                    ProbeStep::Answer => drop(send.try_send(PROBE_PONG)),
                    ProbeStep::Upgraded => {
                        state.websocket = Some(send.clone());
                        state.protocol.counters().upgrade_ended(true);
                    }
                    ProbeStep::Close => {}
                }
                step
            });
            match step {
                ProbeStep::Answer => {}
                ProbeStep::Upgraded => {
                    self.receive = self.probe.take().map(|(_, receive)| receive);
                    trace::upgrade_ended(true);
                    self.shared.changed.notify_waiters();
                    return true;
                }
                ProbeStep::Close => break,
            }
        }
        self.close_probe();
        false
    }

    fn close_probe(&mut self) {
        if let Some((send, _)) = self.probe.take() {
            self.shared.lock().protocol.counters().upgrade_ended(false);
            trace::upgrade_ended(false);
            let _ = send.start_close(CloseCode::NORMAL, "the upgrade was not completed");
        }
    }

    /// Sends what is queued if the WebSocket was full.
    fn poll_flush(&mut self, cx: &mut Context<'_>) {
        let is_flushing = self.shared.lock().is_flushing;
        if is_flushing && self.flush.is_none() {
            self.flush = Some(Box::pin(flush(self.shared.clone())));
        }
        if let Some(flush) = &mut self.flush
            && flush.as_mut().poll(cx).is_ready()
        {
            self.flush = None;
        }
    }

    /// Does what is due, and sets the timer.
    fn poll_timer(&mut self, cx: &mut Context<'_>) {
        loop {
            let mut state = self.shared.lock();
            let Some(deadline) = state.protocol.deadline() else { return };
            if state.task.armed.is_none_or(|armed| deadline < armed) {
                state.task.armed = Some(deadline);
                drop(state);
                self.timer.as_mut().reset(deadline.into());
            } else {
                drop(state);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.shared.change(|state| {
                state.task.armed = None;
                state.protocol.tick(now());
            });
        }
    }

    fn poll_handler(&mut self, cx: &mut Context<'_>) {
        self.shared.lock().task.needs_handler = false;
        if let Some(handler) = &mut self.handler
            && handler.as_mut().poll(cx).is_ready()
        {
            self.handler = None;
            self.shared.close(EndReason::ForcedClose);
        }
    }

    /// Releases what only an open session needs.
    fn end(&mut self) {
        self.receive = None;
        self.flush = None;
        self.close_probe();
        if let Some(on_end) = self.on_end.take() {
            on_end();
        }
    }
}

/// Sends what is queued, each frame as soon as the WebSocket has space.
async fn flush(shared: Arc<Shared>) {
    loop {
        let next = shared.change(|state| {
            let message = match state.protocol.front_frame() {
                Some(Frame::Message(message)) => Some(message.clone()),
                Some(Frame::Ping) => Some(PreparedMessage::from("2")),
                None => None,
            };
            let next = message.and_then(|message| Some((state.websocket.clone()?, message)));
            if let Some((_, message)) = &next {
                state.protocol.counters().sent(1, message.message().len());
                state.protocol.pop_frame();
            } else {
                state.is_flushing = false;
            }
            next
        });
        let Some((websocket, message)) = next else { return };
        if websocket.send_prepared(&message).await.is_err() {
            shared.change(|state| state.protocol.websocket_ended(false));
        }
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.shared.task_begins(cx.waker());
        let mut polls_handler = true;
        loop {
            this.shared.lock().task.is_needed = false;
            // What the handler has sent is written when the WebSocket is read again.
            let mut has_progress = this.poll_websocket(cx);
            has_progress |= this.poll_probe(cx);
            this.poll_timer(cx);
            this.poll_flush(cx);
            let is_ended = this.shared.is_ended();
            if is_ended {
                this.end();
            }
            if polls_handler || has_progress {
                this.poll_handler(cx);
                has_progress = true;
            }
            if is_ended && this.handler.is_none() {
                return Poll::Ready(());
            }
            polls_handler = this.shared.lock().task.needs_handler;
            if !has_progress && this.shared.task_waits() {
                return Poll::Pending;
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The task was aborted, or the handler has panicked.
        self.shared.end(EndReason::ForcedClose);
        self.end();
    }
}
