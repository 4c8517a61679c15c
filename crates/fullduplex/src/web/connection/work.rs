//! What the task has to do, and what it reports.

use std::task::{Context, Poll};

use fullduplex_proto::{CloseFrame, Message, ReadyState};

use crate::base::error::Error;
use crate::web::connection::Connection;
use crate::web::connection::state::{ConnectionState, Opened};
use crate::web::rules::{CloseEvent, check_subprotocol};

/// The next thing that the task has to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Give the browser this message.
    Send(Message),
    /// Have the browser close, without a code if there is no frame.
    Close(Option<CloseFrame>),
    /// Wait for a change. If something waits for the browser to send, look how far it is.
    Wait { watches_buffer: bool },
    /// Close the browser's object, if it is not closed, and let go of it: the connection has ended.
    End,
}

impl Connection {
    /// Returns what the task has to do. `buffered` is what the browser has not sent.
    pub(crate) fn next_work(&self, buffered: usize) -> Work {
        let high_water = self.limits.high_water;
        self.change(|state| {
            state.browser_buffered = buffered;
            let waiting = state.buffered();
            if waiting < state.last_buffered && waiting < high_water {
                state.wake_waiting();
            }
            state.last_buffered = waiting;
            match state.ready_state {
                ReadyState::Closed => return Work::End,
                ReadyState::Open if buffered < high_water => {
                    if let Some(message) = state.outgoing.pop() {
                        return Work::Send(message);
                    }
                }
                // It closes behind what is queued, which is little.
                ReadyState::Closing if state.must_close => {
                    if let Some(message) = state.outgoing.pop() {
                        return Work::Send(message);
                    }
                    state.must_close = false;
                    let frame = state.info.as_ref().and_then(|info| info.sent.clone());
                    return Work::Close(frame);
                }
                _ => {}
            }
            Work::Wait { watches_buffer: state.buffered() > 0 }
        })
    }

    /// Waits until something has changed that the task must look at.
    pub(crate) fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.state.lock();
        if std::mem::take(&mut state.has_work) {
            return Poll::Ready(());
        }
        let replaced = state.task.replace(waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Wakes the task to look at the browser's object.
    pub(crate) fn wake_task(&self) {
        self.change(ConnectionState::wake_task);
    }

    /// Reports that the connection is open. It is not if the subprotocol was not offered.
    pub(crate) fn opened(&self, opened: Opened) {
        let checked = check_subprotocol(&self.subprotocols, &opened.subprotocol);
        self.change(|state| match checked {
            _ if state.ready_state != ReadyState::Connecting => {}
            Ok(()) => state.opened(opened),
            Err(error) => state.open_failed(error),
        });
    }

    /// Reports that the connection could not be opened.
    pub(crate) fn open_failed(&self, error: Error) {
        self.change(|state| state.open_failed(error));
    }

    /// Reports that the peer has begun to close.
    pub(crate) fn peer_closes(&self) {
        self.change(ConnectionState::peer_closes);
    }

    /// Reports the end. `buffered` is what the browser has not sent.
    pub(crate) fn ended(&self, event: CloseEvent, buffered: usize) {
        self.change(|state| {
            state.browser_buffered = buffered;
            state.ended(event);
        });
    }

    /// Reports that the end was awaited for too long.
    pub(crate) fn close_timed_out(&self) {
        self.change(ConnectionState::close_timed_out);
    }
}
