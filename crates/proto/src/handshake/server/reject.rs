//! The response that rejects a handshake (RFC 6455 §4.2.1, §4.2.2).

use core::fmt;

use super::fields::HandshakeFields;
use super::{HttpCarrier, MAX_SUBPROTOCOLS};
use crate::handshake::extension::ExtensionError;
use crate::handshake::http1::HeadError;

/// The response that rejects a handshake.
///
/// Send [`status`](Self::status), [`headers`](Self::headers) and, optionally, the `Display` text
/// as content: it names the broken rule, and repeats nothing that the client sent. On HTTP/1.1 add
/// a `Content-Length`, even without content, and close the connection afterwards if
/// [`closes_connection`](Self::closes_connection) returns `true`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectResponse {
    reason: HandshakeError,
    is_stream: bool,
    closes_connection: bool,
}

impl RejectResponse {
    /// Creates a rejection for a reason found outside of
    /// [`HandshakeRequest::offer`](super::HandshakeRequest::offer), such as a head that is too
    /// large.
    pub fn new(reason: HandshakeError, carrier: HttpCarrier<'_>) -> Self {
        let is_stream = matches!(carrier, HttpCarrier::Stream { .. });
        let is_http10 = matches!(carrier, HttpCarrier::Http1 { minor: 0 });
        let closes_connection = !is_stream && (is_http10 || reason.leaves_framing_unclear());
        Self { reason, is_stream, closes_connection }
    }

    /// Returns the rule that the request broke.
    pub fn reason(&self) -> &HandshakeError {
        &self.reason
    }

    /// Returns the status code of the response.
    pub fn status(&self) -> u16 {
        match self.reason.status() {
            // 426 requires `Upgrade` (RFC 9110 §15.5.22), which a stream cannot carry
            // (RFC 9113 §8.2.2). The example of RFC 6455 §4.4 uses 400.
            426 if self.is_stream => 400,
            status => status,
        }
    }

    /// Returns the reason phrase for HTTP/1.1.
    pub fn reason_phrase(&self) -> &'static str {
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

    /// Returns the header fields that the response needs. Names are in title case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let status = self.reason.status();
        let allow = (status == 405)
            // RFC 9110 §15.5.6: a 405 names the allowed methods.
            .then_some(("Allow", if self.is_stream { "CONNECT" } else { "GET" }));
        // RFC 6455 §4.2.2 item 4, /version/.
        let version = (status == 426).then_some(("Sec-WebSocket-Version", "13"));
        let has_upgrade = status == 426 && !self.is_stream;
        let upgrade = has_upgrade.then_some(("Upgrade", "websocket"));
        let connection = match (has_upgrade, self.closes_connection) {
            (true, true) => Some("Upgrade, close"),
            (true, false) => Some("Upgrade"),
            (false, true) => Some("close"),
            (false, false) => None,
        };
        let connection = connection.map(|options| ("Connection", options));
        [allow, version, upgrade, connection].into_iter().flatten()
    }

    /// Returns whether an HTTP/1.1 connection must be closed after the response, as it is unclear
    /// where the next request begins (RFC 9112 §9.3, §11.2).
    pub fn closes_connection(&self) -> bool {
        self.closes_connection
    }

    pub(super) fn for_request(
        reason: HandshakeError,
        carrier: HttpCarrier<'_>,
        fields: &HandshakeFields<'_>,
    ) -> Self {
        let mut rejection = Self::new(reason, carrier);
        // Whatever the reason: content that is not read must not become the next request.
        rejection.closes_connection |= !rejection.is_stream && fields.announces_body();
        rejection
    }
}

impl fmt::Display for RejectResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for RejectResponse {}

/// The rule that a handshake request broke.
///
/// Each variant names the status code of its response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request is not a WebSocket request, and the resource serves nothing else. 426.
    NotWebSocket,
    /// The `:protocol` of an extended CONNECT is not `websocket`. 501.
    UnknownProtocol,
    /// The request uses HTTP/1.0, often because a proxy changed it. 400: 505 is for a major
    /// version that is not supported (RFC 9110 §15.6.6), and 1 is supported.
    HttpVersion,
    /// The method is not GET, or not CONNECT on a stream. 405.
    Method,
    /// Content follows the head, or may follow it. 400.
    BodyAnnounced,
    /// `Host` is missing; on a stream, both `Host` and `:authority`. 400.
    HostMissing,
    /// More than one `Host` field. 400.
    HostRepeated,
    /// `Host` or the target's authority is not `host [":" port]`. 400.
    HostInvalid,
    /// `Host` and `:authority` name different hosts. 400.
    HostConflict,
    /// The host is not allowed. 403. Only the caller reports this.
    HostRejected,
    /// `Upgrade` does not list `websocket`. 400.
    UpgradeMissing,
    /// `Connection` does not list `Upgrade`. 400.
    ConnectionMissing,
    /// `Sec-WebSocket-Version` is missing. 426.
    VersionMissing,
    /// `Sec-WebSocket-Version` is not `13`, or is a list. 426.
    VersionUnsupported,
    /// `Sec-WebSocket-Key` is missing. 400.
    KeyMissing,
    /// More than one `Sec-WebSocket-Key` field. 400.
    KeyRepeated,
    /// `Sec-WebSocket-Key` is not base64 of 16 bytes. 400.
    KeyInvalid,
    /// More than one `Origin` field, or one that is not ASCII. 400.
    OriginInvalid,
    /// The `Origin` is not allowed. 403. Only the caller reports this.
    OriginRejected,
    /// A subprotocol is not a token, or `Sec-WebSocket-Protocol` is empty. 400.
    SubprotocolInvalid,
    /// A subprotocol is listed twice. 400.
    SubprotocolRepeated,
    /// More than [`MAX_SUBPROTOCOLS`](super::MAX_SUBPROTOCOLS) subprotocols. 400.
    SubprotocolsTooMany,
    /// `Sec-WebSocket-Extensions` does not follow its grammar. 400.
    Extensions(
        /// What is wrong, and where.
        ExtensionError,
    ),
    /// The head could not be parsed. 431 if it exceeds a limit, 505 for another major version of
    /// HTTP, 400 otherwise.
    Head(
        /// What is wrong with it.
        HeadError,
    ),
    /// The request did not arrive in time. 408. Only the caller reports this.
    TimedOut,
}

