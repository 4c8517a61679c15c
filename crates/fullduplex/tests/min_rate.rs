//! Answers that are taken in crumbs, by whoever wants to hold them for ever.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "http2",
    feature = "http3",
    feature = "hyper"
))]

mod common;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::server::Pieces;
use common::tls::{LOCALHOST, localhost};
use fullduplex::server::{Body, Server, ServerConfig};
use fullduplex_http3::quinn::crypto::rustls::QuicClientConfig;
use fullduplex_http3::quinn::{ClientConfig, Endpoint};
use fullduplex_http3::{ALPN, LocalSettings, client::ClientConnection, transport_config};
use http::Request;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tower::service_fn;

/// A server of endless pages, for whoever takes 240 bytes a second.
async fn server() -> Server {
    let mut config = ServerConfig::default().http2(true);
    config.limits.stall_timeout = Duration::from_secs(1);
    let pages = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Pieces::endless()));
    Server::bind("127.0.0.1:0").await.unwrap().config(config).service(pages)
}

/// Waits for the end of what is read in crumbs.
async fn cut<E>(mut crumb: impl AsyncFnMut() -> Result<(), E>) -> E {
    let crumbs = async {
        loop {
            if let Err(error) = crumb().await {
                break error;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), crumbs).await.expect("it is held for ever")
}

#[tokio::test]
async fn min_rate_on_http2_ends_a_reader_of_crumbs() {
    let server = server().await;
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|_| async {}));
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let handshake = builder.initial_window_size(16).handshake::<_, Bytes>(tcp);
    let (mut send, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://a/").body(()).unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    let mut body = answer.await.unwrap().into_body();
    let mut held = 0;
    let error = cut(async || {
        if held == 0 {
            held = body.data().await.unwrap()?.len();
        }
        held -= 1;
        body.flow_control().release_capacity(1)
    })
    .await;
    assert!(error.is_reset(), "{error}");
}

#[tokio::test]
async fn min_rate_on_http3_ends_a_reader_of_crumbs() {
    let server = server().await.tls(localhost()).http3();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|_| async {}));

    let tls = common::tls::client(LOCALHOST, &[&rustls::version::TLS13]);
    let mut tls = tls.with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = transport_config(0, Duration::from_secs(60));
    transport.stream_receive_window(64_u32.into());
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = endpoint.connect_with(config, address, "localhost").unwrap().await.unwrap();
    let connection = ClientConnection::new(quic, LocalSettings::default());
    let request = Request::get("https://localhost/").body(()).unwrap();
    let opening = connection.send_request(&request).await.unwrap();
    let (_, mut stream) = opening.response().await.unwrap();
    let error = cut(async || stream.read_u8().await.map(drop)).await;
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
}
