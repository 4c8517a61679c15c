//! The tasks that wait for something of a writer: for capacity, for an empty queue, or for the end.
//!
//! A future has its own entry, which it removes when it is done or dropped. So a dropped future
//! leaves nothing behind, and takes no wake-up from others.
//!
//! A `Sink` or an `AsyncWrite` can't say that its wait was given up. But a sending half waits for
//! one thing at a time. So if there are more of these wakers than sending halves, at least one is
//! out of date: all of them are woken, and those that still wait register again.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use crate::base::guard::DeferredDrop;
use crate::base::registry::Registry;
use crate::connection::writer::delivery::LaggingQueue;
use crate::connection::writer::pings::ControlWatch;
use crate::connection::writer::{Writer, WriterState};
use crate::transport::Transport;

/// What waits for something of the writer. It is allocated when needed, as most connections
/// seldom have any.
#[derive(Default)]
pub(crate) struct Waiters {
    /// An entry for each future: `None` after it was woken, until it is polled again.
    futures: Registry<Option<Waker>>,
    sinks: Vec<Waker>,
    /// The wakers to wake when the lock is released.
    pub(super) to_wake: Vec<Waker>,
    /// What waits for Pings and Pongs.
    pub(super) control: ControlWatch,
    /// Broadcast messages for which there was no capacity.
    pub(super) lagging: LaggingQueue,
}

/// The key of a future's entry among the waiters. Small, as each `send` has one.
#[derive(Debug)]
pub(crate) struct WaiterKey(u32);

impl WaiterKey {
    /// No entry: the future has not waited.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

impl Waiters {
    /// Sets the waker of a future, and returns the one before, to be dropped without the lock.
    fn add_future(&mut self, waker: &Waker, key: &mut WaiterKey) -> Option<Waker> {
        match self.futures.get_mut(key.0) {
            Some(Some(before)) if before.will_wake(waker) => None,
            Some(entry) => entry.replace(waker.clone()),
            None => {
                key.0 = self.futures.insert(Some(waker.clone()));
                None
            }
        }
    }

    /// Adds the waker of a sink, of which there may be one for each of `halves` sending halves. If
    /// there are more, returns the others, to be woken: at least one is out of date.
    fn add_sink(&mut self, waker: &Waker, halves: usize) -> Vec<Waker> {
        if self.sinks.iter().any(|before| before.will_wake(waker)) {
            return Vec::new();
        }
        let is_full = self.sinks.len() >= halves;
        let before = if is_full { mem::take(&mut self.sinks) } else { Vec::new() };
        self.sinks.push(waker.clone());
        before
    }

    fn remove(&mut self, key: u32) -> Option<Waker> {
        self.futures.remove(key).flatten()
    }

    /// Takes all wakers. The entries of futures stay, until the futures remove them.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let mut wakers = mem::take(&mut self.sinks);
        wakers.extend(self.futures.values_mut().filter_map(Option::take));
        wakers
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.futures.is_empty()
            && self.sinks.is_empty()
            && self.to_wake.is_empty()
            && self.control.is_empty()
            && self.lagging.is_empty()
    }
}

impl<S: Transport> Writer<S> {
    /// Registers the task to be woken when something changes: a future with its `key`, or a sink.
    pub(crate) fn wait(
        &self,
        state: &mut WriterState<S>,
        cx: &mut Context<'_>,
        key: Option<&mut WaiterKey>,
    ) {
        let waiters = state.waiters.get_or_insert_default();
        if let Some(key) = key {
            if let Some(before) = waiters.add_future(cx.waker(), key) {
                state.drop_later(DeferredDrop::Waker(before));
            }
        } else {
            let halves = self.senders.load(Ordering::Relaxed) as usize;
            let before = waiters.add_sink(cx.waker(), halves);
            state.wake_later(before);
        }
    }

    /// Removes the entry of a future, which is done or dropped.
    #[inline]
    pub(crate) fn forget(&self, key: &mut WaiterKey) {
        if key.0 != WaiterKey::NONE.0 {
            self.remove_waiter(mem::replace(key, WaiterKey::NONE).0);
        }
    }

    #[cold]
    fn remove_waiter(&self, key: u32) {
        let mut state = self.lock_leaving_pending();
        let Some(waiters) = &mut state.waiters else { return };
        let waker = waiters.remove(key);
        let forgotten = waiters.control.take_forgotten();
        let empty = waiters.is_empty().then(|| state.waiters.take());
        drop(state);
        drop((waker, forgotten, empty));
    }
}

/// The wait of an `async fn`, whose entry is removed when this is dropped.
pub(crate) struct Wait<'a, S: Transport> {
    pub(crate) writer: &'a Arc<Writer<S>>,
    pub(crate) key: WaiterKey,
}

impl<'a, S: Transport> Wait<'a, S> {
    pub(crate) fn new(writer: &'a Arc<Writer<S>>) -> Self {
        Self { writer, key: WaiterKey::NONE }
    }
}

