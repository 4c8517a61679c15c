//! The TLS handshake over TCP, or over what a proxy carries.

use std::sync::Arc;

use rustls::ClientConfig;
use tokio_rustls::TlsConnector;

use crate::base::error::Error;
use crate::base::tls_text::{cipher_suite, version};
use crate::client::connect::connected::Connected;
use crate::client::connect::progress::{ConnectEvent, ConnectEvents};
use crate::client::connect::tls::client_cert::noticing;
use crate::client::connect::tls::explain::{explain, server_name};
use crate::client::connect::tls::settings::ClientTls;
use crate::transport::net_stream::NetStream;
use crate::transport::tls_stream::ClosingTlsStream;

/// TLS as a client does it.
#[derive(Clone, Debug)]
pub(crate) struct TlsContext {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl TlsContext {
    pub(super) fn new(settings: &ClientTls, is_anonymous: bool) -> Result<Self, Error> {
        let (config, _) = settings.build(is_anonymous)?;
        Ok(Self { config, server_name: settings.server_name.clone() })
    }

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
