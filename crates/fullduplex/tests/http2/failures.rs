//! Rejections, ends and servers without WebSockets.

use std::time::Duration;

use bytes::Bytes;
use fullduplex::{Error, ErrorKind, WebSocket};
use h2::Reason;
use http::Response;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::{accept, client, serving};

#[tokio::test]
async fn http2_server_without_extended_connect_is_named() {
    let (url, _) = serving(false, |_| async {}).await;
    let error = client().connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Handshake);
    assert!(error.to_string().contains("SETTINGS_ENABLE_CONNECT_PROTOCOL"), "{error}");
}

#[tokio::test]
async fn http2_server_that_speaks_http1_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for answer in ["", "HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.unwrap();
            if !answer.is_empty() {
                stream.write_all(answer.as_bytes()).await.unwrap();
                // An end over unread bytes would take the answer back.
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
    });
    for kind in [ErrorKind::Io, ErrorKind::Handshake] {
        let error = client().connect(&url).await.unwrap_err();
        assert!(error.to_string().contains("does not seem to support it"), "{error}");
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn http2_rejection_has_its_body() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        let response = Response::builder().status(403).header("x-why", "not you");
        let mut send = respond.send_response(response.body(()).unwrap(), false).unwrap();
        send.send_data("go away".into(), true).unwrap();
    })
    .await;
    let error = client().connect(&url).await.unwrap_err();
    let response = error.response().unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["x-why"], "not you");
    assert_eq!(response.body(), "go away");
}

/// Returns the one error that the end of the stream comes to.
async fn end_of(mut websocket: WebSocket) -> Error {
    let error = websocket.next().await.unwrap().unwrap_err();
    assert!(websocket.next().await.is_none());
    assert!(!websocket.close_info().unwrap().is_clean());
    error
}

#[tokio::test]
async fn http2_ends_and_resets_are_unclean_closes() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        accept(&mut respond).send_data(Bytes::new(), true).unwrap();
    })
    .await;
    let (websocket, _) = client().connect(&url).await.unwrap();
    assert_eq!(end_of(websocket).await.kind(), ErrorKind::Io);
    let (url, _) = serving(true, |(mut request, mut respond)| async move {
        let mut send = accept(&mut respond);
        // A reset overtakes what is queued, the response too, which has come where a message
        // answers it.
        assert!(request.body_mut().data().await.unwrap().is_ok());
        send.send_reset(Reason::CANCEL);
    })
    .await;
    let (mut websocket, _) = client().connect(&url).await.unwrap();
    websocket.send("it is open").await.unwrap();
    let error = end_of(websocket).await;
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[tokio::test]
async fn http2_refused_stream_is_reported() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
    })
    .await;
    let error = client().connect(&url).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

/// RFC 9113 §8.6: there is none on HTTP/2, and nothing follows it.
#[tokio::test]
async fn http2_response_101_is_refused() {
    let (url, _) = serving(true, |(_, mut respond)| async move {
        let response = Response::builder().status(101).body(()).unwrap();
        respond.send_informational(response).unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let connecting = tokio::time::timeout(Duration::from_secs(5), async {
        client().connect(&url).await.unwrap_err()
    });
    let error = connecting.await.unwrap();
    assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
    assert!(error.to_string().contains("101"), "{error}");
}

/// What was waited for is told.
#[tokio::test(start_paused = true)]
async fn http2_settings_that_do_not_come_are_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    });
    let error = client().connect(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("SETTINGS"), "{error}");
}

/// The settings suffice, though RFC 9113 §6.7 wants an answer. The server of the web-platform tests
/// sends nothing more before it responds.
#[tokio::test]
async fn http2_server_that_answers_no_ping_is_usable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        // SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3).
        stream.write_all(b"\0\0\x06\x04\0\0\0\0\0\0\x08\0\0\0\x01").await.unwrap();
        let stream_id = loop {
            let mut header = [0; 9];
            stream.read_exact(&mut header).await.unwrap();
            let [_, high, low, kind, _, stream_id @ ..] = header;
            let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            stream.read_exact(&mut payload).await.unwrap();
            if kind == 0x1 {
                break stream_id;
            }
        };
        // HEADERS with the status 200.
        let response = [&b"\0\0\x01\x01\x04"[..], &stream_id, b"\x88"].concat();
        stream.write_all(&response).await.unwrap();
        stream
    });
    let client = client();
    let connected = tokio::time::timeout(Duration::from_secs(5), client.connect(&url)).await;
    connected.expect("no PONG is waited for").unwrap();
    drop(server.await.unwrap());
}
