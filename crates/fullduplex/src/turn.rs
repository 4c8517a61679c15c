//! Leaving others on the thread their turn.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::task::coop;

/// Has what a read brought count for more than the one call, as it may be thousands of messages
/// or frames. A task has 128 steps in its turn; each `step` bytes are one of them.
pub(crate) fn spend(cx: &mut Context<'_>, bytes: usize, step: usize) {
    for _ in 0..bytes / step {
        let Poll::Ready(turn) = coop::poll_proceed(cx) else { return };
        turn.made_progress();
    }
}

/// Waits for the task's next turn, if this one is spent: before work that asks for no I/O.
pub(crate) fn poll_turn(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|turn| turn.made_progress())
}

/// Does what has an end, however much of the task's budget is left: tokio's would refuse the
/// writes of all but its first hundred.
pub(crate) fn regardless(work: impl FnOnce()) {
    let work = pin!(coop::unconstrained(async { work() }));
    let _ = work.poll(&mut Context::from_waker(Waker::noop()));
}
