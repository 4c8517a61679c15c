//! Reading in place of an application that only sends: Pings are answered, and so is the peer's
//! Close, though nobody asks for what arrives. The messages wait for whoever asks at last.
//!
//! The task takes the receiving half out of the shared state for each poll, as no foreign code, such
//! as a transport, may run while a lock of the library's is held. An owner that wants it back just
//! then leaves its waker, and the task ends after that poll.

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

/// How many bytes are received for an application that asks for none, those of an unfinished
/// message included. Then the transport is left alone, so that the peer has to wait; and if the
/// application still asks for none, the session ends the connection after a time.
const MOST: usize = 64 << 10;

/// What a message counts beside its payload.
const MESSAGE: usize = 64;

/// An application that sends in this many turns of the driver, and asks for no message meanwhile,
/// only sends, so that a task must read in its place.
const UNREAD_SENDS: u8 = 4;

/// Messages that were read ahead and not asked for yet.
#[derive(Default)]
pub(crate) struct ReadAheadQueue {
    messages: VecDeque<Result<Message, Error>>,
    bytes: usize,
}

impl ReadAheadQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Itself, unless there are none.
    pub(crate) fn some(self) -> Option<Self> {
        Some(self).filter(|received| !received.is_empty())
    }

    /// How many bytes may be received in addition.
    pub(crate) fn room(&self) -> usize {
        MOST.saturating_sub(self.bytes)
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
        MESSAGE + message.as_ref().map_or(0, Message::len)
    }
}

/// A receiving half, and what was read with it.
type ParkedReader<S> = (Box<Reader<S>>, ReadAheadQueue);

/// A task that reads, and what it has read.
pub(crate) struct ReadAhead<S> {
    shared: Arc<Mutex<ReadAheadShared<S>>>,
    task: AbortHandle,
}

struct ReadAheadShared<S> {
    /// `None` while the task polls it, and after it was taken back.
    half: Option<ParkedReader<S>>,
    /// The application's task, if it waits for messages.
    reader: Option<Waker>,
    owner: OwnerState,
}

/// What the owner of the receiving half is doing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnerState {
    /// It sends, and asks for no message.
    Sends,
    /// It waits for the receiving half, which the task was polling.
    Waits,
    /// It has dropped the receiving half.
    Gone,
}

impl<S: Transport> ReadAhead<S> {
    /// Begins to read, in the background, behind the messages that were received before.
    pub(crate) fn start(
        incoming: Box<Reader<S>>,
        received: ReadAheadQueue,
        writer: &Arc<Writer<S>>,
    ) -> Self {
        let reader = writer.take_read_waker();
        let shared =
            ReadAheadShared { half: Some((incoming, received)), reader, owner: OwnerState::Sends };
        let shared = Arc::new(Mutex::new(shared));
        let (reading, writer) = (shared.clone(), writer.clone());
        let handle = writer.driver().handle().clone();
        let task = handle.spawn(poll_fn(move |cx| poll(&reading, cx, &writer)));
        Self { shared, task: task.abort_handle() }
    }

    /// Ends the task, and takes back the receiving half with what was read. Waits while the task
    /// polls it.
    pub(crate) fn poll_take_back(&self, cx: &mut Context<'_>) -> Poll<ParkedReader<S>> {
        // Foreign code, as is the drop of the waker before it: without the lock.
        let waker = cx.waker().clone();
        let mut shared = self.shared.lock();
        if let Some(half) = shared.half.take() {
            drop(shared);
            self.task.abort();
            return Poll::Ready(half);
        }
        shared.owner = OwnerState::Waits;
        let before = shared.reader.replace(waker);
        drop(shared);
        drop(before);
        Poll::Pending
    }

    /// Ends the task, and takes back the receiving half with what was read. While the task polls
    /// it, nothing happens, and the task goes on.
    pub(crate) fn try_take_back(&self) -> Option<ParkedReader<S>> {
        let mut shared = self.shared.lock();
        let half = shared.half.take();
        if half.is_none() {
            shared.owner = OwnerState::Sends;
        }
        drop(shared);
        if half.is_some() {
            self.task.abort();
        }
        half
    }
}

impl<S> ReadAhead<S> {
    /// Takes back the receiving half to drop it, or leaves that to the task if it is polling it.
    pub(crate) fn give_up(&self) -> Option<Box<Reader<S>>> {
        let mut shared = self.shared.lock();
        shared.owner = OwnerState::Gone;
        let (half, reader) = (shared.half.take(), shared.reader.take());
        drop(shared);
        drop(reader);
        half.map(|(incoming, _)| incoming)
    }
}

/// Only moves are done while it is held, so a panic leaves nothing half done.
/// A poll of the task: reads what there is, without the lock, as the transport is foreign code.
fn poll<S: Transport>(
    shared: &Mutex<ReadAheadShared<S>>,
    cx: &mut Context<'_>,
    writer: &Arc<Writer<S>>,
) -> Poll<()> {
    let half = shared.lock().half.take();
    let Some((mut incoming, mut received)) = half else { return Poll::Ready(()) };
    let before = received.messages.len();
    let polled = caught(|| received.fill(&mut incoming, cx, writer)).unwrap_or_else(|Panicked| {
        incoming.give_up(writer);
        writer.report_panic("a transport", None);
        Poll::Ready(())
    });
    let found = received.messages.len() > before;
    if polled.is_ready() {
        // Before the application can have it back, which says the contrary.
        writer.set_unread(true);
    }

    let mut shared = shared.lock();
    let done = polled.is_ready() || shared.owner != OwnerState::Sends;
    let reader = if found || done { shared.reader.take() } else { None };
    let mut dropped = None;
    if shared.owner == OwnerState::Gone {
        dropped = Some(incoming);
    } else {
        shared.half = Some((incoming, received));
    }
    drop(shared);

    if let Some(mut incoming) = dropped {
        incoming.give_up(writer);
    }
    if let Some(reader) = reader
        && caught(|| reader.wake()).is_err()
    {
        writer.report_panic("a waker", None);
    }
    if done { Poll::Ready(()) } else { Poll::Pending }
}

