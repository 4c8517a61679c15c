//! The bytes between a socket and a WebSocket.

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use fullduplex::{ByteStream, CloseCode, Error, NetStream, ReadyState, WebSocket};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::time::timeout;

use super::ends::{Ends, SocketEnd, StreamEnd, WatchEnd};

/// The default of `--half-close-timeout`.
pub(crate) const HALF_CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The time for a WebSocket to close after the connection was cut. The library's own time-out for a
/// half-closed connection is longer than [`HALF_CLOSE_TIMEOUT`] by as much.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The most bytes of each direction that wait between the two, and of a message that is sent.
const BUFFER: usize = 32 << 10;

/// The longest reason of a Close, in bytes (RFC 6455 §5.5).
const MAX_REASON: usize = 123;

/// Why a connection was cut: what came last in one direction was not its end.
#[derive(Debug)]
pub(crate) enum Cut {
    /// The WebSocket was, and its `close_info` says why.
    WebSocket,
    /// One direction had ended, and the other was silent for this time.
    Silent(Duration),
    /// The socket failed.
    Socket(io::Error),
    /// The program ends.
    Stopped,
}

impl Cut {
    /// Returns the code of the Close that follows.
    fn code(&self) -> CloseCode {
        match self {
            Self::Socket(_) => CloseCode::INTERNAL_ERROR,
            _ => CloseCode::GOING_AWAY,
        }
    }

    /// Returns the reason of the Close that follows.
    fn reason(&self) -> String {
        let mut reason = self.to_string();
        let end = (0..=MAX_REASON).rev().find(|end| reason.is_char_boundary(*end));
        reason.truncate(end.unwrap_or_default());
        reason
    }
}

/// Formats what the `close_info` of the WebSocket does not say; this may be nothing.
impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WebSocket | Self::Stopped => Ok(()),
            Self::Silent(time) => {
                write!(f, "one direction had ended, the other was silent for {time:?} ")?;
                f.write_str("(--half-close-timeout)")
            }
            Self::Socket(error) => write!(f, "the forwarded connection failed: {error}"),
        }
    }
}

/// Carries the bytes of both directions until both have ended, either end fails, one is silent for
/// `half_close_timeout` after the other has ended, or `stop` is ready. Returns the WebSocket, which
/// is closed, and why the connection was cut, if it was.
///
/// Each direction ends by itself: FIN becomes a Close with 1000, and such a Close FIN. Any other
/// end of the WebSocket resets the TCP connection, and any other end of that closes the WebSocket
/// with 1011, so that what was cut does not look complete. After `stop` and a time-out, the code is
/// 1001.
pub(crate) async fn carry(
    socket: NetStream,
    websocket: WebSocket,
    half_close_timeout: Duration,
    stop: impl Future<Output = ()>,
) -> (WebSocket, Option<Cut>) {
    let ends = Ends::new(socket, websocket.into_byte_stream());
    let (mut socket, mut stream) = (SocketEnd(&ends), StreamEnd(&ends));
    let copied = tokio::select! {
        biased;
        copied = copy_bidirectional_with_sizes(&mut socket, &mut stream, BUFFER, BUFFER) => {
            copied.map(drop).map_err(cut_by)
        }
        end = ends.watch(half_close_timeout) => Err(match end {
            WatchEnd::Silent => Cut::Silent(half_close_timeout),
            WatchEnd::Ended => Cut::WebSocket,
        }),
        () = stop => Err(Cut::Stopped),
    };
    let (socket, stream) = ends.into_inner();
    match copied {
        Ok(()) => {
            drop(socket);
            (stream.into_inner(), None)
        }
        Err(cut) => {
            reset(socket);
            (close(stream, &cut).await, Some(cut))
        }
    }
}

/// Closes the WebSocket of a connection that was cut, so that its peer sees the cut.
async fn close(mut stream: ByteStream, cut: &Cut) -> WebSocket {
    let is_open = stream.get_ref().state() == ReadyState::Open;
    // Before `into_inner`, which would answer a Close with 1000 by the same.
    let _ = stream.get_mut().start_close(cut.code(), &cut.reason());
    let mut websocket = stream.into_inner();
    // If a Close with 1000 was sent, no other can follow.
    let can_close = is_open || matches!(cut, Cut::WebSocket);
    if !can_close || timeout(CLOSE_TIMEOUT, websocket.close(cut.code(), "")).await.is_err() {
        websocket.abort();
    }
    websocket
}

/// Ends a socket so that its peer does not take the end for a complete one: a TCP connection by a
/// reset. A Unix socket has no such end.
pub(crate) fn reset(socket: NetStream) {
    if let Some(tcp) = socket.as_tcp() {
        // If it fails, the connection has ended.
        let _ = tcp.set_zero_linger();
    }
    drop(socket);
}

/// Returns which end an error of copying is of.
fn cut_by(error: io::Error) -> Cut {
    let of_websocket = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    if of_websocket.is_some() { Cut::WebSocket } else { Cut::Socket(error) }
}

#[cfg(test)]
mod tests {
    use fullduplex::{Config, WebSocketBuilder};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(60);

    /// Returns a socket, its other end, and both ends of a WebSocket.
    async fn ends() -> (NetStream, TcpStream, WebSocket, WebSocket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (one, other) = tokio::io::duplex(64 << 10);
        let near_websocket = WebSocket::client(NetStream::new(one));
        let far_websocket = WebSocket::server(NetStream::new(other));
        (near.into(), far, near_websocket, far_websocket)
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        timeout(Duration::from_secs(20), future).await.unwrap()
    }

