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

/// Has no certificate to show, whatever the configuration that it stands in for has.
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
