//! Calls of code that is not the library's: callbacks, `tracing` subscribers, transports, wakers,
//! and `Drop` of what the application gave. A panic in it must not end a task that serves others.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Poll, Waker};

use bytes::Bytes;
use fullduplex_proto::PreparedMessage;

use crate::base::message_memory;

/// Foreign code has panicked. The panic hook has written what it was to the standard error.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Calls foreign code, and returns whether it panicked.
///
/// Whatever it left half done is its own.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        // The payload of a panic is foreign, too.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(again);
        }
        Panicked
    })
}

/// Polls a future that may run foreign code, until it is ready or panics.
pub(crate) async fn caught_in<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|cx| match caught(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// What may run foreign code when it is dropped, and came up where a lock is held.
pub(crate) enum DeferredDrop {
    Payload(Bytes),
    Prepared(PreparedMessage),
    Waker(Waker),
    /// What is to be done then.
    Call(Box<dyn FnOnce() + Send>),
}

thread_local! {
    /// The connection whose transport the thread polls, by its address; 0 if it polls none.
    static POLLING: Cell<usize> = const { Cell::new(0) };
    /// Whether there is anything in `HELD`: cheaper to look at, as it is never dropped.
    static HOLDS: Cell<bool> = const { Cell::new(false) };
    /// What the thread is to drop. It keeps its memory, so that to hold takes no allocation.
    static HELD: RefCell<Vec<DeferredDrop>> = const { RefCell::new(Vec::new()) };
}

/// Polls a transport, with the lock of its connection held, and returns also whether it has made
/// the thread [hold](hold) anything. A transport may call back into the library, by what it logs
/// for example, but there it would wait for that lock, or for one whose owner waits for that: see
/// [`polls_transport`].
pub(crate) fn polled<T>(
    connection: usize,
    poll: impl FnOnce() -> T,
) -> (Result<T, Panicked>, bool) {
    let before = POLLING.replace(connection);
    let polled = caught(poll);
    POLLING.set(before);
    (polled, holds())
}

/// Polls the reading side of a transport, with no lock held.
pub(crate) fn polled_unlocked<T>(connection: usize, poll: impl FnOnce() -> T) -> T {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            POLLING.set(self.0);
            if self.0 == 0 && holds() {
                let _ = drop_held();
            }
        }
    }
    let _restore = Restore(POLLING.replace(connection));
    poll()
}

/// Whether the thread is in the middle of polling a transport, so that it may wait for no lock of
/// a connection or a group.
pub(crate) fn polls_transport() -> bool {
    POLLING.get() != 0
}

/// Whether it is the transport of this connection.
pub(crate) fn polls_transport_of(connection: usize) -> bool {
    POLLING.get() == connection
}

/// Holds something until [`drop_held`], which is to be called when the lock is released.
pub(crate) fn hold(held: DeferredDrop) {
    HELD.with_borrow_mut(|all| all.push(held));
    HOLDS.set(true);
}

/// Whether the thread holds anything.
#[inline]
pub(crate) fn holds() -> bool {
    HOLDS.get()
}

/// Takes what the thread holds, for another one to let go of.
pub(crate) fn take_held() -> Vec<DeferredDrop> {
    HOLDS.set(false);
    HELD.take()
}

/// Drops what the thread holds, in order, and returns whether any of it panicked.
pub(crate) fn drop_held() -> Result<(), Panicked> {
    let mut all = take_held();
    let dropped = drop_all(&mut all);
    HELD.with_borrow_mut(|now| {
        // What was dropped may have held more, but is gone by now.
        if now.capacity() < all.capacity() && now.is_empty() {
            *now = all;
        }
    });
    dropped
}

/// Drops these in order, and returns whether any of them panicked.
pub(crate) fn drop_all(all: &mut Vec<DeferredDrop>) -> Result<(), Panicked> {
    let mut dropped = Ok(());
    for held in all.drain(..) {
        let done = caught(|| match held {
            // The last piece of a message may be the only one by now.
            DeferredDrop::Payload(spent) => drop(message_memory::recycle_large(spent)),
            DeferredDrop::Prepared(message) => drop(message),
            DeferredDrop::Waker(waker) => drop(waker),
            DeferredDrop::Call(call) => call(),
        });
        dropped = dropped.and(done);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            // Once more where it is the payload of a panic itself.
            std::panic::panic_any(Self);
        }
    }

    #[test]
    fn guard_catches_panics_in_the_drop_of_a_panic_payload() {
        assert_eq!(caught(|| 7).unwrap(), 7);
        assert!(caught(|| panic!("as asked")).is_err());
        assert!(caught(|| std::panic::panic_any(PanicsWhenDropped)).is_err());
        assert!(caught(|| drop(PanicsWhenDropped)).is_err());
    }
}
