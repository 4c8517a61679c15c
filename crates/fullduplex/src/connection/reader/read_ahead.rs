//! Reading for an application that only sends, so that Pings and the peer's Close are answered. The
//! messages wait until the application asks for them.
//!
//! A [`Reader`] moves itself into a background task, and leaves a shell without a transport in its
//! place. When the application asks for a message, it is moved back.
//!
//! The task takes the reader out of the shared state for each poll: the transport is foreign code,
//! which may not run while a lock of the library is held. If the `ReceiveHalf` wants the reader
//! back just then, it leaves its waker and the state [`ReceiveHalfState::Waiting`]. Both are looked
//! at under the lock under which the task puts the reader back, so no wake-up is lost: the task
//! either finds the waker, wakes it and ends, or the `ReceiveHalf` finds the reader.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use fullduplex_proto::{Limits, Message, Receiver};
use tokio::task::AbortHandle;

use crate::base::error::Error;
use crate::base::guard::{Panicked, caught};
use crate::base::sync::Mutex;
use crate::connection::reader::Reader;
use crate::connection::writer::Writer;
use crate::transport::Transport;
use crate::transport::halves::ReadHalf;

/// The most bytes that are received for an application that asks for none, those of an unfinished
/// message included. Then nothing is read, so that the peer has to wait. If the application still
/// asks for none, the session ends the connection after the keepalive's interval and timeout.
const CAPACITY: usize = 64 << 10;

/// The bytes that a message counts in addition to its payload.
const MESSAGE_OVERHEAD: usize = 64;

/// The number of driver turns in which an application sends, without asking for a message, after
/// which a task reads for it.
const MIN_TURNS_SENT: u8 = 4;

/// Messages that were read ahead, in order.
#[derive(Default)]
pub(crate) struct ReadAheadQueue {
    messages: VecDeque<Result<Message, Error>>,
    bytes: usize,
}

impl ReadAheadQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns itself, unless it is empty.
    pub(crate) fn non_empty(self) -> Option<Self> {
        Some(self).filter(|received| !received.is_empty())
    }

    /// Returns how many more bytes may be received.
    pub(crate) fn remaining_capacity(&self) -> usize {
        CAPACITY.saturating_sub(self.bytes)
    }

    pub(crate) fn pop(&mut self) -> Option<Result<Message, Error>> {
        let message = self.messages.pop_front()?;
        self.bytes -= Self::cost(&message);
        Some(message)
    }

    fn push(&mut self, message: Result<Message, Error>) {
        self.bytes += Self::cost(&message);
        self.messages.push_back(message);
    }

    fn cost(message: &Result<Message, Error>) -> usize {
        MESSAGE_OVERHEAD + message.as_ref().map_or(0, Message::len)
    }
}

/// A reader that is not in use, and the messages that it has read ahead.
type ParkedReader<S> = (Box<Reader<S>>, ReadAheadQueue);

/// The handle of a task that reads ahead.
pub(crate) struct ReadAhead<S> {
    shared: Arc<Mutex<ReadAheadShared<S>>>,
    task: AbortHandle,
}

struct ReadAheadShared<S> {
    /// `None` while the task polls it, and after it was taken back.
    parked: Option<ParkedReader<S>>,
    /// The waker of the application's task, if it waits for messages.
    waker: Option<Waker>,
    receive_half: ReceiveHalfState,
}

/// What the `ReceiveHalf` is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReceiveHalfState {
    /// The application sends, and asks for no message.
    Sending,
    /// The application waits for the reader, which the task was polling.
    Waiting,
    /// The `ReceiveHalf` was dropped.
    Dropped,
}

impl<S: Transport> ReadAhead<S> {
    /// Starts a task that reads, and appends to the messages that were read ahead before.
    pub(crate) fn start(
        reader: Box<Reader<S>>,
        received: ReadAheadQueue,
        writer: &Arc<Writer<S>>,
    ) -> Self {
        let waker = writer.take_read_waker();
        let shared = ReadAheadShared {
            parked: Some((reader, received)),
            waker,
            receive_half: ReceiveHalfState::Sending,
        };
        let shared = Arc::new(Mutex::new(shared));
        let (reading, writer) = (shared.clone(), writer.clone());
        let handle = writer.driver().handle().clone();
        let task = handle.spawn(poll_fn(move |cx| poll(&reading, cx, &writer)));
        Self { shared, task: task.abort_handle() }
    }

