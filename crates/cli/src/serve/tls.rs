//! TLS of `fdx serve`: certificates from files, or a self-signed one.

use std::path::{Path, PathBuf};

use fullduplex::server::tls::{Certificate, CertificateWarning, PemSource, ServerTls};

use super::listen::{Address, own_addresses};
use super::log::log_line;
use super::self_signed::{KeptFiles, SelfSignedCertificate};

/// The TLS configuration, and what is printed about it.
pub(crate) struct ServeTls {
    pub(crate) config: ServerTls,
    pub(crate) self_signed: Option<SelfSignedCertificate>,
}

/// The options of TLS of a command that serves.
#[derive(Clone, Copy)]
pub(crate) struct TlsOptions<'a> {
    pub(crate) tls_cert: &'a [PathBuf],
    pub(crate) tls_key: &'a [PathBuf],
    pub(crate) tls_self_signed: Option<&'a Option<PathBuf>>,
    pub(crate) tls_client_ca: Option<&'a Path>,
    /// More names for a self-signed certificate.
    pub(crate) host: &'a [String],
}

impl ServeTls {
    /// Creates the configuration that the options ask for; `None` without TLS.
    pub(crate) fn new(args: TlsOptions<'_>, addresses: &[Address]) -> Result<Option<Self>, String> {
        if args.tls_cert.is_empty() && args.tls_self_signed.is_none() {
            return Ok(None);
        }
        let (certs, keys) = (args.tls_cert.len(), args.tls_key.len());
        if certs != keys {
            return Err(format!("each --tls-cert needs a --tls-key: there are {certs} and {keys}"));
        }
        let mut builder = ServerTls::builder();
        for (cert, key) in args.tls_cert.iter().zip(args.tls_key) {
            builder = builder.certificate(Certificate::files(cert, key));
        }
        let mut self_signed = None;
        if let Some(file) = args.tls_self_signed {
            let names = names(args.host, addresses);
            let (certificate, made) = match file {
                None => SelfSignedCertificate::temporary(names)?,
                Some(file) => KeptFiles::new(Path::new(file)).certificate(names)?,
            };
            builder = builder.certificate(certificate);
            self_signed = Some(made);
        }
        if let Some(file) = args.tls_client_ca {
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

/// Returns the names and addresses for the certificate: local ones, those of the options, and for
/// a server that others can reach those of this machine.
fn names(hosts: &[String], addresses: &[Address]) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    for address in addresses {
        names.extend(address.reachable().iter().map(|address| address.ip().to_string()));
    }
    if !addresses.iter().all(Address::is_local) {
        names.extend(own_addresses(true).iter().map(ToString::to_string));
        if let Some(name) = host_name() {
            if !name.contains('.') {
                // By multicast DNS.
                names.push(format!("{name}.local"));
            }
            names.push(name);
        }
    }
    // Without the port.
    let host = |host: &String| match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name.to_owned(),
        _ => host.clone(),
    };
    let host = |name| host(name).trim_matches(['[', ']']).to_owned();
    names.extend(hosts.iter().map(host));
    names.sort();
    names.dedup();
    names
}

/// Returns the name of this machine, if it is one that a certificate can have.
pub(crate) fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| {
        let output = std::process::Command::new("hostname").output()?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&output.stdout).into_owned())
    });
    let name = name.ok()?.trim().to_ascii_lowercase();
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    (!name.is_empty() && name.bytes().all(is_valid)).then_some(name)
}
