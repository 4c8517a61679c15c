//! How a writer takes Pings and Pongs of the application.

use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex_proto::SendError;

use crate::base::error::Error;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Waits for the slot of a Ping or Pong, then queues it.
    pub(crate) fn poll_control(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        ping: bool,
        payload: &[u8],
    ) -> Poll<Result<(), Error>> {
        let mut inner = self.lock();
        let mut queued = self.queue_control(&mut inner, ping, payload);
        if queued == Err(SendError::Full) {
            self.write(&mut inner);
            queued = self.queue_control(&mut inner, ping, payload);
        }
        match queued {
            Ok(()) => {
                self.write(&mut inner);
                Poll::Ready(Ok(()))
            }
            Err(SendError::Full) => {
                self.wait(&mut inner, cx, Some(key));
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(inner.refused(error))),
        }
    }

    fn queue_control(
        &self,
        inner: &mut WriterState<S>,
        ping: bool,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check_runtime(inner)?;
        match (&inner.broken, ping) {
            (Some(_), _) => Err(SendError::Closing),
            (None, true) => inner.session.ping(payload),
            (None, false) => inner.session.pong(payload),
        }
    }
}
