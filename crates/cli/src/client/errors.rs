//! The text of errors of the client, in terms of the command line, and what to do about them.

use std::time::Duration;

use fullduplex::{Error, ErrorKind};
use http::StatusCode;

use super::ConnectOutcome;
use super::html::text_lines;
use super::setting_names::option_names;
use crate::base::escape::printable;
use crate::base::redact::redact_url;
use crate::causes::observation::{Observation, Step, redact_error};
use crate::causes::{self, Cause};

/// The most bytes that are shown of what is not HTTP.
const MAX_FIRST_BYTES: usize = 64;

/// Fields of a response that say who answered, or what it wants.
const TELLING: [&str; 9] = [
    "server",
    "via",
    "cf-ray",
    "cf-mitigated",
    "x-amzn-errortype",
    "x-cache",
    "x-squid-error",
    "sec-websocket-version",
    "upgrade",
];

/// Returns the text of an error without secrets, and with the options of the command line in place
/// of settings.
pub(crate) fn with_option_names(error: &Error) -> String {
    option_names(&redact_error(error))
}

/// Prints why connecting to the URL failed and what to do about it, and returns the exit code.
/// `command` is the name of the command, such as `fdx connect`.
pub(crate) fn report_connect_error(command: &str, url: &str, error: &Error) -> ConnectOutcome {
    report!("{command}: {}", connect_error(error));
    for line in connect_error_details(url, error) {
        report!("{line}");
    }
    ConnectOutcome::of_connect_error(error)
}

/// Returns why connecting failed, in a line that is safe to print.
pub(crate) fn connect_error(error: &Error) -> String {
    printable(&in_words(error))
}

/// Returns the lines about who answered at the URL, and what to do about it, safe to print.
pub(crate) fn connect_error_details(url: &str, error: &Error) -> Vec<String> {
    let seen = observation(url, error);
    let mut lines: Vec<_> = details(&seen).iter().map(|line| format!("  {line}")).collect();
    if let Some(after) = error.retry_after() {
        lines.push(format!("  Retry-After: {} s", after.as_secs()));
    }
    if error.kind() != ErrorKind::Misuse
        && let Some(cause) = causes::likely(&seen).next()
    {
        lines.extend(hint(cause, &seen));
    }
    lines
}

/// Prints what may have ended a connection without a Close frame. `open` is how long it was open,
/// `idle` how long nothing was sent or received before the end.
pub(crate) fn report_cut(open: Duration, idle: Duration) {
    let seen = Observation {
        step: Some(Step::Open),
        close_code: Some(1006),
        open_for: Some(open),
        idle_for: Some(idle),
        ..Observation::default()
    };
    if let Some(cause) = causes::likely(&seen).next() {
        for line in hint(cause, &seen) {
            report!("{line}");
        }
    }
}

/// Returns what failed, in a line. A status has its reason phrase in place of the rule's section,
/// which does not help a user whose path is misspelt.
fn in_words(error: &Error) -> String {
    let text = with_option_names(error);
    let Some(response) = error.response() else { return text };
    let status = response.status();
    let number = status.as_u16();
    let ruled = format!("status {number} (RFC 6455 §4.1 response item 1)");
    text.replace(&ruled, &with_reason(status))
}

fn with_reason(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => format!("status {}", status.as_u16()),
    }
}

/// Returns what the error tells of an attempt to connect to this URL.
fn observation(url: &str, error: &Error) -> Observation {
    let mut seen = Observation::of_error(error);
    seen.url = Some(redact_url(url));
    seen.proxy = proxy_in(&seen.error);
    seen
}

/// Returns the proxy that the text of an error names, or the kind that it speaks of.
fn proxy_in(text: &str) -> Option<String> {
    let mut parts = text.split("the proxy ").skip(1);
    let named = parts.find_map(|rest| {
        let word = rest.split([' ', ',']).next()?.trim_end_matches([':', ';', ')']);
        word.contains("://").then(|| word.to_owned())
    });
    let kind = || match () {
        () if text.contains("SOCKS5 proxy") => Some("socks5".to_owned()),
        () if text.contains("the proxy") => Some("http".to_owned()),
        () => None,
    };
    named.or_else(kind)
}

/// Returns what came in place of a WebSocket: the first bytes, fields that tell something, the
/// body. Lines of the body have a mark, so that none looks like a line of this program.
fn details(seen: &Observation) -> Vec<String> {
    let mut lines = Vec::new();
    if !seen.first_bytes.is_empty() {
        let shown = &seen.first_bytes[..seen.first_bytes.len().min(MAX_FIRST_BYTES)];
        let more = if shown.len() < seen.first_bytes.len() { " …" } else { "" };
        lines.push(format!("it sent: {}{more}", shown.escape_ascii()));
    }
    for name in TELLING {
        for value in seen.headers.get_all(name) {
            let value = String::from_utf8_lossy(value.as_bytes());
            lines.push(format!("{name}: {}", printable(&value)));
        }
    }
    let encoding = seen.header("content-encoding");
    if encoding.is_empty() || encoding.eq_ignore_ascii_case("identity") {
        let text = text_lines(&seen.body, seen.header("content-type"));
        lines.extend(text.iter().map(|line| format!("  | {}", printable(line))));
    } else if !seen.body.is_empty() {
        lines.push(format!("{} bytes of content in {}", seen.body.len(), printable(encoding)));
    }
    lines
}

/// Returns the lines of a cause. The one that says who answered is left out if no answer came.
fn hint(cause: &Cause, seen: &Observation) -> Vec<String> {
    let has_answer = seen.status.is_some() || !seen.first_bytes.is_empty();
    let lines = causes::lines(cause, seen);
    lines.into_iter().skip(usize::from(!has_answer)).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn error_details_show_who_answered_and_what() {
        let mut seen = Observation {
            body: Bytes::from_static(b"<html><title>502</title><h1>502</h1>nginx"),
            ..Observation::default()
        };
        seen.headers.insert("server", "nginx".parse().unwrap());
        seen.headers.insert("date", "today".parse().unwrap());
        assert_eq!(details(&seen), ["server: nginx", "  | 502", "  | nginx"]);
        seen.headers.insert("content-encoding", "gzip".parse().unwrap());
        assert_eq!(details(&seen), ["server: nginx", "41 bytes of content in gzip"]);
        let first_bytes = Bytes::from_static(b"SSH-2.0-\x1b[2J\r\n");
        let banner = Observation { first_bytes, ..Observation::default() };
        assert_eq!(details(&banner), ["it sent: SSH-2.0-\\x1b[2J\\r\\n"]);
    }

    #[test]
    fn error_of_a_proxy_names_it() {
        for (text, proxy) in [
            ("the proxy http://p:3128: connecting to p: refused", Some("http://p:3128")),
            (
                "timed out while waiting for the proxy socks5://***@p:1 (hint)",
                Some("socks5://***@p:1"),
            ),
            ("the SOCKS5 proxy does not speak SOCKS5", Some("socks5")),
            ("the proxy rejected the tunnel to a:1: 403 Forbidden", Some("http")),
            ("no address for \"a\"", None),
        ] {
            assert_eq!(proxy_in(text).as_deref(), proxy, "{text}");
        }
    }
}
