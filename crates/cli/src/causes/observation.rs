//! What is known of an attempt to open a WebSocket, and of the WebSocket's end: what the signatures
//! of causes are compared with.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use fullduplex::{CloseCode, ConnectStep, Error, ErrorKind};
use http::HeaderMap;
use http::header::LOCATION;

use crate::base::redact::{redact_text, redact_url};

/// What is known of an attempt to open a WebSocket. A fact that is not known, as most are for a
/// response from a file, is `None` or empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observation {
    /// The URL, without user and password.
    pub(crate) url: Option<String>,
    /// The HTTP version that was asked for: `1.1`, `2` or `3`.
    pub(crate) http_version: Option<&'static str>,
    /// The proxy, without user and password.
    pub(crate) proxy: Option<String>,
    /// The step that failed; `None` if all went well.
    pub(crate) step: Option<Step>,
    /// The category of the error.
    pub(crate) kind: Option<ErrorKind>,
    /// The kind of the operating system's error, such as `ConnectionRefused`.
    pub(crate) io: Option<io::ErrorKind>,
    /// The text of the error, in one line.
    pub(crate) error: String,
    /// The time limit that passed in the step.
    pub(crate) timed_out: Option<Duration>,
    /// The fields of the request, without secrets.
    pub(crate) request_headers: HeaderMap,
    /// The status of the response.
    pub(crate) status: Option<u16>,
    /// The fields of the response.
    pub(crate) headers: HeaderMap,
    /// The first bytes of the response's body.
    pub(crate) body: Bytes,
    /// The first bytes that arrived where a response was expected, if they are not one.
    pub(crate) first_bytes: Bytes,
    /// The close code of a WebSocket that was open.
    pub(crate) close_code: Option<u16>,
    /// The time for which the WebSocket was open.
    pub(crate) open_for: Option<Duration>,
    /// The time since the last byte in either direction, when the WebSocket ended.
    pub(crate) idle_for: Option<Duration>,
    /// Whether pings kept a WebSocket open that ended without them.
    pub(crate) do_pings_help: Option<bool>,
    /// What else was tried, in this order.
    pub(crate) variations: Vec<Variation>,
}

/// A step on the way to an open WebSocket, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// The name of the host is resolved.
    Resolve,
    /// TCP, or a Unix socket, is connected.
    Tcp,
    /// A proxy opens a tunnel.
    Proxy,
    /// QUIC is connected, with its TLS.
    Quic,
    /// The TLS handshake.
    Tls,
    /// The server is sent the request, and responds.
    Response,
    /// The response is checked against the rules.
    Rules,
    /// The WebSocket was open.
    Open,
}

impl Step {
    /// Returns the step at which an attempt failed, as far as its error says.
    pub(crate) fn of_error(error: &Error) -> Option<Self> {
        let status = error.response().map(|response| response.status().as_u16());
        match error.connect_step() {
            _ if error.kind() == ErrorKind::Proxy => Some(Self::Proxy),
            Some(ConnectStep::Resolve) => Some(Self::Resolve),
            Some(ConnectStep::Connect) => Some(Self::Tcp),
            Some(ConnectStep::Proxy) => Some(Self::Proxy),
            Some(ConnectStep::Tls) => Some(Self::Tls),
            Some(ConnectStep::Quic) => Some(Self::Quic),
            // A response that opens a WebSocket, but for a rule that it breaks.
            _ if matches!(status, Some(101 | 200..=299)) => Some(Self::Rules),
            Some(_) => Some(Self::Response),
            None => status.map(|_| Self::Response),
        }
    }

    /// Returns the name of the step in the table of causes and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Quic => "quic",
            Self::Tls => "tls",
            Self::Response => "response",
            Self::Rules => "rules",
            Self::Open => "open",
        }
    }
}

/// Another attempt, which differs in one thing from the first.
#[derive(Clone, Debug)]
pub(crate) struct Variation {
    /// What differs.
    pub(crate) difference: Difference,
    /// Whether a WebSocket was opened.
    pub(crate) is_open: bool,
    /// The status of the response.
    pub(crate) status: Option<u16>,
    /// The text of the error, in one line; empty if a WebSocket was opened.
    pub(crate) error: String,
}

/// What differs from the first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// `wss:` in place of `ws:`.
    WithTls,
    /// `ws:` in place of `wss:`.
    WithoutTls,
    /// No proxy.
    WithoutProxy,
    Http1,
    Http2,
    Http3,
    /// No `Origin`.
    NoOrigin,
    /// The origin of the URL's own host.
    SameOrigin,
    /// The origin of another site.
    ForeignOrigin,
    /// permessage-deflate is offered.
    WithDeflate,
    /// permessage-deflate is not offered.
    WithoutDeflate,
    /// A request head of 8 KiB.
    BigHead,
}

impl Difference {
    /// Returns the name of the difference in the table of causes and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WithTls => "with-tls",
            Self::WithoutTls => "without-tls",
            Self::WithoutProxy => "without-proxy",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::Http3 => "http3",
            Self::NoOrigin => "no-origin",
            Self::SameOrigin => "same-origin",
            Self::ForeignOrigin => "foreign-origin",
            Self::WithDeflate => "with-deflate",
            Self::WithoutDeflate => "without-deflate",
            Self::BigHead => "big-head",
        }
    }
}

impl Observation {
    /// Returns what the error of an attempt tells.
    pub(crate) fn of_error(error: &Error) -> Self {
        let mut observation = Self {
            kind: Some(error.kind()),
            error: redact_error(error),
            io: Some(error.io_kind()).filter(|kind| *kind != io::ErrorKind::Other),
            close_code: error.close_code().map(CloseCode::get),
            step: Step::of_error(error),
            first_bytes: Bytes::copy_from_slice(error.first_bytes()),
            ..Self::default()
        };
        if let Some(response) = error.response() {
            observation.status = Some(response.status().as_u16());
            observation.headers = response.headers().clone();
            observation.body = response.body().clone();
        }
        observation
    }

    /// Returns the first value of a header field of the response. It is empty if the response has
    /// no such field, or the value is not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Returns the text of an error without secrets: those of the URLs that it names, and that of a
/// redirection, however it is written.
pub(crate) fn redact_error(error: &Error) -> String {
    let text = error.to_string();
    let location = error.response().and_then(|response| response.headers().get(LOCATION));
    let Some(location) = location else { return redact_text(&text) };
    let location = String::from_utf8_lossy(location.as_bytes());
    let shown = redact_url(&location);
    let is_url = |part: &str| part.len() > 1 && part != shown;
    let mut text = text;
    for written in [location.to_string(), location.escape_debug().to_string()] {
        if is_url(&written) {
            text = text.replace(&written, &shown);
        }
    }
    redact_text(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observation_of_an_error_has_its_kinds() {
        let error = Error::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        let observation = Observation::of_error(&error);
        assert_eq!(observation.kind, Some(ErrorKind::Io));
        assert_eq!(observation.io, Some(io::ErrorKind::ConnectionRefused));
        assert_eq!((observation.status, observation.header("server")), (None, ""));
    }
}
