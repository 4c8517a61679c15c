//! The state of a session that its handles, its task and its HTTP requests share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use fullduplex::server::policy::PeerAddr;
use fullduplex::{CloseCode, SendHalf, TrySendError, WebSocket};
use http::Request;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant as TokioInstant;

use crate::engine::context::EngineContext;
use crate::engine::effects::Effects;
use crate::engine::id::SessionId;
use crate::engine::opening::OpeningRequest;
use crate::engine::outcome::{EndReason, SendOutcome, TransportKind};
use crate::engine::outgoing::Outgoing;
use crate::engine::packet::Data;
use crate::engine::payload::packets;
use crate::engine::protocol::{Frame, PollingError, Protocol};
use crate::engine::queue::Pushed;

/// Returns the time, which tests may pause.
pub(super) fn now() -> Instant {
    TokioInstant::now().into_std()
}

/// A session, as its handles see it.
pub(crate) struct Shared {
    pub(super) id: SessionId,
    pub(super) request: OpeningRequest,
    pub(super) peer: PeerAddr,
    state: Mutex<State>,
    /// Notified when there is more space, and at the end.
    pub(super) changed: Notify,
}

/// What is behind the lock.
pub(super) struct State {
    pub(super) protocol: Protocol,
    /// The WebSocket that carries the session.
    pub(super) websocket: Option<SendHalf>,
    /// Whether the session's task sends what is queued, as the WebSocket was full.
    pub(super) is_flushing: bool,
    /// A WebSocket for an upgrade, which the session's task has yet to take.
    pub(super) arrived: Option<WebSocket>,
    /// The GET that waits.
    poll: Option<oneshot::Sender<Bytes>>,
    receiver: Option<Waker>,
    pub(super) task: TaskState,
    /// The bytes that were queued at the last change.
    queued_bytes: usize,
    was_inbox_full: bool,
    is_ended: bool,
}

/// What is known of the session's task.
#[derive(Default)]
pub(super) struct TaskState {
    waker: Option<Waker>,
    /// Whether it runs now. It then looks at `is_needed` and `needs_handler` before it waits.
    runs: bool,
    /// Whether there is something that only the task can do.
    pub(super) is_needed: bool,
    /// Whether the handler has to be polled, as what it waits for is there.
    pub(super) needs_handler: bool,
    /// When it looks at the time again.
    pub(super) armed: Option<Instant>,
}

impl TaskState {
    fn has_work(&self) -> bool {
        self.is_needed || self.needs_handler
    }
}

impl Shared {
    pub(super) fn new(
        context: &Arc<EngineContext>,
        transport: TransportKind,
        request: Request<()>,
        peer: PeerAddr,
    ) -> Self {
        let state = State {
            protocol: Protocol::new(context.clone(), transport, now()),
            websocket: None,
            is_flushing: false,
            arrived: None,
            poll: None,
            receiver: None,
            task: TaskState::default(),
            queued_bytes: 0,
            was_inbox_full: false,
            is_ended: false,
        };
        let (id, changed) = (SessionId::random(), Notify::new());
        let request = OpeningRequest::new(request);
        Self { id, request, peer, state: Mutex::new(state), changed }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and does what follows from it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let had_work = state.task.has_work();
        let result = change(&mut state);
        let effects = state.settle(had_work);
        drop(state);
        effects.apply(&self.changed);
        result
    }

    /// Sends a message. If it is `gathered`, the WebSocket may send it with those that follow.
    pub(super) fn send(&self, message: &Outgoing, key: Option<u64>, gathered: bool) -> SendOutcome {
        if self.lock().send_at_once(message, gathered) {
            return SendOutcome::Sent;
        }
        self.change(|state| {
            let pushed = state.protocol.send(message, key);
            state.pump();
            match pushed {
                None => SendOutcome::Closed,
                Some(Pushed::Full) => SendOutcome::Full,
                Some(_) if state.protocol.end_reason().is_some() => SendOutcome::Closed,
                Some(_) if state.is_sent() => SendOutcome::Sent,
                Some(Pushed::Queued) => SendOutcome::Queued,
                Some(Pushed::Replaced) => SendOutcome::Replaced,
            }
        })
    }

