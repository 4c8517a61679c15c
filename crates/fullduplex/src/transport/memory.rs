//! Connections within a process: a listener and its connectors, without sockets.

use std::io;
use std::net::SocketAddr;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// The number of connections that may wait to be accepted.
const BACKLOG: usize = 1024;

/// The number of bytes of one direction of a connection that the peer has not read.
const CAPACITY: usize = 64 << 10;

/// A connection, and the address that its client pretends to have.
pub(crate) type AcceptedInMemory = (DuplexStream, Option<SocketAddr>);

/// A listener for connections in memory; see [`memory`].
#[derive(Debug)]
pub struct MemoryListener(mpsc::Receiver<AcceptedInMemory>);

/// A connector to a [`MemoryListener`]; see [`memory`]. Clones connect to the same listener.
///
/// ```
/// use fullduplex::client::{Client, Proxies};
/// use fullduplex::server::listen;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// let (listener, connector) = listen::memory();
/// let stranger = connector.clone().from_address("192.0.2.1:5000".parse().ok());
/// let client = Client::builder().connector(stranger).proxies(Proxies::none()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryConnector {
    listener: mpsc::Sender<AcceptedInMemory>,
    address: Option<SocketAddr>,
}

/// Returns a listener for connections in memory, and a connector to it: for tests of a server
/// without sockets, whose time may be paused.
///
/// A [`Server`](crate::server::Server) listens on it as on a socket, with its limits,
/// authentication and drain. A client connects by
/// [`ClientBuilder::connector`](crate::ClientBuilder::connector), whatever the host of the URL. A
/// connection holds at most 64 KiB that the peer has not read, in each direction.
///
/// ```
/// use fullduplex::client::{Client, Proxies};
/// use fullduplex::server::{DrainOptions, Server, listen};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// let (listener, connector) = listen::memory();
/// let server = Server::from_listener(listener);
/// let handle = server.handle();
/// let serving = tokio::spawn(server.serve(|mut websocket| async move {
///     while let Some(Ok(message)) = websocket.next().await {
///         let _ = websocket.send(message).await;
///     }
/// }));
///
/// let client = Client::builder().connector(connector).proxies(Proxies::none()).build()?;
/// let (mut websocket, _) = client.connect("ws://example.com/chat").await?;
/// websocket.send("hello").await?;
/// assert_eq!(websocket.next().await.unwrap()?.as_text(), Some("hello"));
/// drop(websocket);
///
/// handle.drain(DrainOptions::default()).await;
/// serving.await.unwrap()
/// # }
/// ```
#[doc(alias = "test")]
#[doc(alias = "duplex")]
#[doc(alias = "mock")]
pub fn memory() -> (MemoryListener, MemoryConnector) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (MemoryListener(receiver), MemoryConnector { listener: sender, address: None })
}

impl MemoryListener {
    /// Accepts the next connection. Waits forever when there is no connector any more.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    pub async fn accept(&mut self) -> DuplexStream {
        self.accept_with_address().await.0
    }

    pub(crate) async fn accept_with_address(&mut self) -> AcceptedInMemory {
        match self.0.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }
}

impl MemoryConnector {
    /// Sets the address that the server takes for that of the peer, such as for its limit on
    /// connections from one address. Default: none, so that limit does not apply.
    #[must_use]
    pub fn from_address(mut self, address: impl Into<Option<SocketAddr>>) -> Self {
        self.address = address.into();
        self
    }

    /// Connects. The connection is open at once; the server may accept it later.
    ///
    /// # Errors
    /// `ConnectionRefused` if the listener has been dropped.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (near, far) = tokio::io::duplex(CAPACITY);
        let refused = |_| {
            let why = "the listener in memory has been dropped";
            io::Error::new(io::ErrorKind::ConnectionRefused, why)
        };
        self.listener.send((far, self.address)).await.map_err(refused)?;
        Ok(near)
    }
}
