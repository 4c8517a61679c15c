//! WebSockets on transports whose opening handshake was done elsewhere, and in memory.

use bytes::BytesMut;
use fullduplex_proto::{Config, PerMessageDeflate, Receiver, Role, Session};

use crate::base::compression;
use crate::base::error::Error;
use crate::base::rng::ThreadRng;
use crate::connection::split;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;
use crate::transport::net_stream::NetStream;

/// The bytes that each direction of a [`pair`] holds.
const PAIR_BUFFER: usize = 64 << 10;

/// A builder of a [`WebSocket`] on a transport whose opening handshake was done elsewhere.
///
/// No setting fails: the first one that is not valid is reported by [`build`](Self::build).
/// [`WebSocket::client`] and [`WebSocket::server`] are the short forms, with the defaults.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// use fullduplex::{Config, WebSocketBuilder};
///
/// let (near, far) = tokio::io::duplex(1024);
/// let config = Config::default().max_message_size(100);
/// let mut server = WebSocketBuilder::server().config(config).subprotocol("chat").build(near)?;
/// let mut client = WebSocketBuilder::client().subprotocol("chat").build(far)?;
/// client.send("hello").await?;
/// assert_eq!(server.next().await.expect("a message")?.as_text(), Some("hello"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing until `build`"]
pub struct WebSocketBuilder {
    role: Role,
    config: Config,
    deflate: Option<PerMessageDeflate>,
    subprotocol: Option<String>,
    received: BytesMut,
    #[cfg(feature = "tap")]
    tap: Option<BoxedTap>,
}

/// An observer that has no `Debug` of its own.
#[cfg(feature = "tap")]
struct BoxedTap(Box<dyn crate::transport::tap::ConnectionTap>);

#[cfg(feature = "tap")]
impl std::fmt::Debug for BoxedTap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionTap")
    }
}

impl WebSocketBuilder {
    /// Creates a builder of the client's side of a connection.
    pub fn client() -> Self {
        Self::new(Role::Client)
    }

    /// Creates a builder of the server's side of a connection.
    pub fn server() -> Self {
        Self::new(Role::Server)
    }

    /// Creates a builder of the side of a connection that has this role.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            config: Config::default(),
            deflate: None,
            subprotocol: None,
            received: BytesMut::new(),
            #[cfg(feature = "tap")]
            tap: None,
        }
    }

    /// Sets the settings of the connection. Its compression settings have no effect: see
    /// [`deflate`](Self::deflate).
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sets the compression that the handshake has negotiated (RFC 7692). Default: none.
    pub fn deflate(mut self, deflate: impl Into<Option<PerMessageDeflate>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    /// Sets the subprotocol that the handshake has negotiated. Default: none.
    pub fn subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Sets the bytes that were received after the handshake: the beginning of the first frames.
    pub fn received(mut self, received: impl Into<BytesMut>) -> Self {
        self.received = received.into();
        self
    }

    /// Sets an observer of the bytes, those of [`received`](Self::received) included. Default:
    /// none.
    #[cfg(feature = "tap")]
    pub fn tap(mut self, tap: impl crate::tap::ConnectionTap) -> Self {
        self.tap = Some(BoxedTap(Box::new(tap)));
        self
    }

    /// Creates the WebSocket on `stream`, the transport right after the opening handshake.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) if a setting is out of range.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime, and if compression was negotiated while the feature
    /// `deflate` is off.
    pub fn build<S: Transport>(self, stream: S) -> Result<WebSocket<S>, Error> {
        self.config.validate().map_err(Error::of)?;
        let deflate = self.deflate.as_ref();
        let websocket = WebSocket::open(stream, self.role, &self.config, deflate, self.received);
        #[cfg(feature = "tap")]
        let websocket = match self.tap {
            Some(BoxedTap(tap)) => websocket.with_tap(tap),
            None => websocket,
        };
        Ok(websocket.with_subprotocol(self.subprotocol))
    }
}

