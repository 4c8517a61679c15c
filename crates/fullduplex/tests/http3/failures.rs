//! Rejections, ends and servers without WebSockets.

use std::time::Duration;

use fullduplex::client::{ClientTls, HttpVersion, Proxy, RootCertificates};
use fullduplex::{Client, ClientBuilder, Error, ErrorKind};
use fullduplex_http3::server::AcceptedRequest;
use fullduplex_http3::{ErrorCode, LocalSettings};
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::direct;
use crate::{Server, echo};

#[tokio::test]
async fn http3_server_without_extended_connect_is_named() {
    let server = Server::start(LocalSettings::default(), "localhost", |_| async {});
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("SETTINGS_ENABLE_CONNECT_PROTOCOL"), "{error}");
}

#[tokio::test]
async fn http3_rejection_has_its_body() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        let response = Response::builder().status(403).header("x-why", "not you");
        stream.send_response(&response.body(()).unwrap()).await.unwrap();
        stream.write_all(b"go away").await.unwrap();
        stream.shutdown().await.unwrap();
    });
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-why"], "not you");
    assert_eq!(response.body(), "go away");
}

/// The same words as over TCP.
#[tokio::test]
async fn http3_certificate_faults_have_a_text() {
    let server = Server::start(LocalSettings::default(), "other.example", echo);
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    let words = "the server's certificate is for another name";
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().contains("other.example"), "{error}");
    let client =
        server.builder().tls(ClientTls::new().roots(RootCertificates::WebPki)).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert!(error.to_string().contains("not signed by a trusted authority"), "{error}");
    let tls = ClientTls::new().dangerous_accept_any_certificate();
    let client = server.builder().tls(tls).build().unwrap();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
}

#[tokio::test]
async fn http3_is_refused_where_udp_can_not_be_used() {
    let client = |builder: ClientBuilder| builder.http_version(HttpVersion::Http3).build().unwrap();
    let error = client(direct()).connect("ws://localhost:1/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("wss:"), "{error}");
    let proxy = Proxy::parse("http://127.0.0.1:1").unwrap();
    let error = client(Client::builder().proxy(proxy)).connect("wss://h/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    #[cfg(unix)]
    {
        let error = client(direct().unix_socket("/x")).connect("wss://h/").await.unwrap_err();
        assert!(error.to_string().contains("Unix socket"), "{error}");
    }
}

/// Opens and gives the one error that the end of the stream comes to.
async fn end_of(server: &Server) -> Error {
    let (mut websocket, _) = server.client().connect(&server.url("/")).await.unwrap();
    let error = websocket.next().await.unwrap().unwrap_err();
    assert!(websocket.next().await.is_none());
    assert!(!websocket.close_info().unwrap().is_clean());
    error
}

/// RFC 9220 §3: FIN is FIN, a reset is RST.
#[tokio::test]
async fn http3_ends_and_resets_are_unclean_closes() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        stream.send_response(&Response::new(())).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    assert_eq!(end_of(&server).await.kind(), ErrorKind::Io);
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        stream.send_response(&Response::new(())).await.unwrap();
        stream.write_all(&[0x89, 0]).await.unwrap();
        // A reset overtakes what is on the way, the response too: wait for the Pong.
        stream.read_u8().await.unwrap();
        stream.reset(ErrorCode::REQUEST_CANCELLED);
    });
    let error = end_of(&server).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("H3_REQUEST_CANCELLED"), "{error}");
}

#[tokio::test]
async fn http3_rejected_stream_is_reported() {
    let server = Server::websockets(|mut incoming| async move {
        incoming.stream.reset(ErrorCode::REQUEST_REJECTED);
    });
    let error = server.client().connect(&server.url("/")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(error.to_string().contains("H3_REQUEST_REJECTED"), "{error}");
    // It was tried again, once.
    assert_eq!(server.connections(), 2);
}

/// The stream of a 2xx goes on, so there is no more to wait for.
#[tokio::test]
async fn http3_subprotocol_that_was_not_offered_is_refused() {
    let server = Server::websockets(|AcceptedRequest { mut stream, .. }| async move {
        let response = Response::builder().header("sec-websocket-protocol", "unasked");
        stream.send_response(&response.body(()).unwrap()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let client = server.client();
    let begun = std::time::Instant::now();
    let error = client.connect(&server.url("/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
    assert!(error.to_string().contains("unasked"), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
}
