//! What waits to be sent by a client that connects again.

use std::collections::VecDeque;
use std::fmt;

use fullduplex_proto::Message;
use tokio::sync::Notify;

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::base::sync::Mutex;

/// What becomes of messages that are sent while there is no connection, once the queue is
/// full. While there is one, `send` waits for room whatever is set here.
///
/// Where only the latest value of each key matters, a queue is the wrong place for it: keep the
/// values, with [`OfflinePolicy::Refuse`], and send them all at each [`ReconnectEvent::Connected`].
///
/// [`ReconnectEvent::Connected`]: crate::client::ReconnectEvent::Connected
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfflinePolicy {
    /// `send` waits. Default.
    #[default]
    Wait,
    /// The oldest message in the queue is dropped.
    DropOldest,
    /// `send` fails, also while there is room: nothing is queued.
    Refuse,
}

pub(crate) struct OfflineQueue {
    inner: Mutex<QueueState>,
    capacity: usize,
    while_down: OfflinePolicy,
    /// A message left, or the policy may say something else now.
    room: Notify,
    /// A message came.
    filled: Notify,
}

#[derive(Default)]
struct QueueState {
    messages: VecDeque<Message>,
    /// There is a connection.
    up: bool,
    closed: bool,
}

/// Messages are not shown.
impl fmt::Debug for OfflineQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl OfflineQueue {
    pub(crate) fn new(capacity: usize, while_down: OfflinePolicy) -> Self {
        let (inner, room, filled) = (Mutex::default(), Notify::new(), Notify::new());
        Self { inner, capacity, while_down, room, filled }
    }

    /// Queues a message, once there is room or the policy decides otherwise.
    pub(crate) async fn push(&self, message: Message) -> Result<(), Error> {
        let mut message = Some(message);
        loop {
            // Before the look, so that no room is made unseen between the look and the wait.
            let room = self.room.notified();
            if self.try_push(&mut message)? {
                return Ok(());
            }
            room.await;
        }
    }

    /// Takes the message out of `message` and queues it; returns whether it did. If not, there is
    /// no room, and the message stays with the caller, who waits.
    fn try_push(&self, message: &mut Option<Message>) -> Result<bool, Error> {
        let mut inner = self.inner.lock();
        if inner.closed {
            let error = Error::new(ErrorKind::Closed, "no connection will be made any more");
            return Err(error.with_failure(AttemptFailure::Stopped));
        }
        if !inner.up && self.while_down == OfflinePolicy::Refuse {
            return Err(Error::new(ErrorKind::Closed, "there is no connection now"));
        }
        // While there is a connection, a full queue empties: `send` waits, whatever the policy.
        let mut oldest = None;
        if inner.messages.len() >= self.capacity {
            if inner.up || self.while_down != OfflinePolicy::DropOldest {
                return Ok(false);
            }
            oldest = inner.messages.pop_front();
        }
        inner.messages.extend(message.take());
        drop(inner);
        // Without the lock, as its payload may have an owner that sends when it is dropped.
        drop(oldest);
        self.filled.notify_one();
        Ok(true)
    }

    /// Takes the next message, if there is one.
    pub(crate) fn try_pop(&self) -> Option<Message> {
        let message = self.inner.lock().messages.pop_front();
        self.room.notify_waiters();
        message
    }

    /// Takes the next message, once there is one. Only one task may call it.
    pub(crate) async fn pop(&self) -> Message {
        loop {
            // A permit that `try_push` has left is taken here, so no message is missed. That goes
            // for one task only, as `notify_one` leaves one permit.
            let filled = self.filled.notified();
            if let Some(message) = self.inner.lock().messages.pop_front() {
                self.room.notify_waiters();
                return message;
            }
            filled.await;
        }
    }

    /// Notes whether there is a connection. All that wait for room look again: another policy holds
    /// now.
    pub(crate) fn set_up(&self, up: bool) {
        self.inner.lock().up = up;
        self.room.notify_waiters();
    }

    /// Fails all that wait for room, and what is sent later.
    pub(crate) fn close(&self) {
        self.inner.lock().closed = true;
        self.room.notify_waiters();
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
