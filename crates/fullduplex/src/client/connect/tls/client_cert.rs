//! Whether a server asked for a certificate that the client does not have. Many of those that
//! insist end the connection without a word: then this is what there is to say.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use crate::base::error::{Error, ErrorKind};

thread_local! {
    /// A server has asked in vain, in the handshake that this thread is at. The sessions of a
    /// client can only be resumed with the one resolver, which does not know for whom it is
    /// called.
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

/// Notices when there is no certificate to show.
#[derive(Debug)]
pub(crate) struct RecordingCertResolver(pub(crate) Arc<dyn ResolvesClientCert>);

impl ResolvesClientCert for RecordingCertResolver {
    fn resolve(
        &self,
        authorities: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        let found = self.0.resolve(authorities, schemes);
        ASKED.set(found.is_none());
        found
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.0.has_certs()
    }
}

/// A resolver without a certificate, in place of one that a configuration has.
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

/// What a TLS handshake gives, and what to think of it if the connection ends then.
pub(crate) async fn noticing<F: Future>(handshake: F) -> (F::Output, MissingClientCert) {
    let (mut handshake, mut is_wanted) = (pin!(handshake), false);
    let output = poll_fn(|cx| {
        ASKED.set(false);
        let polled = handshake.as_mut().poll(cx);
        is_wanted |= ASKED.get();
        polled
    });
    (output.await, MissingClientCert(is_wanted))
}

/// Whether a certificate was asked for and not shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MissingClientCert(bool);

impl MissingClientCert {
    /// A transport that ended before the server said anything may have ended for that.
    pub(crate) fn explain(self, error: Error) -> Error {
        if !self.0 || error.kind() != ErrorKind::Io || error.response().is_some() {
            return error;
        }
        error.with_words(
            "perhaps because the server asked for a certificate of the client, and none was shown \
             (TlsSettings::identity)",
        )
    }
}

#[cfg(test)]
#[cfg(feature = "self-signed")]
mod tests {
    use std::time::Duration;

    use rustls::crypto::ring;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::client::connect::progress::ConnectEvents;
    use crate::client::connect::tls::{ClientTls, LazyTls};
    use crate::transport::net_stream::NetStream;

    /// A server that takes clients without a certificate, and may ask them for one.
    fn acceptor(asks: bool) -> TlsAcceptor {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = if asks {
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
    async fn client_cert_note_stays_with_its_handshake() {
        let client = LazyTls::new(ClientTls::new().dangerous_accept_any_certificate());
        let (asking, silent) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
        let handshake = async |stream| {
            let context = client.context(false).unwrap();
            let steps = ConnectEvents::default();
            let stream = NetStream::new(stream);
            context.connect(stream, "localhost", &[], true, &steps).await.unwrap()
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
        let (was_asked, was_not_asked) = (was_asked.unshown.0, was_not_asked.unshown.0);
        assert!(was_asked, "the request for a certificate is noticed");
        assert!(!was_not_asked, "it is not taken for one in the other handshake");
    }
}
