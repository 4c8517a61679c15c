//! Tools of the tests of TLS.

mod certificates;
mod handshakes;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, PKCS_ED25519,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, SignatureScheme, quic};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;
use crate::server::policy::tls_info::TlsInfo;
use crate::transport::net_stream::NetStream;

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// PEM of a certificate and its key.
#[derive(Clone)]
struct Made {
    chain: String,
    key: String,
}

impl Made {
    fn certificate(&self) -> Certificate {
        Certificate::new(PemSource::text(self.chain.clone()), PemSource::text(self.key.clone()))
    }

    fn write(&self, chain: &Path, key: &Path) {
        std::fs::write(chain, &self.chain).unwrap();
        std::fs::write(key, &self.key).unwrap();
    }
}

impl Authority {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // The name makes it distinct from other authorities.
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, names: &[&str]) -> Made {
        self.sign_with(names, &KeyPair::generate().unwrap(), |_| {})
    }

    fn sign_with(
        &self,
        names: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Made {
        let names = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let chain = params.signed_by(key, &self.0).unwrap().pem();
        Made { chain, key: key.serialize_pem() }
    }

    fn sign_client(&self) -> Made {
        self.sign_with(&["me.example"], &KeyPair::generate().unwrap(), |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })
    }
}

/// A client that trusts an authority.
fn client(authority: &Authority, identity: Option<&Made>, alpn: &[&[u8]]) -> ClientConfig {
    client_of(authority, identity, alpn, VERSIONS)
}

fn client_of(
    authority: &Authority,
    identity: Option<&Made>,
    alpn: &[&[u8]],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(crypto::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = builder.with_root_certificates(roots(authority.pem().as_bytes()).unwrap());
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Made { chain, key }) => {
            let key = crate::base::pem::private_key(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(certificates(chain.as_bytes()).unwrap(), key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    config
}

type Accepted = (NetStream, TlsInfo);
type Connected = tokio_rustls::client::TlsStream<DuplexStream>;

/// Returns both ends of a connection. The client's end waits for a byte of the server, as with
/// TLS 1.3 only that shows the client that the server accepted it.
async fn meet(
    server: &ServerTls,
    client: impl Into<Arc<ClientConfig>>,
    name: &str,
) -> (Result<Accepted, Error>, Result<(Connected, Vec<String>), std::io::Error>) {
    let (near, far) = duplex(64 << 10);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connecting = async {
        let mut stream = TlsConnector::from(client.into()).connect(name, far).await?;
        stream.read_u8().await?;
        let der = &stream.get_ref().1.peer_certificates().unwrap()[0];
        let names = webpki::EndEntityCert::try_from(der).unwrap();
        let names = names.valid_dns_names().map(str::to_owned).collect();
        Ok((stream, names))
    };
    let accepting = async {
        let (mut stream, info) = server.accept(NetStream::new(near)).await?;
        stream.write_u8(1).await.unwrap();
        stream.flush().await.unwrap();
        Ok((stream, info))
    };
    tokio::join!(accepting, connecting)
}

/// Returns the message of the server's error.
async fn refused(server: &ServerTls, client: ClientConfig, name: &str) -> String {
    let error = meet(server, client, name).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
    error.to_string()
}

fn serving(certificates: &[&Made]) -> ServerTls {
    let add = |builder: ServerTlsBuilder, made: &&Made| builder.certificate(made.certificate());
    certificates.iter().fold(ServerTls::builder(), add).build().unwrap()
}

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("fullduplex-tls-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
