//! The lines of `fdx connect --verbose`.

use std::time::{Duration, SystemTime};

use fullduplex::WebSocket;
use fullduplex::client::{ConnectEvent, HeadField};
use fullduplex::server::tls::CertificateInfo;
use http::Response;
use ring::digest;

use crate::base::escape::printable;
use crate::base::redact::{redact_target, shown_value};

/// Fields of a request whose values are shown, although the command line may have given them.
const SHOWN: [&str; 9] = [
    "accept",
    "accept-language",
    "cache-control",
    "origin",
    "pragma",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "user-agent",
];

/// Prints a step on the way to the server with the time since the start, a head as curl does, or a
/// certificate.
pub(crate) fn connect_event(event: &ConnectEvent<'_>, after: Duration) {
    let milliseconds = after.as_secs_f64() * 1000.0;
    match event {
        ConnectEvent::Request(head) | ConnectEvent::ProxyRequest(head) => {
            let target = redact_target(head.target);
            let first = format!("{} {target} {:?}", head.method, head.version);
            print_head('>', &first, head.fields);
        }
        ConnectEvent::Response(head) | ConnectEvent::ProxyResponse(head) => {
            report!("* answered ({milliseconds:.1} ms)");
            print_head('<', &head.to_string(), head.fields);
        }
        event => report!("* {} ({milliseconds:.1} ms)", printable(&event.to_string())),
    }
    if let ConnectEvent::Tls { certificates: [der, ..], .. }
    | ConnectEvent::CertificateRejected { certificates: [der, ..], .. } = event
    {
        report!("* {}", printable(&describe_certificate(der, SystemTime::now())));
    }
}

/// Prints the lines of a head, without the values of secrets.
fn print_head(mark: char, first: &str, fields: &[HeadField<'_>]) {
    report!("{mark} {}", printable(first));
    for field in fields {
        let is_shown = SHOWN.iter().any(|name| field.name.eq_ignore_ascii_case(name));
        let value = shown_value(field.name, field.value, field.is_sensitive && !is_shown);
        report!("{mark} {}: {value}", printable(field.name));
    }
    report!("{mark}");
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
    let days = |time: Duration| time.as_secs() / 86_400;
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
