//! Observers of the bytes of WebSockets.

mod queue;

use std::fmt;
use std::io;
use std::time::Instant;

use fullduplex_proto::{DeflateParams, Role};
use http::{Request, Response};

use crate::base::guard::caught;

pub(crate) use queue::TapQueue;

/// An observer of the WebSockets of a client or a server, for tools that show what is on the wire
/// and for logs.
///
/// It sees the opening handshake of each WebSocket, and all bytes of its frames as they are
/// transferred: masked and compressed, but without TLS and without the framing of HTTP/2 and
/// HTTP/3. It changes none of them. Handshakes that fail are not shown.
///
/// Set it with [`ClientBuilder::tap`](crate::ClientBuilder::tap) and
/// [`ServerConfig::tap`](crate::server::ServerConfig#structfield.tap). A WebSocket without a tap
/// costs nothing. `AttachTap` of the crate
/// [fullduplex-inspect](https://docs.rs/fullduplex-inspect) is one that lets `fdx inspect` look
/// into the program.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
///
/// use fullduplex::Client;
/// use fullduplex::tap::{ConnectionTap, Opening, Tap};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Tap for Log {
///     fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
///         println!("{} {}", opening.request.uri(), opening.response.status());
///         Some(Box::new(Log))
///     }
/// }
///
/// impl ConnectionTap for Log {
///     fn received(&mut self, bytes: &[u8], _: Instant) {
///         println!("< {} bytes", bytes.len());
///     }
///
///     fn sent(&mut self, bytes: &[u8], _: Instant) {
///         println!("> {} bytes", bytes.len());
///     }
/// }
///
/// let client = Client::builder().tap(Arc::new(Log)).build()?;
/// # Ok::<(), fullduplex::Error>(())
/// ```
pub trait Tap: fmt::Debug + Send + Sync + 'static {
    /// Returns the observer of a WebSocket that has just been opened, or `None` not to observe it.
    ///
    /// Called in the task that opens the WebSocket. After a panic the WebSocket is not observed.
    fn opened(&self, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>>;
}

/// An observer of the bytes of one WebSocket.
///
/// The calls come in the order in which bytes were read and written, one at a time, and each with
/// its time. None of the library's locks is held: the observer may use the WebSocket.
///
/// The calls are made by the tasks that read and write, so they take their time: a slow observer
/// slows its WebSocket, and for the same time the others of the thread. While more than 1 MiB waits
/// for an observer that runs in another thread, its WebSocket reads and writes nothing. An
/// observer that panics is dropped, and the WebSocket goes on without it.
///
/// It is dropped when both directions have ended.
pub trait ConnectionTap: Send + 'static {
    /// Sees bytes that were read from the transport. The first are those that arrived together with
    /// the opening handshake.
    fn received(&mut self, bytes: &[u8], at: Instant);

    /// Sees bytes that the transport has taken.
    fn sent(&mut self, bytes: &[u8], at: Instant);

    /// Sees the end of a direction, once for each. Does nothing by default.
    fn ended(&mut self, direction: Direction, end: &TransportEnd, at: Instant) {
        let _ = (direction, end, at);
    }
}

/// A direction of a connection. It is complete: there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to this side.
    Received,
    /// From this side to the peer.
    Sent,
}

impl Direction {
    /// Returns the role of the side that sends in this direction, on a connection on which this
    /// side has the role `own`.
    ///
    /// ```
    /// use fullduplex::Role;
    /// use fullduplex::tap::Direction;
    ///
    /// assert_eq!(Direction::Received.sender(Role::Client), Role::Server);
    /// assert_eq!(Direction::Sent.sender(Role::Client), Role::Client);
    /// ```
    #[must_use]
    pub const fn sender(self, own: Role) -> Role {
        match self {
            Self::Received => own.peer(),
            Self::Sent => own,
        }
    }
}

/// The end of one direction of a transport.
///
/// `Display` says it in words: `finished (FIN)`.
#[derive(Debug)]
#[non_exhaustive]
pub enum TransportEnd {
    /// The sender finished it in order: FIN, `close_notify` of TLS, `END_STREAM` of HTTP/2, or the
    /// end of a QUIC stream.
    Finished,
    /// A reset, by RST, `RST_STREAM` or `RESET_STREAM`. A reset by the peer has its text, such
    /// as the error code of the stream.
    Reset(Option<Box<str>>),
    /// This side dropped the transport while the direction was open. If it is the direction of what
    /// is sent, a socket sends FIN, or RST if there are unread bytes, and a stream of HTTP/2 or
    /// HTTP/3 is reset.
    Dropped,
    /// A failure: TLS ended without `close_notify`, a time-out of the system, ….
    Failed(io::Error),
}

impl TransportEnd {
    /// Returns the end that an error of the transport means.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => Self::Reset(Some(error.to_string().into())),
            kind => Self::Failed(io::Error::new(kind, error.to_string())),
        }
    }
}

impl fmt::Display for TransportEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished => f.write_str("finished (FIN)"),
            Self::Reset(None) => f.write_str("reset"),
            Self::Reset(Some(text)) => write!(f, "reset ({text})"),
            Self::Dropped => f.write_str("dropped"),
            Self::Failed(error) => write!(f, "failed ({error})"),
        }
    }
}

/// The opening handshake of a WebSocket, on any HTTP version.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Opening<'a> {
    /// The role of this side.
    pub role: Role,
    /// Whether the client's connection is encrypted (`wss`): to this server or, as a trusted proxy
    /// reports, to that. `false` in a server that hyper runs on HTTP/1.1, which does not know it.
    pub is_secure: bool,
    /// The request. Its `version` is that of the connection. On HTTP/1.1 its URI is the path and
    /// query; on HTTP/2 and HTTP/3 it is absolute, and the method is CONNECT.
    pub request: &'a Request<()>,
    /// The response that opened the WebSocket: 101, or 200 on HTTP/2 and HTTP/3.
    pub response: &'a Response<()>,
    /// The negotiated subprotocol.
    pub subprotocol: Option<&'a str>,
    /// The negotiated compression of messages (RFC 7692); `None` if there is none.
    pub deflate: Option<DeflateParams>,
}

/// Asks a tap, which is foreign code, for the observer of a WebSocket.
pub(crate) fn open(tap: &dyn Tap, opening: &Opening<'_>) -> Option<Box<dyn ConnectionTap>> {
    caught(|| tap.opened(opening)).unwrap_or_default()
}
