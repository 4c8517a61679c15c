//! The certificates of a server: their sources, and the choice for each client.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error as RustlsError, InconsistentKeys, SignatureScheme};
use webpki::{EndEntityCert, Error as WebPkiError, KeyUsage};

use crate::base::crypto;
use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{bad, certificates, private_key, read};
use crate::base::x509_name::x509_name;

/// A source of PEM text: the text itself, or a file, which
/// [`ServerTls::reload`](super::ServerTls::reload) reads again.
///
/// ```
/// use fullduplex::server::tls::{Certificate, PemSource};
///
/// let chain = PemSource::file("chain.pem");
/// // From a secret store.
/// # let key_text = "";
/// let certificate = Certificate::new(chain, PemSource::text(key_text));
/// ```
#[derive(Clone)]
pub struct PemSource(PemOrigin);

#[derive(Clone)]
enum PemOrigin {
    Text(Arc<[u8]>),
    File(PathBuf),
}

impl PemSource {
    /// Uses this text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        Self(PemOrigin::Text(text.into().into()))
    }

    /// Reads this file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(PemOrigin::File(path.into()))
    }

    /// Returns the name of the file, for errors.
    fn name(&self) -> String {
        match &self.0 {
            PemOrigin::Text(text) => format!("PEM text of {} bytes", text.len()),
            PemOrigin::File(path) => path.display().to_string(),
        }
    }

    /// Reads and parses the text. An error names the file.
    pub(super) fn parse<T>(
        &self,
        parse: impl FnOnce(&[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let text = match &self.0 {
            PemOrigin::Text(text) => Cow::Borrowed(&text[..]),
            PemOrigin::File(path) => Cow::Owned(read(path)?),
        };
        parse(&text).map_err(|error| match &self.0 {
            PemOrigin::Text(_) => error,
            PemOrigin::File(_) => error.with_context(&self.name()),
        })
    }
}

/// Shows no text, as it may be a key.
impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            PemOrigin::Text(text) => write!(f, "PemSource({} bytes)", text.len()),
            PemOrigin::File(path) => write!(f, "PemSource({})", path.display()),
        }
    }
}

/// A certificate with its chain and private key, for
/// [`ServerTlsBuilder::certificate`](super::ServerTlsBuilder::certificate).
///
/// ```no_run
/// use fullduplex::server::tls::{Certificate, ServerTls};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let certificate = Certificate::files("chain.pem", "key.pem").names(["*.example.com"]);
/// let tls = ServerTls::builder().certificate(certificate).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Certificate {
    chain: PemSource,
    key: PemSource,
    names: Vec<String>,
}

impl Certificate {
    /// Creates a certificate from its chain, the server's own certificate first, and its private
    /// key (PKCS #8, PKCS #1 or SEC 1, not encrypted). Both may be in the same file.
    pub fn new(chain: PemSource, key: PemSource) -> Self {
        Self { chain, key, names: Vec::new() }
    }

    /// Creates a certificate from the PEM files of its chain and its private key.
    pub fn files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::new(PemSource::file(chain), PemSource::file(key))
    }

    /// Sets the names (SNI) for which clients get this certificate, in place of its own DNS names:
    /// `example.com`, or `*.example.com` for all names with one more label.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    fn load(&self) -> Result<LoadedCertificate, Error> {
        let chain = self.chain.parse(certificates)?;
        let key = self.key.parse(private_key)?;
        let names = self.names.iter().map(|name| normal_name(name)).collect::<Result<_, _>>()?;
        let info = CertificateInfo::read(&chain[0], names)
            .map_err(|error| error.with_context(&self.chain.name()))?;
        let key = CertifiedKey::from_der(chain, key, &crypto::default_provider());
        let key = key.map_err(|error| {
            let between = format!("{} and {}", self.chain.name(), self.key.name());
            match error {
                RustlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    bad("the private key does not match the certificate").with_context(&between)
                }
                error => bad("the private key can't be used")
                    .with_source(error)
                    .with_context(&self.key.name()),
            }
        })?;
        Ok(LoadedCertificate { key: Arc::new(key), info })
    }
}

