//! Reading in place of an application that only sends: Pings are answered, and so is the peer's
//! Close, though nobody asks for what arrives. The messages wait for whoever asks at last.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use fullduplex_proto::Message;
use tokio::task::AbortHandle;

use crate::base::error::Error;
use crate::base::guard;
use crate::connection::reader::Incoming;
use crate::connection::writer::Outlet;
use crate::transport::halves::Transport;

/// How many bytes of messages are received for an application that asks for none. Then the
/// transport is left alone, so that the peer has to wait.
const MOST: usize = 64 << 10;

/// What a message counts beside its payload.
const MESSAGE: usize = 64;

pub(crate) type Received = VecDeque<Result<Message, Error>>;

/// A task that reads, and what it has read.
pub(crate) struct ReadAhead<S> {
    shared: Arc<Mutex<Shared<S>>>,
    task: AbortHandle,
}

struct Shared<S> {
    /// Taken back by the application.
    incoming: Option<Box<Incoming<S>>>,
    received: Received,
    bytes: usize,
    /// The application's task, if it waits for messages elsewhere in itself.
    reader: Option<Waker>,
}

impl<S: Transport> ReadAhead<S> {
    /// Begins to read, in the background, behind the messages that were received before.
    pub(crate) fn start(
        incoming: Box<Incoming<S>>,
        received: Received,
        outlet: &Arc<Outlet<S>>,
    ) -> Self {
        let reader = outlet.take_reader();
        let shared =
            Arc::new(Mutex::new(Shared { incoming: Some(incoming), received, bytes: 0, reader }));
        let (reading, outlet) = (shared.clone(), outlet.clone());
        let handle = outlet.driver().handle().clone();
        let task = handle.spawn(async move {
            let read = poll_fn(|cx| {
                let mut shared = lock(&reading);
                let (polled, found) = shared.poll_read(cx, &outlet);
                let reader = if found { shared.reader.take() } else { None };
                // Others' code, without the lock.
                drop(shared);
                if let Some(reader) = reader {
                    reader.wake();
                }
                polled
            });
            if guard::caught_in(read).await.is_err() {
                outlet.note_panic("a transport", None);
            }
        });
        Self { shared, task: task.abort_handle() }
    }

    /// Ends the task. What it has read comes first.
    pub(crate) fn take_back(self) -> (Option<Box<Incoming<S>>>, Received) {
        self.task.abort();
        let mut shared = lock(&self.shared);
        (shared.incoming.take(), std::mem::take(&mut shared.received))
    }
}

/// The task may have panicked in a transport.
fn lock<S>(shared: &Mutex<Shared<S>>) -> MutexGuard<'_, Shared<S>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Transport> Shared<S> {
    /// Reads what there is. Returns also whether anything was found.
    fn poll_read(&mut self, cx: &mut Context<'_>, outlet: &Arc<Outlet<S>>) -> (Poll<()>, bool) {
        let mut found = false;
        while let Some(incoming) = &mut self.incoming
            && self.bytes < MOST
        {
            let Poll::Ready(received) = incoming.poll_message(cx, outlet) else {
                return (Poll::Pending, found);
            };
            found = true;
            let Some(received) = received else { break };
            self.bytes += MESSAGE + received.as_ref().map_or(0, Message::len);
            self.received.push_back(received);
        }
        (Poll::Ready(()), found)
    }
}
