//! A certificate made on the spot, for trying.

use crate::base::error::{Error, ErrorKind};
use crate::server::tls::certificate::{Certificate, PemSource};

/// A new key with a certificate that it signed itself (ECDSA P-256), for trying and for
/// tests: no client trusts it unless it is given [`pem`](Self::pem) as an authority.
///
/// ```
/// use fullduplex::server::{SelfSigned, ServerTls};
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

/// Never shows the key.
impl std::fmt::Debug for SelfSigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SelfSigned").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl SelfSigned {
    /// For these names: DNS names, wildcards, IP addresses.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let made = rcgen::generate_simple_self_signed(names).map_err(|error| {
            Error::new(ErrorKind::Tls, "making a certificate").with_source(error)
        })?;
        Ok(Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() })
    }

    /// For [`ServerTlsBuilder::certificate`](super::ServerTlsBuilder::certificate).
    pub fn certificate(&self) -> Certificate {
        Certificate::new(
            PemSource::text(self.certificate.clone()),
            PemSource::text(self.key.clone()),
        )
    }

    /// The certificate as PEM, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.certificate
    }
}
