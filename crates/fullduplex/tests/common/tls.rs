//! TLS with a certificate of the tests' own: servers, and clients that trust it.

use std::sync::Arc;

use fullduplex::client::{ClientTls, RootCertificates};
use fullduplex::server::tls::{Certificate, PemSource, ServerTls};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion, crypto,
};
use tokio_rustls::TlsAcceptor;

/// A self-signed certificate for localhost and its key, of no other use.
pub const LOCALHOST: &[u8] = include_bytes!("localhost.pem");

/// Versions of TLS.
pub type Versions<'a> = &'a [&'static SupportedProtocolVersion];

/// Our server as localhost.
pub fn localhost() -> ServerTls {
    let pem = || PemSource::text(LOCALHOST);
    ServerTls::builder().certificate(Certificate::new(pem(), pem())).build().unwrap()
}

/// Our client, which trusts these authorities alone.
pub fn trusting(authorities: &[u8]) -> ClientTls {
    ClientTls::new().roots(RootCertificates::None).add_authorities(authorities)
}

/// A server of rustls as localhost that offers these protocols (ALPN).
pub fn acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(LOCALHOST).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(LOCALHOST).unwrap();
    let mut config = server(chain, key, rustls::DEFAULT_VERSIONS);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config).into()
}

/// A server of rustls.
pub fn server(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    versions: Versions<'_>,
) -> ServerConfig {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).unwrap().with_no_client_auth();
    builder.with_single_cert(chain, key).unwrap()
}

/// A client of rustls that trusts this authority alone.
pub fn client(
    authority: &[u8],
    versions: Versions<'_>,
) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority).unwrap()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    builder.with_protocol_versions(versions).unwrap().with_root_certificates(roots)
}
