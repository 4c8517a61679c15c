//! The options of commands that listen with TLS, besides those of `fdx serve`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::tls::TlsOptions;

/// The options of TLS of those that connect.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "TLS of clients")]
#[allow(clippy::struct_field_names, reason = "they are the names of the options")]
pub(crate) struct ListenTlsArgs {
    /// Clients use TLS, with this certificate and its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Clients use TLS, with a self-signed certificate, kept in FILE for the next start
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          conflicts_with = "tls_cert")]
    #[allow(clippy::option_option, reason = "the option may be there without a value")]
    tls_self_signed: Option<Option<PathBuf>>,
}

impl ListenTlsArgs {
    /// Returns what they say, with more names of the server for a self-signed certificate.
    pub(crate) fn options<'a>(&'a self, host: &'a [String]) -> TlsOptions<'a> {
        TlsOptions {
            tls_cert: self.tls_cert.as_slice(),
            tls_key: self.tls_key.as_slice(),
            tls_self_signed: self.tls_self_signed.as_ref(),
            tls_client_ca: None,
            host,
        }
    }

    /// Returns the scheme of the URL by which clients connect.
    pub(crate) fn scheme(&self) -> &'static str {
        let has_tls = self.tls_cert.is_some() || self.tls_self_signed.is_some();
        if has_tls { "wss" } else { "ws" }
    }
}
