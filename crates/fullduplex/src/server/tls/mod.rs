//! TLS for servers, with rustls.

mod accept;
#[cfg(feature = "self-signed")]
mod authority;
mod certificate;
#[cfg(feature = "self-signed")]
mod self_signed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{
    Error as RustlsError, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};

#[cfg(feature = "self-signed")]
pub use authority::CertificateAuthority;
pub use certificate::{Certificate, CertificateInfo, CertificateWarning, PemSource};
#[cfg(feature = "self-signed")]
pub use self_signed::SelfSigned;

pub use crate::server::policy::tls_info::TlsInfo;

use crate::base::crypto;
use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{bad, certificates};
use crate::base::sync::Mutex;
use crate::server::tls::certificate::{CertificateResolver, CertificateTable};

/// The TLS settings of a server: its certificates, and the authorities of client certificates.
///
/// Clones share the settings, also after a [`reload`](Self::reload). TLS 1.2 and 1.3 are
/// supported. Sessions are resumed with tickets, which need no memory on the server. The
/// cryptography is that of ring, or with the feature `aws-lc-rs` that of aws-lc-rs, whatever
/// rustls's default of the process is.
///
/// ```no_run
/// use fullduplex::server::tls::{Certificate, ServerTls};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let tls = ServerTls::builder()
///     .certificate(Certificate::files("a.example.pem", "a.example.key"))
///     .certificate(Certificate::files("b.example.pem", "b.example.key"))
///     .build()?;
/// for warning in tls.warnings() {
///     eprintln!("{warning}");
/// }
/// // Later, when there are new certificates:
/// if let Err(error) = tls.reload() {
///     eprintln!("the old certificates are kept: {error}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
    alpn: Arc<[Vec<u8>]>,
}

struct Shared {
    /// `None` if the application made the rustls configuration.
    own: Option<Own>,
    config: RwLock<LoadedCertificate>,
    /// The number of reloads.
    generation: AtomicU64,
}

/// The rustls configurations from one load of the files.
#[derive(Clone)]
struct LoadedCertificate {
    tcp: Arc<ServerConfig>,
    /// With TLS 1.3 only.
    quic: Arc<ServerConfig>,
}

/// The sources that are loaded and reloaded.
struct Own {
    certificates: Vec<Certificate>,
    clients: Option<Clients>,
    resolver: Arc<CertificateResolver>,
    /// Held during a reload, so that an older one can't overwrite a newer one.
    reloading: Mutex<()>,
}

/// The authorities of client certificates.
#[derive(Clone, Debug)]
struct Clients {
    authorities: PemSource,
    required: bool,
}

/// Shows the certificates' names and sources, but no keys.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.shared.own.as_ref();
        f.debug_struct("ServerTls")
            .field("certificates", &own.map(|own| &own.certificates))
            .field("clients", &own.map(|own| &own.clients))
            .finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Returns a builder without certificates.
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::default()
    }

    /// Loads one certificate with its chain, and its private key, from PEM files.
    ///
    /// # Errors
    /// A file can't be read, or its content can't be used.
    pub fn files(
        chain: impl Into<std::path::PathBuf>,
        key: impl Into<std::path::PathBuf>,
    ) -> Result<Self, Error> {
        Self::builder().certificate(Certificate::files(chain, key)).build()
    }

    /// Uses a configuration of rustls. Its protocols (ALPN) are replaced by those of the HTTP
    /// versions that the server supports. It can't be [reloaded](Self::reload).
    pub fn from_rustls(config: Arc<ServerConfig>) -> Self {
        let loaded = LoadedCertificate { quic: config.clone(), tcp: config };
        Self::new(None, loaded)
    }

    fn new(own: Option<Own>, loaded: LoadedCertificate) -> Self {
        let (config, generation) = (RwLock::new(loaded), AtomicU64::new(0));
        let shared = Arc::new(Shared { own, config, generation });
        Self { shared, alpn: [b"http/1.1".to_vec()].into() }
    }

    /// Sets the protocols (ALPN) in order of preference, such as `h2`, `http/1.1`. Default:
    /// `http/1.1`. A client that offers protocols, but none of these, is rejected (RFC 7301 §3.2).
    /// A client that offers none is accepted.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&[u8]]) -> Self {
        self.alpn = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        self
    }

    /// Reads the certificates, keys and authorities again from their sources, and returns warnings
    /// about the new certificates. New connections use them; open ones are not affected. Blocks
    /// while it reads files.
    ///
    /// # Errors
    /// A source can't be read or used, or the settings are from [`from_rustls`](Self::from_rustls).
    /// The former certificates and authorities stay in use.
    pub fn reload(&self) -> Result<Vec<CertificateWarning>, Error> {
        let own = self.shared.own.as_ref().ok_or_else(|| {
            Error::new(
                ErrorKind::Misuse,
                "a ServerTls from a rustls configuration can't be reloaded",
            )
        })?;
        let _one = own.reloading.lock();
        let table = CertificateTable::load(&own.certificates)?;
        // Certificates are behind the resolver; only the verifier is in the configuration itself.
        // A new configuration has new ticket keys, so that clients can't resume a session that an
        // authority allowed which has been removed.
        let config = match &own.clients {
            Some(_) => Some(LoadedCertificate::load(&own.resolver, own.clients.as_ref())?),
            None => None,
        };
        own.resolver.set(table);
        if let Some(config) = config {
            *self.shared.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        }
        self.shared.generation.fetch_add(1, Ordering::Release);
        Ok(self.warnings())
    }

    /// Returns a number that changes with each [`reload`](Self::reload).
    #[cfg(feature = "http3")]
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// Returns the certificates in use, the default first; empty with
    /// [`from_rustls`](Self::from_rustls).
    pub fn certificates(&self) -> Vec<CertificateInfo> {
        let table = self.shared.own.as_ref().map(|own| own.resolver.table());
        table.iter().flat_map(|table| table.infos()).cloned().collect()
    }

    /// Returns warnings about the certificates in use that are expired or not valid yet.
    pub fn warnings(&self) -> Vec<CertificateWarning> {
        let now = SystemTime::now();
        self.certificates().iter().filter_map(|info| info.warning(now)).collect()
    }

    /// Returns the configuration for rustls, with the protocols (ALPN) of this value. Its
    /// certificates follow a [`reload`](Self::reload); its authorities do not.
    pub fn rustls(&self) -> Arc<ServerConfig> {
        with_alpn(&self.loaded().tcp, &self.alpn)
    }

    /// Returns the configuration for HTTP/3 over QUIC: ALPN `h3`, TLS 1.3 only (RFC 9001 §4.2).
    /// Its certificates follow a [`reload`](Self::reload); its authorities do not.
    pub fn quic(&self) -> Arc<ServerConfig> {
        with_alpn(&self.loaded().quic, &[b"h3".to_vec()])
    }

    fn loaded(&self) -> LoadedCertificate {
        self.shared.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A builder of [`ServerTls`].
///
/// ```no_run
/// use fullduplex::server::tls::{Certificate, PemSource, ServerTls};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// // Only clients with a certificate of this authority.
/// let tls = ServerTls::builder()
///     .certificate(Certificate::files("chain.pem", "key.pem"))
///     .require_client_certificates(PemSource::file("clients-ca.pem"))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServerTlsBuilder {
    certificates: Vec<Certificate>,
    clients: Option<Clients>,
}