/// Normalizes a name as clients send it (SNI).
fn normal_name(name: &str) -> Result<String, Error> {
    let (wildcard, host) = match name.strip_prefix("*.") {
        Some(host) => ("*.", host),
        None => ("", name),
    };
    match url::Host::parse(host) {
        Ok(url::Host::Domain(host)) if !host.contains('*') => Ok(format!("{wildcard}{host}")),
        _ => {
            let why = format!("{name:?} is not a valid DNS name");
            Err(Error::new(ErrorKind::Misuse, why))
        }
    }
}

/// The names and the validity of a certificate.
///
/// ```
/// use std::time::SystemTime;
///
/// use fullduplex::server::tls::ServerTls;
///
/// fn report(tls: &ServerTls) {
///     for certificate in tls.certificates() {
///         let left = certificate.not_after.duration_since(SystemTime::now()).unwrap_or_default();
///         println!("{:?}: {} days", certificate.names, left.as_secs() / 86_400);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateInfo {
    /// The DNS names that it is used for. Without names it is used only as the default.
    pub names: Vec<String>,
    /// The name of its holder, such as `CN=example.com`; of several parts, separated by commas.
    /// Empty for many that have only DNS names.
    pub subject: String,
    /// The name of the authority that signed it, such as `C=US, O=Let's Encrypt, CN=R11`.
    pub issuer: String,
    /// The start of its validity.
    pub not_before: SystemTime,
    /// The end of its validity.
    pub not_after: SystemTime,
}

impl CertificateInfo {
    /// Parses a certificate in DER (X.509), such as one that a server presented.
    ///
    /// # Errors
    /// Fails if it is not a certificate.
    pub fn of_der(der: &[u8]) -> Result<Self, Error> {
        Self::read(&der.into(), Vec::new())
    }

    fn read(certificate: &CertificateDer<'_>, names: Vec<String>) -> Result<Self, Error> {
        let parsed = EndEntityCert::try_from(certificate)
            .map_err(|error| bad("the certificate can't be read").with_source(error))?;
        let names = if names.is_empty() {
            parsed.valid_dns_names().map(str::to_ascii_lowercase).collect()
        } else {
            names
        };
        // webpki reports the bounds only in the errors of a check outside of them.
        let checked_at = |seconds: u64| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            let usage = KeyUsage::server_auth();
            parsed.verify_for_usage(&[], &[], &[], time, usage, None, None).err()
        };
        let after_epoch =
            |time: UnixTime| UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs()));
        let not_before = match checked_at(0) {
            Some(WebPkiError::CertNotValidYet { not_before, .. }) => after_epoch(not_before),
            _ => None,
        };
        let not_after = match checked_at(u64::MAX) {
            Some(WebPkiError::CertExpired { not_after, .. }) => after_epoch(not_after),
            _ => None,
        };
        let not_after = not_after.ok_or_else(|| bad("the certificate's validity can't be read"))?;
        let not_before = not_before.unwrap_or(UNIX_EPOCH);
        let (subject, issuer) = (x509_name(parsed.subject()), x509_name(parsed.issuer()));
        Ok(Self { names, subject, issuer, not_before, not_after })
    }

    pub(super) fn warning(&self, now: SystemTime) -> Option<CertificateWarning> {
        let names = || self.names.clone();
        if let Ok(ago) = now.duration_since(self.not_after) {
            Some(CertificateWarning::Expired { names: names(), ago })
        } else if let Ok(ahead) = self.not_before.duration_since(now) {
            (!ahead.is_zero()).then(|| CertificateWarning::NotValidYet { names: names(), ahead })
        } else {
            None
        }
    }
}

