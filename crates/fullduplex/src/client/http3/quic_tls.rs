//! TLS inside QUIC.

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
use crate::client::connect::tls::explain::{alert_error, in_words, server_name};
use crate::client::connect::tls::{ClientTls, RecordingVerifier};

/// TLS as a client does it inside QUIC.
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
    pub(crate) fn new(settings: &ClientTls, is_anonymous: bool) -> Result<Self, Error> {
        let (config, verifier) = settings.build(is_anonymous)?;
        let mut config = ClientConfig::clone(&config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A session over TCP is none over QUIC.
        config.resumption = Resumption::default();
        let config = Arc::new(config);
        // quinn panics where a connection can't begin with it: without TLS 1.3 (RFC 9001 §4.2).
        let name = ServerName::try_from("example.com").map_err(|_| bad("a name"))?;
        let begun = rustls::quic::ClientConnection::new(config.clone(), Version::V1, name, vec![]);
        begun.map_err(|error| bad("setting up TLS for QUIC").with_source(error))?;
        let config = QuicClientConfig::try_from(config);
        let config = config.map_err(|error| bad("setting up TLS for QUIC").with_source(error))?;
        let server_name = settings.server_name.clone();
        Ok(Self { config: Arc::new(config), verifier, server_name })
    }

    /// The configuration, and the name to expect of the server, as over TCP.
    pub(crate) fn to(
        &self,
        host: &str,
        is_own: bool,
    ) -> Result<(Arc<QuicClientConfig>, String), Error> {
        let host = self.server_name.as_deref().filter(|_| is_own).unwrap_or(host);
        server_name(host)?;
        Ok((self.config.clone(), without_zone(host).to_owned()))
    }

    /// A failed handshake in the words of that over TCP; `None` if TLS is not at fault.
    pub(crate) fn explain(&self, host: &str, error: &ConnectionError) -> Option<Error> {
        match error {
            ConnectionError::TransportError(error) => {
                let alert = alert(error.code.into())?;
                let noted = self.verifier.as_ref().and_then(|verifier| verifier.last_error(host));
                let why = match &noted {
                    Some(noted) => {
                        in_words(noted).unwrap_or_else(|| crate::base::tls_text::in_words(noted))
                    }
                    None => format!("this end ended it with the alert {}", alert_name(alert)),
                };
                Some(Error::new(ErrorKind::Tls, format!("TLS with {host}: {why}")))
            }
            ConnectionError::ConnectionClosed(close) => {
                let alert = alert(close.error_code.into())?;
                Some(alert_error(&format!("TLS with {host}"), alert))
            }
            _ => None,
        }
    }
}

/// RFC 9001 §4.8: 0x100 and the alert.
fn alert(code: u64) -> Option<AlertDescription> {
    u8::try_from(code.checked_sub(0x100)?).ok().map(AlertDescription::from)
}

/// The alert that ended a connection, after the handshake; as when the server does not take
/// the client's certificate, at which it looks when the client has already gone on.
pub(crate) fn late_alert(error: &ConnectionError) -> Option<Error> {
    let ConnectionError::ConnectionClosed(close) = error else { return None };
    Some(alert_error("TLS", alert(close.error_code.into())?))
}
