//! The HTTP/2 connections of a client.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::AbortHandle;

use crate::client::multiplexed::pool::{PoolEntries, PooledConnection};

/// A connection that takes requests.
#[derive(Clone)]
pub(super) struct Http2Connection {
    pub(super) sender: SendRequest<Bytes>,
    /// Held by each of its streams, to count them.
    pub(super) streams: Arc<()>,
    /// The connection's task.
    pub(super) task: AbortHandle,
}

impl Http2Connection {
    /// Whether it neither has failed nor is going away.
    fn takes_requests(&mut self) -> bool {
        // It never waits, as this handle has sent nothing.
        let mut nobody = Context::from_waker(Waker::noop());
        matches!(self.sender.poll_ready(&mut nobody), Poll::Ready(Ok(())))
    }
}

impl PooledConnection for Http2Connection {
    fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    fn has_streams(&self) -> bool {
        Arc::strong_count(&self.streams) > 1
    }

    fn has_room(&mut self) -> bool {
        // The pool's own is one of them.
        let streams = Arc::strong_count(&self.streams);
        streams <= self.sender.current_max_send_streams().max(1) && self.takes_requests()
    }
}

/// The connections of a client.
#[derive(Default)]
pub(crate) struct Http2Pool {
    pub(super) slots: PoolEntries<Http2Connection>,
}
