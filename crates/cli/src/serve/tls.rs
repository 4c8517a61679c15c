//! TLS of `fdx serve`: certificates from files, or a new self-signed one.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fullduplex::server::tls::{Certificate, CertificateWarning, PemSource, SelfSigned, ServerTls};

use super::args::Args;
use super::listen::Address;
use super::log::log_line;
use crate::client::verbose;

/// The TLS configuration, and what is printed about it.
pub(super) struct ServeTls {
    pub(super) config: ServerTls,
    pub(super) self_signed: Option<SelfSignedCertificate>,
}

/// A certificate that was created for this run.
pub(super) struct SelfSignedCertificate {
    pub(super) file: TempFile,
    /// The SHA-256 fingerprint, such as `AB:01:…`.
    pub(super) fingerprint: String,
}

impl ServeTls {
    /// Creates the configuration that the options ask for; `None` without TLS.
    pub(super) fn new(args: &Args, addresses: &[Address]) -> Result<Option<Self>, String> {
        if !args.is_secure() {
            return Ok(None);
        }
        let (certs, keys) = (args.tls_cert.len(), args.tls_key.len());
        if certs != keys {
            return Err(format!("each --tls-cert needs a --tls-key: there are {certs} and {keys}"));
        }
        let mut builder = ServerTls::builder();
        for (cert, key) in args.tls_cert.iter().zip(&args.tls_key) {
            builder = builder.certificate(Certificate::files(cert, key));
        }
        let mut self_signed = None;
        if args.tls_self_signed {
            let signed = SelfSigned::new(names(args, addresses)).map_err(|e| e.to_string())?;
            builder = builder.certificate(signed.certificate());
            let file = write_temporary(signed.pem())
                .map_err(|error| format!("writing the certificate: {error}"))?;
            self_signed =
                Some(SelfSignedCertificate { file, fingerprint: fingerprint(signed.pem()) });
        }
        if let Some(file) = &args.tls_client_ca {
            builder = builder.require_client_certificates(PemSource::file(file));
        }
        let config = builder.build().map_err(|error| error.to_string())?;
        log_warnings(config.warnings());
        Ok(Some(Self { config, self_signed }))
    }
}

/// Reloads the files, and logs the result.
pub(super) fn reload(tls: &ServerTls) {
    match tls.reload() {
        Ok(warnings) => {
            let certificates = tls.certificates().len();
            log_line!("fdx serve: reloaded certificates and keys ({certificates})");
            log_warnings(warnings);
        }
        Err(error) => {
            log_line!("fdx serve: reload failed, the old certificates stay in use: {error}");
        }
    }
}

fn log_warnings(warnings: Vec<CertificateWarning>) {
    for warning in warnings {
        log_line!("fdx serve: warning: {warning}");
    }
}

/// Returns the names and addresses for the certificate: local ones, and those of the options.
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

fn fingerprint(pem: &str) -> String {
    let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    // The library has just written it, so that it is valid.
    let der = STANDARD.decode(text).unwrap_or_default();
    verbose::fingerprint(&der)
}

/// A temporary file, removed when dropped.
pub(super) struct TempFile(pub(super) PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        // It may have been removed already.
        let _ = std::fs::remove_file(&self.0);
    }
}
