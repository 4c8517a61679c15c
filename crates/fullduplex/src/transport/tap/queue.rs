//! What a tap has not seen yet. Bytes are read and written while locks are held, or while the
//! thread counts as polling a transport; the tap, which is foreign code, is called after that.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::base::guard::{self, DeferredDrop, caught};
use crate::base::sync::Mutex;
use crate::transport::tap::{ConnectionTap, Direction, TransportEnd};

/// The most bytes that wait for a tap before its connection waits.
const MAX_WAITING: usize = 1 << 20;

/// The events of a connection in their order, and the tap that sees them.
pub(crate) struct TapQueue(Mutex<State>);

struct State {
    tap: TapState,
    events: VecDeque<Event>,
    /// The bytes in the events.
    waiting: usize,
    /// The tasks that wait until the tap has seen what waits: of each direction.
    wakers: [Option<Waker>; 2],
    /// Whether each direction has ended.
    ended: [bool; 2],
}

enum TapState {
    Idle(Box<dyn ConnectionTap>),
    /// A thread calls it, and will look for more events.
    Called,
    /// Both directions have ended, or it has panicked.
    Gone,
}

enum Event {
    Bytes(Direction, Box<[u8]>, Instant),
    Ended(Direction, TransportEnd, Instant),
}

impl Event {
    fn show(&self, tap: &mut dyn ConnectionTap) {
        match self {
            Self::Bytes(Direction::Received, bytes, at) => tap.received(bytes, *at),
            Self::Bytes(Direction::Sent, bytes, at) => tap.sent(bytes, *at),
            Self::Ended(direction, end, at) => tap.ended(*direction, end, *at),
        }
    }
}

impl TapQueue {
    pub(crate) fn new(tap: Box<dyn ConnectionTap>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            tap: TapState::Idle(tap),
            events: VecDeque::new(),
            waiting: 0,
            wakers: [None, None],
            ended: [false; 2],
        })))
    }

    /// Waits while too much waits for the tap.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>, direction: Direction) -> Poll<()> {
        if self.0.lock().waiting < MAX_WAITING {
            return Poll::Ready(());
        }
        // Cloned and dropped without the lock, as wakers are foreign code.
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if state.waiting < MAX_WAITING {
            drop(state);
            drop(waker);
            return Poll::Ready(());
        }
        let before = state.wakers[direction as usize].replace(waker);
        drop(state);
        drop(before);
        Poll::Pending
    }

    /// Adds bytes that were transferred, which are the first `len` of the slices.
    pub(crate) fn push<'a>(
        &self,
        direction: Direction,
        slices: impl IntoIterator<Item = &'a [u8]>,
        len: usize,
    ) {
        if len == 0 {
            return;
        }
        let at = Instant::now();
        let mut state = self.0.lock();
        if matches!(state.tap, TapState::Gone) || state.ended[direction as usize] {
            return;
        }
        let mut bytes = Vec::with_capacity(len);
        for slice in slices {
            bytes.extend_from_slice(&slice[..slice.len().min(len - bytes.len())]);
        }
        state.waiting += len;
        state.events.push_back(Event::Bytes(direction, bytes.into(), at));
    }

    /// Adds the end of a direction. Only the first one counts.
    pub(crate) fn push_end(&self, direction: Direction, end: TransportEnd) {
        let at = Instant::now();
        let mut state = self.0.lock();
        let was_ended = mem::replace(&mut state.ended[direction as usize], true);
        if !was_ended && !matches!(state.tap, TapState::Gone) {
            state.events.push_back(Event::Ended(direction, end, at));
        }
    }

    /// Shows the tap what waits: now, or after the poll of a transport in which the thread is.
    pub(crate) fn show(self: &Arc<Self>) {
        if guard::polls_transport() {
            let queue = self.clone();
            guard::defer_drop(DeferredDrop::Call(Box::new(move || queue.show_now())));
        } else {
            self.show_now();
        }
    }

    /// Calls the tap until no event waits, unless another thread does, or a caller of this.
    fn show_now(&self) {
        let mut tap = {
            let mut state = self.0.lock();
            match mem::replace(&mut state.tap, TapState::Called) {
                TapState::Idle(tap) => tap,
                other => {
                    state.tap = other;
                    return;
                }
            }
        };
        loop {
            let mut state = self.0.lock();
            let events = mem::take(&mut state.events);
            if events.is_empty() {
                if state.ended == [true; 2] {
                    state.tap = TapState::Gone;
                    drop(state);
                    // Nothing is left that a panic in its drop could harm.
                    let _ = caught(|| drop(tap));
                } else {
                    state.tap = TapState::Idle(tap);
                }
                return;
            }
            state.waiting = 0;
            let wakers = mem::take(&mut state.wakers);
            drop(state);
            let shown = caught(|| events.iter().for_each(|event| event.show(&mut *tap)));
            if shown.is_err() {
                self.remove(tap);
                wake(wakers);
                return;
            }
            wake(wakers);
        }
    }

    /// Drops a tap that has panicked.
    fn remove(&self, tap: Box<dyn ConnectionTap>) {
        let mut state = self.0.lock();
        state.tap = TapState::Gone;
        state.waiting = 0;
        let events = mem::take(&mut state.events);
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        drop(events);
        let _ = caught(|| drop(tap));
        wake(wakers);
    }
}

fn wake(wakers: [Option<Waker>; 2]) {
    for waker in wakers.into_iter().flatten() {
        // The task of a waker that panics is not woken, as elsewhere.
        let _ = caught(|| waker.wake());
    }
}
