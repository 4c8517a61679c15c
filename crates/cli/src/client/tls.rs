//! TLS of the client: its authorities, its certificate and the log of its keys.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use fullduplex::client::ClientTls;

use super::url;

/// The options of TLS.
#[derive(Debug, ClapArgs)]
pub(crate) struct TlsArgs {
    /// Trust the authorities in this PEM file too (repeatable)
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    ca: Vec<PathBuf>,
    /// Send this client certificate, with its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<PathBuf>,
    /// Accept any certificate: an attacker on the network can read and change everything
    #[arg(long, short = 'k', help_heading = "TLS")]
    insecure: bool,
}

impl TlsArgs {
    /// Returns the TLS settings that the options describe. Says what they risk, unless `is_quiet`.
    pub(crate) fn settings(&self, url: &str, is_quiet: bool) -> ClientTls {
        let mut settings = ClientTls::new();
        for file in &self.ca {
            settings = settings.add_authorities_file(file);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            settings = settings.identity_files(cert, key);
        }
        if let Some(file) = key_log_file(url) {
            if !is_quiet {
                let file = file.display();
                report!("fdx: SSLKEYLOGFILE: with {file} this connection can be decrypted");
            }
            settings = settings.dangerous_key_log_file(file);
        }
        if self.insecure {
            if !is_quiet {
                report!("fdx: --insecure: the server's certificate is not verified");
            }
            settings = settings.dangerous_accept_any_certificate();
        }
        settings
    }
}

/// Returns the file that `SSLKEYLOGFILE` names, if the URL is one with TLS.
fn key_log_file(url: &str) -> Option<PathBuf> {
    let file = std::env::var_os("SSLKEYLOGFILE");
    file.filter(|file| url::has_tls(url) && !file.is_empty()).map(PathBuf::from)
}