    /// Sends a message if at least its first frame can go out now.
    pub(super) fn send_volatile(&self, message: &Outgoing) -> SendOutcome {
        self.change(|state| {
            if !state.protocol.is_open() {
                return SendOutcome::Closed;
            }
            if state.protocol.has_queued() || !state.is_writable() {
                return SendOutcome::Full;
            }
            if state.send_at_once(message, false) {
                return SendOutcome::Sent;
            }
            match state.protocol.send(message, None) {
                Some(Pushed::Queued | Pushed::Replaced) => {}
                Some(Pushed::Full) => return SendOutcome::Full,
                None => return SendOutcome::Closed,
            }
            state.pump();
            if state.is_sent() { SendOutcome::Sent } else { SendOutcome::Queued }
        })
    }

    pub(super) fn poll_receive(&self, cx: &Context<'_>) -> Poll<Option<Data>> {
        self.change(|state| {
            if let Some(data) = state.protocol.receive() {
                return Poll::Ready(Some(data));
            }
            if state.protocol.end_reason().is_some() {
                return Poll::Ready(None);
            }
            state.receiver = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    /// Registers a GET. Its response arrives on the channel.
    pub(crate) fn begin_poll(&self) -> Result<oneshot::Receiver<Bytes>, PollingError> {
        self.change(|state| {
            state.protocol.begin_poll()?;
            let (sender, receiver) = oneshot::channel();
            state.poll = Some(sender);
            Ok(receiver)
        })
    }

    /// Ends the session, as the client has left a GET before it had its response.
    pub(crate) fn cut_poll(&self) {
        self.change(|state| state.protocol.cut_poll());
    }

    /// Whether one more GET has to be answered though its client has closed the session. True once.
    pub(super) fn take_owed_noop(&self) -> bool {
        self.lock().protocol.take_owed_noop()
    }

    pub(crate) fn begin_post(&self) -> Result<(), PollingError> {
        self.change(|state| state.protocol.begin_post())
    }

    /// Takes the content of a POST, and waits until the application has space for more.
    pub(crate) async fn receive_payload(&self, content: Bytes) -> Result<(), PollingError> {
        self.change(|state| {
            state.protocol.counters().received(packets(&content), content.len());
            state.protocol.receive_payload(content, now())
        })?;
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // Registered before the state is read, so that no wake-up is lost between the two.
            changed.as_mut().enable();
            if !self.lock().protocol.is_inbox_full() {
                return Ok(());
            }
            changed.await;
        }
    }

    pub(crate) fn end_post(&self) {
        self.change(|state| state.protocol.end_post());
    }

    pub(crate) fn cut_post(&self) {
        self.change(|state| state.protocol.cut_post());
    }

    /// Begins an upgrade with this WebSocket, or closes it.
    pub(crate) fn upgrade(&self, websocket: WebSocket) {
        let refused = self.change(|state| {
            if state.protocol.begin_probe(now()) {
                state.arrived = Some(websocket);
                state.task.is_needed = true;
                return None;
            }
            Some(websocket)
        });
        if let Some(mut refused) = refused {
            let _ = refused.start_close(CloseCode::NORMAL, "the session has another transport");
        }
    }

    pub(super) fn close(&self, reason: EndReason) {
        self.change(|state| state.protocol.close(reason, now()));
    }

    pub(super) fn end(&self, reason: EndReason) {
        self.change(|state| state.protocol.end(reason));
    }

    /// Whether the session has ended, or has to now: its task may be a little late.
    pub(super) fn is_over(&self) -> bool {
        self.change(|state| {
            let now = now();
            if state.protocol.deadline().is_some_and(|deadline| now >= deadline) {
                state.protocol.tick(now);
            }
            state.protocol.end_reason().is_some()
        })
    }

    /// Returns why the session has ended, and what has carried it.
    pub(super) fn ended_as(&self) -> (EndReason, TransportKind) {
        let state = self.lock();
        let reason = state.protocol.end_reason().unwrap_or(EndReason::ForcedClose);
        (reason, state.protocol.transport())
    }

    /// Whether the session has ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.lock().protocol.end_reason().is_some()
    }

    pub(crate) fn transport(&self) -> TransportKind {
        self.lock().protocol.transport()
    }

    /// Notes that the task runs, and how it is woken.
    pub(super) fn task_begins(&self, waker: &Waker) {
        let mut state = self.lock();
        state.task.runs = true;
        if !state.task.waker.as_ref().is_some_and(|own| own.will_wake(waker)) {
            state.task.waker = Some(waker.clone());
        }
    }

    /// Notes that the task waits. Returns false if there is something to do.
    pub(super) fn task_waits(&self) -> bool {
        self.change(|state| {
            state.task.runs = state.task.has_work();
            !state.task.runs
        })
    }
}

impl State {
    /// Whether a message can leave the session now.
    fn is_writable(&self) -> bool {
        match &self.websocket {
            Some(_) => !self.is_flushing,
            None => self.has_poll_for_messages(),
        }
    }

