//! The Pings of the application that wait for their Pongs, and the observer of Pings and Pongs.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use fullduplex_proto::{CloseInfo, Event, ReadyState};
use tokio::sync::{mpsc, oneshot};

use crate::base::error::{Error, ErrorKind};
use crate::base::guard::DeferredDrop;
use crate::connection::control_frames::{ControlFrame, ControlFrames, PongFuture};
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// The most Pings that wait for their Pongs. Beyond that, the oldest is given up.
const MAX_PENDING: usize = 64;

/// The most Pings and Pongs that wait for the observer.
const MAX_OBSERVED: usize = 64;

/// What waits for Pings and Pongs of the peer.
#[derive(Default)]
pub(crate) struct ControlWatch {
    /// In the order of sending.
    pings: VecDeque<PendingPing>,
    observer: Option<mpsc::Sender<ControlFrame>>,
}

/// A Ping of the application that waits for its Pong.
pub(super) struct PendingPing {
    payload: Box<[u8]>,
    sent: Duration,
    waiter: oneshot::Sender<Result<Duration, Error>>,
}

impl ControlWatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.pings.is_empty() && self.observer.is_none()
    }

    /// Takes the Pings whose futures were dropped.
    pub(super) fn take_forgotten(&mut self) -> VecDeque<PendingPing> {
        let (forgotten, pings) =
            self.pings.drain(..).partition(|ping: &PendingPing| ping.waiter.is_closed());
        self.pings = pings;
        forgotten
    }

    /// Takes the Pings that a Pong with this payload answers. The peer may answer only the last one
    /// that it has received (RFC 6455 §5.5.3), so that includes all that were sent before.
    fn take_answered(&mut self, payload: &[u8]) -> Vec<PendingPing> {
        let answered = self.pings.iter().position(|ping| *ping.payload == *payload);
        answered.map_or_else(Vec::new, |last| self.pings.drain(..=last).collect())
    }

    /// Reports the end of the connection to all that wait.
    pub(crate) fn end(self, info: Option<&CloseInfo>) {
        for ping in self.pings {
            let never_open = || Error::new(ErrorKind::Closed, "the connection was never open");
            let _ = ping.waiter.send(Err(info.map_or_else(never_open, Error::ended)));
        }
    }
}

impl<S: Transport> Writer<S> {
    /// Records that a Ping was queued, and returns the future of its Pong.
    pub(super) fn await_pong(&self, state: &mut WriterState<S>, payload: &[u8]) -> PongFuture {
        let (waiter, pong) = oneshot::channel();
        let watch = &mut state.waiters.get_or_insert_default().control;
        let forgotten = watch.take_forgotten();
        let oldest = if watch.pings.len() >= MAX_PENDING { watch.pings.pop_front() } else { None };
        watch.pings.push_back(PendingPing {
            payload: payload.into(),
            sent: self.driver.now(),
            waiter,
        });
        if !forgotten.is_empty() {
            state.drop_later(DeferredDrop::Call(Box::new(|| drop(forgotten))));
        }
        if let Some(oldest) = oldest {
            state.drop_later(DeferredDrop::Call(Box::new(|| {
                let message = format!("{MAX_PENDING} later Pings wait for their Pongs");
                let _ = oldest.waiter.send(Err(Error::new(ErrorKind::Limit, message)));
            })));
        }
        PongFuture::new(pong)
    }

    /// Reports a Ping or Pong to those that wait for it, when the lock is released. `at_once` says
    /// whether it was read as soon as it arrived.
    #[cold]
    pub(super) fn watch_control(
        &self,
        state: &mut WriterState<S>,
        event: &Event<'_>,
        at_once: bool,
    ) {
        let Some(waiters) = &mut state.waiters else { return };
        let watch = &mut waiters.control;
        let (payload, is_pong) = match event {
            Event::Ping(payload) => (*payload, false),
            Event::Pong(payload) => (*payload, true),
            Event::Data(_) | Event::Close(_) => return,
        };
        let answered = if is_pong { watch.take_answered(payload) } else { Vec::new() };
        let observer = watch.observer.clone();
        if observer.as_ref().is_some_and(mpsc::Sender::is_closed) {
            watch.observer = None;
        }
        if waiters.is_empty() {
            state.waiters = None;
        }
        let now = self.driver.now();
        if let Some(last) = answered.last()
            && at_once
        {
            state.session.record_round_trip(now.saturating_sub(last.sent));
        }
        if !answered.is_empty() {
            state.drop_later(DeferredDrop::Call(Box::new(move || {
                for ping in answered {
                    let _ = ping.waiter.send(Ok(now.saturating_sub(ping.sent)));
                }
            })));
        }
        if let Some(observer) = observer {
            let payload = Bytes::copy_from_slice(payload);
            let frame =
                if is_pong { ControlFrame::Pong(payload) } else { ControlFrame::Ping(payload) };
            state.drop_later(DeferredDrop::Call(Box::new(move || drop(observer.try_send(frame)))));
        }
    }

    /// Returns a stream of the Pings and Pongs that arrive from now on, in place of the stream
    /// before.
    pub(crate) fn observe_control(&self) -> ControlFrames {
        let (sender, frames) = mpsc::channel(MAX_OBSERVED);
        let mut state = self.lock();
        if state.session.state() == ReadyState::Closed {
            drop(state);
            drop(sender);
        } else {
            let watch = &mut state.waiters.get_or_insert_default().control;
            let before = watch.observer.replace(sender);
            drop(state);
            drop(before);
        }
        ControlFrames::new(frames)
    }
}
