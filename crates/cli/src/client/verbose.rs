//! The lines of `--verbose`.

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
    for line in connect_event_lines(event, after) {
        report!("{line}");
    }
}

/// Returns the lines of a step on the way to the server, safe to print.
pub(crate) fn connect_event_lines(event: &ConnectEvent<'_>, after: Duration) -> Vec<String> {
    let milliseconds = after.as_secs_f64() * 1000.0;
    let mut lines = match event {
        ConnectEvent::Request(head) | ConnectEvent::ProxyRequest(head) => {
            let target = redact_target(head.target);
            let first = format!("{} {target} {:?}", head.method, head.version);
            head_lines('>', &first, head.fields)
        }
        ConnectEvent::Response(head) | ConnectEvent::ProxyResponse(head) => {
            let mut lines = head_lines('<', &head.to_string(), head.fields);
            lines.insert(0, format!("* answered ({milliseconds:.1} ms)"));
            lines
        }
        event => vec![format!("* {} ({milliseconds:.1} ms)", printable(&event.to_string()))],
    };
    if let ConnectEvent::Tls { certificates: [der, ..], .. }
    | ConnectEvent::CertificateRejected { certificates: [der, ..], .. } = event
    {
        lines.push(format!("* {}", printable(&describe_certificate(der, SystemTime::now()))));
    }
    lines
}

/// Returns the lines of a head, without the values of secrets.
fn head_lines(mark: char, first: &str, fields: &[HeadField<'_>]) -> Vec<String> {
    let mut lines = vec![format!("{mark} {}", printable(first))];
    lines.extend(fields.iter().map(|field| {
        let is_shown = SHOWN.iter().any(|name| field.name.eq_ignore_ascii_case(name));
        let value = shown_value(field.name, field.value, field.is_sensitive && !is_shown);
        format!("{mark} {}: {value}", printable(field.name))
    }));
    lines.push(mark.to_string());
    lines
}

/// Prints what was negotiated.
pub(crate) fn negotiated(websocket: &WebSocket, response: &Response<()>) {
    report!("{}", negotiated_line(websocket, response));
}

/// Returns the line of what was negotiated, safe to print.
pub(crate) fn negotiated_line(websocket: &WebSocket, response: &Response<()>) -> String {
    let version = response.version();
    let subprotocol = printable(websocket.subprotocol().unwrap_or("none"));
    let deflate = websocket.deflate().map_or("none".into(), |deflate| deflate.to_string());
    format!("* {version:?}, subprotocol {subprotocol}, compression {deflate}")
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
