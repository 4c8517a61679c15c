//! Time, by `performance` and `setTimeout`, which pages, workers, Node, Deno and Bun have.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use js_sys::futures::JsFuture;
use js_sys::{Function, Promise};
use wasm_bindgen::JsValue;

use crate::web::bindings;

/// A moment, in milliseconds of a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Instant(f64);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(bindings::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_secs_f64((bindings::now() - self.0).max(0.0) / 1000.0)
    }
}

/// A future that is ready after a time. Dropping it cancels the timer.
pub(crate) struct Sleep {
    timer: JsValue,
    elapsed: JsFuture,
}

/// Waits for a time, which JavaScript bounds to 24 days.
pub(crate) fn sleep(after: Duration) -> Sleep {
    let millis = after.as_secs_f64() * 1000.0;
    // One of a fraction of a millisecond would be early. A longer one would not wait at all.
    let millis = millis.ceil().min(f64::from(i32::MAX));
    let mut timer = JsValue::UNDEFINED;
    let promise = Promise::new(&mut |resolve: Function, _| {
        timer = bindings::set_timeout(&resolve, millis);
    });
    Sleep { timer, elapsed: JsFuture::from(promise) }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.elapsed).poll(cx).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        bindings::clear_timeout(&self.timer);
    }
}

/// The error of a future that was not ready in time.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// Limits a future to the time `after` from now.
pub(crate) async fn timeout<F: Future>(after: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut timer = pin!(sleep(after));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(output)),
        Poll::Pending => timer.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}
