//! TLS settings of a client as they were loaded, and the rustls configuration built from them.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, Error as RustlsError, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::base::crypto;
use crate::base::error::{Error, ErrorKind};
use crate::base::pem::bad;
use crate::client::connect::tls::client_cert::{NoClientCert, RecordingCertResolver};
use crate::client::connect::tls::key_log::KeyLogFile;
use crate::client::connect::tls::roots::RootCertificates;
use crate::client::connect::tls::verifier::RecordingVerifier;

/// The settings of a [`ClientTls`](crate::client::ClientTls) whose files were read.
#[derive(Debug, Default)]
pub(crate) struct LoadedTls {
    pub(super) roots: RootCertificates,
    pub(super) authorities: Vec<CertificateDer<'static>>,
    pub(super) identity: Option<ClientIdentity>,
    pub(crate) server_name: Option<String>,
    pub(super) accept_any_certificate: bool,
    pub(super) key_log: Option<Arc<KeyLogFile>>,
    pub(super) rustls_config: Option<Arc<ClientConfig>>,
}

/// The client's certificate chain and its private key.
pub(super) struct ClientIdentity(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl ClientIdentity {
    /// Checks that the key is of a supported kind and is that of the certificate.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &crypto::default_provider())
            .map_err(|error| bad("the certificate or its key can't be used").with_source(error))?;
        Ok(Self(chain, key))
    }
}

/// Omits the key.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientIdentity of {} certificates", self.0.len())
    }
}

impl LoadedTls {
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
        let provider = Arc::new(crypto::default_provider());
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
        let builder = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()));
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
