//! The answer that does not open the connection (RFC 6455 §4.2.1, §4.2.2).

use core::fmt;

use super::HttpCarrier;
use super::fields::HandshakeFields;
use crate::handshake::extension::ExtensionError;
use crate::handshake::http1::HeadError;

/// A refused handshake with the response that is due.
///
/// Send [`status`](Self::status), [`headers`](Self::headers) and, if you like, the `Display` text
/// as content: it names the rule that was broken and repeats nothing that the client sent. On
/// HTTP/1.1 add a `Content-Length`, also for no content, and close the connection afterwards
/// where [`closes_connection`](Self::closes_connection) says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectResponse {
    reason: HandshakeError,
    on_stream: bool,
    closes: bool,
}

impl RejectResponse {
    /// A refusal for a reason found outside of [`HandshakeRequest::offer`](super::HandshakeRequest::offer), such
    /// as a head too large.
    pub fn new(reason: HandshakeError, carrier: HttpCarrier<'_>) -> Self {
        let on_stream = matches!(carrier, HttpCarrier::Stream { .. });
        let old = matches!(carrier, HttpCarrier::Http1 { minor: 0 });
        Self { on_stream, closes: !on_stream && (old || reason.leaves_doubt()), reason }
    }

    /// Why.
    pub fn reason(&self) -> &HandshakeError {
        &self.reason
    }

    /// The status code of the response.
    pub fn status(&self) -> u16 {
        match self.reason.status() {
            // 426 must come with `Upgrade` (RFC 9110 §15.5.22), which a stream cannot carry
            // (RFC 9113 §8.2.2); 400 is what §4.4 of RFC 6455 uses in its example.
            426 if self.on_stream => 400,
            status => status,
        }
    }

    /// The reason phrase for HTTP/1.1.
    pub fn phrase(&self) -> &'static str {
        match self.status() {
            403 => "Forbidden",
            405 => "Method Not Allowed",
            408 => "Request Timeout",
            426 => "Upgrade Required",
            431 => "Request Header Fields Too Large",
            501 => "Not Implemented",
            505 => "HTTP Version Not Supported",
            _ => "Bad Request",
        }
    }

    /// Header fields that the response needs, names in title case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let status = self.reason.status();
        let allow = (status == 405)
            // RFC 9110 §15.5.6: a 405 names the methods that would do.
            .then_some(("Allow", if self.on_stream { "CONNECT" } else { "GET" }));
        // RFC 6455 §4.2.2 item 4, /version/.
        let version = (status == 426).then_some(("Sec-WebSocket-Version", "13"));
        let upgrades = status == 426 && !self.on_stream;
        let upgrade = upgrades.then_some(("Upgrade", "websocket"));
        let connection = match (upgrades, self.closes) {
            (true, true) => Some("Upgrade, close"),
            (true, false) => Some("Upgrade"),
            (false, true) => Some("close"),
            (false, false) => None,
        };
        let connection = connection.map(|options| ("Connection", options));
        [allow, version, upgrade, connection].into_iter().flatten()
    }

    /// Whether an HTTP/1.1 connection must be closed behind the response, because where the next
    /// request would begin is in doubt (RFC 9112 §9.3, §11.2).
    pub fn closes_connection(&self) -> bool {
        self.closes
    }

    pub(super) fn of_request(
        reason: HandshakeError,
        carrier: HttpCarrier<'_>,
        found: &HandshakeFields<'_>,
    ) -> Self {
        let mut refusal = Self::new(reason, carrier);
        // Whatever else is wrong: content that nobody reads must not become the next request.
        refusal.closes |= !refusal.on_stream && found.announces_body();
        refusal
    }
}

impl fmt::Display for RejectResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for RejectResponse {}

/// The rule on which a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request asks for no WebSocket, and nothing else is here. 426.
    NotWebSocket,
    /// The `:protocol` of an extended CONNECT is another one. 501.
    UnknownProtocol,
    /// The request is of HTTP/1.0, often because a proxy made it so. 400: 505 is for a major
    /// version that is not supported (RFC 9110 §15.6.6), and 1 is.
    HttpVersion,
    /// The method is not GET, or on a stream not CONNECT. 405.
    Method,
    /// Content follows the head, or may do so. 400.
    BodyAnnounced,
    /// No `Host`, on a stream neither that nor `:authority`. 400.
    HostMissing,
    /// More than one `Host`. 400.
    HostRepeated,
    /// `Host` or the target's authority is not `host [":" port]`. 400.
    HostInvalid,
    /// `Host` and `:authority` name different hosts. 400.
    HostConflict,
    /// The host is none of ours. 403; for the caller to decide.
    HostRefused,
    /// `Upgrade` does not list `websocket`. 400.
    UpgradeMissing,
    /// `Connection` does not list `Upgrade`. 400.
    ConnectionMissing,
    /// No `Sec-WebSocket-Version`. 426.
    VersionMissing,
    /// `Sec-WebSocket-Version` is not `13`, or is a list. 426.
    VersionUnsupported,
    /// No `Sec-WebSocket-Key`. 400.
    KeyMissing,
    /// More than one `Sec-WebSocket-Key`. 400.
    KeyRepeated,
    /// `Sec-WebSocket-Key` is not base64 of 16 bytes. 400.
    KeyInvalid,
    /// More than one `Origin`, or one that is not ASCII. 400.
    OriginInvalid,
    /// The `Origin` is not welcome. 403; for the caller to decide.
    OriginRefused,
    /// A subprotocol is not a token, or the field names none. 400.
    SubprotocolInvalid,
    /// A subprotocol is named twice. 400.
    SubprotocolRepeated,
    /// More than [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS). 400.
    SubprotocolsTooMany,
    /// `Sec-WebSocket-Extensions` does not follow its grammar. 400.
    Extensions(
        /// What is wrong, and where.
        ExtensionError,
    ),
    /// The head could not be read. 431 where a limit was passed, 505 for another major version
    /// of HTTP, 400 otherwise.
    Head(
        /// What is wrong with it.
        HeadError,
    ),
    /// The request did not come in time. 408; for the caller to decide.
    TimedOut,
}

