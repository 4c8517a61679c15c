//! The end of one direction is not the end of the other: what a peer gets that ends its own
//! with its Close (FIN, or `END_STREAM` as Chromium does), or without one, and how the two
//! ends of a stream part (RFC 6455 §5.5.1, RFC 8441 §5, RFC 9113 §5.1, RFC 9220 §3).

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "_tls"
))]

#[path = "../common/mod.rs"]
mod common;
mod deadlines;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use common::tls::{LOCALHOST, localhost, trusting};
use common::{client, direct, open};
use fullduplex::client::HttpVersion;
use fullduplex::proto::ReadyState;
use fullduplex::server::{Server, ServerConfig, ServerHandle};
use fullduplex::{CloseCode, Config, Role};
use fullduplex_http3::client::ClientConnection;
use fullduplex_http3::quinn::crypto::rustls::QuicClientConfig;
use fullduplex_http3::quinn::{ClientConfig, Endpoint};
use fullduplex_http3::{ALPN, ConnectProtocol, LocalSettings, transport_config};
use fullduplex_testkit::pipe::{Pipe, pipe};
use http::{Method, Request};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// The longest that any of it may take, many times what it needs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A frame of a client, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    if let Ok(short @ ..126) = u8::try_from(payload.len()) {
        frame.push(0x80 | short);
    } else {
        assert!(payload.len() > 1 << 16, "none of these tests needs it");
        frame.push(0xff);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// What a server sent: the content of its data frames together, and the code of its Close.
fn taken_apart(mut bytes: &[u8]) -> (Vec<u8>, Option<u16>) {
    let mut data = Vec::new();
    while bytes.has_remaining() {
        let (first, short) = (bytes.get_u8(), bytes.get_u8());
        let length = match short {
            126 => usize::from(bytes.get_u16()),
            127 => usize::try_from(bytes.get_u64()).unwrap(),
            short => short.into(),
        };
        assert!(bytes.len() >= length, "cut inside a frame");
        let payload = bytes.copy_to_bytes(length);
        if first & 0x0f == 8 {
            assert!(!bytes.has_remaining(), "something follows the Close");
            return (data, payload.first_chunk().map(|code| u16::from_be_bytes(*code)));
        }
        data.extend_from_slice(&payload);
    }
    (data, None)
}

/// An echo server on all versions of HTTP, over TLS.
async fn echo_server() -> (SocketAddr, ServerHandle) {
    let mut config = ServerConfig::default().http2(true);
    config.websocket.limits.max_message_size = Some(16 << 20);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3();
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve(common::echo));
    (address, handle)
}

async fn tls(address: SocketAddr, alpn: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let config = common::tls::client(LOCALHOST, rustls::DEFAULT_VERSIONS);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tcp = TcpStream::connect(address).await.unwrap();
    connector.connect("localhost".try_into().unwrap(), tcp).await.unwrap()
}

/// Sends all, ends its direction, and reads to the end.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, all: &[u8]) -> Vec<u8> {
    stream.write_all(all).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn on_http1(address: SocketAddr, all: &[u8]) -> Vec<u8> {
    let mut stream = tls(address, b"http/1.1").await;
    stream.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    exchange(stream, all).await
}

fn connect() -> http::request::Builder {
    Request::builder()
        .method(Method::CONNECT)
        .uri("https://localhost/")
        .header("sec-websocket-version", "13")
}

/// The last bytes come in the DATA frame with `END_STREAM`.
async fn on_http2(address: SocketAddr, all: &[u8]) -> Vec<u8> {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    let handshake = builder.handshake::<_, Bytes>(tls(address, b"h2").await);
    let (send, mut connection) = handshake.await.unwrap();
    let mut opening = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    // The server's settings have come when its answer to this has.
    opening.ping(h2::Ping::opaque()).await.unwrap();
    let mut send = send.ready().await.unwrap();
    let protocol = h2::ext::Protocol::from_static("websocket");
    let request = connect().extension(protocol).body(()).unwrap();
    let (answer, mut stream) = send.send_request(request, false).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut left = Bytes::copy_from_slice(all);
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let capacity = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        let piece = left.split_to(capacity.min(left.len()));
        stream.send_data(piece, left.is_empty()).unwrap();
    }
    let (mut body, mut received) = (answer.into_body(), Vec::new());
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        received.extend_from_slice(&data);
    }
    received
}

