//! Answers that are taken in crumbs, by whoever wants to hold them for ever.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "http2", feature = "http3", feature = "hyper"))]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use fullduplex::server::{Body, Certificate, Pem, Server, ServerConfig, TlsConfig};
use fullduplex_http3::quinn::crypto::rustls::QuicClientConfig;
use fullduplex_http3::quinn::{ClientConfig, Endpoint};
use fullduplex_http3::{ALPN, Settings, client::Connection, transport_config};
use http::{Request, Response};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

static PIECE: [u8; 64 << 10] = [b'x'; 64 << 10];

/// Endless pages.
#[derive(Clone)]
struct Endless;

impl tower_service::Service<Request<Body>> for Endless {
    type Response = Response<Self>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Self>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(Self)))
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&PIECE)))))
    }
}

/// A server of them, for whoever takes 240 bytes a second.
async fn server() -> Server {
    let mut config = ServerConfig { http2: true, ..ServerConfig::default() };
    config.limits.stall_timeout = Duration::from_secs(1);
    Server::bind("127.0.0.1:0").await.unwrap().config(config).service(Endless)
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
async fn crumbs_on_http2() {
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
async fn crumbs_on_http3() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let pem = Certificate::new(Pem::text(certificate), Pem::text(key));
    let tls = TlsConfig::builder().certificate(pem).build().unwrap();
    let server = server().await.tls(tls).http3();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(|_| async {}));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap();
    let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = transport_config(0, Duration::from_secs(60));
    transport.stream_receive_window(64_u32.into());
    config.transport_config(Arc::new(transport));
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let quic = endpoint.connect_with(config, address, "localhost").unwrap().await.unwrap();
    let connection = Connection::new(quic, Settings::default());
    let request = Request::get("https://localhost/").body(()).unwrap();
    let opening = connection.open(&request).await.unwrap();
    let (_, mut stream) = opening.response().await.unwrap();
    let error = cut(async || stream.read_u8().await.map(drop)).await;
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
}
