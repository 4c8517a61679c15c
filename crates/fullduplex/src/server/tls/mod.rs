//! TLS for servers, by rustls with ring.

mod accept;
mod certificate;
#[cfg(feature = "self-signed")]
mod self_signed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{
    Error as RustlsError, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};

pub use certificate::{Certificate, CertificateInfo, CertificateWarning, PemSource};
#[cfg(feature = "self-signed")]
pub use self_signed::SelfSigned;
pub use tokio_rustls::server::TlsStream;

use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{bad, certificates};
use crate::base::sync::Mutex;
use crate::server::tls::certificate::{CertificateResolver, CertificateTable};

/// TLS of a server: certificates, and what is asked of clients. Clones share all of it, and
/// a [`reload`](Self::reload) is for all of them.
///
/// The cryptography is ring's, whatever else is compiled in. TLS 1.2 and 1.3 are spoken, and
/// sessions are resumed by tickets, which need no memory here.
///
/// ```no_run
/// use fullduplex::server::{Certificate, ServerTls};
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
    /// None where the application made the configuration.
    own: Option<Own>,
    config: RwLock<LoadedCertificate>,
    /// How often it was loaded again.
    generation: AtomicU64,
}

/// The configurations of one load.
#[derive(Clone)]
struct LoadedCertificate {
    tcp: Arc<ServerConfig>,
    /// With TLS 1.3 alone.
    quic: Arc<ServerConfig>,
}

/// What is loaded, and loaded again.
struct Own {
    certificates: Vec<Certificate>,
    clients: Option<Clients>,
    resolver: Arc<CertificateResolver>,
    /// One at a time, so that the older does not come last.
    reloading: Mutex<()>,
}

/// Which certificates clients show.
#[derive(Clone, Debug)]
struct Clients {
    authorities: PemSource,
    required: bool,
}

/// The certificates' names and sources, no keys.
impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.shared.own.as_ref();
        f.debug_struct("TlsConfig")
            .field("certificates", &own.map(|own| &own.certificates))
            .field("clients", &own.map(|own| &own.clients))
            .finish_non_exhaustive()
    }
}

