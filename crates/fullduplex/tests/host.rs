//! Hosts that a server answers for, on every version of HTTP.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http3"))]

mod common;

use std::time::Duration;

use common::tls::localhost;
use common::{Addresses, direct, echo, say};
use fullduplex::client::{ClientTls, HttpVersion};
use fullduplex::server::policy::HostPolicy;
use fullduplex::server::{Server, ServerConfig};
use tokio::time::timeout;

/// DNS rebinding: a name of a stranger's is pointed at a server on this machine.
#[tokio::test]
async fn host_that_is_not_listed_is_refused_with_advice_on_every_version() {
    let hosts = HostPolicy::Local { advice: "name it by --host".into() };
    let config = ServerConfig::default().host_policy(hosts).http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3();
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(echo));
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3] {
        let tls = ClientTls::new().dangerous_accept_any_certificate();
        let builder = direct().http_version(version).tls(tls).resolver(Addresses(vec![address]));
        let client = builder.build().unwrap();
        let url = format!("wss://evil.example:{}/", address.port());
        let refused = timeout(Duration::from_secs(20), client.connect(&url)).await.unwrap();
        let error = refused.unwrap_err();
        let response = error.response().unwrap_or_else(|| panic!("{version:?}: {error}"));
        assert_eq!(response.status(), 421, "{version:?}");
        let said = String::from_utf8_lossy(response.body());
        assert!(said.contains("evil.example") && said.contains("--host"), "{said}");
        for host in ["localhost", "a.localhost", "127.0.0.1"] {
            let url = format!("wss://{host}:{}/", address.port());
            let opened = timeout(Duration::from_secs(20), client.connect(&url)).await.unwrap();
            let (mut websocket, _) = opened.unwrap_or_else(|error| panic!("{host}: {error}"));
            say(&mut websocket, "hello").await;
        }
    }
}