    #[tokio::test]
    async fn carry_ends_each_direction_by_itself() {
        let (near, mut far, websocket, peer) = ends().await;
        let carried = tokio::spawn(carry(near, websocket, TIMEOUT, std::future::pending()));
        let mut peer = peer.into_byte_stream();
        far.write_all(b"question").await.unwrap();
        far.shutdown().await.unwrap();
        let mut all = String::new();
        soon(peer.read_to_string(&mut all)).await.unwrap();
        assert_eq!(all, "question");
        peer.write_all(b"answer").await.unwrap();
        soon(peer.shutdown()).await.unwrap();
        all.clear();
        soon(far.read_to_string(&mut all)).await.unwrap();
        assert_eq!(all, "answer");
        let (websocket, cut) = soon(carried).await.unwrap();
        let info = websocket.close_info().unwrap();
        assert!(info.is_normal() && cut.is_none(), "{info}: {cut:?}");
    }

    #[tokio::test]
    async fn carry_resets_the_socket_unless_the_websocket_ends_normally() {
        for code in [None, Some(CloseCode::GOING_AWAY), Some(CloseCode::INTERNAL_ERROR)] {
            let (near, mut far, websocket, mut peer) = ends().await;
            let carried = tokio::spawn(carry(near, websocket, TIMEOUT, std::future::pending()));
            match code {
                None => peer.abort(),
                Some(code) => drop(soon(peer.close(code, "")).await),
            }
            let error = soon(far.read(&mut [0; 8])).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{code:?}");
            let (_, cut) = soon(carried).await.unwrap();
            assert!(matches!(cut, Some(Cut::WebSocket)), "{cut:?}");
        }
    }

    #[tokio::test]
    async fn carry_notices_a_cut_though_the_socket_takes_nothing() {
        let (near, mut far, _, _) = ends().await;
        let (one, mut peer) = tokio::io::duplex(64 << 10);
        let mut config = Config::default();
        config.keepalive.interval = Some(Duration::from_millis(300));
        config.keepalive.timeout = Duration::from_millis(300);
        let websocket = WebSocketBuilder::server().config(config).build(NetStream::new(one));
        let carried =
            tokio::spawn(carry(near, websocket.unwrap(), TIMEOUT, std::future::pending()));
        // Whole messages, until no more are read as the target reads none.
        let mut message = vec![0x82, 0xfe, 0x80, 0, 0, 0, 0, 0];
        message.resize(8 + (32 << 10), 0);
        while timeout(Duration::from_millis(500), peer.write_all(&message)).await.is_ok() {}
        drop(peer);
        let (_, cut) = soon(carried).await.unwrap();
        assert!(matches!(cut, Some(Cut::WebSocket)), "{cut:?}");
        let mut all = Vec::new();
        let error = soon(far.read_to_end(&mut all)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn carry_closes_with_1011_when_the_socket_is_reset() {
        let (near, far, websocket, mut peer) = ends().await;
        let carried = tokio::spawn(carry(near, websocket, TIMEOUT, std::future::pending()));
        far.set_zero_linger().unwrap();
        drop(far);
        assert!(soon(peer.next()).await.is_none());
        let info = peer.close_info().unwrap();
        assert_eq!(info.code(), CloseCode::INTERNAL_ERROR);
        assert!(info.reason().starts_with("the forwarded connection failed: "), "{info}");
        soon(carried).await.unwrap();
    }

    #[tokio::test]
    async fn carry_stops_with_1001_and_a_reset() {
        let (near, mut far, websocket, mut peer) = ends().await;
        let carried = tokio::spawn(carry(near, websocket, TIMEOUT, std::future::ready(())));
        assert!(soon(peer.next()).await.is_none());
        assert_eq!(peer.close_info().unwrap().code(), CloseCode::GOING_AWAY);
        let error = soon(far.read(&mut [0; 8])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        soon(carried).await.unwrap();
    }

    #[tokio::test]
    async fn carry_answers_no_close_with_1000_after_a_cut() {
        for is_reset in [true, false] {
            let (near, mut far, websocket, mut peer) = ends().await;
            let time = Duration::from_millis(100);
            let carried = tokio::spawn(carry(near, websocket, time, std::future::pending()));
            peer.start_close(CloseCode::NORMAL, "").unwrap();
            let closed = tokio::spawn(async move {
                while peer.next().await.is_some() {}
                peer.close_info().unwrap()
            });
            assert_eq!(soon(far.read(&mut [0; 8])).await.unwrap(), 0);
            let far = if is_reset {
                far.set_zero_linger().unwrap();
                drop(far);
                None
            } else {
                Some(far)
            };
            let info = soon(closed).await.unwrap();
            let code = if is_reset { CloseCode::INTERNAL_ERROR } else { CloseCode::GOING_AWAY };
            assert_eq!(info.code(), code, "{info}");
            let (_, cut) = soon(carried).await.unwrap();
            assert!(matches!(cut, Some(Cut::Socket(_) | Cut::Silent(_))), "{cut:?}");
            // After FIN, only writing notices a reset.
            if let Some(mut far) = far {
                soon(async { while far.write_all(b"x").await.is_ok() {} }).await;
            }
        }
    }
}
