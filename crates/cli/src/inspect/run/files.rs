//! The temporary folder of a run: the certificates that its command trusts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fullduplex::server::tls::CertificateAuthority;

use super::trust_store;
use crate::base::pem;

/// Where systems have all authorities in one file, in PEM.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];

/// The variables whose files the new ones replace, so that their authorities stay trusted.
const FORMER_BUNDLES: [&str; 4] =
    ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"];

/// A folder that only this user can enter, removed when dropped. It has no private key.
pub(super) struct RunFiles {
    folder: PathBuf,
}

impl RunFiles {
    /// Makes the folder, and writes the authority and those of the system to files.
    pub(super) fn new(authority: &CertificateAuthority) -> io::Result<Self> {
        let files = Self { folder: new_folder()? };
        let mut all = former_authorities();
        fs::write(files.authority(), authority.pem())?;
        fs::write(files.more(), former("NODE_EXTRA_CA_CERTS") + authority.pem())?;
        all.push_str(authority.pem());
        fs::write(files.trust_store(), trust_store::pkcs12(&pem::all_der(&all)))?;
        fs::write(files.bundle(), all)?;
        Ok(files)
    }

    /// Returns the file of the authority.
    pub(super) fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// Returns the file of the authority, and of those that a user adds for Node.
    pub(super) fn more(&self) -> PathBuf {
        self.folder.join("more.pem")
    }

    /// Returns the file of all authorities.
    pub(super) fn bundle(&self) -> PathBuf {
        self.folder.join("all.pem")
    }

    /// Returns the file of all authorities for Java.
    pub(super) fn trust_store(&self) -> PathBuf {
        self.folder.join("all.p12")
    }

    /// Returns the folder of a browser's profile.
    pub(super) fn profile(&self) -> PathBuf {
        self.folder.join("profile")
    }
}

impl Drop for RunFiles {
    fn drop(&mut self) {
        // A process that outlives the command may write to it still.
        for _ in 0..10 {
            if fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists() {
                return;
            }
        }
    }
}

fn new_folder() -> io::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for number in 0..100 {
        let name = format!("fdx-run-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Returns what is trusted without the command line: the authorities of the system, and those that
/// variables name.
fn former_authorities() -> String {
    let system = SYSTEM_BUNDLES.iter().find_map(|file| read(Path::new(file)));
    if system.is_none() {
        report!(
            "fdx inspect: the authorities of the system were not found: only its own is trusted"
        );
    }
    let mut all = system.unwrap_or_default();
    for name in FORMER_BUNDLES {
        let former = former(name);
        if !all.contains(&former) {
            all.push_str(&former);
        }
    }
    all
}

/// Returns the authorities of the file that a variable names; none without one.
fn former(variable: &str) -> String {
    let file = std::env::var_os(variable).filter(|file| !file.is_empty());
    file.and_then(|file| read(Path::new(&file))).unwrap_or_default()
}

fn read(file: &Path) -> Option<String> {
    let mut text = String::from_utf8_lossy(&fs::read(file).ok()?).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Some(text)
}
