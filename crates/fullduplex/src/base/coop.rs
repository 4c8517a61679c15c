//! Cooperative scheduling: tasks yield to the others on their thread.
//!
//! tokio gives a task a budget of 128 units at each poll, of which each operation on a socket,
//! timer or channel consumes one. Work without such operations is charged here: bytes that are
//! read, inflated or compressed, and messages that are received, sent and delivered. Code that can
//! wait checks whether budget is left before it continues.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::task::coop;

/// tokio's budget for one poll of a task, in units.
const BUDGET: usize = 128;

/// The number of small pieces of work that consume one unit. Each takes some 100 ns.
const WORK_PER_UNIT: usize = 64;

/// The number of delivered bytes that are a small piece of work: 1 MiB consumes the budget.
pub(crate) const DELIVERED: usize = 128;

/// The small pieces of work of a message that may be compressed, however short: one unit.
pub(crate) const COMPRESSION: usize = WORK_PER_UNIT;

/// The number of bytes to compress that are a small piece of work: 64 KiB consume the budget.
pub(crate) const COMPRESSED: usize = 8;

/// The small pieces of work of a frame of HTTP/2 with DATA: 1,024 frames consume the budget.
#[cfg(feature = "http2")]
pub(crate) const FRAME: usize = 8;

thread_local! {
    /// Small pieces of work that do not make up a unit yet, of all tasks of the thread. It is
    /// `WORK_PER_UNIT` if the budget of the task that did them was used up, so that the next check
    /// notices.
    static CHARGED: Cell<usize> = const { Cell::new(0) };
}

/// Consumes a unit for each `unit` bytes that a read returned, as they may be thousands of messages
/// or frames.
pub(crate) fn consume(cx: &mut Context<'_>, bytes: usize, unit: usize) {
    for _ in 0..(bytes / unit).min(BUDGET) {
        if !coop::has_budget_remaining() {
            return;
        }
        let Poll::Ready(turn) = coop::poll_proceed(cx) else { return };
        turn.made_progress();
    }
}

/// Charges small pieces of work to the current task, which may have to yield before it does more.
#[inline]
pub(crate) fn charge(work: usize) {
    let charged = CHARGED.get().saturating_add(work);
    if charged < WORK_PER_UNIT { CHARGED.set(charged) } else { charge_units(charged) }
}

#[cold]
fn charge_units(charged: usize) {
    consume(&mut Context::from_waker(Waker::noop()), charged, WORK_PER_UNIT);
    CHARGED.set(if coop::has_budget_remaining() { charged % WORK_PER_UNIT } else { WORK_PER_UNIT });
}

/// Waits for the task's next poll if its budget is used up, and consumes a unit. For use before
/// work without I/O.
pub(crate) fn poll_proceed(cx: &mut Context<'_>) -> Poll<()> {
    coop::poll_proceed(cx).map(|turn| turn.made_progress())
}

/// Waits for the task's next poll if its budget is used up, and consumes nothing.
#[cfg(feature = "http2")]
pub(crate) fn poll_budget(cx: &mut Context<'_>) -> Poll<()> {
    // Without `made_progress`, tokio restores the unit.
    coop::poll_proceed(cx).map(drop)
}

/// Waits for the task's next poll if its budget is used up, and charges one message. To be cheap,
/// it asks tokio only once for as many messages as make up a unit, unless charged work has used the
/// budget up.
#[inline]
pub(crate) fn poll_message(cx: &mut Context<'_>) -> Poll<()> {
    if charge_message() { Poll::Ready(()) } else { poll_unit(cx) }
}

/// Charges one message to the task's budget. Returns false if tokio must be asked first whether the
/// budget is used up, which [`poll_message`] does.
#[inline]
pub(crate) fn charge_message() -> bool {
    let charged = CHARGED.get() + 1;
    let is_charged = charged < WORK_PER_UNIT;
    if is_charged {
        CHARGED.set(charged);
    }
    is_charged
}

#[cold]
fn poll_unit(cx: &mut Context<'_>) -> Poll<()> {
    let polled = poll_proceed(cx);
    CHARGED.set(if polled.is_ready() { 0 } else { WORK_PER_UNIT });
    polled
}

/// Runs bounded work regardless of the task's budget: once it is used up, tokio would make each
/// write return pending.
pub(crate) fn unconstrained(work: impl FnOnce()) {
    let work = pin!(coop::unconstrained(async { work() }));
    let _ = work.poll(&mut Context::from_waker(Waker::noop()));
}
