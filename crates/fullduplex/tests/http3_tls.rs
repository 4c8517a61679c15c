//! WebSockets on HTTP/3 between our client and our server: certificates of clients, their
//! authorities loaded again, configurations of rustls of one's own, IPv6.

// In a test, to unwrap is to assert.
#![allow(clippy::unwrap_used)]
#![cfg(all(feature = "client", feature = "server", feature = "http3"))]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::tls::{Versions, trusting};
use common::{direct, echo};
use fullduplex::client::{ClientTls, HttpVersion};
use fullduplex::server::stats::HandshakeOutcome;
use fullduplex::server::tls::{Certificate, PemSource, ServerTls, ServerTlsBuilder};
use fullduplex::server::{Handshake, Server, ServerHandle};
use fullduplex::{Client, Error, ErrorKind, WebSocket};
use fullduplex_testkit::eventually;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version;

/// Signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
struct Signed {
    chain: String,
    key: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, usage: ExtendedKeyUsagePurpose) -> Signed {
        let names = ["localhost", "::1", "127.0.0.1"].map(ToOwned::to_owned);
        let mut params = CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        Signed { chain: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    fn sign_server(&self) -> Signed {
        self.sign(ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn sign_client(&self) -> Signed {
        self.sign(ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A client on HTTP/3 that trusts the authority.
    fn client(&self, identity: Option<&Signed>) -> Client {
        let tls = trusting(self.0.pem().as_bytes());
        client(match identity {
            Some(Signed { chain, key }) => tls.identity(chain.as_str(), key.as_str()),
            None => tls,
        })
    }
}

impl Signed {
    fn for_server(&self) -> ServerTlsBuilder {
        let (chain, key) = (PemSource::text(self.chain.clone()), PemSource::text(self.key.clone()));
        ServerTls::builder().certificate(Certificate::new(chain, key))
    }

    fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        (chain.map(Result::unwrap).collect(), key)
    }
}

fn client(tls: ClientTls) -> Client {
    direct().http_version(HttpVersion::Http3).tls(tls).build().unwrap()
}

/// Tells each client how many certificates it showed, and echoes.
async fn tell(handshake: Handshake) {
    let shown = handshake.connect_info().unwrap().tls.as_ref().unwrap().peer_certificates.len();
    let Ok(mut websocket) = handshake.accept().await else { return };
    websocket.send(shown.to_string()).await.unwrap();
    echo(websocket).await;
}

/// A server on an address, and its port.
async fn serve(address: &str, tls: ServerTls) -> (u16, ServerHandle) {
    let mut config = fullduplex::server::ServerConfig::default();
    // A connection that carries nothing is soon none.
    config.limits.http_idle_timeout = Duration::from_millis(100);
    let server = Server::bind(address).await.unwrap().config(config).tls(tls).http3();
    let (port, handle) = (server.local_addr().unwrap().port(), server.handle());
    tokio::spawn(server.serve_handshakes(tell));
    (port, handle)
}

/// How many certificates the server has seen, by a connection that works.
async fn shown(client: &Client, host: &str, port: u16) -> Result<String, Error> {
    let (mut websocket, response) = client.connect(format!("wss://{host}:{port}/")).await?;
    assert_eq!(response.version(), http::Version::HTTP_3);
    let shown = websocket.next().await.unwrap()?;
    echoes(&mut websocket).await;
    Ok(shown.as_text().unwrap().to_owned())
}

async fn echoes(websocket: &mut WebSocket) {
    for length in [5, 100_000] {
        websocket.send("x".repeat(length)).await.unwrap();
        assert_eq!(websocket.next().await.unwrap().unwrap().as_bytes().len(), length);
    }
}

fn refused_by_tls(handle: &ServerHandle) -> u64 {
    handle.stats().handshakes.get(&HandshakeOutcome::TlsFailed).copied().unwrap_or(0)
}

#[tokio::test]
async fn http3_client_certificates_are_verified() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let building = || ours.sign_server().for_server();
    let authorities = || PemSource::text(ours.0.pem());
    let required = building().require_client_certificates(authorities()).build().unwrap();
    let asked = building().request_client_certificates(authorities()).build().unwrap();
    let (known, stranger) = (ours.sign_client(), theirs.sign_client());

    let (port, handle) = serve("127.0.0.1:0", required).await;
    assert_eq!(shown(&ours.client(Some(&known)), "localhost", port).await.unwrap(), "1");
    assert_eq!(refused_by_tls(&handle), 0);
    for (i, identity) in [(1, None), (2, Some(&stranger))] {
        let error = shown(&ours.client(identity), "localhost", port).await.unwrap_err();
        assert!(is_refused(&error), "{error}");
        eventually("the refusal is counted", || refused_by_tls(&handle) >= i).await;
    }
    assert_eq!(handle.stats().handshakes[&HandshakeOutcome::Opened(http::Version::HTTP_3)], 1);

    let (port, _) = serve("127.0.0.1:0", asked).await;
    assert_eq!(shown(&ours.client(Some(&known)), "localhost", port).await.unwrap(), "1");
    assert_eq!(shown(&ours.client(None), "localhost", port).await.unwrap(), "0");
    let error = shown(&ours.client(Some(&stranger)), "localhost", port).await.unwrap_err();
    assert!(is_refused(&error), "{error}");
}

/// In TLS 1.3 a client is through with the handshake before its certificate is looked at, so it may
/// also find the connection ended under its request.
fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Tls | ErrorKind::Io)
}

/// Also for those who come back with a ticket of an earlier connection.
#[tokio::test]
async fn http3_client_authorities_are_reloaded() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let file = std::env::temp_dir().join(format!("fullduplex-http3-{}.pem", std::process::id()));
    std::fs::write(&file, before.0.pem()).unwrap();
    let tls = before.sign_server().for_server();
    let tls = tls.require_client_certificates(PemSource::file(&file)).build().unwrap();
    let (port, handle) = serve("127.0.0.1:0", tls.clone()).await;
    let old = before.client(Some(&before.sign_client()));
    let new = before.client(Some(&after.sign_client()));

    let (mut open, _) = old.connect(format!("wss://localhost:{port}/")).await.unwrap();
    assert_eq!(open.next().await.unwrap().unwrap().as_text(), Some("1"));
    let other = before.client(Some(&before.sign_client()));
    assert_eq!(shown(&other, "localhost", port).await.unwrap(), "1");
    shown(&new, "localhost", port).await.unwrap_err();
    let again = async |client: &Client| shown(client, "localhost", port).await;

    std::fs::write(&file, after.0.pem()).unwrap();
    tls.reload().unwrap();
    // What is written behind it counts when it is loaded.
    std::fs::write(&file, "nothing yet").unwrap();
    // It has a ticket, and no connection any more.
    eventually("the other connection is gone", || handle.connection_count() <= 1).await;
    assert!(is_refused(&again(&other).await.unwrap_err()));
    assert_eq!(again(&new).await.unwrap(), "1");
    let stranger = before.client(Some(&before.sign_client()));
    assert!(is_refused(&again(&stranger).await.unwrap_err()));
    // What is open goes on.
    echoes(&mut open).await;

    // What can't be used changes nothing.
    std::fs::write(&file, "nothing").unwrap();
    tls.reload().unwrap_err();
    assert_eq!(again(&before.client(Some(&after.sign_client()))).await.unwrap(), "1");
    std::fs::remove_file(&file).unwrap();
}