impl HandshakeError {
    /// The status that the reason calls for on HTTP/1.1.
    fn status(&self) -> u16 {
        match self {
            Self::OriginRefused | Self::HostRefused => 403,
            Self::Method => 405,
            Self::TimedOut => 408,
            Self::NotWebSocket | Self::VersionMissing | Self::VersionUnsupported => 426,
            Self::Head(HeadError::TooLarge { .. } | HeadError::TooManyFields { .. }) => 431,
            Self::UnknownProtocol => 501,
            Self::Head(HeadError::Version) => 505,
            _ => 400,
        }
    }

    /// Whether it is uncertain where the next request begins.
    fn leaves_doubt(&self) -> bool {
        matches!(
            self,
            Self::BodyAnnounced
                | Self::HostMissing
                | Self::HostRepeated
                | Self::HostInvalid
                | Self::Head(_)
                | Self::TimedOut
        )
    }

    fn text(&self) -> &'static str {
        match self {
            Self::NotWebSocket => "this resource speaks WebSocket only (RFC 6455 §4.2.1)",
            Self::UnknownProtocol => ":protocol is not websocket (RFC 8441 §5, RFC 9220 §3)",
            Self::HttpVersion => {
                "a WebSocket needs HTTP/1.1, this came as HTTP/1.0; is a proxy in between? \
                 (RFC 6455 §4.2.1 item 1)"
            }
            Self::Method => {
                "the method must be GET, or CONNECT on a stream (RFC 6455 §4.2.1 item 1, RFC 8441 §4)"
            }
            Self::BodyAnnounced => {
                "a WebSocket request has no content; no Transfer-Encoding, no Content-Length but 0 \
                 (RFC 9112 §6.3, §11.2)"
            }
            Self::HostMissing => "no Host (RFC 6455 §4.2.1 item 2, RFC 9112 §3.2)",
            Self::HostRepeated => "more than one Host (RFC 9112 §3.2)",
            Self::HostInvalid => "invalid Host (RFC 9112 §3.2)",
            Self::HostConflict => "Host and :authority differ (RFC 9113 §8.3.1)",
            Self::HostRefused => "this Host is not served here (RFC 6455 §4.2.1 item 2)",
            Self::UpgradeMissing => {
                "Upgrade does not list websocket; did a proxy remove it? (RFC 6455 §4.2.1 item 3)"
            }
            Self::ConnectionMissing => {
                "Connection does not list Upgrade; did a proxy remove it? (RFC 6455 §4.2.1 item 4)"
            }
            Self::VersionMissing => "no Sec-WebSocket-Version (RFC 6455 §4.2.1 item 6)",
            Self::VersionUnsupported => {
                "Sec-WebSocket-Version must be 13 and nothing else (RFC 6455 §4.2.1 item 6)"
            }
            Self::KeyMissing => "no Sec-WebSocket-Key (RFC 6455 §4.2.1 item 5)",
            Self::KeyRepeated => "more than one Sec-WebSocket-Key (RFC 6455 §11.3.1)",
            Self::KeyInvalid => {
                "Sec-WebSocket-Key is not base64 of 16 bytes (RFC 6455 §4.2.1 item 5)"
            }
            Self::OriginInvalid => "invalid Origin (RFC 6455 §4.2.1 item 7, RFC 6454 §7.1)",
            Self::OriginRefused => "this Origin is not allowed (RFC 6455 §10.2)",
            Self::SubprotocolInvalid => {
                "Sec-WebSocket-Protocol must list tokens (RFC 6455 §4.1 item 10)"
            }
            Self::SubprotocolRepeated => {
                "Sec-WebSocket-Protocol names one twice (RFC 6455 §4.1 item 10)"
            }
            Self::SubprotocolsTooMany => {
                "Sec-WebSocket-Protocol lists more than 64 (RFC 6455 §4.2.1 item 8)"
            }
            Self::Extensions(_) => "invalid Sec-WebSocket-Extensions (RFC 6455 §9.1)",
            Self::Head(_) => "invalid HTTP/1.1 head (RFC 9112 §2.2)",
            Self::TimedOut => "the request did not come in time (RFC 9110 §15.5.9)",
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Extensions(error) => error.fmt(f),
            Self::Head(error) => error.fmt(f),
            other => f.write_str(other.text()),
        }
    }
}

impl core::error::Error for HandshakeError {}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
