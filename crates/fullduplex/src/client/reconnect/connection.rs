//! The present connection of a reconnecting client, and the figures of all of its connections.

use std::time::Duration;

use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::client::reconnect::platform::{Instant, SendHalf};

/// Figures of a reconnecting client, since it was started.
///
/// ```
/// use fullduplex::client::Reconnecting;
///
/// fn report(feed: &Reconnecting) {
///     let stats = feed.stats();
///     println!("{} connections of {} attempts", stats.connections, stats.attempts);
///     println!("{} messages wait, {} were dropped", stats.queued, stats.dropped);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectStats {
    /// The attempts to connect, successful or not, with the one that is under way.
    pub attempts: u64,
    /// The connections that were open, with the present one.
    pub connections: u64,
    /// The messages in the queue at the moment.
    pub queued: usize,
    /// The messages that [`OfflinePolicy::DropOldest`](crate::client::OfflinePolicy::DropOldest)
    /// has dropped.
    pub dropped: u64,
    /// The time with an open connection.
    pub connected: Duration,
    /// The messages and bytes of all connections together.
    pub traffic: ConnectionStats,
}

/// The present connection, and the sums over the earlier ones.
#[derive(Default)]
pub(super) struct ConnectionRecord(Mutex<Record>);

#[derive(Default)]
struct Record {
    present: Option<(SendHalf, Instant)>,
    attempts: u64,
    connections: u64,
    /// Without the present connection.
    connected: Duration,
    /// Without the present connection.
    traffic: ConnectionStats,
}

impl ConnectionRecord {
    pub(super) fn attempt_started(&self) {
        self.0.lock().attempts += 1;
    }

    pub(super) fn opened(&self, send: SendHalf) {
        let mut record = self.0.lock();
        record.connections += 1;
        record.present = Some((send, Instant::now()));
    }

    pub(super) fn ended(&self) {
        let mut record = self.0.lock();
        let Some((send, since)) = record.present.take() else { return };
        record.connected += since.elapsed();
        record.traffic.add(send.stats());
        drop(record);
        // Without the lock, as the last half drops the transport, which is foreign code.
        drop(send);
    }

    /// Returns the sending half of the present connection, if there is one.
    pub(super) fn present(&self) -> Option<SendHalf> {
        self.0.lock().present.as_ref().map(|(send, _)| send.clone())
    }

    /// Returns the figures; those of the queue are zero.
    pub(super) fn stats(&self) -> ReconnectStats {
        let record = self.0.lock();
        let mut stats = ReconnectStats {
            attempts: record.attempts,
            connections: record.connections,
            connected: record.connected,
            traffic: record.traffic,
            ..ReconnectStats::default()
        };
        if let Some((send, since)) = &record.present {
            stats.connected += since.elapsed();
            stats.traffic.add(send.stats());
        }
        stats
    }
}
