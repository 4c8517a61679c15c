//! Certificates and private keys in PEM.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::base::error::{Error, ErrorKind};

/// The longest file that is read. Those of all public authorities have less than 1 MiB.
const MAX_FILE: u64 = 16 << 20;

pub(crate) fn bad(what: &'static str) -> Error {
    Error::new(ErrorKind::Tls, what)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let why = || format!("reading {}", path.display());
    let read = || {
        let mut pem = Vec::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut pem)?;
        if pem.len() as u64 > MAX_FILE {
            return Err(io::Error::other("it is longer than 16 MiB"));
        }
        Ok(pem)
    };
    read().map_err(|error| Error::new(ErrorKind::Tls, why()).with_source(error))
}

/// Parses all certificates of a PEM text, at least one.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| bad("the certificates are not PEM").with_source(error))?;
    if all.is_empty() { Err(bad("there is no certificate in the PEM text")) } else { Ok(all) }
}

/// Parses the first private key of a PEM text: PKCS #8, PKCS #1 or SEC 1, not encrypted.
pub(crate) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| {
        let has = |words: &[u8]| pem.windows(words.len()).any(|window| window == words);
        // `BEGIN ENCRYPTED PRIVATE KEY` of PKCS #8, or `Proc-Type: 4,ENCRYPTED` of RFC 1421.
        if has(b"ENCRYPTED") {
            bad("the private key is encrypted; decrypt it first, as with `openssl pkey`")
        } else if has(b"PRIVATE KEY") {
            bad("the private key is not PEM").with_source(error)
        } else {
            bad("there is no private key in the PEM text")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn pem_file_without_an_end_is_refused() {
        use std::error::Error as _;

        let error = read(Path::new("/dev/zero")).unwrap_err();
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        assert!(source.contains("longer than 16 MiB"), "{error}: {source}");
    }

    #[test]
    fn pem_key_faults_are_named() {
        for (pem, why) in [
            ("", "no private key"),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key"),
            ("-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n", "not PEM"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n\
                 -----END ENCRYPTED PRIVATE KEY-----\n",
                "is encrypted",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                 DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                "is encrypted",
            ),
        ] {
            let error = private_key(pem.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error} for {pem}");
        }
    }
}
