//! Sending: from the sending halves to what the browser is given.

use std::task::{Context, Poll, Waker};

use fullduplex_proto::{CloseCause, CloseInfo, Message, MessageKind, ReadyState, SendError};

use crate::base::error::Error;
use crate::base::try_send_error::TrySendError;
use crate::web::connection::Connection;
use crate::web::connection::state::ConnectionState;

impl Connection {
    /// Queues a message without waiting.
    pub(crate) fn try_send(&self, message: Message) -> Result<(), TrySendError> {
        let high_water = self.limits.high_water;
        self.change(|state| state.try_send(message, high_water))
    }

    /// Queues a message, once `poll_ready` was ready: others may have sent meanwhile.
    pub(crate) fn send_reserved(&self, message: Message) -> Result<(), Error> {
        let sent = self.change(|state| state.try_send(message, usize::MAX));
        sent.map_err(|error| match error {
            TrySendError::Full(_) => Error::of(SendError::Full),
            TrySendError::Closed { error, .. } => error,
        })
    }

    /// Waits for capacity, then queues the message and takes it out of `outgoing`.
    pub(crate) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        outgoing: &mut Option<Message>,
    ) -> Poll<Result<(), Error>> {
        let waker = cx.waker().clone();
        let Some(message) = outgoing.take() else { return Poll::Ready(Ok(())) };
        let sent = self.change(|state| {
            let sent = state.try_send(message, self.limits.high_water);
            if matches!(sent, Err(TrySendError::Full(_))) {
                state.wait(waker);
            }
            sent
        });
        match sent {
            Ok(()) => Poll::Ready(Ok(())),
            Err(TrySendError::Closed { error, .. }) => Poll::Ready(Err(error)),
            Err(TrySendError::Full(message)) => {
                *outgoing = Some(message);
                Poll::Pending
            }
        }
    }

    /// Waits for capacity.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = cx.waker().clone();
        self.change(|state| match state.check_open() {
            Err(error) => Poll::Ready(Err(error)),
            Ok(()) if state.buffered() < self.limits.high_water => Poll::Ready(Ok(())),
            Ok(()) => state.wait_for_progress(waker),
        })
    }

    /// Waits until the browser has sent all that was queued.
    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let waker = cx.waker().clone();
        self.change(|state| {
            let is_clean = state.info.as_ref().is_none_or(CloseInfo::is_clean);
            match &state.info {
                // The task adds up what the browser has left before it reports the end.
                _ if state.buffered() == 0 && is_clean => Poll::Ready(Ok(())),
                Some(info) if state.ready_state == ReadyState::Closed => {
                    Poll::Ready(Err(if info.cause == CloseCause::Handshake {
                        Error::unsent(info, None)
                    } else {
                        Error::ended(info)
                    }))
                }
                _ => state.wait_for_progress(waker),
            }
        })
    }

    /// Returns the bytes of messages that the browser has not sent yet.
    pub(crate) fn buffered_amount(&self) -> usize {
        self.state.lock().buffered()
    }
}

impl ConnectionState {
    fn try_send(&mut self, message: Message, high_water: usize) -> Result<(), TrySendError> {
        if let Err(error) = self.check_open() {
            return Err(TrySendError::Closed { error, message });
        }
        if self.buffered() >= high_water {
            return Err(TrySendError::Full(message));
        }
        let sent = &mut self.stats.sent;
        match message.kind() {
            MessageKind::Text => sent.text += 1,
            MessageKind::Binary => sent.binary += 1,
        }
        sent.payload += message.len() as u64;
        self.outgoing.push(message);
        self.wake_task();
        Ok(())
    }

    fn check_open(&self) -> Result<(), Error> {
        match self.ready_state {
            ReadyState::Open => Ok(()),
            _ => Err(self.send_error()),
        }
    }

    fn wait_for_progress(&mut self, waker: Waker) -> Poll<Result<(), Error>> {
        self.wait(waker);
        Poll::Pending
    }
}
