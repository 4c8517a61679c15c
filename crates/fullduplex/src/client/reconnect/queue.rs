//! The queue of messages that a reconnecting client has yet to send.

use std::collections::VecDeque;
use std::fmt;

use fullduplex_proto::Message;
use tokio::sync::Notify;

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::base::sync::Mutex;

/// The policy for messages that are sent while there is no connection.
///
/// Applies only while disconnected. While connected, `send` waits for space whatever the policy.
///
/// If only the latest value of each key matters, do not queue: use [`OfflinePolicy::Reject`], keep
/// the values, and send all at each [`ReconnectEvent::Connected`].
///
/// [`ReconnectEvent::Connected`]: crate::client::ReconnectEvent::Connected
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
    /// Notified when a message was taken, and when another rule applies to senders.
    not_full: Notify,
    /// Notified when a message was added.
    not_empty: Notify,
}

#[derive(Default)]
struct QueueState {
    messages: VecDeque<Message>,
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

    /// Queues the message and takes it out of `message`. Returns `false`, and leaves it there, if
    /// the caller has to wait.
    fn try_push(&self, message: &mut Option<Message>) -> Result<bool, Error> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            let error = Error::new(ErrorKind::Closed, "the reconnecting client has stopped");
            return Err(error.with_failure(AttemptFailure::Stopped));
        }
        if !inner.is_connected && self.offline_policy == OfflinePolicy::Reject {
            return Err(Error::new(
                ErrorKind::Closed,
                "not connected, and the queue rejects messages while offline",
            ));
        }
        // While there is a connection, the queue is being emptied, so that waiting makes sense.
        let mut oldest = None;
        if inner.messages.len() >= self.capacity {
            if inner.is_connected || self.offline_policy != OfflinePolicy::DropOldest {
                return Ok(false);
            }
            oldest = inner.messages.pop_front();
        }
        inner.messages.extend(message.take());
        drop(inner);
        // Dropped without the lock, as the owner of its payload may send a message in its `drop`.
        drop(oldest);
        self.not_empty.notify_one();
        Ok(true)
    }

    /// Takes the next message, if there is one.
    pub(crate) fn try_pop(&self) -> Option<Message> {
        let message = self.inner.lock().messages.pop_front();
        self.not_full.notify_waiters();
        message
    }

    /// Waits for the next message and takes it. Only one task may call this.
    pub(crate) async fn pop(&self) -> Message {
        loop {
            // `notify_one` stores a permit if no task waits, so no message is missed. It stores
            // only one, which is why only one task may wait.
            let not_empty = self.not_empty.notified();
            if let Some(message) = self.inner.lock().messages.pop_front() {
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
