//! Verification of servers' certificates.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error as RustlsError, SignatureScheme};

use crate::base::sync::Mutex;

/// A certificate verifier that records the last error, of which QUIC only reports a text.
#[derive(Debug)]
pub(crate) struct RecordingVerifier {
    /// The verifier of certificates; if `None`, all are accepted.
    certificates: Option<Arc<dyn ServerCertVerifier>>,
    /// The provider's signature algorithms. Signatures are verified even if all certificates are
    /// accepted: the server must have the key of its certificate.
    algorithms: WebPkiSupportedAlgorithms,
    last_error: Mutex<Option<RejectedCertificate>>,
}

/// The certificates of a server that were rejected.
#[derive(Debug)]
struct RejectedCertificate {
    name: ServerName<'static>,
    #[cfg_attr(not(feature = "http3"), allow(dead_code, reason = "only HTTP/3 asks for it"))]
    error: RustlsError,
    /// The server's own first.
    chain: Vec<CertificateDer<'static>>,
}

impl RecordingVerifier {
    /// Creates a verifier that delegates to `certificates`, or accepts every certificate.
    pub(super) fn new(
        certificates: Option<Arc<dyn ServerCertVerifier>>,
        provider: &CryptoProvider,
    ) -> Self {
        let algorithms = provider.signature_verification_algorithms;
        Self { certificates, algorithms, last_error: Mutex::default() }
    }

    /// Returns the last error in the certificate of this server.
    #[cfg(feature = "http3")]
    pub(crate) fn last_error(&self, host: &str) -> Option<RustlsError> {
        let last = self.last_error.lock();
        let last = last.as_ref()?;
        (last.name.to_str() == host).then(|| last.error.clone())
    }

    /// Returns the certificates of this server that were rejected last.
    pub(crate) fn rejected_chain(&self, host: &str) -> Option<Vec<CertificateDer<'static>>> {
        let last = self.last_error.lock();
        let last = last.as_ref()?;
        (last.name.to_str() == host).then(|| last.chain.clone())
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
        // A valid certificate clears the error of an earlier one, which would otherwise be
        // reported for a later failure of another kind.
        let error = verified.as_ref().err();
        *self.last_error.lock() = error.map(|error| RejectedCertificate {
            name: name.to_owned(),
            error: error.clone(),
            chain: [end_entity]
                .into_iter()
                .chain(intermediates)
                .map(|der| der.clone().into_owned())
                .collect(),
        });
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
