//! Self-signed certificates for development and tests.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};

use crate::base::error::{Error, ErrorKind};
use crate::server::tls::certificate::{Certificate, PemSource};

const DAY: Duration = Duration::from_secs(86_400);

/// The days before now from which a certificate is valid, as clocks differ.
const DAYS_BEFORE: u32 = 1;

/// The days from now until which a certificate is valid. Some clients refuse those that are valid
/// for longer than 398 days.
pub(super) const DAYS_AFTER: u32 = 396;

/// A new key with a self-signed certificate (ECDSA P-256), for development and tests. Clients trust
/// it only if [`pem`](Self::pem) is added to their authorities. It is valid for 396 days.
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
        let make = || {
            let params = leaf_params(names, DAYS_AFTER)?;
            let key = KeyPair::generate()?;
            let certificate = params.self_signed(&key)?;
            Ok(Self { certificate: certificate.pem(), key: key.serialize_pem() })
        };
        make().map_err(|error: rcgen::Error| {
            Error::new(ErrorKind::Tls, "creating a self-signed certificate").with_source(error)
        })
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

    /// Returns the private key as PEM (PKCS #8), to use the certificate again later.
    pub fn key_pem(&self) -> &str {
        &self.key
    }
}

/// Returns the parameters of a server's certificate that is valid for this many days from now.
pub(super) fn leaf_params(
    names: Vec<String>,
    days_after: u32,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    set_validity(&mut params, days_after);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// Makes a certificate valid from a day before now.
pub(super) fn set_validity(params: &mut CertificateParams, days_after: u32) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // A clock before 1970 is not set at all.
    let now = epoch + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = now - DAYS_BEFORE * DAY;
    params.not_after = now + days_after * DAY;
}