    /// Ends the task, and takes back the reader with its messages. Waits while the task polls it.
    pub(crate) fn poll_take_back(&self, cx: &mut Context<'_>) -> Poll<ParkedReader<S>> {
        // To clone a waker, and to drop one, is foreign code: not under the lock.
        let waker = cx.waker().clone();
        let mut shared = self.shared.lock();
        if let Some(parked) = shared.parked.take() {
            drop(shared);
            self.task.abort();
            return Poll::Ready(parked);
        }
        shared.receive_half = ReceiveHalfState::Waiting;
        let before = shared.waker.replace(waker);
        drop(shared);
        drop(before);
        Poll::Pending
    }

    /// Ends the task, and takes back the reader with its messages. Returns `None` while the task
    /// polls it, and the task goes on.
    pub(crate) fn try_take_back(&self) -> Option<ParkedReader<S>> {
        let mut shared = self.shared.lock();
        let parked = shared.parked.take();
        if parked.is_none() {
            shared.receive_half = ReceiveHalfState::Sending;
        }
        drop(shared);
        if parked.is_some() {
            self.task.abort();
        }
        parked
    }
}

impl<S> ReadAhead<S> {
    /// Takes back the reader to drop it, or leaves that to the task if it is polling it.
    pub(crate) fn drop_transport(&self) -> Option<Box<Reader<S>>> {
        let mut shared = self.shared.lock();
        shared.receive_half = ReceiveHalfState::Dropped;
        let (parked, waker) = (shared.parked.take(), shared.waker.take());
        drop(shared);
        drop(waker);
        parked.map(|(reader, _)| reader)
    }
}

/// Polls the task: reads what there is, without the lock, as the transport is foreign code.
fn poll<S: Transport>(
    shared: &Mutex<ReadAheadShared<S>>,
    cx: &mut Context<'_>,
    writer: &Arc<Writer<S>>,
) -> Poll<()> {
    let parked = shared.lock().parked.take();
    let Some((mut reader, mut received)) = parked else { return Poll::Ready(()) };
    let before = received.messages.len();
    let polled = caught(|| received.fill(&mut reader, cx, writer)).unwrap_or_else(|Panicked| {
        reader.drop_transport(writer);
        writer.report_panic("a transport", None);
        Poll::Ready(())
    });
    let found = received.messages.len() > before;
    if polled.is_ready() {
        // Before the reader can be taken back, which sets the contrary.
        writer.set_unread(true);
    }

    let mut shared = shared.lock();
    let done = polled.is_ready() || shared.receive_half != ReceiveHalfState::Sending;
    let waker = if found || done { shared.waker.take() } else { None };
    let mut dropped = None;
    if shared.receive_half == ReceiveHalfState::Dropped {
        dropped = Some(reader);
    } else {
        shared.parked = Some((reader, received));
    }
    drop(shared);

    if let Some(mut reader) = dropped {
        reader.drop_transport(writer);
    }
    if let Some(waker) = waker
        && caught(|| waker.wake()).is_err()
    {
        writer.report_panic("a waker", None);
    }
    if done { Poll::Ready(()) } else { Poll::Pending }
}

