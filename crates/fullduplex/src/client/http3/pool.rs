//! The HTTP/3 connections of a client.

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

/// A connection that takes requests.
#[derive(Clone)]
pub(super) struct Http3Connection {
    pub(super) connection: ClientConnection,
    pub(super) endpoint: Endpoint,
}

impl PooledConnection for Http3Connection {
    fn is_over(&self) -> bool {
        self.connection.is_going_away()
    }

    fn has_streams(&self) -> bool {
        self.connection.is_in_use()
    }

    fn has_room(&mut self) -> bool {
        !self.is_over()
    }
}

/// The connections of a client, and what it has learned.
#[derive(Default)]
pub(crate) struct Http3Pool {
    pub(super) slots: PoolEntries<Http3Connection>,
    pub(super) alternatives: AltSvcCache,
    pub(super) tls: LazyPair<QuicTls>,
    /// The connections that have left the pool.
    leaving: Mutex<Vec<RetiredConnection>>,
}

/// A connection that has left the pool, perhaps with WebSockets on it.
struct RetiredConnection {
    connection: WeakConnection,
    /// Waits until its server was told that it is closed.
    closing: JoinHandle<()>,
}

impl Http3Pool {
    /// Takes note of where a server says that it does HTTP/3. What is not protected by TLS
    /// may come from anybody.
    pub(crate) fn learn_from(&self, target: &WsUri, headers: &HeaderMap) {
        if target.secure && target.socket.is_none() {
            let origin = PoolKey::of(target);
            let host = without_zone(&target.host);
            self.alternatives.learn(origin, host, headers, Instant::now());
        }
    }

    /// Keeps the endpoint of a connection that leaves the pool until that is closed.
    pub(super) fn leave(&self, connection: WeakConnection, endpoint: Endpoint) {
        let mut leaving = self.leaving.lock();
        leaving.retain(|other| !other.closing.is_finished());
        let closing = tokio::spawn(async move { endpoint.wait_idle().await });
        leaving.push(RetiredConnection { connection, closing });
    }

    /// Closes the connections that no WebSocket uses, and waits until that is done.
    pub(crate) async fn close(&self) {
        for Http3Connection { connection, endpoint } in self.slots.take_unused() {
            drop(connection);
            endpoint.wait_idle().await;
        }
        let unused: Vec<_> = {
            let mut leaving = self.leaving.lock();
            leaving.extract_if(.., |leaving| !leaving.connection.is_in_use()).collect()
        };
        for RetiredConnection { closing, .. } in unused {
            // It has ended also where its runtime has.
            let _ = closing.await;
        }
    }
}
