use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, PKCS_ED25519,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, SignatureScheme, quic};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::server::policy::tls_info::TlsInfo;

/// An authority, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// PEM of a certificate and its key.
#[derive(Clone)]
struct Made {
    chain: String,
    key: String,
}

impl Made {
    fn certificate(&self) -> Certificate {
        Certificate::new(PemSource::text(self.chain.clone()), PemSource::text(self.key.clone()))
    }

    fn write(&self, chain: &Path, key: &Path) {
        std::fs::write(chain, &self.chain).unwrap();
        std::fs::write(key, &self.key).unwrap();
    }
}

impl Authority {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // By its name it is told from others.
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, names: &[&str]) -> Made {
        self.sign_with(names, &KeyPair::generate().unwrap(), |_| {})
    }

    fn sign_with(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Made {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let chain = params.signed_by(key, &self.0).unwrap().pem();
        Made { chain, key: key.serialize_pem() }
    }

    fn sign_client(&self) -> Made {
        self.sign_with(&["me.example"], &KeyPair::generate().unwrap(), |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }
}

/// A client that trusts an authority.
fn client(authority: &Authority, identity: Option<&Made>, alpn: &[&[u8]]) -> ClientConfig {
    client_of(authority, identity, alpn, VERSIONS)
}

fn client_of(
    authority: &Authority,
    identity: Option<&Made>,
    alpn: &[&[u8]],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots(authority.pem().as_bytes()).unwrap());
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Made { chain, key }) => {
            let key = crate::base::pem::private_key(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(certificates(chain.as_bytes()).unwrap(), key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

type Accepted = (TlsStream<DuplexStream>, TlsInfo);
type Connected = tokio_rustls::client::TlsStream<DuplexStream>;

/// Both ends of a connection; the client's only if the handshake went well for it, and it got
/// a byte from the server, which TLS 1.3 needs to know that.
async fn meet(
    server: &ServerTls,
    client: impl Into<Arc<ClientConfig>>,
    name: &str,
) -> (Result<Accepted, Error>, Result<(Connected, Vec<String>), std::io::Error>) {
    let (near, far) = duplex(64 << 10);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = async {
        let mut stream = TlsConnector::from(client.into()).connect(name, far).await?;
        stream.read_u8().await?;
        let der = &stream.get_ref().1.peer_certificates().unwrap()[0];
        let names = webpki::EndEntityCert::try_from(der).unwrap();
        let names = names.valid_dns_names().map(str::to_owned).collect();
        Ok((stream, names))
    };
    let accepting = async {
        let (mut stream, info) = server.accept(near).await?;
        stream.write_u8(1).await.unwrap();
        stream.flush().await.unwrap();
        Ok((stream, info))
    };
    tokio::join!(accepting, connecting)
}

/// The words of the server's error.
async fn refused(server: &ServerTls, client: ClientConfig, name: &str) -> String {
    let error = meet(server, client, name).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    error.to_string()
}

fn serving(certificates: &[&Made]) -> ServerTls {
    let add = |builder: ServerTlsBuilder, made: &&Made| builder.certificate(made.certificate());
    certificates.iter().fold(ServerTls::builder(), add).build().unwrap()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fullduplex-tls-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn tls_certificate_is_chosen_by_name() {
    let ca = Authority::new();
    let first = ca.sign(&["default.example", "127.0.0.1"]);
    let a = ca.sign(&["a.example", "*.b.example"]);
    let exact = ca.sign(&["x.b.example"]);
    let given = ca.sign(&["c.example"]);
    let tls = ServerTls::builder()
        .certificate(first.certificate())
        .certificate(a.certificate())
        .certificate(exact.certificate())
        .certificate(given.certificate().names(["C.example", "bücher.example"]))
        .build()
        .unwrap();
    for (asked, shown) in [
        ("default.example", "default.example"),
        ("127.0.0.1", "default.example"),
        ("a.example", "a.example"),
        ("A.Example", "a.example"),
        ("y.b.example", "a.example"),
        ("x.b.example", "x.b.example"),
        ("c.example", "c.example"),
    ] {
        let (accepted, connected) = meet(&tls, client(&ca, None, &[]), asked).await;
        assert_eq!(connected.unwrap().1[0], shown, "for {asked}");
        let is_name = asked != "127.0.0.1";
        let expected = is_name.then(|| asked.to_ascii_lowercase());
        assert_eq!(accepted.unwrap().1.server_name, expected);
    }
    for (asked, why) in
        [("unknown.example", "bad_certificate"), ("z.y.b.example", "bad_certificate")]
    {
        let error = refused(&tls, client(&ca, None, &[]), asked).await;
        assert!(error.contains("refused our certificate") && error.contains(why), "{error}");
    }
    let names: Vec<_> = tls.certificates().into_iter().map(|info| info.names).collect();
    assert_eq!(names[3], ["c.example", "xn--bcher-kva.example"]);
    for bad in ["", "127.0.0.1", "*.*.example", "a b"] {
        let certificate = first.certificate().names([bad]);
        let error = ServerTls::builder().certificate(certificate).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{bad}: {error}");
    }
}

#[tokio::test]
async fn tls_certificate_is_chosen_by_the_clients_signature_schemes() {
    let ca = Authority::new();
    let ecdsa = ca.sign(&["a.example"]);
    let ed25519 =
        ca.sign_with(&["a.example"], &KeyPair::generate_for(&PKCS_ED25519).unwrap(), |_| {});
    let table = CertificateTable::load(&[ecdsa.certificate(), ed25519.certificate()]).unwrap();
    for name in [Some("a.example"), Some("other.example"), None] {
        for (scheme, made) in [
            (SignatureScheme::ECDSA_NISTP256_SHA256, &ecdsa),
            (SignatureScheme::ED25519, &ed25519),
            (SignatureScheme::RSA_PSS_SHA256, &ecdsa),
        ] {
            let shown = &table.find(name, &[scheme]).cert[0];
            assert_eq!(*shown, certificates(made.chain.as_bytes()).unwrap()[0], "{scheme:?}");
        }
    }
}

#[tokio::test]
async fn tls_files_are_reloaded_while_connections_are_open() {
    let ca = Authority::new();
    let folder = Folder::new();
    let (chain, key) = (folder.0.join("chain.pem"), folder.0.join("key.pem"));
    ca.sign(&["a.example", "old.example"]).write(&chain, &key);
    let tls = ServerTls::files(&chain, &key).unwrap();
    let quic = tls.quic().unwrap();
    let trusting = || client(&ca, None, &[]);
    let (accepted, connected) = meet(&tls.clone(), trusting(), "a.example").await;
    let ((mut near, _), (mut far, _)) = (accepted.unwrap(), connected.unwrap());

    // The key of another certificate: the old one stays.
    let renewed = ca.sign(&["a.example", "new.example"]);
    std::fs::write(&chain, &renewed.chain).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(
        error.contains("not the one of the certificate") && error.contains("key.pem"),
        "{error}"
    );
    std::fs::write(&chain, "").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("chain.pem: there is no certificate"), "{error}");
    std::fs::remove_file(&chain).unwrap();
    assert!(tls.reload().unwrap_err().to_string().contains("reading"));
    let (_, connected) = meet(&tls, trusting(), "a.example").await;
    assert_eq!(connected.unwrap().1, ["a.example", "old.example"]);

    renewed.write(&chain, &key);
    assert_eq!(tls.reload().unwrap(), []);
    let (_, connected) = meet(&tls, trusting(), "a.example").await;
    assert_eq!(connected.unwrap().1, ["a.example", "new.example"]);
    let quic_names = names_by_quic(&ca, quic, "a.example");
    assert_eq!(quic_names, ["a.example", "new.example"]);
    near.write_all(b"still here").await.unwrap();
    let mut text = [0; 10];
    far.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"still here");
}

/// A handshake of QUIC in memory; gives the names of the certificate that was shown.
fn names_by_quic(ca: &Authority, server: Arc<ServerConfig>, name: &str) -> Vec<String> {
    let client = Arc::new(client_of(ca, None, &[b"h3"], &[&version::TLS13]));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut near = quic::ServerConnection::new(server, quic::Version::V1, Vec::new()).unwrap();
    let mut far = quic::ClientConnection::new(client, quic::Version::V1, name, Vec::new()).unwrap();
    while near.is_handshaking() || far.is_handshaking() {
        for _ in 0..4 {
            let mut hello = Vec::new();
            far.write_hs(&mut hello);
            near.read_hs(&hello).unwrap();
            let mut answer = Vec::new();
            near.write_hs(&mut answer);
            far.read_hs(&answer).unwrap();
        }
    }
    assert_eq!(near.alpn_protocol(), Some(&b"h3"[..]));
    let der = &far.peer_certificates().unwrap()[0];
    let parsed = webpki::EndEntityCert::try_from(der).unwrap();
    parsed.valid_dns_names().map(str::to_owned).collect()
}

#[tokio::test]
async fn tls_client_certificates_are_verified() {
    let (ca, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let me = clients.sign_client();
    let building = || ServerTls::builder().certificate(ca.sign(&["a.example"]).certificate());
    let required =
        building().require_client_certificates(PemSource::text(clients.pem())).build().unwrap();
    let asked =
        building().ask_for_client_certificates(PemSource::text(clients.pem())).build().unwrap();
    for tls in [&required, &asked] {
        let (accepted, connected) = meet(tls, client(&ca, Some(&me), &[]), "a.example").await;
        connected.unwrap();
        let expected = certificates(me.chain.as_bytes()).unwrap()[0].to_vec();
        assert_eq!(accepted.unwrap().1.peer_certificates, [expected]);
        // rustls' client shows only what one of the authorities that were named has signed.
        let stranger = strangers.sign_client();
        let mut pushy = client(&ca, Some(&stranger), &[]);
        let identity = pushy.client_auth_cert_resolver.clone();
        pushy.client_auth_cert_resolver = Arc::new(Pushy(identity));
        let error = refused(tls, pushy, "a.example").await;
        assert!(error.contains("the client's certificate is signed by nobody"), "{error}");
    }
    let (accepted, connected) = meet(&asked, client(&ca, None, &[]), "a.example").await;
    connected.unwrap();
    assert!(accepted.unwrap().1.peer_certificates.is_empty());
    let error = refused(&required, client(&ca, None, &[]), "a.example").await;
    assert!(error.contains("showed no certificate, and one is required"), "{error}");
}

/// Shows its certificate whoever is asked for.
#[derive(Debug)]
struct Pushy(Arc<dyn rustls::client::ResolvesClientCert>);

impl rustls::client::ResolvesClientCert for Pushy {
    fn resolve(
        &self,
        _: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.0.resolve(&[], schemes)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn tls_sessions_are_resumed_unless_the_clients_authority_is_gone() {
    let (ca, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let folder = Folder::new();
    let trusted = folder.0.join("clients.pem");
    std::fs::write(&trusted, clients.pem()).unwrap();
    let tls = ServerTls::builder()
        .certificate(ca.sign(&["a.example"]).certificate())
        .require_client_certificates(PemSource::file(&trusted))
        .build()
        .unwrap();
    let me = Arc::new(client(&ca, Some(&clients.sign_client()), &[]));
    for resumed in [false, true] {
        let (accepted, connected) = meet(&tls, me.clone(), "a.example").await;
        connected.unwrap();
        let info = accepted.unwrap().1;
        assert_eq!((info.resumed, info.peer_certificates.len()), (resumed, 1));
    }
    std::fs::write(&trusted, others.pem()).unwrap();
    tls.reload().unwrap();
    let error = meet(&tls, me, "a.example").await.0.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn tls_alpn_is_negotiated() {
    let ca = Authority::new();
    let made = ca.sign(&["a.example"]);
    let plain = serving(&[&made]);
    let both = plain.clone().alpn(&[b"h2", b"http/1.1"]);
    for (tls, offered, agreed) in [
        (&plain, &[&b"h2"[..], b"http/1.1"][..], Some(&b"http/1.1"[..])),
        (&both, &[b"http/1.1", b"h2"], Some(b"h2")),
        (&both, &[], None),
    ] {
        let (accepted, connected) = meet(tls, client(&ca, None, offered), "a.example").await;
        connected.unwrap();
        let info = accepted.unwrap().1;
        assert_eq!(info.alpn.as_deref(), agreed);
        assert_eq!(info.version, "TLSv1.3");
        assert!(info.cipher_suite.starts_with("TLS_AES_"), "{}", info.cipher_suite);
    }
    let error = refused(&both, client(&ca, None, &[b"h3"]), "a.example").await;
    assert!(error.contains("no protocol (ALPN) that we do: h2, http/1.1"), "{error}");
    let old = client_of(&ca, None, &[], &[&version::TLS12]);
    let (accepted, connected) = meet(&plain, old, "a.example").await;
    connected.unwrap();
    let info = accepted.unwrap().1;
    assert_eq!(info.version, "TLSv1.2");
    assert!(info.cipher_suite.starts_with("TLS_ECDHE_ECDSA_"), "{}", info.cipher_suite);
}

#[tokio::test]
async fn tls_failures_have_a_text() {
    let (ca, strangers) = (Authority::new(), Authority::new());
    let tls = serving(&[&ca.sign(&["a.example"])]);
    let error = refused(&tls, client(&strangers, None, &[]), "a.example").await;
    assert!(error.contains("it refused our certificate with the alert unknown_ca"), "{error}");

    let new_only = ServerTls::from_rustls(tls.quic().unwrap());
    let old = client_of(&ca, None, &[], &[&version::TLS12]);
    let error = refused(&new_only, old, "a.example").await;
    assert!(error.contains("no version of TLS"), "{error}");
    assert_eq!(new_only.reload().unwrap_err().kind(), ErrorKind::Misuse);

    let (near, mut far) = duplex(1024);
    far.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    let error = tls.accept(near).await.unwrap_err();
    assert!(error.to_string().contains("plain HTTP"), "{error}");

    let (near, far) = duplex(1024);
    drop(far);
    let error = tls.accept(near).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("left inside the TLS handshake"), "{error}");
}

#[test]
fn tls_certificate_faults_are_named() {
    let ca = Authority::new();
    let (a, b) = (ca.sign(&["a.example"]), ca.sign(&["b.example"]));
    let building = |chain: &str, key: &str| {
        let certificate = Certificate::new(PemSource::text(chain), PemSource::text(key));
        ServerTls::builder().certificate(certificate).build().unwrap_err().to_string()
    };
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (chain, key, why) in [
        (&*a.chain, &*b.key, "not the one of the certificate"),
        ("", &a.key, "no certificate"),
        (&a.key, &a.key, "no certificate"),
        (&a.chain, &a.chain, "no private key"),
        (garbage, &a.key, "can't be read"),
    ] {
        let error = building(chain, key);
        assert!(error.contains(why), "{error} for {why}");
        assert!(!error.contains("PRIVATE KEY"), "{error}");
    }
    let error = ServerTls::builder().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    let error = ServerTls::builder().certificate(a.certificate());
    let error = error.require_client_certificates(PemSource::text("")).build().unwrap_err();
    assert!(error.to_string().contains("no certificate"), "{error}");
}

#[test]
fn tls_certificate_that_has_expired_is_a_warning() {
    let ca = Authority::new();
    let day = Duration::from_secs(86_400);
    let made = |from: SystemTime, to: SystemTime| {
        ca.sign_with(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            (params.not_before, params.not_after) = (from.into(), to.into());
        })
    };
    let now = SystemTime::now();
    let expired = made(now - 20 * day, now - 10 * day - day / 2);
    let tls = serving(&[&expired]);
    let warnings: Vec<_> = tls.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["the certificate of a.example expired 10 days ago"]);
    assert_eq!(tls.reload().unwrap().len(), 1);
    let tls = serving(&[&made(now + 3 * day + day / 2, now + 10 * day)]);
    assert_eq!(
        tls.warnings()[0].to_string(),
        "the certificate of a.example is valid only in 3 days"
    );
    let tls = serving(&[&made(now - day, now + day)]);
    assert_eq!(tls.warnings(), []);
    let info = &tls.certificates()[0];
    let second = Duration::from_secs(1);
    assert!(info.not_after <= now + day && info.not_after + second > now + day);
    assert!(info.not_before <= now - day && info.not_before + second > now - day);
}

#[cfg(feature = "self-signed")]
#[tokio::test]
async fn tls_self_signed_certificate_serves_a_client() {
    use crate::client::{ClientTls, Proxies, RootCertificates};

    let made = SelfSigned::new(["localhost"]).unwrap();
    let tls = ServerTls::builder().certificate(made.certificate()).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (stream, info) = tls.accept(stream).await.unwrap();
        let mut websocket = crate::server::accept(stream).await.unwrap();
        let message = websocket.next().await.unwrap().unwrap();
        websocket.send(message).await.unwrap();
        assert!(websocket.next().await.is_none());
        info
    });
    let trust = ClientTls::new().roots(RootCertificates::None);
    let trust = trust.add_authorities(made.pem().as_bytes()).unwrap();
    let client =
        crate::client::Client::builder().proxies(Proxies::none()).tls(trust).build().unwrap();
    let (mut websocket, _) = client.connect(&format!("wss://localhost:{port}/")).await.unwrap();
    websocket.send("hello").await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap(), crate::Message::text("hello"));
    websocket.close(crate::CloseCode::NORMAL, "").await.unwrap();
    assert!(websocket.next().await.is_none());
    assert_eq!(serving.await.unwrap().server_name.as_deref(), Some("localhost"));
    let shown = format!("{made:?}");
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE"), "{shown}");
}
