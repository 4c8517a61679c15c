//! Which version of HTTP is spoken: what was agreed on by ALPN, and what a request line says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::DEFAULT_VERSIONS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::common::raw;
use crate::common::tls::{LOCALHOST, client as tls_client};
use crate::ready_made;

/// What comes back for these bytes after TLS with these protocols (ALPN).
async fn over_tls(server: SocketAddr, protocols: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut tls = tls_client(LOCALHOST, DEFAULT_VERSIONS).with_no_client_auth();
    tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let tcp = TcpStream::connect(server).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let mut tls = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap();
    tls.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(10), tls.read_to_end(&mut answer)).await;
    read.expect("the server ends the connection").unwrap();
    answer
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// RFC 9113 §3.4, RFC 7301 §3.2; h2spec has it as 3.5/2.
#[tokio::test]
async fn alpn_is_obeyed() {
    let (_, server) = ready_made(true).await[2];
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                   Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    for first in ["INVALID CONNECTION PREFACE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", upgrade] {
        let answer = over_tls(server, &["h2"], first.as_bytes()).await;
        let (settings, goaway) = answer.split_at_checked(9).unwrap();
        assert_eq!(settings, [0, 0, 0, 4, 0, 0, 0, 0, 0], "{first}");
        // GOAWAY: no stream was seen, PROTOCOL_ERROR.
        assert_eq!(goaway, [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "{first}");
    }
    for protocols in [&[][..], &["http/1.1"]] {
        let answer = over_tls(server, protocols, PREFACE).await;
        assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", answer.escape_ascii());
    }
}

/// RFC 9112 §9.6: where the next request of such a client would not be read, it is told.
#[tokio::test]
async fn http1_later_version_ends_the_connection_after_its_answer() {
    for has_service in [true, false] {
        let (_, server) = ready_made(has_service).await[0];
        let asked = raw(server, "GET /seen HTTP/1.2\r\nHost: localhost\r\n\r\n");
        let answer = timeout(Duration::from_secs(5), asked).await.expect("it ends");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.to_lowercase().contains("\r\nconnection: close\r\n"), "{answer}");
    }
}

/// RFC 9110 §2.5, §15.6.6.
#[tokio::test]
async fn http1_versions_are_read_and_others_are_505() {
    for has_service in [true, false] {
        let (_, server) = ready_made(has_service).await[0];
        let rest = "Host: localhost\r\nConnection: close\r\n\r\n";
        for (version, status) in
            [("1.1", "200"), ("1.2", "200"), ("1.9", "200"), ("2.0", "505"), ("0.9", "505")]
        {
            let answer = raw(server, &format!("GET /seen HTTP/{version}\r\n{rest}")).await;
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "HTTP/{version}: {answer}");
        }
    }
}
