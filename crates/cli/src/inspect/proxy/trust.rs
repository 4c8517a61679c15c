//! How programs and systems are made to trust the authority.

use std::fmt::Write as _;
use std::path::Path;

/// Programs and systems, each with the command or the steps by which it trusts an authority. `{}`
/// is replaced by the path of the certificate.
const PLACES: [(&str, &str); 13] = [
    ("curl", "curl --cacert {} …"),
    ("Node", "NODE_EXTRA_CA_CERTS={} node …"),
    ("Deno", "deno run --cert {} …"),
    ("Python requests", "REQUESTS_CA_BUNDLE={} python …"),
    ("Python ssl", "SSL_CERT_FILE={} python …"),
    ("Java", "keytool -importcert -cacerts -storepass changeit -alias fdx-inspect -file {}"),
    (
        "Firefox",
        "Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import",
    ),
    (
        "Chromium on Linux",
        "certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n fdx-inspect -i {} (of libnss3-tools)",
    ),
    (
        "Debian, Ubuntu",
        "sudo cp {} /usr/local/share/ca-certificates/fdx-inspect.crt && \
         sudo update-ca-certificates",
    ),
    (
        "Fedora",
        "sudo cp {} /etc/pki/ca-trust/source/anchors/fdx-inspect.pem && sudo update-ca-trust",
    ),
    (
        "macOS",
        "security add-trusted-cert -k ~/Library/Keychains/login.keychain-db {} (Safari, Chrome)",
    ),
    ("Windows", "certutil -user -addstore Root {} (Edge, Chrome)"),
    ("fdx", "fdx connect --ca {} …"),
];

/// Returns the lines that say how to trust a certificate.
pub(super) fn instructions(certificate: &Path) -> String {
    let file = certificate.display().to_string();
    let file = if file.contains(' ') { format!("'{file}'") } else { file };
    let mut text =
        "To trust it in one program, with SSL_CERT_FILE and REQUESTS_CA_BUNDLE in place of \
                    all others,\nor in a system:\n"
            .to_owned();
    for (place, how) in PLACES {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {place:<18} {}", how.replace("{}", &file));
    }
    text + "Remove it there when you no longer need it.\n"
}
