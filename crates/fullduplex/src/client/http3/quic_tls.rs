//! TLS configuration and errors of QUIC.

use std::fmt;
use std::sync::Arc;

use fullduplex_http3::ALPN;
use fullduplex_http3::quinn::ConnectionError;
use fullduplex_http3::quinn::crypto::rustls::QuicClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::quic::Version;
use rustls::{AlertDescription, ClientConfig};

use crate::base::error::{Error, ErrorKind};
use crate::base::pem::bad;
use crate::base::tls_text::alert_name;
use crate::base::uri::without_zone;
use crate::client::connect::tls::explain::{alert_error, in_words, parse_server_name};
use crate::client::connect::tls::{LoadedTls, RecordingVerifier};

/// A TLS configuration for QUIC, ready to connect.
#[derive(Clone)]
pub(crate) struct QuicTls {
    config: Arc<QuicClientConfig>,
    verifier: Option<Arc<RecordingVerifier>>,
    server_name: Option<String>,
}

impl fmt::Debug for QuicTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuicTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl QuicTls {
    pub(crate) fn new(settings: &LoadedTls, is_anonymous: bool) -> Result<Self, Error> {
        let (config, verifier) = settings.build(is_anonymous)?;
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Sessions of TCP connections can't be resumed over QUIC.
        config.resumption = Resumption::default();
        let config = Arc::new(config);
        // quinn panics if a connection can't start with the configuration, such as one without
        // TLS 1.3 (RFC 9001 §4.2). Start one here to get the error.
        let name = ServerName::try_from("example.com").map_err(|_| bad("a name"))?;
        let test = rustls::quic::ClientConnection::new(config.clone(), Version::V1, name, vec![]);
        test.map_err(|error| bad("setting up TLS for QUIC").with_source(error))?;
        let config = QuicClientConfig::try_from(config);
        let config = config.map_err(|error| bad("setting up TLS for QUIC").with_source(error))?;
        let server_name = settings.server_name.clone();
        Ok(Self { config: Arc::new(config), verifier, server_name })
    }

    /// Returns the configuration for a host, and the name to expect in its certificate.
    pub(crate) fn config_for(
        &self,
        host: &str,
        is_origin_server: bool,
    ) -> Result<(Arc<QuicClientConfig>, String), Error> {
        let host = self.server_name.as_deref().filter(|_| is_origin_server).unwrap_or(host);
        parse_server_name(host)?;
        Ok((self.config.clone(), without_zone(host).to_owned()))
    }

    /// Returns the TLS error of a failed handshake, worded as over TCP. Returns `None` if the error
    /// is not one of TLS.
    pub(crate) fn explain(&self, host: &str, error: &ConnectionError) -> Option<Error> {
        match error {
            ConnectionError::TransportError(error) => {
                let alert = alert(error.code.into())?;
                let last = self.verifier.as_ref().and_then(|verifier| verifier.last_error(host));
                let message = match &last {
                    Some(error) => {
                        in_words(error).unwrap_or_else(|| crate::base::tls_text::describe(error))
                    }
                    None => format!("the client ended it with the alert {}", alert_name(alert)),
                };
                Some(Error::new(ErrorKind::Tls, format!("TLS with {host}: {message}")))
            }
            ConnectionError::ConnectionClosed(close) => {
                let alert = alert(close.error_code.into())?;
                Some(alert_error(&format!("TLS with {host}"), alert))
            }
            _ => None,
        }
    }
}

/// Returns the alert of a QUIC error code, which is 0x100 plus the alert (RFC 9001 §4.8).
fn alert(code: u64) -> Option<AlertDescription> {
    u8::try_from(code.checked_sub(0x100)?).ok().map(AlertDescription::from)
}

/// Returns the error of a connection that an alert ended after the client's handshake. The server
/// verifies the client's certificate only then.
pub(crate) fn late_alert(error: &ConnectionError) -> Option<Error> {
    let ConnectionError::ConnectionClosed(close) = error else { return None };
    Some(alert_error("TLS", alert(close.error_code.into())?))
}
