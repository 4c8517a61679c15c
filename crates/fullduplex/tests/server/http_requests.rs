//! Ordinary requests on the port of the WebSockets.

use bytes::Bytes;
use fullduplex::client::HttpVersion;
use fullduplex::server::{Server, ServerConfig};
use http::{Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::http2::content;
use crate::common::{client, raw, say};
use crate::{both_versions, http2, serving};

#[tokio::test]
async fn http2_is_not_spoken_where_it_is_off() {
    let (address, ..) = serving(ServerConfig::default()).await;
    let error = client(HttpVersion::Http2).connect(format!("ws://{address}/")).await.unwrap_err();
    assert!(error.to_string().contains("does not seem to support it"), "{error}");
}

#[tokio::test]
async fn http_requests_are_served_beside_websockets() {
    let (address, ..) = serving(both_versions()).await;
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let two = get("/one", "") + &get("/two", "Connection: close\r\n");
    let answer = raw(address, &two).await;
    assert!(answer.contains("HTTP/1.1 /one") && answer.contains("HTTP/1.1 /two"), "{answer}");

    let mut send = http2(address).await;
    for path in ["one", "two"] {
        let request = Request::get(format!("http://a/{path}")).body(()).unwrap();
        let (answer, _) = send.send_request(request, true).unwrap();
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(content(answer.body_mut()).await, format!("HTTP/2.0 /{path}").into_bytes());
    }
    let request = Request::head("http://a/one").body(()).unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    assert!(answer.await.unwrap().body().is_end_stream(), "RFC 9110 §9.3.2");
}

/// RFC 9112 §3.2: on the first request of a connection, which we read, and behind it, where
/// hyper does.
#[tokio::test]
async fn http_requests_must_have_one_host() {
    let (address, ..) = serving(both_versions()).await;
    let page = "GET /page HTTP/1.1\r\nHost: a\r\n\r\n";
    for before in ["", page] {
        for (hosts, rule) in [
            ("", "missing Host"),
            ("Host: a\r\nHost: a\r\n", "more than one Host"),
            ("Host: a\r\nhost: b\r\n", "more than one Host"),
            ("Host: a, b\r\n", "invalid Host"),
            ("Host: a/b\r\n", "invalid Host"),
            ("Host: u@a\r\n", "invalid Host"),
            ("Host:\r\n", "invalid Host"),
        ] {
            let request = format!("{before}GET /secret HTTP/1.1\r\n{hosts}\r\n{page}");
            let answer = raw(address, &request).await;
            assert!(answer.contains("HTTP/1.1 400 ") && answer.contains(rule), "{request}{answer}");
            assert!(!answer.contains("/secret"), "{request}{answer}");
            // Where the next one begins is in doubt.
            assert_eq!(answer.matches("HTTP/1.1 /page").count(), usize::from(!before.is_empty()));
        }
        let close = "Connection: close\r\n\r\n";
        for fine in ["GET http://b/x HTTP/1.1\r\nHost: b\r\n", "GET /x HTTP/1.0\r\n"] {
            let answer = raw(address, &format!("{before}{fine}{close}")).await;
            assert!(answer.contains(" /x"), "{fine}{answer}");
        }
    }
}

/// RFC 9113 §8.3.1.
#[tokio::test]
async fn http2_authority_is_the_host() {
    let (address, ..) = serving(both_versions()).await;
    let mut send = http2(address).await;
    for (host, status) in [("a", 200), ("A:80", 200), ("b", 400), ("a:81", 400), ("u@a", 400)] {
        let request = Request::get("http://a/page").header("host", host).body(()).unwrap();
        let (answer, _) = send.send_request(request, true).unwrap();
        assert_eq!(answer.await.unwrap().status(), status, "{host}");
    }
    let twice = Request::get("http://a/page").header("host", "a").header("host", "a");
    let (answer, _) = send.send_request(twice.body(()).unwrap(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 400);
}

#[tokio::test]
async fn http_connection_may_become_a_websocket() {
    let (address, ..) = serving(ServerConfig::default()).await;
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"/page\r\n0\r\n\r\n") {
        socket.read_buf(&mut answer).await.unwrap();
    }
    let url = format!("ws://{address}/");
    let client = client(HttpVersion::Http1);
    let (mut websocket, _) = client.connect_over(socket, &url).await.unwrap();
    say(&mut websocket, "after a page").await;
}

#[tokio::test]
async fn http_connect_method_is_refused() {
    let (address, ..) = serving(both_versions()).await;
    let answer = raw(address, "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

/// RFC 9113 §8.1: a client that goes on sending reads its answer, and is told to stop without
/// an error.
#[tokio::test]
async fn http2_early_response_resets_with_no_error() {
    for said in ["", "no uploads here"] {
        let server = Server::bind("127.0.0.1:0").await.unwrap().config(both_versions());
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve_handshakes(move |handshake| async move {
            let mut response = Response::new(said);
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            handshake.respond(response).await.unwrap();
        }));
        let mut send = http2(address).await;
        let request = Request::post("http://a/upload").body(()).unwrap();
        let (answer, mut upload) = send.send_request(request, false).unwrap();
        upload.send_data(Bytes::from(vec![0; 10_000]), false).unwrap();
        let mut answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(content(answer.body_mut()).await, said.as_bytes());
        // There is time to send on, and to end.
        upload.send_data(Bytes::from(vec![0; 10_000]), false).unwrap();
        let reason = std::future::poll_fn(|cx| upload.poll_reset(cx)).await.unwrap();
        assert_eq!(reason, h2::Reason::NO_ERROR);
    }
}