impl ReadAheadQueue {
    /// Reads until the transport has no more for now, or the queue is full. Ready if it is full or
    /// the connection has ended.
    fn fill<S: Transport>(
        &mut self,
        reader: &mut Reader<S>,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<()> {
        while reader.assembled_len() < self.remaining_capacity() {
            match reader.poll_message_within(cx, writer, self.remaining_capacity()) {
                Poll::Ready(Some(message)) => self.push(message),
                Poll::Ready(None) => break,
                Poll::Pending if reader.assembled_len() >= self.remaining_capacity() => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

/// Reading before the application asks for messages.
pub(super) enum ReadAheadState<S> {
    /// A task has the reader. What is left here is a shell with the options.
    Running(ReadAhead<S>),
    /// A task has read these messages, and ended.
    Done(ReadAheadQueue),
}

impl<S: Transport> Reader<S> {
    /// Counts a message that the application sends. Those of a burst count once, as several
    /// messages may answer one. Returns whether it is time to [read ahead](Self::start_read_ahead).
    #[inline]
    pub(crate) fn record_send(&mut self, writer: &Writer<S>) -> bool {
        if writer.awaits_driver() {
            return false;
        }
        self.turns_sent_since_next = self.turns_sent_since_next.saturating_add(1);
        self.turns_sent_since_next == MIN_TURNS_SENT
    }

    /// Starts a task that reads, for an application that only sends, if there is capacity for what
    /// it reads.
    #[cold]
    pub(crate) fn start_read_ahead(&mut self, writer: &Arc<Writer<S>>) {
        if let Some(ReadAheadState::Running(task)) = self.read_ahead() {
            // The task may have ended, for an application that waited for the reader and gave up.
            let Some(parked) = task.try_take_back() else { return };
            self.put_back(parked, writer);
        }
        let mut options = self.options.take().unwrap_or_default();
        let received = match options.read_ahead.take() {
            Some(ReadAheadState::Done(received)) => received,
            _ => ReadAheadQueue::default(),
        };
        if self.assembler.len() >= received.remaining_capacity() {
            options.read_ahead = Some(ReadAheadState::Done(received));
            self.options = Some(options);
            writer.set_unread(true);
            return;
        }
        let unused = Receiver::new(writer.role(), Limits::default());
        let mut shell = Self::new(ReadHalf::Gone, unused, BytesMut::new());
        shell.turns_sent_since_next = MIN_TURNS_SENT;
        let mut reader = Box::new(mem::replace(self, shell));
        reader.set_deflate(options.deflate);
        options.read_ahead =
            Some(ReadAheadState::Running(ReadAhead::start(reader, received, writer)));
        self.options = Some(options);
    }

    /// Whether a task reads ahead, which may be polling the transport.
    pub(crate) fn reads_ahead(&self) -> bool {
        matches!(self.read_ahead(), Some(ReadAheadState::Running(_)))
    }

    #[inline]
    fn read_ahead(&self) -> Option<&ReadAheadState<S>> {
        self.options().and_then(|options| options.read_ahead.as_ref())
    }

    /// Ends the task that reads ahead, if there is one. Waits while the task polls the transport.
    #[inline]
    pub(crate) fn poll_take_back(&mut self, cx: &mut Context<'_>, writer: &Writer<S>) -> Poll<()> {
        if let Some(ReadAheadState::Running(task)) = self.read_ahead() {
            let parked = ready!(task.poll_take_back(cx));
            self.put_back(parked, writer);
        }
        Poll::Ready(())
    }

    /// Replaces the shell with the reader, and keeps the messages.
    #[cold]
    fn put_back(&mut self, (reader, received): (Box<Self>, ReadAheadQueue), writer: &Writer<S>) {
        writer.set_unread(false);
        let mut options = self.options.take().unwrap_or_default();
        options.read_ahead = received.non_empty().map(ReadAheadState::Done);
        *self = *reader;
        self.options = Some(options);
        self.turns_sent_since_next = 0;
    }

    /// Returns the next message that was read ahead, if any.
    #[inline]
    pub(super) fn poll_read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer<S>,
    ) -> Poll<Option<Result<Message, Error>>> {
        if self.read_ahead().is_none() {
            Poll::Ready(None)
        } else {
            self.poll_read_ahead_cold(cx, writer)
        }
    }

    #[cold]
    fn poll_read_ahead_cold(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer<S>,
    ) -> Poll<Option<Result<Message, Error>>> {
        ready!(self.poll_take_back(cx, writer));
        writer.set_unread(false);
        let Some(options) = &mut self.options else { return Poll::Ready(None) };
        let Some(ReadAheadState::Done(received)) = &mut options.read_ahead else {
            return Poll::Ready(None);
        };
        let first = received.pop();
        if received.is_empty() {
            options.read_ahead = None;
        }
        Poll::Ready(first)
    }

    /// Drops the messages that were read ahead.
    pub(super) fn drop_read_ahead(&mut self, writer: &Writer<S>) {
        writer.set_unread(false);
        if let Some(options) = &mut self.options {
            options.read_ahead = None;
        }
    }
}
