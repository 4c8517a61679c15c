//! What a server does when a client does not mask its frames.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fullduplex_http3::quinn::TransportConfig;
use fullduplex_http3::{ConnectProtocol, LocalSettings, client};
use http::Version;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::common::http2;
use crate::ready_made;
use crate::requests::{Ask, quic};

const UNMASKED: &[u8] = b"\x81\x02hi";

/// The same message, masked with zeros.
const MASKED: &[u8] = b"\x81\x82\0\0\0\0hi";

/// What came back on two WebSockets.
struct Received {
    /// After an unmasked frame, until the server ended the stream.
    after_unmasked: Vec<u8>,
    /// For a masked frame, on another stream of the same connection, after that.
    echo: Vec<u8>,
}

/// Sends the frame on a stream of which the response was read, and reads until it ends.
async fn until_end<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, frame: &[u8]) -> Vec<u8> {
    stream.write_all(frame).await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    received
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Vec<u8> {
    stream.write_all(MASKED).await.unwrap();
    let mut echo = vec![0; UNMASKED.len()];
    stream.read_exact(&mut echo).await.unwrap();
    echo
}

/// HTTP/1.1 has one WebSocket on a connection.
async fn http1(server: SocketAddr) -> Received {
    let open = async || {
        let mut socket = TcpStream::connect(server).await.unwrap();
        let head = "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(socket.read_u8().await.unwrap());
        }
        assert!(response.starts_with(b"HTTP/1.1 101 "), "{}", response.escape_ascii());
        socket
    };
    let (mut wrong, mut right) = (open().await, open().await);
    let after_unmasked = until_end(&mut wrong, UNMASKED).await;
    Received { after_unmasked, echo: echo(&mut right).await }
}

async fn http2(server: SocketAddr) -> Received {
    let mut send = http2::connect(TcpStream::connect(server).await.unwrap()).await;
    http2::extended_connect(&send).await;
    let mut open = async || {
        let protocol = h2::ext::Protocol::from_static("websocket");
        let request = Ask::websocket("/echo").request("http", protocol);
        let (response, stream) = send.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        (stream, response.into_body())
    };
    let ((mut wrong, mut received), (mut right, mut echoed)) = (open().await, open().await);
    wrong.send_data(Bytes::from_static(UNMASKED), false).unwrap();
    let after_unmasked = http2::content(&mut received).await;
    assert!(received.is_end_stream());
    right.send_data(Bytes::from_static(MASKED), false).unwrap();
    Received { after_unmasked, echo: echoed.data().await.unwrap().unwrap().to_vec() }
}

async fn http3(server: SocketAddr) -> Received {
    let quinn = quic(server, TransportConfig::default()).await;
    let connection = client::ClientConnection::new(quinn, LocalSettings::default());
    let open = async || {
        let request = Ask::websocket("/echo").request("https", ConnectProtocol::WEBSOCKET);
        let opening = connection.send_request(&request).await.unwrap();
        let (head, stream) = opening.response().await.unwrap();
        assert_eq!(head.status(), 200);
        stream
    };
    let (mut wrong, mut right) = (open().await, open().await);
    let after_unmasked = until_end(&mut wrong, UNMASKED).await;
    Received { after_unmasked, echo: echo(&mut right).await }
}

/// RFC 6455 §5.1, §7.1.7; RFC 8441 §5: what fails is the stream, not its connection.
#[tokio::test]
async fn frames_unmasked_by_a_client_fail_only_their_stream_with_1002() {
    for (version, server) in ready_made(false).await {
        let exchange = async {
            match version {
                Version::HTTP_11 => http1(server).await,
                Version::HTTP_2 => http2(server).await,
                _ => http3(server).await,
            }
        };
        let received = timeout(Duration::from_secs(20), exchange).await;
        let received = received.unwrap_or_else(|_| panic!("{version:?}: no answer in time"));
        // One Close frame, and then the end.
        let [0x88, len, code @ ..] = &received.after_unmasked[..] else {
            panic!("{version:?}: {}", received.after_unmasked.escape_ascii());
        };
        assert_eq!(usize::from(*len), code.len(), "{version:?}");
        assert_eq!(code[..2], 1002_u16.to_be_bytes(), "{version:?}");
        assert_eq!(received.echo, UNMASKED, "{version:?}");
    }
}
