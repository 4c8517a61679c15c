//! Self-signed certificates for development and tests.

use crate::base::error::{Error, ErrorKind};
use crate::server::tls::certificate::{Certificate, PemSource};

/// A new key with a self-signed certificate (ECDSA P-256), for development and tests. Clients trust
/// it only if [`pem`](Self::pem) is added to their authorities.
///
/// ```
/// use fullduplex::server::tls::{SelfSigned, ServerTls};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let made = SelfSigned::new(["localhost", "127.0.0.1"])?;
/// let tls = ServerTls::builder().certificate(made.certificate()).build()?;
/// let trusted_by_the_client = made.pem();
/// # let _ = (tls, trusted_by_the_client);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SelfSigned {
    certificate: String,
    key: String,
}

/// Shows the certificate, but not the key.
impl std::fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfSigned").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl SelfSigned {
    /// Creates a certificate for these names: DNS names, wildcards or IP addresses.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Tls`] if a name is not valid.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| {
            Error::new(ErrorKind::Tls, "creating a self-signed certificate").with_source(error)
        })?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    /// Returns the certificate and key, for
    /// [`ServerTlsBuilder::certificate`](super::ServerTlsBuilder::certificate).
    pub fn certificate(&self) -> Certificate {
        Certificate::new(
            PemSource::text(self.certificate.clone()),
            PemSource::text(self.key.clone()),
        )
    }

    /// Returns the certificate as PEM, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.certificate
    }
}
