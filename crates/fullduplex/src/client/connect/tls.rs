//! TLS by rustls.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error as RustlsError, InvalidMessage,
    RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use crate::base::error::retry::AttemptFailure;
use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{
    alert_name, bad, certificate_problem, certificates, cipher_suite, private_key, read, version,
};
use crate::base::uri::without_zone;
use crate::client::Connected;
use crate::client::connect::client_cert::{NoClientCert, RecordingCertResolver, noticing};
use crate::client::connect::key_log::KeyLogFile;
use crate::client::connect::progress::{ConnectEvent, ConnectEvents};
#[cfg(feature = "http3")]
use crate::client::http3::quic_tls::{QuicTls, RecordingVerifier};
use crate::transport::net_stream::NetStream;
use crate::transport::tls_stream::ClosingTlsStream;

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
    server_name: Option<String>,
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

    /// What the connections of a client share: its tickets make sessions resumable. An anonymous
    /// one has no certificate of the client, which is for its own server.
    pub(crate) fn build(&self, is_anonymous: bool) -> Result<TlsContext, Error> {
        let config = match &self.own {
            Some(own) if is_anonymous => anonymous(own).into(),
            Some(own) => own.clone(),
            None => Arc::new(self.config(self.verifier()?, is_anonymous)?),
        };
        Ok(TlsContext { config, server_name: self.server_name.clone() })
    }

    /// TLS inside QUIC, for HTTP/3. Its sessions are its own.
    #[cfg(feature = "http3")]
    pub(crate) fn build_quic(&self, is_anonymous: bool) -> Result<QuicTls, Error> {
        let server_name = self.server_name.clone();
        if let Some(own) = &self.own {
            let own = if is_anonymous { anonymous(own) } else { ClientConfig::clone(own) };
            return QuicTls::new(own, None, server_name);
        }
        let noting = Arc::new(RecordingVerifier::new(self.verifier()?));
        QuicTls::new(self.config(noting.clone(), is_anonymous)?, Some(noting), server_name)
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
        let provider = Arc::new(ring::default_provider());
        Ok(if self.dangerous {
            Arc::new(AnyCertificate(provider))
        } else if self.roots == RootCertificates::Platform {
            let verifier = Verifier::new_with_extra_roots(self.authorities.clone(), provider);
            Arc::new(verifier.map_err(|error| match error {
                RustlsError::General(_) if self.authorities.is_empty() => no_authorities(),
                error => failed(error),
            })?)
        } else {
            let mut roots = RootCertStore::empty();
            if self.roots == RootCertificates::WebPki {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            for authority in &self.authorities {
                roots.add(authority.clone()).map_err(failed)?;
            }
            let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
            builder.build().map_err(|error| bad("whom to trust").with_source(error))?
        })
    }

    fn config(
        &self,
        verifier: Arc<dyn ServerCertVerifier>,
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

/// TLS as a client does it.
#[derive(Clone, Debug)]
pub(crate) struct TlsContext {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl TlsContext {
    /// Runs the handshake with a server of this name, and offers these protocols (ALPN), of
    /// which it may choose one. The name that was set is for the client's own server.
    pub(crate) async fn connect(
        &self,
        stream: NetStream,
        host: &str,
        protocols: &[&[u8]],
        is_own: bool,
        steps: &ConnectEvents,
    ) -> Result<Connected, Error> {
        let host = self.server_name.as_deref().filter(|_| is_own).unwrap_or(host);
        let name = server_name(host)?;
        // Cheap: the parts are shared, the tickets among them. What is spoken is not for a
        // configuration to choose.
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let (tls, unshown) = noticing(handshake).await;
        let tls = tls.map_err(|error| unshown.explain(explain(host, error)))?;
        let agreed = tls.get_ref().1;
        let protocol = agreed.alpn_protocol().map(<[u8]>::to_vec);
        let certificates = agreed.peer_certificates().unwrap_or_default();
        steps.tell(&ConnectEvent::Tls {
            host,
            version: version(agreed),
            cipher_suite: &cipher_suite(agreed),
            alpn: protocol.as_deref(),
            certificate: certificates.first().map(|der| &**der),
        });
        Ok(Connected { stream: NetStream::new(ClosingTlsStream::new(tls)), protocol, unshown })
    }
}

/// The problem in words, where there are better ones than those of rustls.
fn explain(host: &str, error: std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    let Some(inner) = inner else {
        // No fault of TLS.
        let ended = error.kind() == std::io::ErrorKind::UnexpectedEof;
        let hint = if ended { " (perhaps there is no TLS at this port)" } else { "" };
        let why = format!("the transport failed inside the TLS handshake with {host}{hint}");
        return Error::new(ErrorKind::Io, why).with_source(error);
    };
    match inner {
        RustlsError::AlertReceived(alert) => alert_error(&format!("TLS with {host}"), *alert),
        _ => match in_words(inner) {
            Some(why) => Error::new(ErrorKind::Tls, format!("TLS with {host}: {why}")),
            None => Error::new(ErrorKind::Tls, format!("TLS with {host}")).with_source(error),
        },
    }
}

pub(crate) fn in_words(error: &RustlsError) -> Option<String> {
    match error {
        RustlsError::InvalidCertificate(problem) => certificate_problem("server", problem),
        RustlsError::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => {
            let why = "what answers there does not speak TLS (a server without it is at a ws: URL, \
                       a proxy without it at an http: URL)";
            Some(why.into())
        }
        _ => None,
    }
}

pub(crate) fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(without_zone(host).to_owned()).map_err(|error| {
        Error::new(ErrorKind::Tls, format!("{host:?} can't stand in a certificate"))
            .with_source(error)
    })
}

/// With TLS 1.3 the server looks at a client's certificate when the client has already gone
/// on, to its request.
pub(crate) fn explain_alert(error: Error) -> Error {
    match error.transport_error().and_then(alert_of) {
        Some(alert) => alert_error("TLS", alert),
        None => error,
    }
}

/// The alert that ended a transport.
pub(crate) fn alert_of(error: &std::io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref() {
        Some(RustlsError::AlertReceived(alert)) => Some(*alert),
        _ => None,
    }
}

/// The error of a handshake that the server ended with this alert.
pub(crate) fn alert_error(doing: &str, alert: AlertDescription) -> Error {
    let failure = AttemptFailure::Alert(alert.into());
    let why = alert_in_words(alert);
    Error::new(ErrorKind::Tls, format!("{doing}: {why}")).with_failure(failure)
}

fn alert_in_words(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let means = match alert {
        A::CertificateRequired => ": it wants a certificate of the client (TlsSettings::identity)",
        A::UnknownCA | A::BadCertificate | A::CertificateUnknown => {
            ": it does not take the client's certificate"
        }
        A::AccessDenied => {
            ": it does not take the client's certificate, or has none of its own for this name yet"
        }
        A::InternalError => ": it failed itself; perhaps it has no certificate yet",
        A::CertificateExpired => ": the client's certificate has expired",
        A::CertificateRevoked => ": the client's certificate was revoked",
        A::HandshakeFailure => ": nothing that both know, or it wants a certificate of the client",
        A::ProtocolVersion => ": it takes other versions of TLS than 1.2 and 1.3",
        A::UnrecognisedName => ": it knows no host of this name, or not yet",
        A::NoApplicationProtocol => ": it does not speak the version of HTTP (ALPN)",
        _ => "",
    };
    format!("the server ended it with the alert {}{means}", alert_name(alert))
}

/// Takes every certificate. The signatures of the handshake are checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
