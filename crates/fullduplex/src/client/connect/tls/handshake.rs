//! The TLS handshake over TCP or a proxy's tunnel.

use std::io;
use std::sync::Arc;

use rustls::{ClientConfig, Error as RustlsError};
use tokio_rustls::TlsConnector;

use crate::base::error::Error;
use crate::base::tls_text::{cipher_suite, version};
use crate::client::connect::connected::Connected;
use crate::client::connect::progress::{ConnectEvent, ConnectEvents};
use crate::client::connect::tls::client_cert::detect_missing_cert;
use crate::client::connect::tls::config::LoadedTls;
use crate::client::connect::tls::explain::{explain, parse_server_name};
use crate::client::connect::tls::verifier::RecordingVerifier;
use crate::transport::net_stream::NetStream;
use crate::transport::tls_stream::ClosingTlsStream;

/// A TLS configuration for TCP, ready to connect.
#[derive(Clone, Debug)]
pub(crate) struct TlsContext {
    config: Arc<ClientConfig>,
    verifier: Option<Arc<RecordingVerifier>>,
    server_name: Option<String>,
}

impl TlsContext {
    pub(super) fn new(settings: &LoadedTls, is_anonymous: bool) -> Result<Self, Error> {
        let (config, verifier) = settings.build(is_anonymous)?;
        Ok(Self { config, verifier, server_name: settings.server_name.clone() })
    }

    /// Runs the handshake with a server of this name and offers it these protocols (ALPN).
    /// `ClientTls::server_name` replaces the name only for the origin server.
    pub(crate) async fn connect(
        &self,
        stream: NetStream,
        host: &str,
        protocols: &[&[u8]],
        is_origin_server: bool,
        events: &ConnectEvents,
    ) -> Result<Connected, Error> {
        let host = self.server_name.as_deref().filter(|_| is_origin_server).unwrap_or(host);
        let name = parse_server_name(host)?;
        // The clone is cheap and shares the session tickets. ALPN follows from the HTTP version,
        // not from the application's configuration.
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let (tls, missing_client_cert) = detect_missing_cert(handshake).await;
        let tls = tls.map_err(|error| {
            self.report_rejected(host, &error, events);
            missing_client_cert.explain(explain(host, error))
        })?;
        let session = tls.get_ref().1;
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        let certificates = session.peer_certificates().unwrap_or_default();
        let certificates: Vec<_> = certificates.iter().map(|der| &**der).collect();
        events.emit(&ConnectEvent::Tls {
            host,
            version: version(session),
            cipher_suite: &cipher_suite(session),
            alpn: alpn.as_deref(),
            certificates: &certificates,
        });
        Ok(Connected {
            stream: NetStream::addressed(ClosingTlsStream::new(tls)),
            alpn,
            missing_client_cert,
        })
    }

    /// Reports the server's certificates, if they are why the handshake failed.
    fn report_rejected(&self, host: &str, error: &io::Error, events: &ConnectEvents) {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref());
        let (Some(RustlsError::InvalidCertificate(_)), Some(verifier)) = (error, &self.verifier)
        else {
            return;
        };
        if events.has_listener()
            && let Some(chain) = verifier.rejected_chain(host)
        {
            let certificates: Vec<_> = chain.iter().map(|der| &**der).collect();
            events.emit(&ConnectEvent::CertificateRejected { host, certificates: &certificates });
        }
    }
}
