//! Time, by `performance` and `setTimeout`, which pages, workers, Node, Deno and Bun have.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use crate::base::error::{Error, ErrorKind};
use crate::web::bindings;

/// Milliseconds, as JavaScript has them. Computing with a `Duration` takes more code, which a page
/// loads.
pub(super) type Millis = f64;

/// Returns a duration in milliseconds.
#[allow(clippy::cast_precision_loss, reason = "it is far longer than any program runs")]
pub(super) fn millis(duration: Duration) -> Millis {
    duration.as_secs() as f64 * 1000.0 + f64::from(duration.subsec_nanos()) / 1e6
}

/// A moment, in milliseconds of a clock that never goes back.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Instant(Millis);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(bindings::now())
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast saturates, and is shorter than a checked conversion"
    )]
    pub(crate) fn elapsed(self) -> Duration {
        Duration::from_micros((self.elapsed_millis() * 1000.0) as u64)
    }

    pub(super) fn elapsed_millis(self) -> Millis {
        bindings::now() - self.0
    }
}

/// A future that is ready after a time. Dropping it cancels the timer.
pub(crate) struct Sleep {
    timer: JsValue,
    state: Rc<RefCell<SleepState>>,
    /// Not a promise, which would keep its callbacks if it is never fulfilled.
    _callback: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct SleepState {
    has_elapsed: bool,
    waker: Option<Waker>,
}

/// Waits for a time, which JavaScript bounds to 24 days.
pub(crate) fn sleep(after: Duration) -> Sleep {
    sleep_millis(millis(after))
}

/// Waits for these milliseconds, as [`sleep`] does.
pub(super) fn sleep_millis(after: Millis) -> Sleep {
    // Rounded up, so that it is not early. A longer one would not wait at all.
    let millis = after.ceil().min(f64::from(i32::MAX));
    let state = Rc::new(RefCell::new(SleepState::default()));
    let callback: Closure<dyn FnMut()> = Closure::new({
        let state = state.clone();
        move || {
            let mut state = state.borrow_mut();
            state.has_elapsed = true;
            let waker = state.waker.take();
            drop(state);
            waker.into_iter().for_each(Waker::wake);
        }
    });
    let timer = bindings::set_timeout(callback.as_ref().unchecked_ref(), millis);
    Sleep { timer, state, _callback: callback }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.state.borrow_mut();
        if state.has_elapsed {
            return Poll::Ready(());
        }
        state.waker = Some(waker);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        bindings::clear_timeout(&self.timer);
    }
}

/// Returns the error of a deadline. Its time is in milliseconds, as the code that displays a
/// `Duration` is long.
pub(crate) fn timed_out(setting: &'static str, after: Duration) -> Error {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "such a cast saturates"
    )]
    let millis = millis(after) as usize;
    let message = format!("timed out: {setting} ({millis} ms)");
    Error::new(ErrorKind::Timeout, message)
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