impl ServerTlsBuilder {
    /// Adds a certificate. The first is the default for clients that request no name (SNI), or one
    /// that no certificate has. Of several certificates for a name, the first whose key type the
    /// client supports is used.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificates.push(certificate);
        self
    }

    /// Requires clients to present a certificate that is signed by one of these authorities (PEM).
    #[must_use]
    pub fn require_client_certificates(mut self, authorities: PemSource) -> Self {
        self.clients = Some(Clients { authorities, required: true });
        self
    }

    /// Requests a certificate that is signed by one of these authorities (PEM), and accepts clients
    /// without one too; see
    /// [`TlsInfo::peer_certificates`](crate::server::tls::TlsInfo::peer_certificates). Certificates
    /// of other authorities are rejected.
    #[must_use]
    pub fn request_client_certificates(mut self, authorities: PemSource) -> Self {
        self.clients = Some(Clients { authorities, required: false });
        self
    }

    /// Reads the certificates, keys and authorities. Blocks while it reads files. An expired
    /// certificate is not an error, but one of the [`warnings`](ServerTls::warnings).
    ///
    /// # Errors
    /// There is no certificate, or a source can't be read or used.
    pub fn build(self) -> Result<ServerTls, Error> {
        let Self { certificates, clients } = self;
        let resolver = Arc::new(CertificateResolver::new(CertificateTable::load(&certificates)?));
        let loaded = LoadedCertificate::load(&resolver, clients.as_ref())?;
        let own = Own { certificates, clients, resolver, reloading: Mutex::new(()) };
        Ok(ServerTls::new(Some(own), loaded))
    }
}

const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// A verifier of client certificates.
type Verifier = Arc<dyn ClientCertVerifier>;

impl LoadedCertificate {
    /// Reads the authorities once, for TCP and QUIC.
    fn load(resolver: &Arc<CertificateResolver>, clients: Option<&Clients>) -> Result<Self, Error> {
        let verifier = clients.map(verifier).transpose()?;
        Ok(Self {
            tcp: config(resolver.clone(), verifier.clone(), VERSIONS)?.into(),
            quic: config(resolver.clone(), verifier, &[&version::TLS13])?.into(),
        })
    }
}

fn verifier(clients: &Clients) -> Result<Verifier, Error> {
    let Clients { authorities, required } = clients;
    let roots = Arc::new(authorities.parse(roots)?);
    let provider = Arc::new(crypto::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
    let verifier = if *required { verifier } else { verifier.allow_unauthenticated() }.build();
    let verifier =
        verifier.map_err(|error| bad("setting up the clients' authorities").with_source(error))?;
    Ok(verifier)
}

fn config(
    resolver: Arc<CertificateResolver>,
    verifier: Option<Verifier>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, Error> {
    let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
    let provider = Arc::new(crypto::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).map_err(failed)?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.ticketer = crypto::Ticketer::new().map_err(failed)?;
    Ok(config)
}

/// Returns a configuration with these protocols. Cheap, as its parts are shared.
fn with_alpn(config: &ServerConfig, alpn: &[Vec<u8>]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = alpn.to_vec();
    Arc::new(config)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(pem)? {
        let added = roots.add(authority);
        added.map_err(|error| bad("an authority can't be used").with_source(error))?;
    }
    Ok(roots)
}
