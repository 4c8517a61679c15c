//! The lines of `fdx connect --verbose`.

use std::time::SystemTime;

use fullduplex::WebSocket;
use fullduplex::client::ConnectEvent;
use fullduplex::server::tls::CertificateInfo;
use http::Response;
use ring::digest;

use crate::base::escape::printable;

/// Prints a step on the way to the server, and the certificate if it is the TLS handshake.
pub(crate) fn connect_event(event: &ConnectEvent<'_>) {
    report!("* {}", printable(&event.to_string()));
    if let ConnectEvent::Tls { certificates: [der, ..], .. } = event {
        report!("* {}", printable(&describe_certificate(der, SystemTime::now())));
    }
}

/// Prints what was negotiated.
pub(crate) fn negotiated(websocket: &WebSocket, response: &Response<()>) {
    let version = response.version();
    let subprotocol = printable(websocket.subprotocol().unwrap_or("none"));
    let deflate = websocket.deflate().map_or("none".into(), |deflate| deflate.to_string());
    report!("* {version:?}, subprotocol {subprotocol}, compression {deflate}");
}

/// Describes a certificate in one line.
fn describe_certificate(der: &[u8], now: SystemTime) -> String {
    let Ok(info) = CertificateInfo::of_der(der) else {
        return format!("an unreadable certificate, SHA-256 {}", fingerprint(der));
    };
    let names = match info.names.as_slice() {
        [] => "no DNS name".into(),
        names => names.join(", "),
    };
    let days = |time: std::time::Duration| time.as_secs() / 86_400;
    let validity = match (info.not_after.duration_since(now), now.duration_since(info.not_after)) {
        (Ok(left), _) => format!("valid for {} days more", days(left)),
        (_, Ok(ago)) => format!("expired {} days ago", days(ago)),
        _ => "expired".into(),
    };
    format!("certificate for {names}, {validity}, SHA-256 {}", fingerprint(der))
}

/// Returns the SHA-256 fingerprint in the usual notation, such as `AB:01:…`.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}
