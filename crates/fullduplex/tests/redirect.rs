//! Redirections to another origin: which credentials go along, on every version of HTTP.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http2", feature = "http3"))]

mod common;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use common::direct;
use common::tls::trusting;
use fullduplex::client::{ClientTls, HttpVersion};
use fullduplex::server::tls::{Certificate, PemSource, ServerTls};
use fullduplex::server::{Handshake, Server, ServerConfig};
use fullduplex::{ClientBuilder, ErrorKind, WebSocket};
use http::header::LOCATION;
use http::{HeaderValue, Response};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const VERSIONS: [HttpVersion; 3] = [HttpVersion::Http1, HttpVersion::Http2, HttpVersion::Http3];

/// An authority, and a certificate of localhost with its key that serves both ends, in PEM.
struct Identity {
    authority: String,
    chain: String,
    key: String,
}

impl Identity {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let chain = params.signed_by(&key, &authority).unwrap().pem();
        Self { authority: authority.pem(), chain, key: key.serialize_pem() }
    }

    /// TLS of a server that asks for the client's certificate.
    fn server(&self) -> ServerTls {
        let pem = |text: &str| PemSource::text(text.to_owned());
        let own = Certificate::new(pem(&self.chain), pem(&self.key));
        let builder = ServerTls::builder().certificate(own);
        builder.request_client_certificates(pem(&self.authority)).build().unwrap()
    }

    /// TLS of a client that has the certificate.
    fn client(&self) -> ClientTls {
        let settings = trusting(self.authority.as_bytes());
        settings.identity(self.chain.as_str(), self.key.as_str())
    }

    /// The same by a configuration of rustls of the application's own.
    fn own_client(&self) -> ClientTls {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes()).map(Result::unwrap);
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let config = common::tls::client(self.authority.as_bytes(), rustls::DEFAULT_VERSIONS);
        let config = config.with_client_auth_cert(chain.collect(), key).unwrap();
        ClientTls::new().rustls(Arc::new(config))
    }
}

/// Starts a server on all versions of HTTP; gives its URL.
async fn serve<F>(tls: ServerTls, handle: impl Fn(Handshake) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let config = ServerConfig::default().http2(true).subprotocols(["chat", "bearer.SECRET"]);
    let server = Server::bind("127.0.0.1:0").await.unwrap().config(config).tls(tls).http3();
    let url = format!("wss://localhost:{}/", server.local_addr().unwrap().port());
    tokio::spawn(server.serve_handshakes(handle));
    url
}

/// What the server has seen: the number of certificates, and the request.
async fn tell(handshake: Handshake) {
    let shown = handshake.connect_info().unwrap().tls.as_ref().unwrap().peer_certificates.len();
    let request = format!("certificates: {shown}, {:?}", handshake.request());
    let Ok(mut websocket) = handshake.accept().await else { return };
    let _ = websocket.send(request).await;
    let _ = websocket.next().await;
}

/// A server that sends all of its clients to this URL, if they have shown who they are.
async fn redirecting(tls: ServerTls, to: String) -> String {
    let to = Arc::new(to);
    serve(tls, move |handshake| {
        let to = to.clone();
        async move {
            let request = format!("{:?}", handshake.request());
            let shown =
                handshake.connect_info().unwrap().tls.as_ref().unwrap().peer_certificates.len();
            assert!(shown == 1 && request.contains("SECRET"), "{shown} certificates, {request}");
            let response = Response::builder().status(302).header(LOCATION, &*to);
            let _ = handshake.respond(response.body(Bytes::new()).unwrap()).await;
        }
    })
    .await
}

async fn told(websocket: &mut WebSocket) -> String {
    websocket.next().await.unwrap().unwrap().as_text().unwrap().to_owned()
}

fn with_secrets(version: HttpVersion) -> ClientBuilder {
    let mut sensitive = HeaderValue::from_static("SECRET");
    sensitive.set_sensitive(true);
    let client = direct().http_version(version).max_redirects(3);
    let client = client.header("X-Api-Key", "SECRET").header("X-Marked", sensitive);
    let client = client.header("Cookie", "SECRET=1").bearer_auth("SECRET");
    let client = client.header("User-Agent", "test/1").header("X-Region", "north");
    client.subprotocols(["bearer.SECRET", "chat"])
}

#[tokio::test]
async fn redirect_to_another_origin_takes_no_credentials_along() {
    let identity = Identity::new();
    let end = serve(identity.server(), tell).await;
    let begin = redirecting(identity.server(), end.clone()).await;
    for (version, tls) in VERSIONS
        .into_iter()
        .flat_map(|version| [(version, identity.client()), (version, identity.own_client())])
    {
        let client = with_secrets(version).tls(tls).build().unwrap();
        // What is open to the other server by the application's own wish is not for redirections,
        // nor the other way round.
        for _ in 0..2 {
            let (mut direct, _) = client.connect(&end).await.unwrap();
            let request = told(&mut direct).await;
            assert!(request.contains("certificates: 1,"), "{version:?}: {request}");
            assert_eq!(direct.subprotocol(), Some("bearer.SECRET"));

            let (mut redirected, _) = client.connect(&begin).await.unwrap();
            let request = told(&mut redirected).await;
            assert!(request.contains("certificates: 0,"), "{version:?}: {request}");
            for missing in ["SECRET", "x-api-key", "x-marked", "x-region", "cookie", "chat"] {
                assert!(!request.contains(missing), "{version:?}, {missing}: {request}");
            }
            assert!(request.contains("test/1"), "{version:?}: {request}");
            assert_eq!(redirected.subprotocol(), None);
        }
    }
}