/// A warning about a certificate that is used, but that clients will reject.
///
/// ```
/// use fullduplex::server::tls::{CertificateWarning, ServerTls};
///
/// fn has_expired(tls: &ServerTls) -> bool {
///     tls.warnings().iter().any(|it| matches!(it, CertificateWarning::Expired { .. }))
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateWarning {
    /// The certificate has expired.
    Expired {
        /// The names that it is used for.
        names: Vec<String>,
        /// The time since it expired.
        ago: Duration,
    },
    /// The certificate is not valid yet, or the clock is wrong.
    NotValidYet {
        /// The names that it is used for.
        names: Vec<String>,
        /// The time until it is valid.
        ahead: Duration,
    },
}

impl fmt::Display for CertificateWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = |time: &Duration| time.as_secs() / 86_400;
        match self {
            Self::Expired { names, ago } => {
                let names = names.join(", ");
                write!(f, "the certificate of {names} expired {} days ago", days(ago))
            }
            Self::NotValidYet { names, ahead } => {
                let (names, days) = (names.join(", "), days(ahead));
                write!(f, "the certificate of {names} is not valid for another {days} days")
            }
        }
    }
}

/// A certificate with its key, parsed and checked.
#[derive(Debug)]
struct LoadedCertificate {
    key: Arc<CertifiedKey>,
    info: CertificateInfo,
}

/// The certificates of a server, by name.
#[derive(Debug)]
pub(super) struct CertificateTable {
    /// The default first.
    all: Vec<LoadedCertificate>,
    /// Indices in `all` by name; for wildcards, by the part after `*`.
    by_name: HashMap<String, Vec<usize>>,
}

impl CertificateTable {
    pub(super) fn load(certificates: &[Certificate]) -> Result<Self, Error> {
        let all = certificates.iter().map(Certificate::load).collect::<Result<Vec<_>, _>>()?;
        if all.is_empty() {
            return Err(Error::new(ErrorKind::Misuse, "a TLS server needs a certificate"));
        }
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, loaded) in all.iter().enumerate() {
            for name in &loaded.info.names {
                let name = name.strip_prefix('*').unwrap_or(name);
                by_name.entry(name.to_owned()).or_default().push(index);
            }
        }
        Ok(Self { all, by_name })
    }

    pub(super) fn infos(&self) -> impl Iterator<Item = &CertificateInfo> {
        self.all.iter().map(|loaded| &loaded.info)
    }

    /// Returns the certificate for a name: that of the name itself, of its wildcard, or the
    /// default. Of several, the first whose key type the client supports.
    pub(super) fn find(
        &self,
        name: Option<&str>,
        schemes: &[SignatureScheme],
    ) -> Arc<CertifiedKey> {
        let name = name.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let wildcard = || name.as_ref().and_then(|name| Some(&name[name.find('.')?..]));
        let named = name.as_ref().and_then(|name| self.by_name.get(name));
        let named = named.or_else(|| self.by_name.get(wildcard()?));
        let fits = |loaded: &&LoadedCertificate| loaded.key.key.choose_scheme(schemes).is_some();
        let found = match named {
            Some(indices) => {
                let mut of_name = indices.iter().map(|index| &self.all[*index]);
                of_name.clone().find(fits).or_else(|| of_name.next())
            }
            None => self.all.iter().find(fits),
        };
        found.unwrap_or(&self.all[0]).key.clone()
    }
}

/// Chooses the certificate for each client, from a table that can be replaced.
#[derive(Debug)]
pub(super) struct CertificateResolver(RwLock<Arc<CertificateTable>>);

impl CertificateResolver {
    pub(super) fn new(table: CertificateTable) -> Self {
        Self(RwLock::new(Arc::new(table)))
    }

    pub(super) fn table(&self) -> Arc<CertificateTable> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, table: CertificateTable) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}

impl ResolvesServerCert for CertificateResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.table().find(hello.server_name(), hello.signature_schemes()))
    }
}
