//! Calls of code that is not the library's: callbacks, `tracing` subscribers, transports, wakers,
//! and `Drop` of what the application gave. A panic in it must not end a task that serves others.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

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
    fn guard_catches_also_what_the_payload_of_a_panic_does() {
        assert_eq!(caught(|| 7).unwrap(), 7);
        assert!(caught(|| panic!("as asked")).is_err());
        assert!(caught(|| std::panic::panic_any(PanicsWhenDropped)).is_err());
        assert!(caught(|| drop(PanicsWhenDropped)).is_err());
    }
}
