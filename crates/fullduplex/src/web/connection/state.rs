//! The state of a connection, below its lock.

use std::task::{Poll, Waker};

use fullduplex_proto::{CloseCause, CloseFrame, CloseInfo, Initiator, ReadyState, SendError};

use crate::base::error::Error;
use crate::base::stats::ConnectionStats;
use crate::web::connection::queue::MessageQueue;
use crate::web::rules::{CloseEvent, not_opened};

/// How much a connection may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BufferLimits {
    /// The bytes that may wait to be sent before `send` waits.
    pub(crate) high_water: usize,
    /// The bytes of received messages that may wait for the application.
    pub(crate) max_buffered: usize,
    pub(crate) max_message_size: Option<u64>,
}

/// What a browser tells about the server's response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The `protocol` of the browser's object: empty if none was negotiated.
    pub(crate) subprotocol: String,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct ConnectionState {
    pub(super) ready_state: ReadyState,
    /// What the browser told, until the future of `connect` takes it.
    opened: Option<Opened>,
    /// Why the connection could not be opened, until the future of `connect` takes it.
    open_error: Option<Error>,
    /// How the connection ended, or how far its closing is.
    pub(super) info: Option<CloseInfo>,
    /// Whether the receiving half has yet to return that the connection failed.
    pub(super) has_error: bool,
    /// Whether the receiving half has returned `None`.
    pub(super) has_returned_none: bool,
    /// Whether the browser has not yet been told to close.
    pub(super) must_close: bool,
    /// Messages that the browser has not been given.
    pub(super) outgoing: MessageQueue,
    /// What the browser had not sent when it was last asked.
    pub(super) browser_buffered: usize,
    /// What was not sent in all when the task last looked.
    pub(super) last_buffered: usize,
    pub(super) incoming: MessageQueue,
    pub(super) stats: ConnectionStats,
    pub(super) senders: usize,
    pub(super) is_receiver_dropped: bool,
    /// Whether the task has something to do, or to look at.
    pub(super) has_work: bool,
    pub(super) task: Option<Waker>,
    pub(super) receiver: Option<Waker>,
    /// The reader of the browser's stream, while there is no space for what it reads.
    pub(super) space: Option<Waker>,
    /// All others who wait. Each looks again at every change.
    waiting: Vec<Waker>,
    /// The wakers to wake when the lock is released.
    woken: Vec<Waker>,
    /// Messages to drop when the lock is released.
    unsent: MessageQueue,
}

impl ConnectionState {
    pub(super) fn new() -> Self {
        Self {
            ready_state: ReadyState::Connecting,
            opened: None,
            open_error: None,
            info: None,
            has_error: false,
            has_returned_none: false,
            must_close: false,
            outgoing: MessageQueue::default(),
            browser_buffered: 0,
            last_buffered: 0,
            incoming: MessageQueue::default(),
            stats: ConnectionStats::default(),
            senders: 1,
            is_receiver_dropped: false,
            has_work: false,
            task: None,
            receiver: None,
            space: None,
            waiting: Vec::new(),
            woken: Vec::new(),
            unsent: MessageQueue::default(),
        }
    }

    /// Enters a waker that is woken at the next change.
    pub(super) fn wait(&mut self, waker: Waker) {
        // A future that was dropped may have left the same one.
        if !self.waiting.iter().any(|other| other.will_wake(&waker)) {
            self.waiting.push(waker);
        }
    }

    pub(super) fn wake_all(&mut self) {
        self.wake_waiting();
        self.wake_receiver();
        self.wake_for_space();
    }

    /// Wakes all but the receiving half and the task.
    pub(super) fn wake_waiting(&mut self) {
        self.woken.append(&mut self.waiting);
    }

    pub(super) fn wake_for_space(&mut self) {
        self.woken.extend(self.space.take());
    }

    pub(super) fn wake_receiver(&mut self) {
        self.woken.extend(self.receiver.take());
    }

    /// Wakes the task to look at what has changed.
    pub(super) fn wake_task(&mut self) {
        self.has_work = true;
        self.woken.extend(self.task.take());
    }

