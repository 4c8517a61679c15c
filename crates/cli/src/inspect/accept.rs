//! The connections that are accepted, each with its own to the target.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fullduplex::server::listen::Listener;
use fullduplex::server::tls::ServerTls;
use fullduplex::{Client, NetStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::connection::pass;
use super::event::Event;
use super::exchange::Exchange;
use super::observer::{Observer, Sinks};
use super::rewriting::Rewriting;
use crate::base::accept::{Accepted, Stopped, accept, stop};
use crate::base::stderr;
use crate::client::{connect_error, connect_error_details};

/// The time for the TLS handshake of a client.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// What all connections share.
pub(super) struct Relay {
    pub(super) client: Client,
    pub(super) url: String,
    pub(super) tls: Option<ServerTls>,
    pub(super) rewriting: Rewriting,
    pub(super) sinks: Sinks,
    pub(super) permits: Arc<Semaphore>,
    pub(super) last_number: AtomicU64,
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
        let opened = tokio::select! {
            // Boxed, so that the future of an open connection does not include it.
            opened = Box::pin(self.open(socket)) => opened,
            () = stop(&mut stopped) => return,
        };
        match opened {
            Ok((client, target)) => {
                let exchange = Exchange::new(observer, self.rewriting.clone());
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

    /// Returns the stream of the client, in TLS if it is to be, and one to the target. A client
    /// whose target can't be reached is reset: any answer would be one that the target did not
    /// give.
    async fn open(&self, socket: NetStream) -> Result<(NetStream, NetStream), Vec<String>> {
        let client = match &self.tls {
            None => socket,
            Some(tls) => {
                let accepted = timeout(TLS_TIMEOUT, tls.accept(socket)).await;
                let accepted = accepted.map_err(|_| vec!["no TLS handshake within 10 s".into()])?;
                accepted.map_err(|error| vec![error.to_string()])?.0
            }
        };
        match self.client.connect_transport(&self.url).await {
            Ok(target) => Ok((client, target)),
            Err(error) => {
                let _ = client.set_zero_linger();
                let mut lines = vec![format!("the target: {}", connect_error(&error))];
                lines.extend(connect_error_details(&self.url, &error));
                Err(lines)
            }
        }
    }
}
