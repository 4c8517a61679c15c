//! Calls of foreign code: callbacks, `tracing` subscribers, transports, wakers, and `Drop` of the
//! application's values. A panic in it must not end a task that serves others.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Poll, Waker};

use bytes::Bytes;
use fullduplex_proto::PreparedMessage;

use crate::base::message_memory;

/// The error for foreign code that has panicked. The panic hook has printed the panic.
#[derive(Debug)]
pub(crate) struct Panicked;

/// The name under which panics of the `tracing` subscriber are counted and logged.
pub(crate) const SUBSCRIBER: &str = "the tracing subscriber";

/// Calls foreign code and catches its panic.
///
/// Foreign code is responsible for its own state after a panic.
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

/// A value whose drop can run foreign code, and which was to be dropped while a lock was held.
pub(crate) enum DeferredDrop {
    Payload(Bytes),
    Prepared(PreparedMessage),
    Waker(Waker),
    /// A function to call then.
    Call(Box<dyn FnOnce() + Send>),
}

thread_local! {
    /// The address of the connection whose transport the thread polls; 0 if it polls none.
    static POLLING: Cell<usize> = const { Cell::new(0) };
    /// Whether `DEFERRED` has values. Checking this is cheaper, as it has no destructor.
    static HAS_DEFERRED: Cell<bool> = const { Cell::new(false) };
    /// The values that the thread has to drop. It keeps its memory, so that deferring does not
    /// allocate.
    static DEFERRED: RefCell<Vec<DeferredDrop>> = const { RefCell::new(Vec::new()) };
}

/// Polls a transport while the lock of its connection is held, and returns also whether the thread
/// has [deferred](defer_drop) any drops.
///
/// A transport can call back into the library, by what it logs for example. There it would wait for
/// that lock, or for one whose owner waits for it: see [`polls_transport`].
pub(crate) fn polled<T>(
    connection: usize,
    poll: impl FnOnce() -> T,
) -> (Result<T, Panicked>, bool) {
    let before = POLLING.replace(connection);
    let polled = caught(poll);
    POLLING.set(before);
    (polled, has_deferred())
}

/// Polls the reading side of a transport, with no lock held.
pub(crate) fn polled_unlocked<T>(connection: usize, poll: impl FnOnce() -> T) -> T {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            POLLING.set(self.0);
            if self.0 == 0 && has_deferred() {
                let _ = drop_deferred();
            }
        }
    }
    let _restore = Restore(POLLING.replace(connection));
    poll()
}

/// Whether the thread is polling a transport, so that it must not wait for the lock of a connection
/// or a group.
pub(crate) fn polls_transport() -> bool {
    POLLING.get() != 0
}

/// Whether the thread is polling the transport of this connection.
pub(crate) fn polls_transport_of(connection: usize) -> bool {
    POLLING.get() == connection
}

/// Defers the drop of a value until [`drop_deferred`], which must be called once the lock is
/// released.
pub(crate) fn defer_drop(value: DeferredDrop) {
    DEFERRED.with_borrow_mut(|all| all.push(value));
    HAS_DEFERRED.set(true);
}

/// Whether the thread has deferred drops.
#[inline]
pub(crate) fn has_deferred() -> bool {
    HAS_DEFERRED.get()
}

/// Takes the deferred values, for another thread to drop.
pub(crate) fn take_deferred() -> Vec<DeferredDrop> {
    HAS_DEFERRED.set(false);
    DEFERRED.take()
}

/// Drops the deferred values in order. Fails if any of them panicked.
pub(crate) fn drop_deferred() -> Result<(), Panicked> {
    let mut all = take_deferred();
    let dropped = drop_all(&mut all);
    DEFERRED.with_borrow_mut(|now| {
        // Dropped values may have deferred others, which are dropped by now.
        if now.capacity() < all.capacity() && now.is_empty() {
            *now = all;
        }
    });
    dropped
}

/// Drops these values in order. Fails if any of them panicked.
pub(crate) fn drop_all(all: &mut Vec<DeferredDrop>) -> Result<(), Panicked> {
    let mut dropped = Ok(());
    for value in all.drain(..) {
        let done = caught(|| match value {
            // This may be the only reference to the memory by now.
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
