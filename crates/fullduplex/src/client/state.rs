//! What the clones of a client share to count and trace their WebSockets.

use crate::client::client_stats::{ClientStats, StatsRecorder};
use crate::connection::open_connections::OpenConnections;

/// What the clones of a client count together.
pub(super) struct ClientState {
    pub(super) record: StatsRecorder,
    pub(super) websockets: OpenConnections<StatsRecorder>,
}

impl Default for ClientState {
    fn default() -> Self {
        let record = StatsRecorder::default();
        Self { websockets: OpenConnections::new(record.clone()), record }
    }
}

impl ClientState {
    /// Returns the statistics, with those of the open WebSockets.
    pub(super) fn stats(&self) -> ClientStats {
        let mut stats = self.record.read();
        stats.traffic.add(self.websockets.stats());
        ClientStats { websockets: self.websockets.len(), ..stats }
    }
}
