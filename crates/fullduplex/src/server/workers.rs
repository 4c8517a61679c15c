//! A server on several threads.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use crate::base::error::{Error, ErrorKind};
use crate::connection::websocket::WebSocket;
use crate::server::config::{ServerConfig, config_setters};
use crate::server::handshake::handshake::Handshake;
use crate::server::listen::bind::{BACKLOG, bind};
use crate::server::listen::listener::Listener;
use crate::server::output::HandlerOutput;
use crate::server::server::Server;
use crate::server::state::handle::ServerHandle;

/// The most threads of a server.
const MAX_THREADS: usize = 1024;

/// A server on several threads. Each thread has its own runtime and listener, and a connection
/// stays on the thread that accepted it.
///
/// The listeners share the port (`SO_REUSEPORT`). A new process may therefore listen on it before
/// the old one is drained. No connection is refused meanwhile, except those in the queue of the
/// old process when it ends. Limits and statistics are shared by all threads.
///
/// Only the first thread serves HTTP/3 (`Server::http3`), as all packets of a connection have to
/// arrive on one socket. No other process can bind the UDP port until this one has ended.
///
/// ```no_run
/// use fullduplex::server::Workers;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// Workers::bind("127.0.0.1:9001".parse().unwrap(), 0)?.serve(|mut websocket| async move {
///     while let Some(Ok(message)) = websocket.next().await {
///         let _ = websocket.send(message).await;
///     }
/// })
/// # }
/// ```
#[derive(Debug)]
#[doc(alias = "threads")]
#[doc(alias = "SO_REUSEPORT")]
pub struct Workers {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
    server: Server,
}

impl Workers {
    /// Listens on an address with `threads` listeners, at most 1,024; 0 means one per core.
    ///
    /// # Errors
    /// If there are too many threads, or the address can't be bound.
    pub fn bind(address: SocketAddr, threads: usize) -> Result<Self, Error> {
        if threads > MAX_THREADS {
            let why = format!("a server has at most {MAX_THREADS} threads, not {threads}");
            return Err(Error::new(ErrorKind::Misuse, why));
        }
        let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = if threads == 0 { cores().min(MAX_THREADS) } else { threads };
        let listen =
            |address| bind(address, true, BACKLOG).map_err(|error| Error::io("listening", error));
        let first = listen(address)?;
        let address = first.local_addr().map_err(|error| Error::io("listening", error))?;
        let mut listeners = vec![first];
        for _ in 1..threads {
            listeners.push(listen(address)?);
        }
        Ok(Self { listeners, address, server: Server::without_listeners() })
    }

    /// Sets the configuration, as [`Server::config`] does.
    #[must_use]
    pub fn config(self, config: impl Into<Arc<ServerConfig>>) -> Self {
        self.configure(|server| server.config(config))
    }

    config_setters!();

    fn with_config(self, change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        self.configure(|server| server.with_config(change))
    }

    /// Changes the server that each thread runs, to set its TLS, service or HTTP/3.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(Server) -> Server) -> Self {
        self.server = change(self.server);
        self
    }

    /// Returns the address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns a handle to observe the server, and to shut it down while it serves.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Opens a WebSocket for each request that asks for one and runs `handler` with it, as
    /// [`Server::serve`] does. Blocks the current thread until the server was
    /// [drained](ServerHandle::drain).
    ///
    /// # Errors
    /// If a thread or a runtime can't be started, and as of [`Server::serve`].
    pub fn serve<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(WebSocket) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.run(move |server| {
            let handler = handler.clone();
            server.serve(move |websocket| handler(websocket))
        })
    }

    /// Runs `handler` with each request, as [`Server::serve_handshakes`] does. Blocks the current
    /// thread until the server was [drained](ServerHandle::drain).
    ///
    /// # Errors
    /// As of [`serve`](Self::serve).
    pub fn serve_handshakes<H, F>(self, handler: H) -> Result<(), Error>
    where
        H: Fn(Handshake) -> F + Send + Sync + 'static,
        F: Future<Output: HandlerOutput> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.run(move |server| {
            let handler = handler.clone();
            server.serve_handshakes(move |handshake| handler(handshake))
        })
    }

    fn run<F: Future<Output = Result<(), Error>>>(
        self,
        serve: impl Fn(Server) -> F + Send + Sync,
    ) -> Result<(), Error> {
        let start_error = |error: io::Error| Error::io("starting a thread of the server", error);
        let Self { listeners, server, .. } = self;
        let (server, serve) = (&server, &serve);
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (i, listener) in listeners.into_iter().enumerate() {
                let name = format!("fullduplex-{i}");
                let thread = thread::Builder::new().name(name).spawn_scoped(scope, move || {
                    let mut runtime = tokio::runtime::Builder::new_current_thread();
                    let run = || {
                        runtime.enable_all().build().map_err(start_error)?.block_on(async {
                            let listener = Listener::try_from(listener).map_err(start_error)?;
                            serve(server.clone_for_thread(i == 0).add_listener(listener)).await
                        })
                    };
                    run().inspect_err(|_| server.end())
                });
                match thread {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        // Ends the threads that serve already, for which the scope waits.
                        server.end();
                        return Err(start_error(error));
                    }
                }
            }
            for thread in threads {
                let panicked = |_| Err(start_error(io::Error::other("the thread panicked")));
                thread.join().unwrap_or_else(panicked)?;
            }
            Ok(())
        })
    }
}
