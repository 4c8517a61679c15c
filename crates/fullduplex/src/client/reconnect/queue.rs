//! The queue of messages that a reconnecting client has yet to send.

use std::collections::VecDeque;
use std::fmt;

use fullduplex_proto::Message;
use tokio::sync::Notify;

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::base::sync::Mutex;
use crate::base::try_send_error::TrySendError;

/// The policy for messages that are sent while there is no connection.
///
/// Applies only while disconnected. While connected, `send` waits for space whatever the policy.
///
/// If only the latest value of each key matters, do not queue: use [`OfflinePolicy::Reject`], keep
/// the values, and send all at each [`ReconnectEvent::Connected`].
///
/// [`ReconnectEvent::Connected`]: crate::client::ReconnectEvent::Connected
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::OfflinePolicy;
///
/// // Measurements: only the last 100 matter.
/// # let client = Client::default();
/// let builder = client.reconnecting("wss://feed.example/").queue(100, OfflinePolicy::DropOldest);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OfflinePolicy {
    /// Messages are queued. If the queue is full, `send` waits. Default.
    #[default]
    Wait,
    /// Messages are queued. If the queue is full, the oldest one is dropped.
    DropOldest,
    /// Messages are not queued: `send` fails, even if the queue is not full.
    Reject,
}

/// A bounded queue of messages, for many senders and one task that sends.
pub(crate) struct OfflineQueue {
    inner: Mutex<QueueState>,
    capacity: usize,
    offline_policy: OfflinePolicy,
    /// Notified when a message was taken or handed to a connection, and when another rule applies
    /// to senders.
    not_full: Notify,
    /// Notified when a message was added.
    not_empty: Notify,
}

#[derive(Default)]
struct QueueState {
    messages: VecDeque<Message>,
    /// Whether a message was taken that is not handed to a connection yet.
    has_taken: bool,
    /// The messages that the policy dropped.
    dropped: u64,
    is_connected: bool,
    is_closed: bool,
}

/// Omits the messages.
impl fmt::Debug for OfflineQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfflineQueue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl OfflineQueue {
    pub(crate) fn new(capacity: usize, offline_policy: OfflinePolicy) -> Self {
        let (inner, not_full, not_empty) = (Mutex::default(), Notify::new(), Notify::new());
        Self { inner, capacity, offline_policy, not_full, not_empty }
    }

    /// Queues a message. Waits while the queue is full, unless the policy says otherwise.
    pub(crate) async fn push(&self, message: Message) -> Result<(), Error> {
        let mut message = Some(message);
        loop {
            // Registered before the check: a message that is taken between the check and the wait
            // would otherwise be missed.
            let not_full = self.not_full.notified();
            if self.try_push(&mut message)? {
                return Ok(());
            }
            not_full.await;
        }
    }

    /// Queues a message without waiting; the error has the message.
    pub(crate) fn try_send(&self, message: Message) -> Result<(), TrySendError> {
        let mut message = Some(message);
        match (self.try_push(&mut message), message) {
            (Ok(false), Some(message)) => Err(TrySendError::Full(message)),
            (Err(error), Some(message)) => Err(TrySendError::Closed { error, message }),
            (_, None) | (Ok(true), Some(_)) => Ok(()),
        }
    }

    /// Queues a message for which [`check_space`](Self::check_space) has found space, though
    /// another sender may have taken it since.
    pub(crate) fn push_reserved(&self, message: Message) -> Result<(), Error> {
        self.queue_message(&mut Some(message), usize::MAX).map(drop)
    }

    /// Queues the message and takes it out of `message`. Returns `false`, and leaves it there, if
    /// the caller has to wait.
    fn try_push(&self, message: &mut Option<Message>) -> Result<bool, Error> {
        self.queue_message(message, self.capacity)
    }

    fn queue_message(&self, message: &mut Option<Message>, capacity: usize) -> Result<bool, Error> {
        let mut inner = self.inner.lock();
        self.check_open(&inner)?;
        let mut oldest = None;
        if inner.messages.len() >= self.capacity && self.drops_oldest(&inner) {
            oldest = inner.messages.pop_front();
            inner.dropped += 1;
        }
        if inner.messages.len() >= capacity {
            return Ok(false);
        }
        inner.messages.extend(message.take());
        drop(inner);
        // Dropped without the lock, as the owner of its payload may send a message in its `drop`.
        drop(oldest);
        self.not_empty.notify_one();
        Ok(true)
    }

    /// Fails if messages are not queued at the moment.
    fn check_open(&self, inner: &QueueState) -> Result<(), Error> {
        if inner.is_closed {
            return Err(stopped());
        }
        if !inner.is_connected && self.offline_policy == OfflinePolicy::Reject {
            return Err(Error::new(
                ErrorKind::Closed,
                "not connected, and the queue rejects messages while offline",
            ));
        }
        Ok(())
    }

