//! The provider of cryptography (`tls` for ring, `aws-lc-rs`) in each HTTP version, in a program
//! that has not chosen one for the process.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(
    feature = "client",
    feature = "server",
    feature = "_tls",
    feature = "http2",
    feature = "http3"
))]

mod common;

use std::time::Duration;

use common::tls::{LOCALHOST, localhost, trusting};
use common::{direct, echo, say};
use fullduplex::client::HttpVersion;
use fullduplex::server::{Handshake, Server};
use rustls::crypto::CryptoProvider;
use tokio::time::timeout;

/// With two providers compiled in, as in this test with `aws-lc-rs`, rustls has no default, and
/// panics where it is asked for one.
#[tokio::test]
async fn tls_provider_serves_every_http_version_without_a_default_of_the_process() {
    let handler = async |handshake: Handshake| echo(handshake.accept().await.unwrap()).await;
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls(localhost()).http2(true).http3();
    let url = format!("wss://localhost:{}", server.local_addr().unwrap().port());
    tokio::spawn(server.serve_handshakes(handler));
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3] {
        let client = direct().http_version(version).tls(trusting(LOCALHOST)).build().unwrap();
        let opened = timeout(Duration::from_secs(10), client.connect(&url)).await.unwrap();
        let (mut websocket, _) = opened.unwrap();
        say(&mut websocket, "hello").await;
    }
    assert!(CryptoProvider::get_default().is_none());
}
