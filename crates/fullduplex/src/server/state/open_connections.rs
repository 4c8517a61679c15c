//! The WebSockets that are open on a server, to close all of them when it goes away.

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

/// The open WebSockets.
pub(crate) struct OpenConnections {
    open: Arc<Open>,
    /// As the connections know it.
    observer: SharedObserver,
}

struct Open {
    members: Mutex<Registry<Member>>,
    record: StatsRecorder,
    /// The last one has ended.
    emptied: Notify,
}

/// An open WebSocket.
struct Member {
    connection: Weak<dyn DrivenConnection>,
    permit: Arc<ConnectionPermit>,
    span: Span,
}

impl OpenConnections {
    /// Members whose figures are added to `record`.
    pub(crate) fn new(record: StatsRecorder) -> Self {
        let (members, emptied) = Default::default();
        let open = Arc::new(Open { members, record, emptied });
        let observer: Arc<dyn ConnectionObserver> = open.clone();
        Self { open, observer: Arc::new(observer) }
    }

    /// Adds a WebSocket until it ends, and returns its connection.
    pub(crate) fn add<S: Transport>(
        &self,
        websocket: &WebSocket<S>,
        permit: Arc<ConnectionPermit>,
        span: Span,
    ) -> Arc<dyn DrivenConnection> {
        let connection = websocket.connection();
        let member = Member { connection: Arc::downgrade(&connection), permit, span };
        let key = self.open.members.lock().insert(member);
        websocket.register(Registration::new(self.observer.clone(), key));
        connection
    }

    pub(crate) fn len(&self) -> usize {
        self.open.members.lock().len()
    }

    /// What went over those that are open now.
    pub(crate) fn stats(&self) -> ConnectionStats {
        let mut all = ConnectionStats::default();
        self.all().iter().for_each(|open| all.add(open.stats()));
        all
    }

    /// All that are open now.
    pub(crate) fn all(&self) -> Vec<Arc<dyn DrivenConnection>> {
        self.open.members.lock().values().filter_map(|member| member.connection.upgrade()).collect()
    }

    /// Waits until none is open.
    pub(crate) async fn emptied(&self) {
        loop {
            // What is notified from here on is not missed.
            let emptied = self.open.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

impl ConnectionObserver for Open {
    fn round_trip(&self, took: Duration) {
        self.record.round_trip(took);
    }

    fn panicked(&self, what: &'static str) {
        panics::note(&self.record, what);
    }

    fn ended(&self, key: u32, info: Option<&CloseInfo>, traffic: ConnectionStats) {
        let (member, is_last) = {
            let mut members = self.members.lock();
            (members.remove(key), members.is_empty())
        };
        let Some(Member { connection, permit, span }) = member else { return };
        drop(connection);
        // Its connection's place is free when others learn that it has ended.
        drop(permit);
        self.record.end(CloseKind::of(info), traffic);
        if is_last {
            self.emptied.notify_waiters();
        }
        let _ = caught(&self.record, SUBSCRIBER, move || trace::closed(&span, info, &traffic));
    }
}
