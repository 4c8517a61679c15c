//! The verifier of servers' certificates.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error as RustlsError, SignatureScheme};

use crate::base::sync::Mutex;

/// A verifier that records what was last wrong with a certificate: QUIC passes on no more of it
/// than a text.
#[derive(Debug)]
pub(crate) struct RecordingVerifier {
    /// Judges certificates; where it is `None`, every one is good.
    certificates: Option<Arc<dyn ServerCertVerifier>>,
    /// The provider's algorithms, by which any verifier of rustls checks the signatures of a
    /// handshake. They are checked also where every certificate is good: the server holds its key.
    algorithms: WebPkiSupportedAlgorithms,
    last: Mutex<Option<(ServerName<'static>, RustlsError)>>,
}

impl RecordingVerifier {
    /// Makes a verifier that asks `certificates`, or takes every certificate.
    pub(super) fn new(
        certificates: Option<Arc<dyn ServerCertVerifier>>,
        provider: &CryptoProvider,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { certificates, algorithms, last: Mutex::default() }
    }

    /// Returns what was last wrong with the certificate of this server.
    #[cfg(feature = "http3")]
    pub(crate) fn last_error(&self, host: &str) -> Option<RustlsError> {
        let last = self.last.lock();
        let (name, error) = last.as_ref()?;
        (name.to_str() == host).then(|| error.clone())
    }
}

impl ServerCertVerifier for RecordingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let Some(certificates) = &self.certificates else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = certificates.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        // A good certificate takes the place of a bad one before it, which would else explain a
        // later failure of another kind.
        let error = verified.as_ref().err();
        *self.last.lock() = error.map(|error| (name.to_owned(), error.clone()));
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
