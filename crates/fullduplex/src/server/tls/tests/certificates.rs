//! Which certificates are loaded, reloaded and shown.

use super::*;

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
        assert!(
            error.contains("rejected the server's certificate") && error.contains(why),
            "{error}"
        );
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
    let quic = tls.quic();
    let trusting = || client(&ca, None, &[]);
    let (accepted, connected) = meet(&tls.clone(), trusting(), "a.example").await;
    let ((mut near, _), (mut far, _)) = (accepted.unwrap(), connected.unwrap());

    // The key of another certificate: the old one stays.
    let renewed = ca.sign(&["a.example", "new.example"]);
    std::fs::write(&chain, &renewed.chain).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(
        error.contains("does not match the certificate") && error.contains("key.pem"),
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

/// Runs a QUIC handshake in memory, and returns the names of the presented certificate.
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
        (&*a.chain, &*b.key, "does not match the certificate"),
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
        "the certificate of a.example is not valid for another 3 days"
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
    let trust = trust.add_authorities(made.pem());
    let client =
        crate::client::Client::builder().proxies(Proxies::none()).tls(trust).build().unwrap();
    let (mut websocket, _) = client.connect(format!("wss://localhost:{port}/")).await.unwrap();
    websocket.send("hello").await.unwrap();
    assert_eq!(websocket.next().await.unwrap().unwrap(), crate::Message::text("hello"));
    websocket.close(crate::CloseCode::NORMAL, "").await.unwrap();
    assert!(websocket.next().await.is_none());
    assert_eq!(serving.await.unwrap().server_name.as_deref(), Some("localhost"));
    let shown = format!("{made:?}");
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE"), "{shown}");
}

#[cfg(feature = "self-signed")]
#[tokio::test]
async fn tls_authority_signs_for_names_and_is_kept_as_pem() {
    use crate::client::{Client, ClientTls, Proxies, RootCertificates};

    let made = CertificateAuthority::new("Tests (a@b)").unwrap();
    let kept = CertificateAuthority::from_pem(made.pem(), &made.key_pem()).unwrap();
    assert_eq!(kept.pem(), made.pem());
    let der = &certificates(made.pem().as_bytes()).unwrap()[0];
    let info = CertificateInfo::of_der(der).unwrap();
    assert_eq!((&*info.subject, &*info.issuer), ("CN=Tests (a@b)", "CN=Tests (a@b)"));
    let spki = made.public_key_der();
    assert!(der.windows(spki.len()).any(|window| window == spki));

    let trust = ClientTls::new().roots(RootCertificates::None).add_authorities(made.pem());
    let client = Client::builder().proxies(Proxies::none()).tls(trust).build().unwrap();
    for (authority, names, host, is_valid) in [
        (&made, ["localhost", "a.example"], "localhost", true),
        (&kept, ["127.0.0.1", "::1"], "127.0.0.1", true),
        (&kept, ["a.example", "b.example"], "localhost", false),
    ] {
        let certificate = authority.issue(names).unwrap();
        let tls = ServerTls::builder().certificate(certificate).build().unwrap();
        let info = &tls.certificates()[0];
        let days = info.not_after.duration_since(info.not_before).unwrap().as_secs() / 86_400;
        assert!(days < 30 && info.issuer == "CN=Tests (a@b)", "{info:?}");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = async {
            let (stream, _) = listener.accept().await.unwrap();
            tls.accept(stream).await
        };
        let url = format!("wss://{host}:{port}/");
        let (connected, _) = tokio::join!(client.connect_transport(&*url), serving);
        assert_eq!(connected.is_ok(), is_valid, "{connected:?}");
    }
    let other = CertificateAuthority::new("Tests").unwrap();
    let mixed = CertificateAuthority::from_pem(made.pem(), &other.key_pem()).unwrap_err();
    assert!(mixed.to_string().contains("not that of the authority"), "{mixed}");
    for name in ["", " a", "a,b", "\u{e4}", &*"a".repeat(65)] {
        let error = CertificateAuthority::new(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{name}");
    }
    assert_eq!(made.issue(["\u{e4}.example"]).unwrap_err().kind(), ErrorKind::Tls);
    let shown = format!("{made:?}");
    assert!(shown.contains("BEGIN CERTIFICATE") && !shown.contains("PRIVATE"), "{shown}");
}
