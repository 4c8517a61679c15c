//! The client: its settings.

use std::fmt;
use std::future::poll_fn;
use std::time::Duration;

use http::{Response, StatusCode};
use js_sys::futures::spawn_local;

use crate::base::error::Error;
use crate::web::connection::{BufferLimits, Connection};
use crate::web::request::{IntoClientRequest, WsUri, convert};
use crate::web::split::{ReceiveHalf, SendHalf};
use crate::web::task;
use crate::web::websocket::WebSocket;

/// Opens a WebSocket to a `ws:` or `wss:` URL, with the default settings of a [`Client`].
///
/// ```no_run
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let (mut websocket, _response) = fullduplex::connect("wss://echo.example/").await?;
/// websocket.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// See [`Client::connect`].
///
/// # Cancel safety
/// If the future is dropped before it is ready, the browser gives the connection up.
pub async fn connect(request: impl IntoClientRequest) -> Result<(WebSocket, Response<()>), Error> {
    Client::default().connect(request).await
}

/// A WebSocket client of a page: reusable settings for connections.
///
/// ```no_run
/// use std::time::Duration;
///
/// use fullduplex::Client;
///
/// # async fn example() -> Result<(), fullduplex::Error> {
/// let client = Client::builder()
///     .subprotocols(["chat"])
///     .connect_timeout(Duration::from_secs(5))
///     .build()?;
/// let (websocket, _response) = client.connect("wss://chat.example/rooms/1").await?;
/// println!("{:?}", websocket.subprotocol());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(super) subprotocols: Vec<String>,
    pub(super) limits: BufferLimits,
    pub(crate) connect_timeout: Duration,
}

impl Default for Client {
    fn default() -> Self {
        let limits = BufferLimits {
            high_water: 64 << 10,
            max_buffered: 16 << 20,
            max_message_size: Some(1 << 20),
        };
        Self { subprotocols: Vec::new(), limits, connect_timeout: Duration::from_secs(30) }
    }
}

/// Omits the subprotocols, which may be secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("subprotocols", &self.subprotocols.len())
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a WebSocket to a URL, which may be relative to that of the page or worker. As in the
    /// WHATWG's WebSocket, `http:` is read as `ws:` and `https:` as `wss:`.
    ///
    /// Returns the WebSocket and a response without header fields, whose status is always 101: a
    /// browser tells a page nothing of the server's response but the
    /// [`subprotocol`](WebSocket::subprotocol).
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) for a URL that is not valid, or to which
    /// this page may not connect; [`Timeout`](crate::ErrorKind::Timeout) after
    /// [`connect_timeout`](crate::ClientBuilder::connect_timeout); and else
    /// [`Handshake`](crate::ErrorKind::Handshake), whatever has failed: a browser does not say
    /// whether the host is unknown or not reached, its certificate is not trusted, or it rejects
    /// the WebSocket.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the browser gives the connection up.
    pub async fn connect(
        &self,
        request: impl IntoClientRequest,
    ) -> Result<(WebSocket, Response<()>), Error> {
        self.connect_target(convert(request)).await
    }

    pub(crate) async fn connect_target(
        &self,
        target: WsUri,
    ) -> Result<(WebSocket, Response<()>), Error> {
        let connection = Connection::new(self.limits, self.subprotocols.clone());
        let send = SendHalf::first_of(connection.clone());
        // If this future is dropped, so are both halves, and the task ends.
        let mut websocket = WebSocket::from_halves(send, ReceiveHalf::new(connection.clone()));
        spawn_local(task::run(connection.clone(), target.0, self.connect_timeout));
        let opened = poll_fn(|cx| connection.poll_open(cx)).await?;
        websocket.set_subprotocol(opened.subprotocol);
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        Ok((websocket, response))
    }
}
