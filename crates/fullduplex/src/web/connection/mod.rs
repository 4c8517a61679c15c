//! What the halves of a WebSocket share with the task that has the browser's object.

mod queue;
mod receiving;
mod sending;
mod state;
#[cfg(test)]
mod tests;
mod work;

use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use fullduplex_proto::{CloseFrame, CloseInfo, ReadyState};

use crate::base::error::Error;
use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::web::connection::state::ConnectionState;

pub(crate) use state::{BufferLimits, Opened};
pub(crate) use work::Work;

/// A connection as its halves and the task see it. Wakers, and the drops of messages, run without
/// its lock.
#[derive(Debug)]
pub(crate) struct Connection {
    state: Mutex<ConnectionState>,
    limits: BufferLimits,
    subprotocols: Vec<String>,
}

/// Releases the lock, drops what is to be dropped without it, and wakes those whom the change
/// concerns. Apart, as it would be repeated in every method.
#[inline(never)]
fn unlock(mut state: MutexGuard<'_, ConnectionState>) {
    let (wakers, unsent) = state.take_deferred();
    drop(state);
    drop(unsent);
    wakers.into_iter().for_each(Waker::wake);
}

impl Connection {
    /// Creates a connection that is not open yet, with one sending half. These subprotocols are
    /// offered.
    pub(crate) fn new(limits: BufferLimits, subprotocols: Vec<String>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(ConnectionState::new()), limits, subprotocols })
    }

    pub(crate) fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Changes the state, and then wakes those whom that concerns.
    fn change<T>(&self, change: impl FnOnce(&mut ConnectionState) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        unlock(state);
        result
    }

    /// Waits until the connection is open.
    pub(crate) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Opened, Error>> {
        let waker = cx.waker().clone();
        self.change(|state| state.poll_open(waker))
    }

    /// Starts the closing handshake, after what is queued. A second call has no effect.
    pub(crate) fn start_close(&self, frame: Option<CloseFrame>) {
        self.change(|state| state.start_close(frame));
    }

    /// Waits until the connection has ended.
    pub(crate) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        self.change(|state| {
            if state.ready_state == ReadyState::Closed {
                return Poll::Ready(());
            }
            state.wait(waker);
            Poll::Pending
        })
    }

    pub(crate) fn close_info(&self) -> Option<CloseInfo> {
        self.state.lock().info.clone()
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        self.state.lock().ready_state
    }

    pub(crate) fn stats(&self) -> ConnectionStats {
        self.state.lock().stats
    }

    pub(crate) fn add_sender(&self) {
        self.state.lock().senders += 1;
    }

    /// Records that a sending half was dropped. The connection is closed when all halves are.
    pub(crate) fn drop_sender(&self) {
        self.change(|state| {
            state.senders -= 1;
            state.close_if_dropped();
        });
    }

    /// Records that the receiving half was dropped. What it has not received is dropped, and so is
    /// what arrives.
    pub(crate) fn drop_receiver(&self) {
        let unread = self.change(|state| {
            state.is_receiver_dropped = true;
            state.close_if_dropped();
            state.wake_for_space();
            state.incoming.take()
        });
        drop(unread);
    }
}
