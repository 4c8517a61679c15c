//! Handlers, services and authentication that panic.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use fullduplex::CloseCode;
use fullduplex::client::HttpVersion;
use fullduplex::server::stats::HandshakeOutcome;
use fullduplex::server::{Body, Server};
use http::{Request, Response, StatusCode};
use tower::service_fn;

use crate::common::{client, direct, echo, raw, say};
use crate::{both_versions, http2, page};

#[tokio::test]
async fn panic_in_a_handler_closes_its_connection_with_1011() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let handle = server.handle();
    tokio::spawn(server.serve(|mut websocket| async move {
        while let Some(Ok(message)) = websocket.next().await {
            assert_ne!(message.as_text(), Some("panic"), "as asked for");
            websocket.send(message).await.unwrap();
        }
    }));
    let client = client(HttpVersion::Http1);
    let (mut good, _) = client.connect(&url).await.unwrap();
    let (mut bad, _) = client.connect(&url).await.unwrap();
    bad.send("panic").await.unwrap();
    assert!(bad.next().await.is_none());
    assert_eq!(bad.close_info().unwrap().code(), CloseCode::INTERNAL_ERROR);
    say(&mut good, "still here").await;
    assert_eq!(handle.stats().panics, 1);
}

#[tokio::test]
async fn panic_before_the_handlers_future_closes_its_connection_with_1011() {
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let handle = server.handle();
    let is_first = AtomicBool::new(true);
    tokio::spawn(server.serve(move |websocket| {
        assert!(!is_first.swap(false, Ordering::SeqCst), "as asked for");
        echo(websocket)
    }));
    let client = client(HttpVersion::Http1);
    let (mut bad, _) = client.connect(&url).await.unwrap();
    assert!(bad.next().await.is_none());
    assert_eq!(bad.close_info().unwrap().code(), CloseCode::INTERNAL_ERROR);
    let (mut good, _) = client.connect(&url).await.unwrap();
    say(&mut good, "still here").await;
    assert_eq!(handle.stats().panics, 1);
    assert_eq!(handle.websocket_count(), 1);
}

struct PanickingPage(bool);

impl http_body::Body for PanickingPage {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        assert!(!self.0, "as asked for");
        Poll::Ready(None)
    }
}

#[tokio::test]
async fn panic_in_the_service_fails_one_request() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(both_versions());
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    // It panics where the path says so.
    let service = service_fn(|request: Request<Body>| {
        let path = request.uri().path().to_owned();
        assert_ne!(path, "/call", "as asked for");
        async move {
            tokio::task::yield_now().await;
            assert_ne!(path, "/future", "as asked for");
            Ok::<_, Infallible>(Response::new(PanickingPage(path == "/body")))
        }
    });
    tokio::spawn(server.service(service).serve(echo));
    let mut panics = 0;
    for path in ["/call", "/future"] {
        let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
        // The connection goes on.
        let two = get(path, "") + &get("/fine", "Connection: close\r\n");
        let answer = raw(address, &two).await;
        assert!(
            answer.starts_with("HTTP/1.1 500 ") && answer.contains("HTTP/1.1 200 "),
            "{answer}"
        );
        panics += 1;
        assert_eq!(handle.stats().panics, panics);
    }
    let answer = raw(address, "GET /body HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!answer.ends_with("0\r\n\r\n"), "an answer that was cut is not whole: {answer}");
    assert_eq!(handle.stats().panics, panics + 1);

    let mut send = http2(address).await;
    for (path, status) in [("call", 500), ("fine", 200), ("future", 500)] {
        let request = Request::get(format!("http://a/{path}")).body(()).unwrap();
        let (answer, _) = send.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), status);
    }
    let (answer, _) =
        send.send_request(Request::get("http://a/body").body(()).unwrap(), true).unwrap();
    let cut = async { answer.await?.into_body().data().await.transpose() };
    assert_eq!(cut.await.unwrap_err().reason(), Some(h2::Reason::INTERNAL_ERROR));
    assert_eq!(handle.stats().panics, panics + 4);
}

#[tokio::test]
async fn panic_while_a_handshake_is_inspected_is_answered() {
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(both_versions());
    let server = server.authenticate(|request| {
        assert!(!request.headers().contains_key("x-call"), "as asked for");
        async move {
            tokio::task::yield_now().await;
            assert!(!request.headers().contains_key("x-future"), "as asked for");
            Ok(request)
        }
    });
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.service(service_fn(page)).serve(echo));
    let url = format!("ws://{address}/");
    let page = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut panics = 0;
    for name in ["x-call", "x-future"] {
        for version in [HttpVersion::Http1, HttpVersion::Http2] {
            let builder = direct().http_version(version);
            let error = builder.header(name, "").build().unwrap().connect(&url).await.unwrap_err();
            assert_eq!(error.response().unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
            panics += 1;
            assert_eq!(handle.stats().panics, panics);
        }
        // Behind a page, where hyper serves the connection.
        let upgrade = format!(
            "{page}GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             {name}: 1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n\
             GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        let answer = raw(address, &upgrade).await;
        assert!(answer.contains("HTTP/1.1 500 "), "{answer}");
        panics += 1;
        assert_eq!(handle.stats().panics, panics);
    }
    assert_eq!(
        handle.stats().handshakes[&HandshakeOutcome::Rejected(StatusCode::INTERNAL_SERVER_ERROR)],
        panics
    );
}