async fn redirect(handshake: Handshake, to: &str) {
    let response = Response::builder().status(307).header(LOCATION, to);
    let _ = handshake.respond(response.body(Bytes::new()).unwrap()).await;
}

/// What another origin has led to is of its choice, also on the first origin.
#[tokio::test]
async fn redirect_back_to_the_first_origin_takes_no_credentials_along() {
    let identity = Identity::new();
    let away: Arc<OnceLock<String>> = Arc::default();
    let to = away.clone();
    let first = serve(identity.server(), move |handshake| {
        let to = to.clone();
        async move {
            if handshake.request().uri().path() == "/back" {
                return tell(handshake).await;
            }
            let request = format!("{:?}", handshake.request());
            assert!(request.contains("SECRET"), "{request}");
            redirect(handshake, to.get().unwrap()).await;
        }
    })
    .await;
    let back: Arc<str> = format!("{first}back").into();
    let second = serve(identity.server(), move |handshake| {
        let back = back.clone();
        async move { redirect(handshake, &back).await }
    });
    away.set(second.await).unwrap();
    for (version, tls) in VERSIONS
        .into_iter()
        .flat_map(|version| [(version, identity.client()), (version, identity.own_client())])
    {
        let client = with_secrets(version).tls(tls).build().unwrap();
        // The second time, the connections that the first one made are there.
        for _ in 0..2 {
            let (mut websocket, _) = client.connect(&first).await.unwrap();
            let request = told(&mut websocket).await;
            assert!(request.contains("certificates: 0,"), "{version:?}: {request}");
            for missing in ["SECRET", "x-api-key", "x-marked", "x-region", "cookie", "chat"] {
                assert!(!request.contains(missing), "{version:?}, {missing}: {request}");
            }
        }
    }
}

#[tokio::test]
async fn redirect_takes_along_what_the_application_lets_it() {
    let identity = Identity::new();
    let end = serve(identity.server(), tell).await;
    let begin = redirecting(identity.server(), end).await;
    for version in VERSIONS {
        let client = with_secrets(version).tls(identity.client()).keep_on_redirect("X-Region");
        let client = client.keep_on_redirect("x-marked").keep_on_redirect("Sec-WebSocket-Protocol");
        let (mut websocket, _) = client.build().unwrap().connect(&begin).await.unwrap();
        let request = told(&mut websocket).await;
        assert!(request.contains("north"), "{version:?}: {request}");
        assert!(!request.contains("x-marked"), "{version:?}: {request}");
        assert_eq!(websocket.subprotocol(), Some("bearer.SECRET"));
    }
    for name in ["Authorization", "cookie", "Host", "Proxy-Authorization", "a b"] {
        let error = direct().keep_on_redirect(name).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{name}");
    }
}

#[tokio::test]
async fn redirect_on_the_same_origin_keeps_everything() {
    let identity = Identity::new();
    let url = serve(identity.server(), |handshake| async move {
        if handshake.request().uri().path() == "/there" {
            return tell(handshake).await;
        }
        let response = Response::builder().status(307).header(LOCATION, "/there");
        let _ = handshake.respond(response.body(Bytes::new()).unwrap()).await;
    })
    .await;
    for version in VERSIONS {
        let client = with_secrets(version).tls(identity.client()).build().unwrap();
        let (mut websocket, _) = client.connect(&url).await.unwrap();
        let request = told(&mut websocket).await;
        for present in ["certificates: 1,", "x-api-key", "x-region", "cookie", "x-marked"] {
            assert!(request.contains(present), "{version:?}, {present}: {request}");
        }
        assert_eq!(websocket.subprotocol(), Some("bearer.SECRET"));
    }
}

#[test]
fn redirect_secrets_are_not_in_the_debug_text() {
    let shown = format!("{:?}", with_secrets(HttpVersion::Http1).build().unwrap());
    assert!(!shown.contains("SECRET"), "{shown}");
}

#[tokio::test]
async fn redirect_location_that_is_not_ascii_is_understood_or_shown() {
    let identity = Identity::new();
    let url = serve(identity.server(), |handshake| async move {
        let location = match handshake.request().uri().path() {
            "/utf-8" => "/caf\u{e9}?\u{e0}=\u{1f980}".as_bytes(),
            "/latin-1" => b"/caf\xe9",
            _ => return tell(handshake).await,
        };
        let location = HeaderValue::from_bytes(location).unwrap();
        let response = Response::builder().status(302).header(LOCATION, location);
        let _ = handshake.respond(response.body(Bytes::new()).unwrap()).await;
    })
    .await;
    for version in VERSIONS {
        let client = with_secrets(version).tls(identity.client()).build().unwrap();
        let (mut websocket, _) = client.connect(format!("{url}utf-8")).await.unwrap();
        let request = told(&mut websocket).await;
        assert!(request.contains("/caf%C3%A9?%C3%A0=%F0%9F%A6%80"), "{version:?}: {request}");
        let error = client.connect(format!("{url}latin-1")).await.unwrap_err();
        assert!(error.to_string().contains(r#""/caf\xe9", which is neither"#), "{error}");
        assert_eq!(error.response().unwrap().status(), 302);
    }
}
