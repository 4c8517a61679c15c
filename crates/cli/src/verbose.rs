//! What `fdx connect --verbose` tells.

use std::time::SystemTime;

use fullduplex::WebSocket;
use fullduplex::client::ConnectEvent;
use fullduplex::server::tls::CertificateInfo;
use http::Response;
use ring::digest;

use crate::escape::printable;

/// Tells a step on the way to the server.
pub(crate) fn step(step: &ConnectEvent<'_>) {
    tell!("* {}", printable(&step.to_string()));
    if let ConnectEvent::Tls { certificate: Some(der), .. } = step {
        tell!("* {}", printable(&certificate(der, SystemTime::now())));
    }
}

/// Tells what was agreed on.
pub(crate) fn agreed(websocket: &WebSocket, response: &Response<()>) {
    let version = response.version();
    let protocol = printable(websocket.subprotocol().unwrap_or("none"));
    let deflate = websocket.deflate().map_or("none".into(), |deflate| deflate.to_string());
    tell!("* {version:?}, subprotocol {protocol}, compression {deflate}");
}

/// A certificate in a line.
fn certificate(der: &[u8], now: SystemTime) -> String {
    let Ok(info) = CertificateInfo::of_der(der) else {
        return format!("a certificate that can't be read, SHA-256 {}", fingerprint(der));
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

/// Of SHA-256, as other programs show it.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, der);
    let bytes: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}