async fn on_http3(address: SocketAddr, all: &[u8]) -> Vec<u8> {
    let tls = common::tls::client(LOCALHOST, &[&rustls::version::TLS13]);
    let mut tls = tls.with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    config.transport_config(Arc::new(transport_config(0, Duration::from_secs(60))));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = endpoint.connect_with(config, address, "localhost").unwrap().await.unwrap();
    let connection = ClientConnection::new(quic, LocalSettings::default());
    let request = connect().extension(ConnectProtocol::WEBSOCKET).body(()).unwrap();
    let (answer, stream) =
        connection.send_request(&request).await.unwrap().response().await.unwrap();
    assert_eq!(answer.status(), 200);
    exchange(stream, all).await
}

/// What comes back for these bytes, which end the client's direction, on each version.
async fn on_each_version(all: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let (address, handle) = echo_server().await;
    let each = async {
        [
            ("HTTP/1.1", on_http1(address, all).await),
            ("HTTP/2", on_http2(address, all).await),
            ("HTTP/3", on_http3(address, all).await),
        ]
    };
    let each = timeout(DEADLINE, each).await.expect("an answer that does not end");
    drop(handle);
    each
}

#[tokio::test]
async fn half_close_after_a_close_frame_loses_nothing() {
    // More than high_water, so that most of it is queued when the end is read.
    let message = vec![7; 8 << 20];
    let all = [frame(0x82, &message), CLOSE.to_vec()].concat();
    for (version, answer) in on_each_version(&all).await {
        let (echoed, code) = taken_apart(&answer);
        assert_eq!(echoed.len(), message.len(), "{version}");
        assert_eq!(code, Some(1000), "{version}");
    }
}

#[tokio::test]
async fn half_close_without_a_close_frame_loses_no_answers() {
    for length in [5, 1 << 20] {
        for (version, answer) in on_each_version(&frame(0x82, &vec![7; length])).await {
            let (echoed, code) = taken_apart(&answer);
            assert_eq!((echoed.len(), code), (length, None), "{version}");
        }
    }
}

/// A transport that reads bytes slowly: so many, then waits so long.
async fn read_slowly(peer: &mut (impl AsyncRead + Unpin), most: usize, wait: Duration) -> Vec<u8> {
    let mut received = Vec::new();
    loop {
        sleep(wait).await;
        let mut piece = vec![0; most];
        match peer.read(&mut piece).await {
            Ok(0) => return received,
            Ok(length) => received.extend_from_slice(&piece[..length]),
            Err(error) => panic!("{error} after {} bytes", received.len()),
        }
    }
}

/// An end with a message of 20 KiB on its way, over a transport that holds 1 KiB, and what
/// its peer is to it.
async fn busy(role: Role) -> (fullduplex::WebSocket<Pipe>, Pipe) {
    let (ours, peer) = pipe(1 << 10);
    let mut websocket = open(ours, role, Config::default());
    websocket.send(vec![7; 20 << 10]).await.unwrap();
    (websocket, peer)
}

#[tokio::test(start_paused = true)]
async fn half_close_waits_for_what_is_queued_in_both_roles() {
    for role in [Role::Server, Role::Client] {
        let (mut websocket, mut peer) = busy(role).await;
        let close: &[u8] = if role == Role::Server { &CLOSE } else { b"\x88\x02\x03\xe8" };
        peer.write_all(close).await.unwrap();
        peer.shutdown().await.unwrap();
        let reading = tokio::spawn(async move {
            let end = websocket.next().await;
            (end.is_none(), websocket.close_info().unwrap())
        });
        let received = read_slowly(&mut peer, 512, Duration::from_secs(4)).await;
        let (ended_cleanly, info) = timeout(DEADLINE, reading).await.unwrap().unwrap();
        assert!(ended_cleanly && info.is_clean(), "{role:?}: {info}");
        assert!(received.len() > 20 << 10, "{role:?}: {}", received.len());
    }
}

