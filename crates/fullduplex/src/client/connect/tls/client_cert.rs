//! Detects that a server requested a client certificate and the client has none.
//!
//! Many servers that require one close the connection without an alert. The error can then
//! mention the request as a likely cause.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::base::error::{Error, ErrorKind};

thread_local! {
    /// Whether the handshake that this thread is polling was asked for a missing certificate.
    ///
    /// A thread-local, as the resolver is not passed the connection that it is called for, and
    /// all connections must share one resolver for sessions to be resumed.
    static CERT_MISSING: Cell<bool> = const { Cell::new(false) };
}

/// A certificate resolver that records when it has no certificate for the server.
#[derive(Debug)]
pub(crate) struct RecordingCertResolver(pub(crate) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for RecordingCertResolver {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let certificate = self.0.resolve(authorities, schemes);
        CERT_MISSING.set(certificate.is_none());
        certificate
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// A certificate resolver without a certificate.
#[derive(Debug)]
pub(crate) struct NoClientCert;

impl ResolvesClientCert for NoClientCert {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Runs a TLS handshake and records whether the server requested a missing certificate.
pub(crate) async fn detect_missing_cert<F: Future>(handshake: F) -> (F::Output, MissingClientCert) {
    let (mut handshake, mut is_missing) = (pin!(handshake), false);
    let output = poll_fn(|cx| {
        // Another handshake on this thread may have set it.
        CERT_MISSING.set(false);
        let polled = handshake.as_mut().poll(cx);
        is_missing |= CERT_MISSING.get();
        polled
    });
    (output.await, MissingClientCert(is_missing))
}

/// Whether the server requested a client certificate that the client does not have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MissingClientCert(bool);

impl MissingClientCert {
    /// Adds the missing certificate as a likely cause to an I/O error before any response.
    pub(crate) fn explain(self, error: Error) -> Error {
        if !self.0 || error.kind() != ErrorKind::Io || error.response().is_some() {
            return error;
        }
        error.with_detail(
            "perhaps because the server requested a client certificate and none is set \
             (ClientTls::identity)",
        )
    }
}

#[cfg(test)]
#[cfg(feature = "self-signed")]
mod tests {
    use std::time::Duration;

    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::base::crypto;
    use crate::client::connect::progress::ConnectEvents;
    use crate::client::connect::tls::{ClientTls, LazyTls};
    use crate::transport::net_stream::NetStream;

    /// A server that accepts clients without a certificate, and may request one.
    fn acceptor(requests_cert: bool) -> TlsAcceptor {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(crypto::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if requests_cert {
            let mut roots = RootCertStore::empty();
            roots.add(certificate.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()).into()
    }

    #[tokio::test]
    async fn client_cert_request_is_recorded_for_its_own_handshake() {
        let client =
            LazyTls::new(ClientTls::new().dangerous_accept_any_certificate().load().unwrap());
        let (asking, silent) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        let handshake = async |stream| {
            let context = client.context(false).unwrap();
            let events = ConnectEvents::default();
            let stream = NetStream::new(stream);
            context.connect(stream, "localhost", &[], true, &events).await.unwrap()
        };
        // All on one thread, and the client without a request for a certificate is polled right
        // after the one with it.
        let both = async {
            tokio::join!(
                biased;
                handshake(asking.0),
                handshake(silent.0),
                acceptor(true).accept(asking.1),
                acceptor(false).accept(silent.1),
            )
        };
        let (was_asked, was_not_asked, a, b) =
            tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
        a.unwrap();
        b.unwrap();
        let (was_asked, was_not_asked) =
            (was_asked.missing_client_cert.0, was_not_asked.missing_client_cert.0);
        assert!(was_asked, "the request for a certificate is recorded");
        assert!(!was_not_asked, "it is not taken for one in the other handshake");
    }
}
