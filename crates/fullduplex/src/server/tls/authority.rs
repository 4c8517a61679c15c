//! An authority that signs certificates, for development and tests.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _,
};

use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{bad, certificates};
use crate::server::tls::certificate::{Certificate, CertificateInfo, PemSource};
use crate::server::tls::self_signed::{DAYS_AFTER, leaf_params, set_validity};

/// The days from now until which a certificate that it signs is valid. With the day before now they
/// are fewer than 30.
const LEAF_DAYS_AFTER: u32 = 28;

/// The longest name of an authority (RFC 5280 appendix A.1, `ub-common-name`).
const MAX_NAME: usize = 64;

/// An authority that signs certificates (ECDSA P-256), for development and tests with several
/// names, or with names that are known only later. A client that trusts its certificate trusts all
/// that its key signs. It is valid for 396 days, and signs no other authorities.
///
/// ```
/// use fullduplex::server::tls::{CertificateAuthority, ServerTls};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let authority = CertificateAuthority::new("Tests of the chat")?;
/// let certificate = authority.issue(["chat.example", "127.0.0.1"])?;
/// let tls = ServerTls::builder().certificate(certificate).build()?;
/// let trusted_by_the_client = authority.pem();
/// # let _ = (tls, trusted_by_the_client);
/// # Ok(())
/// # }
/// ```
pub struct CertificateAuthority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Shows the certificate, but not the key.
impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// Creates an authority with a new key. Programs show its name to those who decide whether to
    /// trust it.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`] if the name is empty, longer than 64 bytes, or has other
    /// characters than ASCII letters, digits, spaces and `-._@:()`.
    pub fn new(name: &str) -> Result<Self, Error> {
        if !is_name(name) {
            let why = format!("{name:?} is not a name for an authority");
            return Err(Error::new(ErrorKind::Misuse, why));
        }
        let make = || {
            let key = KeyPair::generate()?;
            let params = params(name);
            let certificate = params.self_signed(&key)?.pem();
            Ok(Self { certificate, issuer: Issuer::new(params, key) })
        };
        make().map_err(|error: rcgen::Error| {
            Error::new(ErrorKind::Tls, "creating an authority").with_source(error)
        })
    }

    /// Creates an authority again from what [`pem`](Self::pem) and [`key_pem`](Self::key_pem)
    /// returned.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Tls`] if they are not of such an authority, or of different ones.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, Error> {
        let key = KeyPair::from_pem(key)
            .map_err(|error| bad("the key of the authority").with_source(error))?;
        let der = &certificates(certificate.as_bytes())?[0];
        let spki = key.subject_public_key_info();
        if !der.windows(spki.len()).any(|window| window == spki) {
            return Err(bad("the key is not that of the authority"));
        }
        let info = CertificateInfo::of_der(der)?;
        let name = info.subject.strip_prefix("CN=").filter(|name| is_name(name));
        let Some(name) = name.filter(|_| info.subject == info.issuer) else {
            return Err(bad("it is another certificate than one of CertificateAuthority"));
        };
        Ok(Self { certificate: certificate.to_owned(), issuer: Issuer::new(params(name), key) })
    }

    /// Signs a certificate with a new key for these names: DNS names, wildcards or IP addresses. It
    /// is valid for 28 days. The authority's own certificate is in its chain.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Tls`] if a name is not valid.
    pub fn issue(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Certificate, Error> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let make = || {
            // RFC 5280 has a limit for the subject, and none for names of hosts.
            let subject = names.first().filter(|name| name.len() <= MAX_NAME).cloned();
            let mut params = leaf_params(names, LEAF_DAYS_AFTER)?;
            let subject = subject.unwrap_or_else(|| "a server".into());
            params.distinguished_name = common_name(&subject);
            params.use_authority_key_identifier_extension = true;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            let key = KeyPair::generate()?;
            let chain = params.signed_by(&key, &self.issuer)?.pem() + &self.certificate;
            Ok(Certificate::new(PemSource::text(chain), PemSource::text(key.serialize_pem())))
        };
        make().map_err(|error: rcgen::Error| {
            Error::new(ErrorKind::Tls, "signing a certificate").with_source(error)
        })
    }

    /// Returns the certificate as PEM, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.certificate
    }

    /// Returns the private key as PEM (PKCS #8), to use the authority again later.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Returns the public key in DER (`SubjectPublicKeyInfo`, RFC 5280 §4.1.2.7), of which clients
    /// that trust single keys know the digest.
    pub fn public_key_der(&self) -> Vec<u8> {
        self.issuer.key().subject_public_key_info()
    }
}

/// Returns whether a certificate has this name as it is written.
fn is_name(name: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b" -._@:()".contains(&byte);
    (1..=MAX_NAME).contains(&name.len())
        && name.trim().len() == name.len()
        && name.bytes().all(is_valid)
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    // It signs no other authorities (RFC 5280 §4.2.1.9).
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    set_validity(&mut params, DAYS_AFTER);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}
