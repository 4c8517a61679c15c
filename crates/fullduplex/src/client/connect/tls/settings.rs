//! Settings for TLS, and the configuration of rustls that they come to.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, Error as RustlsError, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{bad, certificates, private_key, read};
use crate::client::connect::tls::client_cert::{NoClientCert, RecordingCertResolver};
use crate::client::connect::tls::key_log::KeyLogFile;
use crate::client::connect::tls::verifier::RecordingVerifier;

/// Whom a client trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootCertificates {
    /// The authorities of the operating system. Default.
    #[default]
    Platform,
    /// Mozilla's authorities, as they were when this library was built.
    WebPki,
    /// Only the authorities that were added.
    None,
}

/// Settings for TLS, for [`ClientBuilder::tls`](crate::ClientBuilder::tls).
///
/// The cryptography is ring's, whatever else is compiled in; nothing is to be installed.
/// Sessions are resumed, from the memory of the [`Client`](crate::Client).
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    roots: RootCertificates,
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<ClientIdentity>,
    pub(crate) server_name: Option<String>,
    dangerous: bool,
    key_log: Option<Arc<KeyLogFile>>,
    own: Option<Arc<ClientConfig>>,
}

struct ClientIdentity(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1.clone_key())
    }
}

/// Never shows the key.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity of {} certificates", self.0.len())
    }
}

impl ClientTls {
    /// The defaults: the platform's authorities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whom to trust beside the authorities that are added.
    #[must_use]
    pub fn roots(mut self, roots: RootCertificates) -> Self {
        self.roots = roots;
        self
    }

    /// Trusts the authorities in this PEM text too.
    pub fn add_authorities(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.authorities.extend(certificates(pem)?);
        Ok(self)
    }

    /// Trusts the authorities in this PEM file too.
    pub fn add_authorities_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let pem = read(path.as_ref())?;
        self.add_authorities(&pem)
    }

    /// Shows the server this certificate, with its chain, when it asks for one. All PEM. Neither
    /// proxies are shown it, nor servers of another origin that a redirection leads to.
    pub fn identity(mut self, chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        self.identity = Some(ClientIdentity(certificates(chain)?, private_key(key)?));
        Ok(self)
    }

    /// The same from PEM files.
    pub fn identity_files(
        self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let (chain, key) = (read(chain.as_ref())?, read(key.as_ref())?);
        self.identity(&chain, &key)
    }

    /// Expects this name in the server's certificate, and asks for it (SNI), in place of
    /// the URL's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// **Dangerous:** takes any certificate. Whoever is on the way can read and change
    /// everything. For tests alone.
    #[must_use]
    pub fn dangerous_accept_any_certificate(mut self) -> Self {
        self.dangerous = true;
        self
    }

    /// **Dangerous:** appends the secrets of each connection to this file, in the format that the
    /// environment variable `SSLKEYLOGFILE` stands for: whoever has them can read what was recorded
    /// of the connections, as Wireshark does. For debugging alone. The variable itself is not read.
    ///
    /// Fails if the file can't be opened.
    pub fn dangerous_key_log_file(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let why = || format!("opening {} for the keys of TLS", path.display());
        let file = KeyLogFile::open(path)
            .map_err(|error| Error::new(ErrorKind::Tls, why()).with_source(error))?;
        self.key_log = Some(Arc::new(file));
        Ok(self)
    }

    /// Uses a configuration of rustls in place of all the above but the server's name. Its
    /// protocols (ALPN) are set by the version of HTTP; its certificate is shown to the server of
    /// the URL alone, as with [`identity`](Self::identity).
    #[must_use]
    pub fn rustls(mut self, config: Arc<ClientConfig>) -> Self {
        self.own = Some(config);
        self
    }

    /// Returns the configuration of rustls, with its verifier unless the application has set one of
    /// its own. Connections that share it can resume each other's sessions. An anonymous one has no
    /// certificate of the client, which is for its own server.
    pub(crate) fn build(
        &self,
        is_anonymous: bool,
    ) -> Result<(Arc<ClientConfig>, Option<Arc<RecordingVerifier>>), Error> {
        if let Some(own) = &self.own {
            let config = if is_anonymous { anonymous(own).into() } else { own.clone() };
            return Ok((config, None));
        }
        let verifier = Arc::new(self.verifier()?);
        let config = self.config(verifier.clone(), is_anonymous)?;
        Ok((config.into(), Some(verifier)))
    }

    fn verifier(&self) -> Result<RecordingVerifier, Error> {
        let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
        let provider = Arc::new(ring::default_provider());
        let certificates: Option<Arc<dyn ServerCertVerifier>> = if self.dangerous {
            None
        } else if self.roots == RootCertificates::Platform {
            let authorities = self.authorities.clone();
            let verifier = Verifier::new_with_extra_roots(authorities, provider.clone());
            Some(Arc::new(verifier.map_err(|error| match error {
                RustlsError::General(_) if self.authorities.is_empty() => no_authorities(),
                error => failed(error),
            })?))
        } else {
            let mut roots = RootCertStore::empty();
            if self.roots == RootCertificates::WebPki {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            for authority in &self.authorities {
                roots.add(authority.clone()).map_err(failed)?;
            }
            let roots = Arc::new(roots);
            let builder = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
            Some(builder.build().map_err(|error| bad("whom to trust").with_source(error))?)
        };
        Ok(RecordingVerifier::new(certificates, &provider))
    }

    fn config(
        &self,
        verifier: Arc<RecordingVerifier>,
        is_anonymous: bool,
    ) -> Result<ClientConfig, Error> {
        let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match self.identity.as_ref().filter(|_| !is_anonymous) {
            Some(ClientIdentity(chain, key)) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(failed)?
            }
            None => builder.with_no_client_auth(),
        };
        if let Some(file) = &self.key_log {
            config.key_log = file.clone();
        }
        let resolver = config.client_auth_cert_resolver;
        config.client_auth_cert_resolver = Arc::new(RecordingCertResolver(resolver));
        Ok(config)
    }
}

/// This configuration of an application's own without its certificate. Sessions are not resumed
/// across the two, as rustls compares who answers for the certificate.
fn anonymous(own: &ClientConfig) -> ClientConfig {
    let mut config = own.clone();
    config.client_auth_cert_resolver = Arc::new(RecordingCertResolver(Arc::new(NoClientCert)));
    config
}

/// The system trusts nobody, so that no certificate can be checked.
fn no_authorities() -> Error {
    let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, std::env::var_os(name)));
    let set = variables.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}={}", value.display()))
    });
    let set: Vec<_> = set.collect();
    let place = if set.is_empty() { "on this system".into() } else { set.join(", ") };
    let why = format!(
        "found no certificate authorities to trust ({place}): install the package \
         ca-certificates, let SSL_CERT_FILE name a PEM file, or add authorities \
         (TlsSettings::add_authorities, fdx connect --ca)"
    );
    Error::new(ErrorKind::Tls, why)
}
