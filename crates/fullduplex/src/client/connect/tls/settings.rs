//! TLS settings of a client, and the rustls configuration built from them.

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

/// The root certificates that a client trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootCertificates {
    /// The certificate authorities of the operating system. Default.
    #[default]
    Platform,
    /// Mozilla's certificate authorities, compiled in (`webpki-roots`).
    WebPki,
    /// Only the authorities added by [`ClientTls::add_authorities`].
    None,
}

/// TLS settings of a client, for [`ClientBuilder::tls`](crate::ClientBuilder::tls).
///
/// The cryptography is always that of `ring`; no default provider needs to be installed.
/// Sessions are kept in the memory of the [`Client`](crate::Client) and resumed.
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    roots: RootCertificates,
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<ClientIdentity>,
    pub(crate) server_name: Option<String>,
    accept_any_certificate: bool,
    key_log: Option<Arc<KeyLogFile>>,
    rustls_config: Option<Arc<ClientConfig>>,
}

struct ClientIdentity(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Clone for ClientIdentity {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1.clone_key())
    }
}

/// Omits the key.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity of {} certificates", self.0.len())
    }
}

impl ClientTls {
    /// Returns the default settings, which trust the platform's certificate authorities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the root certificates to trust, in addition to added authorities. Default:
    /// [`RootCertificates::Platform`].
    #[must_use]
    pub fn roots(mut self, roots: RootCertificates) -> Self {
        self.roots = roots;
        self
    }

    /// Adds the certificate authorities in this PEM text to those trusted.
    ///
    /// # Errors
    /// Fails if the text is not valid PEM with certificates.
    pub fn add_authorities(mut self, pem: &[u8]) -> Result<Self, Error> {
        self.authorities.extend(certificates(pem)?);
        Ok(self)
    }

    /// Adds the certificate authorities in this PEM file to those trusted.
    ///
    /// # Errors
    /// Fails if the file can't be read or is not valid PEM with certificates.
    pub fn add_authorities_file(self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let pem = read(path.as_ref())?;
        self.add_authorities(&pem)
    }

    /// Sets the client certificate: its chain and private key in PEM.
    ///
    /// It is sent to a server that requests one, but neither to proxies nor to another origin
    /// after a redirection.
    ///
    /// # Errors
    /// Fails if the chain or the key is not valid PEM.
    pub fn identity(mut self, chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        self.identity = Some(ClientIdentity(certificates(chain)?, private_key(key)?));
        Ok(self)
    }

    /// Sets the client certificate from PEM files; see [`identity`](Self::identity).
    ///
    /// # Errors
    /// Fails if a file can't be read or is not valid PEM.
    pub fn identity_files(
        self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, Error> {
        let (chain, key) = (read(chain.as_ref())?, read(key.as_ref())?);
        self.identity(&chain, &key)
    }

    /// Sets the name to request (SNI) and to expect in the server's certificate. Default: the
    /// URL's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// **Dangerous:** accepts any server certificate. Anyone on the network path can read and
    /// change everything. For tests only.
    #[must_use]
    pub fn dangerous_accept_any_certificate(mut self) -> Self {
        self.accept_any_certificate = true;
        self
    }

    /// **Dangerous:** appends the secrets of each connection to this file in NSS key log format.
    ///
    /// With the file, tools such as Wireshark can decrypt recorded connections. For debugging
    /// only. The environment variable `SSLKEYLOGFILE` is not read.
    ///
    /// # Errors
    /// Fails if the file can't be opened.
    pub fn dangerous_key_log_file(mut self, path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = KeyLogFile::open(path).map_err(|error| {
            let message = format!("opening the key log file {}", path.display());
            Error::new(ErrorKind::Tls, message).with_source(error)
        })?;
        self.key_log = Some(Arc::new(file));
        Ok(self)
    }

    /// Sets a rustls configuration, which replaces all other settings except
    /// [`server_name`](Self::server_name).
    ///
    /// Its ALPN protocols are replaced by those of the HTTP version. Its client certificate is
    /// only sent to the origin server, as with [`identity`](Self::identity).
    #[must_use]
    pub fn rustls(mut self, config: Arc<ClientConfig>) -> Self {
        self.rustls_config = Some(config);
        self
    }

    /// Builds the rustls configuration, with its verifier unless the application set the
    /// configuration.
    ///
    /// Connections that share the result can resume each other's sessions. If `is_anonymous`, it
    /// has no client certificate, which is only for the origin server.
    pub(crate) fn build(
        &self,
        is_anonymous: bool,
    ) -> Result<(Arc<ClientConfig>, Option<Arc<RecordingVerifier>>), Error> {
        if let Some(config) = &self.rustls_config {
            let config =
                if is_anonymous { without_client_cert(config).into() } else { config.clone() };
            return Ok((config, None));
        }
        let verifier = Arc::new(self.verifier()?);
        let config = self.config(verifier.clone(), is_anonymous)?;
        Ok((config.into(), Some(verifier)))
    }

    fn verifier(&self) -> Result<RecordingVerifier, Error> {
        let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
        let provider = Arc::new(ring::default_provider());
        let certificates: Option<Arc<dyn ServerCertVerifier>> = if self.accept_any_certificate {
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
            Some(builder.build().map_err(|error| bad("the root certificates").with_source(error))?)
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

/// Returns the application's configuration without its client certificate. Sessions are not
/// resumed across the two, as rustls compares their certificate resolvers.
fn without_client_cert(config: &ClientConfig) -> ClientConfig {
    let mut config = config.clone();
    config.client_auth_cert_resolver = Arc::new(RecordingCertResolver(Arc::new(NoClientCert)));
    config
}

/// Returns the error of a system without certificate authorities.
fn no_authorities() -> Error {
    let variables = ["SSL_CERT_FILE", "SSL_CERT_DIR"].map(|name| (name, std::env::var_os(name)));
    let set = variables.into_iter().filter_map(|(name, value)| {
        let value = value?;
        Some(format!("{name}={}", value.display()))
    });
    let set: Vec<_> = set.collect();
    let searched = if set.is_empty() { "on this system".into() } else { set.join(", ") };
    let message = format!(
        "found no certificate authorities to trust ({searched}): install the package \
         ca-certificates, let SSL_CERT_FILE name a PEM file, or add authorities \
         (ClientTls::add_authorities, fdx connect --ca)"
    );
    Error::new(ErrorKind::Tls, message)
}
