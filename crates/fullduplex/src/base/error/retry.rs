//! Decides whether a failure is worth another attempt, and when, for [`Error::is_retryable`] and
//! [`Reconnecting`](crate::client::Reconnecting) alike.
//!
//! [`Error::is_retryable`]: crate::Error::is_retryable

use std::time::{Duration, SystemTime};

use fullduplex_proto::{CloseCause, CloseInfo};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

use crate::base::error::kind::ErrorKind;

/// The kind of failure, as far as the decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptFailure {
    /// An open connection ended.
    Ended {
        /// The code of the peer's Close that completed a closing handshake; `None` for every
        /// other end.
        code: Option<u16>,
    },
    /// The server, or a proxy, responded with this status.
    Answered { status: StatusCode, has_retry_after: bool },
    /// A SOCKS5 proxy rejected the connection with this reply (RFC 1928 §6).
    Socks5(u8),
    /// The peer ended the TLS handshake with this alert (RFC 8446 §6).
    #[cfg_attr(not(feature = "_tls"), allow(dead_code, reason = "there are no alerts without"))]
    Alert(u8),
    /// A reconnecting client has stopped.
    Stopped,
    /// Anything else, by its category.
    Other(ErrorKind),
}

impl From<&CloseInfo> for AttemptFailure {
    fn from(info: &CloseInfo) -> Self {
        // If this end failed the connection, the code is its own, echoed or not.
        let is_of_peer = info.close_received && !matches!(info.cause, CloseCause::Protocol(_));
        Self::Ended { code: is_of_peer.then(|| info.code().get()) }
    }
}

/// Whether the same attempt may succeed later. The whole decision is in this function.
pub(crate) fn is_worth_retrying(failure: AttemptFailure) -> bool {
    match failure {
        AttemptFailure::Ended { code } => code.is_none_or(is_passing_code),
        // RFC 9110 §10.2.3: with a redirection it is the time to wait before following it.
        AttemptFailure::Answered { status, has_retry_after } => {
            (has_retry_after && !status.is_redirection()) || is_passing_status(status.as_u16())
        }
        AttemptFailure::Socks5(reply) => is_passing_reply(reply),
        AttemptFailure::Alert(alert) => is_passing_alert(alert),
        AttemptFailure::Stopped => false,
        // A name that is not found counts, too: a computer that is offline, and a service whose
        // last instance restarts, get the same answer as a wrong name. A closed connection does not
        // mean that a new one would fail. All other kinds would fail again: a certificate, a
        // proxy's credentials, a rule, a limit.
        AttemptFailure::Other(kind) => matches!(
            kind,
            ErrorKind::Io | ErrorKind::Resolve | ErrorKind::Timeout | ErrorKind::Closed
        ),
    }
}

/// Whether a close code (RFC 6455 §7.4.1) may be temporary. 1000 means that all is done; the other
/// excluded ones blame what this end sent or offered.
fn is_passing_code(code: u16) -> bool {
    !matches!(code, 1000 | 1002 | 1003 | 1007..=1010)
}

/// Whether a status may be temporary.
fn is_passing_status(status: u16) -> bool {
    match status {
        // Not implemented, the version of HTTP, negotiation, a loop, an extension
        // (RFC 9110 §15.6, RFC 2295 §8.1, RFC 5842 §7.2, RFC 2774 §7): the fault of the request,
        // or of how the server is set up.
        501 | 505 | 506 | 508 | 510 => false,
        // RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4; and all other faults of servers. Those
        // that are not registered, such as Cloudflare's 520 to 530 for an origin that is down,
        // are treated as 500 (RFC 9110 §15).
        _ => matches!(status, 408 | 425 | 429 | 500..=599),
    }
}

/// Whether a SOCKS5 reply may be temporary: all but a rule, a command and an address type that are
/// not supported (RFC 1928 §6). An unassigned reply means no more than 1, "general failure".
fn is_passing_reply(reply: u8) -> bool {
    !matches!(reply, 2 | 7 | 8)
}

/// Whether a TLS alert may be temporary: `bad_record_mac`, as when a byte was changed on the way;
/// `user_canceled`, which is not about a fault of the protocol; and `internal_error`,
/// `unrecognized_name` and `access_denied`, one of which servers send that have no certificate for
/// the name, or none yet.
fn is_passing_alert(alert: u8) -> bool {
    matches!(alert, 20 | 90 | 80 | 112 | 49)
}

