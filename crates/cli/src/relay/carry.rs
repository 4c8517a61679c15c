//! The bytes between a socket and a WebSocket.

use std::future::Future;
use std::io;

use fullduplex::{CloseCode, Error, NetStream, WebSocket};
use tokio::io::copy_bidirectional_with_sizes;

/// The most bytes of each direction that wait between the two, and of a message that is sent.
const BUFFER: usize = 32 << 10;

/// The longest reason of a Close, in bytes (RFC 6455 §5.5).
const MAX_REASON: usize = 123;

/// Carries the bytes of both directions until both have ended, either end fails, or `stop` is
/// ready, and returns the WebSocket, which is closed.
///
/// Each direction ends by itself: FIN becomes a Close with 1000, and such a Close FIN. Any other
/// end of the WebSocket resets the TCP connection, and any other end of that closes the WebSocket
/// with 1011, so that what was cut does not look complete. After `stop`, the code is 1001.
pub(crate) async fn carry(
    mut socket: NetStream,
    websocket: WebSocket,
    stop: impl Future<Output = ()>,
) -> WebSocket {
    let mut stream = websocket.into_byte_stream();
    let copied = tokio::select! {
        biased;
        copied = copy_bidirectional_with_sizes(&mut socket, &mut stream, BUFFER, BUFFER) => {
            copied.map(drop).map_err(|error| close_of(&error))
        }
        () = stop => Err((CloseCode::GOING_AWAY, String::new())),
    };
    let mut websocket = match copied {
        Ok(()) => {
            drop(socket);
            return stream.into_inner();
        }
        Err(_) => stream.into_inner(),
    };
    reset(socket);
    if let Err((code, reason)) = copied {
        // It has no effect on a WebSocket that has ended, or is being closed.
        let _ = websocket.close(code, &reason).await;
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

/// Returns the Close that follows from an error of either end.
fn close_of(error: &io::Error) -> (CloseCode, String) {
    if websocket_error(error).is_some() {
        return (CloseCode::GOING_AWAY, String::new());
    }
    let mut reason = format!("the forwarded connection failed: {error}");
    let end = (0..=MAX_REASON).rev().find(|end| reason.is_char_boundary(*end));
    reason.truncate(end.unwrap_or_default());
    (CloseCode::INTERNAL_ERROR, reason)
}

/// Returns the error of the WebSocket, if it is one.
fn websocket_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::timeout;

    use super::*;

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
        let carried = tokio::spawn(carry(near, websocket, std::future::pending()));
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
        let info = soon(carried).await.unwrap().close_info().unwrap();
        assert!(info.is_normal(), "{info}");
    }

    #[tokio::test]
    async fn carry_resets_the_socket_unless_the_websocket_ends_normally() {
        for code in [None, Some(CloseCode::GOING_AWAY), Some(CloseCode::INTERNAL_ERROR)] {
            let (near, mut far, websocket, mut peer) = ends().await;
            let carried = tokio::spawn(carry(near, websocket, std::future::pending()));
            match code {
                None => peer.abort(),
                Some(code) => drop(soon(peer.close(code, "")).await),
            }
            let error = soon(far.read(&mut [0; 8])).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{code:?}");
            soon(carried).await.unwrap();
        }
    }

    #[tokio::test]
    async fn carry_closes_with_1011_when_the_socket_is_reset() {
        let (near, far, websocket, mut peer) = ends().await;
        let carried = tokio::spawn(carry(near, websocket, std::future::pending()));
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
        let carried = tokio::spawn(carry(near, websocket, std::future::ready(())));
        assert!(soon(peer.next()).await.is_none());
        assert_eq!(peer.close_info().unwrap().code(), CloseCode::GOING_AWAY);
        let error = soon(far.read(&mut [0; 8])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        soon(carried).await.unwrap();
    }
}