impl<S: Transport> WebSocket<S> {
    /// Creates the client's side of a connection on a transport whose opening handshake was done
    /// elsewhere, with the default settings and no compression.
    ///
    /// [`WebSocketBuilder`] has settings.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    #[doc(alias = "from_raw_socket")]
    pub fn client(stream: S) -> Self {
        Self::open(stream, Role::Client, &Config::default(), None, BytesMut::new())
    }

    /// Creates the server's side of a connection on a transport whose opening handshake was done
    /// elsewhere, with the default settings and no compression.
    ///
    /// [`WebSocketBuilder`] has settings.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    #[doc(alias = "from_raw_socket")]
    #[doc(alias = "after_handshake")]
    pub fn server(stream: S) -> Self {
        Self::open(stream, Role::Server, &Config::default(), None, BytesMut::new())
    }

    /// Creates a WebSocket after its opening handshake.
    pub(crate) fn open(
        stream: S,
        role: Role,
        config: &Config,
        deflate: Option<&PerMessageDeflate>,
        leftover: BytesMut,
    ) -> Self {
        let mut session = match role {
            Role::Client => Session::client(Box::new(ThreadRng), config),
            Role::Server => Session::server(config),
        };
        let mut receiver = Receiver::new(role, config.limits);
        if let Some(deflate) = deflate {
            (session, receiver) = compression::enable(deflate, session, receiver);
        }
        let (send, mut receive) =
            split::new(stream, receiver, session, config.send.low_water, leftover);
        receive.parts().0.set_deflate(deflate.map(PerMessageDeflate::params));
        Self::from_halves(send, receive)
    }
}

/// Creates two WebSockets that are connected in memory, without an opening handshake: a client and
/// a server.
///
/// They have the type of WebSockets on sockets, so a test can pass them to the handler under test.
/// Together with paused time (`#[tokio::test(start_paused = true)]`), timeouts and the keepalive
/// can be tested in no time. Each direction holds 64 KiB, after which the sender waits.
///
/// # Panics
/// Panics outside of a tokio runtime.
///
/// ```
/// use fullduplex::{CloseCode, Error, WebSocket};
///
/// async fn shout(mut websocket: WebSocket) -> Result<(), Error> {
///     while let Some(message) = websocket.next().await {
///         let answer = message?.as_text().unwrap_or_default().to_uppercase();
///         websocket.send(answer).await?;
///     }
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let (mut client, server) = fullduplex::pair();
/// tokio::spawn(shout(server));
/// client.send("hello").await?;
/// assert_eq!(client.next().await.expect("an answer")?.as_text(), Some("HELLO"));
/// assert!(client.close(CloseCode::NORMAL, "").await?.is_clean());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "duplex")]
#[doc(alias = "mock")]
pub fn pair() -> (WebSocket, WebSocket) {
    let (near, far) = tokio::io::duplex(PAIR_BUFFER);
    (WebSocket::client(NetStream::new(near)), WebSocket::server(NetStream::new(far)))
}

/// Creates a [`pair`] of WebSockets with settings for the client and for the server.
///
/// The compression settings have no effect, as there is no handshake in which it is negotiated.
///
/// # Errors
/// Fails with [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) if a setting is out of range.
///
/// # Panics
/// Panics outside of a tokio runtime.
///
/// ```
/// use fullduplex::Config;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// let server = Config::default().max_message_size(10);
/// let (mut client, mut server) = fullduplex::pair_with(Config::default(), server)?;
/// client.send("more than ten bytes").await?;
/// assert!(server.next().await.unwrap().is_err());
/// # Ok(())
/// # }
/// ```
pub fn pair_with(client: Config, server: Config) -> Result<(WebSocket, WebSocket), Error> {
    let (near, far) = tokio::io::duplex(PAIR_BUFFER);
    let client = WebSocketBuilder::client().config(client).build(NetStream::new(near))?;
    let server = WebSocketBuilder::server().config(server).build(NetStream::new(far))?;
    Ok((client, server))
}
