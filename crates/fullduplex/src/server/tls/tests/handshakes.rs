//! Handshakes with clients: their certificates, sessions, ALPN, and failures in words.

use super::*;

#[tokio::test]
async fn tls_client_certificates_are_verified() {
    let (ca, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let me = clients.sign_client();
    let building = || ServerTls::builder().certificate(ca.sign(&["a.example"]).certificate());
    let required =
        building().require_client_certificates(PemSource::text(clients.pem())).build().unwrap();
    let asked =
        building().request_client_certificates(PemSource::text(clients.pem())).build().unwrap();
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
        assert!(
            error.contains("the client's certificate is not signed by a trusted authority"),
            "{error}"
        );
    }
    let (accepted, connected) = meet(&asked, client(&ca, None, &[]), "a.example").await;
    connected.unwrap();
    assert!(accepted.unwrap().1.peer_certificates.is_empty());
    let error = refused(&required, client(&ca, None, &[]), "a.example").await;
    assert!(error.contains("presented no certificate, and one is required"), "{error}");
}

/// A resolver that presents its certificate whatever authorities are requested.
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
    assert!(error.contains("none of the protocols of the server (ALPN): h2, http/1.1"), "{error}");
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
    assert!(
        error.contains("it rejected the server's certificate with the alert unknown_ca"),
        "{error}"
    );

    let new_only = ServerTls::from_rustls(tls.quic());
    let old = client_of(&ca, None, &[], &[&version::TLS12]);
    let error = refused(&new_only, old, "a.example").await;
    assert!(error.contains("no TLS version"), "{error}");
    assert_eq!(new_only.reload().unwrap_err().kind(), ErrorKind::Misuse);

    let (near, mut far) = duplex(1024);
    far.write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    let error = tls.accept(NetStream::new(near)).await.unwrap_err();
    assert!(error.to_string().contains("plain HTTP"), "{error}");

    let (near, far) = duplex(1024);
    drop(far);
    let error = tls.accept(NetStream::new(near)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("disconnected during the TLS handshake"), "{error}");
}