    /// Returns whom to wake, and what to drop, without the lock.
    pub(super) fn take_deferred(&mut self) -> (Vec<Waker>, MessageQueue) {
        (std::mem::take(&mut self.woken), self.unsent.take())
    }

    pub(super) fn poll_open(&mut self, waker: Waker) -> Poll<Result<Opened, Error>> {
        if let Some(error) = self.open_error.take() {
            return Poll::Ready(Err(error));
        }
        if let Some(opened) = self.opened.take() {
            return Poll::Ready(Ok(opened));
        }
        self.wait(waker);
        Poll::Pending
    }

    pub(super) fn opened(&mut self, opened: Opened) {
        self.ready_state = ReadyState::Open;
        self.opened = Some(opened);
        self.wake_all();
    }

    pub(super) fn open_failed(&mut self, error: Error) {
        self.ready_state = ReadyState::Closed;
        self.open_error = Some(error);
        self.wake_all();
        self.wake_task();
    }

    /// Returns how many bytes are not sent yet, as far as that is known.
    pub(super) fn buffered(&self) -> usize {
        self.outgoing.bytes() + self.browser_buffered
    }

    pub(super) fn start_close(&mut self, frame: Option<CloseFrame>) {
        if matches!(self.ready_state, ReadyState::Closing | ReadyState::Closed) {
            return;
        }
        let mut info = CloseInfo::new(Initiator::Local, CloseCause::Handshake);
        info.sent = frame;
        self.begin_closing(info);
    }

    /// Closes for a reason of this library, which the receiving half returns as an error when it
    /// has returned what was received before.
    pub(super) fn fail(&mut self, cause: CloseCause) {
        if self.ready_state != ReadyState::Closed {
            self.has_error = true;
            self.begin_closing(CloseInfo::new(Initiator::Library, cause));
        }
    }

    fn begin_closing(&mut self, info: CloseInfo) {
        self.info = Some(info);
        self.ready_state = ReadyState::Closing;
        self.must_close = true;
        self.wake_all();
        self.wake_task();
    }

    /// Closes a connection whose halves were all dropped.
    pub(super) fn close_if_dropped(&mut self) {
        if self.senders == 0 && self.is_receiver_dropped {
            self.start_close(None);
            // It may be all that keeps the task waiting.
            self.wake_task();
        }
    }

    /// Records that the peer has begun to close: nothing can be sent any more.
    pub(super) fn peer_closes(&mut self) {
        match self.ready_state {
            ReadyState::Open => self.ready_state = ReadyState::Closing,
            ReadyState::Closing if self.must_close => {
                // It was first: what this end was about to send is not sent.
                self.must_close = false;
                self.info = self.info.take().filter(|info| info.cause != CloseCause::Handshake);
            }
            _ => return,
        }
        self.wake_all();
    }

    /// Records the end.
    pub(super) fn ended(&mut self, event: CloseEvent) {
        match self.ready_state {
            ReadyState::Closed => return,
            ReadyState::Connecting => return self.open_failed(not_opened(&event)),
            ReadyState::Open | ReadyState::Closing => {}
        }
        let mut info = event.close_info(self.info.take());
        // A browser calls it clean if the Closes were exchanged, whatever was left unsent.
        info.close_sent &= self.buffered() == 0;
        self.has_error |= info.cause != CloseCause::Handshake;
        self.info = Some(info);
        self.close();
    }

    /// Records that the end was awaited for too long.
    pub(super) fn close_timed_out(&mut self) {
        let cause = CloseCause::CloseTimeout;
        let info = self.info.get_or_insert_with(|| CloseInfo::new(Initiator::Peer, cause));
        if info.cause == CloseCause::Handshake {
            info.cause = cause;
        }
        self.has_error = true;
        self.close();
    }

    fn close(&mut self) {
        self.ready_state = ReadyState::Closed;
        self.must_close = false;
        // It still counts as not sent.
        self.browser_buffered += self.outgoing.bytes();
        self.unsent = self.outgoing.take();
        self.wake_all();
        self.wake_task();
    }

    /// Returns the error for a send when nothing can be sent any more.
    pub(super) fn send_error(&self) -> Error {
        match &self.info {
            Some(info) if info.cause != CloseCause::Handshake => Error::ended(info),
            _ => Error::of(SendError::Closing),
        }
    }
}
