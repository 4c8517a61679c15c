//! Keeping a connection open until the data of a dropped stream has arrived.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::connection::ConnectionHandle;

/// The time after which lingering ends if there is no progress.
const LINGER: Duration = Duration::from_secs(3);
/// The maximum number of such periods, however much progress there is.
const MAX_PERIODS: usize = 20;

/// A handle that keeps a connection open for the data of a dropped stream. It is not counted as a
/// user of the connection.
pub(super) struct LingeringStream(pub(super) Arc<ConnectionHandle>);

impl LingeringStream {
    pub(super) fn new(handle: Arc<ConnectionHandle>) -> Self {
        handle.shared.lingering_streams.fetch_add(1, Ordering::Relaxed);
        Self(handle)
    }
}

impl Drop for LingeringStream {
    fn drop(&mut self) {
        self.0.shared.lingering_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until the peer has received all data of a stream, or makes no progress.
pub(super) async fn linger<T>(stopped: impl Future<Output = T>, handle: &ConnectionHandle) {
    let progress = || {
        let stats = handle.shared.quinn.stats();
        (stats.frame_tx.stream, stats.frame_rx.acks)
    };
    let (mut stopped, mut before) = (pin!(stopped), progress());
    for _ in 0..MAX_PERIODS {
        if tokio::time::timeout(LINGER, &mut stopped).await.is_ok() {
            return;
        }
        // There is progress only if data was sent and the peer acknowledged something: data that is
        // sent again and again to a peer that is gone is not progress.
        let now = progress();
        if now.0 == before.0 || now.1 == before.1 {
            return;
        }
        before = now;
    }
}