#[tokio::test(start_paused = true)]
async fn half_close_is_finished_in_the_background() {
    let (mut websocket, mut peer) = busy(Role::Server).await;
    peer.shutdown().await.unwrap();
    // The application hears of it at once, and may leave.
    let error = websocket.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("without a Close frame"), "{error}");
    assert_eq!(websocket.state(), ReadyState::Closing);
    assert!(websocket.send("more").await.is_err());
    drop(websocket);
    let received = read_slowly(&mut peer, 512, Duration::from_secs(4)).await;
    assert_eq!(taken_apart(&received), (vec![7; 20 << 10], None));
}

/// A server of HTTP/2 that answers a Close, and then keeps its side of the stream open. Gives
/// whether the client ended its own.
async fn keeps_the_stream(tcp: TcpStream) -> Option<bool> {
    let mut builder = h2::server::Builder::new();
    let handshake = builder.enable_connect_protocol().handshake::<_, Bytes>(tcp);
    let mut connection = handshake.await.ok()?;
    let (request, mut respond) = connection.accept().await?.ok()?;
    let driven = tokio::spawn(async move { while connection.accept().await.is_some() {} });
    let mut send = respond.send_response(http::Response::new(()), false).ok()?;
    let mut received = request.into_body();
    let close = received.data().await?.ok()?;
    assert_eq!(close[0], 0x88, "{close:?}");
    send.send_data(Bytes::from_static(b"\x88\x02\x03\xe8"), false).ok()?;
    let mut rest = 0;
    while let Some(data) = received.data().await {
        rest += data.ok()?.len();
    }
    driven.abort();
    Some(rest == 0)
}

#[tokio::test]
async fn close_on_http2_ends_the_clients_side_at_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server =
        tokio::spawn(async move { keeps_the_stream(listener.accept().await.ok()?.0).await });
    let (mut websocket, _) = client(HttpVersion::Http2).connect(&url).await.unwrap();
    let closing = websocket.close(CloseCode::NORMAL, "");
    // Half the close timeout, in which it takes some milliseconds.
    let info = timeout(Duration::from_secs(5), closing).await.expect("it waits").unwrap();
    assert!(info.is_clean(), "{info}");
    assert_eq!(timeout(DEADLINE, server).await.unwrap().unwrap(), Some(true));
}

#[tokio::test]
async fn close_on_http2_and_http3_loses_nothing() {
    let (address, handle) = echo_server().await;
    for version in [HttpVersion::Http2, HttpVersion::Http3] {
        let client = direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap();
        for _ in 0..20 {
            let url = format!("wss://localhost:{}/", address.port());
            let (mut websocket, _) = client.connect(&url).await.unwrap();
            // The echo, which is awaited by nobody, comes before the answer to the Close.
            websocket.send(vec![7; 1 << 19]).await.unwrap();
            websocket.start_close(CloseCode::new(3000), "bye").unwrap();
            let closing = async {
                let echo = websocket.next().await.unwrap().unwrap();
                assert_eq!(echo.len(), 1 << 19);
                assert!(websocket.next().await.is_none());
            };
            timeout(DEADLINE, closing).await.expect("it does not end");
            let info = websocket.close_info().unwrap();
            assert!(info.is_clean() && info.code() == CloseCode::new(3000), "{info}");
        }
    }
    // Nor has the server seen anything else.
    let ends = handle.stats().ends;
    assert!(ends.iter().all(|(end, count)| *count == 0 || end.cause == "handshake"), "{ends:?}");
}