    /// While there is a connection, the queue is being emptied, so that waiting makes sense.
    fn drops_oldest(&self, inner: &QueueState) -> bool {
        !inner.is_connected && self.offline_policy == OfflinePolicy::DropOldest
    }

    /// Returns whether a message can be queued now.
    pub(crate) fn check_space(&self) -> Result<bool, Error> {
        let inner = self.inner.lock();
        self.check_open(&inner)?;
        Ok(inner.messages.len() < self.capacity || self.drops_oldest(&inner))
    }

    /// Waits until a message can be queued.
    pub(crate) async fn has_space(&self) -> Result<(), Error> {
        loop {
            let not_full = self.not_full.notified();
            if self.check_space()? {
                return Ok(());
            }
            not_full.await;
        }
    }

    /// Waits until all messages are handed to a connection.
    pub(crate) async fn sent(&self) -> Result<(), Error> {
        loop {
            let changed = self.not_full.notified();
            {
                let inner = self.inner.lock();
                if inner.messages.is_empty() && !inner.has_taken {
                    return Ok(());
                }
                if inner.is_closed {
                    return Err(stopped());
                }
            }
            changed.await;
        }
    }

    /// Waits until the client has stopped.
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.not_full.notified();
            if self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.lock().is_closed
    }

    /// Returns the number of messages that are not handed to a connection yet.
    pub(crate) fn len(&self) -> usize {
        let inner = self.inner.lock();
        inner.messages.len() + usize::from(inner.has_taken)
    }

    /// Returns the number of messages that the policy dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }

    /// Takes the next message, if there is one. [`handed_over`](Self::handed_over) must follow.
    pub(crate) fn try_pop(&self) -> Option<Message> {
        let message = self.inner.lock().take();
        self.not_full.notify_waiters();
        message
    }

    /// Records that a connection has the message that was taken last.
    pub(crate) fn handed_over(&self) {
        self.inner.lock().has_taken = false;
        self.not_full.notify_waiters();
    }

    /// Waits for the next message and takes it. Only one task may call this.
    /// [`handed_over`](Self::handed_over) must follow.
    pub(crate) async fn pop(&self) -> Message {
        loop {
            // `notify_one` stores a permit if no task waits, so no message is missed. It stores
            // only one, which is why only one task may wait.
            let not_empty = self.not_empty.notified();
            if let Some(message) = self.inner.lock().take() {
                self.not_full.notify_waiters();
                return message;
            }
            not_empty.await;
        }
    }

    /// Sets whether there is a connection. Waiting senders check again, as another rule applies.
    pub(crate) fn set_connected(&self, is_connected: bool) {
        self.inner.lock().is_connected = is_connected;
        self.not_full.notify_waiters();
    }

    /// Fails all waiting and later senders.
    pub(crate) fn close(&self) {
        self.inner.lock().is_closed = true;
        self.not_full.notify_waiters();
    }
}

impl QueueState {
    fn take(&mut self) -> Option<Message> {
        let message = self.messages.pop_front();
        self.has_taken |= message.is_some();
        message
    }
}

/// Returns the error of a sender whose client has stopped.
fn stopped() -> Error {
    Error::new(ErrorKind::Closed, "the reconnecting client has stopped")
        .with_failure(AttemptFailure::Stopped)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    /// Sends when it is dropped.
    struct Owner(Arc<OfflineQueue>);

    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            b"owned"
        }
    }

    impl Drop for Owner {
        fn drop(&mut self) {
            let sent = pin!(self.0.push(Message::text("last words")));
            let sent = sent.poll(&mut Context::from_waker(Waker::noop()));
            assert!(sent.is_ready());
        }
    }

    #[test]
    fn drop_of_a_payload_may_use_the_queue_that_drops_it() {
        let queue = Arc::new(OfflineQueue::new(2, OfflinePolicy::DropOldest));
        let (done, waits) = std::sync::mpsc::channel();
        let owner = Owner(queue.clone());
        // On a thread of its own, which may wait for itself.
        let thread = std::thread::spawn({
            let queue = queue.clone();
            move || {
                let mut message = Some(Message::Binary(Bytes::from_owner(owner)));
                queue.try_push(&mut message).unwrap();
                for text in ["first", "second"] {
                    queue.try_push(&mut Some(Message::text(text))).unwrap();
                }
                done.send(()).unwrap();
            }
        });
        waits.recv_timeout(Duration::from_secs(10)).expect("it does not wait for itself");
        thread.join().unwrap();
        let texts: Vec<_> = std::iter::from_fn(|| queue.try_pop()).collect();
        assert_eq!(texts, [Message::text("second"), Message::text("last words")]);
    }
}
