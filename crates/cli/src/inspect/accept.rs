//! The connections that are accepted, each with its own to the target.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fullduplex::server::listen::Listener;
use fullduplex::server::tls::ServerTls;
use fullduplex::{Client, NetStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::connection::pass;
use super::event::Event;
use super::exchange::Exchange;
use super::observer::{Observer, Sinks};
use super::opened::{Opened, TLS_TIMEOUT};
use super::proxy::Proxy;
use super::rewriting::Rewriting;
use crate::base::accept::{Accepted, Stopped, accept, stop};
use crate::base::stderr;
use crate::client::{connect_error, connect_error_details};

/// What all connections share.
pub(super) struct Relay {
    pub(super) client: Client,
    pub(super) way: Way,
    pub(super) sinks: Sinks,
    pub(super) permits: Arc<Semaphore>,
    pub(super) last_number: AtomicU64,
}

/// How the target of a connection is found.
pub(super) enum Way {
    /// All have the same.
    Target(Target),
    /// Each client says which it wants.
    Proxy(Box<Proxy>),
}

/// The target of all connections.
pub(super) struct Target {
    pub(super) url: String,
    /// The TLS of clients.
    pub(super) tls: Option<ServerTls>,
    pub(super) rewriting: Rewriting,
}

impl Relay {
    /// Accepts connections until the end. Each keeps a clone of `open` until its own.
    pub(super) async fn accept(
        self: Arc<Self>,
        listener: Listener,
        stopped: Stopped,
        open: mpsc::Sender<()>,
    ) {
        let permits = self.permits.clone();
        let failed = |error: &io::Error| {
            stderr::push_line(&format!("fdx inspect: accepting a connection: {error}"));
        };
        let each = |accepted: Accepted| {
            let (this, stopped, open) = (self.clone(), stopped.clone(), open.clone());
            tokio::spawn(async move {
                this.relay(accepted.socket, accepted.from, stopped).await;
                drop((accepted.permit, open));
            });
        };
        accept(listener, permits, stopped.clone(), failed, each).await;
    }

    /// Connects to the target for a connection, and passes the bytes of both.
    async fn relay(&self, socket: NetStream, from: Option<SocketAddr>, mut stopped: Stopped) {
        let number = self.last_number.fetch_add(1, Ordering::Relaxed) + 1;
        let observer = Observer::new(number, self.sinks.clone());
        observer.tell(&Event::Accepted(from));
        let opening = async {
            match &self.way {
                Way::Target(target) => target.open(&self.client, socket).await,
                Way::Proxy(proxy) => proxy.open(&self.client, socket, &observer).await,
            }
        };
        let opened = tokio::select! {
            // Boxed, so that the future of an open connection does not include it.
            opened = Box::pin(opening) => opened,
            () = stop(&mut stopped) => return,
        };
        match opened {
            Ok(Opened { client, target, rewriting, early, is_blind }) => {
                let exchange = Exchange::new(observer, rewriting);
                let exchange = if is_blind { exchange.blind() } else { exchange.with_early(early) };
                pass(client, target, exchange, stop(&mut stopped)).await;
            }
            Err(lines) => {
                for line in lines {
                    observer.note(&line);
                }
                observer.close();
            }
        }
    }
}

impl Target {
    /// Accepts the TLS of the client, if it is to be, and connects to the target. A client whose
    /// target can't be reached is reset: any answer would be one that the target did not give.
    async fn open(&self, client: &Client, socket: NetStream) -> Result<Opened, Vec<String>> {
        let socket = match &self.tls {
            None => socket,
            Some(tls) => {
                let accepted = timeout(TLS_TIMEOUT, tls.accept(socket)).await;
                let accepted = accepted.map_err(|_| vec!["no TLS handshake within 10 s".into()])?;
                accepted.map_err(|error| vec![error.to_string()])?.0
            }
        };
        match client.connect_transport(&self.url).await {
            Ok(target) => Ok(Opened::new(socket, target, self.rewriting.clone())),
            Err(error) => {
                let _ = socket.set_zero_linger();
                let mut lines = vec![format!("the target: {}", connect_error(&error))];
                lines.extend(connect_error_details(&self.url, &error));
                Err(lines)
            }
        }
    }
}
