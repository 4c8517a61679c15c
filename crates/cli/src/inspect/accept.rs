//! The connections that are accepted, each with its own to the target.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fullduplex::server::listen::Listener;
use fullduplex::{Client, NetStream};
use tokio::sync::{Semaphore, mpsc};

use super::connection::pass;
use super::event::Event;
use super::exchange::Exchange;
use super::http2;
use super::observer::{Observer, Sinks};
use super::opened::Opened;
use super::proxy::Proxy;
use super::versions::Target;
use crate::base::accept::{Accepted, Stopped, accept, stop};
use crate::base::stderr;

/// What all connections share.
pub(super) struct Relay {
    pub(super) client: Client,
    pub(super) way: Way,
    pub(super) sinks: Sinks,
    pub(super) permits: Arc<Semaphore>,
    pub(super) last_number: Arc<AtomicU64>,
}

/// How the target of a connection is found.
pub(super) enum Way {
    /// All have the same.
    Target(Target),
    /// Each client says which it wants.
    Proxy(Box<Proxy>),
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
                this.relay(accepted.socket, accepted.from, stopped, open).await;
                drop(accepted.permit);
            });
        };
        accept(listener, permits, stopped.clone(), failed, each).await;
    }

    /// Connects to the target for a connection, and passes on what both sides send.
    async fn relay(
        &self,
        socket: NetStream,
        from: Option<SocketAddr>,
        mut stopped: Stopped,
        open: mpsc::Sender<()>,
    ) {
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
            Ok(Opened { client, target, rewriting, is_http2: true, .. }) => {
                let shared = http2::Shared {
                    rewriting,
                    sinks: self.sinks.clone(),
                    last_number: self.last_number.clone(),
                    stopped,
                    open,
                };
                // Boxed, so that the future of a connection with HTTP/1.1 does not include it.
                Box::pin(http2::relay(client, target, observer, Arc::new(shared))).await;
            }
            Ok(Opened { client, target, rewriting, early, is_blind, .. }) => {
                let exchange = Exchange::new(observer, rewriting);
                let exchange =
                    if is_blind { exchange.switched() } else { exchange.with_early(early) };
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
