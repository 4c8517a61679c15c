//! A self-signed certificate: in a temporary file for one run, or kept for the next.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use fullduplex::server::tls::{Certificate, CertificateInfo, SelfSigned};

use crate::base::files::{read_settings, text, write_private};
use crate::base::pem::der;
use crate::client::verbose;

/// The time that a kept certificate must still be valid, or a new one is made.
const MIN_VALIDITY: Duration = Duration::from_secs(7 * 86_400);

/// A self-signed certificate, and where clients find it.
pub(crate) struct SelfSignedCertificate {
    /// The file, in PEM.
    pub(crate) file: PathBuf,
    /// The SHA-256 fingerprint, such as `AB:01:…`.
    pub(crate) fingerprint: String,
    _temporary: Option<TempFile>,
}

impl SelfSignedCertificate {
    /// Makes one for this run.
    pub(super) fn temporary(names: Vec<String>) -> Result<(Certificate, Self), String> {
        let signed = SelfSigned::new(names).map_err(|error| error.to_string())?;
        let temporary = write_temporary(signed.pem())
            .map_err(|error| format!("writing the certificate: {error}"))?;
        let made = Self {
            file: temporary.0.clone(),
            fingerprint: verbose::fingerprint(&der(signed.pem())),
            _temporary: Some(temporary),
        };
        Ok((signed.certificate(), made))
    }
}

/// The files of a certificate that is used at each start.
pub(super) struct KeptFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl KeptFiles {
    /// Keeps the certificate in this file, and its key beside it, in one that ends in `.key`.
    pub(super) fn new(certificate: &Path) -> Self {
        Self { certificate: certificate.to_owned(), key: certificate.with_extension("key") }
    }

    /// Returns the certificate, a new one if there is none or it is valid for less than a week.
    pub(super) fn certificate(
        self,
        names: Vec<String>,
    ) -> Result<(Certificate, SelfSignedCertificate), String> {
        if self.key == self.certificate {
            let file = self.certificate.display();
            return Err(format!("--tls-self-signed {file}: its key would have the same name"));
        }
        let kept = match read_settings(&self.certificate).and_then(text) {
            Ok(pem) => Some(pem).filter(|pem| is_valid_for_long(pem)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&self.certificate, &error)),
        };
        let pem = match kept {
            Some(pem) => pem,
            None => self.make(names)?,
        };
        let made = SelfSignedCertificate {
            file: self.certificate.clone(),
            fingerprint: verbose::fingerprint(&der(&pem)),
            _temporary: None,
        };
        Ok((Certificate::files(self.certificate, self.key), made))
    }

    fn make(&self, names: Vec<String>) -> Result<String, String> {
        let signed = SelfSigned::new(names).map_err(|error| error.to_string())?;
        write_private(&self.key, signed.key_pem()).map_err(|error| failed(&self.key, &error))?;
        fs::write(&self.certificate, signed.pem())
            .map_err(|error| failed(&self.certificate, &error))?;
        Ok(signed.pem().to_owned())
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    format!("--tls-self-signed {}: {error}", path.display())
}

fn is_valid_for_long(pem: &str) -> bool {
    let until = CertificateInfo::of_der(&der(pem)).map(|info| info.not_after);
    until.is_ok_and(|until| until > SystemTime::now() + MIN_VALIDITY)
}

/// Writes a new temporary file; never into an existing one or through a link.
fn write_temporary(pem: &str) -> io::Result<TempFile> {
    let name = |n: u32| -> PathBuf {
        std::env::temp_dir().join(format!("fdx-{}-{n}.pem", std::process::id()))
    };
    for path in (0..100).map(name) {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let temporary = TempFile(path);
                file.write_all(pem.as_bytes())?;
                return Ok(temporary);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A temporary file, removed when dropped.
struct TempFile(PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        // It may have been removed already.
        let _ = fs::remove_file(&self.0);
    }
}