impl ReadAheadQueue {
    /// Reads until there is no more for now, or no room.
    fn fill<S: Transport>(
        &mut self,
        incoming: &mut Reader<S>,
        cx: &mut Context<'_>,
        writer: &Arc<Writer<S>>,
    ) -> Poll<()> {
        while incoming.assembled() < self.room() {
            match incoming.poll_within(cx, writer, self.room()) {
                Poll::Ready(Some(message)) => self.push(message),
                Poll::Ready(None) => break,
                Poll::Pending if incoming.assembled() >= self.room() => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

/// What is read before the application asks for it.
pub(super) enum ReadAheadState<S> {
    /// A task has all of this in its hands but what was agreed on.
    Reading(ReadAhead<S>),
    /// It has read these.
    Read(ReadAheadQueue),
}

impl<S: Transport> Reader<S> {
    /// Counts a message that the application sends, unless it is one of a burst: several messages
    /// may answer one. Returns whether it is time to [read ahead](Self::read_ahead).
    #[inline]
    pub(crate) fn note_send(&mut self, writer: &Writer<S>) -> bool {
        if writer.awaits_driver() {
            return false;
        }
        self.unread_sends = self.unread_sends.saturating_add(1);
        self.unread_sends == UNREAD_SENDS
    }

    /// Has a task read, for an application that only sends, if there is room for what it reads.
    #[cold]
    pub(crate) fn read_ahead(&mut self, writer: &Arc<Writer<S>>) {
        if let Some(ReadAheadState::Reading(reading)) = self.ahead() {
            // It may have stopped, for an application that wanted it back and does no more.
            let Some(half) = reading.try_take_back() else { return };
            self.put_back(half, writer);
        }
        let mut agreed = self.agreed.take().unwrap_or_default();
        let received = match agreed.ahead.take() {
            Some(ReadAheadState::Read(received)) => received,
            _ => ReadAheadQueue::default(),
        };
        if self.assembler.len() >= received.room() {
            agreed.ahead = Some(ReadAheadState::Read(received));
            self.agreed = Some(agreed);
            writer.set_unread(true);
            return;
        }
        let none = Receiver::new(writer.role(), Limits::default());
        let mut shell = Self::new(ReadHalf::Gone, none, BytesMut::new());
        shell.unread_sends = UNREAD_SENDS;
        let mut incoming = Box::new(mem::replace(self, shell));
        incoming.set_deflate(agreed.deflate);
        agreed.ahead = Some(ReadAheadState::Reading(ReadAhead::start(incoming, received, writer)));
        self.agreed = Some(agreed);
    }

    #[inline]
    fn ahead(&self) -> Option<&ReadAheadState<S>> {
        self.agreed().and_then(|agreed| agreed.ahead.as_ref())
    }

    /// Ends the task that reads ahead, if there is one. Waits while that polls the transport.
    #[inline]
    pub(crate) fn poll_take_back(&mut self, cx: &mut Context<'_>, writer: &Writer<S>) -> Poll<()> {
        if let Some(ReadAheadState::Reading(reading)) = self.ahead() {
            let half = ready!(reading.poll_take_back(cx));
            self.put_back(half, writer);
        }
        Poll::Ready(())
    }

    /// Goes on with what the task has read, and where it was.
    #[cold]
    fn put_back(&mut self, (incoming, received): (Box<Self>, ReadAheadQueue), writer: &Writer<S>) {
        writer.set_unread(false);
        let mut agreed = self.agreed.take().unwrap_or_default();
        agreed.ahead = received.some().map(ReadAheadState::Read);
        *self = *incoming;
        self.agreed = Some(agreed);
        self.unread_sends = 0;
    }

    /// The next message of those that were read ahead.
    #[inline]
    pub(super) fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer<S>,
    ) -> Poll<Option<Result<Message, Error>>> {
        if self.ahead().is_none() { Poll::Ready(None) } else { self.poll_ahead_cold(cx, writer) }
    }

    #[cold]
    fn poll_ahead_cold(
        &mut self,
        cx: &mut Context<'_>,
        writer: &Writer<S>,
    ) -> Poll<Option<Result<Message, Error>>> {
        ready!(self.poll_take_back(cx, writer));
        writer.set_unread(false);
        let Some(agreed) = &mut self.agreed else { return Poll::Ready(None) };
        let Some(ReadAheadState::Read(received)) = &mut agreed.ahead else {
            return Poll::Ready(None);
        };
        let first = received.pop();
        if received.is_empty() {
            agreed.ahead = None;
        }
        Poll::Ready(first)
    }

    /// Drops what was read ahead.
    pub(super) fn forget_ahead(&mut self, writer: &Writer<S>) {
        writer.set_unread(false);
        if let Some(agreed) = &mut self.agreed {
            agreed.ahead = None;
        }
    }
}