/// Returns how long after `now` the server asks for another attempt: by `Retry-After`, in seconds
/// or as a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    // A date and a number are ASCII; anything else is not a time.
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use fullduplex_proto::{CloseCode, CloseFrame, Initiator, ProtocolError};

    use super::*;

    #[test]
    fn retry_depends_on_what_happened() {
        use ErrorKind as E;

        let answered = |status, has_retry_after| AttemptFailure::Answered {
            status: StatusCode::from_u16(status).unwrap(),
            has_retry_after,
        };
        let mut table = Vec::new();
        let passing = [408, 425, 429, 500, 502, 503, 504, 507, 509, 511, 599];
        table.extend(passing.into_iter().chain(520..=530).map(|s| (answered(s, false), true)));
        let lasting = [101, 200, 204, 302, 307, 400, 401, 403, 404, 405, 407, 410, 426, 451];
        table.extend(lasting.map(|status| (answered(status, false), false)));
        table.extend([501, 505, 506, 508, 510, 600].map(|s| (answered(s, false), false)));
        // Who says when to come back means it, but for redirections.
        table.extend([200, 403, 404, 407, 501, 503, 521].map(|s| (answered(s, true), true)));
        table.extend([301, 302, 307].map(|status| (answered(status, true), false)));

        table.extend([1, 3, 4, 5, 6, 9, 0xf0].map(|reply| (AttemptFailure::Socks5(reply), true)));
        table.extend([2, 7, 8].map(|reply| (AttemptFailure::Socks5(reply), false)));

        table.extend([20, 49, 80, 90, 112].map(|alert| (AttemptFailure::Alert(alert), true)));
        // handshake_failure, the client's certificate, the version, ALPN.
        let lasting = [10, 40, 42, 43, 44, 45, 46, 48, 50, 51, 70, 71, 86, 116, 120];
        table.extend(lasting.map(|alert| (AttemptFailure::Alert(alert), false)));

        let ended = |code| AttemptFailure::Ended { code };
        let lasting = [1000, 1002, 1003, 1007, 1008, 1009, 1010];
        table.extend(lasting.map(|code| (ended(Some(code)), false)));
        let passing = [1001, 1005, 1011, 1012, 1013, 1014, 3000, 4000];
        table.extend(passing.map(|code| (ended(Some(code)), true)));
        table.push((ended(None), true));

        table.extend(
            [E::Io, E::Resolve, E::Timeout, E::Closed].map(|k| (AttemptFailure::Other(k), true)),
        );
        let lasting = [E::Tls, E::Proxy, E::Handshake, E::Protocol, E::Limit, E::Misuse];
        table.extend(lasting.map(|kind| (AttemptFailure::Other(kind), false)));
        table.push((AttemptFailure::Stopped, false));

        for (failure, expected) in table {
            assert_eq!(is_worth_retrying(failure), expected, "{failure:?}");
        }
    }

    #[test]
    fn retry_depends_on_whose_code_it_is() {
        let frame = |code| Some(CloseFrame::new(CloseCode::new(code), "").unwrap());
        let info = |code, cause, close_received| {
            let mut info = CloseInfo::new(Initiator::Peer, cause);
            (info.sent, info.close_sent) = (frame(code), true);
            info.received = if close_received { frame(code) } else { None };
            info.close_received = close_received;
            info
        };
        let code = |info: &CloseInfo| AttemptFailure::from(info);
        let clean = info(1009, CloseCause::Handshake, true);
        assert_eq!(code(&clean), AttemptFailure::Ended { code: Some(1009) });
        // This end refused a message with 1009; whether the peer echoes it does not matter.
        for is_echoed in [true, false] {
            let failed = info(1009, CloseCause::Protocol(ProtocolError::InvalidUtf8), is_echoed);
            assert_eq!(code(&failed), AttemptFailure::Ended { code: None });
        }
        assert_eq!(
            code(&info(1000, CloseCause::TransportEnd, false)),
            AttemptFailure::Ended { code: None }
        );
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(after("Sat, 06 Nov 1993 08:49:47 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }
}
