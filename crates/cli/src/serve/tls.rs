//! TLS of `fdx serve`: certificates of files, or one made on the spot.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fullduplex::server::tls::{Certificate, CertificateWarning, PemSource, SelfSigned, ServerTls};

use super::args::Args;
use super::listen::Address;
use super::log::say;
use crate::verbose;

/// What encrypts, and what there is to tell of it.
pub(super) struct ServeTls {
    pub(super) config: ServerTls,
    pub(super) made: Option<SelfSignedCertificate>,
}

/// A certificate that was made on the spot.
pub(super) struct SelfSignedCertificate {
    pub(super) file: TempFile,
    /// Of SHA-256, as other programs show it.
    pub(super) fingerprint: String,
}

impl ServeTls {
    /// What the options ask for, if anything.
    pub(super) fn of(args: &Args, addresses: &[Address]) -> Result<Option<Self>, String> {
        if !args.is_secure() {
            return Ok(None);
        }
        let (certs, keys) = (args.tls_cert.len(), args.tls_key.len());
        if certs != keys {
            return Err(format!("each --tls-cert has its --tls-key, not {keys} for {certs}"));
        }
        let mut builder = ServerTls::builder();
        for (cert, key) in args.tls_cert.iter().zip(&args.tls_key) {
            builder = builder.certificate(Certificate::files(cert, key));
        }
        let mut made = None;
        if args.tls_self_signed {
            let signed = SelfSigned::new(names(args, addresses)).map_err(|e| e.to_string())?;
            builder = builder.certificate(signed.certificate());
            let file = write_temporary(signed.pem())
                .map_err(|error| format!("writing the certificate: {error}"))?;
            made = Some(SelfSignedCertificate { file, fingerprint: fingerprint(signed.pem()) });
        }
        if let Some(file) = &args.tls_client_ca {
            builder = builder.require_client_certificates(PemSource::file(file));
        }
        let config = builder.build().map_err(|error| error.to_string())?;
        tell(config.warnings());
        Ok(Some(Self { config, made }))
    }
}

/// Reads the files again, and says how it went.
pub(super) fn reload(tls: &ServerTls) {
    match tls.reload() {
        Ok(warnings) => {
            let certificates = tls.certificates().len();
            say!("fdx serve: read again: certificates and keys ({certificates})");
            tell(warnings);
        }
        Err(error) => say!("fdx serve: the certificates are kept as they are: {error}"),
    }
}

fn tell(warnings: Vec<CertificateWarning>) {
    for warning in warnings {
        say!("fdx serve: warning: {warning}");
    }
}

/// The names by which the server is reached, as far as it knows.
fn names(args: &Args, addresses: &[Address]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    for address in addresses {
        if let Address::Tcp(address) = address {
            names.push(address.ip().to_string());
        }
    }
    // Without the port.
    let host = |host: &String| match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name.to_owned(),
        _ => host.clone(),
    };
    let host = |name| host(name).trim_matches(['[', ']']).to_owned();
    names.extend(args.host.iter().map(host));
    names.sort();
    names.dedup();
    names
}

/// Where nobody else's file is, also not by a link.
fn write_temporary(pem: &str) -> io::Result<TempFile> {
    let name = |n: u32| -> PathBuf {
        std::env::temp_dir().join(format!("fdx-{}-{n}.pem", std::process::id()))
    };
    for path in (0..100).map(name) {
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let removed = TempFile(path);
                file.write_all(pem.as_bytes())?;
                return Ok(removed);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn fingerprint(pem: &str) -> String {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    // What the library has just written can be read.
    let der = STANDARD.decode(text).unwrap_or_default();
    verbose::fingerprint(&der)
}

/// A file that is removed when this is dropped.
pub(super) struct TempFile(pub(super) PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}
