//! A request that is refused early: its client, still sending, gets the answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use fullduplex::Transport;
use fullduplex::server::{Body, Handshake, Server};
use http::{Request, Response, StatusCode};
use rustls::DEFAULT_VERSIONS;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower::service_fn;

use crate::common::server::Pieces;
use crate::common::tls::{LOCALHOST, client as tls_client, localhost};

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
