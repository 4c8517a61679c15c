//! The list of the open WebSockets of a server, to close all of them when it shuts down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use fullduplex_proto::CloseInfo;
use tokio::sync::Notify;

use crate::base::registry::Registry;
use crate::base::sync::Mutex;
use crate::connection::driver::DrivenConnection;
use crate::connection::observer::{ConnectionObserver, Registration, SharedObserver};
use crate::connection::stats::ConnectionStats;
use crate::connection::websocket::WebSocket;
use crate::server::state::panics;
use crate::server::state::panics::{SUBSCRIBER, caught};
use crate::server::state::permit::ConnectionPermit;
use crate::server::state::stats::{CloseKind, StatsRecorder};
use crate::server::state::trace;
use crate::server::state::trace::Span;
use crate::transport::Transport;

/// A list of the open WebSockets of a server.
pub(crate) struct OpenConnections {
    shared: Arc<SharedConnections>,
    /// `shared`, in the form that connections report to.
    observer: SharedObserver,
}

struct SharedConnections {
    entries: Mutex<Registry<Entry>>,
    record: StatsRecorder,
    /// Notified when the last WebSocket has ended.
    emptied: Notify,
}

/// An open WebSocket.
struct Entry {
    connection: Weak<dyn DrivenConnection>,
    permit: Arc<ConnectionPermit>,
    span: Span,
}

impl OpenConnections {
    /// Creates an empty list that adds the statistics of ended WebSockets to `record`.
    pub(crate) fn new(record: StatsRecorder) -> Self {
        let (entries, emptied) = Default::default();
        let shared = Arc::new(SharedConnections { entries, record, emptied });
        let observer: Arc<dyn ConnectionObserver> = shared.clone();
        Self { shared, observer: Arc::new(observer) }
    }

    /// Lists a WebSocket until it ends, and returns its connection.
    pub(crate) fn add<S: Transport>(
        &self,
        websocket: &WebSocket<S>,
        permit: Arc<ConnectionPermit>,
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

impl ConnectionObserver for SharedConnections {
    fn round_trip(&self, took: Duration) {
        self.record.round_trip(took);
    }

    fn panicked(&self, what: &'static str) {
        panics::record_panic(&self.record, what);
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
        self.record.end(CloseKind::of(info), traffic);
        if is_last {
            self.emptied.notify_waiters();
        }
        let _ = caught(&self.record, SUBSCRIBER, move || trace::closed(&span, info, &traffic));
    }
}
