//! The list of the open WebSockets of a server or a client: to sum up their traffic, and to close
//! all of them when a server shuts down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fullduplex_proto::CloseInfo;
use tokio::sync::Notify;

use crate::base::registry::Registry;
use crate::base::span::Span;
use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::connection::close_kind::CloseKind;
use crate::connection::driver::DrivenConnection;
use crate::connection::observer::{ConnectionObserver, Registration, SharedObserver};
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;

/// A server or a client, which counts and traces what happens to its WebSockets.
pub(crate) trait ConnectionOwner: Send + Sync + 'static {
    /// What a WebSocket holds of its owner until it ends.
    type Permit: Send + Sync;

    /// Counts the answer to a keepalive Ping.
    fn count_round_trip(&self, took: Duration);
    /// Counts and traces a panic of foreign code.
    fn record_panic(&self, what: &'static str);
    /// Counts the end of a WebSocket.
    fn count_end(&self, end: CloseKind, traffic: ConnectionStats);
    /// Traces the end of a WebSocket, and catches the panics of the subscriber.
    fn trace_end(&self, span: Span, info: Option<&CloseInfo>, traffic: &ConnectionStats);
}

/// A list of the open WebSockets of an owner.
pub(crate) struct OpenConnections<O: ConnectionOwner> {
    shared: Arc<SharedConnections<O>>,
    /// `shared`, in the form that connections report to.
    observer: SharedObserver,
}

struct SharedConnections<O: ConnectionOwner> {
    entries: Mutex<Registry<Entry<O::Permit>>>,
    owner: O,
    /// Notified when the last WebSocket has ended.
    emptied: Notify,
}

/// An open WebSocket.
struct Entry<P> {
    connection: Weak<dyn DrivenConnection>,
    permit: P,
    span: Span,
}

impl<O: ConnectionOwner> OpenConnections<O> {
    /// Creates an empty list, which reports the ends of its WebSockets to `owner`.
    pub(crate) fn new(owner: O) -> Self {
        let (entries, emptied) = Default::default();
        let shared = Arc::new(SharedConnections { entries, owner, emptied });
        let observer: Arc<dyn ConnectionObserver> = shared.clone();
        Self { shared, observer: Arc::new(observer) }
    }

    /// Lists a WebSocket until it ends, and returns its connection.
    pub(crate) fn add<S: Transport>(
        &self,
        websocket: &WebSocket<S>,
        permit: O::Permit,
        span: Span,
    ) -> Arc<dyn DrivenConnection> {
        let connection = websocket.connection();
        let entry = Entry { connection: Arc::downgrade(&connection), permit, span };
        let key = self.shared.entries.lock().insert(entry);
        websocket.register(Registration::new(self.observer.clone(), key));
        connection
    }

    pub(crate) fn len(&self) -> usize {
        self.shared.entries.lock().len()
    }

    /// Returns the traffic of the WebSockets that are open now.
    pub(crate) fn stats(&self) -> ConnectionStats {
        let mut total = ConnectionStats::default();
        self.all().iter().for_each(|connection| total.add(connection.stats()));
        total
    }

    /// Returns the connections of all WebSockets that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn DrivenConnection>> {
        self.shared.entries.lock().values().filter_map(|entry| entry.connection.upgrade()).collect()
    }

    /// Waits until no WebSocket is open.
    pub(crate) async fn emptied(&self) {
        loop {
            // Registered before the count is read, so that no wake-up is lost between the two.
            let emptied = self.shared.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl<O: ConnectionOwner> ConnectionObserver for SharedConnections<O> {
    fn round_trip(&self, took: Duration) {
        self.owner.count_round_trip(took);
    }

    fn panicked(&self, what: &'static str) {
        self.owner.record_panic(what);
    }

    fn ended(&self, key: u32, info: Option<&CloseInfo>, traffic: ConnectionStats) {
        let (entry, is_last) = {
            let mut entries = self.entries.lock();
            (entries.remove(key), entries.is_empty())
        };
        let Some(Entry { connection, permit, span }) = entry else { return };
        drop(connection);
        // Before `emptied` is notified: a drain that wakes up must find the permit returned.
        drop(permit);
        self.owner.count_end(CloseKind::of(info), traffic);
        if is_last {
            self.emptied.notify_waiters();
        }
        self.owner.trace_end(span, info, &traffic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_connections_hold_two_words_and_the_span_of_each() {
        // Without the feature `tracing` the span is empty. A client's permit is.
        assert_eq!(size_of::<Entry<()>>(), 2 * size_of::<usize>() + size_of::<Span>());
    }
}
