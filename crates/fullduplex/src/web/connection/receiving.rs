//! Receiving: from the browser's events to the receiving half.

use std::task::{Context, Poll};

use fullduplex_proto::{CloseCause, Message, MessageKind, ProtocolError, ReadyState};

use crate::base::error::Error;
use crate::web::connection::Connection;

/// What is read ahead of the application, as natively.
const MAX_READ_AHEAD: usize = 64 << 10;

impl Connection {
    /// Receives the next message; `None` after the end, and after the error of an unclean one.
    pub(crate) fn poll_message(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, Error>>> {
        let waker = cx.waker().clone();
        self.change(|state| {
            if let Some(message) = state.incoming.pop() {
                state.wake_for_space();
                return Poll::Ready(Some(Ok(message)));
            }
            if state.has_error {
                state.has_error = false;
                state.has_returned_none = true;
                return Poll::Ready(state.info.as_ref().map(|info| Err(Error::ended(info))));
            }
            if state.ready_state == ReadyState::Closed || state.has_returned_none {
                state.has_returned_none = true;
                return Poll::Ready(None);
            }
            state.receiver = Some(waker);
            Poll::Pending
        })
    }

    /// Waits until a message can be read ahead, where the browser waits for its reader.
    pub(crate) fn poll_space(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        self.change(|state| {
            let is_dropped =
                state.is_receiver_dropped || state.has_error || state.has_returned_none;
            if is_dropped || state.incoming.bytes() < MAX_READ_AHEAD {
                return Poll::Ready(());
            }
            state.space = Some(waker);
            Poll::Pending
        })
    }

    pub(crate) fn is_terminated(&self) -> bool {
        self.state.lock().has_returned_none
    }

    /// Returns whether a message of this length is not longer than `max_message_size`; otherwise
    /// the connection is closed.
    pub(crate) fn admits(&self, len: usize) -> bool {
        let Some(limit) = self.limits.max_message_size.filter(|limit| len as u64 > *limit) else {
            return true;
        };
        let cause = CloseCause::Protocol(ProtocolError::MessageTooBig { limit });
        self.change(|state| state.fail(cause));
        false
    }

    /// Queues a received message for the receiving half.
    pub(crate) fn received(&self, message: Message) {
        if !self.admits(message.len()) {
            return;
        }
        let dropped = self.change(|state| {
            // After a failure, or when the receiving half is gone, no task wants it.
            if state.is_receiver_dropped || state.has_error || state.has_returned_none {
                return Some(message);
            }
            let received = &mut state.stats.received;
            match message.kind() {
                MessageKind::Text => received.text += 1,
                MessageKind::Binary => received.binary += 1,
            }
            received.payload += message.len() as u64;
            let is_first = state.incoming.is_empty();
            state.incoming.push(message);
            // A single message may be as long as `max_message_size` allows.
            if !is_first && state.incoming.bytes() > self.limits.max_buffered {
                state.fail(CloseCause::MaxBuffered);
            }
            state.wake_receiver();
            None
        });
        drop(dropped);
    }
}
