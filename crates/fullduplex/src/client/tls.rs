//! TLS by rustls.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
#[cfg(feature = "http3")]
use std::sync::{Mutex, PoisonError};

#[cfg(feature = "http3")]
use fullduplex_http3::quinn::{ConnectionError, crypto::rustls::QuicClientConfig};
#[cfg(feature = "http3")]
use rustls::AlertDescription;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error as RustlsError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

use crate::error::{Error, ErrorKind};
use crate::net_stream::NetStream;
use crate::tls::{bad, certificate_problem, certificates, private_key, read};

/// Whom a client trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roots {
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
pub struct TlsSettings {
    roots: Roots,
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Identity>,
    server_name: Option<String>,
    dangerous: bool,
    own: Option<Arc<ClientConfig>>,
}

struct Identity(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self(self.0.clone(), self.1.clone_key())
    }
}

/// Never shows the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity of {} certificates", self.0.len())
    }
}

impl TlsSettings {
    /// The defaults: the platform's authorities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whom to trust beside the authorities that are added.
    #[must_use]
    pub fn roots(mut self, roots: Roots) -> Self {
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

    /// Shows the server this certificate, with its chain, when it asks for one. All PEM.
    pub fn identity(mut self, chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        self.identity = Some(Identity(certificates(chain)?, private_key(key)?));
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

    /// Uses a configuration of rustls in place of all the above but the server's name. Its
    /// protocols (ALPN) are set by the version of HTTP.
    #[must_use]
    pub fn rustls(mut self, config: Arc<ClientConfig>) -> Self {
        self.own = Some(config);
        self
    }

    /// What the connections of a client share: its tickets make sessions resumable. A proxy
    /// is not shown the certificate that is for the server.
    pub(super) fn build(&self, for_proxies: bool) -> Result<Tls, Error> {
        let config = match &self.own {
            Some(own) => own.clone(),
            None if for_proxies => {
                let settings = Self { identity: None, ..self.clone() };
                Arc::new(settings.config(self.verifier()?)?)
            }
            None => Arc::new(self.config(self.verifier()?)?),
        };
        Ok(Tls { config, server_name: self.server_name.clone() })
    }

    /// TLS inside QUIC, for HTTP/3. Its sessions are its own.
    #[cfg(feature = "http3")]
    pub(super) fn build_quic(&self) -> Result<QuicTls, Error> {
        let (mut config, noting) = if let Some(own) = &self.own {
            (ClientConfig::clone(own), None)
        } else {
            let noting = Arc::new(Noting { inner: self.verifier()?, last: Mutex::default() });
            (self.config(noting.clone())?, Some(noting))
        };
        config.alpn_protocols = vec![fullduplex_http3::ALPN.to_vec()];
        config.resumption = rustls::client::Resumption::default();
        let config = QuicClientConfig::try_from(config);
        let config = config.map_err(|error| bad("setting up TLS for QUIC").with_source(error))?;
        Ok(QuicTls { config: Arc::new(config), noting, server_name: self.server_name.clone() })
    }

    fn verifier(&self) -> Result<Arc<dyn ServerCertVerifier>, Error> {
        let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
        let provider = Arc::new(ring::default_provider());
        Ok(if self.dangerous {
            Arc::new(AnyCertificate(provider))
        } else if self.roots == Roots::Platform {
            let verifier = Verifier::new_with_extra_roots(self.authorities.clone(), provider);
            Arc::new(verifier.map_err(failed)?)
        } else {
            let mut roots = RootCertStore::empty();
            if self.roots == Roots::WebPki {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            for authority in &self.authorities {
                roots.add(authority.clone()).map_err(failed)?;
            }
            let builder = WebPkiServerVerifier::builder_with_provider(roots.into(), provider);
            builder.build().map_err(|error| bad("whom to trust").with_source(error))?
        })
    }

    fn config(&self, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig, Error> {
        let failed = |error: RustlsError| bad("setting up TLS").with_source(error);
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        match &self.identity {
            Some(Identity(chain, key)) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(failed)
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}

/// TLS as a client does it.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl Tls {
    /// Runs the handshake with a server of this name, and offers these protocols (ALPN), of
    /// which it may choose one. The name that was set is for the client's own server.
    pub(super) async fn connect(
        &self,
        stream: NetStream,
        host: &str,
        protocols: &[&[u8]],
        is_own: bool,
    ) -> Result<(NetStream, Option<Vec<u8>>), Error> {
        let host = self.server_name.as_deref().filter(|_| is_own).unwrap_or(host);
        let name = server_name(host)?;
        // Cheap: the parts are shared, the tickets among them. What is spoken is not for a
        // configuration to choose.
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let tls = handshake.await.map_err(|error| explain(host, error))?;
        let chosen = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        Ok((NetStream::new(tls), chosen))
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned()).map_err(|error| {
        Error::new(ErrorKind::Tls, format!("{host:?} can't stand in a certificate"))
            .with_source(error)
    })
}

/// TLS as a client does it inside QUIC.
#[cfg(feature = "http3")]
#[derive(Clone)]
pub(super) struct QuicTls {
    config: Arc<QuicClientConfig>,
    noting: Option<Arc<Noting>>,
    server_name: Option<String>,
}

#[cfg(feature = "http3")]
impl fmt::Debug for QuicTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

#[cfg(feature = "http3")]
impl QuicTls {
    /// The configuration, and the name to expect of the server, as by [`Tls::connect`].
    pub(super) fn to(
        &self,
        host: &str,
        is_own: bool,
    ) -> Result<(Arc<QuicClientConfig>, String), Error> {
        let host = self.server_name.as_deref().filter(|_| is_own).unwrap_or(host);
        server_name(host)?;
        Ok((self.config.clone(), host.to_owned()))
    }

    /// A failed handshake in the words of [`Tls::connect`]; `None` if TLS is not at fault.
    pub(super) fn explain(&self, host: &str, error: &ConnectionError) -> Option<Error> {
        // RFC 9001 §4.8: 0x100 and the alert.
        let alert = |code: u64| u8::try_from(code.checked_sub(0x100)?).ok();
        match error {
            ConnectionError::TransportError(error) => {
                alert(error.code.into())?;
                let noted = self.noting.as_ref().and_then(|noting| noting.of(host));
                let why = noted.as_ref().and_then(in_words).unwrap_or_else(|| error.reason.clone());
                Some(Error::new(ErrorKind::Tls, format!("TLS with {host}: {why}")))
            }
            ConnectionError::ConnectionClosed(close) => {
                let alert = AlertDescription::from(alert(close.error_code.into())?);
                let why = in_words(&RustlsError::AlertReceived(alert)).unwrap_or_default();
                Some(Error::new(ErrorKind::Tls, format!("TLS with {host}: {why}")))
            }
            _ => None,
        }
    }
}

/// Notes what is wrong with a certificate, of which QUIC passes on no more than a text.
#[cfg(feature = "http3")]
#[derive(Debug)]
struct Noting {
    inner: Arc<dyn ServerCertVerifier>,
    last: Mutex<Option<(ServerName<'static>, RustlsError)>>,
}

#[cfg(feature = "http3")]
impl Noting {
    /// What was last wrong with the certificate of this server.
    fn of(&self, host: &str) -> Option<RustlsError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, error) = last.as_ref()?;
        (name.to_str() == host).then(|| error.clone())
    }
}

#[cfg(feature = "http3")]
impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, RustlsError> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = verified.as_ref().err().map(|error| (name.to_owned(), error.clone()));
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, RustlsError> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The certificate's problem in words.
fn explain(host: &str, error: std::io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<RustlsError>());
    let Some(inner) = inner else {
        // No fault of TLS.
        let why = format!("the transport failed inside the TLS handshake with {host}");
        return Error::new(ErrorKind::Io, why).with_source(error);
    };
    match in_words(inner) {
        Some(why) => Error::new(ErrorKind::Tls, format!("TLS with {host}: {why}")),
        None => Error::new(ErrorKind::Tls, format!("TLS with {host}")).with_source(error),
    }
}

fn in_words(error: &RustlsError) -> Option<String> {
    match error {
        RustlsError::InvalidCertificate(problem) => certificate_problem("server", problem),
        RustlsError::AlertReceived(alert) => {
            Some(format!("the server ended the TLS handshake with the alert {alert:?}"))
        }
        _ => None,
    }
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
