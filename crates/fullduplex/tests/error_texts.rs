//! How the end of a transport reads, in both roles and on every version of HTTP: in our words, not
//! in those of the libraries below.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "http3"))]

mod common;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::tls::{LOCALHOST, acceptor, localhost, trusting};
use common::{direct, switching};
use fullduplex::client::HttpVersion;
use fullduplex::server::{Server, ServerConfig};
use fullduplex::{ClientBuilder, Error, ErrorKind, WebSocket};
use h2::Reason;
use http::Response;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const DEADLINE: Duration = Duration::from_secs(20);

fn client(version: HttpVersion) -> ClientBuilder {
    direct().http_version(version).tls(trusting(LOCALHOST))
}

async fn failure(websocket: &mut WebSocket) -> Error {
    let end = timeout(DEADLINE, websocket.next()).await.expect("the end of the transport");
    end.unwrap().unwrap_err()
}

fn is_plain(error: &Error) {
    let text = error.to_string();
    for foreign in ["http://", "https://", "detected", "unspecific", "eof", "rustls", "broken pipe"]
    {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
}

async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(DEADLINE, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// The socket below is closed, as is common, without a word of TLS.
#[tokio::test]
async fn tls_end_without_close_notify_is_an_end_to_the_client() {
    for answers in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            let tcp = listener.accept().await.unwrap().0;
            let mut tls = acceptor(&[b"http/1.1"]).accept(tcp).await.unwrap();
            let head = read_head(&mut tls).await;
            if answers {
                tls.write_all(switching(&head, "").as_bytes()).await.unwrap();
                tls.flush().await.unwrap();
            }
            tls.into_inner().0.shutdown().await.unwrap();
        });
        let connected = client(HttpVersion::Http1).build().unwrap().connect(&url).await;
        let error = match connected {
            Ok((mut websocket, _)) => failure(&mut websocket).await,
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Io);
        let end = if answers { "without a Close frame" } else { "before the opening handshake" };
        let says = format!("the peer ended the transport {end}");
        assert!(error.to_string().contains(&says), "{error}");
        is_plain(&error);
    }
}

#[tokio::test]
async fn tls_end_without_close_notify_is_an_end_to_the_server() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls(localhost());
    let address = server.local_addr().unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    tokio::spawn(server.serve(move |mut websocket| {
        let tell = tell.clone();
        async move { tell.send(failure(&mut websocket).await).unwrap() }
    }));
    let config = common::tls::client(LOCALHOST, rustls::DEFAULT_VERSIONS).with_no_client_auth();
    let tcp = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    tls.write_all(request.as_bytes()).await.unwrap();
    read_head(&mut tls).await;
    tls.into_inner().0.shutdown().await.unwrap();
    let error = timeout(DEADLINE, told.recv()).await.unwrap().unwrap();
    let says = "the peer ended the transport without a Close frame";
    assert!(error.to_string().contains(says), "{error}");
    is_plain(&error);
}

/// What becomes of a stream of HTTP/2, or of its connection.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Reset(Reason),
    GoAway(Reason),
    End,
}

async fn serve_http2(fate: Fate) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        let tcp = listener.accept().await.unwrap().0;
        let tls = acceptor(&[b"h2"]).accept(tcp).await.unwrap();
        let mut builder = h2::server::Builder::new();
        let handshake = builder.enable_connect_protocol().handshake::<_, Bytes>(tls);
        let mut connection = handshake.await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        // The answer leaves first.
        let _ = timeout(Duration::from_millis(50), connection.accept()).await;
        match fate {
            Fate::Reset(reason) => stream.send_reset(reason),
            Fate::GoAway(reason) => connection.abrupt_shutdown(reason),
            Fate::End => return,
        }
        while let Some(Ok(_)) = connection.accept().await {}
    });
    url
}

#[tokio::test]
async fn http2_end_has_our_text_and_keeps_its_source() {
    for (fate, words) in [
        (Fate::Reset(Reason::PROTOCOL_ERROR), "ended the HTTP/2 stream with PROTOCOL_ERROR"),
        // The stream is told of the end alone.
        (Fate::GoAway(Reason::ENHANCE_YOUR_CALM), "ended the transport without a Close frame"),
        (Fate::End, "ended the transport without a Close frame"),
    ] {
        let url = serve_http2(fate).await;
        let client = client(HttpVersion::Http2).build().unwrap();
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        let error = failure(&mut websocket).await;
        assert!(error.to_string().contains(words), "{fate:?}: {error}");
        is_plain(&error);
        if let Fate::Reset(_) = fate {
            let source = error.source().unwrap().downcast_ref::<std::io::Error>().unwrap();
            assert!(source.get_ref().unwrap().is::<h2::Error>(), "{source:?}");
        }
    }
}

/// The server reads what a client of HTTP/2 does to its stream, or to the connection.
#[tokio::test]
async fn http2_end_has_our_text_at_the_server() {
    for (reset, words) in [
        (Some(Reason::ENHANCE_YOUR_CALM), "ended the HTTP/2 stream with ENHANCE_YOUR_CALM"),
        (None, "the peer ended the transport without a Close frame"),
    ] {
        let config = ServerConfig::default().http2(true);
        let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
        let address = server.local_addr().unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(server.serve(move |mut websocket| {
            let tell = tell.clone();
            async move { tell.send(failure(&mut websocket).await).unwrap() }
        }));
        let tcp = TcpStream::connect(address).await.unwrap();
        let (mut send, connection) = h2::client::handshake(tcp).await.unwrap();
        let running = tokio::spawn(async move { connection.await.map_err(drop) });
        let request = http::Request::connect(format!("http://{address}/"))
            .extension(h2::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13");
        common::http2::extended_connect(&send).await;
        let (response, mut stream) = send.send_request(request.body(()).unwrap(), false).unwrap();
        timeout(DEADLINE, response).await.unwrap().unwrap();
        match reset {
            Some(reason) => stream.send_reset(reason),
            None => running.abort(),
        }
        let error = timeout(DEADLINE, told.recv()).await.unwrap().unwrap();
        assert!(error.to_string().contains(words), "{reset:?}: {error}");
        is_plain(&error);
    }
}

/// No one is there any more: QUIC's idle time-out, and its words.
#[tokio::test]
async fn quic_without_a_server_has_our_text() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://127.0.0.1:{}/", socket.local_addr().unwrap().port());
    // What is sent there is not QUIC.
    let answers = std::thread::spawn(move || {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut packet = [0; 2000];
        let (_, from) = socket.recv_from(&mut packet).unwrap();
        // Version negotiation that names a version nobody has (RFC 9000 §17.2.1).
        let (their_id, our_id) =
            (usize::from(packet[5]), usize::from(packet[6 + usize::from(packet[5])]));
        let mut answer = vec![0x80, 0, 0, 0, 0, packet[6 + their_id]];
        answer.extend(&packet[7 + their_id..7 + their_id + our_id]);
        answer.push(packet[5]);
        answer.extend(&packet[6..6 + their_id]);
        answer.extend([0x1a, 0x2a, 0x3a, 0x4a]);
        socket.send_to(&answer, from).unwrap();
    });
    let client = client(HttpVersion::Http3).build().unwrap();
    let error = timeout(DEADLINE, client.connect(&url)).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no version of QUIC"), "{error}");
    answers.join().unwrap();
}
