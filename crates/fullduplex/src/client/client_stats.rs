//! Statistics of a client.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fullduplex_proto::CloseInfo;
use http::Version;

use crate::base::error::ErrorKind;
use crate::base::guard;
use crate::base::guard::{Panicked, SUBSCRIBER};
use crate::base::histogram::Histogram;
use crate::base::registry::Registry;
use crate::base::span::Span;
use crate::base::stats::ConnectionStats;
use crate::base::sync::Mutex;
use crate::client::trace;
use crate::connection::close_kind::CloseKind;
use crate::connection::open_connections::ConnectionOwner;

/// The statistics of a [`Client`](crate::Client) and its clones since it was built, and what is
/// open now.
///
/// ```
/// use fullduplex::Client;
/// use fullduplex::client::stats::ConnectOutcome;
/// use fullduplex::server::Server;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// let server = Server::bind("127.0.0.1:0").await?;
/// let url = format!("ws://{}/", server.local_addr()?);
/// tokio::spawn(server.serve(async |mut websocket: fullduplex::WebSocket| {
///     websocket.next().await;
/// }));
///
/// let client = Client::builder().build()?;
/// # let client = Client::builder().proxies(fullduplex::client::Proxies::none()).build()?;
/// let (websocket, _) = client.connect(&url).await?;
/// let stats = client.stats();
/// assert_eq!(stats.websockets, 1);
/// assert_eq!(stats.attempts[&ConnectOutcome::Opened(http::Version::HTTP_11)], 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// The number of attempts to open a WebSocket that are under way.
    pub connecting: usize,
    /// The number of attempts that have ended, by outcome. An attempt includes the redirections
    /// that are followed, and with [`HttpVersion::Auto`](crate::client::HttpVersion) all versions
    /// that are tried. A call that fails for its arguments, such as an invalid URL, does not count.
    pub attempts: BTreeMap<ConnectOutcome, u64>,
    /// The number of redirections that were followed.
    pub redirects: u64,
    /// The time that the attempts took that opened a WebSocket.
    pub connect_times: Histogram,
    /// The number of open WebSockets.
    pub websockets: usize,
    /// The number of ended WebSockets, by close code and cause.
    pub ends: BTreeMap<CloseKind, u64>,
    /// Messages and bytes of all WebSockets, ended and open.
    pub traffic: ConnectionStats,
    /// The round-trip times of keepalive pings.
    pub round_trips: Histogram,
    /// The number of [`Reconnecting`](crate::client::Reconnecting) clients that have not stopped.
    pub reconnecting: usize,
    /// The number of attempts of reconnecting clients, without the first of each.
    pub retries: u64,
    /// The number of messages in the queues of reconnecting clients.
    pub queued: usize,
    /// The number of messages that the queues of reconnecting clients have dropped
    /// ([`OfflinePolicy::DropOldest`](crate::client::OfflinePolicy::DropOldest)).
    pub dropped: u64,
    /// The number of panics in the application's code that were caught: a hook of a reconnecting
    /// client, a transport, a waker, the `tracing` subscriber, or a `Drop`.
    pub panics: u64,
}

/// The outcome of an attempt to open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConnectOutcome {
    /// A WebSocket was opened, on this version of HTTP: 1.1 (RFC 6455), 2 (RFC 8441) or 3
    /// (RFC 9220).
    Opened(Version),
    /// The attempt failed with an error of this kind.
    Failed(ErrorKind),
    /// The future of the attempt was dropped before it was ready.
    Cancelled,
}

/// The queue of a reconnecting client.
pub(super) trait MessageQueue: Send + Sync {
    /// Returns the number of messages that are not handed to a connection yet.
    fn queued(&self) -> usize;
    /// Returns the number of messages that the policy dropped.
    fn dropped(&self) -> u64;
}

/// A recorder of the events that change [`ClientStats`], a few per connection. Clones share it.
#[derive(Clone, Default)]
pub(super) struct StatsRecorder(Arc<Mutex<Recorded>>);

#[derive(Default)]
struct Recorded {
    /// Without what open WebSockets and running queues have to say.
    stats: ClientStats,
    queues: Registry<Weak<dyn MessageQueue>>,
}

impl StatsRecorder {
    pub(super) fn attempt_started(&self) {
        self.0.lock().stats.connecting += 1;
    }

    /// Counts the end of an attempt, and the time that it took to open a WebSocket.
    pub(super) fn attempt_ended(&self, outcome: ConnectOutcome, took: Duration) {
        let stats = &mut self.0.lock().stats;
        stats.connecting -= 1;
        *stats.attempts.entry(outcome).or_default() += 1;
        if matches!(outcome, ConnectOutcome::Opened(_)) {
            stats.connect_times.record(took);
        }
    }

    pub(super) fn redirected(&self) {
        self.0.lock().stats.redirects += 1;
    }

    pub(super) fn retried(&self) {
        self.0.lock().stats.retries += 1;
    }

    /// Lists the queue of a reconnecting client, and returns its key.
    pub(super) fn queue_started(&self, queue: Weak<dyn MessageQueue>) -> u32 {
        self.0.lock().queues.insert(queue)
    }

    /// Removes the queue of a reconnecting client that has stopped, and keeps what it dropped.
    pub(super) fn queue_ended(&self, key: u32, dropped: u64) {
        let queue = {
            let mut recorded = self.0.lock();
            recorded.stats.dropped += dropped;
            recorded.queues.remove(key)
        };
        drop(queue);
    }

    /// Calls the `tracing` subscriber, and catches and counts a panic of it.
    pub(super) fn traced<T>(&self, call: impl FnOnce() -> T) -> Result<T, Panicked> {
        guard::caught(call).inspect_err(|_| self.record_panic(SUBSCRIBER))
    }

    /// Returns the statistics, without those of the open WebSockets.
    pub(super) fn read(&self) -> ClientStats {
        let (mut stats, queues) = {
            let recorded = self.0.lock();
            let queues: Vec<_> = recorded.queues.values().filter_map(Weak::upgrade).collect();
            let reconnecting = recorded.queues.len();
            (ClientStats { reconnecting, ..recorded.stats.clone() }, queues)
        };
        for queue in queues {
            stats.queued += queue.queued();
            stats.dropped += queue.dropped();
        }
        stats
    }
}

impl ConnectionOwner for StatsRecorder {
    /// A client does not limit its WebSockets.
    type Permit = ();

    fn count_round_trip(&self, took: Duration) {
        self.0.lock().stats.round_trips.record(took);
    }

    fn record_panic(&self, what: &'static str) {
        self.0.lock().stats.panics += 1;
        let _ = guard::caught(|| trace::panicked(what));
    }

    fn count_end(&self, end: CloseKind, traffic: ConnectionStats) {
        let stats = &mut self.0.lock().stats;
        *stats.ends.entry(end).or_default() += 1;
        stats.traffic.add(traffic);
    }

    fn trace_end(&self, span: Span, info: Option<&CloseInfo>, traffic: &ConnectionStats) {
        let _ = self.traced(move || trace::closed(&span, CloseKind::of(info), traffic));
    }
}
