//! The pool of a client's HTTP/2 connections.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::task::AbortHandle;

use crate::client::multiplexed::pool::{PoolEntries, PooledConnection};
use crate::transport::addresses::ConnectionAddresses;

/// A connection that accepts requests.
#[derive(Clone)]
pub(super) struct Http2Connection {
    pub(super) sender: SendRequest<Bytes>,
    /// Cloned by each stream, so that the reference count is that of the streams.
    pub(super) streams: Arc<ConnectionAddresses>,
    /// The connection's task.
    pub(super) task: AbortHandle,
}

impl Http2Connection {
    /// Returns whether the connection has neither failed nor received GOAWAY.
    fn accepts_requests(&mut self) -> bool {
        // Never pending, as this handle has not sent a request.
        let mut context = Context::from_waker(Waker::noop());
        matches!(self.sender.poll_ready(&mut context), Poll::Ready(Ok(())))
    }
}

impl PooledConnection for Http2Connection {
    fn is_closed(&self) -> bool {
        self.task.is_finished()
    }

    fn has_streams(&self) -> bool {
        Arc::strong_count(&self.streams) > 1
    }

    fn can_open_stream(&mut self) -> bool {
        // The pool's own reference is one of them.
        let streams = Arc::strong_count(&self.streams);
        streams <= self.sender.current_max_send_streams().max(1) && self.accepts_requests()
    }
}

/// The HTTP/2 connections of a client.
#[derive(Default)]
pub(crate) struct Http2Pool {
    pub(super) entries: PoolEntries<Http2Connection>,
}
