//! TLS settings that are not valid are reported by `build`, by their names.

use fullduplex::ErrorKind;
use fullduplex::client::ClientTls;

use crate::common::direct;
use crate::common::tls::LOCALHOST;

#[test]
fn client_tls_faults_name_the_setting() {
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other_key = other.signing_key.serialize_pem();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let tls = ClientTls::new;
    for (tls, setting, words) in [
        (tls().add_authorities("no PEM"), "add_authorities", "no certificate"),
        (tls().add_authorities_file("/nothing.pem"), "add_authorities_file", "/nothing.pem"),
        (tls().add_authorities_file(own), "add_authorities_file", "Cargo.toml: there is no"),
        (tls().identity(LOCALHOST, "no PEM"), "identity", "no private key"),
        (tls().identity(LOCALHOST, other_key), "identity", "does not match"),
        (tls().identity_files(own, "/nothing.key"), "identity_files", "/nothing.key"),
        (tls().identity_files(own, own), "identity_files", "Cargo.toml: there is no"),
        (tls().dangerous_key_log_file("/nothing/keys"), "dangerous_key_log_file", "/nothing/keys"),
    ] {
        let shown = format!("{tls:?}");
        assert!(!shown.contains("PRIVATE KEY"), "{shown}");
        // The first of several faults is reported.
        let error = direct().tls(tls.clone()).origin("\n").build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Tls, "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("{setting}: ")) && text.contains(words), "{text}");
        let error = direct().origin("\n").tls(tls).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misuse, "{error}");
    }
    let good = tls().add_authorities(LOCALHOST).identity(LOCALHOST, LOCALHOST);
    direct().tls(good).build().unwrap();
}
