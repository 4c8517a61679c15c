//! How WebSockets end, in kinds that can be counted.

use fullduplex_proto::{CloseCause, CloseInfo, ProtocolError};

/// The close code and cause of an ended WebSocket.
///
/// ```
/// use fullduplex::server::stats::ServerStats;
///
/// /// The WebSockets whose peer went silent.
/// fn gone_silent(stats: &ServerStats) -> u64 {
///     let ends = stats.ends.iter();
///     ends.filter(|(end, _)| end.cause == "keepalive_timeout").map(|(_, count)| count).sum()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct CloseKind {
    /// The close code of the connection (RFC 6455 §7.1.5). Codes from 3000 on are rounded down to
    /// thousands, so that a peer can't create any number of kinds.
    pub code: u16,
    /// The close cause in a word: `handshake`, `keepalive_timeout`, `max_message_size`, ….
    pub cause: &'static str,
}

impl CloseKind {
    pub(crate) fn of(info: Option<&CloseInfo>) -> Self {
        let Some(info) = info else { return Self { code: 1006, cause: "dropped" } };
        let code = match info.code().get() {
            code @ 3000.. => code - code % 1000,
            code => code,
        };
        Self { code, cause: cause(info.cause) }
    }
}

fn cause(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Handshake => "handshake",
        CloseCause::Protocol(ProtocolError::MessageTooBig { .. }) => "max_message_size",
        CloseCause::Protocol(ProtocolError::TooManyFragments { .. }) => "max_fragments",
        CloseCause::Protocol(ProtocolError::TooManyControlFrames { .. }) => "max_control_rate",
        CloseCause::Protocol(ProtocolError::TooManyMessages { .. }) => "max_message_rate",
        CloseCause::Protocol(ProtocolError::TooManyBytes { .. }) => "max_byte_rate",
        CloseCause::Protocol(ProtocolError::InvalidUtf8) => "invalid_utf8",
        CloseCause::Protocol(ProtocolError::InvalidDeflate) => "invalid_deflate",
        CloseCause::Protocol(_) => "protocol_error",
        CloseCause::KeepaliveTimeout => "keepalive_timeout",
        CloseCause::IdleTimeout => "idle_timeout",
        CloseCause::Unread => "unread",
        CloseCause::CloseTimeout => "close_timeout",
        CloseCause::Aborted => "aborted",
        CloseCause::MaxBuffered => "max_buffered",
        CloseCause::Undisclosed => "undisclosed",
        CloseCause::TransportEnd => "transport_end",
        CloseCause::TransportError => "transport_error",
        _ => "dropped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_kinds_bound_the_close_codes_of_peers() {
        use fullduplex_proto::{CloseCode, CloseFrame, Initiator};
        let mut info = CloseInfo::new(Initiator::Peer, CloseCause::Handshake);
        (info.close_sent, info.close_received) = (true, true);
        for (code, expected) in [(1001, 1001), (3123, 3000), (4999, 4000)] {
            info.received = CloseFrame::new(CloseCode::new(code), "").ok();
            assert_eq!(
                CloseKind::of(Some(&info)),
                CloseKind { code: expected, cause: "handshake" }
            );
        }
        assert_eq!(CloseKind::of(None).code, 1006);
    }
}
