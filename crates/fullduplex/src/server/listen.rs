//! A ready-made server: a listener with a task for each connection.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use super::{Handshake, ServerConfig};
use crate::error::Error;
use crate::websocket::WebSocket;

/// How long to wait after an error of `accept` that does not pass by itself, such as too
/// many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening server.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    config: Arc<ServerConfig>,
}

impl Server {
    /// Listens on an address, such as `127.0.0.1:9001`; port 0 takes any free one.
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self, Error> {
        let listener = TcpListener::bind(address).await;
        Ok(Self::from_listener(listener.map_err(|error| Error::io("listening", error))?))
    }

    /// Takes a listener that was made elsewhere.
    pub fn from_listener(listener: TcpListener) -> Self {
        Self { listener, config: Arc::default() }
    }

    /// Sets what differs from the defaults.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = Arc::new(config);
        self
    }

    /// Where it listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Opens a WebSocket for each connection and runs `handler` with it, in a task of its
    /// own, until this future is dropped. Connections that stand then go on.
    pub async fn serve<H, F>(self, handler: H)
    where
        H: Fn(WebSocket<TcpStream>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send,
    {
        let handler = Arc::new(handler);
        self.serve_connections(move |stream, _, config| {
            let handler = handler.clone();
            // Boxed, so that an open connection does not keep room for its opening.
            let accepting = Box::pin(super::accept_with(stream, config));
            async move {
                match accepting.await {
                    Ok(websocket) => handler(websocket),
                    // What was wrong has been answered to the peer.
                    Err(_) => return,
                }
                .await;
            }
        })
        .await;
    }

    /// Reads the request of each connection and runs `handler` with it and the peer's
    /// address, in a task of its own, until this future is dropped: for a choice by path, or
    /// for ordinary HTTP on the same port.
    pub async fn serve_handshakes<H, F>(self, handler: H)
    where
        H: Fn(Handshake<TcpStream>, SocketAddr) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send,
    {
        let handler = Arc::new(handler);
        self.serve_connections(move |stream, peer, config| {
            let handler = handler.clone();
            // Boxed, so that an open connection does not keep room for its opening.
            let reading = Box::pin(Handshake::read(stream, config));
            async move {
                match reading.await {
                    Ok(handshake) => handler(handshake, peer),
                    // What was no request has been answered to the peer.
                    Err(_) => return,
                }
                .await;
            }
        })
        .await;
    }

    async fn serve_connections<H, F>(self, handle: H)
    where
        H: Fn(TcpStream, SocketAddr, Arc<ServerConfig>) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Small messages should not wait for the peer's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(handle(stream, peer, self.config.clone()));
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

/// Whether only the connection that was to be accepted is gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionRefused | K::ConnectionAborted | K::ConnectionReset)
}
