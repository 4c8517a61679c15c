//! What a client's callback observes of the opening handshake on every version of HTTP.

use std::sync::{Arc, Mutex};

use fullduplex::ConnectStep;
use fullduplex::client::{ConnectEvent, HeadField, HttpVersion};
use fullduplex::server::{Handshake, Server, ServerConfig};
use http::{HeaderValue, Version};

use crate::common::direct;
use crate::common::tls::{LOCALHOST, localhost, trusting};

async fn accept_one_path(handshake: Handshake) {
    if handshake.request().uri().path() != "/open" {
        let response = http::Response::builder().status(403).header("set-cookie", "a=secret");
        let _ = handshake.respond(response.body("no").unwrap()).await;
        return;
    }
    let mut websocket = handshake.accept().await.unwrap();
    while websocket.next().await.is_some() {}
}

/// The lines that a test compares: the steps in their order, and the fields of the heads.
fn describe(event: &ConnectEvent<'_>) -> Vec<String> {
    let fields = |first: String, fields: &[HeadField<'_>]| {
        [first].into_iter().chain(fields.iter().map(|field| format!("{field:?}"))).collect()
    };
    match event {
        ConnectEvent::Request(head) => fields(format!("> {head}"), head.fields),
        ConnectEvent::Response(head) => fields(format!("< {head}"), head.fields),
        ConnectEvent::Tls { certificates, .. } => vec![format!("tls {}", certificates.len())],
        ConnectEvent::Resolved { host, addresses } => {
            vec![format!("resolved {host} {}", !addresses.is_empty())]
        }
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn connect_events_have_the_heads_on_every_version() {
    let config = ServerConfig::default().http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(server.serve_handshakes(accept_one_path));
    for (set, version, request, status) in [
        (HttpVersion::Http1, Version::HTTP_11, "> GET /open HTTP/1.1", "101 Switching Protocols"),
        (HttpVersion::Http2, Version::HTTP_2, "> CONNECT /open HTTP/2.0", "200"),
        (HttpVersion::Http3, Version::HTTP_3, "> CONNECT /open HTTP/3.0", "200"),
    ] {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        let builder = direct().http_version(set).tls(trusting(LOCALHOST)).header("x-key", secret);
        let builder = builder.bearer_auth("secret").subprotocols(["chat"]);
        let builder = builder.on_connect_event(move |event| {
            log.lock().unwrap().extend(describe(event));
        });
        let client = builder.build().unwrap();
        client.connect(format!("wss://localhost:{port}/open")).await.unwrap();
        let lines = std::mem::take(&mut *seen.lock().unwrap());
        let position = |line: &str| {
            let found = lines.iter().position(|other| other.eq_ignore_ascii_case(line));
            found.unwrap_or_else(|| panic!("{set:?} {line}: {lines:#?}"))
        };
        let fields = ["authorization: ***", "x-key: ***", "sec-websocket-protocol: chat"];
        let fields = fields.map(position);
        let (first, last) = (fields.iter().min().unwrap(), fields.iter().max().unwrap());
        let response = position(&format!("< {version:?} {status}"));
        let (resolved, tls) = (position("resolved localhost true"), position("tls 1"));
        let order = [resolved, tls, position(request), *first, *last, response];
        assert!(order.is_sorted(), "{set:?}: {lines:#?}");
        let is_stream = version != Version::HTTP_11;
        assert_eq!(lines.iter().any(|line| line == ":protocol: websocket"), is_stream);
        assert_eq!(lines.iter().any(|line| line == "Connection: Upgrade"), !is_stream);
        assert!(!lines.iter().any(|line| line.contains("secret")), "{lines:#?}");

        let error = client.connect(format!("wss://localhost:{port}/no")).await.unwrap_err();
        assert_eq!(error.connect_step(), Some(ConnectStep::Handshake), "{error}");
        let lines = std::mem::take(&mut *seen.lock().unwrap());
        assert!(lines.iter().any(|line| line.starts_with(&format!("< {version:?} 403"))));
        assert!(lines.iter().any(|line| line.eq_ignore_ascii_case("set-cookie: ***")));
    }
}
