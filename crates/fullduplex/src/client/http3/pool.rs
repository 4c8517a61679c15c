//! The pool of a client's HTTP/3 connections.

use std::time::Instant;

use fullduplex_http3::client::{ClientConnection, WeakConnection};
use fullduplex_http3::quinn::Endpoint;
use http::HeaderMap;
use tokio::task::JoinHandle;

use crate::base::sync::Mutex;
use crate::base::uri::{WsUri, without_zone};
use crate::client::connect::tls::LazyPair;
use crate::client::http3::alt_svc::AltSvcCache;
use crate::client::http3::quic_tls::QuicTls;
use crate::client::multiplexed::pool::{PoolEntries, PoolKey, PooledConnection};

/// A connection that accepts requests.
#[derive(Clone)]
pub(super) struct Http3Connection {
    pub(super) connection: ClientConnection,
    pub(super) endpoint: Endpoint,
}

impl PooledConnection for Http3Connection {
    fn is_closed(&self) -> bool {
        self.connection.is_going_away()
    }

    fn has_streams(&self) -> bool {
        self.connection.is_in_use()
    }

    fn can_open_stream(&mut self) -> bool {
        !self.is_closed()
    }
}

/// The HTTP/3 connections of a client, and the alternatives that servers offered.
#[derive(Default)]
pub(crate) struct Http3Pool {
    pub(super) entries: PoolEntries<Http3Connection>,
    pub(super) alternatives: AltSvcCache,
    pub(super) tls: LazyPair<QuicTls>,
    /// The connections that were removed from the pool.
    retired: Mutex<Vec<RetiredConnection>>,
}

/// A connection that was removed from the pool, and may still have WebSockets.
struct RetiredConnection {
    connection: WeakConnection,
    /// The task that keeps its endpoint until the server is notified that it is closed.
    closing: JoinHandle<()>,
}

impl Http3Pool {
    /// Stores the alternatives that a response offers. Those of a response without TLS are
    /// ignored, as anyone on the network path may have added them.
    pub(crate) fn record_alt_svc(&self, target: &WsUri, headers: &HeaderMap) {
        if target.secure && target.socket.is_none() {
            let origin = PoolKey::new(target);
            let host = without_zone(&target.host);
            self.alternatives.store(origin, host, headers, Instant::now());
        }
    }

    /// Keeps the endpoint of a connection that was removed from the pool until it is closed.
    pub(super) fn retire(&self, connection: WeakConnection, endpoint: Endpoint) {
        let mut retired = self.retired.lock();
        retired.retain(|other| !other.closing.is_finished());
        let closing = tokio::spawn(async move { endpoint.wait_idle().await });
        retired.push(RetiredConnection { connection, closing });
    }

    /// Closes the connections without WebSockets, and waits until they are closed.
    pub(crate) async fn close(&self) {
        for Http3Connection { connection, endpoint } in self.entries.take_unused() {
            drop(connection);
            endpoint.wait_idle().await;
        }
        let unused: Vec<_> = {
            let mut retired = self.retired.lock();
            retired.extract_if(.., |retired| !retired.connection.is_in_use()).collect()
        };
        for RetiredConnection { closing, .. } in unused {
            // An error means that the task ended with its runtime.
            let _ = closing.await;
        }
    }
}
