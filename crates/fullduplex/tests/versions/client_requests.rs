//! A client's `http::Request`, whose header fields the server sees on every version of HTTP.

use fullduplex::ErrorKind;
use fullduplex::client::HttpVersion;
use fullduplex::server::{Handshake, Server, ServerConfig};
use http::{Request, Uri};

use crate::common::direct;
use crate::common::tls::{LOCALHOST, localhost, trusting};

async fn tell_fields(handshake: Handshake) {
    let headers = handshake.request().headers();
    let seen = ["x-user", "x-both"].map(|name| {
        let all = headers.get_all(name).iter().map(|value| value.to_str().unwrap());
        all.collect::<Vec<_>>().join("+")
    });
    let mut websocket = handshake.accept().await.unwrap();
    websocket.send(seen.join(",")).await.unwrap();
    while websocket.next().await.is_some() {}
}

#[tokio::test]
async fn client_request_fields_replace_those_of_the_client() {
    let config = ServerConfig::default().http2(true);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config);
    let server = server.tls(localhost()).http3();
    let url = format!("wss://localhost:{}/x", server.local_addr().unwrap().port());
    let url: Uri = url.parse().unwrap();
    tokio::spawn(server.serve_handshakes(tell_fields));
    for version in [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3] {
        let client = direct().http_version(version).tls(trusting(LOCALHOST));
        let client = client.header("x-both", "client").build().unwrap();
        let get = || Request::get(&url);
        let request = get().header("x-user", "joe").header("x-both", "request").body(()).unwrap();
        let (mut websocket, _) = client.connect(request).await.unwrap();
        let seen = websocket.next().await.unwrap().unwrap();
        assert_eq!(seen.as_text(), Some("joe,request"), "{version:?}");
        // The fields are those of that one request.
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        let seen = websocket.next().await.unwrap().unwrap();
        assert_eq!(seen.as_text(), Some(",client"), "{version:?}");
        let request = get().header("sec-websocket-key", "x").body(()).unwrap();
        let error = client.connect(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse);
        assert!(error.to_string().contains("sec-websocket-key"), "{error}");
    }
}
