//! TLS of the client: its authorities, its certificate and the log of its keys.

use std::path::PathBuf;

use fullduplex::client::ClientTls;

use super::ClientArgs;

/// Returns the TLS settings that the options describe.
pub(super) fn settings(args: &ClientArgs) -> ClientTls {
    let mut settings = ClientTls::new();
    for file in &args.ca {
        settings = settings.add_authorities_file(file);
    }
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        settings = settings.identity_files(cert, key);
    }
    if let Some(file) = key_log_file(&args.url) {
        report!(
            "fdx connect: SSLKEYLOGFILE: with {} this connection can be decrypted",
            file.display()
        );
        settings = settings.dangerous_key_log_file(file);
    }
    if args.insecure {
        report!("fdx connect: --insecure: the server's certificate is not verified");
        settings = settings.dangerous_accept_any_certificate();
    }
    settings
}

/// Returns the file that `SSLKEYLOGFILE` names, if the URL is one with TLS.
fn key_log_file(url: &str) -> Option<PathBuf> {
    let scheme = url.split(':').next().unwrap_or_default();
    let has_tls = scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https");
    let file = std::env::var_os("SSLKEYLOGFILE").filter(|file| has_tls && !file.is_empty());
    file.map(PathBuf::from)
}
