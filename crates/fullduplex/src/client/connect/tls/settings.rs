//! TLS settings of a client.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::base::error::{Error, ErrorKind};
use crate::base::pem::{certificates, private_key, read};
use crate::client::connect::tls::config::{ClientIdentity, LoadedTls};
use crate::client::connect::tls::key_log::KeyLogFile;
use crate::client::connect::tls::roots::RootCertificates;

/// TLS settings of a client, for [`ClientBuilder::tls`](crate::ClientBuilder::tls).
///
/// The cryptography is that of ring, or of aws-lc-rs with the feature `aws-lc-rs`; no default
/// provider needs to be installed.
/// Sessions are kept in the memory of the [`Client`](crate::Client) and resumed.
///
/// No setting fails. [`ClientBuilder::build`](crate::ClientBuilder::build) reads the files, and its
/// error names the setting.
///
/// ```no_run
/// use fullduplex::Client;
/// use fullduplex::client::ClientTls;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let tls = ClientTls::new()
///     .add_authorities_file("internal-ca.pem")
///     .identity_files("client.pem", "client.key");
/// let client = Client::builder().tls(tls).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientTls {
    roots: RootCertificates,
    authorities: Vec<Pem>,
    identity: Option<(Pem, Pem)>,
    server_name: Option<String>,
    accept_any_certificate: bool,
    key_log: Option<PathBuf>,
    rustls_config: Option<Arc<ClientConfig>>,
}

/// PEM text, or the file that has it.
#[derive(Clone)]
enum Pem {
    Text(Vec<u8>),
    File(PathBuf),
}

/// Omits the text, which may be a private key.
impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("PEM"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Pem {
    fn read(&self) -> Result<Cow<'_, [u8]>, Error> {
        match self {
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::File(path) => read(path).map(Cow::Owned),
        }
    }

    /// Adds the file's name to an error about its content.
    fn explain(&self, error: Error) -> Error {
        match self {
            Self::Text(_) => error,
            Self::File(path) => error.with_context(&path.display().to_string()),
        }
    }

    /// Returns the name of the setting that this came by.
    fn setting(&self, text: &'static str, file: &'static str) -> &'static str {
        match self {
            Self::Text(_) => text,
            Self::File(_) => file,
        }
    }
}

impl ClientTls {
    /// Returns the default settings, which trust the platform's certificate authorities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the root certificates to trust, in addition to added authorities. Default:
    /// [`RootCertificates::Platform`].
    #[must_use]
    pub fn roots(mut self, roots: RootCertificates) -> Self {
        self.roots = roots;
        self
    }

    /// Adds the certificate authorities in this PEM text, at least one, to those trusted.
    #[must_use]
    pub fn add_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities.push(Pem::Text(pem.into()));
        self
    }

    /// Adds the certificate authorities in this PEM file, at least one, to those trusted.
    #[must_use]
    pub fn add_authorities_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.authorities.push(Pem::File(path.into()));
        self
    }

    /// Sets the client certificate: its chain and private key in PEM.
    ///
    /// It is sent to a server that requests one, but neither to proxies nor to another origin
    /// after a redirection.
    #[must_use]
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((Pem::Text(chain.into()), Pem::Text(key.into())));
        self
    }

    /// Sets the client certificate from PEM files; see [`identity`](Self::identity).
    #[must_use]
    pub fn identity_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some((Pem::File(chain.into()), Pem::File(key.into())));
        self
    }

    /// Sets the name to request (SNI) and to expect in the server's certificate. Default: the
    /// URL's host.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// **Dangerous:** accepts any server certificate. Anyone on the network path can read and
    /// change everything. For tests only.
    #[must_use]
    pub fn dangerous_accept_any_certificate(mut self) -> Self {
        self.accept_any_certificate = true;
        self
    }

    /// **Dangerous:** appends the secrets of each connection to this file in NSS key log format.
    ///
    /// With the file, tools such as Wireshark can decrypt recorded connections. For debugging
    /// only. The environment variable `SSLKEYLOGFILE` is not read.
    #[must_use]
    pub fn dangerous_key_log_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_log = Some(path.into());
        self
    }

    /// Sets a rustls configuration, which replaces all other settings except
    /// [`server_name`](Self::server_name).
    ///
    /// Its ALPN protocols are replaced by those of the HTTP version. Its client certificate is
    /// only sent to the origin server, as with [`identity`](Self::identity).
    #[must_use]
    pub fn rustls(mut self, config: Arc<ClientConfig>) -> Self {
        self.rustls_config = Some(config);
        self
    }

    /// Reads the files and checks the settings. The error names the setting.
    pub(crate) fn load(self) -> Result<LoadedTls, Error> {
        let mut authorities = Vec::new();
        for pem in &self.authorities {
            let name = pem.setting("add_authorities", "add_authorities_file");
            let parsed =
                pem.read().and_then(|text| certificates(&text).map_err(|e| pem.explain(e)));
            authorities.extend(parsed.map_err(|error| error.with_context(name))?);
        }
        let identity = self.identity.as_ref().map(|(chain, key)| {
            let name = chain.setting("identity", "identity_files");
            load_identity(chain, key).map_err(|error| error.with_context(name))
        });
        let key_log = self.key_log.as_deref().map(|path| {
            open_key_log(path).map_err(|error| error.with_context("dangerous_key_log_file"))
        });
        Ok(LoadedTls {
            roots: self.roots,
            authorities,
            identity: identity.transpose()?,
            server_name: self.server_name,
            accept_any_certificate: self.accept_any_certificate,
            key_log: key_log.transpose()?,
            rustls_config: self.rustls_config,
        })
    }
}

fn load_identity(chain: &Pem, key: &Pem) -> Result<ClientIdentity, Error> {
    let (chain_text, key_text) = (chain.read()?, key.read()?);
    let certificates = certificates(&chain_text).map_err(|error| chain.explain(error))?;
    let private_key = private_key(&key_text).map_err(|error| key.explain(error))?;
    ClientIdentity::new(certificates, private_key)
}

fn open_key_log(path: &Path) -> Result<Arc<KeyLogFile>, Error> {
    let file = KeyLogFile::open(path).map_err(|error| {
        let message = format!("opening the key log file {}", path.display());
        Error::new(ErrorKind::Tls, message).with_source(error)
    })?;
    Ok(Arc::new(file))
}
