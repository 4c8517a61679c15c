//! Queueing of the application's Pings and Pongs.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use fullduplex_proto::SendError;

use crate::base::error::Error;
use crate::connection::control_frames::PongFuture;
use crate::connection::writer::waiters::WaiterKey;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

impl<S: Transport> Writer<S> {
    /// Queues a Ping when the earlier one has left, and returns the future of its Pong.
    pub(crate) fn poll_ping(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        payload: &[u8],
    ) -> Poll<Result<PongFuture, Error>> {
        let mut state = self.lock();
        ready!(self.poll_control(&mut state, cx, key, true, payload))?;
        // Under the same lock, so that its Pong can't arrive before.
        Poll::Ready(Ok(self.await_pong(&mut state, payload)))
    }

    /// Queues an unsolicited Pong when the earlier one has left.
    pub(crate) fn poll_pong(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        payload: &[u8],
    ) -> Poll<Result<(), Error>> {
        self.poll_control(&mut self.lock(), cx, key, false, payload)
    }

    /// Queues a Ping or Pong, of which one of each kind may be queued at a time. Waits until the
    /// earlier one has left.
    fn poll_control(
        self: &Arc<Self>,
        state: &mut WriterState<S>,
        cx: &mut Context<'_>,
        key: &mut WaiterKey,
        ping: bool,
        payload: &[u8],
    ) -> Poll<Result<(), Error>> {
        let mut queued = self.queue_control(state, ping, payload);
        if queued == Err(SendError::Full) {
            self.write(state);
            queued = self.queue_control(state, ping, payload);
        }
        match queued {
            Ok(()) => {
                self.write(state);
                Poll::Ready(Ok(()))
            }
            Err(SendError::Full) => {
                self.wait(state, cx, Some(key));
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
