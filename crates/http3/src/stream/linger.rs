//! What keeps a connection open after a stream of it was dropped.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::connection::ConnectionHandle;

/// How long a stream that was dropped after its end keeps the connection while the peer takes
/// nothing more of it.
const LINGER: Duration = Duration::from_secs(3);
/// How many times as long it does so in all, until the peer has all of it.
const MAX_LINGERS: usize = 20;

/// Keeps a connection open for what was sent on a stream that nobody uses any more.
pub(super) struct LingeringStream(pub(super) Arc<ConnectionHandle>);

impl LingeringStream {
    pub(super) fn new(handle: Arc<ConnectionHandle>) -> Self {
        handle.0.lingering.fetch_add(1, Ordering::Relaxed);
        Self(handle)
    }
}

impl Drop for LingeringStream {
    fn drop(&mut self) {
        self.0.0.lingering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits until the peer has all of a stream, as long as it takes what is sent.
pub(super) async fn linger<T>(stopped: impl Future<Output = T>, handle: &ConnectionHandle) {
    let taken = || {
        let stats = handle.0.quinn.stats();
        (stats.frame_tx.stream, stats.frame_rx.acks)
    };
    let (mut stopped, mut before) = (pin!(stopped), taken());
    for _ in 0..MAX_LINGERS {
        if tokio::time::timeout(LINGER, &mut stopped).await.is_ok() {
            return;
        }
        // What is sent to nobody is not acknowledged.
        let now = taken();
        if now.0 == before.0 || now.1 == before.1 {
            return;
        }
        before = now;
    }
}