impl HandshakeError {
    /// Returns the status code that the error has on HTTP/1.1.
    fn status(&self) -> u16 {
        match self {
            Self::OriginRejected | Self::HostRejected => 403,
            Self::Method => 405,
            Self::TimedOut => 408,
            Self::NotWebSocket | Self::VersionMissing | Self::VersionUnsupported => 426,
            Self::Head(HeadError::TooLarge { .. } | HeadError::TooManyFields { .. }) => 431,
            Self::UnknownProtocol => 501,
            Self::Head(HeadError::Version) => 505,
            _ => 400,
        }
    }

    /// Returns whether it is unclear where the next request on the connection begins.
    fn leaves_framing_unclear(&self) -> bool {
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
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = match self {
            Self::NotWebSocket => "this resource only serves WebSocket (RFC 6455 §4.2.1)",
            Self::UnknownProtocol => ":protocol is not websocket (RFC 8441 §5, RFC 9220 §3)",
            Self::HttpVersion => {
                "a WebSocket needs HTTP/1.1, but this request is HTTP/1.0; did a proxy change it? \
                 (RFC 6455 §4.2.1 item 1)"
            }
            Self::Method => {
                "the method must be GET, or CONNECT on a stream \
                 (RFC 6455 §4.2.1 item 1, RFC 8441 §4)"
            }
            Self::BodyAnnounced => {
                "a WebSocket request must have no content: no Transfer-Encoding, and no \
                 Content-Length other than 0 (RFC 9112 §6.3, §11.2)"
            }
            Self::HostMissing => "missing Host (RFC 6455 §4.2.1 item 2, RFC 9112 §3.2)",
            Self::HostRepeated => "more than one Host (RFC 9112 §3.2)",
            Self::HostInvalid => "invalid Host (RFC 9112 §3.2)",
            Self::HostConflict => "Host and :authority differ (RFC 9113 §8.3.1)",
            Self::HostRejected => "this Host is not allowed (RFC 6455 §4.2.1 item 2)",
            Self::UpgradeMissing => {
                "Upgrade does not list websocket; did a proxy remove it? (RFC 6455 §4.2.1 item 3)"
            }
            Self::ConnectionMissing => {
                "Connection does not list Upgrade; did a proxy remove it? (RFC 6455 §4.2.1 item 4)"
            }
            Self::VersionMissing => "missing Sec-WebSocket-Version (RFC 6455 §4.2.1 item 6)",
            Self::VersionUnsupported => {
                "Sec-WebSocket-Version must be exactly 13 (RFC 6455 §4.2.1 item 6)"
            }
            Self::KeyMissing => "missing Sec-WebSocket-Key (RFC 6455 §4.2.1 item 5)",
            Self::KeyRepeated => "more than one Sec-WebSocket-Key (RFC 6455 §11.3.1)",
            Self::KeyInvalid => {
                "Sec-WebSocket-Key is not base64 of 16 bytes (RFC 6455 §4.2.1 item 5)"
            }
            Self::OriginInvalid => "invalid Origin (RFC 6455 §4.2.1 item 7, RFC 6454 §7.1)",
            Self::OriginRejected => "this Origin is not allowed (RFC 6455 §10.2)",
            Self::SubprotocolInvalid => {
                "Sec-WebSocket-Protocol must list tokens (RFC 6455 §4.1 item 10)"
            }
            Self::SubprotocolRepeated => {
                "Sec-WebSocket-Protocol lists a subprotocol twice (RFC 6455 §4.1 item 10)"
            }
            Self::SubprotocolsTooMany => {
                return write!(
                    f,
                    "Sec-WebSocket-Protocol lists more than {MAX_SUBPROTOCOLS} subprotocols \
                     (RFC 6455 §4.2.1 item 8)"
                );
            }
            Self::Extensions(error) => return error.fmt(f),
            Self::Head(error) => return error.fmt(f),
            Self::TimedOut => "the request did not arrive in time (RFC 9110 §15.5.9)",
        };
        f.write_str(message)
    }
}

impl core::error::Error for HandshakeError {}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