fn own_server(signed: &Signed, versions: Versions<'_>) -> ServerTls {
    let (chain, key) = signed.parts();
    ServerTls::from_rustls(Arc::new(common::tls::server(chain, key, versions)))
}

fn own_client(authority: &Authority, identity: &Signed, versions: Versions<'_>) -> ClientTls {
    let builder = common::tls::client(authority.0.pem().as_bytes(), versions);
    let (chain, key) = identity.parts();
    ClientTls::new().rustls(Arc::new(builder.with_client_auth_cert(chain, key).unwrap()))
}

#[tokio::test]
async fn http3_takes_rustls_configurations() {
    let authority = Authority::new("authority");
    let (server, me) = (authority.sign_server(), authority.sign_client());
    let both: Versions<'_> = &[&version::TLS13, &version::TLS12];
    let (port, _) = serve("127.0.0.1:0", own_server(&server, both)).await;
    // One of its own on either side, and then on both.
    assert_eq!(shown(&authority.client(None), "localhost", port).await.unwrap(), "0");
    let own = client(own_client(&authority, &me, both));
    assert_eq!(shown(&own, "localhost", port).await.unwrap(), "0");
    let asking =
        server.for_server().require_client_certificates(PemSource::text(authority.0.pem()));
    let (port, _) = serve("127.0.0.1:0", asking.build().unwrap()).await;
    assert_eq!(shown(&own, "localhost", port).await.unwrap(), "1");
    // QUIC has TLS 1.3 alone (RFC 9001 §4.2).
    let old: Versions<'_> = &[&version::TLS12];
    let old_client = client(own_client(&authority, &me, old));
    let error = shown(&old_client, "localhost", port).await.unwrap_err();
    assert!(is_refused(&error), "{error}");
    assert!(error.to_string().contains("TLS 1.3"), "{error}");
    let server = Server::bind("127.0.0.1:0").await.unwrap().tls(own_server(&server, old)).http3();
    let error = server.serve(|_| async {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.to_string().contains("RFC 9001"), "{error}");
}

#[tokio::test]
async fn http3_works_over_ipv6() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        // A machine without it, where there is nothing to be tested.
        return;
    }
    let authority = Authority::new("authority");
    let tls = authority.sign_server().for_server().build().unwrap();
    let client = authority.client(None);
    let (port, handle) = serve("[::1]:0", tls.clone()).await;
    assert_eq!(shown(&client, "[::1]", port).await.unwrap(), "0");
    assert_eq!(handle.stats().handshakes[&HandshakeOutcome::Opened(http::Version::HTTP_3)], 1);
    // Whoever listens for both is reached by both.
    let (port, _) = serve("[::]:0", tls).await;
    for host in ["[::1]", "127.0.0.1", "localhost"] {
        assert_eq!(shown(&client, host, port).await.unwrap(), "0", "{host}");
    }
}
