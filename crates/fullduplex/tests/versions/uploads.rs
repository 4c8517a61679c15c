//! Answers arrive: also where the client is still sending, and where it reads slowly while the
//! server drains.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::Transport;
use fullduplex::server::{Body, DrainOptions, Handshake, Server};
use fullduplex_http3::quinn::TransportConfig;
use fullduplex_http3::{LocalSettings, client};
use http::{Request, Response, StatusCode};
use rustls::DEFAULT_VERSIONS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::service_fn;

use crate::common::server::Pieces;
use crate::common::tls::{LOCALHOST, client as tls_client, localhost};
use crate::requests::quic;

fn refusal() -> Response<()> {
    Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).body(()).unwrap()
}

/// Refuses at once, and reads nothing.
async fn refuse(_: Request<Body>) -> Result<Response<Pieces>, Infallible> {
    let mut response = Pieces::once("no");
    *response.status_mut() = refusal().status();
    Ok(response)
}

/// Sends all of a request before it looks at the answer, as simple clients do.
async fn upload<S: Transport>(mut stream: S, length: usize) -> String {
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![b'x'; length]).await?;
        stream.flush().await?;
        stream.read_to_end(&mut answer).await
    };
    timeout(Duration::from_secs(20), exchange).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

/// RFC 9112 §9.6.
#[tokio::test]
async fn uploads_that_are_refused_get_their_answer() {
    for has_service in [true, false] {
        for is_secure in [false, true] {
            let mut server = Server::bind("127.0.0.1:0").await.unwrap();
            if has_service {
                server = server.service(service_fn(refuse));
            }
            if is_secure {
                server = server.tls(localhost());
            }
            let address = server.local_addr().unwrap();
            tokio::spawn(server.serve_handshakes(|handshake: Handshake| async move {
                handshake.respond(refusal().map(|()| "no")).await.unwrap();
            }));
            let tls = tls_client(LOCALHOST, DEFAULT_VERSIONS).with_no_client_auth();
            let tls = TlsConnector::from(Arc::new(tls));
            for length in [100_000, 300_000, 5_000_000] {
                let tcp = TcpStream::connect(address).await.unwrap();
                let answer = if is_secure {
                    let name = "localhost".try_into().unwrap();
                    upload(tls.connect(name, tcp).await.unwrap(), length).await
                } else {
                    upload(tcp, length).await
                };
                assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
            }
        }
    }
}

/// What was written before the drain, and is taken slowly, belongs to those who may finish.
#[tokio::test]
async fn drains_let_slow_readers_of_http3_finish() {
    const LENGTH: usize = 1 << 20;
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls(localhost()).http3();
    let server = server.service(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Pieces::once(vec![b'x'; LENGTH]))
    }));
    let (address, handle) = (server.local_addr().unwrap(), server.handle());
    tokio::spawn(server.serve_handshakes(async |handshake: Handshake| drop(handshake)));

    let mut transport = TransportConfig::default();
    transport.stream_receive_window((64_u32 << 10).into());
    let connection = quic(address, transport).await;
    let connection = client::ClientConnection::new(connection, LocalSettings::default());
    let request = Request::get("https://localhost/").body(()).unwrap();
    let mut opening = connection.send_request(&request).await.unwrap();
    opening.stream().shutdown().await.unwrap();
    let (_, mut stream) = opening.response().await.unwrap();
    let draining = tokio::spawn(async move { handle.drain(DrainOptions::default()).await });
    let (mut bytes, mut read) = (vec![0; 32 << 10], 0);
    // Longer than a connection waits for a reader that takes nothing.
    for _ in 0..LENGTH / bytes.len() {
        tokio::time::sleep(Duration::from_millis(130)).await;
        read += stream.read_exact(&mut bytes).await.unwrap();
    }
    assert_eq!((read, stream.read(&mut bytes).await.unwrap()), (LENGTH, 0));
    drop((stream, connection));
    let report = timeout(Duration::from_secs(20), draining).await.unwrap().unwrap();
    assert_eq!(report.cut_http, 0, "{report}");
}
