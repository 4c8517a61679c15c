//! What follows from a change of a session, when its lock is released.

use std::task::Waker;

use bytes::Bytes;
use fullduplex::{CloseCode, SendHalf};
use tokio::sync::{Notify, oneshot};

use crate::engine::outcome::EndReason;

/// What has to be done after a change, when the lock is released.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) answer: Option<(oneshot::Sender<Bytes>, Bytes)>,
    pub(super) closed: Option<(SendHalf, EndReason)>,
    pub(super) receiver: Option<Waker>,
    pub(super) task: Option<Waker>,
    pub(super) notifies: bool,
}

impl Effects {
    /// Runs wakers and drops what may run code of others. No lock is held.
    pub(super) fn apply(self, changed: &Notify) {
        let Self { answer, closed, receiver, task, notifies } = self;
        if let Some((poll, payload)) = answer {
            // A GET that has dropped the receiver ends the session.
            let _ = poll.send(payload);
        }
        if let Some((websocket, reason)) = closed {
            let _ = websocket.start_close(close_code(reason), reason.as_str());
        }
        if notifies {
            changed.notify_waiters();
        }
        [receiver, task].into_iter().flatten().for_each(Waker::wake);
    }
}

/// Returns the code with which a WebSocket is closed (RFC 6455 §7.4.1).
fn close_code(reason: EndReason) -> CloseCode {
    match reason {
        EndReason::ServerShutdown => CloseCode::GOING_AWAY,
        EndReason::ParseError | EndReason::TransportError => CloseCode::PROTOCOL_ERROR,
        EndReason::TransportClose | EndReason::PingTimeout | EndReason::ForcedClose => {
            CloseCode::NORMAL
        }
    }
}