    /// Hands a message of one frame to the WebSocket, past the queue, if nothing waits in that.
    /// Returns whether it did; nothing else has changed then.
    fn send_at_once(&self, message: &Outgoing, gathered: bool) -> bool {
        let (Some(websocket), Some(frame)) = (&self.websocket, message.only_frame()) else {
            return false;
        };
        if self.is_flushing || !self.protocol.is_idle_websocket() {
            return false;
        }
        // What the application answers to the next received messages leaves together with it.
        let sent = if gathered || self.protocol.has_received() {
            websocket.try_feed_prepared(frame)
        } else {
            websocket.try_send_prepared(frame)
        };
        if sent.is_ok() {
            self.protocol.counters().sent(1, frame.message().len());
        }
        sent.is_ok()
    }

    /// Whether the last message has left the queue, or does when the lock is released.
    fn is_sent(&self) -> bool {
        self.has_poll_for_messages() || !self.protocol.has_queued() && !self.is_flushing
    }

    /// Whether a GET waits whose response carries what is queued.
    fn has_poll_for_messages(&self) -> bool {
        self.poll.is_some() && !self.protocol.is_leaving_polling()
    }

    /// Hands what is queued to the WebSocket, as far as it takes it.
    fn pump(&mut self) {
        let Some(websocket) = self.websocket.as_ref().filter(|_| !self.is_flushing) else { return };
        while let Some(frame) = self.protocol.front_frame() {
            let (sent, len) = match frame {
                Frame::Ping => (websocket.try_send("2"), 1),
                Frame::Message(message) => {
                    (websocket.try_send_prepared(message), message.message().len())
                }
            };
            match sent {
                Ok(()) => {
                    self.protocol.pop_frame();
                    self.protocol.counters().sent(1, len);
                }
                Err(TrySendError::Full(_)) => {
                    self.is_flushing = true;
                    self.task.is_needed = true;
                    return;
                }
                Err(TrySendError::Closed { .. }) => {
                    return self.protocol.websocket_ended(false);
                }
            }
        }
    }

    /// Does what follows from a change, and returns what has to be done without the lock.
    fn settle(&mut self, had_work: bool) -> Effects {
        let mut effects = Effects::default();
        self.pump();
        if !self.is_flushing {
            self.protocol.finish_close();
        }
        // All that the handler sends in one go leaves in one payload.
        if self.poll.is_some()
            && (!self.task.runs || self.protocol.end_reason().is_some())
            && let Some(payload) = self.protocol.take_payload()
        {
            self.protocol.counters().poll_answered(packets(&payload), payload.len());
            effects.answer = self.poll.take().map(|poll| (poll, payload));
        }
        let end = self.protocol.end_reason();
        if let Some(reason) = end {
            effects.closed = self.websocket.take().map(|websocket| (websocket, reason));
            self.task.is_needed |= !std::mem::replace(&mut self.is_ended, true);
        }
        let is_inbox_full = self.protocol.is_inbox_full();
        let has_space =
            std::mem::replace(&mut self.was_inbox_full, is_inbox_full) && !is_inbox_full;
        let queued_bytes = self.protocol.queued_bytes();
        let has_sent = queued_bytes < std::mem::replace(&mut self.queued_bytes, queued_bytes);
        effects.notifies = end.is_some() || has_space || has_sent;
        self.task.is_needed |= has_space || self.is_due_earlier();
        if end.is_some() || self.protocol.has_received() {
            effects.receiver = self.receiver.take();
        }
        self.wake(had_work, &mut effects);
        effects
    }

    /// Whether the task has to look at the time earlier than it will.
    fn is_due_earlier(&self) -> bool {
        let deadline = self.protocol.deadline();
        deadline.is_some_and(|deadline| self.task.armed.is_some_and(|armed| deadline < armed))
    }

    /// Wakes the task, and the receiver if that is another one, unless the task runs anyway.
    fn wake(&mut self, had_work: bool, effects: &mut Effects) {
        let Some(task) = &self.task.waker else { return };
        if effects.receiver.as_ref().is_some_and(|receiver| receiver.will_wake(task)) {
            self.task.needs_handler = true;
            effects.receiver = None;
        }
        if self.task.has_work() && !had_work && !self.task.runs {
            effects.task = Some(task.clone());
        }
    }
}
