//! Leaving others on the thread their turn.
//!
//! tokio gives a task 128 steps, of which each operation on a socket, timer or channel takes
//! one. What a task does without any of these is charged here: bytes that were read, inflated
//! or compressed, and messages that are received, sent and delivered. Whoever can wait looks
//! whether steps are left before it does more.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::task::coop;

/// The steps of a turn.
const TURN: usize = 128;

/// Small pieces of work, of which so many are one step. Each takes some 100 ns.
const SMALL: usize = 64;

/// So many bytes that are delivered are a small piece of work: 1 MiB is a turn, as it is of
/// bytes that are read.
pub(crate) const DELIVERED: usize = 128;

/// The small pieces of work of a message that may be compressed, however short: one step.
pub(crate) const COMPRESSION: usize = SMALL;

/// So many bytes that may be compressed are a small piece of work: 64 KiB are a turn.
pub(crate) const COMPRESSED: usize = 8;

/// The small pieces of work that a frame of HTTP/2 with DATA is: 1,024 of them are a turn.
#[cfg(feature = "http2")]
pub(crate) const FRAME: usize = 8;

thread_local! {
    /// Small pieces of work that are not a step yet, of whichever task of the thread; `SMALL` of
    /// them where the turn of the task that did them was over, so that the next look sees it.
    static CHARGED: Cell<usize> = const { Cell::new(0) };
}

/// Spends a step of the turn for each `step` bytes that a read brought, as they may be thousands
/// of messages or frames.
pub(crate) fn spend(cx: &mut Context<'_>, bytes: usize, step: usize) {
    for _ in 0..(bytes / step).min(TURN) {
        if !coop::has_budget_remaining() {
            return;
        }
        let Poll::Ready(turn) = coop::poll_proceed(cx) else { return };
        turn.made_progress();
    }
}

/// Charges small pieces of work to the task that runs, which may have to wait for its next turn
/// before it does more.
#[inline]
pub(crate) fn charge(work: usize) {
    let charged = CHARGED.get().saturating_add(work);
    if charged < SMALL { CHARGED.set(charged) } else { charge_steps(charged) }
}

#[cold]
fn charge_steps(charged: usize) {
    spend(&mut Context::from_waker(Waker::noop()), charged, SMALL);
    CHARGED.set(if coop::has_budget_remaining() { charged % SMALL } else { SMALL });
}

/// Waits for the task's next turn, if this one is spent: before work that asks for no I/O.
pub(crate) fn poll_turn(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|turn| turn.made_progress())
}

/// Waits for the task's next turn, if this one is spent, and charges nothing.
#[cfg(feature = "http2")]
pub(crate) fn poll_left(cx: &mut Context<'_>) -> Poll<()> {
    // Without `made_progress`, the step is given back.
    coop::poll_proceed(cx).map(drop)
}

/// Waits for the task's next turn, if this one is spent, and charges one message to it. tokio is
/// asked about the turn only once for so many messages as are a step, unless work that was charged
/// has ended it.
#[inline]
pub(crate) fn poll_message(cx: &mut Context<'_>) -> Poll<()> {
    if charge_message() { Poll::Ready(()) } else { poll_step(cx) }
}

/// Charges one message to the task's turn, unless tokio is to be asked first whether that is over,
/// which [`poll_message`] does.
#[inline]
pub(crate) fn charge_message() -> bool {
    let charged = CHARGED.get() + 1;
    let known = charged < SMALL;
    if known {
        CHARGED.set(charged);
    }
    known
}

#[cold]
fn poll_step(cx: &mut Context<'_>) -> Poll<()> {
    let polled = poll_turn(cx);
    CHARGED.set(if polled.is_ready() { 0 } else { SMALL });
    polled
}

/// Does what has an end, however much of the task's budget is left: tokio's would refuse the
/// writes of all but its first hundred.
pub(crate) fn regardless(work: impl FnOnce()) {
    let work = pin!(coop::unconstrained(async { work() }));
    let _ = work.poll(&mut Context::from_waker(Waker::noop()));
}
