//! Queueing of the application's Pings and Pongs.

use std::sync::Arc;
use std::task::{Context, Poll};

use fullduplex_proto::SendError;

use crate::base::error::Error;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Queues a Ping or Pong, of which one of each kind may be queued at a time. Waits until the
    /// earlier one has left.
    pub(crate) fn poll_control(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        ping: bool,
        payload: &[u8],
    ) -> Poll<Result<(), Error>> {
        let mut state = self.lock();
        let mut queued = self.queue_control(&mut state, ping, payload);
        if queued == Err(SendError::Full) {
            self.write(&mut state);
            queued = self.queue_control(&mut state, ping, payload);
        }
        match queued {
            Ok(()) => {
                self.write(&mut state);
                Poll::Ready(Ok(()))
            }
            Err(SendError::Full) => {
                self.wait(&mut state, cx, Some(key));
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(state.send_error(error))),
        }
    }

    fn queue_control(
        &self,
        state: &mut WriterState<S>,
        ping: bool,
        payload: &[u8],
    ) -> Result<(), SendError> {
        self.check_runtime(state)?;
        match (&state.write_error, ping) {
            (Some(_), _) => Err(SendError::Closing),
            (None, true) => state.session.ping(payload),
            (None, false) => state.session.pong(payload),
        }
    }
}