impl<S: Transport> Drop for Wait<'_, S> {
    fn drop(&mut self) {
        self.writer.forget(&mut self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;
    use std::time::Duration;

    use fullduplex_proto::{CloseCode, Message};
    use futures_sink::Sink;

    use super::*;
    use crate::connection::split::SendHalf;
    use crate::connection::websocket::WebSocket;

    struct Own;

    impl Wake for Own {
        fn wake(self: Arc<Self>) {}
    }

    /// Returns a waker that is equal to no other.
    fn own_waker() -> Waker {
        Waker::from(Arc::new(Own))
    }

    /// Returns a sending half whose queue is full, and what keeps its connection open.
    fn full() -> (SendHalf<tokio::io::DuplexStream>, impl Sized) {
        let (near, far) = tokio::io::duplex(64);
        let websocket = WebSocket::server(near);
        let (send, receive) = websocket.split();
        while send.try_send(vec![7; 10_000]).is_ok() {}
        (send, (receive, far))
    }

    /// Returns the number of wakers and entries.
    fn waiting(send: &SendHalf<tokio::io::DuplexStream>) -> usize {
        let state = send.writer.lock();
        let waiters = state.waiters.as_ref();
        waiters.map_or(0, |waiters| waiters.futures.len() + waiters.sinks.len())
    }

    /// Polls a future once, with a separate waker, and drops it.
    fn give_up(future: impl Future) {
        assert!(pin!(future).poll(&mut Context::from_waker(&own_waker())).is_pending());
    }

    #[tokio::test]
    async fn backpressure_waits_that_are_dropped_leave_no_entry() {
        for is_ping in [false, true] {
            let (send, _rest) = full();
            let control = async || {
                if is_ping { send.ping(b"").await.map(drop) } else { send.pong(b"").await }
            };
            // They can't leave either: one is being written, and one is queued.
            control().await.unwrap();
            control().await.unwrap();
            for _ in 0..1000 {
                give_up(send.send("no capacity"));
                give_up(control());
                give_up(send.flush());
                give_up(send.closed());
            }
            assert_eq!(waiting(&send), 0);
            // The futures of the Pongs were dropped, too.
            assert!(send.writer.lock().waiters.is_none());
        }
    }

    /// A payload that is counted while it is held.
    struct Held {
        _count: Arc<()>,
    }

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            b"held"
        }
    }

    #[tokio::test]
    async fn send_future_drops_its_message_when_queued_or_dropped() {
        let count = Arc::new(());
        let message = || Message::binary(bytes::Bytes::from_owner(Held { _count: count.clone() }));
        let (send, _rest) = full();
        drop(send.send(message()));
        assert_eq!(Arc::strong_count(&count), 1, "it was never polled");
        give_up(send.send(message()));
        assert_eq!(Arc::strong_count(&count), 1, "it has waited");
        let (near, _far) = tokio::io::duplex(64);
        let (send, _receive) = WebSocket::server(near).split();
        let mut queued = pin!(send.send(message()));
        assert!(queued.as_mut().poll(&mut Context::from_waker(&own_waker())).is_ready());
        assert_eq!(Arc::strong_count(&count), 1, "it was queued, and its future is held");
    }

    #[tokio::test]
    async fn backpressure_waits_are_woken() {
        let (send, _rest) = full();
        let all: Vec<_> = (0..100)
            .map(|_| {
                let send = send.clone();
                tokio::spawn(async move { send.send("no capacity").await })
            })
            .collect();
        let wait = async {
            while waiting(&send) < 100 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap();
        // The entries of the others stay.
        give_up(send.send("no capacity"));
        assert_eq!(waiting(&send), 100);
        send.start_close(CloseCode::NORMAL, "").unwrap();
        crate::connection::driver::DrivenConnection::cut(send.writer.clone());
        for each in all {
            each.await.unwrap().unwrap_err();
        }
        assert_eq!(waiting(&send), 0);
    }

    /// Spawns a task that polls a future, and returns the count of its polls.
    fn polled<F: Future + Send + 'static>(future: F) -> Arc<AtomicUsize> {
        let polls = Arc::<AtomicUsize>::default();
        let counted = polls.clone();
        let mut future = Box::pin(future);
        tokio::spawn(std::future::poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            future.as_mut().poll(cx).map(|_| ())
        }));
        polls
    }

    #[tokio::test]
    async fn backpressure_waits_on_a_stalled_peer_are_not_polled_repeatedly() {
        let (near, mut far) = tokio::io::duplex(64);
        let websocket = WebSocket::server(near);
        let (send, _receive) = websocket.split();
        // Less than `low_water`.
        send.try_send(vec![7; 1000]).unwrap();
        send.ping(b"").await.unwrap();
        send.ping(b"").await.unwrap();
        let mut polls = Vec::new();
        for _ in 0..2 {
            let (pings, flushes) = (send.clone(), send.clone());
            polls.push(polled(async move { pings.ping(b"third").await }));
            polls.push(polled(async move { flushes.flush().await }));
        }
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        for each in &polls {
            let polls = each.load(Ordering::Relaxed);
            assert!((1..=4).contains(&polls), "{polls}");
        }
        assert_eq!(waiting(&send), 4);
        // When it reads, all go on.
        let reading = async {
            while waiting(&send) > 0 {
                let _ = tokio::io::AsyncReadExt::read(&mut far, &mut [0; 256]).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
    }

    #[tokio::test]
    async fn backpressure_waits_of_sinks_are_at_most_one_for_each_half() {
        let (mut send, _rest) = full();
        let mut clones = [send.clone(), send.clone()];
        for _ in 0..1000 {
            for each in clones.iter_mut().chain([&mut send]) {
                let waker = own_waker();
                let mut cx = Context::from_waker(&waker);
                let sink: std::pin::Pin<&mut SendHalf<_>> = std::pin::Pin::new(each);
                assert!(Sink::<Message>::poll_ready(sink, &mut cx).is_pending());
            }
        }
        assert!(waiting(&send) <= 3, "{}", waiting(&send));
    }
}
