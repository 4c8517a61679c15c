//! The step that an error names, and what arrived in place of a response.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fullduplex::client::{ConnectEvent, Proxy};
use fullduplex::{ConnectStep, ErrorKind, HandshakeLimits};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::common::direct;
use crate::{answering, fails};

/// The port of a server that accepts connections and says nothing.
async fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            accepted.push(stream);
        }
    });
    port
}

#[tokio::test]
async fn connect_step_of_a_deadline_is_the_one_that_it_cut() {
    let port = silent().await;
    let at = |scheme: &str| format!("{scheme}://127.0.0.1:{port}/");
    let proxy = |scheme: &str| direct().proxy(Proxy::parse(&at(scheme)).unwrap());
    let mut cases = vec![
        (direct(), at("ws"), ConnectStep::Handshake, "the server's response"),
        (proxy("socks5"), at("ws"), ConnectStep::Proxy, "to answer the SOCKS5 greeting"),
        (proxy("socks5h"), at("ws"), ConnectStep::Proxy, "perhaps it is another kind of proxy"),
        (proxy("http"), at("ws"), ConnectStep::Proxy, "to answer CONNECT"),
    ];
    if cfg!(feature = "_tls") {
        cases.push((direct(), at("wss"), ConnectStep::Tls, "this port does not use TLS"));
        cases.push((proxy("https"), at("ws"), ConnectStep::Proxy, "the TLS handshake"));
    }
    for (builder, url, step, words) in cases {
        let moment = Duration::from_millis(100);
        let limits = HandshakeLimits::default().handshake_timeout(moment);
        let error = fails(builder.connect_timeout(moment).handshake_limits(limits), &url).await;
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert_eq!(error.connect_step(), Some(step), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn connect_step_of_a_failure_is_where_it_occurred() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = fails(direct(), &format!("ws://{closed}/")).await;
    assert_eq!(error.connect_step(), Some(ConnectStep::Connect), "{error}");
    let error = fails(direct(), "ws://nothing.invalid/").await;
    assert_eq!(error.connect_step(), Some(ConnectStep::Resolve), "{error}");
    let error = fails(direct(), &answering("HTTP/1.1 403 Forbidden\r\n\r\n").await).await;
    assert_eq!(error.connect_step(), Some(ConnectStep::Handshake), "{error}");
    let error = fails(direct(), "ftp://localhost/").await;
    assert_eq!(error.connect_step(), None, "{error}");
}

#[tokio::test]
async fn connect_error_has_the_first_bytes_of_what_is_not_a_response() {
    for (answer, kept) in [
        (b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), 21),
        (b"\x15\x03\x03\x00\x02\x02\x46".to_vec(), 7),
        (vec![b'x'; 5000], 1024),
    ] {
        let error = fails(direct(), &answering(answer.clone()).await).await;
        assert_eq!(error.first_bytes(), &answer[..kept], "{error}");
    }
    for answer in ["", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"] {
        let error = fails(direct(), &answering(answer).await).await;
        assert!(error.first_bytes().is_empty(), "{error}");
    }
}

#[tokio::test]
async fn connect_events_have_failed_addresses_and_the_heads_of_a_proxy() {
    let proxy = crate::serving(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 407 Need\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let proxy = proxy.replace("ws://", "http://me:secret@");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (builder, expected) in [
        (direct().proxy(Proxy::parse(&proxy).unwrap()), "ProxyRequest;Proxy-Authorization: ***"),
        (direct().proxy(Proxy::parse(&proxy).unwrap()), "ProxyResponse;407"),
        (direct(), "AddressFailed"),
    ] {
        let seen = Arc::new(Mutex::new(String::new()));
        let log = seen.clone();
        let builder = builder.on_connect_event(move |event| {
            let mut log = log.lock().unwrap();
            let _ = match event {
                ConnectEvent::ProxyRequest(head) => write!(log, "ProxyRequest {head:?}"),
                ConnectEvent::ProxyResponse(head) => write!(log, "ProxyResponse {head:?}"),
                ConnectEvent::AddressFailed { to, .. } => write!(log, "AddressFailed {to}"),
                _ => Ok(()),
            };
        });
        fails(builder, &format!("ws://{closed}/")).await;
        let seen = seen.lock().unwrap();
        assert!(expected.split(';').all(|part| seen.contains(part)), "{expected}: {seen}");
        assert!(!seen.contains("secret"), "{seen}");
    }
}
