//! What a reconnecting client reports to the statistics of its client, and to `tracing`.

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::base::uri::WsUri;
    use crate::client::client::Client;
    use crate::client::client_stats::{MessageQueue, StatsRecorder};
    use crate::client::reconnect::event::DisconnectReason;
    use crate::client::reconnect::sender::ReconnectShared;
    use crate::client::reconnect::trace;
    use crate::connection::open_connections::ConnectionOwner as _;

    /// The place of a reconnecting client in the statistics of its client.
    pub(crate) struct ReconnectRecord {
        record: StatsRecorder,
        queue_key: u32,
    }

    impl ReconnectRecord {
        /// Lists the queue of the reconnecting client.
        pub(crate) fn started(client: &Client, shared: &Arc<ReconnectShared>) -> Self {
            let record = client.state.record.clone();
            let queue: Arc<dyn MessageQueue> = shared.clone();
            let queue_key = record.queue_started(Arc::downgrade(&queue));
            Self { record, queue_key }
        }

        pub(crate) fn retried(&self) {
            self.record.retried();
        }

        pub(crate) fn panicked(&self, what: &'static str) {
            self.record.record_panic(what);
        }

        pub(crate) fn disconnected(
            &self,
            target: Option<&WsUri>,
            reason: &DisconnectReason,
            retry_in: Option<Duration>,
        ) {
            let _ = self.record.traced(|| trace::disconnected(target, reason, retry_in));
        }

        /// Removes the queue, which has dropped this many messages.
        pub(crate) fn stopped(&self, dropped: u64) {
            self.record.queue_ended(self.queue_key, dropped);
        }
    }

    impl MessageQueue for ReconnectShared {
        fn queued(&self) -> usize {
            self.queue.len()
        }

        fn dropped(&self) -> u64 {
            self.queue.dropped()
        }
    }
}

#[cfg(target_family = "wasm")]
mod browser {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::client::reconnect::event::DisconnectReason;
    use crate::client::reconnect::sender::ReconnectShared;
    use crate::web::client::Client;
    use crate::web::request::WsUri;

    /// Nothing: a client in a browser has no statistics.
    pub(crate) struct ReconnectRecord;

    #[allow(clippy::unused_self, reason = "natively, it has something to report to")]
    impl ReconnectRecord {
        pub(crate) fn started(_: &Client, _: &Arc<ReconnectShared>) -> Self {
            Self
        }

        pub(crate) fn retried(&self) {}

        pub(crate) fn panicked(&self, _: &'static str) {}

        pub(crate) fn disconnected(
            &self,
            _: Option<&WsUri>,
            _: &DisconnectReason,
            _: Option<Duration>,
        ) {
        }

        pub(crate) fn stopped(&self, _: u64) {}
    }
}

#[cfg(target_family = "wasm")]
pub(super) use browser::ReconnectRecord;
#[cfg(not(target_family = "wasm"))]
pub(super) use native::ReconnectRecord;