impl ServerTls {
    /// A server's TLS, step by step.
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::default()
    }

    /// One certificate, with its chain, and its private key, from PEM files.
    pub fn files(
        chain: impl Into<std::path::PathBuf>,
        key: impl Into<std::path::PathBuf>,
    ) -> Result<Self, Error> {
        Self::builder().certificate(Certificate::files(chain, key)).build()
    }

    /// A configuration of rustls that was made elsewhere. Its protocols (ALPN) are set by
    /// the versions of HTTP that are spoken.
    pub fn from_rustls(config: Arc<ServerConfig>) -> Self {
        let loaded = LoadedCertificate { quic: config.clone(), tcp: config };
        Self::new(None, loaded)
    }

    fn new(own: Option<Own>, loaded: LoadedCertificate) -> Self {
        let (config, generation) = (RwLock::new(loaded), AtomicU64::new(0));
        let shared = Arc::new(Shared { own, config, generation });
        Self { shared, alpn: [b"http/1.1".to_vec()].into() }
    }

    /// The same, offering these protocols (ALPN), the favourite first: `h2`, `http/1.1`.
    /// Default: `http/1.1`. A client that names protocols and none of these is refused (RFC
    /// 7301 §3.2); one that names none is not.
    #[must_use]
    pub fn alpn(mut self, protocols: &[&[u8]]) -> Self {
        self.alpn = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        self
    }

    /// Reads certificates, keys and the clients' authorities again, from where they came.
    /// Open connections go on; new ones get what was read. If anything can't be used, all
    /// stays as it is, and the error says why.
    ///
    /// Gives what clients will dislike. Blocks while the files are read.
    pub fn reload(&self) -> Result<Vec<CertificateWarning>, Error> {
        let own = self.shared.own.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Misuse, "a configuration of rustls is not loaded by us")
        })?;
        let _one = own.reloading.lock();
        let table = CertificateTable::load(&own.certificates)?;
        // Only what checks clients lies in the configuration itself. With it the tickets
        // are changed, so that nobody comes back by one whose authority is gone.
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

    /// Changes with each [`reload`](Self::reload).
    #[cfg(feature = "http3")]
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    /// The certificates in use, the default first; none with a configuration of one's own.
    pub fn certificates(&self) -> Vec<CertificateInfo> {
        let table = self.shared.own.as_ref().map(|own| own.resolver.table());
        table.iter().flat_map(|table| table.infos()).cloned().collect()
    }

    /// What clients will dislike about the certificates in use, as of now.
    pub fn warnings(&self) -> Vec<CertificateWarning> {
        let now = SystemTime::now();
        self.certificates().iter().filter_map(|info| info.warning(now)).collect()
    }

    /// The configuration for rustls, with the protocols of this value. The certificates in
    /// it follow [`reload`](Self::reload); the clients' authorities are those of now.
    pub fn rustls(&self) -> Arc<ServerConfig> {
        speaking(&self.loaded().tcp, &self.alpn)
    }

    /// The configuration for QUIC, where HTTP/3 is spoken (ALPN `h3`, TLS 1.3 alone, RFC
    /// 9001 §4.2). The certificates in it follow [`reload`](Self::reload); the clients'
    /// authorities are those of now.
    pub fn quic(&self) -> Result<Arc<ServerConfig>, Error> {
        Ok(speaking(&self.loaded().quic, &[b"h3".to_vec()]))
    }

    fn loaded(&self) -> LoadedCertificate {
        self.shared.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes a [`ServerTls`].
#[derive(Clone, Debug, Default)]
pub struct ServerTlsBuilder {
    certificates: Vec<Certificate>,
    clients: Option<Clients>,
}

impl ServerTlsBuilder {
    /// Adds a certificate. The first is the default, for clients that ask for no name or for
    /// one that no certificate has. Of several for one name, the first whose key the client
    /// can check is shown.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificates.push(certificate);
        self
    }

    /// Takes only clients that show a certificate signed by one of these authorities (PEM).
    #[must_use]
    pub fn require_client_certificates(mut self, authorities: PemSource) -> Self {
        self.clients = Some(Clients { authorities, required: true });
        self
    }

    /// Asks clients for a certificate signed by one of these authorities (PEM), and takes
    /// those without one too; [`TlsInfo::peer_certificates`](crate::server::TlsInfo::peer_certificates) tells. One that is signed by
    /// somebody else is refused.
    #[must_use]
    pub fn ask_for_client_certificates(mut self, authorities: PemSource) -> Self {
        self.clients = Some(Clients { authorities, required: false });
        self
    }

    /// Reads the files. An expired certificate is no error but one of the
    /// [`warnings`](ServerTls::warnings).
    pub fn build(self) -> Result<ServerTls, Error> {
        let Self { certificates, clients } = self;
        let resolver = Arc::new(CertificateResolver::new(CertificateTable::load(&certificates)?));
        let loaded = LoadedCertificate::load(&resolver, clients.as_ref())?;
        let own = Own { certificates, clients, resolver, reloading: Mutex::new(()) };
        Ok(ServerTls::new(Some(own), loaded))
    }
}

const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

/// Checks the certificates of clients.
type Verifier = Arc<dyn ClientCertVerifier>;

impl LoadedCertificate {
    /// Reads the clients' authorities once, for both.
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
    let provider = Arc::new(ring::default_provider());
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
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).map_err(failed)?;
    let builder = match verifier {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.ticketer = ring::Ticketer::new().map_err(failed)?;
    Ok(config)
}

/// The same for these protocols. Cheap: the parts are shared.
fn speaking(config: &ServerConfig, alpn: &[Vec<u8>]) -> Arc<ServerConfig> {
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
